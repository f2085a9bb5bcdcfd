//! What a batch shares: P and A in the units of the scaled program, and the matrices made of them.

use crate::lanes::{Width, dispatch};
use crate::linalg::dense::{Inverse, Product, Table};
use crate::program::Structure;

/// Largest entry of `K0 K0^-1 - I`: a K0 with a larger one is too ill-conditioned. Steps of a
/// refined solve reduce an error by this share at least.
const INVERSE_ERROR: f64 = 1.0 / (1_u64 << 20) as f64;
/// Dense tables may have this many times as many numbers as a factor of the general system: a
/// sparse one would be faster than they are. (With 4.9 times as many, the Sudoku layer takes the
/// same time either way.)
const DENSER: usize = 4;

/// Rows of a structure whose matrices can be shared.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// Rows of the zero cones.
    pub(crate) equalities: Vec<u32>,
    /// Rows of the nonnegative cones.
    pub(crate) inequalities: Vec<u32>,
}

impl Sharing {
    /// Whether programs of this structure can share their matrices: quadratic programs whose
    /// general factor has `factor_entries` numbers, not many fewer than the dense tables.
    pub(crate) fn new(structure: &Structure, factor_entries: usize) -> Option<Self> {
        let (equalities, inequalities) = structure.quadratic_program()?;
        let order = structure.variables() + equalities.len();
        let rows = inequalities.len();
        let numbers = order * order + rows * order + rows * rows / 2;
        let useful = structure.variables() > 0 && rows > 0;
        (useful && numbers <= DENSER * factor_entries).then_some(Self { equalities, inequalities })
    }

    /// Whether M can be regular: its rank is at most that of a point in the equalities.
    pub(crate) fn may_be_regular(&self, n: usize) -> bool {
        self.inequalities.len() + self.equalities.len() <= n
    }

    /// Order of K0.
    pub(crate) fn order(&self, n: usize) -> usize {
        n + self.equalities.len()
    }
}

/// The shared program as the equilibration scaled it, with q and b of zero.
pub(crate) struct ScaledProgram {
    /// P, full, and A.
    pub(crate) p: Table,
    pub(crate) a: Table,
    pub(crate) x_scale: Vec<f64>,
    pub(crate) row_scale: Vec<f64>,
    pub(crate) cost_scale: f64,
}

/// The matrices that all samples of a batch use. A sample has units of its own: P of its scaled
/// program is a power of two times the P here, and A is the A here.
#[derive(Debug)]
pub(crate) struct SharedMatrices {
    pub(crate) p: Table,
    pub(crate) a: Table,
    pub(crate) a_transposed: Table,
    /// K0^-1, symmetric.
    pub(crate) inverse: Table,
    /// Y', a row for each inequality.
    pub(crate) y: Table,
    /// M, symmetric.
    pub(crate) m: Table,
    /// Its largest entry.
    pub(crate) m_size: f64,
    /// The largest of P.
    pub(crate) p_size: f64,
    /// The scales of x, rows and objective here.
    pub(crate) x_scale: Vec<f64>,
    pub(crate) row_scale: Vec<f64>,
    pub(crate) cost_scale: f64,
    /// P and A as the caller gave them, in the order of their patterns.
    pub(crate) given_p: Vec<f64>,
    pub(crate) given_a: Vec<f64>,
}

impl SharedMatrices {
    /// `None` where K0 is singular or too ill-conditioned for its inverse to serve.
    pub(crate) fn new(
        sharing: &Sharing,
        width: Width,
        program: ScaledProgram,
        given: (&[f64], &[f64]),
    ) -> Option<Self> {
        let ScaledProgram { p, a, x_scale, row_scale, cost_scale } = program;
        let Sharing { equalities, inequalities } = sharing;
        let n = p.rows();
        let order = sharing.order(n);
        let equality = |k: usize, j: usize| a.get(equalities[k] as usize, j);
        let k0 = Table::from_fn(order, order, |i, j| match (i < n, j < n) {
            (true, true) => p.get(i, j),
            (false, true) => equality(i - n, j),
            (true, false) => equality(j - n, i),
            (false, false) => 0.0,
        });
        let mut inverse = dispatch(width, Inverse(&k0))?;
        inverse.symmetrize();
        let error = inverse_error(width, &k0, &inverse);
        if error.is_nan() || error > INVERSE_ERROR {
            return None;
        }
        let rows = inequalities.len();
        let g = Table::from_fn(rows, order, |i, j| {
            if j < n { a.get(inequalities[i] as usize, j) } else { 0.0 }
        });
        let y = dispatch(width, Product { a: &g, b: &inverse });
        let mut m = dispatch(width, Product { a: &y, b: &g.transposed() });
        m.symmetrize();
        Some(Self {
            m_size: m.largest(),
            p_size: p.largest(),
            a_transposed: a.transposed(),
            p,
            a,
            inverse,
            y,
            m,
            x_scale,
            row_scale,
            cost_scale,
            given_p: given.0.to_vec(),
            given_a: given.1.to_vec(),
        })
    }
}

/// The largest entry of `K0 X - I`; NaN where there is one.
fn inverse_error(width: Width, k0: &Table, x: &Table) -> f64 {
    let mut error = dispatch(width, Product { a: k0, b: x });
    for i in 0..error.rows() {
        error.row_mut(i)[i] -= 1.0;
    }
    error.largest()
}
