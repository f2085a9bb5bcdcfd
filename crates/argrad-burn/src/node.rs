//! A solved batch as one node of burn's autodiff graph: an input for each argument that is in the
//! graph, one packed output.

use std::fmt::Debug;

use argrad::host::Misfit;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex, GradientCheckpointingStrategy};
use burn::tensor::{DType, Tensor, TensorData};

use crate::argument::{Argument, GraphTensor, Numbers, read};
use crate::error::Error;

/// What a differentiated forward pass leaves behind.
pub(crate) trait Recording: Clone + Debug + Send + 'static {
    /// Gradients with respect to all arguments, from that with respect to the packed output.
    fn differentiate(&self, packed: &[f64]) -> Result<Vec<Vec<f64>>, Error>;
}

/// Inputs of a node. The framework fixes their number at compile time: unused ones are left
/// untracked.
const FEW: usize = 8;
const MANY: usize = 64;

/// The packed output as a tensor of the kind of the arguments: without autodiff, untracked, or a
/// node of the graph. There is a `recording` where an argument is tracked.
pub(crate) fn output_tensor<R: Recording>(
    packed: Vec<f64>,
    dtype: DType,
    arguments: &[&Argument],
    recording: Option<R>,
) -> Result<Tensor<1>, Misfit> {
    let len = packed.len();
    let output = tensor(packed, &[len], dtype);
    let strategy = common_strategy(arguments)?;
    // Only those in the graph need an input of the node.
    let tracked: Vec<usize> =
        (0..arguments.len()).filter(|&at| arguments[at].numbers.is_tracked()).collect();
    if let Some(&at) = tracked.get(MANY) {
        let expected = format!("at most {MANY} arguments in the autodiff graph");
        return Err(Misfit { at, expected, found: tracked.len().to_string() });
    }
    Ok(match strategy {
        None => Tensor::from_primitive::<Flex>(output),
        Some(GradientCheckpointingStrategy::Disabled) => {
            let output = record::<NoCheckpointing, R>(output, arguments, &tracked, recording);
            Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(output)
        }
        Some(GradientCheckpointingStrategy::Balanced) => {
            let output = record::<BalancedCheckpointing, R>(output, arguments, &tracked, recording);
            Tensor::from_primitive::<Autodiff<Flex, BalancedCheckpointing>>(output)
        }
    })
}

/// The checkpointing strategy of the graph that arguments are in, if they are in any.
fn common_strategy(
    arguments: &[&Argument],
) -> Result<Option<GradientCheckpointingStrategy>, Misfit> {
    let mut strategy = None;
    for (at, argument) in arguments.iter().enumerate() {
        if let Numbers::Autodiff(_, found) = argument.numbers {
            if strategy.is_some_and(|strategy| strategy != found) {
                let expected = "the gradient checkpointing strategy of the others".into();
                return Err(Misfit { at, expected, found: format!("{found:?}") });
            }
            strategy = Some(found);
        }
    }
    Ok(strategy)
}

fn record<C: CheckpointStrategy, R: Recording>(
    output: FlexTensor,
    arguments: &[&Argument],
    tracked: &[usize],
    recording: Option<R>,
) -> GraphTensor {
    match recording {
        None => GraphTensor::new(output),
        Some(recording) if tracked.len() <= FEW => {
            node::<C, R, FEW>(output, arguments, tracked, recording)
        }
        Some(recording) => node::<C, R, MANY>(output, arguments, tracked, recording),
    }
}

fn node<C: CheckpointStrategy, R: Recording, const N: usize>(
    output: FlexTensor,
    arguments: &[&Argument],
    tracked: &[usize],
    recording: R,
) -> GraphTensor {
    let inputs: [NodeGuard; N] = std::array::from_fn(|k| {
        match tracked.get(k).map(|&at| &arguments[at].numbers) {
            Some(Numbers::Autodiff(tensor, _)) => tensor.node(),
            // A node that is in no graph.
            _ => GraphTensor::new(tensor(Vec::new(), &[0], DType::F64)).node(),
        }
    });
    let step = Step(std::marker::PhantomData);
    match <Step<R> as Backward<Flex, N>>::prepare::<C>(step, inputs).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let input = |&at: &usize| Input {
                at,
                dims: arguments[at].dims.clone(),
                dtype: arguments[at].numbers.tensor().map_or(DType::F64, FlexTensor::dtype),
            };
            prep.finish(State { recording, inputs: tracked.iter().map(input).collect() }, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// The backward step of a recording.
#[derive(Debug)]
struct Step<R>(std::marker::PhantomData<fn() -> R>);

#[derive(Clone, Debug)]
struct State<R> {
    recording: R,
    /// Those in the graph.
    inputs: Vec<Input>,
}

#[derive(Clone, Debug)]
struct Input {
    /// Position among the arguments.
    at: usize,
    dims: Vec<usize>,
    dtype: DType,
}

impl<R: Recording, const N: usize> Backward<Flex, N> for Step<R> {
    type State = State<R>;

    /// # Panics
    /// Never on what the ops let through: the framework has no way to return an error from here, so
    /// everything that could be one is checked there.
    fn backward(
        self,
        ops: Ops<State<R>, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let packed = gradients.consume::<Flex>(&ops.node);
        let mut values = match ops.state.recording.differentiate(&read(&packed)) {
            Ok(values) => values,
            Err(error) => panic!("derivative of an optimization layer: {error}"),
        };
        for (parent, input) in ops.parents.into_iter().zip(&ops.state.inputs) {
            if let Some(parent) = parent {
                // The framework does not check gradients: shape and dtype must be the input's.
                let own = std::mem::take(&mut values[input.at]);
                let gradient = tensor(own, &input.dims, input.dtype);
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// A tensor of these numbers.
fn tensor(values: Vec<f64>, dims: &[usize], dtype: DType) -> FlexTensor {
    debug_assert_eq!(values.len(), dims.iter().product::<usize>());
    let data = match dtype {
        DType::F64 => TensorData::new(values, dims.to_vec()),
        DType::F32 => {
            let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            TensorData::new(values, dims.to_vec())
        }
        other => TensorData::new(values, dims.to_vec()).convert_dtype(other),
    };
    FlexTensor::from_data(data)
}
