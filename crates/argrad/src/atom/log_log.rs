//! What geometric programs know of an atom.

use std::sync::Arc;

use super::Atom;
use crate::algebra::LinearMap;

/// The logarithm of a positive atom as a function of the logarithms of its arguments, one after the
/// other.
///
/// Source: Agrawal, Diamond and Boyd, Disciplined Geometric Programming, 2019.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LogLog {
    /// `M log x`: every element is a product of powers.
    Monomial(LinearMap),
    /// `exponent * log sum exp(M log x)`, a scalar: a power of the sum of the monomials that the
    /// rows of M are.
    PowerOfSum {
        /// M.
        terms: LinearMap,
        /// The power.
        exponent: f64,
    },
    /// Another atom of the logarithms (with the arguments' shapes): log-log convex where it is
    /// convex.
    Atom(Arc<dyn Atom>),
}

impl LogLog {
    /// Each of `size` elements to the power `exponent`.
    pub fn power(size: usize, exponent: f64) -> Self {
        Self::Monomial(LinearMap::gather(size, 0..size, exponent))
    }

    /// `(sum x_i^p)^(1/p)` of `size` elements.
    pub fn p_norm(size: usize, p: f64) -> Self {
        Self::PowerOfSum { terms: LinearMap::gather(size, 0..size, p), exponent: 1.0 / p }
    }
}
