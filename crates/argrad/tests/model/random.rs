//! Random convex expressions: the graph's optimal value is the expression's value, and what DCP
//! says of sign and curvature holds at random points.

use argrad::atoms::*;
use argrad::prelude::*;

use super::derivative::numbers;

/// Draws from a sequence.
struct Draw {
    numbers: Vec<f64>,
    at: usize,
}

impl Draw {
    fn number(&mut self) -> f64 {
        self.at += 1;
        self.numbers[self.at % self.numbers.len()]
    }

    fn choice(&mut self, of: usize) -> usize {
        ((self.number() + 1.0) / 2.0 * of as f64) as usize % of
    }

    fn vector(&mut self, len: usize) -> Vec<f64> {
        (0..len).map(|_| self.number()).collect()
    }
}

/// An affine expression of three elements.
fn affine<'m>(draw: &mut Draw, x: Expr<'m>) -> Expr<'m> {
    match draw.choice(6) {
        0 => x,
        1 => x + draw.vector(3),
        2 => draw.vector(3) * x - 0.5,
        3 => matmul(dense(3, 3, &draw.vector(9)), x),
        4 => x.cumsum() / 2.0,
        _ => -hstack(&[x.slice(1..), x.index(0)]),
    }
}

/// A convex expression of three elements.
fn convex<'m>(draw: &mut Draw, x: Expr<'m>, depth: usize) -> Expr<'m> {
    if depth == 0 {
        return affine(draw, x);
    }
    match draw.choice(9) {
        0 => abs(affine(draw, x)),
        1 => square(affine(draw, x)),
        2 => exp(0.3 * convex(draw, x, depth - 1)),
        3 => maximum(convex(draw, x, depth - 1), convex(draw, x, depth - 1)),
        4 => convex(draw, x, depth - 1) + draw.number().abs() * convex(draw, x, depth - 1),
        5 => broadcast_to(norm2(affine(draw, x)), 3) + affine(draw, x),
        6 => square(maximum(convex(draw, x, depth - 1), 0.0)),
        7 => -log(2.0 + minimum(affine(draw, x), 3.0) - minimum(affine(draw, x), -1.5)) + 0.1,
        _ => 0.2 * sum_squares(affine(draw, x)) - minimum(affine(draw, x), draw.vector(3)),
    }
}

#[test]
fn graphs_have_the_value_of_their_expression() {
    let (mut solved, mut degenerate) = (0, 0);
    for seed in 0..150 {
        let mut draw = Draw { numbers: numbers(997, seed), at: 0 };
        let model = Model::new();
        let x = model.variable(3);
        let point = draw.vector(3);
        let expression = convex(&mut draw, x, 3);
        // The logarithm's argument is a difference of concave expressions: refused, and rightly.
        let problem = Problem::minimize(expression.sum()).subject_to([x.equals(&point)]);
        if !problem.is_dcp() {
            assert_eq!(expression.curvature(), Curvature::Unknown, "{expression}");
            continue;
        }
        let answer = problem.solve(&[]).unwrap();
        let fixed = Problem::minimize(x.sum()).subject_to([x.equals(&point)]).solve(&[]).unwrap();
        let expected = fixed.get(expression).unwrap();
        if expected.iter().any(|v| !v.is_finite() || v.abs() > 1e4) {
            continue;
        }
        solved += 1;
        let value: f64 = expected.iter().sum();
        if answer.status != Status::Solved {
            // A square of a square at its kink: multipliers vanish twice, the minimum is quartic.
            assert_eq!(answer.status, Status::NumericalTrouble, "seed {seed}: {expression}");
            assert!(answer.report.weakly_active > 0, "seed {seed}: {expression}");
            degenerate += 1;
        }
        assert!(
            (answer.value - value).abs() < 1e-6 * (1.0 + value.abs()),
            "seed {seed}: {expression}: {} against {value}",
            answer.value
        );
        let sign = expression.sign();
        assert!(!sign.is_nonneg() || expected.iter().all(|v| *v >= 0.0), "{expression}");
        assert!(!sign.is_nonpos() || expected.iter().all(|v| *v <= 0.0), "{expression}");
        // Convex along a line, as claimed.
        let at = |t: f64| -> f64 {
            let moved: Vec<f64> = point.iter().map(|v| v + t * (0.3 - v)).collect();
            let fixed =
                Problem::minimize(x.sum()).subject_to([x.equals(&moved)]).solve(&[]).unwrap();
            fixed.get(expression).unwrap().iter().sum()
        };
        let (left, middle, right) = (at(-0.4), value, at(0.4));
        if left.is_finite() && right.is_finite() {
            assert!(middle <= 0.5 * (left + right) + 1e-7 * (1.0 + middle.abs()), "{expression}");
        }
    }
    assert!(solved > 60, "{solved}");
    assert!(degenerate <= 1, "{degenerate}");
}
