//! Relaxations of the maximum cut: closed forms, and Clarabel's value.

use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{WeightedGraph, max_cut};
use argrad_conformance::{ProgramBatch, dot};
use argrad_solver::{Engine, Settings, Solver};

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
