//! Training, and what a model has learned.

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use candle_core::{Module, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};

use crate::data::Examples;

/// What training needs besides the model.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    pub train: &'a Examples,
    pub test: &'a Examples,
    pub steps: usize,
    pub rate: f64,
    pub interruption: &'a Interruption,
}

impl Training<'_> {
    /// Trains until the steps are over or the user asks for the end. Returns, before each step,
    /// the root mean square of the distances from the true nearest points, over the test points.
    pub fn run(
        &self,
        model: &impl Module,
        variables: Vec<Var>,
    ) -> std::result::Result<Vec<f64>, Failure> {
        let settings = ParamsAdamW { lr: self.rate, weight_decay: 0.0, ..Default::default() };
        let mut optimizer = AdamW::new(variables, settings)?;
        let bar = progress::bar(self.steps, "steps");
        let mut errors = vec![error(model, self.test)?];
        for step in 0..self.steps {
            if self.interruption.requested() {
                break;
            }
            // Down to a hundredth of the first rate, so that noise of the steps dies out.
            let done = step as f64 / self.steps as f64;
            optimizer.set_learning_rate(self.rate * 0.01f64.powf(done));
            let loss = (model.forward(&self.train.points)? - &self.train.nearest)?.sqr()?;
            optimizer.backward_step(&loss.mean_all()?)?;
            errors.push(error(model, self.test)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(errors)
    }
}

/// The root mean square of the distances from the true nearest points.
pub fn error(model: &impl Module, examples: &Examples) -> Result<f64> {
    let distances = (model.forward(&examples.points)? - &examples.nearest)?;
    Ok(distances.sqr()?.sum(1)?.mean_all()?.to_scalar::<f64>()?.sqrt())
}

/// Points as pairs.
pub fn pairs(points: &Tensor) -> Result<Vec<[f64; 2]>> {
    Ok(points.to_vec2::<f64>()?.into_iter().map(|point| [point[0], point[1]]).collect())
}
