//! Programs over every cone alone and over mixtures, with directions to differentiate along.

use argrad_conformance::generators::{ConePrograms, Objective};
use argrad_conformance::missing_kinds;
use argrad_solver::{Cone, Settings, Solver, Unknown};

/// A family of programs of one structure.
pub struct Family {
    pub name: &'static str,
    pub programs: ConePrograms,
}

fn generalized() -> Cone {
    Cone::GeneralizedPower { alpha: vec![0.2, 0.5, 0.3], norm_dim: 2 }
}

/// One of each, 28 rows.
pub fn all_cones() -> Vec<Cone> {
    vec![
        Cone::Zero(2),
        Cone::Nonnegative(4),
        Cone::SecondOrder(5),
        Cone::PsdTriangle(3),
        Cone::Exponential,
        Cone::Power(0.7),
        generalized(),
    ]
}

/// Matrices of which the larger are eliminated by their inverse, between other cones.
fn large_matrices() -> Vec<Cone> {
    vec![
        Cone::Nonnegative(3),
        Cone::PsdTriangle(10),
        Cone::SecondOrder(4),
        Cone::PsdTriangle(3),
        Cone::Zero(1),
    ]
}

/// Dense programs of one kind of cone each, with a P of full rank.
pub fn single_cones(batch: usize) -> Vec<Family> {
    let dense =
        |name, cones, n| Family { name, programs: ConePrograms::dense(cones, n, batch, 17) };
    vec![
        dense("zero", vec![Cone::Zero(3)], 5),
        dense("nonnegative", vec![Cone::Nonnegative(8)], 6),
        dense("second order", vec![Cone::SecondOrder(4), Cone::SecondOrder(2)], 6),
        dense("second order, large", vec![Cone::SecondOrder(20)], 8),
        dense("PSD", vec![Cone::PsdTriangle(3), Cone::PsdTriangle(2)], 7),
        // Rows of large matrices and few variables are eliminated by the inverse of their block.
        dense("PSD, large", vec![Cone::PsdTriangle(9)], 4),
        dense("exponential", vec![Cone::Exponential; 3], 7),
        dense("power", vec![Cone::Power(0.3), Cone::Power(0.5), Cone::Power(0.9)], 7),
        dense("generalized power", vec![generalized(), generalized()], 7),
    ]
}

/// Mixtures of all cones, with every kind of objective.
pub fn mixtures(batch: usize) -> Vec<Family> {
    let dense = |n| ConePrograms::dense(all_cones(), n, batch, 18);
    let family = |name, programs| Family { name, programs };
    vec![
        family("mixture", dense(13)),
        family("linear mixture", ConePrograms { objective: Objective::Linear, ..dense(8) }),
        family(
            "mixture with large matrices",
            ConePrograms { density: 0.3, ..ConePrograms::dense(large_matrices(), 9, batch, 20) },
        ),
        family(
            "diagonal mixture",
            ConePrograms { objective: Objective::Diagonal { rank: 7 }, density: 0.5, ..dense(13) },
        ),
        family(
            "sparse mixture",
            ConePrograms {
                objective: Objective::Sparse { density: 0.2 },
                density: 0.5,
                ..dense(13)
            },
        ),
    ]
}

/// All of the above.
pub fn families(batch: usize) -> Vec<Family> {
    let mut all = single_cones(batch);
    all.extend(mixtures(batch));
    all
}

#[test]
fn no_cone_is_without_a_family_or_left_out_of_the_mixtures() {
    let alone = single_cones(1);
    let nothing: [&str; 0] = [];
    assert_eq!(missing_kinds(alone.iter().flat_map(|family| &family.programs.cones)), nothing);
    assert_eq!(missing_kinds(&all_cones()), nothing);
}

#[test]
fn large_matrices_are_eliminated_by_their_inverse() {
    let mut found = families(1).into_iter().filter(|family| family.name.contains("large"));
    let explain = |family: Family| {
        let structure = family.programs.known_solution().batch.structure;
        Solver::new(structure, Settings::default()).unwrap().explain()
    };
    assert!(explain(found.next().unwrap()).eliminated_cones.is_empty(), "second order");
    let alone = explain(found.next().unwrap());
    assert_eq!(alone.eliminated_cones, [(0, Cone::PsdTriangle(9))]);
    assert_eq!(alone.elimination.len(), 4);
    let mixture = explain(found.next().unwrap());
    assert_eq!(mixture.eliminated_cones, [(1, Cone::PsdTriangle(10))]);
    let rows = mixture.elimination.iter().filter(|unknown| matches!(unknown, Unknown::Row(_)));
    assert_eq!(rows.count(), 14);
    assert!(mixture.to_string().contains("cone 1, PsdTriangle(10): rows eliminated"), "{mixture}");
}
