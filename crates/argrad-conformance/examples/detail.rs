//! probe
use argrad_conformance::{*, generators::*, active_set::*, clarabel::*};
use argrad_solver::*;
fn main() {
    for (n, m, e) in [(20, 20, 6), (50, 50, 10)] { for k in [n/2, 0] {
        let s = Size { variables: n, inequalities: m, equalities: e, batch: 64 };
        let b = known_solution(s, k, 2); let m = m + e;
        let (sol, tape) = Solver::new(b.batch.structure.clone(), Settings::default()).unwrap().forward(&b.batch.values(), None).unwrap();
        let gx = normal_vector(n, 64, 1);
        let g = tape.vjp(&Cotangent{x: Some(&gx), z: None, s: None}, &Differentiation{on_failure: OnFailure::Nan, ..Default::default()}).unwrap();
        let c = ClarabelBatch::new(&b.batch, 1e-8).solve();
        let mut cs = std::collections::BTreeMap::new(); for c in &c { *cs.entry(format!("{:?}", c.status)).or_insert(0) += 1; }
        println!("n {n} rank {k}: clarabel {cs:?}");
        let mut shown = 0;
        for i in 0..64 { let r = &sol.reports[i];
            let z: Vec<f64> = b.z[i*m..][..m].to_vec();
            let ex = ActiveSetSolution::solve(&b.batch.program(i), &z, &b.s[i*m..][..m]);
            let desc = match &ex { Ok(ex) => { let ge = ex.vjp(&gx[i*n..][..n], &vec![0.0; m], &vec![0.0; m]); format!("oracle margin {:.1e} cond {:.1e} active {} x err {:.1e} dq err {:.1e} max dq {:.1e}", ex.margin, ex.condition, ex.active.len()+e, relative_error(&sol.x[i*n..][..n], &ex.x), relative_error(&g.q[i*n..][..n], &ge.q), ge.q.iter().fold(0.0f64, |a, b| a.max(b.abs()))) } Err(er) => er.to_string() };
            let bad = ex.as_ref().is_ok_and(|ex| !ex.is_degenerate() && (r.is_degenerate())) || r.status != Status::Solved || (!r.is_degenerate() && ex.as_ref().is_ok_and(|ex| relative_error(&g.q[i*n..][..n], &ex.vjp(&gx[i*n..][..n], &vec![0.0; m], &vec![0.0; m]).q) > 1e-9));
            if bad { shown += 1; if shown <= 8 { println!("  {i}: {} it {} polish {} res {:.1e} weak {} cond {:.1e} unique {} adj {:.1e} nan {} | {desc}", r.status, r.iterations, r.polish_steps, r.residual, r.weakly_active, r.condition, r.unique, g.adjoint_residual[i], sol.x[i*n..][..n].iter().any(|v| v.is_nan())); } }
        }
        println!("  bad {shown}");
    } }
}
