//! Projection onto the power cones K = {(x, w): prod x_i^a_i >= |w|, x >= 0}, and its derivative.
//!
//! [`Equation`] gives the projection's parts X - Z = x, r + t = |w|. Differentiating its equations
//! leads to the derivative. In the coordinates (x, ŵ'w), with S = X + Z, b_i = a_i / S_i, c = r t,
//! R and T = 1 - R the derivatives of log r and log t in log c, all positive sums:
//! ```text
//! D = [ diag(X / S) - (r - t) h b b'    h b              ]     h = c / (r R + t T)
//!     [ h b'                            r R / (r R + t T) ]
//! ```
//! I - D is the same with X and Z, r and t exchanged (and -h b). On the w orthogonal to ŵ, D is
//! r / (r + t). Where mu = 0 the eigenvalue 1 belongs to the point s itself and the eigenvalue 0 to
//! z, as for every cone's smooth boundary; two reflections split them off exactly, and rotations
//! diagonalize the remaining block. Of D and I - D, the smaller is diagonalized, for the sake of
//! 1 - d near K.
//!
//! Inside of K and of -K*, and where w = 0 and v is in neither, D is diagonal. In the last case P
//! is max(x, 0), and D on w is 1 or 0 where the exponents of x > 0 or those of x < 0 weigh
//! more, by the limit of r / (r + t).

use pulp::Simd;

use super::barrier::Parameters;
use super::root::{Equation, Split};
use crate::cones::{FREE, Function, STEEPEST};
use crate::lanes::{M, V};
use crate::linalg::dense::householder::{congruence, dot, normalize, reflect, reflector};
use crate::linalg::dense::{eigen, eigen_scratch_len, set_both};

/// Where the data of a projection are.
struct Layout {
    /// Exponents.
    k: usize,
    /// Coordinates with a basis: x and ŵ.
    n: usize,
    norm_dim: usize,
}

impl Layout {
    #[inline(always)]
    fn new(parameters: Parameters<'_>) -> Self {
        let k = parameters.alpha.len();
        Self { k, n: k + 1, norm_dim: parameters.norm_dim }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        let Self { k, n, norm_dim } = *self;
        n * n + 2 * n + norm_dim + 2 * k + 5
    }

    #[inline(always)]
    fn read<'a, S: Simd>(&self, data: &'a [V<S>]) -> ProjectionData<'a, S> {
        let Self { k, n, norm_dim } = *self;
        let (basis, data) = data.split_at(n * n);
        let (d, data) = data.split_at(n);
        let (complement, data) = data.split_at(n);
        let (axis, data) = data.split_at(norm_dim);
        let (x, data) = data.split_at(k);
        let (z, rest) = data.split_at(k);
        let across = (rest[0], rest[1]);
        ProjectionData {
            basis,
            d,
            complement,
            axis,
            x,
            z,
            across,
            delta: rest[2],
            r: rest[3],
            t: rest[4],
        }
    }

    #[inline(always)]
    fn write<'a, S: Simd>(&self, data: &'a mut [V<S>]) -> ProjectionDataMut<'a, S> {
        let Self { k, n, norm_dim } = *self;
        let (basis, data) = data.split_at_mut(n * n);
        let (d, data) = data.split_at_mut(n);
        let (complement, data) = data.split_at_mut(n);
        let (axis, data) = data.split_at_mut(norm_dim);
        let (x, data) = data.split_at_mut(k);
        let (z, rest) = data.split_at_mut(k);
        ProjectionDataMut { basis, d, complement, axis, x, z, rest }
    }
}

/// The data of a projection.
struct ProjectionData<'a, S: Simd> {
    /// Eigenvectors in the coordinates (x, ŵ'w), one per row.
    basis: &'a [V<S>],
    /// Their eigenvalues d and 1 - d.
    d: &'a [V<S>],
    complement: &'a [V<S>],
    /// ŵ.
    axis: &'a [V<S>],
    /// X and Z.
    x: &'a [V<S>],
    z: &'a [V<S>],
    /// d and 1 - d on the w orthogonal to ŵ.
    across: (V<S>, V<S>),
    delta: V<S>,
    r: V<S>,
    t: V<S>,
}

/// The same, to be written; the single registers are in `rest`, in the order above.
struct ProjectionDataMut<'a, S: Simd> {
    basis: &'a mut [V<S>],
    d: &'a mut [V<S>],
    complement: &'a mut [V<S>],
    axis: &'a mut [V<S>],
    x: &'a mut [V<S>],
    z: &'a mut [V<S>],
    rest: &'a mut [V<S>],
}

impl<S: Simd> ProjectionData<'_, S> {
    /// The function at eigenvector `j`.
    #[inline(always)]
    fn at(&self, f: Function, j: usize) -> V<S> {
        f.at(self.d[j], self.complement[j], self.delta)
    }

    /// The function on the w orthogonal to ŵ.
    #[inline(always)]
    fn at_across(&self, f: Function) -> V<S> {
        f.at(self.across.0, self.across.1, self.delta)
    }
}

pub(in crate::cones) fn projection_len(parameters: Parameters<'_>) -> usize {
    Layout::new(parameters).len()
}

pub(in crate::cones) fn projection_scratch_len(parameters: Parameters<'_>) -> usize {
    let n = parameters.alpha.len() + 1;
    n * n + 5 * n + eigen_scratch_len(n)
}

/// The lanes in which D is diagonal.
pub(in crate::cones) struct Cases<S: Simd> {
    /// v in K.
    inside: M<S>,
    /// v in -K*.
    polar: M<S>,
    /// w = 0 and v in neither.
    axis: M<S>,
    pub(in crate::cones) diagonal: M<S>,
}

impl<S: Simd> Cases<S> {
    #[inline(always)]
    fn new(simd: S, equation: &Equation<'_, S>) -> Self {
        let zero = V::splat(simd, 0.0);
        let exact = equation.mu.le(zero);
        let full = exact & equation.base.ge(equation.norm);
        let inside = full & equation.above;
        let polar = full & equation.below & !inside;
        let axis = exact & equation.norm.le(zero) & !(inside | polar);
        Self { inside, polar, axis, diagonal: inside | polar | axis }
    }

    /// Exact shares of r and t, from those of the equation.
    #[inline(always)]
    fn shares(&self, simd: S, equation: &Equation<'_, S>, (r, t): (V<S>, V<S>)) -> (V<S>, V<S>) {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let mut balance = zero;
        for (&x, &alpha) in equation.x.iter().zip(equation.alpha) {
            let alpha = V::splat(simd, alpha);
            balance += x.gt(zero).select(alpha, zero) - x.lt(zero).select(alpha, zero);
        }
        let all_r = self.inside | (self.axis & balance.gt(zero));
        let all_t = self.polar | (self.axis & balance.lt(zero));
        (all_t.select(zero, all_r.select(one, r)), all_r.select(zero, all_t.select(one, t)))
    }
}

/// The equation's solution.
pub(in crate::cones) struct SolvedEquation<'a, S: Simd> {
    pub(in crate::cones) equation: Equation<'a, S>,
    pub(in crate::cones) cases: Cases<S>,
    /// c = r t, without meaning where D is diagonal.
    c: V<S>,
    /// r / (r + t) and t / (r + t).
    pub(in crate::cones) shares: (V<S>, V<S>),
    pub(in crate::cones) r: V<S>,
    pub(in crate::cones) t: V<S>,
}

impl<'a, S: Simd> SolvedEquation<'a, S> {
    #[inline(always)]
    pub(in crate::cones) fn new(simd: S, equation: Equation<'a, S>) -> Self {
        let log = equation.solve(simd);
        let cases = Cases::new(simd, &equation);
        let shares = cases.shares(simd, &equation, equation.shares(simd, log));
        let (r, t) = (shares.0 * equation.norm, shares.1 * equation.norm);
        Self { equation, cases, c: log.exp(), shares, r, t }
    }

    /// X_i and Z_i.
    #[inline(always)]
    pub(in crate::cones) fn parts(&self, simd: S, i: usize) -> (V<S>, V<S>) {
        let (zero, v) = (V::splat(simd, 0.0), self.equation.x[i]);
        let split = Split::new(simd, self.equation.alpha[i], v, self.equation.mu, self.c);
        let diagonal = self.cases.diagonal;
        (diagonal.select(v.max(zero), split.x), diagonal.select((-v).max(zero), split.z))
    }

    /// Entry `i` of D where it is diagonal.
    #[inline(always)]
    pub(in crate::cones) fn diagonal_entry(&self, simd: S, i: usize) -> V<S> {
        let Some(x) = self.equation.x.get(i) else { return self.shares.0 };
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        (self.cases.inside | (self.cases.axis & x.gt(zero))).select(one, zero)
    }

    /// Writes the smaller of D and I - D in the coordinates (x, ŵ'w) to `matrix`, except where D is
    /// diagonal, and (X, r) to `s`, (Z, -t) to `z`. True in the lanes with I - D.
    #[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
    #[inline(always)]
    fn differentiate(
        &self,
        simd: S,
        matrix: &mut [V<S>],
        s: &mut [V<S>],
        z: &mut [V<S>],
        slopes: &mut [V<S>],
    ) -> M<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let Equation { alpha, x, mu, .. } = self.equation;
        let (k, n) = (x.len(), x.len() + 1);
        let whole = V::splat(simd, 2.0).fma(mu, self.c);
        let both = mu / whole;
        // The derivatives T and R of log t and log r.
        let (mut sum_r, mut slope_t) = (zero, both);
        for (i, &alpha) in alpha.iter().enumerate() {
            let split = Split::new(simd, alpha, x[i], mu, self.c);
            let a = V::splat(simd, alpha);
            let b = a / split.sum;
            let smooth = mu * V::splat(simd, 1.0 - alpha) / split.product;
            sum_r = b.fma(smooth.fma(split.x, split.z), sum_r);
            slope_t += b * a * self.c / split.z;
            (s[i], z[i], slopes[i]) = (split.x, split.z, b);
        }
        let slope_r = (self.c / whole).fma(sum_r, both);
        (s[k], z[k]) = (self.r, -self.t);

        let near = dot(z, z).le(dot(s, s)) & !self.cases.diagonal;
        let inverse = one / self.shares.0.fma(slope_r, self.shares.1 * slope_t);
        let h = self.equation.norm * self.shares.0 * self.shares.1 * inverse;
        let sign = near.select(one, -one);
        let outer = sign * (self.r - self.t);
        for i in 0..k {
            let hb = h * slopes[i];
            for j in 0..i {
                set_both(n, matrix, (i, j), hb * (outer * slopes[j]));
            }
            // X / S or Z / S.
            let share = slopes[i] * V::splat(simd, 1.0 / alpha[i]);
            matrix[i * n + i] = hb * (outer * slopes[i]) + near.select(z[i], s[i]) * share;
            set_both(n, matrix, (i, k), -(sign * hb));
        }
        let (on_r, on_t) = (self.shares.0 * slope_r, self.shares.1 * slope_t);
        matrix[k * n + k] = near.select(on_t, on_r) * inverse;
        near
    }

    /// Replaces what is known of the matrix, after the reflections: the first two eigenvalues where
    /// mu = 0, all where D is diagonal.
    #[inline(always)]
    fn insert_known(&self, simd: S, near: M<S>, matrix: &mut [V<S>]) {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        let n = self.equation.x.len() + 1;
        let exact = self.equation.mu.le(zero);
        let split_off = [near.select(zero, one), near.select(one, zero)];
        for i in 0..n {
            for j in 0..n {
                let entry = &mut matrix[i * n + j];
                if i.min(j) < 2 {
                    *entry = exact.select(if i == j { split_off[i] } else { zero }, *entry);
                }
                let known = if i == j { self.diagonal_entry(simd, i) } else { zero };
                *entry = self.cases.diagonal.select(known, *entry);
            }
        }
    }
}

/// s = P(v), for mu > 0 that of the central path, and the data of its derivative.
#[inline(always)]
pub(in crate::cones) fn project<S: Simd>(
    simd: S,
    parameters: Parameters<'_>,
    v: &[V<S>],
    mu: V<S>,
    s: &mut [V<S>],
    data: &mut [V<S>],
    scratch: &mut [V<S>],
) {
    let layout = Layout::new(parameters);
    let (x, scratch) = scratch.split_at_mut(layout.k);
    let (v_x, v_w) = v.split_at(layout.k);
    let unit = scale(simd, v, mu);
    let inverse = V::splat(simd, 1.0) / unit;
    let poison = not_finite(simd, v, mu);
    for (x, &v) in x.iter_mut().zip(v_x) {
        *x = v.fma(inverse, poison);
    }
    let norm = length(simd, v_w, inverse) + poison;
    let mu = mu * inverse * inverse;
    let solution = SolvedEquation::new(simd, Equation::new(simd, parameters.alpha, x, norm, mu));

    let data = layout.write(data);
    let shares = solution.shares;
    diagonalize(simd, &solution, data.basis, data.d, data.complement, scratch);
    direction(simd, v_w, norm, inverse, data.axis);
    let delta =
        solution.cases.diagonal.select(V::splat(simd, 1.0 / FREE), V::splat(simd, 1.0 / STEEPEST));
    data.rest.copy_from_slice(&[shares.0, shares.1, delta, solution.r * unit, solution.t * unit]);
    for i in 0..layout.k {
        let (x, z) = solution.parts(simd, i);
        (data.x[i], data.z[i]) = (x * unit, z * unit);
    }
    let (s_x, s_w) = s.split_at_mut(layout.k);
    s_x.copy_from_slice(data.x);
    for (s, &v) in s_w.iter_mut().zip(v_w) {
        *s = v * shares.0;
    }
}

/// Eigenvectors (rows of `basis`) of D in the coordinates (x, ŵ'w), and the eigenvalues of D and
/// I - D.
#[inline(always)]
fn diagonalize<S: Simd>(
    simd: S,
    solution: &SolvedEquation<'_, S>,
    basis: &mut [V<S>],
    d: &mut [V<S>],
    complement: &mut [V<S>],
    scratch: &mut [V<S>],
) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let n = d.len();
    let (matrix, scratch) = scratch.split_at_mut(n * n);
    let (s, scratch) = scratch.split_at_mut(n);
    let (z, scratch) = scratch.split_at_mut(n);
    let (work, scratch) = scratch.split_at_mut(n);
    let near = solution.differentiate(simd, matrix, s, z, work);

    // Reflections that take s and then z to the first two coordinates; none where D is diagonal.
    let moved = !solution.cases.diagonal;
    normalize(simd, z);
    normalize(simd, s);
    let by_s = reflector(simd, s, moved);
    reflect(s, by_s, z);
    z[0] = zero;
    let by_z = reflector(simd, &mut z[1..], moved);
    congruence(s, by_s, matrix, work);
    congruence(z, by_z, matrix, work);
    solution.insert_known(simd, near, matrix);
    eigen(simd, n, matrix, basis, d, scratch);
    for row in basis.chunks_exact_mut(n) {
        reflect(z, by_z, row);
        reflect(s, by_s, row);
    }
    for (d, complement) in d.iter_mut().zip(complement) {
        // NaN stays.
        let value = d.gt(one).select(one, d.lt(zero).select(zero, *d));
        let other = one - value;
        (*d, *complement) = (near.select(other, value), near.select(value, other));
    }
}

/// The entries of the block D (I - D + delta)^-1, row by row of the lower triangle.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
pub(in crate::cones) fn write_block<S: Simd>(
    simd: S,
    parameters: Parameters<'_>,
    data: &[V<S>],
    h: &mut [V<S>],
    scratch: &mut [V<S>],
) {
    let layout = Layout::new(parameters);
    let Layout { k, n, norm_dim } = layout;
    let data = layout.read(data);
    let (scaled, last) = scratch[..n * n + n].split_at_mut(n * n);
    for j in 0..n {
        let value = data.at(Function::Block, j);
        for i in 0..n {
            scaled[j * n + i] = value * data.basis[j * n + i];
        }
    }
    let entry = |i: usize, j: usize| {
        let mut sum = V::splat(simd, 0.0);
        for row in 0..n {
            sum = scaled[row * n + i].fma(data.basis[row * n + j], sum);
        }
        sum
    };
    let (corner, rows) = h.split_at_mut(k * n / 2);
    let mut corner = corner.iter_mut();
    for i in 0..k {
        for j in 0..=i {
            if let Some(h) = corner.next() {
                *h = entry(i, j);
            }
        }
        last[i] = entry(k, i);
    }
    last[k] = entry(k, k);
    let across = data.at_across(Function::Block);
    let mut rows = rows.iter_mut();
    for i in 0..norm_dim {
        for j in 0..k {
            if let Some(h) = rows.next() {
                *h = data.axis[i] * last[j];
            }
        }
        for j in 0..=i {
            let Some(h) = rows.next() else { break };
            *h = if norm_dim == 1 {
                last[k]
            } else {
                let outer = data.axis[i] * data.axis[j] * (last[k] - across);
                if i == j { across + outer } else { outer }
            };
        }
    }
}

/// `y = f(D) x`.
#[inline(always)]
pub(in crate::cones) fn apply<S: Simd>(
    simd: S,
    parameters: Parameters<'_>,
    data: &[V<S>],
    f: Function,
    x: &[V<S>],
    y: &mut [V<S>],
) {
    let layout = Layout::new(parameters);
    let Layout { k, n, norm_dim } = layout;
    let data = layout.read(data);
    let along = dot(data.axis, &x[k..]);
    let (y_x, y_w) = y.split_at_mut(k);
    y_x.fill(V::splat(simd, 0.0));
    let mut y_along = V::splat(simd, 0.0);
    for (j, row) in data.basis.chunks_exact(n).enumerate() {
        let mut component = row[k] * along;
        for i in 0..k {
            component = row[i].fma(x[i], component);
        }
        let value = data.at(f, j) * component;
        for i in 0..k {
            y_x[i] = value.fma(row[i], y_x[i]);
        }
        y_along = value.fma(row[k], y_along);
    }
    if norm_dim == 1 {
        y_w[0] = data.axis[0] * y_along;
        return;
    }
    let across = data.at_across(f);
    // Not fused: where D is diagonal, the difference is exactly zero.
    let more = y_along - across * along;
    for j in 0..norm_dim {
        y_w[j] = data.axis[j].fma(more, across * x[k + j]);
    }
}

/// Number of directions in which v is within `margin` of a kink: the rows of x whose parts in s
/// and in z are both that small, with the rows of w if those decide whether w belongs to s or to z;
/// or, if there are none of them, the normal of the boundary of K or of -K* if v is that near to
/// it.
#[inline(always)]
pub(in crate::cones) fn weakly_active<S: Simd>(
    simd: S,
    parameters: Parameters<'_>,
    (x, r): (&[V<S>], V<S>),
    (z, t): (&[V<S>], V<S>),
    margin: V<S>,
) -> V<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let small = |x: V<S>| x.le(margin);
    let (mut rows, mut weak, mut balance) = (zero, zero, zero);
    for (i, &alpha) in parameters.alpha.iter().enumerate() {
        let (x, z, alpha) = (x[i], z[i], V::splat(simd, alpha));
        let is_weak = small(x) & small(z);
        rows += is_weak.select(one, zero);
        weak += is_weak.select(alpha, zero);
        balance += is_weak.select(zero, x.gt(z).select(alpha, -alpha));
    }
    let some = rows.gt(zero);
    let undecided = some & balance.abs().le(weak) & small(r) & small(t);
    let on_w = undecided.select(V::splat(simd, parameters.norm_dim as f64), zero);
    let near_k = is_near(simd, parameters.alpha, (x, r), (z, t), margin, false);
    let near_polar = is_near(simd, parameters.alpha, (z, t), (x, r), margin, true);
    some.select(rows + on_w, (near_k | near_polar).select(one, zero))
}

/// X, Z, r and t among the data of a projection.
#[expect(clippy::type_complexity, reason = "pairs of vectors over x and z")]
#[inline(always)]
pub(in crate::cones) fn parts<'a, S: Simd>(
    parameters: Parameters<'_>,
    data: &'a [V<S>],
) -> ((&'a [V<S>], V<S>), (&'a [V<S>], V<S>)) {
    let data = Layout::new(parameters).read(data);
    ((data.x, data.r), (data.z, data.t))
}

/// Whether the point (x, r) of K (with `dual`, of K*) and its rest are within `margin` of the
/// boundary.
#[inline(always)]
fn is_near<S: Simd>(
    simd: S,
    alpha: &[f64],
    (x, r): (&[V<S>], V<S>),
    (rest, rest_w): (&[V<S>], V<S>),
    margin: V<S>,
    dual: bool,
) -> M<S> {
    let one = V::splat(simd, 1.0);
    let mut log = V::splat(simd, 0.0);
    let mut square = log;
    let mut least = V::splat(simd, f64::INFINITY);
    for (&x, &alpha) in x.iter().zip(alpha) {
        let factor = V::splat(simd, if dual { 1.0 / alpha } else { 1.0 });
        let slope = V::splat(simd, alpha) / x;
        log = V::splat(simd, alpha).fma((x * factor).ln(), log);
        square = slope.fma(slope, square);
        least = x.min(least);
    }
    let product = log.exp();
    // First order: the value over the length of the gradient.
    let steep = (product * product).fma(square, one).sqrt();
    let inner = (product - r).le(margin * steep) | least.le(margin);
    let outer = dot(rest, rest) + rest_w * rest_w;
    outer.le(margin * margin) & inner
}

/// A power of two that brings v and sqrt(mu) to order one.
#[inline(always)]
pub(in crate::cones) fn scale<S: Simd>(simd: S, v: &[V<S>], mu: V<S>) -> V<S> {
    let mut size = mu.sqrt();
    for &v in v {
        size = v.abs().max(size);
    }
    let normal = size.gt(V::splat(simd, 1e-300)) & size.lt(V::splat(simd, 1e300));
    normal.select(size.floor_power_of_two(), V::splat(simd, 1.0))
}

/// Zero, or NaN in lanes where a number is not finite.
#[inline(always)]
pub(in crate::cones) fn not_finite<S: Simd>(simd: S, v: &[V<S>], mu: V<S>) -> V<S> {
    let zero = V::splat(simd, 0.0);
    let mut sum = mu * zero;
    for &v in v {
        sum = v.fma(zero, sum);
    }
    sum
}

/// |w| times `inverse`.
#[inline(always)]
fn length<S: Simd>(simd: S, w: &[V<S>], inverse: V<S>) -> V<S> {
    if let [w] = w {
        return w.abs() * inverse;
    }
    let mut sum = V::splat(simd, 0.0);
    for &w in w {
        let w = w * inverse;
        sum = w.fma(w, sum);
    }
    sum.sqrt()
}

/// ŵ; the first unit vector where w = 0.
#[inline(always)]
fn direction<S: Simd>(simd: S, w: &[V<S>], norm: V<S>, inverse: V<S>, axis: &mut [V<S>]) {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let none = norm.le(zero);
    if let ([w], [axis]) = (w, &mut *axis) {
        *axis = w.lt(zero).select(-one, one) + norm * zero;
        return;
    }
    let factor = inverse / norm;
    for (i, (axis, &w)) in axis.iter_mut().zip(w).enumerate() {
        *axis = none.select(if i == 0 { one } else { zero }, w * factor);
    }
}
