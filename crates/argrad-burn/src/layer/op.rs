//! A modelled layer as an op: tensors in, numbers checked and solved, tensors out.

use std::borrow::Cow;
use std::sync::Arc;

use argrad::host::{
    Dimensions, Misfit, check_differentiation, check_dimensions, common_batch, extent, failures,
    make_symmetric, pack, split,
};
use argrad::model::{
    ElasticLayer, ElasticOutputs, ElasticTape, Layer, LayerTape, ModelError, Outputs, ParameterInfo,
};
use argrad::{Differentiation, Report, Slot};
use burn::tensor::Tensor;

use crate::argument::{Argument, common_dtype};
use crate::error::Error;
use crate::node::{Recording, output_tensor};
use crate::packed::unpack;

/// Outputs of a batch as tensors, differentiable in every tensor that went in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerOutput {
    /// The outputs of the layer in their order, batch x size each (matrices row-major).
    pub values: Vec<Tensor<2>>,
    /// The size of each sample's violation, zero where it is feasible, of [`elastic_layer`].
    pub violation: Option<Tensor<1>>,
    /// Outputs in f64 on the host, with optimal values and reports. A later pass may start there.
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
/// [`Error::Backend`] for tensors of other backends.
pub fn layer(
    layer: &Layer,
    batch: Option<usize>,
    arguments: &[Argument],
    start: Option<&Outputs>,
) -> Result<LayerOutput, Error> {
    let how = layer.differentiation();
    evaluate(layer, how, batch, arguments, |batch, slots, is_tracked| {
        let (outputs, tape) = if is_tracked {
            let (outputs, tape) = layer.forward_slots(batch, slots, start)?;
            (outputs, Some(tape))
        } else {
            (layer.solve_slots(batch, slots, start)?, None)
        };
        let tape = tape.map(|tape| Tape::Usual(layer.clone(), Arc::new(tape)));
        Ok((outputs, None, tape))
    })
}

/// [`layer()`] where infeasible samples are solved with violated constraints; its output has the
/// sizes of the violations, differentiable too.
///
/// # Errors
/// As [`layer()`], of which an infeasible sample is none here.
pub fn elastic_layer(
    layer: &ElasticLayer,
    batch: Option<usize>,
    arguments: &[Argument],
    start: Option<&Outputs>,
) -> Result<LayerOutput, Error> {
    let how = layer.differentiation();
    evaluate(layer.layer(), how, batch, arguments, |batch, slots, is_tracked| {
        let (solved, tape) = if is_tracked {
            let (solved, tape) = layer.forward_slots(batch, slots, start)?;
            (solved, Some(tape))
        } else {
            (layer.solve_slots(batch, slots, start)?, None)
        };
        let (sizes, outputs) = (layer.violation_sizes(&solved), solved.outputs.clone());
        let tape = tape.map(|tape| Tape::Elastic(layer.clone(), Arc::new(tape), Arc::new(solved)));
        Ok((outputs, Some(sizes), tape))
    })
}

/// Outputs, sizes of violations where there are some, and what a derivative needs.
type Solution = (Outputs, Option<Vec<f64>>, Option<Tape>);

/// Reads and checks the arguments, has them solved, and makes tensors of the outputs.
fn evaluate(
    layer: &Layer,
    how: &Differentiation,
    batch: Option<usize>,
    arguments: &[Argument],
    solve: impl FnOnce(usize, &[Slot<'_>], bool) -> Result<Solution, ModelError>,
) -> Result<LayerOutput, Error> {
    check_differentiation(how)?;
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
    let is_tracked = arguments.iter().any(|argument| argument.numbers.is_tracked());
    let (outputs, sizes, tape) = solve(batch, &slots, is_tracked)?;

    let failed = failures(&outputs.reports, how)?;
    let mut widths: Vec<usize> = layer.outputs().map(|(_, shape)| shape.size()).collect();
    let mut values: Vec<&[f64]> = outputs.values.iter().map(|values| &values[..]).collect();
    if let Some(sizes) = &sizes {
        values.push(sizes);
        widths.push(1);
    }
    let packed = pack(values, &widths, &failed, how);
    let lens = widths.iter().map(|width| batch * width).collect();
    let recording = tape.map(|tape| Solved { tape, lens });
    let packed = output_tensor(packed, common_dtype(&all), &all, recording).map_err(misfit)?;
    let mut values = unpack(&packed, batch, &widths);
    let violation = sizes.and_then(|_| values.pop()).map(|sizes| sizes.reshape([batch]));
    Ok(LayerOutput { values, violation, outputs: Arc::new(outputs) })
}

/// A solved batch.
#[derive(Clone, Debug)]
struct Solved {
    tape: Tape,
    /// Numbers of each output, all samples together.
    lens: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Tape {
    Usual(Layer, Arc<LayerTape>),
    Elastic(ElasticLayer, Arc<ElasticTape>, Arc<ElasticOutputs>),
}

impl Recording for Solved {
    fn differentiate(&self, packed: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let mut cotangents = split(packed, &self.lens);
        match &self.tape {
            Tape::Usual(layer, tape) => Ok(layer.backward(tape, &cotangents)?.values),
            Tape::Elastic(layer, tape, solved) => {
                let sizes = cotangents.pop().unwrap_or_default();
                let violation = layer.violation_gradient(solved, sizes);
                cotangents.push(&violation);
                Ok(layer.backward(tape, &cotangents)?)
            }
        }
    }
}

fn error(argument: &str, expected: String, found: String) -> Error {
    Error::Model(ModelError::Argument { argument: argument.into(), expected, found })
}

/// The numbers of an argument; a symmetric matrix in f32 is made symmetric to the last bit.
fn read<'a>(info: &ParameterInfo<'_>, argument: &'a Argument) -> Result<Cow<'a, [f64]>, Error> {
    let mut numbers = argument.numbers.read(info.name)?;
    if argument.is_single() && info.symmetric {
        make_symmetric(info, numbers.to_mut());
    }
    Ok(numbers)
}
