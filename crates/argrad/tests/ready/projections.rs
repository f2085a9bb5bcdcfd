//! Projections onto simplices, boxes, balls, and the semidefinite cone.

use argrad::model::ModelError;
use argrad::ready::*;

use super::case::{agrees, is_flagged, numbers};

/// By sorting: Held, Wolfe and Crowder, 1974.
fn onto_simplex(x: &[f64], r: f64) -> Vec<f64> {
    let mut sorted = x.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut tau) = (0.0, 0.0);
    for (k, v) in sorted.iter().enumerate() {
        sum += v;
        let candidate = (sum - r) / (k + 1) as f64;
        if *v > candidate {
            tau = candidate;
        }
    }
    x.iter().map(|x| (x - tau).max(0.0)).collect()
}

#[test]
fn simplex_and_sparsemax_by_sorting() -> Result<(), ModelError> {
    let layer = simplex_projection(5)?;
    agrees(&layer, &[numbers(15, 21), vec![0.7]], |p| onto_simplex(p[0], p[1][0]));
    agrees(&layer, &[numbers(15, 22), vec![0.7, 1.0, 2.0]], |p| onto_simplex(p[0], p[1][0]));
    agrees(&sparsemax(5)?, &[numbers(15, 23)], |p| onto_simplex(p[0], 1.0));
    // The second is just at the threshold.
    is_flagged(&sparsemax(3)?, &[&[1.0, 0.0, -1.0]]);
    Ok(())
}

#[test]
fn constrained_sparsemax_by_bisection() -> Result<(), ModelError> {
    let closed = |p: &[&[f64]]| {
        let capped = |nu: f64| -> Vec<f64> {
            p[0].iter().zip(p[1]).map(|(x, u)| (x + nu).clamp(0.0, *u)).collect()
        };
        let (mut low, mut high) = (-10.0, 10.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if capped(middle).iter().sum::<f64>() < 1.0 { low = middle } else { high = middle }
        }
        capped(0.5 * (low + high))
    };
    let layer = constrained_sparsemax(4)?;
    agrees(&layer, &[vec![0.9, 0.3, 0.1, -0.8], vec![0.4, 0.6, 0.7, 0.8]], closed);
    agrees(&layer, &[numbers(12, 24), vec![0.45, 0.35, 0.5, 0.4]], closed);
    let (outputs, _) = layer.forward(&[&[0.0; 4], &[0.1; 4]])?;
    assert_eq!(outputs.reports[0].status, argrad::Status::PrimalInfeasible);
    Ok(())
}

#[test]
fn box_projection_clips() -> Result<(), ModelError> {
    let layer = box_projection(4)?;
    let values = [numbers(12, 25), vec![-0.3, -0.2, 0.1, 0.0], vec![0.2, 0.3, 0.4, 0.1]];
    agrees(&layer, &values, |p| {
        p[0].iter().zip(p[1]).zip(p[2]).map(|((x, l), u)| x.clamp(*l, *u)).collect()
    });
    is_flagged(&layer, &[&[1.0, 0.0, 0.0, 0.0], &[-1.0; 4], &[1.0; 4]]);
    Ok(())
}

#[test]
fn l1_ball_soft_thresholds() -> Result<(), ModelError> {
    let layer = l1_ball_projection(4)?;
    let closed = |p: &[&[f64]]| {
        let (x, r) = (p[0], p[1][0]);
        if x.iter().map(|x| x.abs()).sum::<f64>() <= r {
            return x.to_vec();
        }
        let magnitudes: Vec<f64> = x.iter().map(|x| x.abs()).collect();
        onto_simplex(&magnitudes, r).iter().zip(x).map(|(m, x)| m * x.signum()).collect()
    };
    agrees(&layer, &[numbers(12, 26), vec![0.8]], closed);
    // Inside of the ball, where the projection is the identity.
    agrees(&layer, &[numbers(12, 26), vec![9.0]], closed);
    is_flagged(&layer, &[&[0.5, -0.5, 0.25, 0.25], &[1.5]]);
    Ok(())
}

#[test]
fn l2_ball_rescales() -> Result<(), ModelError> {
    let layer = l2_ball_projection(3)?;
    let closed = |p: &[&[f64]]| {
        let norm = p[0].iter().map(|x| x * x).sum::<f64>().sqrt();
        p[0].iter().map(|x| x * (p[1][0] / norm).min(1.0)).collect()
    };
    agrees(&layer, &[numbers(9, 27), vec![0.3]], closed);
    agrees(&layer, &[numbers(9, 27), vec![4.0]], closed);
    is_flagged(&layer, &[&[0.6, 0.0, 0.8], &[1.0]]);
    Ok(())
}

/// Eigenvalues by Jacobi rotations; negative ones are dropped.
fn positive_part(x: &[f64], n: usize) -> Vec<f64> {
    let mut a: Vec<f64> = (0..n * n).map(|k| 0.5 * (x[k] + x[k % n * n + k / n])).collect();
    let mut v: Vec<f64> = (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect();
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                let angle = 0.5 * (2.0 * a[p * n + q]).atan2(a[q * n + q] - a[p * n + p]);
                let (s, c) = angle.sin_cos();
                let rotate = |m: &mut [f64], i: usize, j: usize| {
                    let (left, right) = (m[i], m[j]);
                    (m[i], m[j]) = (c * left - s * right, s * left + c * right);
                };
                (0..n).for_each(|k| rotate(&mut a, k * n + p, k * n + q));
                (0..n).for_each(|k| rotate(&mut a, p * n + k, q * n + k));
                (0..n).for_each(|k| rotate(&mut v, k * n + p, k * n + q));
            }
        }
    }
    let entry = |i: usize, j: usize| {
        (0..n).map(|k| a[k * n + k].max(0.0) * v[i * n + k] * v[j * n + k]).sum()
    };
    (0..n * n).map(|k| entry(k / n, k % n)).collect()
}

#[test]
fn psd_projection_drops_negative_eigenvalues() -> Result<(), ModelError> {
    for n in [2, 4] {
        let mut x = numbers(2 * n * n, 28);
        for matrix in x.chunks_mut(n * n) {
            (0..n).for_each(|i| (0..i).for_each(|j| matrix[i * n + j] = matrix[j * n + i]));
        }
        agrees(&psd_projection(n)?, &[x], |p| positive_part(p[0], n));
    }
    is_flagged(&psd_projection(2)?, &[&[1.0, 1.0, 1.0, 1.0]]); // an eigenvalue of zero
    Ok(())
}
