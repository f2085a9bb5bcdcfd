//! Units in which s and z of the curved cones are of one size.
//!
//! Over a curved cone s and z are the projections of v = s - z and -v, and both have the rounding
//! errors of the larger one. Units are free: that of the objective, which z has and s has not, and
//! that of the point. Where both are of one size no digits are lost. That is known only once s and
//! z are, so the units are chosen where the interior point hands over. Factors are powers of two.

use pulp::Simd;

use super::scales::nearest_power_of_two;
use crate::lanes::{Kernel, M, V, call};
use crate::system::analysis::Analysis;
use crate::system::gcr::{dot, largest};
use crate::system::memory::{Iterate, State, Work};

/// s and z of a cone must be so many times what the residual at hand may hide, and as orthogonal as
/// the root of that: else one of them may be what is left of zero. Where that is all that s is, and
/// z is small, s is large beside the residual.
const SEEN: f64 = 32.0;

/// By what z, and by what x and s, are multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Balance<S: Simd> {
    pub(crate) dual: V<S>,
    pub(crate) primal: V<S>,
}

impl<S: Simd> Balance<S> {
    /// Nothing.
    #[inline(always)]
    pub(crate) fn none(simd: S) -> Self {
        Self { dual: V::splat(simd, 1.0), primal: V::splat(simd, 1.0) }
    }

    /// What makes s and z of `state`, at a point with a residual of `residual`, about equal in
    /// those of `lanes` where their ratio is above `apart`: the smaller one is multiplied. Where
    /// their ratios in several cones are far apart, the mean of the extremes counts.
    #[inline(always)]
    fn of(
        simd: S,
        analysis: &Analysis,
        state: &State<'_, S>,
        (residual, apart, lanes): (f64, f64, M<S>),
    ) -> Self {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let error = V::splat(simd, SEEN * residual);
        let least = (error * largest(one, state.s), error * largest(one, state.z));
        let (mut lowest, mut highest) = (V::splat(simd, f64::INFINITY), zero);
        for rows in analysis.cones.curved() {
            let (own_s, own_z) = (&state.s[rows.clone()], &state.z[rows]);
            let (s, z) = (largest(zero, own_s), largest(zero, own_z));
            let product = dot(zero, own_s, own_z);
            let squares = dot(zero, own_s, own_s) * dot(zero, own_z, own_z);
            let orthogonal = (product * product).lt(V::splat(simd, residual) * squares);
            let usable = lanes & s.gt(least.0) & z.gt(least.1) & orthogonal;
            let ratio = usable.select(s, one) / usable.select(z, one);
            highest = usable.select(ratio.max(highest), highest);
            lowest = usable.select(ratio.min(lowest), lowest);
        }
        let (apart, lanes) = (V::splat(simd, apart), lanes & highest.gt(zero));
        let ratio = lanes.select(highest * lowest, one).sqrt();
        let factor = |ratio: V<S>| nearest_power_of_two(ratio.gt(apart).select(ratio, one));
        Self { dual: factor(ratio), primal: factor(one / ratio) }
    }

    /// What takes `state` back to the units from before any balance in the lanes in `lanes`.
    #[inline(always)]
    fn back(simd: S, state: &State<'_, S>, lanes: M<S>) -> Self {
        let one = V::splat(simd, 1.0);
        let inverse = |factor: V<S>| lanes.select(one / factor, one);
        Self { dual: inverse(state.balance[0]), primal: inverse(state.balance[1]) }
    }

    /// The lanes in which it changes anything.
    #[inline(always)]
    pub(super) fn lanes(&self) -> M<S> {
        let one = self.dual.like(1.0);
        let differs = |factor: V<S>| factor.gt(one) | factor.lt(one);
        differs(self.dual) | differs(self.primal)
    }

    #[inline(always)]
    fn is_none(&self) -> bool {
        !self.lanes().any()
    }

    /// Changes the units of the program and of its point, which `state` remembers.
    #[inline(always)]
    pub(crate) fn apply(&self, analysis: &Analysis, state: &mut State<'_, S>) {
        if self.is_none() {
            return;
        }
        let Self { dual, primal } = *self;
        let inverse = dual.like(1.0) / primal;
        let of_p = dual * inverse;
        times(&mut state.values[analysis.kkt.p_base..][..analysis.stored_p.len()], of_p);
        analysis.kkt.write_static(state.values);
        for (numbers, factor) in [
            (&mut *state.p_size, of_p),
            (&mut *state.cost_scale, dual * primal),
            (&mut *state.q, dual),
            (&mut *state.b, primal),
            (&mut *state.x_scale, inverse),
            (&mut *state.row_scale, primal),
            (&mut *state.x, primal),
            (&mut *state.s, primal),
            (&mut *state.z, dual),
        ] {
            times(numbers, factor);
        }
        state.balance[0] *= dual;
        state.balance[1] *= primal;
        for ((v, &s), &z) in state.v.iter_mut().zip(state.s.iter()).zip(state.z.iter()) {
            *v = s - z;
        }
    }

    #[inline(always)]
    fn apply_to_iterate(&self, iterate: &mut Iterate<'_, S>) {
        times(iterate.x, self.primal);
        times(iterate.s, self.primal);
        times(iterate.z, self.dual);
    }
}

#[inline(always)]
fn times<S: Simd>(numbers: &mut [V<S>], factor: V<S>) {
    for number in numbers {
        *number *= factor;
    }
}

/// Changes the units of those of `lanes`, whose point in `state` has a residual of `residual`,
/// where s and z differ by more than a factor of `apart`; also of the iterate and the best point in
/// `work`.
#[inline(always)]
pub(super) fn balance<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    work: &mut Work<'_, S>,
    (residual, apart, lanes): (f64, f64, M<S>),
) -> Balance<S> {
    if analysis.cones.is_polyhedral() {
        return Balance::none(simd);
    }
    call(simd, ChangeUnits { simd, analysis, state, work, residual, apart, lanes })
}

struct ChangeUnits<'a, 's, 'w, S: Simd> {
    simd: S,
    analysis: &'a Analysis,
    state: &'a mut State<'s, S>,
    work: &'a mut Work<'w, S>,
    residual: f64,
    apart: f64,
    lanes: M<S>,
}

impl<S: Simd> Kernel for ChangeUnits<'_, '_, '_, S> {
    type Output = Balance<S>;

    #[inline(always)]
    fn run(self) -> Balance<S> {
        let Self { simd, analysis, state, work, residual, apart, lanes } = self;
        let balance = Balance::of(simd, analysis, state, (residual, apart, lanes));
        if !balance.is_none() {
            balance.apply(analysis, state);
            balance.apply_to_iterate(&mut work.iterate);
            balance.apply_to_iterate(&mut work.best);
        }
        balance
    }
}

/// Takes the lanes in `lanes` back to the units from before any [`balance`].
#[inline(always)]
pub(super) fn take_back<S: Simd>(
    simd: S,
    analysis: &Analysis,
    state: &mut State<'_, S>,
    lanes: M<S>,
) {
    Balance::back(simd, state, lanes).apply(analysis, state);
}
