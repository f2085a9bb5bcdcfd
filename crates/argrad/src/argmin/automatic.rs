//! The oracle of a problem that is written in Rust: derivatives by (hyper-)dual numbers.
//!
//! A hyper-dual number a + b e1 + c e2 + d e1 e2 has e1^2 = e2^2 = 0 (Fike and Alonso 2011): with
//! e1 along one direction and e2 along another, d is the exact second derivative. No step size, no
//! truncation. Samples go over the threads of rayon's pool.

use num_dual::{Dual64, HyperDual64};
use rayon::prelude::*;

use super::error::ArgminError;
use super::oracle::{FunctionDerivatives, FunctionValues, KktVector, Multipliers, Oracle, Points};
use super::problem::{Dimensions, Scalar, SmoothProblem};

/// Fewest samples that are worth a thread of their own.
const SAMPLES_PER_TASK: usize = 8;

/// A [`SmoothProblem`] as an [`Oracle`].
///
/// First and second derivatives by y of one sample take y (y + 1) / 2 evaluations of the functions
/// (a hyper-dual number has one entry of the Hessian), a JVP takes y, a VJP as many as there are
/// parameters. That grows with the square of the number of variables: from some tens on, an
/// [`Oracle`] that knows which variables each function depends on is far faster. The cart-pole
/// among the applications is one: it differentiates a step of the motion by the dual numbers of
/// [`num_dual`](super::num_dual), and puts the steps together.
#[derive(Clone, Copy, Debug)]
pub struct Automatic<P>(
    /// The problem.
    pub P,
);

/// One sample: its numbers.
#[derive(Clone, Copy)]
struct Sample<'a> {
    theta: &'a [f64],
    y: &'a [f64],
    nu: &'a [f64],
    mu: &'a [f64],
}

/// f, h and g with the derivatives that a number type carries.
struct Functions<D> {
    objective: D,
    equalities: Vec<D>,
    inequalities: Vec<D>,
}

impl<P: SmoothProblem> Automatic<P> {
    fn functions<D: Scalar>(&self, theta: &[D], y: &[D]) -> Result<Functions<D>, ArgminError> {
        let size = self.0.dimensions();
        let equalities = self.0.equalities(theta, y);
        let inequalities = self.0.inequalities(theta, y);
        for (function, expected, found) in [
            ("equalities", size.equalities, equalities.len()),
            ("inequalities", size.inequalities, inequalities.len()),
        ] {
            if expected != found {
                return Err(ArgminError::Function { function, expected, found });
            }
        }
        Ok(Functions { objective: self.0.objective(theta, y), equalities, inequalities })
    }
}

impl<D> Functions<D> {
    /// A part of the Lagrangian, where `part` reads it from a number.
    fn lagrangian(&self, sample: &Sample<'_>, part: impl Fn(&D) -> f64) -> f64 {
        // A constraint with multiplier zero is not there, whatever its value is.
        let weighted = |weights: &[f64], values: &[D]| -> f64 {
            let terms = weights.iter().zip(values).filter(|(w, _)| **w != 0.0);
            terms.map(|(w, v)| w * part(v)).sum()
        };
        part(&self.objective)
            + weighted(sample.nu, &self.equalities)
            + weighted(sample.mu, &self.inequalities)
    }
}

/// Hyper-dual numbers of `values`, with the direction `e1` and the unit vector `e2`, where given.
fn hyper(values: &[f64], e1: Option<&[f64]>, e2: Option<usize>) -> Vec<HyperDual64> {
    let number = |(k, &v): (usize, &f64)| {
        let eps1 = e1.map_or(0.0, |direction| direction[k]);
        HyperDual64::new(v, eps1, f64::from(e2 == Some(k)), 0.0)
    };
    values.iter().enumerate().map(number).collect()
}

/// The samples of a call, with empty multipliers where none are given.
fn samples<'a>(
    size: Dimensions,
    at: &Points<'a>,
    multipliers: Option<&Multipliers<'a>>,
) -> Vec<Sample<'a>> {
    let part = |values: &'a [f64], k: usize, len: usize| &values[k * len..(k + 1) * len];
    (0..at.count())
        .map(|k| Sample {
            theta: part(at.theta, k, size.theta),
            y: part(at.y, k, size.y),
            nu: multipliers.map_or(&[], |m| part(m.equalities, k, size.equalities)),
            mu: multipliers.map_or(&[], |m| part(m.inequalities, k, size.inequalities)),
        })
        .collect()
}

/// Applies `function` to each sample; the first error by position.
fn for_samples<T: Send>(
    samples: &[Sample<'_>],
    function: impl Fn(usize, &Sample<'_>) -> Result<T, ArgminError> + Sync,
) -> Result<Vec<T>, ArgminError> {
    let one = |(k, sample)| function(k, sample);
    let results: Vec<_> = match samples.len() <= SAMPLES_PER_TASK {
        true => samples.iter().enumerate().map(one).collect(),
        false => samples.par_iter().enumerate().with_min_len(SAMPLES_PER_TASK).map(one).collect(),
    };
    results.into_iter().collect()
}

/// Concatenates one part of each sample's answer.
fn concat<T>(parts: &[T], part: impl Fn(&T) -> &[f64]) -> Vec<f64> {
    parts.iter().flat_map(|p| part(p).iter().copied()).collect()
}

impl<P: SmoothProblem + Sync> Oracle for Automatic<P> {
    fn dimensions(&self) -> Dimensions {
        self.0.dimensions()
    }

    fn values(&self, at: &Points<'_>) -> Result<FunctionValues, ArgminError> {
        let all = for_samples(&samples(self.dimensions(), at, None), |_, sample| {
            self.functions(sample.theta, sample.y)
        })?;
        Ok(FunctionValues {
            objective: all.iter().map(|f| f.objective).collect(),
            equalities: concat(&all, |f| &f.equalities),
            inequalities: concat(&all, |f| &f.inequalities),
        })
    }

    fn derivatives(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<FunctionDerivatives, ArgminError> {
        let size = self.dimensions();
        let all = for_samples(&samples(size, at, Some(multipliers)), |_, sample| {
            self.sample_derivatives(sample)
        })?;
        Ok(FunctionDerivatives {
            objective: concat(&all, |d| &d.objective),
            equalities: concat(&all, |d| &d.equalities),
            inequalities: concat(&all, |d| &d.inequalities),
            hessian: concat(&all, |d| &d.hessian),
        })
    }

    fn mixed_jvp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        theta_tangent: &[f64],
    ) -> Result<KktVector, ArgminError> {
        let size = self.dimensions();
        let all = for_samples(&samples(size, at, Some(multipliers)), |k, sample| {
            let tangent = &theta_tangent[k * size.theta..(k + 1) * size.theta];
            let theta = hyper(sample.theta, Some(tangent), None);
            let mut out = KktVector::default();
            for j in 0..size.y {
                let functions = self.functions(&theta, &hyper(sample.y, None, Some(j)))?;
                out.y.push(functions.lagrangian(sample, |v| v.eps1eps2));
                if j == 0 {
                    out.equalities = functions.equalities.iter().map(|v| v.eps1).collect();
                    out.inequalities = functions.inequalities.iter().map(|v| v.eps1).collect();
                }
            }
            Ok(out)
        })?;
        Ok(KktVector {
            y: concat(&all, |v| &v.y),
            equalities: concat(&all, |v| &v.equalities),
            inequalities: concat(&all, |v| &v.inequalities),
        })
    }

    fn mixed_vjp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        cotangent: &KktVector,
    ) -> Result<Vec<f64>, ArgminError> {
        let size = self.dimensions();
        let all = for_samples(&samples(size, at, Some(multipliers)), |k, sample| {
            let u_h = &cotangent.equalities[k * size.equalities..(k + 1) * size.equalities];
            let u_g = &cotangent.inequalities[k * size.inequalities..(k + 1) * size.inequalities];
            let y = hyper(sample.y, Some(&cotangent.y[k * size.y..(k + 1) * size.y]), None);
            let of_parameter = |j| {
                let functions = self.functions(&hyper(sample.theta, None, Some(j)), &y)?;
                let rows = functions.equalities.iter().zip(u_h);
                let rows = rows.chain(functions.inequalities.iter().zip(u_g));
                let moved = rows.filter(|(_, u)| **u != 0.0).map(|(v, u)| v.eps2 * u).sum::<f64>();
                Ok(functions.lagrangian(sample, |v| v.eps1eps2) + moved)
            };
            (0..size.theta).map(of_parameter).collect::<Result<Vec<f64>, _>>()
        })?;
        Ok(all.concat())
    }

    fn lagrangian_gradient(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<Vec<f64>, ArgminError> {
        let size = self.dimensions();
        let all = for_samples(&samples(size, at, Some(multipliers)), |_, sample| {
            let y: Vec<Dual64> = sample.y.iter().map(|&v| v.into()).collect();
            let of_parameter = |j| {
                let number = |(k, &v): (usize, &f64)| Dual64::new(v, f64::from(k == j));
                let theta: Vec<Dual64> = sample.theta.iter().enumerate().map(number).collect();
                Ok(self.functions(&theta, &y)?.lagrangian(sample, |v| v.eps))
            };
            (0..size.theta).map(of_parameter).collect::<Result<Vec<f64>, _>>()
        })?;
        Ok(all.concat())
    }
}

impl<P: SmoothProblem> Automatic<P> {
    /// All derivatives by y of one sample.
    fn sample_derivatives(&self, sample: &Sample<'_>) -> Result<FunctionDerivatives, ArgminError> {
        let size = self.0.dimensions();
        let n = size.y;
        let theta: Vec<HyperDual64> = sample.theta.iter().map(|&v| v.into()).collect();
        let mut y: Vec<HyperDual64> = sample.y.iter().map(|&v| v.into()).collect();
        let mut out = FunctionDerivatives {
            objective: vec![0.0; n],
            equalities: vec![0.0; size.equalities * n],
            inequalities: vec![0.0; size.inequalities * n],
            hessian: vec![0.0; n * n],
        };
        for i in 0..n {
            y[i].eps1 = 1.0;
            for j in 0..=i {
                y[j].eps2 = 1.0;
                let functions = self.functions(&theta, &y)?;
                y[j].eps2 = 0.0;
                let second = functions.lagrangian(sample, |v| v.eps1eps2);
                out.hessian[i * n + j] = second;
                out.hessian[j * n + i] = second;
                if j == 0 {
                    out.objective[i] = functions.objective.eps1;
                    for (row, v) in functions.equalities.iter().enumerate() {
                        out.equalities[row * n + i] = v.eps1;
                    }
                    for (row, v) in functions.inequalities.iter().enumerate() {
                        out.inequalities[row * n + i] = v.eps1;
                    }
                }
            }
            y[i].eps1 = 0.0;
        }
        Ok(out)
    }
}
