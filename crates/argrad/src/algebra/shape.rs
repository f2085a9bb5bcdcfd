//! Shapes: scalars, vectors and matrices.

use serde::{Deserialize, Serialize};

/// Shape of an expression: a scalar `()`, a vector `n`, or a matrix `(m, n)`. Elements are
/// row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Shape {
    ndim: u8,
    dims: [usize; 2],
}

/// A shape as it is read, which may be none.
#[derive(Deserialize)]
struct Written {
    ndim: u8,
    dims: [usize; 2],
}

impl TryFrom<Written> for Shape {
    type Error = String;

    fn try_from(Written { ndim, dims }: Written) -> Result<Self, String> {
        let fits = match ndim {
            0 => dims == [1, 1],
            1 => dims[1] == 1,
            2 => true,
            _ => false,
        };
        // Positions of elements are counted in 32 bits.
        let size = dims[0].checked_mul(dims[1]).filter(|size| u32::try_from(*size).is_ok());
        match (fits, size) {
            (true, Some(_)) => Ok(Self { ndim, dims }),
            _ => Err(format!("there is no shape of {ndim} axes with {dims:?}")),
        }
    }
}

impl Shape {
    /// A single number.
    pub const SCALAR: Self = Self { ndim: 0, dims: [1, 1] };

    /// A vector of `n` entries.
    pub const fn vector(n: usize) -> Self {
        Self { ndim: 1, dims: [n, 1] }
    }

    /// A matrix of `rows` x `cols` entries.
    pub const fn matrix(rows: usize, cols: usize) -> Self {
        Self { ndim: 2, dims: [rows, cols] }
    }

    /// Number of axes: 0, 1 or 2.
    pub fn ndim(&self) -> usize {
        self.ndim.into()
    }

    /// Rows of a matrix, length of a vector, 1 of a scalar.
    pub fn rows(&self) -> usize {
        self.dims[0]
    }

    /// Columns of a matrix; 1 of a vector or scalar.
    pub fn cols(&self) -> usize {
        self.dims[1]
    }

    /// Number of elements; the largest that there is where they cannot be counted.
    pub fn size(&self) -> usize {
        self.dims[0].saturating_mul(self.dims[1])
    }

    /// Whether this is a single number.
    pub fn is_scalar(&self) -> bool {
        self.ndim == 0
    }

    /// Whether this is a matrix with as many rows as columns.
    pub fn is_square(&self) -> bool {
        self.ndim == 2 && self.dims[0] == self.dims[1]
    }

    /// The shape that both broadcast to: equal shapes, or one of them a scalar, or a matrix and a
    /// vector (a row, as in NumPy) or a matrix with an axis of length 1.
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let as_axes = |s: &Self| match s.ndim {
            0 => [1, 1],
            1 => [1, s.dims[0]],
            _ => s.dims,
        };
        let (a, b) = (as_axes(self), as_axes(other));
        let mut dims = [0; 2];
        for (axis, dim) in dims.iter_mut().enumerate() {
            *dim = match (a[axis], b[axis]) {
                (m, n) if m == n => m,
                (1, n) => n,
                (m, 1) => m,
                _ => return None,
            };
        }
        Some(match self.ndim.max(other.ndim) {
            0 => Self::SCALAR,
            1 => Self::vector(dims[1]),
            _ => Self::matrix(dims[0], dims[1]),
        })
    }

    /// For each element of `target`, the element of `self` that is broadcast to it.
    pub(crate) fn broadcast_source(&self, target: &Self) -> impl Fn(usize) -> usize + use<> {
        let (source, target) = (*self, *target);
        move |k| match source.ndim {
            0 => 0,
            1 if target.ndim == 1 => {
                if source.dims[0] == 1 {
                    0
                } else {
                    k
                }
            }
            1 => {
                let j = k % target.dims[1];
                if source.dims[0] == 1 { 0 } else { j }
            }
            _ => {
                let (i, j) = (k / target.dims[1], k % target.dims[1]);
                let i = if source.dims[0] == 1 { 0 } else { i };
                let j = if source.dims[1] == 1 { 0 } else { j };
                i * source.dims[1] + j
            }
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ndim {
            0 => f.write_str("scalar"),
            1 => write!(f, "vector of {}", self.dims[0]),
            _ => write!(f, "{} x {} matrix", self.dims[0], self.dims[1]),
        }
    }
}

impl From<()> for Shape {
    fn from((): ()) -> Self {
        Self::SCALAR
    }
}

impl From<usize> for Shape {
    fn from(n: usize) -> Self {
        Self::vector(n)
    }
}

impl From<(usize, usize)> for Shape {
    fn from((rows, cols): (usize, usize)) -> Self {
        Self::matrix(rows, cols)
    }
}
