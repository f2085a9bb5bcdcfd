//! One forward pass: tensors in, numbers checked and solved, tensors out.

use std::borrow::Cow;
use std::sync::Arc;

use argrad::host::{
    Misfit, QpProgram, QpRecording, check_dimensions, common_batch, failures, pack,
};
use argrad::{QpLayer, Slot};

use super::{QpArguments, QpOutput};
use crate::argument::common_dtype;
use crate::error::Error;
use crate::node::{Recording, output_tensor};
use crate::packed::unpack;

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
/// [`Error::Program`] for malformed input and unsolved samples, [`Error::Tensor`] for tensors that
/// are not of floats on the CPU.
pub fn qp(layer: &QpLayer, arguments: &QpArguments) -> Result<QpOutput, Error> {
    run(&QpProgram::new(layer.clone(), None, None)?, arguments)
}

/// Solves the batch and records how to differentiate it.
pub(crate) fn run(program: &QpProgram, arguments: &QpArguments) -> Result<QpOutput, Error> {
    let all = arguments.all();
    let names = program.names();
    let misfit = |Misfit { at, expected, found }| {
        Error::Program(argrad::Error::Shape { argument: names[at], expected, found })
    };
    let dimensions = all.map(|argument| argument.dimensions());
    let batch = common_batch(arguments.batch, &dimensions, &names).map_err(misfit)?;
    check_dimensions(&dimensions, program.extents()).map_err(misfit)?;
    let mut numbers: [Cow<'_, [f64]>; 6] = Default::default();
    for ((numbers, argument), name) in numbers.iter_mut().zip(all).zip(names) {
        *numbers = argument.read(name)?;
    }
    let mut slots = [Slot::Shared(&[]); 6];
    for ((slot, argument), numbers) in slots.iter_mut().zip(all).zip(&numbers) {
        *slot = argument.slot(numbers);
    }
    let start = arguments.start.as_deref();
    let record = all.iter().any(|argument| argument.tracked().is_some());
    let (solution, recording) = program.solve(batch, slots, all[0].is_single(), start, record)?;

    let how = program.layer().differentiation();
    let failed = failures(&solution.reports, how)?;
    let widths = program.widths();
    let parts = [&solution.x, &solution.equality_duals, &solution.inequality_duals];
    let packed = pack(parts.map(|part| &part[..]), &widths, &failed, how);
    let packed = output_tensor(packed, common_dtype(&all), &all, recording)?;
    let mut tensors = unpack(&packed, batch, &widths)?.into_iter();
    let mut next = || tensors.next().expect("a tensor for each width");
    let (x, equality_duals, inequality_duals) = (next(), next(), next());
    let solution = Arc::new(solution);
    Ok(QpOutput { x, equality_duals, inequality_duals, solution })
}

impl Recording for QpRecording {
    fn differentiate(&self, packed: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        Ok(QpRecording::differentiate(self, packed)?.into())
    }
}
