//! The problems of Hock and Schittkowski: optima, derivatives, batches.

use argrad::Slot;
use argrad::argmin::{Argmin, ArgminCotangent, ArgminPoint, SecondOrder};

use crate::derivative::{jacobians, relative_error};
use crate::hock_schittkowski::{Published, Visitor, for_each, perturbed};

/// Problems that a test is not true of, with the numbers that say so.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn of(mut self, visit: impl FnOnce(&mut Self)) {
        visit(&mut self);
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}

struct Optima<'a>(&'a mut Complaints);

impl Visitor for Optima<'_> {
    fn visit<P: Published>(&mut self, problem: P) {
        let argmin = Argmin::new(problem);
        let (theta, start) = (P::theta(), P::start());
        let solution =
            argmin.solve(&ArgminPoint::new(1, Slot::Shared(&theta), Slot::Shared(&start))).unwrap();
        let report = &solution.reports[0];
        // Optima of zero: beside the objective at the start, which is of order one or more.
        let scale = if P::OPTIMUM == 0.0 { 1.0 } else { P::OPTIMUM.abs() };
        let error = (report.objective - P::OPTIMUM).abs() / scale;
        println!(
            "hs{}: {} in {} iterations, error {error:.1e}, residual {:.1e}",
            P::NUMBER,
            report.status,
            report.iterations,
            report.residual
        );
        // The Hessian of 26 is singular at its solution.
        let regular = report.second_order == SecondOrder::Sufficient && !report.is_degenerate();
        if !report.is_solved() || error > 1e-8 || regular == (P::NUMBER == 26) {
            self.0.0.push(format!("hs{}: error {error:.1e}, {report:?}", P::NUMBER));
        }
    }
}

#[test]
fn published_optima_are_found_to_eight_digits() {
    Complaints::default().of(|complaints| for_each(&mut Optima(complaints)));
}

struct Derivatives<'a>(&'a mut Complaints);

impl Visitor for Derivatives<'_> {
    fn visit<P: Published>(&mut self, problem: P) {
        if P::NUMBER == 26 {
            return; // has none, and says so: see the test above
        }
        let argmin = Argmin::new(problem);
        let size = argmin.oracle().0.dimensions();
        let (p, n) = (size.theta, size.y);
        let (theta, start) = (P::theta(), P::start());
        let solution =
            argmin.solve(&ArgminPoint::new(1, Slot::Shared(&theta), Slot::Shared(&start))).unwrap();
        // Central differences with a Richardson step, from solutions of the perturbed problems.
        let step = |j: usize| 1e-3 * theta[j].abs();
        let mut all = Vec::new();
        for j in 0..p {
            for factor in [-2.0, -1.0, 1.0, 2.0] {
                let mut moved = theta.clone();
                moved[j] += factor * step(j);
                all.extend(moved);
            }
        }
        let lambda = [&solution.equality_multipliers, &solution.inequality_multipliers];
        let near = ArgminPoint::new(4 * p, Slot::Each(&all), Slot::Shared(&solution.y))
            .with_multipliers(Slot::Shared(lambda[0]), Slot::Shared(lambda[1]));
        let moved = argmin.solve(&near).unwrap();
        let difference = |values: &dyn Fn(usize) -> f64, j: usize| {
            let at = |k: usize| values(4 * j + k);
            (8.0 * (at(2) - at(1)) - (at(3) - at(0))) / (12.0 * step(j))
        };
        let expected: Vec<f64> =
            (0..n * p).map(|k| difference(&|sample| moved.y[sample * n + k / p], k % p)).collect();
        let [found, _] = jacobians(&argmin, &solution);
        let error = relative_error(&found, &expected);
        // All rows of the Jacobian again, by the adjoint.
        let mut adjoint = Vec::new();
        for i in 0..n {
            let unit: Vec<f64> = (0..n).map(|k| f64::from(k == i)).collect();
            let cotangent = ArgminCotangent { y: Some(&unit), ..Default::default() };
            adjoint.extend(argmin.backward(&solution, &cotangent).unwrap());
        }
        let transposed = relative_error(&adjoint, &found);
        let value = argmin.value_gradient(&solution, &[1.0]).unwrap();
        let expected: Vec<f64> =
            (0..p).map(|j| difference(&|sample| moved.reports[sample].objective, j)).collect();
        let scale = solution.reports[0].objective.abs().max(1.0);
        let off = value.iter().zip(&expected).zip(&theta);
        let value_error =
            off.map(|((a, b), t)| (a - b).abs() * t.abs() / scale).fold(0.0, f64::max);
        println!("hs{}: {error:.1e} {transposed:.1e} {value_error:.1e}", P::NUMBER);
        let failed = moved.failures().count();
        if failed > 0 || error > 1e-7 || transposed > 1e-11 || value_error > 1e-8 {
            self.0.0.push(format!("hs{}: {failed} {error:e} {transposed:e}", P::NUMBER));
        }
    }
}

#[test]
fn derivatives_are_the_differences_of_solutions() {
    Complaints::default().of(|complaints| for_each(&mut Derivatives(complaints)));
}

struct Batches<'a>(&'a mut Complaints);

impl Visitor for Batches<'_> {
    fn visit<P: Published>(&mut self, problem: P) {
        let batch = 256;
        let argmin = Argmin::new(problem);
        let (theta, start) = (perturbed(&P::theta(), batch), P::start());
        let solution = argmin
            .solve(&ArgminPoint::new(batch, Slot::Each(&theta), Slot::Shared(&start)))
            .unwrap();
        let failures: Vec<_> = solution.failures().collect();
        if !failures.is_empty() {
            self.0.0.push(format!("hs{}: {failures:?}", P::NUMBER));
        }
        // One of them alone is the same to the last bit.
        let (p, n) = (theta.len() / batch, start.len());
        let k = 77;
        let one =
            ArgminPoint::new(1, Slot::Shared(&theta[k * p..(k + 1) * p]), Slot::Shared(&start));
        let alone = argmin.solve(&one).unwrap();
        if alone.y != solution.y[k * n..(k + 1) * n] {
            self.0.0.push(format!("hs{}: sample {k} alone differs", P::NUMBER));
        }
    }
}

#[test]
fn batches_of_perturbed_problems_are_solved_and_do_not_depend_on_the_batch() {
    Complaints::default().of(|complaints| for_each(&mut Batches(complaints)));
}
