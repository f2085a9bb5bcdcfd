//! Functions that are convex or concave: elementwise ones, reductions, functions of matrices.

use argrad::atoms;
use argrad::model::Expr;
use pyo3::prelude::*;

use super::node::Node;
use super::table::Function;

pub(super) const ELEMENTWISE: &[(&str, Function)] = &[
    ("abs", |node| node.take().map(|[x]| atoms::abs(x))),
    ("maximum", |node| node.take().map(|[x, y]: [Expr<'_>; 2]| atoms::maximum(x, y))),
    ("minimum", |node| node.take().map(|[x, y]: [Expr<'_>; 2]| atoms::minimum(x, y))),
    ("exp", |node| node.take().map(|[x]| atoms::exp(x))),
    ("log", |node| node.take().map(|[x]| atoms::log(x))),
    ("log1p", |node| node.take().map(|[x]| atoms::log1p(x))),
    ("entr", |node| node.take().map(|[x]| atoms::entr(x))),
    ("rel_entr", |node| node.take().map(|[x, y]: [Expr<'_>; 2]| atoms::rel_entr(x, y))),
    ("kl_div", |node| node.take().map(|[x, y]: [Expr<'_>; 2]| atoms::kl_div(x, y))),
    ("logistic", |node| node.take().map(|[x]| atoms::logistic(x))),
    ("huber", |node| node.take().map(|[x, m]: [Expr<'_>; 2]| atoms::huber(x, m))),
    ("power", |node| Ok(atoms::power(node.take::<1>()?[0], node.number(0)?))),
    ("xexp", |node| node.take().map(|[x]| atoms::xexp(x))),
];

/// Of all elements, or (with `rows` in the name) of each row of a matrix.
pub(super) const REDUCTIONS: &[(&str, Function)] = &[
    ("norm2", |node| node.take().map(|[x]| atoms::norm2(x))),
    ("norm2_rows", |node| node.take().map(|[x]| atoms::norm2_axis(x, 1))),
    ("pnorm", |node| Ok(atoms::pnorm(node.take::<1>()?[0], node.number(0)?))),
    ("pnorm_rows", |node| Ok(atoms::pnorm_axis(node.take::<1>()?[0], node.number(0)?, 1))),
    ("max", |node| node.take().map(|[x]| atoms::max(x))),
    ("max_rows", |node| node.take().map(|[x]| atoms::max_axis(x, 1))),
    ("min", |node| node.take().map(|[x]| atoms::min(x))),
    ("min_rows", |node| node.take().map(|[x]| atoms::min_axis(x, 1))),
    ("sum_largest", |node| Ok(atoms::sum_largest(node.take::<1>()?[0], node.number(0)?))),
    ("log_sum_exp", |node| node.take().map(|[x]| atoms::log_sum_exp(x))),
    ("log_sum_exp_rows", |node| node.take().map(|[x]| atoms::log_sum_exp_axis(x, 1))),
    ("geo_mean", |node| {
        let weights = node.reals(0)?;
        Ok(atoms::weighted_geo_mean(node.take::<1>()?[0], weights.as_slice()?))
    }),
    ("sum_squares", |node| node.take().map(|[x]| atoms::sum_squares(x))),
    ("quad_over_lin", |node| node.take().map(|[x, y]: [Expr<'_>; 2]| atoms::quad_over_lin(x, y))),
    ("quad_form", |node| node.take().map(|[x, p]: [Expr<'_>; 2]| atoms::quad_form(x, p))),
    ("perspective", |node| node.take().map(|[f, s]: [Expr<'_>; 2]| atoms::perspective(f, s))),
];

/// Functions of a matrix.
pub(super) const MATRICES: &[(&str, Function)] = &[
    ("lambda_max", |node| node.take().map(|[x]| atoms::lambda_max(x))),
    ("lambda_sum_largest", |node| {
        Ok(atoms::lambda_sum_largest(node.take::<1>()?[0], node.number(0)?))
    }),
    ("log_det", |node| node.take().map(|[x]| atoms::log_det(x))),
    ("tr_inv", |node| node.take().map(|[x]| atoms::tr_inv(x))),
    ("matrix_frac", |node| node.take().map(|[x, p]: [Expr<'_>; 2]| atoms::matrix_frac(x, p))),
    ("sigma_max", |node| node.take().map(|[x]| atoms::sigma_max(x))),
    ("norm_nuc", |node| node.take().map(|[x]| atoms::norm_nuc(x))),
];

/// Any function of the tables here, by its name.
pub(super) fn find(name: &str) -> Option<Function> {
    let tables = [super::leaves::LEAVES, super::affine::AFFINE, ELEMENTWISE, REDUCTIONS, MATRICES];
    let mut all = tables.into_iter().flatten();
    all.find(|(own, _)| *own == name).map(|(_, function)| *function)
}

/// The expression that a node describes.
pub(super) fn make<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    find(&node.name).ok_or_else(|| node.error("the name of a function"))?(node)
}
