//! Relaxations of the maximum cut: closed forms, and Clarabel's value.

use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{WeightedGraph, max_cut, normal_vector};
use argrad_conformance::{Numbers, ProgramBatch, dot};
use argrad_solver::{Cotangent, Differentiation, Engine, Settings, Solver};

/// The optimal value by each engine.
fn values(program: &ProgramBatch) -> [f64; 2] {
    [Engine::Lanes, Engine::Sparse].map(|engine| {
        let settings = Settings { engine, ..Settings::default() };
        let solver = Solver::new(program.structure.clone(), settings).unwrap();
        let solution = solver.solve(&program.values()).unwrap();
        assert!(solution.reports[0].is_solved(), "{engine:?}: {:?}", solution.reports[0]);
        dot(program.q.as_slice(), &solution.x)
    })
}

#[test]
fn the_pentagon_has_the_value_of_its_largest_eigenvalue() {
    let pentagon = WeightedGraph::new(5, (0..5).map(|i| (i, (i + 1) % 5, 1.0)));
    let expected = (25.0 + 5.0 * 5.0_f64.sqrt()) / 8.0;
    for value in values(&max_cut(&pentagon)) {
        assert!((value - expected).abs() < 1e-8, "{value} {expected}");
    }
}

#[test]
fn random_graphs_and_tori_have_the_value_that_clarabel_finds() {
    for graph in [WeightedGraph::random(20, 40, 1), WeightedGraph::torus(4, 1)] {
        let program = max_cut(&graph);
        let clarabel = ClarabelBatch::new(&program, 1e-11).solve_sample(0);
        let expected = dot(program.q.as_slice(), &clarabel.x);
        for value in values(&program) {
            assert!((value - expected).abs() < 1e-8 * expected, "{value} {expected}");
        }
    }
}

#[test]
fn gradients_of_graphs_in_pieces_are_those_of_differences() {
    // Between the pieces z may be anything: the system of the derivative is singular.
    const STEP: f64 = 1e-5;
    for seed in 1..5 {
        let order = 30;
        let program = max_cut(&WeightedGraph::random(order, 36, seed));
        let solver = Solver::new(program.structure.clone(), Settings::default()).unwrap();
        let weights = normal_vector(order, 1, seed);
        let direction = normal_vector(order, 1, seed + 100);
        let (solution, tape) = solver.forward(&program.values()).unwrap();
        let report = solution.reports[0];
        assert!(report.is_solved() && report.unique_x && !report.unique_z, "{report:?}");
        let cotangent = Cotangent { x: Some(&weights), ..Cotangent::default() };
        let gradients = tape.vjp(&cotangent, &Differentiation::default()).unwrap();
        assert!(gradients.unfinished.is_empty());
        assert!(gradients.adjoint_residual[0] < 1e-12, "{:e}", gradients.adjoint_residual[0]);
        let at = |length: f64| {
            let moved = program.q.as_slice().iter().zip(&direction);
            let q = moved.map(|(q, direction)| q + length * direction).collect();
            let moved = ProgramBatch { q: Numbers::Each(q), ..program.clone() };
            dot(&weights, &solver.solve(&moved.values()).unwrap().x)
        };
        let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let found = dot(&gradients.q, &direction);
        assert!((found - expected).abs() < 1e-6 * expected.abs(), "{found} {expected}");
    }
}
