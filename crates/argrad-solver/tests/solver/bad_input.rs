//! Malformed input is an error that names argument, expected and found; never a panic.

use argrad_conformance::generators;
use argrad_conformance::{Numbers, ProgramBatch};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Error, Mode, Pattern, Settings, Slot, Solver, Structure,
    Tangent,
};

use crate::case::{Case, size, solver};
use crate::families::mixtures;

/// Two equalities, then three inequalities.
fn batch() -> ProgramBatch {
    generators::random_qp(size(4, 3, 2, 20), 31)
}

fn error_of(batch: &ProgramBatch) -> Error {
    let solver = solver(batch);
    let error = solver.solve(&batch.values()).unwrap_err();
    // NaN differs from itself, its text does not.
    let forward = solver.forward(&batch.values()).unwrap_err();
    assert_eq!(forward.to_string(), error.to_string());
    error
}

fn assert_mentions(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} not in {message:?}");
    }
}

/// Each argument: its name, its numbers, and how many one sample has.
fn arguments(batch: &mut ProgramBatch) -> [(&'static str, &mut Numbers, usize); 4] {
    let (p, a) = (batch.structure.p().nnz(), batch.structure.a().nnz());
    let (n, m) = (batch.variables(), batch.rows());
    [("P", &mut batch.p, p), ("q", &mut batch.q, n), ("A", &mut batch.a, a), ("b", &mut batch.b, m)]
}

#[test]
fn a_wrong_length_names_argument_expected_and_found() {
    for k in 0..4 {
        for shared in [false, true] {
            for change in [-1, 1] {
                let mut bad = batch();
                let (name, numbers, len) = &mut arguments(&mut bad)[k];
                let expected = if shared { *len } else { 20 * *len };
                let found = expected.checked_add_signed(change).unwrap();
                let values = vec![1.0; found];
                **numbers = if shared { Numbers::Shared(values) } else { Numbers::Each(values) };
                let error = error_of(&bad);
                match &error {
                    Error::Length { argument, expected: e, found: f, .. } => {
                        assert_eq!((*argument, *e, *f), (*name, expected, found));
                    }
                    other => panic!("{other}"),
                }
                assert_mentions(&error, &[name, &expected.to_string(), &found.to_string()]);
            }
        }
    }
}

#[test]
fn a_number_that_is_not_finite_names_sample_and_entry() {
    for k in 0..4 {
        for (sample, value) in
            [(0, f64::NAN), (13, f64::NEG_INFINITY), (19, f64::NAN), (7, f64::INFINITY)]
        {
            let mut bad = batch();
            let (name, numbers, len) = &mut arguments(&mut bad)[k];
            // In b: the second equality.
            numbers.as_mut_slice()[sample * *len + 1] = value;
            assert_not_finite(&error_of(&bad), name, Some(sample), 1, value);
        }
    }
}

#[test]
fn a_shared_number_that_is_not_finite_names_the_entry() {
    for k in 0..4 {
        for value in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
            let mut bad = batch();
            let (name, numbers, len) = &mut arguments(&mut bad)[k];
            let mut values = numbers.sample(0, *len).to_vec();
            values[1] = value;
            **numbers = Numbers::Shared(values);
            assert_not_finite(&error_of(&bad), name, None, 1, value);
        }
    }
}

#[test]
fn only_plus_infinity_in_an_inequality_may_be_infinite_in_b() {
    for (row, value) in
        [(4, f64::NEG_INFINITY), (4, f64::NAN), (0, f64::INFINITY), (1, f64::INFINITY)]
    {
        let mut bad = batch();
        bad.b.as_mut_slice()[16 * 5 + row] = value;
        // A legal one before it must not hide it.
        bad.b.as_mut_slice()[2 * 5 + 3] = f64::INFINITY;
        let error = error_of(&bad);
        assert_not_finite(&error, "b", Some(16), row, value);
        assert_mentions(&error, &["inequality"]);
    }
}

#[test]
fn the_first_of_two_errors_is_reported() {
    let mut bad = batch();
    let len = bad.structure.a().nnz();
    bad.a.as_mut_slice()[18 * len] = f64::NAN;
    bad.a.as_mut_slice()[5 * len + 2] = f64::NAN;
    for _ in 0..10 {
        assert_not_finite(&error_of(&bad), "A", Some(5), 2, f64::NAN);
    }
}

#[test]
fn a_start_of_another_shape_is_refused() {
    let batch = batch();
    let solver = solver(&batch);
    let good = solver.solve(&batch.values()).unwrap();
    let mut shorter = [good.clone(), good.clone(), good.clone()];
    shorter[0].x.pop();
    shorter[1].z.push(0.0);
    shorter[2].s.clear();
    for (start, (name, expected, found)) in
        shorter.iter().zip([("start.x", 80, 79), ("start.z", 100, 101), ("start.s", 100, 0)])
    {
        for error in [
            solver.solve_from(&batch.values(), start).unwrap_err(),
            solver.forward_from(&batch.values(), start).unwrap_err(),
        ] {
            assert_mentions(&error, &[name, &expected.to_string(), &found.to_string()]);
        }
    }
}

#[test]
fn directions_of_a_wrong_length_are_refused() {
    let case = Case::new(batch(), 1);
    let (_, tape) = case.forward();
    let how = Differentiation::default();
    let short = Some(&[1.0, 2.0][..]);
    for (cotangent, name, expected) in [
        (Cotangent { x: short, ..Cotangent::default() }, "cotangent.x", "80"),
        (Cotangent { z: short, ..Cotangent::default() }, "cotangent.z", "100"),
        (Cotangent { s: short, ..Cotangent::default() }, "cotangent.s", "100"),
    ] {
        assert_mentions(&tape.vjp(&cotangent, &how).unwrap_err(), &[name, expected, "found 2"]);
    }
    let short = Some(Slot::Shared(&[1.0, 2.0][..]));
    for (tangent, name, expected) in [
        (Tangent { p: short, ..Tangent::default() }, "tangent.p", "10"),
        (Tangent { q: short, ..Tangent::default() }, "tangent.q", "4"),
        (Tangent { a: short, ..Tangent::default() }, "tangent.a", "20"),
        (Tangent { b: short, ..Tangent::default() }, "tangent.b", "5"),
    ] {
        assert_mentions(&tape.jvp(&tangent, &how).unwrap_err(), &[name, expected, "found 2"]);
    }
    assert_mentions(
        &tape.value_gradient(&[1.0; 2], &how).unwrap_err(),
        &["weights", "20", "found 2"],
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    let ok = Settings::default();
    let structure = Structure::new(Pattern::diagonal(1), Pattern::empty(0, 1), vec![]).unwrap();
    let mut bad = vec![(Settings { max_iterations: 0, ..ok.clone() }, "max_iterations")];
    for value in [0.0, -1.0, 1.0, f64::NAN, f64::INFINITY] {
        bad.push((Settings { tolerance: value, ..ok.clone() }, "tolerance"));
        let settings = Settings { infeasibility_tolerance: value, ..ok.clone() };
        bad.push((settings, "infeasibility_tolerance"));
    }
    for (settings, name) in bad {
        let error = Solver::new(structure.clone(), settings).unwrap_err();
        assert!(matches!(error, Error::Setting { setting, .. } if setting == name), "{error}");
        assert_mentions(&error, &[name, "expected", "found"]);
    }
}

#[test]
fn a_smoothing_that_is_not_positive_is_refused() {
    let case = Case::new(batch(), 1);
    let (_, tape) = case.forward();
    for mu in [0.0, -1e-3, f64::NAN, f64::INFINITY] {
        let how = Differentiation { mode: Mode::Smoothed(mu), ..Differentiation::default() };
        for error in [
            tape.vjp(&case.cotangent(), &how).unwrap_err(),
            tape.jvp(&case.tangent(), &how).unwrap_err(),
            tape.central_points(mu).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Setting { .. }), "{error}");
            assert_mentions(&error, &["Smoothed", "positive"]);
        }
    }
}

#[test]
fn malformed_patterns_are_refused() {
    for (rows, cols, colptr, rowval) in [
        (2, 2, vec![0, 1], vec![0]),
        (2, 0, vec![], vec![]),
        (2, 2, vec![1, 1, 1], vec![0]),
        (2, 2, vec![0, 1, 1], vec![0, 1]),
        (2, 2, vec![0, 2, 1], vec![0]),
        (2, 2, vec![0, 9, 1], vec![0]),
        (2, 2, vec![0, 2, 1, 2], vec![0, 1]),
        (2, 1, vec![0, 1], vec![2]),
        (2, 1, vec![0, 2], vec![1, 0]),
        (2, 1, vec![0, 2], vec![1, 1]),
    ] {
        let error = Pattern::new(rows, cols, colptr.clone(), rowval.clone()).unwrap_err();
        assert!(matches!(error, Error::Pattern { .. }), "{colptr:?} {rowval:?}: {error}");
    }
}

#[test]
fn sizes_that_do_not_fit_together_are_refused() {
    let cones = |k| vec![Cone::Zero(1), Cone::Nonnegative(k)];
    let (p, a) = (Pattern::dense_upper(3), Pattern::dense(4, 3));
    for (p, a, cones, parts) in [
        (Pattern::dense(3, 2), a.clone(), cones(3), ["P", "square", "3 x 2"]),
        (p.clone(), Pattern::dense(4, 2), cones(3), ["A", "3 columns", "2 columns"]),
        (p.clone(), a.clone(), cones(2), ["cones", "4", "3"]),
        (p.clone(), a.clone(), vec![], ["cones", "4", "0"]),
        (p.clone(), a.clone(), cones(4), ["cones", "4", "5"]),
        (Pattern::dense(3, 3), a.clone(), cones(3), ["row 1", "column 0", "upper triangle"]),
    ] {
        assert_mentions(&Structure::new(p, a, cones).unwrap_err(), &parts);
    }
}

/// Each of these sums or products wraps around to a size that would fit.
#[test]
fn sizes_whose_sum_cannot_be_counted_are_refused() {
    let error = Pattern::new(0, usize::MAX, vec![], vec![]).unwrap_err();
    assert_mentions(&error, &["colptr has 0 entries"]);
    let structure = |rows: usize, cones: Vec<Cone>| {
        Structure::new(Pattern::empty(1, 1), Pattern::empty(rows, 1), cones).unwrap_err()
    };
    let wraps_to_one = vec![Cone::Zero(usize::MAX), Cone::Nonnegative(2)];
    assert_mentions(&structure(1, wraps_to_one), &["1 rows of A", "more than can be counted"]);
    for side in [usize::MAX, 1 << 32] {
        let error = structure(0, vec![Cone::PsdTriangle(side)]);
        assert_mentions(&error, &["0 rows of A"]);
    }
    let wraps_to_zero = Cone::GeneralizedPower { alpha: vec![1.0], norm_dim: usize::MAX };
    assert_mentions(&structure(0, vec![wraps_to_zero]), &["0 rows of A"]);
}

#[test]
fn a_parameter_of_a_cone_out_of_range_names_the_cone_and_the_value() {
    let power =
        |alpha: &[f64], norm_dim| Cone::GeneralizedPower { alpha: alpha.to_vec(), norm_dim };
    for (cone, parts) in [
        (Cone::Power(0.0), ["between 0 and 1", "found 0"]),
        (Cone::Power(1.0), ["between 0 and 1", "found 1"]),
        (Cone::Power(-0.25), ["between 0 and 1", "-0.25"]),
        (Cone::Power(1.5), ["between 0 and 1", "1.5"]),
        (Cone::Power(f64::NAN), ["between 0 and 1", "NaN"]),
        (Cone::Power(f64::INFINITY), ["between 0 and 1", "inf"]),
        (power(&[0.5, 0.25], 1), ["add up to 1", "0.75"]),
        (power(&[0.5, 0.75], 1), ["add up to 1", "1.25"]),
        (power(&[], 1), ["add up to 1", "0"]),
        (power(&[1.5, -0.5], 1), ["above 0", "1.5"]),
        (power(&[0.0, 1.0], 1), ["above 0", "found 0"]),
        (power(&[0.5, f64::NAN], 1), ["above 0", "NaN"]),
        (power(&[0.5, 0.5], 0), ["norm_dim", "found 0"]),
    ] {
        let cones = vec![Cone::Zero(1), Cone::Nonnegative(2), cone.clone()];
        let rows = cones.iter().map(Cone::dim).sum();
        let (p, a) = (Pattern::dense_upper(3), Pattern::dense(rows, 3));
        let error = Structure::new(p, a, cones).unwrap_err();
        assert!(matches!(error, Error::Shape { argument: "cones", .. }), "{cone:?}: {error}");
        assert_mentions(&error, &["cones", "cone 2", parts[0], parts[1]]);
    }
}

#[test]
fn a_wrong_dimension_of_any_cone_names_both_numbers_of_rows() {
    for (cone, dim) in [
        (Cone::SecondOrder(4), 4),
        (Cone::PsdTriangle(3), 6),
        (Cone::Exponential, 3),
        (Cone::Power(0.5), 3),
        (Cone::GeneralizedPower { alpha: vec![0.5, 0.5], norm_dim: 3 }, 5),
    ] {
        for rows in [dim - 1, dim + 1] {
            let (p, a) = (Pattern::dense_upper(2), Pattern::dense(rows, 2));
            let error = Structure::new(p, a, vec![cone.clone()]).unwrap_err();
            assert!(matches!(error, Error::Shape { argument: "cones", .. }), "{cone:?}: {error}");
            assert_mentions(&error, &[&format!("{rows} rows"), &format!("found {dim}")]);
        }
    }
}

#[test]
fn an_infinite_bound_is_refused_in_every_cone_but_the_nonnegative() {
    let programs = mixtures(2).remove(0).programs;
    let good = programs.known_solution().batch;
    let rows = good.rows();
    // The first and last row of each cone, in the order of `all_cones`.
    for row in [0, 1, 6, 10, 11, 16, 17, 19, 20, 22, 23, 27] {
        let mut bad = good.clone();
        bad.b.as_mut_slice()[rows + row] = f64::INFINITY;
        assert_not_finite(&error_of(&bad), "b", Some(1), row, f64::INFINITY);
    }
    let mut legal = good;
    legal.b.as_mut_slice()[rows + 2] = f64::INFINITY;
    let solution = solver(&legal).solve(&legal.values()).unwrap();
    assert_eq!(solution.s[rows + 2], f64::INFINITY);
}

fn assert_not_finite(error: &Error, name: &str, sample: Option<usize>, entry: usize, value: f64) {
    match *error {
        Error::NotFinite { argument, sample: i, entry: e, found } => {
            assert_eq!((argument, i, e), (name, sample, entry));
            assert_eq!(found.to_string(), value.to_string());
        }
        ref other => panic!("{other}"),
    }
    let place = sample.map(|i| format!("sample {i}")).unwrap_or_default();
    assert_mentions(
        error,
        &[name, &format!("entry {entry}"), &place, &value.to_string(), "expected"],
    );
}
