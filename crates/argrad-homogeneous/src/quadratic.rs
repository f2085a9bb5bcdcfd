//! How a quadratic objective enters: Q becomes a nonlinear map.

use crate::Q;
use argrad_solver::Error;

/// With the objective 1/2 x'Px + c'x the optimality conditions no longer are linear in (x, y): the
/// gap is x'Px + c'x + b'y. Made homogeneous with tau (Goulart and Chen 2024, section 2; Healey,
/// Nobel and Boyd 2025 differentiate it), Q turns into the map
/// ```text
///                    [ P x + A'y + c tau              ]
/// Q(x, y, tau)   =   [ -A x + b tau                   ]
///                    [ -x'P x / tau - c'x - b'y       ]
/// ```
/// for tau > 0, which is (12) for P = 0. It keeps what matters: `Q(k u) = k Q(u)` for k > 0 and
/// `u'Q(u) = 0`. Its derivative is no longer skew, but monotone:
/// ```text
///           [  P               A'    c             ]
/// DQ(u) =   [ -A               0     b             ],
///           [ -c' - 2x'P/tau  -b'    x'P x / tau^2 ]
///
/// du'DQ(u) du = r'P r,   r = dx - x dtau / tau.
/// ```
/// From the two facts above, by differentiation, `DQ(u) u = Q(u)` and `DQ(u)'u = -Q(u)`.
impl Q<'_> {
    /// `Q(u)`: the product of (12) and u, and what P adds.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless u is N finite numbers; [`Error::Shape`]
    /// where P is not zero and tau, the last of them, not positive.
    pub fn evaluate(&self, u: &[f64]) -> Result<Vec<f64>, Error> {
        let mut out = self.multiply(u)?;
        if self.is_quadratic() {
            let tau = self.positive_tau(u)?;
            let px = self.multiply_p(u);
            let last = out.len() - 1;
            for (j, px) in px.into_iter().enumerate() {
                out[j] += px;
                out[last] -= u[j] * px / tau;
            }
        }
        Ok(out)
    }

    /// `DQ(u) du`. Where P = 0 this is `Q du`, whatever u.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn derivative_multiply(&self, u: &[f64], du: &[f64]) -> Result<Vec<f64>, Error> {
        self.check_vector("u", u)?;
        let mut out = self.multiply(du)?;
        if self.is_quadratic() {
            let tau = self.positive_tau(u)?;
            let (px, pdx) = (self.multiply_p(u), self.multiply_p(du));
            let last = out.len() - 1;
            let slope = du[last] / tau;
            for j in 0..px.len() {
                out[j] += pdx[j];
                out[last] += u[j] / tau * (slope * px[j] - 2.0 * pdx[j]);
            }
        }
        Ok(out)
    }

    /// `DQ(u)'g`.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn derivative_multiply_transpose(&self, u: &[f64], g: &[f64]) -> Result<Vec<f64>, Error> {
        self.check_vector("u", u)?;
        let mut out = self.multiply_transpose(g)?;
        if self.is_quadratic() {
            let tau = self.positive_tau(u)?;
            let (px, pg) = (self.multiply_p(u), self.multiply_p(g));
            let last = out.len() - 1;
            let slope = g[last] / tau;
            for j in 0..px.len() {
                out[j] += pg[j] - 2.0 * slope * px[j];
                out[last] += slope * u[j] / tau * px[j];
            }
        }
        Ok(out)
    }

    /// Whether P has an entry that is not zero.
    fn is_quadratic(&self) -> bool {
        self.data.p.iter().any(|p| *p != 0.0)
    }

    /// P times the first n entries of u.
    fn multiply_p(&self, u: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.structure.variables()];
        for ((i, j), p) in self.structure.p().entries().zip(&self.data.p) {
            out[i] += p * u[j];
            if i != j {
                out[j] += p * u[i];
            }
        }
        out
    }

    /// The last entry of u, by which x'Px is divided.
    pub(crate) fn positive_tau(&self, u: &[f64]) -> Result<f64, Error> {
        let tau = u[u.len() - 1];
        if tau > 0.0 {
            return Ok(tau);
        }
        Err(Error::Shape {
            argument: "tau",
            expected: "a positive number, since P is divided by it".into(),
            found: tau.to_string(),
        })
    }
}
