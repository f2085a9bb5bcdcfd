//! The packed outputs of a batch as tensors.

use candle_core::{Device, Tensor};

use crate::error::Error;

/// Slices of the packed outputs, which the framework differentiates: batch x width each.
pub(crate) fn unpack(
    packed: &Tensor,
    batch: usize,
    widths: &[usize],
) -> Result<Vec<Tensor>, Error> {
    let mut start = 0;
    let mut tensors = Vec::with_capacity(widths.len());
    for &width in widths {
        let len = batch * width;
        tensors.push(if len == 0 {
            // Nothing to differentiate.
            Tensor::zeros((batch, width), packed.dtype(), &Device::Cpu)?
        } else {
            packed.narrow(0, start, len)?.reshape((batch, width))?
        });
        start += len;
    }
    Ok(tensors)
}
