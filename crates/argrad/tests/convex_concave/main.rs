//! Claims about convex-concave sequences: known stationary points, derivatives, batches, what is
//! refused.

mod case;
mod examples;
mod known;
mod refusals;
