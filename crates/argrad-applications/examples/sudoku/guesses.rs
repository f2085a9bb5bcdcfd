//! Several passes through the layer, the answer of each part of the objective of the next.
//!
//! A linear program may have solutions that are no boards: averages of several ways to fill a part
//! of it. Then the digit that the layer is most certain of, of those it has not decided, is added
//! to the givens, and the layer solves again. Where the givens and guesses together have no
//! solution, the optimal value is less than their number: the last guess was wrong, and that digit
//! is excluded instead, by a gain of -1. Depth first, as in branch and bound; but what a guess
//! implies is what the layer says, which knows of the rules what it has learned.

use argrad::Error;

use crate::relaxation::Relaxation;

/// A number this near to 0 or 1 is decided.
const DECIDED: f64 = 1e-5;

/// A digit added to the givens, or excluded: place in the one-hot board, and which of the two.
#[derive(Clone, Copy, Debug)]
struct Guess {
    at: usize,
    holds: bool,
}

/// Boards with what was guessed of them.
struct Attempt {
    givens: Vec<usize>,
    guesses: Vec<Guess>,
    finished: bool,
}

/// What came of the passes.
pub struct Answers {
    /// One-hot boards, `boards * width`: the last that the layer said.
    pub boards: Vec<f64>,
    /// Passes that each board took.
    pub passes: Vec<usize>,
}

/// Passes the boards, given as the places of their digits, through the layer until all numbers of
/// a board are 0 or 1; at most `limit` times, and until `stop`, which is asked before each.
pub fn solve(
    layer: &Relaxation,
    givens: &[Vec<usize>],
    side: usize,
    limit: usize,
    stop: impl Fn() -> bool,
) -> Result<Answers, Error> {
    let width = layer.width();
    let attempt = |givens: &Vec<usize>| Attempt {
        givens: givens.clone(),
        guesses: Vec::new(),
        finished: false,
    };
    let mut attempts: Vec<Attempt> = givens.iter().map(attempt).collect();
    let mut answers =
        Answers { boards: vec![0.0; givens.len() * width], passes: vec![0; givens.len()] };
    for pass in 1..=limit {
        let open: Vec<usize> = (0..attempts.len()).filter(|&k| !attempts[k].finished).collect();
        if open.is_empty() || stop() {
            break;
        }
        let gains: Vec<f64> = open.iter().flat_map(|&k| attempts[k].gains(width)).collect();
        let solved = layer.solve(&gains)?;
        for (&k, z) in open.iter().zip(solved.chunks(width)) {
            answers.passes[k] = pass;
            if attempts[k].next(z, side) {
                answers.boards[k * width..(k + 1) * width].copy_from_slice(z);
            }
        }
    }
    Ok(answers)
}

impl Attempt {
    fn gains(&self, width: usize) -> Vec<f64> {
        let mut gains = vec![0.0; width];
        for &at in &self.givens {
            gains[at] = 1.0;
        }
        for guess in &self.guesses {
            gains[guess.at] = if guess.holds { 1.0 } else { -1.0 };
        }
        gains
    }

    /// Learns from what the layer says; whether that agrees with givens and guesses.
    fn next(&mut self, z: &[f64], side: usize) -> bool {
        let given = self.givens.iter().all(|&at| z[at] > 1.0 - DECIDED);
        let guessed = |guess: &Guess| match guess.holds {
            true => z[guess.at] > 1.0 - DECIDED,
            false => z[guess.at] < DECIDED,
        };
        if !given || !self.guesses.iter().all(guessed) {
            while self.guesses.pop_if(|guess| !guess.holds).is_some() {}
            match self.guesses.last_mut() {
                Some(guess) => guess.holds = false,
                // Not even the givens agree with each other: there is nothing to take back.
                None => self.finished = true,
            }
            return self.finished;
        }
        let undecided = |digits: &[f64]| digits.iter().all(|&number| number <= 1.0 - DECIDED);
        let most_certain = z
            .chunks(side)
            .enumerate()
            .filter(|(_, digits)| undecided(digits))
            .flat_map(|(cell, digits)| {
                digits.iter().enumerate().map(move |(d, &number)| (number, cell * side + d))
            })
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        match most_certain {
            Some((_, at)) => self.guesses.push(Guess { at, holds: true }),
            None => self.finished = true,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine_hull::Equalities;
    use crate::board::Rules;

    /// The layer with the rules as they are.
    fn told(rules: Rules) -> Relaxation {
        let row = |set: Vec<usize>| {
            let mut row = vec![0.0; rules.width() + 1];
            set.into_iter().chain([rules.width()]).for_each(|place| row[place] = 1.0);
            row
        };
        let rows = rules.exactly_one().into_iter().map(row).collect();
        let equalities = Equalities { width: rules.width(), rows }.independent();
        Relaxation::new(&equalities, 0.0).unwrap()
    }

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    /// A board with few givens, which the linear program alone leaves open.
    const HARD: &str =
        "800000000003600000070090200050007000000045700000100030001000068008500010090000400";
    const SOLVED: &str =
        "812753649943682175675491283154237896369845721287169534521974368438526917796318452";

    #[test]
    fn guesses_solve_what_one_pass_leaves_open() {
        let rules = Rules::new(3);
        let givens = vec![rules.ones(&digits(HARD)).collect::<Vec<_>>()];
        let layer = told(rules);
        let one = solve(&layer, &givens, 9, 1, || false).unwrap();
        assert_ne!(rules.most_likely(&one.boards), digits(SOLVED));
        let many = solve(&layer, &givens, 9, 200, || false).unwrap();
        assert_eq!(rules.most_likely(&many.boards), digits(SOLVED));
        assert!(many.passes[0] > 1, "{} passes", many.passes[0]);
    }

    #[test]
    fn givens_that_contradict_each_other_end_the_guessing_and_harm_no_other_board() {
        let rules = Rules::new(2);
        let good = rules.ones(&digits("0300001040000002")).collect::<Vec<_>>();
        let bad = rules.ones(&digits("3300001040000002")).collect::<Vec<_>>();
        let layer = told(rules);
        let answers = solve(&layer, &[bad, good], 4, 50, || false).unwrap();
        assert!(answers.passes[0] < 50);
        assert_eq!(rules.most_likely(&answers.boards[64..]), digits("1324241342313142"));
    }
}
