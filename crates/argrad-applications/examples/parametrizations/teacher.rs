//! The programs, and the teacher whose solutions a student is to find.
//!
//! ```text
//! minimize 1/2 |x|^2 + q'x   subject to   Ax = A exp(w),  x >= 0
//! ```
//!
//! A and w are what is learned; exp(w) > 0 is feasible whatever they are. q is given.

use argrad::feasible_rhs::FeasibleRhs;
use argrad::{Error, MatrixShape, QpCotangent, QpLayer, QpShape, QpValues, Settings, Slot};
use argrad_applications::normal::normal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Variables.
pub const N: usize = 10;
/// Equalities.
pub const ROWS: usize = 4;

/// The layer with its constant parts.
pub struct Program {
    layer: QpLayer,
    rhs: FeasibleRhs,
    ones: Vec<f64>,
    minus_ones: Vec<f64>,
    zeros: Vec<f64>,
}

/// The loss of a student and its gradients.
pub struct Graded {
    pub loss: f64,
    pub a: Vec<f64>,
    pub w: Vec<f64>,
}

impl Program {
    pub fn new() -> Result<Self, Error> {
        let equalities = MatrixShape::Dense { rows: ROWS, cols: N };
        let shape = QpShape::new(N)
            .quadratic(MatrixShape::Diagonal(N))
            .equalities(equalities.clone())
            .inequalities(MatrixShape::Diagonal(N));
        Ok(Self {
            layer: QpLayer::new(shape, Settings::default())?,
            rhs: FeasibleRhs::new(&equalities),
            ones: vec![1.0; N],
            minus_ones: vec![-1.0; N],
            zeros: vec![0.0; N],
        })
    }

    /// Solutions for each q.
    pub fn solve(&self, a: &[f64], w: &[f64], q: &[f64]) -> Result<Vec<f64>, Error> {
        let b = self.rhs.forward(1, Slot::Shared(a), Slot::Shared(w))?;
        Ok(self.layer.solve(&self.values(a, b.slot(), q))?.x)
    }

    /// The mean squared distance of solutions from `targets`, with its gradients.
    pub fn grade(&self, a: &[f64], w: &[f64], q: &[f64], targets: &[f64]) -> Result<Graded, Error> {
        let (at_a, at_w) = (Slot::Shared(a), Slot::Shared(w));
        let b = self.rhs.forward(1, at_a, at_w)?;
        let (solution, tape) = self.layer.forward(&self.values(a, b.slot(), q))?;
        let errors = solution.x.iter().zip(targets).map(|(x, target)| x - target);
        let errors: Vec<f64> = errors.collect();
        let count = (q.len() / N) as f64;
        let loss = errors.iter().map(|e| e * e).sum::<f64>() / count;
        let cotangent: Vec<f64> = errors.iter().map(|e| 2.0 * e / count).collect();
        let cotangent = QpCotangent { x: Some(&cotangent), ..Default::default() };
        let gradients = self.layer.backward(&tape, &cotangent)?;
        let of_rhs = self.rhs.backward(1, at_a, at_w, &gradients.b)?;
        let mut of_a = gradients.a;
        of_a.iter_mut().zip(&of_rhs.a).for_each(|(sum, more)| *sum += more);
        Ok(Graded { loss, a: of_a, w: of_rhs.w })
    }

    fn values<'a>(&'a self, a: &'a [f64], b: Slot<'a>, q: &'a [f64]) -> QpValues<'a> {
        QpValues::new(q.len() / N, Slot::Shared(&self.ones), Slot::Each(q))
            .equalities(Slot::Shared(a), b)
            .inequalities(Slot::Shared(&self.minus_ones), Slot::Shared(&self.zeros))
    }
}

/// What a student is given.
pub struct Lesson {
    /// Objectives, `batch * N`.
    pub q: Vec<f64>,
    /// The teacher's solutions.
    pub targets: Vec<f64>,
    /// Where the student starts: M, before it is scaled, and w.
    pub free: Vec<f64>,
    pub w: Vec<f64>,
}

impl Lesson {
    pub fn new(program: &Program, seed: u64, batch: usize) -> Result<Self, Error> {
        let mut rng = StdRng::seed_from_u64(seed);
        let a = normals(&mut rng, ROWS * N);
        let w: Vec<f64> = (0..N).map(|_| rng.random_range(-1.0..1.0)).collect();
        let q = normals(&mut rng, batch * N);
        let targets = program.solve(&a, &w, &q)?;
        let free = normals(&mut rng, ROWS * N);
        Ok(Self { q, targets, free, w: vec![0.0; N] })
    }
}

fn normals(rng: &mut StdRng, len: usize) -> Vec<f64> {
    (0..len).map(|_| normal(rng)).collect()
}
