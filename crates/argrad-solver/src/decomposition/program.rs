//! A program whose large matrices are sums of small ones.
//!
//! A matrix whose pattern is chordal is positive semidefinite exactly if it is a sum of positive
//! semidefinite matrices, one over each clique (Agler, Helton, McCullough, Rodman, 1988). Each
//! entry of s = b - Ax stands in one clique, that in which its first vertex is eliminated; what
//! clique k takes from its parent to stay positive semidefinite is a free matrix Y_k over its
//! separator:
//!
//! ```text
//! S_k = (entries of s that stand in k) + Y_k - sum of Y_c over the children c,     S_k in PSD
//! ```
//! so the sum of all S_k is s. Its dual asks the multipliers of a clique and of its parent to agree
//! on the separator: they are the entries of z within the cliques.

use super::cliques::Clique;
use crate::linalg::dense::{triangle_index, triangle_len};
use crate::program::{Cone, Error, Pattern, Slot, Structure, Values};

/// A matrix, and its cliques.
#[derive(Debug)]
pub(super) struct Decomposed {
    /// Place in the list of cones, its first row, its side.
    pub(super) cone: usize,
    pub(super) first: usize,
    pub(super) side: usize,
    /// Children before parents.
    pub(super) cliques: Vec<Clique>,
    /// The places of each separator in its clique.
    pub(super) shared: Vec<Vec<usize>>,
    /// First row of each clique in the program of cliques.
    pub(super) starts: Vec<usize>,
}

/// The program of cliques, and where its numbers come from.
#[derive(Debug)]
pub(super) struct CliqueProgram {
    pub(super) blocks: Vec<Decomposed>,
    /// The row here of each row there; `None` for those without entries.
    pub(super) row_of: Vec<Option<u32>>,
    /// Number of rows, and of variables.
    pub(super) rows: usize,
    pub(super) variables: usize,
    /// Where the entries of P and A are among those that the caller gives, and the rest of A.
    p_source: Vec<u32>,
    a_source: Vec<Source>,
}

/// Where an entry of A comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Given(u32),
    Constant(f64),
}

/// Numbers of some samples.
pub(super) struct OwnNumbers {
    samples: usize,
    p: Own,
    q: Own,
    a: Own,
    b: Own,
}

/// Numbers of one argument, and whether the samples share them.
struct Own {
    numbers: Vec<f64>,
    is_shared: bool,
}

impl Own {
    /// What `make` appends for the numbers of each of `samples`, or for those that all share.
    fn new(
        slot: Slot<'_>,
        len: usize,
        samples: &[usize],
        make: impl Fn(&[f64], &mut Vec<f64>),
    ) -> Self {
        let is_shared = slot.is_shared();
        let mut numbers = Vec::new();
        for &sample in if is_shared { &samples[..samples.len().min(1)] } else { samples } {
            make(slot.sample(sample, len), &mut numbers);
        }
        Self { numbers, is_shared }
    }

    fn slot(&self) -> Slot<'_> {
        if self.is_shared { Slot::Shared(&self.numbers) } else { Slot::Each(&self.numbers) }
    }
}

impl OwnNumbers {
    /// As the solver reads them.
    pub(super) fn values(&self) -> Values<'_> {
        Values {
            batch: self.samples,
            p: self.p.slot(),
            q: self.q.slot(),
            a: self.a.slot(),
            b: self.b.slot(),
        }
    }
}

impl CliqueProgram {
    /// The program of `structure` with `blocks`, whose `starts` are found here.
    ///
    /// # Errors
    /// [`Error::Pattern`] where an entry of A is in no clique.
    pub(super) fn new(
        structure: &Structure,
        mut blocks: Vec<Decomposed>,
    ) -> Result<(Self, Structure), Error> {
        let (given, p_source, a_source) = structure.nonzero();
        let (cones, row_of) = lay_out(&given, &mut blocks);
        let rows = cones.iter().map(Cone::dim).sum();

        let mut columns = Columns::default();
        let mut variable = 0;
        for ((row, column), &source) in given.a.entries().zip(&a_source) {
            while variable < column {
                columns.end();
                variable += 1;
            }
            let row = row_of[row].ok_or_else(|| Error::Pattern {
                found: format!("row {row}, which has entries, in no clique"),
            })?;
            columns.push(row as usize, Source::Given(source));
        }
        for _ in variable..given.variables() {
            columns.end();
        }
        for block in &blocks {
            add_shared_entries(block, &mut columns);
        }

        let variables = columns.starts.len() - 1;
        let mut p_starts = given.p.colptr().to_vec();
        p_starts.resize(variables + 1, given.p.nnz());
        let p = Pattern::new(variables, variables, p_starts, given.p.rowval().to_vec())?;
        let a = Pattern::new(rows, variables, columns.starts, columns.rows)?;
        let program = Self { blocks, row_of, rows, variables, p_source, a_source: columns.sources };
        Ok((program, Structure::new(p, a, cones)?))
    }

    /// The numbers of `samples`, which have the zeros that the cliques were found for.
    pub(super) fn numbers(
        &self,
        structure: &Structure,
        values: &Values<'_>,
        samples: &[usize],
    ) -> OwnNumbers {
        let (n, m) = (structure.variables(), structure.rows());
        let p = |given: &[f64], out: &mut Vec<f64>| {
            out.extend(self.p_source.iter().map(|&k| given[k as usize]));
        };
        let q = |given: &[f64], out: &mut Vec<f64>| {
            out.extend_from_slice(given);
            out.resize(out.len() + self.variables - n, 0.0);
        };
        let a = |given: &[f64], out: &mut Vec<f64>| {
            out.extend(self.a_source.iter().map(|source| match *source {
                Source::Given(k) => given[k as usize],
                Source::Constant(value) => value,
            }));
        };
        let b = |given: &[f64], out: &mut Vec<f64>| {
            let start = out.len();
            out.resize(start + self.rows, 0.0);
            for (row, &b) in self.row_of.iter().zip(given) {
                if let Some(row) = *row {
                    out[start + row as usize] = b;
                }
            }
        };
        OwnNumbers {
            samples: samples.len(),
            p: Own::new(values.p, structure.p.nnz(), samples, p),
            q: Own::new(values.q, n, samples, q),
            a: Own::new(values.a, structure.a.nnz(), samples, a),
            b: Own::new(values.b, m, samples, b),
        }
    }
}

/// Columns of A, one after the other.
#[derive(Debug)]
struct Columns {
    starts: Vec<usize>,
    rows: Vec<usize>,
    sources: Vec<Source>,
    /// The entries of the column that is not at its end.
    open: Vec<(usize, Source)>,
}

impl Default for Columns {
    fn default() -> Self {
        Self { starts: vec![0], rows: Vec::new(), sources: Vec::new(), open: Vec::new() }
    }
}

impl Columns {
    fn push(&mut self, row: usize, source: Source) {
        self.open.push((row, source));
    }

    /// The end of a column: its rows ascend from here on.
    fn end(&mut self) {
        self.open.sort_unstable_by_key(|&(row, _)| row);
        for (row, source) in self.open.drain(..) {
            self.rows.push(row);
            self.sources.push(source);
        }
        self.starts.push(self.rows.len());
    }
}

/// The cones of the program of cliques, with the starts of `blocks`, and the row there of each row
/// here.
fn lay_out(structure: &Structure, blocks: &mut [Decomposed]) -> (Vec<Cone>, Vec<Option<u32>>) {
    let mut row_of = Vec::with_capacity(structure.rows());
    let (mut cones, mut next) = (Vec::new(), 0);
    for (index, cone) in structure.cones.iter().enumerate() {
        let Some(block) = blocks.iter_mut().find(|block| block.cone == index) else {
            row_of.extend((next..next + cone.dim()).map(|row| Some(row as u32)));
            next += cone.dim();
            cones.push(cone.clone());
            continue;
        };
        let start = row_of.len();
        row_of.resize(start + cone.dim(), None);
        for Clique { vertices, separator, .. } in &block.cliques {
            block.starts.push(next);
            let is_shared = |v: &u32| separator.binary_search(v).is_ok();
            for (j, b) in vertices.iter().enumerate() {
                for (i, a) in vertices[..=j].iter().enumerate() {
                    if !(is_shared(a) && is_shared(b)) {
                        let row = start + triangle_index(*a as usize, *b as usize);
                        row_of[row] = Some((next + triangle_index(i, j)) as u32);
                    }
                }
            }
            next += triangle_len(vertices.len());
            cones.push(Cone::PsdTriangle(vertices.len()));
        }
    }
    (cones, row_of)
}

/// A variable for each entry of each separator: S = b - Ax takes it from the parent.
fn add_shared_entries(block: &Decomposed, columns: &mut Columns) {
    for ((clique, &start), own) in block.cliques.iter().zip(&block.starts).zip(&block.shared) {
        let Some(parent) = clique.parent else { continue };
        let above = places(&clique.separator, &block.cliques[parent]);
        let above_start = block.starts[parent];
        for j in 0..own.len() {
            for i in 0..=j {
                let row =
                    |start: usize, places: &[usize]| start + triangle_index(places[i], places[j]);
                columns.push(row(start, own), Source::Constant(-1.0));
                columns.push(row(above_start, &above), Source::Constant(1.0));
                columns.end();
            }
        }
    }
}

/// The places of `vertices` in a clique that has all of them.
pub(super) fn places(vertices: &[u32], clique: &Clique) -> Vec<usize> {
    let place = |v: &u32| clique.vertices.partition_point(|other| other < v);
    vertices.iter().map(place).collect()
}
