//! The whole solver of `argrad_gpu`, its kernels compiled for the host, against `argrad_solver`.
#![cfg(host_kernels)]

mod agreement;
mod bad_input;
mod case;
mod empty;
mod families;
mod layout;
mod lpgd;
mod orders;
mod removed_rows;
mod smoothed;
mod threads;
mod three_dimensional;
mod unsolvable;
mod warm;
