//! Dense matrices, one per lane: symmetric products, eigenvalues, reflections. Large ones are
//! worked on one at a time.

mod blocked_factor;
pub(crate) mod householder;
mod implicit_qr;
mod large_eigen;
mod least_eigenvalue;
mod matrix;
mod panel;
mod symmetric_eigen;
mod table;
pub(crate) mod tiled_cholesky;
mod tridiagonal;

pub(crate) use least_eigenvalue::{least_eigenvalues, least_scratch_len};
pub(crate) use matrix::{
    Entries, Support, cholesky, congruence, divide_by_factor, row_products, scale_off_diagonals,
    set_both, transpose, triangle_index, triangle_len, unpack,
};
pub(crate) use symmetric_eigen::{eigen, eigen_scratch_len};
pub(crate) use table::{Inverse, Product, Table};
