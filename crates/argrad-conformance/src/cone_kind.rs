//! The kinds of cones, so that tests can ask whether one is forgotten.

use argrad_solver::Cone;

/// Every kind of cone, by its name in problem files and in Python.
pub const CONE_KINDS: [&str; 7] = [
    "zero",
    "nonnegative",
    "second_order",
    "psd_triangle",
    "exponential",
    "power",
    "generalized_power",
];

/// The kind of a cone. A new variant of [`Cone`] does not compile here before it has a name in
/// [`CONE_KINDS`], and then [`missing_kinds`] finds the tests that leave it out.
pub fn cone_kind(cone: &Cone) -> &'static str {
    match cone {
        Cone::Zero(_) => CONE_KINDS[0],
        Cone::Nonnegative(_) => CONE_KINDS[1],
        Cone::SecondOrder(_) => CONE_KINDS[2],
        Cone::PsdTriangle(_) => CONE_KINDS[3],
        Cone::Exponential => CONE_KINDS[4],
        Cone::Power(_) => CONE_KINDS[5],
        Cone::GeneralizedPower { .. } => CONE_KINDS[6],
    }
}

/// The kinds that none of these cones is of.
pub fn missing_kinds<'a>(cones: impl IntoIterator<Item = &'a Cone>) -> Vec<&'static str> {
    let found: Vec<&str> = cones.into_iter().map(cone_kind).collect();
    CONE_KINDS.into_iter().filter(|kind| !found.contains(kind)).collect()
}
