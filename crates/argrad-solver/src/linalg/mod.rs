//! Lane linear algebra: LDL' of quasidefinite matrices and products with sparse blocks.
//!
//! In the order of the data: [`ordering`] picks the elimination order, [`symbolic`] turns it into
//! supernodes and index lists, [`factor`] and [`solve`] run on them in lanes with the register
//! kernels of [`tile`]; [`blocks`] multiplies by P and A. [`sparse`] and [`sparse_products`] do the same
//! for one large instance; [`factorization`] and [`products`] are what the rest sees of both.

mod blocks;
mod factor;
mod factorization;
mod ordering;
mod products;
mod solve;
mod sparse;
mod sparse_products;
mod symbolic;
mod tile;

pub(crate) use blocks::{Block, Blocks, equal_rows};
pub(crate) use factor::Pivots;
pub(crate) use factorization::Factorization;
pub(crate) use products::Products;
pub(crate) use sparse_products::SparseProducts;
pub(crate) use symbolic::Symbolic;

#[cfg(test)]
mod tests;
