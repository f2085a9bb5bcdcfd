//! Constraints.

use argrad::model::{Constraint, Expr, exponential_cone, power_cone, second_order};
use pyo3::prelude::*;

use super::node::Node;

/// The constraint that a node describes.
pub(super) fn constraint<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Constraint<'m>> {
    let made = match node.name.as_str() {
        "equal" => node.take().map(|[a, b]: [Expr<'m>; 2]| a.equals(b)),
        "less_equal" => node.take().map(|[a, b]: [Expr<'m>; 2]| a.leq(b)),
        "semidefinite" => node.take().map(|[x]: [Expr<'m>; 1]| x.psd_geq(0.0)),
        "second_order" => node.take().map(|[t, x]| second_order(t, x)),
        "exponential" => node.take().map(|[x, y, z]| exponential_cone(x, y, z)),
        "power" => {
            let alpha = node.number(1)?;
            node.take().map(|[x, y, z]| power_cone(x, y, z, alpha))
        }
        _ => Err(node.error("the name of a constraint")),
    }?;
    let label = node.text(0)?;
    Ok(if label.is_empty() { made } else { made.named(label) })
}
