//! What layers can represent: optimization layers against two-layer ReLU networks.
//!
//! Amos and Kolter, "OptNet: Differentiable optimization as a layer in neural networks", 2017, have
//! two theorems. Theorem 2: a layer represents any piecewise-linear function of one number exactly,
//!
//! ```text
//! min_t |t|^2   subject to   t_i >= a_i x + b_i;     f(x) = w't
//! ```
//!
//! Theorem 3: a layer represents the largest of three linear functions of two numbers,
//!
//! ```text
//! min_y y   subject to   y >= a_i'x,  i = 1, 2, 3
//! ```
//!
//! which no network `sum_i w_i max(a_i'x + b_i, 0)` does, however wide: the kinks of its units are
//! lines without an end, those of the function are half-lines.
//!
//! Here both are measured: networks of growing width are fitted to the two functions by nonlinear
//! least squares, from ten random starts each; the layers are given the function, and learn it.

mod arguments;
mod experiment;
mod fit;
mod learner;
mod plot;
mod target;

use std::process::ExitCode;

use argrad_applications::command::{self, Failure};
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use argrad_applications::quantile::quantile;

use arguments::Arguments;
use experiment::{EXACT, Experiment, Fitted, LAYERS, Plan};
use target::Target;

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let widths = arguments.widths();
    let seeds: Vec<u64> =
        (0..arguments.seeds as u64).map(|k| arguments.seed.wrapping_add(k)).collect();
    let targets = [Target::Piecewise, Target::MaxAffine];
    let bar = progress::bar(targets.len() * (widths.len() + LAYERS.len()), "learners");
    let plan = Plan {
        widths: &widths,
        seeds: &seeds,
        steps: arguments.steps,
        side: arguments.side,
        interruption,
        bar: &bar,
    };
    let experiments: Vec<Experiment> =
        targets.iter().map(|target| Experiment::run(*target, &plan)).collect::<Result<_, _>>()?;
    bar.finish_and_clear();

    println!(
        "relative errors over {} starts: root mean square on a grid of its own, as a share of the \
         function's; exact: at most {EXACT:e}\n",
        seeds.len()
    );
    for experiment in &experiments {
        print!("{}", table(experiment));
    }
    let exponent = experiments[1].exponent();
    if exponent.is_finite() {
        println!("Theorem 3, networks: median error about width^-{exponent:.2}");
    }
    let title = "What layers represent exactly, and networks of one hidden layer do not";
    plot::write(&arguments.plot, title, &experiments)?;
    println!("plot: {}", arguments.plot.display());
    if interruption.requested() {
        println!("interrupted: what was not finished is left out");
    }
    Ok(())
}

/// A row a learner.
fn table(experiment: &Experiment) -> String {
    let mut table = match experiment.target {
        Target::Piecewise => {
            format!("Theorem 2, piecewise linear with {} regions\n\n", experiment.target.regions())
        }
        Target::MaxAffine => "Theorem 3, the largest of 3 linear functions\n\n".into(),
    };
    table += "| learner | numbers | best | median (quartiles) | median, box ten times as wide | \
              exact |\n|---|---|---|---|---|---|\n";
    let [near, far] = experiment.exact;
    table += &format!("| layer, given | - | {near:.1e} | {near:.1e} | {far:.1e} | - |\n");
    let networks = experiment.networks.iter().map(|(_, fitted)| fitted);
    for fitted in experiment.layers.iter().chain(networks) {
        table += &row(fitted);
    }
    table + "\n"
}

fn row(fitted: &Fitted) -> String {
    format!(
        "| {} | {} | {:.1e} | {:.1e} ({:.1e} to {:.1e}) | {:.1e} | {} of {} |\n",
        fitted.name,
        fitted.learner.parameters(),
        fitted.quantile(0.0),
        fitted.quantile(0.5),
        fitted.quantile(0.25),
        fitted.quantile(0.75),
        quantile(fitted.far.clone(), 0.5),
        fitted.exact(),
        fitted.errors.len(),
    )
}
