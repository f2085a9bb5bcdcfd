//! Where s over a curved cone is much larger than z, or much smaller, though the data are not, no
//! digits of the smaller one are lost.

use argrad_conformance::generators::{ConePrograms, KnownSolution, Objective, normal_vector};
use argrad_conformance::{Numbers, ProgramBatch, relative_error};
use argrad_solver::{Cone, Pattern, Status, Structure};

use crate::case::{Case, NAN, differing, solution_bits, solver};

const N: usize = 4;
const DIM: usize = 5;
const EACH: usize = DIM * N + DIM + 2 * N;

/// Linear programs over one second-order cone, active, with data of order one, and their x and z.
struct Programs {
    batch: ProgramBatch,
    x: Vec<f64>,
    z: Vec<f64>,
}

impl Programs {
    fn new(count: usize, program: impl Fn(&[f64]) -> Program) -> Self {
        let cones = vec![Cone::SecondOrder(DIM)];
        let structure = Structure::new(Pattern::empty(N, N), Pattern::dense(DIM, N), cones);
        let numbers = normal_vector(EACH, count, 71);
        let programs: Vec<Program> = numbers.chunks_exact(EACH).map(program).collect();
        let all = |part: fn(&Program) -> &Vec<f64>| programs.iter().flat_map(part).copied();
        let mut a = Vec::new();
        for Program { a: rows, .. } in &programs {
            a.extend((0..N).flat_map(|j| (0..DIM).map(move |i| rows[i * N + j])));
        }
        let batch = ProgramBatch {
            structure: structure.unwrap(),
            batch: count,
            p: Numbers::Shared(Vec::new()),
            q: Numbers::Each(all(|program| &program.q).collect()),
            a: Numbers::Each(a),
            b: Numbers::Each(all(|program| &program.b).collect()),
        };
        let (x, z) = (all(|program| &program.x).collect(), all(|program| &program.z).collect());
        Self { batch, x, z }
    }
}

/// One of them; A row by row.
struct Program {
    q: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
    x: Vec<f64>,
    z: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `A x`.
fn times(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks_exact(N).map(|row| dot(row, x)).collect()
}

/// `-A'z`.
fn cost(a: &[f64], z: &[f64]) -> Vec<f64> {
    (0..N).map(|j| -(0..DIM).map(|i| a[i * N + j] * z[i]).sum::<f64>()).collect()
}

/// The boundary point of this size opposite to `point`.
fn opposite(point: &[f64], size: f64) -> Vec<f64> {
    let length = dot(&point[1..], &point[1..]).sqrt();
    let mut opposite = vec![size];
    opposite.extend(point[1..].iter().map(|u| -size * u / length));
    opposite
}

/// x and s as large as this, z and b of order one: the first row of A is chosen for that.
fn with_large_slacks(numbers: &[f64], size: f64) -> Program {
    let (a, rest) = numbers.split_at(DIM * N);
    let (b, rest) = rest.split_at(DIM);
    let x: Vec<f64> = rest[..N].iter().map(|x| size * x).collect();
    let mut a = a.to_vec();
    let mut s: Vec<f64> = b.iter().zip(times(&a, &x)).map(|(b, ax)| b - ax).collect();
    s[0] = dot(&s[1..], &s[1..]).sqrt();
    let missing = (b[0] - s[0] - dot(&a[..N], &x)) / dot(&x, &x);
    a.iter_mut().zip(&x).for_each(|(a, x)| *a += missing * x);
    let z = opposite(&s, 1.0);
    Program { q: cost(&a, &z), a, b: b.to_vec(), x, z }
}

/// z as large as this, x, s and q of order one: the share of z in the columns of A is chosen for
/// that.
fn with_large_multipliers(numbers: &[f64], size: f64) -> Program {
    let (a, rest) = numbers.split_at(DIM * N);
    let (u, rest) = rest.split_at(DIM);
    let (x, q) = rest.split_at(N);
    let s = opposite(u, 1.0);
    let z = opposite(&s, size);
    let mut a = a.to_vec();
    let found = cost(&a, &z);
    for (i, row) in a.chunks_exact_mut(N).enumerate() {
        for (j, a) in row.iter_mut().enumerate() {
            *a -= z[i] * (q[j] - found[j]) / dot(&z, &z);
        }
    }
    let b = times(&a, x).iter().zip(&s).map(|(ax, s)| ax + s).collect();
    Program { q: q.to_vec(), a, b, x: x.to_vec(), z }
}

/// Relative errors of x and z, and residuals, each in rising order.
fn errors(programs: &Programs, what: &str) -> [Vec<f64>; 3] {
    let solution = solver(&programs.batch).solve(&programs.batch.values()).unwrap();
    let mut errors = [const { Vec::new() }; 3];
    for (i, report) in solution.reports.iter().enumerate() {
        assert_eq!(report.status, Status::Solved, "{what}, sample {i}: {report:?}");
        let error = |found: &[f64], expected: &[f64], len: usize| {
            relative_error(&found[i * len..][..len], &expected[i * len..][..len])
        };
        errors[0].push(error(&solution.x, &programs.x, N));
        errors[1].push(error(&solution.z, &programs.z, DIM));
        errors[2].push(report.residual);
    }
    errors.iter_mut().for_each(|errors| errors.sort_by(f64::total_cmp));
    errors
}

/// In the units that the data suggest, half of the multipliers beside slacks of 1e4 are wrong by
/// 2e-8 or more, x by 1e-3, with residuals of 2e-12.
#[test]
fn multipliers_and_points_beside_large_slacks_keep_their_digits() {
    for size in [1.0, 1e1, 1e2, 1e3, 1e4] {
        let what = format!("s of {size:e}");
        let programs = Programs::new(20, |numbers| with_large_slacks(numbers, size));
        let [x, z, residuals] = errors(&programs, &what);
        assert!(x[10] < 1e-14 * size * size + 1e-13, "{what}: x {:e}", x[10]);
        assert!(z[10] < 1e-14 * size, "{what}: z {:e}", z[10]);
        assert!(z[19] < 1e-9, "{what}: z {:e}", z[19]);
        assert!(residuals[10] < 1e-14, "{what}: residual {:e}", residuals[10]);
    }
}

/// In the units that the data suggest, 3 of 20 with multipliers of 1e6 are not solved.
#[test]
fn slacks_beside_large_multipliers_keep_their_digits() {
    for size in [1.0, 1e2, 1e4, 1e6] {
        let what = format!("z of {size:e}");
        let programs = Programs::new(20, |numbers| with_large_multipliers(numbers, size));
        let [x, z, residuals] = errors(&programs, &what);
        assert!(x[10].max(z[10]) < 1e-14 * size, "{what}: x {:e}, z {:e}", x[10], z[10]);
        assert!(residuals[19] < 1e-11, "{what}: residual {:e}", residuals[19]);
    }
}

/// Starts from which the polish does not converge leave nothing behind.
#[test]
fn units_are_taken_back_where_a_warm_start_fails() {
    let programs = Programs::new(20, |numbers| with_large_slacks(numbers, 1e3)).batch;
    let solver = solver(&programs);
    let cold = solver.solve(&programs.values()).unwrap();
    let mut start = cold.clone();
    for (k, z) in start.z.iter_mut().enumerate() {
        *z *= 1e-2 * (1.0 + k as f64).sin();
    }
    start.s.iter_mut().for_each(|s| *s = -*s);
    let warm = solver.solve_from(&programs.values(), &start).unwrap();
    let failed = warm.reports.iter().filter(|report| !report.warm_started).count();
    assert!(failed > 10, "{failed} of 20 starts failed");
    for (i, report) in warm.reports.iter().enumerate().filter(|(_, r)| !r.warm_started) {
        let [cold, warm] = [&cold, &warm].map(|solution| solution_bits(solution, i));
        assert_eq!(differing(&cold, &warm), Vec::<&str>::new(), "sample {i}: {report:?}");
    }
}

#[test]
fn units_are_a_part_of_the_flat_tape() {
    for case in [
        Programs::new(9, |numbers| with_large_slacks(numbers, 1e3)),
        Programs::new(9, |numbers| with_large_multipliers(numbers, 1e3)),
    ]
    .map(|programs| Case::new(programs.batch, 5))
    {
        let solver = solver(&case.batch);
        let (_, tape) = solver.forward(&case.batch.values()).unwrap();
        let mut rows = vec![f64::NAN; case.batch.batch * solver.flat_tape_len()];
        tape.write_flat(&mut rows).unwrap();
        let (_, restored) = solver.tape_from_flat(&case.batch.values(), &rows).unwrap();
        let [one, other] = [tape, restored].map(|tape| tape.vjp(&case.cotangent(), &NAN).unwrap());
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

/// Where s is what is left of zero, the units are not chosen by it: a linear program whose slacks
/// over exponential cones are all zero is polished like any other. (Of these, the first had been
/// given units in which s was as large as z, and ended with an x that was called not unique.)
#[test]
fn what_is_left_of_zero_is_no_size() {
    let cones = vec![Cone::Exponential, Cone::Zero(1), Cone::Exponential, Cone::Exponential];
    let programs =
        ConePrograms { objective: Objective::Linear, ..ConePrograms::dense(cones, 10, 200, 36) };
    let KnownSolution { batch, x, .. } = programs.known_solution();
    let batch = batch.select(&[155, 158, 183, 190]);
    let solution = solver(&batch).solve(&batch.values()).unwrap();
    for (row, sample) in [155, 158, 183, 190].into_iter().enumerate() {
        let report = &solution.reports[row];
        assert!(report.unique_x && report.residual <= 1e-14, "sample {sample}: {report:?}");
        let (own, known) = (&solution.x[row * 10..][..10], &x[sample * 10..][..10]);
        let error = own.iter().zip(known).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error <= 1e-11, "sample {sample}: {error:e}");
    }
}
