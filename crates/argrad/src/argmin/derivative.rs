//! The derivative of the solution: implicit differentiation of the KKT conditions, both ways.
//!
//! With F(theta; y, lambda) = (L_Y, c) on the active rows c of (h, g), F = 0 moves with theta by
//!
//! ```text
//! K (dy, dlambda) = -F_theta dtheta,     K = dF / d(y, lambda)
//! ```
//!
//! which is eq. (4) where there are no constraints, and eqs. (5) and (6) where they are linear
//! equalities. K is symmetric, so the adjoint solves the same system, K u = w, and the gradient is
//! -F_theta'u. Neither forms F_theta: the oracle multiplies with it.

use argrad_solver::{OnFailure, Slot};

use super::check;
use super::error::ArgminError;
use super::evaluate::Evaluator;
use super::oracle::{KktVector, Multipliers, Oracle, Points};
use super::solution::ArgminSolution;
use super::solver::Argmin;

/// The gradient of a scalar with respect to a solution; what is absent is zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct ArgminCotangent<'a> {
    /// By y: `batch x y`.
    pub y: Option<&'a [f64]>,
    /// By nu: `batch x equalities`.
    pub equality_multipliers: Option<&'a [f64]>,
    /// By mu: `batch x inequalities`.
    pub inequality_multipliers: Option<&'a [f64]>,
}

/// How a solution moves.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ArgminTangent {
    /// `batch x y`.
    pub y: Vec<f64>,
    /// `batch x equalities`.
    pub equality_multipliers: Vec<f64>,
    /// `batch x inequalities`.
    pub inequality_multipliers: Vec<f64>,
}

/// The samples that take part, and where they are.
struct Solved {
    samples: Vec<usize>,
    theta: Vec<f64>,
    y: Vec<f64>,
    nu: Vec<f64>,
    mu: Vec<f64>,
}

impl Solved {
    fn points(&self) -> Points<'_> {
        Points { samples: &self.samples, theta: &self.theta, y: &self.y }
    }

    fn multipliers(&self) -> Multipliers<'_> {
        Multipliers { equalities: &self.nu, inequalities: &self.mu }
    }
}

impl<O: Oracle> Argmin<O> {
    /// The gradient with respect to theta of a scalar whose gradient with respect to the solution
    /// is `cotangent` (VJP): `batch x theta`, or `theta` numbers, the sum over the batch, where
    /// theta is shared. Constraints that are not active have no part in it; where one is weakly
    /// active, the side is taken on which it stands.
    ///
    /// # Errors
    /// Wrong lengths; [`ArgminError::Unsolved`] where a sample is not solved and
    /// [`on_failure`](super::ArgminSettings::on_failure) is [`OnFailure::Error`]; what the oracle
    /// reports.
    pub fn backward(
        &self,
        solution: &ArgminSolution,
        cotangent: &ArgminCotangent<'_>,
    ) -> Result<Vec<f64>, ArgminError> {
        let size = solution.size;
        let parts = [
            ("cotangent.y", cotangent.y, size.y),
            ("cotangent.equality_multipliers", cotangent.equality_multipliers, size.equalities),
            (
                "cotangent.inequality_multipliers",
                cotangent.inequality_multipliers,
                size.inequalities,
            ),
        ];
        for (argument, part, len) in parts {
            if let Some(part) = part {
                check::length(argument, Slot::Each(part), len, solution.batch)?;
            }
        }
        let solved = self.solved(solution)?;
        let mut adjoint = KktVector::default();
        for &k in &solved.samples {
            let of = |(_, part, len): &(&str, Option<&[f64]>, usize)| match part {
                Some(part) => part[k * len..(k + 1) * len].to_vec(),
                None => vec![0.0; *len],
            };
            let rows = [of(&parts[1]), of(&parts[2])].concat();
            push(&mut adjoint, solution, k, &of(&parts[0]), &rows);
        }
        let mut gradient = match solved.samples.is_empty() {
            true => Vec::new(),
            false => {
                let (at, multipliers) = (solved.points(), solved.multipliers());
                self.oracle.mixed_vjp(&at, &multipliers, &adjoint)?
            }
        };
        check::answer("mixed_vjp", &gradient, solved.samples.len() * size.theta)?;
        gradient.iter_mut().for_each(|v| *v = -*v);
        Ok(self.spread_gradient(solution, &solved, &gradient))
    }

    /// The directional derivative of the solution along a change of theta (JVP).
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn jvp(
        &self,
        solution: &ArgminSolution,
        theta_tangent: Slot<'_>,
    ) -> Result<ArgminTangent, ArgminError> {
        let size = solution.size;
        check::length("theta_tangent", theta_tangent, size.theta, solution.batch)?;
        let solved = self.solved(solution)?;
        let samples = solved.samples.iter();
        let tangent: Vec<f64> =
            samples.flat_map(|&k| theta_tangent.sample(k, size.theta).iter().copied()).collect();
        let mut moved = KktVector::default();
        if !solved.samples.is_empty() {
            let evaluator = Evaluator { oracle: &self.oracle, size, theta: solution.theta() };
            moved = evaluator.mixed_jvp(&solved.points(), &solved.multipliers(), &tangent)?;
        }
        let mut out = KktVector::default();
        for (at, &k) in solved.samples.iter().enumerate() {
            let part = |values: &[f64], len: usize| -> Vec<f64> {
                values[at * len..(at + 1) * len].iter().map(|v| -v).collect()
            };
            let rows = [
                part(&moved.equalities, size.equalities),
                part(&moved.inequalities, size.inequalities),
            ];
            push(&mut out, solution, k, &part(&moved.y, size.y), &rows.concat());
        }
        let fill = self.fill();
        let spread = |values: &[f64], len| spread(values, len, &solved, solution.batch, fill);
        Ok(ArgminTangent {
            y: spread(&out.y, size.y),
            equality_multipliers: spread(&out.equalities, size.equalities),
            inequality_multipliers: spread(&out.inequalities, size.inequalities),
        })
    }

    /// The gradient with respect to theta of the weighted sum of optimal values f(theta, y(theta)),
    /// one weight per sample: L_theta, by the envelope theorem. As [`Self::backward`], but no
    /// system is solved, and a singular one does no harm.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn value_gradient(
        &self,
        solution: &ArgminSolution,
        weights: &[f64],
    ) -> Result<Vec<f64>, ArgminError> {
        let size = solution.size;
        check::length("weights", Slot::Each(weights), 1, solution.batch)?;
        let solved = self.solved(solution)?;
        let mut gradient = match solved.samples.is_empty() {
            true => Vec::new(),
            false => self.oracle.lagrangian_gradient(&solved.points(), &solved.multipliers())?,
        };
        check::answer("lagrangian_gradient", &gradient, solved.samples.len() * size.theta)?;
        for (at, &k) in solved.samples.iter().enumerate() {
            let part = &mut gradient[at * size.theta..(at + 1) * size.theta];
            part.iter_mut().for_each(|v| *v *= weights[k]);
        }
        Ok(self.spread_gradient(solution, &solved, &gradient))
    }

    /// The samples with a solution, gathered.
    fn solved(&self, solution: &ArgminSolution) -> Result<Solved, ArgminError> {
        let size = solution.size;
        if size != self.oracle.dimensions() {
            return Err(ArgminError::Solver(argrad_solver::Error::Shape {
                argument: "solution",
                expected: format!("one of a problem with {:?}", self.oracle.dimensions()),
                found: format!("{size:?}"),
            }));
        }
        let failures: Vec<_> = solution.failures().collect();
        if !failures.is_empty() && self.settings.on_failure == OnFailure::Error {
            return Err(ArgminError::Unsolved { batch: solution.batch, failures });
        }
        let samples: Vec<usize> = (0..solution.batch)
            .filter(|&k| solution.reports[k].status.is_solved() && solution.systems[k].is_some())
            .collect();
        let gather = |values: &[f64], len: usize| -> Vec<f64> {
            samples.iter().flat_map(|&k| values[k * len..(k + 1) * len].iter().copied()).collect()
        };
        let theta = samples.iter().flat_map(|&k| solution.theta().sample(k, size.theta)).copied();
        Ok(Solved {
            theta: theta.collect(),
            y: gather(&solution.y, size.y),
            nu: gather(&solution.equality_multipliers, size.equalities),
            mu: gather(&solution.inequality_multipliers, size.inequalities),
            samples,
        })
    }

    /// What stands for numbers of samples without a solution.
    fn fill(&self) -> f64 {
        if self.settings.on_failure == OnFailure::Zero { 0.0 } else { f64::NAN }
    }

    /// Gradients of the solved samples as those of the batch.
    fn spread_gradient(
        &self,
        solution: &ArgminSolution,
        solved: &Solved,
        gradient: &[f64],
    ) -> Vec<f64> {
        let len = solution.size.theta;
        if !solution.theta_shared {
            return spread(gradient, len, solved, solution.batch, self.fill());
        }
        let mut sum = vec![0.0; len];
        for part in gradient.chunks(len.max(1)) {
            sum.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
        }
        sum
    }
}

/// Solves the system of sample k and appends the solution.
fn push(to: &mut KktVector, solution: &ArgminSolution, k: usize, y: &[f64], rows: &[f64]) {
    let size = &solution.size;
    let Some(system) = &solution.systems[k] else { return };
    let (u, v) = system.solve(y, rows);
    let (nu, mu) = v.split_at(size.equalities);
    to.y.extend(u);
    to.equalities.extend(nu);
    to.inequalities.extend(mu);
}

/// Rows of the solved samples in the batch, with `fill` for the others.
fn spread(values: &[f64], len: usize, solved: &Solved, batch: usize, fill: f64) -> Vec<f64> {
    let mut out = vec![fill; batch * len];
    for (at, &k) in solved.samples.iter().enumerate() {
        out[k * len..(k + 1) * len].copy_from_slice(&values[at * len..(at + 1) * len]);
    }
    out
}
