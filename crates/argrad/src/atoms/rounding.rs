//! `ceil` and `floor`, for quasiconvex problems.

use std::sync::Arc;

use super::spec::{Elementwise, ElementwiseLogLog, ElementwiseSpec, Inverse};
use crate::algebra::Shape;
use crate::atom::{Affine, Curvature, Graph, Monotonicity, Side};
use crate::expression::Expr;

/// Never called: an atom without curvature does not pass the check of the DCP rules.
fn no_graph(_: &mut Graph<'_>, x: &Affine) -> Affine {
    let shape: Shape = x.shape();
    Affine::zeros(shape)
}

pub(super) static CEIL: ElementwiseSpec = ElementwiseSpec {
    name: "ceil",
    sign: |sign| sign,
    curvature: Curvature::Unknown,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    value: f64::ceil,
    derivative: |_| 0.0,
    graph: no_graph,
    log_log: ElementwiseLogLog::None,
    // ceil(x) <= t exactly where x <= floor(t); the superlevel sets are not closed.
    inverse: Some(Inverse { of: || Arc::new(Elementwise(&FLOOR)), sides: &[Side::Below] }),
    advice: "ceil(x) is quasiconvex: compile_quasiconvex takes problems with it",
};

pub(super) static FLOOR: ElementwiseSpec = ElementwiseSpec {
    name: "floor",
    sign: |sign| sign,
    curvature: Curvature::Unknown,
    monotonicity: |_| Monotonicity::Increasing,
    domain: "",
    value: f64::floor,
    derivative: |_| 0.0,
    graph: no_graph,
    log_log: ElementwiseLogLog::None,
    // floor(x) >= t exactly where x >= ceil(t); the sublevel sets are not closed.
    inverse: Some(Inverse { of: || Arc::new(Elementwise(&CEIL)), sides: &[Side::Above] }),
    advice: "floor(x) is quasiconcave: compile_quasiconvex takes problems with it",
};

/// The least integer that is not less, elementwise, for quasiconvex problems
/// ([`crate::quasiconvex`]): quasiconvex, increasing; its derivative is zero.
#[track_caller]
pub fn ceil(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&CEIL), &[x])
}

/// The largest integer that is not larger, elementwise, for quasiconvex problems
/// ([`crate::quasiconvex`]): quasiconcave, increasing; its derivative is zero.
#[track_caller]
pub fn floor(x: Expr<'_>) -> Expr<'_> {
    x.model.atom(Elementwise(&FLOOR), &[x])
}
