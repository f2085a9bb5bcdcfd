//! What writing a problem and running its layer takes: `use argrad::prelude::*`.
//!
//! Of the functions it has those whose names say what they are wherever they stand. Others (`max`,
//! `min`, `std`, `var`, `pos`, ...) are taken from [`atoms`], which comes along: `atoms::max(x)`.

pub use crate::atoms;
pub use crate::atoms::{
    abs, broadcast_to, exp, geo_mean, hstack, huber, inv_pos, kl_div, lambda_max, lambda_min, log,
    log_det, log_sum_exp, logistic, matmul, maximum, minimum, norm_fro, norm_inf, norm_nuc, norm1,
    norm2, quad_form, quad_over_lin, rel_entr, sqrt, square, sum_largest, sum_squares, vstack,
};
pub use crate::model::{
    Answer, Constraint, Curvature, Expr, Layer, Model, ModelError, Output, Outputs, Problem, Shape,
    Sign, dense, exponential_cone, power_cone, second_order,
};
pub use argrad_solver::{Differentiation, Report, Settings, Slot, Status};
