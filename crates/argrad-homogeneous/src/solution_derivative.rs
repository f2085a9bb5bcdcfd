//! DS = Dphi Ds DQ, and its adjoint.

use crate::lsqr::lsqr;
use crate::svd::Svd;
use crate::{Data, M, Phi, PrimalDual, Projection, Q, Residual, embed};
use argrad_conformance::dot;
use argrad_solver::{Error, Structure};

/// How the singular system with M is solved. Both give its least-norm least-squares solution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LinearSolve {
    /// By the singular value decomposition of the dense matrix: N^3 work, for N up to a few
    /// hundred, and the rank is known.
    #[default]
    Svd,
    /// By LSQR on products with M and M', as the survey has it: no matrix is formed.
    Lsqr {
        /// Ends at this residual, relative to the right-hand side.
        tolerance: f64,
        /// Ends after so many iterations; [`Solved::residual`] tells what was reached.
        max_iterations: usize,
    },
}

/// A derivative, and how well the linear system behind it is solved.
#[derive(Clone, Debug, PartialEq)]
pub struct Solved<T> {
    /// The derivative.
    pub value: T,
    /// Residual of the system with M (or M'), relative to its right-hand side. It is at rounding
    /// error where the solution is unique; where it is not, the right-hand side may lie outside the
    /// range.
    pub residual: f64,
    /// Iterations of LSQR.
    pub iterations: usize,
}

/// The derivative of the solution map S(A, b, c) = (x, y, s) at one program and its solution, as
/// the survey composes it (section 1.3.2):
/// ```text
/// DS(A, b, c) = Dphi(z) Ds(Q) DQ(A, b, c),        Ds(Q) dQ = -M^-1 (dQ Pi(z / |w|)).
/// ```
/// The inverse is the pseudoinverse, since M z = 0 at every solution; the multiple of z that it
/// leaves out is of no account, as Dphi(z) z = 0. Derivatives with respect to P come along, see
/// [`Q::evaluate`].
///
/// ```
/// use argrad_homogeneous::{Data, LinearSolve, PrimalDual, SolutionDerivative};
/// use argrad_solver::{Cone, Pattern, Structure};
/// // minimize c x subject to x >= b:  -x + s = -b.  Then x = b, y = c, s = 0.
/// let structure =
///     Structure::new(Pattern::empty(1, 1), Pattern::dense(1, 1), vec![Cone::Nonnegative(1)])?;
/// let data = Data::linear(&structure, &[-1.0], &[-5.0], &[2.0])?;
/// let solution = PrimalDual { x: vec![5.0], y: vec![2.0], s: vec![0.0] };
/// let ds = SolutionDerivative::new(&structure, &data, &solution, LinearSolve::Svd)?;
/// // b falls by 1: x rises by 1. c rises by 3: so does y.
/// let direction = Data { b: vec![-1.0], c: vec![3.0], ..Data::zeros(&structure) };
/// let change = ds.apply(&direction)?.value;
/// assert!((change.x[0] - 1.0).abs() < 1e-14 && (change.y[0] - 3.0).abs() < 1e-14);
/// # Ok::<(), argrad_solver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SolutionDerivative<'a> {
    q: Q<'a>,
    z: Vec<f64>,
    residual: f64,
    m: M<'a>,
    phi: Phi,
    solve: Prepared,
}

#[derive(Clone, Debug)]
enum Prepared {
    Svd(Svd),
    Lsqr { tolerance: f64, max_iterations: usize },
}

impl<'a> SolutionDerivative<'a> {
    /// The derivative at `solution`, which must solve the program of `data`: [`Self::residual`]
    /// tells how well it does.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] where `data` or `solution` does not fit
    /// `structure`; [`Error::Setting`] where `solve` is out of its range; [`Error::Shape`] where M
    /// has no singular value decomposition, which only happens where its entries are close to
    /// overflow.
    pub fn new(
        structure: &'a Structure,
        data: &'a Data,
        solution: &PrimalDual,
        solve: LinearSolve,
    ) -> Result<Self, Error> {
        let q = Q::new(structure, data)?;
        solution.check(structure.variables(), structure.rows())?;
        let z = embed(solution)?;
        let map = Residual::new(q);
        let residual = largest(&map.normalized(&z)?);
        let m = map.at(&z)?;
        let phi = Phi::new(&Projection::new(structure), &z)?;
        let solve = match solve {
            LinearSolve::Svd => {
                // At the exact solution M z = 0. What is left of it here tells how far from zero
                // singular values that vanish may be.
                const SAFETY: f64 = 10.0;
                let left = norm(&m.multiply(&z)?) / norm(&z);
                Prepared::Svd(Svd::new(&m.dense()?, q.order(), SAFETY * left)?)
            }
            LinearSolve::Lsqr { tolerance, max_iterations } => {
                if !(0.0..1.0).contains(&tolerance) {
                    return Err(Error::Setting {
                        setting: "tolerance",
                        expected: "a number from 0 to below 1",
                        found: tolerance.to_string(),
                    });
                }
                Prepared::Lsqr { tolerance, max_iterations }
            }
        };
        Ok(Self { q, z, residual, m, phi, solve })
    }

    /// DS(A, b, c) (dA, db, dc), and dP: the change (dx, dy, ds) of the solution.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] where `direction` does not fit the structure.
    pub fn apply(&self, direction: &Data) -> Result<Solved<PrimalDual>, Error> {
        let dq = self.q.differential(direction)?;
        let g = self.m.residual_change(&dq)?;
        let Solved { value: mut dz, residual, iterations } = self.solve(&g)?;
        dz.iter_mut().for_each(|v| *v = -*v);
        Ok(Solved { value: self.phi.multiply(&dz)?, residual, iterations })
    }

    /// The adjoint D'S(A, b, c) = D'Q D's D'phi: from the gradient of a scalar with respect to (x,
    /// y, s) to that with respect to the data,
    /// ```text
    /// r = -M'^-1 D'phi(z) (gx, gy, gs),        D'Q of the matrix r Pi(z / |w|)'.
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] where `gradient` does not fit the structure.
    pub fn apply_adjoint(&self, gradient: &PrimalDual) -> Result<Solved<Data>, Error> {
        let back = self.phi.multiply_transpose(gradient)?;
        let Solved { value: mut r, residual, iterations } = self.solve_transpose(&back)?;
        r.iter_mut().for_each(|v| *v = -*v);
        let value = self.q.differential_adjoint_at(&r, &self.m.normalized_projection())?;
        Ok(Solved { value, residual, iterations })
    }

    /// The point z of the embedding.
    pub fn z(&self) -> &[f64] {
        &self.z
    }

    /// The largest entry of N(z, Q), zero at an exact solution.
    pub fn residual(&self) -> f64 {
        self.residual
    }

    /// M at z.
    pub fn m(&self) -> &M<'a> {
        &self.m
    }

    /// phi at z.
    pub fn phi(&self) -> &Phi {
        &self.phi
    }

    /// Singular values of M, largest first; `None` with LSQR. The last is zero but for rounding.
    pub fn singular_values(&self) -> Option<Vec<f64>> {
        match &self.solve {
            Prepared::Svd(svd) => Some(svd.singular_values()),
            Prepared::Lsqr { .. } => None,
        }
    }

    /// Whether the null space of M is the ray of z alone, so that the solution is unique and
    /// differentiable as far as M can tell; `None` with LSQR.
    pub fn is_unique(&self) -> Option<bool> {
        match &self.solve {
            Prepared::Svd(svd) => Some(svd.rank() + 1 >= self.q.order()),
            Prepared::Lsqr { .. } => None,
        }
    }

    /// The least-norm least-squares solution of M dz = g.
    fn solve(&self, g: &[f64]) -> Result<Solved<Vec<f64>>, Error> {
        let multiply = |v: &[f64]| self.m.multiply(v);
        let transpose = |v: &[f64]| self.m.multiply_transpose(v);
        let (value, iterations) = match &self.solve {
            Prepared::Svd(svd) => (svd.solve(g), 0),
            &Prepared::Lsqr { tolerance, max_iterations } => {
                let found = lsqr(multiply, transpose, g, tolerance, max_iterations)?;
                (found.solution, found.iterations)
            }
        };
        let residual = relative(&multiply(&value)?, g);
        Ok(Solved { value, residual, iterations })
    }

    /// The least-norm least-squares solution of M'r = g.
    fn solve_transpose(&self, g: &[f64]) -> Result<Solved<Vec<f64>>, Error> {
        let multiply = |v: &[f64]| self.m.multiply(v);
        let transpose = |v: &[f64]| self.m.multiply_transpose(v);
        let (value, iterations) = match &self.solve {
            Prepared::Svd(svd) => (svd.solve_transpose(g), 0),
            &Prepared::Lsqr { tolerance, max_iterations } => {
                let found = lsqr(transpose, multiply, g, tolerance, max_iterations)?;
                (found.solution, found.iterations)
            }
        };
        let residual = relative(&transpose(&value)?, g);
        Ok(Solved { value, residual, iterations })
    }
}

/// |product - rhs| / |rhs|, zero for a right-hand side of zero.
fn relative(product: &[f64], rhs: &[f64]) -> f64 {
    let difference: Vec<f64> = product.iter().zip(rhs).map(|(p, r)| p - r).collect();
    let size = norm(rhs);
    if size > 0.0 { norm(&difference) / size } else { 0.0 }
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}

fn largest(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |a, b| a.max(b.abs()))
}
