//! Known problems written with atoms, perspectives, affine operations of product spaces, and what
//! is refused.

use argrad::atoms::*;
use argrad::prelude::*;

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * (1.0 + e.abs()), "{found:?} against {expected:?}");
    }
}

/// lp_0 and socp_0: a norm and 1, x == 0.
#[test]
fn lp_0_and_socp_0() -> Result<(), ModelError> {
    for norm in [norm1 as fn(Expr<'_>) -> Expr<'_>, norm2, norm_inf] {
        let model = Model::new();
        let x = model.variable(2);
        let origin = x.equals([0.0, 0.0]);
        let answer = Problem::minimize(norm(x) + 1.0).subject_to([origin]).solve(&[])?;
        close(&[answer.value], &[1.0], 1e-8);
        close(&answer.get(x).unwrap(), &[0.0, 0.0], 1e-8);
    }
    Ok(())
}

/// socp_3, whose point is (sqrt 0.7, -sqrt 0.3), both ways of writing the constraints.
#[test]
fn socp_3_and_its_duals() -> Result<(), ModelError> {
    let (a, b) = (0.7f64.sqrt(), 0.3f64.sqrt());
    let half = 0.5f64.sqrt();
    let third = (2.0 / b - 1.0 / a) / 3.2;
    let second = 1.0 / a - 0.04 * third;
    let model = Model::new();
    let x = model.variable(2);
    let rotated = matmul([[half, half], [-half, half]], x);
    let parts = [[2f64.sqrt(), half] * rotated, 1.0 * x, [0.2, 1.8] * x];
    let rows = parts.map(|e| norm2(e).leq(1.0));
    let problem = Problem::minimize(x.dot([-1.0, 2.0]));
    let answer = problem.subject_to(rows).solve(&[])?;
    close(&[answer.value], &[-a - 2.0 * b], 1e-8);
    close(&answer.get(x).unwrap(), &[a, -b], 1e-8);
    let duals = rows.map(|row| answer.dual(row).unwrap()[0]);
    close(&duals, &[0.0, second, third], 1e-8);
    let together = norm2_axis(vstack(&parts), 1).leq(1.0);
    let answer = Problem::minimize(x.dot([-1.0, 2.0])).subject_to([together]).solve(&[])?;
    close(&[answer.value], &[-a - 2.0 * b], 1e-8);
    close(answer.dual(together).unwrap(), &[0.0, second, third], 1e-8);
    Ok(())
}

/// expcone_1 and its duals. The program is homogeneous but for `sum x >= 0.1`, so its value is a
/// tenth of that dual l, and stationarity gives the dual of the cone: (1 - l, 2 - l, 3 - l), on the
/// boundary of the dual cone.
#[test]
fn expcone_1_and_its_duals() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(3);
    let cone = exponential_cone(x.index(2), x.index(1), x.index(0));
    let rows = [x.sum().leq(1.0), x.sum().geq(0.1), x.geq(0.0), cone];
    let objective = x.dot([3.0, 2.0, 1.0]);
    let answer = Problem::minimize(objective).subject_to(rows).solve(&[])?;
    let value = 0.23534820622420757;
    let beyond = |l: f64| (l - 1.0) * ((2.0 - l) / (1.0 - l)).exp() > 1f64.exp() * (3.0 - l);
    let (mut low, mut high) = (2.0, 3.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if beyond(middle) { high = middle } else { low = middle }
    }
    let dual = low;
    close(&[answer.value, answer.value], &[value, 0.1 * dual], 1e-8);
    close(answer.dual(rows[0]).unwrap(), &[0.0], 1e-8);
    close(answer.dual(rows[1]).unwrap(), &[dual], 1e-8);
    close(answer.dual(rows[2]).unwrap(), &[0.0; 3], 1e-8);
    close(answer.dual(cone).unwrap(), &[1.0 - dual, 2.0 - dual, 3.0 - dual], 1e-8);
    // As an atom: y exp(x / y) <= z.
    let bound = perspective(exp(x.index(2)), x.index(1)).leq(x.index(0));
    let rows = [rows[0], rows[1], rows[2], bound];
    let answer = Problem::minimize(objective).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[value], 1e-8);
    Ok(())
}

/// pcp_2 with means and powers in place of cones.
#[test]
fn pcp_2_with_atoms() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(3);
    let mean = weighted_geo_mean(x.slice(..2), &[0.2, 0.8]);
    let objective = mean + power(x.index(2), 0.4) - x.index(0);
    let budget = x.dot([1.0, 1.0, 0.5]).equals(2.0);
    let answer = Problem::maximize(objective).subject_to([budget]).solve(&[])?;
    close(&[answer.value], &[1.8073406786220672], 1e-8);
    // Stationarity in the third: 0.4 z^-0.6 is half the dual.
    let z = answer.get(x).unwrap()[2];
    close(&[answer.dual(budget).unwrap()[0].abs()], &[0.8 * z.powf(-0.6)], 1e-7);
    Ok(())
}

/// pcp_1: norms as power cones and as their squares over y.
#[test]
fn pcp_1_with_atoms() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(3), model.variable(()));
    let rest = [x.dot([1.0, 1.0, 3.0]).geq(1.0), y.leq(5.0)];
    for bound in [
        pnorm(x, 2.0).leq(y),
        quad_over_lin(x, y).leq(y),
        perspective(sum_squares(x), y).leq(y),
        matrix_frac(x, broadcast_to(y, 3).diag()).leq(y),
    ] {
        let rows = [bound, rest[0], rest[1]];
        let answer = Problem::minimize(x.dot([3.0, 2.0, 1.0])).subject_to(rows).solve(&[])?;
        close(&[answer.value], &[-13.548638904065102], 1e-8);
    }
    Ok(())
}

#[test]
fn perspectives_of_expressions() -> Result<(), ModelError> {
    let is = |build: for<'m> fn(Expr<'m>) -> Expr<'m>, expected: fn(f64, f64) -> f64| {
        let model = Model::new();
        let (x, s) = (model.variable(()), model.variable(()));
        let f = perspective(build(x), s);
        let concave = f.curvature() == Curvature::Concave;
        assert!(concave || f.curvature().is_convex(), "{f}");
        let problem = if concave { Problem::maximize(f) } else { Problem::minimize(f) };
        for (at, scale) in [(0.7, 0.4), (1.3, 2.0)] {
            let fixed = [x.equals(at), s.equals(scale)];
            let answer = problem.clone().subject_to(fixed).solve(&[]).unwrap();
            let value = scale * expected(at / scale, scale);
            close(&[answer.value, answer.get(f).unwrap()[0]], &[value, value], 1e-8);
        }
    };
    is(|x| log(x), |x, _| x.ln());
    is(|x| exp(x) + 3.0 * square(x) - 1.0, |x, _| x.exp() + 3.0 * x * x - 1.0);
    is(|x| square(pos(x - 1.0)), |x, _| (x - 1.0).max(0.0).powi(2));
    is(|x| huber(x, 1.5), |x, _| if x <= 1.5 { x * x } else { 3.0 * x - 2.25 });
    is(|x| logistic(2.0 * x + 1.0), |x, _| (1.0 + (2.0 * x + 1.0).exp()).ln());
    is(|x| inv_pos(x + 1.0), |x, _| 1.0 / (x + 1.0));
    Ok(())
}

#[test]
fn operations_on_product_spaces() -> Result<(), ModelError> {
    let (a, b) = ([[1.0, 2.0], [3.0, 4.0]], [[0.5, 1.0, 0.0], [2.0, -1.0, 3.0], [1.0, 1.0, 2.0]]);
    let model = Model::new();
    let (of_a, of_b) = (model.constant(a), model.constant(b));
    let x = model.variable((6, 6));
    let product = kron(of_a, of_b);
    let answer = Problem::minimize(x.sum()).subject_to([x.equals(product)]).solve(&[])?;
    // tr b = 1.5, tr a = 5.
    close(&answer.get(x.partial_trace(&[2, 3], 1)).unwrap(), &a.concat().map_by(1.5), 1e-9);
    close(&answer.get(x.partial_trace(&[2, 3], 0)).unwrap(), &b.concat().map_by(5.0), 1e-9);
    for (axis, expected) in [(0, kron(of_a.t(), of_b)), (1, kron(of_a, of_b.t()))] {
        let found = answer.get(x.partial_transpose(&[2, 3], axis)).unwrap();
        close(&found, &answer.get(expected).unwrap(), 1e-9);
    }
    Ok(())
}

trait MapBy {
    fn map_by(&self, factor: f64) -> Vec<f64>;
}

impl MapBy for Vec<f64> {
    fn map_by(&self, factor: f64) -> Vec<f64> {
        self.iter().map(|v| factor * v).collect()
    }
}

/// The text of what is wrong.
#[track_caller]
fn refused(build: for<'m> fn(&'m Model) -> Expr<'m>, says: &str) {
    let model = Model::new();
    let objective = build(&model).sum();
    let text = match Problem::minimize(objective).check() {
        Ok(()) => panic!("{objective} is accepted"),
        Err(error) => error.to_string(),
    };
    assert!(text.contains(says), "{text:?} does not say {says:?}");
}

#[test]
fn wrong_numbers_and_shapes_are_named() {
    refused(|m| sum_largest(m.variable(3), 0.0), "a count above 0 and up to 3, found 0");
    refused(|m| sum_largest(m.variable(3), f64::NAN), "found NaN");
    refused(|m| cvar(m.variable(3), 1.0), "cvar: expected 0 <= beta < 1, found 1");
    refused(|m| pnorm(m.variable(3), 0.0), "pnorm: p must be a number and not 0");
    refused(|m| power(m.variable(3), f64::INFINITY), "power: the exponent inf is not finite");
    refused(|m| -weighted_geo_mean(m.variable(3), &[1.0, -1.0, 1.0]), "3 nonnegative weights");
    refused(|m| -weighted_geo_mean(m.variable(3), &[]), "found none");
    refused(|m| max(m.variable(0)), "max: expected at least one element");
    refused(|m| max_axis(m.variable(3), 0), "max: expected a matrix with an axis");
    refused(|m| max_axis(m.variable((3, 3)), 2), "found axis 2");
    refused(|m| lambda_max(m.variable((3, 2))), "lambda_max: expected a square matrix");
    refused(|m| lambda_sum_largest(m.variable((3, 3)), 4.0), "a count above 0 and up to 3");
    refused(|m| lambda_sum_largest(m.variable((3, 3)), f64::NAN), "a count above 0 and up to 3");
    refused(|m| norm_nuc(m.variable(3)), "norm_nuc: expected a matrix");
    refused(|m| m.variable((4, 4)).partial_trace(&[2, 3], 0), "[2, 3] and axis 0 do not fit");
    refused(|m| huber(m.variable(3), [1.0, 2.0]), "huber: expected any shape and a scalar");
    refused(|m| kl_div(m.variable(3), m.variable(2)), "kl_div: expected two arguments of one");
    refused(|m| perspective(exp(m.variable(3)), m.variable(2)), "expected a scalar s");
    let indefinite = |m: &Model| -> String {
        let found = matrix_frac(m.variable(2), [[1.0, 0.0], [0.0, -1.0]]);
        Problem::minimize(found).check().unwrap_err().to_string()
    };
    assert!(indefinite(&Model::new()).contains("is not positive definite"));
}

/// With its domain a power is not increasing where its argument may be negative.
#[test]
fn compositions_that_would_be_wrong_are_refused() {
    refused(|m| power(square(m.variable(3)) - 1.0, 3.0), "power");
    refused(|m| xexp(square(m.variable(3)) - 1.0), "xexp");
    refused(|m| huber(m.variable(3), -1.0), "a threshold M >= 0");
    refused(|m| huber(m.variable(3), m.parameter(())), "a threshold M >= 0");
    refused(|m| entr(m.variable(3)), "must be convex");
    refused(|m| pnorm(square(m.variable(3)), 0.5), "pnorm");
    let model = Model::new();
    let x = model.variable(3);
    for accepted in [
        power(pos(square(x) - 1.0), 3.0).sum(),
        xexp(square(x)).sum(),
        power(4.0 - square(x), -2.0).sum(),
        pnorm(square(x), 3.0),
        huber(norm2(x), model.parameter(()).nonneg()),
        -geo_mean(4.0 - square(x)),
        log_sum_exp(hstack(&[square(x), exp(x)])),
    ] {
        assert!(Problem::minimize(accepted).is_dcp(), "{accepted}");
    }
}

/// The cones that an atom in the objective becomes, without equalities and inequalities.
#[test]
fn atoms_become_the_cones_of_the_page() -> Result<(), ModelError> {
    let cones = |build: for<'m> fn(Expr<'m>) -> Expr<'m>| -> Result<String, ModelError> {
        let model = Model::new();
        let x = model.variable(3);
        let layer = Problem::minimize(build(x)).compile([], [x])?;
        let text = layer.structure().cones().iter().map(|cone| format!("{cone:?}"));
        let others = text.filter(|c| !c.starts_with("Zero") && !c.starts_with("Nonneg"));
        Ok(others.collect::<Vec<_>>().join(" "))
    };
    for quadratic in [
        (|x| huber(x - 1.0, 0.5).sum()) as for<'m> fn(Expr<'m>) -> Expr<'m>,
        |x| power(x, 2.0).sum(),
        |x| pnorm(x, 1.0) + pnorm(x, f64::INFINITY) + ptp(x) + cvar(x, 0.3),
        |x| matrix_frac(x, [[1.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]),
        |x| var(x) + tv(x) + pos(x).sum() + neg(x).sum(),
    ] {
        assert_eq!(cones(quadratic)?, "");
    }
    assert_eq!(cones(|x| -sqrt(x).sum())?, ["SecondOrder(3)"; 3].join(" "));
    assert_eq!(cones(|x| inv_pos(x).sum())?, ["SecondOrder(3)"; 3].join(" "));
    assert_eq!(cones(|x| log_sum_exp(x))?, ["Exponential"; 3].join(" "));
    assert_eq!(cones(|x| power(x, 4.0).sum())?, ["Power(0.25)"; 3].join(" "));
    assert_eq!(
        cones(|x| log_det(x.diag()) * -1.0)?,
        format!("PsdTriangle(6){}", " Exponential".repeat(3))
    );
    assert!(cones(|x| -geo_mean(x))?.starts_with("GeneralizedPower"));
    Ok(())
}
