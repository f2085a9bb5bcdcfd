//! Random programs over cones are what they say: solvable ones by their known solutions, the
//! others by Clarabel.

use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{self, ConePrograms, KnownSolution, Objective, Penalty};
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_solver::Cone;
use clarabel::solver::SolverStatus;

fn general_power() -> Cone {
    Cone::GeneralizedPower { alpha: vec![0.2, 0.5, 0.3], norm_dim: 2 }
}

fn specs() -> Vec<ConePrograms> {
    let dense = |cones: Vec<Cone>, n| ConePrograms::dense(cones, n, 5, 7);
    let mixture = vec![
        Cone::Zero(2),
        Cone::Nonnegative(4),
        Cone::SecondOrder(5),
        Cone::PsdTriangle(3),
        Cone::Exponential,
        Cone::Power(0.7),
        general_power(),
        Cone::SecondOrder(1),
        Cone::Exponential,
    ];
    vec![
        dense(vec![Cone::Zero(3)], 5),
        dense(vec![Cone::Nonnegative(8)], 5),
        dense(vec![Cone::SecondOrder(4), Cone::SecondOrder(2), Cone::SecondOrder(6)], 7),
        dense(vec![Cone::PsdTriangle(2), Cone::PsdTriangle(5)], 9),
        dense(vec![Cone::Exponential; 4], 9),
        dense(vec![Cone::Power(0.3), Cone::Power(0.5), Cone::Power(0.8)], 8),
        dense(vec![general_power(), general_power()], 9),
        dense(mixture.clone(), 13),
        ConePrograms { objective: Objective::Linear, ..dense(mixture.clone(), 8) },
        ConePrograms {
            objective: Objective::Diagonal { rank: 7 },
            density: 0.3,
            ..dense(mixture.clone(), 13)
        },
        ConePrograms {
            objective: Objective::Sparse { density: 0.2 },
            density: 0.3,
            ..dense(mixture, 13)
        },
    ]
}

fn violation(known: &KnownSolution) -> f64 {
    let batch = &known.batch;
    let (n, rows) = (batch.variables(), batch.rows());
    let (p, a) = (batch.structure.p(), batch.structure.a());
    let mut worst = 0.0_f64;
    for i in 0..batch.batch {
        let (x, z) = (&known.x[i * n..][..n], &known.z[i * rows..][..rows]);
        let s = &known.s[i * rows..][..rows];
        let mut dual = batch.q.sample(i, n).to_vec();
        let mut primal = batch.b.sample(i, rows).to_vec();
        primal.iter_mut().zip(s).for_each(|(b, s)| *b -= s);
        for ((i, j), value) in p.entries().zip(batch.p.sample(i, p.nnz())) {
            dual[i] += value * x[j];
            if i != j {
                dual[j] += value * x[i];
            }
        }
        for ((i, j), value) in a.entries().zip(batch.a.sample(i, a.nnz())) {
            dual[j] += value * z[i];
            primal[i] -= value * x[j];
        }
        worst = dual.iter().chain(&primal).fold(worst, |worst, r| worst.max(r.abs()));
        let gap: f64 = s.iter().zip(z).map(|(s, z)| s * z).sum();
        worst = worst.max(gap.abs());
    }
    worst
}

fn statuses(batch: &ProgramBatch) -> Vec<SolverStatus> {
    ClarabelBatch::new(batch, 1e-8).solve().iter().map(|solution| solution.status).collect()
}

/// Largest relative error of Clarabel's x.
fn error_of_clarabel(known: &KnownSolution) -> f64 {
    let n = known.batch.variables();
    let solutions = ClarabelBatch::new(&known.batch, 1e-10).solve();
    solutions
        .iter()
        .enumerate()
        .map(|(i, found)| relative_error(&found.x, &known.x[i * n..][..n]))
        .fold(0.0, f64::max)
}

#[test]
fn known_solutions_satisfy_the_optimality_conditions_and_are_unique() {
    for spec in specs() {
        let known = spec.known_solution();
        assert!(violation(&known) < 1e-13, "{spec:?}: {:e}", violation(&known));
        // Clarabel would find another one, were there any.
        let error = error_of_clarabel(&known);
        assert!(error < 1e-5, "{spec:?}: {error:e}");
    }
}

#[test]
fn solutions_on_flat_faces_satisfy_the_optimality_conditions() {
    for spec in specs() {
        let known = spec.on_flat_faces();
        assert!(violation(&known) < 1e-13, "{spec:?}: {:e}", violation(&known));
    }
}

#[test]
fn other_units_change_the_solution_by_powers_of_two() {
    for spec in specs() {
        let known = spec.known_solution();
        let scaled = generators::rescaled(&known, 4.0, 3);
        let ratios: Vec<f64> = known.x.iter().zip(&scaled.x).map(|(x, y)| x / y).collect();
        assert!(ratios.iter().all(|r| r.log2().fract() == 0.0 && r.log10().abs() < 4.2));
        assert!(ratios.iter().any(|r| *r != 1.0));
        assert_eq!(ratios[..spec.variables], ratios[spec.variables..2 * spec.variables]);
        for (k, (s, z)) in scaled.s.iter().zip(&scaled.z).enumerate() {
            assert_eq!(s * z, known.s[k] * known.z[k]);
        }
        // Back again, all is as it was.
        let unscaled = |i: usize, j: usize| {
            let structure = &known.batch.structure;
            let k = structure.a().entries().position(|entry| entry == (i, j))?;
            let (a, b) = (known.batch.a.as_slice()[k], scaled.batch.a.as_slice()[k]);
            // A'/A = E D and b'/b = E.
            Some(
                b / a * ratios[j].recip()
                    / (scaled.batch.b.as_slice()[i] / known.batch.b.as_slice()[i]),
            )
        };
        for i in 0..spec.rows() {
            assert!(unscaled(i, 0).is_none_or(|one| (one - 1.0).abs() < 1e-15), "{spec:?} {i}");
        }
    }
}

#[test]
fn a_sample_does_not_depend_on_the_batch() {
    for spec in specs() {
        let more = ConePrograms { batch: 9, ..spec.clone() };
        let first = [0, 1, 2, 3, 4];
        assert_eq!(spec.known_solution().batch, more.known_solution().batch.select(&first));
        assert_eq!(spec.infeasible(), more.infeasible().select(&first));
        let other = ConePrograms { seed: 8, ..spec.clone() };
        assert_ne!(spec.known_solution().batch, other.known_solution().batch);
    }
}

#[test]
fn sparse_patterns_leave_no_row_or_column_empty() {
    let spec = ConePrograms { density: 0.0, ..specs().remove(7) };
    let structure = spec.known_solution().batch.structure;
    let mut rows = vec![0; spec.rows()];
    structure.a().entries().for_each(|(i, _)| rows[i] += 1);
    assert!(rows.iter().all(|&entries| entries > 0));
    assert!(structure.a().colptr().windows(2).all(|ends| ends[1] - ends[0] >= 2));
    assert!(structure.a().nnz() < spec.rows() + 2 * spec.variables + 1);
}

#[test]
fn degenerate_programs_satisfy_the_optimality_conditions() {
    for spec in specs() {
        for known in [spec.redundant_rows(), spec.non_unique_primal()] {
            assert!(violation(&known) < 1e-12, "{spec:?}: {:e}", violation(&known));
        }
        let full_rank =
            ConePrograms { objective: Objective::Full { rank: spec.variables }, ..spec };
        let weak = full_rank.weakly_active();
        assert!(violation(&weak) < 1e-13);
        assert!(error_of_clarabel(&weak) < 1e-3, "{full_rank:?} {:e}", error_of_clarabel(&weak));
    }
}

#[test]
fn a_solution_that_is_not_unique_has_another_one() {
    for spec in specs() {
        let known = spec.non_unique_primal();
        let n = known.batch.variables();
        let solutions = ClarabelBatch::new(&known.batch, 1e-9).solve();
        let objective = |i: usize, x: &[f64]| {
            let linear: f64 = known.batch.q.sample(i, n).iter().zip(x).map(|(q, x)| q * x).sum();
            let p = known.batch.structure.p();
            let values = known.batch.p.sample(i, p.nnz());
            p.entries().zip(values).fold(linear, |sum, ((i, j), p)| {
                sum + p * x[i] * x[j] * if i == j { 0.5 } else { 1.0 }
            })
        };
        for (i, found) in solutions.iter().enumerate() {
            let x = &known.x[i * n..][..n];
            let difference = (objective(i, &found.x) - objective(i, x)).abs();
            assert!(difference < 1e-5, "{spec:?} {i} {:?}: {difference:e}", found.status);
            let error = relative_error(&found.x, x);
            assert!(error > 1e-3, "{spec:?} {i}: {error:e}");
        }
    }
}

#[test]
fn programs_without_a_solution_have_none() {
    use SolverStatus::{DualInfeasible, PrimalInfeasible};
    for spec in specs() {
        assert_eq!(statuses(&spec.infeasible()), vec![PrimalInfeasible; 5], "{spec:?}");
        assert_eq!(statuses(&spec.unbounded()), vec![DualInfeasible; 5], "{spec:?}");
    }
}

#[test]
#[should_panic(expected = "no solution is unique")]
fn too_many_equalities_are_refused() {
    ConePrograms::dense(vec![Cone::Zero(4)], 3, 1, 0).known_solution();
}

#[test]
fn the_softmax_program_has_the_softmax_as_its_solution() {
    let known = generators::entropy_softmax(20, 4, 3);
    assert!(violation(&known) < 1e-14, "{:e}", violation(&known));
    assert!(error_of_clarabel(&known) < 1e-5, "{:e}", error_of_clarabel(&known));
    let total: f64 = known.x[..20].iter().sum();
    assert!((total - 1.0).abs() < 1e-14);
}

#[test]
fn the_nearest_matrix_is_the_projection() {
    let batch = generators::psd_projection(6, 4, 3);
    for (i, found) in ClarabelBatch::new(&batch, 1e-11).solve().iter().enumerate() {
        let c: Vec<f64> = batch.q.sample(i, 21).iter().map(|q| -q).collect();
        let expected = argrad_conformance::reference::project(&Cone::PsdTriangle(6), &c).point;
        let error = relative_error(&found.x, &expected);
        assert!(error < 1e-8, "{i}: {error:e}");
    }
}

#[test]
fn real_world_families_are_solvable_and_of_the_stated_size() {
    let portfolio = generators::portfolio(50, 5, 4, 1);
    assert_eq!((portfolio.variables(), portfolio.rows()), (51, 107));
    let ridge = generators::logistic_regression(50, 10, Penalty::Ridge(0.01), 3, 1);
    assert_eq!((ridge.variables(), ridge.rows()), (160, 350));
    let lasso = generators::logistic_regression(50, 10, Penalty::Lasso(0.01), 3, 1);
    assert_eq!((lasso.variables(), lasso.rows()), (170, 370));
    let signal = generators::total_variation(300, 1.0, 2, 1);
    assert_eq!((signal.variables(), signal.rows()), (599, 598));
    for batch in [&portfolio, &ridge, &lasso, &signal] {
        assert!(statuses(batch).iter().all(|&status| status == SolverStatus::Solved));
    }
}

#[test]
fn logistic_regression_minimizes_the_logistic_loss() {
    let (samples, features, weight) = (30, 4, 0.02);
    let batch = generators::logistic_regression(samples, features, Penalty::Ridge(weight), 1, 5);
    let x = ClarabelBatch::new(&batch, 1e-11).solve_sample(0).x;
    // Rows of the first exponential cones hold -u_i.
    let a = batch.structure.a();
    let mut signed = vec![0.0; samples * features];
    for ((i, j), value) in a.entries().zip(batch.a.sample(0, a.nnz())) {
        if j < features {
            signed[(i - samples) / 3 * features + j] = -value;
        }
    }
    for j in 0..features {
        let loss: f64 = signed
            .chunks_exact(features)
            .map(|row| {
                let u: f64 = row.iter().zip(&x).map(|(r, w)| r * w).sum();
                row[j] / (1.0 + (-u).exp()) / samples as f64
            })
            .sum();
        let gradient = loss + 2.0 * weight * x[j];
        assert!(gradient.abs() < 1e-6, "{gradient:e}");
    }
}

#[test]
fn total_variation_of_a_step_is_shrunk_by_the_weight() {
    // One step of height 1 between 4 + 4 samples: each side moves by weight / 4 towards the other.
    let mut batch = generators::total_variation(8, 0.2, 1, 1);
    batch.q.as_mut_slice()[..8].copy_from_slice(&[0.0, 0.0, 0.0, 0.0, -1.0, -1.0, -1.0, -1.0]);
    let x = ClarabelBatch::new(&batch, 1e-11).solve_sample(0).x;
    let expected = [0.05, 0.05, 0.05, 0.05, 0.95, 0.95, 0.95, 0.95];
    assert!(relative_error(&x[..8], &expected) < 1e-8);
}

#[test]
fn risk_lowers_the_variance_of_a_portfolio() {
    let batch = generators::portfolio(20, 3, 2, 9);
    for found in ClarabelBatch::new(&batch, 1e-10).solve() {
        let (x, risk) = (&found.x[..20], found.x[20]);
        assert!((x.iter().sum::<f64>() - 1.0).abs() < 1e-8);
        assert!(x.iter().all(|&share| share > -1e-8));
        let exposures: f64 = found.s[22..].iter().map(|s| s * s).sum();
        assert!((exposures.sqrt() - risk).abs() < 1e-7, "the risk is the norm of the exposures");
    }
}
