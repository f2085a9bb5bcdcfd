//! The problems of Hock and Schittkowski: optima, derivatives, batches.

use argrad::Slot;
use argrad::argmin::{Argmin, ArgminPoint};

use crate::hock_schittkowski::{Published, Visitor, for_each};

struct Optima(Vec<String>);

impl Visitor for Optima {
    fn visit<P: Published>(&mut self, problem: P) {
        let argmin = Argmin::new(problem);
        let (theta, start) = (P::theta(), P::start());
        let solution =
            argmin.solve(&ArgminPoint::new(1, Slot::Shared(&theta), Slot::Shared(&start))).unwrap();
        let report = &solution.reports[0];
        let scale = if P::OPTIMUM == 0.0 { 1.0 } else { P::OPTIMUM.abs() };
        let error = (report.objective - P::OPTIMUM).abs() / scale;
        println!(
            "hs{} {} it {} f {:.10e} error {error:.1e} residual {:.1e} {:?} weak {} dep {} cond {:.1e} saddles {}",
            P::NUMBER,
            report.status,
            report.iterations,
            report.objective,
            report.residual,
            report.second_order,
            report.weakly_active,
            report.dependent,
            report.condition,
            report.saddles_left
        );
        if !report.is_solved() || error > 1e-8 {
            self.0.push(format!("hs{}", P::NUMBER));
        }
    }
}

#[test]
fn published_optima_are_found_to_eight_digits() {
    let mut optima = Optima(Vec::new());
    for_each(&mut optima);
    assert!(optima.0.is_empty(), "{:?}", optima.0);
}
