//! Answers do not depend on the units of the data.

use argrad_conformance::generators::{self, Units};
use argrad_conformance::{Numbers, ProgramBatch, relative_error};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Pattern, Settings, Slot, Solution, Solver, Status, Structure,
    Values,
};

use crate::case::{Case, size, solver};
use crate::families::families;

/// A program of one sample with dense P, A in row-major order, and nonnegative cones.
fn solve(p: &[f64], q: &[f64], a: &[f64], b: &[f64]) -> Solution {
    solve_over(vec![Cone::Nonnegative(b.len())], p, q, a, b)
}

fn solve_over(cones: Vec<Cone>, p: &[f64], q: &[f64], a: &[f64], b: &[f64]) -> Solution {
    let n = q.len();
    let pattern = if p.is_empty() { Pattern::empty(n, n) } else { Pattern::dense_upper(n) };
    let structure = Structure::new(pattern, Pattern::dense(b.len(), n), cones).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let [p, q, a, b] = [p, q, a, b].map(Slot::Shared);
    solver.solve(&Values { batch: 1, p, q, a, b }).unwrap()
}

fn assert_x(solution: &Solution, expected: &[f64]) {
    assert_eq!(solution.reports[0].status, Status::Solved, "{:?}", solution.reports[0]);
    let error = relative_error(&solution.x, expected);
    assert!(error < 1e-12, "{:?}, expected {expected:?}", solution.x);
}

#[test]
fn large_numbers_are_no_certificates() {
    assert_x(&solve(&[2.0], &[1e9], &[], &[]), &[-5e8]);
    assert_x(&solve(&[1.0], &[0.0], &[-1.0], &[-1e8]), &[1e8]);
    // min t, exp(20) <= t
    let solution =
        solve_over(vec![Cone::Exponential], &[], &[1.0], &[0.0, 0.0, -1.0], &[20.0, 1.0, 0.0]);
    assert_x(&solution, &[20_f64.exp()]);
}

#[test]
fn small_numbers_are_not_rounded_to_zero() {
    let (g, h) = ([1.5810435, 0.57619435], [-2.996651e-9, 7.487454e-9]);
    let solution = solve(&[1.04935656], &[-4.5926629e-8], &g, &h);
    assert_x(&solution, &[-2.996651e-9 / 1.5810435]);
}

#[test]
fn small_random_programs_have_the_solutions_of_large_ones() {
    for n in 1..=6 {
        let batch = generators::random_qp(size(n, n, 0, 64), 171);
        let expected = solver(&batch).solve(&batch.values()).unwrap();
        for unit in [1e-10, 1e-7, 1e-6, 1e6, 1e10] {
            let scaled = in_point_unit(&batch, unit);
            let found = solver(&scaled).solve(&scaled.values()).unwrap();
            for i in 0..64 {
                assert_eq!(found.reports[i].status, expected.reports[i].status);
                let x: Vec<f64> = found.x[i * n..][..n].iter().map(|x| x / unit).collect();
                let error = relative_error(&x, &expected.x[i * n..][..n]);
                assert!(error < 1e-11, "n = {n}, unit {unit:e}, sample {i}: {error:e}");
            }
        }
    }
}

/// Entries of A that are far below all others, beside a P that gives their variable its unit.
#[test]
fn negligible_entries_do_not_choose_the_unit_of_a_variable() {
    let (b, right) = (1e-3, 1e-3 / 3.0);
    let dual = (1.0 - 0.5 * right) / 3.0;
    for tiny in [1e-300, 1e-100, 1e-40, 1e-35, 1e-30, 1e-25, 1e-20, 1e-15, 1e-10] {
        for q in [0.0, tiny] {
            let cones = vec![Cone::Zero(1)];
            let solution = solve_over(cones, &[1.0, 0.0, 0.5], &[q, -1.0], &[tiny, 3.0], &[b]);
            assert_x(&solution, &[-(q + tiny * dual), right]);
            let x = -(q + tiny * dual);
            assert!((solution.x[0] - x).abs() < 1e-9 * x.abs(), "{tiny:e}: {:e}", solution.x[0]);
        }
    }
}

/// One entry of a matrix is tiny, or one column of it: the others decide.
#[test]
fn negligible_entries_of_random_programs_do_not_matter() {
    let (n, m) = (5, 3);
    let batch = generators::random_qp(size(n, 0, m, 40), 5);
    let expected = |a: &[f64], i: usize| {
        let mut batch = batch.select(&[i]);
        batch.a = Numbers::Each(a.to_vec());
        solver(&batch).solve(&batch.values()).unwrap()
    };
    let a_of = |i: usize| batch.a.slot().sample(i, n * m).to_vec();
    for i in 0..40 {
        let (column, tiny) = (i % n, 10_f64.powi(-20 - i as i32));
        for rows in [0..1, 0..m] {
            let (mut without, mut with) = (a_of(i), a_of(i));
            without[column * m..][rows.clone()].fill(0.0);
            with[column * m..][rows].fill(tiny);
            let (without, with) = (expected(&without, i), expected(&with, i));
            assert_x(&with, &without.x);
        }
    }
}

/// Susceptances of lines, 1 / reactance, in units that are powers of ten apart: the angles have the
/// inverse unit, all else the same values.
/// The points of least norm with `Ex = E E'w`, which is E'w: no entry of E is faint, but columns of
/// it are, and their variables have the unit in which the objective sees them.
#[test]
fn faint_columns_do_not_blow_the_objective_up() {
    let n = 40;
    for (powers, unit) in [((8, 12), 1e-4), ((3, 6), 1e-4), ((1, 9), 1e2)] {
        let row = |power: i32| (1..=n).map(move |j| unit * (j as f64 / n as f64).powi(power));
        let (first, second): (Vec<f64>, Vec<f64>) =
            (row(powers.0).collect(), row(powers.1).collect());
        let weights = [1e8, 2e8];
        let expected: Vec<f64> =
            first.iter().zip(&second).map(|(a, b)| weights[0] * a + weights[1] * b).collect();
        let product = |row: &[f64]| row.iter().zip(&expected).map(|(a, x)| a * x).sum::<f64>();
        let mut b = vec![product(&first), product(&second)];
        b.resize(2 + n, 0.0);
        let mut a = Vec::new();
        for j in 0..n {
            a.extend([first[j], second[j]]);
            a.extend((0..n).map(|i| if i == j { -1.0 } else { 0.0 }));
        }
        let p: Vec<f64> =
            (0..n).flat_map(|j| (0..=j).map(move |i| if i == j { 2.0 } else { 0.0 })).collect();
        let cones = vec![Cone::Zero(2), Cone::Nonnegative(n)];
        let solution = solve_over(cones, &p, &vec![0.0; n], &a, &b);
        let report = solution.reports[0];
        assert_eq!(report.status, Status::Solved, "{report:?}");
        let error = relative_error(&solution.x, &expected);
        assert!(error < 1e-10, "{error}: {report:?}");
    }
}

#[test]
fn a_power_network_is_scheduled_the_same_in_any_unit_of_its_angles() {
    let demands =
        [[198.0168465793092, 194.23311507881937, 277.755903424941], [300.0, 300.0, 400.0]];
    for (demand, rise) in
        demands.into_iter().flat_map(|demand| [0.0, 0.2, 0.5, 1.0].map(|r| (demand, r)))
    {
        let expected = schedule(1.0, demand, rise);
        for unit in [1e-8, 1e-4, 0.1, 10.0, 100.0, 1e3, 1e4, 1e8] {
            let found = schedule(unit, demand, rise);
            assert_x(&found, &expected.x[..8]);
        }
    }
}

/// The day-ahead program of a network of five buses (F. Li and R. Bo, "Small test systems for power
/// system economic studies", 2010); x holds 5 generations and 3 loads not served.
fn schedule(unit: f64, demand: [f64; 3], rise: f64) -> Solution {
    const LINES: [(usize, usize, f64); 6] = [
        (0, 1, 0.0281),
        (0, 3, 0.0304),
        (0, 4, 0.0064),
        (1, 2, 0.0108),
        (2, 3, 0.0297),
        (3, 4, 0.0297),
    ];
    const PLANTS: [(usize, f64, f64); 5] =
        [(0, 40.0, 14.0), (0, 170.0, 15.0), (2, 520.0, 30.0), (3, 200.0, 40.0), (4, 600.0, 10.0)];
    const N: usize = 13;
    let (mut rows, mut b) = (vec![[0.0; N]; 6], vec![0.0; 6]);
    // The angle of the first bus; the balance at each.
    rows[0][8] = 1.0;
    for (k, &(bus, ..)) in PLANTS.iter().enumerate() {
        rows[1 + bus][k] = -1.0;
    }
    for (k, demand) in demand.into_iter().enumerate() {
        rows[2 + k][5 + k] = -1.0;
        b[2 + k] = -demand;
    }
    for (from, to, reactance) in LINES {
        for (bus, sign) in [(from, unit), (to, -unit)] {
            rows[1 + bus][8 + from] += sign / reactance;
            rows[1 + bus][8 + to] -= sign / reactance;
        }
    }
    for (line, limit) in [(0, 400.0), (5, 240.0)] {
        let (from, to, reactance) = LINES[line];
        for sign in [unit, -unit] {
            let mut row = [0.0; N];
            row[8 + from] = sign / reactance;
            row[8 + to] = -sign / reactance;
            rows.push(row);
            b.push(limit);
        }
    }
    for j in 0..8 {
        let most = PLANTS.get(j).map(|plant| (1.0, plant.1));
        for (sign, bound) in [Some((-1.0, 0.0)), most].into_iter().flatten() {
            let mut row = [0.0; N];
            row[j] = sign;
            rows.push(row);
            b.push(bound);
        }
    }
    let mut p = vec![0.0; N * (N + 1) / 2];
    let mut q = vec![0.0; N];
    for (k, &(_, most, cost)) in PLANTS.iter().enumerate() {
        p[k * (k + 3) / 2] = rise * cost / most;
        q[k] = cost;
    }
    q[5..8].fill(1000.0);
    let a: Vec<f64> = (0..N).flat_map(|j| rows.iter().map(move |row| row[j])).collect();
    let cones = vec![Cone::Zero(6), Cone::Nonnegative(rows.len() - 6)];
    let mut solution = solve_over(cones, &p, &q, &a, &b);
    solution.x.truncate(8);
    solution
}

fn in_point_unit(batch: &ProgramBatch, unit: f64) -> ProgramBatch {
    Units { point: unit, ..Units::ones(&batch.structure) }.of_batch(batch)
}

/// Units that all variables, all rows, the point or the objective have in common, in powers of two:
/// the same solution and derivative to the last bit.
#[test]
fn common_units_that_are_powers_of_two_change_no_bit() {
    for family in families(8) {
        let known = family.programs.known_solution();
        let ones = Units::ones(&known.batch.structure);
        let base = Case::new(known.batch.clone(), 1);
        let (expected, tape) = base.forward();
        let gx = Cotangent { x: Some(&base.gx), ..Cotangent::default() };
        let gradients = tape.vjp(&gx, &Differentiation::default()).unwrap();
        for exponent in [-33, -7, 12, 33] {
            let t = f64::from(exponent).exp2();
            for units in [
                Units { point: t, ..ones.clone() },
                Units { objective: t, ..ones.clone() },
                Units { variables: vec![t; ones.variables.len()], ..ones.clone() },
                Units { rows: vec![t; ones.rows.len()], ..ones.clone() },
            ] {
                let case = Case { batch: units.of_batch(&known.batch), ..base.clone() };
                let (found, tape) = case.forward();
                let found_gradients = tape.vjp(&gx, &Differentiation::default()).unwrap();
                let unit = units.point / units.variables[0];
                let x: Vec<f64> = found.x.iter().map(|x| x / unit).collect();
                assert_eq!(x, expected.x, "{} {units:?}", family.name);
                let of_q = units.objective * units.point * units.variables[0];
                let q: Vec<f64> = found_gradients.q.iter().map(|g| g * of_q / unit).collect();
                assert_eq!(q, gradients.q, "{} {units:?}", family.name);
            }
        }
    }
}
