//! Section 1: cone programs, (9) to (11), their conditions, and Theorem 1.

use argrad::Settings;
use argrad_solver::{Cone, Pattern, Slot, Solver, Structure, Values};

/// `min c'x` subject to `Ax + s = b`, s in K: dense A, by columns.
fn solve(cones: Vec<Cone>, c: &[f64], a: &[f64], b: &[f64]) -> argrad_solver::Solution {
    let (n, m) = (c.len(), b.len());
    let structure = Structure::new(Pattern::empty(n, n), Pattern::dense(m, n), cones).unwrap();
    let solver = Solver::new(structure, Settings::default()).unwrap();
    let (p, q) = (Slot::Shared(&[]), Slot::Shared(c));
    solver.solve(&Values { batch: 1, p, q, a: Slot::Shared(a), b: Slot::Shared(b) }).unwrap()
}

fn dot(u: &[f64], v: &[f64]) -> f64 {
    u.iter().zip(v).map(|(u, v)| u * v).sum()
}

/// min x1 + x2 over the disc of radius 1 around (2, 3): (9), its dual (11), and no gap.
#[test]
fn equations_9_and_11_have_the_same_value() {
    let (c, b) = ([1.0, 1.0], [1.0, -2.0, -3.0]);
    let a = [0.0, -1.0, 0.0, 0.0, 0.0, -1.0];
    let solution = solve(vec![Cone::SecondOrder(3)], &c, &a, &b);
    let (primal, y) = (dot(&c, &solution.x), &solution.z);
    assert!((primal - (5.0 - 2_f64.sqrt())).abs() < 1e-12);
    assert!((primal + dot(&b, y)).abs() < 1e-12, "-b'y is the value of (11)");
    // A'y + c = 0, and y in K* = K.
    let stationarity = [c[0] - y[1], c[1] - y[2]];
    assert!(stationarity.iter().all(|r| r.abs() < 1e-12));
    assert!(y[0] + 1e-12 >= y[1].hypot(y[2]));
}

/// "s and y cannot both be strictly positive at any point" holds entry by entry for the nonnegative
/// cone alone. On a second-order cone both are on the boundary, with positive first entries.
#[test]
fn complementarity_does_not_say_that_entries_are_zero() {
    let (c, b) = ([1.0, 1.0], [1.0, -2.0, -3.0]);
    let a = [0.0, -1.0, 0.0, 0.0, 0.0, -1.0];
    let solution = solve(vec![Cone::SecondOrder(3)], &c, &a, &b);
    assert!(dot(&solution.s, &solution.z).abs() < 1e-12);
    assert!(solution.s[0] > 0.9 && solution.z[0] > 0.9);
}

/// Theorem 1 says that the conditions hold at an optimum without asking for a strictly feasible
/// point. min x subject to x^2 <= 0 has the optimum 0, and 1 + lambda 2x = 1 there for every
/// lambda: no multiplier fulfils stationarity. Sufficient they are; necessary only with Slater's
/// condition or its like, which the survey uses for strong duality alone.
#[test]
fn theorem_1_needs_slaters_condition_for_one_direction() {
    let stationarity = |lambda: f64, x: f64| 1.0 + lambda * 2.0 * x;
    for lambda in [0.0, 1.0, 1e6, 1e300] {
        assert_eq!(stationarity(lambda, 0.0), 1.0);
    }
    // x^2 <= e has the multiplier 1 / (2 sqrt e), which goes to infinity as e goes to 0: (t, x)
    // with |x| <= t as a second-order cone, t = sqrt e.
    for e in [1e-2, 1e-4, 1e-6] {
        let radius = f64::sqrt(e);
        let solution = solve(vec![Cone::SecondOrder(2)], &[1.0], &[0.0, -1.0], &[radius, 0.0]);
        let x = solution.x[0];
        let lambda = 1.0 / (2.0 * radius);
        assert!((x + radius).abs() < 1e-9 * radius.max(1e-3));
        assert!(stationarity(lambda, x).abs() < 1e-6);
    }
}
