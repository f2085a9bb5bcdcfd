//! Second derivatives.

use argrad::{
    Differentiation, Error, MatrixShape, OnFailure, QpCotangent, QpLayer, QpShape, QpTangent,
    QpValues, Slot,
};

use crate::case::{Case, NAMES, normals, relative_error, rng};
use crate::derivative::{Loss, mixed_shape, parts};

/// A random direction of the arguments; that of P is symmetric.
fn direction(case: &Case) -> [Vec<f64>; 6] {
    let rng = &mut rng(7);
    let mut direction = case.numbers.clone().map(|numbers| normals(rng, numbers.len()));
    let (entries, len) = (case.shape.p.entries(), case.shape.p.len());
    for own in direction[0].chunks_mut(len.max(1)) {
        for (k, &(i, j)) in entries.iter().enumerate() {
            let mirror = entries.iter().position(|&entry| entry == (j, i)).unwrap();
            own[mirror] = own[k];
        }
    }
    direction
}

fn plus(values: &[f64], step: f64, direction: &[f64]) -> Vec<f64> {
    values.iter().zip(direction).map(|(v, d)| v + step * d).collect()
}

/// `case` and `loss` at `step` along `direction` and `change`.
fn moved(
    (case, direction): (&Case, &[Vec<f64>; 6]),
    (loss, change): (&Loss, &Loss),
    step: f64,
) -> (Case, Loss) {
    let mut case = case.clone();
    for (numbers, direction) in case.numbers.iter_mut().zip(direction) {
        *numbers = plus(numbers, step, direction);
    }
    let loss = Loss {
        x: plus(&loss.x, step, &change.x),
        equality_duals: plus(&loss.equality_duals, step, &change.equality_duals),
        inequality_duals: plus(&loss.inequality_duals, step, &change.inequality_duals),
        slacks: plus(&loss.slacks, step, &change.slacks),
    };
    (case, loss)
}

#[test]
fn change_of_the_gradients_matches_their_differences() {
    let diagonal = QpShape::new(4)
        .quadratic(MatrixShape::Diagonal(4))
        .equalities(MatrixShape::Dense { rows: 1, cols: 4 })
        .inequalities(MatrixShape::Diagonal(4));
    for (name, shape, active, shared) in [
        ("dense", QpShape::dense(5, 2, 4), 2, &[][..]),
        ("matrices shared", QpShape::dense(5, 1, 4), 2, &[0, 2, 4]),
        ("Q and right-hand sides shared", QpShape::dense(6, 1, 4), 2, &[0, 3, 5]),
        ("sparse", mixed_shape(), 2, &[]),
        ("diagonal", diagonal, 2, &[]),
        ("no constraints", QpShape::dense(4, 0, 0), 0, &[]),
    ] {
        let case = Case::random(shape, active, 3, 23);
        let case = shared.iter().fold(case, |case, &argument| case.share(argument));
        let (loss, change) = (Loss::random(&case, 5), Loss::random(&case, 6));
        let direction = direction(&case);
        let slot = |at: usize| {
            let own = &direction[at][..];
            Some(if case.shared[at] { Slot::Shared(own) } else { Slot::Each(own) })
        };
        let tangent =
            QpTangent { p: slot(0), q: slot(1), a: slot(2), b: slot(3), g: slot(4), h: slot(5) };
        let layer = case.layer();
        let (_, tape) = layer.forward(&case.values()).unwrap();
        let found = layer
            .backward_tangent(&tape, &loss.cotangent(), &change.cotangent(), &tangent)
            .unwrap();
        let at = |step: f64| {
            let (case, loss) = moved((&case, &direction), (&loss, &change), step);
            let (_, tape) = layer.forward(&case.values()).unwrap();
            layer.backward(&tape, &loss.cotangent()).unwrap()
        };
        // Of sixth order.
        let step = 1e-3;
        let places = [(1.0, 45.0), (2.0, -9.0), (3.0, 1.0)];
        let places =
            places.map(|(k, weight)| (weight / (60.0 * step), at(k * step), at(-k * step)));
        for (argument, found) in parts(&found).into_iter().enumerate() {
            let mut expected = vec![0.0; found.len()];
            for (weight, up, down) in &places {
                let difference = plus(parts(up)[argument], -1.0, parts(down)[argument]);
                expected = plus(&expected, *weight, &difference);
            }
            let error = relative_error(found, &expected);
            assert!(error <= 1e-7, "{name}, {}: {error:.1e}", NAMES[argument]);
        }
    }
}

/// minimize x^2 / 2 + q x with x <= 0: at q = 0 the inequality is active without a dual.
#[test]
fn kinks_are_refused_by_sample_or_add_nothing_to_what_is_shared() {
    let values = QpValues::new(3, Slot::Shared(&[1.0]), Slot::Each(&[1.0, 0.0, -1.0]))
        .inequalities(Slot::Shared(&[1.0]), Slot::Shared(&[0.0]));
    let cotangent = QpCotangent { x: Some(&[-1.0, 5.0, 7.0]), ..Default::default() };
    let direction = QpTangent { p: Some(Slot::Shared(&[1.0])), ..Default::default() };
    let change_of = |on_failure| {
        let how = Differentiation { on_failure, ..Default::default() };
        let layer = QpLayer::dense(1, 0, 1).unwrap().with_differentiation(how);
        let (_, tape) = layer.forward(&values).unwrap();
        layer.backward_tangent(&tape, &cotangent, &QpCotangent::default(), &direction)
    };
    let error = change_of(OnFailure::Error).unwrap_err();
    assert_eq!(error, Error::NotSmooth { batch: 3, samples: vec![1] });
    for on_failure in [OnFailure::Nan, OnFailure::Zero] {
        let found = change_of(on_failure).unwrap();
        assert!(found.adjoint_residual[1].is_nan());
        assert_eq!(found.q[1].is_nan(), on_failure == OnFailure::Nan);
        // x = -q / P in the first sample, 0 in the last: d/dP of d(-x)/dP = -q / P^2 is 2 q / P^3.
        assert!((found.p[0] - 2.0).abs() <= 1e-12, "{found:?}");
        assert_eq!(found.q[2], 0.0);
    }
}
