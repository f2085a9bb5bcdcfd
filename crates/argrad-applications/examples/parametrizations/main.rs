//! What a parametrization of constraints changes in training.

mod arguments;
mod plot;
mod student;
mod summary;
mod teacher;

use std::error::Error;

use argrad_applications::progress;
use argrad_applications::quantile::quantile;
use clap::Parser;
use indicatif::ProgressBar;

use arguments::Arguments;
use student::{METHODS, Method, STARTS, Setting, Start, VARIANTS, Variant, name, train};
use summary::{Course, Panel, steps_to};
use teacher::{Lesson, Program};

/// A student has learned when its loss is this share of the first.
const LEARNED: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let program = Program::new()?;
    let seeds = arguments.seed..arguments.seed + arguments.seeds as u64;
    let lessons: Vec<Lesson> = seeds
        .map(|seed| Lesson::new(&program, seed, arguments.batch))
        .collect::<Result<_, argrad::Error>>()?;
    let rates: usize = METHODS.iter().map(|method| method.rates().len()).sum();
    let runs = rates * STARTS.len() * VARIANTS.len() * lessons.len();
    let bar = progress::bar(runs, "students");
    let mut panels = Vec::new();
    let mut table = String::from(
        "| method | start | A is | rate | steps: median (quartiles) | loss after the last step: \
         median (quartiles) |\n|---|---|---|---|---|---|\n",
    );
    for method in METHODS {
        for start in STARTS {
            let mut courses = Vec::new();
            for variant in VARIANTS {
                let experiment = Experiment { program: &program, lessons: &lessons, bar: &bar };
                let (rate, losses) = experiment.best(variant, start, method, arguments.steps)?;
                table += &row(method, start, variant, rate, &losses, arguments.steps);
                courses.push(Course::new(name(variant).into(), &losses));
            }
            panels.push(Panel { name: format!("{}, {}", method.name(), start.name()), courses });
        }
    }
    bar.finish_and_clear();
    println!(
        "{} seeds, {} steps on {} programs; steps until the loss is {LEARNED} of the first\n",
        lessons.len(),
        arguments.steps,
        arguments.batch
    );
    println!("{table}");
    let title = format!(
        "Learning Ax = b from solutions: median and quartiles over {} seeds (one line for free, \
         normalized and orthonormal)",
        lessons.len()
    );
    plot::write(&arguments.plot, &title, &panels, STARTS.len())?;
    println!("plot: {}", arguments.plot.display());
    Ok(())
}

struct Experiment<'a> {
    program: &'a Program,
    lessons: &'a [Lesson],
    bar: &'a ProgressBar,
}

impl Experiment<'_> {
    /// The losses of every seed at the rate at which the median of the last is least.
    fn best(
        &self,
        variant: Variant,
        start: Start,
        method: Method,
        steps: usize,
    ) -> Result<(f64, Vec<Vec<f64>>), argrad::Error> {
        let mut best: Option<(f64, f64, Vec<Vec<f64>>)> = None;
        for rate in method.rates() {
            let setting = Setting { variant, start, method, rate };
            let mut losses = Vec::with_capacity(self.lessons.len());
            for lesson in self.lessons {
                losses.push(train(self.program, lesson, setting, steps)?);
                self.bar.inc(1);
            }
            let last = quantile(losses.iter().map(|own| own[steps]).collect(), 0.5);
            if best.as_ref().is_none_or(|best| last < best.0) {
                best = Some((last, rate, losses));
            }
        }
        Ok(best.map_or((f64::NAN, Vec::new()), |(_, rate, losses)| (rate, losses)))
    }
}

/// A row of the table, in Markdown.
fn row(
    method: Method,
    start: Start,
    variant: Variant,
    rate: f64,
    losses: &[Vec<f64>],
    steps: usize,
) -> String {
    let reached = losses.iter().map(|own| steps_to(own, LEARNED));
    // Later than the last step: as one that is never reached.
    let reached: Vec<f64> = reached.map(|at| at.map_or(f64::INFINITY, |at| at as f64)).collect();
    let step = |share| match quantile(reached.clone(), share) {
        at if at.is_finite() => format!("{at:.0}"),
        _ => format!("> {steps}"),
    };
    let last = |share| quantile(losses.iter().map(|own| own[steps]).collect(), share);
    format!(
        "| {} | {} | {} | {rate} | {} ({} to {}) | {:.1e} ({:.1e} to {:.1e}) |\n",
        method.name(),
        start.name(),
        name(variant),
        step(0.5),
        step(0.25),
        step(0.75),
        last(0.5),
        last(0.25),
        last(0.75),
    )
}
