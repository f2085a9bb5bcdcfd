//! Zeros in matrices that the whole batch shares: bounds written as G = -I, a diagonal P, equations
//! between a few variables, all passed as dense matrices. The solver leaves them out of its factor.

use std::sync::{Arc, Mutex};

use argrad_solver::{Error, Settings, Solver, Structure};

/// Fewer zeros than this share of all entries are not worth a solver of their own.
const WORTH: f64 = 0.25;
/// Most solvers that a layer keeps, each with its buffers; the one that was not used for longest
/// goes. What a layer has met does not change its results: zeros that come and go from call to call
/// only cost an analysis each time.
const MOST: usize = 4;

/// The solvers of a layer for the zeros met so far, the last used last. Clones of a layer have them
/// in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct ZeroSolvers(Arc<Mutex<Vec<(Zeros, Solver)>>>);

/// Entry by entry of P and of A, whether it is zero in every program.
#[derive(Debug, PartialEq)]
pub(crate) struct Zeros {
    pub(crate) p: Vec<bool>,
    pub(crate) a: Vec<bool>,
}

impl Zeros {
    fn are_worth_a_solver(&self) -> bool {
        let zeros = self.p.iter().chain(&self.a).filter(|&&zero| zero).count();
        zeros as f64 >= WORTH * (self.p.len() + self.a.len()).max(1) as f64
    }
}

impl ZeroSolvers {
    /// The solver for `zeros`, made when they are met first; `None` where `structure` as it is does
    /// as well.
    pub(crate) fn find(
        &self,
        structure: &Structure,
        settings: &Settings,
        zeros: Zeros,
    ) -> Result<Option<Solver>, Error> {
        if !zeros.are_worth_a_solver() {
            return Ok(None);
        }
        let mut known = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(place) = known.iter().position(|(of, _)| *of == zeros) {
            known[place..].rotate_left(1);
            return Ok(known.last().map(|(_, solver)| solver.clone()));
        }
        if known.len() == MOST {
            known.remove(0);
        }
        let structure = structure.clone().with_zeros(zeros.p.clone(), zeros.a.clone())?;
        let solver = Solver::new(structure, settings.clone())?;
        known.push((zeros, solver.clone()));
        Ok(Some(solver))
    }
}
