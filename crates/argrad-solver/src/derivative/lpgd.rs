//! Lagrangian proximal gradient descent: derivatives by a finite step (Paulus, Martius, Musil,
//! "LPGD: A general framework for backpropagation through embedded optimization layers", ICML
//! 2024).
//!
//! With the Lagrangian L(x, z) = 1/2 x'Px + q'x + z'(Ax - b) and a cotangent g, the saddle point of
//! L + tau (gx'x + gz'z + gs'(b - Ax)) is the solution of the program with
//! ```text
//! q + tau (gx - A'gs)   and   b - tau gz,
//! ```
//! and the gradient is the difference of the partial derivatives of that function with respect to
//! the values at tau and at -tau, over 2 tau. As tau goes to 0 it becomes the adjoint derivative.

use super::gradient::of_vector;
use super::{Cotangent, Differentiation, Gradients, OnFailure, SolutionTangent, Tangent};
use crate::program::{Error, Report, Slot, Solution, Structure, Values};
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
        let values = self.values();
        let shift = self.shift(cotangent, &values);
        let solve = |step: f64| {
            let mut shifted = values.clone();
            shifted.q.iter_mut().zip(&shift.q).for_each(|(q, d)| *q += step * d);
            shifted.b.iter_mut().zip(&shift.b).for_each(|(b, d)| *b += step * d);
            self.solve_near(&self.solver(), &shifted)
        };
        let points = Shifted { up: solve(tau)?, down: solve(-tau)?, tau };
        let lost = how.check_sides(&self.reports, points.reports())?;

        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let (p_len, a_len) = (structure.p.nnz(), structure.a.nnz());
        let mut each = OwnValues {
            p: vec![0.0; batch * p_len],
            q: vec![0.0; batch * n],
            a: vec![0.0; batch * a_len],
            b: vec![0.0; batch * m],
        };
        for sample in (0..batch).filter(|i| lost.binary_search(i).is_err()) {
            let gs = cotangent.s.map(|gs| &gs[sample * m..(sample + 1) * m]);
            points.write_gradients(structure, sample, gs, &mut each);
        }
        let mut gradients = Gradients {
            p: of_vector(each.p, p_len, shared.p, 1.0),
            q: of_vector(each.q, n, shared.q, 1.0),
            a: of_vector(each.a, a_len, shared.a, 1.0),
            b: of_vector(each.b, m, shared.b, 1.0),
            adjoint_residual: vec![0.0; batch],
            accuracy: vec![f64::NAN; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        };
        self.mark_failures(&mut gradients, &lost, how.on_failure, shared);
        Ok(gradients)
    }

    /// The shift of q and b for a unit of tau: gx - A'gs and -gz.
    fn shift(&self, cotangent: &Cotangent<'_>, values: &OwnValues) -> Shift {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let mut q = cotangent.x.map_or_else(|| vec![0.0; batch * n], <[f64]>::to_vec);
        let b = match cotangent.z {
            Some(z) => z.iter().map(|z| -z).collect(),
            None => vec![0.0; batch * m],
        };
        if let Some(gs) = cotangent.s {
            let len = structure.a.nnz();
            for sample in 0..batch {
                let a = &values.a[sample * len..][..len];
                for ((i, j), a) in structure.a.entries().zip(a) {
                    q[sample * n + j] -= a * gs[sample * m + i];
                }
            }
        }
        Shift { q, b }
    }

    pub(super) fn lpgd_jvp(
        &self,
        tangent: &Tangent<'_>,
        tau: f64,
        how: &Differentiation,
    ) -> Result<SolutionTangent, Error> {
        let structure = &self.prepared.analysis.structure;
        let values = self.values();
        // Where entries move that this solver takes for zero, another has to look at them.
        let moves = tangent.p.is_some() || tangent.a.is_some();
        let solver = match structure.without_zeros().filter(|_| moves) {
            Some(whole) => Solver::new(whole, self.prepared.settings.clone())?,
            None => self.solver(),
        };
        let solve = |step: f64| {
            let mut moved = values.clone();
            add(&mut moved.p, tangent.p, structure.p.nnz(), step);
            add(&mut moved.q, tangent.q, structure.variables(), step);
            add(&mut moved.a, tangent.a, structure.a.nnz(), step);
            add(&mut moved.b, tangent.b, structure.rows(), step);
            self.solve_near(&solver, &moved)
        };
        let points = Shifted { up: solve(tau)?, down: solve(-tau)?, tau };
        let lost = how.check_sides(&self.reports, points.reports())?;
        Ok(points.tangent(&lost, how.on_failure, structure))
    }

    /// The solver of this tape.
    fn solver(&self) -> Solver {
        Solver::nearby(self.prepared.clone())
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
}

/// How q and b move for a unit of tau, one row per sample.
struct Shift {
    q: Vec<f64>,
    b: Vec<f64>,
}

/// The solutions of the programs shifted by tau and by -tau.
struct Shifted {
    up: Solution,
    down: Solution,
    tau: f64,
}

impl Shifted {
    fn reports(&self) -> [&[Report]; 2] {
        [&self.up.reports, &self.down.reports]
    }

    /// Differences of the partial derivatives of the shifted Lagrangian over 2 tau.
    fn write_gradients(
        &self,
        structure: &Structure,
        sample: usize,
        gs: Option<&[f64]>,
        each: &mut OwnValues,
    ) {
        let Self { up, down, tau } = self;
        let (n, m) = (structure.variables(), structure.rows());
        let (x, z, half) = (sample * n, sample * m, 0.5 / tau);
        let gs = |i: usize| gs.map_or(0.0, |gs| gs[i]);
        let dp = &mut each.p[sample * structure.p.nnz()..];
        for (dp, (i, j)) in dp.iter_mut().zip(structure.p.entries()) {
            let product = |point: &Solution| point.x[x + i] * point.x[x + j];
            let weight = if i == j { 0.5 } else { 1.0 };
            *dp = weight * half * (product(up) - product(down));
        }
        for ((dq, up), down) in each.q[x..x + n].iter_mut().zip(&up.x[x..]).zip(&down.x[x..]) {
            *dq = half * (up - down);
        }
        let da = &mut each.a[sample * structure.a.nnz()..];
        for (da, (i, j)) in da.iter_mut().zip(structure.a.entries()) {
            let product = |point: &Solution| point.z[z + i] * point.x[x + j];
            let direct = -0.5 * gs(i) * (up.x[x + j] + down.x[x + j]);
            *da = half * (product(up) - product(down)) + direct;
        }
        for i in 0..m {
            each.b[z + i] = gs(i) - half * (up.z[z + i] - down.z[z + i]);
        }
    }

    /// Differences of the solutions over 2 tau.
    fn tangent(
        &self,
        lost: &[usize],
        on_failure: OnFailure,
        structure: &Structure,
    ) -> SolutionTangent {
        let Self { up, down, tau } = self;
        let (n, m) = (structure.variables(), structure.rows());
        let nothing = if on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
        let difference = |up: &[f64], down: &[f64], len: usize| -> Vec<f64> {
            // Zero also where both are infinite: the slack of a removed row.
            let quotient = |(u, d)| if u == d { 0.0 } else { (u - d) * 0.5 / tau };
            let mut quotients: Vec<f64> = up.iter().zip(down).map(quotient).collect();
            lost.iter().for_each(|i| quotients[i * len..(i + 1) * len].fill(nothing));
            quotients
        };
        SolutionTangent {
            x: difference(&up.x, &down.x, n),
            z: difference(&up.z, &down.z, m),
            s: difference(&up.s, &down.s, m),
            residual: vec![0.0; up.batch],
            accuracy: vec![f64::NAN; up.batch],
            iterations: vec![0; up.batch],
            unfinished: Vec::new(),
        }
    }
}

/// `values += step * direction` for an argument of which a sample has `len` numbers.
fn add(values: &mut [f64], direction: Option<Slot<'_>>, len: usize, step: f64) {
    let Some(direction) = direction else { return };
    for (sample, numbers) in values.chunks_mut(len.max(1)).enumerate() {
        let moved = numbers.iter_mut().zip(direction.sample(sample, len));
        moved.for_each(|(number, d)| *number += step * d);
    }
}
