//! The scaling, and the constant of the combined step.

use super::*;

#[test]
fn scaling_maps_z_to_s() {
    for n in DIMS {
        for (s, z) in pairs(n) {
            let scaling = Scaled::new(&s, &z);
            let image = scaling.multiply(&z);
            // Rounding errors of H, at least; and those of the distances to the boundary.
            let size = largest(&scaling.matrix()) * norm(&z);
            let tolerance =
                16.0 * EPS * size + 8.0 * EPS * (steepness(&s) + steepness(&z)) * norm(&s);
            assert!(distance(&image, &s) <= tolerance, "{n} {s:?} {z:?} {image:?}");
        }
    }
}

#[test]
fn scaling_maps_z_to_s_to_rounding_at_moderate_points() {
    for n in DIMS {
        for (s, z) in pairs(n) {
            if steepness(&s).max(steepness(&z)) < 12.0 {
                let image = Scaled::new(&s, &z).multiply(&z);
                assert!(distance(&image, &s) <= 1e-13 * norm(&s));
            }
        }
    }
}

#[test]
fn scaling_is_accurate_where_gaps_are() {
    // Norms are exactly 5, so the gaps are exactly 2^-k; s1 and z1 opposite, or nearly.
    for n in [3, 5, 12] {
        for (i, j) in [(10, 12), (30, 30), (44, 40)] {
            let (s_gap, z_gap) = (0.5_f64.powi(i), 0.5_f64.powi(j));
            let (mut s, mut z) = (vec![0.0; n], vec![0.0; n]);
            (s[0], s[1], s[n - 1]) = (5.0 + s_gap, 3.0, 4.0);
            (z[0], z[1], z[n - 1]) = (5.0 + z_gap, -3.0, -4.0);
            let scaling = Scaled::new(&s, &z);
            let det = |gap: f64| gap * (10.0 + gap);
            let inner = 5.0 * (s_gap + z_gap) + s_gap * z_gap;
            let root = (det(s_gap) * det(z_gap)).sqrt();
            let gamma = (0.5 * (1.0 + inner / root)).sqrt();
            assert!((scaling.datum(scaled::GAMMA) / gamma - 1.0).abs() < 4.0 * EPS);
            assert!((scaling.datum(scaled::DET_S) / det(s_gap) - 1.0).abs() < 4.0 * EPS);
            let eta2 = (det(s_gap) / det(z_gap)).sqrt();
            assert!((scaling.datum(scaled::ETA2) / eta2 - 1.0).abs() < 8.0 * EPS);
            let w0 = (s[0] / det(s_gap).sqrt() + z[0] / det(z_gap).sqrt()) / (2.0 * gamma);
            assert!((scaling.datum(scaled::W0) / w0 - 1.0).abs() < 16.0 * EPS);
        }
    }
}

/// W of the scaling.
fn root_matrix(scaling: &Scaled) -> Matrix {
    let (eta, w) = (scaling.datum(scaled::ETA2).sqrt(), scaling.w());
    let n = w.len();
    let mut root = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..n {
            let entry = match (i, j) {
                (0, _) => w[j],
                (_, 0) => w[i],
                _ => f64::from(u8::from(i == j)) + w[i] * w[j] / (1.0 + w[0]),
            };
            root[i][j] = eta * entry;
        }
    }
    root
}

fn solve(mut a: Matrix, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let l = a[i][k] / a[k][k];
            for j in k..n {
                a[i][j] -= l * a[k][j];
            }
            b[i] -= l * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}

#[test]
fn combined_constant_is_that_of_its_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for n in DIMS {
        for (s, z) in pairs(n) {
            let scaling = Scaled::new(&s, &z);
            let worst = steepness(&s).max(steepness(&z));
            if worst > 1e5 {
                continue;
            }
            let scale = |x: &[f64], by: f64| x.iter().map(|x| by * x).collect::<Vec<_>>();
            let (ds, dz) =
                (scale(&random(&mut rng, n), norm(&s)), scale(&random(&mut rng, n), norm(&z)));
            let target = 0.3 * inner(&s, &z);
            let root = root_matrix(&scaling);
            let lambda = product(&root, &z);
            let (a, b) = (solve(root.clone(), ds.clone()), product(&root, &dz));
            let mut q = jordan(&a, &b);
            for (q, l) in q.iter_mut().zip(jordan(&lambda, &lambda)) {
                *q += l;
            }
            q[0] -= target;
            let mut arrow = vec![vec![0.0; n]; n];
            for i in 0..n {
                (arrow[0][i], arrow[i][0], arrow[i][i]) = (lambda[i], lambda[i], lambda[0]);
            }
            let x = solve(arrow, q);
            let expected = product(&root, &x);
            let found = scaling.constant(&s, &z, &ds, &dz, target);
            let size = largest(&root) * norm(&x);
            assert!(
                distance(&found, &expected) <= 1e-14 * worst * worst * size,
                "{n} {found:?} {expected:?}"
            );
        }
    }
}

#[test]
fn combined_constant_without_a_step_is_s_less_target_over_z() {
    // W (lambda \ e) = z^-1 = J z / det z.
    for n in DIMS {
        for (s, z) in pairs(n) {
            let scaling = Scaled::new(&s, &z);
            let none = vec![0.0; n];
            let target = 0.5 * inner(&s, &z);
            let found = scaling.constant(&s, &z, &none, &none, target);
            let det = scaling.datum(scaled::DET_Z);
            let expected: Vec<f64> =
                (0..n).map(|i| s[i] - target * (if i == 0 { z[0] } else { -z[i] }) / det).collect();
            let worst = steepness(&s).max(steepness(&z));
            let size = norm(&s) + target * norm(&z) / det;
            let error = distance(&found, &expected);
            assert!(error <= 32.0 * EPS * worst * size, "{n} {error} {}", error / size / worst);
        }
    }
}
