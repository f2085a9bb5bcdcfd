//! 9x9 boards from puzzles to plot: equalities from examples, an objective by gradients, and what
//! both solve.

use std::collections::BTreeSet;
use std::time::Instant;

use argrad_applications::command::{BadInput, Failure};
use argrad_applications::interruption::Interruption;
use rand::rngs::StdRng;

use crate::affine_hull::{Counts, Equalities};
use crate::arguments::{Arguments, RulesFrom};
use crate::board::Rules;
use crate::guesses;
use crate::nine_plot;
use crate::objective_training::{ObjectiveStep, ObjectiveTraining};
use crate::passes::{CURVATURE, Objective};
use crate::puzzles::{self, Puzzle, PuzzleError};
use crate::relaxation::Relaxation;
use crate::sparse_rules::sparse_rules;

/// Numbers of boards after which the dimension of their equalities is told.
const PREFIXES: [usize; 11] = [5, 10, 20, 50, 100, 200, 300, 400, 500, 600, 800];

/// What the examples have in common.
pub struct Learned {
    /// Dimension of the equalities of so many boards: of the boards as they are, and given that
    /// digits are interchangeable.
    pub dimensions: Vec<(usize, usize, usize)>,
    /// Sparse equalities, found in them.
    pub sparse: Equalities,
    /// As many of them, and of others, as all follow from.
    pub basis: Equalities,
}

/// A way to solve, and what it made of the test puzzles.
pub struct Row {
    pub name: String,
    pub answers: Vec<Vec<u8>>,
    /// Share solved exactly.
    pub solved: f64,
}

/// Test puzzles of one number of givens.
pub struct TestSet {
    pub name: String,
    pub puzzles: Vec<Puzzle>,
    pub rows: Vec<Row>,
}

/// Puzzles to train on and then those to test on, `test` for each number of givens.
pub fn generate(
    arguments: &Arguments,
    rules: Rules,
    train: usize,
    test: usize,
    rng: &mut StdRng,
) -> Result<Vec<Puzzle>, PuzzleError> {
    let mut all = puzzles::generate_with_givens(rules, &train_givens(arguments), train, rng)?;
    for givens in test_givens(arguments) {
        all.extend(puzzles::generate_with_givens(rules, &[givens], test, rng)?);
    }
    Ok(all)
}

fn train_givens(arguments: &Arguments) -> Vec<u8> {
    if arguments.givens.is_empty() { vec![36] } else { arguments.givens.clone() }
}

/// Numbers of givens to test on, each of which has its own puzzles.
pub fn test_givens(arguments: &Arguments) -> Vec<u8> {
    match arguments.rules() {
        RulesFrom::Random => train_givens(arguments),
        _ if arguments.test_givens.is_empty() => vec![36, 30, 27],
        _ => arguments.test_givens.clone(),
    }
}

/// Learns, solves, prints and plots.
pub fn run(
    arguments: &Arguments,
    rules: Rules,
    train: &[Puzzle],
    test: Vec<Puzzle>,
    interruption: &Interruption,
    rng: &mut StdRng,
) -> Result<(), Failure> {
    let started = Instant::now();
    let learned = learn(rules, train, arguments.rules() == RulesFrom::Tied, rng)?;
    report_rules(&learned, rules, train.len(), started);
    let layer = Relaxation::new(&learned.basis, CURVATURE)?;
    let passes = arguments.passes.unwrap_or(3);
    let started = Instant::now();
    let training = ObjectiveTraining {
        rules,
        examples: train,
        passes,
        steps: arguments.steps.unwrap_or(60),
        batch: arguments.batch.unwrap_or(arguments.defaults().batch),
        learning_rate: arguments.lr,
        interruption,
    };
    let (objective, steps) = training.run(&layer, rng)?;
    report_training(&objective, &steps, started);

    let mut tests = test_sets(arguments, test);
    let judge = Judge {
        rules,
        curved: layer,
        linear: Relaxation::new(&learned.basis, 0.0)?,
        objective,
        passes,
        guesses: arguments.guesses.unwrap_or(100),
        interruption,
    };
    let started = Instant::now();
    for set in &mut tests {
        judge.run(set)?;
    }
    if !interruption.requested() {
        println!("tested in {:.1} s", started.elapsed().as_secs_f64());
    }
    let title = format!("Sudoku 9x9, learned from {} solved boards", train.len());
    let picture =
        nine_plot::Picture { title, rules, learned: &learned, steps: &steps, tests: &tests };
    picture.write(&arguments.plot)?;
    println!("\nplot: {}", arguments.plot.display());
    if interruption.requested() {
        println!("interrupted: what was not reached is left out");
    }
    Ok(())
}

/// What the boards have in common. With `tied`, digits are known to be interchangeable.
///
/// # Errors
/// [`BadInput`] for boards that are too few to tell.
fn learn(rules: Rules, train: &[Puzzle], tied: bool, rng: &mut StdRng) -> Result<Learned, Failure> {
    let counts = |boards: usize| Counts::new(rules, &train[..boards]);
    let chosen = |boards: usize| match tied {
        true => counts(boards).tied(rules),
        false => counts(boards),
    };
    let examples = chosen(train.len());
    let all = examples.equalities();
    let last = train.len().div_ceil(LAST);
    let before = chosen(train.len() - last).equalities().rows.len();
    if all.rows.is_empty() || before > all.rows.len() {
        return Err(unsettled(train.len(), last, before, all.rows.len()).into());
    }
    let sparse = sparse_rules(&examples, rng)?;
    let mut dimensions = Vec::new();
    let prefixes = PREFIXES.into_iter().filter(|&boards| boards < train.len());
    for boards in prefixes.chain([train.len()]) {
        let counts = counts(boards);
        let dimension = |counts: &Counts| counts.equalities().rows.len();
        dimensions.push((boards, dimension(&counts), dimension(&counts.tied(rules))));
    }
    // Sparse ones first; others complete them where they do not suffice.
    let candidates = sparse.rows.iter().cloned().chain(all.rows).collect();
    let basis = Equalities { width: sparse.width, rows: candidates }.independent();
    Ok(Learned { dimensions, sparse, basis })
}

/// One board in so many, the last ones, must agree with all that the others have in common.
const LAST: usize = 10;

fn unsettled(boards: usize, last: usize, before: usize, after: usize) -> BadInput {
    let refuted = before - after;
    BadInput(format!(
        "{boards} solved boards are too few to tell rules from chance: the last {last} of them \
         refute {refuted} of the {before} equalities that the others have in common; give more by \
         --train, or know that digits are interchangeable, by --rules tied"
    ))
}

fn report_rules(learned: &Learned, rules: Rules, boards: usize, started: Instant) {
    let Learned { dimensions, sparse, basis } = learned;
    println!("\nsolved boards, dimension of the equalities they have in common, and of those");
    println!("shared by all digits:");
    for (boards, plain, tied) in dimensions {
        println!("{boards:9}  {plain:4}  {tied:4}");
    }
    let found: BTreeSet<Vec<usize>> = sparse
        .rows
        .iter()
        .map(|row| (0..sparse.width).filter(|&i| row[i] != 0.0).collect())
        .collect();
    let all = rules.exactly_one();
    let true_rules = all.iter().filter(|set| found.contains(*set)).count();
    println!(
        "{} equalities learned from {boards} boards in {:.1} s, written by {} sparse ones",
        basis.rows.len(),
        started.elapsed().as_secs_f64(),
        sparse.rows.len(),
    );
    println!("(the rules of Sudoku, which nobody told: {true_rules} of {} found)", all.len());
}

fn report_training(objective: &Objective, steps: &[ObjectiveStep], started: Instant) {
    println!("\nstep   loss      batch solved   gain of givens   feedback");
    let stride = steps.len().div_ceil(10).max(1);
    let last = steps.len().saturating_sub(1);
    for (k, step) in steps.iter().enumerate().filter(|(k, _)| k % stride == 0 || *k == last) {
        println!(
            "{k:4}   {:.5}   {:10.1} %   {:14.2}   {:8.3}",
            step.loss,
            100.0 * (1.0 - step.error),
            step.objective.gain(),
            step.objective.feedback()
        );
    }
    println!(
        "objective trained in {:.1} s: {CURVATURE}/2 z'z - ({:.2} givens + {:.3} z before)'z",
        started.elapsed().as_secs_f64(),
        objective.gain(),
        objective.feedback()
    );
}

fn test_sets(arguments: &Arguments, mut test: Vec<Puzzle>) -> Vec<TestSet> {
    let set = |name: String, puzzles| TestSet { name, puzzles, rows: Vec::new() };
    if arguments.data.is_some() {
        return vec![set("of the file".into(), test)];
    }
    let givens = test_givens(arguments);
    let each = test.len() / givens.len();
    let mut sets = Vec::new();
    for givens in givens {
        let rest = test.split_off(each.min(test.len()));
        sets.push(set(format!("{givens} givens"), std::mem::replace(&mut test, rest)));
    }
    sets
}

/// All ways to solve test puzzles.
struct Judge<'a> {
    rules: Rules,
    /// The layer with the curvature of OptNet's, and without: there the gain of the givens does not
    /// matter where it outweighs the feedback.
    curved: Relaxation,
    linear: Relaxation,
    objective: Objective,
    passes: usize,
    guesses: usize,
    interruption: &'a Interruption,
}

impl Judge<'_> {
    fn run(&self, set: &mut TestSet) -> Result<(), Failure> {
        let givens = self.rules.one_hot(set.puzzles.iter().map(|puzzle| &puzzle.clues[..]));
        let stop = || self.interruption.requested();
        let mut rows = Vec::new();
        let mut judge = |name: String, z: &[f64], passes: f64| {
            let answers: Vec<Vec<u8>> =
                z.chunks(self.rules.width()).map(|z| self.rules.most_likely(z)).collect();
            let right = answers.iter().zip(&set.puzzles).filter(|(a, p)| **a == p.solution).count();
            let solved = right as f64 / set.puzzles.len() as f64;
            println!("{:>10}  {name:34}  {:6.1} %  {passes:5.2}", set.name, 100.0 * solved);
            rows.push(Row { name, answers, solved });
        };
        println!("\n    puzzles  objective                             solved  passes");
        for z in Objective::start().run(&self.curved, &givens, 1, stop)? {
            judge("before training, one pass".into(), &z, 1.0);
        }
        for (layer, how) in [(&self.curved, "learned"), (&self.linear, "linear program")] {
            let said = self.objective.run(layer, &givens, self.passes, stop)?;
            for (k, z) in said.iter().enumerate().filter(|(k, _)| *k == 0 || *k + 1 == self.passes)
            {
                let name = match k {
                    0 => format!("{how}, one pass"),
                    _ => format!("{how}, {} passes", k + 1),
                };
                judge(name, z, (k + 1) as f64);
            }
        }
        if !stop() {
            let ones = set.puzzles.iter().map(|puzzle| self.rules.ones(&puzzle.clues).collect());
            let ones: Vec<Vec<usize>> = ones.collect();
            let found = guesses::solve(&self.linear, &ones, self.rules.side(), self.guesses, stop)?;
            let passes = found.passes.iter().sum::<usize>() as f64 / ones.len() as f64;
            judge("linear program, guesses".into(), &found.boards, passes);
        }
        set.rows = rows;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use rand::SeedableRng;

    fn arguments(options: &[&str]) -> Arguments {
        Arguments::parse_from(["sudoku", "--board=3"].iter().chain(options))
    }

    #[test]
    fn the_rules_are_learned_from_700_boards_and_solve_others() {
        let rules = Rules::new(3);
        let mut rng = StdRng::seed_from_u64(4);
        let options = arguments(&["--test-givens=36,28"]);
        let mut train = generate(&options, rules, 700, 12, &mut rng).unwrap();
        let test = train.split_off(700);
        let learned = learn(rules, &train, false, &mut rng).unwrap();
        let dimension = |boards: usize| {
            *learned.dimensions.iter().find(|(found, _, _)| *found == boards).unwrap()
        };
        assert_eq!(dimension(700), (700, 249, 249));
        assert!(dimension(300).1 > 249);
        assert_eq!(dimension(20).2, 249);
        // Without having been told: exactly the rules, and nothing else.
        let supports = learned.sparse.rows.iter().map(|row| {
            assert!(row.iter().all(|&v| v == 0.0 || (v - 1.0).abs() < 1e-6));
            (0..729).filter(|&i| row[i] != 0.0).collect::<Vec<_>>()
        });
        let truth: BTreeSet<_> = rules.exactly_one().into_iter().collect();
        assert_eq!(supports.collect::<BTreeSet<_>>(), truth);
        assert_eq!(learned.basis.rows.len(), 249);

        let interruption = Interruption::default();
        let layer = Relaxation::new(&learned.basis, CURVATURE).unwrap();
        let training = ObjectiveTraining {
            rules,
            examples: &train,
            passes: 2,
            steps: 12,
            batch: 8,
            learning_rate: 0.5,
            interruption: &interruption,
        };
        let (objective, steps) = training.run(&layer, &mut rng).unwrap();
        assert!(steps[11].loss < 0.2 * steps[0].loss, "{steps:?}");
        let mut sets = test_sets(&options, test);
        let linear = Relaxation::new(&learned.basis, 0.0).unwrap();
        let (passes, guesses) = (2, 100);
        let judge = Judge {
            rules,
            curved: layer,
            linear,
            objective,
            passes,
            guesses,
            interruption: &interruption,
        };
        for set in &mut sets {
            judge.run(set).unwrap();
        }
        let solved = |set: usize, row: usize| sets[set].rows[row].solved;
        // Rows: before training; learned, one pass and two; linear program, one and two; guesses.
        assert!(solved(0, 0) < solved(0, 2));
        assert_eq!((solved(0, 3), solved(0, 5)), (1.0, 1.0));
        assert!(solved(1, 0) < solved(1, 2));
        assert!(solved(1, 3) <= solved(1, 4));
        assert_eq!(solved(1, 5), 1.0);
    }

    #[test]
    fn boards_too_few_to_tell_are_refused() {
        let rules = Rules::new(3);
        let mut rng = StdRng::seed_from_u64(4);
        let train = generate(&arguments(&["--test-givens=80"]), rules, 100, 1, &mut rng).unwrap();
        let error = learn(rules, &train[..100], false, &mut rng).err().unwrap();
        assert!(error.is::<BadInput>());
        let message = error.to_string();
        assert!(message.starts_with("100 solved boards are too few"), "{message}");
        assert!(message.contains("the last 10 of them refute 10 of the 640"), "{message}");
    }

    #[test]
    fn an_interrupted_run_still_draws_what_it_learned() {
        let path = std::env::temp_dir().join(format!("sudoku-nine-{}.png", std::process::id()));
        let options = arguments(&["--plot", path.to_str().unwrap(), "--rules=tied"]);
        let rules = Rules::new(3);
        let mut rng = StdRng::seed_from_u64(4);
        let mut train = generate(&options, rules, 150, 2, &mut rng).unwrap();
        let test = train.split_off(150);
        let interruption = Interruption::default();
        interruption.request();
        run(&options, rules, &train, test, &interruption, &mut rng).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > 0);
        std::fs::remove_file(&path).unwrap();
    }
}
