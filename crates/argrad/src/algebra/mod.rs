//! Shapes, and the operations that need nothing but them: linear maps, bilinear products,
//! semidefiniteness.

mod bilinear;
mod gram;
mod inner_product;
mod linear_map;
mod matrix_product;
mod semidefinite;
mod shape;

pub use bilinear::Bilinear;
pub(crate) use gram::Gram;
pub(crate) use inner_product::dot;
pub use linear_map::LinearMap;
pub(crate) use semidefinite::{is_semidefinite, pivoted_cholesky};
pub use shape::Shape;
