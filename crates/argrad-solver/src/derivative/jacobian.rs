//! The whole Jacobian of the solution map, for those who want to look at it.

use super::{Cotangent, Differentiation, Gradients};
use crate::program::Error;
use crate::tape::{Shared, Tape};

/// Jacobians of the solution `(x, z, s)` of each sample with respect to its own values, shared or
/// not: for each value `batch x (n + 2m) x k` numbers, row-major, with k the number of entries of
/// the value and rows in the order x, z, s.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Jacobian {
    /// Number of rows of one sample, n + 2m.
    pub rows: usize,
    /// With respect to the stored upper triangle of P (an off-diagonal entry stands for two).
    pub p: Vec<f64>,
    /// With respect to q.
    pub q: Vec<f64>,
    /// With respect to A.
    pub a: Vec<f64>,
    /// With respect to b.
    pub b: Vec<f64>,
}

impl Tape {
    /// The full Jacobian: one adjoint solve a row. Meant for small programs and for study; training
    /// needs [`Self::vjp`] only.
    ///
    /// # Errors
    /// As [`Self::vjp`]; [`Error::Memory`] where it would not fit.
    pub fn jacobian(&self, how: &Differentiation) -> Result<Jacobian, Error> {
        how.check(&self.reports)?;
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let rows = n + 2 * m;
        let lengths = [structure.p.nnz(), n, structure.a.nnz(), m];
        let numbers = lengths.iter().sum::<usize>().saturating_mul(rows);
        let each = numbers.saturating_mul(size_of::<f64>());
        self.prepared.check_memory(batch, each, "the Jacobian")?;
        let mut out = lengths.map(|len| vec![0.0; batch * rows * len]);
        let each = Shared { p: false, q: false, a: false, b: false };
        let (mut x, mut z, mut s) =
            (vec![0.0; batch * n], vec![0.0; batch * m], vec![0.0; batch * m]);
        for row in 0..rows {
            let set = |x: &mut [f64], z: &mut [f64], s: &mut [f64], value: f64| {
                for sample in 0..batch {
                    if row < n {
                        x[sample * n + row] = value;
                    } else if row < n + m {
                        z[sample * m + row - n] = value;
                    } else {
                        s[sample * m + row - n - m] = value;
                    }
                }
            };
            set(&mut x, &mut z, &mut s, 1.0);
            let cotangent = Cotangent { x: Some(&x), z: Some(&z), s: Some(&s) };
            let gradients = self.vjp_to(&cotangent, how, each, Gradients::default())?;
            set(&mut x, &mut z, &mut s, 0.0);
            let found = [&gradients.p, &gradients.q, &gradients.a, &gradients.b];
            for ((out, found), len) in out.iter_mut().zip(found).zip(lengths) {
                for sample in 0..batch {
                    out[(sample * rows + row) * len..][..len]
                        .copy_from_slice(&found[sample * len..][..len]);
                }
            }
        }
        let [p, q, a, b] = out;
        Ok(Jacobian { rows, p, q, a, b })
    }
}
