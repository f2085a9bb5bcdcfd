//! Solutions and derivatives of programs over any cones, in double-double arithmetic.
//!
//! With v = s - z, s the projection of v onto K and z = s - v, optimality is
//! ```text
//! H(x, v) = [ Px + q + A'z;  Ax + s - b ] = 0
//! ```
//! An approximate solution of any origin is refined by Newton's method on H until the residual is
//! that of double-double arithmetic, and H is differentiated there. With D the derivative of the
//! projection, ds = D dv and dz = (D - I) dv, so that the matrix `[P A'(D - I); A D]` is finite
//! wherever the projection is differentiable: nothing is inverted but the whole. It is dense, so
//! programs should have at most a few hundred variables and rows.
//!
//! The condition number may be up to about 1e14 before the 16 digits of f64 are touched.

mod derivative;
mod difference;
mod jacobian;
mod program;
mod projection;

pub use projection::{ConeProjection, project};

use jacobian::Jacobian;
use program::{Program, Projected};
use qd::Quad;

use crate::ProgramBatch;
use crate::double_double::rounded;

/// Why there is no reference solution.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ReferenceError {
    /// The derivative of the residual is singular: x or z is not unique, or the start was far away.
    #[error("the derivative of the residual is singular")]
    Singular,
    /// Newton's method did not get below the residual of double-double arithmetic: the start was
    /// too far away.
    #[error("Newton's method stopped at a relative residual of {residual:.1e} in {steps} steps")]
    NotConverged {
        /// Relative residual reached.
        residual: f64,
        /// Steps taken.
        steps: usize,
    },
}

/// The solution of one program, rounded to f64, with what its derivatives need.
#[derive(Clone, Debug)]
pub struct ReferenceSolution {
    /// Primal solution.
    pub x: Vec<f64>,
    /// Dual solution.
    pub z: Vec<f64>,
    /// Slacks; `+inf` in a row removed by `b = +inf`.
    pub s: Vec<f64>,
    /// How far v = s - z is from a kink of the projection: the least over the cones of the distance
    /// relative to the norm of v there, and of `max(|s| / S, |z| / Z)` with S the largest entry of
    /// s and b, and Z that of z and of `|q| / |A|`. 0 means not differentiable.
    pub margin: f64,
    /// Estimated condition number of the derivative of the residual, in the 1-norm after
    /// equilibration.
    pub condition: f64,
    /// Largest residual of the unrounded solution, relative to the largest term.
    pub residual: f64,
    /// Newton steps from the start.
    pub steps: usize,
    program: Program,
    exact_x: Vec<Quad>,
    exact_v: Vec<Quad>,
    projected: Projected,
    jacobian: Jacobian,
}

/// Steps after which Newton's method is given up.
const MOST_STEPS: usize = 40;

/// Relative residual that counts as solved.
const SOLVED: f64 = 1e-25;

impl ReferenceSolution {
    /// Refines an approximate solution of sample `index` of `batch`. From a start with an error of
    /// 1e-6 it takes about three steps; how near a start has to be depends on the program.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    ///
    /// # Panics
    /// When x, z, s do not have the lengths of one sample.
    pub fn refine(
        batch: &ProgramBatch,
        index: usize,
        x: &[f64],
        z: &[f64],
        s: &[f64],
    ) -> Result<Self, ReferenceError> {
        let program = Program::new(batch, index);
        assert_eq!(
            (x.len(), z.len(), s.len()),
            (program.variables(), program.rows(), program.rows()),
            "lengths of x, z, s"
        );
        let v = s
            .iter()
            .zip(z)
            .zip(&program.removed)
            .map(|((&s, &z), &removed)| {
                if removed { Quad::ZERO } else { Quad::from_f64(s).sub_accurate(Quad::from_f64(z)) }
            })
            .collect();
        Self::newton(program, crate::double_double::exact(x), v)
    }

    /// Whether the derivative at this solution is out of reach of double precision, or nearly so:
    /// v is within 1e-6 of a kink, or the condition number exceeds 1e8.
    pub fn is_degenerate(&self) -> bool {
        self.margin < 1e-6 || self.condition > 1e8
    }

    fn newton(
        program: Program,
        mut x: Vec<Quad>,
        mut v: Vec<Quad>,
    ) -> Result<Self, ReferenceError> {
        let n = program.variables();
        let mut projected = program.project(&v);
        let (mut rhs, mut residual) = program.residual(&x, &projected);
        let mut jacobian = Jacobian::factor(&program, &projected)?;
        let mut steps = 0;
        while steps < MOST_STEPS && residual > 0.0 {
            jacobian.solve(&mut rhs);
            let new_x: Vec<Quad> = x.iter().zip(&rhs).map(|(x, d)| x.sub_accurate(*d)).collect();
            let new_v: Vec<Quad> =
                v.iter().zip(&rhs[n..]).map(|(v, d)| v.sub_accurate(*d)).collect();
            let new_projected = program.project(&new_v);
            let (new_rhs, new_residual) = program.residual(&new_x, &new_projected);
            // Far away a step may go up; close by it means that rounding is reached.
            if residual <= SOLVED && (new_residual.is_nan() || new_residual > 0.1 * residual) {
                break;
            }
            steps += 1;
            (x, v, projected, rhs, residual) = (new_x, new_v, new_projected, new_rhs, new_residual);
            jacobian = Jacobian::factor(&program, &projected)?;
        }
        if residual.is_nan() || residual > SOLVED {
            return Err(ReferenceError::NotConverged { residual, steps });
        }
        let mut s = rounded(&projected.s);
        for (s, _) in s.iter_mut().zip(&program.removed).filter(|(_, removed)| **removed) {
            *s = f64::INFINITY;
        }
        Ok(Self {
            x: rounded(&x),
            z: rounded(&projected.z),
            s,
            margin: program.margin(&projected),
            condition: jacobian.condition(),
            residual,
            steps,
            program,
            exact_x: x,
            exact_v: v,
            projected,
            jacobian,
        })
    }
}
