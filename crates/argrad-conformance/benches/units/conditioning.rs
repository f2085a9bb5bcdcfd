//! Gradients of ill-conditioned quadratic programs, against the exact active-set oracle.

use std::time::Instant;

use argrad_conformance::active_set::ActiveSetSolution;
use argrad_conformance::generators::{Size, ill_conditioned, normal_vector};
use argrad_conformance::relative_error;
use argrad_solver::{Cotangent, Differentiation, Error, OnFailure, Settings, Solver};

use crate::quantiles::Quantiles;
use crate::{Arguments, Row};

/// Errors may be this many times the condition number times the rounding, or of a size that is
/// said.
const FACTOR: f64 = 1e3;
const ROUNDING: f64 = 1e-16;
/// What is said may be this many times too small.
const SAID: f64 = 100.0;

pub const HEADER: [&str; 11] = [
    "n",
    "cond(P)",
    "programs",
    "solved",
    "unique",
    "x: worst error",
    "gradients: median",
    "worst",
    "worst / allowed",
    "worst / said",
    "backward / forward",
];

pub fn rows(arguments: &Arguments) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for n in [20, 60, 200] {
        for exponent in [2, 4, 6, 8, 10] {
            let count =
                if n == 200 { arguments.count.div_ceil(30) } else { arguments.count.div_ceil(5) };
            rows.push(row(n, exponent, count, arguments.seed)?);
        }
    }
    Ok(rows)
}

fn row(n: usize, exponent: i32, count: usize, seed: u64) -> Result<Row, Error> {
    let size = Size { variables: n, inequalities: n / 3, equalities: 0, batch: count };
    let condition = 10_f64.powi(exponent);
    let known = ill_conditioned(size, condition, seed);
    let (batch, m) = (&known.batch, size.inequalities);
    let solver = Solver::new(batch.structure.clone(), Settings::default())?;
    let began = Instant::now();
    let (solution, tape) = solver.forward(&batch.values())?;
    let forward = began.elapsed();
    let (gx, gz) = (normal_vector(n, count, 11), normal_vector(m, count, 12));
    let cotangent = Cotangent { x: Some(&gx), z: Some(&gz), s: None };
    let how = Differentiation { on_failure: OnFailure::Nan, ..Differentiation::default() };
    let began = Instant::now();
    let gradients = tape.vjp(&cotangent, &how)?;
    let backward = began.elapsed();
    let solved = solution.reports.iter().filter(|report| report.is_solved()).count();
    let unique = solution.reports.iter().filter(|report| report.is_unique()).count();
    let (mut x_errors, mut errors, mut allowed, mut said) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for i in 0..count {
        let rows = i * m..(i + 1) * m;
        let exact = ActiveSetSolution::solve(
            &batch.program(i),
            &solution.z[rows.clone()],
            &solution.s[rows.clone()],
        );
        let Ok(exact) = exact else {
            errors.push(f64::NAN);
            continue;
        };
        x_errors.push(relative_error(&solution.x[i * n..][..n], &exact.x));
        let expected =
            exact.vjp(&gx[i * n..][..n], &gz[rows], &vec![0.0; m]).stored(&batch.structure);
        let part = |values: &[f64]| -> Vec<f64> {
            let len = values.len() / count;
            values[i * len..][..len].to_vec()
        };
        let error = [
            relative_error(&part(&gradients.p), &expected.p),
            relative_error(&part(&gradients.q), &expected.q),
            relative_error(&part(&gradients.a), &expected.a),
            relative_error(&part(&gradients.b), &expected.b),
        ]
        .into_iter()
        .fold(0.0, f64::max);
        errors.push(error);
        allowed.push(error / (FACTOR * condition * ROUNDING));
        said.push(error / gradients.accuracy[i]);
    }
    let [x_errors, errors, allowed, said] =
        [x_errors, errors, allowed, said].map(|values| Quantiles::new(values.into_iter()));
    let met = solved == count
        && unique == count
        && (allowed.worst() <= 1.0 || said.worst() <= SAID)
        && !errors.worst().is_nan();
    let cells = vec![
        n.to_string(),
        format!("1e{exponent}"),
        count.to_string(),
        solved.to_string(),
        unique.to_string(),
        format!("{:.1e}", x_errors.worst()),
        format!("{:.1e}", errors.median()),
        format!("{:.1e}", errors.worst()),
        format!("{:.1e}", allowed.worst()),
        format!("{:.1e}", said.worst()),
        format!("{:.2}", backward.as_secs_f64() / forward.as_secs_f64()),
    ];
    Ok(Row { cells, met })
}
