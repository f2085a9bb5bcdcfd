//! Claims about the quadratic program in burn.

mod errors;
mod learning;
mod module;
mod op;
mod program;
