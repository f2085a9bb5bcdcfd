//! The system of the derivative as LSQR sees it: bounded, and known by its products.

use pulp::Simd;

use super::outcome::LinearOutcome;
use super::point::Point;
use crate::cones::Function;
use crate::lanes::{Kernel, M, V, call};
use crate::linalg::lsqr::{Bidiagonalization, Iterated, Limits, MatrixProducts, lsqr};
use crate::system::memory::{DerivativeWork, LsqrVectors, SystemWork};

/// The solution of least norm in the lanes in `lanes`, by LSQR on the symmetric form of the system:
/// with E = (I - D)^(1/2) and z = E y,
/// ```text
/// [ P   A'E ] [x]   [ r1   ]
/// [ EA  -D  ] [y] = [ E r2 ]
/// ```
/// in which every block is bounded. Only products with P, A and D are needed, no factor.
///
/// The matrix M of the homogeneous embedding would serve as well, but it is one larger and singular
/// at every solution, which costs digits; the null space here is that of the solution itself.
#[inline(always)]
pub(super) fn least_norm<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    lanes: M<S>,
    limits: Limits<'_>,
) -> LinearOutcome<S> {
    call(point.simd, LeastNorm { point, work, lanes, limits })
}

struct LeastNorm<'a, 'p, 's, S: Simd> {
    point: &'a Point<'p, S>,
    work: &'a mut DerivativeWork<'s, S>,
    lanes: M<S>,
    limits: Limits<'a>,
}

impl<S: Simd> Kernel for LeastNorm<'_, '_, '_, S> {
    type Output = LinearOutcome<S>;

    #[inline(always)]
    fn run(self) -> LinearOutcome<S> {
        let Self { point, work, lanes, limits } = self;
        let DerivativeWork { system, linear, lsqr: LsqrVectors { u, v, w, xy, ey, dy }, .. } = work;
        let n = linear.x.len();
        u[..n].copy_from_slice(linear.r1);
        point.apply(Function::RootComplement, linear.r2, &mut u[n..], system.cones);
        let vectors = Bidiagonalization { u, v, w, x: xy };
        let Iterated { residual, iterations, unfinished } =
            lsqr(point.simd, &mut Symmetric { point, system, ey, dy }, vectors, lanes, limits);
        point.apply(Function::RootComplement, &xy[n..], ey, system.cones);
        let (x, z) = (linear.x.iter_mut(), linear.z.iter_mut());
        for (out, &found) in x.zip(&xy[..n]).chain(z.zip(ey.iter())) {
            *out = lanes.select(found, *out);
        }
        LinearOutcome { residual, iterations, unfinished }
    }
}

/// The symmetric matrix of [`least_norm`].
struct Symmetric<'a, 'p, 's, S: Simd> {
    point: &'a Point<'p, S>,
    system: &'a mut SystemWork<'s, S>,
    ey: &'a mut [V<S>],
    dy: &'a mut [V<S>],
}

impl<S: Simd> MatrixProducts<S> for Symmetric<'_, '_, '_, S> {
    #[inline(always)]
    fn multiply(&mut self, xy: &[V<S>], scale: V<S>, out: &mut [V<S>]) {
        let Self { point, system, ey, dy } = self;
        let (x, y) = xy.split_at(system.px.len());
        let (out_x, out_y) = out.split_at_mut(x.len());
        point.apply(Function::RootComplement, y, ey, system.cones);
        point.multiply(x, ey, system);
        point.apply(Function::RootComplement, system.ax, ey, system.cones);
        point.apply(Function::Derivative, y, dy, system.cones);
        for ((out, &px), &atz) in out_x.iter_mut().zip(system.px.iter()).zip(system.atz.iter()) {
            *out = scale.nfma(*out, px + atz);
        }
        for ((out, &ey), &dy) in out_y.iter_mut().zip(ey.iter()).zip(dy.iter()) {
            *out = scale.nfma(*out, ey - dy);
        }
    }

    #[inline(always)]
    fn multiply_transpose(&mut self, xy: &[V<S>], scale: V<S>, out: &mut [V<S>]) {
        self.multiply(xy, scale, out);
    }
}
