//! One forward pass: tensors in, numbers checked and solved, tensors out.

use std::borrow::Cow;
use std::sync::Arc;

use argrad::factored_quadratic::FactoredQuadratic;
use argrad::feasible_rhs::FeasibleRhs;
use argrad::{
    Differentiation, MatrixShape, Mode, OnFailure, QpLayer, QpPoint, QpSolution, QpValues, Slot,
};
use burn::tensor::{DType, Tensor};

use crate::argument::Numbers;
use crate::node::{Recording, output_tensor};
use crate::{Argument, Error, QpArguments, QpOutput};

/// A layer with what comes before it: Q from its factor, b from A and w.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) layer: QpLayer,
    pub(crate) factor: Option<FactoredQuadratic>,
    pub(crate) feasible: Option<Arc<FeasibleRhs>>,
    pub(crate) how: Differentiation,
}

/// An f32 matrix product LL' is symmetric to about this, relative to its largest entry.
const SINGLE_PRECISION_SYMMETRY: f64 = 1e-5;

impl Program {
    pub(crate) fn new(
        layer: QpLayer,
        factor: Option<FactoredQuadratic>,
        feasible: Option<FeasibleRhs>,
        how: Differentiation,
    ) -> Result<Self, Error> {
        // Checked here because a backward pass has no way to return an error.
        if let Mode::Smoothed(mu) = how.mode
            && !(mu > 0.0 && mu.is_finite())
        {
            return Err(Error::Program(argrad::Error::Setting {
                setting: "mu",
                expected: "a finite number above 0",
                found: mu.to_string(),
            }));
        }
        Ok(Self { layer, factor, feasible: feasible.map(Arc::new), how })
    }

    /// What the six arguments are called.
    pub(crate) fn names(&self) -> [&'static str; 6] {
        let quadratic = if self.factor.is_some() { "L" } else { "Q" };
        let rhs = if self.feasible.is_some() { "w" } else { "b" };
        [quadratic, "q", "A", rhs, "G", "h"]
    }

    /// For each argument, the dimensions of a matrix if it is a dense one, and how many numbers.
    fn sizes(&self) -> [(Option<[usize; 2]>, usize); 6] {
        let shape = self.layer.shape();
        let matrix = |matrix: &MatrixShape| match *matrix {
            MatrixShape::Dense { rows, cols } => (Some([rows, cols]), rows * cols),
            _ => (None, matrix.len()),
        };
        let rhs = if self.feasible.is_some() { shape.variables() } else { shape.equalities.rows() };
        [
            matrix(&shape.quadratic),
            (None, shape.variables()),
            matrix(&shape.equalities),
            (None, rhs),
            matrix(&shape.inequalities),
            (None, shape.inequalities.rows()),
        ]
    }

    /// Solves the batch and records how to differentiate it.
    pub(crate) fn run(&self, arguments: &QpArguments) -> Result<QpOutput, Error> {
        let all = arguments.all();
        let batch = self.batch(arguments.batch, all)?;
        self.check_dimensions(all)?;

        let names = self.names();
        let mut numbers = Vec::with_capacity(6);
        for (argument, name) in all.into_iter().zip(names) {
            numbers.push(argument.numbers.read(name)?);
        }
        let slot = |k: usize| slot(&numbers[k], all[k].each);
        let quadratic = match &self.factor {
            Some(factor) => Cow::Owned(factor.forward(batch, slot(0))?),
            None => Cow::Borrowed(&*numbers[0]),
        };
        let rhs = match &self.feasible {
            Some(feasible) => Some(feasible.forward(batch, slot(2), slot(3))?),
            None => None,
        };
        let quadratic = match slot(0) {
            Slot::Shared(_) => Slot::Shared(&quadratic),
            Slot::Each(_) => Slot::Each(&quadratic),
        };
        let values = QpValues::new(batch, quadratic, slot(1))
            .equalities(slot(2), rhs.as_ref().map_or(slot(3), |rhs| rhs.slot()))
            .inequalities(slot(4), slot(5));

        let single = all[0].numbers.tensor().is_some_and(|tensor| tensor.dtype() != DType::F64);
        let relaxed;
        let layer = if single {
            relaxed = self.layer.clone().with_symmetry_tolerance(SINGLE_PRECISION_SYMMETRY);
            &relaxed
        } else {
            &self.layer
        };
        let start = arguments.start.as_deref();
        let tracked = all.iter().any(|argument| argument.numbers.is_tracked());
        let solved = if tracked {
            Solved::Recorded(Arc::new(match start {
                Some(start) => layer.forward_warm(&values, start)?,
                None => layer.forward(&values)?,
            }))
        } else {
            Solved::Point(match start {
                Some(start) => layer.solve_warm(&values, start)?,
                None => layer.solve(&values)?,
            })
        };
        if self.how.on_failure == OnFailure::Error {
            let failures: Vec<_> = solved.point().failures().collect();
            if !failures.is_empty() {
                return Err(Error::Program(argrad::Error::Unsolved { batch, failures }));
            }
        }
        self.output(all, solved)
    }

    /// The batch size: as told, else the first dimension of the arguments that have one.
    fn batch(&self, told: Option<usize>, all: [&Argument; 6]) -> Result<usize, Error> {
        let mut known = told.map(|batch| (batch, "the batch"));
        for (argument, name) in all.into_iter().zip(self.names()) {
            if !argument.each {
                continue;
            }
            let found = argument.dims.first().copied().unwrap_or(0);
            match known {
                None => known = Some((found, name)),
                Some((batch, whose)) if batch != found => {
                    return Err(Error::Program(argrad::Error::Shape {
                        argument: name,
                        expected: format!("a leading dimension of {batch}, as {whose} has"),
                        found: format!("shape {:?}", argument.dims),
                    }));
                }
                Some(_) => {}
            }
        }
        Ok(known.map_or(1, |(batch, _)| batch))
    }

    /// A transposed matrix has the right number of numbers, so lengths alone would not do.
    fn check_dimensions(&self, all: [&Argument; 6]) -> Result<(), Error> {
        for ((argument, name), (matrix, len)) in all.into_iter().zip(self.names()).zip(self.sizes())
        {
            let dims = &argument.dims[usize::from(argument.each).min(argument.dims.len())..];
            let fits = dims == [len]
                || matrix.is_some_and(|matrix| dims == matrix)
                || len == 0 && dims.iter().product::<usize>() == 0;
            if !fits {
                let batch = if argument.each { "batch x " } else { "" };
                return Err(Error::Program(argrad::Error::Shape {
                    argument: name,
                    expected: match matrix {
                        Some([rows, cols]) => format!("shape {batch}{rows} x {cols}"),
                        None => format!("shape {batch}{len}"),
                    },
                    found: format!("shape {:?}", argument.dims),
                }));
            }
        }
        Ok(())
    }

    fn output(&self, all: [&Argument; 6], solved: Solved) -> Result<QpOutput, Error> {
        let point = solved.point();
        let packed = self.pack(point);
        let shape = self.layer.shape();
        let widths = [shape.variables(), shape.equalities.rows(), shape.inequalities.rows()];
        let batch = point.batch;
        let tensors = all.map(|argument| argument.numbers.tensor());
        let single = tensors.iter().flatten().all(|tensor| tensor.dtype() != DType::F64)
            && tensors.iter().any(Option::is_some);
        let dtype = if single { DType::F32 } else { DType::F64 };
        let (point, solution) = match solved {
            Solved::Point(point) => (Arc::new(point), None),
            Solved::Recorded(solution) => (Arc::new(QpPoint::clone(&solution)), Some(solution)),
        };
        let recording = solution.map(|solution| Recording { program: self.clone(), solution });
        let packed = output_tensor(packed, dtype, all, self.names(), recording)?;

        let mut start = 0;
        let [z, equality_duals, inequality_duals] = widths.map(|width| {
            let end = start + batch * width;
            let part = if end == start {
                // Nothing to differentiate, and a slice of nothing is not allowed everywhere.
                Tensor::zeros([batch, width], (&packed.device(), dtype))
            } else {
                packed.clone().narrow(0, start, end - start).reshape([batch, width])
            };
            start = end;
            part
        });
        Ok(QpOutput { z, equality_duals, inequality_duals, point })
    }

    /// `[z, duals of the equalities, duals of the inequalities]`, with the rows of unsolved
    /// instances replaced.
    fn pack(&self, point: &QpPoint) -> Vec<f64> {
        let parts = [&point.z, &point.equality_duals, &point.inequality_duals];
        let mut packed = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| packed.extend_from_slice(part));
        let replacement = if self.how.on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
        for (k, _) in point.failures() {
            let mut start = 0;
            for part in parts {
                let width = part.len() / point.batch;
                packed[start + k * width..start + (k + 1) * width].fill(replacement);
                start += part.len();
            }
        }
        packed
    }
}

/// A solved batch, with or without what its derivative needs.
enum Solved {
    Point(QpPoint),
    Recorded(Arc<QpSolution>),
}

impl Solved {
    fn point(&self) -> &QpPoint {
        match self {
            Self::Point(point) => point,
            Self::Recorded(solution) => solution,
        }
    }
}

pub(crate) fn slot(numbers: &[f64], each: bool) -> Slot<'_> {
    if each { Slot::Each(numbers) } else { Slot::Shared(numbers) }
}

/// A copy of an argument that a backward pass can read; tensors share their numbers.
pub(crate) fn keep(argument: &Argument) -> Numbers {
    match &argument.numbers {
        // The node of the graph must not be kept alive by the state of another.
        Numbers::Autodiff(tensor, _) => Numbers::Plain(tensor.primitive().clone()),
        other => other.clone(),
    }
}
