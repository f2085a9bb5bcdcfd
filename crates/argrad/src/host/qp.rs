//! A quadratic program with what may stand before it: P from its factor, b from A and w.

use std::borrow::Cow;
use std::sync::Arc;

use argrad_solver::{Error, Slot};

use super::{Extent, check_differentiation, split};
use crate::factored_quadratic::FactoredQuadratic;
use crate::feasible_rhs::FeasibleRhs;
use crate::qp::{MatrixShape, QpCotangent, QpGradients, QpLayer, QpSolution, QpTape, QpValues};

/// A [`QpLayer`] with the maps before it. Its six arguments are P (or L, where
/// `P = LL' + eps I`), q, A, b (or w, where `b = A exp(w)`), G and h, in this order everywhere.
#[derive(Clone, Debug)]
pub struct QpProgram {
    layer: QpLayer,
    factor: Option<FactoredQuadratic>,
    feasible: Option<Arc<FeasibleRhs>>,
}

/// An f32 matrix product LL' is symmetric to about this, relative to its largest entry.
const SINGLE_PRECISION_SYMMETRY: f64 = 1e-5;

impl QpProgram {
    /// A layer, with a factor instead of P and a w instead of b where these maps are given.
    ///
    /// # Errors
    /// A setting of the derivative that is out of its range.
    pub fn new(
        layer: QpLayer,
        factor: Option<FactoredQuadratic>,
        feasible: Option<FeasibleRhs>,
    ) -> Result<Self, Error> {
        check_differentiation(layer.differentiation())?;
        Ok(Self { layer, factor, feasible: feasible.map(Arc::new) })
    }

    /// The layer.
    pub fn layer(&self) -> &QpLayer {
        &self.layer
    }

    /// What the six arguments are called.
    pub fn names(&self) -> [&'static str; 6] {
        let quadratic = if self.factor.is_some() { "L" } else { "P" };
        let rhs = if self.feasible.is_some() { "w" } else { "b" };
        [quadratic, "q", "A", rhs, "G", "h"]
    }

    /// What the numbers of the six arguments are.
    pub fn shapes(&self) -> [MatrixShape; 6] {
        let shape = self.layer.shape();
        let vector = MatrixShape::Diagonal;
        let rhs = if self.feasible.is_some() { shape.variables() } else { shape.a.rows() };
        [
            shape.p.clone(),
            vector(shape.variables()),
            shape.a.clone(),
            vector(rhs),
            shape.g.clone(),
            vector(shape.g.rows()),
        ]
    }

    /// The shapes of the six arguments.
    pub fn extents(&self) -> [Extent; 6] {
        self.shapes().map(|shape| Extent {
            len: shape.len(),
            matrix: match shape {
                MatrixShape::Dense { rows, cols } => Some([rows, cols]),
                _ => None,
            },
            scalar: false,
        })
    }

    /// How many numbers each output has for one sample: x, the duals of the equalities, those of
    /// the inequalities.
    pub fn widths(&self) -> [usize; 3] {
        let shape = self.layer.shape();
        [shape.variables(), shape.a.rows(), shape.g.rows()]
    }

    /// Solves a batch, and keeps what the derivative needs where it is asked to.
    ///
    /// `single` says that P (or L) comes from f32 numbers: it may be symmetric up to their
    /// rounding only. `start` is an earlier solution.
    ///
    /// # Errors
    /// Malformed numbers.
    pub fn solve(
        &self,
        batch: usize,
        arguments: [Slot<'_>; 6],
        single: bool,
        start: Option<&QpSolution>,
        record: bool,
    ) -> Result<(QpSolution, Option<QpRecording>), Error> {
        let [quadratic, q, a, rhs, g, h] = arguments;
        let p = match &self.factor {
            Some(factor) => Cow::Owned(factor.forward(batch, quadratic)?),
            None => Cow::Borrowed(quadratic.as_slice()),
        };
        let p = if quadratic.is_shared() { Slot::Shared(&p) } else { Slot::Each(&p) };
        let b = match &self.feasible {
            Some(feasible) => Some(feasible.forward(batch, a, rhs)?),
            None => None,
        };
        let values = QpValues::new(batch, p, q)
            .equalities(a, b.as_ref().map_or(rhs, |b| b.slot()))
            .inequalities(g, h);
        let layer = match single {
            true => {
                Cow::Owned(self.layer.clone().with_symmetry_tolerance(SINGLE_PRECISION_SYMMETRY))
            }
            false => Cow::Borrowed(&self.layer),
        };
        if !record {
            let solution = match start {
                Some(start) => layer.solve_from(&values, start)?,
                None => layer.solve(&values)?,
            };
            return Ok((solution, None));
        }
        let (solution, tape) = match start {
            Some(start) => layer.forward_from(&values, start)?,
            None => layer.forward(&values)?,
        };
        let kept = |used: bool, slot: Slot<'_>| used.then(|| Kept::new(slot));
        let recording = QpRecording {
            program: self.clone(),
            tape: Arc::new(tape),
            factor: kept(self.factor.is_some(), quadratic),
            a: kept(self.feasible.is_some(), a),
            w: kept(self.feasible.is_some(), rhs),
        };
        Ok((solution, Some(recording)))
    }
}

/// A solved batch of a [`QpProgram`], with what the derivatives of the maps before the layer need.
/// It has numbers of its own, so that what becomes of the tensors afterwards does not reach it.
#[derive(Clone, Debug)]
pub struct QpRecording {
    program: QpProgram,
    tape: Arc<QpTape>,
    factor: Option<Kept>,
    a: Option<Kept>,
    w: Option<Kept>,
}

/// A copy of the numbers of an argument.
#[derive(Clone, Debug)]
struct Kept {
    numbers: Arc<[f64]>,
    shared: bool,
}

impl Kept {
    fn new(slot: Slot<'_>) -> Self {
        Self { numbers: slot.as_slice().into(), shared: slot.is_shared() }
    }

    fn slot(&self) -> Slot<'_> {
        if self.shared { Slot::Shared(&self.numbers) } else { Slot::Each(&self.numbers) }
    }
}

impl QpRecording {
    /// Gradients with respect to the six arguments, from that with respect to the outputs one
    /// after the other, each batch x its width.
    ///
    /// # Errors
    /// A gradient that is not finite, or of another length.
    pub fn differentiate(&self, packed: &[f64]) -> Result<[Vec<f64>; 6], Error> {
        let QpProgram { layer, factor, feasible } = &self.program;
        let batch = self.tape.batch();
        let lens = self.program.widths().map(|width| batch * width);
        let expected = lens.iter().sum();
        if packed.len() != expected {
            return Err(Error::Length {
                argument: "gradient of the outputs",
                expected,
                found: packed.len(),
                meaning: "numbers of x and of the duals, for each sample".into(),
            });
        }
        let parts = split(packed, &lens);
        let cotangent = QpCotangent {
            x: Some(parts[0]),
            equality_duals: Some(parts[1]),
            inequality_duals: Some(parts[2]),
            slacks: None,
        };
        let QpGradients { mut p, q, mut a, mut b, g, h, .. } =
            layer.backward(&self.tape, &cotangent)?;
        if let (Some(factor), Some(l)) = (factor, &self.factor) {
            p = factor.backward(batch, l.slot(), &p)?;
        }
        if let (Some(feasible), Some(kept_a), Some(kept_w)) = (feasible, &self.a, &self.w) {
            let through = feasible.backward(batch, kept_a.slot(), kept_w.slot(), &b)?;
            a.iter_mut().zip(&through.a).for_each(|(a, through)| *a += through);
            b = through.w;
        }
        Ok([p, q, a, b, g, h])
    }
}
