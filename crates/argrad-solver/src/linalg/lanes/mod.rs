//! LDL' of many matrices of one pattern, one per lane, and products with their sparse blocks.
//!
//! [`symbolic`] turns an elimination order into supernodes and index lists, [`factor`] and
//! [`solve`] run on them with the register kernels of [`tile`]; [`blocks`] multiplies by P and A.

mod blocks;
mod factor;
mod solve;
mod symbolic;
mod tile;

pub(crate) use blocks::{Block, Blocks, equal_rows};
pub(crate) use factor::{Pivots, factor};
pub(crate) use solve::solve;
pub(crate) use symbolic::Symbolic;

#[cfg(test)]
mod tests;
