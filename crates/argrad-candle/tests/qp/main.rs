//! Claims about the quadratic program in candle.

mod errors;
mod graph;
mod module;
mod op;
mod program;
