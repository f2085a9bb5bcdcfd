//! Every ready-made layer against a closed form or an independent algorithm.

mod activations;
mod case;
mod projections;
mod sorting;
