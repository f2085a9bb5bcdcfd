//! Tensors as arguments: where the numbers are, and whether the batch shares them.

use std::borrow::Cow;
use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::{BalancedCheckpointing, NoCheckpointing};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, GradientCheckpointingStrategy};
use burn::tensor::{DType, Tensor};

use argrad::Slot;
use argrad::host::Dimensions;

use crate::error::Error;

/// The numbers of one argument of a batch of programs.
///
/// A tensor with the shape of one sample's numbers (a matrix for a dense matrix, a vector
/// otherwise; a flat vector always) is shared by the batch, and its gradient is the sum over the
/// batch. One with a leading batch dimension has numbers for each sample.
#[derive(Clone, Debug)]
pub struct Argument {
    pub(crate) numbers: Numbers,
    pub(crate) dims: Vec<usize>,
    pub(crate) each: bool,
}

/// A Flex tensor that may be in a graph; the same type for every checkpointing strategy.
pub(crate) type GraphTensor = FloatTensor<Autodiff<Flex>>;

#[derive(Clone, Debug)]
pub(crate) enum Numbers {
    /// On the host, not differentiated.
    Host(Arc<[f64]>),
    /// A tensor without autodiff.
    Plain(FlexTensor),
    /// A tensor with autodiff, tracked or not.
    Autodiff(GraphTensor, GradientCheckpointingStrategy),
    /// A tensor on some other backend: what the framework says.
    Foreign(String),
}

/// No numbers.
impl Default for Argument {
    fn default() -> Self {
        Self::absent()
    }
}

impl Argument {
    /// Shared by the batch.
    pub fn shared<const D: usize>(tensor: Tensor<D>) -> Self {
        Self::new(tensor, false)
    }

    /// Numbers for each sample; the first dimension is the batch.
    pub fn each<const D: usize>(tensor: Tensor<D>) -> Self {
        Self::new(tensor, true)
    }

    /// Constants, shared by the batch.
    pub fn fixed(numbers: impl Into<Arc<[f64]>>) -> Self {
        let numbers = numbers.into();
        Self { dims: vec![numbers.len()], numbers: Numbers::Host(numbers), each: false }
    }

    /// No numbers: an absent block, Q = 0.
    pub fn absent() -> Self {
        Self::fixed([])
    }

    /// The numbers read from this argument, as an argument of a layer.
    pub(crate) fn slot<'a>(&self, numbers: &'a [f64]) -> Slot<'a> {
        if self.each { Slot::Each(numbers) } else { Slot::Shared(numbers) }
    }

    fn new<const D: usize>(tensor: Tensor<D>, each: bool) -> Self {
        let dims = tensor.dims().to_vec();
        let strategy = tensor.device().gradient_checkpointing_strategy();
        let numbers = match strategy {
            None => tensor.try_into_primitive::<Flex>().map(Numbers::Plain),
            Some(strategy @ GradientCheckpointingStrategy::Disabled) => tensor
                .try_into_primitive::<Autodiff<Flex, NoCheckpointing>>()
                .map(|tensor| Numbers::Autodiff(tensor, strategy)),
            Some(strategy @ GradientCheckpointingStrategy::Balanced) => tensor
                .try_into_primitive::<Autodiff<Flex, BalancedCheckpointing>>()
                .map(|tensor| Numbers::Autodiff(tensor, strategy)),
        };
        let numbers = numbers.unwrap_or_else(|error| Numbers::Foreign(format!("{error:?}")));
        Self { numbers, dims, each }
    }

    /// Whether the numbers are in f32, or less.
    pub(crate) fn is_single(&self) -> bool {
        self.numbers.tensor().is_some_and(|tensor| tensor.dtype() != DType::F64)
    }

    /// The shape, and whether the batch shares it.
    pub(crate) fn dimensions(&self) -> Dimensions<'_> {
        Dimensions { dims: &self.dims, each: self.each }
    }
}

/// The type of what comes out: f32 where everything that went in as a tensor was.
pub(crate) fn common_dtype(arguments: &[&Argument]) -> DType {
    let mut tensors = arguments.iter().filter_map(|argument| argument.numbers.tensor()).peekable();
    let single = tensors.peek().is_some() && tensors.all(|tensor| tensor.dtype() != DType::F64);
    if single { DType::F32 } else { DType::F64 }
}

impl Numbers {
    /// The tensor, where there is one.
    pub(crate) fn tensor(&self) -> Option<&FlexTensor> {
        match self {
            Self::Plain(tensor) => Some(tensor),
            Self::Autodiff(tensor, _) => Some(tensor.primitive()),
            Self::Host(_) | Self::Foreign(_) => None,
        }
    }

    /// Whether a gradient will be asked for.
    pub(crate) fn is_tracked(&self) -> bool {
        matches!(self, Self::Autodiff(tensor, _) if tensor.is_tracked())
    }

    /// The numbers in f64, row-major: borrowed from a contiguous f64 tensor, else a copy.
    pub(crate) fn read(&self, argument: &str) -> Result<Cow<'_, [f64]>, Error> {
        match self {
            Self::Host(numbers) => Ok(Cow::Borrowed(numbers)),
            Self::Plain(tensor) => Ok(read(tensor)),
            Self::Autodiff(tensor, _) => Ok(read(tensor.primitive())),
            Self::Foreign(found) => {
                Err(Error::Backend { argument: argument.into(), found: found.clone() })
            }
        }
    }
}

/// The numbers of a tensor in f64, row-major.
pub(crate) fn read(tensor: &FlexTensor) -> Cow<'_, [f64]> {
    match tensor.dtype() {
        DType::F64 => {
            if let Some(numbers) = tensor.as_slice::<f64>() {
                return Cow::Borrowed(numbers);
            }
        }
        DType::F32 => {
            if let Some(numbers) = tensor.as_slice::<f32>() {
                return Cow::Owned(numbers.iter().copied().map(f64::from).collect());
            }
        }
        _ => {}
    }
    Cow::Owned(tensor.to_contiguous().into_data().iter::<f64>().collect())
}
