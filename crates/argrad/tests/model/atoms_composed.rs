//! Random compositions of atoms, as deep as the rules let them be: where DCP accepts one, the
//! optimal value of its graph is its value. An atom whose monotonicity is claimed wrongly fails
//! here.

use argrad::atoms::*;
use argrad::prelude::*;

use super::derivative::numbers;

type Step = for<'m> fn(Expr<'m>) -> Expr<'m>;

/// From a vector of 3 to a vector of 3, or to a scalar that is added to the vector's place.
const STEPS: &[(&str, Step)] = &[
    ("-", |x| -x),
    ("+1", |x| x + 1.0),
    ("1-", |x| 1.0 - x),
    ("/2", |x| 0.5 * x),
    ("cumsum", |x| 0.3 * x.cumsum()),
    ("abs", |x| abs(x)),
    ("pos", |x| pos(x)),
    ("neg", |x| neg(x)),
    ("maximum", |x| maximum(x, [0.2, -0.4, 0.1])),
    ("minimum", |x| minimum(x, [0.2, 1.4, 0.8])),
    ("square", |x| square(x)),
    ("power 4", |x| power(x, 4.0)),
    ("power 3", |x| power(x, 3.0)),
    ("power 1.5", |x| power(x, 1.5)),
    ("power 0.3", |x| power(x, 0.3)),
    ("power -2", |x| power(x, -2.0)),
    ("sqrt", |x| sqrt(x)),
    ("inv_pos", |x| inv_pos(x)),
    ("exp", |x| exp(x)),
    ("log", |x| log(x)),
    ("log1p", |x| log1p(x)),
    ("entr", |x| entr(x)),
    ("logistic", |x| logistic(x)),
    ("huber", |x| huber(x, 0.7)),
    ("xexp", |x| xexp(x)),
    ("norm2", |x| broadcast_to(norm2(x), 3)),
    ("norm_inf", |x| broadcast_to(norm_inf(x), 3)),
    ("pnorm 3", |x| broadcast_to(pnorm(x, 3.0), 3)),
    ("pnorm 0.5", |x| broadcast_to(0.1 * pnorm(x, 0.5), 3)),
    ("pnorm -2", |x| broadcast_to(pnorm(x, -2.0), 3)),
    ("max", |x| broadcast_to(max(x), 3)),
    ("min", |x| broadcast_to(min(x), 3)),
    ("sum_largest", |x| broadcast_to(sum_largest(x, 1.5), 3)),
    ("log_sum_exp", |x| broadcast_to(log_sum_exp(x), 3)),
    ("geo_mean", |x| broadcast_to(geo_mean(x), 3)),
    ("harmonic_mean", |x| broadcast_to(harmonic_mean(x), 3)),
    ("perspective", |x| perspective(exp(x), 2.0)),
];

#[test]
fn compositions_have_their_values() {
    let (mut checked, mut hard, mut reached) = (0, 0, vec![0; STEPS.len()]);
    for seed in 0..3000 {
        let draws = numbers(32, 5000 + seed);
        let model = Model::new();
        let x = model.variable(3);
        let point: Vec<f64> = draws[..3].iter().map(|v| 0.9 * v).collect();
        let (mut expression, mut path) = (x, Vec::new());
        for draw in &draws[4..16] {
            let at = ((draw + 1.0) / 2.0 * STEPS.len() as f64) as usize % STEPS.len();
            let next = STEPS[at].1(expression);
            if path.len() < 6 && next.curvature() != Curvature::Unknown {
                expression = next;
                path.push(at);
            }
        }
        let fixed = x.equals(&point);
        let answer = Problem::minimize(x.sum()).subject_to([fixed]).solve(&[]).unwrap();
        let values = answer.get(expression).unwrap();
        if values.iter().any(|v| !v.is_finite() || v.abs() > 1e3) {
            continue;
        }
        let concave = expression.curvature() == Curvature::Concave;
        let objective = expression.sum();
        let problem =
            if concave { Problem::maximize(objective) } else { Problem::minimize(objective) };
        let answer = problem.subject_to([fixed]).solve(&[]).unwrap();
        let names: Vec<&str> = path.iter().map(|at| STEPS[*at].0).collect();
        let expected: f64 = values.iter().sum();
        let text = || format!("seed {seed}: {names:?} at {point:?}: {} {expected}", answer.value);
        // Squares of squares at zero are hard to solve to the last digit.
        hard += usize::from(answer.status != Status::Solved);
        assert!((answer.value - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{}", text());
        let sign = expression.sign();
        assert!(!sign.is_nonneg() || values.iter().all(|v| *v >= 0.0), "{}", text());
        assert!(!sign.is_nonpos() || values.iter().all(|v| *v <= 0.0), "{}", text());
        checked += 1;
        path.iter().for_each(|at| reached[*at] += 1);
    }
    assert!(checked > 1000 && 50 * hard < checked, "{hard} of {checked}");
    for (step, count) in STEPS.iter().zip(&reached) {
        assert!(*count > 5, "{}: {count}", step.0);
    }
}
