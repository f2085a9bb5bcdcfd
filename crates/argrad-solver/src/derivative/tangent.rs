//! The tangent of a tape: directional derivative of the solution.

use pulp::Simd;

use super::outcome::{LinearOutcome, LinearReports, LinearRows};
use super::point::{Point, TapePoint};
use super::rows::scatter;
use super::system::{self, LinearMethod};
use super::{Differentiation, Mode, SolutionTangent, Tangent};
use crate::cones::Function;
use crate::lanes::{LaneTask, M, V, dispatch};
use crate::prepared::{Group, Rows};
use crate::program::{Error, Report, Stop};
use crate::system::analysis::Analysis;
use crate::system::memory::DerivativeWork;
use crate::system::shared::matrices::SharedMatrices;
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
        self.check_tangent(tangent)?;
        how.check(&self.reports)?;
        if let Mode::Lpgd(tau) = how.mode {
            return self.lpgd_jvp(tangent, tau, how);
        }
        let smoothed = self.smoothed(how)?;
        let mut out = self.solve_tangents(tangent, how, self.point(smoothed.as_ref()));
        self.removed.iter().for_each(|&k| out.s[k] = 0.0);
        self.mark_failed_tangents(&mut out, how.on_failure);
        Ok(out)
    }

    fn solve_tangents(
        &self,
        tangent: &Tangent<'_>,
        how: &Differentiation,
        at: TapePoint<'_>,
    ) -> SolutionTangent {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        let right_hand_side = &self.tangent_right_hand_side(tangent, at);
        let (mut x, mut z) = (vec![0.0; batch * n], vec![0.0; batch * m]);
        let mut s = z.clone();
        let mut reports = LinearReports::new(batch);
        let (mut dx, mut dz) = (Rows::new(&mut x, n), Rows::new(&mut z, m));
        let mut ds = Rows::new(&mut s, m);
        let mut linear = reports.groups();
        let method =
            LinearMethod { method: how.method, stop: Stop::of_derivative(&self.prepared.settings) };
        let task = |group: Group| TangentGroup {
            analysis,
            matrices: self.matrices.as_deref(),
            state: at.states[group.index].as_slice(),
            work: &mut [],
            group,
            right_hand_side,
            method,
            is_exact: how.mode == Mode::Exact,
            reports: &self.reports,
            dx: dx.next(group),
            dz: dz.next(group),
            ds: ds.next(group),
            linear: linear(group),
        };
        self.prepared.for_groups(batch, system::PASSES, task, |task, work| {
            dispatch(self.prepared.width, TangentGroup { work, ..task });
        });
        drop(linear);
        let unfinished = reports.unfinished();
        let accuracy = reports.accuracy(&self.reports, how.mode);
        let LinearReports { residual, iterations, .. } = reports;
        SolutionTangent { x, z, s, residual, accuracy, iterations, unfinished }
    }

    /// `r1 = -(dP x + dq + dA'z)` and `r2 = db - dA x`.
    pub(super) fn tangent_right_hand_side(
        &self,
        tangent: &Tangent<'_>,
        at: TapePoint<'_>,
    ) -> TangentRightHandSide {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let (mut all_r1, mut all_r2) = (vec![0.0; batch * n], vec![0.0; batch * m]);
        for sample in 0..batch {
            let (of_x, of_z) = (sample * n..(sample + 1) * n, sample * m..(sample + 1) * m);
            let (x, z) = (&at.x[of_x.clone()], &at.z[of_z.clone()]);
            let (r1, r2) = (&mut all_r1[of_x], &mut all_r2[of_z]);
            if let Some(dp) = tangent.p {
                let dp = dp.sample(sample, structure.p.nnz());
                for ((i, j), d) in structure.p.entries().zip(dp) {
                    r1[i] -= d * x[j];
                    if i != j {
                        r1[j] -= d * x[i];
                    }
                }
            }
            if let Some(dq) = tangent.q {
                r1.iter_mut().zip(dq.sample(sample, n)).for_each(|(r, d)| *r -= d);
            }
            if let Some(da) = tangent.a {
                let da = da.sample(sample, structure.a.nnz());
                for ((i, j), d) in structure.a.entries().zip(da) {
                    r1[j] -= d * z[i];
                    r2[i] -= d * x[j];
                }
            }
            if let Some(db) = tangent.b {
                r2.iter_mut().zip(db.sample(sample, m)).for_each(|(r, d)| *r += d);
            }
        }
        TangentRightHandSide { r1: all_r1, r2: all_r2 }
    }
}

/// Right-hand sides of the linear system, one row per sample.
pub(super) struct TangentRightHandSide {
    r1: Vec<f64>,
    r2: Vec<f64>,
}

/// Tangent solve of one lane group.
struct TangentGroup<'a> {
    analysis: &'a Analysis,
    matrices: Option<&'a SharedMatrices>,
    state: &'a [f64],
    work: &'a mut [f64],
    group: Group,
    right_hand_side: &'a TangentRightHandSide,
    method: LinearMethod<'a>,
    is_exact: bool,
    reports: &'a [Report],
    dx: &'a mut [f64],
    dz: &'a mut [f64],
    ds: &'a mut [f64],
    linear: LinearRows<'a>,
}

impl LaneTask for TangentGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let point = &Point::new(simd, self.analysis, self.matrices, self.state);
        let work = &mut DerivativeWork::new(simd, self.analysis, self.work);
        let solved = self.group.lanes(simd, self.reports, Report::is_solved);
        let singular = self.group.lanes(simd, self.reports, |report| {
            self.is_exact && report.is_solved() && !report.is_unique()
        });
        load_tangent(point, work, self.right_hand_side, self.group, solved);
        let outcome = solve_tangent(point, work, self.method, singular);
        self.linear.write(&outcome, solved);
        let DerivativeWork { system, linear, slack, .. } = work;
        point.apply(Function::Derivative, slack.dv, slack.ds, system.cones);
        unscale_tangent(point, linear.x, linear.z, solved);
        for (ds, &scale) in slack.ds.iter_mut().zip(point.view.row_scale) {
            *ds = solved.select(*ds / scale, point.zero());
        }
        scatter(linear.x, self.dx);
        scatter(linear.z, self.dz);
        scatter(slack.ds, self.ds);
    }
}

/// The right-hand side in the units of the scaled program: c X r1, E r2.
#[inline(always)]
pub(super) fn load_tangent<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    right_hand_side: &TangentRightHandSide,
    group: Group,
    solved: M<S>,
) {
    let (view, linear) = (&point.view, &mut work.linear);
    group.gather(Some(&right_hand_side.r1), linear.r1, point.zero());
    group.gather(Some(&right_hand_side.r2), linear.r2, point.zero());
    for (r1, &scale) in linear.r1.iter_mut().zip(view.x_scale) {
        *r1 *= view.cost_scale * scale;
    }
    for (r2, &scale) in linear.r2.iter_mut().zip(view.row_scale) {
        *r2 *= scale;
    }
    linear.mask(solved);
}

/// Solves for the right-hand side that was loaded: the workspace then holds dx, dz and
/// `dv = ds - dz` with `ds = r2 - A dx`.
#[inline(always)]
pub(super) fn solve_tangent<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    method: LinearMethod<'_>,
    singular: M<S>,
) -> LinearOutcome<S> {
    let outcome = system::solve(point, work, method, singular);
    let DerivativeWork { system, linear, slack, .. } = work;
    point.multiply(linear.x, linear.z, system);
    let adx = system.ax.iter();
    let dz = linear.z.iter();
    for (((dv, &r2), &adx), &dz) in slack.dv.iter_mut().zip(linear.r2.iter()).zip(adx).zip(dz) {
        *dv = r2 - adx - dz;
    }
    outcome
}

/// From the scaled change of the point to that of the program as given: dx = X dx, dz = E dz / c.
#[inline(always)]
pub(super) fn unscale_tangent<S: Simd>(
    point: &Point<'_, S>,
    dx: &mut [V<S>],
    dz: &mut [V<S>],
    lanes: M<S>,
) {
    let (zero, view) = (point.zero(), &point.view);
    for (dx, &scale) in dx.iter_mut().zip(view.x_scale) {
        *dx = lanes.select(*dx * scale, zero);
    }
    for (dz, &scale) in dz.iter_mut().zip(view.row_scale) {
        *dz = lanes.select(*dz * scale / view.cost_scale, zero);
    }
}
