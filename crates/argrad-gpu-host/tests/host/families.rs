//! Families of programs, and what can be asked of two engines that solve them.

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{
    self, ConePrograms, Objective, Penalty, Size, Units, entropy_softmax, logistic_regression,
    portfolio, psd_projection,
};
use argrad_solver::Cone;
use argrad_solver::Cone::{Exponential, Nonnegative, Power, PsdTriangle, SecondOrder, Zero};

/// Programs of one structure.
#[derive(Clone)]
pub struct Family {
    pub name: &'static str,
    pub batch: ProgramBatch,
    pub is_solvable: bool,
    /// Whether z is unique, and so what is asked of it.
    pub is_z_unique: bool,
    /// What points and derivatives may differ by, relative to the largest entry of a sample: the
    /// condition of the programs is in it.
    pub tolerances: [f64; 2],
}

impl Family {
    pub fn new(name: &'static str, batch: ProgramBatch) -> Self {
        Self { name, batch, is_solvable: true, is_z_unique: true, tolerances: [1e-10; 2] }
    }
}

/// Samples of each family; `ARGRAD_GPU_COUNT=1000` for more.
pub fn count() -> usize {
    let given = std::env::var("ARGRAD_GPU_COUNT").ok();
    given.and_then(|count| count.parse().ok()).unwrap_or(100)
}

const fn size(variables: usize, inequalities: usize, equalities: usize, batch: usize) -> Size {
    Size { variables, inequalities, equalities, batch }
}

/// Programs with a solution, of which at most the multipliers are not unique; `count` of each.
pub fn solvable(count: usize) -> Vec<Family> {
    let (small, medium) = (size(10, 10, 4, count), size(20, 18, 6, count));
    // So few rows that all may be active.
    let few = size(10, 6, 2, count);
    let random = generators::random_qp(small, 1);
    let units = Units::random(&random.structure, 3.0, 2);
    let not_unique = |name, batch| Family { is_z_unique: false, ..Family::new(name, batch) };
    vec![
        Family::new("random", random.clone()),
        Family::new("no equalities", generators::random_qp(size(17, 20, 0, count), 3)),
        Family::new("no inequalities", generators::random_qp(size(9, 0, 5, count), 4)),
        Family::new("one variable", generators::random_qp(size(1, 1, 0, count), 5)),
        Family::new("vertices", generators::vertex_programs(size(6, 12, 3, count), 7)),
        Family::new("shared matrices", generators::shared_qp(medium, 8)),
        Family::new("in other units", units.of_batch(&random)),
        Family::new("ill-conditioned", generators::ill_conditioned(medium, 1e4, 9).batch),
        Family::new("perturbed", generators::perturbed(&random, 0.01, 10)),
        Family::new("nearly weakly active", generators::weakly_active(few, 2, 1e-4, 11).batch),
        Family::new("total variation", generators::total_variation(12, 0.3, count, 12)),
        Family::new("sudoku", generators::sudoku_layer(count.min(40), 13)),
        not_unique("of low rank", generators::known_solution(size(8, 8, 6, count), 5, 6).batch),
        not_unique("duplicate equalities", generators::duplicate_equalities(small, 14).batch),
        not_unique("redundant inequalities", generators::redundant_inequalities(small, 15).batch),
    ]
}

/// Cones of one kind each, then all of them.
fn products_of_cones() -> Vec<(&'static str, Vec<Cone>)> {
    vec![
        ("second-order", vec![SecondOrder(2), SecondOrder(3), Zero(1), SecondOrder(6)]),
        ("one second-order", vec![SecondOrder(17)]),
        ("half lines", vec![SecondOrder(1), Zero(1), SecondOrder(1), PsdTriangle(1)]),
        ("semidefinite", vec![PsdTriangle(2), Nonnegative(2), PsdTriangle(3)]),
        ("one semidefinite", vec![PsdTriangle(5)]),
        ("exponential", vec![Exponential, Zero(1), Exponential, Exponential]),
        ("power", vec![Power(0.3), Power(0.5), Nonnegative(2), Power(0.9)]),
        (
            "all cones",
            vec![
                Zero(1),
                Nonnegative(2),
                SecondOrder(4),
                Exponential,
                PsdTriangle(3),
                Power(0.7),
                Nonnegative(1),
            ],
        ),
    ]
}

/// Programs over curved cones with a solution, of which at most the multipliers are not unique;
/// `count` of each.
pub fn curved(count: usize) -> Vec<Family> {
    let mut families = vec![
        Family::new("portfolio", portfolio(8, 3, count, 21)),
        Family::new("logistic", logistic_regression(6, 3, Penalty::Ridge(0.1), count, 22)),
        Family::new("softmax", entropy_softmax(6, count, 23).batch),
        Family::new("nearest semidefinite matrix", psd_projection(6, count, 24)),
    ];
    for (seed, (name, cones)) in (31..).zip(products_of_cones()) {
        let rows: usize = cones.iter().map(Cone::dim).sum();
        let full = ConePrograms::dense(cones.clone(), rows, count, seed);
        families.push(Family::new(name, full.known_solution().batch));
        let linear = ConePrograms { objective: Objective::Linear, ..full.clone() };
        families.push(Family::new(name, linear.known_solution().batch));
        families.push(Family::new(name, full.on_flat_faces().batch));
        let known = full.known_solution().batch;
        let units = Units::random(&known.structure, 3.0, seed);
        families.push(Family::new(name, units.of_batch(&known)));
        families
            .push(Family { is_z_unique: false, ..Family::new(name, full.redundant_rows().batch) });
    }
    families.extend(sparse(count));
    families
}

/// Programs with few entries, in A also within the rows of a cone; `count` of each.
fn sparse(count: usize) -> Vec<Family> {
    let curved = ConePrograms::sparse_over_every_cone(count, 62);
    let flat = ConePrograms { cones: vec![Zero(4), Nonnegative(40)], seed: 61, ..curved.clone() };
    vec![
        Family::new("sparse, flat", flat.known_solution().batch),
        Family::new("sparse, curved", curved.known_solution().batch),
    ]
}

/// Programs over curved cones without a solution; `count` of each.
pub fn curved_unsolvable(count: usize) -> Vec<Family> {
    let mut families = Vec::new();
    for (seed, (name, cones)) in (51..).zip(products_of_cones()) {
        let programs = ConePrograms::dense(cones, 6, count, seed);
        let programs = ConePrograms { objective: Objective::Full { rank: 3 }, ..programs };
        for batch in [programs.infeasible(), programs.unbounded()] {
            families.push(Family { is_solvable: false, ..Family::new(name, batch) });
        }
    }
    families
}

/// Programs without a solution; `count` of each.
pub fn unsolvable(count: usize) -> Vec<Family> {
    let (small, medium) = (size(6, 8, 2, count), size(20, 30, 8, count));
    let family = |name, batch| Family { is_solvable: false, ..Family::new(name, batch) };
    vec![
        family("conflicting inequalities", generators::conflicting_inequalities(small, 1)),
        family("the same, larger", generators::conflicting_inequalities(medium, 2)),
        family("conflicting equalities", generators::conflicting_equalities(small, 3)),
        family("the same, larger", generators::conflicting_equalities(medium, 4)),
        family("unbounded", generators::unbounded(small, 5)),
        family("the same, larger", generators::unbounded(medium, 6)),
    ]
}
