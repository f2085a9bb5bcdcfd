//! The matrices that may be decomposed, and into which cliques.

use super::cliques::{clique_tree, cost_as_one, cost_of};
use super::program::{Decomposed, places};
use crate::linalg::dense::{triangle_index, triangle_len};
use crate::linalg::minimum_degree;
use crate::program::{Cone, Structure};

/// Smaller matrices take so little time that finding their cliques is no gain.
const SMALLEST_SIDE: usize = 60;
/// Cliques must take less than this share of the operations.
const SHARE: f64 = 1.0 / 3.0;
/// A pattern with more than one of so many entries fills up.
const FEW: usize = 4;

/// A matrix that may be decomposed: few of its entries have entries of A.
#[derive(Debug)]
pub(super) struct Block {
    cone: usize,
    first: usize,
    side: usize,
    /// Of each column of A with entries in it, those.
    columns: Vec<Vec<(u32, u32)>>,
    /// Row by row, whether A has entries.
    has_entries: Vec<bool>,
    /// Number of rows that have.
    count: usize,
}

impl Block {
    /// Those of `structure`.
    pub(super) fn of(structure: &Structure) -> Vec<Self> {
        let mut blocks = Vec::new();
        let mut first = 0;
        for (cone, given) in structure.cones.iter().enumerate() {
            if let Cone::PsdTriangle(side) = *given
                && side >= SMALLEST_SIDE
            {
                let (columns, has_entries) = (Vec::new(), vec![false; triangle_len(side)]);
                blocks.push(Self { cone, first, side, columns, has_entries, count: 0 });
            }
            first += given.dim();
        }
        if !blocks.is_empty() {
            let (structure, ..) = structure.nonzero();
            blocks.iter_mut().for_each(|block| block.find_entries(&structure));
            blocks.retain(Block::is_sparse);
        }
        blocks
    }

    /// Its place in the list of cones.
    pub(super) fn cone(&self) -> usize {
        self.cone
    }

    fn rows(&self) -> usize {
        triangle_len(self.side)
    }

    fn find_entries(&mut self, structure: &Structure) {
        let coordinates: Vec<(u32, u32)> =
            (0..self.side as u32).flat_map(|b| (0..=b).map(move |a| (a, b))).collect();
        let mut last = None;
        for (row, column) in structure.a.entries() {
            let Some(row) = row.checked_sub(self.first).filter(|&row| row < self.rows()) else {
                continue;
            };
            if last != Some(column) {
                self.columns.push(Vec::new());
                last = Some(column);
            }
            self.columns.last_mut().expect("pushed before").push(coordinates[row]);
            self.count += usize::from(!self.has_entries[row]);
            self.has_entries[row] = true;
        }
    }

    fn is_sparse(&self) -> bool {
        self.count * FEW <= self.rows()
    }

    /// The rows of the matrix in which `b` has entries and A has none; `None` where there are too
    /// many.
    pub(super) fn pattern(&self, b: &[f64]) -> Option<Vec<u32>> {
        let mut pattern = Vec::new();
        let rows = b[self.first..][..self.rows()].iter().zip(&self.has_entries);
        for (row, (&b, &has_entries)) in rows.enumerate() {
            if b == 0.0 || has_entries {
                continue;
            }
            pattern.push(row as u32);
            if (self.count + pattern.len()) * FEW > self.rows() {
                return None;
            }
        }
        Some(pattern)
    }

    /// The cliques of the matrix with entries where A has some, and in the rows that `pattern`
    /// names, where they pay.
    pub(super) fn decompose(&self, pattern: &[u32]) -> Option<Decomposed> {
        let mut is_entry = self.has_entries.clone();
        for &row in pattern {
            is_entry[row as usize] = true;
        }
        let mut entries = Vec::new();
        for b in 0..self.side {
            for a in 0..b {
                if is_entry[triangle_index(a, b)] {
                    entries.push((a as u32, b as u32));
                }
            }
        }
        let step = minimum_degree(self.side, &entries).ok()?;
        let cliques = clique_tree(&step, &entries, &self.variables(&step));
        let columns = self.columns.len();
        let pays = cost_of(&cliques, columns) < SHARE * cost_as_one(self.side, columns);
        pays.then(|| Decomposed {
            cone: self.cone,
            first: self.first,
            side: self.side,
            shared: cliques.iter().map(|clique| places(&clique.separator, clique)).collect(),
            cliques,
            starts: Vec::new(),
        })
    }

    /// How many columns have entries that are eliminated with each vertex.
    fn variables(&self, step: &[u32]) -> Vec<usize> {
        let mut variables = vec![0; self.side];
        let mut seen = vec![usize::MAX; self.side];
        for (k, column) in self.columns.iter().enumerate() {
            for &(a, b) in column {
                let first = if step[a as usize] < step[b as usize] { a } else { b } as usize;
                if seen[first] != k {
                    seen[first] = k;
                    variables[first] += 1;
                }
            }
        }
        variables
    }
}
