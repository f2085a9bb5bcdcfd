//! Linear algebra: LDL' of quasidefinite matrices, products with sparse blocks, small dense
//! matrices.
//!
//! [`ordering`] picks the elimination order. [`lanes`] factors and multiplies many matrices of one
//! pattern at once, [`sparse`] one large matrix; [`factorization`] and [`products`] are what the
//! rest sees of both. [`lsqr`] solves with products alone. [`dense`] is what the cones need of
//! small matrices.

pub(crate) mod dense;
mod ordering;

mod lanes;
mod sparse;

mod factorization;
pub(crate) mod lsqr;
mod products;

pub(crate) use factorization::Factorization;
pub(crate) use lanes::{Block, Blocks, Pivots, Symbolic, equal_rows};
pub(crate) use ordering::minimum_degree;
pub(crate) use products::Products;
pub(crate) use sparse::SparseProducts;
