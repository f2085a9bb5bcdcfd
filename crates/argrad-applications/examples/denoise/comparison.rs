//! The comparison: every method on the same signals, in the order of the published table.

use std::time::{Duration, Instant};

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::adaptive::Adaptive;
use crate::arguments::Arguments;
use crate::denoiser::{Denoiser, denoise_all, mean_squared_error};
use crate::optnet::OptNet;
use crate::perceptron::Perceptron;
use crate::signals::Signals;
use crate::train::{Course, Training, train};
use crate::variation::{Learned, Variation, differences, random_operator};

/// Hidden units of the fully connected network.
const HIDDEN: usize = 500;
/// Signals that the grid search looks at.
const SEARCHED: usize = 1000;
/// Weights that it tries.
const WEIGHTS: std::ops::RangeInclusive<u32> = 10..=30;

/// A method and what came out.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    /// Numbers that are learned.
    pub parameters: usize,
    /// Mean squared errors on the signals to train and to test on.
    pub errors: [f64; 2],
    /// The same, as Amos and Kolter published them, for methods that they have.
    pub published: Option<[f64; 2]>,
    /// Nothing, where a method is not trained by gradients.
    pub course: Course,
    pub duration: Duration,
    /// Whether its estimates are drawn.
    pub shown: bool,
    /// Estimates of the test signals.
    pub estimates: Vec<f64>,
    /// The learned D, where there is one.
    pub operator: Option<Vec<f64>>,
}

/// What all methods work with.
pub struct Comparison<'a> {
    pub arguments: &'a Arguments,
    pub train: &'a Signals,
    pub test: &'a Signals,
    pub device: &'a Device,
    pub interruption: &'a Interruption,
}

impl Comparison<'_> {
    /// Runs the methods one after the other; `report` sees each row when it is done. After an
    /// interruption the methods that have not begun are left out.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn run(&self, report: impl Fn(&Row)) -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = Vec::new();
        let mut weight = None;
        let only = std::env::var("ONLY").ok();
        for method in METHODS {
            if only.as_ref().is_some_and(|only| !format!("{method:?}").contains(only.as_str())) {
                continue;
            }
            if self.interruption.requested() {
                break;
            }
            let row = self.row(method, &mut weight)?;
            report(&row);
            rows.push(row);
        }
        Ok(rows)
    }

    fn row(&self, method: Method, weight: &mut Option<f64>) -> Result<Row, Failure> {
        let device = self.device;
        // Each method has random numbers of its own: leaving one out does not change the others.
        let mut rng = StdRng::seed_from_u64(self.arguments.seed.wrapping_add(method as u64));
        device.seed(self.arguments.seed);
        let best = weight.unwrap_or(START);
        match method {
            Method::Perceptron => {
                let network = Perceptron::new(HIDDEN, device);
                Ok(self.trained(method, network, &mut rng)?.1)
            }
            Method::RandomOptNet => {
                let network = OptNet::random(&mut rng, device)?;
                Ok(self.trained(method, network, &mut rng)?.1)
            }
            Method::BestWeight => {
                let started = Instant::now();
                let found = self.search()?;
                *weight = Some(found);
                let network = Variation::new(found, differences(), Learned::Nothing, device)?;
                self.evaluated(method, &network, Course::default(), started.elapsed())
            }
            Method::LearnedWeight => {
                let network = Variation::new(START, differences(), Learned::Weight, device)?;
                let (network, row) = self.trained(method, network, &mut rng)?;
                println!("  learned weight {:.2}", network.weight());
                Ok(row)
            }
            Method::RandomOperator => {
                let network =
                    Variation::new(best, random_operator(&mut rng), Learned::Operator, device)?;
                let (network, row) = self.trained(method, network, &mut rng)?;
                Ok(Row { operator: Some(network.operator()), ..row })
            }
            Method::TunedOptNet => {
                let network = OptNet::total_variation(best, &mut rng, device)?;
                Ok(self.trained(method, network, &mut rng)?.1)
            }
            Method::Adaptive => {
                let network = Adaptive::new(best, device)?;
                Ok(self.trained(method, network, &mut rng)?.1)
            }
            Method::LearnedOperator => {
                let network = Variation::new(best, differences(), Learned::Operator, device)?;
                let (network, row) = self.trained(method, network, &mut rng)?;
                Ok(Row { operator: Some(network.operator()), ..row })
            }
        }
    }

    /// The best weight of total variation among [`WEIGHTS`], on some of the signals to train on.
    fn search(&self) -> Result<f64, Failure> {
        let (some, _) = self.train.clone().split_at(SEARCHED.min(self.train.len()));
        let bar = progress::bar(WEIGHTS.count(), "weights");
        let mut best = (f64::INFINITY, START);
        for weight in WEIGHTS.map(f64::from) {
            let network = Variation::new(weight, differences(), Learned::Nothing, self.device)?;
            let estimates = denoise_all(&network, &some, self.device)?;
            let error = mean_squared_error(&estimates, &some.clean);
            if error < best.0 {
                best = (error, weight);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        println!("  best weight {}", best.1);
        Ok(best.1)
    }

    fn trained<N: Denoiser>(
        &self,
        method: Method,
        network: N,
        rng: &mut StdRng,
    ) -> Result<(N, Row), Failure> {
        let (epochs, learning_rate) = method.training();
        let learning_rate = std::env::var("LR").map_or(learning_rate, |v| v.parse().unwrap());
        let training = Training {
            train: self.train,
            test: self.test,
            epochs: self.arguments.epochs(epochs),
            batch: self.arguments.batch.unwrap_or(BATCH),
            learning_rate,
            interruption: self.interruption,
        };
        let (network, course) = train(network, &training, self.device, rng)?;
        let duration = course.duration;
        let row = self.evaluated(method, &network, course, duration)?;
        Ok((network, row))
    }

    fn evaluated<N: Denoiser>(
        &self,
        method: Method,
        network: &N,
        course: Course,
        duration: Duration,
    ) -> Result<Row, Failure> {
        let error =
            |estimates: &[f64], signals: &Signals| mean_squared_error(estimates, &signals.clean);
        let trained = denoise_all(network, self.train, self.device)?;
        let estimates = denoise_all(network, self.test, self.device)?;
        Ok(Row {
            name: method.name(),
            parameters: if course.steps.is_empty() { 1 } else { network.num_params() },
            errors: [error(&trained, self.train), error(&estimates, self.test)],
            published: method.published(),
            course,
            duration,
            shown: method.is_shown(),
            estimates,
            operator: None,
        })
    }
}

/// Where the weight starts, and what it is where none was searched.
const START: f64 = 10.0;
const BATCH: usize = 150;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Perceptron,
    RandomOptNet,
    BestWeight,
    LearnedWeight,
    RandomOperator,
    LearnedOperator,
    TunedOptNet,
    Adaptive,
}

const METHODS: [Method; 8] = [
    Method::Perceptron,
    Method::RandomOptNet,
    Method::BestWeight,
    Method::LearnedWeight,
    Method::RandomOperator,
    Method::LearnedOperator,
    Method::TunedOptNet,
    Method::Adaptive,
];

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Perceptron => "fully connected network",
            Self::RandomOptNet => "OptNet layer, from random",
            Self::BestWeight => "total variation, best weight",
            Self::LearnedWeight => "total variation, learned weight",
            Self::RandomOperator => "learned D, from random",
            Self::LearnedOperator => "learned D, from total variation",
            Self::TunedOptNet => "OptNet layer, from total variation",
            Self::Adaptive => "weights chosen by a network",
        }
    }

    /// Those that differ enough to be told apart in a picture.
    fn is_shown(self) -> bool {
        matches!(self, Self::Perceptron | Self::BestWeight | Self::Adaptive)
    }

    /// Passes over the data and learning rate.
    fn training(self) -> (f64, f64) {
        match self {
            Self::Perceptron => (30.0, 1e-3),
            Self::RandomOptNet => (4.0, 1e-3),
            Self::BestWeight | Self::LearnedWeight => (2.0, 0.05),
            Self::RandomOperator => (10.0, 1e-2),
            Self::LearnedOperator => (10.0, 1e-2),
            Self::TunedOptNet => (5.0, 1e-3),
            Self::Adaptive => (10.0, 1e-2),
        }
    }

    /// Table and figures of section 4.3: errors on the signals to train and to test on.
    fn published(self) -> Option<[f64; 2]> {
        match self {
            Self::Perceptron => Some([18.5, 29.8]),
            Self::RandomOptNet => Some([52.9, 53.3]),
            Self::BestWeight => Some([16.3, 16.5]),
            Self::TunedOptNet => Some([13.8, 14.4]),
            _ => None,
        }
    }
}
