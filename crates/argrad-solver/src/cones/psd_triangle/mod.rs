//! The cone of positive semidefinite matrices of side n, as vectors of their upper triangle stacked
//! by columns with off-diagonals times sqrt 2, so that the inner product of vectors is that of
//! matrices. Self-dual, barrier -log det S, degree n, n (n + 1) / 2 rows.
//!
//! **Nesterov-Todd scaling** (Todd, Toh, Tutuncu: On the Nesterov-Todd direction in semidefinite
//! programming, 1998). With the Cholesky factor S = L L' and the eigenvectors L' Z L = Q Lambda^2
//! Q', the matrix R = L Q Lambda^(-1/2) takes S and Z to the same diagonal matrix,
//!
//! ```text
//! R^-1 S R^-T = R' Z R = Lambda,     H X = W X W with W = R R',     W Z W = S.
//! ```
//!
//! Central points have Lambda^2 = mu I, so the eigenvalue problem is well conditioned where S and Z
//! are not.
//!
//! **Projection.** With V = U diag(l) U' and r_i = sqrt(l_i^2 + 4 mu), the solution of S - Z = V, S
//! Z = mu I has the eigenvalues s_i = (l_i + r_i) / 2 and z_i = (r_i - l_i) / 2. Its derivative
//! maps X to U (d .* (U' X U)) U' with
//!
//! ```text
//! d_ij = (s_i + s_j) / (r_i + r_j),     1 - d_ij = (z_i + z_j) / (r_i + r_j),
//! ```
//!
//! which at mu = 0 is the projection onto the cone (Malick, Sendov: Clarke generalized Jacobian of
//! the projection onto the cone of positive semidefinite matrices, 2006). At 0 / 0, d = 0, as for
//! the half line, where v > 0 decides.

mod block;
mod inverse;

use pulp::Simd;

use super::cone::{dense_triangle, dense_triangle_len};
use super::{FREE, Function, LaneCone, Pair, STEEPEST};
use crate::lanes::{M, V};
use crate::linalg::dense::{
    Entries, Support, cholesky, congruence, divide_by_factor, eigen, eigen_scratch_len,
    least_eigenvalues, least_scratch_len, row_products, scale_off_diagonals, set_both, transpose,
    triangle_index, triangle_len, unpack,
};

use block::{divided_differences_scratch_len, write_divided_differences, write_symmetric_products};

pub(crate) use inverse::{Argument, InverseBlock, add_row, apply_scratch_len};

use inverse::inverse_len;

/// Positive semidefinite matrices with `side` rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PsdTriangle {
    pub(crate) side: usize,
    /// Whether the rows are eliminated by the inverse of the block: what is written of a block are
    /// the parts of an [`InverseBlock`], not entries.
    pub(crate) eliminated: bool,
}

/// Cuts the next `len` registers off.
#[inline(always)]
fn cut<'a, S: Simd>(memory: &mut &'a mut [V<S>], len: usize) -> &'a mut [V<S>] {
    let (head, tail) = std::mem::take(memory).split_at_mut(len);
    *memory = tail;
    head
}

/// The data of the scaling. Matrices are row by row.
struct ScalingData<'a, S: Simd> {
    lambda: &'a [V<S>],
    /// lambda^(-1/2).
    inverse_roots: &'a [V<S>],
    /// R.
    r: &'a [V<S>],
    /// R'.
    r_transposed: &'a [V<S>],
    /// R^-1.
    r_inverse: &'a [V<S>],
    /// W = R R'.
    w: &'a [V<S>],
}

impl<'a, S: Simd> ScalingData<'a, S> {
    #[inline(always)]
    fn of(side: usize, data: &'a [V<S>]) -> Self {
        let (lambda, data) = data.split_at(side);
        let (inverse_roots, data) = data.split_at(side);
        let (r, data) = data.split_at(side * side);
        let (r_transposed, data) = data.split_at(side * side);
        let (r_inverse, w) = data.split_at(side * side);
        Self { lambda, inverse_roots, r, r_transposed, r_inverse, w }
    }
}

/// The data of the projection.
struct ProjectionData<'a, S: Simd> {
    delta: V<S>,
    /// Eigenvalues of V.
    values: &'a [V<S>],
    /// d_ij and 1 - d_ij, upper triangles stacked by columns.
    d: &'a [V<S>],
    complement: &'a [V<S>],
    /// U', one eigenvector per row.
    vectors: &'a [V<S>],
    /// U.
    u: &'a [V<S>],
}

impl<'a, S: Simd> ProjectionData<'a, S> {
    #[inline(always)]
    fn of(side: usize, data: &'a [V<S>]) -> Self {
        let (delta, data) = data.split_at(1);
        let (values, data) = data.split_at(side);
        let (d, data) = data.split_at(triangle_len(side));
        let (complement, data) = data.split_at(triangle_len(side));
        let (vectors, u) = data.split_at(side * side);
        Self { delta: delta[0], values, d, complement, vectors, u }
    }
}

impl PsdTriangle {
    pub(crate) fn new(side: usize, eliminated: bool) -> Self {
        Self { side, eliminated }
    }

    /// The directions (ds, dz) as the scaling sees them: R^-1 ds R^-T and R' dz R.
    #[inline(always)]
    fn scaled_directions<S: Simd>(
        &self,
        simd: S,
        scaling: &ScalingData<'_, S>,
        (ds, dz): Pair<'_, S>,
        (scaled_ds, scaled_dz): (&mut [V<S>], &mut [V<S>]),
        (x, t): (&mut [V<S>], &mut [V<S>]),
    ) {
        let n = self.side;
        unpack(simd, n, ds, x);
        congruence(simd, n, scaling.r_inverse, x, t, (Entries::Symmetric, scaled_ds));
        unpack(simd, n, dz, x);
        congruence(simd, n, scaling.r_transposed, x, t, (Entries::Symmetric, scaled_dz));
    }

    /// Adds the multiple of the identity that brings the least eigenvalue to a safe distance from
    /// zero.
    #[inline(always)]
    fn shift<S: Simd>(&self, simd: S, x: &mut [V<S>], mut scratch: &mut [V<S>]) {
        let n = self.side;
        let zero = V::splat(simd, 0.0);
        let a = cut(&mut scratch, n * n);
        let values = cut(&mut scratch, n);
        unpack(simd, n, x, a);
        eigen(simd, n, a, &mut [], values, scratch);
        let mut least = V::splat(simd, f64::INFINITY);
        let mut positive = zero;
        for &value in values.iter() {
            least = value.min(least);
            positive += value.max(zero);
        }
        let mean = positive / V::splat(simd, n.max(1) as f64);
        let target = V::splat(simd, 0.1) * mean.max(V::splat(simd, 1.0));
        let amount = (target - least).max(zero);
        for j in 0..n {
            x[triangle_index(j, j)] += amount;
        }
    }
}

impl LaneCone for PsdTriangle {
    fn dim(&self) -> usize {
        triangle_len(self.side)
    }

    fn degree(&self) -> usize {
        self.side
    }

    fn h_entries(&self) -> Vec<(usize, usize)> {
        if self.eliminated { Vec::new() } else { dense_triangle(self.dim()) }
    }

    fn h_len(&self) -> usize {
        if self.eliminated { inverse_len(self.side) } else { dense_triangle_len(self.dim()) }
    }

    fn scaling_len(&self) -> usize {
        2 * self.side + 4 * self.side * self.side
    }

    fn projection_len(&self) -> usize {
        1 + self.side + 2 * self.dim() + 2 * self.side * self.side
    }

    fn scratch_len(&self) -> usize {
        let n = self.side;
        let square = n * n;
        let step = 2 * square + least_scratch_len(n, 2).max(2 * square);
        let entries = if self.eliminated { 0 } else { divided_differences_scratch_len(n) };
        let block = square + entries;
        let spectrum = 2 * square + 3 * n + eigen_scratch_len(n);
        step.max(block).max(spectrum)
    }

    #[inline(always)]
    fn unit<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>]) {
        for x in [s, z] {
            x.fill(V::splat(simd, 0.0));
            for j in 0..self.side {
                x[triangle_index(j, j)] = V::splat(simd, 1.0);
            }
        }
    }

    #[inline(always)]
    fn shift_inside<S: Simd>(&self, simd: S, s: &mut [V<S>], z: &mut [V<S>], scratch: &mut [V<S>]) {
        self.shift(simd, s, scratch);
        self.shift(simd, z, scratch);
    }

    #[inline(always)]
    fn scaling<S: Simd>(
        &self,
        simd: S,
        (s, z): Pair<'_, S>,
        _mu: V<S>,
        mut data: &mut [V<S>],
        mut scratch: &mut [V<S>],
    ) {
        let n = self.side;
        let lambda = cut(&mut data, n);
        let inverse_roots = cut(&mut data, n);
        let r = cut(&mut data, n * n);
        let r_transposed = cut(&mut data, n * n);
        let r_inverse = cut(&mut data, n * n);
        let w = data;
        let l = cut(&mut scratch, n * n);
        let m = cut(&mut scratch, n * n);
        let inverses = cut(&mut scratch, n);

        // M = L' Z L; until they are known, the places of R serve as memory.
        unpack(simd, n, s, l);
        cholesky(simd, n, l, inverses);
        let (l_transposed, product) = (&mut *r_transposed, &mut *r);
        transpose(n, l, l_transposed);
        unpack(simd, n, z, m);
        let upper = (&*l_transposed, Support::Upper);
        row_products(simd, n, upper, m, (Entries::Full, product));
        row_products(simd, n, upper, product, (Entries::Symmetric, m));

        // The rows of R^-1 begin as those of Q'.
        eigen(simd, n, m, r_inverse, lambda, scratch);
        for k in 0..n {
            lambda[k] = lambda[k].sqrt();
            inverse_roots[k] = V::splat(simd, 1.0) / lambda[k].sqrt();
        }
        row_products(simd, n, (l, Support::Lower), r_inverse, (Entries::Full, r));
        for row in r.chunks_exact_mut(n.max(1)) {
            for (x, &inverse_root) in row.iter_mut().zip(inverse_roots.iter()) {
                *x *= inverse_root;
            }
        }
        transpose(n, r, r_transposed);
        row_products(simd, n, (r, Support::Full), r, (Entries::Symmetric, w));
        divide_by_factor(n, l, inverses, r_inverse);
        for k in 0..n {
            let root = lambda[k] * inverse_roots[k];
            for x in &mut r_inverse[k * n..(k + 1) * n] {
                *x *= root;
            }
        }
    }

    #[inline(always)]
    fn write_scaling_block<S: Simd>(&self, simd: S, data: &[V<S>], mut h: &mut [V<S>]) {
        let n = self.side;
        let data = ScalingData::of(n, data);
        if self.eliminated {
            cut(&mut h, n * n).copy_from_slice(data.r_inverse);
            transpose(n, data.r_inverse, cut(&mut h, n * n));
            h.fill(V::splat(simd, 1.0));
        } else {
            write_symmetric_products(simd, n, data.w, h);
        }
    }

    #[inline(always)]
    fn multiply_scaling<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        x: &[V<S>],
        y: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let n = self.side;
        let (m, scratch) = scratch.split_at_mut(n * n);
        unpack(simd, n, x, m);
        let w = ScalingData::of(n, data).w;
        congruence(simd, n, w, m, &mut scratch[..n * n], (Entries::Triangle, y));
        scale_off_diagonals(simd, n, y);
    }

    /// c = R Y R' with Lambda o Y = Lambda^2 + (R^-1 ds R^-T) o (R' dz R) - target I, where A o B =
    /// (A B + B A) / 2; the share of Lambda^2 is S.
    #[inline(always)]
    fn combined_constant<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        (s, _): Pair<'_, S>,
        affine: Pair<'_, S>,
        target: V<S>,
        c: &mut [V<S>],
        mut scratch: &mut [V<S>],
    ) {
        let n = self.side;
        let scaling = ScalingData::of(n, data);
        let ds = cut(&mut scratch, n * n);
        let dz = cut(&mut scratch, n * n);
        let x = cut(&mut scratch, n * n);
        let t = cut(&mut scratch, n * n);
        self.scaled_directions(simd, &scaling, affine, (ds, dz), (x, t));
        row_products(simd, n, (ds, Support::Full), dz, (Entries::Full, t));
        let twice_target = target + target;
        for i in 0..n {
            for j in 0..=i {
                let twice = t[i * n + j] + t[j * n + i];
                let twice = if i == j { twice - twice_target } else { twice };
                let value = twice / (scaling.lambda[i] + scaling.lambda[j]);
                set_both(n, x, (i, j), value);
            }
        }
        congruence(simd, n, scaling.r, x, t, (Entries::Triangle, c));
        scale_off_diagonals(simd, n, c);
        for (c, &s) in c.iter_mut().zip(s) {
            *c += s;
        }
    }

    /// The step to the boundary is that of Lambda + a R^-1 ds R^-T and of Lambda + a R' dz R: the
    /// inverse of minus the least eigenvalue of the direction, scaled by Lambda^(-1/2) from both
    /// sides.
    #[inline(always)]
    fn step_length<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        _point: Pair<'_, S>,
        direction: Pair<'_, S>,
        limit: V<S>,
        mut scratch: &mut [V<S>],
    ) -> V<S> {
        let n = self.side;
        if n == 0 {
            return limit;
        }
        let scaling = ScalingData::of(n, data);
        let ds = cut(&mut scratch, n * n);
        let dz = cut(&mut scratch, n * n);
        let (x, t) = scratch[..2 * n * n].split_at_mut(n * n);
        self.scaled_directions(simd, &scaling, direction, (ds, dz), (x, t));
        let roots = scaling.inverse_roots;
        for i in 0..n {
            for j in 0..n {
                let factor = roots[i] * roots[j];
                ds[i * n + j] *= factor;
                dz[i * n + j] *= factor;
            }
        }
        let one = V::splat(simd, 1.0);
        let [s, z] = least_eigenvalues(simd, n, [ds, dz], -(one / limit), scratch);
        let steepest = -s.min(z);
        let step = (steepest * limit).gt(one).select(one / steepest, limit);
        // NaN where an eigenvalue is: the minimum may have lost it.
        let zero = V::splat(simd, 0.0);
        s.fma(zero, z.fma(zero, step))
    }

    #[inline(always)]
    fn projection<S: Simd>(
        &self,
        simd: S,
        v: &[V<S>],
        mu: V<S>,
        s: &mut [V<S>],
        mut data: &mut [V<S>],
        mut scratch: &mut [V<S>],
    ) {
        let n = self.side;
        let delta = cut(&mut data, 1);
        let values = cut(&mut data, n);
        let d = cut(&mut data, self.dim());
        let complement = cut(&mut data, self.dim());
        let vectors = cut(&mut data, n * n);
        let u = data;
        let a = cut(&mut scratch, n * n);
        let s_values = cut(&mut scratch, n);
        let z_values = cut(&mut scratch, n);

        unpack(simd, n, v, a);
        eigen(simd, n, a, vectors, values, scratch);
        transpose(n, vectors, u);
        for k in 0..n {
            (s_values[k], z_values[k]) = split(values[k], mu);
        }
        let (inside, polar) = trivial_lanes(simd, values, mu);

        for i in 0..n {
            for k in 0..n {
                a[i * n + k] = u[i * n + k] * s_values[k];
            }
        }
        row_products(simd, n, (a, Support::Full), u, (Entries::Triangle, s));
        scale_off_diagonals(simd, n, s);
        for (s, &v) in s.iter_mut().zip(v) {
            *s = inside.select(v, *s);
        }
        for j in 0..n {
            for i in 0..=j {
                let at = triangle_index(i, j);
                (d[at], complement[at]) =
                    derivative((s_values[i], z_values[i]), (s_values[j], z_values[j]));
            }
        }
        // Where D is 0 or I, any basis serves; the identity makes its functions exact.
        let trivial = inside | polar;
        for i in 0..n {
            for j in 0..n {
                let at = i * n + j;
                let identity = V::splat(simd, if i == j { 1.0 } else { 0.0 });
                vectors[at] = trivial.select(identity, vectors[at]);
                u[at] = trivial.select(identity, u[at]);
            }
        }
        delta[0] = inside.select(V::splat(simd, 1.0 / FREE), V::splat(simd, 1.0 / STEEPEST));
    }

    #[inline(always)]
    fn write_projection_block<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        mut h: &mut [V<S>],
        scratch: &mut [V<S>],
    ) {
        let n = self.side;
        let data = ProjectionData::of(n, data);
        if self.eliminated {
            cut(&mut h, n * n).copy_from_slice(data.vectors);
            cut(&mut h, n * n).copy_from_slice(data.u);
            for ((h, &d), &complement) in h.iter_mut().zip(data.d).zip(data.complement) {
                *h = Function::Block.at(d, complement, data.delta);
            }
            return;
        }
        let (f, scratch) = scratch.split_at_mut(n * n);
        for j in 0..n {
            for i in 0..=j {
                let at = triangle_index(i, j);
                let value = Function::Block.at(data.d[at], data.complement[at], data.delta);
                set_both(n, f, (i, j), value);
            }
        }
        write_divided_differences(simd, n, data.u, f, h, scratch);
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &self,
        simd: S,
        data: &[V<S>],
        f: Function,
        x: &[V<S>],
        y: &mut [V<S>],
        mut scratch: &mut [V<S>],
    ) {
        let n = self.side;
        let data = ProjectionData::of(n, data);
        let a = cut(&mut scratch, n * n);
        let b = cut(&mut scratch, self.dim());
        let t = cut(&mut scratch, n * n);
        unpack(simd, n, x, a);
        congruence(simd, n, data.vectors, a, t, (Entries::Triangle, b));
        for j in 0..n {
            for i in 0..=j {
                let at = triangle_index(i, j);
                let factor = f.at(data.d[at], data.complement[at], data.delta);
                set_both(n, a, (i, j), b[at] * factor);
            }
        }
        congruence(simd, n, data.u, a, t, (Entries::Triangle, y));
        scale_off_diagonals(simd, n, y);
    }

    /// With k eigenvalues within the margin, the k (k + 1) / 2 symmetric products of their
    /// eigenvectors.
    ///
    /// When such an eigenvalue l_i crosses zero, d_ij jumps between 0 and 1 for j = i and, in turn,
    /// for the other j within the margin; the generalized Jacobian at the kink acts on the block of
    /// these eigenvectors as that of the projection at 0 does, and only there. Towards an l_j
    /// beyond the margin, d_ij is within margin / (margin + |l_j|) of 0 or 1 and continuous: that
    /// is curvature.
    #[inline(always)]
    fn weakly_active<S: Simd>(
        &self,
        simd: S,
        _v: &[V<S>],
        data: &[V<S>],
        margin: V<S>,
        _scratch: &mut [V<S>],
    ) -> V<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let mut count = zero;
        for &value in ProjectionData::of(self.side, data).values {
            count += value.abs().le(margin).select(one, zero);
        }
        V::splat(simd, 0.5) * count * (count + one)
    }
}

/// s >= 0 and z >= 0 with s - z = value, s z = mu, without cancellation.
#[inline(always)]
fn split<S: Simd>(value: V<S>, mu: V<S>) -> (V<S>, V<S>) {
    let zero = value.like(0.0);
    let smooth = mu.gt(zero);
    let size = value.abs();
    let root = smooth.select(value.fma(value, value.like(4.0) * mu).sqrt(), size);
    let large = value.like(0.5) * (size + root);
    let small = smooth.select(mu / large, zero);
    let positive = value.gt(zero);
    (positive.select(large, small), positive.select(small, large))
}

/// d_ij and 1 - d_ij from the eigenvalues of (S, Z) for i and j.
#[inline(always)]
fn derivative<S: Simd>((si, zi): (V<S>, V<S>), (sj, zj): (V<S>, V<S>)) -> (V<S>, V<S>) {
    let zero = si.like(0.0);
    let one = si.like(1.0);
    let (s, z) = (si + sj, zi + zj);
    let sum = s + z;
    let kink = sum.le(zero);
    let inverse = one / sum;
    // At mu = 0 a numerator may be equal to the sum: then the quotient has to be 1.
    let d = s.ge(sum).select(one, s * inverse);
    let complement = z.ge(sum).select(one, z * inverse);
    (kink.select(zero, d), kink.select(one, complement))
}

/// The lanes with D = I, and those with D = 0.
#[inline(always)]
fn trivial_lanes<S: Simd>(simd: S, values: &[V<S>], mu: V<S>) -> (M<S>, M<S>) {
    let zero = V::splat(simd, 0.0);
    let exact = mu.le(zero);
    let (mut inside, mut polar) = (exact, exact);
    for &value in values {
        inside = inside & value.gt(zero);
        polar = polar & value.le(zero);
    }
    (inside, polar)
}

#[cfg(test)]
mod tests;
