//! The families of programs: each cone alone, and mixtures.

use argrad_conformance::generators::cone_programs::{ConePrograms, Objective};
use argrad_conformance::missing_kinds;
use argrad_solver::Cone;

/// A family of programs of one structure.
pub struct Family {
    pub name: &'static str,
    pub programs: ConePrograms,
}

/// All families, each of `count` samples.
pub fn families(count: usize) -> Vec<Family> {
    let repeat = |cone: Cone, times: usize| vec![cone; times];
    let power =
        |alpha: &[f64], norm_dim| Cone::GeneralizedPower { alpha: alpha.to_vec(), norm_dim };
    let full = |n: usize| Objective::Full { rank: n };
    let family = |name, cones: Vec<Cone>, variables: usize, objective: Objective, density| Family {
        name,
        programs: ConePrograms { cones, variables, density, objective, batch: count, seed: 1 },
    };
    let families = vec![
        family("nonnegative", vec![Cone::Nonnegative(20)], 10, full(10), 1.0),
        family(
            "nonnegative, LP",
            vec![Cone::Zero(3), Cone::Nonnegative(20)],
            10,
            Objective::Linear,
            1.0,
        ),
        family("second order", repeat(Cone::SecondOrder(4), 4), 10, full(10), 1.0),
        family("second order, linear", repeat(Cone::SecondOrder(4), 4), 8, Objective::Linear, 1.0),
        family("second order, large", vec![Cone::SecondOrder(30)], 20, full(20), 0.3),
        family("PSD 4x4", vec![Cone::PsdTriangle(4); 2], 10, full(10), 1.0),
        family("PSD 6x6, linear", vec![Cone::PsdTriangle(6)], 10, Objective::Linear, 1.0),
        family("exponential", repeat(Cone::Exponential, 6), 10, full(10), 1.0),
        family("exponential, linear", repeat(Cone::Exponential, 6), 8, Objective::Linear, 1.0),
        family("power 0.3", repeat(Cone::Power(0.3), 6), 10, full(10), 1.0),
        family("power 0.9, linear", repeat(Cone::Power(0.9), 6), 8, Objective::Linear, 1.0),
        family("generalized power", vec![power(&[0.2, 0.3, 0.5], 2); 3], 10, full(10), 1.0),
        family(
            "mixture of symmetric cones",
            vec![Cone::Zero(2), Cone::Nonnegative(5), Cone::SecondOrder(4), Cone::PsdTriangle(3)],
            10,
            Objective::Diagonal { rank: 5 },
            0.5,
        ),
        family(
            "mixture of all cones",
            vec![
                Cone::Zero(2),
                Cone::Nonnegative(4),
                Cone::SecondOrder(3),
                Cone::PsdTriangle(3),
                Cone::Exponential,
                Cone::Power(0.6),
                power(&[0.5, 0.5], 2),
            ],
            12,
            full(12),
            0.7,
        ),
    ];
    let missing = missing_kinds(families.iter().flat_map(|family| &family.programs.cones));
    assert!(missing.is_empty(), "no family has these cones: {missing:?}");
    families
}
