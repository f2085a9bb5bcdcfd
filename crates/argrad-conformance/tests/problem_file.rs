//! Reading problem files, and measuring points of the programs in them.

use std::io::Write;
use std::path::{Path, PathBuf};

use argrad_conformance::problem_file::{self, ProblemFile, ProblemFileError};
use argrad_conformance::{KktResidual, kkt_residual};
use argrad_solver::Cone;
use flate2::Compression;
use flate2::write::GzEncoder;

/// minimize x^2 + y^2 + x y - 3 x - 3 y + 5, x + y = 2, x <= 10: the solution is (1, 1).
const SMALL: &str = r#"{
    "name": "SMALL", "source": "by hand", "r": 5.0,
    "P_upper": {"shape": [2, 2], "colptr": [0, 1, 3], "rowval": [0, 0, 1], "nzval": [2, 1, 2]},
    "q": [-3, -3.0],
    "A": {"shape": [2, 2], "colptr": [0, 2, 3], "rowval": [0, 1, 0], "nzval": [1, 1, 1]},
    "b": [2, 10],
    "cones": [{"zero": 1}, {"nonnegative": 1}],
    "reference": {"solver": "s", "status": "Solved", "objective_without_r": -3.0, "iterations": 4}
}"#;

fn parse(json: &str) -> Result<ProblemFile, ProblemFileError> {
    ProblemFile::parse(Path::new("folder/small.json"), json)
}

/// The field and the message of a text that is wrong.
fn wrong(json: &str) -> (String, String) {
    match parse(json) {
        Err(error @ ProblemFileError::Field { .. }) => {
            let message = error.to_string();
            let ProblemFileError::Field { field, .. } = error else { unreachable!() };
            (field, message)
        }
        other => panic!("expected a wrong field, found {other:?}"),
    }
}

#[test]
fn a_small_file_is_read_number_for_number() {
    let problem = parse(SMALL).unwrap();
    assert_eq!((problem.name.as_str(), problem.source.as_str()), ("SMALL", "by hand"));
    assert_eq!(problem.constant, 5.0);
    let program = &problem.program;
    assert_eq!((program.batch, program.variables(), program.rows()), (1, 2, 2));
    assert_eq!(program.structure.cones(), [Cone::Zero(1), Cone::Nonnegative(1)]);
    let entries: Vec<_> = program.structure.p().entries().collect();
    assert_eq!(entries, [(0, 0), (0, 1), (1, 1)]);
    assert_eq!(program.p.as_slice(), [2.0, 1.0, 2.0]);
    assert_eq!(program.q.as_slice(), [-3.0, -3.0]);
    assert_eq!(program.a.as_slice(), [1.0, 1.0, 1.0]);
    assert_eq!(program.b.as_slice(), [2.0, 10.0]);
    let reference = problem.reference.unwrap();
    assert_eq!((reference.objective, reference.iterations), (-3.0, 4));
    assert_eq!((reference.solver.as_str(), reference.status.as_str()), ("s", "Solved"));
}

#[test]
fn source_constant_and_reference_may_be_absent() {
    let start = SMALL.find("\"reference\"").unwrap();
    let json = SMALL[..start].trim_end().trim_end_matches(',').to_string() + "}";
    let json = json.replace(r#""source": "by hand", "r": 5.0,"#, "");
    let problem = parse(&json).unwrap();
    assert_eq!((problem.source.as_str(), problem.constant), ("", 0.0));
    assert_eq!(problem.reference, None);
    assert_eq!(problem.program, parse(SMALL).unwrap().program);
}

#[test]
fn a_wrong_field_is_named_with_its_file() {
    for (from, to, field, problem) in [
        (r#""q": [-3, -3.0],"#, "", ".", "missing field `q`"),
        ("[-3, -3.0]", r#"[-3, "x"]"#, "q[1]", "invalid type"),
        ("[-3, -3.0]", "[-3, 1e999]", "q[1]", "number out of range"),
        ("[-3, -3.0]", "[-3]", "q", "1 numbers, expected 2"),
        ("[2, 10]", "[2, 10, 11]", "b", "3 numbers, expected 2"),
        ("[0, 1, 0]", "[0, -1, 0]", "A.rowval[1]", "invalid value"),
        ("[0, 1, 0]", "[0, 1, 2]", "A", "row index 2"),
        ("[2, 1, 2]", "[2, 1]", "P_upper.nzval", "2 values for 3 row indices"),
        ("[0, 0, 1]", "[1, 0, 1]", "P_upper, A, cones", "below the diagonal"),
        (r#"{"zero": 1}"#, r#"{"zero": 2}"#, "P_upper, A, cones", "2 rows"),
        (r#"{"zero": 1}"#, r#"{"circle": 1}"#, "cones[0]", "unknown variant"),
        (r#""iterations": 4"#, r#""iterations": 4.5"#, "reference.iterations", "invalid type"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let (found, message) = wrong(&SMALL.replace(from, to));
        // With some features of serde the path goes down to the variant's name.
        assert_eq!(found.trim_end_matches(".circle"), field, "{message}");
        assert!(message.contains(problem), "{message}");
        assert!(message.contains("small.json"), "{message}");
    }
    let (_, message) = wrong(&SMALL.replace("\"b\"", "b"));
    assert!(message.contains("small.json"), "{message}");
    let (_, message) = wrong(&(SMALL.to_string() + "]"));
    assert!(message.contains("trailing"), "{message}");
}

#[test]
fn a_bound_of_1e19_is_none() {
    let b = |json: &str| parse(json).unwrap().program.b.as_slice().to_vec();
    assert_eq!(b(&SMALL.replace("[2, 10]", "[2, 1e19]")), [2.0, f64::INFINITY]);
    assert_eq!(b(&SMALL.replace("[2, 10]", "[1e20, 9e18]")), [1e20, 9e18]);
}

#[test]
fn a_missing_file_is_named() {
    let message = ProblemFile::read(Path::new("no/such.json.gz")).unwrap_err().to_string();
    assert!(message.contains("no/such.json.gz"), "{message}");
    let message = problem_file::sets(Path::new("no/such")).unwrap_err().to_string();
    assert!(message.contains("no/such"), "{message}");
}

#[test]
fn packed_and_plain_files_are_the_same_and_sets_are_found() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("problem_file");
    let set = folder.join("set");
    std::fs::create_dir_all(&set).unwrap();
    let (plain, packed) = (set.join("A.json"), set.join("B.json.gz"));
    std::fs::write(&plain, SMALL).unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(SMALL.as_bytes()).unwrap();
    std::fs::write(&packed, encoder.finish().unwrap()).unwrap();
    std::fs::write(set.join("notes.txt"), "").unwrap();
    assert_eq!(ProblemFile::read(&plain).unwrap(), ProblemFile::read(&packed).unwrap());
    let sets = problem_file::sets(&folder).unwrap();
    assert_eq!(sets, [("set".to_string(), vec![plain, packed])]);

    let broken = folder.join("broken.json.gz");
    std::fs::write(&broken, SMALL).unwrap();
    let message = ProblemFile::read(&broken).unwrap_err().to_string();
    assert!(message.contains("broken.json.gz"), "{message}");
}

#[test]
fn every_file_of_the_real_folder_is_read() {
    let folder = problem_file::default_folder();
    if !folder.is_dir() {
        eprintln!("skipped: there is no folder {}", folder.display());
        return;
    }
    let mut count = 0;
    for (set, files) in problem_file::sets(&folder).unwrap() {
        for path in files {
            let problem = ProblemFile::read(&path).unwrap_or_else(|error| panic!("{error}"));
            assert!(path.to_string_lossy().contains(&problem.name), "{set}: {}", problem.name);
            assert!(problem.program.variables() > 0, "{set}: {}", problem.name);
            assert!(problem.reference.is_some(), "{set}: {}", problem.name);
            count += 1;
        }
    }
    assert!(count > 0, "{} holds no problem", folder.display());
}

#[test]
fn the_residual_vanishes_at_the_solution_and_nowhere_else() {
    let program = parse(SMALL).unwrap().program;
    let at = |x: [f64; 2], z: [f64; 2], s: [f64; 2]| kkt_residual(&program, 0, &x, &z, &s);
    let solution = at([1.0, 1.0], [0.0, 0.0], [0.0, 9.0]);
    assert_eq!(solution.worst(), 0.0);
    assert_eq!(solution.objective, -3.0);
    let is_wrong = |of: fn(&KktResidual) -> f64, residual: KktResidual, expected: f64| {
        assert!((of(&residual) - expected).abs() < 1e-15, "{residual:?}");
        assert!(residual.worst() >= expected);
    };
    is_wrong(|r| r.primal, at([1.0, 1.0], [0.0, 0.0], [0.0, 9.5]), 0.05);
    is_wrong(|r| r.dual, at([1.0, 1.0], [0.5, 0.0], [0.0, 9.0]), 0.5 / 3.0);
    is_wrong(|r| r.gap, at([1.0, 1.0], [0.0, 0.1], [0.0, 9.0]), 1.0 / 6.0);
    is_wrong(|r| r.slack_outside, at([1.0, 1.0], [0.0, 0.0], [0.5, 9.0]), 0.5 / 9.0);
    is_wrong(|r| r.dual_outside, at([1.0, 1.0], [0.0, -0.25], [0.0, 9.0]), 0.25);
    for point in [
        at([f64::NAN, 1.0], [0.0, 0.0], [0.0, 9.0]),
        at([1.0, 1.0], [f64::NAN, 0.0], [0.0, 9.0]),
        at([1.0, 1.0], [0.0, 0.0], [0.0, f64::NAN]),
    ] {
        assert!(point.worst().is_nan(), "{point:?}");
    }
}

#[test]
fn distances_from_curved_cones_are_those_of_missing_length_and_eigenvalue() {
    // No variables: s = b, and only the membership counts.
    let json = |cone: &str, b: [f64; 3]| {
        format!(
            r#"{{"name": "", "q": [], "b": {b:?}, "cones": [{{{cone}}}],
            "P_upper": {{"shape": [0, 0], "colptr": [0], "rowval": [], "nzval": []}},
            "A": {{"shape": [3, 0], "colptr": [0], "rowval": [], "nzval": []}}}}"#
        )
    };
    let outside = |cone: &str, b: [f64; 3]| {
        let program = parse(&json(cone, b)).unwrap().program;
        kkt_residual(&program, 0, &[], &[0.0; 3], &b).slack_outside
    };
    let second_order = "\"second_order\": 3";
    assert_eq!(outside(second_order, [5.0, 3.0, 4.0]), 0.0);
    assert!((outside(second_order, [4.0, 3.0, 4.0]) - 0.25).abs() < 1e-15);
    // The matrix [[1, h], [h, 1]] has the eigenvalues 1 - h and 1 + h.
    let matrix = |h: f64| [1.0, std::f64::consts::SQRT_2 * h, 1.0];
    assert!(outside("\"psd_triangle\": 2", matrix(0.5)) < 1e-15);
    let missing = outside("\"psd_triangle\": 2", matrix(1.5));
    assert!((missing - 0.5 / matrix(1.5)[1]).abs() < 1e-14, "{missing}");
}
