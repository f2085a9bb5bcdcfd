//! The tangent of a tape: directional derivative of the solution.

use pulp::Simd;

use super::adjoint::{failures, gather, lane_masks};
use super::system;
use super::{Differentiation, Method, Mode, OnFailure, SolutionTangent, Tangent};
use crate::cones::Function;
use crate::lanes::{LaneTask, V, dispatch};
use crate::prepared::{Group, Rows};
use crate::program::Error;
use crate::program::{Report, Stop, check_slot};
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeVectors, DerivativeWork, SystemWork, View};
use crate::tape::Tape;

impl Tape {
    /// Forward: directional derivative of x, z, s along a change of P, q, A, b.
    ///
    /// # Errors
    /// As [`Self::vjp`].
    pub fn jvp(
        &self,
        tangent: &Tangent<'_>,
        how: &Differentiation,
    ) -> Result<SolutionTangent, Error> {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        how.check(&self.reports)?;
        if let Mode::Lpgd(tau) = how.mode {
            return self.lpgd_jvp(tangent, tau, how);
        }
        let smoothed = self.smoothed(how)?;
        let (x, z) = smoothed.as_ref().map_or((&self.x, &self.z), |point| (&point.x, &point.z));

        let (r1, r2) = self.tangent_right_hand_side(tangent, x, z)?;

        let mut out = SolutionTangent {
            x: vec![0.0; batch * n],
            z: vec![0.0; batch * m],
            s: vec![0.0; batch * m],
            residual: vec![0.0; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        };
        let mut unfinished = vec![false; batch];
        {
            let stop = Stop::of_derivative(&self.prepared.settings);
            let states = smoothed.as_ref().map_or(&self.states, |point| &point.states);
            let (mut dx, mut dz) = (Rows::new(&mut out.x, n), Rows::new(&mut out.z, m));
            let mut ds = Rows::new(&mut out.s, m);
            let mut residual = Rows::new(&mut out.residual, 1);
            let mut iterations = Rows::new(&mut out.iterations, 1);
            let mut unfinished = Rows::new(&mut unfinished, 1);
            let task = |group: Group| TangentGroup {
                method: how.method,
                stop,
                iterations: iterations.next(group),
                unfinished: unfinished.next(group),
                analysis,
                state: states[group.index].as_slice(),
                work: &mut [],
                reports: &self.reports,
                exact: how.mode == Mode::Exact,
                r1: &r1,
                r2: &r2,
                first: group.first,
                residual: residual.next(group),
                dx: dx.next(group),
                dz: dz.next(group),
                ds: ds.next(group),
            };
            let width = self.prepared.width;
            self.prepared.for_groups(batch, system::PASSES, task, |group, work| {
                dispatch(width, TangentGroup { work, ..group });
            });
        }
        out.unfinished = (0..batch).filter(|&i| unfinished[i]).collect();
        self.removed.iter().for_each(|&k| out.s[k] = 0.0);
        if how.on_failure == OnFailure::Nan {
            for (index, _) in failures(&self.reports) {
                out.x[index * n..(index + 1) * n].fill(f64::NAN);
                out.z[index * m..(index + 1) * m].fill(f64::NAN);
                out.s[index * m..(index + 1) * m].fill(f64::NAN);
            }
        }
        Ok(out)
    }

    /// `-(dP x + dq + dA'z)` and `-(dA x - db)`, an instance a row, after a check of the lengths.
    pub(super) fn tangent_right_hand_side(
        &self,
        tangent: &Tangent<'_>,
        x: &[f64],
        z: &[f64],
    ) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        for (argument, slot, len) in [
            ("tangent.p", tangent.p, analysis.structure.p.nnz()),
            ("tangent.q", tangent.q, n),
            ("tangent.a", tangent.a, analysis.structure.a.nnz()),
            ("tangent.b", tangent.b, m),
        ] {
            if let Some(slot) = slot {
                check_slot(argument, slot, len, batch)?;
            }
        }
        let mut r1 = vec![0.0; batch * n];
        let mut r2 = vec![0.0; batch * m];
        for instance in 0..batch {
            let (x, z) =
                (&x[instance * n..(instance + 1) * n], &z[instance * m..(instance + 1) * m]);
            let r1 = &mut r1[instance * n..(instance + 1) * n];
            let r2 = &mut r2[instance * m..(instance + 1) * m];
            if let Some(dp) = tangent.p {
                let dp = dp.instance(instance, analysis.structure.p.nnz());
                for ((i, j), d) in analysis.structure.p.entries().zip(dp) {
                    r1[i] -= d * x[j];
                    if i != j {
                        r1[j] -= d * x[i];
                    }
                }
            }
            if let Some(dq) = tangent.q {
                r1.iter_mut().zip(dq.instance(instance, n)).for_each(|(r, d)| *r -= d);
            }
            if let Some(da) = tangent.a {
                let da = da.instance(instance, analysis.structure.a.nnz());
                for ((i, j), d) in analysis.structure.a.entries().zip(da) {
                    r1[j] -= d * z[i];
                    r2[i] -= d * x[j];
                }
            }
            if let Some(db) = tangent.b {
                r2.iter_mut().zip(db.instance(instance, m)).for_each(|(r, d)| *r += d);
            }
        }
        Ok((r1, r2))
    }
}

/// Tangent solve of one lane group.
struct TangentGroup<'a> {
    analysis: &'a Analysis,
    state: &'a [f64],
    work: &'a mut [f64],
    reports: &'a [Report],
    exact: bool,
    method: Method,
    stop: Stop<'a>,
    iterations: &'a mut [u32],
    unfinished: &'a mut [bool],
    r1: &'a [f64],
    r2: &'a [f64],
    first: usize,
    residual: &'a mut [f64],
    dx: &'a mut [f64],
    dz: &'a mut [f64],
    ds: &'a mut [f64],
}

impl LaneTask for TangentGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { analysis, first, .. } = self;
        let (n, m) = (analysis.n(), analysis.m());
        let count = self.residual.len();
        let view = &View::<S>::new(simd, analysis, self.state);
        let work = &mut DerivativeWork::new(simd, analysis, self.work);
        let zero = V::splat(simd, 0.0);
        let (singular, solved) = lane_masks(simd, self.reports, first, self.exact);
        let cost = view.cost_scale;
        {
            let DerivativeVectors { rhs_x, rhs_z, r2, .. } = &mut work.vectors;
            gather(Some(self.r1), first, count, rhs_x, zero);
            gather(Some(self.r2), first, count, rhs_z, zero);
            for (rhs, &scale) in rhs_x.iter_mut().zip(view.x_scale) {
                *rhs = solved.select(*rhs * cost * scale, zero);
            }
            for (rhs, &scale) in rhs_z.iter_mut().zip(view.row_scale) {
                *rhs = solved.select(*rhs * scale, zero);
            }
            // The solve works on its right-hand side; ds needs it once more.
            r2.copy_from_slice(rhs_z);
        }
        let linear = system::solve(simd, analysis, view, work, (self.method, self.stop), singular);
        let SystemWork { px, ax, atz, cones, .. } = &mut work.system;
        let DerivativeVectors { solution_x: dx, solution_z: dz, ds, dv, r2, .. } =
            &mut work.vectors;
        analysis.kkt.products.multiply(simd, view.values, dx, dz, px, ax, atz);
        // dv = ds - dz with ds = r2 - A dx, and ds = D dv.
        for i in 0..m {
            dv[i] = r2[i] - ax[i] - dz[i];
        }
        analysis.cones.apply(simd, view.projection, Function::Derivative, dv, ds, cones);
        for lane in 0..count {
            linear.report(
                lane,
                solved,
                (&mut self.residual[lane], &mut self.iterations[lane], &mut self.unfinished[lane]),
            );
            if !solved.lane(lane) {
                continue;
            }
            for j in 0..n {
                self.dx[lane * n + j] = (dx[j] * view.x_scale[j]).lane(lane);
            }
            for i in 0..m {
                self.dz[lane * m + i] = (dz[i] * view.row_scale[i] / cost).lane(lane);
                self.ds[lane * m + i] = (ds[i] / view.row_scale[i]).lane(lane);
            }
        }
    }
}
