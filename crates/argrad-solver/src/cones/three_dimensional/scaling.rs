//! The scaling block H of a cone that is not symmetric, as a sum of three outer products.
//!
//! Primal-dual scaling of Tuncel in the form of Dahl and Andersen, "A primal-dual interior-point
//! algorithm for nonsymmetric exponential-cone optimization" (2022), section 5, which Goulart and
//! Chen (Clarabel, 2024) write for three dimensions as
//!
//! ```text
//! H = s s'/<s,z> + d d'/<d,b> + t a a',   d = s - mu s~,  b = z - mu z~,  mu = <s,z>/3,
//! ```
//!
//! with a orthogonal to z and z~. Then H z = s and H z~ = s~. The last term is what the update of
//! mu H* by these two secant equations leaves of it, a Schur complement: t = mu / (a' (H*)^-1 a).
//! With a root R of H* (H* = R'R) that is, because R^-1 a is orthogonal to R z and R b,
//!
//! ```text
//! t a a' = mu (R'n)(R'n)',   n = the unit vector along R z x R b,
//! ```
//!
//! which needs no inverse and no difference of large matrices.

use pulp::Simd;

use super::{Barrier, ThreeRows, Triple, along, cross, dot, normalized, scale};
use crate::lanes::V;

/// Registers of the data: three vectors b with H = sum b b'.
pub(super) const LEN: usize = 9;

/// Where mu mu~ - 1 is below this (mu mu~ >= 1, with equality on the central path) the differences
/// d and b are mostly rounding errors. H differs from mu H* by about the root of this, relatively.
const CENTRAL: f64 = 1e-10;

/// The vectors b at (s, z). Close to the central path H = mu H*; where rounding errors have spoilt
/// the shadows H = `mean` H*, with the mean complementarity of all of K.
#[inline(always)]
pub(super) fn factor<B: Barrier + ?Sized, S: Simd>(
    barrier: &B,
    s: Triple<S>,
    z: Triple<S>,
    mean: V<S>,
) -> ThreeRows<S> {
    let one = mean.like(1.0);
    let at = barrier.local(z);
    let root = barrier.root(at);
    let gradient = barrier.gradient(at);
    let shadow = barrier.shadow(s);

    let product = dot(s, z);
    let mu = product * mean.like(1.0 / 3.0);
    let inverse = one / product;
    // The vectors are orthogonal to z or to s; made so once more, they do not bring the rounding
    // errors of the shadows and of R z into H z = s.
    let orthogonal = |x: Triple<S>| along(x, -(dot(x, z) * inverse), s);
    let d = orthogonal(along(s, mu, gradient));
    let b = along(z, -mu, shadow);
    let b = along(b, -(dot(s, b) * inverse), z);
    let curvature = dot(d, b);
    let n = normalized(cross(image(root, z), image(root, b)));
    let a = orthogonal(transposed_image(root, n));
    let primal_dual =
        [scale(one / product.sqrt(), s), scale(one / curvature.sqrt(), d), scale(mu.sqrt(), a)];

    // mu mu~ - 1.
    let excess = curvature * inverse;
    let far = excess.gt(mean.like(CENTRAL));
    let near = excess.abs().le(mean.like(CENTRAL));
    let dual = near.select(mu, mean).sqrt();

    let mut rows = primal_dual;
    for (row, r) in rows.iter_mut().zip(root) {
        *row = super::select(far, *row, scale(dual, r));
    }
    rows
}

/// c = s + target grad f*(z) - 1/2 D^3 f*(z)[dz, (H*)^-1 ds] with the affine step (ds, dz): Dahl
/// and Andersen, section 6.
///
/// On the central path the affine step solves ds + mu H* dz = -s. Along z(a) = z + a dz + a^2 dz_2
/// with mu(a) = (1 - a) mu, the terms of order a^2 in s(a) + mu(a) grad f*(z(a)) = 0 are
/// ds_2 + mu H* dz_2 + mu/2 D^3[dz, dz] - mu H* dz. By homogeneity H* z = -grad f* = s/mu and
/// D^3[dz, z] = -2 H* dz, so (H*)^-1 ds = -mu (dz + z), and the last two terms are
/// -1/2 D^3[dz, (H*)^-1 ds].
#[inline(always)]
pub(super) fn combined_constant<B: Barrier + ?Sized, S: Simd>(
    barrier: &B,
    (s, z): (Triple<S>, Triple<S>),
    (ds, dz): (Triple<S>, Triple<S>),
    target: V<S>,
) -> Triple<S> {
    let at = barrier.local(z);
    let pulled = solve_gram(barrier.root(at), ds);
    let correction = barrier.third(at, dz, pulled);
    let first_order = along(s, target, barrier.gradient(at));
    along(first_order, target.like(-0.5), correction)
}

/// R x.
#[inline(always)]
pub(super) fn image<S: Simd>(rows: ThreeRows<S>, x: Triple<S>) -> Triple<S> {
    [dot(rows[0], x), dot(rows[1], x), dot(rows[2], x)]
}

/// R'x.
#[inline(always)]
pub(super) fn transposed_image<S: Simd>(rows: ThreeRows<S>, x: Triple<S>) -> Triple<S> {
    along(along(scale(x[0], rows[0]), x[1], rows[1]), x[2], rows[2])
}

/// R'R x.
#[inline(always)]
pub(super) fn multiply<S: Simd>(rows: ThreeRows<S>, x: Triple<S>) -> Triple<S> {
    transposed_image(rows, image(rows, x))
}

/// (R'R)^-1 x. The columns of R^-1 are cross products of the rows, over the determinant.
#[inline(always)]
pub(super) fn solve_gram<S: Simd>(rows: ThreeRows<S>, x: Triple<S>) -> Triple<S> {
    let [a, b, c] = rows;
    let columns = [cross(b, c), cross(c, a), cross(a, b)];
    let inverse = x[0].like(1.0) / dot(a, columns[0]);
    let y = scale(inverse, image(columns, x));
    scale(inverse, transposed_image(columns, y))
}

/// R'R, lower triangle, row by row.
#[inline(always)]
pub(super) fn gram<S: Simd>(rows: ThreeRows<S>) -> [V<S>; 6] {
    let entry = |i: usize, j: usize| dot(column(rows, i), column(rows, j));
    [entry(0, 0), entry(1, 0), entry(1, 1), entry(2, 0), entry(2, 1), entry(2, 2)]
}

#[inline(always)]
fn column<S: Simd>(rows: ThreeRows<S>, i: usize) -> Triple<S> {
    [rows[0][i], rows[1][i], rows[2][i]]
}

#[inline(always)]
pub(super) fn store<S: Simd>(rows: ThreeRows<S>, data: &mut [V<S>]) {
    data.copy_from_slice(rows.as_flattened());
}

#[inline(always)]
pub(super) fn load<S: Simd>(data: &[V<S>]) -> ThreeRows<S> {
    [super::triple(&data[..3]), super::triple(&data[3..6]), super::triple(&data[6..9])]
}
