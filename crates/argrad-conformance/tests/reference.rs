//! The double-double reference against known solutions, differences of whole solutions, closed
//! forms, the active-set oracle and Clarabel.

use argrad_conformance::active_set::ActiveSetSolution;
use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{
    self, ConePrograms, KnownSolution, Objective, Penalty, Size, normal_vector,
};
use argrad_conformance::reference::{ReferenceError, ReferenceSolution};
use argrad_conformance::{ProgramBatch, SolutionDirection, StoredGradients, dot, relative_error};
use argrad_solver::{Cone, Structure};

fn general_power() -> Cone {
    Cone::GeneralizedPower { alpha: vec![0.2, 0.5, 0.3], norm_dim: 2 }
}

/// Every cone alone and mixtures, with every kind of P and of A.
fn specs(batch: usize) -> Vec<ConePrograms> {
    let dense = |cones: Vec<Cone>, n| ConePrograms::dense(cones, n, batch, 7);
    let mixture = vec![
        Cone::Zero(2),
        Cone::Nonnegative(4),
        Cone::SecondOrder(5),
        Cone::PsdTriangle(3),
        Cone::Exponential,
        Cone::Power(0.7),
        general_power(),
    ];
    vec![
        dense(vec![Cone::Zero(3)], 5),
        dense(vec![Cone::Nonnegative(8)], 5),
        dense(vec![Cone::SecondOrder(4), Cone::SecondOrder(2), Cone::SecondOrder(6)], 7),
        dense(vec![Cone::PsdTriangle(3), Cone::PsdTriangle(4)], 9),
        dense(vec![Cone::Exponential; 4], 9),
        dense(vec![Cone::Power(0.3), Cone::Power(0.5), Cone::Power(0.8)], 8),
        dense(vec![general_power(), general_power()], 9),
        dense(mixture.clone(), 13),
        ConePrograms { objective: Objective::Linear, ..dense(mixture.clone(), 8) },
        ConePrograms {
            objective: Objective::Diagonal { rank: 7 },
            density: 0.5,
            ..dense(mixture.clone(), 13)
        },
        ConePrograms {
            objective: Objective::Sparse { density: 0.2 },
            density: 0.5,
            ..dense(mixture, 13)
        },
    ]
}

/// Reference solution of sample `i`, from its known solution off by `error`.
fn refined(
    known: &KnownSolution,
    i: usize,
    error: f64,
) -> Result<ReferenceSolution, ReferenceError> {
    let (n, rows) = (known.batch.variables(), known.batch.rows());
    let off = |values: &[f64], seed: u64| -> Vec<f64> {
        let noise = normal_vector(values.len(), 1, seed);
        values.iter().zip(noise).map(|(v, d)| v + error * d).collect()
    };
    ReferenceSolution::refine(
        &known.batch,
        i,
        &off(&known.x[i * n..][..n], 1),
        &off(&known.z[i * rows..][..rows], 2),
        &off(&known.s[i * rows..][..rows], 3),
    )
}

fn random_direction(structure: &Structure, seed: u64) -> StoredGradients {
    StoredGradients {
        p: normal_vector(structure.p().nnz(), 1, seed),
        q: normal_vector(structure.variables(), 1, seed + 1),
        a: normal_vector(structure.a().nnz(), 1, seed + 2),
        b: normal_vector(structure.rows(), 1, seed + 3),
    }
}

fn random_cotangent(structure: &Structure, seed: u64) -> [Vec<f64>; 3] {
    [structure.variables(), structure.rows(), structure.rows()]
        .map(|len| normal_vector(len, 1, seed + len as u64))
}

/// Of z and s apart, relative to the largest entry of both: one of them may vanish.
fn direction_error(found: &SolutionDirection, expected: &SolutionDirection) -> f64 {
    let join = |d: &SolutionDirection| [d.z.clone(), d.s.clone()].concat();
    relative_error(&found.x, &expected.x).max(relative_error(&join(found), &join(expected)))
}

#[test]
fn newton_reaches_the_known_solution() {
    for spec in specs(5) {
        let known = spec.known_solution();
        let (n, rows) = (spec.variables, spec.rows());
        for i in 0..spec.batch {
            let exact = refined(&known, i, 1e-7).unwrap();
            assert!(exact.residual < 1e-28, "{spec:?} {i}: {:e}", exact.residual);
            assert!(exact.steps <= 6, "{spec:?} {i}: {} steps", exact.steps);
            assert!(exact.margin > 1e-4, "{spec:?} {i}: {:e}", exact.margin);
            // What the rounding of b and q changes.
            let tolerance = 1e-15 * exact.condition.max(10.0);
            assert!(relative_error(&exact.x, &known.x[i * n..][..n]) < tolerance, "{spec:?} {i}");
            let pair = [exact.z.clone(), exact.s.clone()].concat();
            let expected = [&known.z[i * rows..][..rows], &known.s[i * rows..][..rows]].concat();
            assert!(relative_error(&pair, &expected) < tolerance, "{spec:?} {i}");
        }
    }
}

#[test]
fn any_start_leads_to_the_same_solution() {
    for spec in specs(2) {
        let known = spec.known_solution();
        for i in 0..2 {
            let (near, far) = (refined(&known, i, 0.0).unwrap(), refined(&known, i, 1e-6).unwrap());
            for (near, far) in [(&near.x, &far.x), (&near.z, &far.z), (&near.s, &far.s)] {
                assert!(relative_error(far, near) < 1e-16, "{spec:?} {i}");
            }
        }
    }
}

#[test]
fn clarabel_is_a_start_for_every_cone() {
    for spec in specs(3) {
        let known = spec.known_solution();
        for (i, start) in ClarabelBatch::new(&known.batch, 1e-9).solve().iter().enumerate() {
            let exact =
                ReferenceSolution::refine(&known.batch, i, &start.x, &start.z, &start.s).unwrap();
            let error = relative_error(&exact.x, &known.x[i * spec.variables..][..spec.variables]);
            assert!(error < 1e-15 * exact.condition.max(10.0), "{spec:?} {i}: {error:e}");
        }
    }
}

#[test]
fn other_units_do_not_change_the_derivative() {
    for spec in specs(2) {
        let known = spec.known_solution();
        let scaled = generators::rescaled(&known, 4.0, 11);
        let n = spec.variables;
        for i in 0..2 {
            let (exact, other) =
                (refined(&known, i, 0.0).unwrap(), refined(&scaled, i, 0.0).unwrap());
            let units: Vec<f64> =
                (0..n).map(|j| (exact.x[j] / other.x[j]).log2().round().exp2()).collect();
            let zero = vec![0.0; spec.rows()];
            let gx = normal_vector(n, 1, 12);
            // L = gx'x = (D gx)'x'.
            let scaled_gx: Vec<f64> = gx.iter().zip(&units).map(|(g, d)| g * d).collect();
            let expected = exact.vjp(&gx, &zero, &zero);
            let found = other.vjp(&scaled_gx, &zero, &zero);
            let back: Vec<f64> = found.q.iter().zip(&units).map(|(g, d)| g * d).collect();
            let error = relative_error(&back, &expected.q);
            assert!(error < 1e-14, "{spec:?} {i}: {error:e}");
        }
    }
}

#[test]
fn known_solutions_are_nondegenerate() {
    let mut conditions: Vec<f64> = Vec::new();
    for spec in specs(40) {
        let known = spec.known_solution();
        conditions.extend((0..spec.batch).map(|i| refined(&known, i, 0.0).unwrap().condition));
    }
    conditions.sort_by(f64::total_cmp);
    let at = |share: f64| conditions[(share * (conditions.len() - 1) as f64) as usize];
    assert!(at(0.5) < 1e3 && at(0.99) < 1e7, "{:e} {:e} {:e}", at(0.5), at(0.99), at(1.0));
}

#[test]
fn jvp_matches_differences_of_whole_solutions() {
    for spec in specs(4) {
        let known = spec.known_solution();
        for i in 0..spec.batch {
            let exact = refined(&known, i, 0.0).unwrap();
            let direction = random_direction(&known.batch.structure, 40 + i as u64);
            let step = 1e-9 * exact.margin / exact.condition;
            let difference = exact.difference(&direction, step).unwrap();
            let error = direction_error(&exact.jvp(&direction), &difference);
            assert!(error < 1e-11, "{spec:?} {i}: {error:e}, condition {:e}", exact.condition);
        }
    }
}

#[test]
fn vjp_is_the_adjoint_of_jvp() {
    for spec in specs(6) {
        let known = spec.known_solution();
        for i in 0..spec.batch {
            let exact = refined(&known, i, 0.0).unwrap();
            let direction = random_direction(&known.batch.structure, 50 + i as u64);
            let [gx, gz, gs] = random_cotangent(&known.batch.structure, 60 + i as u64);
            let tangent = exact.jvp(&direction);
            let gradients = exact.vjp(&gx, &gz, &gs);
            let terms = [
                dot(&gx, &tangent.x) + dot(&gz, &tangent.z) + dot(&gs, &tangent.s),
                dot(&gradients.p, &direction.p)
                    + dot(&gradients.q, &direction.q)
                    + dot(&gradients.a, &direction.a)
                    + dot(&gradients.b, &direction.b),
            ];
            let length = |v: &[f64]| dot(v, v).sqrt();
            let scale = length(&gradients.a) * length(&direction.a)
                + length(&gradients.p) * length(&direction.p)
                + length(&gz) * length(&tangent.z);
            let error = (terms[0] - terms[1]).abs() / scale;
            assert!(error < 1e-14, "{spec:?} {i}: {error:e}");
        }
    }
}

#[test]
fn every_gradient_entry_is_the_jvp_of_a_unit_direction() {
    for spec in specs(1) {
        let known = spec.known_solution();
        let exact = refined(&known, 0, 0.0).unwrap();
        let structure = &known.batch.structure;
        let [gx, gz, gs] = random_cotangent(structure, 70);
        let gradients = exact.vjp(&gx, &gz, &gs);
        let zero = StoredGradients {
            p: vec![0.0; gradients.p.len()],
            q: vec![0.0; gradients.q.len()],
            a: vec![0.0; gradients.a.len()],
            b: vec![0.0; gradients.b.len()],
        };
        type Part = fn(&mut StoredGradients) -> &mut Vec<f64>;
        let parts: [Part; 4] = [|g| &mut g.p, |g| &mut g.q, |g| &mut g.a, |g| &mut g.b];
        for part in parts {
            let found = part(&mut gradients.clone()).clone();
            let expected: Vec<f64> = (0..found.len())
                .map(|k| {
                    let mut unit = zero.clone();
                    part(&mut unit)[k] = 1.0;
                    let tangent = exact.jvp(&unit);
                    dot(&gx, &tangent.x) + dot(&gz, &tangent.z) + dot(&gs, &tangent.s)
                })
                .collect();
            let error = relative_error(&found, &expected);
            assert!(error < 1e-12, "{spec:?}: {error:e}");
        }
    }
}

#[test]
fn gradient_differences_are_symmetric_second_derivatives() {
    for spec in specs(2) {
        let known = spec.known_solution();
        for i in 0..2 {
            let exact = refined(&known, i, 0.0).unwrap();
            let structure = &known.batch.structure;
            let [gx, gz, gs] = random_cotangent(structure, 80);
            let (u, w) = (random_direction(structure, 81), random_direction(structure, 91));
            let step = 1e-9 * exact.margin / exact.condition;
            let along = |direction: &StoredGradients| {
                exact.gradient_difference((&gx, &gz, &gs), direction, step).unwrap()
            };
            let product = |g: &StoredGradients, d: &StoredGradients| {
                dot(&g.p, &d.p) + dot(&g.q, &d.q) + dot(&g.a, &d.a) + dot(&g.b, &d.b)
            };
            let (of_u, of_w) = (along(&u), along(&w));
            let scale = product(&of_u, &of_u).sqrt() * product(&w, &w).sqrt();
            let error = (product(&of_u, &w) - product(&of_w, &u)).abs() / scale;
            assert!(error < 1e-9, "{spec:?} {i}: {error:e}");
        }
    }
}

#[test]
fn agrees_with_the_active_set_oracle_on_quadratic_programs() {
    let size = Size { variables: 8, inequalities: 9, equalities: 3, batch: 6 };
    let batch = generators::random_qp(size, 4);
    let starts = ClarabelBatch::new(&batch, 1e-8).solve();
    for (i, start) in starts.iter().enumerate() {
        let exact = ReferenceSolution::refine(&batch, i, &start.x, &start.z, &start.s).unwrap();
        let oracle = ActiveSetSolution::solve(&batch.program(i), &start.z, &start.s).unwrap();
        assert!(relative_error(&exact.x, &oracle.x) < 1e-16);
        assert!(relative_error(&exact.z, &oracle.z) < 1e-16);
        let [gx, gz, gs] = random_cotangent(&batch.structure, 90);
        let found = exact.vjp(&gx, &gz, &gs);
        let expected = oracle.vjp(&gx, &gz, &gs).stored(&batch.structure);
        for (found, expected) in [
            (&found.p, &expected.p),
            (&found.q, &expected.q),
            (&found.a, &expected.a),
            (&found.b, &expected.b),
        ] {
            assert!(relative_error(found, expected) < 1e-15);
        }
    }
}

#[test]
fn the_derivative_of_softmax_is_its_closed_form() {
    let len = 12;
    let known = generators::entropy_softmax(len, 3, 8);
    for i in 0..3 {
        let exact = refined(&known, i, 1e-8).unwrap();
        let softmax = &exact.x[..len];
        let mut gx = normal_vector(2 * len, 1, 5);
        gx[len..].fill(0.0);
        let zero = vec![0.0; known.batch.rows()];
        let gradients = exact.vjp(&gx, &zero, &zero);
        // q = -y in the first entries.
        let mean = dot(softmax, &gx[..len]);
        let expected: Vec<f64> = (0..len).map(|k| -softmax[k] * (gx[k] - mean)).collect();
        assert!(relative_error(&gradients.q[..len], &expected) < 1e-14);
    }
}

#[test]
fn the_derivative_of_a_projection_program_is_that_of_the_projection() {
    let batch = generators::psd_projection(6, 3, 2);
    let dim = 21;
    for i in 0..3 {
        let c: Vec<f64> = batch.q.sample(i, dim).iter().map(|q| -q).collect();
        let projection = argrad_conformance::reference::project(&Cone::PsdTriangle(6), &c);
        let (s, z) = (&projection.point, &projection.dual_point);
        let exact = ReferenceSolution::refine(&batch, i, s, z, s).unwrap();
        assert!(relative_error(&exact.x, s) < 1e-15);
        let gx = normal_vector(dim, 1, 6);
        let zero = vec![0.0; dim];
        let gradients = exact.vjp(&gx, &zero, &zero);
        let expected: Vec<f64> =
            projection.derivative.chunks_exact(dim).map(|row| -dot(row, &gx)).collect();
        assert!(relative_error(&gradients.q, &expected) < 1e-14);
    }
}

#[test]
fn real_world_families_are_refined_from_clarabel() {
    let families: [(&str, ProgramBatch); 5] = [
        ("nearest matrix", generators::psd_projection(6, 2, 1)),
        ("portfolio", generators::portfolio(20, 3, 2, 1)),
        ("ridge", generators::logistic_regression(15, 4, Penalty::Ridge(0.02), 2, 1)),
        ("lasso", generators::logistic_regression(15, 4, Penalty::Lasso(0.02), 2, 1)),
        ("total variation", generators::total_variation(60, 1.0, 2, 1)),
    ];
    for (name, batch) in families {
        for (i, start) in ClarabelBatch::new(&batch, 1e-9).solve().iter().enumerate() {
            let exact = ReferenceSolution::refine(&batch, i, &start.x, &start.z, &start.s)
                .unwrap_or_else(|error| panic!("{name} {i}: {error}"));
            assert!(exact.residual < 1e-28, "{name} {i}: {:e}", exact.residual);
            let error = relative_error(&exact.x, &start.x);
            assert!(error < 1e-4, "{name} {i}: {error:e}, condition {:e}", exact.condition);
        }
    }
}

#[test]
fn flat_faces_are_smooth() {
    for spec in specs(3) {
        let known = spec.on_flat_faces();
        for i in 0..spec.batch {
            let exact = refined(&known, i, 0.0).unwrap();
            assert!(exact.margin > 1e-4, "{spec:?} {i}: {:e}", exact.margin);
        }
    }
}

#[test]
fn weak_activity_shows_in_the_margin() {
    for spec in
        specs(3).into_iter().filter(|spec| spec.objective.rank(spec.variables) == spec.variables)
    {
        if spec.cones == [Cone::Zero(3)] {
            continue;
        }
        let known = spec.weakly_active();
        for i in 0..spec.batch {
            let exact = refined(&known, i, 0.0).unwrap();
            assert!(exact.margin < 1e-9, "{spec:?} {i}: {:e}", exact.margin);
            assert!(exact.is_degenerate());
        }
    }
}

#[test]
fn solutions_that_are_not_unique_are_singular() {
    for spec in specs(3) {
        for known in [spec.redundant_rows(), spec.non_unique_primal()] {
            for i in 0..spec.batch {
                match refined(&known, i, 0.0) {
                    Err(ReferenceError::Singular) => {}
                    Err(error) => panic!("{spec:?} {i}: {error}"),
                    // Rounding of the data makes the matrix barely regular.
                    Ok(exact) => {
                        assert!(exact.condition > 1e12, "{spec:?} {i}: {:e}", exact.condition);
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_with_an_infinite_bound_is_no_constraint() {
    let size = Size { variables: 5, inequalities: 6, equalities: 1, batch: 2 };
    let mut batch = generators::random_qp(size, 33);
    for i in 0..2 {
        batch.b.as_mut_slice()[i * 7 + 4] = f64::INFINITY;
    }
    for (i, start) in ClarabelBatch::new(&batch, 1e-9).solve().iter().enumerate() {
        let exact = ReferenceSolution::refine(&batch, i, &start.x, &start.z, &start.s).unwrap();
        let oracle = ActiveSetSolution::solve(&batch.program(i), &start.z, &start.s).unwrap();
        assert!(relative_error(&exact.x, &oracle.x) < 1e-16);
        assert_eq!((exact.s[4], exact.z[4]), (f64::INFINITY, 0.0));
        let [gx, gz, gs] = random_cotangent(&batch.structure, 90);
        let found = exact.vjp(&gx, &gz, &gs);
        let expected = oracle.vjp(&gx, &gz, &gs).stored(&batch.structure);
        assert!(relative_error(&found.a, &expected.a) < 1e-15);
        assert_eq!(found.b[4], 0.0);
        let tangent = exact.jvp(&random_direction(&batch.structure, 3));
        assert_eq!((tangent.s[4], tangent.z[4]), (0.0, 0.0));
    }
}

#[test]
fn a_start_that_is_far_away_is_an_error_or_the_solution() {
    for spec in specs(4) {
        let known = spec.known_solution();
        for i in 0..spec.batch {
            if let Ok(exact) = refined(&known, i, 1.0) {
                assert!(exact.residual < 1e-25);
                let error =
                    relative_error(&exact.x, &known.x[i * spec.variables..][..spec.variables]);
                assert!(error < 1e-10, "{spec:?} {i}: {error:e}");
            }
        }
    }
}
