//! The adjoint of a tape: gradients of a scalar with respect to the values.

use pulp::Simd;

use super::gradient::{Adjoint, Matrix, sum_matrix, sum_rows};
use super::system;
use super::{Cotangent, Differentiation, Gradients, Method, Mode, OnFailure};
use crate::cones::Function;
use crate::lanes::{LaneTask, M, V, dispatch};
use crate::program::Error;
use crate::program::{Report, Status, Stop};
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeVectors, DerivativeWork, SystemWork, View};
use crate::tape::{Shared, Tape};
use crate::threads::for_each;

impl Tape {
    /// Adjoint: gradient of a scalar, given its gradient with respect to x, z, s.
    ///
    /// # Errors
    /// Wrong lengths; [`Error::Unsolved`] for instances without a solution, unless `how` asks for
    /// NaN or zero.
    pub fn vjp(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        self.check_cotangent(cotangent)?;
        how.check(&self.reports)?;
        self.vjp_to(cotangent, how, self.shared)
    }

    pub(super) fn check_cotangent(&self, cotangent: &Cotangent<'_>) -> Result<(), Error> {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        check_length("cotangent.x", cotangent.x, batch, n)?;
        check_length("cotangent.z", cotangent.z, batch, m)?;
        check_length("cotangent.s", cotangent.s, batch, m)
    }

    /// [`Self::vjp`], with gradients summed over the batch where `shared` says so.
    pub(super) fn vjp_to(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
        shared: Shared,
    ) -> Result<Gradients, Error> {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        // The slack of a removed row is constant, whatever its cotangent.
        let kept_s = cotangent.s.filter(|_| !self.removed.is_empty()).map(|s| {
            let mut s = s.to_vec();
            self.removed.iter().for_each(|&k| s[k] = 0.0);
            s
        });
        let cotangent = &Cotangent { s: kept_s.as_deref().or(cotangent.s), ..*cotangent };
        if let Mode::Lpgd(tau) = how.mode {
            return self.lpgd_vjp(cotangent, tau, how, shared);
        }
        let smoothed = self.smoothed(how)?;
        let (x, z) = smoothed.as_ref().map_or((&self.x, &self.z), |point| (&point.x, &point.z));

        let (p, a) = (&analysis.structure.p, &analysis.structure.a);
        let mut l1 = vec![0.0; batch * n];
        let mut l2 = vec![0.0; batch * m];
        let mut adjoint_residual = vec![0.0; batch];
        let mut iterations = vec![0; batch];
        let mut unfinished = vec![false; batch];
        let mut dp = vec![0.0; if shared.p { 0 } else { batch * p.nnz() }];
        let mut da = vec![0.0; if shared.a { 0 } else { batch * a.nnz() }];
        {
            let stop = Stop::of_derivative(&self.prepared.settings);
            let lanes = self.prepared.lanes;
            let mut groups = Vec::with_capacity(self.states.len());
            let (mut l1, mut l2) = (&mut l1[..], &mut l2[..]);
            let (mut dp, mut da) = (&mut dp[..], &mut da[..]);
            let lsqr = iterations.chunks_mut(lanes).zip(unfinished.chunks_mut(lanes));
            for ((index, residual), (iterations, unfinished)) in
                adjoint_residual.chunks_mut(lanes).enumerate().zip(lsqr)
            {
                let count = residual.len();
                let state =
                    smoothed.as_ref().map_or(&self.states, |point| &point.states)[index].as_slice();
                groups.push(AdjointGroup {
                    analysis,
                    state,
                    work: &mut [],
                    cotangent,
                    reports: &self.reports,
                    x,
                    z,
                    exact: how.mode == Mode::Exact,
                    method: how.method,
                    stop,
                    iterations,
                    unfinished,
                    first: index * lanes,
                    residual,
                    l1: split(&mut l1, count * n),
                    l2: split(&mut l2, count * m),
                    dp: split(&mut dp, if shared.p { 0 } else { count * p.nnz() }),
                    da: split(&mut da, if shared.a { 0 } else { count * a.nnz() }),
                });
            }
            let width = self.prepared.width;
            for_each(
                groups,
                system::PASSES * analysis.kkt.values_len,
                || self.prepared.take_work(),
                |work, group| {
                    dispatch(width, AdjointGroup { work: work.as_mut_slice(), ..group });
                },
            );
        }
        let mut gradients = Gradients {
            p: dp,
            a: da,
            adjoint_residual,
            iterations,
            unfinished: (0..batch).filter(|&i| unfinished[i]).collect(),
            ..Gradients::default()
        };
        let adjoint = |i: usize| Adjoint {
            l1: &l1[i * n..(i + 1) * n],
            l2: &l2[i * m..(i + 1) * m],
            x: &x[i * n..(i + 1) * n],
            z: &z[i * m..(i + 1) * m],
        };
        if shared.p {
            gradients.p = sum_matrix(p, Matrix::P, batch, adjoint);
        }
        if shared.a {
            gradients.a = sum_matrix(a, Matrix::A, batch, adjoint);
        }
        gradients.q =
            if shared.q { sum_rows(&l1, n, -1.0) } else { l1.iter().map(|l| -l).collect() };
        gradients.b = if shared.b { sum_rows(&l2, m, 1.0) } else { l2 };
        self.mark_failures(&mut gradients, how.on_failure, shared);
        Ok(gradients)
    }

    /// Gradient of the sum over the batch of `weights[i]` times the optimal value of instance i
    /// (envelope theorem: dq = x, dP = x x' / 2, dA = z x', db = -z).
    ///
    /// # Errors
    /// As [`Self::vjp`].
    pub fn value_gradient(
        &self,
        weights: &[f64],
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        check_length("weights", Some(weights), batch, 1)?;
        how.check(&self.reports)?;
        // The adjoint's outer products with l1 = -w x / 2 and l2 = -w z, l2 x' + z l1' regrouped:
        // dP = -sym(l1 x') = w x x' / 2; for dA the pair (l2, l1) = (-w z, 0) gives w z x'.
        let scaled = |values: &[f64], len: usize, factor: f64| -> Vec<f64> {
            let weight = |k: usize| {
                let failed = self.reports[k / len.max(1)].status != Status::Solved;
                if failed { 0.0 } else { factor * weights[k / len.max(1)] }
            };
            values
                .iter()
                .enumerate()
                .map(|(k, v)| if weight(k) == 0.0 { 0.0 } else { weight(k) * v })
                .collect()
        };
        let half = scaled(&self.x, n, -0.5);
        let minus_z = scaled(&self.z, m, -1.0);
        let nothing = vec![0.0; n.max(m)];
        let for_p = |i: usize| Adjoint {
            l1: &half[i * n..(i + 1) * n],
            l2: &nothing[..m],
            x: &self.x[i * n..(i + 1) * n],
            z: &nothing[..m],
        };
        let for_a = |i: usize| Adjoint {
            l1: &nothing[..n],
            l2: &minus_z[i * m..(i + 1) * m],
            x: &self.x[i * n..(i + 1) * n],
            z: &self.z[i * m..(i + 1) * m],
        };
        let (p, a) = (&analysis.structure.p, &analysis.structure.a);
        let dp = if self.shared.p {
            sum_matrix(p, Matrix::P, batch, for_p)
        } else {
            let mut rows = vec![0.0; batch * p.nnz()];
            if p.nnz() > 0 {
                rows.chunks_mut(p.nnz()).enumerate().for_each(|(i, out)| for_p(i).write_p(p, out));
            }
            rows
        };
        let da = if self.shared.a {
            sum_matrix(a, Matrix::A, batch, for_a)
        } else {
            let mut rows = vec![0.0; batch * a.nnz()];
            if a.nnz() > 0 {
                rows.chunks_mut(a.nnz()).enumerate().for_each(|(i, out)| for_a(i).write_a(a, out));
            }
            rows
        };
        let dq = if self.shared.q {
            sum_rows(&half, n, -2.0)
        } else {
            half.iter().map(|v| -2.0 * v).collect()
        };
        let db = if self.shared.b { sum_rows(&minus_z, m, 1.0) } else { minus_z };
        let mut gradients = Gradients {
            p: dp,
            q: dq,
            a: da,
            b: db,
            adjoint_residual: vec![0.0; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        };
        self.mark_failures(&mut gradients, how.on_failure, self.shared);
        Ok(gradients)
    }

    /// NaN in the per-instance gradients of the instances without a solution, where asked for.
    pub(super) fn mark_failures(
        &self,
        gradients: &mut Gradients,
        on_failure: OnFailure,
        shared: Shared,
    ) {
        let failed: Vec<usize> = failures(&self.reports).map(|(index, _)| index).collect();
        failed.iter().for_each(|&index| gradients.adjoint_residual[index] = f64::NAN);
        if on_failure == OnFailure::Nan {
            self.mark_nan(gradients, &failed, shared);
        }
    }

    /// NaN in the per-instance gradients of these instances.
    pub(super) fn mark_nan(&self, gradients: &mut Gradients, instances: &[usize], shared: Shared) {
        let structure = &self.prepared.analysis.structure;
        for &index in instances {
            for (values, len, shared) in [
                (&mut gradients.p, structure.p.nnz(), shared.p),
                (&mut gradients.q, structure.variables(), shared.q),
                (&mut gradients.a, structure.a.nnz(), shared.a),
                (&mut gradients.b, structure.rows(), shared.b),
            ] {
                if !shared {
                    values[index * len..(index + 1) * len].fill(f64::NAN);
                }
            }
        }
    }
}

impl Differentiation {
    /// Checks the mode, and that every instance is solved where that is asked for.
    pub(super) fn check(&self, reports: &[Report]) -> Result<(), Error> {
        let positive = |setting, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::Setting {
                setting,
                expected: "a positive finite number",
                found: value.to_string(),
            }),
        };
        match self.mode {
            Mode::Exact => {}
            Mode::Smoothed(mu) => positive("Mode::Smoothed(mu)", mu)?,
            Mode::Lpgd(tau) => positive("Mode::Lpgd(tau)", tau)?,
        }
        if let Method::Lsqr { tolerance, .. } = self.method {
            positive("Method::Lsqr tolerance", tolerance)?;
        }
        let failures: Vec<(usize, Status)> = failures(reports).collect();
        if self.on_failure == OnFailure::Error && !failures.is_empty() {
            return Err(Error::Unsolved { batch: reports.len(), failures });
        }
        Ok(())
    }
}

pub(super) fn failures(reports: &[Report]) -> impl Iterator<Item = (usize, Status)> {
    reports
        .iter()
        .enumerate()
        .filter(|(_, r)| r.status != Status::Solved)
        .map(|(i, r)| (i, r.status))
}

pub(super) fn check_length(
    argument: &'static str,
    values: Option<&[f64]>,
    batch: usize,
    len: usize,
) -> Result<(), Error> {
    match values {
        Some(values) if values.len() != batch * len => Err(Error::Length {
            argument,
            expected: batch * len,
            found: values.len(),
            meaning: format!("batch {batch} x {len} numbers"),
        }),
        _ => Ok(()),
    }
}

/// The next `len` entries of `rest`.
pub(super) fn split<'a>(rest: &mut &'a mut [f64], len: usize) -> &'a mut [f64] {
    let (head, tail) = std::mem::take(rest).split_at_mut(len);
    *rest = tail;
    head
}

/// The lanes of a group that have no unique solution, and those that have a solution at all.
#[inline(always)]
pub(super) fn lane_masks<S: Simd>(
    simd: S,
    reports: &[Report],
    first: usize,
    exact: bool,
) -> (M<S>, M<S>) {
    let mut singular = V::splat(simd, 0.0);
    let mut solved = V::splat(simd, 0.0);
    for (lane, report) in reports[first..].iter().take(V::<S>::LANES).enumerate() {
        let is_solved = report.status == Status::Solved;
        solved.set_lane(lane, f64::from(u8::from(is_solved)));
        singular.set_lane(lane, f64::from(u8::from(is_solved && exact && !report.unique)));
    }
    let half = V::splat(simd, 0.5);
    (singular.gt(half), solved.gt(half))
}

/// Adjoint solve and per-instance gradients of one lane group.
struct AdjointGroup<'a> {
    analysis: &'a Analysis,
    state: &'a [f64],
    work: &'a mut [f64],
    cotangent: &'a Cotangent<'a>,
    reports: &'a [Report],
    x: &'a [f64],
    z: &'a [f64],
    exact: bool,
    method: Method,
    stop: Stop<'a>,
    iterations: &'a mut [u32],
    unfinished: &'a mut [bool],
    first: usize,
    residual: &'a mut [f64],
    l1: &'a mut [f64],
    l2: &'a mut [f64],
    dp: &'a mut [f64],
    da: &'a mut [f64],
}

impl LaneTask for AdjointGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { analysis, first, cotangent, .. } = self;
        let (n, m) = (analysis.n(), analysis.m());
        let count = self.residual.len();
        let view = &View::<S>::new(simd, analysis, self.state);
        let work = &mut DerivativeWork::new(simd, analysis, self.work);
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let (singular, solved) = lane_masks(simd, self.reports, first, self.exact);

        // Right-hand side [gx - A'gs; gz] of the scaled system.
        let SystemWork { cones, px, ax, atz, .. } = &mut work.system;
        let DerivativeVectors { rhs_x, rhs_z, zero_x, cotangent_s: gs, through_s, .. } =
            &mut work.vectors;
        gather(cotangent.x, first, count, rhs_x, zero);
        gather(cotangent.z, first, count, rhs_z, zero);
        gather(cotangent.s, first, count, gs, zero);
        let cost = view.cost_scale;
        for (rhs, &scale) in rhs_x.iter_mut().zip(view.x_scale) {
            *rhs *= cost * scale;
        }
        for (rhs, &scale) in rhs_z.iter_mut().zip(view.row_scale) {
            *rhs *= scale;
        }
        // ds = D (db - dA x - A dx - dz): the cotangent of s acts through D gs.
        if cotangent.s.is_some() {
            for (gs, &scale) in gs.iter_mut().zip(view.row_scale) {
                *gs = solved.select(*gs / scale, zero);
            }
            let derivative = Function::Derivative;
            analysis.cones.apply(simd, view.projection, derivative, gs, through_s, cones);
            zero_x.fill(zero);
            analysis.kkt.products.multiply(simd, view.values, zero_x, through_s, px, ax, atz);
            for (rhs, &atz) in rhs_x.iter_mut().zip(atz.iter()) {
                *rhs = cost.nfma(atz, *rhs);
            }
            for (rhs, &through) in rhs_z.iter_mut().zip(through_s.iter()) {
                *rhs = cost.nfma(through, *rhs);
            }
        } else {
            through_s.fill(zero);
        }
        for rhs in rhs_x.iter_mut().chain(rhs_z.iter_mut()) {
            *rhs = solved.select(*rhs, zero);
        }
        let linear = system::solve(simd, analysis, view, work, (self.method, self.stop), singular);

        let DerivativeVectors { solution_x: l1, solution_z: l2, through_s, .. } = &mut work.vectors;
        for (l, &scale) in l1.iter_mut().zip(view.x_scale) {
            *l = solved.select(*l * scale, zero);
        }
        let inverse_cost = one / cost;
        for ((l, &scale), &gs) in l2.iter_mut().zip(view.row_scale).zip(through_s.iter()) {
            *l = solved.select((*l * inverse_cost + gs) * scale, zero);
        }
        for lane in 0..count {
            let instance = first + lane;
            linear.report(
                lane,
                solved,
                (&mut self.residual[lane], &mut self.iterations[lane], &mut self.unfinished[lane]),
            );
            let l1_row = &mut self.l1[lane * n..(lane + 1) * n];
            for (out, l) in l1_row.iter_mut().zip(l1.iter()) {
                *out = l.lane(lane);
            }
            let l2_row = &mut self.l2[lane * m..(lane + 1) * m];
            for (out, l) in l2_row.iter_mut().zip(l2.iter()) {
                *out = l.lane(lane);
            }
            if self.reports[instance].status != Status::Solved {
                continue;
            }
            let adjoint = Adjoint {
                l1: l1_row,
                l2: l2_row,
                x: &self.x[instance * n..(instance + 1) * n],
                z: &self.z[instance * m..(instance + 1) * m],
            };
            let (p, a) = (&analysis.structure.p, &analysis.structure.a);
            if !self.dp.is_empty() {
                adjoint.write_p(p, &mut self.dp[lane * p.nnz()..(lane + 1) * p.nnz()]);
            }
            if !self.da.is_empty() {
                adjoint.write_a(a, &mut self.da[lane * a.nnz()..(lane + 1) * a.nnz()]);
            }
        }
    }
}

/// Reads rows `first..first + count` into lanes; zero where there are none.
#[inline(always)]
pub(super) fn gather<S: Simd>(
    rows: Option<&[f64]>,
    first: usize,
    count: usize,
    out: &mut [V<S>],
    zero: V<S>,
) {
    out.fill(zero);
    let Some(rows) = rows else { return };
    let len = out.len();
    for lane in 0..count {
        for (out, &value) in out.iter_mut().zip(&rows[(first + lane) * len..]) {
            out.set_lane(lane, value);
        }
    }
}
