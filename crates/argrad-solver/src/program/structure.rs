//! The part of a program that never changes: two sparsity patterns and a list of cones.

use crate::program::Error;

/// One factor of the cone product K, in row order. With the feature `serde` it can be written and
/// read.
///
/// Not `non_exhaustive`: whoever tells cones apart has to say what becomes of each, so the compiler
/// finds every place that a new one concerns.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Cone {
    /// `{0}^k`: the rows are equalities, `Ax = b`.
    Zero(usize),
    /// The nonnegative orthant: the rows are inequalities, `Ax <= b`.
    Nonnegative(usize),
    /// `{(t, u): t >= |u|}` with this many rows in all, t first. Self-dual.
    SecondOrder(usize),
    /// Positive semidefinite matrices of this side: the upper triangle, column by column, with
    /// off-diagonal entries times sqrt 2, `side (side + 1) / 2` rows. Self-dual.
    PsdTriangle(usize),
    /// The closure of `{(x, y, z): y exp(x / y) <= z, y > 0}`.
    Exponential,
    /// `{(x, y, z): x^a y^(1-a) >= |z|, x, y >= 0}` with this exponent a, strictly between 0 and 1.
    Power(f64),
    /// `{(x, w): prod x_i^a_i >= |w|, x >= 0}` with x first: exponents a, positive with sum 1, one
    /// for each entry of x, then `norm_dim` entries of w.
    GeneralizedPower {
        /// The exponents.
        alpha: Vec<f64>,
        /// Number of entries of w, at least 1.
        norm_dim: usize,
    },
}

/// What a row of A says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// An equality, whose multiplier has either sign.
    Equality,
    /// An inequality.
    Inequality,
    /// Something with the other rows of its cone only.
    Together,
}

impl Cone {
    /// Number of rows of A that this cone takes.
    pub fn dim(&self) -> usize {
        match self {
            Cone::Zero(k) | Cone::Nonnegative(k) | Cone::SecondOrder(k) => *k,
            // Saturated: what no matrix has as many rows as is refused by `Structure::new`.
            Cone::PsdTriangle(side) => side.saturating_mul(side.saturating_add(1)) / 2,
            Cone::Exponential | Cone::Power(_) => 3,
            Cone::GeneralizedPower { alpha, norm_dim } => alpha.len().saturating_add(*norm_dim),
        }
    }

    /// How it is called where it has no other name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Cone::Zero(_) => "equalities",
            Cone::Nonnegative(_) => "inequalities",
            Cone::SecondOrder(_) => "second-order cone",
            Cone::PsdTriangle(_) => "positive semidefinite cone",
            Cone::Exponential => "exponential cone",
            Cone::Power(_) => "power cone",
            Cone::GeneralizedPower { .. } => "generalized power cone",
        }
    }

    /// What its rows say.
    pub(crate) fn rows(&self) -> RowKind {
        match self {
            Cone::Zero(_) => RowKind::Equality,
            Cone::Nonnegative(_) => RowKind::Inequality,
            Cone::SecondOrder(_)
            | Cone::PsdTriangle(_)
            | Cone::Exponential
            | Cone::Power(_)
            | Cone::GeneralizedPower { .. } => RowKind::Together,
        }
    }

    /// Checks the parameters; `index` is the position in the list of cones.
    fn check(&self, index: usize) -> Result<(), Error> {
        let bad = |expected: &str, found: String| {
            Err(Error::Shape {
                argument: "cones",
                expected: format!("{expected} in cone {index}"),
                found,
            })
        };
        match self {
            Cone::Power(a) if !(*a > 0.0 && *a < 1.0) => {
                bad("an exponent strictly between 0 and 1", a.to_string())
            }
            Cone::GeneralizedPower { alpha, norm_dim } => {
                let sum: f64 = alpha.iter().sum();
                if let Some(a) = alpha.iter().find(|a| !(**a > 0.0 && **a <= 1.0)) {
                    bad("exponents above 0 and at most 1", a.to_string())
                } else if (sum - 1.0).abs() > 1e-12 {
                    bad("exponents that add up to 1", format!("the sum {sum}"))
                } else if *norm_dim == 0 {
                    bad("norm_dim of at least 1", "0".into())
                } else {
                    Ok(())
                }
            }
            Cone::Zero(_)
            | Cone::Nonnegative(_)
            | Cone::SecondOrder(_)
            | Cone::PsdTriangle(_)
            | Cone::Exponential
            | Cone::Power(_) => Ok(()),
        }
    }
}

/// Sparsity pattern of a matrix in compressed sparse columns (CSC).
///
/// Values that go with a pattern are listed in the same order: column by column, rows ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    rows: usize,
    cols: usize,
    colptr: Vec<usize>,
    rowval: Vec<usize>,
}

impl Pattern {
    /// Pattern of a `rows` x `cols` matrix from its CSC arrays.
    ///
    /// # Errors
    /// [`Error::Pattern`] when `colptr` does not have `cols + 1` ascending entries from 0 to
    /// `rowval.len()`, or a column's row indices are not strictly ascending and below `rows`.
    pub fn new(
        rows: usize,
        cols: usize,
        colptr: Vec<usize>,
        rowval: Vec<usize>,
    ) -> Result<Self, Error> {
        let bad = |found: String| Err(Error::Pattern { found });
        if colptr.len().checked_sub(1) != Some(cols) {
            return bad(format!(
                "colptr has {} entries, expected cols + 1 with {cols} columns",
                colptr.len()
            ));
        }
        if colptr[0] != 0 || colptr[cols] != rowval.len() {
            return bad(format!(
                "colptr runs from {} to {}, expected from 0 to the {} row indices",
                colptr[0],
                colptr[cols],
                rowval.len()
            ));
        }
        if let Some(j) = colptr.windows(2).position(|ends| ends[0] > ends[1]) {
            return bad(format!("colptr decreases after column {j}"));
        }
        for j in 0..cols {
            let column = &rowval[colptr[j]..colptr[j + 1]];
            if let Some(&i) = column.iter().find(|&&i| i >= rows) {
                return bad(format!("row index {i} in column {j}, expected below {rows}"));
            }
            if let Some(pair) = column.windows(2).find(|pair| pair[0] >= pair[1]) {
                return bad(format!(
                    "rows {} then {} in column {j}, expected strictly ascending",
                    pair[0], pair[1]
                ));
            }
        }
        Ok(Self { rows, cols, colptr, rowval })
    }

    /// Every entry of a `rows` x `cols` matrix.
    pub fn dense(rows: usize, cols: usize) -> Self {
        Self::from_columns(rows, cols, |_| 0..rows)
    }

    /// The upper triangle, diagonal included, of a dense matrix of order `n`.
    pub fn dense_upper(n: usize) -> Self {
        Self::from_columns(n, n, |j| 0..j + 1)
    }

    /// The diagonal of a matrix of order `n`.
    pub fn diagonal(n: usize) -> Self {
        Self::from_columns(n, n, |j| j..j + 1)
    }

    /// A matrix without entries.
    pub fn empty(rows: usize, cols: usize) -> Self {
        Self::from_columns(rows, cols, |_| 0..0)
    }

    fn from_columns(
        rows: usize,
        cols: usize,
        column: impl Fn(usize) -> std::ops::Range<usize>,
    ) -> Self {
        let mut colptr = vec![0];
        let mut rowval = Vec::new();
        for j in 0..cols {
            rowval.extend(column(j));
            colptr.push(rowval.len());
        }
        Self { rows, cols, colptr, rowval }
    }

    /// The pattern without the entries flagged in `zeros` (none where that is empty), and the
    /// position that each of the others had.
    fn without(&self, zeros: &[bool]) -> (Self, Vec<u32>) {
        let is_kept = |k: usize| !zeros.get(k).copied().unwrap_or(false);
        let source: Vec<u32> = (0..self.nnz()).filter(|&k| is_kept(k)).map(|k| k as u32).collect();
        let mut colptr = vec![0];
        for ends in self.colptr.windows(2) {
            let kept = (ends[0]..ends[1]).filter(|&k| is_kept(k)).count();
            colptr.push(colptr[colptr.len() - 1] + kept);
        }
        let rowval = source.iter().map(|&k| self.rowval[k as usize]).collect();
        (Self { rows: self.rows, cols: self.cols, colptr, rowval }, source)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of stored entries.
    pub fn nnz(&self) -> usize {
        self.rowval.len()
    }

    /// Start of each column in [`Self::rowval`], and the end of the last: `cols + 1` entries.
    pub fn colptr(&self) -> &[usize] {
        &self.colptr
    }

    /// Row index of each stored entry.
    pub fn rowval(&self) -> &[usize] {
        &self.rowval
    }

    /// `(row, column)` of each stored entry, in storage order.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.cols).flat_map(move |j| {
            self.rowval[self.colptr[j]..self.colptr[j + 1]].iter().map(move |&i| (i, j))
        })
    }
}

/// The fixed part of a program: pattern of the upper triangle of P, pattern of A, cones.
#[derive(Clone, Debug, PartialEq)]
pub struct Structure {
    pub(crate) p: Pattern,
    pub(crate) a: Pattern,
    pub(crate) cones: Vec<Cone>,
    /// Entry by entry, whether its value is zero in every program; empty where none is known to be.
    p_zeros: Vec<bool>,
    a_zeros: Vec<bool>,
    /// Variable by variable, whether it is auxiliary; empty where none is.
    auxiliary: Vec<bool>,
}

impl Structure {
    /// Structure with `p` the pattern of the upper triangle of P (n x n), `a` that of A (m x n),
    /// and `cones` whose dimensions add up to m.
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes do not fit together or a cone's parameter is out of its
    /// range, [`Error::Pattern`] when `p` has an entry below the diagonal.
    pub fn new(p: Pattern, a: Pattern, cones: Vec<Cone>) -> Result<Self, Error> {
        let shape = |argument, expected: String, found: String| {
            Err(Error::Shape { argument, expected, found })
        };
        if p.rows != p.cols {
            return shape("P", "a square matrix".into(), format!("{} x {}", p.rows, p.cols));
        }
        if a.cols != p.cols {
            return shape(
                "A",
                format!("{} columns, as P has", p.cols),
                format!("{} columns", a.cols),
            );
        }
        cones.iter().enumerate().try_for_each(|(index, cone)| cone.check(index))?;
        let rows = cones.iter().map(Cone::dim).try_fold(0, usize::checked_add);
        if rows != Some(a.rows) {
            return shape(
                "cones",
                format!("dimensions that add up to the {} rows of A", a.rows),
                rows.map_or_else(|| "more than can be counted".into(), |rows| rows.to_string()),
            );
        }
        if let Some((i, j)) = p.entries().find(|&(i, j)| i > j) {
            return Err(Error::Pattern {
                found: format!(
                    "P has an entry at row {i}, column {j}, below the diagonal: give the upper \
                     triangle only"
                ),
            });
        }
        let (p_zeros, a_zeros, auxiliary) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { p, a, cones, p_zeros, a_zeros, auxiliary })
    }

    /// The same structure for programs in which some entries of P and A are zero: `p_zeros` and
    /// `a_zeros` say which, entry by entry of the patterns. The solver does not look at their
    /// values and leaves them out of its factor; they have derivatives like every other entry.
    ///
    /// # Errors
    /// [`Error::Length`] when a list does not have one flag for each entry.
    pub fn with_zeros(self, p_zeros: Vec<bool>, a_zeros: Vec<bool>) -> Result<Self, Error> {
        for (argument, pattern, zeros) in
            [("p_zeros", &self.p, &p_zeros), ("a_zeros", &self.a, &a_zeros)]
        {
            if zeros.len() != pattern.nnz() {
                return Err(Error::Length {
                    argument,
                    expected: pattern.nnz(),
                    found: zeros.len(),
                    meaning: "one flag for each entry of the pattern".into(),
                });
            }
        }
        Ok(Self { p_zeros, a_zeros, ..self })
    }

    /// The same structure with some variables, flag by flag of `auxiliary`, that only help to state
    /// the program, as the bound t of a norm in `|u| <= t, t <= 1`. Where the norm is below one, t
    /// is not unique, and that matters to nobody: `Report::unique_x` is about the other variables.
    /// Solutions and derivatives are the same.
    ///
    /// # Errors
    /// [`Error::Length`] when there is not one flag for each variable.
    pub fn with_auxiliary(self, auxiliary: Vec<bool>) -> Result<Self, Error> {
        if auxiliary.len() != self.variables() {
            return Err(Error::Length {
                argument: "auxiliary",
                expected: self.variables(),
                found: auxiliary.len(),
                meaning: "one flag for each variable".into(),
            });
        }
        Ok(Self { auxiliary, ..self })
    }

    /// Whether variable `j` only helps to state the program, see [`Self::with_auxiliary`].
    pub fn is_auxiliary(&self, j: usize) -> bool {
        self.auxiliary.get(j).is_some_and(|&auxiliary| auxiliary)
    }

    /// Whether entry `k` of the pattern of P is zero in every program, see [`Self::with_zeros`].
    pub fn is_zero_in_p(&self, k: usize) -> bool {
        self.p_zeros.get(k).is_some_and(|&zero| zero)
    }

    /// Whether entry `k` of the pattern of A is.
    pub fn is_zero_in_a(&self, k: usize) -> bool {
        self.a_zeros.get(k).is_some_and(|&zero| zero)
    }

    /// The same structure with no entry known to be zero; `None` where none is.
    pub(crate) fn without_zeros(&self) -> Option<Self> {
        let known = self.p_zeros.iter().chain(&self.a_zeros).any(|&zero| zero);
        known.then(|| Self { p_zeros: Vec::new(), a_zeros: Vec::new(), ..self.clone() })
    }

    /// The entries that are not zero throughout: a structure of their own, and where each entry of
    /// its P and of its A is among those of this one.
    pub(crate) fn nonzero(&self) -> (Self, Vec<u32>, Vec<u32>) {
        let (p, p_source) = self.p.without(&self.p_zeros);
        let (a, a_source) = self.a.without(&self.a_zeros);
        let (cones, auxiliary) = (self.cones.clone(), self.auxiliary.clone());
        let (p_zeros, a_zeros) = (Vec::new(), Vec::new());
        (Self { p, a, cones, p_zeros, a_zeros, auxiliary }, p_source, a_source)
    }

    /// Row by row, whether `b = +inf` removes it: those of nonnegative cones.
    pub(crate) fn removable(&self) -> Vec<bool> {
        let of = |cone: &Cone| vec![cone.rows() == RowKind::Inequality; cone.dim()];
        self.cones.iter().flat_map(of).collect()
    }

    /// The rows of zero cones and those of nonnegative cones, where there are no others: a
    /// quadratic program, with its equalities and its inequalities.
    pub(crate) fn quadratic_program(&self) -> Option<(Vec<u32>, Vec<u32>)> {
        let (mut equalities, mut inequalities) = (Vec::new(), Vec::new());
        let mut first = 0;
        for cone in &self.cones {
            let rows = first..first + cone.dim() as u32;
            first = rows.end;
            match cone {
                Cone::Zero(_) => equalities.extend(rows),
                Cone::Nonnegative(_) => inequalities.extend(rows),
                _ => return None,
            }
        }
        Some((equalities, inequalities))
    }

    /// Number of variables, n.
    pub fn variables(&self) -> usize {
        self.p.cols
    }

    /// Number of rows of A, m.
    pub fn rows(&self) -> usize {
        self.a.rows
    }

    /// Pattern of the upper triangle of P.
    pub fn p(&self) -> &Pattern {
        &self.p
    }

    /// Pattern of A.
    pub fn a(&self) -> &Pattern {
        &self.a
    }

    /// The cones, in row order.
    pub fn cones(&self) -> &[Cone] {
        &self.cones
    }
}
