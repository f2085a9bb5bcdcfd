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

use argrad_applications::command::{self, Failure};
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
    let bar = progress::bar(arguments.seeds, "seeds");
    let mut courses: [Vec<Course>; 2] = Default::default();
    for k in 0..arguments.seeds {
        let seed = arguments.seed.wrapping_add(k as u64);
        for (courses, penalty) in courses.iter_mut().zip(penalties) {
            let (steps, ball) = (arguments.steps, arguments.ball);
            let setting = Setting { budgets: &budgets, steps, penalty, ball };
            let points = Points::two_classes(arguments.points, arguments.spread, seed);
            let course = Course::run(points, setting)
                .map_err(|error| format!("seed {seed}: {error}; try another --seed"))?;
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
