//! Linear maps with constant coefficients: every affine operation that is no product.

use serde::{Deserialize, Serialize};

/// A sparse matrix, by rows, from the concatenated elements of some arguments to those of the
/// result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinearMap {
    /// Start of each row, and the end of the last.
    ptr: Vec<u32>,
    cols: Vec<u32>,
    coefs: Vec<f64>,
    /// Number of columns: elements of all arguments.
    inputs: usize,
    /// The first entry (row, column) that was left out because it names no row or input.
    #[serde(skip)]
    outside: Option<(usize, usize)>,
}

impl LinearMap {
    /// A map of `inputs` numbers, still without rows.
    pub fn new(inputs: usize) -> Self {
        Self { ptr: vec![0], inputs, ..Self::default() }
    }

    /// Appends a row of (column, coefficient) pairs. A map with a column that is no input is
    /// refused where it is used; see [`Self::outside`].
    pub fn push_row(&mut self, row: impl IntoIterator<Item = (usize, f64)>) {
        for (col, coef) in row {
            if col >= self.inputs {
                self.outside.get_or_insert((self.ptr.len() - 1, col));
                continue;
            }
            self.cols.push(col as u32);
            self.coefs.push(coef);
        }
        self.ptr.push(self.cols.len() as u32);
    }

    /// One input for each output, times `coef`.
    pub fn gather(inputs: usize, sources: impl IntoIterator<Item = usize>, coef: f64) -> Self {
        let mut map = Self::new(inputs);
        sources.into_iter().for_each(|source| map.push_row([(source, coef)]));
        map
    }

    /// From (row, column, coefficient) triplets in any order.
    pub fn from_triplets(rows: usize, inputs: usize, triplets: &[(usize, usize, f64)]) -> Self {
        let is_inside = |t: &&(usize, usize, f64)| t.0 < rows && t.1 < inputs;
        let outside = triplets.iter().find(|t| !is_inside(t)).map(|t| (t.0, t.1));
        let inside = || triplets.iter().filter(is_inside);
        let mut ptr = vec![0u32; rows + 1];
        inside().for_each(|t| ptr[t.0 + 1] += 1);
        (0..rows).for_each(|r| ptr[r + 1] += ptr[r]);
        let mut next = ptr.clone();
        let entries = ptr[rows] as usize;
        let (mut cols, mut coefs) = (vec![0; entries], vec![0.0; entries]);
        for &(row, col, coef) in inside() {
            let at = next[row] as usize;
            (cols[at], coefs[at]) = (col as u32, coef);
            next[row] += 1;
        }
        Self { ptr, cols, coefs, inputs, outside }
    }

    /// The first entry (row, column) that was given but names no row or no input. The map is
    /// without it, and is refused where it is used.
    pub fn outside(&self) -> Option<(usize, usize)> {
        self.outside
    }

    /// Number of outputs.
    pub fn rows(&self) -> usize {
        self.ptr.len() - 1
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of entries.
    pub fn nnz(&self) -> usize {
        self.cols.len()
    }

    /// The (column, coefficient) pairs of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.ptr[row] as usize..self.ptr[row + 1] as usize;
        range.map(move |k| (self.cols[k] as usize, self.coefs[k]))
    }

    /// (row, column, coefficient) of every entry, row by row.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        (0..self.rows()).flat_map(|row| self.row(row).map(move |(col, coef)| (row, col, coef)))
    }

    /// `out = map input`.
    pub(crate) fn apply(&self, input: &[f64], out: &mut [f64]) {
        for (row, value) in out.iter_mut().enumerate() {
            *value = self.row(row).map(|(col, coef)| coef * input[col]).sum();
        }
    }

    /// `out += map' cotangent`.
    pub(crate) fn apply_transpose(&self, cotangent: &[f64], out: &mut [f64]) {
        for (row, value) in cotangent.iter().enumerate() {
            self.row(row).for_each(|(col, coef)| out[col] += coef * value);
        }
    }

    /// The transposed map.
    pub fn transpose(&self) -> Self {
        let mut triplets = Vec::with_capacity(self.nnz());
        for row in 0..self.rows() {
            triplets.extend(self.row(row).map(|(col, coef)| (col, row, coef)));
        }
        Self::from_triplets(self.inputs, self.rows(), &triplets)
    }

    /// Whether the arrays fit together, with this many rows.
    pub(crate) fn is_consistent(&self, rows: usize) -> bool {
        self.ptr.len() == rows + 1
            && self.ptr.first() == Some(&0)
            && self.ptr.last().map(|end| *end as usize) == Some(self.cols.len())
            && self.ptr.is_sorted()
            && self.coefs.len() == self.cols.len()
            && self.cols.iter().all(|col| (*col as usize) < self.inputs)
    }
}
