//! The same program in different layouts has the same solution and gradient.

use argrad::{Engine, MatrixShape, Pattern, QpCotangent, QpLayer, QpShape, Settings};

use crate::case::{Case, dense, normals, relative_error, rng};
use crate::derivative::parts;

/// The same case with every matrix dense.
fn densified(case: &Case) -> Case {
    let n = case.shape.variables();
    let shapes = [(0, &case.shape.p), (2, &case.shape.a), (4, &case.shape.g)];
    let mut out = case.clone();
    for (argument, shape) in shapes {
        if !shape.is_empty() {
            out.numbers[argument] = case.numbers[argument]
                .chunks(shape.len())
                .flat_map(|numbers| dense(shape, numbers))
                .collect();
        }
    }
    out.shape = QpShape::dense(n, case.shape.a.rows(), case.shape.g.rows());
    out
}

#[test]
fn sparse_diagonal_and_dense_agree() {
    let tridiagonal = {
        let (mut colptr, mut rowval) = (vec![0], vec![]);
        for j in 0..12_usize {
            rowval.extend(j.saturating_sub(1)..(j + 2).min(12));
            colptr.push(rowval.len());
        }
        MatrixShape::Sparse(Pattern::new(12, 12, colptr, rowval).unwrap())
    };
    let diagonal = MatrixShape::Diagonal(12);
    let wide = MatrixShape::Dense { rows: 3, cols: 12 };
    let difference = {
        let colptr = (0..=12).map(|j: usize| (2 * j).saturating_sub(1).min(22)).collect();
        let rowval = (0..12_usize)
            .flat_map(|j| [j.checked_sub(1), (j < 11).then_some(j)].into_iter().flatten())
            .collect();
        MatrixShape::Sparse(Pattern::new(11, 12, colptr, rowval).unwrap())
    };
    let none = MatrixShape::Empty { rows: 0, cols: 12 };
    let mut worst: f64 = 0.0;
    for (p, a, g) in [
        (tridiagonal.clone(), wide.clone(), diagonal.clone()),
        (diagonal.clone(), wide.clone(), difference.clone()),
        (diagonal.clone(), none.clone(), difference.clone()),
        (tridiagonal.clone(), wide.clone(), none.clone()),
        (diagonal.clone(), none.clone(), diagonal.clone()),
    ] {
        let shape = QpShape { p, a, g };
        let active = shape.g.rows() / 3;
        for share in [&[][..], &[0], &[2], &[4], &[0, 2, 4], &[2, 3, 5]] {
            let mut case = Case::random(shape.clone(), active, 1, 101);
            case.batch = 3;
            for argument in 0..6 {
                case.shared[argument] = share.contains(&argument);
                if !case.shared[argument] {
                    case.numbers[argument] = case.numbers[argument].repeat(3);
                }
            }
            let full = densified(&case);
            let w = normals(&mut rng(102), 36);
            let v = normals(&mut rng(103), 3 * case.shape.g.rows());
            let cotangent =
                QpCotangent { x: Some(&w), inequality_duals: Some(&v), ..Default::default() };
            let [(solution, found), (full_solution, expected)] = [&case, &full].map(|case| {
                let layer = case.layer();
                let (solution, tape) = layer.forward(&case.values()).unwrap();
                (solution, layer.backward(&tape, &cotangent).unwrap())
            });
            worst = worst.max(relative_error(&solution.x, &full_solution.x));
            let shapes = [
                &case.shape.p,
                &MatrixShape::Diagonal(12),
                &case.shape.a,
                &MatrixShape::Diagonal(case.shape.a.rows()),
                &case.shape.g,
                &MatrixShape::Diagonal(case.shape.g.rows()),
            ];
            for (argument, (found, expected)) in
                parts(&found).into_iter().zip(parts(&expected)).enumerate()
            {
                // Pick the entries of the pattern out of the dense gradient.
                let shape = shapes[argument];
                let expected: Vec<f64> = if matches!(argument, 0 | 2 | 4) && !shape.is_empty() {
                    expected
                        .chunks(shape.rows() * 12)
                        .flat_map(|gradient| {
                            shape.entries().into_iter().map(|(i, j)| gradient[i * 12 + j])
                        })
                        .collect()
                } else {
                    expected.clone()
                };
                worst = worst.max(relative_error(found, &expected));
            }
        }
    }
    println!("layouts: {worst:.1e}");
    assert!(worst < 1e-9, "{worst:.1e}");
}

#[test]
fn large_batches_map_as_small_ones() {
    // Enough numbers for several threads.
    let case = Case::random(QpShape::dense(20, 4, 24), 8, 130, 111);
    let layer = case.layer();
    let w = normals(&mut rng(112), 130 * 20);
    let cotangent = QpCotangent { x: Some(&w), ..Default::default() };
    let (solution, tape) = layer.forward(&case.values()).unwrap();
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    for k in [0, 77, 129] {
        let mut one = Case { batch: 1, ..case.clone() };
        for (numbers, len) in one.numbers.iter_mut().zip(case.lens()) {
            *numbers = numbers[k * len..(k + 1) * len].to_vec();
        }
        let (alone, tape) = layer.forward(&one.values()).unwrap();
        assert_eq!(alone.x, solution.x[k * 20..(k + 1) * 20]);
        let cotangent = QpCotangent { x: Some(&w[k * 20..(k + 1) * 20]), ..Default::default() };
        let found = layer.backward(&tape, &cotangent).unwrap();
        for ((all, one), len) in parts(&gradients).into_iter().zip(parts(&found)).zip(case.lens()) {
            assert_eq!(&all[k * len..(k + 1) * len], &one[..]);
        }
    }
}

#[test]
fn a_layer_explains_how_programs_of_its_shape_are_solved() {
    let shape = QpShape::new(4)
        .quadratic(MatrixShape::Diagonal(4))
        .inequalities(MatrixShape::Dense { rows: 3, cols: 4 });
    for (engine, said) in [(Engine::Lanes, "lane engine"), (Engine::Sparse, "sparse engine")] {
        let settings = Settings { engine, ..Settings::default() };
        let explained = QpLayer::new(shape.clone(), settings).unwrap().explain();
        assert_eq!((explained.engine, explained.variables, explained.rows), (engine, 4, 3));
        assert!(explained.to_string().contains(said), "{explained}");
    }
}
