//! Malformed input is an error that names argument, sample, entry.

use argrad::{
    Error, MatrixShape, Pattern, QpCotangent, QpLayer, QpShape, QpValues, Settings, Slot,
};

use crate::case::{Case, NAMES};

fn error(case: &Case) -> Error {
    case.layer().forward(&case.values()).unwrap_err()
}

fn case() -> Case {
    Case::random(QpShape::dense(3, 2, 4), 1, 2, 61)
}

#[test]
fn wrong_length_names_the_argument() {
    for (argument, name) in NAMES.into_iter().enumerate() {
        let mut case = case();
        let len = case.numbers[argument].len();
        case.numbers[argument].push(1.0);
        let Error::Length { argument: found_name, expected, found, .. } = error(&case) else {
            panic!("{name}");
        };
        assert_eq!((found_name, expected, found), (name, len, len + 1));
    }
    let mut case = case();
    case.numbers[2].pop();
    assert_eq!(error(&case).to_string(), "A: expected length 12 (batch 2 x 6 numbers), found 11");
}

#[test]
fn numbers_that_are_not_finite_name_their_place() {
    for (argument, name) in NAMES.into_iter().enumerate() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            if name == "h" && bad == f64::INFINITY {
                continue;
            }
            let mut each = case();
            let len = each.lens()[argument];
            each.numbers[argument][len + 1] = bad;
            let Error::NotFinite { argument: found_name, sample, entry, .. } = error(&each) else {
                panic!("{name}: {bad}");
            };
            assert_eq!((found_name, sample, entry), (name, Some(1), 1), "{bad}");
            let mut shared = case().share(argument);
            shared.numbers[argument][1] = bad;
            let Error::NotFinite { sample, entry, .. } = error(&shared) else {
                panic!("{name}: {bad}");
            };
            assert_eq!((sample, entry), (None, 1), "{name}, {bad}");
        }
    }
    let mut case = case();
    case.numbers[5][4] = f64::NAN;
    assert_eq!(
        error(&case).to_string(),
        "h: entry 0 of sample 1 is NaN, expected a finite number (or +inf in an inequality, \
         which removes it)"
    );
}

#[test]
fn asymmetric_quadratic_names_the_entry() {
    let mut bent = case();
    // Row 1, column 2 of sample 1.
    bent.numbers[0][9 + 5] += 1e-6;
    let Error::Asymmetric { argument: "P", sample: Some(1), row: 1, column: 2, .. } = error(&bent)
    else {
        panic!("{}", error(&bent));
    };
    // Rounding passes.
    let mut rounded = case();
    rounded.numbers[0][9 + 5] *= 1.0 + 1e-14;
    assert!(rounded.layer().forward(&rounded.values()).is_ok());
    // So does what the caller allows.
    let layer = bent.layer().with_symmetry_tolerance(1e-3);
    assert!(layer.forward(&bent.values()).is_ok());

    let shape = QpShape::new(3).quadratic(MatrixShape::Sparse(
        Pattern::new(3, 3, vec![0, 2, 3, 5], vec![0, 2, 1, 0, 2]).unwrap(),
    ));
    let mut sparse = Case::random(shape, 0, 2, 62).share(0);
    sparse.numbers[0][1] += 0.1;
    assert!(matches!(
        error(&sparse),
        Error::Asymmetric { argument: "P", sample: None, row: 0, column: 2, .. }
    ));
}

#[test]
fn quadratic_that_is_not_convex_names_the_sample() {
    let mut dented = case();
    dented.numbers[0][9] = -1.0;
    let found = error(&dented);
    assert!(
        matches!(found, Error::NotConvex { argument: "P", sample: Some(1), pivot } if pivot < 0.0),
        "{found}"
    );
    let mut dented = case().share(0);
    dented.numbers[0][4] -= 100.0;
    let found = error(&dented);
    assert!(matches!(found, Error::NotConvex { argument: "P", sample: None, .. }), "{found}");
    assert!(found.to_string().starts_with("P: expected a positive semidefinite matrix"), "{found}");
}

#[test]
fn shapes_that_do_not_fit_together() {
    let new = |shape| QpLayer::new(shape, Settings::default()).unwrap_err();
    let shape = QpShape::new(3).equalities(MatrixShape::Dense { rows: 2, cols: 4 });
    assert_eq!(new(shape).to_string(), "A: expected 3 columns, as P has, found 4 columns");
    let shape = QpShape::new(3).inequalities(MatrixShape::Diagonal(2));
    assert!(matches!(new(shape), Error::Shape { argument: "G", .. }));
    let shape = QpShape::new(3).quadratic(MatrixShape::Dense { rows: 2, cols: 3 });
    assert!(matches!(new(shape), Error::Shape { argument: "P", .. }));
    let upper = Pattern::new(2, 2, vec![0, 1, 3], vec![0, 0, 1]).unwrap();
    let shape = QpShape::new(2).quadratic(MatrixShape::Sparse(upper));
    assert!(new(shape).to_string().contains("give both triangles"));
}

#[test]
fn cotangents_and_starts_of_the_wrong_length() {
    let case = case();
    let layer = case.layer();
    let (mut start, tape) = layer.forward(&case.values()).unwrap();
    let short = QpCotangent { equality_duals: Some(&[1.0; 3]), ..Default::default() };
    let found = layer.backward(&tape, &short).unwrap_err();
    assert!(
        matches!(
            found,
            Error::Length { argument: "cotangent.equality_duals", expected: 4, found: 3, .. }
        ),
        "{found}"
    );
    start.x.pop();
    let found = layer.forward_from(&case.values(), &start).unwrap_err();
    assert!(matches!(found, Error::Length { argument: "start.x", .. }), "{found}");
    start.batch = 1;
    let found = layer.forward_from(&case.values(), &start).unwrap_err();
    assert!(matches!(found, Error::Shape { argument: "start", .. }), "{found}");
}

#[test]
fn a_tape_of_another_layer_is_refused() {
    let case = case();
    let (_, tape) = case.layer().forward(&case.values()).unwrap();
    let other = case.layer();
    let found = other.backward(&tape, &QpCotangent::default()).unwrap_err();
    assert!(matches!(found, Error::Shape { argument: "tape", .. }), "{found}");
    let found = other.value_gradient(&tape, &[1.0; 2]).unwrap_err();
    assert!(matches!(found, Error::Shape { argument: "tape", .. }), "{found}");
}

#[test]
fn empty_matrices_take_no_numbers() {
    let layer = QpLayer::dense(2, 0, 0).unwrap();
    let values = QpValues::new(1, Slot::Shared(&[1., 0., 0., 1.]), Slot::Shared(&[1., 1.]))
        .equalities(Slot::Shared(&[1.0]), Slot::Shared(&[]));
    let found = layer.forward(&values).unwrap_err();
    assert!(matches!(found, Error::Length { argument: "A", expected: 0, found: 1, .. }));
}
