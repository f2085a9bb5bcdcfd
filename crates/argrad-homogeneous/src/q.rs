//! Q(A, b, c): from data to a skew-symmetric matrix, the survey's equation (12).

use crate::{Data, check};
use argrad_solver::{Error, Structure};

/// The matrix of the homogeneous embedding, of order N = n + m + 1,
/// ```text
///               [  0    A'   c ]
/// Q(A, b, c) =  [ -A    0    b ]        (12)
///               [ -c'  -b'   0 ]
/// ```
/// as an operator on vectors (x, y, tau). For every such vector u the product u'Qu vanishes: this
/// one fact carries weak duality.
///
/// `Q` is linear in the data. Hence its derivative is Q itself, at the direction: see
/// [`Self::differential`]. Where there is a P, `Q` holds it too, and [`Self::evaluate`] is the
/// nonlinear map that takes the place of the matrix; the functions of this block are those of (12)
/// alone.
#[derive(Clone, Copy, Debug)]
pub struct Q<'a> {
    pub(crate) structure: &'a Structure,
    pub(crate) data: &'a Data,
}

impl<'a> Q<'a> {
    /// Q at `data`.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] where `data` does not fit `structure`, see
    /// [`Data::quadratic`].
    pub fn new(structure: &'a Structure, data: &'a Data) -> Result<Self, Error> {
        data.check(structure)?;
        Ok(Self { structure, data })
    }

    /// The order N = n + m + 1 of the matrix.
    pub fn order(&self) -> usize {
        self.structure.variables() + self.structure.rows() + 1
    }

    /// `Q u` with the matrix (12).
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless `u` is N finite numbers.
    pub fn multiply(&self, u: &[f64]) -> Result<Vec<f64>, Error> {
        self.check_vector("u", u)?;
        let (n, m) = (self.structure.variables(), self.structure.rows());
        let (x, y, tau) = (&u[..n], &u[n..n + m], u[n + m]);
        let mut out = vec![0.0; n + m + 1];
        for ((i, j), a) in self.structure.a().entries().zip(&self.data.a) {
            out[j] += a * y[i];
            out[n + i] -= a * x[j];
        }
        for (j, c) in self.data.c.iter().enumerate() {
            out[j] += c * tau;
            out[n + m] -= c * x[j];
        }
        for (i, b) in self.data.b.iter().enumerate() {
            out[n + i] += b * tau;
            out[n + m] -= b * y[i];
        }
        Ok(out)
    }

    /// `Q'g = -Q g`.
    ///
    /// # Errors
    /// As [`Self::multiply`].
    pub fn multiply_transpose(&self, g: &[f64]) -> Result<Vec<f64>, Error> {
        let mut out = self.multiply(g)?;
        out.iter_mut().for_each(|v| *v = -*v);
        Ok(out)
    }

    /// The N x N numbers of (12), row by row, to look at.
    pub fn dense(&self) -> Vec<f64> {
        let (n, m) = (self.structure.variables(), self.structure.rows());
        let order = n + m + 1;
        let mut out = vec![0.0; order * order];
        let mut set = |row: usize, column: usize, value: f64| {
            out[row * order + column] = value;
            out[column * order + row] = -value;
        };
        for ((i, j), &a) in self.structure.a().entries().zip(&self.data.a) {
            set(j, n + i, a);
        }
        self.data.c.iter().enumerate().for_each(|(j, &c)| set(j, n + m, c));
        self.data.b.iter().enumerate().for_each(|(i, &b)| set(n + i, n + m, b));
        out
    }

    pub(crate) fn check_vector(&self, argument: &'static str, u: &[f64]) -> Result<(), Error> {
        check(argument, u, self.order(), "n + m + 1")
    }
}
