//! Variables, parameters and constants.

use argrad::model::{Expr, dense};
use pyo3::prelude::*;

use super::node::Node;
use super::table::Function;

pub(super) const LEAVES: &[(&str, Function)] = &[
    ("variable", variable),
    ("bounds", bounds),
    ("sparse", |node| Ok(node.take::<1>()?[0].sparse(&node.pairs(0)?))),
    ("parameter", parameter),
    ("constant", constant),
];

/// `(shape, name, attributes)`: a variable is made once, so that its name and attributes are its.
fn variable<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    with_attributes(node, node.model.variable(node.shape(0)?))
}

/// `(shape, name, attributes)`.
fn parameter<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    with_attributes(node, node.model.parameter(node.shape(0)?))
}

fn with_attributes<'m>(node: &Node<'_, 'm, '_>, leaf: Expr<'m>) -> PyResult<Expr<'m>> {
    let leaf = leaf.named(node.text(1)?);
    node.texts(2)?.iter().try_fold(leaf, |leaf, attribute| {
        Ok(match attribute.as_str() {
            "nonneg" => leaf.nonneg(),
            "nonpos" => leaf.nonpos(),
            "symmetric" => leaf.symmetric(),
            "psd" => leaf.psd(),
            "diagonal" => leaf.diagonal(),
            _ => return Err(node.error("attributes that are known")),
        })
    })
}

/// A variable and `(lower, upper)`, entry by entry.
fn bounds<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    let [leaf] = node.take()?;
    let (lower, upper) = (node.reals(0)?, node.reals(1)?);
    Ok(leaf.bounds_each(lower.as_slice()?, upper.as_slice()?))
}

/// `(shape, numbers)`, row-major.
fn constant<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    let shape = node.shape(0)?;
    let numbers = node.reals(1)?;
    let flat = dense(shape.rows(), shape.cols(), numbers.as_slice()?);
    let matrix = node.model.constant(flat);
    Ok(if shape.ndim() == 2 {
        matrix
    } else {
        node.model.constant(numbers.as_slice()?).reshape(shape)
    })
}
