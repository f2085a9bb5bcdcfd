//! The quadratic program as one node of burn's autodiff graph: six inputs, one packed output
//! `[z, duals of the equalities, duals of the inequalities]`.

use std::sync::Arc;

use argrad::{QpCotangent, QpGradients, QpSolution};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex, GradientCheckpointingStrategy};
use burn::tensor::{DType, Tensor, TensorData};

use crate::argument::{GraphTensor, Numbers, read};
use crate::qp::program::{Program, keep, slot};
use crate::{Argument, Error};

/// What a differentiated forward pass leaves behind.
pub(crate) struct Recording {
    pub(crate) program: Program,
    pub(crate) solution: Arc<QpSolution>,
}

/// The packed output as a tensor of the kind of the arguments: without autodiff, untracked, or a
/// node of the graph.
pub(crate) fn output_tensor(
    packed: Vec<f64>,
    dtype: DType,
    arguments: [&Argument; 6],
    names: [&'static str; 6],
    recording: Option<Recording>,
) -> Result<Tensor<1>, Error> {
    let len = packed.len();
    let output = tensor(packed, &[len], dtype);
    let strategy = common_strategy(&arguments)
        .map_err(|(at, found)| Error::Backend { argument: names[at], found })?;
    Ok(match strategy {
        None => Tensor::from_primitive::<Flex>(output),
        Some(GradientCheckpointingStrategy::Disabled) => {
            Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(record::<NoCheckpointing>(
                output, arguments, recording,
            ))
        }
        Some(GradientCheckpointingStrategy::Balanced) => Tensor::from_primitive::<
            Autodiff<Flex, BalancedCheckpointing>,
        >(record::<BalancedCheckpointing>(
            output, arguments, recording,
        )),
    })
}

/// The checkpointing strategy of the graph that arguments are in, if they are in any; else which argument
/// differs from the others, and how.
pub(crate) fn common_strategy(
    arguments: &[&Argument],
) -> Result<Option<GradientCheckpointingStrategy>, (usize, String)> {
    let mut strategy = None;
    for (at, argument) in arguments.iter().enumerate() {
        if let Numbers::Autodiff(_, found) = argument.numbers {
            if strategy.is_some_and(|strategy| strategy != found) {
                let found = format!("gradient checkpointing strategy {found:?}, unlike the others");
                return Err((at, found));
            }
            strategy = Some(found);
        }
    }
    Ok(strategy)
}

fn record<C: CheckpointStrategy>(
    output: FlexTensor,
    arguments: [&Argument; 6],
    recording: Option<Recording>,
) -> GraphTensor {
    let Some(Recording { program, solution }) = recording else {
        return GraphTensor::new(output);
    };
    let nodes = arguments.map(|argument| node(&argument.numbers));
    match QpBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let transformed = program.factor.is_some() || program.feasible.is_some();
            let state = State {
                inputs: arguments.map(|argument| Input {
                    dims: argument.dims.clone(),
                    each: argument.each,
                    dtype: argument.numbers.tensor().map_or(DType::F64, FlexTensor::dtype),
                    numbers: transformed.then(|| keep(argument)),
                }),
                program,
                solution,
            };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// The node of an argument; an untracked one for what is not in the graph.
pub(crate) fn node(numbers: &Numbers) -> NodeGuard {
    match numbers {
        Numbers::Autodiff(tensor, _) => tensor.node(),
        _ => no_node(),
    }
}

/// A node that is in no graph.
pub(crate) fn no_node() -> NodeGuard {
    GraphTensor::new(tensor(Vec::new(), &[0], DType::F64)).node()
}

#[derive(Debug)]
struct QpBackward;

#[derive(Clone, Debug)]
struct State {
    program: Program,
    solution: Arc<QpSolution>,
    inputs: [Input; 6],
}

#[derive(Clone, Debug)]
struct Input {
    dims: Vec<usize>,
    each: bool,
    dtype: DType,
    /// Kept where the maps before the layer need them.
    numbers: Option<Numbers>,
}

impl Backward<Flex, 6> for QpBackward {
    type State = State;

    /// # Panics
    /// Never on what [`Program::run`] lets through: the framework has no way to return an error
    /// from here, so everything that could be one is checked there.
    fn backward(
        self,
        ops: Ops<State, 6>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let packed = gradients.consume::<Flex>(&ops.node);
        let values = match ops.state.differentiate(&read(&packed)) {
            Ok(values) => values,
            Err(error) => panic!("derivative of a quadratic program: {error}"),
        };
        for ((parent, input), values) in ops.parents.into_iter().zip(&ops.state.inputs).zip(values)
        {
            if let Some(parent) = parent {
                // The framework does not check gradients: shape and dtype must be the input's.
                let gradient = tensor(values, &input.dims, input.dtype);
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

impl State {
    /// Gradient of the six arguments from that of the packed output.
    fn differentiate(&self, packed: &[f64]) -> Result<[Vec<f64>; 6], Error> {
        let Program { factor, feasible, how, .. } = &self.program;
        let point = &*self.solution;
        let (z, duals) = packed.split_at(point.z.len());
        let (equality_duals, inequality_duals) = duals.split_at(point.equality_duals.len());
        let cotangent = QpCotangent {
            z: Some(z),
            equality_duals: Some(equality_duals),
            inequality_duals: Some(inequality_duals),
            slacks: None,
        };
        let QpGradients { mut quadratic, linear, mut a, mut b, g, h, .. } =
            self.solution.backward(&cotangent, how)?;
        if let Some(factor) = factor {
            let l = self.inputs[0].read("L")?;
            quadratic = factor.backward(point.batch, slot(&l, self.inputs[0].each), &quadratic)?;
        }
        if let Some(feasible) = feasible {
            let (matrix, w) = (self.inputs[2].read("A")?, self.inputs[3].read("w")?);
            let (matrix, w) = (slot(&matrix, self.inputs[2].each), slot(&w, self.inputs[3].each));
            let through = feasible.backward(point.batch, matrix, w, &b)?;
            a.iter_mut().zip(&through.a).for_each(|(a, through)| *a += through);
            b = through.w;
        }
        Ok([quadratic, linear, a, b, g, h])
    }
}

impl Input {
    fn read(&self, name: &'static str) -> Result<std::borrow::Cow<'_, [f64]>, Error> {
        match &self.numbers {
            Some(numbers) => numbers.read(name),
            None => Ok(std::borrow::Cow::Borrowed(&[])),
        }
    }
}

/// A tensor of these numbers.
pub(crate) fn tensor(values: Vec<f64>, dims: &[usize], dtype: DType) -> FlexTensor {
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
