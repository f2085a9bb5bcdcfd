//! Relaxations of the maximum cut: semidefinite programs as sparse as their graphs.

use std::collections::BTreeMap;

use argrad_solver::{Cone, Pattern, Structure};

use super::draws::Draws;
use crate::{Numbers, ProgramBatch, psd_triangle};

/// An undirected graph with weights on its edges.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedGraph {
    order: usize,
    /// By their nodes, the smaller first.
    weights: BTreeMap<(usize, usize), f64>,
}

impl WeightedGraph {
    /// `order` nodes and edges `(i, j, weight)`.
    ///
    /// # Panics
    /// When an edge is a loop, leads to a node that does not exist, or is given twice.
    pub fn new(order: usize, edges: impl IntoIterator<Item = (usize, usize, f64)>) -> Self {
        let mut weights = BTreeMap::new();
        for (i, j, weight) in edges {
            assert!(i != j && i < order && j < order, "edge ({i}, {j}) of {order} nodes");
            let before = weights.insert((i.min(j), i.max(j)), weight);
            assert!(before.is_none(), "edge ({i}, {j}) is given twice");
        }
        Self { order, weights }
    }

    /// `edges` edges of weight one, every set of that many pairs equally likely.
    ///
    /// # Panics
    /// With more edges than pairs of nodes.
    pub fn random(order: usize, edges: usize, seed: u64) -> Self {
        let pairs = order * order.saturating_sub(1) / 2;
        assert!(edges <= pairs, "{edges} edges of {pairs} pairs");
        let draws = &mut Draws::of_shared(seed);
        let mut weights = BTreeMap::new();
        while weights.len() < edges {
            let (i, j) = (draws.below(order), draws.below(order));
            if i != j {
                weights.insert((i.min(j), i.max(j)), 1.0);
            }
        }
        Self { order, weights }
    }

    /// A square grid of `side * side` nodes, closed to a torus, with weights 1 and -1 equally
    /// likely: `toruspm` of the seventh DIMACS challenge.
    ///
    /// # Panics
    /// With a side below three, where two edges would join the same nodes.
    pub fn torus(side: usize, seed: u64) -> Self {
        assert!(side >= 3, "a torus of side {side}");
        let draws = &mut Draws::of_shared(seed);
        let node = |row: usize, column: usize| row % side * side + column % side;
        let mut edges = Vec::with_capacity(2 * side * side);
        for row in 0..side {
            for column in 0..side {
                for neighbour in [node(row, column + 1), node(row + 1, column)] {
                    let weight = if draws.below(2) == 0 { 1.0 } else { -1.0 };
                    edges.push((node(row, column), neighbour, weight));
                }
            }
        }
        Self::new(side * side, edges)
    }

    /// Nodes.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Edges `(i, j, weight)` with i < j, ascending.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        self.weights.iter().map(|(&(i, j), &weight)| (i, j, weight))
    }
}

/// The dual of the relaxation of the maximum cut by Goemans and Williamson (1995), in the form of
/// the programs `mcp` of SDPLIB: minimize `1'y` such that `Diag(y) - L/4` is positive semidefinite,
/// L the Laplacian of `graph`. Its value is at least the weight of the largest cut.
///
/// One variable a node, one cone [`Cone::PsdTriangle`], one entry a column of A: that of the
/// diagonal. P is empty; b is `-L/4`, zero where the graph has no edge. A batch of one, nothing
/// shared.
pub fn max_cut(graph: &WeightedGraph) -> ProgramBatch {
    let n = graph.order;
    let diagonal = (0..n).map(|j| psd_triangle::position(j, j)).collect();
    let rows = n * (n + 1) / 2;
    let structure = Structure::new(
        Pattern::empty(n, n),
        Pattern::new(rows, n, (0..=n).collect(), diagonal).expect("one row a column"),
        vec![Cone::PsdTriangle(n)],
    )
    .expect("sizes fit together");

    let mut degrees = vec![0.0; n];
    for (i, j, weight) in graph.edges() {
        degrees[i] += weight;
        degrees[j] += weight;
    }
    let b = psd_triangle::pack(n, |i, j| {
        let weight = graph.weights.get(&(i, j));
        0.25 * if i == j { -degrees[i] } else { weight.copied().unwrap_or_default() }
    });
    ProgramBatch {
        structure,
        batch: 1,
        p: Numbers::Each(Vec::new()),
        q: Numbers::Each(vec![1.0; n]),
        a: Numbers::Each(vec![-1.0; n]),
        b: Numbers::Each(b),
    }
}
