//! Batches of nonlinear programs: solve and gradient of 256 perturbed Hock-Schittkowski problems
//! each, in milliseconds. `cargo bench -p argrad --bench argmin`, or `make argmin`, which compares
//! with Ipopt, one by one.
//!
//! One line per problem: `number solve_ms backward_ms iterations failures largest_residual error`,
//! where the error is that of the published optimum, then the objective of each sample, which the
//! comparison reads.

use std::time::Instant;

use argrad::Slot;
use argrad::argmin::{Argmin, ArgminCotangent, ArgminPoint};

#[path = "../tests/argmin/hock_schittkowski.rs"]
mod hock_schittkowski;

use hock_schittkowski::{Published, Visitor, for_each, perturbed};

const BATCH: usize = 256;
const ROUNDS: usize = 5;

struct Timing;

impl Visitor for Timing {
    fn visit<P: Published>(&mut self, problem: P) {
        let argmin = Argmin::new(problem);
        let (theta, start) = (perturbed(&P::theta(), BATCH), P::start());
        let point = ArgminPoint::new(BATCH, Slot::Each(&theta), Slot::Shared(&start));
        let weights = vec![1.0; BATCH * start.len()];
        let cotangent = ArgminCotangent { y: Some(&weights), ..Default::default() };
        let (mut solve, mut backward) = (f64::INFINITY, f64::INFINITY);
        let mut last = None;
        for _ in 0..ROUNDS {
            let clock = Instant::now();
            let solution = argmin.solve(&point).expect("well-formed input");
            solve = solve.min(clock.elapsed().as_secs_f64() * 1e3);
            let clock = Instant::now();
            let gradient = argmin.backward(&solution, &cotangent);
            backward = backward.min(clock.elapsed().as_secs_f64() * 1e3);
            std::hint::black_box(gradient.is_ok());
            last = Some(solution);
        }
        let Some(solution) = last else { return };
        let reports = &solution.reports;
        let iterations = reports.iter().map(|report| report.iterations).max().unwrap_or(0);
        let residual = reports.iter().map(|report| report.residual).fold(0.0, f64::max);
        let failures = solution.failures().count();
        // Sample 0 is the published problem; some optima are zero.
        let error = (reports[0].objective - P::OPTIMUM).abs() / P::OPTIMUM.abs().max(1e-2);
        print!("{} {solve:.3} {backward:.3} {iterations} {failures} ", P::NUMBER);
        print!("{residual:.1e} {error:.1e}");
        reports.iter().for_each(|report| print!(" {:.12e}", report.objective));
        println!();
    }
}

fn main() {
    for_each(&mut Timing);
}
