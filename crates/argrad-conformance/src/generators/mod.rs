//! Seeded random programs.
//!
//! Sample `i` depends on the seed and on `i`, not on the size of the batch: the first samples
//! of a larger batch are those of a smaller one.
//!
//! Quadratic programs are given by their [`Size`], programs over any cones by [`ConePrograms`], and
//! real-world families by their dimensions.

mod assignment;
pub mod cone_programs;
mod degenerate;
mod draws;
mod entropy_softmax;
mod ill_conditioned;
mod infeasible;
mod known_solution;
mod linear_mpc;
mod logistic_regression;
mod max_cut;
mod perturbation;
mod portfolio;
mod psd_projection;
mod random_qp;
mod rescaling;
mod shared_matrices;
mod sudoku;
mod total_variation;
mod vertex;

pub use assignment::assignment;
pub use cone_programs::{ConePrograms, Objective};
pub use degenerate::{duplicate_equalities, redundant_inequalities, weakly_active};
pub use entropy_softmax::entropy_softmax;
pub use ill_conditioned::ill_conditioned;
pub use infeasible::{conflicting_equalities, conflicting_inequalities, unbounded};
pub use known_solution::{KnownSolution, known_solution};
pub use linear_mpc::{Plant, linear_mpc};
pub use logistic_regression::{Penalty, logistic_regression};
pub use max_cut::{WeightedGraph, max_cut};
pub use perturbation::perturbed;
pub use portfolio::portfolio;
pub use psd_projection::psd_projection;
pub use random_qp::random_qp;
pub use rescaling::{Units, rescaled};
pub use shared_matrices::shared_qp;
pub use sudoku::sudoku_layer;
pub use total_variation::total_variation;
pub use vertex::vertex_programs;

use argrad_solver::{Cone, Pattern, Structure};

pub use draws::normal_vector;

/// Size of a batch of dense programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Variables, n.
    pub variables: usize,
    /// Inequalities.
    pub inequalities: usize,
    /// Equalities.
    pub equalities: usize,
    /// Samples.
    pub batch: usize,
}

/// The structure of dense programs of this size: dense upper triangle of P, dense A, equalities
/// first; cones without rows are left out.
pub fn dense_structure(size: Size) -> Structure {
    let (n, rows) = (size.variables, size.equalities + size.inequalities);
    Structure::new(
        Pattern::dense_upper(n),
        Pattern::dense(rows, n),
        cones(size.equalities, size.inequalities),
    )
    .expect("sizes fit together by construction")
}

fn cones(equalities: usize, inequalities: usize) -> Vec<Cone> {
    let mut cones = Vec::new();
    if equalities > 0 {
        cones.push(Cone::Zero(equalities));
    }
    if inequalities > 0 {
        cones.push(Cone::Nonnegative(inequalities));
    }
    cones
}
