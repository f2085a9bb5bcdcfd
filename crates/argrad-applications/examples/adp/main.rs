//! Approximate dynamic programming with a learned value function.
//!
//! A linear system with bounded inputs has no controller in closed form. The policy ([`policy`])
//! solves a quadratic program at each step, whose objective has a quadratic approximation of what
//! the future costs; and that is learned by the gradient of what the closed loop costs, through
//! system and program (Agrawal, Barratt, Boyd and Stellato, "Learning Convex Optimization Control
//! Policies", 2020, box-constrained linear quadratic regulator).

mod arguments;
mod bounds;
mod comparison;
mod matrix;
mod plot;
mod policy;
mod simulation;
mod system;

use std::process::ExitCode;
use std::time::Instant;

use argrad_applications::command::{self, Failure};
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use argrad_applications::quantile::quantile;

use arguments::Arguments;
use comparison::{Comparison, NAMES, mean};
use system::System;

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let bar = progress::bar(arguments.steps * arguments.systems, "steps");
    let clock = Instant::now();
    let mut comparisons = Vec::new();
    for k in 0..arguments.systems {
        if interruption.requested() {
            break;
        }
        let seed = u64::from(arguments.seed) + k as u64;
        let system = if k == 0 { System::of_the_paper() } else { System::random(seed) };
        comparisons.push(comparison::compare(&system, arguments, seed, interruption, |cost| {
            bar.set_message(format!("cost {cost:.2}"));
            bar.inc(1);
        })?);
    }
    bar.finish_and_clear();
    if interruption.requested() {
        println!("interrupted: the training on the last system is not finished");
    }
    println!("{} systems in {:.1} s\n", comparisons.len(), clock.elapsed().as_secs_f64());
    print_table(&comparisons);
    if !comparisons.is_empty() {
        plot::write(&arguments.plot, &comparisons)?;
        println!("\nplot: {}", arguments.plot.display());
    }
    Ok(())
}

fn print_table(comparisons: &[Comparison]) {
    println!(
        "mean cost a step of held-out runs (standard error). The bound is that of the long run:"
    );
    println!(
        "runs start with small states, and short ones may cost less than any policy in the end"
    );
    print!("{:8} {:>10} {:>8}", "system", "no limits", "bound");
    NAMES.iter().for_each(|name| print!("  {name:>22}"));
    println!();
    for (k, own) in comparisons.iter().enumerate() {
        let name = if k == 0 { "paper".into() } else { k.to_string() };
        print!("{name:8} {:10.3} {:8.3}", own.unbounded, own.bound);
        for costs in &own.costs {
            let mean = mean(costs);
            let squares = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>();
            let error = squares.sqrt() / costs.len() as f64;
            print!("  {:>22}", format!("{mean:.3} ({error:.3})"));
        }
        println!();
    }
    println!("\ncost above the bound, in %: median (least to largest)");
    for (k, name) in NAMES.iter().enumerate() {
        let above = |own: &Comparison| 100.0 * (mean(&own.costs[k]) / own.bound - 1.0);
        let above: Vec<f64> = comparisons.iter().map(above).collect();
        let at = |share| quantile(above.clone(), share);
        println!("{name:24} {:.1} ({:.1} to {:.1})", at(0.5), at(0.0), at(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::descend;
    use crate::matrix::root;
    use crate::policy::{Value, compile};
    use crate::simulation::{gradient, planned, simulate};
    use crate::system::Scenarios;
    use clap::Parser;

    #[test]
    fn the_gradient_of_the_closed_loop_is_that_of_finite_differences() {
        let system = System::of_the_paper();
        let layer = compile(&system).unwrap();
        let value = bounds::regulator(&system).unwrap().value;
        let value = Value::new(&root(&value).unwrap());
        let runs = Scenarios::new(3, 10, 4);
        let (cost, slope) = gradient(&layer, &system, &value, &runs).unwrap();
        let at = |value: &Value| {
            mean(&simulate(&system, &runs, |states| planned(&layer, value, states)).unwrap())
        };
        assert!((cost - at(&value)).abs() < 1e-9 * cost);
        let size = slope.root.iter().fold(0.0, |most: f64, v| v.abs().max(most));
        assert!(size > 0.0);
        let step = 1e-5;
        for k in (0..value.root.len()).step_by(9) {
            let moved = |by: f64| {
                let mut value = value.clone();
                value.root[k] += by;
                at(&value)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((slope.root[k] - difference).abs() < 1e-5 * size, "{k}");
        }
        let moved = |by: f64| {
            let mut value = value.clone();
            value.linear[2] += by;
            at(&value)
        };
        let difference = (moved(step) - moved(-step)) / (2.0 * step);
        assert!((slope.linear[2] - difference).abs() < 1e-5 * size);
    }

    #[test]
    fn the_learned_value_is_as_good_as_that_of_the_bound() {
        let arguments = Arguments::parse_from(
            "adp --steps=20 --length=60 --test=64 --batch=6".split_whitespace(),
        );
        let going_on = Interruption::default();
        let system = System::of_the_paper();
        let found = comparison::compare(&system, &arguments, 0, &going_on, |_| ()).unwrap();
        let [cut, regulator, bound, learned] = [0, 1, 2, 3].map(|k| mean(&found.costs[k]));
        assert!(learned < 0.9 * regulator, "{learned} {regulator}");
        assert!(learned < 0.9 * cut, "{learned} {cut}");
        assert!(learned < 1.05 * bound, "{learned} {bound}");
        assert_eq!(found.course.len(), 11);
    }

    #[test]
    fn a_step_of_descent_lowers_the_cost_of_its_runs() {
        let system = System::random(2);
        let layer = compile(&system).unwrap();
        let regulator = bounds::regulator(&system).unwrap();
        let mut value = Value::new(&root(&regulator.value).unwrap());
        let runs = Scenarios::new(4, 40, 1);
        let before = descend(&layer, &system, &mut value, &runs, 0.01).unwrap();
        assert!(gradient(&layer, &system, &value, &runs).unwrap().0 < before);
    }
}
