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
    // Norms are exactly 5 a and 5 b, so the gaps are exactly 2^-k; s1 and z1 are opposite. With a
    // and b not one, |s1| |z1| and s1.z1 are rounded: their sum is 4e-4 of s.z, or all of it,
    // instead of 0.
    for (a, b) in [(1.0, 1.0), (1.0 + 0.5_f64.powi(24), 1.0 + 4.5 * 0.5_f64.powi(28))] {
        for n in [3, 5, 12] {
            for (i, j) in [(10, 12), (30, 30), (40, 40), (44, 43)] {
                let (s_gap, z_gap) = (0.5_f64.powi(i), 0.5_f64.powi(j));
                let (mut s, mut z) = (vec![0.0; n], vec![0.0; n]);
                (s[0], s[1], s[n - 1]) = (5.0 * a + s_gap, 3.0 * a, 4.0 * a);
                (z[0], z[1], z[n - 1]) = (5.0 * b + z_gap, -3.0 * b, -4.0 * b);
                let scaling = Scaled::new(&s, &z);
                let det_s = s_gap * (10.0 * a + s_gap);
                let det_z = z_gap * (10.0 * b + z_gap);
                let inner = 5.0 * (b * s_gap + a * z_gap) + s_gap * z_gap;
                let gamma = (0.5 * (1.0 + inner / (det_s * det_z).sqrt())).sqrt();
                let eta2 = (det_s / det_z).sqrt();
                let w0 = (s[0] / det_s.sqrt() + z[0] / det_z.sqrt()) / (2.0 * gamma);
                for (k, expected) in [
                    (scaled::DET_S, det_s),
                    (scaled::DET_Z, det_z),
                    (scaled::GAMMA, gamma),
                    (scaled::ETA2, eta2),
                    (scaled::W0, w0),
                ] {
                    let error = scaling.datum(k) / expected - 1.0;
                    assert!(error.abs() < 16.0 * EPS, "{k}: {error}");
                }
            }
        }
    }
}

#[test]
fn scaling_is_finite_where_the_gap_is_lost_to_rounding() {
    for n in &DIMS[1..] {
        let mut s = random(&mut ChaCha8Rng::seed_from_u64(12), *n);
        let lost = norm(&s[1..]) * (1.0 - EPS);
        s[0] = lost;
        let scaling = Scaled::new(&s, &unit_vector(*n, 0));
        assert!(scaling.datum(scaled::DET_S) > 0.0);
        assert!(scaling.matrix().iter().flatten().all(|h| h.is_finite()));
        assert!(scaling.datum(scaled::DET_S) <= 4.0 * EPS * lost * lost);
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
