//! Claims about quasiconvex problems: known optima, derivatives, batches, what is refused.

mod case;
mod known;
mod refusals;
