//! The optimization layer: a quadratic program whose equality constraints are learned.

use argrad::feasible_rhs::{FeasibleRhs, RightHandSide};
use argrad::{
    Differentiation, Error, MatrixShape, Mode, QpCotangent, QpLayer, QpShape, QpTape, QpValues,
    Settings, Slot,
};
use argrad_applications::command::Failure;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::board::Rules;
use crate::train::Network;

/// The solution is x in
///
/// ```text
/// minimize    1/2 x'Px - puzzle'x,  P = 0.1 I
/// subject to  Ax = A exp(w),  x >= 0
/// ```
///
/// with A and w learned. The rules of Sudoku are such equalities: each cell holds one digit, each
/// row, column and block holds each digit once. exp(w) satisfies all constraints, so that there is
/// a solution whatever is learned.
pub struct OptimizationLayer {
    program: QpLayer,
    /// b = A exp(w).
    right: FeasibleRhs,
    /// A, row-major, and w.
    learned: [Vec<f64>; 2],
    /// The diagonals of P and G, and h, which are not learned.
    fixed: [Vec<f64>; 3],
}

/// A solved board is a vertex where 48 bounds and 40 equalities meet in 64 variables: the exact
/// derivative exists next to it only, and is now and then very large. That of a point this far
/// inside is of use everywhere.
const MU: f64 = 1e-2;

impl OptimizationLayer {
    /// Learned equalities: as many as the rules have that do not follow from one another (the rank
    /// of all 64 or 324 of them).
    pub fn equalities(rules: Rules) -> usize {
        if rules.order() == 2 { 40 } else { 249 }
    }

    /// A uniform in (0, 1), w zero.
    ///
    /// # Errors
    /// None for the sizes of a board.
    pub fn new(rules: Rules, rng: &mut StdRng) -> Result<Self, Error> {
        let (n, rows) = (rules.width(), Self::equalities(rules));
        let equalities = MatrixShape::Dense { rows, cols: n };
        let right = FeasibleRhs::new(&equalities);
        let shape = QpShape::new(n)
            .quadratic(MatrixShape::Diagonal(n))
            .equalities(equalities)
            .inequalities(MatrixShape::Diagonal(n));
        let smoothed = Differentiation { mode: Mode::Smoothed(MU), ..Default::default() };
        Ok(Self {
            program: QpLayer::new(shape, Settings::default())?.with_differentiation(smoothed),
            right,
            learned: [(0..rows * n).map(|_| rng.random()).collect(), vec![0.0; n]],
            fixed: [vec![0.1; n], vec![-1.0; n], vec![0.0; n]],
        })
    }

    fn learned(&self) -> [Slot<'_>; 2] {
        [Slot::Shared(&self.learned[0]), Slot::Shared(&self.learned[1])]
    }

    /// b, of any number of boards: it is one for all.
    fn right_hand_side(&self) -> Result<RightHandSide, Error> {
        let [a, w] = self.learned();
        self.right.forward(1, a, w)
    }

    /// The programs of these boards; `q` is what the puzzles say, negated.
    fn values<'a>(&'a self, q: &'a [f64], b: &'a RightHandSide) -> QpValues<'a> {
        let [p, g, h] = &self.fixed;
        QpValues::new(q.len() / p.len(), Slot::Shared(p), Slot::Each(q))
            .equalities(self.learned()[0], b.slot())
            .inequalities(Slot::Shared(g), Slot::Shared(h))
    }
}

fn negated(puzzles: &[f64]) -> Vec<f64> {
    puzzles.iter().map(|number| -number).collect()
}

impl Network for OptimizationLayer {
    type Tape = QpTape;

    fn parameters(&mut self) -> Vec<&mut [f64]> {
        self.learned.iter_mut().map(Vec::as_mut_slice).collect()
    }

    fn answer(&self, puzzles: &[f64]) -> Result<Vec<f64>, Failure> {
        let b = self.right_hand_side()?;
        Ok(self.program.solve(&self.values(&negated(puzzles), &b))?.x)
    }

    fn forward(&self, puzzles: &[f64]) -> Result<(Vec<f64>, QpTape), Failure> {
        let b = self.right_hand_side()?;
        let (solution, tape) = self.program.forward(&self.values(&negated(puzzles), &b))?;
        Ok((solution.x, tape))
    }

    fn backward(&self, tape: &QpTape, cotangent: &[f64]) -> Result<Vec<Vec<f64>>, Failure> {
        let cotangent = QpCotangent { x: Some(cotangent), ..Default::default() };
        let by_values = self.program.backward(tape, &cotangent)?;
        // A stands in the program twice: in the left-hand side and in b.
        let [a, w] = self.learned();
        let by_right = self.right.backward(1, a, w, &by_values.b)?;
        let by_a = by_values.a.iter().zip(&by_right.a).map(|(left, right)| left + right).collect();
        Ok(vec![by_a, by_right.w])
    }
}
