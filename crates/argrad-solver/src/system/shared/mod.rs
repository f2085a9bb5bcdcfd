//! Quadratic programs whose P and A the whole batch shares: one inverse serves all samples.
//!
//! With A_e the equalities, G the inequalities, and computed once a call
//! ```text
//! K0 = [P A_e'; A_e 0],   Y = K0^-1 [G'; 0],   M = [G 0] Y
//! ```
//! the system of polish and derivative (see [`super::kkt`]) of a sample is solved by products with
//! K0^-1, Y and A, and by a factor of `(M + H)` over the rows in which H is finite, the active ones
//! (elimination by blocks; Amos and Kolter, "OptNet", ICML 2017, share a factor of P the same way).
//! That takes O(n^2) operations a sample besides a factor of the order of the active rows.
//!
//! [`matrices`] is what the batch shares, [`group`] how a lane group sees it, [`active`] the factor
//! and the solves.

pub(crate) mod active;
pub(crate) mod group;
pub(crate) mod matrices;
