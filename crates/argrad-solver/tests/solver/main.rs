//! What the solver promises, each test named by the claim it holds.

mod case;
mod families;

mod auxiliary;
mod bad_input;
mod balance;
mod bitwise;
mod chordal;
mod conditions;
mod cones;
mod convexity;
mod degenerate;
mod derivative;
mod difference;
mod empty;
mod engines;
mod failures;
mod flat_tape;
mod ill_conditioned;
mod infeasible;
mod jacobian;
mod limits;
mod lpgd;
mod max_cut;
mod removed_rows;
mod second_order;
mod shared_matrices;
mod smoothed;
mod tolerance;
mod unattained;
mod units;
mod warm;
mod zeros;
