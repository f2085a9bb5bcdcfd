//! A solved batch as one node of candle's autodiff graph.
//!
//! A node has at most three inputs, so those that are tracked are joined to one flat vector by
//! `cat`, which the framework differentiates; shared arguments stand in it once, not once per
//! sample. Likewise there is one packed output.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};

use crate::argument::Argument;
use crate::error::Error;

/// What a differentiated forward pass leaves behind.
pub(crate) trait Recording: Send + Sync + 'static {
    /// Gradients with respect to all arguments, from that with respect to the packed output.
    fn differentiate(&self, packed: &[f64]) -> Result<Vec<Vec<f64>>, Error>;
}

/// The packed output as a tensor: a node of the graph where there is a `recording`, which is where
/// an argument is tracked.
pub(crate) fn output_tensor<R: Recording>(
    packed: Vec<f64>,
    dtype: DType,
    arguments: &[&Argument],
    recording: Option<R>,
) -> Result<Tensor, Error> {
    let Some(recording) = recording else {
        let len = packed.len();
        return Ok(Tensor::from_vec(packed, len, &Device::Cpu)?.to_dtype(dtype)?);
    };
    let (mut inputs, mut tracked) = (Vec::new(), Vec::new());
    for (at, argument) in arguments.iter().enumerate() {
        if let Some(tensor) = argument.tracked() {
            inputs.push(tensor.flatten_all()?.to_dtype(DType::F64)?);
            tracked.push(at);
        }
    }
    let mut joined = Tensor::cat(&inputs, 0)?;
    if joined.is_variable() {
        // A single variable is joined to itself. Of a copy the framework detaches the gradient
        // before it hands it on, so that the user's does not hold on to a graph.
        joined = joined.copy()?;
    }
    let output = joined.apply_op1(Solve { packed: Numbers::new(packed), recording, tracked })?;
    Ok(output.to_dtype(dtype)?)
}

/// Numbers that were computed before the framework asks a node for them, once.
struct Numbers(Mutex<Vec<f64>>);

impl Numbers {
    fn new(numbers: Vec<f64>) -> Self {
        Self(Mutex::new(numbers))
    }

    fn take(&self) -> (CpuStorage, Shape) {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = std::mem::take(&mut *numbers);
        let shape = Shape::from(numbers.len());
        (CpuStorage::F64(numbers), shape)
    }
}

/// From the joined arguments to the packed outputs. Made anew for each call, with the tape of that
/// call; the tape stays, so a graph may be differentiated as often as one likes.
struct Solve<R> {
    packed: Numbers,
    recording: R,
    /// Positions of the joined arguments among all.
    tracked: Vec<usize>,
}

impl<R: Recording> CustomOp1 for Solve<R> {
    fn name(&self) -> &'static str {
        "argrad"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok(self.packed.take())
    }

    fn bwd(
        &self,
        joined: &Tensor,
        _packed: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let packed: Vec<f64> = gradient.detach().to_vec1()?;
        let gradients = self.recording.differentiate(&packed)?;
        let own = self.tracked.iter().flat_map(|&at| &gradients[at]).copied().collect();
        joined.apply_op1(Gradient(Numbers::new(own))).map(Some)
    }
}

/// From the joined arguments to their gradient: a node only so that who differentiates it once more
/// is told that this is not possible, instead of getting zero.
struct Gradient(Numbers);

impl CustomOp1 for Gradient {
    fn name(&self) -> &'static str {
        "gradient of argrad"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok(self.0.take())
    }
}
