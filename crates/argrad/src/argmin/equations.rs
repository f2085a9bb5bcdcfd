//! Argmin differentiation as the literature writes it (Gould et al. 2016; eqs. (4) to (8) of Katyal
//! 2024): g'(theta) as a whole matrix, at given solutions.
//!
//! For readers, and for problems that have just this form; the derivative of
//! [`Argmin`](super::Argmin) covers them all, with equalities and inequalities together, and needs
//! neither the inverse of f_YY nor a barrier. In all of these, f_YY is n x n and
//! f_XY = d(f_Y) / d(theta) is n x p; the survey calls theta x.

use argrad_solver::{Error, Slot};

use super::dense::{PivotedQr, congruence, transposed_product};
use super::error::ArgminError;
use super::kkt::{DEPENDENT, KktSystem};
use super::oracle::{KktVector, Multipliers, Oracle, Points};
use super::problem::{Dimensions, Scalar, SmoothProblem};

/// g'(theta) of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ArgminJacobian {
    /// Number of samples.
    pub batch: usize,
    /// dy_i / dtheta_j: `batch x y x theta`. NaN in samples that are not regular.
    pub y: Vec<f64>,
    /// Sample by sample, whether the matrix that the formula inverts is regular.
    pub regular: Vec<bool>,
}

/// Eq. (4): no constraints,
///
/// ```text
/// g' = -f_YY^-1 f_XY
/// ```
///
/// with `theta` (p numbers per sample) and `y` (n per sample), minimizers. Constraints of the
/// problem are ignored.
///
/// # Errors
/// Wrong lengths, or what the oracle reports.
pub fn unconstrained(
    oracle: &impl Oracle,
    batch: usize,
    theta: Slot<'_>,
    y: Slot<'_>,
) -> Result<ArgminJacobian, ArgminError> {
    let free = |_: usize, f: &Second| {
        let system = KktSystem::new(&f.yy, &[], f.n, Vec::new());
        let columns = columns(&f.xy, f.p).map(|c| system.solve(&c, &[]).0);
        system.condition().is_finite().then(|| negated(columns, f))
    };
    formula(oracle, batch, theta, y, free)
}

/// Eq. (5): equalities A y = b by the null space. With F a basis of the null space of A,
///
/// ```text
/// g' = -F (F'f_YY F)^-1 F'f_XY
/// ```
///
/// with A (`m x n` numbers, row-major); b does not enter. F is orthonormal, from a QR factorization
/// of A' in which rows that depend on others are left out.
///
/// # Errors
/// As [`unconstrained`].
pub fn null_space(
    oracle: &impl Oracle,
    batch: usize,
    theta: Slot<'_>,
    y: Slot<'_>,
    a: Slot<'_>,
) -> Result<ArgminJacobian, ArgminError> {
    let n = oracle.dimensions().y;
    let len = check_rows(a, batch, n)?;
    formula(oracle, batch, theta, y, |sample, f| {
        let qr = PivotedQr::new(a.sample(sample, len), len / n.max(1), n, DEPENDENT);
        let free = n - qr.rank;
        let reduced = congruence(&qr.null, free, &f.yy, n, &qr.null, free);
        let system = KktSystem::new(&reduced, &[], free, Vec::new());
        let columns = columns(&f.xy, f.p).map(|c| {
            let (u, _) = system.solve(&transposed_product(&qr.null, free, &c), &[]);
            transposed_product(&transposed(&qr.null, free), n, &u)
        });
        system.condition().is_finite().then(|| negated(columns, f))
    })
}

/// Eq. (6): equalities A y = b where A has full row rank and H = f_YY is regular,
///
/// ```text
/// g' = (H^-1 A'(A H^-1 A')^-1 A H^-1 - H^-1) f_XY
/// ```
///
/// with A (`m x n` numbers, row-major). Where H is singular but g' exists, [`null_space`] gives it.
///
/// # Errors
/// As [`unconstrained`].
pub fn full_rank(
    oracle: &impl Oracle,
    batch: usize,
    theta: Slot<'_>,
    y: Slot<'_>,
    a: Slot<'_>,
) -> Result<ArgminJacobian, ArgminError> {
    let n = oracle.dimensions().y;
    let len = check_rows(a, batch, n)?;
    formula(oracle, batch, theta, y, |sample, f| {
        let a = a.sample(sample, len);
        let m = len / n.max(1);
        let h = KktSystem::new(&f.yy, &[], n, Vec::new());
        let h_inverse = |v: &[f64]| h.solve(v, &[]).0;
        // H^-1 A', column by column, then the Schur complement A H^-1 A'.
        let h_a: Vec<Vec<f64>> = a.chunks(n.max(1)).map(h_inverse).collect();
        let products = |v: &[f64]| super::dense::product(a, n, v);
        let schur: Vec<f64> = h_a.iter().flat_map(|column| products(column)).collect();
        let schur = KktSystem::new(&schur, &[], m, Vec::new());
        let columns = columns(&f.xy, f.p).map(|c| {
            let h_c = h_inverse(&c);
            let (w, _) = schur.solve(&products(&h_c), &[]);
            let pulled = h_a.concat();
            let pulled = transposed_product(&pulled, n, &w);
            h_c.iter().zip(pulled).map(|(h_c, w)| h_c - w).collect()
        });
        let regular = h.condition().is_finite() && schur.condition().is_finite();
        regular.then(|| negated(columns, f))
    })
}

/// Eq. (7): inequalities by a logarithmic barrier,
///
/// ```text
/// minimize  t f_0(theta, y) + phi(theta, y),   phi = -sum_i log(-f_i(theta, y))
/// ```
///
/// as a problem without inequalities: its minimizer is off by at most (number of inequalities) / t
/// in the objective. The survey prints phi without its minus sign below eq. (8); as printed, the
/// sum t f_0 + phi would attract to the boundary, and contradict its own eq. (7).
#[derive(Clone, Copy, Debug)]
pub struct Barrier<P> {
    /// The problem with inequalities; its equalities stay.
    pub problem: P,
    /// t > 0, in one over the units of the objective.
    pub t: f64,
}

impl<P: SmoothProblem> SmoothProblem for Barrier<P> {
    fn dimensions(&self) -> Dimensions {
        Dimensions { inequalities: 0, ..self.problem.dimensions() }
    }

    fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D {
        let logarithms = self.problem.inequalities(theta, y).into_iter().map(|f_i| (-f_i).ln());
        let phi = logarithms.fold(D::from(0.0), |phi, logarithm| phi - logarithm);
        self.problem.objective(theta, y) * self.t + phi
    }

    fn equalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
        self.problem.equalities(theta, y)
    }
}

/// Eq. (8): the derivative of the barrier's minimizer,
///
/// ```text
/// g' = -(t f_YY + phi_YY)^-1 (t f_XY + phi_XY)
/// ```
///
/// which is eq. (4) for the objective of eq. (7). It tends to the derivative with inequalities as t
/// grows, where strict complementarity holds, while its matrix becomes singular in the limit.
///
/// # Errors
/// As [`unconstrained`].
pub fn barrier<P: SmoothProblem + Sync>(
    problem: &Barrier<P>,
    batch: usize,
    theta: Slot<'_>,
    y: Slot<'_>,
) -> Result<ArgminJacobian, ArgminError> {
    unconstrained(&super::automatic::Automatic(problem), batch, theta, y)
}

/// f_YY and f_XY of one sample.
struct Second {
    n: usize,
    p: usize,
    yy: Vec<f64>,
    xy: Vec<f64>,
}

/// Evaluates f_YY and f_XY of the whole batch and applies a formula to each sample.
fn formula(
    oracle: &impl Oracle,
    batch: usize,
    theta: Slot<'_>,
    y: Slot<'_>,
    one: impl Fn(usize, &Second) -> Option<Vec<f64>>,
) -> Result<ArgminJacobian, ArgminError> {
    let size = oracle.dimensions();
    let (n, p) = (size.y, size.theta);
    super::check::slot("theta", theta, p, batch)?;
    super::check::slot("y", y, n, batch)?;
    let samples: Vec<usize> = (0..batch).collect();
    let gather = |slot: Slot<'_>, len| -> Vec<f64> {
        samples.iter().flat_map(|&k| slot.sample(k, len).iter().copied()).collect()
    };
    let (theta, y) = (gather(theta, p), gather(y, n));
    let at = Points { samples: &samples, theta: &theta, y: &y };
    let zeros = vec![0.0; batch * size.equalities.max(size.inequalities)];
    let none = Multipliers {
        equalities: &zeros[..batch * size.equalities],
        inequalities: &zeros[..batch * size.inequalities],
    };
    let hessian = oracle.derivatives(&at, &none)?.hessian;
    // Column j of f_XY for all samples: the tangent of f_Y along the parameter j.
    let mut columns = Vec::with_capacity(p);
    for j in 0..p {
        let tangent: Vec<f64> = (0..batch * p).map(|k| f64::from(k % p == j)).collect();
        let KktVector { y, .. } = oracle.mixed_jvp(&at, &none, &tangent)?;
        columns.push(y);
    }
    let mut jacobian = ArgminJacobian { batch, ..ArgminJacobian::default() };
    for sample in 0..batch {
        let entry = |i: usize| columns.iter().map(move |column| column[sample * n + i]);
        let yy = hessian[sample * n * n..(sample + 1) * n * n].to_vec();
        let second = Second { n, p, yy, xy: (0..n).flat_map(entry).collect() };
        let finite = second.yy.iter().chain(&second.xy).all(|v| v.is_finite());
        let found = if finite { one(sample, &second) } else { None };
        jacobian.regular.push(found.is_some());
        jacobian.y.extend(found.unwrap_or_else(|| vec![f64::NAN; n * p]));
    }
    Ok(jacobian)
}

/// The columns of a row-major matrix.
fn columns(matrix: &[f64], count: usize) -> impl Iterator<Item = Vec<f64>> + '_ {
    (0..count).map(move |j| matrix.iter().skip(j).step_by(count).copied().collect())
}

fn transposed(matrix: &[f64], count: usize) -> Vec<f64> {
    columns(matrix, count).flatten().collect()
}

/// Minus the matrix (n x p, row-major) with these columns.
fn negated(columns: impl Iterator<Item = Vec<f64>>, f: &Second) -> Vec<f64> {
    let columns: Vec<Vec<f64>> = columns.collect();
    (0..f.n).flat_map(|i| columns.iter().map(move |column| -column[i])).collect()
}

/// Numbers of A per sample, a multiple of n.
fn check_rows(a: Slot<'_>, batch: usize, n: usize) -> Result<usize, ArgminError> {
    let found = a.as_slice().len();
    let parts = if a.is_shared() { 1 } else { batch.max(1) };
    if found.is_multiple_of((parts * n).max(1)) {
        return Ok(found / parts);
    }
    Err(ArgminError::Solver(Error::Shape {
        argument: "a",
        expected: format!("rows of {n} numbers, as many for each sample"),
        found: format!("{found} numbers"),
    }))
}
