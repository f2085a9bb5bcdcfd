//! Scratch.
use argrad_conformance::generators::*;
use argrad_conformance::reference::ReferenceSolution;
use argrad_solver::*;
fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    let full = |n: usize| Objective::Full { rank: n };
    let (cones, n, obj) = match which.as_str() {
        "psd" => (vec![Cone::PsdTriangle(6)], 10, Objective::Linear),
        "psd4" => (vec![Cone::PsdTriangle(4); 2], 10, full(10)),
        "pow" => (vec![Cone::Power(0.9); 6], 8, Objective::Linear),
        "socl" => (vec![Cone::SecondOrder(30)], 20, full(20)),
        "nn" => (vec![Cone::Nonnegative(20)], 10, full(10)),
        _ => panic!(),
    };
    let density = if which == "socl" { 0.3 } else { 1.0 };
    let p = ConePrograms { cones, variables: n, density, objective: obj, batch: 1000, seed: 1 };
    let batch = p.known_solution().batch;
    let solver = Solver::new(batch.structure.clone(), Settings::default()).unwrap();
    let (solution, tape) = solver.forward(&batch.values(), None).unwrap();
    let (n, m) = (batch.variables(), batch.rows());
    let mut order: Vec<usize> = (0..1000).collect();
    order.sort_by(|&a, &b| solution.reports[b].residual.total_cmp(&solution.reports[a].residual));
    let gx = normal_vector(n, 1000, 1);
    let g = tape
        .vjp(&Cotangent { x: Some(&gx), z: None, s: None }, &Differentiation::default())
        .unwrap();
    for &i in &order[..8] {
        let r = &solution.reports[i];
        let part = |v: &[f64], len: usize| v[i * len..(i + 1) * len].to_vec();
        let exact = ReferenceSolution::refine(
            &batch,
            i,
            &part(&solution.x, n),
            &part(&solution.z, m),
            &part(&solution.s, m),
        );
        let (mg, cd) = exact.map_or((f64::NAN, f64::NAN), |e| (e.margin, e.condition));
        println!(
            "{i}: it {} polish {} fac {} res {:.1e} p {:.1e} d {:.1e} g {:.1e} weak {} cond {:.1e} | margin {mg:.1e} cond {cd:.1e} | adj {:.1e} lsqr {}",
            r.iterations,
            r.polish_steps,
            r.factorizations,
            r.residual,
            r.primal_residual,
            r.dual_residual,
            r.gap,
            r.weakly_active,
            r.condition,
            g.adjoint_residual[i],
            g.iterations[i]
        );
    }
    let most = (0..1000).filter(|&i| g.iterations[i] > 0).count();
    println!("lsqr in {most}");
}
