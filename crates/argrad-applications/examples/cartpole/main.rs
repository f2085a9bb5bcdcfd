//! A nonlinear predictive controller of a cart-pole that learns from demonstrations.
//!
//! The controller plans N inputs by solving a nonlinear program, whose parameters are the state and
//! what it believes of the pole and wants ([`shooting`]). argrad's sequential quadratic programming
//! solves a batch of them, and differentiates the plans; so mass and length of the pole, or the
//! weights of the cost, are learned by gradient descent from plans of an expert (Amos et al.,
//! "Differentiable MPC for End-to-end Planning and Control", 2018).

mod arguments;
mod cartpole;
mod closed_loop;
mod demonstrations;
mod learner;
mod plot;
mod race;
mod shooting;

use std::process::ExitCode;
use std::time::Instant;

use argrad::OnFailure;
use argrad::argmin::{Argmin, ArgminSettings};
use argrad_applications::command::{self, BadInput, Failure};
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use rand::SeedableRng;
use rand::rngs::StdRng;

use arguments::{Arguments, Learn};
use cartpole::Controller;
use closed_loop::Course;
use demonstrations::Demonstrations;
use learner::Learner;
use shooting::Stagewise;

fn main() -> ExitCode {
    command::run(run)
}

/// The course of a training.
#[derive(Default)]
struct History {
    /// The loss before each step, in N^2.
    losses: Vec<f64>,
    /// What is learned, before each step and after the last.
    numbers: Vec<Vec<f64>>,
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let settings = ArgminSettings { on_failure: OnFailure::Zero, ..ArgminSettings::default() };
    let argmin = Argmin::with_oracle(Stagewise::new(arguments.horizon)).with_settings(settings)?;
    if arguments.race {
        return race::run(arguments, &argmin);
    }
    let (expert, first) = demonstrations::expert_and_learner(arguments.learn, arguments.seed);
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let shown = Demonstrations::new(&argmin, &expert, arguments.batch, &mut rng)?;
    if shown.batch() == 0 {
        return Err(BadInput("no plan of the expert was found; use another --seed".into()).into());
    }
    println!(
        "{} demonstrations of {} inputs; the learner's numbers are off by a factor of 2",
        shown.batch(),
        arguments.horizon
    );
    let mut learner = Learner::new(first, arguments.learn, arguments.lr);
    let history = train(arguments, interruption, &argmin, &shown, &mut learner)?;
    print_numbers(arguments.learn, &history, &expert);

    let starts = demonstrations::starts(arguments.batch, &mut rng);
    let unending = Interruption::default();
    let mut courses = Vec::new();
    for controller in [&first, &learner.controller, &expert] {
        // After Ctrl-C too, but in short.
        let steps = if interruption.requested() { 1 } else { arguments.simulate };
        let ending = if interruption.requested() { &unending } else { interruption };
        courses.push(closed_loop::run(&argmin, controller, &expert, &starts, steps, ending)?);
    }
    print_courses(&courses);
    plot::write(&arguments.plot, arguments, &history, &expert, &courses)?;
    println!("plot: {}", arguments.plot.display());
    Ok(())
}

/// Trains until the last step or the interruption.
fn train(
    arguments: &Arguments,
    interruption: &Interruption,
    argmin: &Argmin<Stagewise>,
    shown: &Demonstrations,
    learner: &mut Learner,
) -> Result<History, Failure> {
    let bar = progress::bar(arguments.steps, "steps");
    let mut history = History { losses: Vec::new(), numbers: vec![learner.numbers()] };
    let (clock, mut unsolved) = (Instant::now(), 0);
    for step in 0..arguments.steps {
        if interruption.requested() {
            break;
        }
        // Full for the first half, then falling to zero.
        let left = 1.0 - step as f64 / arguments.steps as f64;
        learner.set_rate(arguments.lr * (2.0 * left).min(1.0));
        let loss = learner.step(argmin, shown)?;
        unsolved += loss.unsolved;
        history.losses.push(loss.value);
        history.numbers.push(learner.numbers());
        bar.set_message(format!("loss {:.2e} N^2", loss.value));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let seconds = clock.elapsed().as_secs_f64();
    let steps = history.losses.len();
    println!("{steps} steps in {seconds:.1} s; plans not found: {unsolved}");
    Ok(history)
}

/// Names of what is learned.
fn names(learn: Learn) -> &'static [&'static str] {
    match learn {
        Learn::Model => &["mass, kg", "length, m"],
        Learn::Weights => &["position", "angle", "velocity", "rate"],
    }
}

/// What is learned, in the expert.
fn truth(learn: Learn, expert: &Controller<f64>) -> Vec<f64> {
    Learner::new(*expert, learn, 1.0).numbers()
}

fn print_numbers(learn: Learn, history: &History, expert: &Controller<f64>) {
    println!("\n{:12} {:>10} {:>10} {:>10}", "", "first", "learned", "expert");
    let (first, last) = (&history.numbers[0], &history.numbers[history.numbers.len() - 1]);
    for (k, name) in names(learn).iter().enumerate() {
        let truth = truth(learn, expert)[k];
        println!("{name:12} {:10.4} {:10.4} {truth:10.4}", first[k], last[k]);
    }
    if let (Some(first), Some(last)) = (history.losses.first(), history.losses.last()) {
        println!("{:12} {first:10.2e} {last:10.2e} {:10}", "loss, N^2", 0);
    }
}

fn print_courses(courses: &[Course]) {
    println!("\n{:12} {:>10} {:>10}", "closed loop", "mean cost", "upright");
    for (name, course) in plot::NAMES.iter().zip(courses) {
        println!("{name:12} {:10.3} {:8.0} %", course.mean_cost(), 100.0 * course.upright());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cartpole::STATES;

    fn argmin(horizon: usize) -> Argmin<Stagewise> {
        let settings = ArgminSettings { on_failure: OnFailure::Zero, ..Default::default() };
        Argmin::with_oracle(Stagewise::new(horizon)).with_settings(settings).unwrap()
    }

    fn shown(argmin: &Argmin<Stagewise>, learn: Learn) -> (Controller<f64>, Demonstrations) {
        let (expert, first) = demonstrations::expert_and_learner(learn, 0);
        let mut rng = StdRng::seed_from_u64(5);
        (first, Demonstrations::new(argmin, &expert, 16, &mut rng).unwrap())
    }

    #[test]
    fn the_gradient_through_the_plans_is_that_of_finite_differences() {
        let argmin = argmin(10);
        let (first, shown) = shown(&argmin, Learn::Model);
        let loss = learner::loss(&argmin, &first, &shown).unwrap();
        assert_eq!(loss.unsolved, 0);
        let size = loss.gradient.iter().fold(0.0, |most: f64, slope| slope.abs().max(most));
        let step = 1e-5;
        for (k, slope) in loss.gradient.iter().enumerate() {
            let at = |moved: f64| {
                let mut numbers = first.to_array();
                numbers[k] *= moved.exp();
                learner::loss(&argmin, &Controller::from_slice(&numbers), &shown).unwrap().value
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            assert!((slope - difference).abs() < 1e-7 * size, "{k}: {slope} {difference}");
        }
    }

    #[test]
    fn the_pole_is_learned_from_plans_and_then_balanced() {
        let argmin = argmin(20);
        let (first, shown) = shown(&argmin, Learn::Model);
        let (expert, _) = demonstrations::expert_and_learner(Learn::Model, 0);
        let mut learner = Learner::new(first, Learn::Model, 0.1);
        let losses: Vec<f64> = (0..80)
            .map(|step| {
                learner.set_rate(0.1 * (2.0 - step as f64 / 40.0).min(1.0));
                learner.step(&argmin, &shown).unwrap().value
            })
            .collect();
        assert!(losses[79] < 1e-3 * losses[0], "{losses:?}");
        for (learned, truth) in learner.numbers().iter().zip(truth(Learn::Model, &expert)) {
            assert!((learned / truth - 1.0).abs() < 0.05, "{learned} {truth}");
        }
        let starts = demonstrations::starts(4, &mut StdRng::seed_from_u64(6));
        let cost = |controller| {
            let going_on = Interruption::default();
            closed_loop::run(&argmin, controller, &expert, &starts, 30, &going_on).unwrap()
        };
        let (before, after, best) = (cost(&first), cost(&learner.controller), cost(&expert));
        assert!(after.mean_cost() < 0.95 * before.mean_cost());
        assert!(after.mean_cost() < 1.01 * best.mean_cost());
        assert_eq!(after.states.len(), 31);
    }

    #[test]
    fn an_interrupted_simulation_keeps_what_it_has() {
        let argmin = argmin(5);
        let (expert, _) = demonstrations::expert_and_learner(Learn::Weights, 1);
        let interruption = Interruption::default();
        interruption.request();
        let starts = [0.0, 0.1, 0.0, 0.0];
        let course =
            closed_loop::run(&argmin, &expert, &expert, &starts, 10, &interruption).unwrap();
        assert_eq!(course.states, [starts.to_vec()]);
        assert_eq!((course.costs.len(), starts.len()), (1, STATES));
    }
}
