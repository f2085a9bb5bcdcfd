//! A modelled layer as one node of burn's autodiff graph: an input for each parameter, one packed output.

use std::sync::Arc;

use argrad::model::{Layer, LayerTape, ParameterInfo};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex, GradientCheckpointingStrategy};
use burn::tensor::{DType, Tensor};

use crate::argument::{GraphTensor, read};
use crate::layer::op::error;
use crate::node::{common_strategy, no_node, node, tensor};
use crate::{Argument, Error};

/// What a differentiated forward pass leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) layer: Layer,
    pub(crate) tape: Arc<LayerTape>,
    /// Numbers of each output, all instances together.
    pub(crate) sizes: Vec<usize>,
}

/// Inputs of a node. The framework fixes their number at compile time: unused ones are left untracked.
const FEW: usize = 8;
const MANY: usize = 64;

/// The packed output as a tensor of the kind of the arguments: without autodiff, untracked, or a
/// node of the graph.
pub(crate) fn output_tensor(
    packed: Vec<f64>,
    dtype: DType,
    infos: &[ParameterInfo<'_>],
    arguments: &[Argument],
    recording: Option<Recording>,
) -> Result<Tensor<1>, Error> {
    let len = packed.len();
    let output = tensor(packed, &[len], dtype);
    let all: Vec<&Argument> = arguments.iter().collect();
    let strategy = common_strategy(&all).map_err(|(at, found)| {
        error(infos[at].name, "the gradient checkpointing of the others".into(), found)
    })?;
    // Only those in the graph need an input of the node.
    let tracked: Vec<&Argument> =
        all.into_iter().filter(|argument| argument.numbers.is_tracked()).collect();
    if tracked.len() > MANY {
        let found = tracked.len().to_string();
        return Err(error("arguments", format!("at most {MANY} in the autodiff graph"), found));
    }
    Ok(match strategy {
        None => Tensor::from_primitive::<Flex>(output),
        Some(GradientCheckpointingStrategy::Disabled) => {
            type Host = Autodiff<Flex, NoCheckpointing>;
            Tensor::from_primitive::<Host>(record::<NoCheckpointing>(output, arguments, recording))
        }
        Some(GradientCheckpointingStrategy::Balanced) => {
            type Host = Autodiff<Flex, BalancedCheckpointing>;
            let output = record::<BalancedCheckpointing>(output, arguments, recording);
            Tensor::from_primitive::<Host>(output)
        }
    })
}

fn record<C: CheckpointStrategy>(
    output: FlexTensor,
    arguments: &[Argument],
    recording: Option<Recording>,
) -> GraphTensor {
    let Some(recording) = recording else {
        return GraphTensor::new(output);
    };
    let tracked: Vec<(usize, &Argument)> =
        arguments.iter().enumerate().filter(|(_, a)| a.numbers.is_tracked()).collect();
    if tracked.len() <= FEW {
        node_of::<C, FEW>(output, &tracked, recording)
    } else {
        node_of::<C, MANY>(output, &tracked, recording)
    }
}

fn node_of<C: CheckpointStrategy, const N: usize>(
    output: FlexTensor,
    tracked: &[(usize, &Argument)],
    recording: Recording,
) -> GraphTensor {
    let nodes: [NodeGuard; N] = std::array::from_fn(|at| match tracked.get(at) {
        Some((_, argument)) => node(&argument.numbers),
        None => no_node(),
    });
    let prep = <LayerBackward as Backward<Flex, N>>::prepare::<C>(LayerBackward, nodes);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let input = |(parameter, argument): &(usize, &Argument)| Input {
                parameter: *parameter,
                dims: argument.dims.clone(),
                dtype: argument.numbers.tensor().map_or(DType::F64, FlexTensor::dtype),
            };
            prep.finish(State { recording, inputs: tracked.iter().map(input).collect() }, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct LayerBackward;

#[derive(Clone, Debug)]
struct State {
    recording: Recording,
    /// Those in the graph.
    inputs: Vec<Input>,
}

#[derive(Clone, Debug)]
struct Input {
    /// Position among the parameters of the layer.
    parameter: usize,
    dims: Vec<usize>,
    dtype: DType,
}

impl<const N: usize> Backward<Flex, N> for LayerBackward {
    type State = State;

    /// # Panics
    /// Never on what [`crate::layer()`] lets through: the framework has no way to return an error from
    /// here, so everything that could be one is checked there.
    fn backward(
        self,
        ops: Ops<State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let packed = gradients.consume::<Flex>(&ops.node);
        let Recording { layer, tape, sizes } = &ops.state.recording;
        let packed = read(&packed);
        let mut rest = &packed[..];
        let cotangents: Vec<&[f64]> = sizes
            .iter()
            .map(|len| {
                let (own, after) = rest.split_at(*len);
                rest = after;
                own
            })
            .collect();
        let mut values = match layer.backward(tape, &cotangents) {
            Ok(values) => values,
            Err(error) => panic!("derivative of a modelled layer: {error}"),
        };
        for (parent, input) in ops.parents.into_iter().zip(&ops.state.inputs) {
            if let Some(parent) = parent {
                // The framework does not check gradients: shape and dtype must be the input's.
                let own = std::mem::take(&mut values[input.parameter]);
                let gradient = tensor(own, &input.dims, input.dtype);
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
