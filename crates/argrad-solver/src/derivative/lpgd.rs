//! Lagrangian proximal gradient descent: derivatives by a finite step (Paulus, Martius, Musil,
//! "LPGD: A general framework for backpropagation through embedded optimization layers", ICML 2024).
//!
//! With the Lagrangian L(x, z) = 1/2 x'Px + q'x + z'(Ax - b) and a cotangent g, the saddle point of
//! L + tau (gx'x + gz'z + gs'(b - Ax)) is the solution of the program with
//! ```text
//! q + tau (gx - A'gs)   and   b - tau gz,
//! ```
//! and the gradient is the difference of the partial derivatives of that function with respect to the values
//! at tau and at -tau, over 2 tau. As tau goes to 0 it becomes the adjoint derivative.

use super::{Cotangent, Differentiation, Gradients, OnFailure, SolutionTangent, Tangent};
use crate::program::Error;
use crate::program::{Slot, Solution, Status, Values};
use crate::solver::Solver;
use crate::tape::{OwnValues, Shared, Tape};

impl Tape {
    pub(super) fn lpgd_vjp(
        &self,
        cotangent: &Cotangent<'_>,
        tau: f64,
        how: &Differentiation,
        shared: Shared,
    ) -> Result<Gradients, Error> {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let values = self.values();
        let (p_len, a_len) = (structure.p.nnz(), structure.a.nnz());
        // The shifts of q and b a unit of tau.
        let mut shift_q = cotangent.x.map_or_else(|| vec![0.0; batch * n], <[f64]>::to_vec);
        let shift_b: Vec<f64> = match cotangent.z {
            Some(z) => z.iter().map(|z| -z).collect(),
            None => vec![0.0; batch * m],
        };
        if let Some(gs) = cotangent.s {
            for instance in 0..batch {
                let a = &values.a[instance * a_len..][..a_len];
                for ((i, j), a) in structure.a.entries().zip(a) {
                    shift_q[instance * n + j] -= a * gs[instance * m + i];
                }
            }
        }
        let solve = |step: f64| {
            let mut shifted = values.clone();
            shifted.q.iter_mut().zip(&shift_q).for_each(|(q, d)| *q += step * d);
            shifted.b.iter_mut().zip(&shift_b).for_each(|(b, d)| *b += step * d);
            self.solve_near(&self.solver(), &shifted)
        };
        let (up, down) = (solve(tau)?, solve(-tau)?);
        let lost = self.lost([&up, &down], how.on_failure)?;

        let mut each = Gradients {
            p: vec![0.0; batch * p_len],
            q: vec![0.0; batch * n],
            a: vec![0.0; batch * a_len],
            b: vec![0.0; batch * m],
            adjoint_residual: vec![0.0; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        };
        let half = 0.5 / tau;
        for instance in (0..batch).filter(|&i| !lost[i]) {
            let (x, z) = (instance * n, instance * m);
            let gs = |i: usize| cotangent.s.map_or(0.0, |gs| gs[z + i]);
            for (k, (i, j)) in structure.p.entries().enumerate() {
                let product = |point: &Solution| point.x[x + i] * point.x[x + j];
                let weight = if i == j { 0.5 } else { 1.0 };
                each.p[instance * p_len + k] = weight * half * (product(&up) - product(&down));
            }
            for j in 0..n {
                each.q[x + j] = half * (up.x[x + j] - down.x[x + j]);
            }
            for (k, (i, j)) in structure.a.entries().enumerate() {
                let product = |point: &Solution| point.z[z + i] * point.x[x + j];
                let direct = -0.5 * gs(i) * (up.x[x + j] + down.x[x + j]);
                each.a[instance * a_len + k] = half * (product(&up) - product(&down)) + direct;
            }
            for i in 0..m {
                each.b[z + i] = gs(i) - half * (up.z[z + i] - down.z[z + i]);
            }
        }
        let sum = |rows: Vec<f64>, len: usize, is_shared: bool| -> Vec<f64> {
            if is_shared { super::gradient::sum_rows(&rows, len, 1.0) } else { rows }
        };
        let mut gradients = Gradients {
            p: sum(each.p, p_len, shared.p),
            q: sum(each.q, n, shared.q),
            a: sum(each.a, a_len, shared.a),
            b: sum(each.b, m, shared.b),
            ..each
        };
        self.mark_failures(&mut gradients, how.on_failure, shared);
        if how.on_failure == OnFailure::Nan {
            let lost: Vec<usize> = (0..batch).filter(|&i| lost[i]).collect();
            self.mark_nan(&mut gradients, &lost, shared);
        }
        Ok(gradients)
    }

    pub(super) fn lpgd_jvp(
        &self,
        tangent: &Tangent<'_>,
        tau: f64,
        how: &Differentiation,
    ) -> Result<SolutionTangent, Error> {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let values = self.values();
        // Where entries move that this solver takes for zero, another has to look at them.
        let moves = tangent.p.is_some() || tangent.a.is_some();
        let solver = match structure.without_zeros().filter(|_| moves) {
            Some(whole) => Solver::new(whole, self.prepared.settings.clone())?,
            None => self.solver(),
        };
        let solve = |step: f64| {
            let mut moved = values.clone();
            for (numbers, slot, len) in [
                (&mut moved.p, tangent.p, structure.p.nnz()),
                (&mut moved.q, tangent.q, n),
                (&mut moved.a, tangent.a, structure.a.nnz()),
                (&mut moved.b, tangent.b, m),
            ] {
                let Some(slot) = slot.filter(|_| len > 0) else { continue };
                for (instance, numbers) in numbers.chunks_exact_mut(len).enumerate() {
                    numbers
                        .iter_mut()
                        .zip(slot.instance(instance, len))
                        .for_each(|(number, d)| *number += step * d);
                }
            }
            self.solve_near(&solver, &moved)
        };
        let (up, down) = (solve(tau)?, solve(-tau)?);
        let lost = self.lost([&up, &down], how.on_failure)?;
        let difference = |up: &[f64], down: &[f64], len: usize| -> Vec<f64> {
            let nothing = if how.on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
            up.iter()
                .zip(down)
                .enumerate()
                .map(|(k, (u, d))| match (lost[k / len], u == d) {
                    (true, _) => nothing,
                    // Also where both are infinite: the slack of a removed row.
                    (false, true) => 0.0,
                    (false, false) => (u - d) * 0.5 / tau,
                })
                .collect()
        };
        Ok(SolutionTangent {
            x: difference(&up.x, &down.x, n),
            z: difference(&up.z, &down.z, m),
            s: difference(&up.s, &down.s, m),
            residual: vec![0.0; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        })
    }

    /// The solver of this tape.
    fn solver(&self) -> Solver {
        Solver { prepared: self.prepared.clone() }
    }

    /// Solves nearby programs, from the point of this tape where that works.
    fn solve_near(&self, solver: &Solver, values: &OwnValues) -> Result<Solution, Error> {
        let values = Values {
            batch: self.batch(),
            p: Slot::Each(&values.p),
            q: Slot::Each(&values.q),
            a: Slot::Each(&values.a),
            b: Slot::Each(&values.b),
        };
        solver.solve_nearby(&values, &self.start())
    }

    /// The instances that are not solved here or at one of the shifted points.
    fn lost(&self, points: [&Solution; 2], on_failure: OnFailure) -> Result<Vec<bool>, Error> {
        let mut lost: Vec<bool> =
            self.reports.iter().map(|report| report.status != Status::Solved).collect();
        let mut failures = Vec::new();
        for (index, lost) in lost.iter_mut().enumerate() {
            for point in points {
                let status = point.reports[index].status;
                if !*lost && status != Status::Solved {
                    failures.push((index, status));
                    *lost = true;
                }
            }
        }
        if on_failure == OnFailure::Error && !failures.is_empty() {
            return Err(Error::Unsolved { batch: self.batch(), failures });
        }
        Ok(lost)
    }
}
