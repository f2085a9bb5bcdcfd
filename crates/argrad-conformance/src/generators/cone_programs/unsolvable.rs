//! Programs without a solution, with a certificate inside the cone: a small change of the numbers
//! leaves them without one.

use argrad_solver::Cone;

use super::{ConePrograms, Draft, Draws, batch_of, pairs};
use crate::ProgramBatch;

impl ConePrograms {
    /// Primal infeasible and dual feasible: there is z inside K* with `A'z = 0` and `b'z = -|z|`.
    ///
    /// # Panics
    /// Without rows.
    pub fn infeasible(&self) -> ProgramBatch {
        assert!(self.rows() > 0, "without rows everything is feasible");
        let columns: Vec<usize> = (0..self.variables).collect();
        let structure = self.structure(&columns);
        let drafts = (0..self.batch)
            .map(|i| {
                let draws = &mut Draws::of_sample(self.seed, i);
                let p = self.draw_p(&structure, None, draws);
                let mut draft = Draft::new(&structure, p, draws);
                let certificate = self.draw_inside(draws, pairs::draw_dual_interior);
                draft.annihilate(&certificate);
                let x = draws.normals(self.variables);
                draft.set_b(&x, &self.draw_inside(draws, pairs::draw_interior));
                draft.set_q(&x, &self.draw_inside(draws, pairs::draw_dual_interior));
                let square: f64 = certificate.iter().map(|z| z * z).sum();
                let product: f64 = draft.b.iter().zip(&certificate).map(|(b, z)| b * z).sum();
                for (b, z) in draft.b.iter_mut().zip(&certificate) {
                    *b -= z * (product + square.sqrt()) / square;
                }
                draft
            })
            .collect();
        batch_of(&structure, drafts)
    }

    /// Strictly feasible and unbounded below, hence dual infeasible: there is a direction d with
    /// `Pd = 0`, `Ad + s = 0` for some s inside K (0 in zero cones), and `q'd = -|d|`.
    ///
    /// # Panics
    /// With as many equalities as variables that the direction may use: all of them when P is
    /// linear or full, half of them otherwise.
    pub fn unbounded(&self) -> ProgramBatch {
        let flat_variables = self.objective.flat_variables(self);
        let equalities: usize = self
            .cones
            .iter()
            .map(|cone| match cone {
                Cone::Zero(k) => *k,
                _ => 0,
            })
            .sum();
        assert!(equalities < flat_variables.len(), "equalities that leave a direction free");
        let structure = self.structure(&flat_variables);
        let drafts = (0..self.batch)
            .map(|i| {
                let draws = &mut Draws::of_sample(self.seed, i);
                let direction = self.draw_flat(&flat_variables, draws);
                let p = self.draw_p(&structure, Some(&direction), draws);
                let mut draft = Draft::new(&structure, p, draws);
                let slope: Vec<f64> =
                    self.draw_inside(draws, pairs::draw_interior).iter().map(|s| -s).collect();
                draft.set_a_times(&direction, &slope);
                let x = draws.normals(self.variables);
                draft.set_b(&x, &self.draw_inside(draws, pairs::draw_interior));
                draft.set_q(&x, &self.draw_inside(draws, pairs::draw_dual_interior));
                let square: f64 = direction.iter().map(|d| d * d).sum();
                let product: f64 = draft.q.iter().zip(&direction).map(|(q, d)| q * d).sum();
                for (q, d) in draft.q.iter_mut().zip(&direction) {
                    *q -= d * (product + square.sqrt()) / square;
                }
                draft
            })
            .collect();
        batch_of(&structure, drafts)
    }

    fn draw_inside(&self, draws: &mut Draws, draw: fn(&Cone, &mut Draws, &mut [f64])) -> Vec<f64> {
        let mut point = vec![0.0; self.rows()];
        let mut rest = &mut point[..];
        for cone in &self.cones {
            let (own, others) = rest.split_at_mut(cone.dim());
            draw(cone, draws, own);
            rest = others;
        }
        point
    }
}
