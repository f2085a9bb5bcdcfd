//! A modelled layer as an op: tensors in, numbers checked and solved, tensors out.

use std::borrow::Cow;
use std::sync::Arc;

use argrad::Report;
use argrad::host::{
    Dimensions, Misfit, check_differentiation, check_dimensions, common_batch, extent, failures,
    make_symmetric, pack, split,
};
use argrad::model::{Layer, LayerTape, ModelError, Outputs, ParameterInfo};
use candle_core::Tensor;

use crate::argument::{Argument, common_dtype};
use crate::error::Error;
use crate::node::{Recording, output_tensor};
use crate::packed::unpack;

/// Outputs of a batch as tensors, differentiable in every tensor that went in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerOutput {
    /// The outputs of the layer in their order, batch x size each (matrices row-major).
    pub values: Vec<Tensor>,
    /// The same in f64 on the host, with optimal values and reports. A later pass may start here.
    pub outputs: Arc<Outputs>,
}

impl LayerOutput {
    /// How the solve of each sample went.
    pub fn reports(&self) -> &[Report] {
        &self.outputs.reports
    }
}

/// Solves a batch of samples of a modelled layer, as a differentiable op.
///
/// `arguments` are in the order of the layer's parameters; the batch is `batch`, or else the first
/// dimension of those that have numbers for each sample. Symmetric matrices in f32 are made
/// symmetric to the last bit of f64. Samples without a solution are treated as
/// [`Layer::differentiation`] says, as by [`qp`](crate::qp()). What a derivative needs is kept only
/// where an argument is tracked.
///
/// # Errors
/// [`Error::Model`] for malformed input, [`Error::Program`] for unsolved samples,
/// [`Error::Tensor`] for tensors that are not of floats on the CPU.
pub fn layer(
    layer: &Layer,
    batch: Option<usize>,
    arguments: &[Argument],
    start: Option<&Outputs>,
) -> Result<LayerOutput, Error> {
    check_differentiation(layer.differentiation())?;
    let infos: Vec<ParameterInfo<'_>> = layer.parameter_infos().collect();
    if infos.len() != arguments.len() {
        let expected = format!("one for each of {} parameters", infos.len());
        return Err(error("arguments", expected, arguments.len().to_string()));
    }
    let names: Vec<&str> = infos.iter().map(|info| info.name).collect();
    let misfit = |Misfit { at, expected, found }| error(names[at], expected, found);
    let all: Vec<&Argument> = arguments.iter().collect();
    let dimensions: Vec<Dimensions<'_>> = arguments.iter().map(Argument::dimensions).collect();
    let batch = common_batch(batch, &dimensions, &names).map_err(misfit)?;
    check_dimensions(&dimensions, infos.iter().map(extent)).map_err(misfit)?;
    let mut numbers = Vec::with_capacity(arguments.len());
    for (info, argument) in infos.iter().zip(arguments) {
        numbers.push(read(info, argument)?);
    }
    let slots: Vec<_> = arguments.iter().zip(&numbers).map(|(own, read)| own.slot(read)).collect();
    let (outputs, tape) = if arguments.iter().any(|argument| argument.tracked().is_some()) {
        let (outputs, tape) = layer.forward_slots(batch, &slots, start)?;
        (outputs, Some(tape))
    } else {
        (layer.solve_slots(batch, &slots, start)?, None)
    };

    let how = layer.differentiation();
    let failed = failures(&outputs.reports, how)?;
    let widths: Vec<usize> = layer.outputs().map(|(_, shape)| shape.size()).collect();
    let packed = pack(outputs.values.iter().map(|values| &values[..]), &widths, &failed, how);
    let recording = tape.map(|tape| Solved {
        layer: layer.clone(),
        tape,
        lens: widths.iter().map(|width| batch * width).collect(),
    });
    let packed = output_tensor(packed, common_dtype(&all), &all, recording)?;
    let values = unpack(&packed, batch, &widths)?;
    Ok(LayerOutput { values, outputs: Arc::new(outputs) })
}

/// A solved batch.
struct Solved {
    layer: Layer,
    tape: LayerTape,
    /// Numbers of each output, all samples together.
    lens: Vec<usize>,
}

impl Recording for Solved {
    fn differentiate(&self, packed: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        Ok(self.layer.backward(&self.tape, &split(packed, &self.lens))?.values)
    }
}

fn error(argument: &str, expected: String, found: String) -> Error {
    Error::Model(ModelError::Argument { argument: argument.into(), expected, found })
}

/// The numbers of an argument; a symmetric matrix in f32 is made symmetric to the last bit.
fn read<'a>(info: &ParameterInfo<'_>, argument: &'a Argument) -> Result<Cow<'a, [f64]>, Error> {
    let mut numbers = argument.read(info.name)?;
    if argument.is_single() && info.symmetric {
        make_symmetric(info, numbers.to_mut());
    }
    Ok(numbers)
}
