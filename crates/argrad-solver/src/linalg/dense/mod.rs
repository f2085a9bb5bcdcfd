//! Small dense matrices, one per lane: symmetric products, eigenvalues, reflections.

pub(crate) mod householder;
mod least_eigenvalue;
mod matrix;
mod symmetric_eigen;

pub(crate) use least_eigenvalue::{least_eigenvalues, least_scratch_len};
pub(crate) use matrix::{
    Entries, Support, cholesky, congruence, divide_by_factor, row_products, scale_off_diagonals,
    set_both, transpose, triangle_index, triangle_len, unpack,
};
pub(crate) use symmetric_eigen::{eigen, eigen_scratch_len};
