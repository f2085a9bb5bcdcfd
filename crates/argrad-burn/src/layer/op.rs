//! A modelled layer as an op: tensors in, numbers checked and solved, tensors out.

use std::borrow::Cow;
use std::sync::Arc;

use argrad::model::{Layer, ModelError, Outputs, ParameterInfo};
use argrad::{Mode, OnFailure, Report};
use burn::tensor::{DType, Tensor};

use crate::argument::Numbers;
use crate::layer::graph::{Recording, output_tensor};
use crate::qp::program::slot;
use crate::{Argument, Error};

/// Outputs of a batch as tensors, differentiable in every tensor that went in.
#[derive(Clone, Debug)]
pub struct LayerOutput {
    /// The outputs of the layer in their order, batch x size each (matrices row-major).
    pub values: Vec<Tensor<2>>,
    /// The same in f64 on the host, with optimal values and reports. A later pass may start here.
    pub outputs: Arc<Outputs>,
}

impl LayerOutput {
    /// How the solve of each instance went.
    pub fn reports(&self) -> &[Report] {
        &self.outputs.reports
    }
}

/// Solves a batch of instances of a modelled layer, as a differentiable op.
///
/// `arguments` are in the order of the layer's parameters; the batch is `batch`, or else the first dimension
/// of those that have numbers for each instance. Symmetric matrices in f32 are made symmetric to the last
/// bit of f64. Instances without a solution are treated as [`Layer::differentiation`] says, as by
/// [`qp`](crate::qp()).
///
/// # Errors
/// [`Error::Model`] for malformed input, [`Error::Program`] for unsolved instances.
pub fn layer(
    layer: &Layer,
    batch: Option<usize>,
    arguments: &[Argument],
    start: Option<&Outputs>,
) -> Result<LayerOutput, Error> {
    check_mode(layer)?;
    let infos: Vec<ParameterInfo<'_>> = layer.parameter_infos().collect();
    if infos.len() != arguments.len() {
        let expected = format!("one for each of {} parameters", infos.len());
        return Err(error("arguments", expected, arguments.len().to_string()));
    }
    let batch = batch_of(&infos, arguments, batch)?;
    let mut numbers = Vec::with_capacity(arguments.len());
    for (info, argument) in infos.iter().zip(arguments) {
        check_dimensions(info, argument)?;
        numbers.push(read(info, argument)?);
    }
    let slots: Vec<_> =
        numbers.iter().zip(arguments).map(|(own, argument)| slot(own, argument.each)).collect();
    let (outputs, tape) = layer.forward_slots(batch, &slots, start)?;

    let how = layer.differentiation();
    let failed: Vec<usize> = (0..batch).filter(|at| !outputs.reports[*at].is_solved()).collect();
    if how.on_failure == OnFailure::Error && !failed.is_empty() {
        let failures = failed.into_iter().map(|at| (at, outputs.reports[at].status)).collect();
        return Err(Error::Program(argrad::Error::Unsolved { batch, failures }));
    }
    let replacement = if how.on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
    let sizes: Vec<usize> = layer.outputs().map(|(_, shape)| shape.size()).collect();
    let mut packed = Vec::with_capacity(batch * sizes.iter().sum::<usize>());
    for (values, size) in outputs.values.iter().zip(&sizes) {
        let first = packed.len();
        packed.extend_from_slice(values);
        for at in &failed {
            packed[first + at * size..first + (at + 1) * size].fill(replacement);
        }
    }
    let mut dtypes = arguments.iter().filter_map(|argument| argument.numbers.tensor());
    let any = dtypes.clone().next().is_some();
    let single = any && dtypes.all(|tensor| tensor.dtype() != DType::F64);
    let dtype = if single { DType::F32 } else { DType::F64 };
    let tracked = arguments.iter().any(|argument| argument.numbers.is_tracked());
    let recording = tracked.then(|| Recording {
        layer: layer.clone(),
        tape: Arc::new(tape),
        sizes: sizes.iter().map(|size| batch * size).collect(),
    });
    let packed = output_tensor(packed, dtype, &infos, arguments, recording)?;

    let mut at = 0;
    let unpack = sizes.iter().map(|size| {
        let len = batch * size;
        at += len;
        if len == 0 {
            // Nothing to differentiate, and a slice of nothing is not allowed everywhere.
            Tensor::zeros([batch, *size], (&packed.device(), dtype))
        } else {
            packed.clone().narrow(0, at - len, len).reshape([batch, *size])
        }
    });
    Ok(LayerOutput { values: unpack.collect(), outputs: Arc::new(outputs) })
}

pub(crate) fn error(argument: &str, expected: String, found: String) -> Error {
    Error::Model(ModelError::Argument { argument: argument.into(), expected, found })
}

/// Checked early because a backward pass has no way to return an error.
pub(crate) fn check_mode(layer: &Layer) -> Result<(), Error> {
    match layer.differentiation().mode {
        Mode::Smoothed(mu) if !(mu > 0.0 && mu.is_finite()) => {
            Err(Error::Program(argrad::Error::Setting {
                setting: "mu",
                expected: "a finite number above 0",
                found: mu.to_string(),
            }))
        }
        _ => Ok(()),
    }
}

/// The batch size: as told, else the first dimension of the arguments that have one.
fn batch_of(
    infos: &[ParameterInfo<'_>],
    arguments: &[Argument],
    told: Option<usize>,
) -> Result<usize, Error> {
    let mut known = told.map(|batch| (batch, "the batch"));
    for (info, argument) in infos.iter().zip(arguments).filter(|(_, argument)| argument.each) {
        let found = argument.dims.first().copied().unwrap_or(0);
        match known {
            None => known = Some((found, info.name)),
            Some((batch, whose)) if batch != found => {
                let expected = format!("a leading dimension of {batch}, as {whose} has");
                return Err(error(info.name, expected, format!("shape {:?}", argument.dims)));
            }
            Some(_) => {}
        }
    }
    Ok(known.map_or(1, |(batch, _)| batch))
}

/// A transposed matrix has the right number of numbers, so lengths alone would not do.
fn check_dimensions(info: &ParameterInfo<'_>, argument: &Argument) -> Result<(), Error> {
    let dims = &argument.dims[usize::from(argument.each).min(argument.dims.len())..];
    let sides = [info.shape.rows(), info.shape.cols()];
    let is_matrix = info.shape.ndim() == 2 && info.len == info.shape.size();
    let is_scalar = info.shape.is_scalar() && dims.is_empty();
    if dims == [info.len] || is_matrix && dims == sides || is_scalar {
        return Ok(());
    }
    let batch = if argument.each { "batch x " } else { "" };
    let expected = if is_matrix {
        format!("shape {batch}{} x {}", sides[0], sides[1])
    } else {
        format!("shape {batch}{}", info.len)
    };
    Err(error(info.name, expected, format!("shape {:?}", argument.dims)))
}

fn read<'a>(info: &ParameterInfo<'_>, argument: &'a Argument) -> Result<Cow<'a, [f64]>, Error> {
    if let Numbers::Foreign(found) = &argument.numbers {
        let expected = "a float tensor on the Flex backend (see Tensor::to_device)".into();
        return Err(error(info.name, expected, found.clone()));
    }
    let mut numbers = argument.numbers.read("a parameter")?;
    let single = argument.numbers.tensor().is_some_and(|tensor| tensor.dtype() != DType::F64);
    if single && info.symmetric {
        let n = info.shape.rows();
        for matrix in numbers.to_mut().chunks_mut((n * n).max(1)) {
            for i in 0..n {
                for j in 0..i {
                    let mean = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
                    (matrix[i * n + j], matrix[j * n + i]) = (mean, mean);
                }
            }
        }
    }
    Ok(numbers)
}
