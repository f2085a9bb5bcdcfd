//! A register of f32, for what needs no double precision: twice the lanes of [`V`].

use std::marker::PhantomData;
use std::ops::{Add, AddAssign, BitAnd, BitOr, Div, Mul, MulAssign, Neg, Not, Sub, SubAssign};

use pulp::Simd;

use super::vector::token;
use super::{Mask, Register, V};

/// No register of f32 holds the lanes of more groups of f64.
pub(crate) const MOST_GROUPS: usize = 2;

/// One f32 a lane, for the instruction set `S`.
#[repr(transparent)]
pub(crate) struct Single<S: Simd>(S::f32s, PhantomData<S>);

/// One boolean a lane of [`Single`].
#[repr(transparent)]
pub(crate) struct SingleMask<S: Simd>(S::m32s, PhantomData<S>);

impl<S: Simd> Clone for Single<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<S: Simd> Copy for Single<S> {}
impl<S: Simd> Clone for SingleMask<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<S: Simd> Copy for SingleMask<S> {}

impl<S: Simd> Single<S> {
    /// Number of lanes.
    pub(crate) const LANES: usize = size_of::<S::f32s>() / size_of::<f32>();
    /// Groups of f64 lanes that one register of f32 holds.
    pub(crate) const GROUPS: usize = {
        let groups = Self::LANES / V::<S>::LANES;
        assert!(groups <= MOST_GROUPS);
        groups
    };

    /// Memory for registers of f64 as memory for as many of f32, which take no more.
    #[inline(always)]
    pub(crate) fn from_memory(memory: &mut [V<S>]) -> &mut [Self] {
        const {
            Self::assert_layout();
            assert!(size_of::<S::f32s>() <= size_of::<S::f64s>());
            assert!(align_of::<S::f32s>() <= align_of::<S::f64s>());
        };
        // SAFETY: by the assertions as many registers of f32 fit into the memory, whose bits are
        // valid numbers whatever they are; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), memory.len()) }
    }

    /// A register is as many f32 as it has lanes: neither padded nor aligned to more than one of
    /// them.
    const fn assert_layout() {
        assert!(size_of::<S::f32s>() == Self::LANES * size_of::<f32>());
        assert!(align_of::<S::f32s>() == align_of::<f32>());
    }

    /// The register of the instructions.
    #[inline(always)]
    pub(super) fn of(_: S, register: S::f32s) -> Self {
        Self(register, PhantomData)
    }

    /// The register of the instructions.
    #[inline(always)]
    pub(super) fn inner(self) -> S::f32s {
        self.0
    }

    /// Slice of numbers as registers.
    #[inline(always)]
    pub(super) fn slice(_: S, values: &[f32]) -> &[Self] {
        debug_assert_eq!(values.len() % Self::LANES, 0);
        const { Self::assert_layout() };
        // SAFETY: Single is transparent over LANES f32 with the alignment of one, and any bits are
        // valid.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len() / Self::LANES) }
    }

    /// Mutable slice of numbers as registers.
    #[inline(always)]
    pub(super) fn slice_mut(_: S, values: &mut [f32]) -> &mut [Self] {
        debug_assert_eq!(values.len() % Self::LANES, 0);
        const { Self::assert_layout() };
        // SAFETY: as in `slice`; the borrow is unique.
        unsafe {
            std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len() / Self::LANES)
        }
    }

    /// The numbers of registers.
    #[inline(always)]
    pub(crate) fn as_floats(values: &[Self]) -> &[f32] {
        const { Self::assert_layout() };
        // SAFETY: Single is transparent over LANES f32.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len() * Self::LANES) }
    }

    /// The numbers of registers.
    #[inline(always)]
    pub(crate) fn as_floats_mut(values: &mut [Self]) -> &mut [f32] {
        const { Self::assert_layout() };
        // SAFETY: as in `as_floats`; the borrow is unique.
        unsafe {
            std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len() * Self::LANES)
        }
    }

    /// The numbers of the lanes.
    #[inline(always)]
    pub(crate) fn lanes(&self) -> &[f32] {
        Self::as_floats(std::slice::from_ref(self))
    }

    /// The numbers of the lanes.
    #[inline(always)]
    pub(crate) fn lanes_mut(&mut self) -> &mut [f32] {
        Self::as_floats_mut(std::slice::from_mut(self))
    }

    /// Rounds the numbers of a group of f64 lanes into the lanes of group `group`.
    #[inline(always)]
    pub(crate) fn set_group(&mut self, group: usize, values: V<S>) {
        let values = V::as_floats(std::slice::from_ref(&values));
        let lanes = &mut self.lanes_mut()[group * V::<S>::LANES..][..V::<S>::LANES];
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane = value as f32;
        }
    }

    /// The numbers of group `group`, in place of those of `values`.
    #[inline(always)]
    pub(crate) fn write_group(&self, group: usize, values: &mut V<S>) {
        let lanes = &self.lanes()[group * V::<S>::LANES..][..V::<S>::LANES];
        let values = V::as_floats_mut(std::slice::from_mut(values));
        for (value, &lane) in values.iter_mut().zip(lanes) {
            *value = f64::from(lane);
        }
    }

    /// The bits changed by `f`.
    #[inline(always)]
    fn map_bits(self, f: impl FnOnce(S, S::u32s) -> S::u32s) -> Self {
        let simd = token::<S>();
        let bits = f(simd, simd.transmute_u32s_f32s(self.0));
        Self(simd.transmute_f32s_u32s(bits), PhantomData)
    }
}

impl<S: Simd> Register<S> for Single<S> {
    type Mask = SingleMask<S>;

    #[inline(always)]
    fn splat(simd: S, value: f64) -> Self {
        Self(simd.splat_f32s(value as f32), PhantomData)
    }

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        Self(token::<S>().mul_add_f32s(self.0, b.0, c.0), PhantomData)
    }

    #[inline(always)]
    fn nfma(self, b: Self, c: Self) -> Self {
        Self(token::<S>().negate_mul_add_f32s(self.0, b.0, c.0), PhantomData)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map_bits(|simd, bits| simd.and_u32s(bits, simd.splat_u32s(!(1 << 31))))
    }

    #[inline(always)]
    fn lt(self, b: Self) -> SingleMask<S> {
        SingleMask(token::<S>().less_than_f32s(self.0, b.0), PhantomData)
    }

    #[inline(always)]
    fn le(self, b: Self) -> SingleMask<S> {
        SingleMask(token::<S>().less_than_or_equal_f32s(self.0, b.0), PhantomData)
    }
}

impl<S: Simd> Mask<S, Single<S>> for SingleMask<S> {
    #[inline(always)]
    fn select(self, a: Single<S>, b: Single<S>) -> Single<S> {
        Single(token::<S>().select_f32s(self.0, a.0, b.0), PhantomData)
    }

    #[inline(always)]
    fn any(self) -> bool {
        token::<S>().first_true_m32s(self.0) < Single::<S>::LANES
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:ident) => {
        impl<S: Simd> $trait for Single<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Self(token::<S>().$op(self.0, b.0), PhantomData)
            }
        }
    };
}
operator!(Add, add, add_f32s);
operator!(Sub, sub, sub_f32s);
operator!(Mul, mul, mul_f32s);
operator!(Div, div, div_f32s);

macro_rules! assign {
    ($trait:ident, $method:ident, $op:tt) => {
        impl<S: Simd> $trait for Single<S> {
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

impl<S: Simd> Neg for Single<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map_bits(|simd, bits| simd.xor_u32s(bits, simd.splat_u32s(1 << 31)))
    }
}

impl<S: Simd> BitAnd for SingleMask<S> {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, b: Self) -> Self {
        Self(token::<S>().and_m32s(self.0, b.0), PhantomData)
    }
}

impl<S: Simd> BitOr for SingleMask<S> {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, b: Self) -> Self {
        Self(token::<S>().or_m32s(self.0, b.0), PhantomData)
    }
}

impl<S: Simd> Not for SingleMask<S> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(token::<S>().not_m32s(self.0), PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{LaneTask, dispatch};
    use crate::program::Instructions;

    /// Every operation in every lane, against the same operation on one f32.
    struct Operations;

    impl LaneTask for Operations {
        type Output = ();

        fn run<S: Simd>(self, simd: S) {
            let numbers = |shift: f64| {
                let mut register = Single::splat(simd, 0.0);
                for (lane, value) in register.lanes_mut().iter_mut().enumerate() {
                    *value = (lane as f64 * 1.3 - 2.7 + shift) as f32;
                }
                register
            };
            let (a, b, c) = (numbers(0.0), numbers(0.4), numbers(-5.0));
            let check = |found: Single<S>, wanted: &dyn Fn(f32, f32, f32) -> f32| {
                for lane in 0..Single::<S>::LANES {
                    let of = |register: &Single<S>| register.lanes()[lane];
                    assert_eq!(of(&found), wanted(of(&a), of(&b), of(&c)), "lane {lane}");
                }
            };
            check(a + b, &|a, b, _| a + b);
            check(a - b, &|a, b, _| a - b);
            check(a * b, &|a, b, _| a * b);
            check(a / b, &|a, b, _| a / b);
            check(-a, &|a, _, _| -a);
            check(a.abs(), &|a, _, _| a.abs());
            check(a.fma(b, c), &|a, b, c| a.mul_add(b, c));
            check(a.nfma(b, c), &|a, b, c| (-a).mul_add(b, c));
            check(a.max(-b), &|a, b, _| a.max(-b));
            check(a.min(-b), &|a, b, _| a.min(-b));
            check((-a).lt(b).select(a, c), &|a, b, c| if -a < b { a } else { c });
            assert!(a.lt(b).any() && !b.lt(a).any());
            assert!((!b.lt(a)).any() && (a.lt(b) & a.le(b)).any() && (b.lt(a) | a.lt(b)).any());
            let not_a_number = Single::splat(simd, f64::NAN);
            assert!(a.max_abs(not_a_number).is_nan().any());
            assert!(not_a_number.max_abs(a).is_nan().any());
        }
    }

    /// Groups of f64 lanes go there and back, rounded once.
    struct Groups;

    impl LaneTask for Groups {
        type Output = ();

        fn run<S: Simd>(self, simd: S) {
            let mut register = Single::splat(simd, 0.0);
            for group in 0..Single::<S>::GROUPS {
                register.set_group(group, V::splat(simd, 0.1 + group as f64));
            }
            for group in 0..Single::<S>::GROUPS {
                let mut back = V::splat(simd, 0.0);
                register.write_group(group, &mut back);
                for lane in 0..V::<S>::LANES {
                    assert_eq!(back.lane(lane), f64::from((0.1 + group as f64) as f32));
                }
            }
        }
    }

    #[test]
    fn operations_are_those_of_f32() {
        dispatch(Instructions::Detect, Operations);
        dispatch(Instructions::Scalar, Operations);
    }

    #[test]
    fn groups_have_their_own_lanes() {
        dispatch(Instructions::Detect, Groups);
        dispatch(Instructions::Scalar, Groups);
    }
}
