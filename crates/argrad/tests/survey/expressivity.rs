//! Section 2.2: Theorems 2 and 3, and what is wrong in their proofs.

use argrad::atoms::{broadcast_to, square, sum_squares};
use argrad::model::{Model, Problem};
use argrad::ready::{dense_relu, max_affine};

/// Theorem 2, for one function of one number: weighted hinges by the program of its proof,
/// `min |t|^2 + (z - w't)^2` subject to `a_i x + b_i <= t_i`.
fn program_of_theorem_2(w: &[f64], a: &[f64], b: &[f64], x: f64) -> f64 {
    let model = Model::new();
    let (t, z) = (model.variable(w.len()), model.variable(()));
    let hinges: Vec<f64> = a.iter().zip(b).map(|(a, b)| a * x + b).collect();
    let off = z - t.dot(w);
    let answer = Problem::minimize(sum_squares(t) + square(off))
        .subject_to([t.geq(hinges.as_slice())])
        .solve(&[])
        .unwrap();
    answer.get(z).unwrap()[0]
}

#[test]
fn theorem_2_the_program_of_its_proof_gives_the_hinges() {
    let (w, a, b) = ([1.0, -1.0, 1.0], [2.0, -0.5, 1.0], [0.3, 0.2, -4.0]);
    for x in [-3.0, -0.2, 0.1, 1.0, 6.0] {
        let hinge = |i: usize| w[i] * f64::max(a[i] * x + b[i], 0.0);
        let expected = hinge(0) + hinge(1) + hinge(2);
        let found = program_of_theorem_2(&w, &a, &b, x);
        assert!((found - expected).abs() < 1e-9, "{x}: {found} against {expected}");
    }
}

#[test]
fn theorem_2_a_relu_layer_is_a_projection() {
    let layer = dense_relu(2, 3).unwrap();
    let (w, x, b) = ([1.0, -2.0, 0.5, 0.5, 1.0, 1.0], [0.3, 0.8], [0.1, -0.2, -3.0]);
    let (found, _) = layer.forward(&[&w, &x, &b]).unwrap();
    let expected = [0.0, 0.35, 0.0];
    assert!(found[0].iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-12), "{:?}", &found[0]);
}

/// "With k linear regions" and k hinges of weight 1 or -1: f(x) = x has one region, and no single
/// hinge is it, because a hinge does not change its sign. Lines take two hinges more, so the count
/// is k + 2; the order O(nk) of the theorem stands.
#[test]
fn theorem_2_needs_two_hinges_more_than_regions() {
    for (w, a, b) in [(1.0, 1.0, 0.0), (-1.0, -1.0, 0.0), (1.0, 3.0, 2.0), (-1.0, 0.5, -1.0)] {
        let values = [-1.0, 1.0].map(|x| program_of_theorem_2(&[w], &[a], &[b], x));
        assert!(values[0] * values[1] >= -1e-12, "one hinge has one sign: {values:?}");
    }
    for x in [-2.5, 0.7] {
        let found = program_of_theorem_2(&[1.0, -1.0], &[1.0, -1.0], &[0.0, 0.0], x);
        assert!((found - x).abs() < 1e-9);
    }
}

/// The program of Theorem 3 has the objective z^2: where all pieces are negative it gives 0 and not
/// their maximum. The objective z gives the maximum everywhere.
#[test]
fn theorem_3_as_printed_is_zero_where_all_pieces_are_negative() {
    let pieces = [1.0, 0.0, 0.0, 1.0, 0.5, 0.9];
    let x = [-2.0, -1.0];
    let expected = -1.0; // max(-2, -1, -1.9)

    let model = Model::new();
    let z = model.variable(());
    let values: Vec<f64> = pieces.chunks(2).map(|a| a[0] * x[0] + a[1] * x[1]).collect();
    let above = broadcast_to(z, 3).geq(values.as_slice());
    let printed = Problem::minimize(square(z)).subject_to([above]).solve(&[]).unwrap();
    assert!(printed.get(z).unwrap()[0].abs() < 1e-9);

    let layer = max_affine(2, 3).unwrap();
    let (found, _) = layer.forward(&[&pieces, &x, &[0.0; 3]]).unwrap();
    assert!((found[0][0] - expected).abs() < 1e-9);
}

/// The proof says that max(a1'x, a2'x, a3'x) is not differentiable on "three bounded line
/// segments". They are half-lines from the origin: where two pieces share the maximum at x, they
/// share it at every positive multiple of x. (Nor are three vectors of the plane ever linearly
/// independent; affinely independent is meant.) What the proof needs is that they end, in the
/// origin, and a ReLU network's lines do not.
#[test]
fn theorem_3_its_kinks_are_half_lines() {
    let pieces = [[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]];
    let value = |i: usize, x: [f64; 2]| pieces[i][0] * x[0] + pieces[i][1] * x[1];
    for (i, j, other) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
        // A direction in which i and j agree, on the side where they are above the third.
        let normal = [pieces[i][0] - pieces[j][0], pieces[i][1] - pieces[j][1]];
        let mut x = [-normal[1], normal[0]];
        if value(i, x) < value(other, x) {
            x = [-x[0], -x[1]];
        }
        for t in [1e-3, 1.0, 1e6] {
            let far = [t * x[0], t * x[1]];
            assert!((value(i, far) - value(j, far)).abs() <= 1e-14 * t);
            assert!(value(i, far) > value(other, far));
            let back = [-far[0], -far[1]];
            assert!(value(i, back) < value(other, back), "on the other side a third piece wins");
        }
    }
}
