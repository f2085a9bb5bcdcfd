//! Nothing of something: no samples, no rows, no variables, no entries.

use argrad_conformance::generators::{Size, random_qp};
use argrad_conformance::{Numbers, ProgramBatch};
use argrad_solver::{Cone, Pattern, Status, Structure};

use crate::case::{Directions, in_order, of_host, of_lanes, solver};
use crate::families::Family;

/// Both engines say the same of a batch.
fn assert_same(name: &'static str, batch: ProgramBatch) {
    let family = Family::new(name, batch);
    let directions = Directions::new(&family);
    let own = of_host(&family.batch, in_order(), &directions);
    let expected = of_lanes(&family.batch, &directions);
    let close = |own: &[f64], expected: &[f64]| {
        assert_eq!(own.len(), expected.len(), "{name}");
        for (a, b) in own.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{name}: {a} and {b}");
        }
    };
    close(&own.solution.x, &expected.solution.x);
    close(&own.solution.z, &expected.solution.z);
    close(&own.gradients.q, &expected.gradients.q);
    close(&own.tangent.x, &expected.tangent.x);
}

#[test]
fn a_batch_without_samples_is_solved() {
    let batch = random_qp(Size { variables: 3, inequalities: 2, equalities: 1, batch: 0 }, 1);
    let (solution, _) = solver(&batch, in_order()).forward(&batch.values()).unwrap();
    assert!(solution.x.is_empty() && solution.reports.is_empty());
    assert_same("no samples", batch);
}

#[test]
fn programs_without_rows_are_solved() {
    let size = Size { variables: 5, inequalities: 0, equalities: 0, batch: 3 };
    assert_same("no rows", random_qp(size, 2));
}

#[test]
fn programs_without_variables_are_solved() {
    let batch = ProgramBatch {
        structure: Structure::new(
            Pattern::empty(0, 0),
            Pattern::empty(2, 0),
            vec![Cone::Nonnegative(2)],
        )
        .unwrap(),
        batch: 2,
        p: Numbers::Shared(vec![]),
        q: Numbers::Each(vec![]),
        a: Numbers::Shared(vec![]),
        b: Numbers::Each(vec![1.0, 2.0, 3.0, 0.5]),
    };
    assert_same("no variables", batch);
}

#[test]
fn programs_without_a_quadratic_part_or_with_only_that_are_solved() {
    let structure =
        Structure::new(Pattern::empty(2, 2), Pattern::dense(4, 2), vec![Cone::Nonnegative(4)])
            .unwrap();
    // The unit box.
    let a = vec![1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0];
    let batch = ProgramBatch {
        structure,
        batch: 2,
        p: Numbers::Shared(vec![]),
        q: Numbers::Each(vec![1.0, -2.0, -0.5, 3.0]),
        a: Numbers::Shared(a),
        b: Numbers::Shared(vec![1.0; 4]),
    };
    let solution = solver(&batch, in_order()).solve(&batch.values()).unwrap();
    assert!(solution.reports.iter().all(|report| report.status == Status::Solved));
    assert_same("a box", batch);
}
