//! Claims about geometric programs: known optima, derivatives, what is refused.

use argrad::atoms::*;
use argrad::gp::GpLayer;
use argrad::prelude::*;

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{found} against {expected}"
    );
}

/// Backward against central differences of the layer, and against jvp.
fn check(layer: &GpLayer, values: &[Vec<f64>]) -> Result<(), ModelError> {
    let settings = Settings { tolerance: 1e-12, ..Settings::default() };
    let layer = layer.clone().with_settings(settings)?;
    let slices = |values: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let own: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        layer.forward(&own).unwrap().0.values
    };
    let own: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let (outputs, tape) = layer.forward(&own)?;
    // Auxiliary variables of inactive constraints are not unique; the outputs are.
    let regular = |report: &Report| report.is_solved() && report.weakly_active == 0;
    assert!(outputs.reports.iter().all(regular), "{:?}", outputs.reports);
    let weight = |k: usize| 1.0 - 0.37 * (k % 5) as f64;
    let cotangents: Vec<Vec<f64>> =
        outputs.values.iter().map(|v| (0..v.len()).map(weight).collect()).collect();
    let cotangent_slices: Vec<&[f64]> = cotangents.iter().map(Vec::as_slice).collect();
    let gradients = layer.backward(&tape, &cotangent_slices)?;
    let value = |values: &[Vec<f64>]| -> f64 {
        let outputs = slices(values);
        let pairs = outputs.iter().zip(&cotangents);
        pairs.flat_map(|(v, c)| v.iter().zip(c)).map(|(v, c)| v * c).sum()
    };
    for (p, gradient) in gradients.iter().enumerate() {
        for (k, found) in gradient.iter().enumerate() {
            let at = |h: f64| {
                let mut moved = values.to_vec();
                moved[p][k] += h;
                value(&moved)
            };
            let central = |h: f64| (at(h) - at(-h)) / (2.0 * h);
            let h = 1e-3 * values[p][k];
            near(*found, (4.0 * central(h / 2.0) - central(h)) / 3.0, 1e-7);
        }
    }
    let tangents: Vec<Vec<f64>> =
        values.iter().map(|v| (0..v.len()).map(|k| weight(k + 2)).collect()).collect();
    let tangent_slices: Vec<&[f64]> = tangents.iter().map(Vec::as_slice).collect();
    let moved = layer.jvp(&tape, &tangent_slices)?;
    let dot = |a: &[Vec<f64>], b: &[Vec<f64>]| -> f64 {
        a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| a * b).sum()
    };
    near(dot(&moved, &cotangents), dot(&gradients, &tangents), 1e-9);
    Ok(())
}

/// Boyd et al., A Tutorial on Geometric Programming, section 2.2.
#[test]
fn the_largest_box() -> Result<(), ModelError> {
    let model = Model::new();
    let (h, w, d) = (model.variable(()), model.variable(()), model.variable(()));
    let (wall, floor) = (model.parameter(()).named("wall"), model.parameter(()));
    let walls = (2.0 * (h * w + h * d)).leq(wall);
    let problem = Problem::maximize(h * w * d).subject_to([
        walls,
        (w * d).leq(floor),
        (h / w).leq(2.0),
        (h / w).geq(0.5),
        (d / w).leq(2.0),
        (d / w).geq(0.5),
    ]);
    assert!(problem.is_dgp() && !problem.is_dcp());
    let answer = problem.solve_gp(&[(wall, &[200.0]), (floor, &[50.0])])?;
    // w = d = sqrt(floor), h = wall / (4 sqrt(floor)), volume = wall sqrt(floor) / 4.
    let root = 50f64.sqrt();
    near(answer.value, 50.0 * root, 1e-8);
    near(answer.get(h).unwrap()[0], root, 1e-7);
    near(answer.get(h * w * d).unwrap()[0], answer.value, 1e-7);
    near(answer.sensitivity(wall).unwrap()[0], root / 4.0, 1e-7);
    near(answer.sensitivity(floor).unwrap()[0], 200.0 / 4.0 * 0.5 / root, 1e-7);
    // One percent more wall, one percent more volume.
    near(answer.dual(walls).unwrap()[0], 1.0, 1e-7);
    let layer = problem.compile_gp([wall, floor], [h, w, d, h * w * d])?;
    check(&layer, &[vec![200.0, 150.0], vec![50.0]])?;
    let (outputs, _) = layer.forward(&[&[200.0, 150.0], &[50.0]])?;
    near(outputs.objective[1], 150.0 * root / 4.0, 1e-8);
    Ok(())
}

#[test]
fn a_posynomial_of_one_variable() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(()).bounds(0.01, 100.0);
    let (a, b) = (model.parameter(()), model.parameter(()));
    let layer = Problem::minimize(a * x + b / x).compile_gp([a, b], [x])?;
    let (outputs, tape) = layer.forward(&[&[4.0], &[9.0, 25.0]])?;
    near(outputs.objective[0], 12.0, 1e-9);
    near(outputs[0][0], 1.5, 1e-9);
    near(outputs[0][1], 2.5, 1e-9);
    let gradients = layer.value_gradient(&tape, &[1.0, 0.0])?;
    near(gradients[0][0], 1.5, 1e-8); // d 2 sqrt(ab) / da = sqrt(b / a)
    near(gradients[1][0], 1.0 / 1.5, 1e-8);
    check(&layer, &[vec![4.0], vec![9.0, 25.0]])?;
    // At its bound.
    let (outputs, _) = layer.forward(&[&[1e-6], &[1e6]])?;
    near(outputs[0][0], 100.0, 1e-8);
    Ok(())
}

#[test]
fn the_spectral_radius_of_a_positive_matrix() -> Result<(), ModelError> {
    let model = Model::new();
    let (v, radius) = (model.variable(2), model.variable(()));
    let a = model.parameter((2, 2)).named("a");
    let bound = a.matmul(v).leq(radius * v);
    let scale = (v.index(0) * v.index(1)).equals(1.0);
    let problem = Problem::minimize(radius).subject_to([bound, scale]);
    let layer = problem.compile_gp([a], [Output::from(radius), Output::from(v), bound.dual()])?;
    let values = [0.5, 1.0, 2.0, 0.7];
    let (outputs, _) = layer.forward(&[&values])?;
    let (trace, determinant) = (1.2, 0.5 * 0.7 - 2.0);
    near(outputs[0][0], 0.5 * (trace + f64::sqrt(trace * trace - 4.0 * determinant)), 1e-9);
    check(&layer, &[values.to_vec()])
}

#[test]
fn every_rule_in_one_program() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(3).named("x"), model.variable(()));
    let p = model.parameter(3).named("p");
    let mixed = [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]; // zeros are no terms
    let problem = Problem::minimize(
        norm2(x * p) + quad_over_lin(x, y) + y * (p.index(0) + 2.0) + (1.0 / x).sum(),
    )
    .subject_to([
        matmul(mixed, x).leq(9.0 * y),
        maximum(x.index(0), x.index(1) / x.index(2)).leq(1.5),
        minimum(x.index(1) * y, 4.0).geq(0.3),
        square(x.index(2)).leq(exp(p.index(1))),
        sum_squares(x).leq(10.0),
        hstack(&[abs(y), x.index(0)]).geq([0.1, 0.2]),
    ]);
    let layer = problem.compile_gp([p], [Output::from(x), Output::from(y)])?;
    let (outputs, _) = layer.forward(&[&[0.5, 0.8, 1.1]])?;
    // Not smaller anywhere near, among feasible points.
    let value = |x: &[f64], y: f64| {
        let norm = (0.25 * x[0] * x[0] + 0.64 * x[1] * x[1] + 1.21 * x[2] * x[2]).sqrt();
        let squares = x.iter().map(|v| v * v).sum::<f64>();
        norm + squares / y + 2.5 * y + x.iter().map(|v| 1.0 / v).sum::<f64>()
    };
    near(outputs.objective[0], value(&outputs[0], outputs[1][0]), 1e-8);
    check(&layer, &[vec![0.5, 0.8, 1.1]])
}

#[test]
fn powers_means_and_norms() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y, p) = (model.variable(3), model.variable(()), model.parameter(()));
    let problem = Problem::minimize(power(y, 1.7) * p + sqrt(x.index(0)) + pnorm(x, 3.0))
        .subject_to([
            geo_mean(x).geq(p),
            (weighted_geo_mean(x, &[1.0, 2.0, 0.0]) * y).geq(1.0),
            max(x).leq(5.0),
            min(x).geq(inv_pos(9.0 * p)),
            norm1(x).leq(20.0 * power(p, -0.3)),
        ]);
    let layer = problem.compile_gp([p], [Output::from(x), Output::from(y)])?;
    check(&layer, &[vec![0.8, 1.3]])?;
    let (outputs, _) = layer.forward(&[&[0.8]])?;
    let (x, y) = (&outputs[0], outputs[1][0]);
    let norm = x.iter().map(|v| v.powi(3)).sum::<f64>().cbrt();
    near(outputs.objective[0], 0.8 * y.powf(1.7) + x[0].sqrt() + norm, 1e-8);
    near(x.iter().product::<f64>().cbrt(), 0.8, 1e-8);
    near((x[0] * x[1] * x[1]).cbrt() * y, 1.0, 1e-8);
    Ok(())
}

#[test]
fn a_geometric_layer_in_a_file() -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::new();
    let (x, p) = (model.variable(2), model.parameter(2));
    let problem = Problem::minimize(x.sum() + (p * p + p).sum() / (x.index(0) * x.index(1)));
    let layer = problem.compile_gp([p], [x])?;
    check(&layer, &[vec![1.0, 2.0, 3.0, 0.5]])?;
    let read: GpLayer = serde_json::from_str(&serde_json::to_string(&layer)?)?;
    assert_eq!(read.forward(&[&[1.0, 2.0]])?.0.values, layer.forward(&[&[1.0, 2.0]])?.0.values);
    Ok(())
}

fn refusal(problem: &Problem<'_>) -> String {
    assert!(!problem.is_dgp());
    problem.check_gp().unwrap_err().to_string()
}

#[test]
fn what_is_no_geometric_program_is_named() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(()).named("x"), model.variable(()).named("y"));
    let text = refusal(&Problem::minimize(x - y));
    assert!(text.contains("x - y") && text.contains("no differences"), "{text}");
    assert!(text.contains("main.rs:"), "{text}");
    let text = refusal(&Problem::maximize(x + y));
    assert!(text.contains("must be log-log concave") && text.contains("x + y"), "{text}");
    let text = refusal(&Problem::minimize(x).subject_to([(x + y).equals(1.0)]));
    assert!(text.contains("equality must be monomials"), "{text}");
    let text = refusal(&Problem::minimize(x).subject_to([(x + y).geq(1.0)]));
    assert!(text.contains("greater side must be log-log concave"), "{text}");
    let text = refusal(&Problem::minimize((x + 1.0) / (y + 1.0) + y));
    assert!(text.contains("no log-log curvature, as"), "{text}");
    let text = refusal(&Problem::minimize(x).subject_to([x.geq(0.0)]));
    assert!(text.contains("expected positive numbers"), "{text}");
    let text = refusal(&Problem::minimize(x).subject_to([second_order(x, y)]));
    assert!(text.contains("a cone"), "{text}");
    let text = refusal(&Problem::minimize(model.variable(()).nonpos()));
    assert!(text.contains("positive in every element"), "{text}");

    let p = model.parameter(()).named("price");
    let problem = Problem::minimize(p * x + 1.0 / x);
    let text = problem.compile_gp([p], [x + 1.0]).unwrap_err().to_string();
    assert!(text.contains("outputs are monomials"), "{text}");
    let text = problem.compile_gp([], [x]).unwrap_err().to_string();
    assert!(text.contains("missing parameters: price"), "{text}");
    let text = problem.solve_gp(&[(p, &[-1.0])]).unwrap_err().to_string();
    assert!(text.contains("price") && text.contains("nonnegative"), "{text}");
    let text = problem.solve_gp(&[(p, &[0.0])]).unwrap_err().to_string();
    assert!(text.contains("log(0)") && text.contains("x > 0"), "{text}");
    Ok(())
}

#[test]
fn without_a_solution() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(());
    let answer = Problem::minimize(x).subject_to([x.leq(1.0), x.geq(2.0)]).solve_gp(&[])?;
    assert_eq!((answer.status, answer.value), (Status::PrimalInfeasible, f64::INFINITY));
    // The infimum is not attained.
    let answer = Problem::minimize(x).subject_to([x.leq(1.0)]).solve_gp(&[])?;
    assert_eq!((answer.status, answer.value), (Status::DualInfeasible, 0.0));
    Ok(())
}

/// Handles are those of the problem as it was written, not of its logarithms.
#[test]
fn a_geometric_layer_knows_the_handles_of_its_problem() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p, q) = (model.variable(()).named("x"), model.parameter(()), model.parameter(()));
    let least = x.geq(p * q);
    let layer = Problem::minimize(x).subject_to([least]).compile_gp([p, q], [x])?;
    let outputs = layer.solve(&layer.arguments(&[(q, &[2.0]), (p, &[3.0])])?)?;
    near(outputs.get(x)?.sample(0)?[0], 6.0, 1e-8);
    assert!(outputs.get(least).is_err() && layer.parameter(x).is_err());
    assert_eq!((layer.parameter(q)?, layer.output("x")?), (1, 0));
    Ok(())
}
