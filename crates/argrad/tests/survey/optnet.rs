//! Section 2: the quadratic program as a layer, equations (13) to (17).

use argrad::{QpCotangent, QpGradients, QpLayer, QpSolution, QpTangent, QpTape, QpValues, Slot};

use crate::{relative_error, solve_dense};

/// Three variables, two equalities and two inequalities, one of them active.
const N: usize = 3;
const Q: [f64; 9] = [3.0, 0.5, 0.1, 0.5, 2.0, -0.3, 0.1, -0.3, 1.5];
const LINEAR: [f64; 3] = [1.0, -2.0, 0.5];
const A: [f64; 3] = [1.0, 1.0, -0.5];
const B: [f64; 1] = [0.3];
const G: [f64; 6] = [1.0, -0.2, 0.4, -0.7, 1.0, 0.9];
const H: [f64; 2] = [-1.2, 2.5];
/// The gradient of a loss with respect to z.
const LOSS: [f64; 3] = [0.7, -1.1, 0.4];

fn layer() -> (QpLayer, QpSolution, QpTape) {
    let layer = QpLayer::dense(N, 1, 2).unwrap();
    let values = QpValues::new(1, Slot::Shared(&Q), Slot::Shared(&LINEAR))
        .equalities(Slot::Shared(&A), Slot::Shared(&B))
        .inequalities(Slot::Shared(&G), Slot::Shared(&H));
    let (solution, tape) = layer.forward(&values).unwrap();
    assert!(solution.inequality_duals[0] > 0.1 && solution.slacks[1] > 0.1);
    (layer, solution, tape)
}

/// `Gz - h`, as the survey writes it.
fn residual(solution: &QpSolution) -> [f64; 2] {
    [-solution.slacks[0], -solution.slacks[1]]
}

fn product(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    matrix.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
}

fn transposed_product(matrix: &[f64], y: &[f64], columns: usize) -> Vec<f64> {
    let mut x = vec![0.0; columns];
    for (row, y) in matrix.chunks(columns).zip(y) {
        x.iter_mut().zip(row).for_each(|(x, a)| *x += a * y);
    }
    x
}

fn sum(parts: &[Vec<f64>]) -> Vec<f64> {
    (0..parts[0].len()).map(|i| parts.iter().map(|part| part[i]).sum()).collect()
}

/// The matrix of (15) or, with the multipliers in the second block column, of (16), in the order
/// z, lambda, nu.
fn kkt_matrix(solution: &QpSolution, multipliers_in_rows: bool) -> Vec<f64> {
    let (order, slack) = (N + 3, residual(solution));
    let mut matrix = vec![0.0; order * order];
    for i in 0..N {
        for j in 0..N {
            matrix[i * order + j] = Q[i * N + j];
        }
        for k in 0..2 {
            let (row, column) = ((N + k) * order + i, i * order + N + k);
            let lambda = solution.inequality_duals[k];
            let (in_row, in_column) =
                if multipliers_in_rows { (lambda, 1.0) } else { (1.0, lambda) };
            matrix[row] = in_row * G[k * N + i];
            matrix[column] = in_column * G[k * N + i];
        }
        matrix[i * order + N + 2] = A[i];
        matrix[(N + 2) * order + i] = A[i];
    }
    for k in 0..2 {
        matrix[(N + k) * order + N + k] = slack[k];
    }
    matrix
}

#[test]
fn equation_13_holds_at_the_solution() {
    let (_, solution, _) = layer();
    let QpSolution { x: z, equality_duals: nu, inequality_duals: lambda, .. } = &solution;
    let stationarity = sum(&[
        product(&Q, z),
        LINEAR.to_vec(),
        transposed_product(&A, nu, N),
        transposed_product(&G, lambda, N),
    ]);
    assert!(stationarity.iter().all(|r| r.abs() < 1e-13), "{stationarity:?}");
    assert!((product(&A, z)[0] - B[0]).abs() < 1e-13);
    let slack = residual(&solution);
    assert!(lambda.iter().zip(slack).all(|(l, r)| (l * r).abs() < 1e-13));
}

/// The survey calls (13), with lambda >= 0, necessary and sufficient, because "the stationary
/// condition encompasses the primal feasibility requirement". It does not: min z^2/2 - 2z subject
/// to z <= 1 has the solution 1, and (z, lambda) = (2, 0) fulfils (13) outside of the feasible set.
#[test]
fn equation_13_needs_primal_feasibility_beside_it() {
    let (q, linear, g, h) = ([1.0], [-2.0], [1.0], [1.0]);
    let (z, lambda) = (2.0, 0.0);
    assert_eq!(q[0] * z + linear[0] + g[0] * lambda, 0.0);
    assert_eq!(lambda * (g[0] * z - h[0]), 0.0);
    let layer = QpLayer::dense(1, 0, 1).unwrap();
    let values = QpValues::new(1, Slot::Shared(&q), Slot::Shared(&linear))
        .inequalities(Slot::Shared(&g), Slot::Shared(&h));
    let solution = layer.solve(&values).unwrap();
    assert!((solution.x[0] - 1.0).abs() < 1e-15 && g[0] * z > h[0]);
}

#[test]
fn equation_15_solved_as_printed_is_the_tangent() {
    let (layer, solution, tape) = layer();
    let [dq, da, db] = [vec![0.3, -0.1, 0.8], vec![0.2, 0.6, -0.4], vec![0.9]];
    let d_q = [0.4, -0.2, 0.1, -0.2, 0.3, 0.5, 0.1, 0.5, -0.6];
    let (dg, dh) = ([0.1, -0.3, 0.7, 0.2, 0.5, -0.9], [-0.4, 0.6]);
    let QpSolution { x: z, equality_duals: nu, inequality_duals: lambda, .. } = &solution;
    let mut right = sum(&[
        product(&d_q, z),
        dq.clone(),
        transposed_product(&dg, lambda, N),
        transposed_product(&da, nu, N),
    ]);
    let rows = product(&dg, z);
    right.extend((0..2).map(|k| lambda[k] * rows[k] - lambda[k] * dh[k]));
    right.push(product(&da, z)[0] - db[0]);
    right.iter_mut().for_each(|r| *r = -*r);
    let expected = solve_dense(&kkt_matrix(&solution, true), &right);

    let each = |numbers| Some(Slot::Shared(numbers));
    let tangent = QpTangent {
        p: each(&d_q),
        q: each(&dq),
        a: each(&da),
        b: each(&db),
        g: each(&dg),
        h: each(&dh),
    };
    let found = layer.jvp(&tape, &tangent).unwrap();
    let found = [found.x, found.inequality_duals, found.equality_duals].concat();
    let error = relative_error(&found, &expected);
    assert!(error < 1e-13, "{error:e}");
}

/// The differentials of (16).
fn adjoint(solution: &QpSolution) -> [Vec<f64>; 3] {
    let right: Vec<f64> = LOSS.iter().map(|g| -g).chain([0.0; 3]).collect();
    let d = solve_dense(&kkt_matrix(solution, false), &right);
    [d[..N].to_vec(), d[N..N + 2].to_vec(), d[N + 2..].to_vec()]
}

fn gradients() -> (QpSolution, QpGradients) {
    let (layer, solution, tape) = layer();
    let cotangent = QpCotangent { x: Some(&LOSS), ..Default::default() };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    (solution, gradients)
}

/// `u v'`, row-major.
fn outer(u: &[f64], v: &[f64]) -> Vec<f64> {
    u.iter().flat_map(|u| v.iter().map(move |v| u * v)).collect()
}

/// (16), and (17) with `d_z'` where it prints `d_nu'` and `d_lambda'`.
#[test]
fn equations_16_and_17_corrected_are_the_gradient() {
    let (solution, found) = gradients();
    let [dz, d_lambda, d_nu] = adjoint(&solution);
    let QpSolution { x: z, equality_duals: nu, inequality_duals: lambda, .. } = &solution;
    let scaled: Vec<f64> = lambda.iter().zip(&d_lambda).map(|(l, d)| l * d).collect();
    let half = |matrix: Vec<f64>| matrix.into_iter().map(|v| 0.5 * v).collect::<Vec<f64>>();
    let expected = [
        half(sum(&[outer(&dz, z), outer(z, &dz)])),
        dz.clone(),
        sum(&[outer(&d_nu, z), outer(nu, &dz)]),
        d_nu.iter().map(|d| -d).collect(),
        sum(&[outer(&scaled, z), outer(lambda, &dz)]),
        scaled.iter().map(|d| -d).collect(),
    ];
    let found = [found.p, found.q, found.a, found.b, found.g, found.h];
    for ((name, found), expected) in ["Q", "q", "A", "b", "G", "h"].iter().zip(found).zip(expected)
    {
        let error = relative_error(&found, &expected);
        assert!(error < 1e-13, "{name}: {error:e}");
    }
}

/// (17) prints `nu d_nu'` in the gradient of A and `lambda d_lambda'` in that of G. Their shapes
/// are those of A and G only where there are as many rows as variables; even there, the numbers are
/// wrong: min |z|^2/2 - (2, 1)'z subject to Gz <= h, G the identity.
#[test]
fn equation_17_as_printed_is_not_the_gradient() {
    let (identity, linear, h) = ([1.0, 0.0, 0.0, 1.0], [-2.0, -1.0], [1.0, 3.0]);
    let layer = QpLayer::dense(2, 0, 2).unwrap();
    let solve = |g: &[f64]| {
        let values = QpValues::new(1, Slot::Shared(&identity), Slot::Shared(&linear))
            .inequalities(Slot::Shared(g), Slot::Shared(&h));
        layer.forward(&values).unwrap()
    };
    let (solution, tape) = solve(&identity);
    let loss = [0.4, 1.3];
    let (z, lambda) = (&solution.x, &solution.inequality_duals);
    assert!(relative_error(z, &[1.0, 1.0]) < 1e-14 && relative_error(lambda, &[1.0, 0.0]) < 1e-14);
    // (16) by hand: row 1 is active, so dz1 = 0 and lambda1 d_lambda1 = -loss1; row 2 is not, so
    // d_lambda2 = -dz2 / (z2 - h2), and dz2 = -loss2.
    let (dz, d_lambda) = ([0.0, -loss[1]], [-loss[0], -loss[1] / 2.0]);
    let scaled = [lambda[0] * d_lambda[0], lambda[1] * d_lambda[1]];
    let corrected = sum(&[outer(&scaled, z), outer(lambda, &dz)]);
    let printed = sum(&[outer(&scaled, z), outer(lambda, &d_lambda)]);

    let step = 1e-5;
    let differences: Vec<f64> = (0..4)
        .map(|k| {
            let at = |step: f64| {
                let mut g = identity;
                g[k] += step;
                let x = solve(&g).0.x;
                loss[0] * x[0] + loss[1] * x[1]
            };
            (at(step) - at(-step)) / (2.0 * step)
        })
        .collect();
    let cotangent = QpCotangent { x: Some(&loss), ..Default::default() };
    let found = layer.backward(&tape, &cotangent).unwrap().g;
    assert!(relative_error(&found, &corrected) < 1e-14);
    assert!(relative_error(&found, &differences) < 1e-9);
    assert!(relative_error(&printed, &differences) > 0.2);
}
