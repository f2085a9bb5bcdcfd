//! A batch with a direction to differentiate along, and everything the solver says about one of its
//! samples.

pub use argrad_conformance::dot;

use argrad_conformance::active_set::{ActiveSetError, ActiveSetSolution, StoredGradients};
use argrad_conformance::generators::{Size, normal_vector};
use argrad_conformance::reference::{ReferenceError, ReferenceSolution};
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_solver::{
    Cotangent, Differentiation, Error, Gradients, Instructions, Method, Mode, OnFailure, Settings,
    Slot, Solution, SolutionTangent, Solver, Tangent, Tape,
};

/// A batch with a gradient with respect to x, z, s and a change of P, q, A, b, a sample each.
#[derive(Clone)]
pub struct Case {
    pub batch: ProgramBatch,
    pub gx: Vec<f64>,
    pub gz: Vec<f64>,
    pub gs: Vec<f64>,
    pub dp: Vec<f64>,
    pub dq: Vec<f64>,
    pub da: Vec<f64>,
    pub db: Vec<f64>,
}

/// A dense size.
pub fn size(variables: usize, inequalities: usize, equalities: usize, batch: usize) -> Size {
    Size { variables, inequalities, equalities, batch }
}

/// A solver for the structure of `batch`.
pub fn solver(batch: &ProgramBatch) -> Solver {
    solver_with(batch, Instructions::Detect)
}

/// The same with chosen instructions.
pub fn solver_with(batch: &ProgramBatch, instructions: Instructions) -> Solver {
    let settings = Settings { instructions, ..Settings::default() };
    Solver::new(batch.structure.clone(), settings).unwrap()
}

/// Zero derivatives for samples that are not solved.
pub const ZERO: Differentiation =
    Differentiation { mode: Mode::Exact, on_failure: OnFailure::Zero, method: Method::Direct };
/// NaN derivatives for samples that are not solved.
pub const NAN: Differentiation =
    Differentiation { mode: Mode::Exact, on_failure: OnFailure::Nan, method: Method::Direct };

impl Case {
    /// Random directions for `batch`.
    pub fn new(batch: ProgramBatch, seed: u64) -> Self {
        let (n, m, count) = (batch.variables(), batch.rows(), batch.batch);
        let normal = |len: usize, k: u64| normal_vector(len, count, seed.wrapping_mul(100) + k);
        Self {
            gx: normal(n, 1),
            gz: normal(m, 2),
            gs: normal(m, 3),
            dp: normal(batch.structure.p().nnz(), 4),
            dq: normal(n, 5),
            da: normal(batch.structure.a().nnz(), 6),
            db: normal(m, 7),
            batch,
        }
    }

    /// The samples `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let rows = |values: &[f64], len: usize| -> Vec<f64> {
            indices.iter().flat_map(|&i| &values[i * len..(i + 1) * len]).copied().collect()
        };
        let (n, m) = (self.batch.variables(), self.batch.rows());
        let (p, a) = (self.batch.structure.p().nnz(), self.batch.structure.a().nnz());
        Self {
            batch: self.batch.select(indices),
            gx: rows(&self.gx, n),
            gz: rows(&self.gz, m),
            gs: rows(&self.gs, m),
            dp: rows(&self.dp, p),
            dq: rows(&self.dq, n),
            da: rows(&self.da, a),
            db: rows(&self.db, m),
        }
    }

    pub fn cotangent(&self) -> Cotangent<'_> {
        Cotangent { x: Some(&self.gx), z: Some(&self.gz), s: Some(&self.gs) }
    }

    pub fn tangent(&self) -> Tangent<'_> {
        Tangent {
            p: Some(Slot::Each(&self.dp)),
            q: Some(Slot::Each(&self.dq)),
            a: Some(Slot::Each(&self.da)),
            b: Some(Slot::Each(&self.db)),
        }
    }

    pub fn forward(&self) -> (Solution, Tape) {
        solver(&self.batch).forward(&self.batch.values()).unwrap()
    }

    /// Solves and differentiates.
    pub fn answer(&self, solver: &Solver, how: &Differentiation) -> Result<Answer, Error> {
        let (solution, tape) = solver.forward(&self.batch.values())?;
        let gradients = tape.vjp(&self.cotangent(), how)?;
        let tangent = tape.jvp(&self.tangent(), how)?;
        let ProgramBatch { p, q, a, b, .. } = &self.batch;
        let shared = [p, q, a, b].map(|numbers| numbers.slot().is_shared());
        Ok(Answer { solution, gradients, tangent, shared })
    }

    /// The exact solution of sample `i`, started from `solution`.
    pub fn oracle(
        &self,
        i: usize,
        solution: &Solution,
    ) -> Result<ActiveSetSolution, ActiveSetError> {
        let m = self.batch.rows();
        let rows = i * m..(i + 1) * m;
        ActiveSetSolution::solve(
            &self.batch.program(i),
            &solution.z[rows.clone()],
            &solution.s[rows],
        )
    }

    /// The exact gradients of sample `i`.
    pub fn oracle_gradients(&self, i: usize, oracle: &ActiveSetSolution) -> StoredGradients {
        let (n, m) = (self.batch.variables(), self.batch.rows());
        let (x, rows) = (i * n..(i + 1) * n, i * m..(i + 1) * m);
        oracle
            .vjp(&self.gx[x], &self.gz[rows.clone()], &self.gs[rows])
            .stored(&self.batch.structure)
    }

    /// The solution of sample `i` over any cones in double-double arithmetic, started from
    /// `solution`.
    pub fn reference(
        &self,
        i: usize,
        solution: &Solution,
    ) -> Result<ReferenceSolution, ReferenceError> {
        let (n, m) = (self.batch.variables(), self.batch.rows());
        let rows = i * m..(i + 1) * m;
        ReferenceSolution::refine(
            &self.batch,
            i,
            &solution.x[i * n..(i + 1) * n],
            &solution.z[rows.clone()],
            &solution.s[rows],
        )
    }

    /// The gradients of x, z, s of sample `i`.
    pub fn cotangent_of(&self, i: usize) -> [&[f64]; 3] {
        let (n, m) = (self.batch.variables(), self.batch.rows());
        let rows = i * m..(i + 1) * m;
        [&self.gx[i * n..(i + 1) * n], &self.gz[rows.clone()], &self.gs[rows]]
    }

    /// The changes of P, q, A, b of sample `i`.
    pub fn direction_of(&self, i: usize) -> StoredGradients {
        let take = |values: &[f64], len: usize| values[i * len..(i + 1) * len].to_vec();
        StoredGradients {
            p: take(&self.dp, self.batch.structure.p().nnz()),
            q: take(&self.dq, self.batch.variables()),
            a: take(&self.da, self.batch.structure.a().nnz()),
            b: take(&self.db, self.batch.rows()),
        }
    }

    /// The gradients of sample `i`, where nothing is shared.
    pub fn gradients_of(&self, i: usize, gradients: &Gradients) -> StoredGradients {
        let take = |values: &[f64]| {
            let len = values.len() / self.batch.batch;
            values[i * len..(i + 1) * len].to_vec()
        };
        StoredGradients {
            p: take(&gradients.p),
            q: take(&gradients.q),
            a: take(&gradients.a),
            b: take(&gradients.b),
        }
    }
}

/// Solution and derivatives of a case.
pub struct Answer {
    pub solution: Solution,
    pub gradients: Gradients,
    pub tangent: SolutionTangent,
    /// Whether P, q, A, b are.
    shared: [bool; 4],
}

impl Answer {
    /// Every bit said about sample `i`, by name. Gradients of shared values belong to no sample.
    pub fn bits(&self, i: usize) -> Bits {
        let batch = self.solution.batch;
        let mut bits = solution_bits(&self.solution, i);
        let Gradients { p, q, a, b, adjoint_residual, .. } = &self.gradients;
        let gradients =
            [("gradient p", p), ("gradient q", q), ("gradient a", a), ("gradient b", b)];
        for (part, _) in gradients.into_iter().zip(self.shared).filter(|(_, shared)| !shared) {
            bits.push((part.0, row_bits(part.1, i, batch)));
        }
        let SolutionTangent { x, z, s, residual, .. } = &self.tangent;
        for (name, values) in [
            ("adjoint residual", adjoint_residual),
            ("tangent x", x),
            ("tangent z", z),
            ("tangent s", s),
            ("tangent residual", residual),
        ] {
            bits.push((name, row_bits(values, i, batch)));
        }
        bits
    }
}

/// Named bits.
pub type Bits = Vec<(&'static str, Vec<u64>)>;

/// Every bit of sample `i` of a solution.
pub fn solution_bits(solution: &Solution, i: usize) -> Bits {
    // The text of a float is unambiguous.
    let report = format!("{:?}", solution.reports[i]).bytes().map(u64::from).collect();
    let row = |values| row_bits(values, i, solution.batch);
    vec![
        ("report", report),
        ("x", row(&solution.x)),
        ("z", row(&solution.z)),
        ("s", row(&solution.s)),
    ]
}

/// The names of the bits that differ.
pub fn differing(left: &Bits, right: &Bits) -> Vec<&'static str> {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).filter(|(left, right)| left != right).map(|(left, _)| left.0).collect()
}

/// NaN has many encodings and they carry no meaning: all count as the same.
fn row_bits(values: &[f64], i: usize, batch: usize) -> Vec<u64> {
    let len = values.len() / batch;
    let row = &values[i * len..(i + 1) * len];
    row.iter().map(|v| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() }).collect()
}

/// The largest of the relative errors of the four parts, each relative to its own largest entry.
pub fn gradient_error(found: &StoredGradients, expected: &StoredGradients) -> f64 {
    largest(&[
        relative_error(&found.p, &expected.p),
        relative_error(&found.q, &expected.q),
        relative_error(&found.a, &expected.a),
        relative_error(&found.b, &expected.b),
    ])
}

/// Sum of the products of all four parts.
pub fn gradient_product(gradients: &StoredGradients, direction: &StoredGradients) -> f64 {
    dot(&gradients.p, &direction.p)
        + dot(&gradients.q, &direction.q)
        + dot(&gradients.a, &direction.a)
        + dot(&gradients.b, &direction.b)
}

/// Euclidean norm of all four parts.
pub fn gradient_norm(gradients: &StoredGradients) -> f64 {
    gradient_product(gradients, gradients).sqrt()
}

/// The largest absolute value; NaN counts as larger than any number.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().map(|v| v.abs()).max_by(f64::total_cmp).unwrap_or(0.0)
}
