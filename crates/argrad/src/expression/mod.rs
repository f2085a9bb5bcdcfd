//! Expressions: an arena of nodes, handles into it, and what may stand beside a handle.

mod arena;
mod attributes;
mod declare;
mod evaluate;
mod expr;
mod id;
mod key;
mod operand;
mod relation;
mod text;

pub(crate) use arena::{Arena, Form, Leaf, Node, Op, reachable};
pub(crate) use attributes::Attributes;
pub(crate) use evaluate::{constant_value, evaluate};
pub use expr::{Expr, Model};
pub(crate) use id::{Handle, Id, Place};
pub(crate) use key::By;
pub use key::Key;
pub use operand::{Dense, Operand, dense};
pub(crate) use relation::{ConstraintData, Relation};
pub(crate) use text::{constraint_text, parameter_name, render, variable_name};
