//! Starting from an earlier solution.

use argrad::{QpCotangent, QpShape};

use crate::case::{Case, normal, normals, relative_error, rng};
use crate::derivative::parts;

#[test]
fn warm_start_ends_at_the_same_solution() {
    let case = Case::random(QpShape::dense(8, 2, 9), 4, 6, 121);
    let layer = case.layer();
    let start = layer.solve(&case.values()).unwrap();
    let mut moved = case.clone();
    let rng = &mut rng(122);
    for argument in [1, 3, 5] {
        moved.numbers[argument].iter_mut().for_each(|v| *v *= 1.0 + 1e-3 * normal(rng));
    }
    let (cold, cold_tape) = layer.forward(&moved.values()).unwrap();
    let (warm, warm_tape) = layer.forward_from(&moved.values(), &start).unwrap();
    assert!(warm.reports.iter().all(|report| report.warm_started), "{:?}", warm.reports);
    let error = relative_error(&warm.x, &cold.x);
    println!("warm against cold: {error:.1e}");
    assert!(error < 1e-11);
    assert_eq!(warm, layer.solve_from(&moved.values(), &start).unwrap());
    assert_eq!(cold, layer.solve(&moved.values()).unwrap());

    let w = normals(rng, 48);
    let cotangent = QpCotangent { x: Some(&w), ..Default::default() };
    let found = layer.backward(&warm_tape, &cotangent).unwrap();
    let expected = layer.backward(&cold_tape, &cotangent).unwrap();
    for (found, expected) in parts(&found).into_iter().zip(parts(&expected)) {
        assert!(relative_error(found, expected) < 1e-9);
    }
}

#[test]
fn solution_of_another_program_is_no_harm_as_a_start() {
    let case = Case::random(QpShape::dense(8, 2, 9), 4, 6, 123);
    let other = Case::random(QpShape::dense(8, 2, 9), 4, 6, 124);
    let layer = case.layer();
    let start = layer.solve(&other.values()).unwrap();
    let found = layer.solve_from(&case.values(), &start).unwrap();
    assert_eq!(found.failures().count(), 0);
    assert!(relative_error(&found.x, &case.x) < 1e-9);
}
