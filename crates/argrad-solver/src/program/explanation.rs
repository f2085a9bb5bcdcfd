//! How programs of a structure are solved, for whoever asks.

use std::fmt;

use super::{Cone, Engine};

/// An unknown of the linear system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// The change of a variable.
    Variable(usize),
    /// The change of the dual variable of a row of A.
    Row(usize),
    /// One of those that make the block of a large second-order cone sparse.
    Auxiliary(usize),
}

/// A positive semidefinite cone whose matrices are sums of smaller ones on the way to the solution:
/// its pattern of zeros has such cliques.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecomposedCone {
    /// Its place in the list of cones.
    pub cone: usize,
    /// Number of cliques.
    pub cliques: usize,
    /// Side of the largest.
    pub largest: usize,
}

/// What a solver does with programs of its structure: see [`Solver::explain`]. Displayed as a few
/// lines of text.
///
/// [`Solver::explain`]: crate::Solver::explain
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The engine: what [`Engine::Auto`] chose, or what was asked for.
    pub engine: Engine,
    /// Number of samples that are solved at once.
    pub lanes: usize,
    /// Variables.
    pub variables: usize,
    /// Rows of A.
    pub rows: usize,
    /// The cones whose rows are eliminated by the inverse of their block, by their position in the
    /// list of cones: they are no unknowns of the system.
    pub eliminated_cones: Vec<(usize, Cone)>,
    /// The cones of sparse matrices, by their position in the list of cones: they are decomposed
    /// where enough of b is zero too.
    pub sparse_cones: Vec<(usize, Cone)>,
    /// Those that are decomposed, of a sample ([`Solver::explain_sample`]).
    ///
    /// [`Solver::explain_sample`]: crate::Solver::explain_sample
    pub decomposed_cones: Vec<DecomposedCone>,
    /// The unknowns, in the order in which they are eliminated; none for a matrix-free solver.
    pub elimination: Vec<Unknown>,
    /// Entries of the system below its diagonal, with those that eliminated rows fill in.
    pub matrix_entries: usize,
    /// Numbers that hold the system and its factor for a sample.
    pub factor_entries: usize,
    /// Whether batches that share P and A are solved by one inverse instead of a factor for each
    /// sample, if that matrix is well enough conditioned.
    pub shares_matrices: bool,
    /// Bytes that a sample keeps for its derivatives.
    pub bytes_a_sample: u64,
    /// Bytes of scratch that each thread needs.
    pub bytes_a_thread: u64,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} variables, {} rows", self.variables, self.rows)?;
        match self.engine {
            Engine::Sparse => writeln!(f, "sparse engine: one sample at a time, threads inside")?,
            Engine::MatrixFree => writeln!(f, "no factor: derivatives only, by products")?,
            Engine::Lanes | Engine::Auto => {
                writeln!(f, "lane engine: {} samples at a time on each thread", self.lanes)?;
            }
        }
        for (index, cone) in &self.eliminated_cones {
            writeln!(f, "cone {index}, {cone:?}: rows eliminated by the inverse of their block")?;
        }
        for (index, cone) in &self.sparse_cones {
            let decomposed = self.decomposed_cones.iter().find(|found| found.cone == *index);
            write!(f, "cone {index}, {cone:?}: sparse matrices, decomposed into ")?;
            match decomposed {
                None => writeln!(f, "cliques where b has zeros enough")?,
                Some(DecomposedCone { cliques, largest, .. }) => {
                    writeln!(f, "{cliques} cliques, the largest of side {largest}")?;
                }
            }
        }
        writeln!(
            f,
            "linear system of order {}, {} entries, {} numbers with its factor",
            self.elimination.len(),
            self.matrix_entries,
            self.factor_entries
        )?;
        if self.shares_matrices {
            writeln!(f, "batches that share P and A: one inverse for all samples")?;
        }
        write!(
            f,
            "memory: {} for each sample that is differentiated, {} for each thread",
            size(self.bytes_a_sample),
            size(self.bytes_a_thread)
        )
    }
}

/// Bytes for a reader.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fitting = units.into_iter().find(|&(_, shift)| bytes >> shift > 0);
    fitting.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, shift)| format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
    )
}
