//! Data poisoning: how a classifier changes when somebody moves its training points.
//!
//! A classifier is trained by solving a convex program; the attacker wants
//!
//! ```text
//! maximize_delta  L_test(theta*(x + delta))   subject to   |delta|_inf <= budget
//! ```
//!
//! and follows the gradient of the test loss with respect to every training point, through the
//! training (Agrawal, Amos, Barratt, Boyd, Diamond and Kolter, "Differentiable convex optimization
//! layers", 2019, section 6.1). Two robust trainings, which know each point only up to a ball,
//! stand beside it, against attackers who know of them and who do not.

mod arguments;
mod attack;
mod classifier;
mod course;
mod data;
mod differences;
mod plot;
mod summary;

use std::process::ExitCode;

use argrad_applications::command::{self, BadInput, Failure};
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use argrad_applications::quantile::quantile;

use arguments::Arguments;
use course::{Course, PAPER_BUDGET, Setting};
use data::Points;
use summary::{Summary, rises};

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let budgets = arguments.all_budgets();
    let penalties = [arguments.penalty, arguments.weak_penalty];
    let seeds = (0..arguments.seeds as u64).map(|k| arguments.seed.wrapping_add(k));
    let data: Vec<(u64, (Points, Points))> =
        seeds.map(|seed| Ok((seed, points(arguments, seed)?))).collect::<Result<_, BadInput>>()?;
    let bar = progress::bar(arguments.seeds, "seeds");
    let mut courses: [Vec<Course>; 2] = Default::default();
    for (seed, points) in data {
        for (courses, penalty) in courses.iter_mut().zip(penalties) {
            let (steps, ball) = (arguments.steps, arguments.ball);
            let setting = Setting { budgets: &budgets, steps, penalty, ball };
            let course = Course::run(points.clone(), setting).map_err(|error| {
                format!("seed {seed}: {error}; try a smaller --budget, or another --seed")
            })?;
            courses.push(course);
        }
        bar.inc(1);
        if interruption.requested() {
            break;
        }
    }
    bar.finish_and_clear();
    let seeds = courses[0].len();
    println!("medians of the test loss (test points on the wrong side), {seeds} seeds");
    let summaries = courses.each_ref().map(|courses| Summary::new(courses));
    for ((courses, summary), penalty) in courses.iter().zip(&summaries).zip(penalties) {
        println!("\npenalty {penalty}\n\n{}", summary.table(&budgets));
        report(courses);
    }
    let title =
        format!("Poisoned training data: {} training points, {seeds} seeds", arguments.points);
    let results = [0, 1].map(|k| (penalties[k], &summaries[k]));
    plot::write(&arguments.plot, &title, &courses[0][0], &budgets, results)?;
    println!("plot: {}", arguments.plot.display());
    if interruption.requested() {
        println!("interrupted: {seeds} of {} seeds", arguments.seeds);
    }
    Ok(())
}

/// The training and test points of a seed. A training on points of one class has no solution: b
/// would be infinite.
fn points(arguments: &Arguments, seed: u64) -> Result<(Points, Points), BadInput> {
    let (train, test) = Points::two_classes(arguments.points, arguments.spread, seed);
    match train.has_both_classes() {
        true => Ok((train, test)),
        false => Err(BadInput(format!(
            "--points {}: the training points of seed {seed} are all of one class, expected both; \
             take more points",
            arguments.points
        ))),
    }
}

/// Prints what the seeds say about gradients and budgets.
fn report(courses: &[Course]) {
    let median = |of: &dyn Fn(&Course) -> f64| quantile(courses.iter().map(of).collect(), 0.5);
    let largest = courses.iter().map(|course| course.gradient_error).fold(0.0, f64::max);
    println!("gradient against central differences: relative error at most {largest:.1e}");
    println!(
        "budget {PAPER_BUDGET}: the test loss rises by {:.2e}, predicted by the gradient {:.2e} \
         (medians)",
        median(&|course| course.small.rise),
        median(&|course| course.small.predicted),
    );
    for (curve, name) in [(0, "one step"), (1, "projected")] {
        let rising = courses.iter().filter(|course| rises(&course.losses[curve])).count();
        println!("test loss rises with every budget, {name}: {rising} of {} seeds", courses.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn points_of_one_class_are_refused() {
        let arguments = Arguments::parse_from(["poison", "--points=1"]);
        let message = points(&arguments, 3).unwrap_err().to_string();
        assert!(message.contains("--points 1") && message.contains("seed 3"), "{message}");
        let arguments = Arguments::parse_from(["poison"]);
        assert!((0..100).all(|seed| points(&arguments, seed).is_ok()));
    }
}
