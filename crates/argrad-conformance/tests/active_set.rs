//! The active-set oracle against closed forms, finite differences, the adjoint identity, and
//! Clarabel.

use argrad_conformance::active_set::{ActiveSetError, ActiveSetSolution};
use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{self, Size, normal_vector};
use argrad_conformance::{DenseProgram, ProgramBatch, dot, relative_error};

fn sizes() -> impl Iterator<Item = Size> {
    [(5, 5, 0), (5, 5, 2), (12, 12, 0), (12, 12, 6), (8, 30, 2), (7, 0, 3), (6, 0, 0)]
        .map(|(variables, inequalities, equalities)| Size {
            variables,
            inequalities,
            equalities,
            batch: 4,
        })
        .into_iter()
}

/// Every sample of `batch`, started from Clarabel.
fn solve(batch: &ProgramBatch) -> Vec<(DenseProgram, ActiveSetSolution)> {
    let starts = ClarabelBatch::new(batch, 1e-8).solve();
    (0..batch.batch)
        .map(|i| {
            let program = batch.program(i);
            let solution = ActiveSetSolution::solve(&program, &starts[i].z, &starts[i].s).unwrap();
            (program, solution)
        })
        .collect()
}

/// `program + step * direction`.
fn moved(program: &DenseProgram, direction: &DenseProgram, step: f64) -> DenseProgram {
    let mut moved = program.clone();
    for (numbers, changes) in [
        (&mut moved.p, &direction.p),
        (&mut moved.q, &direction.q),
        (&mut moved.a, &direction.a),
        (&mut moved.b, &direction.b),
    ] {
        numbers.iter_mut().zip(changes).for_each(|(v, d)| *v += step * d);
    }
    moved
}

#[test]
fn solves_a_projection_with_a_closed_form() {
    // Nearest point to (2, 1) with x0 + x1 = 1 and x0 <= 1/2: (1/2, 1/2), multipliers 1/2 and 1.
    let program = DenseProgram {
        variables: 2,
        equalities: 1,
        inequalities: 1,
        p: vec![1.0, 0.0, 0.0, 1.0],
        q: vec![-2.0, -1.0],
        a: vec![1.0, 1.0, 1.0, 0.0],
        b: vec![1.0, 0.5],
    };
    let solution = ActiveSetSolution::solve(&program, &[0.0; 2], &[0.0; 2]).unwrap();
    assert_eq!(solution.x, [0.5, 0.5]);
    assert_eq!(solution.z, [0.5, 1.0]);
    assert_eq!(solution.s, [0.0, 0.0]);
    assert_eq!(solution.active, [1]);
    // A multiplier of 1, where |q| / |A| is 2.
    assert_eq!(solution.margin, 0.5);
    // x = (b1, b0 - b1): dx0/db1 = 1, and nothing depends on q.
    let gradients = solution.vjp(&[1.0, 0.0], &[0.0; 2], &[0.0; 2]);
    assert_eq!(gradients.b, [0.0, 1.0]);
    assert_eq!(gradients.q, [0.0, 0.0]);
    assert_eq!(gradients.p, [0.0; 4]);
    // a x0 = b1 at a = 1: dx0/da = -x0.
    assert_eq!(gradients.a, [0.0, 0.0, -0.5, -0.5]);
}

#[test]
fn agrees_with_clarabel() {
    for size in sizes() {
        let batch = generators::random_qp(size, 17);
        let clarabel = ClarabelBatch::new(&batch, 1e-11).solve();
        for (other, (_, exact)) in clarabel.iter().zip(solve(&batch)) {
            assert!(relative_error(&other.x, &exact.x) < 1e-7);
            assert!(relative_error(&other.z, &exact.z) < 1e-7);
            assert!(relative_error(&other.s, &exact.s) < 1e-7);
        }
    }
}

#[test]
fn residual_is_that_of_double_double_arithmetic() {
    for size in sizes() {
        for (_, exact) in solve(&generators::random_qp(size, 18)) {
            assert!(exact.residual < 1e-28, "{:e}", exact.residual);
            // The relative error of the unrounded solution is at most about this.
            assert!(exact.residual * exact.condition < 1e-20, "{:e}", exact.condition);
            assert!(!exact.is_degenerate());
        }
    }
}

#[test]
fn any_start_leads_to_the_same_solution() {
    // Any subset of these rows is independent, so that no step meets a singular matrix.
    let size = Size { variables: 15, inequalities: 12, equalities: 3, batch: 5 };
    let batch = generators::random_qp(size, 19);
    for (program, exact) in solve(&batch) {
        let rows = program.rows();
        for seed in 0..20 {
            let (z, s) = (normal_vector(rows, 1, seed), normal_vector(rows, 1, seed + 100));
            let again = ActiveSetSolution::solve(&program, &z, &s).unwrap();
            assert_eq!(again.x, exact.x);
            assert_eq!(again.z, exact.z);
            assert_eq!(again.active, exact.active);
        }
    }
}

#[test]
fn jvp_matches_central_finite_differences() {
    for size in sizes() {
        let batch = generators::random_qp(size, 20);
        let directions = generators::random_qp(size, 21);
        for (i, (program, exact)) in solve(&batch).into_iter().enumerate() {
            let direction = directions.program(i);
            let step = 1e-5 * exact.margin.min(0.1);
            let at = |step: f64| {
                ActiveSetSolution::solve(&moved(&program, &direction, step), &exact.z, &exact.s)
                    .unwrap()
            };
            let (ahead, behind) = (at(step), at(-step));
            let difference = |ahead: &[f64], behind: &[f64]| -> Vec<f64> {
                ahead.iter().zip(behind).map(|(a, b)| (a - b) / (2.0 * step)).collect()
            };
            let tangent = exact.jvp(&direction);
            let scale = tangent.z.iter().chain(&tangent.x).fold(1.0_f64, |m, v| m.max(v.abs()));
            for (found, expected) in [
                (&tangent.x, difference(&ahead.x, &behind.x)),
                (&tangent.z, difference(&ahead.z, &behind.z)),
                (&tangent.s, difference(&ahead.s, &behind.s)),
            ] {
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() < 1e-7 * scale, "{size:?} sample {i}: {f} {e}");
                }
            }
        }
    }
}

#[test]
fn every_gradient_entry_matches_central_finite_differences() {
    let size = Size { variables: 4, inequalities: 4, equalities: 1, batch: 6 };
    let batch = generators::random_qp(size, 22);
    let (n, rows) = (4, 5);
    let gx = normal_vector(n, 6, 23);
    let gz = normal_vector(rows, 6, 24);
    let gs = normal_vector(rows, 6, 25);
    for (i, (program, exact)) in solve(&batch).into_iter().enumerate() {
        let (gx, gz, gs) = (&gx[i * n..][..n], &gz[i * rows..][..rows], &gs[i * rows..][..rows]);
        let gradients = exact.vjp(gx, gz, gs);
        let step = 1e-5 * exact.margin.min(0.1);
        let loss = |program: &DenseProgram| {
            let at = ActiveSetSolution::solve(program, &exact.z, &exact.s).unwrap();
            dot(gx, &at.x) + dot(gz, &at.z) + dot(gs, &at.s)
        };
        let difference = |change: &dyn Fn(&mut DenseProgram, f64)| {
            let at = |step: f64| {
                let mut changed = program.clone();
                change(&mut changed, step);
                loss(&changed)
            };
            (at(step) - at(-step)) / (2.0 * step)
        };
        let check = |found: f64, expected: f64, what: String| {
            assert!(
                (found - expected).abs() < 1e-6 * (1.0 + found.abs()),
                "{what}: {found} {expected}"
            );
        };
        for j in 0..n {
            check(gradients.q[j], difference(&|p, h| p.q[j] += h), format!("q[{j}]"));
            for k in j..n {
                // One stored entry of the upper triangle: both places move.
                let expected = difference(&|p, h| {
                    p.p[j * n + k] += h;
                    if j != k {
                        p.p[k * n + j] += h;
                    }
                });
                check(gradients.p[j * n + k], expected, format!("P[{j},{k}]"));
            }
        }
        for row in 0..rows {
            check(gradients.b[row], difference(&|p, h| p.b[row] += h), format!("b[{row}]"));
            for j in 0..n {
                let expected = difference(&|p, h| p.row_mut(row)[j] += h);
                check(gradients.a[row * n + j], expected, format!("A[{row},{j}]"));
            }
        }
    }
}

#[test]
fn vjp_is_the_adjoint_of_jvp() {
    for size in sizes() {
        let batch = generators::random_qp(size, 26);
        let directions = generators::random_qp(size, 27);
        let rows = batch.rows();
        for (i, (program, exact)) in solve(&batch).into_iter().enumerate() {
            let direction = directions.program(i);
            let seed = 28 + i as u64;
            let gx = normal_vector(program.variables, 1, seed);
            let (gz, gs) = (normal_vector(rows, 1, seed + 100), normal_vector(rows, 1, seed + 200));
            let tangent = exact.jvp(&direction);
            let gradients = exact.vjp(&gx, &gz, &gs);
            let forward = dot(&gx, &tangent.x) + dot(&gz, &tangent.z) + dot(&gs, &tangent.s);
            let backward = dot(&gradients.p, &direction.p)
                + dot(&gradients.q, &direction.q)
                + dot(&gradients.a, &direction.a)
                + dot(&gradients.b, &direction.b);
            let scale =
                dot(&gradients.a, &gradients.a).sqrt() * dot(&direction.a, &direction.a).sqrt();
            let difference = (forward - backward).abs();
            assert!(difference < 1e-13 * scale.max(forward.abs()), "{forward} {backward}");
        }
    }
}

#[test]
fn finite_differences_of_clarabel_agree() {
    let size = Size { variables: 6, inequalities: 6, equalities: 2, batch: 3 };
    let batch = generators::random_qp(size, 31);
    let directions = generators::random_qp(size, 32);
    for (i, (program, exact)) in solve(&batch).into_iter().enumerate() {
        let direction = directions.program(i);
        let step = 1e-4 * exact.margin.min(0.1);
        let at = |step: f64| {
            let moved = moved(&program, &direction, step);
            let batch = ProgramBatch::from_programs(batch.structure.clone(), &[moved]);
            ClarabelBatch::new(&batch, 1e-13).solve_sample(0).x
        };
        let (ahead, behind) = (at(step), at(-step));
        let difference: Vec<f64> =
            ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * step)).collect();
        let error = relative_error(&exact.jvp(&direction).x, &difference);
        assert!(error < 1e-4, "sample {i}: {error:e}");
    }
}

#[test]
fn stored_gradients_follow_the_patterns() {
    let batch = generators::sudoku_layer(1, 3);
    let (program, exact) = solve(&batch).remove(0);
    let gradients = exact.vjp(&normal_vector(64, 1, 1), &[0.0; 104], &[0.0; 104]);
    let stored = gradients.stored(&batch.structure);
    assert_eq!((stored.p.len(), stored.a.len()), (64, 64 * 41));
    assert_eq!(stored.p[5], gradients.p[5 * 64 + 5]);
    // Column 2: 40 equalities, then the entry of -I.
    assert_eq!(stored.a[2 * 41 + 7], gradients.a[7 * 64 + 2]);
    assert_eq!(stored.a[2 * 41 + 40], gradients.a[(40 + 2) * 64 + 2]);
    assert_eq!(program.rows(), stored.b.len());
}

#[test]
fn weak_activity_shows_in_the_margin() {
    let size = Size { variables: 10, inequalities: 8, equalities: 2, batch: 4 };
    for (margin, lowest, highest) in [(0.0, 0.0, 1e-13), (1e-8, 1e-9, 2e-8)] {
        let known = generators::weakly_active(size, 2, margin, 5);
        for i in 0..4 {
            let (z, s) = (&known.z[i * 10..][..10], &known.s[i * 10..][..10]);
            let exact = ActiveSetSolution::solve(&known.batch.program(i), z, s).unwrap();
            assert!((lowest..highest).contains(&exact.margin), "{:e}", exact.margin);
            assert!(exact.is_degenerate());
            assert!(relative_error(&exact.x, &known.x[i * 10..][..10]) < 1e-12);
        }
    }
}

#[test]
fn weak_activity_shows_when_no_other_row_is_active() {
    let size = Size { variables: 6, inequalities: 2, equalities: 0, batch: 4 };
    let known = generators::weakly_active(size, 2, 0.0, 5);
    for i in 0..4 {
        let exact =
            ActiveSetSolution::solve(&known.batch.program(i), &[1.0; 2], &[0.0; 2]).unwrap();
        assert!(exact.margin < 1e-13, "{:e}", exact.margin);
    }
}

#[test]
fn a_vertex_does_not_move_with_q() {
    let size = Size { variables: 3, inequalities: 0, equalities: 3, batch: 4 };
    for (_, exact) in solve(&generators::random_qp(size, 34)) {
        let gradients = exact.vjp(&[1.0, 2.0, 3.0], &[0.0; 3], &[0.0; 3]);
        assert_eq!(gradients.q, [0.0; 3]);
        assert_eq!(gradients.p, [0.0; 9]);
        assert!(gradients.b.iter().all(|&v| v != 0.0));
    }
}

#[test]
fn dependent_active_rows_are_an_error() {
    let size = Size { variables: 8, inequalities: 4, equalities: 4, batch: 2 };
    let known = generators::duplicate_equalities(size, 6);
    for i in 0..2 {
        let (z, s) = (&known.z[i * 8..][..8], &known.s[i * 8..][..8]);
        let error = ActiveSetSolution::solve(&known.batch.program(i), z, s).unwrap_err();
        assert!(matches!(error, ActiveSetError::Singular { active: 4..=8 }), "{error}");
    }
}

#[test]
fn condition_grows_as_rows_become_dependent() {
    let program = |gap: f64| DenseProgram {
        variables: 2,
        equalities: 2,
        inequalities: 0,
        p: vec![1.0, 0.0, 0.0, 1.0],
        q: vec![1.0, 1.0],
        a: vec![1.0, 1.0, 1.0, 1.0 + gap],
        b: vec![1.0, 1.0],
    };
    for gap in [1e-3, 1e-6] {
        let exact = ActiveSetSolution::solve(&program(gap), &[0.0; 2], &[0.0; 2]).unwrap();
        // The inverse has a block of size 1 / gap^2.
        let expected = 1.0 / (gap * gap);
        assert!((expected..100.0 * expected).contains(&exact.condition), "{:e}", exact.condition);
    }
}

#[test]
fn a_row_with_an_infinite_bound_is_no_constraint() {
    let size = Size { variables: 5, inequalities: 6, equalities: 1, batch: 1 };
    let mut program = generators::random_qp(size, 33).program(0);
    program.b[4] = f64::INFINITY;
    let exact = ActiveSetSolution::solve(&program, &[1.0; 7], &[2.0; 7]).unwrap();
    assert_eq!((exact.s[4], exact.z[4]), (f64::INFINITY, 0.0));
    assert!(exact.residual < 1e-28 && exact.margin > 0.0);
    let gradients = exact.vjp(&[1.0; 5], &[1.0; 7], &[1.0; 7]);
    assert!(gradients.a[20..25].iter().all(|&v| v == 0.0) && gradients.b[4] == 0.0);
    // The same program without that row.
    let mut without = program.clone();
    without.inequalities -= 1;
    without.a.drain(20..25);
    without.b.remove(4);
    let fewer = ActiveSetSolution::solve(&without, &[1.0; 6], &[2.0; 6]).unwrap();
    assert_eq!(fewer.x, exact.x);
    assert_eq!(fewer.vjp(&[1.0; 5], &[1.0; 6], &[1.0; 6]).q, gradients.q);
}
