//! DQ, from a change of the data to a change of Q, and its adjoint D'Q.

use crate::{Data, Q, check};
use argrad_solver::Error;

impl<'a> Q<'a> {
    /// DQ(A, b, c) at the direction (dA, db, dc),
    /// ```text
    ///       [  0     dA'   dc ]
    /// dQ =  [ -dA    0     db ]
    ///       [ -dc'  -db'   0  ]
    /// ```
    /// which is Q of the direction, since Q is linear. So is what P adds to [`Self::evaluate`].
    ///
    /// # Errors
    /// As [`Q::new`].
    pub fn differential<'b>(&self, direction: &'b Data) -> Result<Q<'b>, Error>
    where
        'a: 'b,
    {
        Q::new(self.structure, direction)
    }

    /// The adjoint D'Q: from a matrix G, N x N row by row, to the data with
    /// `<G, dQ> = <data, direction>` for every direction. With the blocks of G numbered as those of
    /// (12),
    /// ```text
    /// dA = G12' - G21,   dc = G13 - G31',   db = G23 - G32',
    /// ```
    /// on the pattern of A. P is not part of the matrix and its entries are zero.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless G is N x N finite numbers.
    pub fn differential_adjoint(&self, g: &[f64]) -> Result<Data, Error> {
        let order = self.order();
        check("G", g, order * order, "N x N numbers, N = n + m + 1")?;
        Ok(self.read_off(|row, column| g[row * order + column]))
    }

    /// The adjoint of `direction -> dQ u`, evaluation of DQ at one vector u: from g to the data
    /// with `g'(dQ u) = <data, direction>`. That is D'Q of the matrix gu', which is not formed:
    /// ```text
    /// dA = y_u x_g' - y_g x_u',   dc = tau_u x_g - tau_g x_u,   db = tau_u y_g - tau_g y_u,
    /// dP = sym(x_g x_u') - (tau_g / tau_u) x_u x_u',
    /// ```
    /// the last from the quadratic term of [`Self::evaluate`], halved on the diagonal as befits a
    /// stored triangle: an entry off the diagonal stands for two.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless both are N finite numbers; [`Error::Shape`]
    /// where P has entries in its pattern and tau is not positive.
    pub fn differential_adjoint_at(&self, g: &[f64], u: &[f64]) -> Result<Data, Error> {
        self.check_vector("g", g)?;
        self.check_vector("u", u)?;
        let mut data = self.read_off(|row, column| g[row] * u[column]);
        if self.structure.p().nnz() > 0 {
            let (tau_g, tau_u) = (g[self.order() - 1], self.positive_tau(u)?);
            for (entry, (i, j)) in data.p.iter_mut().zip(self.structure.p().entries()) {
                let outer = g[i] * u[j] + g[j] * u[i] - tau_g / tau_u * (2.0 * u[i] * u[j]);
                *entry = if i == j { 0.5 * outer } else { outer };
            }
        }
        Ok(data)
    }

    /// D'Q of the matrix with the entries `g(row, column)`.
    fn read_off(&self, g: impl Fn(usize, usize) -> f64) -> Data {
        let (n, m) = (self.structure.variables(), self.structure.rows());
        let skew = |row: usize, column: usize| g(row, column) - g(column, row);
        Data {
            p: vec![0.0; self.structure.p().nnz()],
            a: self.structure.a().entries().map(|(i, j)| skew(j, n + i)).collect(),
            b: (0..m).map(|i| skew(n + i, n + m)).collect(),
            c: (0..n).map(|j| skew(j, n + m)).collect(),
        }
    }
}
