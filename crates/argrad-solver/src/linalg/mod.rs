//! Lane linear algebra: LDL' of quasidefinite matrices and products with sparse blocks.
//!
//! In the order of the data: [`ordering`] picks the elimination order, [`symbolic`] turns it into
//! supernodes and index lists, [`factor`] and [`solve`] run on them in lanes with the register
//! kernels of [`tile`]; [`blocks`] multiplies by P and A.

mod blocks;
mod factor;
mod ordering;
mod solve;
mod symbolic;
mod tile;

pub(crate) use blocks::{Block, Blocks, equal_rows};
pub(crate) use factor::{Pivots, factor};
pub(crate) use solve::solve;
pub(crate) use symbolic::Symbolic;

#[cfg(test)]
mod tests;
