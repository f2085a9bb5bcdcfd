//! The homogeneous view on linear and quadratic programs.

use argrad_conformance::generators::{self, Size};
use argrad_conformance::{ProgramBatch, relative_error};
use argrad_homogeneous::{Data, LinearSolve, PrimalDual, Q, Residual, SolutionDerivative};
use argrad_solver::{Cone, Cotangent, Differentiation, Method, Pattern, Structure};

use crate::checks::{Program, agrees, count, largest, lsqr_agrees, matches_differences};

fn size(variables: usize, inequalities: usize, equalities: usize, batch: usize) -> Size {
    Size { variables, inequalities, equalities, batch }
}

fn quadratic() -> Vec<ProgramBatch> {
    [(1, 2, 0), (4, 6, 1), (8, 8, 4), (6, 0, 3), (6, 0, 0), (15, 20, 5)]
        .into_iter()
        .map(|(n, k, e)| generators::random_qp(size(n, k, e, 8), 301))
        .collect()
}

fn linear() -> Vec<ProgramBatch> {
    [(1, 2, 0), (4, 9, 0), (10, 15, 4)]
        .into_iter()
        .map(|(n, k, e)| generators::vertex_programs(size(n, k, e, 16), 302))
        .collect()
}

#[test]
fn ds_and_its_adjoint_agree_with_the_production_path_on_quadratic_programs() {
    for batch in quadratic() {
        let agreed = count(8, |i| agrees(&Program::of(&batch, i as usize), 1e-10));
        assert!(agreed >= 7, "{agreed} of 8");
    }
}

#[test]
fn ds_and_its_adjoint_agree_with_the_production_path_on_linear_programs() {
    for batch in linear() {
        let agreed = count(8, |i| agrees(&Program::of(&batch, i as usize), 1e-10));
        assert!(agreed >= 7, "{agreed} of 8");
    }
}

#[test]
fn ds_and_its_adjoint_agree_with_the_production_path_on_cones_in_any_order() {
    let cones = [Cone::Nonnegative(3), Cone::Zero(2), Cone::Nonnegative(1), Cone::Zero(1)];
    let agreed = count(12, |seed| agrees(&Program::known(7, &cones, true, 310 + seed), 1e-10));
    assert_eq!(agreed, 12);
}

#[test]
fn ds_matches_differences_of_solutions() {
    for batch in quadratic().into_iter().chain(linear()) {
        let matched =
            count(4, |i| matches_differences(&Program::of(&batch, i as usize), 1e-6, 1e-7));
        assert!(matched >= 3, "{matched} of 4");
    }
}

#[test]
fn lsqr_on_m_finds_the_same_derivative() {
    for batch in quadratic().into_iter().chain(linear()) {
        let agreed = count(4, |i| lsqr_agrees(&Program::of(&batch, i as usize), 1e-9));
        assert!(agreed >= 3, "{agreed} of 4");
    }
}

#[test]
fn the_matrix_free_production_path_agrees_too() {
    let program = Program::of(&quadratic()[1], 0);
    let (solution, tape) = program.forward();
    let point = PrimalDual::of(&program.structure, &solution, 0).unwrap();
    let ds = SolutionDerivative::new(&program.structure, &program.data, &point, LinearSolve::Svd);
    let gradient = program.gradient(9);
    let back = ds.unwrap().apply_adjoint(&gradient).unwrap().value;
    let cotangent = Cotangent { x: Some(&gradient.x), z: Some(&gradient.y), s: Some(&gradient.s) };
    let how = Differentiation {
        method: Method::Lsqr { tolerance: 1e-14, max_iterations: 1000 },
        ..Differentiation::default()
    };
    let found = tape.vjp(&cotangent, &how).unwrap();
    assert!(relative_error(&back.a, &found.a) < 1e-9 && relative_error(&back.p, &found.p) < 1e-9);
}

#[test]
fn a_solution_that_is_not_unique_shows_in_the_null_space_of_m() {
    // minimize x1 subject to x >= 0, x1 + x2 <= 1: any x2 in [0, 1] does.
    let cones = vec![Cone::Nonnegative(3)];
    let structure = Structure::new(Pattern::empty(2, 2), Pattern::dense(3, 2), cones).unwrap();
    let a = [-1.0, 0.0, 1.0, 0.0, -1.0, 1.0];
    let data = Data::linear(&structure, &a, &[0.0, 0.0, 1.0], &[1.0, 0.0]).unwrap();
    let solution = PrimalDual { x: vec![0.0, 0.5], y: vec![1.0, 0.0, 0.0], s: vec![0.0, 0.5, 0.5] };
    let q = Q::new(&structure, &data).unwrap();
    let ds = SolutionDerivative::new(&structure, &data, &solution, LinearSolve::Svd).unwrap();
    assert!(largest(&Residual::new(q).normalized(ds.z()).unwrap()) < 1e-15);
    assert_eq!(ds.is_unique(), Some(false));
    let sigma = ds.singular_values().unwrap();
    assert!(sigma[4] < 1e-14 && sigma[5] < 1e-14 && sigma[3] > 0.1, "{sigma:?}");
    // What is determined has its true derivative: x1 follows b1.
    let direction = Data { b: vec![-1.0, 0.0, 0.0], ..Data::zeros(&structure) };
    let change = ds.apply(&direction).unwrap();
    assert!((change.value.x[0] - 1.0).abs() < 1e-14 && change.residual < 1e-14);
    // c2 would have to stay zero: the system has no solution, and its residual says so.
    let direction = Data { c: vec![0.0, 1.0], ..Data::zeros(&structure) };
    assert!(ds.apply(&direction).unwrap().residual > 0.1);
}

#[test]
fn a_point_that_solves_nothing_shows_in_the_residual() {
    let program = Program::of(&quadratic()[1], 0);
    let (n, m) = (program.structure.variables(), program.structure.rows());
    let wrong = PrimalDual { x: vec![1.0; n], y: vec![1.0; m], s: vec![1.0; m] };
    let ds = SolutionDerivative::new(&program.structure, &program.data, &wrong, LinearSolve::Svd);
    assert!(ds.unwrap().residual() > 1e-2);
}
