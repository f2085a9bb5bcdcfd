//! A right-hand side of Ax = b that is feasible by construction, `b = A exp(w)`, with its adjoint.
//!
//! Learn w instead of b: the point `exp(w) > 0` satisfies the equalities whatever A and w are (and
//! with them `x >= 0`), so that no step of a training run can make the program infeasible.

use argrad_solver::{Error, Slot};

use crate::qp::{MatrixShape, check_finite, check_length};

/// The map from A and w to b, for an A of one shape.
///
/// ```
/// use argrad::{MatrixShape, Slot, feasible_rhs::FeasibleRhs};
/// let map = FeasibleRhs::new(&MatrixShape::Dense { rows: 1, cols: 2 });
/// let (a, w) = (Slot::Shared(&[1., 2.]), Slot::Shared(&[0., 0.]));
/// let b = map.forward(1, a, w)?;
/// assert_eq!(b.slot(), Slot::Shared(&[3.]));
/// let gradients = map.backward(1, a, w, &[1.])?;
/// assert_eq!((gradients.a, gradients.w), (vec![1., 1.], vec![1., 2.]));
/// # Ok::<(), argrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FeasibleRhs {
    rows: usize,
    cols: usize,
    /// Row and column of each number of A.
    entries: Vec<(u32, u32)>,
}

/// What [`FeasibleRhs::forward`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct RightHandSide {
    /// One number per row of A, for the whole batch or for each sample.
    pub values: Vec<f64>,
    /// Whether the batch shares them: where it shares both A and w.
    pub shared: bool,
}

impl RightHandSide {
    /// As an argument of a layer.
    pub fn slot(&self) -> Slot<'_> {
        if self.shared { Slot::Shared(&self.values) } else { Slot::Each(&self.values) }
    }
}

/// What [`FeasibleRhs::backward`] returns; the gradient of a shared argument is the sum over the
/// batch.
#[derive(Clone, Debug, PartialEq)]
pub struct FeasibleRhsGradients {
    /// With respect to A, to be added to the layer's own gradient of A.
    pub a: Vec<f64>,
    /// With respect to w.
    pub w: Vec<f64>,
}

impl FeasibleRhs {
    /// For an A of this shape.
    pub fn new(equalities: &MatrixShape) -> Self {
        let entries = equalities.entries().into_iter().map(|(i, j)| (i as u32, j as u32)).collect();
        Self { rows: equalities.rows(), cols: equalities.cols(), entries }
    }

    /// `b = A exp(w)`, with w one number per variable.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn forward(&self, batch: usize, a: Slot<'_>, w: Slot<'_>) -> Result<RightHandSide, Error> {
        self.check(batch, a, w)?;
        let shared = a.is_shared() && w.is_shared();
        let point = exp(w);
        let point = same_kind(w, &point);
        let samples = if shared { 1 } else { batch };
        let mut values = vec![0.0; samples * self.rows];
        for k in 0..samples {
            let (a, point) = (a.sample(k, self.entries.len()), point.sample(k, self.cols));
            let b = &mut values[k * self.rows..(k + 1) * self.rows];
            for (a, &(i, j)) in a.iter().zip(&self.entries) {
                b[i as usize] += a * point[j as usize];
            }
        }
        Ok(RightHandSide { values, shared })
    }

    /// `dA = db exp(w)'`, `dw = exp(w) * (A' db)`, where db (`rhs`) is as long as what
    /// [`Self::forward`] returned.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn backward(
        &self,
        batch: usize,
        a: Slot<'_>,
        w: Slot<'_>,
        rhs: &[f64],
    ) -> Result<FeasibleRhsGradients, Error> {
        self.check(batch, a, w)?;
        let shared = a.is_shared() && w.is_shared();
        let rhs = if shared { Slot::Shared(rhs) } else { Slot::Each(rhs) };
        check_length("gradient of b", rhs, self.rows, batch)?;
        let point = exp(w);
        let point = same_kind(w, &point);
        let len = self.entries.len();
        let mut gradients = FeasibleRhsGradients {
            a: vec![0.0; a.as_slice().len()],
            w: vec![0.0; w.as_slice().len()],
        };
        for k in 0..if shared { 1 } else { batch } {
            let (db, point) = (rhs.sample(k, self.rows), point.sample(k, self.cols));
            let da = &mut gradients.a[part(a, k, len)];
            let dw = &mut gradients.w[part(w, k, self.cols)];
            for ((a, da), &(i, j)) in a.sample(k, len).iter().zip(da).zip(&self.entries) {
                let (i, j) = (i as usize, j as usize);
                *da += db[i] * point[j];
                dw[j] += db[i] * a * point[j];
            }
        }
        Ok(gradients)
    }

    fn check(&self, batch: usize, a: Slot<'_>, w: Slot<'_>) -> Result<(), Error> {
        for (argument, slot, len) in [("A", a, self.entries.len()), ("w", w, self.cols)] {
            check_length(argument, slot, len, batch)?;
            check_finite(argument, slot, len, false)?;
        }
        Ok(())
    }
}

fn exp(w: Slot<'_>) -> Vec<f64> {
    w.as_slice().iter().map(|w| w.exp()).collect()
}

fn same_kind<'a>(like: Slot<'_>, values: &'a [f64]) -> Slot<'a> {
    if like.is_shared() { Slot::Shared(values) } else { Slot::Each(values) }
}

/// Where the numbers of sample `k` are.
fn part(slot: Slot<'_>, k: usize, len: usize) -> std::ops::Range<usize> {
    if slot.is_shared() { 0..len } else { k * len..(k + 1) * len }
}
