//! One forward pass: tensors in, numbers checked and solved, tensors out.

use std::borrow::Cow;
use std::sync::Arc;

use argrad::factored_quadratic::FactoredQuadratic;
use argrad::feasible_rhs::FeasibleRhs;
use argrad::{MatrixShape, QpCotangent, QpGradients, QpLayer, QpTape, QpValues};

use super::{QpArguments, QpOutput};
use crate::argument::{Argument, Extent, Misfit, check_dimensions, common_batch, common_dtype};
use crate::error::Error;
use crate::node::{Recording, check_differentiation, output_tensor};
use crate::packed::{failures, pack, split, unpack};

/// Solves a batch of quadratic programs, as a differentiable op.
///
/// The derivative is that of [`QpLayer::with_differentiation`], which also says how a sample
/// without a solution is treated: with [`Error`](argrad::OnFailure::Error) the whole call fails and
/// names the samples; with [`Nan`](argrad::OnFailure::Nan) its rows of the output are NaN, with
/// [`Zero`](argrad::OnFailure::Zero) they are 0, and so is its gradient. Neither touches the other
/// samples, nor the gradients of shared arguments. What a derivative needs is kept only where an
/// argument is tracked.
///
/// # Errors
/// [`Error::Program`] for malformed input and unsolved samples, [`Error::Backend`] for tensors of
/// other backends.
pub fn qp(layer: &QpLayer, arguments: &QpArguments) -> Result<QpOutput, Error> {
    Program::new(layer.clone(), None, None)?.run(arguments)
}

/// A layer with what comes before it: P from its factor, b from A and w.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) layer: QpLayer,
    factor: Option<FactoredQuadratic>,
    feasible: Option<Arc<FeasibleRhs>>,
}

/// An f32 matrix product LL' is symmetric to about this, relative to its largest entry.
const SINGLE_PRECISION_SYMMETRY: f64 = 1e-5;

impl Program {
    pub(crate) fn new(
        layer: QpLayer,
        factor: Option<FactoredQuadratic>,
        feasible: Option<FeasibleRhs>,
    ) -> Result<Self, Error> {
        check_differentiation(layer.differentiation())?;
        Ok(Self { layer, factor, feasible: feasible.map(Arc::new) })
    }

    /// What the six arguments are called.
    pub(crate) fn names(&self) -> [&'static str; 6] {
        let quadratic = if self.factor.is_some() { "L" } else { "P" };
        let rhs = if self.feasible.is_some() { "w" } else { "b" };
        [quadratic, "q", "A", rhs, "G", "h"]
    }

    fn extents(&self) -> [Extent; 6] {
        let shape = self.layer.shape();
        let matrix = |matrix: &MatrixShape| Extent {
            len: matrix.len(),
            matrix: match *matrix {
                MatrixShape::Dense { rows, cols } => Some([rows, cols]),
                _ => None,
            },
            scalar: false,
        };
        let vector = |len: usize| Extent { len, matrix: None, scalar: false };
        let rhs = if self.feasible.is_some() { shape.variables() } else { shape.a.rows() };
        [
            matrix(&shape.p),
            vector(shape.variables()),
            matrix(&shape.a),
            vector(rhs),
            matrix(&shape.g),
            vector(shape.g.rows()),
        ]
    }

    /// Solves the batch and records how to differentiate it.
    pub(crate) fn run(&self, arguments: &QpArguments) -> Result<QpOutput, Error> {
        let all = arguments.all();
        let names = self.names();
        let misfit = |Misfit { at, expected, found }| {
            Error::Program(argrad::Error::Shape { argument: names[at], expected, found })
        };
        let batch = common_batch(arguments.batch, &all, &names).map_err(misfit)?;
        check_dimensions(&all, self.extents()).map_err(misfit)?;
        let mut numbers = Vec::with_capacity(6);
        for (argument, name) in all.into_iter().zip(names) {
            numbers.push(argument.numbers.read(name)?);
        }
        let slot = |k: usize| all[k].slot(&numbers[k]);
        let p = match &self.factor {
            Some(factor) => Cow::Owned(factor.forward(batch, slot(0))?),
            None => Cow::Borrowed(&*numbers[0]),
        };
        let rhs = match &self.feasible {
            Some(feasible) => Some(feasible.forward(batch, slot(2), slot(3))?),
            None => None,
        };
        let values = QpValues::new(batch, all[0].slot(&p), slot(1))
            .equalities(slot(2), rhs.as_ref().map_or(slot(3), |rhs| rhs.slot()))
            .inequalities(slot(4), slot(5));

        let layer = self.layer_for(all[0]);
        let start = arguments.start.as_deref();
        let (solution, tape) = if all.iter().any(|argument| argument.numbers.is_tracked()) {
            let (solution, tape) = match start {
                Some(start) => layer.forward_from(&values, start)?,
                None => layer.forward(&values)?,
            };
            (solution, Some(tape))
        } else {
            let solution = match start {
                Some(start) => layer.solve_from(&values, start)?,
                None => layer.solve(&values)?,
            };
            (solution, None)
        };
        let how = layer.differentiation();
        let failed = failures(&solution.reports, how)?;
        let shape = layer.shape();
        let widths = [shape.variables(), shape.a.rows(), shape.g.rows()];
        let parts = [&solution.x, &solution.equality_duals, &solution.inequality_duals];
        let packed = pack(parts.map(|part| &part[..]), &widths, &failed, how);
        let recording = tape.map(|tape| self.record(all, tape));
        let packed = output_tensor(packed, common_dtype(&all), &all, recording).map_err(misfit)?;
        let mut tensors = unpack(&packed, batch, &widths).into_iter();
        let mut next = || tensors.next().expect("a tensor for each width");
        let (x, equality_duals, inequality_duals) = (next(), next(), next());
        let solution = Arc::new(solution);
        Ok(QpOutput { x, equality_duals, inequality_duals, solution })
    }

    /// The layer for a P, or a factor, of this precision.
    fn layer_for(&self, quadratic: &Argument) -> Cow<'_, QpLayer> {
        match quadratic.is_single() {
            true => {
                let layer = self.layer.clone();
                Cow::Owned(layer.with_symmetry_tolerance(SINGLE_PRECISION_SYMMETRY))
            }
            false => Cow::Borrowed(&self.layer),
        }
    }

    fn record(&self, all: [&Argument; 6], tape: QpTape) -> Solved {
        let keep = |used: bool, at: usize| used.then(|| all[at].keep());
        Solved {
            program: self.clone(),
            tape: Arc::new(tape),
            factor: keep(self.factor.is_some(), 0),
            a: keep(self.feasible.is_some(), 2),
            w: keep(self.feasible.is_some(), 3),
        }
    }
}

/// A solved batch, with what the derivatives of the maps before the layer need.
#[derive(Clone, Debug)]
struct Solved {
    program: Program,
    tape: Arc<QpTape>,
    factor: Option<Argument>,
    a: Option<Argument>,
    w: Option<Argument>,
}

impl Recording for Solved {
    fn differentiate(&self, packed: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let Program { layer, factor, feasible } = &self.program;
        let (shape, batch) = (layer.shape(), self.tape.batch());
        let lens = [shape.variables(), shape.a.rows(), shape.g.rows()].map(|len| batch * len);
        let parts = split(packed, &lens);
        let cotangent = QpCotangent {
            x: Some(parts[0]),
            equality_duals: Some(parts[1]),
            inequality_duals: Some(parts[2]),
            slacks: None,
        };
        let QpGradients { mut p, q, mut a, mut b, g, h, .. } =
            layer.backward(&self.tape, &cotangent)?;
        if let (Some(factor), Some(kept)) = (factor, &self.factor) {
            let l = kept.numbers.read("L")?;
            p = factor.backward(batch, kept.slot(&l), &p)?;
        }
        if let (Some(feasible), Some(kept_a), Some(kept_w)) = (feasible, &self.a, &self.w) {
            let (matrix, w) = (kept_a.numbers.read("A")?, kept_w.numbers.read("w")?);
            let through = feasible.backward(batch, kept_a.slot(&matrix), kept_w.slot(&w), &b)?;
            a.iter_mut().zip(&through.a).for_each(|(a, through)| *a += through);
            b = through.w;
        }
        Ok(vec![p, q, a, b, g, h])
    }
}
