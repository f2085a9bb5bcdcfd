//! What the solver promises, each test named by the claim it holds.

mod case;

mod bad_input;
mod bitwise;
mod convexity;
mod degenerate;
mod derivative;
mod difference;
mod empty;
mod failures;
mod homogeneous;
mod homogeneous_cones;
mod infeasible;
mod removed_rows;
mod smoothed;
mod warm;
