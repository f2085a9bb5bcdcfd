//! Training of a network on puzzles, and what it made of the test boards.

use std::time::{Duration, Instant};

use argrad_applications::adam::Adam;
use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::board::Rules;
use crate::puzzles::Puzzle;

/// A network that maps puzzles to solutions, both one-hot: `boards * cells * side` numbers, the
/// digits of a cell side by side, a blank all zeros.
pub trait Network {
    /// What [`Self::backward`] needs to know of a forward pass.
    type Tape;

    /// What is learned.
    fn parameters(&mut self) -> Vec<&mut [f64]>;

    /// Scores of the digits of every cell.
    fn answer(&self, puzzles: &[f64]) -> Result<Vec<f64>, Failure>;

    /// The same, to be differentiated.
    fn forward(&self, puzzles: &[f64]) -> Result<(Vec<f64>, Self::Tape), Failure>;

    /// From the gradient by the scores to that by each of [`Self::parameters`].
    fn backward(&self, tape: &Self::Tape, cotangent: &[f64]) -> Result<Vec<Vec<f64>>, Failure>;

    /// How many numbers are learned.
    fn parameter_count(&mut self) -> usize {
        self.parameters().iter().map(|part| part.len()).sum()
    }
}

/// Longer gradients, of each parameter, are shortened to this. The first gradients are some thirty
/// times as long as the last, and without it Adam would take their measure for the whole training.
const GRADIENT_NORM: f64 = 0.02;

/// How to train.
pub struct Training<'a> {
    pub rules: Rules,
    pub train: &'a [Puzzle],
    pub test: &'a [Puzzle],
    pub epochs: usize,
    pub batch: usize,
    pub learning_rate: f64,
    /// Set from outside to end the training after the current step.
    pub interruption: &'a Interruption,
}

/// One training step, before its update: mean squared error and share of the batch's boards not
/// solved exactly.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub loss: f64,
    pub error: f64,
}

/// The test boards after a number of epochs: mean squared error and share not solved exactly.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation {
    pub epoch: usize,
    pub loss: f64,
    pub error: f64,
}

/// A filled board for each puzzle.
type Answers = Vec<Vec<u8>>;

/// The course of a training.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub steps_per_epoch: usize,
    pub steps: Vec<Step>,
    pub evaluations: Vec<Evaluation>,
    /// What the network last answered to each test puzzle.
    pub answers: Answers,
    /// Time spent in training steps, evaluations left out.
    pub duration: Duration,
}

impl History {
    /// Share of the test boards solved exactly, every cell right, when last evaluated.
    pub fn solved(&self) -> f64 {
        self.evaluations.last().map_or(0.0, |evaluation| 1.0 - evaluation.error)
    }
}

/// Trains `network` with Adam on the mean squared error, and prints a line for each epoch.
pub fn train<N: Network>(
    mut network: N,
    training: &Training<'_>,
    rng: &mut StdRng,
) -> Result<History, Failure> {
    let Training { train, epochs, batch, learning_rate, .. } = *training;
    let parts = network.parameters();
    let mut adam: Vec<Adam> =
        parts.iter().map(|part| Adam::new(part.len(), learning_rate)).collect();
    let mut history =
        History { steps_per_epoch: train.len().div_ceil(batch), ..History::default() };
    let steps = epochs * history.steps_per_epoch;
    let bar = progress::bar(steps, "steps");

    println!("epoch  training loss  test loss  test boards solved    time");
    let report =
        |history: &mut History, network: &N, epoch: usize, loss: Option<f64>, time: Duration| {
            let (evaluation, answers) = evaluate(network, epoch, training)?;
            let loss = loss.map_or("-".into(), |loss| format!("{loss:.5}"));
            bar.suspend(|| {
                println!(
                    "{epoch:5}  {loss:>13}  {:9.5}  {:16.1} %  {:4.2} s",
                    evaluation.loss,
                    100.0 * (1.0 - evaluation.error),
                    time.as_secs_f64()
                )
            });
            history.evaluations.push(evaluation);
            history.answers = answers;
            Ok::<(), Failure>(())
        };
    report(&mut history, &network, 0, None, Duration::ZERO)?;

    let mut order: Vec<usize> = (0..train.len()).collect();
    for epoch in 1..=epochs {
        order.shuffle(rng);
        let started = Instant::now();
        let first_step = history.steps.len();
        for chunk in order.chunks(batch) {
            if training.interruption.requested() {
                break;
            }
            let puzzles: Vec<&Puzzle> = chunk.iter().map(|&k| &train[k]).collect();
            let progress = (history.steps.len() + 1) as f64 / steps as f64;
            let rate = learning_rate * decay(progress);
            history.steps.push(step(&mut network, &mut adam, training.rules, &puzzles, rate)?);
            bar.inc(1);
        }
        let time = started.elapsed();
        history.duration += time;
        if training.interruption.requested() {
            break;
        }
        let losses = &history.steps[first_step..];
        let loss = losses.iter().map(|step| step.loss).sum::<f64>() / losses.len() as f64;
        report(&mut history, &network, epoch, Some(loss), time)?;
    }
    bar.finish_and_clear();
    println!("trained in {:.1} s", history.duration.as_secs_f64());
    Ok(history)
}

/// One step of the training, on these puzzles.
fn step<N: Network>(
    network: &mut N,
    adam: &mut [Adam],
    rules: Rules,
    puzzles: &[&Puzzle],
    rate: f64,
) -> Result<Step, Failure> {
    let (scores, tape) = network.forward(&rules.one_hot(puzzles.iter().map(|p| &p.clues[..])))?;
    let target = rules.one_hot(puzzles.iter().map(|p| &p.solution[..]));
    let unsolved = unsolved(puzzles.iter().copied(), &most_likely_digits(&scores, rules));
    let count = target.len() as f64;
    let cotangent: Vec<f64> =
        scores.iter().zip(&target).map(|(score, target)| 2.0 * (score - target) / count).collect();
    let mut gradients = network.backward(&tape, &cotangent)?;
    for ((part, gradient), adam) in network.parameters().into_iter().zip(&mut gradients).zip(adam) {
        shorten(gradient);
        adam.set_rate(rate);
        adam.step(part, gradient);
    }
    let loss = squares(&scores, &target) / count;
    Ok(Step { loss, error: unsolved as f64 / puzzles.len() as f64 })
}

/// To [`GRADIENT_NORM`], if it is longer.
fn shorten(gradient: &mut [f64]) {
    let norm = gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
    if norm > GRADIENT_NORM {
        gradient.iter_mut().for_each(|slope| *slope *= GRADIENT_NORM / norm);
    }
}

/// The learning rate as a share of the given one, after a share of all steps: full for four fifths
/// of them, then falling in a line, so that the last steps settle what the others have found.
fn decay(progress: f64) -> f64 {
    (5.0 * (1.0 - progress)).min(1.0)
}

/// The loss on the test boards, the share solved exactly, and the answers.
fn evaluate<N: Network>(
    network: &N,
    epoch: usize,
    training: &Training<'_>,
) -> Result<(Evaluation, Answers), Failure> {
    let Training { rules, test, batch, .. } = *training;
    let (mut sum, mut answers) = (0.0, Vec::new());
    for puzzles in test.chunks(batch) {
        let scores = network.answer(&rules.one_hot(puzzles.iter().map(|p| &p.clues[..])))?;
        sum += squares(&scores, &rules.one_hot(puzzles.iter().map(|p| &p.solution[..])));
        answers.extend(most_likely_digits(&scores, rules));
    }
    let count = test.len() as f64;
    let error = unsolved(test, &answers) as f64 / count;
    Ok((Evaluation { epoch, loss: sum / (count * rules.width() as f64), error }, answers))
}

/// How many of the puzzles are not answered exactly.
fn unsolved<'a>(puzzles: impl IntoIterator<Item = &'a Puzzle>, answers: &Answers) -> usize {
    let pairs = puzzles.into_iter().zip(answers);
    pairs.filter(|(puzzle, answer)| puzzle.solution != **answer).count()
}

/// Sum of the squared differences.
fn squares(scores: &[f64], target: &[f64]) -> f64 {
    scores.iter().zip(target).map(|(score, target)| (score - target).powi(2)).sum()
}

/// The digit with the highest score in each cell of each board.
fn most_likely_digits(scores: &[f64], rules: Rules) -> Answers {
    scores.chunks(rules.width()).map(|board| rules.most_likely(board)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Perceptron;
    use crate::puzzles;
    use rand::SeedableRng;

    fn trained(interrupted: bool) -> History {
        let mut rng = StdRng::seed_from_u64(3);
        let rules = Rules::new(2);
        let puzzles = puzzles::generate(rules, 70, &mut rng).unwrap();
        let (train, test) = puzzles.split_at(50);
        let network = Perceptron::new(rules, 20, &mut rng);
        let interruption = &Interruption::default();
        if interrupted {
            interruption.request();
        }
        let training = Training {
            rules,
            train,
            test,
            epochs: 3,
            batch: 20,
            learning_rate: 0.03,
            interruption,
        };
        super::train(network, &training, &mut rng).unwrap()
    }

    #[test]
    fn a_training_is_recorded_step_by_step() {
        let history = trained(false);
        assert_eq!((history.steps_per_epoch, history.steps.len()), (3, 9));
        assert_eq!(history.evaluations.len(), 4);
        assert_eq!(history.answers.len(), 20);
        assert!(history.answers.iter().flatten().all(|digit| (1..=4).contains(digit)));
        assert!(history.steps[8].loss < history.steps[0].loss);
    }

    #[test]
    fn an_interrupted_training_keeps_what_it_has() {
        let history = trained(true);
        assert_eq!(history.steps.len(), 0);
        assert_eq!(history.evaluations.len(), 1);
        assert_eq!(history.answers.len(), 20);
    }

    #[test]
    fn one_hot_boards_are_read_back() {
        let rules = Rules::new(2);
        let board = [1, 3, 2, 4, 2, 4, 1, 3, 4, 2, 3, 1, 3, 1, 4, 2];
        let numbers = rules.one_hot([&board[..], &board[..]].into_iter());
        assert_eq!(numbers.len(), 2 * 64);
        assert_eq!(most_likely_digits(&numbers, rules), [board.to_vec(), board.to_vec()]);
    }

    #[test]
    fn the_learning_rate_falls_at_the_end() {
        assert_eq!(
            [0.0, 0.5, 0.8, 0.9, 1.0].map(|p| (100.0 * decay(p)).round()),
            [100.0, 100.0, 100.0, 50.0, 0.0]
        );
    }
}
