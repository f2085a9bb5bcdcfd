//! The normalized residual map N(z, Q), zero at solutions of the embedding, and its derivative M.

use crate::{Projected, Projection, Q};
use argrad_solver::Error;

/// The residual map of the embedding (Busseti, Moursi and Boyd 2019) and its normalized form,
/// ```text
/// R(z, Q) = Q(Pi z) - Pi z + z,        N(z, Q) = R(z / |w|, Q) = R(z, Q) / |w|.
/// ```
/// The embedding asks for u in C = R^n x K* x R+ and v in its dual cone, orthogonal, with Qu = v;
/// by Moreau's decomposition such pairs are u = Pi z, v = Pi z - z (Minty's parametrization). So z
/// solves it when R(z, Q) = 0, and it stands for a solution of the program when moreover w > 0.
#[derive(Clone, Debug)]
pub struct Residual<'a> {
    q: Q<'a>,
    projection: Projection,
}

impl<'a> Residual<'a> {
    /// The map for this Q.
    pub fn new(q: Q<'a>) -> Self {
        Self { q, projection: Projection::new(q.structure) }
    }

    /// R(z, Q), not normalized.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless z is N finite numbers; [`Error::Shape`]
    /// where P is not zero and w not positive.
    pub fn evaluate(&self, z: &[f64]) -> Result<Vec<f64>, Error> {
        let projected = self.projection.project(z)?;
        let mut out = self.q.evaluate(&projected)?;
        for ((out, projected), z) in out.iter_mut().zip(projected).zip(z) {
            *out += z - projected;
        }
        Ok(out)
    }

    /// N(z, Q).
    ///
    /// # Errors
    /// As [`Self::evaluate`]; [`Error::Shape`] where w is zero.
    pub fn normalized(&self, z: &[f64]) -> Result<Vec<f64>, Error> {
        let mut out = self.evaluate(z)?;
        let w = z[z.len() - 1].abs();
        if w == 0.0 {
            return Err(Error::Shape {
                argument: "w",
                expected: "a number that is not zero".into(),
                found: "0".into(),
            });
        }
        out.iter_mut().for_each(|v| *v /= w);
        Ok(out)
    }

    /// M at z.
    ///
    /// # Errors
    /// As [`Self::evaluate`]; [`Error::Shape`] where w is not positive.
    pub fn at(&self, z: &[f64]) -> Result<M<'a>, Error> {
        let projected = self.projection.at(z)?;
        let w = positive_w(z)?;
        Ok(M { q: self.q, projected, w })
    }
}

/// The derivative of the residual map with respect to z, with the survey's
/// ```text
/// M = ((DQ(Pi z) - I) DPi(z) + I) / w,
/// ```
/// where DQ(Pi z) is the matrix (12) itself if P = 0. At a solution M = D_z N(z, Q); elsewhere N
/// has another term from its normalization, `-R(z, Q) e' / w^2` with e the last unit vector.
///
/// M is singular at every solution, since R is positively homogeneous: `M z = R(z) / w = 0`, and
/// from `DQ(u)'u = -Q(u)` also `M'Pi(z) = 0`. What spans these null spaces is the ray of z, all
/// points of which stand for one solution. Where they are larger, the solution is not unique.
#[derive(Clone, Debug)]
pub struct M<'a> {
    q: Q<'a>,
    projected: Projected,
    w: f64,
}

impl M<'_> {
    /// `M dz`.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless dz is N finite numbers.
    pub fn multiply(&self, dz: &[f64]) -> Result<Vec<f64>, Error> {
        let du = self.projected.multiply(dz)?;
        let mut out = self.q.derivative_multiply(self.projected.value(), &du)?;
        for i in 0..out.len() {
            out[i] = (out[i] - du[i] + dz[i]) / self.w;
        }
        Ok(out)
    }

    /// `M'g = (DPi(z) (DQ(Pi z) - I)'g + g) / w`.
    ///
    /// # Errors
    /// As [`Self::multiply`].
    pub fn multiply_transpose(&self, g: &[f64]) -> Result<Vec<f64>, Error> {
        let mut back = self.q.derivative_multiply_transpose(self.projected.value(), g)?;
        back.iter_mut().zip(g).for_each(|(back, g)| *back -= g);
        let mut out = self.projected.multiply(&back)?;
        out.iter_mut().zip(g).for_each(|(out, g)| *out = (*out + g) / self.w);
        Ok(out)
    }

    /// The N x N numbers of M, row by row, to look at.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where a product overflows.
    pub fn dense(&self) -> Result<Vec<f64>, Error> {
        let order = self.q.order();
        let mut out = vec![0.0; order * order];
        let mut unit = vec![0.0; order];
        for column in 0..order {
            unit[column] = 1.0;
            let product = self.multiply(&unit)?;
            product.iter().enumerate().for_each(|(row, v)| out[row * order + column] = *v);
            unit[column] = 0.0;
        }
        Ok(out)
    }

    /// The derivative of N with respect to Q, in the direction dQ:
    /// ```text
    /// D_Q N(z, Q) dQ = dQ(Pi(z / |w|)),
    /// ```
    /// the survey's vector g.
    ///
    /// # Errors
    /// As [`Q::evaluate`].
    pub fn residual_change(&self, dq: &Q<'_>) -> Result<Vec<f64>, Error> {
        dq.evaluate(&self.normalized_projection())
    }

    /// Pi(z / |w|) = (x, y, 1).
    pub(crate) fn normalized_projection(&self) -> Vec<f64> {
        self.projected.value().iter().map(|u| u / self.w).collect()
    }
}

/// w, which must be positive for z to stand for a solution.
pub(crate) fn positive_w(z: &[f64]) -> Result<f64, Error> {
    let w = z[z.len() - 1];
    if w > 0.0 {
        return Ok(w);
    }
    Err(Error::Shape {
        argument: "w",
        expected: "a positive number, as at every point that stands for a solution".into(),
        found: w.to_string(),
    })
}
