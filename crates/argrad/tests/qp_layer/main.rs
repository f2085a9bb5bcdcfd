//! Claims about `QpLayer`, one file each.

mod bad_input;
mod batch;
mod blocks;
mod case;
mod conditions;
mod derivative;
mod factors;
mod layouts;
mod parametrizations;
mod second;
mod spo_plus;
mod warm_start;
mod zeros;
