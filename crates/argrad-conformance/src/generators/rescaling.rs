//! The same programs in other units.

use argrad_solver::{Cone, Structure};

use super::KnownSolution;
use super::draws::Draws;
use crate::Numbers;

/// `known` with every variable and every cone (every row of zero and nonnegative cones) in units of
/// its own, from `10^-decades` to `10^decades`, at random, the same for the whole batch: with
/// diagonal matrices of units D and E,
/// ```text
/// x = D x'   P' = D P D   q' = D q   A' = E A D   b' = E b   s' = E s   z = E z'
/// ```
/// Units are powers of two, so that nothing is rounded: the solution is known as well as before,
/// and so is every derivative, `dx = D dx'`, `dL/dq' = D^-1 dL/dq` and so forth.
pub fn rescaled(known: &KnownSolution, decades: f64, seed: u64) -> KnownSolution {
    let (d, e) = units(&known.batch.structure, decades, seed);
    let mut scaled = known.clone();
    let (p, a) = (known.batch.structure.p(), known.batch.structure.a());
    let of_p: Vec<f64> = p.entries().map(|(i, j)| d[i] * d[j]).collect();
    let of_a: Vec<f64> = a.entries().map(|(i, j)| e[i] * d[j]).collect();
    let inverse = |units: &[f64]| -> Vec<f64> { units.iter().map(|u| u.recip()).collect() };
    let batch = &mut scaled.batch;
    for (numbers, units) in
        [(&mut batch.p, &of_p), (&mut batch.q, &d), (&mut batch.a, &of_a), (&mut batch.b, &e)]
    {
        let (Numbers::Shared(values) | Numbers::Each(values)) = numbers;
        multiply(values, units);
    }
    multiply(&mut scaled.x, &inverse(&d));
    multiply(&mut scaled.z, &inverse(&e));
    multiply(&mut scaled.s, &e);
    scaled
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
