//! The time of a batch, for the comparison with Ipopt.

use std::time::Instant;

use argrad::Slot;
use argrad::argmin::{Argmin, ArgminCotangent, ArgminPoint};
use argrad_applications::command::Failure;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::arguments::{Arguments, Learn};
use crate::demonstrations::{expert_and_learner, guess, parameters, starts};
use crate::shooting::{PARAMETERS, Stagewise};

/// The best of so many rounds is the time.
const ROUNDS: usize = 7;

/// Prints `solve_ms backward_ms iterations unsolved`, then for each sample its parameters, its
/// optimum and where the search began.
pub fn run(arguments: &Arguments, argmin: &Argmin<Stagewise>) -> Result<(), Failure> {
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let (expert, _) = expert_and_learner(Learn::Model, arguments.seed);
    let starts = starts(arguments.batch, &mut rng);
    let theta = parameters(&expert, &starts);
    let guess = guess(&expert, &starts, arguments.horizon);
    let point = ArgminPoint::new(arguments.batch, Slot::Each(&theta), Slot::Each(&guess));
    let weights = vec![1.0; arguments.batch * arguments.horizon];
    let cotangent = ArgminCotangent { y: Some(&weights), ..Default::default() };
    let (mut solve, mut backward) = (f64::INFINITY, f64::INFINITY);
    let mut solution = argmin.solve(&point)?;
    for _ in 0..ROUNDS {
        let clock = Instant::now();
        solution = argmin.solve(&point)?;
        solve = solve.min(1e3 * clock.elapsed().as_secs_f64());
        let clock = Instant::now();
        std::hint::black_box(argmin.backward(&solution, &cotangent)?);
        backward = backward.min(1e3 * clock.elapsed().as_secs_f64());
    }
    let iterations = solution.reports.iter().map(|report| report.iterations).max().unwrap_or(0);
    println!("{solve:.3} {backward:.3} {iterations} {}", solution.failures().count());
    for (k, report) in solution.reports.iter().enumerate() {
        let theta = &theta[k * PARAMETERS..(k + 1) * PARAMETERS];
        let guess = &guess[k * arguments.horizon..(k + 1) * arguments.horizon];
        let numbers = theta.iter().chain([&report.objective]).chain(guess);
        println!("{}", numbers.map(|v| format!("{v:e}")).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}
