//! ReLU, piecewise-linear functions, maxima of affine functions, softmax and its relatives.

use argrad::model::ModelError;
use argrad::ready::*;

use super::case::{agrees, is_flagged, numbers};

#[test]
fn relu_is_the_positive_part() -> Result<(), ModelError> {
    let layer = relu(5)?;
    agrees(&layer, &[numbers(15, 1)], |p| p[0].iter().map(|x| x.max(0.0)).collect());
    is_flagged(&layer, &[&[1.0, 0.0, -1.0, 2.0, 3.0]]);
    Ok(())
}

#[test]
fn dense_relu_is_a_layer_of_a_network() -> Result<(), ModelError> {
    let (inputs, outputs) = (3, 4);
    let layer = dense_relu(inputs, outputs)?;
    // Weights shared, x batched; then everything batched.
    for copies in [1, 2] {
        let values = [numbers(12 * copies, 2), numbers(6, 3), numbers(4 * copies, 4)];
        agrees(&layer, &values, |p| {
            let row = |i: usize| (0..inputs).map(|j| p[0][i * inputs + j] * p[1][j]).sum::<f64>();
            (0..outputs).map(|i| (row(i) + p[2][i]).max(0.0)).collect()
        });
    }
    is_flagged(&layer, &[&[1.0; 12], &[1.0, -0.5, -0.5], &[0.0, 1.0, 1.0, 1.0]]);
    Ok(())
}

#[test]
fn piecewise_linear_functions_convex_or_not() -> Result<(), ModelError> {
    let leaky = PiecewiseLinear::new(&[(0.0, 0.0)], 0.1, 1.0)?;
    let wave =
        PiecewiseLinear::new(&[(-0.6, 0.2), (-0.1, -0.7), (0.3, 1.0), (0.7, 0.4)], -2.0, 3.0)?;
    assert!((wave.value(0.1) - (-0.7 + 0.2 * 1.7 / 0.4)).abs() < 1e-12);
    assert!((wave.value(-1.6) - 2.2).abs() < 1e-12 && (wave.value(1.7) - 3.4).abs() < 1e-12);
    for f in [leaky, wave] {
        let layer = piecewise_linear(6, &f)?;
        agrees(&layer, &[numbers(12, 5)], |p| p[0].iter().map(|x| f.value(*x)).collect());
    }
    let clipped = PiecewiseLinear::new(&[(0.0, 0.0), (1.0, 1.0)], 0.0, 0.0)?;
    is_flagged(&piecewise_linear(2, &clipped)?, &[&[0.5, 1.0]]);
    for points in [&[][..], &[(1.0, 0.0), (1.0, 1.0)], &[(0.0, f64::NAN)]] {
        assert!(PiecewiseLinear::new(points, 0.0, 0.0).is_err());
    }
    Ok(())
}

#[test]
fn hinges_are_learned() -> Result<(), ModelError> {
    let (n, k) = (3, 2);
    let layer = hinges(n, k)?;
    let values = [numbers(2 * n, 6), numbers(n * k, 7), numbers(n * k, 8), numbers(n * k, 9)];
    agrees(&layer, &values, |p| {
        let hinge = |at: usize, x: f64| p[3][at] * (p[1][at] * x + p[2][at]).max(0.0);
        (0..n).map(|j| (0..k).map(|i| hinge(j * k + i, p[0][j])).sum()).collect()
    });
    Ok(())
}

#[test]
fn max_affine_is_the_largest_piece() -> Result<(), ModelError> {
    let layer = max_affine(2, 3)?;
    let closed = |p: &[&[f64]]| {
        let piece = |i: usize| p[0][2 * i] * p[1][0] + p[0][2 * i + 1] * p[1][1] + p[2][i];
        vec![(0..3).map(piece).fold(f64::NEG_INFINITY, f64::max)]
    };
    agrees(&layer, &[numbers(6, 10), numbers(8, 11), numbers(3, 12)], closed);
    // All pieces negative: an objective of y^2 would give 0.
    agrees(&layer, &[numbers(6, 10), vec![0.3, 0.1], vec![-5.0, -6.0, -7.0]], closed);
    // Two equal pieces: the duals are not unique.
    is_flagged(&layer, &[&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], &[1.0, 1.0], &[0.0; 3]]);
    Ok(())
}

fn softmax_of(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|x| x.exp()).sum();
    x.iter().map(|x| x.exp() / sum).collect()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The root of an increasing function.
fn bisect(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (-60.0, 60.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if f(middle) < 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[test]
fn softmax_is_its_formula() -> Result<(), ModelError> {
    let layer = softmax(4)?;
    let x: Vec<f64> = numbers(12, 13).iter().map(|v| 3.0 * v).collect();
    agrees(&layer, &[x], |p| softmax_of(p[0]));
    Ok(())
}

#[test]
fn sigmoid_is_its_formula() -> Result<(), ModelError> {
    let x: Vec<f64> = numbers(9, 14).iter().map(|v| 4.0 * v).collect();
    agrees(&sigmoid(3)?, &[x], |p| p[0].iter().map(|x| logistic(*x)).collect());
    Ok(())
}

#[test]
fn constrained_softmax_is_capped() -> Result<(), ModelError> {
    let closed = |p: &[&[f64]]| {
        let capped = |nu: f64| -> Vec<f64> {
            p[0].iter().zip(p[1]).map(|(x, u)| (x + nu).exp().min(*u)).collect()
        };
        capped(bisect(|nu| capped(nu).iter().sum::<f64>() - 1.0))
    };
    let layer = constrained_softmax(4)?;
    let x = vec![1.0, 0.2, -0.3, 0.1, 2.0, 1.5, 0.0, -1.0];
    agrees(&layer, &[x.clone(), vec![0.35, 0.6, 0.5, 0.5]], closed);
    agrees(&layer, &[x, vec![0.35, 0.6, 0.5, 0.5, 0.4, 0.3, 0.9, 0.9]], closed);
    // The cap is just reached.
    is_flagged(&layer, &[&[0.0; 4], &[0.25, 1.0, 1.0, 1.0]]);
    Ok(())
}

#[test]
fn limited_multi_label_adds_up_to_k() -> Result<(), ModelError> {
    let (n, k) = (5, 2.0);
    let closed = |p: &[&[f64]]| {
        let nu = bisect(|nu| p[0].iter().map(|x| logistic(x + nu)).sum::<f64>() - k);
        p[0].iter().map(|x| logistic(x + nu)).collect()
    };
    let x: Vec<f64> = numbers(3 * n, 15).iter().map(|v| 3.0 * v).collect();
    agrees(&limited_multi_label(n, k)?, &[x], closed);
    assert!(limited_multi_label(3, 3.0).is_err() && limited_multi_label(3, f64::NAN).is_err());
    Ok(())
}
