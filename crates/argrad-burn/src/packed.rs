//! The packed outputs of a batch as tensors.

use burn::tensor::{DType, Tensor};

/// Slices of the packed outputs, which the framework differentiates: batch x width each.
pub(crate) fn unpack(packed: &Tensor<1>, batch: usize, widths: &[usize]) -> Vec<Tensor<2>> {
    let dtype: DType = packed.dtype();
    let mut start = 0;
    let slice = |&width: &usize| {
        let (first, len) = (start, batch * width);
        start += len;
        if len == 0 {
            // Nothing to differentiate, and a slice of nothing is not allowed everywhere.
            Tensor::zeros([batch, width], (&packed.device(), dtype))
        } else {
            packed.clone().narrow(0, first, len).reshape([batch, width])
        }
    };
    widths.iter().map(slice).collect()
}
