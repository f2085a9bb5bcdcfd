//! What the tables of functions hold.

use argrad::model::Expr;
use pyo3::PyResult;

use super::node::Node;

/// From the description of an expression to the expression.
pub(super) type Function = for<'a, 'm, 'py> fn(&Node<'a, 'm, 'py>) -> PyResult<Expr<'m>>;
