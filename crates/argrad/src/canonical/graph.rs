//! The program under construction: columns, rows of cones, objective, derived parameters.

use argrad_solver::Cone;

use super::affine::{Affine, Term};
use crate::atoms::LinearMap;
use crate::dpp::Program;
use crate::model::Shape;

/// What an atom writes its graph to: new variables, rows of cones, quadratic terms of the objective.
///
/// Elementwise methods take arguments of one size.
pub struct Graph<'a> {
    /// Number of columns so far.
    pub(super) columns: usize,
    pub(super) blocks: Vec<Block>,
    /// `coef theta x_i x_j` in the objective.
    pub(super) quadratic: Vec<QuadraticTerm>,
    /// The rest of the objective.
    pub(super) linear: Vec<Term>,
    /// Values of derived parameters, behind those of the parameters.
    pub(super) program: &'a mut Program,
    /// What cannot be stated, to be reported with the atom that said so.
    pub(super) refusals: Vec<String>,
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
    pub(crate) fn new(program: &'a mut Program) -> Self {
        Self {
            columns: 0,
            blocks: Vec::new(),
            quadratic: Vec::new(),
            linear: Vec::new(),
            program,
            refusals: Vec::new(),
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
        debug_assert_eq!(n, b.size());
        let mut map = LinearMap::new(2 * n);
        (0..n).for_each(|k| map.push_row([(k, 1.0), (n + k, sign)]));
        Affine::linear(&map, &[a, b], a.shape())
    }

    /// Repeats a scalar, a row or a column until the shape is reached.
    pub fn broadcast(&self, a: &Affine, shape: Shape) -> Affine {
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
        for k in 0..x.size() {
            let parts = [x, y, z].map(|part| part.pick([k], ()));
            self.block(cone.clone(), Affine::concat(&[&parts[0], &parts[1], &parts[2]]));
        }
    }

    /// `prod x_i^alpha_i >= |w|, x >= 0`; the exponents add up to 1.
    pub fn generalized_power(&mut self, x: &Affine, alpha: &[f64], w: &Affine) {
        let cone = Cone::GeneralizedPower { alpha: alpha.to_vec(), norm_dim: w.size() };
        self.block(cone, Affine::concat(&[x, w]));
    }

    /// The symmetric part of a square matrix is positive semidefinite.
    pub fn psd(&mut self, matrix: &Affine) {
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
        debug_assert_eq!(cone.dim(), rows.size());
        self.blocks.push(Block { cone, rows });
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

    /// Number of rows of each block.
    pub(crate) fn block_sizes(&self) -> Vec<usize> {
        self.blocks.iter().map(|block| block.rows.size()).collect()
    }

    /// Adds an expression without quadratic terms, a scalar, to the objective.
    pub(super) fn add_linear(&mut self, e: &Affine) {
        self.linear.extend_from_slice(&e.terms);
    }

    /// Adds `weight x_i x_j` to the objective.
    pub(super) fn add_product(&mut self, i: u32, j: u32, weight: &[Term]) {
        for term in weight {
            debug_assert_eq!(term.variable, 0);
            self.quadratic.push(QuadraticTerm {
                i: i.min(j),
                j: i.max(j),
                theta: term.theta,
                coef: term.coef,
            });
        }
    }
}
