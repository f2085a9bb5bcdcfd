//! The comparison: every method on the same signals.

use std::time::{Duration, Instant};

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use burn::tensor::Device;
use clap::ValueEnum;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::adaptive::Adaptive;
use crate::arguments::Arguments;
use crate::denoiser::{Denoiser, denoise_all, mean_squared_error};
use crate::method::Method;
use crate::optnet::OptNet;
use crate::perceptron::Perceptron;
use crate::signals::Signals;
use crate::train::{Course, Training, train};
use crate::variation::{Learned, Variation, differences, random_operator};

/// Hidden units of the fully connected network.
const HIDDEN: usize = 200;
/// Signals that the search for the best weight looks at, and weights that it tries.
const SEARCHED: usize = 1000;
const WEIGHTS: std::ops::RangeInclusive<u32> = 10..=30;
/// Where the learned weight starts.
const START: f64 = 10.0;
const BATCH: usize = 150;

/// A method and what came out.
#[derive(Clone, Debug)]
pub struct Row {
    pub method: Method,
    /// Numbers that are learned.
    pub parameters: usize,
    /// Mean squared errors on the signals to train and to test on.
    pub errors: [f64; 2],
    /// Empty where a method is not trained by gradients.
    pub course: Course,
    pub duration: Duration,
    /// Estimates of the test signals.
    pub estimates: Vec<f64>,
    /// The weight of total variation, where there is one.
    pub weight: Option<f64>,
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
        let only = &self.arguments.only;
        let methods = Method::value_variants().iter();
        let mut rows: Vec<Row> = Vec::new();
        // Those after the search start from what it found.
        let mut best = None;
        for &method in methods.filter(|method| only.is_empty() || only.contains(method)) {
            if self.interruption.requested() {
                break;
            }
            let row = self.row(method, &mut best)?;
            report(&row);
            rows.push(row);
        }
        Ok(rows)
    }

    fn row(&self, method: Method, best: &mut Option<f64>) -> Result<Row, Failure> {
        let device = self.device;
        // Each method has random numbers of its own: leaving one out does not change the others.
        let seed = self.arguments.seed.wrapping_add(method as u64);
        let mut rng = StdRng::seed_from_u64(seed);
        device.seed(seed);
        let variation = |weight: f64, operator: Vec<f64>, learned: Learned| {
            Variation::new(weight, operator, learned, device)
        };
        let mut searched = || match *best {
            Some(best) => Ok::<f64, Failure>(best),
            None => Ok(*best.insert(self.search()?)),
        };
        let network = match method {
            Method::Connected => {
                return Ok(self.trained(method, Perceptron::new(HIDDEN, device), &mut rng)?.1);
            }
            Method::Optnet => {
                return Ok(self.trained(method, OptNet::random(&mut rng, device)?, &mut rng)?.1);
            }
            Method::TunedOptnet => {
                let start = OptNet::total_variation(searched()?, &mut rng, device)?;
                return Ok(self.trained(method, start, &mut rng)?.1);
            }
            Method::Network => {
                let start = Adaptive::new(searched()?, device)?;
                return Ok(self.trained(method, start, &mut rng)?.1);
            }
            Method::Search => {
                let started = Instant::now();
                let network = variation(searched()?, differences(), Learned::Nothing)?;
                let row = self.evaluated(method, &network, Course::default(), started.elapsed())?;
                return Ok(Row { weight: Some(network.weight()), ..row });
            }
            Method::Weight => variation(START, differences(), Learned::Weight)?,
            Method::RandomD => {
                variation(searched()?, random_operator(&mut rng), Learned::Operator)?
            }
            Method::LearnedD => variation(searched()?, differences(), Learned::Operator)?,
        };
        let (network, row) = self.trained(method, network, &mut rng)?;
        let (weight, operator) = match method {
            Method::Weight => (Some(network.weight()), None),
            _ => (None, Some(network.operator())),
        };
        Ok(Row { weight, operator, ..row })
    }

    /// The best weight of total variation among [`WEIGHTS`], on some of the signals to train on.
    fn search(&self) -> Result<f64, Failure> {
        let (some, _) = self.train.clone().split_at(SEARCHED.min(self.train.len()));
        let bar = progress::bar(WEIGHTS.count(), "weights");
        let mut best = (f64::INFINITY, START);
        for weight in WEIGHTS.map(f64::from) {
            if self.interruption.requested() {
                break;
            }
            let network = Variation::new(weight, differences(), Learned::Nothing, self.device)?;
            let estimates = denoise_all(&network, &some, self.device)?;
            let error = mean_squared_error(&estimates, &some.clean);
            if error < best.0 {
                best = (error, weight);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(best.1)
    }

    fn trained<N: Denoiser>(
        &self,
        method: Method,
        network: N,
        rng: &mut StdRng,
    ) -> Result<(N, Row), Failure> {
        let (epochs, learning_rate) = method.training();
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
        let trained = denoise_all(network, self.train, self.device)?;
        let estimates = denoise_all(network, self.test, self.device)?;
        let errors = [
            mean_squared_error(&trained, &self.train.clean),
            mean_squared_error(&estimates, &self.test.clean),
        ];
        Ok(Row {
            method,
            parameters: network.learned(),
            errors,
            course,
            duration,
            estimates,
            weight: None,
            operator: None,
        })
    }
}
