//! Clarabel as an independent solver and as the one to be measured against.

mod lapack;

use ::clarabel::algebra::CscMatrix;
use ::clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use argrad_solver::{Cone, Pattern};
use rayon::prelude::*;

use crate::ProgramBatch;

/// A batch in Clarabel's form. Making it is not part of a solve, setting up a solver for each
/// sample is.
pub struct ClarabelBatch {
    programs: Vec<ClarabelProgram>,
    cones: Vec<SupportedConeT<f64>>,
    settings: DefaultSettings<f64>,
}

struct ClarabelProgram {
    p: CscMatrix<f64>,
    q: Vec<f64>,
    a: CscMatrix<f64>,
    b: Vec<f64>,
}

/// What Clarabel found for one sample.
#[derive(Clone, Debug)]
pub struct ClarabelSolution {
    /// Primal point.
    pub x: Vec<f64>,
    /// Dual point.
    pub z: Vec<f64>,
    /// Slacks.
    pub s: Vec<f64>,
    /// Why it ended.
    pub status: SolverStatus,
    /// Interior-point iterations.
    pub iterations: u32,
}

impl ClarabelBatch {
    /// The programs of `batch`, to be solved with gap and feasibility tolerances (absolute and
    /// relative) of `tolerance`; Clarabel's default is 1e-8. Everything else is at its default,
    /// except that nothing is printed and no solver starts threads of its own.
    pub fn new(batch: &ProgramBatch, tolerance: f64) -> Self {
        let structure = &batch.structure;
        let programs = (0..batch.batch)
            .map(|i| ClarabelProgram {
                p: matrix(structure.p(), batch.p.sample(i, structure.p().nnz())),
                q: batch.q.sample(i, batch.variables()).to_vec(),
                a: matrix(structure.a(), batch.a.sample(i, structure.a().nnz())),
                b: batch.b.sample(i, batch.rows()).to_vec(),
            })
            .collect();
        let cones = structure
            .cones()
            .iter()
            .map(|cone| match cone {
                Cone::Zero(k) => SupportedConeT::ZeroConeT(*k),
                Cone::Nonnegative(k) => SupportedConeT::NonnegativeConeT(*k),
                Cone::SecondOrder(dim) => SupportedConeT::SecondOrderConeT(*dim),
                Cone::PsdTriangle(side) => SupportedConeT::PSDTriangleConeT(*side),
                Cone::Exponential => SupportedConeT::ExponentialConeT(),
                Cone::Power(a) => SupportedConeT::PowerConeT(*a),
                Cone::GeneralizedPower { alpha, norm_dim } => {
                    SupportedConeT::GenPowerConeT(alpha.clone(), *norm_dim)
                }
            })
            .collect();
        let settings = DefaultSettings {
            verbose: false,
            max_threads: 1,
            tol_gap_abs: tolerance,
            tol_gap_rel: tolerance,
            tol_feas: tolerance,
            ..DefaultSettings::default()
        };
        Self { programs, cones, settings }
    }

    /// Solves every sample, one rayon task each.
    pub fn solve(&self) -> Vec<ClarabelSolution> {
        self.programs.par_iter().map(|program| self.solve_program(program)).collect()
    }

    /// Solves sample `index` on this thread.
    pub fn solve_sample(&self, index: usize) -> ClarabelSolution {
        self.solve_program(&self.programs[index])
    }

    fn solve_program(&self, program: &ClarabelProgram) -> ClarabelSolution {
        let ClarabelProgram { p, q, a, b } = program;
        let mut solver = DefaultSolver::new(p, q, a, b, &self.cones, self.settings.clone())
            .expect("a batch has consistent sizes");
        solver.solve();
        let solution = solver.solution;
        ClarabelSolution {
            x: solution.x,
            z: solution.z,
            s: solution.s,
            status: solution.status,
            iterations: solution.iterations,
        }
    }
}

fn matrix(pattern: &Pattern, values: &[f64]) -> CscMatrix<f64> {
    CscMatrix::new(
        pattern.rows(),
        pattern.cols(),
        pattern.colptr().to_vec(),
        pattern.rowval().to_vec(),
        values.to_vec(),
    )
}
