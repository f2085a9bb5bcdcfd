//! The way to a solution in single precision, for quadratic programs.
//!
//! The polish squares errors and works in double precision, so what leads to it needs neither all
//! digits nor a certificate: a plain primal-dual method with Mehrotra's predictor and corrector and
//! Gondzio's centrality correctors ("Multiple centrality corrections in a primal-dual method for
//! linear programming", 1996), on f32 lanes, of which a register has twice as many. With
//! z, s > 0 in the inequalities and s = 0 in the equalities, a step solves
//! ```text
//! P dx + A'dz = rho rx            rx = -(Px + q + A'z)
//! A dx - H dz = c - rho rz        rz = Ax + s - b,  H = diag(s / z)
//! ds = -(H dz + c)                c = s + (ds_a dz_a - sigma mu) / z
//! ```
//! Lanes that do not come near a solution this way are left to the general interior point, which
//! starts afresh: nothing is claimed here.

use pulp::Simd;

use crate::lanes::{Kernel, M, MOST_GROUPS, Mask, Register, Single, V, call};
use crate::system::analysis::Analysis;
use crate::system::approach::Approach;
use crate::system::kkt::Factored;
use crate::system::memory::{ApproachVectors, State, Work};

/// Residuals and gap, relative to their terms, at which a lane is handed over.
const HANDOVER: f64 = 3e-4;
/// The same in the sparse engine, whose systems are larger, for a mean product s z of at most the
/// second of these: the rounding of f32 may let residuals come no nearer, which are the easier part
/// for the polish, while the active rows are known.
const SETTLED: [f64; 2] = [2e-3, 1e-6];
/// Added to the diagonal of P and to that of H. The steps are those of a proximal method: what it
/// leaves of a residual is its share of the step of z, which goes to zero with the steps.
const REGULARIZATION: f64 = 1e-4;
/// Part of the way to the boundary that a step takes.
const FRACTION_TO_BOUNDARY: f64 = 0.99;
/// A shorter step, as a part of the whole, ends a lane: it does not come to a solution this way.
const SHORTEST_STEP: f64 = 1e-2;
/// Most iterations: those that serve take far fewer.
const MOST_ITERATIONS: usize = 25;
/// So many iterations in which neither the residual nor the mean product s z fell below this share
/// of the smallest so far end a lane: it may have no solution, and its neighbours should not wait
/// for it.
const PATIENCE: f64 = 4.0;
const PROGRESS: f64 = 0.9;
/// Least slack and multiplier of the first point, in the units of the scaled program.
const FIRST: f64 = 0.3;
/// A corrector aims at this much longer a step, ...
const LONGER: f64 = 0.3;
/// ... with products s z between these shares of their target, ...
const LEAST_PRODUCT: f64 = 0.1;
const LARGEST_PRODUCT: f64 = 10.0;
/// ... and is kept where the step becomes longer by this.
const GAIN: f64 = 0.01;

/// What became of the lanes of a group.
#[derive(Clone, Copy)]
pub(super) struct Approached<S: Simd> {
    /// Lanes that are near a solution, which is in the state.
    pub(super) found: M<S>,
    pub(super) iterations: V<S>,
}

impl<S: Simd> Approached<S> {
    /// Nothing was tried.
    #[inline(always)]
    pub(super) fn none(simd: S) -> Self {
        Self { found: M::splat(simd, false), iterations: V::splat(simd, 0.0) }
    }
}

/// Approaches the solutions of the lanes in `lanes` of the groups in `states`, of which the first
/// is there, in at most `most_iterations`. x, z, s and v of those that get there are written to the
/// states.
#[inline(always)]
pub(super) fn approach<S: Simd>(
    simd: S,
    analysis: &Analysis,
    states: [Option<&mut State<'_, S>>; MOST_GROUPS],
    lanes: [M<S>; MOST_GROUPS],
    work: &mut Work<'_, S>,
    most_iterations: usize,
) -> [Approached<S>; MOST_GROUPS] {
    let most_iterations = most_iterations.min(MOST_ITERATIONS);
    call(simd, Run { simd, analysis, states, lanes, work, most_iterations })
}

struct Run<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    states: [Option<&'a mut State<'s, S>>; MOST_GROUPS],
    lanes: [M<S>; MOST_GROUPS],
    work: &'a mut Work<'w, S>,
    most_iterations: usize,
}

impl<S: Simd> Kernel for Run<'_, '_, '_, S> {
    type Output = [Approached<S>; MOST_GROUPS];

    #[inline(always)]
    fn run(self) -> [Approached<S>; MOST_GROUPS] {
        let Self { simd, analysis, states, lanes, work, most_iterations } = self;
        let mut approached = [Approached::none(simd); MOST_GROUPS];
        let Some(approach) = &analysis.approach else { return approached };
        let Work { lengths, phase, .. } = work;
        let memory = Single::from_memory(phase);
        let mut vectors = ApproachVectors::new(lengths, memory);
        load(analysis, &states, &mut vectors);
        let live = live_lanes(simd, lanes);
        let mut iteration = Iteration::new(simd, analysis, approach, vectors, live);
        iteration.start();
        for iteration_count in 0..=most_iterations {
            let residuals = iteration.residuals();
            iteration.check_termination(&residuals);
            if iteration_count == most_iterations || !iteration.live.any() {
                break;
            }
            iteration.factor();
            let length = iteration.affine_direction();
            let target = iteration.combined_direction(&residuals, length);
            let length = iteration.correct(&target);
            iteration.step(length);
        }
        for (group, state) in states.into_iter().enumerate().take(Single::<S>::GROUPS) {
            if let Some(state) = state {
                approached[group] = iteration.publish(group, state);
            }
        }
        approached
    }
}

/// The lanes of groups, one after the other.
#[inline(always)]
fn live_lanes<S: Simd>(simd: S, lanes: [M<S>; MOST_GROUPS]) -> <Single<S> as Register<S>>::Mask {
    let zero = Single::splat(simd, 0.0);
    let mut numbers = zero;
    for (group, lanes) in lanes.into_iter().enumerate().take(Single::<S>::GROUPS) {
        numbers.set_group(group, lanes.select(V::splat(simd, 1.0), V::splat(simd, 0.0)));
    }
    zero.lt(numbers)
}

/// Rounds the programs of the groups into f32 lanes. Lanes without a group repeat the first.
#[inline(always)]
fn load<S: Simd>(
    analysis: &Analysis,
    states: &[Option<&mut State<'_, S>>; MOST_GROUPS],
    vectors: &mut ApproachVectors<'_, S>,
) {
    for group in 0..Single::<S>::GROUPS {
        let Some(state) = states[group].as_deref().or(states[0].as_deref()) else { return };
        for addresses in analysis.kkt.given_addresses() {
            let given = &state.values[addresses.clone()];
            for (single, &value) in vectors.values[addresses].iter_mut().zip(given) {
                single.set_group(group, value);
            }
        }
        for (single, &value) in vectors.q.iter_mut().zip(state.q.iter()) {
            single.set_group(group, value);
        }
        for (single, &value) in vectors.b.iter_mut().zip(state.b.iter()) {
            single.set_group(group, value);
        }
    }
}

/// What is known of an iterate beside the vectors rx and rz.
struct Residuals<S: Simd> {
    /// Mean product s z.
    mu: Single<S>,
    /// The largest of the residuals and of the gap, relative to their terms.
    largest: Single<S>,
}

/// All that an iteration works on.
struct Iteration<'r, S: Simd> {
    simd: S,
    analysis: &'r Analysis,
    approach: &'r Approach,
    vectors: ApproachVectors<'r, S>,
    /// Lanes that still iterate, and those that are near a solution.
    live: <Single<S> as Register<S>>::Mask,
    found: <Single<S> as Register<S>>::Mask,
    iterations: Single<S>,
    /// The smallest residual and mean product so far, and the iterations since.
    best: Single<S>,
    best_product: Single<S>,
    stalled: Single<S>,
    zero: Single<S>,
    one: Single<S>,
}

impl<'r, S: Simd> Iteration<'r, S> {
    #[inline(always)]
    fn new(
        simd: S,
        analysis: &'r Analysis,
        approach: &'r Approach,
        vectors: ApproachVectors<'r, S>,
        live: <Single<S> as Register<S>>::Mask,
    ) -> Self {
        let (zero, one) = (Single::splat(simd, 0.0), Single::splat(simd, 1.0));
        let found = one.lt(zero);
        let (iterations, stalled) = (zero, zero);
        let [best, best_product] = [Single::splat(simd, f64::INFINITY); 2];
        Self {
            simd,
            analysis,
            approach,
            vectors,
            live,
            found,
            iterations,
            best,
            best_product,
            stalled,
            zero,
            one,
        }
    }

    /// The first point, which takes no factorization: x = 0, with the slack of that where it is
    /// large enough.
    #[inline(always)]
    fn start(&mut self) {
        let first = Single::splat(self.simd, FIRST);
        let ApproachVectors { b, x, z, s, ds, h, .. } = &mut self.vectors;
        // Those of the equalities stay zero.
        [&mut **x, z, s, ds, h].into_iter().for_each(|values| values.fill(self.zero));
        for rows in &self.approach.inequalities {
            z[rows.clone()].fill(first);
            for (s, &b) in s[rows.clone()].iter_mut().zip(&b[rows.clone()]) {
                *s = b.max(first);
            }
        }
    }

    /// rx and rz at the iterate, with their sizes.
    #[inline(always)]
    fn residuals(&mut self) -> Residuals<S> {
        let (n, m) = (self.analysis.n(), self.analysis.m());
        let (zero, one) = (self.zero, self.one);
        let ApproachVectors { values, q, b, x, z, s, rx, rz, px, ax, atz, .. } = &mut self.vectors;
        let (q, b, x, z, s) = (&q[..n], &b[..m], &x[..n], &z[..m], &s[..m]);
        let (rx, rz) = (&mut rx[..n], &mut rz[..m]);
        let (px, ax, atz) = (&mut px[..n], &mut ax[..m], &mut atz[..n]);
        self.analysis.kkt.multiply_single(self.simd, values, (x, z), (px, ax, atz));
        let (mut dual, mut dual_terms, mut primal, mut primal_terms) = (zero, one, zero, one);
        let (mut x_px, mut q_x, mut b_z, mut s_z) = (zero, zero, zero, zero);
        for j in 0..n {
            rx[j] = -(px[j] + q[j] + atz[j]);
            dual = dual.max_abs(rx[j]);
            dual_terms = dual_terms.max_abs(px[j]).max_abs(atz[j]).max_abs(q[j]);
            x_px = x[j].fma(px[j], x_px);
            q_x = q[j].fma(x[j], q_x);
        }
        for i in 0..m {
            rz[i] = ax[i] + s[i] - b[i];
            primal = primal.max_abs(rz[i]);
            primal_terms = primal_terms.max_abs(ax[i]).max_abs(s[i]).max_abs(b[i]);
            b_z = b[i].fma(z[i], b_z);
            s_z = s[i].fma(z[i], s_z);
        }
        let gap = (x_px + q_x + b_z) / one.max_abs(x_px).max_abs(q_x).max_abs(b_z);
        let largest = (dual / dual_terms).max_abs(primal / primal_terms).max_abs(gap);
        let count = Single::splat(self.simd, self.approach.count as f64);
        Residuals { mu: s_z / count, largest }
    }

    /// Takes the lanes out of `live` that are near a solution, or lost.
    #[inline(always)]
    fn check_termination(&mut self, residuals: &Residuals<S>) {
        let scalar = |value: f64| Single::splat(self.simd, value);
        let largest = residuals.largest;
        let mut near = largest.le(scalar(HANDOVER));
        if self.analysis.kkt.takes_one_lane() {
            let [rough, product] = SETTLED;
            near = near | (largest.le(scalar(rough)) & residuals.mu.le(scalar(product)));
        }
        let near = self.live & near;
        let nearer = largest.lt(scalar(PROGRESS) * self.best);
        let smaller = residuals.mu.lt(scalar(PROGRESS) * self.best_product);
        self.best = nearer.select(largest, self.best);
        self.best_product = smaller.select(residuals.mu, self.best_product);
        let better = nearer | smaller;
        self.stalled = better.select(self.zero, self.stalled + self.one);
        self.found = self.found | near;
        self.live = self.live & !near & !largest.is_nan() & self.stalled.lt(scalar(PATIENCE));
        self.iterations += self.live.select(self.one, self.zero);
    }

    /// Factors the system at the iterate.
    #[inline(always)]
    fn factor(&mut self) {
        let Self { simd, analysis, approach, vectors, .. } = self;
        let ApproachVectors { values, inverse_pivots, h, z, s, factor, .. } = vectors;
        for rows in &approach.inequalities {
            let (s, z) = (&s[rows.clone()], &z[rows.clone()]);
            for ((h, &s), &z) in h[rows.clone()].iter_mut().zip(s).zip(z) {
                *h = s / z;
            }
        }
        let workspace = Factored { inverse_pivots, scratch: factor };
        analysis.kkt.factor_single(*simd, values, h, REGULARIZATION, workspace);
    }

    /// The affine direction, which aims at a solution at once; the longest step along it.
    #[inline(always)]
    fn affine_direction(&mut self) -> Single<S> {
        let ApproachVectors { s, constant, .. } = &mut self.vectors;
        constant.copy_from_slice(s);
        self.solve(self.one);
        self.finish_and_measure()
    }

    /// The centered direction with the second-order correction of the affine one, whose longest
    /// step is `length`. Returns what products s z it aims at.
    #[inline(always)]
    fn combined_direction(&mut self, residuals: &Residuals<S>, length: Single<S>) -> Target<S> {
        let rest = self.one - length;
        let sigma = rest * rest * rest;
        let product = sigma * residuals.mu;
        let ApproachVectors { z, s, dz, ds, constant, .. } = &mut self.vectors;
        for rows in &self.approach.inequalities {
            for i in rows.clone() {
                constant[i] = s[i] + (ds[i].fma(dz[i], -product)) / z[i];
            }
        }
        let keep = self.one - sigma;
        self.solve(keep);
        Target { keep, product }
    }

    /// Improves the direction by centrality correctors where that lengthens the step. Returns its
    /// length.
    #[inline(always)]
    fn correct(&mut self, target: &Target<S>) -> Single<S> {
        let mut length = self.finish_and_measure();
        for _ in 0..self.approach.correctors {
            let longer = (length + Single::splat(self.simd, LONGER)).min(self.one);
            self.keep_direction();
            self.add_correction(longer, target);
            self.solve(target.keep);
            let found = self.finish_and_measure();
            let better = (length + Single::splat(self.simd, GAIN)).le(found);
            self.recall_direction(better);
            length = better.select(found, length);
        }
        length
    }

    /// Copies the direction and its constant.
    #[inline(always)]
    fn keep_direction(&mut self) {
        let ApproachVectors {
            dx, dz, ds, constant, kept_dx, kept_dz, kept_ds, kept_constant, ..
        } = &mut self.vectors;
        kept_dx.copy_from_slice(dx);
        kept_dz.copy_from_slice(dz);
        kept_ds.copy_from_slice(ds);
        kept_constant.copy_from_slice(constant);
    }

    /// Goes back to the copy but in the lanes in `better`.
    #[inline(always)]
    fn recall_direction(&mut self, better: <Single<S> as Register<S>>::Mask) {
        let ApproachVectors {
            dx, dz, ds, constant, kept_dx, kept_dz, kept_ds, kept_constant, ..
        } = &mut self.vectors;
        for (new, kept) in [
            (&mut **dx, &**kept_dx),
            (&mut **dz, &**kept_dz),
            (&mut **ds, &**kept_ds),
            (&mut **constant, &**kept_constant),
        ] {
            for (new, &kept) in new.iter_mut().zip(kept) {
                *new = better.select(*new, kept);
            }
        }
    }

    /// Changes the constant so that the products s z after a step of `length` are nearer to their
    /// target.
    #[inline(always)]
    fn add_correction(&mut self, length: Single<S>, target: &Target<S>) {
        let scalar = |value: f64| Single::splat(self.simd, value);
        let least = scalar(LEAST_PRODUCT) * target.product;
        let largest = scalar(LARGEST_PRODUCT) * target.product;
        let ApproachVectors { z, s, dz, ds, constant, .. } = &mut self.vectors;
        for rows in &self.approach.inequalities {
            for i in rows.clone() {
                let product = length.fma(ds[i], s[i]) * length.fma(dz[i], z[i]);
                let wanted = product.max(least).min(largest);
                let correction = (wanted - product).max(-largest);
                constant[i] -= correction / z[i];
            }
        }
    }

    /// Solves for dx and dz, with the share `keep` of the residuals removed.
    #[inline(always)]
    fn solve(&mut self, keep: Single<S>) {
        let Self { simd, analysis, vectors, .. } = self;
        let ApproachVectors { values, inverse_pivots, permuted, rx, rz, .. } = vectors;
        let ApproachVectors { constant, dx, dz, .. } = vectors;
        for (dx, &rx) in dx.iter_mut().zip(rx.iter()) {
            *dx = keep * rx;
        }
        for ((dz, &constant), &rz) in dz.iter_mut().zip(constant.iter()).zip(rz.iter()) {
            *dz = keep.nfma(rz, constant);
        }
        analysis.kkt.solve_single(*simd, values, inverse_pivots, permuted, (dx, dz));
    }

    /// ds from dz, and the longest step, at most one, that keeps s and z positive.
    #[inline(always)]
    fn finish_and_measure(&mut self) -> Single<S> {
        let ApproachVectors { h, z, s, dz, ds, constant, .. } = &mut self.vectors;
        let mut steepest = self.one;
        for rows in &self.approach.inequalities {
            for i in rows.clone() {
                ds[i] = -(h[i].fma(dz[i], constant[i]));
                steepest = (-ds[i] / s[i]).max(-dz[i] / z[i]).max(steepest);
            }
        }
        self.one / steepest
    }

    /// Moves the iterate.
    #[inline(always)]
    fn step(&mut self, length: Single<S>) {
        let fraction = Single::splat(self.simd, FRACTION_TO_BOUNDARY);
        let length = self.one.le(length).select(length, fraction * length);
        let ApproachVectors { x, z, s, dx, dz, ds, .. } = &mut self.vectors;
        self.live = self.live & Single::splat(self.simd, SHORTEST_STEP).le(length);
        for (values, direction) in [(&mut **x, &**dx), (&mut **z, &**dz), (&mut **s, &**ds)] {
            for (value, &direction) in values.iter_mut().zip(direction) {
                *value = self.live.select(length.fma(direction, *value), *value);
            }
        }
    }

    /// Writes the points of the lanes of `group` that are near a solution to its state.
    #[inline(always)]
    fn publish(&self, group: usize, state: &mut State<'_, S>) -> Approached<S> {
        let simd = self.simd;
        let number = |single: Single<S>| {
            let mut value = V::splat(simd, 0.0);
            single.write_group(group, &mut value);
            value
        };
        let zero = V::splat(simd, 0.0);
        let found = zero.lt(number(self.found.select(self.one, self.zero)));
        let ApproachVectors { x, z, s, .. } = &self.vectors;
        for (value, &single) in state.x.iter_mut().zip(x.iter()) {
            *value = found.select(number(single), *value);
        }
        for (value, &single) in state.z.iter_mut().zip(z.iter()) {
            *value = found.select(number(single), *value);
        }
        for (value, &single) in state.s.iter_mut().zip(s.iter()) {
            *value = found.select(number(single), *value);
        }
        for i in 0..state.v.len() {
            state.v[i] = found.select(state.s[i] - state.z[i], state.v[i]);
        }
        Approached { found, iterations: number(self.iterations) }
    }
}

/// What a combined direction aims at.
struct Target<S: Simd> {
    /// Share of the residuals that it removes.
    keep: Single<S>,
    /// The products s z.
    product: Single<S>,
}

#[cfg(test)]
mod tests;
