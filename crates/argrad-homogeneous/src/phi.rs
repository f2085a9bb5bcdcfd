//! Between points of the embedding and solutions of the program: phi, and s at a known solution.

use crate::residual::positive_w;
use crate::{PrimalDual, Projected, Projection, check};
use argrad_conformance::dot;
use argrad_solver::Error;

/// The survey's map s at a solution that is known: from (x, y, s) to the point
/// ```text
/// z = (u, v, w) = (x, y - s, 1)
/// ```
/// of the embedding, which [`Phi`] takes back. In general s solves the embedding from Q alone,
/// which is the business of [`argrad_solver::Solver`].
///
/// # Errors
/// [`Error::Length`] where y and s differ in length; [`Error::NotFinite`] at a number that is NaN
/// or infinite.
pub fn embed(solution: &PrimalDual) -> Result<Vec<f64>, Error> {
    solution.check(solution.x.len(), solution.y.len())?;
    let mut z = solution.x.clone();
    z.extend(solution.y.iter().zip(&solution.s).map(|(y, s)| y - s));
    z.push(1.0);
    Ok(z)
}

/// The map phi from the embedding to solutions, at one point z with w > 0,
/// ```text
/// phi(u, v, w) = (u, Pi_K*(v), Pi_K*(v) - v) / w,
/// ```
/// with its derivative and the adjoint of that.
#[derive(Clone, Debug)]
pub struct Phi {
    projected: Projected,
    w: f64,
    value: PrimalDual,
}

impl Phi {
    /// phi at z.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless z is N finite numbers; [`Error::Shape`]
    /// where w is not positive: then z stands for no solution (but, w = 0, for a certificate).
    pub fn new(projection: &Projection, z: &[f64]) -> Result<Self, Error> {
        let projected = projection.at(z)?;
        let w = positive_w(z)?;
        let (n, m) = (projection.variables(), projection.rows());
        let (u, v) = (&z[..n], &z[n..n + m]);
        let dual = &projected.value()[n..n + m];
        let value = PrimalDual {
            x: u.iter().map(|u| u / w).collect(),
            y: dual.iter().map(|y| y / w).collect(),
            s: dual.iter().zip(v).map(|(y, v)| (y - v) / w).collect(),
        };
        Ok(Self { projected, w, value })
    }

    /// phi(z) = (x, y, s).
    pub fn value(&self) -> &PrimalDual {
        &self.value
    }

    /// Dphi(z) dz, with D = DPi_K*(v),
    /// ```text
    ///            [ I    0     -x ] [du]
    /// (1 / w)    [ 0    D     -y ] [dv]
    ///            [ 0    D-I   -s ] [dw]
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless dz is N finite numbers.
    pub fn multiply(&self, dz: &[f64]) -> Result<PrimalDual, Error> {
        let projected = self.projected.multiply(dz)?;
        let PrimalDual { x, y, s } = &self.value;
        let (n, m) = (x.len(), y.len());
        let (du, dv, dw) = (&dz[..n], &dz[n..n + m], dz[n + m]);
        let dual = &projected[n..n + m];
        Ok(PrimalDual {
            x: (0..n).map(|j| (du[j] - x[j] * dw) / self.w).collect(),
            y: (0..m).map(|i| (dual[i] - y[i] * dw) / self.w).collect(),
            s: (0..m).map(|i| (dual[i] - dv[i] - s[i] * dw) / self.w).collect(),
        })
    }

    /// The adjoint D'phi(z), applied to the gradient of a scalar with respect to (x, y, s): with D
    /// as in [`Self::multiply`],
    /// ```text
    /// (1 / w) (gx,  D (gy + gs) - gs,  -x'gx - y'gy - s'gs).
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless `gradient` has the lengths of a solution
    /// and is finite.
    pub fn multiply_transpose(&self, gradient: &PrimalDual) -> Result<Vec<f64>, Error> {
        let PrimalDual { x, y, s } = &self.value;
        let (n, m) = (x.len(), y.len());
        check("gradient.x", &gradient.x, n, "variables")?;
        check("gradient.y", &gradient.y, m, "rows")?;
        check("gradient.s", &gradient.s, m, "rows")?;
        let mut sum = vec![0.0; n + m + 1];
        for (sum, (gy, gs)) in sum[n..].iter_mut().zip(gradient.y.iter().zip(&gradient.s)) {
            *sum = gy + gs;
        }
        let mut out = self.projected.multiply(&sum)?;
        out[..n].copy_from_slice(&gradient.x);
        out[n..n + m].iter_mut().zip(&gradient.s).for_each(|(out, gs)| *out -= gs);
        out[n + m] = -dot(x, &gradient.x) - dot(y, &gradient.y) - dot(s, &gradient.s);
        out.iter_mut().for_each(|v| *v /= self.w);
        Ok(out)
    }
}
