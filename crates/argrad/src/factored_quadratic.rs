//! A quadratic that is positive definite by construction, `P = LL' + eps I`, with its adjoint.
//!
//! Learn the factor L instead of P: every L gives a convex program, with a unique solution where
//! `eps > 0`.

use argrad_solver::{Error, Slot};

use crate::algebra::dot;
use crate::qp::{check_finite, check_length, each_sample};

/// The map from a factor L (n x n, row-major) to P.
///
/// ```
/// use argrad::{Slot, factored_quadratic::FactoredQuadratic};
/// let map = FactoredQuadratic::lower(2, 0.5);
/// let factor = Slot::Shared(&[1., 9., 2., 3.]); // what is above the diagonal is ignored
/// let p = map.forward(1, factor)?;
/// assert_eq!(p, [1.5, 2., 2., 13.5]);
/// let gradient = map.backward(1, factor, &[1., 0., 0., 0.])?;
/// assert_eq!(gradient, [2., 0., 0., 0.]);
/// # Ok::<(), argrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactoredQuadratic {
    n: usize,
    eps: f64,
    lower: bool,
}

impl FactoredQuadratic {
    /// All n x n numbers of L count.
    pub fn full(n: usize, eps: f64) -> Self {
        Self { n, eps, lower: false }
    }

    /// Only the lower triangle of L counts, diagonal included; the rest is ignored and gets a
    /// gradient of zero.
    pub fn lower(n: usize, eps: f64) -> Self {
        Self { n, eps, lower: true }
    }

    /// P, row-major, exactly symmetric: `n * n` numbers for a shared L, else `batch` times that.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn forward(&self, batch: usize, factor: Slot<'_>) -> Result<Vec<f64>, Error> {
        let n = self.n;
        check_length("L", factor, n * n, batch)?;
        check_finite("L", factor, n * n, false)?;
        let mut p = vec![0.0; factor.as_slice().len()];
        each_sample(&mut p, n * n, |k, p| {
            let l = factor.sample(k, n * n);
            for i in 0..n {
                for j in 0..=i {
                    let len = if self.lower { j + 1 } else { n };
                    let sum = dot(&l[i * n..i * n + len], &l[j * n..j * n + len]);
                    p[i * n + j] = sum;
                    p[j * n + i] = sum;
                }
                p[i * n + i] += self.eps;
            }
            true
        });
        Ok(p)
    }

    /// Gradient with respect to L from that with respect to P (`p`, as long as what
    /// [`Self::forward`] returned), `(dP + dP') L`.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn backward(&self, batch: usize, factor: Slot<'_>, p: &[f64]) -> Result<Vec<f64>, Error> {
        let n = self.n;
        check_length("L", factor, n * n, batch)?;
        let found = p.len();
        if found != factor.as_slice().len() {
            return Err(Error::Length {
                argument: "gradient of P",
                expected: factor.as_slice().len(),
                found,
                meaning: "as many numbers as L".into(),
            });
        }
        let mut gradient = vec![0.0; found];
        each_sample(&mut gradient, n * n, |k, out| {
            let l = factor.sample(k, n * n);
            let dp = &p[k * n * n..(k + 1) * n * n];
            for i in 0..n {
                let row = &mut out[i * n..(i + 1) * n];
                for j in 0..n {
                    let weight = dp[i * n + j] + dp[j * n + i];
                    let len = if self.lower { j.min(i) + 1 } else { n };
                    for (out, l) in row[..len].iter_mut().zip(&l[j * n..j * n + len]) {
                        *out += weight * l;
                    }
                }
            }
            true
        });
        Ok(gradient)
    }
}
