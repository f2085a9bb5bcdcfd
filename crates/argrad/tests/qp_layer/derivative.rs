//! Gradients against finite differences, and against the forward derivative.

use argrad::{
    MatrixShape, Pattern, QpCotangent, QpGradients, QpShape, QpSolution, QpTangent, Slot,
};

use crate::case::{Case, NAMES, normals, relative_error, rng};

/// Weights of x, duals and slacks in a scalar loss.
pub struct Loss {
    pub x: Vec<f64>,
    pub equality_duals: Vec<f64>,
    pub inequality_duals: Vec<f64>,
    pub slacks: Vec<f64>,
}

impl Loss {
    pub fn random(case: &Case, seed: u64) -> Self {
        let rng = &mut rng(seed);
        Self {
            x: normals(rng, case.x.len()),
            equality_duals: normals(rng, case.equality_duals.len()),
            inequality_duals: normals(rng, case.inequality_duals.len()),
            slacks: normals(rng, case.inequality_duals.len()),
        }
    }

    pub fn cotangent(&self) -> QpCotangent<'_> {
        QpCotangent {
            x: Some(&self.x),
            equality_duals: Some(&self.equality_duals),
            inequality_duals: Some(&self.inequality_duals),
            slacks: Some(&self.slacks),
        }
    }

    fn value(&self, solution: &QpSolution) -> f64 {
        dot(&self.x, &solution.x)
            + dot(&self.equality_duals, &solution.equality_duals)
            + dot(&self.inequality_duals, &solution.inequality_duals)
            + dot(&self.slacks, &solution.slacks)
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn parts(gradients: &QpGradients) -> [&Vec<f64>; 6] {
    let QpGradients { p, q, a, b, g, h, .. } = gradients;
    [p, q, a, b, g, h]
}

/// Loss along a change of one number (and, in P, of its mirror image), by a five-point stencil.
fn finite_difference(case: &Case, loss: &Loss, places: &[(usize, usize)]) -> f64 {
    const STEP: f64 = 5e-4;
    let layer = case.layer();
    let at = |t: f64| {
        let mut moved = case.clone();
        for &(argument, index) in places {
            moved.numbers[argument][index] += t * STEP;
        }
        let solution = layer.solve(&moved.values()).unwrap();
        assert_eq!(solution.failures().count(), 0);
        loss.value(&solution)
    };
    (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * STEP)
}

/// Place of the mirror image of a number of P.
fn mirror(shape: &MatrixShape, batch_index: usize, index: usize) -> usize {
    let entries = shape.entries();
    let (i, j) = entries[index];
    let at = entries.iter().position(|&entry| entry == (j, i)).unwrap();
    batch_index * shape.len() + at
}

fn gradients_match(name: &str, case: &Case) -> f64 {
    let layer = case.layer();
    let loss = Loss::random(case, 99);
    let (solution, tape) = layer.forward(&case.values()).unwrap();
    assert_eq!(solution.failures().count(), 0, "{name}: {:?}", solution.reports);
    assert!(relative_error(&solution.x, &case.x) < 1e-9 || case.shared.contains(&true));
    let gradients = layer.backward(&tape, &loss.cotangent()).unwrap();
    let mut worst: f64 = 0.0;
    for (argument, found) in parts(&gradients).into_iter().enumerate() {
        assert_eq!(found.len(), case.numbers[argument].len(), "{name}, {}", NAMES[argument]);
        let len = case.lens()[argument];
        let expected: Vec<f64> = (0..found.len())
            .map(|index| {
                let mut places = vec![(argument, index)];
                if argument == 0 {
                    let twin = mirror(&case.shape.p, index / len, index % len);
                    assert_eq!(found[index], found[twin], "{name}: the gradient of P is symmetric");
                    if twin != index {
                        places.push((argument, twin));
                    }
                }
                // Moving an entry of P and its mirror image counts the gradient twice.
                finite_difference(case, &loss, &places) / places.len() as f64
            })
            .collect();
        if !found.is_empty() {
            let error = relative_error(found, &expected);
            println!("{name}: {} against finite differences {error:.1e}", NAMES[argument]);
            worst = worst.max(error);
        }
    }
    assert!(worst <= 1e-9, "{name}: {worst:.1e}");
    worst
}

pub fn mixed_shape() -> QpShape {
    let p = Pattern::new(5, 5, vec![0, 2, 4, 6, 7, 9], vec![0, 2, 1, 4, 0, 2, 3, 1, 4]);
    let g = Pattern::new(4, 5, vec![0, 2, 3, 5, 6, 8], vec![0, 2, 1, 0, 3, 2, 1, 3]);
    QpShape::new(5)
        .quadratic(MatrixShape::Sparse(p.unwrap()))
        .equalities(MatrixShape::Dense { rows: 2, cols: 5 })
        .inequalities(MatrixShape::Sparse(g.unwrap()))
}

#[test]
fn adjoint_matches_finite_differences_on_dense() {
    gradients_match("dense", &Case::random(QpShape::dense(6, 2, 5), 3, 3, 1));
}

#[test]
fn adjoint_matches_finite_differences_on_sparse_and_diagonal() {
    gradients_match("sparse", &Case::random(mixed_shape(), 2, 2, 14));
    let shape = QpShape::new(4)
        .quadratic(MatrixShape::Diagonal(4))
        .equalities(MatrixShape::Dense { rows: 1, cols: 4 })
        .inequalities(MatrixShape::Diagonal(4));
    gradients_match("diagonal", &Case::random(shape, 2, 2, 3));
}

#[test]
fn adjoint_matches_finite_differences_without_a_block() {
    gradients_match("no constraints", &Case::random(QpShape::dense(4, 0, 0), 0, 2, 4));
    gradients_match("no equalities", &Case::random(QpShape::dense(4, 0, 5), 2, 2, 5));
    gradients_match("no inequalities", &Case::random(QpShape::dense(4, 2, 0), 0, 2, 6));
}

#[test]
fn adjoint_matches_finite_differences_on_linear_programs() {
    // As many active constraints as variables: a vertex.
    let shape = QpShape::dense(5, 2, 6).quadratic(MatrixShape::Empty { rows: 5, cols: 5 });
    gradients_match("linear program", &Case::random(shape, 3, 2, 7));
}

#[test]
fn gradients_of_shared_arguments_match_finite_differences() {
    // Every argument shared but b and h (so that A, G are shared while the stack of b, h is not).
    let case = Case::random(QpShape::dense(5, 2, 4), 2, 1, 8);
    let mut batch = Case { batch: 3, ..case };
    for argument in [0, 1, 2, 4] {
        batch.shared[argument] = true;
    }
    let rng = &mut rng(5);
    for argument in [3, 5] {
        let once = batch.numbers[argument].clone();
        for _ in 1..3 {
            let moved: Vec<f64> =
                once.iter().map(|v| v + 1e-2 * crate::case::normal(rng)).collect();
            batch.numbers[argument].extend(moved);
        }
    }
    for duals in [&mut batch.x, &mut batch.equality_duals, &mut batch.inequality_duals] {
        *duals = duals.repeat(3);
    }
    gradients_match("shared", &batch);
    // A shared while G is not, and the other way round.
    let mut apart = batch.clone();
    apart.shared[2] = false;
    apart.numbers[2] = batch.numbers[2].repeat(3);
    gradients_match("A per sample", &apart);
    let mut apart = batch.clone();
    apart.shared[4] = false;
    apart.numbers[4] = batch.numbers[4].repeat(3);
    apart.shared[5] = true;
    apart.numbers[5].truncate(4);
    gradients_match("G per sample, h shared", &apart);
}

#[test]
fn adjoint_and_forward_derivative_agree() {
    for (name, shape, active) in [
        ("dense", QpShape::dense(8, 3, 9), 4),
        ("sparse", mixed_shape(), 2),
        ("no equalities", QpShape::dense(6, 0, 7), 3),
        ("no inequalities", QpShape::dense(6, 2, 0), 0),
    ] {
        let case = Case::random(shape, active, 5, 11);
        let layer = case.layer();
        let (_, tape) = layer.forward(&case.values()).unwrap();
        let loss = Loss::random(&case, 12);
        let gradients = layer.backward(&tape, &loss.cotangent()).unwrap();
        let rng = &mut rng(13);
        let tangents: Vec<Vec<f64>> =
            case.numbers.iter().map(|numbers| normals(rng, numbers.len())).collect();
        let slot = |k: usize| Some(Slot::Each(&tangents[k][..]));
        let tangent =
            QpTangent { p: slot(0), q: slot(1), a: slot(2), b: slot(3), g: slot(4), h: slot(5) };
        let out = layer.jvp(&tape, &tangent).unwrap();
        let forward = dot(&loss.x, &out.x)
            + dot(&loss.equality_duals, &out.equality_duals)
            + dot(&loss.inequality_duals, &out.inequality_duals)
            + dot(&loss.slacks, &out.slacks);
        let adjoint: f64 = parts(&gradients).iter().zip(&tangents).map(|(g, t)| dot(g, t)).sum();
        let error = (forward - adjoint).abs() / forward.abs().max(1.0);
        println!("{name}: <Jv, w> = {forward}, <v, J'w> = {adjoint}, relative {error:.1e}");
        assert!(error <= 1e-10, "{name}: {error:.1e}");
        // Half of the arguments alone.
        let some = QpTangent { a: None, b: None, p: None, ..tangent };
        let out = layer.jvp(&tape, &some).unwrap();
        let forward = dot(&loss.x, &out.x)
            + dot(&loss.equality_duals, &out.equality_duals)
            + dot(&loss.inequality_duals, &out.inequality_duals)
            + dot(&loss.slacks, &out.slacks);
        let adjoint: f64 = [1, 4, 5].iter().map(|&k| dot(parts(&gradients)[k], &tangents[k])).sum();
        assert!((forward - adjoint).abs() <= 1e-10 * forward.abs().max(1.0), "{name}");
    }
}

#[test]
fn value_gradient_is_the_derivative_of_the_optimal_value() {
    let case = Case::random(QpShape::dense(5, 2, 6), 2, 2, 21);
    let layer = case.layer();
    let (solution, tape) = layer.forward(&case.values()).unwrap();
    let weights = [0.7, -1.3];
    let gradients = layer.value_gradient(&tape, &weights).unwrap();
    // The value is a function of x alone, whose gradient is w (Px + q); add what it depends on
    // directly.
    let n = 5;
    let mut cotangent = Vec::new();
    for (k, weight) in weights.into_iter().enumerate() {
        let (x, p) = (&solution.x[k * n..][..n], &case.numbers[0][k * n * n..][..n * n]);
        for i in 0..n {
            let px = dot(&p[i * n..][..n], x);
            cotangent.push(weight * (px + case.numbers[1][k * n + i]));
        }
    }
    let cotangent = QpCotangent { x: Some(&cotangent), ..Default::default() };
    let mut through = layer.backward(&tape, &cotangent).unwrap();
    for (k, weight) in weights.into_iter().enumerate() {
        let x = &solution.x[k * n..][..n];
        for i in 0..n {
            through.q[k * n + i] += weight * x[i];
            for j in 0..n {
                through.p[(k * n + i) * n + j] += 0.5 * weight * x[i] * x[j];
            }
        }
    }
    for ((found, expected), name) in parts(&gradients).into_iter().zip(parts(&through)).zip(NAMES) {
        let error = relative_error(found, expected);
        println!("value gradient, {name}: {error:.1e}");
        assert!(error <= 1e-9, "{name}: {error:.1e}");
    }
}
