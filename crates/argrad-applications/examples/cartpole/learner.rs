//! Learning from demonstrations: the mean squared difference of the planned inputs, and its
//! gradient through the plans.

use argrad::argmin::{Argmin, ArgminCotangent, ArgminError};
use argrad_applications::adam::Adam;

use crate::arguments::Learn;
use crate::cartpole::{Controller, STATES};
use crate::demonstrations::{Demonstrations, guess, horizon, plan};
use crate::shooting::{PARAMETERS, Stagewise};

/// A controller whose numbers are being learned.
pub struct Learner {
    /// As it is now.
    pub controller: Controller<f64>,
    learned: std::ops::Range<usize>,
    adam: Adam,
}

/// The loss, in N^2, with its gradient by the logarithms of all numbers of the controller.
pub struct Loss {
    /// The mean over samples and inputs.
    pub value: f64,
    /// In the order of the controller's numbers.
    pub gradient: [f64; 7],
    /// Samples without a plan; they count nothing.
    pub unsolved: usize,
}

impl Learner {
    /// Starts from this controller.
    pub fn new(controller: Controller<f64>, learn: Learn, rate: f64) -> Self {
        let learned = match learn {
            Learn::Model => 0..2,
            Learn::Weights => 2..2 + STATES,
        };
        let adam = Adam::new(learned.len(), rate);
        Self { controller, learned, adam }
    }

    /// What is learned: numbers of the controller.
    pub fn numbers(&self) -> Vec<f64> {
        self.controller.to_array()[self.learned.clone()].to_vec()
    }

    /// Goes on with another learning rate.
    pub fn set_rate(&mut self, rate: f64) {
        self.adam.set_rate(rate);
    }

    /// One step of the training. Returns the loss before it.
    pub fn step(
        &mut self,
        argmin: &Argmin<Stagewise>,
        demonstrations: &Demonstrations,
    ) -> Result<Loss, ArgminError> {
        let loss = loss(argmin, &self.controller, demonstrations)?;
        let mut numbers = self.controller.to_array();
        let mut logs: Vec<f64> = numbers[self.learned.clone()].iter().map(|v| v.ln()).collect();
        self.adam.step(&mut logs, &loss.gradient[self.learned.clone()]);
        numbers[self.learned.clone()].iter_mut().zip(&logs).for_each(|(v, log)| *v = log.exp());
        self.controller = Controller::from_slice(&numbers);
        Ok(loss)
    }
}

/// The loss of a controller. Its plans are searched as the expert's were, from a feedback with its
/// own model, so that of several local minima the one is found in which the pole stays up.
pub fn loss(
    argmin: &Argmin<Stagewise>,
    controller: &Controller<f64>,
    demonstrations: &Demonstrations,
) -> Result<Loss, ArgminError> {
    let (horizon, starts) = (horizon(argmin), &demonstrations.starts);
    let solution = plan(argmin, controller, starts, &guess(controller, starts, horizon))?;
    let mut differences: Vec<f64> =
        solution.y.iter().zip(&demonstrations.inputs).map(|(u, shown)| u - shown).collect();
    let mut unsolved = 0;
    for (sample, _) in solution.failures() {
        differences[sample * horizon..(sample + 1) * horizon].fill(0.0);
        unsolved += 1;
    }
    let count = ((solution.batch - unsolved) * horizon).max(1) as f64;
    let value = differences.iter().map(|d| d * d).sum::<f64>() / count;
    let cotangent: Vec<f64> = differences.iter().map(|d| 2.0 * d / count).collect();
    let cotangent = ArgminCotangent { y: Some(&cotangent), ..Default::default() };
    let by_parameters = argmin.backward(&solution, &cotangent)?;
    let mut gradient = [0.0; 7];
    for sample in by_parameters.chunks(PARAMETERS) {
        for (sum, (slope, number)) in
            gradient.iter_mut().zip(sample[STATES..].iter().zip(controller.to_array()))
        {
            *sum += slope * number; // by the logarithm
        }
    }
    Ok(Loss { value, gradient, unsolved })
}
