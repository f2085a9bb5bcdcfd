//! What the applications in `examples/` share, and nothing that solves: command lines, Ctrl-C,
//! progress, plots; descent, random numbers, statistics.
//!
//! Each application is a program in a folder of its own, run by `cargo run --release --example
//! NAME`; its page is in `docs/applications/`.

pub mod adam;
pub mod arguments;
pub mod interruption;

pub mod command;

pub mod normal;
pub mod plot;
pub mod progress;
pub mod quantile;
pub mod regression;
