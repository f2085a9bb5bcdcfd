//! Scratch.
use argrad_conformance::generators::*;
use argrad_solver::*;
fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    let batch = match which.as_str() {
        "portfolio" => portfolio(50, 5, 4, 1),
        "psd" => psd_projection(6, 4, 1),
        "softmax" => entropy_softmax(20, 4, 1).batch,
        "logistic" => logistic_regression(50, 10, Penalty::Ridge(0.1), 4, 1),
        _ => panic!(),
    };
    let solver = Solver::new(batch.structure.clone(), Settings::default()).unwrap();
    let (solution, tape) = solver.forward(&batch.values(), None).unwrap();
    for r in &solution.reports {
        println!("{r:?}");
    }
    println!("n {} m {} nnzA {}", batch.variables(), batch.rows(), batch.structure.a().nnz());
    let gx = vec![1.0; solution.x.len()];
    let g = tape
        .vjp(&Cotangent { x: Some(&gx), z: None, s: None }, &Differentiation::default())
        .unwrap();
    println!("{:?} {:?} {:?}", g.adjoint_residual, g.iterations, g.unfinished);
}
