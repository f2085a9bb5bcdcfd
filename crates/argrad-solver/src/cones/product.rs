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
struct PlacedCone {
    cone: AnyCone,
    rows: Range<usize>,
    h: Range<usize>,
    scaling: Range<usize>,
    projection: Range<usize>,
}

/// K as the solver sees it.
#[derive(Clone, Debug)]
pub(crate) struct ConeProduct {
    cones: Vec<PlacedCone>,
    degree: usize,
    h_len: usize,
    /// Registers of blocks that are entries of the system; those of eliminated rows follow.
    entries_len: usize,
    scaling_len: usize,
    projection_len: usize,
    scratch_len: usize,
    is_symmetric: bool,
    is_polyhedral: bool,
}

/// The rows of a cone that are eliminated by the inverse of its block.
#[derive(Clone, Debug)]
pub(crate) struct EliminatedRows {
    /// Position of the cone in the list of cones.
    pub(crate) cone: usize,
    /// Side of the matrices.
    pub(crate) side: usize,
    pub(crate) rows: Range<usize>,
    /// Where the parts of the inverse are among the blocks.
    pub(crate) h: Range<usize>,
}

/// Evaluates `$body` with `$cone` the lane cone of `$placed`.
macro_rules! with_cone {
    ($placed:expr, $cone:ident => $body:expr) => {
        match &$placed.cone {
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

impl AnyCone {
    fn new(cone: &Cone, eliminated: bool) -> Self {
        match cone {
            Cone::Zero(k) => Self::Zero(Zero::new(*k)),
            Cone::Nonnegative(k) => Self::Nonnegative(Nonnegative::new(*k)),
            Cone::SecondOrder(k) => Self::SecondOrder(SecondOrder::new(*k)),
            Cone::PsdTriangle(side) => Self::PsdTriangle(PsdTriangle::new(*side, eliminated)),
            Cone::Exponential => Self::Exponential(Exponential),
            Cone::Power(alpha) => Self::Power(Power { alpha: *alpha }),
            Cone::GeneralizedPower { alpha, norm_dim } => {
                Self::GeneralizedPower(GeneralizedPower::new(alpha.clone(), *norm_dim))
            }
        }
    }
}

impl ConeProduct {
    /// The cones in order; `eliminated` says of each whether its rows are eliminated by the
    /// inverse of its block, which those of positive semidefinite matrices may be.
    pub(crate) fn new(cones: &[Cone], eliminated: &[bool]) -> Self {
        let mut product = Self {
            cones: Vec::with_capacity(cones.len()),
            degree: 0,
            h_len: 0,
            entries_len: 0,
            scaling_len: 0,
            projection_len: 0,
            scratch_len: 0,
            is_symmetric: true,
            is_polyhedral: true,
        };
        let mut row = 0;
        for (cone, &eliminated) in cones.iter().zip(eliminated) {
            let mut placed = PlacedCone {
                cone: AnyCone::new(cone, eliminated),
                rows: next(&mut row, cone.dim()),
                h: 0..0,
                scaling: 0..0,
                projection: 0..0,
            };
            with_cone!(placed, cone => {
                product.degree += cone.degree();
                product.scratch_len = product.scratch_len.max(cone.scratch_len());
                product.is_symmetric &= cone.is_symmetric();
                product.is_polyhedral &= cone.is_polyhedral();
                placed.scaling = next(&mut product.scaling_len, cone.scaling_len());
                placed.projection = next(&mut product.projection_len, cone.projection_len());
                if !eliminated {
                    placed.h = next(&mut product.h_len, cone.h_len());
                }
            });
            product.cones.push(placed);
        }
        product.entries_len = product.h_len;
        for (placed, _) in product.cones.iter_mut().zip(eliminated).filter(|(_, gone)| **gone) {
            placed.h = with_cone!(placed, cone => next(&mut product.h_len, cone.h_len()));
        }
        product
    }

    /// Degree of the barrier of K.
    pub(crate) fn degree(&self) -> usize {
        self.degree
    }

    /// Registers of all blocks.
    pub(crate) fn h_len(&self) -> usize {
        self.h_len
    }

    /// The rows that are eliminated by the inverse of their block.
    pub(crate) fn eliminated(&self) -> impl Iterator<Item = EliminatedRows> + '_ {
        self.cones.iter().enumerate().filter_map(|(cone, placed)| {
            let AnyCone::PsdTriangle(PsdTriangle { side, eliminated: true }) = placed.cone else {
                return None;
            };
            let (rows, h) = (placed.rows.clone(), placed.h.clone());
            Some(EliminatedRows { cone, side, rows, h })
        })
    }

    /// The cone with the largest block, and how many registers that takes.
    pub(crate) fn largest_block(&self) -> Option<(usize, usize)> {
        let lens = self.cones.iter().map(|cone| cone.h.len());
        lens.enumerate().max_by_key(|&(_, len)| len)
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
        self.cones.iter().flat_map(|placed| with_cone!(placed, cone => cone.auxiliary())).collect()
    }

    /// Entries of H as `(row, column)` of A's rows, with auxiliary nodes numbered on from there.
    pub(crate) fn h_entries(&self) -> Vec<(usize, usize)> {
        let mut entries = Vec::with_capacity(self.entries_len);
        let mut auxiliary = self.cones.last().map_or(0, |placed| placed.rows.end);
        for placed in &self.cones {
            let (start, dim) = (placed.rows.start, placed.rows.len());
            with_cone!(placed, cone => {
                let node = |k: usize| if k < dim { start + k } else { auxiliary + k - dim };
                entries.extend(cone.h_entries().into_iter().map(|(i, j)| (node(i), node(j))));
                auxiliary += cone.auxiliary().len();
            });
        }
        entries
    }

    /// The rows of each cone that is no polyhedron.
    pub(crate) fn curved(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let curved = |placed: &&PlacedCone| !with_cone!(placed, cone => cone.is_polyhedral());
        self.cones.iter().filter(curved).map(|placed| placed.rows.clone())
    }

    /// Makes row scalings equal within the cones that need it.
    #[inline(always)]
    pub(crate) fn unify_scaling<S: Simd>(&self, simd: S, scale: &mut [V<S>]) {
        for placed in &self.cones {
            let rows = &mut scale[placed.rows.clone()];
            if !with_cone!(placed, cone => cone.rows_scale_freely()) {
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
    *total = total.saturating_add(len);
    start..*total
}

/// The type of an argument of an operation, by which part of it a cone gets.
macro_rules! argument {
    (rows) => { &'a [V<S>] };
    (rows_mut) => { &'a mut [V<S>] };
    (pair) => { Pair<'a, S> };
    (blocks) => { Pair<'a, S> };
    (h_mut) => { &'a mut [V<S>] };
    (scaling) => { &'a [V<S>] };
    (scaling_mut) => { &'a mut [V<S>] };
    (projection) => { &'a [V<S>] };
    (projection_mut) => { &'a mut [V<S>] };
    (scratch) => { &'a mut [V<S>] };
    (lane) => { V<S> };
    (mask) => { M<S> };
    (function) => { Function };
}

/// That part: its rows, of one vector or of a [`Pair`]; `blocks`, its rows and its entries of H;
/// its entries of H; its data; the whole of what is scratch or no vector.
macro_rules! part {
    (rows, $x:ident, $placed:ident) => {
        &$x[$placed.rows.clone()]
    };
    (rows_mut, $x:ident, $placed:ident) => {
        &mut $x[$placed.rows.clone()]
    };
    (pair, $x:ident, $placed:ident) => {
        (&$x.0[$placed.rows.clone()], &$x.1[$placed.rows.clone()])
    };
    (blocks, $x:ident, $placed:ident) => {
        (&$x.0[$placed.rows.clone()], &$x.1[$placed.h.clone()])
    };
    (h_mut, $x:ident, $placed:ident) => {
        &mut $x[$placed.h.clone()]
    };
    (scaling, $x:ident, $placed:ident) => {
        &$x[$placed.scaling.clone()]
    };
    (scaling_mut, $x:ident, $placed:ident) => {
        &mut $x[$placed.scaling.clone()]
    };
    (projection, $x:ident, $placed:ident) => {
        &$x[$placed.projection.clone()]
    };
    (projection_mut, $x:ident, $placed:ident) => {
        &mut $x[$placed.projection.clone()]
    };
    (scratch, $x:ident, $placed:ident) => {
        &mut *$x
    };
    ($other:ident, $x:ident, $placed:ident) => {
        $x
    };
}

/// Defines operations of [`ConeProduct`] that call that of each cone in turn, with its part of each
/// argument. Each is compiled as a function of its own, so the code of a cone exists once an
/// instruction set. `$kernel` is the name of the call's arguments. An operation with a result has a
/// running total: what it starts from, and what becomes of it with the result of each cone.
/// `$extra` is an argument for the total alone.
macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        $name:ident as $kernel:ident
        ($($argument:ident: $part:ident),* $(; $extra:ident: $extra_part:ident)?)
        $(-> $total:ident: $total_part:ident = $start:expr, |$own:ident| $sum:expr)?;
    )*) => {
        impl ConeProduct {$(
            $(#[$doc])*
            #[inline(always)]
            pub(crate) fn $name<'a, S: Simd>(
                &'a self,
                simd: S,
                $($argument: argument!($part),)*
                $($extra: argument!($extra_part),)?
            ) $(-> argument!($total_part))? {
                call(simd, $kernel { simd, product: self, $($argument,)* $($extra,)? })
            }
        )*}
        $(
            struct $kernel<'a, S: Simd> {
                simd: S,
                product: &'a ConeProduct,
                $($argument: argument!($part),)*
                $($extra: argument!($extra_part),)?
            }

            impl<'a, S: Simd> Kernel for $kernel<'a, S> {
                type Output = output!($($total_part)?);

                #[inline(always)]
                fn run(self) -> Self::Output {
                    let Self { simd, product, $($argument,)* $($extra,)? } = self;
                    $(let mut $total = $start;)?
                    for placed in &product.cones {
                        let _own = with_cone!(placed, cone => {
                            cone.$name(simd, $(part!($part, $argument, placed)),*)
                        });
                        $(
                            let $own = _own;
                            $total = $sum;
                        )?
                    }
                    $($total)?
                }
            }
        )*
    };
}

/// The type of an operation's result.
macro_rules! output {
    () => {
        ()
    };
    ($part:ident) => {
        argument!($part)
    };
}

operations! {
    /// Sets s and z to the point of the central path with mu = 1.
    unit as Unit(s: rows_mut, z: rows_mut);

    /// Moves s and z inside, see [`LaneCone::shift_inside`].
    shift_inside as ShiftInside(s: rows_mut, z: rows_mut, scratch: scratch);

    /// The scaling data at (s, z).
    scaling as Scaling(point: pair, mu: lane, data: scaling_mut, scratch: scratch);

    /// The entries of H at the scaling.
    write_scaling_block as WriteScalingBlock(data: scaling, h: h_mut);

    /// `y = H x` at the scaling.
    multiply_scaling as MultiplyScaling(data: scaling, x: rows, y: rows_mut, scratch: scratch);

    /// The constant of the affine step.
    affine_constant as AffineConstant(s: rows, c: rows_mut);

    /// The constant of the combined step.
    #[expect(clippy::too_many_arguments, reason = "all that the corrector depends on")]
    combined_constant as CombinedConstant(
        data: scaling, point: pair, affine: pair, target: lane, c: rows_mut, scratch: scratch
    );

    /// The largest step at most `length` that stays inside.
    step_length as StepLength(
        data: scaling, point: pair, direction: pair, length: lane, scratch: scratch
    ) -> length: lane = length, |own| own;

    /// s = P(v), and the projection data.
    projection as Projection(
        v: rows, mu: lane, s: rows_mut, data: projection_mut, scratch: scratch
    );

    /// The entries of the projection's block H.
    write_projection_block as WriteProjectionBlock(data: projection, h: h_mut, scratch: scratch);

    /// `y = f(D) x`.
    apply as Apply(data: projection, f: function, x: rows, y: rows_mut, scratch: scratch);

    /// z of s = P(v).
    dual_point as DualPoint(v: rows, mu: lane, s: rows, z: rows_mut);

    /// v after a Newton step to (s, z).
    newton_point as NewtonPoint(data: projection, point: pair, mu: lane, v: rows_mut);

    /// Number of weakly active directions.
    weakly_active as WeaklyActive(v: rows, data: projection, margin: lane, scratch: scratch)
        -> count: lane = margin.like(0.0), |own| count + own;

    /// The lanes in `lanes` in which D at both points (v, block) is close, see
    /// [`LaneCone::settled`].
    settled as Settled(old: blocks, new: blocks; lanes: mask)
        -> all: mask = lanes, |own| all & own;
}
