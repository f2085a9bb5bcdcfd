//! Claims about the modelling language, one file each.

mod atoms;
mod derivative;
mod dpp;
mod known_values;
mod random;
mod refusals;
mod run_time;
mod timing;
