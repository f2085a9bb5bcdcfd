//! How the kernels hold A: dense, or by the entries of a pattern; and how A'WA is made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use argrad_solver::Structure;

/// A term of A'WA by lists costs as much as so many in a register tile of the dense product.
const COST_OF_LISTS: usize = 8;
/// Most terms that are listed.
const MOST_TERMS: usize = 1 << 22;

/// A and A'WA as lists; all empty where A is dense.
#[derive(Default)]
pub(crate) struct Lists {
    /// Column by column, the places of its entries, and their rows.
    pub(crate) column_start: Vec<i32>,
    pub(crate) entry_row: Vec<i32>,
    /// Row by row, the places of its entries, and their columns.
    pub(crate) row_start: Vec<i32>,
    pub(crate) row_entry: Vec<i32>,
    pub(crate) row_column: Vec<i32>,
    /// Cone by cone, the place of the first entry of its rows in each column that they have.
    pub(crate) cone_start: Vec<i32>,
    pub(crate) cone_first: Vec<i32>,
    /// Entry by entry of the lower triangle of A'WA: its row and column, and its terms.
    pub(crate) fill_row: Vec<i32>,
    pub(crate) fill_column: Vec<i32>,
    pub(crate) fill_start: Vec<i32>,
    /// Term by term: the row of the weight, and the places of the two entries.
    pub(crate) term_row: Vec<i32>,
    pub(crate) term_first: Vec<i32>,
    pub(crate) term_second: Vec<i32>,
}

/// Where the entries of A are.
pub(crate) struct Matrix {
    pub(crate) is_sparse: bool,
    /// Numbers that it takes.
    pub(crate) len: usize,
    /// Entry by entry of the pattern of the structure, its place.
    pub(crate) places: Vec<i32>,
    pub(crate) lists: Lists,
}

impl Matrix {
    /// That of a structure in which the rows of each of `blocks` are turned together.
    pub(crate) fn new(structure: &Structure, blocks: &[Range<usize>]) -> Self {
        let (n, m) = (structure.variables(), structure.rows());
        let columns = closed_columns(structure, blocks);
        let mut row_lengths = vec![0_usize; m];
        columns.iter().flatten().for_each(|&row| row_lengths[row] += 1);
        let terms = row_lengths.iter().map(|len| len * (len + 1) / 2).sum::<usize>();
        let dense = m.saturating_mul(n).saturating_mul(n + 1) / 2;
        if terms > MOST_TERMS || terms.saturating_mul(COST_OF_LISTS) > dense {
            let stride = m | 1;
            let places = structure.a().entries().map(|(i, j)| (i + j * stride) as i32).collect();
            return Self { is_sparse: false, len: stride * n, places, lists: Lists::default() };
        }
        let (lists, places) = Lists::new(structure, &columns, blocks);
        Self { is_sparse: true, len: lists.entry_row.len(), places, lists }
    }
}

/// The rows of each column, ascending: those of the structure, and all rows of a block that has one
/// of them.
fn closed_columns(structure: &Structure, blocks: &[Range<usize>]) -> Vec<Vec<usize>> {
    let mut block_of = vec![None; structure.rows()];
    for block in blocks {
        block.clone().for_each(|row| block_of[row] = Some(block));
    }
    let mut columns = vec![BTreeSet::new(); structure.variables()];
    for (row, column) in structure.a().entries() {
        match block_of[row] {
            Some(block) => columns[column].extend(block.clone()),
            None => _ = columns[column].insert(row),
        }
    }
    columns.into_iter().map(|rows| rows.into_iter().collect()).collect()
}

/// Running totals of `lens`, from zero.
fn starts(lens: impl Iterator<Item = usize>) -> Vec<i32> {
    let totals = lens.scan(0, |total, len| {
        *total += len;
        Some(*total as i32)
    });
    std::iter::once(0).chain(totals).collect()
}

impl Lists {
    /// The lists, and the places of the entries of the structure.
    fn new(
        structure: &Structure,
        columns: &[Vec<usize>],
        blocks: &[Range<usize>],
    ) -> (Self, Vec<i32>) {
        let mut lists = Self {
            column_start: starts(columns.iter().map(Vec::len)),
            entry_row: columns.iter().flatten().map(|&row| row as i32).collect(),
            ..Self::default()
        };
        let mut rows = vec![Vec::new(); structure.rows()];
        let mut place = BTreeMap::new();
        let entries = columns.iter().enumerate();
        let entries = entries.flat_map(|(column, rows)| rows.iter().map(move |&row| (row, column)));
        for (k, (row, column)) in entries.enumerate() {
            rows[row].push((k, column));
            place.insert((row, column), k as i32);
        }
        lists.row_start = starts(rows.iter().map(Vec::len));
        lists.row_entry = rows.iter().flatten().map(|&(k, _)| k as i32).collect();
        lists.row_column = rows.iter().flatten().map(|&(_, column)| column as i32).collect();
        let first_rows = || blocks.iter().map(|block| &rows[block.start]);
        lists.cone_start = starts(first_rows().map(Vec::len));
        lists.cone_first = first_rows().flatten().map(|&(k, _)| k as i32).collect();
        lists.list_terms(&rows);
        let places = structure.a().entries().map(|entry| place[&entry]).collect();
        (lists, places)
    }

    /// Lists the terms of A'WA; entries with as many of them stand together, so that the threads of
    /// a warp have about as much to do.
    fn list_terms(&mut self, rows: &[Vec<(usize, usize)>]) {
        let mut terms: BTreeMap<(usize, usize), Vec<[usize; 3]>> = BTreeMap::new();
        for (row, entries) in rows.iter().enumerate() {
            for (at, &(first, i)) in entries.iter().enumerate() {
                for &(second, j) in &entries[..=at] {
                    terms.entry((i.max(j), i.min(j))).or_default().push([row, first, second]);
                }
            }
        }
        let mut entries: Vec<_> = terms.into_iter().collect();
        entries.sort_by_key(|(_, terms)| std::cmp::Reverse(terms.len()));
        self.fill_row = entries.iter().map(|((i, _), _)| *i as i32).collect();
        self.fill_column = entries.iter().map(|((_, j), _)| *j as i32).collect();
        self.fill_start = starts(entries.iter().map(|(_, terms)| terms.len()));
        let part = |part: usize| {
            entries.iter().flat_map(|(_, terms)| terms).map(|term| term[part] as i32).collect()
        };
        [self.term_row, self.term_first, self.term_second] = [part(0), part(1), part(2)];
    }
}

#[cfg(test)]
mod tests {
    use argrad_solver::{Cone, Pattern};

    use super::*;

    /// Entries near the diagonal, and the rows of a cone with different ones.
    fn banded(n: usize, cone: Range<usize>) -> Structure {
        let is_entry = |i: usize, j: usize| i == j || i == j + 1 || (i == cone.start && j < 2);
        let columns: Vec<Vec<usize>> =
            (0..n).map(|j| (0..n).filter(|&i| is_entry(i, j)).collect()).collect();
        let starts = std::iter::once(0).chain(columns.iter().scan(0, |total, column| {
            *total += column.len();
            Some(*total)
        }));
        let pattern = Pattern::new(n, n, starts.collect(), columns.concat()).unwrap();
        let cones = vec![
            Cone::Nonnegative(cone.start),
            Cone::SecondOrder(cone.len()),
            Cone::Nonnegative(n - cone.end),
        ];
        Structure::new(Pattern::diagonal(n), pattern, cones).unwrap()
    }

    #[test]
    fn a_full_matrix_is_dense_and_a_band_is_sparse() {
        let full = Structure::new(
            Pattern::dense_upper(6),
            Pattern::dense(9, 6),
            vec![Cone::Nonnegative(9)],
        );
        let matrix = Matrix::new(&full.unwrap(), &[]);
        assert!(!matrix.is_sparse && matrix.len == 9 * 6);
        assert_eq!(matrix.places[9 + 2], 9 + 2);
        let cone = 10..14;
        assert!(Matrix::new(&banded(40, cone.clone()), &[cone]).is_sparse);
    }

    #[test]
    fn the_rows_of_a_cone_have_the_columns_of_each_other() {
        let cone = 10..14;
        let structure = banded(40, cone.clone());
        let Matrix { lists, places, .. } = Matrix::new(&structure, std::slice::from_ref(&cone));
        for (&place, (row, column)) in places.iter().zip(structure.a().entries()) {
            assert_eq!(lists.entry_row[place as usize] as usize, row);
            let range = lists.column_start[column]..lists.column_start[column + 1];
            assert!(range.contains(&place));
        }
        let columns = |row: usize| {
            let range = lists.row_start[row] as usize..lists.row_start[row + 1] as usize;
            lists.row_column[range].to_vec()
        };
        assert_eq!(columns(10), [0, 1, 9, 10, 11, 12, 13]);
        for row in cone {
            assert_eq!(columns(row), columns(10));
        }
        assert_eq!(lists.cone_first.len(), 7);
        for &first in &lists.cone_first {
            let rows = &lists.entry_row[first as usize..][..4];
            assert_eq!(rows, [10, 11, 12, 13]);
        }
    }

    #[test]
    fn the_terms_are_those_of_the_product() {
        let cone = 10..14;
        let structure = banded(30, cone.clone());
        let Matrix { lists, len, .. } = Matrix::new(&structure, &[cone]);
        let value = |k: usize| (k as f64 * 0.7).sin();
        let mut dense = vec![0.0; 30 * 30];
        for row in 0..30 {
            for k in lists.row_start[row] as usize..lists.row_start[row + 1] as usize {
                let entry = lists.row_entry[k] as usize;
                dense[row * 30 + lists.row_column[k] as usize] = value(entry);
            }
        }
        assert_eq!(dense.iter().filter(|&&entry| entry != 0.0).count(), len - 1, "sin 0 is zero");
        let weight = |row: usize| 1.0 + row as f64;
        let mut product = vec![0.0; 30 * 30];
        for k in 0..lists.fill_row.len() {
            let sum: f64 = (lists.fill_start[k] as usize..lists.fill_start[k + 1] as usize)
                .map(|t| {
                    let [first, second] = [lists.term_first[t], lists.term_second[t]];
                    weight(lists.term_row[t] as usize)
                        * value(first as usize)
                        * value(second as usize)
                })
                .sum();
            product[lists.fill_row[k] as usize * 30 + lists.fill_column[k] as usize] = sum;
        }
        for i in 0..30 {
            for j in 0..=i {
                let sum: f64 = (0..30)
                    .map(|row| weight(row) * dense[row * 30 + i] * dense[row * 30 + j])
                    .sum();
                assert!((product[i * 30 + j] - sum).abs() <= 1e-12 * sum.abs().max(1.0));
            }
        }
    }
}
