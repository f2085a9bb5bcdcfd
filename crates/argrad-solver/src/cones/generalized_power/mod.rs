//! The generalized power cone {(x, w): prod x_i^a_i >= |w|, x >= 0}, sum a_i = 1.
//!
//! Degree k + 1 for k exponents. Scaling: H = mu times the Hessian of the dual barrier
//! ([`super::power::barrier`]) at z, the dual scaling, for which H z = s holds on the central path
//! only. The projection is that of [`super::power::projection`]; one exponent makes K a
//! second-order cone.

use pulp::Simd;

use super::power::barrier::{DualPoint, Parameters};
use super::power::projection::{
    apply, parts, project, projection_len, projection_scratch_len, weakly_active, write_block,
};
use super::{Function, LaneCone, Pair};
use crate::lanes::V;

#[derive(Clone, Debug)]
pub(crate) struct GeneralizedPower {
    alpha: Vec<f64>,
    norm_dim: usize,
}

impl GeneralizedPower {
    /// The exponents must be positive and of sum one.
    pub(crate) fn new(alpha: Vec<f64>, norm_dim: usize) -> Self {
        Self { alpha, norm_dim }
    }

    #[inline(always)]
    fn parameters(&self) -> Parameters<'_> {
        Parameters { alpha: &self.alpha, norm_dim: self.norm_dim }
    }
}

/// The data of a scaling: mu, the point z, and what [`DualPoint`] keeps of it.
#[inline(always)]
fn scaling_point<'a, S: Simd>(alpha: &'a [f64], data: &'a [V<S>], dim: usize) -> DualPoint<'a, S> {
    let (z, memory) = data[1..].split_at(dim);
    DualPoint::read(alpha, z, memory)
}

impl LaneCone for GeneralizedPower {
    fn dim(&self) -> usize {
        self.parameters().dim()
    }

    fn degree(&self) -> usize {
        self.alpha.len() + 1
    }

    fn is_symmetric(&self) -> bool {
        false
    }

    fn scaling_len(&self) -> usize {
        1 + self.dim() + DualPoint::<pulp::Scalar>::len(self.dim())
    }

    fn projection_len(&self) -> usize {
        projection_len(self.parameters())
    }

    fn scratch_len(&self) -> usize {
        projection_scratch_len(self.parameters()).max(2 * self.dim())
    }

    #[inline(always)]
    fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        self.parameters().unit(simd, s, z);
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>], _: &mut [V<S>]) {
        self.unit(simd, s, z);
    }

    #[inline(always)]
    fn scaling<S: Simd>(
        &self,
        _simd: S,
        (_, z): Pair<'_, S>,
        mu: V<S>,
        data: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        data[0] = mu;
        let (point, memory) = data[1..].split_at_mut(z.len());
        point.copy_from_slice(z);
        DualPoint::new(&self.alpha, point, memory);
    }

    #[inline(always)]
    fn write_scaling_block<S: Simd>(&self, _simd: S, data: &[V<S>], h: &mut [V<S>]) {
        let point = scaling_point(&self.alpha, data, self.dim());
        let mut entries = h.iter_mut();
        for i in 0..self.dim() {
            for (j, h) in entries.by_ref().take(i + 1).enumerate() {
                *h = data[0] * point.hessian(i, j);
            }
        }
    }

    #[inline(always)]
    fn multiply_scaling<S: Simd>(
        &self,
        _simd: S,
        data: &[V<S>],
        x: &[V<S>],
        y: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        scaling_point(&self.alpha, data, self.dim()).multiply_hessian(data[0], x, y);
    }

    #[inline(always)]
    fn combined_constant<S: Simd>(
        &self,
        _simd: S,
        data: &[V<S>],
        (s, _): Pair<'_, S>,
        affine: Pair<'_, S>,
        target: V<S>,
        c: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let point = scaling_point(&self.alpha, data, self.dim());
        point.combined_constant(s, affine, target, c, scratch);
    }

    #[inline(always)]
    fn step_length<S: Simd>(
        &self,
        simd: S,
        _data: &[V<S>],
        point: Pair<'_, S>,
        direction: Pair<'_, S>,
        limit: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        self.parameters().step_length(simd, point, direction, limit)
    }

    #[inline(always)]
    fn projection<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        mu: V<S>,
        s: &mut [V<S>],
        data: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        project(simd, self.parameters(), v, mu, s, data, scratch);
    }

    #[inline(always)]
    fn write_projection_block<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        h: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        write_block(simd, self.parameters(), data, h, scratch);
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        f: Function,
        x: &[V<S>],
        y: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        apply(simd, self.parameters(), data, f, x, y);
    }

    #[inline(always)]
    fn weakly_active<S: Simd>(
        &self,
        simd: S,
        _v: &[V<S>],
        data: &[V<S>],
        margin: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        let (s, z) = parts(self.parameters(), data);
        weakly_active(simd, self.parameters(), s, z, margin)
    }
}

#[cfg(test)]
mod tests;
