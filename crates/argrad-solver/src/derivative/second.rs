//! Second order: the directional derivative of the adjoint, hence products with the Hessian of a scalar
//! of the solution.
//!
//! The adjoint l = (l1, m) of [`super`] solves, with D at v and w = A l1 - r2 + m,
//! ```text
//! P l1 + A'm = r1,   (I - D)(A l1 - r2) - D m = 0,   r1 = gx - A'D gs,   r2 = gz - D gs.
//! ```
//! Along a direction of the values (dP, dA, ...), in which the solution moves by (dx, dz, dv), the
//! derivative of the adjoint solves the same system once more,
//! ```text
//! P l1' + A'm' = r1' - dP l1 - dA'm
//! (I - D)(A l1' - r2' + dA l1) - D m' = D'w,   D' = (d/dt) D(v + t dv)
//! r1' = gx' - dA'D gs - A'(D'gs + D gs'),   r2' = gz' - D'gs - D gs'
//! ```
//! and the gradients change by dq' = -l1', db' = l2' = m' + D'gs + D gs',
//! dP' = -sym(l1'x' + l1 dx'), dA' = -(l2'x' + l2 dx' + dz l1' + z l1'').
//!
//! D' is the only place where the curvature of the projection enters. Away from kinks D is analytic, and
//! D' is taken by central differences of sixth order, on a ladder of steps of which each lane keeps the
//! one that agrees best with its neighbour (Ridders 1982): about eleven digits, and exactly zero
//! where the projection is linear.

use pulp::Simd;

use super::adjoint::{gather, split};
use super::gradient::{Adjoint, Matrix, sum_matrix, sum_rows};
use super::system;
use super::{Cotangent, Differentiation, Gradients, Method, Mode, OnFailure, Tangent};
use crate::cones::Function;
use crate::lanes::{Buffer, LaneTask, M, V, dispatch};
use crate::program::Error;
use crate::program::{Report, Slot, Stop};
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeWork, View};
use crate::tape::Tape;
use crate::threads::for_each;

/// Rungs of the ladder of steps, and the ratio of one to the next.
const RUNGS: usize = 7;
const RATIO: f64 = 0.25;
/// The first step moves v by this share of its size.
const FIRST_STEP: f64 = 0.05;
/// Weights of the central difference of sixth order at 1, 2 and 3 steps.
const WEIGHTS: [f64; 3] = [45.0 / 60.0, -9.0 / 60.0, 1.0 / 60.0];

impl Tape {
    /// Directional derivative of [`Self::vjp`]: how the gradients change when the values move along
    /// `direction` and the cotangent along `cotangent_change`.
    ///
    /// The product of the Hessian of phi(x, z, s) with a direction has `cotangent` the gradient of phi at the
    /// solution and `cotangent_change` the Hessian of phi times the [`Self::jvp`] of the direction.
    ///
    /// # Errors
    /// As [`Self::vjp`]; [`Error::NotSmooth`] names the instances whose projection has a kink at the
    /// solution, or whose solution is not unique. [`Error::Setting`] for other modes than
    /// [`Mode::Exact`] with [`Method::Direct`].
    pub fn vjp_tangent(
        &self,
        cotangent: &Cotangent<'_>,
        cotangent_change: &Cotangent<'_>,
        direction: &Tangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        for cotangent in [cotangent, cotangent_change] {
            self.check_cotangent(cotangent)?;
        }
        how.check(&self.reports)?;
        if how.mode != Mode::Exact || how.method != Method::Direct {
            return Err(Error::Setting {
                setting: "how",
                expected: "Mode::Exact with Method::Direct for second derivatives",
                found: format!("{:?} with {:?}", how.mode, how.method),
            });
        }
        let kinked: Vec<usize> = (0..batch)
            .filter(|&i| self.reports[i].is_solved() && self.reports[i].is_degenerate())
            .collect();
        if how.on_failure == OnFailure::Error && !kinked.is_empty() {
            return Err(Error::NotSmooth { batch, instances: kinked });
        }
        let (r1, r2) = self.tangent_right_hand_side(direction, &self.x, &self.z)?;

        let mut vectors = Vectors::new(batch, n, m);
        {
            let lanes = self.prepared.lanes;
            let mut groups = Vec::with_capacity(self.states.len());
            let mut rest = vectors.slices();
            for (index, state) in self.states.iter().enumerate() {
                let first = index * lanes;
                let count = lanes.min(batch - first);
                let [l1, dl1, dx, l2, dl2, dz] = &mut rest;
                groups.push(SecondGroup {
                    analysis,
                    state: state.as_slice(),
                    work: &mut [],
                    reports: &self.reports,
                    cotangent,
                    cotangent_change,
                    direction,
                    r1: &r1,
                    r2: &r2,
                    first,
                    count,
                    over_x: [l1, dl1, dx].map(|rest| split(rest, count * n)),
                    over_z: [l2, dl2, dz].map(|rest| split(rest, count * m)),
                });
            }
            for_each(
                groups,
                6 * RUNGS * system::PASSES * analysis.kkt.values_len,
                || self.prepared.take_work(),
                |work, group| {
                    dispatch(
                        self.prepared.width,
                        SecondGroup { work: work.as_mut_slice(), ..group },
                    );
                },
            );
        }
        let mut gradients = self.assemble_second(&vectors);
        self.mark_failures(&mut gradients, how.on_failure, self.shared);
        if how.on_failure == OnFailure::Nan {
            self.mark_nan(&mut gradients, &kinked, self.shared);
        }
        Ok(gradients)
    }

    /// Outer products of the adjoint's change with the point, and of the adjoint with the point's change.
    fn assemble_second(&self, vectors: &Vectors) -> Gradients {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        let (p, a) = (&analysis.structure.p, &analysis.structure.a);
        let changed = |i: usize| Adjoint {
            l1: &vectors.dl1[i * n..(i + 1) * n],
            l2: &vectors.dl2[i * m..(i + 1) * m],
            x: &self.x[i * n..(i + 1) * n],
            z: &self.z[i * m..(i + 1) * m],
        };
        let moved = |i: usize| Adjoint {
            l1: &vectors.l1[i * n..(i + 1) * n],
            l2: &vectors.l2[i * m..(i + 1) * m],
            x: &vectors.dx[i * n..(i + 1) * n],
            z: &vectors.dz[i * m..(i + 1) * m],
        };
        let add = |mut one: Vec<f64>, other: Vec<f64>| {
            one.iter_mut().zip(other).for_each(|(one, other)| *one += other);
            one
        };
        let matrix = |is_shared: bool, which: Matrix| -> Vec<f64> {
            let pattern = match which {
                Matrix::P => p,
                Matrix::A => a,
            };
            if is_shared {
                let changed = sum_matrix(pattern, which, batch, changed);
                return add(changed, sum_matrix(pattern, which, batch, moved));
            }
            let mut rows = vec![0.0; batch * pattern.nnz()];
            for (i, out) in rows.chunks_mut(pattern.nnz().max(1)).enumerate() {
                for adjoint in [changed(i), moved(i)] {
                    match which {
                        Matrix::P => adjoint.write_p(p, out),
                        Matrix::A => adjoint.write_a(a, out),
                    }
                }
            }
            rows
        };
        let vector = |is_shared: bool, rows: &[f64], len: usize, sign: f64| match is_shared {
            true => sum_rows(rows, len, sign),
            false => rows.iter().map(|value| sign * value).collect(),
        };
        Gradients {
            p: matrix(self.shared.p, Matrix::P),
            q: vector(self.shared.q, &vectors.dl1, n, -1.0),
            a: matrix(self.shared.a, Matrix::A),
            b: vector(self.shared.b, &vectors.dl2, m, 1.0),
            adjoint_residual: vec![0.0; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        }
    }
}

/// What the groups write: the adjoint, its change, and the change of the point, in the caller's units.
struct Vectors {
    l1: Vec<f64>,
    dl1: Vec<f64>,
    dx: Vec<f64>,
    l2: Vec<f64>,
    dl2: Vec<f64>,
    dz: Vec<f64>,
}

impl Vectors {
    fn new(batch: usize, n: usize, m: usize) -> Self {
        let (x, z) = (vec![0.0; batch * n], vec![0.0; batch * m]);
        Self { l1: x.clone(), dl1: x.clone(), dx: x, l2: z.clone(), dl2: z.clone(), dz: z }
    }

    fn slices(&mut self) -> [&mut [f64]; 6] {
        let Self { l1, dl1, dx, l2, dl2, dz } = self;
        [l1, dl1, dx, l2, dl2, dz]
    }
}

/// The second-order solves of one lane group.
struct SecondGroup<'a> {
    analysis: &'a Analysis,
    state: &'a [f64],
    work: &'a mut [f64],
    reports: &'a [Report],
    cotangent: &'a Cotangent<'a>,
    cotangent_change: &'a Cotangent<'a>,
    direction: &'a Tangent<'a>,
    r1: &'a [f64],
    r2: &'a [f64],
    first: usize,
    count: usize,
    /// l1, its change, dx.
    over_x: [&'a mut [f64]; 3],
    /// l2, its change, dz.
    over_z: [&'a mut [f64]; 3],
}

/// Cuts `memory` into vectors over x and over z.
fn cut<S: Simd, const X: usize, const Z: usize>(
    simd: S,
    memory: &mut [f64],
    (n, m): (usize, usize),
) -> ([&mut [V<S>]; X], [&mut [V<S>]; Z]) {
    let mut rest = V::slice_mut(simd, memory);
    let mut take = |len: usize| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(len);
        rest = tail;
        head
    };
    (std::array::from_fn(|_| take(n)), std::array::from_fn(|_| take(m)))
}

impl LaneTask for SecondGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { analysis, first, count, .. } = self;
        let (n, m) = (analysis.n(), analysis.m());
        let view = &View::<S>::new(simd, analysis, self.state);
        let work = &mut DerivativeWork::new(simd, analysis, self.work);
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let no = M::splat(simd, false);
        // Instances at a kink add nothing either.
        let mut smooth = zero;
        for (lane, report) in self.reports[first..].iter().take(count).enumerate() {
            smooth.set_lane(lane, f64::from(u8::from(!report.is_degenerate())));
        }
        let smooth = smooth.gt(V::splat(simd, 0.5));
        let cost = view.cost_scale;
        let (cones, products) = (&analysis.cones, &analysis.kkt.products);
        let mut memory = Buffer::zeros((6 * n + 14 * m) * V::<S>::LANES);
        let ([gx, dgx, l1, dx, rx, dpl], rest) =
            cut::<S, 6, 14>(simd, memory.as_mut_slice(), (n, m));
        let [
            gz,
            dgz,
            gs,
            dgs,
            adjoint,
            dz,
            dv,
            w,
            curved_w,
            curved_gs,
            dal,
            through,
            change,
            spare,
        ] = rest;

        // Everything in the units of the scaled program.
        let load = |rows: Option<&[f64]>, out: &mut [V<S>], scale: &dyn Fn(usize) -> V<S>| {
            gather(rows, first, count, out, zero);
            for (k, out) in out.iter_mut().enumerate() {
                *out = smooth.select(*out * scale(k), zero);
            }
        };
        for (cotangent, x, z, s) in [
            (self.cotangent, &mut *gx, &mut *gz, &mut *gs),
            (self.cotangent_change, &mut *dgx, &mut *dgz, &mut *dgs),
        ] {
            load(cotangent.x, x, &|j| view.x_scale[j]);
            load(cotangent.z, z, &|i| view.row_scale[i] / cost);
            load(cotangent.s, s, &|i| one / view.row_scale[i]);
        }

        // How the point moves.
        load(Some(self.r1), work.vectors.rhs_x, &|j| cost * view.x_scale[j]);
        load(Some(self.r2), work.vectors.rhs_z, &|i| view.row_scale[i]);
        dv.copy_from_slice(work.vectors.rhs_z);
        system::solve(simd, analysis, view, work, (Method::Direct, Stop::never()), no);
        dx.copy_from_slice(work.vectors.solution_x);
        dz.copy_from_slice(work.vectors.solution_z);
        products.multiply(
            simd,
            view.values,
            dx,
            dz,
            work.system.px,
            work.system.ax,
            work.system.atz,
        );
        for i in 0..m {
            dv[i] = dv[i] - work.system.ax[i] - dz[i];
        }

        // The adjoint: rhs_z is r2.
        cones.apply(simd, view.projection, Function::Derivative, gs, through, work.system.cones);
        rx.fill(zero);
        products.multiply(
            simd,
            view.values,
            rx,
            through,
            work.system.px,
            work.system.ax,
            work.system.atz,
        );
        for j in 0..n {
            work.vectors.rhs_x[j] = gx[j] - work.system.atz[j];
        }
        for i in 0..m {
            work.vectors.rhs_z[i] = gz[i] - through[i];
            w[i] = work.vectors.rhs_z[i];
        }
        system::solve(simd, analysis, view, work, (Method::Direct, Stop::never()), no);
        l1.copy_from_slice(work.vectors.solution_x);
        adjoint.copy_from_slice(work.vectors.solution_z);
        products.multiply(
            simd,
            view.values,
            l1,
            adjoint,
            work.system.px,
            work.system.ax,
            work.system.atz,
        );
        for i in 0..m {
            w[i] = work.system.ax[i] - w[i] + adjoint[i];
        }

        // The curvature of the projection.
        derivative_along(
            simd,
            analysis,
            view,
            (w, gs),
            dv,
            (curved_w, curved_gs),
            work.system.cones,
        );

        // The adjoint's change.
        let direction = Direction { analysis, direction: self.direction, first, count };
        direction.multiply(view, (l1, adjoint), (dpl, dal), zero);
        cones.apply(simd, view.projection, Function::Derivative, dgs, change, work.system.cones);
        for i in 0..m {
            // D'gs + D gs'.
            change[i] += curved_gs[i];
        }
        products.multiply(
            simd,
            view.values,
            rx,
            change,
            work.system.px,
            work.system.ax,
            work.system.atz,
        );
        for j in 0..n {
            work.vectors.rhs_x[j] = dgx[j] - work.system.atz[j] - dpl[j];
        }
        // dA'D gs.
        direction.multiply(view, (rx, through), (dpl, spare), zero);
        for j in 0..n {
            work.vectors.rhs_x[j] -= dpl[j];
        }
        for i in 0..m {
            work.vectors.rhs_z[i] = dgz[i] - change[i] - dal[i];
        }
        system::solve_with(simd, analysis, view, work, Some(curved_w), no);
        let (dl1, dm) = (&*work.vectors.solution_x, &*work.vectors.solution_z);

        let [l1_out, dl1_out, dx_out] = self.over_x;
        let [l2_out, dl2_out, dz_out] = self.over_z;
        for lane in 0..count {
            for j in 0..n {
                let (at, scale) = (lane * n + j, cost * view.x_scale[j]);
                l1_out[at] = smooth.select(l1[j] * scale, zero).lane(lane);
                dl1_out[at] = smooth.select(dl1[j] * scale, zero).lane(lane);
                dx_out[at] = smooth.select(dx[j] * view.x_scale[j], zero).lane(lane);
            }
            for i in 0..m {
                let (at, scale) = (lane * m + i, view.row_scale[i]);
                l2_out[at] = smooth.select((adjoint[i] + through[i]) * scale, zero).lane(lane);
                dl2_out[at] = smooth.select((dm[i] + change[i]) * scale, zero).lane(lane);
                dz_out[at] = smooth.select(dz[i] * scale / cost, zero).lane(lane);
            }
        }
    }
}

/// The matrices of a direction.
struct Direction<'a> {
    analysis: &'a Analysis,
    direction: &'a Tangent<'a>,
    first: usize,
    count: usize,
}

impl Direction<'_> {
    /// `out_x = dP x + dA'z`, `out_z = dA x`, in the units of the scaled program.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        view: &View<'_, S>,
        (x, z): (&[V<S>], &[V<S>]),
        (out_x, out_z): (&mut [V<S>], &mut [V<S>]),
        zero: V<S>,
    ) {
        let analysis = self.analysis;
        out_x.fill(zero);
        out_z.fill(zero);
        for (k, &(i, j)) in analysis.p_entries.iter().enumerate() {
            let (i, j) = (i as usize, j as usize);
            let scale = view.cost_scale * view.x_scale[i] * view.x_scale[j];
            let entry = self.entry(self.direction.p, k, analysis.p_entries.len(), zero) * scale;
            out_x[i] = entry.fma(x[j], out_x[i]);
            if i != j {
                out_x[j] = entry.fma(x[i], out_x[j]);
            }
        }
        for (k, &(i, j)) in analysis.a_entries.iter().enumerate() {
            let (i, j) = (i as usize, j as usize);
            let scale = view.row_scale[i] * view.x_scale[j];
            let entry = self.entry(self.direction.a, k, analysis.a_entries.len(), zero) * scale;
            out_x[j] = entry.fma(z[i], out_x[j]);
            out_z[i] = entry.fma(x[j], out_z[i]);
        }
    }

    /// Entry `k` of `len` in lanes.
    #[inline(always)]
    fn entry<S: Simd>(&self, slot: Option<Slot<'_>>, k: usize, len: usize, zero: V<S>) -> V<S> {
        let mut entry = zero;
        if let Some(slot) = slot {
            for lane in 0..self.count {
                entry.set_lane(lane, slot.instance(self.first + lane, len)[k]);
            }
        }
        entry
    }
}

/// `out = (d/dt) D(v + t dv) x` for two vectors x.
#[inline(always)]
fn derivative_along<S: Simd>(
    simd: S,
    analysis: &Analysis,
    view: &View<'_, S>,
    x: (&[V<S>], &[V<S>]),
    dv: &[V<S>],
    out: (&mut [V<S>], &mut [V<S>]),
    scratch: &mut [V<S>],
) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let (cones, m) = (&analysis.cones, dv.len());
    let data_len = cones.projection_len();
    let mut memory = Buffer::zeros((8 * m + data_len) * V::<S>::LANES);
    let ([data], [v, s, y, now_w, now_g, last_w, last_g, _]) =
        cut::<S, 1, 8>(simd, memory.as_mut_slice(), (data_len, m));
    let (mut size, mut speed) = (zero, zero);
    for i in 0..m {
        size = size.max_abs(view.v[i]);
        speed = speed.max_abs(dv[i]);
    }
    let moves = speed.gt(zero) & size.gt(zero);
    let mut step = moves.select(V::splat(simd, FIRST_STEP) * size / speed, one);
    let mut best = V::splat(simd, f64::INFINITY);
    for rung in 0..RUNGS {
        now_w.fill(zero);
        now_g.fill(zero);
        for (k, weight) in WEIGHTS.into_iter().enumerate() {
            for sign in [1.0, -1.0] {
                let distance = V::splat(simd, sign * (k + 1) as f64) * step;
                for i in 0..m {
                    v[i] = distance.fma(dv[i], view.v[i]);
                }
                cones.projection(simd, v, zero, s, data, scratch);
                let weight = V::splat(simd, sign * weight) / step;
                for (x, now) in [(x.0, &mut *now_w), (x.1, &mut *now_g)] {
                    cones.apply(simd, data, Function::Derivative, x, y, scratch);
                    for i in 0..m {
                        now[i] = weight.fma(y[i], now[i]);
                    }
                }
            }
        }
        let mut change = zero;
        for i in 0..m {
            change = change.max_abs(now_w[i] - last_w[i]).max_abs(now_g[i] - last_g[i]);
        }
        let better = if rung == 0 { M::splat(simd, true) } else { change.lt(best) };
        if rung > 0 {
            best = better.select(change, best);
        }
        for i in 0..m {
            out.0[i] = better.select(now_w[i], out.0[i]);
            out.1[i] = better.select(now_g[i], out.1[i]);
            last_w[i] = now_w[i];
            last_g[i] = now_g[i];
        }
        step *= V::splat(simd, RATIO);
    }
    for i in 0..m {
        out.0[i] = moves.select(out.0[i], zero);
        out.1[i] = moves.select(out.1[i], zero);
    }
}
