//! Programs that are approached in single precision: quadratic programs.

use std::ops::Range;

use crate::program::Structure;
use crate::system::kkt::Kkt;

/// Multiplications of a factorization, as a multiple of those of a solve, from which one centrality
/// corrector an iteration saves more than it costs, and from which two do.
const WORTH_ONE: usize = 4;
const WORTH_TWO: usize = 16;

/// The same from which the sparse engine gains from single precision, which makes large products
/// twice as fast, small ones hardly.
const WORTH_SINGLE: usize = 40;
/// Unknowns beyond which rounding in f32 has kept random dense programs from coming near enough.
const MOST_IN_SINGLE: usize = 2000;

/// What follows from the structure of such a program.
#[derive(Debug)]
pub(crate) struct Approach {
    /// Rows of the inequalities; the others are equalities.
    pub(crate) inequalities: Vec<Range<usize>>,
    /// Number of these rows.
    pub(crate) count: usize,
    /// Centrality correctors of an iteration.
    pub(crate) correctors: usize,
}

impl Approach {
    /// None where the program is none of these.
    pub(crate) fn new(structure: &Structure, kkt: &Kkt) -> Option<Self> {
        let (_, rows) = structure.quadratic_program()?;
        let (factor, solve) = kkt.single_operations()?;
        let is_worth = factor >= WORTH_SINGLE * solve && kkt.order() <= MOST_IN_SINGLE;
        if kkt.takes_one_lane() && !is_worth {
            return None;
        }
        let mut inequalities: Vec<Range<usize>> = Vec::new();
        for &row in &rows {
            let row = row as usize;
            match inequalities.last_mut() {
                Some(last) if last.end == row => last.end = row + 1,
                _ => inequalities.push(row..row + 1),
            }
        }
        let correctors =
            [WORTH_ONE, WORTH_TWO].iter().filter(|&&worth| factor >= worth * solve).count();
        (!rows.is_empty()).then_some(Self { inequalities, count: rows.len(), correctors })
    }
}
