//! The same programs in many units: is each solved, and is it the same solution?

use argrad_conformance::generators::{KnownSolution, Units};
use argrad_conformance::{Numbers, ProgramBatch, relative_error};
use argrad_solver::{
    Cotangent, Differentiation, Error, Gradients, OnFailure, Settings, Solution, Solver,
};

use crate::families::families;
use crate::quantiles::Quantiles;
use crate::{Arguments, Row};

/// Largest relative difference of x and of gradients from those in the first units.
const TOLERANCE: f64 = 1e-9;

pub const HEADER: [&str; 7] = [
    "family",
    "what is scaled",
    "programs",
    "solved",
    "x: worst difference",
    "gradient: worst difference",
    "bitwise equal",
];

pub fn rows(arguments: &Arguments) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for family in families(arguments.count) {
        let mut programs = family.programs;
        programs.seed = arguments.seed;
        let known = programs.known_solution();
        let base = Answer::new(&known)?;
        let ones = Units::ones(&known.batch.structure);
        let sweep = |with: &dyn Fn(f64) -> Units| -> Vec<Units> {
            (-10..=10)
                .map(|k| with((f64::from(k) * std::f64::consts::LOG2_10).round().exp2()))
                .collect()
        };
        let random = |rows: bool, variables: bool| -> Vec<Units> {
            (1..=10)
                .map(|decades| {
                    let structure = &known.batch.structure;
                    let units = Units::random(structure, f64::from(decades), 7);
                    Units {
                        rows: if rows { units.rows } else { ones.rows.clone() },
                        variables: if variables { units.variables } else { ones.variables.clone() },
                        ..ones.clone()
                    }
                })
                .collect()
        };
        for (name, units, is_exact) in [
            ("point (q, b)", sweep(&|t| Units { point: t, ..ones.clone() }), true),
            ("objective (P, q)", sweep(&|t| Units { objective: t, ..ones.clone() }), true),
            (
                "all variables (P, q, A)",
                sweep(&|t| Units { variables: vec![t; programs.variables], ..ones.clone() }),
                true,
            ),
            (
                "all rows (A, b)",
                sweep(&|t| Units { rows: vec![t; programs.rows()], ..ones.clone() }),
                true,
            ),
            ("each row", random(true, false), false),
            ("each variable", random(false, true), false),
            ("each of both", random(true, true), false),
        ] {
            rows.push(row(family.name, name, &known, &base, &units, is_exact)?);
        }
    }
    Ok(rows)
}

/// Solutions of a batch, and gradients of a random function of x.
struct Answer {
    solution: Solution,
    gradients: Gradients,
}

impl Answer {
    fn new(known: &KnownSolution) -> Result<Self, Error> {
        Self::with(known, &vec![1.0; known.batch.variables()])
    }

    /// The function is the same in all units: `variables` are those of x.
    fn with(known: &KnownSolution, variables: &[f64]) -> Result<Self, Error> {
        let batch = &known.batch;
        let n = batch.variables();
        let mut gx = argrad_conformance::generators::normal_vector(n, batch.batch, 5);
        gx.iter_mut().zip(variables.iter().cycle()).for_each(|(g, unit)| *g *= unit);
        let solver = Solver::new(batch.structure.clone(), Settings::default())?;
        let (solution, tape) = solver.forward(&batch.values())?;
        let how = Differentiation { on_failure: OnFailure::Nan, ..Differentiation::default() };
        let gradients = tape.vjp(&Cotangent { x: Some(&gx), ..Cotangent::default() }, &how)?;
        Ok(Self { solution, gradients })
    }

    /// Gradients of sample `i` times the numbers that they belong to: they have the unit of the
    /// function, which is that of the point.
    fn sensitivity(&self, batch: &ProgramBatch, i: usize, point: f64) -> Vec<f64> {
        let Gradients { p, q, a, b, .. } = &self.gradients;
        let parts = [(p, &batch.p), (q, &batch.q), (a, &batch.a), (b, &batch.b)];
        let product = |(gradient, numbers): (&Vec<f64>, &Numbers)| -> Vec<f64> {
            let len = gradient.len() / batch.batch;
            let numbers = numbers.sample(i, len);
            gradient[i * len..][..len].iter().zip(numbers).map(|(g, v)| g * v / point).collect()
        };
        parts.into_iter().flat_map(product).collect()
    }
}

fn row(
    family: &str,
    name: &str,
    known: &KnownSolution,
    base: &Answer,
    units: &[Units],
    is_exact: bool,
) -> Result<Row, Error> {
    let n = known.batch.variables();
    let count = known.batch.batch;
    let base_sensitivities: Vec<Vec<f64>> =
        (0..count).map(|i| base.sensitivity(&known.batch, i, 1.0)).collect();
    let (mut solved, mut equal) = (0, 0);
    let (mut x_errors, mut gradient_errors) = (Vec::new(), Vec::new());
    for units in units {
        let scaled = units.of_known(known);
        let answer = Answer::with(&scaled, &units.variables)?;
        let Units { variables, point, .. } = units;
        for (i, expected_sensitivity) in base_sensitivities.iter().enumerate() {
            solved += usize::from(answer.solution.reports[i].is_solved());
            // Back in the first units.
            let x: Vec<f64> =
                (0..n).map(|j| answer.solution.x[i * n + j] * variables[j] / point).collect();
            let expected = &base.solution.x[i * n..][..n];
            let sensitivity = answer.sensitivity(&scaled.batch, i, *point);
            equal += usize::from(x == expected && &sensitivity == expected_sensitivity);
            x_errors.push(relative_error(&x, expected));
            gradient_errors.push(relative_error(&sensitivity, expected_sensitivity));
        }
    }
    let total = count * units.len();
    let (x, gradient) =
        (Quantiles::new(x_errors.into_iter()), Quantiles::new(gradient_errors.into_iter()));
    let met = solved == total
        && x.worst() <= TOLERANCE
        && gradient.worst() <= TOLERANCE
        && (equal == total || !is_exact);
    let cells = vec![
        family.to_owned(),
        name.to_owned(),
        total.to_string(),
        solved.to_string(),
        format!("{:.1e}", x.worst()),
        format!("{:.1e}", gradient.worst()),
        equal.to_string(),
    ];
    Ok(Row { cells, met })
}
