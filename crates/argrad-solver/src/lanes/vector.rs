//! The number type of the solver: a register of lanes, and a mask of lanes.

use std::marker::PhantomData;
use std::ops::{Add, AddAssign, BitAnd, BitOr, Div, Mul, MulAssign, Neg, Not, Sub, SubAssign};

use pulp::Simd;

use super::{Mask, Register};

/// No instruction set has more lanes.
pub(crate) const MOST_LANES: usize = 8;

/// One f64 a lane, for the instruction set `S`.
///
/// A `V<S>` can only be made from a token `S`, which exists only where the instructions do, so
/// the arithmetic needs no token of its own.
#[repr(transparent)]
pub(crate) struct V<S: Simd>(S::f64s, PhantomData<S>);

/// One boolean a lane.
#[repr(transparent)]
pub(crate) struct M<S: Simd>(S::m64s, PhantomData<S>);

impl<S: Simd> Clone for V<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<S: Simd> Copy for V<S> {}
impl<S: Simd> Clone for M<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<S: Simd> Copy for M<S> {}

/// The token of `S`.
#[inline(always)]
pub(super) fn token<S: Simd>() -> S {
    const { assert!(size_of::<S>() == 0) };
    // SAFETY: S has no bytes, so any aligned pointer may be read; and this function is only reached
    // through values that were made from a token, which proves that the instructions are there.
    unsafe { std::ptr::NonNull::<S>::dangling().as_ptr().read() }
}

impl<S: Simd> V<S> {
    /// Number of lanes.
    pub(crate) const LANES: usize = {
        let lanes = size_of::<S::f64s>() / size_of::<f64>();
        assert!(lanes <= MOST_LANES);
        lanes
    };

    /// A register is as many f64 as it has lanes: neither padded nor aligned to more than one of
    /// them. What casts between slices of both relies on it.
    const fn assert_layout() {
        assert!(size_of::<S::f64s>() == Self::LANES * size_of::<f64>());
        assert!(align_of::<S::f64s>() == align_of::<f64>());
    }

    /// The register of the instructions.
    #[inline(always)]
    pub(super) fn of(_: S, register: S::f64s) -> Self {
        Self(register, PhantomData)
    }

    /// The register of the instructions.
    #[inline(always)]
    pub(super) fn inner(self) -> S::f64s {
        self.0
    }

    /// The same number in every lane.
    #[inline(always)]
    pub(crate) fn splat(simd: S, value: f64) -> Self {
        Self(simd.splat_f64s(value), PhantomData)
    }

    /// The same number in every lane, with a value as the proof that `S` is there.
    #[inline(always)]
    pub(crate) fn like(self, value: f64) -> Self {
        Self::splat(token::<S>(), value)
    }

    /// Slice of interleaved numbers as registers.
    #[inline(always)]
    pub(crate) fn slice(_: S, values: &[f64]) -> &[Self] {
        debug_assert_eq!(values.len() % Self::LANES, 0);
        const { Self::assert_layout() };
        // SAFETY: V is transparent over LANES f64 with the alignment of one, and any bits are
        // valid.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len() / Self::LANES) }
    }

    /// Mutable slice of interleaved numbers as registers.
    #[inline(always)]
    pub(crate) fn slice_mut(_: S, values: &mut [f64]) -> &mut [Self] {
        debug_assert_eq!(values.len() % Self::LANES, 0);
        const { Self::assert_layout() };
        // SAFETY: as in `slice`; the borrow is unique.
        unsafe {
            std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len() / Self::LANES)
        }
    }

    /// The numbers of registers, interleaved.
    #[inline(always)]
    pub(crate) fn as_floats(values: &[Self]) -> &[f64] {
        const { Self::assert_layout() };
        // SAFETY: V is transparent over LANES f64.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len() * Self::LANES) }
    }

    /// The numbers of registers, interleaved.
    #[inline(always)]
    pub(crate) fn as_floats_mut(values: &mut [Self]) -> &mut [f64] {
        const { Self::assert_layout() };
        // SAFETY: as in `as_floats`; the borrow is unique.
        unsafe {
            std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len() * Self::LANES)
        }
    }

    /// `self * b + c`, rounded once.
    #[inline(always)]
    pub(crate) fn fma(self, b: Self, c: Self) -> Self {
        Self(token::<S>().mul_add_f64s(self.0, b.0, c.0), PhantomData)
    }

    /// `c - self * b`, rounded once.
    #[inline(always)]
    pub(crate) fn nfma(self, b: Self, c: Self) -> Self {
        Self(token::<S>().negate_mul_add_f64s(self.0, b.0, c.0), PhantomData)
    }

    #[inline(always)]
    pub(crate) fn abs(self) -> Self {
        // The default method of pulp is not always inlined, which costs a call.
        let simd = token::<S>();
        let bits = simd.transmute_u64s_f64s(self.0);
        let bits = simd.and_u64s(bits, simd.splat_u64s(!(1 << 63)));
        Self(simd.transmute_f64s_u64s(bits), PhantomData)
    }

    #[inline(always)]
    pub(crate) fn sqrt(self) -> Self {
        Self(token::<S>().sqrt_f64s(self.0), PhantomData)
    }

    /// The larger; `b` where either is NaN.
    #[inline(always)]
    pub(crate) fn max(self, b: Self) -> Self {
        self.gt(b).select(self, b)
    }

    /// The smaller; `b` where either is NaN.
    #[inline(always)]
    pub(crate) fn min(self, b: Self) -> Self {
        self.lt(b).select(self, b)
    }

    /// The larger of `self` and `|b|`, sticky on NaN: once NaN, always NaN.
    #[inline(always)]
    pub(crate) fn max_abs(self, b: Self) -> Self {
        let b = b.abs();
        // `!(b <= self)` holds where b is larger or either is NaN.
        let keep = b.le(self).select(self, b);
        self.is_nan().select(self, keep)
    }

    /// The bits, one u64 a lane.
    #[inline(always)]
    pub(super) fn bits(self) -> Bits<S> {
        Bits(token::<S>().transmute_u64s_f64s(self.0), PhantomData)
    }

    /// The largest power of two that is at most `self`, for normal positive numbers.
    #[inline(always)]
    pub(crate) fn floor_power_of_two(self) -> Self {
        let simd = token::<S>();
        let bits = simd.transmute_u64s_f64s(self.0);
        let exponent = simd.and_u64s(bits, simd.splat_u64s(0x7ff0_0000_0000_0000));
        Self(simd.transmute_f64s_u64s(exponent), PhantomData)
    }

    /// The exponent e of `2^e f` with `1 <= f < 2`, for normal positive numbers.
    #[inline(always)]
    pub(crate) fn exponent(self) -> Self {
        // As the low bits of 2^52 the biased exponent is a number.
        let biased = self.bits().shift_down(52).or(1075 << 52).number();
        biased - self.like(4_503_599_627_370_496.0 + 1023.0)
    }

    /// 1 / self, for powers of two whose inverse is normal.
    #[inline(always)]
    pub(crate) fn inverse_power_of_two(self) -> Self {
        // The biased exponents of a number and its inverse add up to twice the bias.
        self.bits().subtracted_from(2046 << 52).number()
    }

    /// The power of two that brings a positive number to at least one half and less than two when
    /// it is multiplied by its square.
    #[inline(always)]
    pub(crate) fn inverse_root_power_of_two(self) -> Self {
        // With self = 2^e f, 1 <= f < 2, it is 2^-k, k = floor((e + 1) / 2).
        let k = self.bits().shift_down(52).plus(1026).shift_down(1);
        k.subtracted_from(2047).shift_up(52).number()
    }

    #[inline(always)]
    pub(crate) fn lt(self, b: Self) -> M<S> {
        M(token::<S>().less_than_f64s(self.0, b.0), PhantomData)
    }

    #[inline(always)]
    pub(crate) fn le(self, b: Self) -> M<S> {
        M(token::<S>().less_than_or_equal_f64s(self.0, b.0), PhantomData)
    }

    #[inline(always)]
    pub(crate) fn gt(self, b: Self) -> M<S> {
        b.lt(self)
    }

    #[inline(always)]
    pub(crate) fn ge(self, b: Self) -> M<S> {
        b.le(self)
    }

    #[inline(always)]
    pub(crate) fn is_nan(self) -> M<S> {
        !M(token::<S>().equal_f64s(self.0, self.0), PhantomData)
    }

    /// Number in lane `lane`.
    ///
    /// # Panics
    /// When there is no such lane.
    #[inline(always)]
    pub(crate) fn lane(self, lane: usize) -> f64 {
        Self::as_floats(std::slice::from_ref(&self))[lane]
    }

    /// Replaces the number in lane `lane`.
    ///
    /// # Panics
    /// When there is no such lane.
    #[inline(always)]
    pub(crate) fn set_lane(&mut self, lane: usize, value: f64) {
        Self::as_floats_mut(std::slice::from_mut(self))[lane] = value;
    }
}

/// The bits of one f64 a lane, as unsigned integers that wrap around.
#[repr(transparent)]
pub(super) struct Bits<S: Simd>(S::u64s, PhantomData<S>);

impl<S: Simd> Clone for Bits<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<S: Simd> Copy for Bits<S> {}

impl<S: Simd> Bits<S> {
    /// The f64 with these bits.
    #[inline(always)]
    pub(super) fn number(self) -> V<S> {
        V(token::<S>().transmute_f64s_u64s(self.0), PhantomData)
    }

    /// `self + amount`.
    #[inline(always)]
    pub(super) fn plus(self, amount: u64) -> Self {
        let simd = token::<S>();
        Self(simd.add_u64s(self.0, simd.splat_u64s(amount)), PhantomData)
    }

    /// `amount - self`.
    #[inline(always)]
    pub(super) fn subtracted_from(self, amount: u64) -> Self {
        let simd = token::<S>();
        Self(simd.sub_u64s(simd.splat_u64s(amount), self.0), PhantomData)
    }

    /// The bits of `mask`.
    #[inline(always)]
    pub(super) fn and(self, mask: u64) -> Self {
        let simd = token::<S>();
        Self(simd.and_u64s(self.0, simd.splat_u64s(mask)), PhantomData)
    }

    /// The bits of either.
    #[inline(always)]
    pub(super) fn or(self, mask: u64) -> Self {
        let simd = token::<S>();
        Self(simd.or_u64s(self.0, simd.splat_u64s(mask)), PhantomData)
    }

    /// Moves the bits down. The instruction sets have no common operation for this; the loop over
    /// lanes compiles to one vector shift.
    #[inline(always)]
    pub(super) fn shift_down(self, amount: u32) -> Self {
        let mut number = self.number();
        for lane in 0..V::<S>::LANES {
            let bits = number.lane(lane).to_bits() >> amount;
            number.set_lane(lane, f64::from_bits(bits));
        }
        number.bits()
    }

    /// Moves the bits up.
    #[inline(always)]
    pub(super) fn shift_up(self, amount: u32) -> Self {
        let mut number = self.number();
        for lane in 0..V::<S>::LANES {
            let bits = number.lane(lane).to_bits() << amount;
            number.set_lane(lane, f64::from_bits(bits));
        }
        number.bits()
    }
}

impl<S: Simd> M<S> {
    /// True in every lane, or false in every lane.
    #[inline(always)]
    pub(crate) fn splat(simd: S, value: bool) -> Self {
        let x = V::splat(simd, 1.0);
        let y = V::splat(simd, if value { 2.0 } else { 0.0 });
        x.lt(y)
    }

    /// `a` where true, `b` where false.
    #[inline(always)]
    pub(crate) fn select(self, a: V<S>, b: V<S>) -> V<S> {
        V(token::<S>().select_f64s(self.0, a.0, b.0), PhantomData)
    }

    /// Whether any lane is true.
    #[inline(always)]
    pub(crate) fn any(self) -> bool {
        token::<S>().first_true_m64s(self.0) < V::<S>::LANES
    }

    /// Whether every lane is true.
    #[inline(always)]
    pub(crate) fn all(self) -> bool {
        !(!self).any()
    }

    /// Whether lane `lane` is true.
    #[inline(always)]
    pub(crate) fn lane(self, lane: usize) -> bool {
        let zero = V::splat(token::<S>(), 0.0);
        self.select(zero.like(1.0), zero).lane(lane) != 0.0
    }

    /// True in the lanes below `count`.
    #[inline(always)]
    pub(crate) fn first(simd: S, count: usize) -> Self {
        let zero = V::splat(simd, 0.0);
        let mut index = zero;
        for lane in 0..V::<S>::LANES {
            index.set_lane(lane, lane as f64);
        }
        index.lt(zero.like(count as f64))
    }
}

impl<S: Simd> Register<S> for V<S> {
    type Mask = M<S>;

    #[inline(always)]
    fn splat(simd: S, value: f64) -> Self {
        V::splat(simd, value)
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        V::fma(self, b, c)
    }

    #[inline(always)]
    fn nfma(self, b: Self, c: Self) -> Self {
        V::nfma(self, b, c)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        V::abs(self)
    }

    #[inline(always)]
    fn lt(self, b: Self) -> M<S> {
        V::lt(self, b)
    }

    #[inline(always)]
    fn le(self, b: Self) -> M<S> {
        V::le(self, b)
    }
}

impl<S: Simd> Mask<S, V<S>> for M<S> {
    #[inline(always)]
    fn select(self, a: V<S>, b: V<S>) -> V<S> {
        M::select(self, a, b)
    }

    #[inline(always)]
    fn any(self) -> bool {
        M::any(self)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:ident) => {
        impl<S: Simd> $trait for V<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Self(token::<S>().$op(self.0, b.0), PhantomData)
            }
        }
    };
}
operator!(Add, add, add_f64s);
operator!(Sub, sub, sub_f64s);
operator!(Mul, mul, mul_f64s);
operator!(Div, div, div_f64s);

macro_rules! assign {
    ($trait:ident, $method:ident, $op:tt) => {
        impl<S: Simd> $trait for V<S> {
            #[inline(always)]
            fn $method(&mut self, b: Self) {
                *self = *self $op b;
            }
        }
    };
}
assign!(AddAssign, add_assign, +);
assign!(SubAssign, sub_assign, -);
assign!(MulAssign, mul_assign, *);

impl<S: Simd> Neg for V<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // As in `abs`.
        let simd = token::<S>();
        let bits = simd.transmute_u64s_f64s(self.0);
        let bits = simd.xor_u64s(bits, simd.splat_u64s(1 << 63));
        Self(simd.transmute_f64s_u64s(bits), PhantomData)
    }
}

impl<S: Simd> BitAnd for M<S> {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, b: Self) -> Self {
        Self(token::<S>().and_m64s(self.0, b.0), PhantomData)
    }
}

impl<S: Simd> BitOr for M<S> {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, b: Self) -> Self {
        Self(token::<S>().or_m64s(self.0, b.0), PhantomData)
    }
}

impl<S: Simd> Not for M<S> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(token::<S>().not_m64s(self.0), PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    fn lane(value: f64) -> V<Scalar> {
        V::splat(Scalar, value)
    }

    #[test]
    fn inverse_of_a_power_of_two_is_exact() {
        for exponent in -1022..=1022 {
            let value = 2.0_f64.powi(exponent);
            assert_eq!(lane(value).inverse_power_of_two().lane(0), 1.0 / value, "2^{exponent}");
        }
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn a_lane_that_is_not_there_is_refused() {
        let _ = V::splat(pulp::Scalar256b, 1.0).lane(4);
    }

    #[test]
    fn exponents_are_those_of_the_logarithm() {
        for (number, exponent) in
            [(1.0, 0.0), (1.99, 0.0), (2.0, 1.0), (0.99, -1.0), (1e300, 996.0), (1e-300, -997.0)]
        {
            assert_eq!(lane(number).exponent().lane(0), exponent, "{number:e}");
        }
    }

    #[test]
    fn inverse_root_brings_near_one() {
        for exponent in -1020..1020 {
            for mantissa in [1.0, 1.25, 1.999_999] {
                let value = mantissa * 2.0_f64.powi(exponent);
                let factor = lane(value).inverse_root_power_of_two().lane(0);
                assert_eq!(lane(factor).floor_power_of_two().lane(0), factor);
                let scaled = value * factor * factor;
                assert!((0.5..2.0).contains(&scaled), "{value:e} becomes {scaled}");
            }
        }
    }
}
