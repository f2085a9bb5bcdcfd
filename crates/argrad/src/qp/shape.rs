//! What a layer knows before it sees numbers: size and sparsity of Q, A, G.

use crate::{Error, Pattern};

/// Size and sparsity of a matrix, and with them the order of its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// How many numbers one instance has.
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

/// Shapes of the three matrices of a quadratic program.
///
/// ```
/// use argrad::{MatrixShape, QpShape};
/// // 64 variables, Q diagonal, 40 dense equalities, bounds on each variable.
/// let shape = QpShape::new(64)
///     .quadratic(MatrixShape::Diagonal(64))
///     .equalities(MatrixShape::Dense { rows: 40, cols: 64 })
///     .inequalities(MatrixShape::Diagonal(64));
/// assert_eq!(shape.equalities.rows(), 40);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QpShape {
    /// Q, n x n. A sparse pattern has both triangles: `(j, i)` with every `(i, j)`.
    pub quadratic: MatrixShape,
    /// A: one row an equality.
    pub equalities: MatrixShape,
    /// G: one row an inequality.
    pub inequalities: MatrixShape,
}

impl QpShape {
    /// A program in `n` variables with Q = 0 and no constraints.
    pub fn new(n: usize) -> Self {
        Self {
            quadratic: MatrixShape::Empty { rows: n, cols: n },
            equalities: MatrixShape::Empty { rows: 0, cols: n },
            inequalities: MatrixShape::Empty { rows: 0, cols: n },
        }
    }

    /// Everything dense.
    pub fn dense(n: usize, equalities: usize, inequalities: usize) -> Self {
        Self {
            quadratic: MatrixShape::Dense { rows: n, cols: n },
            equalities: MatrixShape::Dense { rows: equalities, cols: n },
            inequalities: MatrixShape::Dense { rows: inequalities, cols: n },
        }
    }

    /// The same with Q of this shape.
    pub fn quadratic(mut self, shape: MatrixShape) -> Self {
        self.quadratic = shape;
        self
    }

    /// The same with A of this shape.
    pub fn equalities(mut self, shape: MatrixShape) -> Self {
        self.equalities = shape;
        self
    }

    /// The same with G of this shape.
    pub fn inequalities(mut self, shape: MatrixShape) -> Self {
        self.inequalities = shape;
        self
    }

    /// Number of variables, n.
    pub fn variables(&self) -> usize {
        self.quadratic.cols()
    }

    /// Sizes fit together; a sparse Q is structurally symmetric.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let n = self.variables();
        if self.quadratic.rows() != n {
            return Err(Error::Shape {
                argument: "Q",
                expected: "a square matrix".into(),
                found: format!("{} x {n}", self.quadratic.rows()),
            });
        }
        for (argument, shape) in [("A", &self.equalities), ("G", &self.inequalities)] {
            if shape.cols() != n {
                return Err(Error::Shape {
                    argument,
                    expected: format!("{n} columns, as Q has"),
                    found: format!("{} columns", shape.cols()),
                });
            }
        }
        if let MatrixShape::Sparse(pattern) = &self.quadratic {
            for (i, j) in pattern.entries() {
                let mirror = &pattern.rowval()[pattern.colptr()[i]..pattern.colptr()[i + 1]];
                if mirror.binary_search(&j).is_err() {
                    return Err(Error::Pattern {
                        found: format!(
                            "Q has an entry at ({i}, {j}) but none at ({j}, {i}): give both triangles"
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}
