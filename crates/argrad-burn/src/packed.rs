//! The outputs of a batch as one vector, which is what a node of the graph has, and as tensors.

use argrad::{Differentiation, OnFailure, Report, Status};
use burn::tensor::{DType, Tensor};

use crate::error::Error;

/// Samples without a solution.
///
/// # Errors
/// [`argrad::Error::Unsolved`] where there are any and they are to be an error.
pub(crate) fn failures(reports: &[Report], how: &Differentiation) -> Result<Vec<usize>, Error> {
    let failures: Vec<(usize, Status)> = reports
        .iter()
        .map(|report| report.status)
        .enumerate()
        .filter(|&(_, status)| !status.is_solved())
        .collect();
    if how.on_failure == OnFailure::Error && !failures.is_empty() {
        return Err(Error::Program(argrad::Error::Unsolved { batch: reports.len(), failures }));
    }
    Ok(failures.into_iter().map(|(at, _)| at).collect())
}

/// The outputs one after the other, each batch x its width, with the rows of `failed` samples
/// replaced.
pub(crate) fn pack<'a>(
    outputs: impl IntoIterator<Item = &'a [f64]>,
    widths: &[usize],
    failed: &[usize],
    how: &Differentiation,
) -> Vec<f64> {
    let replacement = if how.on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
    let mut packed = Vec::new();
    for (output, width) in outputs.into_iter().zip(widths) {
        let first = packed.len();
        packed.extend_from_slice(output);
        for at in failed {
            packed[first + at * width..first + (at + 1) * width].fill(replacement);
        }
    }
    packed
}

/// Inverse of [`pack`], for a tensor: slices of it, which the framework differentiates.
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

/// Inverse of [`pack`], for a gradient of the packed outputs.
pub(crate) fn split<'a>(mut packed: &'a [f64], lens: &[usize]) -> Vec<&'a [f64]> {
    let part = |&len: &usize| {
        let (own, rest) = packed.split_at(len);
        packed = rest;
        own
    };
    lens.iter().map(part).collect()
}
