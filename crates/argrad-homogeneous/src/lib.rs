//! The homogeneous view: the derivative of the solution map as the survey writes it, for study.
//!
//! Section 1.3 of the survey "Differentiable Convex Optimization Layers in Neural Architectures"
//! (Katyal 2024), after Agrawal, Barratt, Boyd, Busseti and Moursi, "Differentiating through a cone
//! program" (2019), writes the solution map of the cone program (9) with its dual (11),
//! ```text
//! minimize  c'x   subject to  Ax + s = b,  s in K;
//! maximize  -b'y  subject to  A'y + c = 0,  y in K*,
//! ```
//! as a composition `S = phi o s o Q`, and differentiates it by the chain rule: `DS = Dphi Ds DQ`.
//! Each symbol of that text is an item of this crate. In this order they make up the forward
//! direction; each has its adjoint beside it.
//!
//! | survey | what it is | here |
//! |---|---|---|
//! | (A, b, c) | data of a program, or a direction | [`Data`] |
//! | Q(A, b, c), (12) | the skew-symmetric matrix | [`Q`]: `multiply`, `multiply_transpose`, `dense` |
//! | DQ, D'Q | a change of data to one of Q | [`Q::differential`]; [`Q::differential_adjoint`], [`Q::differential_adjoint_at`] |
//! | Pi, DPi | projection onto R^n x K* x R+ | [`Projection`], [`Projected`] |
//! | N(z, Q) | normalized residual map of the embedding | [`Residual::normalized`] |
//! | M | its derivative, ((Q - I) DPi(z) + I) / w | [`M`]: `multiply`, `multiply_transpose`, `dense` |
//! | g = dQ Pi(z / \|w\|) | the residual's change with Q | [`M::residual_change`] |
//! | s | solves the embedding | [`embed`], at a known solution |
//! | phi, Dphi, D'phi | embedding to (x, y, s) | [`Phi`] |
//! | Ds = -M^-1 g | solves the singular system | [`LinearSolve`] |
//! | DS, D'S | derivative of the solution map | [`SolutionDerivative::apply`], [`SolutionDerivative::apply_adjoint`] |
//!
//! Vectors of the embedding have N = n + m + 1 entries: z = (u, v, w), and Pi(z) = (x, y, tau). A
//! quadratic objective makes a nonlinear map of Q; [`Q::evaluate`] says how. Everything here is for
//! one program, in plain vectors, and shares nothing with the production path against which it is
//! tested: the projections are those of `argrad-conformance`. That path, [`argrad_solver::Tape`],
//! takes another equation, H(x, v) = 0 with v = s - y, which fixes the scale that the embedding
//! leaves free, so that no ray lies in its null space and a factor can solve it.
//!
//! ```
//! use argrad_homogeneous::{Data, LinearSolve, PrimalDual, Q, Residual, SolutionDerivative};
//! use argrad_solver::{Cone, Pattern, Settings, Slot, Solver, Structure, Values};
//! // minimize x1 + 2 x2  subject to  x1 + x2 = 1, x >= 0.
//! let (a, b, c) = ([1.0, -1.0, 0.0, 1.0, 0.0, -1.0], [1.0, 0.0, 0.0], [1.0, 2.0]);
//! let cones = vec![Cone::Zero(1), Cone::Nonnegative(2)];
//! let structure = Structure::new(Pattern::empty(2, 2), Pattern::dense(3, 2), cones)?;
//! let values = Values {
//!     batch: 1,
//!     p: Slot::Shared(&[]),
//!     q: Slot::Shared(&c),
//!     a: Slot::Shared(&a),
//!     b: Slot::Shared(&b),
//! };
//! let solution = Solver::new(structure.clone(), Settings::default())?.solve(&values)?;
//! // x = (1, 0), y = (-1, 0, 1), s = (0, 1, 0).
//! let solution = PrimalDual::of(&structure, &solution, 0)?;
//!
//! // Equation (12), its first row: 0, A', c.
//! let data = Data::linear(&structure, &a, &b, &c)?;
//! let q = Q::new(&structure, &data)?;
//! assert_eq!(q.dense()[..6], [0.0, 0.0, 1.0, -1.0, 0.0, 1.0]);
//!
//! // z is a zero of the residual map, and in the null space of its derivative.
//! let ds = SolutionDerivative::new(&structure, &data, &solution, LinearSolve::Svd)?;
//! let is_zero = |v: &[f64]| v.iter().all(|v| v.abs() < 1e-12);
//! assert!(is_zero(&Residual::new(q).normalized(ds.z())?));
//! assert!(is_zero(&ds.m().multiply(ds.z())?));
//!
//! // b1 rises: x1 takes all of it.
//! let direction = Data { b: vec![1.0, 0.0, 0.0], ..Data::zeros(&structure) };
//! let change = ds.apply(&direction)?.value;
//! assert!((change.x[0] - 1.0).abs() < 1e-12 && change.x[1].abs() < 1e-12);
//!
//! // The adjoint: the gradient of x1 with respect to b.
//! let gradient = PrimalDual { x: vec![1.0, 0.0], y: vec![0.0; 3], s: vec![0.0; 3] };
//! let back = ds.apply_adjoint(&gradient)?.value;
//! assert!((back.b[0] - 1.0).abs() < 1e-12 && back.c.iter().all(|c| c.abs() < 1e-12));
//! # Ok::<(), argrad_solver::Error>(())
//! ```
//!
//! # Sources
//! - Agrawal, Barratt, Boyd, Busseti, Moursi: Differentiating through a cone program, 2019,
//!   arXiv:1904.09043.
//! - Busseti, Moursi, Boyd: Solution refinement at regular points of conic problems, 2019: the
//!   residual map and M.
//! - Ye, Todd, Mizuno 1994; Xu, Hung, Ye 1996: the homogeneous self-dual embedding.
//! - Goulart, Chen: Clarabel: an interior-point solver for conic programs with quadratic
//!   objectives, 2024, arXiv:2405.12762: the embedding with P.
//! - Healey, Nobel, Boyd: Differentiating through a quadratic cone program, 2025, arXiv:2508.17522.
//! - Paige, Saunders: LSQR, ACM Transactions on Mathematical Software 8, 1982.

// In the order in which data flow.
mod data;
mod differential;
mod q;
mod quadratic;

mod projection;
mod residual;

mod lsqr;
mod svd;

mod phi;
mod solution_derivative;

#[cfg(test)]
mod tests;

pub use data::{Data, PrimalDual};
pub use phi::{Phi, embed};
pub use projection::{Projected, Projection};
pub use q::Q;
pub use residual::{M, Residual};
pub use solution_derivative::{LinearSolve, SolutionDerivative, Solved};

use argrad_solver::Error;

/// Length and finiteness of a vector; `meaning` says what its length is.
fn check(
    argument: &'static str,
    values: &[f64],
    expected: usize,
    meaning: &str,
) -> Result<(), Error> {
    if values.len() != expected {
        let (found, meaning) = (values.len(), meaning.to_owned());
        return Err(Error::Length { argument, expected, found, meaning });
    }
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(entry) => {
            Err(Error::NotFinite { argument, sample: None, entry, found: values[entry] })
        }
    }
}
