//! Entries known to be zero are left out of the factor, and of nothing else.

use argrad_solver::{
    Cone, Cotangent, Differentiation, Error, Gradients, Mode, Pattern, Settings, Slot,
    SolutionTangent, Solver, Structure, Tangent, Tape, Values,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const N: usize = 6;
const M: usize = 9;
const BATCH: usize = 3;

fn structure() -> Structure {
    let cones = vec![Cone::Nonnegative(5), Cone::SecondOrder(4)];
    Structure::new(Pattern::dense_upper(N), Pattern::dense(M, N), cones).unwrap()
}

/// Every second entry off the diagonal of P, every third of A.
fn zeros(structure: &Structure) -> [Vec<bool>; 2] {
    let p = structure.p().entries().map(|(i, j)| i != j && (i + j) % 2 == 0).collect();
    let a = (0..structure.a().nnz()).map(|k| k % 3 == 0).collect();
    [p, a]
}

struct Numbers {
    p: Vec<f64>,
    q: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Numbers {
    fn random(structure: &Structure, zeros: &[Vec<bool>; 2]) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(11);
        let mut numbers = Self { p: vec![], q: vec![], a: vec![], b: vec![] };
        for _ in 0..BATCH {
            for ((i, j), &zero) in structure.p().entries().zip(&zeros[0]) {
                let entry = if i == j { 4.0 } else { rng.random_range(-0.5..0.5) };
                numbers.p.push(if zero { 0.0 } else { entry });
            }
            for &zero in &zeros[1] {
                numbers.a.push(if zero { 0.0 } else { rng.random_range(-1.0..1.0) });
            }
            numbers.q.extend((0..N).map(|_| rng.random_range(-6.0..6.0)));
            // x = 0 is inside: slacks of 0.2 to 1, and the axis of the second-order cone.
            numbers.b.extend((0..5).map(|_| rng.random_range(0.2..1.0)));
            numbers.b.extend([1.0, 0.1, -0.1, 0.2]);
        }
        numbers
    }

    fn values(&self) -> Values<'_> {
        let Self { p, q, a, b } = self;
        Values {
            batch: BATCH,
            p: Slot::Each(p),
            q: Slot::Each(q),
            a: Slot::Each(a),
            b: Slot::Each(b),
        }
    }
}

fn gradients(tape: &Tape, mode: Mode) -> Gradients {
    let rng = &mut ChaCha8Rng::seed_from_u64(12);
    let mut weights =
        |len: usize| -> Vec<f64> { (0..len).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let (x, z, s) = (weights(BATCH * N), weights(BATCH * M), weights(BATCH * M));
    let how = Differentiation { mode, ..Differentiation::default() };
    tape.vjp(&Cotangent { x: Some(&x), z: Some(&z), s: Some(&s) }, &how).unwrap()
}

fn tangents(tape: &Tape, mode: Mode) -> SolutionTangent {
    let rng = &mut ChaCha8Rng::seed_from_u64(13);
    let mut change =
        |len: usize| -> Vec<f64> { (0..len).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let whole = structure();
    let (p, a) = (change(whole.p().nnz()), change(whole.a().nnz()));
    let how = Differentiation { mode, ..Differentiation::default() };
    let tangent =
        Tangent { p: Some(Slot::Shared(&p)), a: Some(Slot::Shared(&a)), ..Tangent::default() };
    tape.jvp(&tangent, &how).unwrap()
}

fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    found.iter().zip(expected).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / size
}

#[test]
fn solution_and_derivatives_are_those_of_the_whole_structure() {
    let whole = structure();
    let zeros = zeros(&whole);
    let numbers = Numbers::random(&whole, &zeros);
    let [p_zeros, a_zeros] = zeros.clone();
    let known = whole.clone().with_zeros(p_zeros, a_zeros).unwrap();
    let forward = |structure: Structure| {
        let solver = Solver::new(structure, Settings::default()).unwrap();
        solver.forward(&numbers.values()).unwrap()
    };
    let (found, tape) = forward(known);
    let (expected, expected_tape) = forward(whole);
    assert!(distance(&found.x, &expected.x) < 1e-13);
    assert!(distance(&found.z, &expected.z) < 1e-12);
    for (mode, limit) in
        [(Mode::Exact, 1e-11), (Mode::Smoothed(1e-2), 1e-11), (Mode::Lpgd(1e-2), 1e-8)]
    {
        let (found, expected) = (gradients(&tape, mode), gradients(&expected_tape, mode));
        for (found, expected) in [
            (&found.p, &expected.p),
            (&found.q, &expected.q),
            (&found.a, &expected.a),
            (&found.b, &expected.b),
        ] {
            let error = distance(found, expected);
            assert!(error < limit, "{mode:?}: {error:e}");
        }
        // Along changes of every entry, those that are zero too.
        let (found_jvp, expected_jvp) = (tangents(&tape, mode), tangents(&expected_tape, mode));
        for (found, expected) in [(&found_jvp.x, &expected_jvp.x), (&found_jvp.z, &expected_jvp.z)]
        {
            let error = distance(found, expected);
            assert!(error < limit, "{mode:?}, forward: {error:e}");
        }
        // Entries that are zero have a gradient.
        let zero = zeros[1].iter().position(|&zero| zero).unwrap();
        assert!(found.a[zero] != 0.0);
    }
}

#[test]
fn flags_of_the_wrong_number_are_refused() {
    let whole = structure();
    let [p_zeros, _] = zeros(&whole);
    let error = whole.with_zeros(p_zeros, vec![true; 3]).unwrap_err();
    assert!(matches!(error, Error::Length { argument: "a_zeros", expected: 54, found: 3, .. }));
}
