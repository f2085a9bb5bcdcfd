//! K as the solver sees it: every operation of a cone, on all cones in turn.

use std::ops::Range;

use pulp::Simd;

use super::{
    Exponential, Function, GeneralizedPower, LaneCone, Nonnegative, Pair, Power, PsdTriangle,
    SecondOrder, Zero,
};
use crate::lanes::{Kernel, M, V, call};
use crate::program::Cone;

/// The cones with lane code.
#[derive(Clone, Debug)]
enum AnyCone {
    Zero(Zero),
    Nonnegative(Nonnegative),
    SecondOrder(SecondOrder),
    PsdTriangle(PsdTriangle),
    Exponential(Exponential),
    Power(Power),
    GeneralizedPower(GeneralizedPower),
}

/// One cone with its rows and its parts of the data.
#[derive(Clone, Debug)]
struct Factor {
    cone: AnyCone,
    rows: Range<usize>,
    h: Range<usize>,
    scaling: Range<usize>,
    projection: Range<usize>,
}

/// K as the solver sees it.
#[derive(Clone, Debug)]
pub(crate) struct ConeProduct {
    factors: Vec<Factor>,
    degree: usize,
    h_len: usize,
    scaling_len: usize,
    projection_len: usize,
    scratch_len: usize,
    is_symmetric: bool,
    is_polyhedral: bool,
}

/// Calls `$body` with `$cone` the lane cone of `$factor`.
macro_rules! with_cone {
    ($factor:expr, $cone:ident => $body:expr) => {
        match &$factor.cone {
            AnyCone::Zero($cone) => $body,
            AnyCone::Nonnegative($cone) => $body,
            AnyCone::SecondOrder($cone) => $body,
            AnyCone::PsdTriangle($cone) => $body,
            AnyCone::Exponential($cone) => $body,
            AnyCone::Power($cone) => $body,
            AnyCone::GeneralizedPower($cone) => $body,
        }
    };
}

impl ConeProduct {
    pub(crate) fn new(cones: &[Cone]) -> Self {
        let mut product = Self {
            factors: Vec::with_capacity(cones.len()),
            degree: 0,
            h_len: 0,
            scaling_len: 0,
            projection_len: 0,
            scratch_len: 0,
            is_symmetric: true,
            is_polyhedral: true,
        };
        let mut row = 0;
        for cone in cones {
            let lane_cone = match cone {
                Cone::Zero(k) => AnyCone::Zero(Zero::new(*k)),
                Cone::Nonnegative(k) => AnyCone::Nonnegative(Nonnegative::new(*k)),
                Cone::SecondOrder(k) => AnyCone::SecondOrder(SecondOrder::new(*k)),
                Cone::PsdTriangle(side) => AnyCone::PsdTriangle(PsdTriangle::new(*side)),
                Cone::Exponential => AnyCone::Exponential(Exponential),
                Cone::Power(alpha) => AnyCone::Power(Power { alpha: *alpha }),
                Cone::GeneralizedPower { alpha, norm_dim } => {
                    AnyCone::GeneralizedPower(GeneralizedPower::new(alpha.clone(), *norm_dim))
                }
            };
            let mut factor = Factor {
                cone: lane_cone,
                rows: row..row + cone.dim(),
                h: 0..0,
                scaling: 0..0,
                projection: 0..0,
            };
            row += cone.dim();
            let (h, scaling, projection) = with_cone!(factor, cone => {
                product.degree += cone.degree();
                product.scratch_len = product.scratch_len.max(cone.scratch_len());
                product.is_symmetric &= cone.is_symmetric();
                (cone.h_entries().len(), cone.scaling_len(), cone.projection_len())
            });
            product.is_polyhedral &= matches!(cone, Cone::Zero(_) | Cone::Nonnegative(_));
            factor.h = next(&mut product.h_len, h);
            factor.scaling = next(&mut product.scaling_len, scaling);
            factor.projection = next(&mut product.projection_len, projection);
            product.factors.push(factor);
        }
        product
    }

    /// Degree of the barrier of K.
    pub(crate) fn degree(&self) -> usize {
        self.degree
    }

    /// Number of entries of H.
    pub(crate) fn h_len(&self) -> usize {
        self.h_len
    }

    /// Registers of the scaling data.
    pub(crate) fn scaling_len(&self) -> usize {
        self.scaling_len
    }

    /// Registers of the projection data.
    pub(crate) fn projection_len(&self) -> usize {
        self.projection_len
    }

    /// Registers of scratch that a cone may need.
    pub(crate) fn scratch_len(&self) -> usize {
        self.scratch_len
    }

    /// Whether every cone is symmetric.
    pub(crate) fn is_symmetric(&self) -> bool {
        self.is_symmetric
    }

    /// Whether K is a polyhedron: the projection is piecewise linear.
    pub(crate) fn is_polyhedral(&self) -> bool {
        self.is_polyhedral
    }

    /// Signs of the pivots of all auxiliary nodes, which follow the rows of A.
    pub(crate) fn auxiliary(&self) -> Vec<f64> {
        self.factors
            .iter()
            .flat_map(|factor| with_cone!(factor, cone => cone.auxiliary()))
            .collect()
    }

    /// Entries of H as `(row, column)` of A's rows, with auxiliary nodes numbered on from there.
    pub(crate) fn h_entries(&self) -> Vec<(usize, usize)> {
        let mut entries = Vec::with_capacity(self.h_len);
        let mut auxiliary = self.factors.last().map_or(0, |factor| factor.rows.end);
        for factor in &self.factors {
            let (start, dim) = (factor.rows.start, factor.rows.len());
            with_cone!(factor, cone => {
                let node = |k: usize| if k < dim { start + k } else { auxiliary + k - dim };
                entries.extend(cone.h_entries().into_iter().map(|(i, j)| (node(i), node(j))));
                auxiliary += cone.auxiliary().len();
            });
        }
        entries
    }

    /// Makes row scalings equal within the cones that need it.
    #[inline(always)]
    pub(crate) fn unify_scaling<S: Simd>(&self, simd: S, scale: &mut [V<S>]) {
        for factor in &self.factors {
            let rows = &mut scale[factor.rows.clone()];
            if !with_cone!(factor, cone => cone.rows_scale_freely()) {
                let mut least = V::splat(simd, f64::INFINITY);
                for &row in rows.iter() {
                    least = row.min(least);
                }
                rows.fill(least);
            }
        }
    }
}

/// The next `len` of a running total.
fn next(total: &mut usize, len: usize) -> Range<usize> {
    let start = *total;
    *total += len;
    start..*total
}

/// Defines operations of [`ConeProduct`] that call one of each cone, in turn. Each is compiled as a
/// function of its own, so the code of a cone exists once an instruction set. `$kernel` is the name of
/// the call's arguments, `$result` the expression that it returns.
macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        $name:ident as $kernel:ident ($($argument:ident: $type:ty),* $(,)?) -> $output:ty {
            |$simd:ident, $cone:ident, $factor:ident| $body:expr; $result:expr
        }
    )*) => {
        impl ConeProduct {$(
            $(#[$doc])*
            #[inline(always)]
            pub(crate) fn $name<'a, S: Simd>(&'a self, simd: S, $($argument: $type),*) -> $output {
                call(simd, $kernel { simd, product: self, $($argument),* })
            }
        )*}
        $(
            struct $kernel<'a, S: Simd> {
                simd: S,
                product: &'a ConeProduct,
                $($argument: $type),*
            }

            impl<'a, S: Simd> Kernel for $kernel<'a, S> {
                type Output = $output;

                #[allow(unused_mut)]
                #[inline(always)]
                fn run(self) -> $output {
                    let Self { simd: $simd, product, $(mut $argument),* } = self;
                    for $factor in &product.factors {
                        with_cone!($factor, $cone => $body);
                    }
                    $result
                }
            }
        )*
    };
}

operations! {
    /// Sets s and z to the point of the central path with mu = 1.
    unit as Unit(s: &'a mut [V<S>], z: &'a mut [V<S>]) -> () {
        |simd, cone, f| cone.unit(simd, &mut s[f.rows.clone()], &mut z[f.rows.clone()]); ()
    }

    /// Moves s and z inside, see [`LaneCone::shift_inside`].
    shift_inside as ShiftInside(
        s: &'a mut [V<S>], z: &'a mut [V<S>], scratch: &'a mut [V<S>],
    ) -> () {
        |simd, cone, f|
        cone.shift_inside(simd, &mut s[f.rows.clone()], &mut z[f.rows.clone()], scratch); ()
    }

    /// The scaling data at (s, z).
    scaling as Scaling(
        point: Pair<'a, S>, mu: V<S>, data: &'a mut [V<S>], scratch: &'a mut [V<S>],
    ) -> () {
        |simd, cone, f| cone.scaling(
            simd,
            pair(point, &f.rows),
            mu,
            &mut data[f.scaling.clone()],
            scratch,
        ); ()
    }

    /// The entries of H at the scaling.
    write_scaling_block as WriteScalingBlock(data: &'a [V<S>], h: &'a mut [V<S>]) -> () {
        |simd, cone, f|
        cone.write_scaling_block(simd, &data[f.scaling.clone()], &mut h[f.h.clone()]); ()
    }

    /// `y = H x` at the scaling.
    multiply_scaling as MultiplyScaling(
        data: &'a [V<S>], x: &'a [V<S>], y: &'a mut [V<S>], scratch: &'a mut [V<S>],
    ) -> () {
        |simd, cone, f| cone.multiply_scaling(
            simd,
            &data[f.scaling.clone()],
            &x[f.rows.clone()],
            &mut y[f.rows.clone()],
            scratch,
        ); ()
    }

    /// The constant of the affine step.
    affine_constant as AffineConstant(s: &'a [V<S>], c: &'a mut [V<S>]) -> () {
        |simd, cone, f| cone.affine_constant(simd, &s[f.rows.clone()], &mut c[f.rows.clone()]); ()
    }

    /// The constant of the combined step.
    combined_constant as CombinedConstant(
        data: &'a [V<S>],
        point: Pair<'a, S>,
        affine: Pair<'a, S>,
        target: V<S>,
        c: &'a mut [V<S>],
        scratch: &'a mut [V<S>],
    ) -> () {
        |simd, cone, f| cone.combined_constant(
            simd,
            &data[f.scaling.clone()],
            pair(point, &f.rows),
            pair(affine, &f.rows),
            target,
            &mut c[f.rows.clone()],
            scratch,
        ); ()
    }

    /// The largest step at most `length` that stays inside.
    step_length as StepLength(
        data: &'a [V<S>],
        point: Pair<'a, S>,
        direction: Pair<'a, S>,
        length: V<S>,
        scratch: &'a mut [V<S>],
    ) -> V<S> {
        |simd, cone, f| length = cone.step_length(
            simd,
            &data[f.scaling.clone()],
            pair(point, &f.rows),
            pair(direction, &f.rows),
            length,
            scratch,
        ); length
    }

    /// s = P(v), and the projection data.
    projection as Projection(
        v: &'a [V<S>], mu: V<S>, s: &'a mut [V<S>], data: &'a mut [V<S>], scratch: &'a mut [V<S>],
    ) -> () {
        |simd, cone, f| cone.projection(
            simd,
            &v[f.rows.clone()],
            mu,
            &mut s[f.rows.clone()],
            &mut data[f.projection.clone()],
            scratch,
        ); ()
    }

    /// The entries of the projection's block H.
    write_projection_block as WriteProjectionBlock(
        data: &'a [V<S>], h: &'a mut [V<S>], scratch: &'a mut [V<S>],
    ) -> () {
        |simd, cone, f| cone.write_projection_block(
            simd,
            &data[f.projection.clone()],
            &mut h[f.h.clone()],
            scratch,
        ); ()
    }

    /// `y = f(D) x`.
    apply as Apply(
        data: &'a [V<S>], function: Function, x: &'a [V<S>], y: &'a mut [V<S>], scratch: &'a mut [V<S>],
    ) -> () {
        |simd, cone, f| cone.apply(
            simd,
            &data[f.projection.clone()],
            function,
            &x[f.rows.clone()],
            &mut y[f.rows.clone()],
            scratch,
        ); ()
    }

    /// v after a Newton step to (s, z).
    newton_point as NewtonPoint(data: &'a [V<S>], point: Pair<'a, S>, mu: V<S>, v: &'a mut [V<S>]) -> () {
        |simd, cone, f| cone.newton_point(
            simd,
            &data[f.projection.clone()],
            pair(point, &f.rows),
            mu,
            &mut v[f.rows.clone()],
        ); ()
    }

    /// Number of weakly active directions, added to `count`.
    weakly_active as WeaklyActive(
        v: &'a [V<S>], data: &'a [V<S>], margin: V<S>, count: V<S>, scratch: &'a mut [V<S>],
    ) -> V<S> {
        |simd, cone, f| count += cone.weakly_active(
            simd,
            &v[f.rows.clone()],
            &data[f.projection.clone()],
            margin,
            scratch,
        ); count
    }

    /// The lanes in `lanes` in which D at both points (v, block) is close, see [`LaneCone::settled`].
    settled as Settled(old: Pair<'a, S>, new: Pair<'a, S>, lanes: M<S>) -> M<S> {
        |simd, cone, f| lanes = lanes & cone.settled(
            simd,
            (&old.0[f.rows.clone()], &old.1[f.h.clone()]),
            (&new.0[f.rows.clone()], &new.1[f.h.clone()]),
        ); lanes
    }
}

/// A cone's part of a pair.
#[inline(always)]
fn pair<'a, S: Simd>(pair: Pair<'a, S>, rows: &Range<usize>) -> Pair<'a, S> {
    (&pair.0[rows.clone()], &pair.1[rows.clone()])
}
