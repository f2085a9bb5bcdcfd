//! The singular value decomposition of a small square matrix, for least-norm solves.

use argrad_solver::Error;
use faer::linalg::solvers;
use faer::{ColRef, MatRef};

/// `U diag(sigma) V'` of a square matrix, with its numerical rank.
#[derive(Clone, Debug)]
pub(crate) struct Svd {
    factors: solvers::Svd<f64>,
    rank: usize,
}

impl Svd {
    /// Decomposes a matrix given row by row. Singular values count as zero up to the larger of
    /// `cutoff` and what rounding makes of a zero.
    ///
    /// # Errors
    /// [`Error::Shape`] where the iteration does not converge.
    pub(crate) fn new(rows: &[f64], order: usize, cutoff: f64) -> Result<Self, Error> {
        let matrix = MatRef::from_row_major_slice(rows, order, order);
        let factors = solvers::Svd::new(matrix).map_err(|error| Error::Shape {
            argument: "M",
            expected: "a matrix with a singular value decomposition".into(),
            found: format!("{error:?}"),
        })?;
        let mut svd = Self { factors, rank: 0 };
        let sigma = svd.singular_values();
        let rounding = order as f64 * f64::EPSILON * sigma.first().copied().unwrap_or(0.0);
        svd.rank = sigma.iter().filter(|sigma| **sigma > cutoff.max(rounding)).count();
        Ok(svd)
    }

    /// The least-norm least-squares solution of the system with this matrix.
    pub(crate) fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        self.pseudoinverse(self.factors.U(), self.factors.V(), rhs)
    }

    /// The same for the transposed matrix.
    pub(crate) fn solve_transpose(&self, rhs: &[f64]) -> Vec<f64> {
        self.pseudoinverse(self.factors.V(), self.factors.U(), rhs)
    }

    /// The sum of `right_k (left_k'rhs) / sigma_k` over the singular values that are not zero.
    fn pseudoinverse(
        &self,
        left: MatRef<'_, f64>,
        right: MatRef<'_, f64>,
        rhs: &[f64],
    ) -> Vec<f64> {
        let mut shares = left.get(.., ..self.rank).transpose() * ColRef::from_slice(rhs);
        for (share, sigma) in shares.iter_mut().zip(self.factors.S().column_vector().iter()) {
            *share /= sigma;
        }
        let solution = right.get(.., ..self.rank) * shares;
        solution.iter().copied().collect()
    }

    /// Singular values, largest first.
    pub(crate) fn singular_values(&self) -> Vec<f64> {
        self.factors.S().column_vector().iter().copied().collect()
    }

    /// Number of singular values that are not zero.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }
}
