//! The same programs in other units.

use argrad_solver::{Cone, Structure};

use super::KnownSolution;
use super::draws::Draws;
use crate::ProgramBatch;

/// The units of a program: with diagonal matrices D and E, x in units of `point * D^-1`, s in units
/// of `point * E`, the objective in units of `objective * point^2`,
/// ```text
/// P' = objective D P D   q' = objective point D q   A' = E A D   b' = point E b
/// x' = point D^-1 x      s' = point E s             z' = objective point E^-1 z
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Units {
    /// The diagonal of D.
    pub variables: Vec<f64>,
    /// The diagonal of E: the same number for all rows of a cone that is not a half-line.
    pub rows: Vec<f64>,
    /// Of x and s together.
    pub point: f64,
    /// Of P, beside those of the variables.
    pub objective: f64,
}

impl Units {
    /// All ones, for this structure.
    pub fn ones(structure: &Structure) -> Self {
        Self {
            variables: vec![1.0; structure.variables()],
            rows: vec![1.0; structure.rows()],
            point: 1.0,
            objective: 1.0,
        }
    }

    /// Every variable and every cone (every row of zero and nonnegative cones) in a unit of its
    /// own, from `10^-decades` to `10^decades`, at random; powers of two, so that nothing is
    /// rounded.
    pub fn random(structure: &Structure, decades: f64, seed: u64) -> Self {
        let (variables, rows) = units(structure, decades, seed);
        Self { variables, rows, point: 1.0, objective: 1.0 }
    }

    /// `batch` in these units.
    pub fn of_batch(&self, batch: &ProgramBatch) -> ProgramBatch {
        let Self { variables: d, rows: e, point, objective } = self;
        let mut scaled = batch.clone();
        let (p, a) = (batch.structure.p(), batch.structure.a());
        let of_p: Vec<f64> = p.entries().map(|(i, j)| objective * d[i] * d[j]).collect();
        let of_a: Vec<f64> = a.entries().map(|(i, j)| e[i] * d[j]).collect();
        let of_q = times(d, objective * point);
        let of_b = times(e, *point);
        for (numbers, units) in [
            (&mut scaled.p, &of_p),
            (&mut scaled.q, &of_q),
            (&mut scaled.a, &of_a),
            (&mut scaled.b, &of_b),
        ] {
            multiply(numbers.as_mut_slice(), units);
        }
        scaled
    }

    /// `known` in these units: as well known as before where they are powers of two, and so is
    /// every derivative.
    pub fn of_known(&self, known: &KnownSolution) -> KnownSolution {
        let Self { variables, rows, point, objective } = self;
        let inverse = |units: &[f64]| -> Vec<f64> { units.iter().map(|u| u.recip()).collect() };
        let mut scaled = known.clone();
        scaled.batch = self.of_batch(&known.batch);
        multiply(&mut scaled.x, &times(&inverse(variables), *point));
        multiply(&mut scaled.s, &times(rows, *point));
        multiply(&mut scaled.z, &times(&inverse(rows), objective * point));
        scaled
    }
}

/// `known` with every variable and every row in a unit of its own, [`Units::random`].
pub fn rescaled(known: &KnownSolution, decades: f64, seed: u64) -> KnownSolution {
    Units::random(&known.batch.structure, decades, seed).of_known(known)
}

fn times(units: &[f64], factor: f64) -> Vec<f64> {
    units.iter().map(|unit| unit * factor).collect()
}

/// Units of the variables and of the rows.
fn units(structure: &Structure, decades: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let draws = &mut Draws::of_shared(seed);
    let mut unit = || {
        let exponent = (2.0 * draws.uniform() - 1.0) * decades * std::f64::consts::LOG2_10;
        exponent.round().exp2()
    };
    let variables = (0..structure.variables()).map(|_| unit()).collect();
    let mut rows = Vec::with_capacity(structure.rows());
    for cone in structure.cones() {
        match cone {
            Cone::Zero(k) | Cone::Nonnegative(k) => rows.extend((0..*k).map(|_| unit())),
            _ => rows.extend(std::iter::repeat_n(unit(), cone.dim())),
        }
    }
    (variables, rows)
}

fn multiply(values: &mut [f64], units: &[f64]) {
    for (value, unit) in values.iter_mut().zip(units.iter().cycle()) {
        *value *= unit;
    }
}
