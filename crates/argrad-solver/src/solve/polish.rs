//! Newton's method on the projection residual: polish, warm start and smoothed points.
//!
//! With v = s - z, s = P(v), z = P(v) - v, a solution is a zero of
//! ```text
//! H(x, v) = [ Px + q + A'(P(v) - v);  Ax + P(v) - b ]
//! ```
//! and a (semismooth) Newton step for it is a solve with the KKT matrix whose cone blocks are
//! D (I - D)^-1. With `mu > 0` the projection is that of the central path, which is smooth.
//! On a polyhedron the step is exact once the active set is right; elsewhere the steps converge
//! quadratically. Either way, once the blocks have settled, further steps with the same factor
//! refine the solution to rounding error.

use pulp::Simd;

use crate::lanes::{Kernel, M, V, call};
use crate::solve::measure::{Floors, floors};
use crate::system::analysis::Analysis;
use crate::system::gcr::largest;
use crate::system::memory::{PolishVectors, State, SystemWork, Work};
use crate::system::projection_system::ProjectionSystem;

/// Residual of the scaled program below which nothing is left to gain.
const ROUNDING: f64 = 4e-15;
/// Residual below which a step that gains less than [`GAIN`] ends the polish.
const FINE: f64 = 1e-12;
/// A step that reduces the residual to more than this share does not pay.
const GAIN: f64 = 0.25;

/// Growth of the probe above which a small residual does not make a small error.
pub(crate) const DELICATE: f64 = 1e4;
/// What the growth under a doubtful factor counts: without a large replacement for small pivots it
/// would be so much larger where one of them is truly zero.
const HIDDEN: f64 = 100.0;
/// Residual below which Newton's method should converge fast.
const NEAR: f64 = 1e-4;
/// From this step on, a lane whose residual is not below the first is given up.
const PATIENCE: usize = 3;
/// So is, at the step before, one whose residual is this large, where K is a polyhedron.
const HOPELESS: f64 = 0.5;

/// Residual below which it does so, if there is something to converge to. ...
const CLOSE: f64 = 1e-8;
/// ... A step there that moves x by this share of its size, ...
const STRIDE: f64 = 1e-3;
/// ... and yet reduces the residual only to between these shares, is one of a sequence without an
/// end: the optimum is not attained. On the way to infinity along an exponential it is a third.
const REDUCED: [f64; 2] = [1e-2, 0.9];

/// Most halvings of a step towards a smooth point.
const HALVINGS: usize = 40;

/// What a polish aims at.
#[derive(Clone, Copy)]
pub(crate) struct Target<S: Simd> {
    /// Zero for a solution, else the parameter of the central path.
    pub(crate) mu: V<S>,
    /// Residual of the scaled program below which a lane counts as solved.
    pub(crate) residual: f64,
    /// Residual at which a lane ends although further steps would reduce it; zero for none.
    pub(crate) enough: f64,
    pub(crate) max_steps: usize,
    /// Lanes that nothing else will solve: those go back to their best point where that is below
    /// `residual`. Where K is singular, a refined step can lead far away from it.
    pub(crate) is_last: M<S>,
    /// Lanes with a nearly singular P: those get a factor that is closer to it, and refined steps.
    pub(crate) close: M<S>,
}

/// How a polish went.
pub(crate) struct Polished<S: Simd> {
    /// Lanes whose residual is below the goal, with the factor of their active set.
    pub(crate) solved: M<S>,
    /// Newton steps made.
    pub(crate) steps: V<S>,
    /// Factorizations that the lane's own changes of the active set asked for.
    pub(crate) factorizations: V<S>,
    /// Growth of the probe vector under the inverse: an estimate of the condition number.
    pub(crate) growth: V<S>,
    /// Lanes whose x runs away while the residual shrinks, and lanes in which a step was made that
    /// tells.
    pub(crate) escaping: M<S>,
    pub(crate) informed: M<S>,
}

/// Polishes the lanes in `lanes` from `state.x`, `state.v`. On return x, z, s, v of the solved
/// lanes are the new point, and the factor belongs to the v of all lanes.
#[inline(always)]
pub(crate) fn polish<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    lanes: M<S>,
    target: Target<S>,
) -> Polished<S> {
    call(simd, Polish { simd, analysis, state, work, lanes, target })
}

struct Polish<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'s, S>,
    work: &'a mut Work<'w, S>,
    lanes: M<S>,
    target: Target<S>,
}

impl<S: Simd> Kernel for Polish<'_, '_, '_, S> {
    type Output = Polished<S>;

    #[inline(always)]
    fn run(self) -> Polished<S> {
        let Self { simd, analysis, state, work, lanes, target } = self;
        let mut newton = Newton::new(simd, analysis, state, work, lanes, target);
        newton.project();
        newton.commit();
        newton.multiply();
        let mut step = 0;
        loop {
            let size = newton.residual();
            let stale = newton.stale();
            newton.check_termination(step, size, stale);
            // Those that are close are solved already: where they start is worth keeping.
            newton.keep_best(size, stale & !target.close);
            // Also at the end, so that the factor belongs to the final v.
            newton.factor(stale);
            if step == target.max_steps || !newton.live.any() {
                return newton.finish(size);
            }
            step += 1;
            newton.direction();
            newton.step();
            if newton.is_smooth {
                newton.halve_steps();
            }
        }
    }
}

/// All that Newton's method works on.
struct Newton<'r, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'r Analysis,
    target: Target<S>,
    /// Whether mu is positive.
    is_smooth: bool,
    state: &'r mut State<'s, S>,
    system: &'r mut SystemWork<'w, S>,
    /// Cone blocks of the factor with which each lane was solved, also by earlier polishes.
    solved_h: &'r mut [V<S>],
    vectors: PolishVectors<'r, S>,
    /// Lanes that still make steps.
    live: M<S>,
    /// What is returned.
    polished: Polished<S>,
    /// Whether the factor at hand belongs to this polish.
    is_factored: bool,
    /// Lanes whose factor is not close to the system.
    doubtful: M<S>,
    /// Lanes in which plain steps do not reduce the residual as Newton's method should.
    slow: M<S>,
    /// Residual at the start, before the last step, and of the point that is kept as the best.
    first: V<S>,
    previous: V<S>,
    best: V<S>,
    /// How far the last step moved x, relative to its size; zero over polyhedra.
    stride: V<S>,
}

impl<'r, 's, 'w, S: Simd> Newton<'r, 's, 'w, S> {
    #[inline(always)]
    fn new(
        simd: S,
        analysis: &'r Analysis,
        state: &'r mut State<'s, S>,
        work: &'r mut Work<'w, S>,
        lanes: M<S>,
        target: Target<S>,
    ) -> Self {
        let (zero, no) = (V::splat(simd, 0.0), M::splat(simd, false));
        let infinite = V::splat(simd, f64::INFINITY);
        let Work { lengths, system, solved_h, phase, .. } = work;
        let vectors = PolishVectors::new(lengths, phase);
        let probe = vectors.probe_x.iter_mut().chain(vectors.probe_z.iter_mut());
        for (probe, &start) in probe.zip(&analysis.probe) {
            *probe = V::splat(simd, start);
        }
        let polished = Polished {
            solved: no,
            steps: zero,
            factorizations: zero,
            growth: zero,
            escaping: no,
            informed: no,
        };
        Self {
            simd,
            analysis,
            target,
            is_smooth: target.mu.gt(zero).any(),
            state,
            system,
            solved_h,
            vectors,
            live: lanes,
            polished,
            is_factored: false,
            doubtful: no,
            slow: target.close,
            first: infinite,
            previous: infinite,
            best: infinite,
            stride: zero,
        }
    }

    /// One in the lanes in `lanes`, zero in the others.
    #[inline(always)]
    fn count(&self, lanes: M<S>) -> V<S> {
        lanes.select(V::splat(self.simd, 1.0), V::splat(self.simd, 0.0))
    }

    /// s, z and the projection data from v.
    #[inline(always)]
    fn project(&mut self) {
        let Self { simd, analysis, target, state, system, vectors, .. } = self;
        let PolishVectors { projected_s: s, projected_z: z, .. } = vectors;
        analysis.cones.projection(*simd, state.v, target.mu, s, state.projection, system.cones);
        analysis.cones.dual_point(*simd, state.v, target.mu, s, z);
    }

    /// Takes over the projected s and z in the live lanes.
    #[inline(always)]
    fn commit(&mut self) {
        let Self { state, vectors, live, .. } = self;
        for (s, &projected) in state.s.iter_mut().zip(vectors.projected_s.iter()) {
            *s = live.select(projected, *s);
        }
        for (z, &projected) in state.z.iter_mut().zip(vectors.projected_z.iter()) {
            *z = live.select(projected, *z);
        }
    }

    /// The products with P, A, A' at (x, z).
    #[inline(always)]
    fn multiply(&mut self) {
        let Self { simd, analysis, state, system, .. } = self;
        let SystemWork { px, ax, atz, .. } = &mut **system;
        state.system(*simd, analysis).multiply(*simd, (state.x, state.z), (px, ax, atz));
    }

    /// Newton residuals -H(x, v), and their size relative to their terms.
    #[inline(always)]
    fn residual(&mut self) -> V<S> {
        let Self { simd, analysis, state, system, vectors, .. } = self;
        let (n, m) = (analysis.n(), analysis.m());
        let zero = V::splat(*simd, 0.0);
        let Floors { dual: mut x_terms, primal: mut z_terms } = floors(*simd, analysis, state);
        let (mut x_size, mut z_size) = (zero, zero);
        let (px, ax, atz) = (&system.px[..n], &system.ax[..m], &system.atz[..n]);
        let (q, b, s) = (&state.q[..n], &state.b[..m], &state.s[..m]);
        let (r_x, r_z) = (&mut vectors.residual_x[..n], &mut vectors.residual_z[..m]);
        for j in 0..n {
            r_x[j] = -(px[j] + q[j] + atz[j]);
            x_size = x_size.max_abs(r_x[j]);
            x_terms = x_terms.max_abs(px[j]).max_abs(atz[j]).max_abs(q[j]);
        }
        for i in 0..m {
            r_z[i] = b[i] - ax[i] - s[i];
            z_size = z_size.max_abs(r_z[i]);
            z_terms = z_terms.max_abs(ax[i]).max_abs(s[i]).max_abs(b[i]);
        }
        zero.max_abs(x_size / x_terms).max_abs(z_size / z_terms)
    }

    /// The blocks at v, and the live lanes whose factor does not serve there.
    #[inline(always)]
    fn stale(&mut self) -> M<S> {
        let Self { simd, analysis, state, system, vectors, live, .. } = self;
        let (simd, cones) = (*simd, &analysis.cones);
        cones.write_projection_block(simd, state.projection, vectors.h, system.cones);
        if !self.is_factored {
            return *live;
        }
        let (old, new) = ((&*vectors.factored_v, &*state.h), (&*state.v, &*vectors.h));
        *live & !cones.settled(simd, old, new, *live)
    }

    /// Takes the lanes out of `live` that are solved, or hopeless.
    #[inline(always)]
    fn check_termination(&mut self, step: usize, size: V<S>, stale: M<S>) {
        let simd = self.simd;
        let scalar = |value: f64| V::splat(simd, value);
        let (live, previous) = (self.live, self.previous);
        self.polished.factorizations += self.count(stale);
        if step == 0 {
            self.first = size;
        } else {
            // A lane is solved only with the factor of its own active set.
            let settled = self.target.mu.gt(scalar(0.0)) | (live & !stale);
            let stalled = !size.lt(scalar(GAIN) * previous);
            self.look_for_escape(size);
            let growth = self.polished.growth;
            let small = size.le(scalar(FINE)) & growth.lt(scalar(DELICATE));
            // The end for a stalled lane whose residual is small, or that refined steps did not
            // help.
            let fine = size.le(scalar(ROUNDING))
                | (stalled & (small | self.slow) & size.le(scalar(FINE)))
                | (stalled & self.slow & previous.le(size));
            self.slow = self.slow | (stalled & size.lt(scalar(NEAR)) & !small);
            let done = live
                & ((settled & fine & size.le(scalar(self.target.residual)))
                    | size.lt(scalar(self.target.enough)));
            self.polished.solved = self.polished.solved | done;
            self.live = live & !done & !size.is_nan();
            if step >= PATIENCE {
                self.live = self.live & size.lt(self.first);
            } else if step + 1 == PATIENCE && !self.is_smooth && self.analysis.cones.is_polyhedral()
            {
                self.live = self.live & size.lt(scalar(HOPELESS));
            }
        }
        self.previous = self.live.select(size, previous);
    }

    /// Whether the last step, which has led to a residual of `size`, was one towards a solution, or
    /// one of x on its way to infinity. One that does not reduce the residual tells nothing.
    #[inline(always)]
    fn look_for_escape(&mut self, size: V<S>) {
        if self.analysis.cones.is_polyhedral() {
            // There every optimum is attained.
            return;
        }
        let scalar = |value: f64| V::splat(self.simd, value);
        let near = self.previous.gt(scalar(ROUNDING)) & size.lt(scalar(CLOSE));
        let [fast, slow] = REDUCED.map(|share| size.lt(scalar(share) * self.previous));
        let informed = self.live & near & slow;
        let far = !fast & self.stride.gt(scalar(STRIDE));
        self.polished.escaping = (informed & far) | (self.polished.escaping & !informed);
        self.polished.informed = self.polished.informed | informed;
    }

    /// Factors the system at v where any lane's factor is stale. Blocks of lanes that have settled
    /// stay, and lanes solved earlier get theirs back: what becomes of one lane must not depend on
    /// whether another needs a factor.
    #[inline(always)]
    fn factor(&mut self, stale: M<S>) {
        if !stale.any() {
            return;
        }
        let Self { simd, analysis, state, system, vectors, solved_h, .. } = self;
        for (k, &wanted) in vectors.h.iter().enumerate() {
            let other = if self.is_factored { state.h[k] } else { solved_h[k] };
            state.h[k] = stale.select(wanted, other);
        }
        for (factored, &v) in vectors.factored_v.iter_mut().zip(state.v.iter()) {
            *factored = stale.select(v, *factored);
        }
        self.doubtful = state.factor(*simd, analysis, system, self.target.close);
        self.is_factored = true;
    }

    /// Keeps the points of lanes whose last polish this is, where they are the best so far with
    /// the factor of their own active set.
    #[inline(always)]
    fn keep_best(&mut self, size: V<S>, stale: M<S>) {
        let better = self.live & self.target.is_last & !stale & size.lt(self.best);
        if !better.any() {
            return;
        }
        self.best = better.select(size, self.best);
        let Self { state, vectors, .. } = self;
        for (kept, &x) in vectors.kept_x.iter_mut().zip(state.x.iter()) {
            *kept = better.select(x, *kept);
        }
        for (kept, &v) in vectors.kept_v.iter_mut().zip(state.v.iter()) {
            *kept = better.select(v, *kept);
        }
    }

    /// The end, at a residual of `size`: a lane that ran out of steps at a good point counts as
    /// solved, and so does one that has left a good point.
    #[inline(always)]
    fn finish(mut self, size: V<S>) -> Polished<S> {
        let enough = V::splat(self.simd, self.target.residual);
        self.polished.solved = self.polished.solved | (self.live & size.le(enough));
        self.go_back(self.target.is_last & !self.polished.solved & self.best.le(enough));
        let Self { state, solved_h, polished, .. } = self;
        for (kept, &h) in solved_h.iter_mut().zip(state.h.iter()) {
            *kept = polished.solved.select(h, *kept);
        }
        polished
    }

    /// Solves the lanes in `lanes` by the points that are kept.
    #[inline(always)]
    fn go_back(&mut self, lanes: M<S>) {
        if !lanes.any() {
            return;
        }
        let Self { state, vectors, .. } = self;
        for (x, &kept) in state.x.iter_mut().zip(vectors.kept_x.iter()) {
            *x = lanes.select(kept, *x);
        }
        for (v, &kept) in state.v.iter_mut().zip(vectors.kept_v.iter()) {
            *v = lanes.select(kept, *v);
        }
        self.live = lanes;
        self.project();
        self.commit();
        self.stale();
        self.factor(lanes);
        self.polished.solved = self.polished.solved | lanes;
    }

    /// The Newton direction, refined in slow lanes; and a step of inverse iteration beside it.
    #[inline(always)]
    fn direction(&mut self) {
        let Self { simd, analysis, state, system, vectors, .. } = self;
        let simd = *simd;
        let PolishVectors { residual_x: r_x, residual_z: r_z, dx, dz, krylov, .. } = vectors;
        let group = state.system(simd, analysis);
        group.solve(
            simd,
            [(r_x, r_z), (vectors.probe_x, vectors.probe_z)],
            (system.permuted, system.active),
            [(dx, dz), (vectors.next_probe_x, vectors.next_probe_z)],
        );
        let refined = self.slow & self.live;
        if refined.any() {
            let derivative = ProjectionSystem {
                group,
                projection: state.projection,
                singular: M::splat(simd, false),
            };
            let work = (&mut **system, &mut **krylov);
            derivative.solve(simd, (r_x, r_z), None, (dx, dz), work, refined);
        }
        self.estimate_growth();
        self.polished.steps += self.count(self.live);
    }

    /// Normalizes the probe after a step of inverse iteration, and remembers its growth.
    #[inline(always)]
    fn estimate_growth(&mut self) {
        let Self { simd, vectors, live, doubtful, polished, .. } = self;
        let PolishVectors { probe_x, probe_z, next_probe_x, next_probe_z, .. } = vectors;
        let mut size = V::splat(*simd, 0.0);
        for &p in next_probe_x.iter().chain(next_probe_z.iter()) {
            size = size.max_abs(p);
        }
        let inverse = V::splat(*simd, 1.0) / size;
        // A doubtful factor hides a singular value.
        let size = doubtful.select(V::splat(*simd, HIDDEN) * size, size);
        polished.growth = live.select(size, polished.growth);
        for (probe, &next) in probe_x.iter_mut().zip(next_probe_x.iter()) {
            *probe = live.select(next * inverse, *probe);
        }
        for (probe, &next) in probe_z.iter_mut().zip(next_probe_z.iter()) {
            *probe = live.select(next * inverse, *probe);
        }
    }

    /// Moves x and v of the live lanes, and projects again.
    #[inline(always)]
    fn step(&mut self) {
        let Self { simd, analysis, target, state, system, vectors, live, .. } = self;
        let (simd, live) = (*simd, *live);
        if self.is_smooth {
            vectors.kept_x.copy_from_slice(state.x);
            vectors.kept_v.copy_from_slice(state.v);
        }
        for (x, &dx) in state.x.iter_mut().zip(vectors.dx.iter()) {
            *x = live.select(*x + dx, *x);
        }
        let PolishVectors { dz, newton_s, newton_z, projected_z: newton_v, .. } = vectors;
        for ((newton, &z), &dz) in newton_z.iter_mut().zip(state.z.iter()).zip(dz.iter()) {
            *newton = live.select(z + dz, z);
        }
        let SystemWork { px, ax, atz, .. } = &mut **system;
        state.system(simd, analysis).multiply(simd, (state.x, newton_z), (px, ax, atz));
        // v = s - z with s = b - Ax and z the Newton iterate.
        for ((s, &b), &ax) in newton_s.iter_mut().zip(state.b.iter()).zip(ax.iter()) {
            *s = b - ax;
        }
        if !analysis.cones.is_polyhedral() {
            let zero = V::splat(simd, 0.0);
            let size = largest(zero, state.x).max(V::splat(simd, 1.0));
            self.stride = largest(zero, vectors.dx) / size;
        }
        let point = (&**newton_s, &**newton_z);
        analysis.cones.newton_point(simd, state.projection, point, target.mu, newton_v);
        for (v, &newton) in state.v.iter_mut().zip(newton_v.iter()) {
            *v = live.select(newton, *v);
        }
        self.project();
        self.commit();
        if (self.projection_moved() & live).any() {
            self.multiply();
        }
    }

    /// Lanes in which the projection changed the z of the Newton step.
    #[inline(always)]
    fn projection_moved(&self) -> M<S> {
        let mut moved = M::splat(self.simd, false);
        let PolishVectors { newton_z, projected_z, .. } = &self.vectors;
        for (&newton, &projected) in newton_z.iter().zip(projected_z.iter()) {
            moved = moved | newton.lt(projected) | projected.lt(newton);
        }
        moved
    }

    /// Halves steps that made the residual larger. Smooth systems need no more than that; kinked
    /// ones must be free to cross kinks.
    #[inline(always)]
    fn halve_steps(&mut self) {
        let (simd, live) = (self.simd, self.live);
        let PolishVectors { step_v, kept_v, .. } = &mut self.vectors;
        for ((step, &v), &old) in step_v.iter_mut().zip(self.state.v.iter()).zip(kept_v.iter()) {
            *step = v - old;
        }
        let mut length = V::splat(simd, 1.0);
        for _ in 0..HALVINGS {
            let size = self.residual();
            let is_far = self.previous.gt(V::splat(simd, self.target.residual));
            let worse = live & is_far & !size.lt(self.previous);
            if !worse.any() {
                return;
            }
            length = worse.select(length * V::splat(simd, 0.5), length);
            let Self { state, vectors, .. } = self;
            let x = state.x.iter_mut().zip(vectors.dx.iter()).zip(vectors.kept_x.iter());
            for ((x, &dx), &old) in x {
                *x = worse.select(length.fma(dx, old), *x);
            }
            let v = state.v.iter_mut().zip(vectors.step_v.iter()).zip(vectors.kept_v.iter());
            for ((v, &step), &old) in v {
                *v = worse.select(length.fma(step, old), *v);
            }
            self.project();
            self.commit();
            self.multiply();
        }
    }
}
