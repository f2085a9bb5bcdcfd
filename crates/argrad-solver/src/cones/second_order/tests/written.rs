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
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
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

/// LDL' without pivoting in a given order, as the solver does it: small pivots are replaced.
fn solve_in_order(mut a: Matrix, signs: &[f64], order: &[usize], b: &[f64]) -> Vec<f64> {
    let mut b = b.to_vec();
    let mut pivots = vec![0.0; b.len()];
    for (step, &k) in order.iter().enumerate() {
        let small = a[k][k] * signs[k] < 1e-9;
        pivots[k] = if small { 1e-7 * signs[k] } else { a[k][k] };
        for &i in &order[step + 1..] {
            let l = a[i][k] / pivots[k];
            for &j in &order[step + 1..] {
                a[i][j] -= l * a[k][j];
            }
            b[i] -= l * b[k];
        }
    }
    for (step, &k) in order.iter().enumerate().rev() {
        let known: f64 = order[step + 1..].iter().map(|&j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / pivots[k];
    }
    b
}

/// [P + R, A'; A, -H - R] with nodes in the order x, rows, auxiliary; R is the regularization.
fn kkt(p: &[f64], a: &Matrix, h: &Matrix, signs: &[f64]) -> Matrix {
    let (n, order) = (p.len(), p.len() + h.len());
    let mut kkt = vec![vec![0.0; order]; order];
    for (i, row) in h.iter().enumerate() {
        for (j, h) in row.iter().enumerate() {
            kkt[n + i][n + j] = -h;
        }
    }
    for (i, row) in a.iter().enumerate() {
        for (j, &a) in row.iter().enumerate() {
            (kkt[n + i][j], kkt[j][n + i]) = (a, a);
        }
    }
    for i in 0..order {
        kkt[i][i] += if i < n { p[i] } else { 0.0 } + 1e-7 * signs[i];
    }
    kkt
}

#[test]
fn expanded_blocks_serve_in_any_elimination_order() {
    let (n, columns) = (12, 6);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    // Eigenvalues on the rest from 1e-4 to 1e7, and a scaling with eigenvalues 1e8, 1 and 1e-8.
    for ratio in [-0.9999, -0.5, 0.0, 0.9, 0.99999, 0.9999999, f64::NAN] {
        let axis = random(&mut rng, n - 1);
        let at = |t: f64, sign: f64| -> Vec<f64> {
            [t * norm(&axis)].into_iter().chain(axis.iter().map(|x| sign * x)).collect()
        };
        let (cone, h, matrix) = if ratio.is_nan() {
            let scaling = Scaled::new(&at(1.0 + 1e-8, 1.0), &at(1.0 + 1e-8, -1.0));
            (scaling.cone.clone(), scaling.block(), scaling.matrix())
        } else {
            let p = Projected::new(&at(ratio, 1.0), 0.0);
            (p.cone.clone(), p.block(), p.matrix(Function::Block))
        };
        let p: Vec<f64> = random(&mut rng, columns).iter().map(|x| x.abs()).collect();
        let a: Matrix = (0..n).map(|_| random(&mut rng, columns)).collect();
        let signs: Vec<f64> = (0..columns + n)
            .map(|i| if i < columns { 1.0 } else { -1.0 })
            .chain(cone.auxiliary())
            .collect();
        let b = random(&mut rng, columns + n);
        let exact = solve(kkt(&p, &a, &matrix, &signs[..columns + n]), b.clone());
        let expanded = kkt(&p, &a, &full(&cone, &h), &signs);
        let (x, rows) = (0..columns, columns..columns + n);
        let nodes = columns + n..columns + n + 2;
        let orders: [Vec<usize>; 4] = [
            x.clone().chain(rows.clone()).chain(nodes.clone()).collect(),
            rows.clone().chain(nodes.clone()).chain(x.clone()).collect(),
            nodes.clone().rev().chain(x.clone()).chain(rows.clone()).collect(),
            rows.chain(x).chain(nodes).collect(),
        ];
        for order in orders {
            let rhs: Vec<f64> = b.iter().copied().chain([0.0, 0.0]).collect();
            let mut found = solve_in_order(expanded.clone(), &signs, &order, &rhs);
            found.truncate(columns + n);
            let error = distance(&found, &exact) / norm(&exact);
            // Without the weights of the auxiliary nodes it is 2e-2 next to the boundary of K.
            assert!(error < 1e-4, "{ratio} {error}");
        }
    }
}
