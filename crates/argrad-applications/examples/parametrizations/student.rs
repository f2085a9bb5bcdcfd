//! A student: what it learns, how, and from where.

use argrad::orthonormal_rows::OrthonormalRows;
use argrad::row_normalized::RowNormalized;
use argrad::{Error, MatrixShape, Slot};

use crate::teacher::{Lesson, N, Program, ROWS};

/// What A is of the numbers that are learned. The set of feasible points is that of the numbers
/// themselves under each, so that without putting back all three are one and the same training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parametrization {
    /// Themselves.
    Free,
    /// With rows of norm one.
    Normalized,
    /// The polar factor.
    Orthonormal,
}

/// A parametrization, and whether the numbers are replaced by A after each step: nothing of them is
/// left then but what A shows.
pub type Variant = (Parametrization, bool);

/// All that are compared.
pub const VARIANTS: [Variant; 5] = [
    (Parametrization::Free, false),
    (Parametrization::Normalized, false),
    (Parametrization::Normalized, true),
    (Parametrization::Orthonormal, false),
    (Parametrization::Orthonormal, true),
];

pub fn name((parametrization, retracted): Variant) -> &'static str {
    match (parametrization, retracted) {
        (Parametrization::Free, _) => "free",
        (Parametrization::Normalized, false) => "normalized",
        (Parametrization::Normalized, true) => "normalized, put back",
        (Parametrization::Orthonormal, false) => "orthonormal",
        (Parametrization::Orthonormal, true) => "orthonormal, put back",
    }
}

/// The rows of M at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Of length one.
    Even,
    /// Of lengths 1/10 to 10.
    Uneven,
    /// Of length one, and within about 20 degrees of each other.
    Parallel,
}

pub const STARTS: [Start; 3] = [Start::Even, Start::Uneven, Start::Parallel];

impl Start {
    pub fn name(self) -> &'static str {
        match self {
            Start::Even => "even rows",
            Start::Uneven => "uneven rows",
            Start::Parallel => "nearly parallel rows",
        }
    }

    fn apply(self, free: &[f64]) -> Vec<f64> {
        let mut rows = free.to_vec();
        if self == Start::Parallel {
            for i in 1..ROWS {
                for j in 0..N {
                    rows[i * N + j] = free[j] + 0.25 * free[i * N + j];
                }
            }
        }
        for (i, row) in rows.chunks_mut(N).enumerate() {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            let exponent = 2.0 * i as f64 / (ROWS - 1) as f64 - 1.0;
            let length = if self == Start::Uneven { 10_f64.powf(exponent) } else { 1.0 };
            row.iter_mut().for_each(|v| *v *= length / norm);
        }
        rows
    }
}

/// How it learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    GradientDescent,
    /// Kingma and Ba 2015, with their defaults but for the rate.
    Adam,
}

pub const METHODS: [Method; 2] = [Method::GradientDescent, Method::Adam];

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::GradientDescent => "gradient descent",
            Method::Adam => "Adam",
        }
    }

    /// The rates that are tried.
    pub fn rates(self) -> [f64; 4] {
        match self {
            Method::GradientDescent => [0.01, 0.03, 0.1, 0.3],
            Method::Adam => [0.01, 0.03, 0.1, 0.3],
        }
    }
}

/// The moments of Adam.
struct Moments {
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
}

impl Moments {
    fn step(&mut self, method: Method, rate: f64, x: &mut [f64], gradient: &[f64]) {
        const DECAY: [f64; 2] = [0.9, 0.999];
        self.steps += 1;
        for (k, (x, g)) in x.iter_mut().zip(gradient).enumerate() {
            if method == Method::GradientDescent {
                *x -= rate * g;
                continue;
            }
            self.first[k] += (1.0 - DECAY[0]) * (g - self.first[k]);
            self.second[k] += (1.0 - DECAY[1]) * (g * g - self.second[k]);
            let mean = self.first[k] / (1.0 - DECAY[0].powi(self.steps));
            let square = self.second[k] / (1.0 - DECAY[1].powi(self.steps));
            *x -= rate * mean / (square.sqrt() + 1e-8);
        }
    }
}

/// One experiment.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub variant: Variant,
    pub start: Start,
    pub method: Method,
    pub rate: f64,
}

/// The losses before each step and after the last; where a step leads to no number, or to rows that
/// are dependent, the last loss stays.
pub fn train(
    program: &Program,
    lesson: &Lesson,
    setting: Setting,
    steps: usize,
) -> Result<Vec<f64>, Error> {
    let maps = Maps {
        normalized: RowNormalized::new(&MatrixShape::Dense { rows: ROWS, cols: N }),
        orthonormal: OrthonormalRows::new(ROWS, N)?,
    };
    let (parametrization, retracted) = setting.variant;
    let mut parameters = setting.start.apply(&lesson.free);
    parameters.extend(&lesson.w);
    let len = parameters.len();
    let mut moments = Moments { first: vec![0.0; len], second: vec![0.0; len], steps: 0 };
    let mut losses = Vec::with_capacity(steps + 1);
    for _ in 0..=steps {
        let (free, w) = parameters.split_at(ROWS * N);
        let step = maps.forward(parametrization, free).and_then(|a| {
            let graded = program.grade(&a, w, &lesson.q, &lesson.targets)?;
            let gradient = maps.backward(parametrization, free, &graded.a)?;
            Ok((graded.loss, [gradient, graded.w].concat()))
        });
        let Some((loss, gradient)) = step.ok().filter(|step| step.0.is_finite()) else { break };
        losses.push(loss);
        moments.step(setting.method, setting.rate, &mut parameters, &gradient);
        if retracted && let Ok(a) = maps.forward(parametrization, &parameters[..ROWS * N]) {
            parameters[..ROWS * N].copy_from_slice(&a);
        }
    }
    let last = losses.last().copied().unwrap_or(f64::NAN);
    losses.resize(steps + 1, last);
    Ok(losses)
}

struct Maps {
    normalized: RowNormalized,
    orthonormal: OrthonormalRows,
}

/// A right-hand side of zeros: b is made after A, by exp(w).
const NO_RHS: [f64; ROWS] = [0.0; ROWS];

impl Maps {
    fn forward(&self, parametrization: Parametrization, free: &[f64]) -> Result<Vec<f64>, Error> {
        let at = Slot::Shared(free);
        match parametrization {
            Parametrization::Free => Ok(free.to_vec()),
            Parametrization::Normalized => {
                Ok(self.normalized.forward(1, at, Slot::Shared(&NO_RHS))?.matrix)
            }
            Parametrization::Orthonormal => self.orthonormal.forward(1, at),
        }
    }

    fn backward(
        &self,
        parametrization: Parametrization,
        free: &[f64],
        gradient: &[f64],
    ) -> Result<Vec<f64>, Error> {
        let (at, none) = (Slot::Shared(free), Slot::Shared(&NO_RHS[..]));
        match parametrization {
            Parametrization::Free => Ok(gradient.to_vec()),
            Parametrization::Normalized => {
                Ok(self.normalized.backward(1, at, none, gradient, &NO_RHS)?.matrix)
            }
            Parametrization::Orthonormal => self.orthonormal.backward(1, at, gradient),
        }
    }
}
