//! A layer learns a polygon from projections onto it, in candle.
//!
//! The layer is the projection
//!
//! ```text
//! x(y) = argmin 1/2 |x - y|^2   subject to   a_i'x <= b_i
//! ```
//!
//! whose sides are its weights (Amos and Kolter, "OptNet: Differentiable Optimization as a Layer
//! in Neural Networks", 2017, section 3: any polytope is representable). It is trained on pairs of
//! points and their nearest points in a hidden polygon, next to a network with ReLU.

mod arguments;
mod data;
mod layer;
mod network;
mod plot;
mod polygon;
mod train;

use std::process::ExitCode;

use argrad_applications::command::{self, Failure};
use argrad_applications::interruption::Interruption;
use candle_core::Module;
use rand::SeedableRng;
use rand::rngs::StdRng;

use arguments::Arguments;
use data::Examples;
use layer::Projection;
use network::Network;
use plot::Shown;
use polygon::Polygon;
use train::{Training, error, pairs};

fn main() -> ExitCode {
    command::run(run)
}

fn run(arguments: &Arguments, interruption: &Interruption) -> Result<(), Failure> {
    let outcome = experiment(arguments, interruption)?;
    println!("{}", outcome.table());
    outcome.write_plot(arguments)?;
    println!("plot: {}", arguments.plot.display());
    if interruption.requested() {
        println!("interrupted: numbers and plot are those of the last step");
    }
    Ok(())
}

/// What a model has learned.
struct Learned {
    /// Numbers that were learned.
    parameters: usize,
    /// Error over the steps, for the test points.
    errors: Vec<f64>,
    /// Error for points far outside.
    far: f64,
    /// How far out of the hidden polygon an answer for a test or a far point is, at most.
    violation: f64,
    /// Answers for the test points.
    answers: Vec<[f64; 2]>,
}

struct Outcome {
    hidden: Polygon,
    first: Polygon,
    polygon: Polygon,
    examples: Vec<[f64; 2]>,
    layer: Learned,
    network: Learned,
}

fn experiment(arguments: &Arguments, interruption: &Interruption) -> Result<Outcome, Failure> {
    let rng = &mut StdRng::seed_from_u64(arguments.seed);
    let hidden = Polygon::random(arguments.sides.into(), rng);
    let train = Examples::near(&hidden, arguments.train, arguments.noise, rng)?;
    let test = Examples::near(&hidden, arguments.test, 0.0, rng)?;
    let far = Examples::far(&hidden, arguments.test, rng)?;
    let training = Training {
        train: &train,
        test: &test,
        steps: arguments.steps,
        rate: arguments.lr,
        interruption,
    };
    let layer = Projection::new(arguments.learned.into(), rng)?;
    let network = Network::new(arguments.hidden, rng)?;
    let first = layer.polygon()?;
    let layer_learned = learn(&layer, layer.variables(), &training, &far, &hidden)?;
    let training = Training { rate: arguments.network_lr, ..training };
    let network_learned = learn(&network, network.variables(), &training, &far, &hidden)?;
    Ok(Outcome {
        first,
        polygon: layer.polygon()?,
        examples: pairs(&train.nearest)?,
        layer: layer_learned,
        network: network_learned,
        hidden,
    })
}

fn learn(
    model: &impl Module,
    variables: Vec<candle_core::Var>,
    training: &Training<'_>,
    far: &Examples,
    hidden: &Polygon,
) -> Result<Learned, Failure> {
    let parameters = variables.iter().map(|variable| variable.elem_count()).sum();
    let errors = training.run(model, variables)?;
    let answers = pairs(&model.forward(&training.test.points)?)?;
    let all = answers.iter().copied().chain(pairs(&model.forward(&far.points)?)?);
    let violation = all.map(|answer| hidden.violation(answer)).fold(0.0, f64::max);
    Ok(Learned { parameters, errors, far: error(model, far)?, violation, answers })
}

impl Learned {
    /// Error for the test points after the last step.
    fn near(&self) -> f64 {
        self.errors.last().copied().unwrap_or(f64::NAN)
    }
}

impl Outcome {
    /// Numbers in Markdown.
    fn table(&self) -> String {
        let mut text = String::from(
            "| | parameters | error, test points | error, far points | largest violation |\n\
             |---|---|---|---|---|\n",
        );
        for (name, own) in [("layer", &self.layer), ("network", &self.network)] {
            text += &format!(
                "| {name} | {} | {:.4} | {:.4} | {:.4} |\n",
                own.parameters,
                own.near(),
                own.far,
                own.violation
            );
        }
        let [before, after] = [&self.first, &self.polygon].map(|own| self.hidden.overlap(own));
        text + &format!(
            "\noverlap of the layer's polygon with the hidden one: {before:.3} at first, \
             {after:.4} after training"
        )
    }

    fn write_plot(&self, arguments: &Arguments) -> Result<(), Failure> {
        let sides = (arguments.sides, arguments.learned);
        let title = format!(
            "A polygon with {} sides, learned with {} from {} projections",
            sides.0, sides.1, arguments.train
        );
        plot::write(
            &arguments.plot,
            &Shown {
                title,
                errors: [&self.layer.errors, &self.network.errors],
                hidden: &self.hidden,
                first: &self.first,
                learned: &self.polygon,
                examples: &self.examples,
                network: &self.network.answers,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn parse(options: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["candle_polytope"], options].concat())
    }

    #[test]
    fn the_layer_finds_the_polygon_and_the_network_does_not() {
        let arguments = parse(&["--steps", "300", "--test", "100", "--seed", "1"]).unwrap();
        let outcome = experiment(&arguments, &Interruption::default()).unwrap();
        println!("{}", outcome.table());
        let (layer, network) = (&outcome.layer, &outcome.network);
        // Better than the noise of one example, and the same far outside.
        assert!(layer.near() < 0.5 * arguments.noise && layer.far < arguments.noise);
        assert!(layer.near() < 0.02 * layer.errors[0], "{}", layer.errors[0]);
        assert!(5.0 * layer.near() < network.near() && 20.0 * layer.far < network.far);
        assert!(outcome.hidden.overlap(&outcome.polygon) > 0.98);
    }

    #[test]
    fn without_noise_the_polygon_is_found_to_many_digits() {
        let arguments =
            parse(&["--noise", "0", "--hidden", "1", "--steps", "300", "--test", "100"]).unwrap();
        let outcome = experiment(&arguments, &Interruption::default()).unwrap();
        assert!(outcome.layer.near() < 1e-4, "{}", outcome.layer.near());
    }

    #[test]
    fn what_is_interrupted_still_reports() {
        let interruption = Interruption::default();
        interruption.request();
        let outcome = experiment(&parse(&[]).unwrap(), &interruption).unwrap();
        assert_eq!((outcome.layer.errors.len(), outcome.network.errors.len()), (1, 1));
        assert!(outcome.table().contains("| layer | 30 |"));
    }

    #[test]
    fn bad_options_are_refused_before_anything_starts() {
        let bad = [
            ["--sides", "2"],
            ["--train", "0"],
            ["--noise", "nan"],
            ["--lr", "0"],
            ["--plot", "no-such-folder/plot.png"],
            ["--plot", "plot.jpg"],
        ];
        for options in bad {
            let text = parse(&options).unwrap_err().to_string();
            assert!(options.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}
