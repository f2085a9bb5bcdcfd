//! Constraints without the freedom of scale: each row of `[A b]` divided by the norm of its row of
//! A, with adjoint and tangent.
//!
//! `a'x = b` and `(t a)'x = t b` are one constraint, so a loss does not change along t, but how far
//! a step turns the row depends on the length that it happens to have (Katyal 2024, section 6.1).
//! The same for inequalities `Gx <= h`.
//!
//! Learning (A, b) *through* this map alone changes nothing: solutions, and with them a loss and
//! its gradients, are what they were without it. What it is for is to be *put back*: replace (A, b)
//! by what the map makes of it after each step, so that steps are those along the constraints and
//! no row drifts. ([docs/training.md] has what that changes.) Through the map it acts where
//! something beside the solution sees the numbers: a penalty on weights, or a b that stays as it
//! is.
//!
//! [docs/training.md]: https://github.com/argrad/argrad/blob/main/docs/training.md

use argrad_solver::{Error, Slot};

use crate::qp::{MatrixShape, check_finite, check_length};

/// The map from (A, b) to `(a_i / |a_i|, b_i / |a_i|)`, row by row, for an A of one shape; or from
/// (G, h).
///
/// ```
/// use argrad::{MatrixShape, Slot, row_normalized::RowNormalized};
/// let map = RowNormalized::new(&MatrixShape::Dense { rows: 1, cols: 2 });
/// let (a, b) = (Slot::Shared(&[3., 4.]), Slot::Shared(&[10.]));
/// let rows = map.forward(1, a, b)?;
/// assert_eq!(rows.matrix_slot(), Slot::Shared(&[0.6, 0.8]));
/// assert_eq!(rows.rhs_slot(), Slot::Shared(&[2.]));
/// // A gradient along the row is none: its length has no effect.
/// let gradients = map.backward(1, a, b, &[0.6, 0.8], &[0.])?;
/// assert!(gradients.matrix.iter().all(|g| g.abs() < 1e-15));
/// # Ok::<(), argrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RowNormalized {
    rows: usize,
    /// Row of each number of A.
    row_of: Vec<u32>,
}

/// A matrix and a right-hand side, or gradients or tangents of both.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NormalizedRows {
    /// The numbers of A (of G) in the order of its shape, for the whole batch or for each sample.
    pub matrix: Vec<f64>,
    /// Those of b (of h).
    pub rhs: Vec<f64>,
    /// Whether the batch shares the matrix: where it shares A.
    pub matrix_shared: bool,
    /// Whether it shares the right-hand side: where it shares A and b.
    pub rhs_shared: bool,
}

impl NormalizedRows {
    /// The matrix as an argument of a layer.
    pub fn matrix_slot(&self) -> Slot<'_> {
        slot(&self.matrix, self.matrix_shared)
    }

    /// The right-hand side as an argument of a layer.
    pub fn rhs_slot(&self) -> Slot<'_> {
        slot(&self.rhs, self.rhs_shared)
    }
}

/// What [`RowNormalized::backward`] returns; the gradient of a shared argument is the sum over the
/// batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RowNormalizedGradients {
    /// With respect to A (to G).
    pub matrix: Vec<f64>,
    /// With respect to b (to h).
    pub rhs: Vec<f64>,
}

impl RowNormalized {
    /// For an A, or G, of this shape.
    pub fn new(shape: &MatrixShape) -> Self {
        let row_of = shape.entries().into_iter().map(|(i, _)| i as u32).collect();
        Self { rows: shape.rows(), row_of }
    }

    /// A and b with rows of norm one. A right-hand side of `+inf`, which is no constraint, stays.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`]; [`Error::Shape`] for a row of zeros, which has no
    /// direction.
    pub fn forward(
        &self,
        batch: usize,
        matrix: Slot<'_>,
        rhs: Slot<'_>,
    ) -> Result<NormalizedRows, Error> {
        let norms = self.norms(batch, matrix, rhs)?;
        let (matrix_shared, rhs_shared) = self.sharing(matrix, rhs);
        let mut out = self.empty(batch, matrix, rhs);
        for k in 0..copies(batch, matrix_shared) {
            let norms = norms.sample(k, self.rows);
            let own = matrix.sample(k, self.row_of.len()).iter().zip(&self.row_of);
            out.matrix.extend(own.map(|(a, &i)| a / norms[i as usize]));
        }
        for k in 0..copies(batch, rhs_shared) {
            let (norms, b) = (norms.sample(k, self.rows), rhs.sample(k, self.rows));
            out.rhs.extend(b.iter().zip(norms).map(|(b, norm)| b / norm));
        }
        Ok(out)
    }

    /// Adjoint: with g and f the gradients at row `u = a / |a|` and `c = b / |a|`, da = (g - u
    /// (u'g + c f)) / |a| and db = f / |a|. `matrix_gradient` and `rhs_gradient` are as long as
    /// what [`Self::forward`] returned.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn backward(
        &self,
        batch: usize,
        matrix: Slot<'_>,
        rhs: Slot<'_>,
        matrix_gradient: &[f64],
        rhs_gradient: &[f64],
    ) -> Result<RowNormalizedGradients, Error> {
        let norms = self.norms(batch, matrix, rhs)?;
        let (matrix_shared, rhs_shared) = self.sharing(matrix, rhs);
        let (len, rows) = (self.row_of.len(), self.rows);
        let g = slot(matrix_gradient, matrix_shared);
        let f = slot(rhs_gradient, rhs_shared);
        check_length("gradient of the matrix", g, len, batch)?;
        check_length("gradient of the right-hand side", f, rows, batch)?;
        let mut gradients = RowNormalizedGradients {
            matrix: vec![0.0; matrix.as_slice().len()],
            rhs: vec![0.0; rhs.as_slice().len()],
        };
        // u'g row by row, of the matrix: once for each of its copies.
        for k in 0..copies(batch, matrix_shared) {
            let (a, g) = (matrix.sample(k, len), g.sample(k, len));
            let norms = norms.sample(k, rows);
            let along = self.along(a, g, norms);
            let out = &mut gradients.matrix[part(matrix, k, len)];
            for (e, &i) in self.row_of.iter().enumerate() {
                let i = i as usize;
                out[e] += (g[e] - a[e] / norms[i] * along[i]) / norms[i];
            }
        }
        for k in 0..copies(batch, rhs_shared) {
            let (a, b, f) = (matrix.sample(k, len), rhs.sample(k, rows), f.sample(k, rows));
            let norms = norms.sample(k, rows);
            // A right-hand side that is infinite, and removes its row, moves nothing.
            let weight = |i: usize| if b[i].is_finite() { b[i] / norms[i] * f[i] } else { 0.0 };
            let out = &mut gradients.matrix[part(matrix, k, len)];
            for (e, &i) in self.row_of.iter().enumerate() {
                let i = i as usize;
                out[e] -= a[e] / norms[i] * weight(i) / norms[i];
            }
            let out = &mut gradients.rhs[part(rhs, k, rows)];
            for i in 0..rows {
                out[i] += if b[i].is_finite() { f[i] / norms[i] } else { 0.0 };
            }
        }
        Ok(gradients)
    }

    /// Tangent: da and db to d(a / |a|) and d(b / |a|), each as A and b are shared.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn jvp(
        &self,
        batch: usize,
        matrix: Slot<'_>,
        rhs: Slot<'_>,
        matrix_tangent: &[f64],
        rhs_tangent: &[f64],
    ) -> Result<NormalizedRows, Error> {
        let norms = self.norms(batch, matrix, rhs)?;
        let (matrix_shared, rhs_shared) = self.sharing(matrix, rhs);
        let (len, rows) = (self.row_of.len(), self.rows);
        let (da, db) =
            (slot(matrix_tangent, matrix.is_shared()), slot(rhs_tangent, rhs.is_shared()));
        check_length("tangent of the matrix", da, len, batch)?;
        check_length("tangent of the right-hand side", db, rows, batch)?;
        let mut out = self.empty(batch, matrix, rhs);
        for k in 0..copies(batch, matrix_shared) {
            let (a, da, norms) = (matrix.sample(k, len), da.sample(k, len), norms.sample(k, rows));
            let along = self.along(a, da, norms);
            out.matrix.extend(self.row_of.iter().enumerate().map(|(e, &i)| {
                let i = i as usize;
                (da[e] - a[e] / norms[i] * along[i]) / norms[i]
            }));
        }
        for k in 0..copies(batch, rhs_shared) {
            let (a, b, norms) = (matrix.sample(k, len), rhs.sample(k, rows), norms.sample(k, rows));
            let along = self.along(a, da.sample(k, len), norms);
            let db = db.sample(k, rows);
            out.rhs.extend((0..rows).map(|i| match b[i].is_finite() {
                true => (db[i] - b[i] / norms[i] * along[i]) / norms[i],
                false => 0.0,
            }));
        }
        Ok(out)
    }

    /// `u'g` of each row.
    fn along(&self, a: &[f64], g: &[f64], norms: &[f64]) -> Vec<f64> {
        let mut along = vec![0.0; self.rows];
        for ((a, g), &i) in a.iter().zip(g).zip(&self.row_of) {
            along[i as usize] += a / norms[i as usize] * g;
        }
        along
    }

    /// The norm of each row of each copy of the matrix. Arguments are checked here.
    fn norms(&self, batch: usize, matrix: Slot<'_>, rhs: Slot<'_>) -> Result<Norms, Error> {
        let len = self.row_of.len();
        check_length("matrix", matrix, len, batch)?;
        check_finite("matrix", matrix, len, false)?;
        check_length("right-hand side", rhs, self.rows, batch)?;
        check_finite("right-hand side", rhs, self.rows, true)?;
        let shared = matrix.is_shared();
        let mut values = vec![0.0_f64; copies(batch, shared) * self.rows];
        for k in 0..copies(batch, shared) {
            let own = &mut values[k * self.rows..(k + 1) * self.rows];
            for (a, &i) in matrix.sample(k, len).iter().zip(&self.row_of) {
                own[i as usize] = own[i as usize].hypot(*a);
            }
            if let Some(row) = own.iter().position(|&norm| norm == 0.0) {
                return Err(Error::Shape {
                    argument: "matrix",
                    expected: "a number that is not zero in every row".into(),
                    found: match shared {
                        true => format!("zeros in row {row}"),
                        false => format!("zeros in row {row} of sample {k}"),
                    },
                });
            }
        }
        Ok(Norms { values, shared })
    }

    fn sharing(&self, matrix: Slot<'_>, rhs: Slot<'_>) -> (bool, bool) {
        (matrix.is_shared(), matrix.is_shared() && rhs.is_shared())
    }

    fn empty(&self, batch: usize, matrix: Slot<'_>, rhs: Slot<'_>) -> NormalizedRows {
        let (matrix_shared, rhs_shared) = self.sharing(matrix, rhs);
        NormalizedRows {
            matrix: Vec::with_capacity(copies(batch, matrix_shared) * self.row_of.len()),
            rhs: Vec::with_capacity(copies(batch, rhs_shared) * self.rows),
            matrix_shared,
            rhs_shared,
        }
    }
}

/// Norms of rows, for the whole batch or for each sample.
struct Norms {
    values: Vec<f64>,
    shared: bool,
}

impl Norms {
    fn sample(&self, k: usize, rows: usize) -> &[f64] {
        slot(&self.values, self.shared).sample(k, rows)
    }
}

fn slot(values: &[f64], shared: bool) -> Slot<'_> {
    if shared { Slot::Shared(values) } else { Slot::Each(values) }
}

fn copies(batch: usize, shared: bool) -> usize {
    if shared { 1 } else { batch }
}

/// Where the numbers of sample `k` are.
fn part(slot: Slot<'_>, k: usize, len: usize) -> std::ops::Range<usize> {
    if slot.is_shared() { 0..len } else { k * len..(k + 1) * len }
}
