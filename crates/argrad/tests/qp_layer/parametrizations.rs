//! Maps that take an invariance out of constraints, and what makes solutions unique.

use argrad::orthonormal_rows::OrthonormalRows;
use argrad::row_normalized::RowNormalized;
use argrad::unique_objective::UniqueObjective;
use argrad::{
    Error, MatrixShape, Pattern, QpCotangent, QpLayer, QpShape, QpValues, Settings, Slot,
};

use crate::case::{normals, relative_error, rng};
use crate::derivative::dot;

fn slot(values: &[f64], shared: bool) -> Slot<'_> {
    if shared { Slot::Shared(values) } else { Slot::Each(values) }
}

/// Central differences of fourth order.
fn difference(at: impl Fn(f64) -> f64) -> f64 {
    (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / 12e-3
}

/// `v + 1e-3 t d`.
fn moved(v: &[f64], d: &[f64], t: f64) -> Vec<f64> {
    v.iter().zip(d).map(|(v, d)| v + 1e-3 * t * d).collect()
}

#[test]
fn row_normalization_has_the_derivative_of_its_differences_however_arguments_are_shared() {
    let sparse = Pattern::new(3, 4, vec![0, 2, 3, 5, 6], vec![0, 2, 1, 0, 1, 2]).unwrap();
    let shapes = [
        MatrixShape::Dense { rows: 3, cols: 4 },
        MatrixShape::Sparse(sparse),
        MatrixShape::Diagonal(3),
    ];
    for shape in shapes {
        for shared in [(true, true), (true, false), (false, true), (false, false)] {
            let (map, batch) = (RowNormalized::new(&shape), 3);
            let rng = &mut rng(4);
            let copies = |shared: bool| if shared { 1 } else { batch };
            let a = normals(rng, copies(shared.0) * shape.len());
            let b = normals(rng, copies(shared.1) * 3);
            let (da, db) = (normals(rng, a.len()), normals(rng, b.len()));
            let (at_a, at_b) = (slot(&a, shared.0), slot(&b, shared.1));
            let rows = map.forward(batch, at_a, at_b).unwrap();
            let norms = rows.matrix.len() / shape.len() * 3;
            assert!((dot(&rows.matrix, &rows.matrix) - norms as f64).abs() < 1e-13);
            let (g, f) = (normals(rng, rows.matrix.len()), normals(rng, rows.rhs.len()));
            let value = |t: f64| {
                let (a, b) = (moved(&a, &da, 0.1 * t), moved(&b, &db, 0.1 * t));
                let rows = map.forward(batch, slot(&a, shared.0), slot(&b, shared.1)).unwrap();
                dot(&g, &rows.matrix) + dot(&f, &rows.rhs)
            };
            let expected = 10.0 * difference(value);
            let tangent = map.jvp(batch, at_a, at_b, &da, &db).unwrap();
            let forward = dot(&g, &tangent.matrix) + dot(&f, &tangent.rhs);
            let gradients = map.backward(batch, at_a, at_b, &g, &f).unwrap();
            let backward = dot(&gradients.matrix, &da) + dot(&gradients.rhs, &db);
            assert!((forward - expected).abs() < 1e-9 * (1.0 + expected.abs()));
            assert!((forward - backward).abs() < 1e-13 * (1.0 + forward.abs()));
        }
    }
}

#[test]
fn normalized_rows_do_not_see_lengths_and_keep_the_solution() {
    let (n, rows) = (5, 4);
    let rng = &mut rng(8);
    let layer = QpLayer::dense(n, 0, rows).unwrap();
    let identity: Vec<f64> = (0..n * n).map(|k| f64::from(k % (n + 1) == 0)).collect();
    let (q, g) = (normals(rng, n), normals(rng, rows * n));
    let h: Vec<f64> = normals(rng, rows).iter().map(|v| v.abs()).collect();
    let map = RowNormalized::new(&MatrixShape::Dense { rows, cols: n });
    let solve = |scale: f64| {
        let g: Vec<f64> = g.iter().map(|v| v * scale).collect();
        let h: Vec<f64> = h.iter().map(|v| v * scale).collect();
        let out = map.forward(1, Slot::Shared(&g), Slot::Shared(&h)).unwrap();
        let values = QpValues::new(1, Slot::Shared(&identity), Slot::Shared(&q))
            .inequalities(out.matrix_slot(), out.rhs_slot());
        layer.solve(&values).unwrap().x
    };
    let values = QpValues::new(1, Slot::Shared(&identity), Slot::Shared(&q))
        .inequalities(Slot::Shared(&g), Slot::Shared(&h));
    let plain = layer.solve(&values).unwrap().x;
    for scale in [1.0, 1e-150, 3e7, 1e150] {
        assert!(relative_error(&solve(scale), &plain) < 1e-11, "{scale:e}");
    }
}

#[test]
fn a_right_hand_side_that_removes_its_row_stays_and_moves_nothing() {
    let map = RowNormalized::new(&MatrixShape::Dense { rows: 2, cols: 1 });
    let (a, b) = (Slot::Shared(&[2., 4.]), Slot::Shared(&[f64::INFINITY, 8.]));
    let rows = map.forward(1, a, b).unwrap();
    assert_eq!(rows.rhs, [f64::INFINITY, 2.0]);
    let gradients = map.backward(1, a, b, &[0., 0.], &[1., 1.]).unwrap();
    assert_eq!((gradients.matrix[0], gradients.rhs[0]), (0.0, 0.0));
    assert!((gradients.matrix[1] + 0.5).abs() < 1e-15 && gradients.rhs[1] == 0.25);
    assert_eq!(map.jvp(1, a, b, &[1., 0.], &[0., 0.]).unwrap().rhs[0], 0.0);
}

#[test]
fn rows_without_a_direction_are_named() {
    let map = RowNormalized::new(&MatrixShape::Dense { rows: 2, cols: 2 });
    let b = Slot::Shared(&[0., 0.]);
    let error = map.forward(2, Slot::Each(&[1., 0., 0., 1., 1., 1., 0., 0.]), b).unwrap_err();
    assert!(error.to_string().contains("zeros in row 1 of sample 1"), "{error}");
    let error = map.forward(1, Slot::Shared(&[1., 0., f64::NAN, 1.]), b).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "matrix", entry: 2, .. }));
    let a = Slot::Shared(&[1., 0., 0., 1.]);
    let error = map.backward(1, a, b, &[0.; 3], &[0.; 2]).unwrap_err();
    assert!(matches!(error, Error::Length { expected: 4, found: 3, .. }));

    let map = OrthonormalRows::new(2, 3).unwrap();
    let parallel = [1., 2., 3., 1., 0., 0., 1., 2., 3., 2., 4., 6.];
    let error = map.forward(2, Slot::Each(&parallel)).unwrap_err();
    assert!(error.to_string().contains("rows of sample 1 that are independent"), "{error}");
    let error = OrthonormalRows::new(3, 2).unwrap_err();
    assert!(error.to_string().contains("3 x 2"), "{error}");
    let error = map.backward(1, Slot::Shared(&parallel[..6]), &[0.0; 5]).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "gradient of A", .. }));
}

#[test]
fn orthonormal_rows_are_so_to_rounding_and_span_the_same() {
    let rng = &mut rng(5);
    for (rows, cols, condition) in
        [(1, 4, 1.0), (3, 3, 1.0), (4, 9, 1.0), (6, 8, 1e6), (5, 7, 1e12)]
    {
        let mut free = normals(rng, rows * cols);
        for (i, row) in free.chunks_mut(cols).enumerate() {
            let share = i as f64 / (rows - 1).max(1) as f64;
            row.iter_mut().for_each(|v| *v *= f64::powf(condition, -share));
        }
        let a = OrthonormalRows::new(rows, cols).unwrap().forward(1, Slot::Shared(&free)).unwrap();
        for i in 0..rows {
            for j in 0..rows {
                let product = dot(&a[i * cols..(i + 1) * cols], &a[j * cols..(j + 1) * cols]);
                assert!((product - f64::from(i == j)).abs() < 1e-14, "{condition:e} {product:e}");
            }
            // What of row i of M is outside the rows of A.
            let row = &free[i * cols..(i + 1) * cols];
            let mut rest = row.to_vec();
            for a in a.chunks(cols) {
                let along = dot(a, row);
                rest.iter_mut().zip(a).for_each(|(r, a)| *r -= along * a);
            }
            assert!(dot(&rest, &rest).sqrt() < 1e-13 * dot(row, row).sqrt());
        }
    }
}

#[test]
fn the_derivative_of_orthonormal_rows_is_exact_and_its_own_adjoint() {
    let rng = &mut rng(6);
    for (rows, cols) in [(1, 1), (1, 5), (3, 3), (3, 6), (5, 9)] {
        let (map, batch) = (OrthonormalRows::new(rows, cols).unwrap(), 2);
        for shared in [true, false] {
            let len = rows * cols * if shared { 1 } else { batch };
            let (m, g, d) = (normals(rng, len), normals(rng, len), normals(rng, len));
            let at = |t: f64| {
                let m = moved(&m, &d, 0.1 * t);
                dot(&g, &map.forward(batch, slot(&m, shared)).unwrap())
            };
            let expected = 10.0 * difference(at);
            let free = slot(&m, shared);
            let backward = dot(&map.backward(batch, free, &g).unwrap(), &d);
            let forward = dot(&map.jvp(batch, free, &d).unwrap(), &g);
            assert!((backward - expected).abs() < 1e-8 * (1.0 + expected.abs()), "{rows} {cols}");
            assert!((backward - forward).abs() < 1e-12 * (1.0 + forward.abs()));
        }
    }
    // Equal singular values: dA is the part of dM that is skew, and the part outside.
    let map = OrthonormalRows::new(2, 3).unwrap();
    let found = map.jvp(1, Slot::Shared(&[1., 0., 0., 0., 1., 0.]), &[5., 1., 7., 3., 5., 9.]);
    for (found, expected) in found.unwrap().iter().zip([0., -1., 7., 1., 0., 9.]) {
        assert!((found - expected).abs() < 1e-14);
    }
}

/// minimize q'x over 0 <= x <= 1, x1 + ... + xn <= n/2, with q constant on a face.
fn flat_program(n: usize) -> (QpLayer, Vec<f64>, Vec<f64>, Vec<f64>) {
    let shape = QpShape::new(n)
        .quadratic(MatrixShape::Diagonal(n))
        .inequalities(MatrixShape::Dense { rows: 2 * n + 1, cols: n });
    let layer = QpLayer::new(shape, Settings::default()).unwrap();
    let (mut g, mut h) = (vec![0.0; (2 * n + 1) * n], vec![0.0; 2 * n + 1]);
    for i in 0..n {
        (g[i * n + i], h[i]) = (1.0, 1.0);
        g[(n + i) * n + i] = -1.0;
        g[2 * n * n + i] = 1.0;
    }
    h[2 * n] = n as f64 / 2.0;
    (layer, vec![-1.0; n], g, h)
}

#[test]
fn regularization_and_perturbation_make_solutions_unique() {
    let n = 6;
    let (layer, q, g, h) = flat_program(n);
    let solve = |add: &UniqueObjective, cost: &[f64]| {
        let (p, q) = (add.quadratic(&vec![0.0; n]).unwrap(), add.linear(cost).unwrap());
        let values = QpValues::new(1, Slot::Shared(&p), Slot::Each(&q))
            .inequalities(Slot::Shared(&g), Slot::Shared(&h));
        let (solution, tape) = layer.forward(&values).unwrap();
        let weights: Vec<f64> = (0..n).map(|j| j as f64).collect();
        let x = QpCotangent { x: Some(&weights), ..Default::default() };
        let gradients = layer.backward(&tape, &x).unwrap();
        (solution, dot(&gradients.q, &gradients.q).sqrt())
    };
    let none = UniqueObjective::new(&MatrixShape::Diagonal(n));
    assert!(!solve(&none, &q).0.reports[0].unique_x);
    println!("relative   |x - limit|   gradient by q");
    let mut before = f64::INFINITY;
    for relative in [1e-1, 1e-2, 1e-3, 1e-4] {
        let add = none.clone().regularized_by(relative, &[0.0; 6], &q, 1.0).unwrap();
        let (solution, gradient) = solve(&add, &q);
        assert!(solution.reports[0].unique_x);
        // The limit is the solution of least norm, here reached for every t.
        let error = solution.x.iter().map(|x| (x - 0.5).abs()).fold(0.0, f64::max);
        println!("{relative:.0e}      {error:.1e}       {gradient:.3e}");
        assert!(error < 1e-9);
        // Of the order of 1 / t: weights less their mean, by t.
        let expected = 17.5_f64.sqrt() / relative;
        assert!((gradient - expected).abs() < 1e-6 * expected, "{gradient:e} {expected:e}");
        assert!(gradient > before || before.is_infinite());
        before = gradient;
    }
    // A vertex, the same for the same seed, another for another; its derivative by q is zero.
    let perturbed = |seed| none.clone().perturbed_by(1e-3, &q, seed).unwrap();
    let (solution, gradient) = solve(&perturbed(1), &q);
    assert!(solution.reports[0].unique_x && gradient < 1e-9, "{gradient:e}");
    assert!(solution.x.iter().all(|x| x.abs() < 1e-9 || (x - 1.0).abs() < 1e-9));
    assert_eq!(perturbed(1), perturbed(1));
    assert_ne!(perturbed(1).shift(), perturbed(2).shift());
    assert!(perturbed(7).shift().iter().all(|shift| shift.abs() <= 1e-3 && *shift != 0.0));
    // Its cost is that of the program, as far as the perturbation allows.
    assert!((dot(&q, &solution.x) + 3.0).abs() < 2.0 * 1e-3 * 6.0);
}

#[test]
fn regularization_is_off_by_its_order_where_the_solution_was_unique() {
    let n = 6;
    let (layer, _, g, h) = flat_program(n);
    let q: Vec<f64> = (0..n).map(|j| -1.0 + 0.3 * j as f64).collect();
    let p = vec![0.5; n];
    let solve = |p: &[f64]| {
        let values = QpValues::new(1, Slot::Shared(p), Slot::Each(&q))
            .inequalities(Slot::Shared(&g), Slot::Shared(&h));
        layer.solve(&values).unwrap().x
    };
    let (plain, mut before) = (solve(&p), 0.0_f64);
    for relative in [1e-6, 1e-5, 1e-4] {
        let none = UniqueObjective::new(&MatrixShape::Diagonal(n));
        let add = none.regularized_by(relative, &p, &q, 1.0).unwrap();
        assert!((add.added() - 0.5 * relative).abs() < 1e-18);
        let moved = solve(&add.quadratic(&p).unwrap());
        let error = moved.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{relative:.0e}: {error:.2e}");
        assert!(before == 0.0 || (error / before - 10.0).abs() < 0.1, "{error:e} {before:e}");
        before = error;
    }
}

#[test]
fn what_is_added_needs_a_place_and_a_size() {
    let none = |shape: &MatrixShape| UniqueObjective::new(shape);
    let empty = MatrixShape::Empty { rows: 2, cols: 2 };
    let error = none(&empty).regularized(1.0).quadratic(&[]).unwrap_err();
    assert!(error.to_string().contains("diagonal places"), "{error}");
    let dense = MatrixShape::Dense { rows: 2, cols: 2 };
    assert_eq!(
        none(&dense).regularized(1.0).quadratic(&[1., 2., 2., 5., 0., 0., 0., 0.]).unwrap(),
        [2., 2., 2., 6., 1., 0., 0., 1.]
    );
    let error = none(&dense).regularized(1.0).quadratic(&[1.; 3]).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "P", expected: 4, found: 3, .. }));
    let error = none(&dense).regularized_by(0.0, &[1.; 4], &[1.; 2], 1.0).unwrap_err();
    assert!(matches!(error, Error::Setting { setting: "relative", .. }));
    let error = none(&dense).perturbed_by(1e-3, &[1., f64::NAN], 1).unwrap_err();
    assert!(matches!(error, Error::NotFinite { argument: "q", entry: 1, .. }));
}
