//! Tensors as arguments: where the numbers are, and whether the batch shares them.

use std::borrow::Cow;
use std::sync::Arc;

use argrad::Slot;
use argrad::host::Dimensions;
use candle_core::{DType, Tensor};

use crate::error::Error;

/// The numbers of one argument of a batch of programs.
///
/// A tensor with the shape of one sample's numbers (a matrix for a dense matrix, a vector
/// otherwise; a flat vector always) is shared by the batch, and its gradient is the sum over the
/// batch. One with a leading batch dimension has numbers for each sample. A `&Var` will do wherever
/// a `&Tensor` is asked for. Strides may be any.
#[derive(Clone, Debug)]
pub struct Argument {
    numbers: Numbers,
    dims: Vec<usize>,
    each: bool,
}

#[derive(Clone, Debug)]
enum Numbers {
    /// On the host, not differentiated.
    Host(Arc<[f64]>),
    Tensor(Tensor),
}

/// No numbers.
impl Default for Argument {
    fn default() -> Self {
        Self::absent()
    }
}

impl Argument {
    /// Shared by the batch.
    pub fn shared(tensor: &Tensor) -> Self {
        Self::new(tensor, false)
    }

    /// Numbers for each sample; the first dimension is the batch.
    pub fn each(tensor: &Tensor) -> Self {
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

    fn new(tensor: &Tensor, each: bool) -> Self {
        let dims = tensor.dims().to_vec();
        Self { numbers: Numbers::Tensor(tensor.clone()), dims, each }
    }

    /// The shape, and whether the batch shares it.
    pub(crate) fn dimensions(&self) -> Dimensions<'_> {
        Dimensions { dims: &self.dims, each: self.each }
    }

    /// The tensor, where there is one.
    pub(crate) fn tensor(&self) -> Option<&Tensor> {
        match &self.numbers {
            Numbers::Tensor(tensor) => Some(tensor),
            Numbers::Host(_) => None,
        }
    }

    /// The tensor, where a gradient of it may be asked for. One without numbers has none.
    pub(crate) fn tracked(&self) -> Option<&Tensor> {
        self.tensor().filter(|tensor| tensor.track_op() && tensor.elem_count() > 0)
    }

    /// Whether the numbers are in f32, or less.
    pub(crate) fn is_single(&self) -> bool {
        self.tensor().is_some_and(|tensor| tensor.dtype() != DType::F64)
    }

    /// The numbers in f64, row-major whatever the strides. A tensor's are copied: a lock on its
    /// storage while the batch is solved would hold up whoever sets a variable meanwhile.
    ///
    /// # Errors
    /// [`Error::Tensor`].
    pub(crate) fn read(&self, argument: &str) -> Result<Cow<'_, [f64]>, Error> {
        match &self.numbers {
            Numbers::Host(numbers) => Ok(Cow::Borrowed(numbers)),
            Numbers::Tensor(tensor) => {
                check_tensor(argument, tensor)?;
                let flat = tensor.detach().flatten_all()?.to_dtype(DType::F64)?;
                Ok(Cow::Owned(flat.to_vec1()?))
            }
        }
    }

    /// The numbers read from this argument, as an argument of a layer.
    pub(crate) fn slot<'a>(&self, numbers: &'a [f64]) -> Slot<'a> {
        if self.each { Slot::Each(numbers) } else { Slot::Shared(numbers) }
    }
}

/// Are these floats on the CPU?
///
/// # Errors
/// [`Error::Tensor`].
pub(crate) fn check_tensor(argument: &str, tensor: &Tensor) -> Result<(), Error> {
    let (dtype, device) = (tensor.dtype(), tensor.device());
    let remedy = match (dtype.is_float(), device.is_cpu()) {
        (true, true) => return Ok(()),
        (false, _) => "see Tensor::to_dtype",
        (true, false) => "see Tensor::to_device",
    };
    let found = format!("{} on {:?}", dtype.as_str(), device.location());
    Err(Error::Tensor { argument: argument.into(), found, remedy })
}

/// The type of what comes out: f32 where everything that went in as a tensor was, or less.
pub(crate) fn common_dtype(arguments: &[&Argument]) -> DType {
    let mut tensors = arguments.iter().filter_map(|argument| argument.tensor()).peekable();
    let single = tensors.peek().is_some() && tensors.all(|tensor| tensor.dtype() != DType::F64);
    if single { DType::F32 } else { DType::F64 }
}
