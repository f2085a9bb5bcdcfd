use argrad_solver::Cone;
use qd::Quad;

use super::{Block, norm, project, project_cone};
use crate::generators::normal_vector;

fn general_power() -> Cone {
    Cone::GeneralizedPower { alpha: vec![0.2, 0.5, 0.3], norm_dim: 3 }
}

/// Cones with smooth boundaries, all of their points random in every region.
fn cones() -> Vec<Cone> {
    vec![
        Cone::SecondOrder(2),
        Cone::SecondOrder(5),
        Cone::PsdTriangle(2),
        Cone::PsdTriangle(4),
        Cone::Exponential,
        Cone::Power(0.5),
        Cone::Power(0.1),
        Cone::Power(0.95),
        general_power(),
        Cone::GeneralizedPower { alpha: vec![1.0], norm_dim: 2 },
    ]
}

fn single(cone: &Cone, v: &[Quad]) -> Block {
    project_cone(cone, v).remove(0)
}

fn dot(left: &[Quad], right: &[Quad]) -> Quad {
    left.iter().zip(right).fold(Quad::ZERO, |sum, (&l, &r)| sum.add_accurate(l * r))
}

fn quads(v: &[f64], scale: f64) -> Vec<Quad> {
    v.iter().map(|&v| Quad::from_f64(v * scale)).collect()
}

/// How far a point is outside the cone, from the definition of the cone.
fn outside(cone: &Cone, point: &[Quad]) -> f64 {
    let power = |alpha: &[f64]| {
        let (x, w) = point.split_at(alpha.len());
        let least = x.iter().fold(f64::INFINITY, |least, x| least.min(x.0));
        let product: f64 = x.iter().zip(alpha).map(|(x, a)| x.0.max(0.0).powf(*a)).product();
        (norm(w).0 - product).max(-least)
    };
    match cone {
        Cone::SecondOrder(_) => (norm(&point[1..]) - point[0]).0,
        // Its projection has no share of a negative eigenvalue, see the test of the eigenvectors.
        Cone::PsdTriangle(side) => {
            let matrix = super::psd::unpack(*side, point);
            let (values, _) = super::psd::eigen(*side, matrix);
            values.iter().fold(0.0, |worst, v| worst.max(-v.0))
        }
        Cone::Exponential => {
            let [x, y, z] = [point[0], point[1], point[2]];
            if y.0 > 0.0 { (y * (x / y).exp() - z).0 } else { x.0.max(-y.0).max(-z.0) }
        }
        Cone::Power(a) => power(&[*a, 1.0 - *a]),
        Cone::GeneralizedPower { alpha, .. } => power(alpha),
        _ => unreachable!(),
    }
}

/// The same for the dual cone.
fn outside_dual(cone: &Cone, point: &[Quad]) -> f64 {
    let scaled = |alpha: &[f64]| {
        let mut scaled = point.to_vec();
        for (v, a) in scaled.iter_mut().zip(alpha) {
            *v /= Quad::from_f64(*a);
        }
        outside(cone, &scaled)
    };
    match cone {
        Cone::Exponential => {
            let [u, v, w] = [point[0], point[1], point[2]];
            if u.0 < 0.0 {
                (-u * (v / u).exp() - w * Quad::ONE.exp()).0
            } else {
                u.0.max(-v.0).max(-w.0)
            }
        }
        Cone::Power(a) => scaled(&[*a, 1.0 - *a]),
        Cone::GeneralizedPower { alpha, .. } => scaled(alpha),
        _ => outside(cone, point),
    }
}

/// Random v of every scale, and v nearby the boundaries of the cone and its polar.
fn samples(cone: &Cone) -> Vec<Vec<Quad>> {
    let dim = cone.dim();
    let mut samples = Vec::new();
    for seed in 0..30 {
        let draw = normal_vector(dim, 1, seed);
        for scale in [1e-8, 1.0, 1e8] {
            samples.push(quads(&draw, scale));
        }
        // s and z of very different sizes: v close to the boundary.
        let block = single(cone, &quads(&draw, 1.0));
        for (of_s, of_z) in [(1.0, 1e-9), (1e-9, 1.0), (1.0, 1e-4)] {
            samples.push(
                block
                    .point
                    .iter()
                    .zip(&draw)
                    .map(|(&s, &v)| {
                        let z = s - Quad::from_f64(v);
                        s * Quad::from_f64(of_s) - z * Quad::from_f64(of_z)
                    })
                    .collect(),
            );
        }
    }
    samples
}

#[test]
fn every_vector_splits_as_moreau_says() {
    for cone in cones() {
        for v in samples(&cone) {
            let block = single(&cone, &v);
            let size = norm(&v).0;
            let z: Vec<Quad> = block.point.iter().zip(&v).map(|(&s, &v)| s - v).collect();
            let gap = dot(&block.point, &z).0.abs() / (size * size);
            assert!(gap < 1e-28, "{cone:?} {v:?}: {gap:e}");
            assert!(outside(&cone, &block.point) < 1e-14 * size, "{cone:?} {v:?} {block:?}");
            assert!(outside_dual(&cone, &z) < 1e-14 * size, "{cone:?} {v:?} {z:?}");
        }
    }
}

#[test]
fn derivatives_match_central_differences_of_projections() {
    for cone in cones() {
        let dim = cone.dim();
        for v in samples(&cone) {
            let block = single(&cone, &v);
            // Closer to a kink the step would have to be shorter; and exponents make the third
            // derivative grow.
            if block.margin < 1e-5 {
                continue;
            }
            let size = norm(&v).0;
            let step = Quad::from_f64(1e-12 * size * block.margin);
            for j in 0..dim {
                let at = |step: Quad| {
                    let mut moved = v.clone();
                    moved[j] += step;
                    single(&cone, &moved).point
                };
                let (ahead, behind) = (at(step), at(-step));
                for i in 0..dim {
                    let difference = (ahead[i] - behind[i]) / (step + step);
                    let error = (difference - block.derivative[i * dim + j]).0.abs();
                    assert!(error < 1e-13, "{cone:?} {v:?} ({i}, {j}): {error:e} {block:?}");
                }
            }
        }
    }
}

#[test]
fn derivatives_are_symmetric_keep_s_and_lose_z() {
    for cone in cones() {
        let dim = cone.dim();
        for v in samples(&cone) {
            let block = single(&cone, &v);
            let size = norm(&v).0;
            for (i, row) in block.derivative.chunks_exact(dim).enumerate() {
                let kept = (dot(row, &block.point) - block.point[i]).0.abs() / size;
                let of_v = (dot(row, &v) - block.point[i]).0.abs() / size;
                assert!(kept < 1e-24 && of_v < 1e-24, "{cone:?} {v:?}: {kept:e} {of_v:e}");
                for (j, entry) in row.iter().enumerate().take(i) {
                    let skew = (*entry - block.derivative[j * dim + i]).0.abs();
                    assert!(skew < 1e-24, "{cone:?} {v:?}: {skew:e}");
                }
            }
        }
    }
}

#[test]
fn cones_that_are_special_cases_of_others_agree_with_them() {
    for seed in 0..30 {
        let v = normal_vector(3, 1, seed);
        // {x >= |(w1, w2)|} is the generalized power cone of the one exponent 1.
        let ball = project(&Cone::GeneralizedPower { alpha: vec![1.0], norm_dim: 2 }, &v);
        let cone = project(&Cone::SecondOrder(3), &v);
        for (found, expected) in ball.derivative.iter().zip(&cone.derivative) {
            assert!((found - expected).abs() < 1e-15);
        }
        // Power(a) is the generalized one of (a, 1 - a), and swapping x and y swaps a and 1 - a.
        let general = Cone::GeneralizedPower { alpha: vec![0.25, 0.75], norm_dim: 1 };
        assert_eq!(project(&Cone::Power(0.25), &v), project(&general, &v));
        let swapped = project(&Cone::Power(0.75), &[v[1], v[0], v[2]]);
        let direct = project(&Cone::Power(0.25), &v);
        assert!((swapped.point[0] - direct.point[1]).abs() < 1e-15);
        assert!((swapped.derivative[0] - direct.derivative[4]).abs() < 1e-15);
        // A matrix of side 2 is a second-order cone: ((a + c), (a - c), 2 b) / sqrt 2.
        let root = 0.5_f64.sqrt();
        let matrix = project(&Cone::PsdTriangle(2), &v);
        let turned = [root * (v[0] + v[2]), root * (v[0] - v[2]), v[1]];
        let cone = project(&Cone::SecondOrder(3), &turned);
        assert!((root * (matrix.point[0] + matrix.point[2]) - cone.point[0]).abs() < 1e-15);
        assert!((matrix.point[1] - cone.point[2]).abs() < 1e-15);
        assert!((matrix.derivative[4] - cone.derivative[8]).abs() < 1e-15);
    }
}

#[test]
fn known_projections() {
    let close = |found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-15, "{found:?} {expected:?}");
        }
    };
    let zero = project(&Cone::Zero(2), &[1.0, -2.0]);
    close(&zero.point, &[0.0, 0.0]);
    close(&zero.dual_point, &[-1.0, 2.0]);
    close(&zero.derivative, &[0.0; 4]);
    let rows = project(&Cone::Nonnegative(2), &[3.0, -2.0]);
    close(&rows.point, &[3.0, 0.0]);
    close(&rows.dual_point, &[0.0, 2.0]);
    close(&rows.derivative, &[1.0, 0.0, 0.0, 0.0]);
    // (t, u) = (0, 4): half way.
    let ball = project(&Cone::SecondOrder(3), &[0.0, 0.0, 4.0]);
    close(&ball.point, &[2.0, 0.0, 2.0]);
    close(&ball.derivative, &[0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5]);
    // diag(1, -3) and no coupling: the entry off the diagonal keeps 1 / (1 + 3).
    let matrix = project(&Cone::PsdTriangle(2), &[1.0, 0.0, -3.0]);
    close(&matrix.point, &[1.0, 0.0, 0.0]);
    close(&matrix.derivative, &[1.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0]);
    // s = (0, 1, 1), z = (-1, -1, 1) at the ratio 0.
    let exponential = project(&Cone::Exponential, &[1.0, 2.0, 0.0]);
    close(&exponential.point, &[0.0, 1.0, 1.0]);
    close(&exponential.dual_point, &[-1.0, -1.0, 1.0]);
    // s = (2, 1/2, 1), z = (a/2, 2 (1 - a), -1) for a = 1/2.
    let power = project(&Cone::Power(0.5), &[1.75, -0.5, 2.0]);
    close(&power.point, &[2.0, 0.5, 1.0]);
    close(&power.dual_point, &[0.25, 1.0, -1.0]);
}

#[test]
fn flat_parts_are_those_of_the_definition() {
    let exponential = project(&Cone::Exponential, &[-1.0, -2.0, 3.0]);
    assert_eq!(exponential.point, [-1.0, 0.0, 3.0]);
    assert_eq!(exponential.derivative, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    let below = project(&Cone::Exponential, &[-1.0, -2.0, -3.0]);
    assert_eq!(below.point, [-1.0, 0.0, 0.0]);
    // w is kept, lost, or shared, as the exponents of the zero entries are small, large, or a half.
    for (a, kept) in [(0.3, 1.0), (0.7, 0.0), (0.5, 1.0 / 3.0)] {
        let power = project(&Cone::Power(a), &[-1.0, 2.0 * 0.5, 0.0]);
        assert_eq!(power.point, [0.0, 1.0, 0.0]);
        let expected = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, kept];
        if a != 0.5 {
            assert_eq!(power.derivative, expected);
        } else {
            // r / m = x / y' with log r/m = log(0.5 / 1) + log 1: 1/2, hence 1/3.
            assert!((power.derivative[8] - kept).abs() < 1e-15);
        }
    }
}

#[test]
fn the_flat_part_is_the_limit_of_the_curved_part() {
    for (a, w) in [(0.3, 1e-25), (0.7, 1e-25), (0.5, 1e-20)] {
        for cone in
            [Cone::Power(a), Cone::GeneralizedPower { alpha: vec![a, 1.0 - a], norm_dim: 2 }]
        {
            let dim = cone.dim();
            let mut v = quads(&[-0.8, 1.3, 0.0, 0.0][..dim], 1.0);
            let flat = single(&cone, &v);
            v[2] = Quad::from_f64(w);
            let curved = single(&cone, &v);
            for (found, expected) in curved.derivative.iter().zip(&flat.derivative) {
                assert!((*found - *expected).0.abs() < 1e-9, "{cone:?} {curved:?} {flat:?}");
            }
        }
    }
}

#[test]
fn ratios_out_of_range_of_the_exponential_are_projected() {
    for v in [
        [-1.0, 1e-4, -2.0],
        [-1.0, 1e-4, 2.0],
        [-1.0, 1e-2, -2.0],
        [1e-4, -1.0, 2.0],
        [1e-2, -1.0, 2.0],
        [1e-2, -1.0, -1e-30],
        [500.0, 1.0, 1.0],
        [0.0, 1.0, -1.0],
        [1.0, 0.0, 1.0],
        [0.0, 1.0, 0.5],
        [0.0, -1.0, 0.5],
        [0.0, 0.0, -1.0],
        [1.0, 0.0, 0.0],
    ] {
        let v = quads(&v, 1.0);
        let block = single(&Cone::Exponential, &v);
        let size = norm(&v).0;
        let z: Vec<Quad> = block.point.iter().zip(&v).map(|(&s, &v)| s - v).collect();
        assert!(dot(&block.point, &z).0.abs() < 1e-25 * size * size, "{v:?} {block:?}");
        assert!(outside(&Cone::Exponential, &block.point) < 1e-14 * size, "{v:?} {block:?}");
        assert!(outside_dual(&Cone::Exponential, &z) < 1e-14 * size, "{v:?} {block:?}");
        assert!((0.0..=1.0).contains(&block.margin), "{v:?} {block:?}");
    }
}

#[test]
fn margins_tell_kinks() {
    for (cone, kink) in [
        (Cone::Nonnegative(1), vec![0.0]),
        (Cone::SecondOrder(3), vec![5.0, 3.0, 4.0]),
        (Cone::SecondOrder(3), vec![-5.0, 3.0, 4.0]),
        (Cone::SecondOrder(3), vec![0.0; 3]),
        (Cone::PsdTriangle(2), vec![1.0, 0.0, 0.0]),
        (Cone::Exponential, vec![0.0, 1.0, 1.0]),
        (Cone::Exponential, vec![1.0, 1.0, -1.0]),
        (Cone::Exponential, vec![-1.0, 0.0, 1.0]),
        (Cone::Exponential, vec![-1.0, -1.0, 0.0]),
        (Cone::Exponential, vec![0.0, -1.0, 1.0]),
        (Cone::Power(0.5), vec![2.0, 0.5, 1.0]),
        (Cone::Power(0.5), vec![-0.25, -1.0, 1.0]),
        (Cone::Power(0.5), vec![0.0, 1.0, 0.0]),
    ] {
        assert!(project(&cone, &kink).margin < 1e-15, "{cone:?} {kink:?}");
        let direction = normal_vector(cone.dim(), 1, 5);
        let near: Vec<f64> = kink.iter().zip(&direction).map(|(k, d)| k + 1e-6 * d).collect();
        let margin = project(&cone, &near).margin;
        if kink.iter().any(|&k| k != 0.0) {
            assert!(margin < 1e-5 && margin > 0.0, "{cone:?} {kink:?}: {margin:e}");
        }
    }
    for cone in cones() {
        let widest = (0..40)
            .map(|seed| project(&cone, &normal_vector(cone.dim(), 1, seed)).margin)
            .fold(0.0, f64::max);
        assert!(widest > 0.1, "{cone:?}: {widest}");
    }
}
