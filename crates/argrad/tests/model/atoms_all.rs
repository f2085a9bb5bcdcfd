//! Every atom of the table: the graph has the atom's value, the gradient is that of the value,
//! layers with it can be read from a file, and the page of documentation says of it what the code
//! says.

use argrad::atoms::*;
use argrad::prelude::*;

use super::atom_table::{Arg, Build, TABLE, properties};
use super::derivative::check;

/// Values of the arguments of a row.
fn values_of(args: &[Arg], seed: u64) -> Vec<Vec<f64>> {
    args.iter().enumerate().map(|(at, arg)| arg.values(seed + 7 * at as u64)).collect()
}

#[test]
fn graphs_have_the_values_of_the_atoms() {
    let mut failures = Vec::new();
    for (name, args, build) in TABLE {
        for seed in [1, 2, 3] {
            for in_objective in [true, false] {
                if let Err(text) = has_its_value(args, *build, seed, in_objective) {
                    failures.push(format!("{name} seed {seed} objective {in_objective}: {text}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn has_its_value(args: &[Arg], build: Build, seed: u64, in_objective: bool) -> Result<(), String> {
    let model = Model::new();
    let values = values_of(args, seed);
    let (mut given, mut constraints) = (Vec::new(), Vec::new());
    for (arg, value) in args.iter().zip(&values) {
        let constant = model.constant(value).reshape(arg.shape());
        if *arg == Arg::Threshold {
            given.push(constant);
        } else {
            let x = model.variable(arg.shape());
            constraints.push(x.equals(constant));
            given.push(x);
        }
    }
    let result = build(&given);
    let concave = result.curvature() == Curvature::Concave;
    let objective = if in_objective {
        result.sum()
    } else {
        let t = model.variable(result.shape());
        constraints.push(if concave { t.leq(result) } else { t.geq(result) });
        t.sum()
    };
    let problem = if concave { Problem::maximize(objective) } else { Problem::minimize(objective) };
    let settings = Settings { tolerance: 1e-10, ..Settings::default() };
    let problem = problem.subject_to(constraints).with_settings(settings);
    let answer = problem.solve(&[]).map_err(|e| e.to_string())?;
    let expected: f64 = answer.get(result).unwrap().iter().sum();
    let off = (answer.value - expected).abs() / (1.0 + expected.abs());
    if answer.status == Status::Solved && off <= 1e-8 {
        return Ok(());
    }
    Err(format!("{:?} {} against {expected}, off by {off:e}", answer.status, answer.value))
}

/// Values that are known, found by the solver.
#[test]
fn known_values() {
    let is = |at: &[f64], build: fn(Expr<'_>) -> Expr<'_>, expected: f64| {
        let model = Model::new();
        let x = model.variable(at.len());
        let result = build(x);
        let concave = result.curvature() == Curvature::Concave;
        let problem = if concave { Problem::maximize(result) } else { Problem::minimize(result) };
        let answer = problem.subject_to([x.equals(at)]).solve(&[]).unwrap();
        assert!((answer.value - expected).abs() < 1e-8 * (1.0 + expected.abs()), "{result}");
    };
    is(&[3.0, -4.0], |x| norm1(x), 7.0);
    is(&[3.0, -4.0], |x| norm_inf(x), 4.0);
    is(&[3.0, -4.0], |x| pnorm(x, 3.0), 91f64.cbrt());
    is(&[1.0, 4.0], |x| pnorm(x, 0.5), 9.0);
    is(&[3.0, -4.0], |x| power(x, 4.0).sum(), 337.0);
    is(&[1.0, 2.0], |x| power(x, 3.0).sum(), 9.0);
    is(&[4.0, 9.0], |x| sqrt(x).sum(), 5.0);
    is(&[4.0, 9.0], |x| geo_mean(x), 6.0);
    is(&[8.0, 9.0, 3.0], |x| geo_mean(x), 6.0);
    is(&[1.0, 3.0], |x| harmonic_mean(x), 1.5);
    is(&[2.0, 4.0], |x| inv_pos(x).sum(), 0.75);
    is(&[0.0, 0.0], |x| logistic(x).sum(), 2.0 * 2f64.ln());
    is(&[0.0, 0.0], |x| log_sum_exp(x), 2f64.ln());
    is(&[0.5, -3.0], |x| huber(x, 1.0).sum(), 5.25);
    is(&[1.0, 1.0], |x| xexp(x).sum(), 2.0 * 1f64.exp());
    is(&[0.5, 0.5], |x| entr(x).sum(), 2f64.ln());
    is(&[2.0], |x| kl_div(x, [1.0]).sum(), 2.0 * 2f64.ln() - 1.0);
    is(&[1.0, 5.0, 2.0, 3.0], |x| sum_largest(x, 2.0), 8.0);
    is(&[1.0, 5.0, 2.0, 3.0], |x| sum_smallest(x, 2.5), 4.5);
    is(&[1.0, 5.0, 2.0, 3.0], |x| cvar(x, 0.5), 4.0);
    is(&[1.0, 5.0, 2.0, 3.0], |x| ptp(x), 4.0);
    is(&[1.0, 5.0, 2.0, 3.0], |x| tv(x), 8.0);
    is(&[1.0, 5.0, 2.0, 4.0], |x| var(x), 2.5);
    is(&[1.0, 5.0, 2.0, 4.0], |x| std(x), 2.5f64.sqrt());
    is(&[2.0, 1.0, 1.0, 2.0], |x| lambda_max(x.reshape((2, 2))), 3.0);
    is(&[2.0, 1.0, 1.0, 2.0], |x| lambda_min(x.reshape((2, 2))), 1.0);
    is(&[2.0, 1.0, 1.0, 2.0], |x| lambda_sum_largest(x.reshape((2, 2)), 2.0), 4.0);
    is(&[2.0, 1.0, 1.0, 2.0], |x| log_det(x.reshape((2, 2))), 3f64.ln());
    is(&[2.0, 1.0, 1.0, 2.0], |x| tr_inv(x.reshape((2, 2))), 4.0 / 3.0);
    is(&[0.0, 3.0, -4.0, 0.0], |x| norm_nuc(x.reshape((2, 2))), 7.0);
    is(&[0.0, 3.0, -4.0, 0.0], |x| sigma_max(x.reshape((2, 2))), 4.0);
    is(&[0.0, 3.0, -4.0, 0.0], |x| norm_fro(x.reshape((2, 2))), 5.0);
    is(&[0.0, 3.0, -4.0, 0.0], |x| mixed_norm(x.reshape((2, 2)), 2.0, 1.0), 7.0);
    is(&[0.0, 3.0, -4.0, 0.0], |x| tv(x.reshape((2, 2))), 5.0);
    is(&[1.0, 1.0], |x| matrix_frac(x, [[2.0, 1.0], [1.0, 2.0]]), 2.0 / 3.0);
    is(&[3.0, 2.0], |x| perspective(power(x.index(0), 3.0), x.index(1)), 27.0 / 4.0);
    is(&[3.0, 2.0], |x| perspective(square(x.index(0) - 1.0), x.index(1)), 0.5);
}

/// `min |y - f(p)|^2` has the solution f(p): its derivative is that of the atom.
#[test]
fn gradients_are_those_of_the_values_and_atoms_are_found_by_name() {
    for (name, args, build) in TABLE {
        println!("{name}");
        let model = Model::new();
        let parameter = |arg: &Arg| match arg {
            Arg::Positive | Arg::Above | Arg::Threshold => model.parameter(arg.shape()).nonneg(),
            Arg::Definite => model.parameter(arg.shape()).psd(),
            Arg::Symmetric => model.parameter(arg.shape()).symmetric(),
            _ => model.parameter(arg.shape()),
        };
        let parameters: Vec<Expr<'_>> = args.iter().map(parameter).collect();
        let result = build(&parameters);
        let y = model.variable(result.shape());
        let problem = Problem::minimize(sum_squares(y - result));
        let layer = problem.compile(parameters, [y]).unwrap();
        let values = values_of(args, 4);
        let text = serde_json::to_string(&layer).unwrap();
        let same: Layer = serde_json::from_str(&text).unwrap();
        let slices: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        let (first, second) = (layer.forward(&slices).unwrap(), same.forward(&slices).unwrap());
        assert_eq!(first.0.values, second.0.values, "{name}");
        let symmetric: Vec<usize> =
            (0..args.len()).filter(|at| args[*at].shape().is_square()).collect();
        check(layer, &values, &symmetric);
    }
}

#[test]
fn the_page_says_what_the_code_says() {
    let page = include_str!("../../../../docs/atoms.md");
    let rows: Vec<Vec<String>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect())
        .collect();
    let mut wrong = Vec::new();
    for (name, args, build) in TABLE {
        let (curvature, sign, monotonicity) = properties(args, *build);
        let sign = match sign {
            Sign::Nonneg => "+",
            Sign::Nonpos => "-",
            _ => "any",
        };
        let said = [curvature.to_string(), sign.to_owned(), monotonicity.join(", ")];
        let row = rows.iter().find(|row| row[0] == format!("`{name}`"));
        match row {
            Some(row) if row.len() == 7 && row[2..5] == said => {}
            _ => wrong.push(format!("| `{name}` | . | {} |", said.join(" | "))),
        }
    }
    assert!(wrong.is_empty(), "the rows of docs/atoms.md should say\n{}", wrong.join("\n"));
    let written = rows.iter().filter(|row| row.len() == 7).count();
    assert_eq!(written, TABLE.len(), "rows of atoms that the test does not know");
}
