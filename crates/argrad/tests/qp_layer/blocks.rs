//! Absent blocks, P = 0, singular P, redundant rows.

use argrad::{MatrixShape, QpCotangent, QpLayer, QpShape, QpValues, Settings, Slot, Status};

use crate::case::{Case, relative_error};

#[test]
fn known_solutions_are_found() {
    let mut worst: f64 = 0.0;
    for (n, p, m, active) in
        [(1, 0, 0, 0), (1, 0, 1, 1), (3, 0, 0, 0), (5, 2, 0, 0), (5, 0, 8, 3), (10, 3, 12, 5)]
    {
        let case = Case::random(QpShape::dense(n, p, m), active, 7, 31);
        let solution = case.layer().solve(&case.values()).unwrap();
        assert_eq!(solution.failures().count(), 0);
        for (found, expected) in [
            (&solution.x, &case.x),
            (&solution.equality_duals, &case.equality_duals),
            (&solution.inequality_duals, &case.inequality_duals),
        ] {
            worst = worst.max(relative_error(found, expected));
        }
    }
    println!("known solutions: {worst:.1e}");
    assert!(worst < 1e-10, "{worst:.1e}");
}

#[test]
fn linear_program_has_its_vertex() {
    // maximize x1 + 2 x2 subject to x1 + x2 <= 1, x >= 0: the vertex (0, 1).
    let shape = QpShape::new(2).inequalities(MatrixShape::Dense { rows: 3, cols: 2 });
    let layer = QpLayer::new(shape, Settings::default()).unwrap();
    let values = QpValues::new(1, Slot::Shared(&[]), Slot::Each(&[-1., -2.]))
        .inequalities(Slot::Shared(&[1., 1., -1., 0., 0., -1.]), Slot::Shared(&[1., 0., 0.]));
    let (solution, tape) = layer.forward(&values).unwrap();
    assert!(relative_error(&solution.x, &[0., 1.]) < 1e-10, "{:?}", solution.x);
    assert!(relative_error(&solution.inequality_duals, &[2., 1., 0.]) < 1e-10);
    // The vertex does not move with q.
    let cotangent = QpCotangent { x: Some(&[0.3, 0.4]), ..Default::default() };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    assert!(gradients.p.is_empty());
    assert!(gradients.q.iter().all(|g| g.abs() < 1e-10));
    assert!(relative_error(&gradients.h, &[0.4, -0.3 + 0.4, 0.]) < 1e-9, "{:?}", gradients.h);
}

#[test]
fn singular_quadratic_with_a_unique_solution() {
    // minimize 1/2 (x1 + x2)^2 + x1 subject to x1 = 2 - t, t = 0: P = [1 1; 1 1] is singular.
    let layer = QpLayer::dense(2, 1, 0).unwrap();
    let values = QpValues::new(1, Slot::Shared(&[1., 1., 1., 1.]), Slot::Shared(&[1., 0.]))
        .equalities(Slot::Shared(&[1., 0.]), Slot::Shared(&[2.]));
    let (solution, tape) = layer.forward(&values).unwrap();
    assert!(relative_error(&solution.x, &[2., -2.]) < 1e-10, "{:?}", solution.x);
    let cotangent = QpCotangent { x: Some(&[0., 1.]), ..Default::default() };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    // x2 = -x1 - q2 = -b - q2.
    assert!(relative_error(&gradients.b, &[-1.]) < 1e-9);
    assert!(relative_error(&gradients.q, &[0., -1.]) < 1e-9);
}

#[test]
fn infinite_h_removes_the_row() {
    let mut case = Case::random(QpShape::dense(4, 1, 5), 2, 3, 41);
    // Row 1 of sample 2 is removed; it becomes its own program with one row less.
    case.numbers[5][2 * 5 + 1] = f64::INFINITY;
    let layer = case.layer();
    let (solution, tape) = layer.forward(&case.values()).unwrap();
    assert_eq!(solution.failures().count(), 0);
    assert_eq!(solution.slacks[2 * 5 + 1], f64::INFINITY);
    assert_eq!(solution.inequality_duals[2 * 5 + 1], 0.0);

    let mut g = case.numbers[4][2 * 20..].to_vec();
    g.drain(4..8);
    let mut h = case.numbers[5][2 * 5..].to_vec();
    h.remove(1);
    let alone = QpLayer::new(QpShape::dense(4, 1, 4), case.layer().settings().clone()).unwrap();
    let values =
        QpValues::new(1, Slot::Each(&case.numbers[0][32..]), Slot::Each(&case.numbers[1][8..]))
            .equalities(Slot::Each(&case.numbers[2][8..]), Slot::Each(&case.numbers[3][2..]))
            .inequalities(Slot::Each(&g), Slot::Each(&h));
    let without = alone.solve(&values).unwrap();
    assert!(relative_error(&solution.x[8..], &without.x) < 1e-10);

    let cotangent = QpCotangent { x: Some(&[1.0; 12]), ..Default::default() };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    assert_eq!(gradients.h[2 * 5 + 1], 0.0);
    assert!(gradients.g[2 * 20 + 4..2 * 20 + 8].iter().all(|&g| g == 0.0));
    assert!(gradients.g.iter().all(|g| g.is_finite()));
}

#[test]
fn an_entry_of_h_from_1e19_on_is_no_constraint() {
    // minimize x^2 / 2 + x subject to -x <= h: x = -1, whatever h > 1 is.
    let layer = QpLayer::dense(1, 0, 1).unwrap();
    let run = |h: f64| {
        let h = [h];
        let values = QpValues::new(1, Slot::Shared(&[1.]), Slot::Shared(&[1.]))
            .inequalities(Slot::Shared(&[-1.]), Slot::Each(&h));
        layer.forward(&values).unwrap()
    };
    let of_slack = QpCotangent { slacks: Some(&[1.]), ..Default::default() };
    for h in [1e19, f64::MAX, f64::INFINITY] {
        let (solution, tape) = run(h);
        assert_eq!(solution.reports[0].status, Status::Solved, "{h:e}");
        assert!(relative_error(&solution.x, &[-1.]) < 1e-10, "{:?}", solution.x);
        assert_eq!(solution.slacks, [f64::INFINITY], "{h:e}");
        assert_eq!(solution.inequality_duals, [0.0], "{h:e}");
        assert_eq!(layer.backward(&tape, &of_slack).unwrap().h, [0.0], "{h:e}");
    }
    // Below that it is one: its slack is a number, which moves with h.
    assert!(run(0.99e19).0.slacks[0].is_finite());
    let (solution, tape) = run(1e6);
    assert_eq!(solution.reports[0].status, Status::Solved);
    assert!(relative_error(&solution.slacks, &[1e6 - 1.0]) < 1e-12, "{:?}", solution.slacks);
    assert!(relative_error(&layer.backward(&tape, &of_slack).unwrap().h, &[1.]) < 1e-10);
}

#[test]
fn duplicate_equalities_solve() {
    let case = Case::random(QpShape::dense(4, 1, 3), 1, 1, 51);
    let twice = Case {
        shape: QpShape::dense(4, 2, 3),
        numbers: {
            let mut numbers = case.numbers.clone();
            numbers[2] = numbers[2].repeat(2);
            numbers[3] = numbers[3].repeat(2);
            numbers
        },
        ..case.clone()
    };
    let layer = twice.layer();
    let (solution, tape) = layer.forward(&twice.values()).unwrap();
    assert_eq!(solution.reports[0].status, Status::Solved);
    assert!(relative_error(&solution.x, &case.x) < 1e-9, "{:?}", solution.x);
    // The gradient of x does not depend on how the dual is split.
    let cotangent = QpCotangent { x: Some(&[1., -2., 0.5, 1.]), ..Default::default() };
    let found = layer.backward(&tape, &cotangent).unwrap();
    let once = case.layer();
    let (_, tape) = once.forward(&case.values()).unwrap();
    let expected = once.backward(&tape, &cotangent).unwrap();
    assert!(relative_error(&found.q, &expected.q) < 1e-8);
    let sum = found.b.iter().sum::<f64>();
    assert!(relative_error(&[sum], &expected.b) < 1e-8);
    assert!(!solution.reports[0].is_unique(), "the duals are not unique");
}

#[test]
fn conflicting_equalities_are_primal_infeasible() {
    let layer = QpLayer::dense(2, 2, 0).unwrap();
    let values = QpValues::new(1, Slot::Shared(&[1., 0., 0., 1.]), Slot::Shared(&[0., 0.]))
        .equalities(Slot::Shared(&[1., 1., 1., 1.]), Slot::Shared(&[1., 2.]));
    let solution = layer.solve(&values).unwrap();
    assert_eq!(solution.reports[0].status, Status::PrimalInfeasible);
}

#[test]
fn batch_of_none() {
    let layer = QpLayer::dense(3, 1, 2).unwrap();
    let values = QpValues::new(0, Slot::Each(&[]), Slot::Each(&[]))
        .equalities(Slot::Shared(&[1., 1., 1.]), Slot::Each(&[]))
        .inequalities(Slot::Each(&[]), Slot::Shared(&[1., 1.]));
    let (solution, tape) = layer.forward(&values).unwrap();
    assert!(solution.x.is_empty() && solution.reports.is_empty());
    let cotangent = QpCotangent { x: Some(&[]), ..Default::default() };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    assert!(gradients.p.is_empty() && gradients.b.is_empty() && gradients.g.is_empty());
    // Shared by no sample: a sum of nothing.
    assert_eq!(gradients.a, [0.0; 3]);
    assert_eq!(gradients.h, [0.0; 2]);
}

#[test]
fn layer_without_rows_and_quadratic() {
    // minimize 0: anything is a solution; the layer says so instead of failing.
    let layer = QpLayer::new(QpShape::new(2), Settings::default()).unwrap();
    let values = QpValues::new(1, Slot::Shared(&[]), Slot::Shared(&[0., 0.]));
    let report = layer.solve(&values).unwrap().reports[0];
    assert!(report.status == Status::Solved && !report.is_unique(), "{report:?}");
    let values = QpValues::new(1, Slot::Shared(&[]), Slot::Shared(&[1., 0.]));
    assert_eq!(layer.solve(&values).unwrap().reports[0].status, Status::DualInfeasible);
}

#[test]
fn a_batch_that_does_not_fit_is_refused() {
    let case = Case::random(QpShape::dense(5, 2, 8), 3, 4000, 31);
    let settings = Settings { memory_limit: Some(2_000_000), ..Settings::default() };
    let layer = QpLayer::new(QpShape::dense(5, 2, 8), settings).unwrap();
    let text = layer.solve(&case.values()).unwrap_err().to_string();
    // The upper triangle of P, the rows of A and G, their right-hand sides: 15 + 50 + 10 numbers.
    let expected = "the standard form of a batch of 4000 samples would take 2.4 MB";
    assert!(text.contains(expected) && text.contains("smaller batches"), "{text}");
    // Where nothing is copied, the solutions alone are too many.
    let shape = QpShape::new(1);
    let layer = QpLayer::new(shape, Settings::default()).unwrap();
    let values = QpValues::new(1 << 55, Slot::Shared(&[]), Slot::Shared(&[0.0]));
    let text = layer.solve(&values).unwrap_err().to_string();
    assert!(text.contains("the solutions of a batch of"), "{text}");
}
