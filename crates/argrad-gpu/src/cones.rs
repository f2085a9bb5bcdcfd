//! The cones as the kernels see them: what each row says, and where each curved cone has its
//! numbers.

use std::ops::Range;

use argrad_solver::{Cone, Structure};

use crate::error::Error;

/// The largest side of a semidefinite cone (`MOST_SIDE` of `kernels/cone.h`).
const MOST_SIDE: usize = 16;
/// Numbers of a scaling of a second-order cone beside its vectors (`SECOND_ORDER_HEADER`).
const SECOND_ORDER_HEADER: usize = 7;

/// What a row says, in the order of `RowKind` in `kernels/arguments.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowKind {
    Equality,
    Inequality,
    Together,
}

/// Kinds of curved cones, in the order of `ConeKind` in `kernels/cone.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConeKind {
    SecondOrder,
    PsdTriangle,
    Exponential,
    Power,
}

/// How many curved cones there are, and how many numbers they need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurvedSizes {
    /// Curved cones.
    pub cones: usize,
    /// Numbers of their bases.
    pub basis_len: usize,
    /// Those of the scalings, and scratch.
    pub data_len: usize,
}

/// All cones of a structure.
pub(crate) struct Cones {
    /// Row by row, a [`RowKind`].
    pub(crate) row_kinds: Vec<i32>,
    /// Of each curved cone: kind, first row, dimension or side, places of basis and data.
    pub(crate) list: Vec<i32>,
    /// The exponent of each curved cone that has one, else zero.
    pub(crate) exponents: Vec<f64>,
    pub(crate) inequalities: usize,
    /// Degree of the barrier.
    pub(crate) degree: usize,
    /// Whether every cone has a Nesterov-Todd scaling.
    pub(crate) is_symmetric: bool,
    pub(crate) sizes: CurvedSizes,
    /// The rows of each curved cone.
    pub(crate) blocks: Vec<Range<usize>>,
}

impl Cones {
    /// Those of `structure`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a cone that the kernels do not know.
    pub(crate) fn new(structure: &Structure) -> Result<Self, Error> {
        let mut cones = Self {
            row_kinds: Vec::with_capacity(structure.rows()),
            list: Vec::new(),
            exponents: Vec::new(),
            inequalities: 0,
            degree: 0,
            is_symmetric: true,
            sizes: CurvedSizes::default(),
            blocks: Vec::new(),
        };
        for (index, cone) in structure.cones().iter().enumerate() {
            cones.add(index, cone)?;
        }
        Ok(cones)
    }

    fn add(&mut self, index: usize, cone: &Cone) -> Result<(), Error> {
        match *cone {
            Cone::Zero(dim) => self.add_rows(RowKind::Equality, dim),
            Cone::Nonnegative(dim) => self.add_inequalities(dim),
            // Cones of at most one row are half lines.
            Cone::SecondOrder(dim) if dim <= 1 => self.add_inequalities(dim),
            Cone::PsdTriangle(side) if side <= 1 => self.add_inequalities(side),
            Cone::SecondOrder(dim) => self.add_curved(ConeKind::SecondOrder, dim, 0.0),
            Cone::PsdTriangle(side) if side <= MOST_SIDE => {
                self.add_curved(ConeKind::PsdTriangle, side, 0.0);
            }
            Cone::Exponential => self.add_curved(ConeKind::Exponential, 3, 0.0),
            Cone::Power(exponent) => self.add_curved(ConeKind::Power, 3, exponent),
            Cone::GeneralizedPower { ref alpha, norm_dim: 1 } if alpha.len() == 2 => {
                self.add_curved(ConeKind::Power, 3, alpha[0]);
            }
            ref other @ (Cone::PsdTriangle(_) | Cone::GeneralizedPower { .. }) => {
                return Err(Error::Unsupported {
                    argument: "cones",
                    expected: "semidefinite cones of side 16 at most, and power cones of three \
                               rows",
                    found: format!("{other:?} at position {index}"),
                });
            }
        }
        Ok(())
    }

    fn add_rows(&mut self, kind: RowKind, count: usize) {
        self.row_kinds.extend(std::iter::repeat_n(kind as i32, count));
    }

    fn add_inequalities(&mut self, count: usize) {
        self.add_rows(RowKind::Inequality, count);
        self.inequalities += count;
        self.degree += count;
    }

    fn add_curved(&mut self, kind: ConeKind, size: usize, exponent: f64) {
        let square = size * size;
        // Rows, degree of the barrier, numbers of the basis and of the data.
        let (rows, degree, basis_len, data_len) = match kind {
            ConeKind::SecondOrder => (size, 1, size - 1, SECOND_ORDER_HEADER + 3 * (size - 1)),
            ConeKind::PsdTriangle => {
                (size * (size + 1) / 2, size, square, 6 * square + 2 * size + 1)
            }
            ConeKind::Exponential | ConeKind::Power => (3, 3, 9, 0),
        };
        let CurvedSizes { basis_len: basis, data_len: data, .. } = self.sizes;
        let fields = [kind as usize, self.row_kinds.len(), size, basis, data];
        self.list.extend(fields.map(|field| field as i32));
        self.exponents.push(exponent);
        let first = self.row_kinds.len();
        self.blocks.push(first..first + rows);
        self.add_rows(RowKind::Together, rows);
        self.degree += degree;
        self.is_symmetric &= !matches!(kind, ConeKind::Exponential | ConeKind::Power);
        self.sizes.cones += 1;
        self.sizes.basis_len += basis_len;
        self.sizes.data_len += data_len;
    }
}
