//! A matrix with orthonormal rows, as a function of a free one, with its adjoint and tangent.
//!
//! The solutions of `Ax = b` are a subspace that is shifted, and every one of those has an A with
//! orthonormal rows. So `A = (M M')^(-1/2) M`, the polar factor of a free M, loses nothing, and is
//! free of all that does not change the subspace: of the lengths of rows and of how nearly parallel
//! they are, where b is learned beside A, or A is put back for M after each step; see
//! [`row_normalized`](crate::row_normalized) for why the map alone would not. (The rows of
//! inequalities cannot be mixed: that module is for those.)
//!
//! Why the polar factor: of all matrices with orthonormal rows it is the one nearest to M (Higham
//! 2008, theorem 8.4), no row is preferred, and its derivative is bounded by `2 / (s_1 + s_2)` with
//! the two smallest singular values, where that of a QR factor grows with the inverse of R and
//! depends on the order of the rows. With the singular value decomposition `M = U S V'`,
//!
//! ```text
//! A = U V',   dA = U (W V' + S^-1 U' dM (I - V V'))
//! W_ij = (X_ij - X_ji) / (s_i + s_j),   X = U' dM V
//! ```
//!
//! which is a symmetric map of dM: its adjoint is itself. It needs no difference of singular
//! values, so that equal ones do no harm.

use argrad_solver::{Error, Slot};

use crate::algebra::dot;
use crate::qp::{check_finite, check_length};

/// The most sweeps of the decomposition; it converges quadratically after a few.
const SWEEPS: usize = 60;

/// The map from a free M (rows x cols, row-major, at least as many columns as rows) to A.
///
/// ```
/// use argrad::{Slot, orthonormal_rows::OrthonormalRows};
/// let map = OrthonormalRows::new(2, 2)?;
/// let free = Slot::Shared(&[2., 0., 0., 0.5]);
/// let a = map.forward(1, free)?;
/// assert!(a.iter().zip([1., 0., 0., 1.]).all(|(a, e)| (a - e).abs() < 1e-15));
/// // Longer rows change nothing; rows that turn do.
/// let gradient = map.backward(1, free, &[1., 2., 0., 1.])?;
/// assert!(gradient.iter().zip([0., 0.8, -0.8, 0.]).all(|(g, e)| (g - e).abs() < 1e-15));
/// # Ok::<(), argrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrthonormalRows {
    rows: usize,
    cols: usize,
}

/// `M = U S V'`.
struct Decomposition {
    rows: usize,
    cols: usize,
    /// U, `rows * rows`, row-major.
    u: Vec<f64>,
    /// Diagonal of S.
    s: Vec<f64>,
    /// V', `rows * cols`, row-major.
    vt: Vec<f64>,
}

impl OrthonormalRows {
    /// For matrices of this size.
    ///
    /// # Errors
    /// [`Error::Shape`] for more rows than columns: they cannot be orthonormal.
    pub fn new(rows: usize, cols: usize) -> Result<Self, Error> {
        if rows > cols {
            return Err(Error::Shape {
                argument: "M",
                expected: "at least as many columns as rows".into(),
                found: format!("{rows} x {cols}"),
            });
        }
        Ok(Self { rows, cols })
    }

    /// A, row-major, shared or for each sample as M is.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`]; [`Error::Shape`] where the rows of M are dependent
    /// to rounding.
    pub fn forward(&self, batch: usize, free: Slot<'_>) -> Result<Vec<f64>, Error> {
        let mut a = Vec::with_capacity(free.as_slice().len());
        self.each(batch, free, |_, decomposition| {
            a.extend(decomposition.u_times(&decomposition.vt, decomposition.cols));
        })?;
        Ok(a)
    }

    /// Gradient with respect to M from that with respect to A, which is as long as M.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn backward(
        &self,
        batch: usize,
        free: Slot<'_>,
        gradient: &[f64],
    ) -> Result<Vec<f64>, Error> {
        self.derivative(batch, free, gradient, "gradient of A")
    }

    /// dA from dM.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn jvp(&self, batch: usize, free: Slot<'_>, tangent: &[f64]) -> Result<Vec<f64>, Error> {
        self.derivative(batch, free, tangent, "tangent of M")
    }

    /// The derivative, which is its own adjoint.
    fn derivative(
        &self,
        batch: usize,
        free: Slot<'_>,
        direction: &[f64],
        argument: &'static str,
    ) -> Result<Vec<f64>, Error> {
        let len = self.rows * self.cols;
        let direction =
            if free.is_shared() { Slot::Shared(direction) } else { Slot::Each(direction) };
        check_length(argument, direction, len, batch)?;
        let mut out = Vec::with_capacity(free.as_slice().len());
        self.each(batch, free, |k, decomposition| {
            out.extend(decomposition.derivative(direction.sample(k, len)));
        })?;
        Ok(out)
    }

    /// Decomposes each copy of M.
    fn each(
        &self,
        batch: usize,
        free: Slot<'_>,
        mut with: impl FnMut(usize, &Decomposition),
    ) -> Result<(), Error> {
        let (rows, cols) = (self.rows, self.cols);
        check_length("M", free, rows * cols, batch)?;
        check_finite("M", free, rows * cols, false)?;
        for k in 0..if free.is_shared() { 1 } else { batch } {
            let decomposition = Decomposition::of(free.sample(k, rows * cols), rows, cols);
            let most = decomposition.s.iter().copied().fold(0.0, f64::max);
            let least = decomposition.s.iter().copied().fold(f64::INFINITY, f64::min);
            // Where it is rounding that keeps them apart, the directions of rows mean nothing.
            if rows > 0 && least <= most * f64::EPSILON * cols as f64 {
                let of = if free.is_shared() { String::new() } else { format!(" of sample {k}") };
                return Err(Error::Shape {
                    argument: "M",
                    expected: format!("rows{of} that are independent"),
                    found: format!("singular values from {least:.1e} to {most:.1e}"),
                });
            }
            with(k, &decomposition);
        }
        Ok(())
    }
}

impl Decomposition {
    /// One-sided Jacobi rotations (Hestenes 1958) turn the rows of M until they are orthogonal:
    /// U'M = S V'. Small singular values keep their digits (Demmel and Veselic 1992).
    fn of(m: &[f64], rows: usize, cols: usize) -> Self {
        // A power of two, so that squares neither overflow nor vanish.
        let largest = m.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let unit = if largest > 0.0 { largest.log2().floor().exp2() } else { 1.0 };
        let mut vt: Vec<f64> = m.iter().map(|v| v / unit).collect();
        let mut u = vec![0.0; rows * rows];
        (0..rows).for_each(|i| u[i * rows + i] = 1.0);
        for _ in 0..SWEEPS {
            let mut turned = false;
            for j in 1..rows {
                for i in 0..j {
                    turned |= rotate(&mut vt, &mut u, (i, j), (rows, cols));
                }
            }
            if !turned {
                break;
            }
        }
        let mut s = Vec::with_capacity(rows);
        for row in vt.chunks_exact_mut(cols.max(1)) {
            let norm = dot(row, row).sqrt();
            if norm > 0.0 {
                row.iter_mut().for_each(|v| *v /= norm);
            }
            s.push(norm * unit);
        }
        Self { rows, cols, u, s, vt }
    }

    /// `U X` for an X of `cols` columns.
    fn u_times(&self, x: &[f64], cols: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.rows * cols];
        for i in 0..self.rows {
            for k in 0..self.rows {
                let factor = self.u[i * self.rows + k];
                let row = &mut out[i * cols..(i + 1) * cols];
                row.iter_mut()
                    .zip(&x[k * cols..(k + 1) * cols])
                    .for_each(|(o, x)| *o += factor * x);
            }
        }
        out
    }

    /// `U (W V' + S^-1 U' dM (I - V V'))`.
    fn derivative(&self, dm: &[f64]) -> Vec<f64> {
        let (rows, cols) = (self.rows, self.cols);
        let mut turned = vec![0.0; rows * cols]; // U' dM
        for k in 0..rows {
            for i in 0..rows {
                let factor = self.u[k * rows + i];
                let row = &mut turned[i * cols..(i + 1) * cols];
                let from = &dm[k * cols..(k + 1) * cols];
                row.iter_mut().zip(from).for_each(|(t, dm)| *t += factor * dm);
            }
        }
        let v = |i: usize| &self.vt[i * cols..(i + 1) * cols];
        let mut x = vec![0.0; rows * rows]; // U' dM V
        for i in 0..rows {
            for j in 0..rows {
                x[i * rows + j] = dot(&turned[i * cols..(i + 1) * cols], v(j));
            }
        }
        for i in 0..rows {
            let row = &mut turned[i * cols..(i + 1) * cols];
            row.iter_mut().for_each(|t| *t /= self.s[i]);
            for j in 0..rows {
                let skew = (x[i * rows + j] - x[j * rows + i]) / (self.s[i] + self.s[j]);
                let factor = skew - x[i * rows + j] / self.s[i];
                row.iter_mut().zip(v(j)).for_each(|(t, v)| *t += factor * v);
            }
        }
        self.u_times(&turned, cols)
    }
}

/// Turns rows i and j of `vt` until they are orthogonal, and the columns of `u` with them; whether
/// they were not.
fn rotate(
    vt: &mut [f64],
    u: &mut [f64],
    (i, j): (usize, usize),
    (rows, cols): (usize, usize),
) -> bool {
    let (head, tail) = vt.split_at_mut(j * cols);
    let (p, q) = (&mut head[i * cols..(i + 1) * cols], &mut tail[..cols]);
    let (pp, qq, pq) = (dot(p, p), dot(q, q), dot(p, q));
    if pq.abs() <= f64::EPSILON * pp.sqrt() * qq.sqrt() {
        return false;
    }
    let zeta = (qq - pp) / (2.0 * pq);
    let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = t.hypot(1.0).recip();
    let sine = cosine * t;
    let turn = |p: &mut f64, q: &mut f64| {
        (*p, *q) = (cosine * *p - sine * *q, sine * *p + cosine * *q);
    };
    p.iter_mut().zip(q).for_each(|(p, q)| turn(p, q));
    for row in u.chunks_exact_mut(rows) {
        let (head, tail) = row.split_at_mut(j);
        turn(&mut head[i], &mut tail[0]);
    }
    true
}
