//! The program under construction: columns, rows of cones, objective, derived parameters.

use argrad_solver::Cone;

use super::affine::Term;
use super::{Affine, Atom, Derivation};
use crate::algebra::{LinearMap, Shape};

/// What an atom writes its graph to: new variables, rows of cones, quadratic terms of the
/// objective.
///
/// Elementwise methods take arguments of one size. What does not fit is refused: compilation ends
/// with [`ModelError::Graph`](crate::error::ModelError::Graph) and the expression that the atom
/// stands in.
pub struct Graph<'a> {
    /// Number of columns so far.
    pub(crate) columns: usize,
    pub(crate) blocks: Vec<Block>,
    /// `coef theta x_i x_j` in the objective.
    pub(crate) quadratic: Vec<QuadraticTerm>,
    /// The rest of the objective.
    pub(crate) linear: Vec<Term>,
    /// Values of derived parameters, behind those of the parameters.
    pub(crate) derivation: &'a mut Derivation,
    /// What cannot be stated, to be reported with the atom that said so.
    pub(crate) refusals: Vec<String>,
    /// What is not well formed, likewise.
    pub(crate) faults: Vec<String>,
}

/// Rows `e in K`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub cone: Cone,
    pub rows: Affine,
}

/// `coef theta x_i x_j`, i <= j, by column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuadraticTerm {
    pub i: u32,
    pub j: u32,
    pub theta: u32,
    pub coef: f64,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(derivation: &'a mut Derivation) -> Self {
        Self {
            columns: 0,
            blocks: Vec::new(),
            quadratic: Vec::new(),
            linear: Vec::new(),
            derivation,
            refusals: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// New variables.
    pub fn variable(&mut self, shape: impl Into<Shape>) -> Affine {
        let shape = shape.into();
        let first = self.columns as u32;
        self.columns += shape.size();
        let term = |k: usize| Some(Term { variable: first + k as u32 + 1, theta: 0, coef: 1.0 });
        Affine::from_terms(shape, (0..shape.size()).map(term))
    }

    /// Numbers.
    pub fn constant(&self, values: &[f64], shape: impl Into<Shape>) -> Affine {
        Affine::constant(shape.into(), values)
    }

    /// One number everywhere.
    pub fn filled(&self, value: f64, shape: impl Into<Shape>) -> Affine {
        let shape = shape.into();
        Affine::constant(shape, &vec![value; shape.size()])
    }

    /// `a + b`, elementwise, of one size.
    pub fn add(&self, a: &Affine, b: &Affine) -> Affine {
        self.combine(a, b, 1.0)
    }

    /// `a - b`, elementwise, of one size.
    pub fn sub(&self, a: &Affine, b: &Affine) -> Affine {
        self.combine(a, b, -1.0)
    }

    fn combine(&self, a: &Affine, b: &Affine, sign: f64) -> Affine {
        let n = a.size();
        if n != b.size() {
            let message = format!("a sum of a {} and a {}", a.shape(), b.shape());
            return Affine::faulty(a.shape(), message).made_from([a, b]);
        }
        let mut map = LinearMap::new(2 * n);
        (0..n).for_each(|k| map.push_row([(k, 1.0), (n + k, sign)]));
        Affine::linear(&map, &[a, b], a.shape())
    }

    /// Repeats a scalar, a row or a column until the shape is reached.
    pub fn broadcast(&self, a: &Affine, shape: Shape) -> Affine {
        if a.shape().broadcast(&shape) != Some(shape) {
            let message = format!("broadcast: a {} does not extend to a {shape}", a.shape());
            return Affine::faulty(shape, message).made_from([a]);
        }
        let source = a.shape().broadcast_source(&shape);
        a.pick((0..shape.size()).map(source), shape)
    }

    /// The sum of all elements.
    pub fn sum(&self, a: &Affine) -> Affine {
        let mut map = LinearMap::new(a.size());
        map.push_row((0..a.size()).map(|k| (k, 1.0)));
        Affine::linear(&map, &[a], Shape::SCALAR)
    }

    /// `e == 0`.
    pub fn zero(&mut self, e: Affine) {
        self.block(Cone::Zero(e.size()), e);
    }

    /// `e >= 0`.
    pub fn nonneg(&mut self, e: Affine) {
        self.block(Cone::Nonnegative(e.size()), e);
    }

    /// `t >= |x|` with a scalar t.
    pub fn second_order(&mut self, t: &Affine, x: &Affine) {
        if t.size() != 1 {
            return self.fault(format!("second_order: expected a scalar t, found a {}", t.shape()));
        }
        self.block(Cone::SecondOrder(1 + x.size()), Affine::concat(&[t, x]));
    }

    /// `y exp(x / y) <= z, y > 0`, elementwise.
    pub fn exponential(&mut self, x: &Affine, y: &Affine, z: &Affine) {
        self.triples(Cone::Exponential, x, y, z);
    }

    /// `x^alpha y^(1 - alpha) >= |z|, x, y >= 0`, elementwise.
    pub fn power(&mut self, x: &Affine, y: &Affine, z: &Affine, alpha: f64) {
        self.triples(Cone::Power(alpha), x, y, z);
    }

    fn triples(&mut self, cone: Cone, x: &Affine, y: &Affine, z: &Affine) {
        if x.size() != y.size() || x.size() != z.size() {
            let [x, y, z] = [x, y, z].map(Affine::shape);
            return self.fault(format!("a cone of three: found a {x}, a {y} and a {z}"));
        }
        for k in 0..x.size() {
            let parts = [x, y, z].map(|part| part.pick([k], ()));
            self.block(cone.clone(), Affine::concat(&[&parts[0], &parts[1], &parts[2]]));
        }
    }

    /// `prod x_i^alpha_i >= |w|, x >= 0`; the exponents add up to 1.
    pub fn generalized_power(&mut self, x: &Affine, alpha: &[f64], w: &Affine) {
        if alpha.len() != x.size() {
            let found = alpha.len();
            return self.fault(format!("generalized_power: {found} exponents for a {}", x.shape()));
        }
        let cone = Cone::GeneralizedPower { alpha: alpha.to_vec(), norm_dim: w.size() };
        self.block(cone, Affine::concat(&[x, w]));
    }

    /// The symmetric part of a square matrix is positive semidefinite.
    pub fn psd(&mut self, matrix: &Affine) {
        if !matrix.shape().is_square() {
            return self
                .fault(format!("psd: expected a square matrix, found a {}", matrix.shape()));
        }
        let n = matrix.shape().rows();
        let mut map = LinearMap::new(n * n);
        for j in 0..n {
            for i in 0..j {
                let half = std::f64::consts::FRAC_1_SQRT_2;
                map.push_row([(i * n + j, half), (j * n + i, half)]);
            }
            map.push_row([(j * n + j, 1.0)]);
        }
        let rows = Affine::linear(&map, &[matrix], Shape::vector(n * (n + 1) / 2));
        self.block(Cone::PsdTriangle(n), rows);
    }

    /// Rows in any cone of the solver.
    pub fn block(&mut self, cone: Cone, rows: Affine) {
        if cone.dim() != rows.size() {
            let (dim, found) = (cone.dim(), rows.shape());
            return self.fault(format!("the cone {cone:?} has {dim} rows, found a {found}"));
        }
        if self.admits(&rows) {
            self.blocks.push(Block { cone, rows });
        }
    }

    /// Records what is not well formed.
    pub(crate) fn fault(&mut self, message: String) {
        self.faults.push(message);
    }

    /// Whether the sizes fitted that this was made from, and its variables are of this graph; else
    /// it is recorded that they are not.
    pub(crate) fn admits(&mut self, e: &Affine) -> bool {
        if let Some(message) = e.fault() {
            self.fault(message.to_owned());
            return false;
        }
        let (columns, theta) = (self.columns, self.derivation.len());
        let is_foreign =
            |term: &Term| term.variable as usize > columns || term.theta as usize > theta;
        if e.terms().iter().any(is_foreign) {
            self.fault("an expression of another graph".into());
            return false;
        }
        true
    }

    /// Whether weights of something in the objective are well formed.
    pub(super) fn admits_weights(&mut self, e: &Affine, weights: &Affine) -> bool {
        if !self.admits(e) || !self.admits(weights) {
            return false;
        }
        if e.size() != weights.size() {
            let (e, weights) = (e.shape(), weights.shape());
            self.fault(format!("the weights of a {e} in the objective are a {weights}"));
            return false;
        }
        if !weights.is_variable_free() {
            self.fault("the weights in the objective hold variables".into());
            return false;
        }
        true
    }

    /// Says that the atom cannot be stated for these arguments, and what to write instead.
    pub fn refuse(&mut self, message: impl Into<String>) {
        self.refusals.push(message.into());
    }

    /// Variables equal to the elements, so that nothing of theta is left in them.
    pub fn lift(&mut self, e: &Affine) -> Affine {
        let lifted = self.variable(e.shape());
        let difference = self.sub(e, &lifted);
        self.zero(difference);
        lifted
    }

    /// The graph of an atom. Others may be built from it.
    pub fn graph_of(&mut self, atom: &dyn Atom, args: &[Affine]) -> Affine {
        let shapes: Vec<Shape> = args.iter().map(Affine::shape).collect();
        let expected = match atom.shape(&shapes) {
            Ok(expected) => expected,
            Err(message) => {
                return Affine::faulty(Shape::SCALAR, format!("{}: {message}", atom.name()));
            }
        };
        let out = atom.graph(self, args);
        if out.fault().is_some() {
            return Affine::zeros(expected).made_from([&out]);
        }
        if out.size() != expected.size() {
            let (name, found) = (atom.name(), out.shape());
            let message = format!("the graph of {name}: expected a {expected}, found a {found}");
            return Affine::faulty(expected, message).made_from([&out]);
        }
        out
    }

    /// Number of rows of each block.
    pub(crate) fn block_sizes(&self) -> Vec<usize> {
        self.blocks.iter().map(|block| block.rows.size()).collect()
    }

    /// Adds an expression without quadratic terms, a scalar, to the objective.
    pub(crate) fn add_linear(&mut self, e: &Affine) {
        if self.admits(e) {
            self.linear.extend_from_slice(e.terms());
        }
    }

    /// Adds `weight x_i x_j` to the objective.
    pub(super) fn add_product(&mut self, i: u32, j: u32, weight: &[Term]) {
        for term in weight {
            self.quadratic.push(QuadraticTerm {
                i: i.min(j),
                j: i.max(j),
                theta: term.theta,
                coef: term.coef,
            });
        }
    }
}
