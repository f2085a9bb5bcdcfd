//! Whatever tells cones apart, for every kind of cone.

use std::path::Path;

use argrad_conformance::generators::ConePrograms;
use argrad_conformance::problem_file::ProblemFile;
use argrad_conformance::{dot, kkt_residual, missing_kinds};
use argrad_solver::Cone;

/// One of each, 28 rows.
fn cones() -> Vec<Cone> {
    vec![
        Cone::Zero(2),
        Cone::Nonnegative(4),
        Cone::SecondOrder(5),
        Cone::PsdTriangle(3),
        Cone::Exponential,
        Cone::Power(0.7),
        Cone::GeneralizedPower { alpha: vec![0.2, 0.5, 0.3], norm_dim: 2 },
    ]
}

#[test]
fn no_cone_is_left_out_here() {
    let nothing: [&str; 0] = [];
    assert_eq!(missing_kinds(&cones()), nothing);
}

#[test]
fn problem_files_have_every_cone() {
    let json = format!(
        r#"{{"name": "", "q": [], "b": {:?},
            "cones": [{{"zero": 2}}, {{"nonnegative": 4}}, {{"second_order": 5}},
                {{"psd_triangle": 3}}, "exponential", {{"power": 0.7}},
                {{"generalized_power": {{"alpha": [0.2, 0.5, 0.3], "norm_dim": 2}}}}],
            "P_upper": {{"shape": [0, 0], "colptr": [0], "rowval": [], "nzval": []}},
            "A": {{"shape": [28, 0], "colptr": [0], "rowval": [], "nzval": []}}}}"#,
        [0.0; 28]
    );
    let problem = ProblemFile::parse(Path::new("cones.json"), &json).unwrap();
    assert_eq!(problem.program.structure.cones(), cones());
}

/// A known solution has no residual. With s - z in place of s, the distance from K is |z|, and that
/// of z - s from K* is |s|.
#[test]
fn distances_from_every_cone_are_those_of_known_pairs() {
    for cone in cones() {
        let spec = ConePrograms::dense(vec![cone.clone()], cone.dim() + 1, 12, 7);
        let known = spec.known_solution();
        let (n, m) = (spec.variables, spec.rows());
        for i in 0..spec.batch {
            let part = |values: &[f64], len: usize| values[i * len..(i + 1) * len].to_vec();
            let (x, z, s) = (part(&known.x, n), part(&known.z, m), part(&known.s, m));
            let at = |z: &[f64], s: &[f64]| kkt_residual(&known.batch, i, &x, z, s);
            let worst = at(&z, &s).worst();
            assert!(worst < 1e-13, "{cone:?} {i}: {worst:e}");
            if matches!(cone, Cone::Exponential | Cone::Power(_) | Cone::GeneralizedPower { .. }) {
                let v: Vec<f64> = s.iter().zip(&z).map(|(s, z)| s - z).collect();
                let minus: Vec<f64> = v.iter().map(|v| -v).collect();
                let size = v.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
                let far = at(&minus, &v);
                for (found, expected) in [(far.slack_outside, &z), (far.dual_outside, &s)] {
                    let expected = dot(expected, expected).sqrt() / size;
                    assert!((found - expected).abs() < 1e-13, "{cone:?} {i}: {found} {expected}");
                }
            }
        }
    }
}
