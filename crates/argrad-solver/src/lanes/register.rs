//! What kernels need of their numbers that work in either precision.

use std::ops::{Add, AddAssign, BitAnd, BitOr, Div, Mul, MulAssign, Neg, Not, Sub, SubAssign};

use pulp::Simd;

/// A register of lanes, of f64 ([`V`]) or f32 ([`Single`]).
///
/// [`V`]: super::V
/// [`Single`]: super::Single
pub(crate) trait Register<S: Simd>:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// One boolean a lane.
    type Mask: Mask<S, Self>;

    /// The same number in every lane, rounded to the precision of the lanes.
    fn splat(simd: S, value: f64) -> Self;

    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;

    /// `c - self * b`, rounded once.
    fn nfma(self, b: Self, c: Self) -> Self;

    /// The absolute value.
    fn abs(self) -> Self;

    /// `self < b`.
    fn lt(self, b: Self) -> Self::Mask;

    /// `self <= b`.
    fn le(self, b: Self) -> Self::Mask;

    /// Whether it is not a number.
    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        !self.le(self)
    }

    /// The larger; `b` where either is NaN.
    #[inline(always)]
    fn max(self, b: Self) -> Self {
        b.lt(self).select(self, b)
    }

    /// The smaller; `b` where either is NaN.
    #[inline(always)]
    fn min(self, b: Self) -> Self {
        self.lt(b).select(self, b)
    }

    /// The larger of `self` and `|b|`, sticky on NaN: once NaN, always NaN.
    #[inline(always)]
    fn max_abs(self, b: Self) -> Self {
        let b = b.abs();
        // `!(b <= self)` holds where b is larger or either is NaN.
        let keep = b.le(self).select(self, b);
        self.is_nan().select(self, keep)
    }
}

/// One boolean a lane of the register `T`.
pub(crate) trait Mask<S: Simd, T>:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
    /// `a` where true, `b` where false.
    fn select(self, a: T, b: T) -> T;

    /// Whether any lane is true.
    fn any(self) -> bool;
}
