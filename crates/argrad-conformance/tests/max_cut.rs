//! Graphs and the relaxations of their maximum cuts.

use std::f64::consts::{PI, SQRT_2};

use argrad_conformance::clarabel::ClarabelBatch;
use argrad_conformance::generators::{WeightedGraph, max_cut};
use argrad_conformance::problem_file::{self, ProblemFile};
use argrad_conformance::{ProgramBatch, dot, psd_triangle};
use argrad_solver::Cone;

/// The optimal value by Clarabel.
fn value(program: &ProgramBatch) -> f64 {
    let solution = ClarabelBatch::new(program, 1e-11).solve_sample(0);
    dot(program.q.as_slice(), &solution.x)
}

/// The cycle of `order` nodes, every edge of this weight.
fn cycle(order: usize, weight: f64) -> WeightedGraph {
    WeightedGraph::new(order, (0..order).map(|i| (i, (i + 1) % order, weight)))
}

#[test]
fn random_graphs_have_the_edges_that_are_asked_for() {
    let graph = WeightedGraph::random(20, 30, 1);
    assert_eq!((graph.order(), graph.edges().count()), (20, 30));
    assert!(graph.edges().all(|(i, j, weight)| i < j && j < 20 && weight == 1.0));
    assert_eq!(graph, WeightedGraph::random(20, 30, 1));
    assert_ne!(graph, WeightedGraph::random(20, 30, 2));
    let pairs = (0..5).flat_map(|j| (0..j).map(move |i| (i, j, 1.0)));
    assert_eq!(WeightedGraph::random(5, 10, 1), WeightedGraph::new(5, pairs));
}

#[test]
fn every_node_of_a_torus_has_four_neighbours() {
    let graph = WeightedGraph::torus(4, 1);
    assert_eq!((graph.order(), graph.edges().count()), (16, 32));
    let mut neighbours = [0; 16];
    for (i, j, _) in graph.edges() {
        neighbours[i] += 1;
        neighbours[j] += 1;
    }
    assert_eq!(neighbours, [4; 16]);
    let negative = graph.edges().filter(|edge| edge.2 == -1.0).count();
    let positive = graph.edges().filter(|edge| edge.2 == 1.0).count();
    assert!(negative > 8 && positive > 8 && negative + positive == 32, "{negative} {positive}");
}

#[test]
fn the_program_holds_a_quarter_of_the_laplacian() {
    let program = max_cut(&WeightedGraph::new(3, [(0, 1, 2.0), (2, 1, -1.0)]));
    assert_eq!(program.structure.cones(), [Cone::PsdTriangle(3)]);
    assert_eq!(program.structure.p().nnz(), 0);
    let entries: Vec<_> = program.structure.a().entries().collect();
    assert_eq!(entries, [(0, 0), (2, 1), (5, 2)]);
    assert_eq!(program.q.as_slice(), [1.0; 3]);
    assert_eq!(program.a.as_slice(), [-1.0; 3]);
    assert_eq!(program.b.as_slice(), [-0.5, SQRT_2 / 2.0, -0.25, 0.0, -SQRT_2 / 4.0, 0.25]);
}

#[test]
fn a_program_of_sdplib_is_made_from_its_graph() {
    let path = problem_file::default_folder().join("sdplib/mcp124-3.json.gz");
    if !path.is_file() {
        eprintln!("skipped: there is no file {}", path.display());
        return;
    }
    let ProblemFile { program, .. } = ProblemFile::read(&path).unwrap();
    let b = program.b.as_slice();
    let pairs = (0..124).flat_map(|j| (0..j).map(move |i| (i, j)));
    let edges: Vec<_> = pairs.filter(|&(i, j)| b[psd_triangle::position(i, j)] != 0.0).collect();
    let graph = WeightedGraph::new(124, edges.into_iter().map(|(i, j)| (i, j, 1.0)));
    assert_eq!(max_cut(&graph), program);
}

#[test]
fn odd_cycles_have_the_value_of_their_largest_eigenvalue() {
    // All nodes are alike, so y is too: the least with y I - L/4 semidefinite.
    for order in [3, 5, 7] {
        let largest = 2.0 - 2.0 * (PI * (order - 1) as f64 / order as f64).cos();
        let expected = order as f64 * largest / 4.0;
        let found = value(&max_cut(&cycle(order, 1.0)));
        assert!((found - expected).abs() < 1e-8, "{order}: {found} {expected}");
    }
    let pentagon = (25.0 + 5.0 * 5.0_f64.sqrt()) / 8.0;
    assert!((value(&max_cut(&cycle(5, 1.0))) - pentagon).abs() < 1e-8);
}

#[test]
fn bipartite_graphs_and_negative_weights_have_the_value_of_their_cut() {
    assert!((value(&max_cut(&cycle(6, 1.0))) - 6.0).abs() < 1e-8);
    assert!(value(&max_cut(&cycle(6, -1.0))).abs() < 1e-8);
}
