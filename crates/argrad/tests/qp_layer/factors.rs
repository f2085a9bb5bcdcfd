//! Adjoints of the maps before the layer.

use argrad::factored_quadratic::FactoredQuadratic;
use argrad::feasible_rhs::FeasibleRhs;
use argrad::{Error, MatrixShape, QpShape, Slot, Status};

use crate::case::{Case, normals, relative_error, rng};
use crate::derivative::dot;

fn slot(values: &[f64], shared: bool) -> Slot<'_> {
    if shared { Slot::Shared(values) } else { Slot::Each(values) }
}

#[test]
fn factored_quadratic_matches_finite_differences() {
    let (n, batch) = (11, 3);
    for map in [FactoredQuadratic::full(n, 0.1), FactoredQuadratic::lower(n, 0.1)] {
        let rng = &mut rng(1);
        let l = normals(rng, batch * n * n);
        let w = normals(rng, batch * n * n);
        let found = map.backward(batch, Slot::Each(&l), &w).unwrap();
        // The map is quadratic, so that a central difference is exact.
        let expected: Vec<f64> = (0..l.len())
            .map(|k| {
                let at = |t: f64| {
                    let mut l = l.clone();
                    l[k] += t;
                    dot(&w, &map.forward(batch, Slot::Each(&l)).unwrap())
                };
                (at(0.5) - at(-0.5)) / 1.0
            })
            .collect();
        let error = relative_error(&found, &expected);
        println!("factored quadratic: {error:.1e}");
        assert!(error < 1e-12);
        let p = map.forward(batch, Slot::Each(&l)).unwrap();
        for k in 0..batch {
            for i in 0..n {
                for j in 0..n {
                    assert_eq!(p[(k * n + i) * n + j], p[(k * n + j) * n + i]);
                }
            }
        }
    }
    let found = FactoredQuadratic::full(2, 0.0).forward(1, Slot::Shared(&[1.0; 3]));
    assert!(matches!(found, Err(Error::Length { argument: "L", expected: 4, found: 3, .. })));
}

#[test]
fn feasible_rhs_matches_finite_differences() {
    for shape in [MatrixShape::Dense { rows: 3, cols: 5 }, MatrixShape::Diagonal(4)] {
        let map = FeasibleRhs::new(&shape);
        let (batch, n) = (3, shape.cols());
        for (a_shared, w_shared) in [(true, true), (true, false), (false, true), (false, false)] {
            let rng = &mut rng(2);
            let copies = |shared: bool| if shared { 1 } else { batch };
            let numbers =
                [normals(rng, copies(a_shared) * shape.len()), normals(rng, copies(w_shared) * n)];
            let forward = |numbers: &[Vec<f64>; 2]| {
                map.forward(batch, slot(&numbers[0], a_shared), slot(&numbers[1], w_shared))
                    .unwrap()
            };
            let b = forward(&numbers);
            assert_eq!(b.shared, a_shared && w_shared);
            let weights = normals(rng, b.values.len());
            let gradients = map
                .backward(batch, slot(&numbers[0], a_shared), slot(&numbers[1], w_shared), &weights)
                .unwrap();
            for (argument, found) in [gradients.a, gradients.w].into_iter().enumerate() {
                let expected: Vec<f64> = (0..found.len())
                    .map(|k| {
                        let at = |t: f64| {
                            let mut moved = numbers.clone();
                            moved[argument][k] += 1e-3 * t;
                            dot(&weights, &forward(&moved).values)
                        };
                        (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / 12e-3
                    })
                    .collect();
                assert!(relative_error(&found, &expected) < 1e-10);
            }
        }
    }
    let map = FeasibleRhs::new(&MatrixShape::Diagonal(2));
    let found = map.forward(1, Slot::Shared(&[1., 2.]), Slot::Shared(&[0., f64::NAN]));
    assert!(matches!(found, Err(Error::NotFinite { argument: "w", entry: 1, .. })));
}

#[test]
fn feasible_rhs_is_feasible_whatever_a_is() {
    // More equalities than variables would do, A random, x >= 0.
    let shape = QpShape::new(6)
        .quadratic(MatrixShape::Diagonal(6))
        .equalities(MatrixShape::Dense { rows: 8, cols: 6 })
        .inequalities(MatrixShape::Diagonal(6));
    let rng = &mut rng(3);
    let a = normals(rng, 20 * 48);
    let w = normals(rng, 20 * 6);
    let b = FeasibleRhs::new(&shape.a).forward(20, Slot::Each(&a), Slot::Each(&w)).unwrap();
    let case = Case {
        batch: 20,
        shared: [true, true, false, false, true, true],
        numbers: [vec![0.1; 6], normals(rng, 6), a, b.values, vec![-1.0; 6], vec![0.0; 6]],
        x: vec![],
        equality_duals: vec![],
        inequality_duals: vec![],
        shape,
    };
    let solution = argrad::QpLayer::new(case.shape.clone(), Default::default())
        .unwrap()
        .solve(&case.values())
        .unwrap();
    assert!(
        solution.reports.iter().all(|report| report.status == Status::Solved),
        "{:?}",
        solution.reports
    );
    let exp: Vec<f64> = w.iter().map(|w| w.exp()).collect();
    assert!(relative_error(&solution.x, &exp) < 1e-7);
}
