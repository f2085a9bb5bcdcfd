//! Exact solutions and derivatives of dense quadratic programs, in double-double arithmetic.
//!
//! Once the active rows W (equalities, and inequalities with s = 0) are known, optimality is
//! linear:
//! ```text
//! [ P    A_W' ] [ x   ]   [ -q  ]
//! [ A_W  0    ] [ z_W ] = [ b_W ]        z = 0 and s = b - Ax in the other rows
//! ```
//! The active set is guessed from an approximate solution of any origin and corrected until all
//! signs are right, so the result does not depend on where the guess came from. With about 32
//! digits in every operation, the result has more than the 16 digits of f64 as long as the
//! condition number of this matrix is below 1e14.

mod derivative;
mod kkt;

pub use crate::sensitivity::{SolutionDirection, StoredGradients};
pub use derivative::DenseGradients;

use kkt::Kkt;
use qd::Quad;

use crate::DenseProgram;
use crate::double_double::{Largest, dot, rounded, sum_products};

/// Why there is no exact solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActiveSetError {
    /// The active rows are linearly dependent, or P is singular on their null space: x or z is not
    /// unique, the program has no solution, or the start was so far away that such a set was met.
    #[error("the KKT matrix of {active} active rows is singular")]
    Singular {
        /// Number of active rows, equalities included.
        active: usize,
    },
    /// No active set with the right signs was found: the program has no solution, or the start was
    /// too far away.
    #[error("no active set with the right signs in {steps} steps")]
    Cycling {
        /// Steps taken.
        steps: usize,
    },
}

/// The exact solution of one program, rounded to f64, with what its derivatives need.
#[derive(Clone, Debug)]
pub struct ActiveSetSolution {
    /// Primal solution.
    pub x: Vec<f64>,
    /// Dual solution.
    pub z: Vec<f64>,
    /// Slacks; `+inf` in a row removed by `b = +inf`.
    pub s: Vec<f64>,
    /// Rows of the active inequalities, ascending.
    pub active: Vec<usize>,
    /// How clearly each inequality is active or inactive: the smallest over the rows of
    /// `max(s_i / S, z_i / Z)`, with S the largest entry of s and b, and Z that of z and of
    /// `|q| / |A|` in the maximum norm; 1 without inequalities. Zero means weakly active, hence not
    /// differentiable.
    pub margin: f64,
    /// Estimated condition number of the KKT matrix of the active rows, in the 1-norm after
    /// symmetric equilibration.
    pub condition: f64,
    /// Largest KKT residual of the unrounded solution, relative to the largest term.
    pub residual: f64,
    program: DenseProgram,
    kkt: Kkt,
    exact_x: Vec<Quad>,
    exact_z: Vec<Quad>,
}

/// Signs below this, relative to the scale of the vector, are rounding.
const SIGN_TOLERANCE: f64 = 1e-24;

/// Steps that change every wrong row, before going on with one row per step.
const JOINT_STEPS: usize = 20;

impl ActiveSetSolution {
    /// Solves `program`, guessing the active rows to be those with z > s in an approximate
    /// solution.
    ///
    /// Wrong rows change sides all at once (the primal-dual active set method, Hintermüller, Ito
    /// and Kunisch 2002) for some steps, then one at a time by least index (Murty 1974), which ends
    /// for every strictly convex program.
    ///
    /// # Errors
    /// See [`ActiveSetError`].
    pub fn solve(program: &DenseProgram, z: &[f64], s: &[f64]) -> Result<Self, ActiveSetError> {
        let inequalities = program.equalities..program.rows();
        let mut is_active: Vec<bool> = (0..program.rows())
            .map(|i| i < program.equalities || (z[i] > s[i] && program.b[i].is_finite()))
            .collect();
        let steps = JOINT_STEPS + 10 * (program.inequalities + 1);
        for step in 0..steps {
            let active = (0..program.rows()).filter(|&i| is_active[i]).collect();
            let kkt = Kkt::factor(program, active)?;
            let point = Point::on_active_set(program, &kkt);
            let (scale_s, scale_z) = point.scales(program);
            let mut wrong = inequalities.clone().filter(|&i| {
                program.b[i].is_finite()
                    && if is_active[i] {
                        point.z[i].0 < -SIGN_TOLERANCE * scale_z
                    } else {
                        point.s[i].0 < -SIGN_TOLERANCE * scale_s
                    }
            });
            let Some(first) = wrong.next() else {
                return Ok(Self::new(program.clone(), kkt, point));
            };
            let others: Vec<usize> = if step < JOINT_STEPS { wrong.collect() } else { Vec::new() };
            for i in others.into_iter().chain([first]) {
                is_active[i] = !is_active[i];
            }
        }
        Err(ActiveSetError::Cycling { steps })
    }

    fn new(program: DenseProgram, kkt: Kkt, point: Point) -> Self {
        let (scale_s, scale_z) = point.scales(&program);
        let share = |value: Quad, scale: f64| if scale > 0.0 { value.0 / scale } else { 0.0 };
        let margin = (program.equalities..program.rows())
            .filter(|&i| program.b[i].is_finite())
            .map(|i| share(point.s[i], scale_s).max(share(point.z[i], scale_z)))
            .fold(1.0, f64::min);
        Self {
            x: rounded(&point.x),
            z: rounded(&point.z),
            s: rounded(&point.s),
            active: kkt.active().iter().copied().filter(|&i| i >= program.equalities).collect(),
            margin,
            condition: kkt.condition(),
            residual: point.residual(&program),
            program,
            kkt,
            exact_x: point.x,
            exact_z: point.z,
        }
    }

    /// Whether the derivative at this solution is out of reach of double precision, or nearly so:
    /// some row is active or inactive by less than 1e-6, or the condition number exceeds 1e8.
    pub fn is_degenerate(&self) -> bool {
        self.margin < 1e-6 || self.condition > 1e8
    }
}

/// Solution of the equations of one active set; signs may be wrong.
struct Point {
    x: Vec<Quad>,
    z: Vec<Quad>,
    s: Vec<Quad>,
}

impl Point {
    fn on_active_set(program: &DenseProgram, kkt: &Kkt) -> Self {
        let n = program.variables;
        let mut solution: Vec<Quad> = program.q.iter().map(|&q| Quad::from_f64(-q)).collect();
        solution.extend(kkt.active().iter().map(|&i| Quad::from_f64(program.b[i])));
        kkt.solve(&mut solution);
        let mut z = vec![Quad::ZERO; program.rows()];
        for (&i, &multiplier) in kkt.active().iter().zip(&solution[n..]) {
            z[i] = multiplier;
        }
        solution.truncate(n);
        let x = solution;
        let mut s: Vec<Quad> = (0..program.rows()).map(|i| slack(program, i, &x)).collect();
        for &i in kkt.active() {
            s[i] = Quad::ZERO;
        }
        Self { x, z, s }
    }

    /// Scales of s and z: what a slack or a multiplier that is not zero is of the order of.
    fn scales(&self, program: &DenseProgram) -> (f64, f64) {
        let largest = |values: &mut dyn Iterator<Item = f64>| {
            values.map(f64::abs).filter(|v| v.is_finite()).fold(0.0, f64::max)
        };
        let slack = largest(&mut self.s.iter().map(|s| s.0).chain(program.b.iter().copied()));
        let multiplier = largest(&mut self.z.iter().map(|z| z.0));
        let force = largest(&mut program.q.iter().copied());
        let coefficient = largest(&mut program.a.iter().copied());
        let unit = if coefficient > 0.0 { force / coefficient } else { 0.0 };
        (slack, multiplier.max(unit))
    }

    fn residual(&self, program: &DenseProgram) -> f64 {
        let n = program.variables;
        let mut worst = Largest::default();
        for j in 0..n {
            let row = &program.p[j * n..(j + 1) * n];
            let column = (0..program.rows()).map(|i| (program.a[i * n + j], self.z[i]));
            let terms = [dot(row, &self.x), Quad::from_f64(program.q[j]), sum_products(column)];
            worst.add(&terms);
        }
        let dual = worst.relative();
        let mut worst = Largest::default();
        for i in (0..program.rows()).filter(|&i| program.b[i].is_finite()) {
            let terms = [dot(program.row(i), &self.x), self.s[i], Quad::from_f64(-program.b[i])];
            worst.add(&terms);
        }
        dual.max(worst.relative())
    }
}

/// `b_i - A_i x`; infinite where b is.
fn slack(program: &DenseProgram, i: usize, x: &[Quad]) -> Quad {
    if program.b[i].is_finite() {
        Quad::from_f64(program.b[i]).sub_accurate(dot(program.row(i), x))
    } else {
        Quad::from_f64(program.b[i])
    }
}
