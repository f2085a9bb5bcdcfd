//! Large sparse matrices as sums of small ones, on the way to the solution.
//!
//! Where few entries of a positive semidefinite s = b - Ax can be other than zero, the interior
//! point runs on a program of cliques ([`program`]) instead, to the residual at which the polish
//! takes over; its z is completed ([`completion`]), and the polish goes on from there with the
//! program as it was given. So the solution, its flags and its derivative are those of that
//! program, and where this way does not lead to a solution, the usual one does.
//!
//! Which entries of b are zero is a matter of the numbers: each sample has cliques of its own
//! zeros, whatever the others have, and they are kept for later calls.

mod blocks;
mod cliques;
mod completion;
mod program;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::batch::solve_batch;
use crate::lanes::{Width, dispatch};
use crate::linalg::dense::{triangle_index, triangle_len};
use crate::prepared::Prepared;
use crate::program::{
    DecomposedCone, Report, Settings, Slot, Solution, Status, Stop, Structure, Values,
};
use crate::solve::group::Origin;

use blocks::Block;
use completion::{Completion, scratch_len};
use program::{CliqueProgram, Decomposed};

/// Patterns of zeros whose cliques are kept.
const KEPT: usize = 16;
/// A point of the program of cliques counts up to this residual.
const NEAR: f64 = 1e-6;
/// Eigenvalues of z below this share of its entries are those of the path, not of the solution.
const NOISE: f64 = 1e-11;

/// What is known of a solver's matrices.
#[derive(Debug, Default)]
pub(crate) struct Decompositions {
    blocks: Vec<Block>,
    known: Mutex<Vec<Known>>,
}

/// Matrix by matrix, the rows in which b has entries and A has none; `None` of one with many.
type Zeros = Vec<Option<Vec<u32>>>;

/// A pattern of zeros, and what follows from it; the last is the latest.
#[derive(Debug)]
struct Known {
    zeros: Zeros,
    cliques: Option<Arc<Cliques>>,
}

/// The program of cliques, ready to solve.
#[derive(Debug)]
struct Cliques {
    program: CliqueProgram,
    prepared: Prepared,
}

impl Decompositions {
    /// For the programs of a solver.
    pub(crate) fn new(prepared: &Prepared) -> Self {
        let wanted = prepared.settings.chordal_decomposition;
        // Lanes are for small programs, a whole group of them at a time.
        if !wanted || !prepared.analysis.kkt.takes_one_lane() {
            return Self::default();
        }
        Self { blocks: Block::of(&prepared.analysis.structure), known: Mutex::default() }
    }

    /// Points near to the solutions of those samples that are better decomposed: their reports say
    /// solved, and how many iterations that took. `None` where there are none.
    pub(crate) fn approximate(
        &self,
        prepared: &Prepared,
        values: &Values<'_>,
        stop: Stop<'_>,
    ) -> Option<Solution> {
        if self.blocks.is_empty() {
            return None;
        }
        let mut near: Option<Solution> = None;
        for (zeros, samples) in self.by_zeros(&prepared.analysis.structure, values) {
            let Some(cliques) = self.cliques(prepared, zeros) else { continue };
            let near = near.get_or_insert_with(|| unsolved(prepared, values.batch));
            cliques.approximate(prepared, values, &samples, stop, near);
        }
        near
    }

    /// The cones that may be decomposed, by their place.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = usize> + '_ {
        self.blocks.iter().map(Block::cone)
    }

    /// The cones of a sample that are.
    pub(crate) fn describe(
        &self,
        prepared: &Prepared,
        values: &Values<'_>,
        sample: usize,
    ) -> Vec<DecomposedCone> {
        let zeros = self.zeros(values.b.sample(sample, prepared.analysis.m()));
        let cliques = self.cliques(prepared, zeros);
        let describe = |block: &Decomposed| DecomposedCone {
            cone: block.cone,
            cliques: block.cliques.len(),
            largest: block.cliques.iter().map(|c| c.vertices.len()).max().unwrap_or(0),
        };
        cliques.map_or_else(Vec::new, |all| all.program.blocks.iter().map(describe).collect())
    }

    fn zeros(&self, b: &[f64]) -> Zeros {
        self.blocks.iter().map(|block| block.pattern(b)).collect()
    }

    /// The samples with each pattern of zeros.
    fn by_zeros(&self, structure: &Structure, values: &Values<'_>) -> BTreeMap<Zeros, Vec<usize>> {
        let mut samples = BTreeMap::new();
        if let Slot::Shared(b) = values.b {
            samples.insert(self.zeros(b), (0..values.batch).collect());
            return samples;
        }
        for sample in 0..values.batch {
            let zeros = self.zeros(values.b.sample(sample, structure.rows()));
            samples.entry(zeros).or_insert_with(Vec::new).push(sample);
        }
        samples
    }

    /// What follows from a pattern, now or earlier.
    fn cliques(&self, prepared: &Prepared, zeros: Zeros) -> Option<Arc<Cliques>> {
        let known = || self.known.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(found) = known().iter().find(|known| known.zeros == zeros) {
            return found.cliques.clone();
        }
        let with_zeros = self.blocks.iter().zip(&zeros);
        let blocks = with_zeros.filter_map(|(block, rows)| block.decompose(rows.as_deref()?));
        let blocks: Vec<Decomposed> = blocks.collect();
        let cliques = Cliques::new(prepared, blocks).map(Arc::new);
        let mut known = known();
        if known.len() == KEPT {
            known.remove(0);
        }
        known.push(Known { zeros, cliques: cliques.clone() });
        cliques
    }
}

/// A point for each sample, none of them near to a solution.
fn unsolved(prepared: &Prepared, batch: usize) -> Solution {
    let (n, m) = (prepared.analysis.n(), prepared.analysis.m());
    Solution {
        batch,
        x: vec![0.0; batch * n],
        z: vec![0.0; batch * m],
        s: vec![0.0; batch * m],
        reports: vec![Report { status: Status::NumericalTrouble, ..Report::default() }; batch],
    }
}

impl Cliques {
    /// `None` where there are no `blocks`, or the program of cliques takes too much memory.
    fn new(prepared: &Prepared, blocks: Vec<Decomposed>) -> Option<Self> {
        if blocks.is_empty() {
            return None;
        }
        let (program, structure) = CliqueProgram::new(&prepared.analysis.structure, blocks).ok()?;
        let settings = Settings {
            tolerance: NEAR,
            reduced_tolerance: NEAR,
            check_convexity: false,
            chordal_decomposition: false,
            ..prepared.settings.clone()
        };
        let prepared = Prepared::new(structure, settings).ok()?;
        Some(Self { program, prepared })
    }

    /// Writes the points of `samples` into `near`.
    fn approximate(
        &self,
        outer: &Prepared,
        values: &Values<'_>,
        samples: &[usize],
        stop: Stop<'_>,
        near: &mut Solution,
    ) {
        let structure = &outer.analysis.structure;
        let numbers = self.program.numbers(structure, values, samples);
        // Values that are malformed are so in the program that was given, which is solved next.
        let Ok(found) = solve_batch(
            &self.prepared,
            &numbers.values(),
            (Origin::Approximate, stop),
            (None, None),
            false,
        ) else {
            return;
        };
        for (k, &sample) in samples.iter().enumerate() {
            if found.reports[k].is_solved()
                && self.write(structure, values, sample, (&found, k), near)
            {
                near.reports[sample] = found.reports[k];
            }
        }
    }

    /// Writes the point of a sample, number `k` of those that were solved, into `near`. Whether it
    /// is finite.
    fn write(
        &self,
        structure: &Structure,
        values: &Values<'_>,
        sample: usize,
        (found, k): (&Solution, usize),
        near: &mut Solution,
    ) -> bool {
        let (n, m) = (structure.variables(), structure.rows());
        let rows = k * self.program.rows..(k + 1) * self.program.rows;
        let (x, z, s) = (
            &mut near.x[sample * n..][..n],
            &mut near.z[sample * m..][..m],
            &mut near.s[sample * m..][..m],
        );
        x.copy_from_slice(&found.x[k * self.program.variables..][..n]);
        let (of_z, of_s) = (&found.z[rows.clone()], &found.s[rows]);
        for (i, row) in self.program.row_of.iter().enumerate() {
            if let Some(row) = *row {
                (z[i], s[i]) = (of_z[row as usize], of_s[row as usize]);
            }
        }
        let a = values.a.sample(sample, structure.a.nnz());
        let b = values.b.sample(sample, m);
        let mut is_finite = true;
        for block in &self.program.blocks {
            is_finite &= complete(block, of_z, z);
            slack(structure, (block, a, b, x), s);
        }
        is_finite
    }
}

/// The rows of z of one matrix from those of its cliques. Whether they are finite.
fn complete(block: &Decomposed, inner: &[f64], z: &mut [f64]) -> bool {
    let &Decomposed { side, first, ref cliques, ref shared, ref starts, .. } = block;
    let mut known = inner.to_vec();
    for (clique, &start) in cliques.iter().zip(starts) {
        for j in 0..clique.vertices.len() {
            for entry in &mut known[start + triangle_index(0, j)..start + triangle_index(j, j)] {
                *entry *= std::f64::consts::FRAC_1_SQRT_2;
            }
        }
    }
    let mut whole = vec![0.0; side * side];
    let completion = Completion {
        side,
        cliques,
        starts,
        known: &known,
        share: NOISE,
        out: &mut whole,
        scratch: &mut vec![0.0; scratch_len(cliques)],
        shared,
    };
    dispatch(Width::One, completion);
    let rows = &mut z[first..][..triangle_len(side)];
    for j in 0..side {
        for i in 0..j {
            rows[triangle_index(i, j)] = std::f64::consts::SQRT_2 * whole[j * side + i];
        }
        rows[triangle_index(j, j)] = whole[j * side + j];
    }
    rows.iter().all(|z| z.is_finite())
}

/// The rows `b - Ax` of s of one matrix.
fn slack(
    structure: &Structure,
    (block, a, b, x): (&Decomposed, &[f64], &[f64], &[f64]),
    s: &mut [f64],
) {
    let rows = block.first..block.first + triangle_len(block.side);
    s[rows.clone()].copy_from_slice(&b[rows.clone()]);
    for ((row, column), a) in structure.a.entries().zip(a) {
        if rows.contains(&row) {
            s[row] -= a * x[column];
        }
    }
}
