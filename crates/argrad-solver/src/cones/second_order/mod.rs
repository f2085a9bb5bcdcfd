//! The second-order cone {(t, u): t >= |u|}. Self-dual, barrier -1/2 log(t^2 - |u|^2), degree 1.
//!
//! Every x = (t, u) has the eigenvalues t + |u| and t - |u| with the eigenvectors w+ = (1, û) /
//! sqrt 2 and w- = (1, -û) / sqrt 2, û = u / |u|; det x is their product. e = (1, 0) is the unit of
//! the product x o y = (x'y, x0 y1 + y0 x1).
//!
//! **Scaling** (Nesterov and Todd; formulas of Vandenberghe, "The CVXOPT linear and quadratic cone
//! program solvers", 2010, section 4). With J = diag(1, -I), s' = s / sqrt(det s), z' = z /
//! sqrt(det z)
//! ```text
//! gamma = sqrt((1 + s'.z') / 2),   w = (s' + J z') / (2 gamma),   eta^2 = sqrt(det s / det z)
//! H = eta^2 (2 w w' - J),   W = eta [ w0  w1' ;  w1  I + w1 w1' / (1 + w0) ],   H = W W
//! lambda = W z = W^-1 s = sqrt(eta^2 det z) (gamma, l),
//! l = ((gamma + z'0) s'1 + (gamma + s'0) z'1) / (s'0 + z'0 + 2 gamma)
//! ```
//! **Projection.** It maps the eigenvalues of v and keeps the eigenvectors: a -> s(a) = max(a, 0),
//! or the s > 0 with s - mu / s = a. D has the eigenvalues d+ and d- (of the scalar map) along w+
//! and w-, and dm = (s+ - s-) / (a+ - a-) on the rest (Fukushima, Luo, Tseng, "Smoothing functions
//! for second-order-cone complementarity problems", 2002). With z = s - a >= 0 this is free of
//! cancellation:
//! ```text
//! d = s / (s + z),   dm = (s+ + s-) / (s+ + z+ + s- + z-),   P(v) = ((s+ + s-) / 2, dm u)
//! ```

mod block;

use pulp::Simd;

use self::block::{Dense, Expanded, is_expanded};
use self::projection_data as projected;
use self::scaling_data as scaled;
use super::{FREE, Function, LaneCone, Pair, STEEPEST};
use crate::lanes::{M, V};

/// The data of a scaling: these registers, then w1, then l.
mod scaling_data {
    /// eta^2.
    pub(super) const ETA2: usize = 0;
    pub(super) const DET_S: usize = 1;
    pub(super) const DET_Z: usize = 2;
    /// 1 / sqrt(det z).
    pub(super) const INVERSE_ROOT_Z: usize = 3;
    pub(super) const GAMMA: usize = 4;
    /// 1 / gamma.
    pub(super) const INVERSE_GAMMA: usize = 5;
    pub(super) const W0: usize = 6;
    /// 1 / (1 + w0).
    pub(super) const INVERSE_ONE_W0: usize = 7;
    pub(super) const HEADER: usize = 8;
}

/// The data of a projection: these registers, then û (any unit vector where u = 0).
mod projection_data {
    pub(super) const D_PLUS: usize = 0;
    /// 1 - d+, and so on.
    pub(super) const C_PLUS: usize = 1;
    pub(super) const D_MINUS: usize = 2;
    pub(super) const C_MINUS: usize = 3;
    pub(super) const D_REST: usize = 4;
    pub(super) const C_REST: usize = 5;
    /// The delta of [`super::Function`].
    pub(super) const DELTA: usize = 6;
    pub(super) const HEADER: usize = 7;
}

#[derive(Clone, Debug)]
pub(crate) struct SecondOrder {
    pub(crate) dim: usize,
}

impl SecondOrder {
    pub(crate) fn new(dim: usize) -> Self {
        Self { dim }
    }
}

impl LaneCone for SecondOrder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn degree(&self) -> usize {
        self.dim.min(1)
    }

    fn auxiliary(&self) -> Vec<f64> {
        block::auxiliary(self.dim)
    }

    fn h_entries(&self) -> Vec<(usize, usize)> {
        block::entries(self.dim)
    }

    fn h_len(&self) -> usize {
        block::len(self.dim)
    }

    fn scaling_len(&self) -> usize {
        if self.dim == 0 { 0 } else { scaled::HEADER + 2 * (self.dim - 1) }
    }

    fn projection_len(&self) -> usize {
        if self.dim == 0 { 0 } else { projected::HEADER + self.dim - 1 }
    }

    fn scratch_len(&self) -> usize {
        self.dim
    }

    #[inline(always)]
    fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        for x in [s, z] {
            x.fill(V::splat(simd, 0.0));
            if let Some(first) = x.first_mut() {
                *first = V::splat(simd, 1.0);
            }
        }
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>], _: &mut [V<S>]) {
        shift(simd, s);
        shift(simd, z);
    }

    #[inline(always)]
    fn scaling<S: Simd>(
        &self,
        simd: S,
        (s, z): Pair<'_, S>,
        _mu: V<S>,
        data: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let (Some((&s0, s1)), Some((&z0, z1))) = (s.split_first(), z.split_first()) else { return };
        let (zero, one, half) = (V::splat(simd, 0.0), V::splat(simd, 1.0), V::splat(simd, 0.5));
        let (header, vectors) = data.split_at_mut(scaled::HEADER);
        let n = self.dim - 1;
        let (w1, l) = vectors.split_at_mut(n);
        // Equal lengths known to the compiler.
        let (l, s1, z1) = (&mut l[..n], &s1[..n], &z1[..n]);

        let (s_norm, z_norm) = (dot(simd, s1, s1).sqrt(), dot(simd, z1, z1).sqrt());
        let (s_gap, z_gap) = (gap(s0, s_norm), gap(z0, z_norm));
        let (det_s, det_z) = (s_gap * (s0 + s_norm), z_gap * (z0 + z_norm));
        let (root_s, root_z) = (det_s.sqrt(), det_z.sqrt());
        let inverse = one / (root_s * root_z);
        let (inverse_s, inverse_z) = (root_z * inverse, root_s * inverse);

        // s.z from the gaps and the angle between s1 and -z1: near the solution both points lie
        // near the boundary, s1 and z1 are opposite, and the plain sum would cancel.
        let norms = s_norm * z_norm;
        let sides = &mut scratch[..s1.len()];
        for ((side, &s), &z) in sides.iter_mut().zip(s1).zip(z1) {
            *side = s_norm.fma(z, z_norm * s);
        }
        let angle = dot(simd, sides, sides);
        let angle = norms.gt(zero).select(half * angle / norms, norms);
        let product = s_gap.fma(z0, z_gap.fma(s_norm, angle));

        let gamma = one.max(half.fma(product * inverse, half)).sqrt();
        let half_inverse = half / gamma;
        let (by_s, by_z) = (half_inverse * inverse_s, half_inverse * inverse_z);
        for i in 0..n {
            w1[i] = z1[i].nfma(by_z, by_s * s1[i]);
        }
        // From |w1|, so that w0^2 - |w1|^2 = 1 whatever the rounding errors of w1.
        let w0 = (one + dot(simd, w1, w1)).sqrt();
        let inverse_one_w0 = one / (one + w0);
        // s'0 + z'0 = 2 gamma w0.
        let by_s = by_s * inverse_one_w0 * inverse_z.fma(z0, gamma);
        let by_z = by_z * inverse_one_w0 * inverse_s.fma(s0, gamma);
        for i in 0..n {
            l[i] = z1[i].fma(by_z, by_s * s1[i]);
        }

        header[scaled::ETA2] = root_s * inverse_z;
        header[scaled::DET_S] = det_s;
        header[scaled::DET_Z] = det_z;
        header[scaled::INVERSE_ROOT_Z] = inverse_z;
        header[scaled::GAMMA] = gamma;
        header[scaled::INVERSE_GAMMA] = half_inverse + half_inverse;
        header[scaled::W0] = w0;
        header[scaled::INVERSE_ONE_W0] = inverse_one_w0;
    }

    #[inline(always)]
    fn write_scaling_block<S: Simd>(&self, simd: S, data: &[V<S>], h: &mut [V<S>]) {
        if self.dim == 0 {
            return;
        }
        let (one, two) = (V::splat(simd, 1.0), V::splat(simd, 2.0));
        let (eta2, w0) = (data[scaled::ETA2], data[scaled::W0]);
        let w1 = &data[scaled::HEADER..][..self.dim - 1];
        // w0^2 + |w1|^2.
        let size = (w0 + w0).fma(w0, -one);
        let (tip, twice) = (eta2 * size, two * eta2);
        if !is_expanded(self.dim) {
            Dense { tip, column: twice * w0, outer: twice, diagonal: eta2 }.write(w1, h);
            return;
        }
        // Of H / eta^2.
        let g0 = V::splat(simd, 0.5) / size;
        let u0 = (size - g0).sqrt();
        let inverse_u0 = one / u0;
        let v1 = (two * (one + g0)).sqrt() * inverse_u0;
        let eta = eta2.sqrt();
        Expanded {
            tip,
            g0: eta2 * g0,
            g: eta2,
            u0: eta * u0,
            u1: eta * (two * w0 * inverse_u0),
            v1: eta * v1,
        }
        .write(w1, h);
    }

    #[inline(always)]
    fn multiply_scaling<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        x: &[V<S>],
        y: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        let (Some((&x0, x1)), Some((y0, y1))) = (x.split_first(), y.split_first_mut()) else {
            return;
        };
        let (eta2, w0) = (data[scaled::ETA2], data[scaled::W0]);
        let n = self.dim - 1;
        let (w1, x1, y1) = (&data[scaled::HEADER..][..n], &x1[..n], &mut y1[..n]);
        let product = w0.fma(x0, dot(simd, w1, x1));
        let twice = product + product;
        *y0 = eta2 * twice.fma(w0, -x0);
        for i in 0..n {
            y1[i] = eta2 * twice.fma(w1[i], x1[i]);
        }
    }

    /// s + W (lambda \ ((W^-1 ds) o (W dz) - target e)).
    #[inline(always)]
    fn combined_constant<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        (s, _): Pair<'_, S>,
        (ds, dz): Pair<'_, S>,
        target: V<S>,
        c: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let (Some((&ds0, ds1)), Some((&dz0, dz1))) = (ds.split_first(), dz.split_first()) else {
            return;
        };
        let (Some((&s0, s1)), Some((c0, c1))) = (s.split_first(), c.split_first_mut()) else {
            return;
        };
        let n = self.dim - 1;
        let (header, vectors) = data.split_at(scaled::HEADER);
        let (w1, l) = vectors.split_at(n);
        // Equal lengths known to the compiler.
        let (l, s1, ds1, dz1, c1) = (&l[..n], &s1[..n], &ds1[..n], &dz1[..n], &mut c1[..n]);
        let (w0, inverse_one_w0) = (header[scaled::W0], header[scaled::INVERSE_ONE_W0]);
        let (gamma, inverse_gamma) = (header[scaled::GAMMA], header[scaled::INVERSE_GAMMA]);
        // a = eta W^-1 ds and b = W dz / eta; their product is free of eta.
        let a0 = w0.fma(ds0, -dot(simd, w1, ds1));
        let b0 = w0.fma(dz0, dot(simd, w1, dz1));
        let (by_a, by_b) = ((ds0 + a0) * inverse_one_w0, (dz0 + b0) * inverse_one_w0);
        let (a1, b1) = (&mut scratch[..n], c1);
        for i in 0..n {
            a1[i] = by_a.nfma(w1[i], ds1[i]);
            b1[i] = by_b.fma(w1[i], dz1[i]);
        }
        let q0 = a0.fma(b0, dot(simd, a1, b1) - target);
        let c1 = b1;
        for i in 0..n {
            c1[i] = a0.fma(c1[i], b0 * a1[i]);
        }
        // (gamma, l) \ q; det (gamma, l) = 1.
        let x0 = gamma.fma(q0, -dot(simd, l, c1));
        for i in 0..n {
            c1[i] = x0.nfma(l[i], c1[i]) * inverse_gamma;
        }
        // W / eta, and the scales of W and of lambda.
        let y0 = w0.fma(x0, dot(simd, w1, c1));
        let by_x = (x0 + y0) * inverse_one_w0;
        let scale = header[scaled::INVERSE_ROOT_Z];
        *c0 = scale.fma(y0, s0);
        for i in 0..n {
            c1[i] = scale.fma(by_x.fma(w1[i], c1[i]), s1[i]);
        }
    }

    #[inline(always)]
    fn step_length<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        (s, z): Pair<'_, S>,
        (ds, dz): Pair<'_, S>,
        limit: V<S>,
        scratch: &mut [V<S>],
    ) -> V<S> {
        if self.dim == 0 {
            return limit;
        }
        let length = exit(simd, (s, data[scaled::DET_S]), ds, limit, scratch);
        exit(simd, (z, data[scaled::DET_Z]), dz, length, scratch)
    }

    #[inline(always)]
    fn projection<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        mu: V<S>,
        s: &mut [V<S>],
        data: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        let (Some((&t, u)), Some((s0, s1))) = (v.split_first(), s.split_first_mut()) else {
            return;
        };
        let (zero, one, half) = (V::splat(simd, 0.0), V::splat(simd, 1.0), V::splat(simd, 0.5));
        let (header, axis) = data.split_at_mut(projected::HEADER);

        let norm = dot(simd, u, u).sqrt();
        // Squares of anything smaller would not have their full precision.
        let tiny = norm.lt(V::splat(simd, 1e-140));
        let norm = tiny.select(zero, norm);
        let inverse = tiny.select(zero, one / norm);
        for (axis, &u) in axis.iter_mut().zip(u) {
            *axis = u * inverse;
        }
        if let Some(first) = axis.first_mut() {
            *first = tiny.select(one, *first);
        }

        let exact = mu.le(zero);
        let kinked = !(!exact).any();
        let (plus, minus) = if kinked {
            (Eigenvalue::exact(t + norm), Eigenvalue::exact(t - norm))
        } else {
            (Eigenvalue::new(t + norm, mu, exact), Eigenvalue::new(t - norm, mu, exact))
        };
        let sum = plus.size + minus.size;
        let at_tip = sum.le(zero);
        // Quotients are exactly 0 or 1 where all of v is in K or in its polar.
        let d_rest = at_tip.select(zero, (plus.s + minus.s) / sum);
        let c_rest = at_tip.select(one, (plus.z + minus.z) / sum);
        let inside = exact & minus.s.gt(zero);

        *s0 = inside.select(t, half * (plus.s + minus.s));
        for (s, &u) in s1.iter_mut().zip(u) {
            *s = d_rest * u;
        }
        header[projected::D_PLUS] = plus.d;
        header[projected::C_PLUS] = plus.c;
        header[projected::D_MINUS] = minus.d;
        header[projected::C_MINUS] = minus.c;
        header[projected::D_REST] = d_rest;
        header[projected::C_REST] = c_rest;
        header[projected::DELTA] = delta(simd, plus.c, minus.c);
    }

    #[inline(always)]
    fn write_projection_block<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        h: &mut [V<S>],
        _scratch: &mut [V<S>],
    ) {
        if self.dim == 0 {
            return;
        }
        let (zero, one, half) = (V::splat(simd, 0.0), V::splat(simd, 1.0), V::splat(simd, 0.5));
        let (plus, minus, rest) = eigenvalues(data, Function::Block);
        let axis = &data[projected::HEADER..];
        let sum = plus + minus;
        let (tip, column) = (half * sum, half * (plus - minus));
        if !is_expanded(self.dim) {
            Dense { tip, column, outer: tip - rest, diagonal: rest }.write(axis, h);
            return;
        }
        // As for the scaling, where plus * minus = rest^2. With plus >= rest >= minus >= 0 the
        // square of v1 is not negative; and where D = 0, so is everything here.
        let some = sum.gt(zero);
        let g0 = some.select(plus * minus / sum, zero);
        let u0 = (tip - g0).sqrt();
        let inverse_u0 = some.select(one / u0, zero);
        let shared = half * plus * minus * inverse_u0 * inverse_u0;
        let v1 = zero.max(rest - shared).sqrt();
        Expanded { tip, g0, g: rest, u0, u1: column * inverse_u0, v1 }.write(axis, h);
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
        let (Some((&x0, x1)), Some((y0, y1))) = (x.split_first(), y.split_first_mut()) else {
            return;
        };
        let half = V::splat(simd, 0.5);
        let (plus, minus, rest) = eigenvalues(data, f);
        let n = self.dim - 1;
        let (axis, x1, y1) = (&data[projected::HEADER..][..n], &x1[..n], &mut y1[..n]);
        // Differences first: they are zero where all eigenvalues are equal, and y = f x exactly.
        let along = dot(simd, axis, x1);
        let on_plus = half * (plus - rest) * (x0 + along);
        let on_minus = half * (minus - rest) * (x0 - along);
        *y0 = rest.fma(x0, on_plus + on_minus);
        let on_axis = on_plus - on_minus;
        for i in 0..n {
            y1[i] = rest.fma(x1[i], on_axis * axis[i]);
        }
    }

    /// Inside K and inside its polar the projection is linear: the step made z or s zero.
    #[inline(always)]
    fn newton_point<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        (s, z): Pair<'_, S>,
        mu: V<S>,
        v: &mut [V<S>],
    ) {
        if self.dim == 0 {
            return;
        }
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let exact = mu.le(zero);
        let inside = exact & data[projected::D_MINUS].ge(one);
        let polar = exact & data[projected::D_PLUS].le(zero);
        for i in 0..v.len() {
            let s = polar.select(zero, s[i]);
            let z = inside.select(zero, z[i]);
            v[i] = s - z;
        }
    }

    #[inline(always)]
    fn weakly_active<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        _data: &[V<S>],
        margin: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let Some((&t, u)) = v.split_first() else { return zero };
        let norm = dot(simd, u, u).sqrt();
        let plus = (t + norm).abs().le(margin);
        let minus = (t - norm).abs().le(margin);
        let all = V::splat(simd, self.dim as f64);
        (plus & minus).select(all, (plus | minus).select(one, zero))
    }
}

/// An eigenvalue of v = s - z: its parts s >= 0 and z >= 0, and the derivative of s.
struct Eigenvalue<S: Simd> {
    s: V<S>,
    z: V<S>,
    /// s + z.
    size: V<S>,
    d: V<S>,
    /// 1 - d.
    c: V<S>,
}

impl<S: Simd> Eigenvalue<S> {
    /// At mu = 0.
    #[inline(always)]
    fn exact(a: V<S>) -> Self {
        let (zero, one) = (a.like(0.0), a.like(1.0));
        let (up, down) = (a.gt(zero), a.le(zero));
        Self {
            // NaN stays in both.
            s: down.select(zero, a),
            z: up.select(zero, -a),
            size: a.abs(),
            d: up.select(one, zero),
            c: up.select(zero, one),
        }
    }

    /// At mu = 0 in the lanes in `exact`, else s z = mu; without cancellation for either sign of a.
    #[inline(always)]
    fn new(a: V<S>, mu: V<S>, exact: M<S>) -> Self {
        let root = a.fma(a, a.like(4.0) * mu).sqrt();
        let large = a.like(0.5) * (a.abs() + root);
        let small = mu / large;
        let (major, minor) = (large / root, small / root);
        let up = a.ge(a.like(0.0));
        let kinked = Self::exact(a);
        Self {
            s: exact.select(kinked.s, up.select(large, small)),
            z: exact.select(kinked.z, up.select(small, large)),
            size: exact.select(kinked.size, root),
            d: exact.select(kinked.d, up.select(major, minor)),
            c: exact.select(kinked.c, up.select(minor, major)),
        }
    }
}

/// The delta of [`Function`]: keeps the eigenvalues of the block within a factor of [`STEEPEST`]
/// where the largest and the smallest 1 - d are further apart.
#[inline(always)]
fn delta<S: Simd>(simd: S, c_plus: V<S>, c_minus: V<S>) -> V<S> {
    let steep = V::splat(simd, 1.0 / STEEPEST) * c_minus;
    c_plus.lt(steep).select(steep, V::splat(simd, 0.0)).max(V::splat(simd, 1.0 / FREE))
}

/// A function of D on w+, on w- and on the rest.
#[inline(always)]
fn eigenvalues<S: Simd>(data: &[V<S>], f: Function) -> (V<S>, V<S>, V<S>) {
    let delta = data[projected::DELTA];
    (
        f.at(data[projected::D_PLUS], data[projected::C_PLUS], delta),
        f.at(data[projected::D_MINUS], data[projected::C_MINUS], delta),
        f.at(data[projected::D_REST], data[projected::C_REST], delta),
    )
}

/// x'y: four partial sums, always in the same order.
#[inline(always)]
fn dot<S: Simd>(simd: S, x: &[V<S>], y: &[V<S>]) -> V<S> {
    let mut sums = [V::splat(simd, 0.0); 4];
    let (x, x_rest) = x.as_chunks::<4>();
    let (y, y_rest) = y.as_chunks::<4>();
    for (x, y) in x.iter().zip(y) {
        for k in 0..4 {
            sums[k] = x[k].fma(y[k], sums[k]);
        }
    }
    for ((sum, &x), &y) in sums.iter_mut().zip(x_rest).zip(y_rest) {
        *sum = x.fma(y, *sum);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// t - |u| of a point inside; a rounding error does not bring it to zero.
#[inline(always)]
fn gap<S: Simd>(t: V<S>, norm: V<S>) -> V<S> {
    (t * t.like(f64::EPSILON)).max(t - norm)
}

/// The largest a, at most `limit`, with x + a d in K; `det` = det x > 0.
///
/// With d = r x + (0, e) the point is (1 + a r) (x + b (0, e)), 1 / a = 1 / b - r, and it is on the
/// boundary where |e|^2 b^2 + 2 (x1.e) b = det x. No step cancels here, so that what is left of
/// t - |u| at the end is a rounding error of t, also where the end is near the tip. (The same root
/// as a quadratic equation for a, or by the rotation that maps x to e, loses half of the digits
/// or |x|^2 / det x of them.)
#[inline(always)]
fn exit<S: Simd>(
    simd: S,
    (x, det): (&[V<S>], V<S>),
    d: &[V<S>],
    limit: V<S>,
    scratch: &mut [V<S>],
) -> V<S> {
    let zero = V::splat(simd, 0.0);
    let (Some((&x0, x1)), Some((&d0, d1))) = (x.split_first(), d.split_first()) else {
        return limit;
    };
    let r = d0 / x0;
    let e = &mut scratch[..x1.len()];
    for ((e, &x), &d) in e.iter_mut().zip(x1).zip(d1) {
        *e = r.nfma(x, d);
    }
    let (product, square) = (dot(simd, x1, e), dot(simd, e, e));
    let root = product.fma(product, square * det).sqrt();
    // 1 / b = above / below.
    let inward = product.lt(zero);
    let above = inward.select(square, root + product);
    let below = inward.select(root - product, det);
    let inverse = x0.fma(above, -(d0 * below));
    let length = inverse.gt(zero).select(x0 * below / inverse, limit).min(limit);
    // Zero, or NaN where the direction is not finite.
    length + inverse * zero
}

/// Adds to t what brings the smaller eigenvalue to a safe distance from zero.
#[inline(always)]
fn shift<S: Simd>(simd: S, x: &mut [V<S>]) {
    let (zero, half) = (V::splat(simd, 0.0), V::splat(simd, 0.5));
    let Some((t, u)) = x.split_first_mut() else { return };
    let norm = dot(simd, u, u).sqrt();
    let (least, most) = (*t - norm, *t + norm);
    let size = half * (least.max(zero) + most.max(zero));
    let target = V::splat(simd, 0.1) * size.max(V::splat(simd, 1.0));
    *t += (target - least).max(zero);
}

#[cfg(test)]
mod tests;
