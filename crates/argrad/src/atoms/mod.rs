//! Atoms: the functions that expressions are made of, one family per file.

mod arithmetic;
mod cholesky;
mod composites;
mod eigen;
mod elementwise;
mod extremum;
mod huber;
mod length;
mod log_sum_exp_rows;
mod logarithmic;
mod norm;
mod norms;
mod operators;
mod order;
mod partial;
mod perspective;
mod quadratic;
mod ratio;
mod recip;
mod reductions;
mod registry;
mod root_of_product;
mod roots;
mod rounding;
mod shaping;
mod spec;
mod spectral;
mod symmetric;

pub use arithmetic::{broadcast_to, conv, kron, matmul, outer};
pub use composites::{
    cvar, harmonic_mean, lambda_min, lambda_sum_smallest, matrix_frac, mixed_norm, neg, norm_fro,
    pos, ptp, std, sum_smallest, tv, var,
};
pub use elementwise::{abs, exp, log};
pub use extremum::{maximum, minimum};
pub use huber::huber;
pub use length::length;
pub(crate) use log_sum_exp_rows::LogSumExpRows;
pub use logarithmic::{entr, kl_div, log1p, logistic, rel_entr, xexp};
pub use norm::norm2;
pub use norms::{norm_inf, norm1, norm2_axis, pnorm, pnorm_axis};
pub(crate) use order::{Arrange, OrderDifferences};
pub use perspective::perspective;
pub use quadratic::{quad_form, quad_over_lin, square, sum_squares};
pub use ratio::ratio;
pub(crate) use ratio::ratio_residual;
pub use recip::Recip;
pub use reductions::{
    geo_mean, log_sum_exp, log_sum_exp_axis, max, max_axis, min, min_axis, sum_largest,
    weighted_geo_mean,
};
pub use registry::register;
pub(crate) use root_of_product::root_of_product;
pub use roots::{inv_pos, power, sqrt};
pub use rounding::{ceil, floor};
pub use shaping::{bmat, hstack, vstack};
pub use spectral::{lambda_max, lambda_sum_largest, log_det, norm_nuc, sigma_max, tr_inv};
