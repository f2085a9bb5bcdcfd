//! The blocks as they are written for the KKT matrix.

use super::*;

#[test]
fn projection_s_block_is_what_apply_multiplies_with() {
    for n in DIMS {
        for v in points(n).into_iter().chain(kinks(n)) {
            for mu in [0.0, 1e-12, 1.0, 100.0] {
                let p = Projected::new(&v, mu);
                let matrix = p.matrix(Function::Block);
                let block = eliminated(&p.cone, &p.block());
                let size = largest(&matrix);
                assert_close(&matrix, &block, 16.0 * EPS * size, "block");
            }
        }
    }
}

/// The nodes of one sign must form a definite block, or an elimination order could break down.
fn assert_quasidefinite(cone: &SecondOrder, h: &[R], shift: f64) {
    let full = full(cone, h);
    let nodes: Vec<usize> = (0..cone.dim)
        .chain(
            (0..cone.auxiliary().len())
                .filter(|&k| cone.auxiliary()[k] < 0.0)
                .map(|k| cone.dim + k),
        )
        .collect();
    let mut a: Matrix =
        nodes.iter().map(|&i| nodes.iter().map(|&j| full[i][j]).collect()).collect();
    for (i, row) in a.iter_mut().enumerate() {
        row[i] += shift;
    }
    for k in 0..a.len() {
        assert!(a[k][k] > 0.0, "pivot {k}: {}", a[k][k]);
        for i in k + 1..a.len() {
            let l = a[i][k] / a[k][k];
            for j in k..a.len() {
                a[i][j] -= l * a[k][j];
            }
        }
    }
}

#[test]
fn written_blocks_are_quasidefinite() {
    for n in DIMS {
        // H of a projection is singular by nature; the KKT matrix adds its regularization.
        for v in points(n).into_iter().chain(kinks(n)) {
            for mu in [0.0, 1e-12, 1.0] {
                let p = Projected::new(&v, mu);
                assert_quasidefinite(&p.cone, &p.block(), 1e-7);
            }
        }
        for (s, z) in pairs(n) {
            let scaling = Scaled::new(&s, &z);
            if steepness(&s) * steepness(&z) < 1e12 {
                assert_quasidefinite(&scaling.cone, &scaling.block(), 0.0);
            }
        }
    }
}

#[test]
fn scaling_block_is_positive_definite_and_what_multiply_uses() {
    for n in DIMS {
        for (s, z) in pairs(n) {
            let scaling = Scaled::new(&s, &z);
            let (matrix, h) = (scaling.matrix(), scaling.block());
            let size = largest(&matrix);
            let block = eliminated(&scaling.cone, &h);
            assert_close(&matrix, &block, 16.0 * EPS * size, "block");
            let transposed = (0..n).map(|i| matrix.iter().map(|row| row[i]).collect()).collect();
            assert_close(&matrix, &transposed, 4.0 * EPS * size, "symmetry");
            // The eigenvalues eta^2 (w0 ± |w1|)^2 and eta^2, to the accuracy of the largest.
            let (eta2, w) = (scaling.datum(scaled::ETA2), scaling.w());
            let theta2 = (w[0] + norm(&w[1..])).powi(2);
            let mut expected = vec![eta2; n.saturating_sub(2)];
            expected.push(eta2 * theta2);
            expected.extend((n > 1).then_some(eta2 / theta2));
            expected.sort_by(f64::total_cmp);
            let mut found = eigenvalues_of(matrix);
            found.sort_by(f64::total_cmp);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 64.0 * EPS * size, "{found} {expected}");
                assert!(*found > 0.0 || theta2 * theta2 > 0.01 / EPS);
            }
        }
    }
}

#[test]
fn blocks_settle_when_a_factor_of_one_serves_for_the_other() {
    for n in DIMS {
        let cone = SecondOrder::new(n);
        let mut v = random(&mut ChaCha8Rng::seed_from_u64(6), n);
        let u = norm(&v[1..]);
        let block = |v: &[f64]| Projected::new(v, 0.0).block();
        let settled = |a: &[f64], b: &[f64]| cone.settled(Scalar, &block(a), &block(b)).lane(0);
        for (ratio, smooth) in [(2.0, true), (0.3, false), (-2.0, true)] {
            v[0] = ratio * if n == 1 { 1.0 } else { u };
            assert!(settled(&v, &v));
            let far: Vec<f64> = v.iter().map(|v| 3.0 * v).collect();
            assert!(settled(&v, &far), "D depends on the direction of v only");
            if n < 3 {
                continue;
            }
            // Turned by 0.1, by 1e-5 (refinement would not converge: h+ 1e-10 = 1e-3) and by 1e-7.
            for (turn, close) in [(0.1_f64, smooth), (1e-5, smooth), (1e-7, true)] {
                let across = random(&mut ChaCha8Rng::seed_from_u64(8), n);
                let share = inner(&across[1..], &v[1..]) / (u * u);
                let across = combination(&across[1..], -share, &v[1..]);
                let sine = turn.sin() * u / norm(&across);
                let mut turned = vec![v[0]];
                turned.extend((0..n - 1).map(|i| turn.cos() * v[i + 1] + sine * across[i]));
                assert_eq!(settled(&v, &turned), close, "{n} {ratio} {turn}");
            }
            // The eigenvalue on the rest.
            for (change, close) in [(1e-2, smooth), (1e-4, true)] {
                let mut moved = v.clone();
                moved[0] += change * u;
                assert_eq!(settled(&v, &moved), close, "{n} {ratio} {change}");
            }
        }
        let (mut inside, mut mixed, mut polar) = (v.clone(), v.clone(), v);
        (inside[0], mixed[0], polar[0]) = (u + 1.0, if n == 1 { -1.0 } else { 0.0 }, -u - 1.0);
        assert!(!settled(&inside, &mixed) && !settled(&mixed, &inside));
        if n > 1 {
            assert!(!settled(&mixed, &polar) && !settled(&polar, &mixed));
        }
    }
}
