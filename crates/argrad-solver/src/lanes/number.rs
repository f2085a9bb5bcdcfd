//! The numbers of one large matrix, of which a register holds several: in either precision.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use pulp::{MemMask, Simd};

use super::vector::MOST_LANES;
use super::{Register, Single, V};

/// No register holds more numbers, of either precision.
pub(crate) const MOST_NUMBERS: usize = 2 * MOST_LANES;

/// f64, or f32 where few digits are enough.
pub(crate) trait Number:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    /// Numbers side by side.
    type Register<S: Simd>: Register<S>;
    /// The first numbers of a register.
    type First<S: Simd>: Copy;

    const ZERO: Self;
    const ONE: Self;
    /// Numbers in the widest register of any instruction set.
    const MOST: usize;

    /// `value`, rounded.
    fn of(value: f64) -> Self;

    fn to_f64(self) -> f64;

    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;

    /// The same number everywhere.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Register<S>;

    /// Which numbers [`Self::load_first`] and [`Self::store_first`] mean: `count`, at most as many
    /// as a register holds.
    fn first<S: Simd>(simd: S, count: usize) -> Self::First<S>;

    /// The first numbers from `from` on, zeros behind.
    ///
    /// # Safety
    /// They may be read.
    unsafe fn load_first<S: Simd>(
        simd: S,
        first: Self::First<S>,
        from: *const Self,
    ) -> Self::Register<S>;

    /// # Safety
    /// They may be written.
    unsafe fn store_first<S: Simd>(
        simd: S,
        first: Self::First<S>,
        to: *mut Self,
        value: Self::Register<S>,
    );

    /// The whole registers of `values`, and the numbers behind.
    fn registers<S: Simd>(simd: S, values: &[Self]) -> (&[Self::Register<S>], &[Self]);

    /// The whole registers of `values`, and the numbers behind.
    fn registers_mut<S: Simd>(
        simd: S,
        values: &mut [Self],
    ) -> (&mut [Self::Register<S>], &mut [Self]);
}

/// A register as the numbers that it holds.
pub(crate) trait AsNumbers<S: Simd>: Register<S> {
    type Number: Number;

    /// The numbers of registers, one lane after the other.
    fn as_numbers(values: &[Self]) -> &[Self::Number];

    /// The numbers of registers, one lane after the other.
    fn as_numbers_mut(values: &mut [Self]) -> &mut [Self::Number];
}

/// Numbers in a register.
pub(crate) const fn numbers<S: Simd, T: Number>() -> usize {
    size_of::<T::Register<S>>() / size_of::<T>()
}

macro_rules! number {
    ($type:ty, $register:ident, $most:expr, $masks:ident, $between:ident, $index:ty,
     $splat:ident, $load:ident, $store:ident) => {
        impl<S: Simd> AsNumbers<S> for $register<S> {
            type Number = $type;

            #[inline(always)]
            fn as_numbers(values: &[Self]) -> &[$type] {
                Self::as_floats(values)
            }

            #[inline(always)]
            fn as_numbers_mut(values: &mut [Self]) -> &mut [$type] {
                Self::as_floats_mut(values)
            }
        }

        impl Number for $type {
            type Register<S: Simd> = $register<S>;
            type First<S: Simd> = MemMask<S::$masks>;

            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const MOST: usize = $most;

            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "rounded on purpose")]
            fn of(value: f64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> $register<S> {
                $register::of(simd, simd.$splat(value))
            }

            #[inline(always)]
            fn first<S: Simd>(simd: S, count: usize) -> MemMask<S::$masks> {
                simd.$between(0, count as $index)
            }

            #[inline(always)]
            unsafe fn load_first<S: Simd>(
                simd: S,
                first: MemMask<S::$masks>,
                from: *const Self,
            ) -> $register<S> {
                // SAFETY: by the caller.
                $register::of(simd, unsafe { simd.$load(first, from) })
            }

            #[inline(always)]
            unsafe fn store_first<S: Simd>(
                simd: S,
                first: MemMask<S::$masks>,
                to: *mut Self,
                value: $register<S>,
            ) {
                // SAFETY: by the caller.
                unsafe { simd.$store(first, to, value.inner()) }
            }

            #[inline(always)]
            fn registers<S: Simd>(simd: S, values: &[Self]) -> (&[$register<S>], &[Self]) {
                let (head, tail) =
                    values.split_at(values.len() - values.len() % $register::<S>::LANES);
                ($register::slice(simd, head), tail)
            }

            #[inline(always)]
            fn registers_mut<S: Simd>(
                simd: S,
                values: &mut [Self],
            ) -> (&mut [$register<S>], &mut [Self]) {
                let whole = values.len() - values.len() % $register::<S>::LANES;
                let (head, tail) = values.split_at_mut(whole);
                ($register::slice_mut(simd, head), tail)
            }
        }
    };
}
number!(
    f64,
    V,
    MOST_LANES,
    m64s,
    mask_between_m64s,
    u64,
    splat_f64s,
    mask_load_ptr_f64s,
    mask_store_ptr_f64s
);
number!(
    f32,
    Single,
    MOST_NUMBERS,
    m32s,
    mask_between_m32s,
    u32,
    splat_f32s,
    mask_load_ptr_f32s,
    mask_store_ptr_f32s
);
