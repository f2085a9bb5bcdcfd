//! What a layer knows before it sees numbers: size and sparsity of P, A, G.

use argrad_solver::{Error, Pattern};

/// Size and sparsity of a matrix, and with them the order of its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatrixShape {
    /// Every entry, row-major: `rows * cols` numbers.
    Dense {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        cols: usize,
    },
    /// A square matrix with entries on its diagonal only: that many numbers.
    Diagonal(usize),
    /// The entries of a pattern, in its order: column by column, rows ascending.
    Sparse(Pattern),
    /// A zero matrix: no numbers. With 0 rows, an absent block of constraints.
    Empty {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        cols: usize,
    },
}

impl MatrixShape {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense { rows, .. } | Self::Empty { rows, .. } => *rows,
            Self::Diagonal(n) => *n,
            Self::Sparse(pattern) => pattern.rows(),
        }
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        match self {
            Self::Dense { cols, .. } | Self::Empty { cols, .. } => *cols,
            Self::Diagonal(n) => *n,
            Self::Sparse(pattern) => pattern.cols(),
        }
    }

    /// How many numbers one sample has.
    pub fn len(&self) -> usize {
        match self {
            Self::Dense { rows, cols } => rows * cols,
            Self::Diagonal(n) => *n,
            Self::Sparse(pattern) => pattern.nnz(),
            Self::Empty { .. } => 0,
        }
    }

    /// Whether every entry is a number.
    pub(crate) fn is_dense(&self) -> bool {
        matches!(self, Self::Dense { .. })
    }

    /// Whether there are no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `(row, column)` of each number, in order.
    pub fn entries(&self) -> Vec<(usize, usize)> {
        match self {
            Self::Dense { rows, cols } => {
                (0..*rows).flat_map(|i| (0..*cols).map(move |j| (i, j))).collect()
            }
            Self::Diagonal(n) => (0..*n).map(|i| (i, i)).collect(),
            Self::Sparse(pattern) => pattern.entries().collect(),
            Self::Empty { .. } => Vec::new(),
        }
    }
}

impl std::fmt::Display for MatrixShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::Dense { .. } => "dense",
            Self::Diagonal(_) => "diagonal",
            Self::Sparse(_) => "sparse",
            Self::Empty { .. } => "empty",
        };
        write!(f, "{} x {} {kind}", self.rows(), self.cols())
    }
}

/// Shapes of the three matrices of a quadratic program. The fields are called as the matrices are,
/// the functions that set them as the parts of the program.
///
/// ```
/// use argrad::{MatrixShape, QpShape};
/// // 64 variables, P diagonal, 40 dense equalities, bounds on each variable.
/// let shape = QpShape::new(64)
///     .quadratic(MatrixShape::Diagonal(64))
///     .equalities(MatrixShape::Dense { rows: 40, cols: 64 })
///     .inequalities(MatrixShape::Diagonal(64));
/// assert_eq!(shape.a.rows(), 40);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QpShape {
    /// P, n x n. A sparse pattern has both triangles: `(j, i)` with every `(i, j)`.
    pub p: MatrixShape,
    /// A: one row per equality.
    pub a: MatrixShape,
    /// G: one row per inequality.
    pub g: MatrixShape,
}

impl QpShape {
    /// A program in `n` variables with P = 0 and no constraints.
    pub fn new(n: usize) -> Self {
        Self {
            p: MatrixShape::Empty { rows: n, cols: n },
            a: MatrixShape::Empty { rows: 0, cols: n },
            g: MatrixShape::Empty { rows: 0, cols: n },
        }
    }

    /// Everything dense.
    pub fn dense(n: usize, equalities: usize, inequalities: usize) -> Self {
        Self {
            p: MatrixShape::Dense { rows: n, cols: n },
            a: MatrixShape::Dense { rows: equalities, cols: n },
            g: MatrixShape::Dense { rows: inequalities, cols: n },
        }
    }

    /// The same with P of this shape.
    pub fn quadratic(mut self, shape: MatrixShape) -> Self {
        self.p = shape;
        self
    }

    /// The same with A of this shape.
    pub fn equalities(mut self, shape: MatrixShape) -> Self {
        self.a = shape;
        self
    }

    /// The same with G of this shape.
    pub fn inequalities(mut self, shape: MatrixShape) -> Self {
        self.g = shape;
        self
    }

    /// Number of variables, n.
    pub fn variables(&self) -> usize {
        self.p.cols()
    }

    /// Sizes fit together; a sparse P is structurally symmetric.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let n = self.variables();
        if self.p.rows() != n {
            return Err(Error::Shape {
                argument: "P",
                expected: "a square matrix".into(),
                found: format!("{} x {n}", self.p.rows()),
            });
        }
        for (argument, shape) in [("A", &self.a), ("G", &self.g)] {
            if shape.cols() != n {
                return Err(Error::Shape {
                    argument,
                    expected: format!("{n} columns, as P has"),
                    found: format!("{} columns", shape.cols()),
                });
            }
        }
        if let MatrixShape::Sparse(pattern) = &self.p {
            for (i, j) in pattern.entries() {
                let mirror = &pattern.rowval()[pattern.colptr()[i]..pattern.colptr()[i + 1]];
                if mirror.binary_search(&j).is_err() {
                    return Err(Error::Pattern {
                        found: format!(
                            "P has an entry at ({i}, {j}) but none at ({j}, {i}): give both \
                             triangles"
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}
