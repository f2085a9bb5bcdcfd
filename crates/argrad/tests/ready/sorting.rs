//! The permutahedron against the pool-adjacent-violators algorithm.

use argrad::model::{Layer, ModelError};
use argrad::ready::*;

use super::case::{agrees, is_flagged, numbers};

/// The nearest vector that does not increase: neighbours that violate the order are pooled.
fn pool_adjacent_violators(x: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for v in x {
        blocks.push((*v, 1));
        while let [.., (a, m), (b, n)] = blocks[..]
            && a / m as f64 <= b / n as f64
        {
            blocks.truncate(blocks.len() - 2);
            blocks.push((a + b, m + n));
        }
    }
    blocks.into_iter().flat_map(|(sum, n)| std::iter::repeat_n(sum / n as f64, n)).collect()
}

fn descending(x: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|i, j| x[*j].total_cmp(&x[*i]));
    order
}

fn sorted(x: &[f64]) -> Vec<f64> {
    descending(x).into_iter().map(|i| x[i]).collect()
}

fn onto_permutahedron(x: &[f64], w: &[f64]) -> Vec<f64> {
    let difference: Vec<f64> = sorted(x).iter().zip(sorted(w)).map(|(x, w)| x - w).collect();
    let v = pool_adjacent_violators(&difference);
    let mut y = x.to_vec();
    descending(x).into_iter().zip(v).for_each(|(at, v)| y[at] -= v);
    y
}

#[test]
fn isotonic_regression_pools_adjacent_violators() -> Result<(), ModelError> {
    agrees(&isotonic_regression(6)?, &[numbers(18, 31)], |p| pool_adjacent_violators(p[0]));
    agrees(&isotonic_regression(1)?, &[vec![0.4]], |p| p[0].to_vec());
    is_flagged(&isotonic_regression(3)?, &[&[1.0, 1.0, 0.0]]);
    Ok(())
}

#[test]
fn permutahedron_by_pooling() -> Result<(), ModelError> {
    let layer = permutahedron_projection(5)?;
    for scale in [0.3, 1.0, 5.0] {
        let x: Vec<f64> = numbers(15, 32).iter().map(|v| scale * v).collect();
        agrees(&layer, &[x.clone(), numbers(5, 33)], |p| onto_permutahedron(p[0], p[1]));
        agrees(&layer, &[x, numbers(15, 34)], |p| onto_permutahedron(p[0], p[1]));
    }
    // Of equal numbers in w.
    is_flagged(&layer, &[&numbers(5, 32), &[3.0, 3.0, 1.0, 0.0, -1.0]]);
    Ok(())
}

#[test]
fn equal_elements_are_no_kink_where_they_are_pooled() -> Result<(), ModelError> {
    let layer = permutahedron_projection(4)?;
    let x = vec![0.5, 0.5, -1.4, 2.3];
    agrees(&layer, &[x, vec![4.0, 3.0, 2.0, 1.0]], |p| onto_permutahedron(p[0], p[1]));
    Ok(())
}

#[test]
fn soft_sort_and_soft_rank() -> Result<(), ModelError> {
    let n = 5;
    let rho = |eps: f64| (1..=n).rev().map(|r| r as f64 / eps).collect::<Vec<f64>>();
    for eps in [0.05, 0.7, 4.0] {
        let x = numbers(15, 35);
        agrees(&soft_sort(n, eps)?, std::slice::from_ref(&x), |p| {
            onto_permutahedron(&rho(eps), p[0])
        });
        agrees(&soft_rank(n, eps)?, &[x], |p| {
            let negative: Vec<f64> = p[0].iter().map(|v| -v / eps).collect();
            onto_permutahedron(&negative, &rho(1.0))
        });
    }
    let (ranks, _) = soft_rank(4, 1e-3)?.forward(&[&[0.3, 2.0, -1.0, 0.9]])?;
    let expected = [3.0, 1.0, 4.0, 2.0];
    assert!(ranks[0].iter().zip(expected).all(|(r, e)| (r - e).abs() < 1e-9));
    is_flagged(&soft_sort(3, 0.01)?, &[&[1.0, 1.0, 0.0]]);
    assert!(soft_sort(3, 0.0).is_err() && soft_rank(0, 1.0).is_err());
    Ok(())
}

#[test]
fn a_sorting_layer_in_a_file() -> Result<(), Box<dyn std::error::Error>> {
    let layer = permutahedron_projection(3)?;
    let read: Layer = serde_json::from_str(&serde_json::to_string(&layer)?)?;
    let values: [&[f64]; 2] = [&[0.1, 0.5, -0.2], &[3.0, 2.0, 1.0]];
    assert_eq!(read.forward(&values)?.0.values, layer.forward(&values)?.0.values);
    Ok(())
}
