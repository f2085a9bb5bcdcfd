//! The network for 9x9 boards: the layer several times over, each time with what it said before in
//! its objective.
//!
//! ```text
//! z_k = argmin  c/2 z'z - (g givens + f z_(k-1))'z   subject to  Az = b,  z >= 0
//! ```
//!
//! from z_0 = 0. c = 0.1 is the curvature of OptNet's layer. The gain g of the givens and the
//! feedback f are learned, by gradients through all passes. Without feedback a layer says of what
//! it does not know the average. With f > c, passes lead to a corner, where more numbers are 0 or
//! 1: they are steps of the convex-concave procedure for `(c - f)/2 z'z - g givens'z`, a concave
//! objective (Yuille and Rangarajan, "The concave-convex procedure", 2003).

use argrad::Error;

use crate::relaxation::Relaxation;

/// c.
pub const CURVATURE: f64 = 0.1;

/// What is learned of the objective, as logarithms: both numbers are positive.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// log g, log f.
    pub logarithms: [f64; 2],
}

impl Objective {
    /// Where training starts: the gain of OptNet's layer, and feedback that is less than the
    /// curvature.
    pub fn start() -> Self {
        Self { logarithms: [0.0, (0.5 * CURVATURE).ln()] }
    }

    /// g.
    pub fn gain(&self) -> f64 {
        self.logarithms[0].exp()
    }

    /// f.
    pub fn feedback(&self) -> f64 {
        self.logarithms[1].exp()
    }

    /// Gains of a pass, from the givens and what the pass before said, both one-hot.
    fn gains(&self, givens: &[f64], before: &[f64]) -> Vec<f64> {
        let numbers = givens.iter().zip(before);
        numbers.map(|(given, z)| self.gain() * given + self.feedback() * z).collect()
    }

    /// What each pass says, `boards * width` numbers each. `stop` is asked before each pass.
    pub fn run(
        &self,
        layer: &Relaxation,
        givens: &[f64],
        passes: usize,
        stop: impl Fn() -> bool,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let mut said: Vec<Vec<f64>> = Vec::new();
        let nothing = vec![0.0; givens.len()];
        while said.len() < passes && !stop() {
            let before = said.last().unwrap_or(&nothing);
            let z = layer.solve(&self.gains(givens, before))?;
            said.push(z);
        }
        Ok(said)
    }

    /// What the last pass says; the mean squared error of that, and its gradient by the logarithms.
    pub fn gradient(
        &self,
        layer: &Relaxation,
        givens: &[f64],
        target: &[f64],
        passes: usize,
    ) -> Result<Lesson, Error> {
        let mut said = vec![vec![0.0; givens.len()]];
        let mut tapes = Vec::new();
        for pass in 0..passes {
            let (z, tape) = layer.forward(&self.gains(givens, &said[pass]))?;
            said.push(z);
            tapes.push(tape);
        }
        let count = target.len() as f64;
        let difference: Vec<f64> = said[passes].iter().zip(target).map(|(z, t)| z - t).collect();
        let loss = dot(&difference, &difference) / count;
        let mut cotangent: Vec<f64> = difference.iter().map(|d| 2.0 * d / count).collect();
        let mut gradient = [0.0; 2];
        for pass in (0..passes).rev() {
            let by_gains = layer.backward(&tapes[pass], &cotangent)?;
            gradient[0] += self.gain() * dot(&by_gains, givens);
            gradient[1] += self.feedback() * dot(&by_gains, &said[pass]);
            cotangent = by_gains.iter().map(|number| self.feedback() * number).collect();
        }
        let answers = said.pop().unwrap_or_default();
        Ok(Lesson { loss, gradient, answers })
    }
}

/// One batch of examples, and what it teaches.
pub struct Lesson {
    pub loss: f64,
    /// By the logarithms of the objective.
    pub gradient: [f64; 2],
    /// What the last pass said.
    pub answers: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine_hull::Counts;
    use crate::board::Rules;
    use crate::puzzles;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let rules = Rules::new(2);
        let puzzles = puzzles::generate(rules, 300, &mut StdRng::seed_from_u64(2)).unwrap();
        let equalities = Counts::new(rules, &puzzles).equalities();
        let layer = Relaxation::new(&equalities, CURVATURE).unwrap();
        let givens = rules.one_hot(puzzles[..20].iter().map(|puzzle| &puzzle.clues[..]));
        let target = rules.one_hot(puzzles[..20].iter().map(|puzzle| &puzzle.solution[..]));
        let loss = |logarithms| {
            let objective = Objective { logarithms };
            objective.gradient(&layer, &givens, &target, 3).unwrap()
        };
        let at = [-1.5, -3.2];
        let lesson = loss(at);
        for k in 0..2 {
            let step = 1e-5;
            let (mut above, mut below) = (at, at);
            (above[k], below[k]) = (at[k] + step, at[k] - step);
            let difference = (loss(above).loss - loss(below).loss) / (2.0 * step);
            let gradient = lesson.gradient[k];
            assert!(gradient.abs() > 1e-4, "{gradient}");
            assert!(
                (gradient - difference).abs() < 1e-6 * gradient.abs(),
                "{gradient} {difference}"
            );
        }
    }
}
