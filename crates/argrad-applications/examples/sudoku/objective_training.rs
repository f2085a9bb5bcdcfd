//! Training of the objective: two numbers, by Adam on the mean squared error.

use argrad::Error;
use argrad_applications::adam::Adam;
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::board::Rules;
use crate::passes::Objective;
use crate::puzzles::Puzzle;
use crate::relaxation::Relaxation;

/// How to train.
pub struct ObjectiveTraining<'a> {
    pub rules: Rules,
    pub examples: &'a [Puzzle],
    /// Passes through the layer.
    pub passes: usize,
    /// Steps of the training.
    pub steps: usize,
    /// Examples of a step.
    pub batch: usize,
    /// Step size in the logarithms, at first.
    pub learning_rate: f64,
    pub interruption: &'a Interruption,
}

/// One step, before its update.
#[derive(Clone, Copy, Debug)]
pub struct ObjectiveStep {
    pub objective: Objective,
    /// Mean squared error.
    pub loss: f64,
    /// Share of the batch not solved exactly.
    pub error: f64,
}

impl ObjectiveTraining<'_> {
    /// The learned objective, and the steps towards it.
    ///
    /// # Errors
    /// Those of the layer: none for finite numbers.
    pub fn run(
        &self,
        layer: &Relaxation,
        rng: &mut StdRng,
    ) -> Result<(Objective, Vec<ObjectiveStep>), Error> {
        let mut objective = Objective::start();
        let mut adam = Adam::new(objective.logarithms.len(), self.learning_rate);
        let mut steps = Vec::new();
        let bar = progress::bar(self.steps, "steps");
        while steps.len() < self.steps && !self.interruption.requested() {
            let drawn: Vec<&Puzzle> = (0..self.batch)
                .map(|_| &self.examples[rng.random_range(0..self.examples.len())])
                .collect();
            let givens = self.rules.one_hot(drawn.iter().map(|puzzle| &puzzle.clues[..]));
            let target = self.rules.one_hot(drawn.iter().map(|puzzle| &puzzle.solution[..]));
            let lesson = objective.gradient(layer, &givens, &target, self.passes)?;
            let answers = lesson.answers.chunks(self.rules.width());
            let unsolved = drawn
                .iter()
                .zip(answers)
                .filter(|(puzzle, z)| self.rules.most_likely(z) != puzzle.solution)
                .count();
            let error = unsolved as f64 / self.batch as f64;
            steps.push(ObjectiveStep { objective, loss: lesson.loss, error });
            // In a line to zero: the last steps settle what the others have found.
            let rest = 1.0 - (steps.len() - 1) as f64 / self.steps as f64;
            adam.set_rate(self.learning_rate * rest);
            adam.step(&mut objective.logarithms, &lesson.gradient);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok((objective, steps))
    }
}
