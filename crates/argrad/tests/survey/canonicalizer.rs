//! Section 3: disciplined parametrized programs and Theorem 4.

use argrad::atoms::{square, sum_squares};
use argrad::model::{Layer, Model, ModelError, Problem};

/// `min |F x - g|^2 + lambda 1'x` subject to `x >= l`, all of F, g, lambda, l parameters.
fn layer() -> Layer {
    let model = Model::new();
    let x = model.variable(2);
    let f = model.parameter((3, 2)).named("F");
    let g = model.parameter(3).named("g");
    let lambda = model.parameter(()).nonneg().named("lambda");
    let l = model.parameter(2).named("l");
    Problem::minimize(sum_squares(f.matmul(x) - g) + lambda * x.sum())
        .subject_to([x.geq(l)])
        .compile([f, g, lambda, l], [x])
        .unwrap()
}

/// Theorem 4: the program's numbers are a matrix times (theta, 1). So they are affine in theta, to
/// the last bit where the parameters are small integers.
#[test]
fn theorem_4_the_data_are_affine_in_the_parameters() {
    let layer = layer();
    let one =
        [vec![1.0, 2.0, -3.0, 4.0, 0.0, 1.0], vec![2.0, -1.0, 5.0], vec![3.0], vec![0.0, 7.0]];
    let two =
        [vec![-2.0, 1.0, 1.0, 0.0, 6.0, 2.0], vec![1.0, 1.0, -4.0], vec![1.0], vec![2.0, -2.0]];
    let zero = one.clone().map(|v| vec![0.0; v.len()]);
    let mut both = one.clone();
    for (both, two) in both.iter_mut().zip(&two) {
        both.iter_mut().zip(two).for_each(|(b, t)| *b += t);
    }
    let numbers = |theta: &[Vec<f64>; 4]| {
        let theta: Vec<&[f64]> = theta.iter().map(Vec::as_slice).collect();
        layer.program_numbers(&theta).unwrap().concat()
    };
    let [one, two, zero, both] = [&one, &two, &zero, &both].map(numbers);
    assert!(both != one && both != two);
    for k in 0..both.len() {
        assert_eq!(both[k] - one[k], two[k] - zero[k], "number {k}");
    }
}

/// The operation psi of the proof of Theorem 4 is printed as a sum over the last index, the one of
/// the parameters. A sum over it forgets which parameter multiplies what: with T of one constant
/// row and S the parameters (p1, p2) of two variables, T times S has a slice for each parameter,
/// whereas the printed sum is one slice, the same for p1 x1 + p2 x2 and for (p1 + p2)(x1 + x2).
#[test]
fn theorem_4_psi_must_keep_the_index_of_the_parameters() {
    // S[i][k][l]: row i, variable k, parameter l (the last is the constant one).
    let own = [[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]];
    let mixed = [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]];
    let constant = [1.0, 1.0]; // T[.., .., p + 1]: adds the two rows
    type Tensor = [[[f64; 3]; 2]; 2];
    let printed = |s: &Tensor| -> [f64; 2] {
        [0, 1].map(|k| (0..3).map(|l| constant[0] * s[0][k][l] + constant[1] * s[1][k][l]).sum())
    };
    let kept = |s: &Tensor| -> [[f64; 3]; 2] {
        [0, 1].map(|k| [0, 1, 2].map(|l| constant[0] * s[0][k][l] + constant[1] * s[1][k][l]))
    };
    // p1 x1 + p2 x2 and p2 x1 + p1 x2 are different programs.
    assert_eq!(printed(&own), printed(&mixed), "the printed sum cannot tell them apart");
    assert_ne!(kept(&own), kept(&mixed));

    // argrad's map tells them apart.
    let coefficients = |swapped: bool| {
        let model = Model::new();
        let (x, p) = (model.variable(2), model.parameter(2).named("p"));
        let cost = if swapped {
            p.index(1) * x.index(0) + p.index(0) * x.index(1)
        } else {
            p.index(0) * x.index(0) + p.index(1) * x.index(1)
        };
        let layer = Problem::minimize(cost).subject_to([x.geq(0.0)]).compile([p], [x]).unwrap();
        layer.program_numbers(&[&[3.0, 5.0]]).unwrap()[1].clone()
    };
    assert_eq!(coefficients(false), [3.0, 5.0]);
    assert_eq!(coefficients(true), [5.0, 3.0]);
}

/// "DPP extends the expressive power of DCP" and "every DPP program satisfies DCP, but the converse
/// is not true" exclude each other. The second is right: the product of two parameters is a
/// constant for DCP and is refused by the rules of DPP as a coefficient of the canonical map;
/// argrad takes it, as a derived parameter, and says how many there are.
#[test]
fn dpp_is_contained_in_dcp_and_not_the_other_way_round() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(());
    let (p, r) = (model.parameter(()), model.parameter(()));
    let layer = Problem::minimize(square(x - p * r)).compile([p, r], [x])?;
    assert!(layer.derived_parameters() > 0, "not affine in the parameters themselves");
    let affine = Problem::minimize(square(x - p) + r * x).compile([p, r], [x])?;
    assert_eq!(affine.derived_parameters(), 0);
    Ok(())
}
