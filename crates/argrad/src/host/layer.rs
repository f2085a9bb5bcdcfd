//! What tensors must know of the parameters of a modelled layer.

use super::Extent;
use crate::model::{Layer, ModelError, ParameterInfo};

/// The shape of a parameter's numbers.
pub fn extent(info: &ParameterInfo<'_>) -> Extent {
    let is_matrix = info.shape.ndim() == 2 && info.len == info.shape.size();
    Extent {
        len: info.len,
        matrix: is_matrix.then(|| [info.shape.rows(), info.shape.cols()]),
        scalar: info.shape.is_scalar(),
    }
}

/// Makes the numbers of a symmetric parameter, one matrix after the other, symmetric to the last
/// bit, by the mean of each two entries: in f32 they are so only up to rounding. Leaves those of
/// other parameters as they are.
pub fn make_symmetric(info: &ParameterInfo<'_>, numbers: &mut [f64]) {
    if !info.symmetric {
        return;
    }
    let n = info.shape.rows();
    for matrix in numbers.chunks_mut((n * n).max(1)) {
        for i in 0..n {
            for j in 0..i {
                let mean = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
                (matrix[i * n + j], matrix[j * n + i]) = (mean, mean);
            }
        }
    }
}

/// There is no parameter of this name.
pub(super) fn unknown(name: &str, layer: &Layer) -> ModelError {
    let names: Vec<&str> = layer.parameter_infos().map(|info| info.name).collect();
    ModelError::Argument {
        argument: format!("parameter {name}"),
        expected: format!("one of {}", names.join(", ")),
        found: "no parameter of this name".into(),
    }
}
