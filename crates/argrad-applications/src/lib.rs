//! What the applications in `examples/` share, and nothing of optimization: command lines, Ctrl-C,
//! progress, plots, statistics.
//!
//! Each application is a program in a folder of its own, run by `cargo run --release --example
//! NAME`; its page is in `docs/applications/`.

pub mod arguments;
pub mod interruption;

pub mod command;

pub mod plot;
pub mod progress;
pub mod quantile;
pub mod regression;
