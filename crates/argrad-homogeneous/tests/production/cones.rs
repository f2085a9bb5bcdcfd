//! The homogeneous view against the production path on every other cone and on mixtures.

use argrad_conformance::missing_kinds;
use argrad_solver::Cone;

use crate::checks::{Program, agrees, count, lsqr_agrees, matches_differences};

/// Programs for each set of cones.
const SEEDS: u64 = 12;

/// At least this many of them have a unique solution; programs with P = 0 need luck.
const ENOUGH_QUADRATIC: u64 = 9;
const ENOUGH_LINEAR: u64 = 3;

/// The checks for these cones, with a P of full rank and with P = 0. With `n` at least the number
/// of rows, the dual of the first is unique; with half as many variables, curved cones and vertices
/// hold x.
fn check(cones: &[Cone]) {
    let m: usize = cones.iter().map(Cone::dim).sum();
    let quadratic = |seed: u64| Program::known(m, cones, true, 400 + seed);
    let linear = |seed: u64| Program::known(m.div_ceil(2), cones, false, 500 + seed);
    let agreed = count(SEEDS, |seed| agrees(&quadratic(seed), 1e-8));
    assert!(agreed >= ENOUGH_QUADRATIC, "{agreed} of {SEEDS}");
    let agreed = count(SEEDS, |seed| agrees(&linear(seed), 1e-7));
    assert!(agreed >= ENOUGH_LINEAR, "{agreed} of {SEEDS}");
    let matched = count(4, |seed| matches_differences(&quadratic(seed), 1e-5, 1e-5));
    assert!(matched >= 2, "{matched} of 4");
    let agreed = count(4, |seed| lsqr_agrees(&quadratic(seed), 1e-7));
    assert!(agreed >= 2, "{agreed} of 4");
}

fn generalized(alpha: &[f64], norm_dim: usize) -> Cone {
    Cone::GeneralizedPower { alpha: alpha.to_vec(), norm_dim }
}

/// One of each.
fn all_cones() -> Vec<Cone> {
    vec![
        Cone::Nonnegative(2),
        Cone::Exponential,
        Cone::SecondOrder(3),
        Cone::PsdTriangle(2),
        Cone::Power(0.7),
        generalized(&[0.6, 0.4], 1),
        Cone::Zero(1),
    ]
}

#[test]
fn no_cone_is_left_out() {
    let nothing: [&str; 0] = [];
    assert_eq!(missing_kinds(&all_cones()), nothing);
}

#[test]
fn ds_agrees_with_the_production_path_on_second_order_cones() {
    check(&[Cone::SecondOrder(4), Cone::SecondOrder(3), Cone::SecondOrder(5)]);
    check(&[Cone::SecondOrder(1), Cone::SecondOrder(2), Cone::SecondOrder(6)]);
}

#[test]
fn ds_agrees_with_the_production_path_on_psd_cones() {
    check(&[Cone::PsdTriangle(3), Cone::PsdTriangle(2)]);
    check(&[Cone::PsdTriangle(4), Cone::PsdTriangle(1)]);
}

#[test]
fn ds_agrees_with_the_production_path_on_exponential_cones() {
    check(&[Cone::Exponential, Cone::Exponential, Cone::Exponential]);
}

#[test]
fn ds_agrees_with_the_production_path_on_power_cones() {
    check(&[Cone::Power(0.5), Cone::Power(0.2), Cone::Power(0.9)]);
}

#[test]
fn ds_agrees_with_the_production_path_on_generalized_power_cones() {
    check(&[generalized(&[0.3, 0.7], 2), generalized(&[0.2, 0.3, 0.5], 1)]);
}

#[test]
fn ds_agrees_with_the_production_path_on_mixtures_of_symmetric_cones() {
    check(&[Cone::Zero(2), Cone::SecondOrder(3), Cone::Nonnegative(3), Cone::PsdTriangle(2)]);
}

#[test]
fn ds_agrees_with_the_production_path_on_mixtures_of_all_cones() {
    check(&[Cone::Exponential, Cone::Nonnegative(2), Cone::Power(0.4), Cone::Zero(1)]);
    check(&all_cones());
}
