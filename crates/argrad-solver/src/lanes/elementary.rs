//! Logarithm and exponential, lane by lane.
//!
//! Bitwise the same on every instruction set and with any neighbours, which the standard library's
//! are not promised to be. Both reduce the argument by powers of two and evaluate a minimax
//! polynomial there (coefficients: Remez exchange, 60 digits); the error stays below one ulp.

use pulp::Simd;

use super::V;

/// ln 2 in two parts; the first has 42 bits, so its products with exponents are exact.
const LN_2: (f64, f64) = (0.6931471805598903, 5.497923018708371e-14);

/// Adding this rounds a small number to an integer and leaves that in the low bits.
const ROUNDER: f64 = 6755399441055744.0;

/// Bits of the number's fraction.
const FRACTION: u64 = (1 << 52) - 1;

/// Bits of sqrt(1/2) and of 1.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const ONE: u64 = 1023 << 52;

/// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2, relative error of e^r 5e-20.
const EXP: [f64; 11] = [
    0.5,
    0.16666666666666682,
    0.041666666666666095,
    0.008333333333316983,
    0.001388888888911635,
    0.000198412698965149,
    2.480158692573312e-5,
    2.75572347279836e-6,
    2.755758227169281e-7,
    2.5112084463874067e-8,
    2.0826585350513196e-9,
];

/// (ln((1 + r)/(1 - r))/r - 2) / r^2 in r^2, for |r| <= (sqrt 2 - 1)/(sqrt 2 + 1), relative error
/// of the logarithm 3e-20.
const LN: [f64; 8] = [
    0.6666666666666666,
    0.40000000000000885,
    0.28571428570798235,
    0.22222222392818844,
    0.1818179553200844,
    0.15386245133487705,
    0.13268637901065436,
    0.13087949057885429,
];

impl<S: Simd> V<S> {
    /// e to the power of `self`.
    #[inline(always)]
    pub(crate) fn exp(self) -> Self {
        // Beyond these limits the result is infinite or zero; NaN passes through.
        let high = self.gt(self.like(710.0)).select(self.like(710.0), self);
        let x = high.lt(self.like(-746.0)).select(self.like(-746.0), high);

        let rounder = self.like(ROUNDER);
        let n = x.fma(self.like(std::f64::consts::LOG2_E), rounder) - rounder;
        let exact = n.nfma(self.like(LN_2.0), x);
        let tail = n * self.like(LN_2.1);
        let r = exact - tail;
        let lost = (exact - r) - tail;

        let square = r * r;
        let polynomial = square.fma(even_odd(r, square, &EXP), lost);
        let power = self.like(1.0) + (r + polynomial);

        // In two factors, because 2^n itself may not be a number where the result is one; only the
        // last product rounds.
        let half = n.fma(self.like(0.5), rounder) - rounder;
        power * power_of_two(half) * power_of_two(n - half)
    }

    /// The natural logarithm: negative infinity at zero, NaN below.
    #[inline(always)]
    pub(crate) fn ln(self) -> Self {
        let zero = self.like(0.0);
        let subnormal = self.lt(self.like(f64::MIN_POSITIVE));
        let scaled = subnormal.select(self * self.like(18014398509481984.0), self);
        let bias = subnormal.select(self.like(54.0), zero) + self.like(4503599627370496.0 + 1023.0);

        // scaled = 2^e m with m from sqrt(1/2) to sqrt 2.
        let moved = scaled.bits().plus(ONE - ROOT_HALF);
        let exponent = moved.shift_down(52).or(4503599627370496.0_f64.to_bits()).number() - bias;
        let m = moved.and(FRACTION).plus(ROOT_HALF).number();

        // With f = m - 1 and r = f/(2 + f): ln m = ln((1 + r)/(1 - r)) = 2r + r^3 LN(r^2), and
        // 2r = f - r f, f r = f^2/2 - r f^2/2, so that the large part f - f^2/2 has no error but
        // that of the last sums.
        let f = m - self.like(1.0);
        let r = f / (f + self.like(2.0));
        let square = r * r;
        let polynomial = square * even_odd(square, square * square, &LN);
        let half_square = self.like(0.5) * f * f;
        let small = r.fma(half_square + polynomial, exponent * self.like(LN_2.1));
        let result = exponent.fma(self.like(LN_2.0), f - (half_square - small));

        let finite = self.lt(self.like(f64::INFINITY));
        let result = finite.select(result, self);
        let result = self.gt(zero).select(result, self.like(f64::NAN));
        let is_zero = self.ge(zero) & self.le(zero);
        is_zero.select(self.like(f64::NEG_INFINITY), result)
    }
}

/// A polynomial in x, by its even and its odd part, which halves the chain of dependent operations.
#[inline(always)]
fn even_odd<S: Simd, const N: usize>(x: V<S>, square: V<S>, coefficients: &[f64; N]) -> V<S> {
    let mut parts = [x.like(coefficients[N - 1]), x.like(coefficients[N - 2])];
    for (step, &c) in coefficients[..N - 2].iter().rev().enumerate() {
        let part = &mut parts[step % 2];
        *part = part.fma(square, x.like(c));
    }
    // The part that got the constant is even.
    let [even, odd] = if N % 2 == 1 { parts } else { [parts[1], parts[0]] };
    odd.fma(x, even)
}

/// 2^n for the integer n nearest to `power`, which is from -1022 to 1023.
#[inline(always)]
pub(crate) fn nearest_power<S: Simd>(power: V<S>) -> V<S> {
    let rounder = power.like(ROUNDER);
    power_of_two((power + rounder) - rounder)
}

/// 2^n for an integer n from -1022 to 1023.
#[inline(always)]
fn power_of_two<S: Simd>(n: V<S>) -> V<S> {
    (n + n.like(ROUNDER + 1023.0)).bits().shift_up(52).number()
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::lanes::{LaneTask, dispatch};
    use crate::program::Instructions;

    fn exp(x: f64) -> f64 {
        V::<Scalar>::splat(Scalar, x).exp().lane(0)
    }

    fn ln(x: f64) -> f64 {
        V::<Scalar>::splat(Scalar, x).ln().lane(0)
    }

    /// Number of floating-point numbers from a to b.
    fn ulps(a: f64, b: f64) -> u64 {
        let rank = |x: f64| {
            let bits = x.to_bits() as i64;
            if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
        };
        rank(a).abs_diff(rank(b))
    }

    /// The standard library is correct to half an ulp and a little, so one apart is an error below
    /// 1.5 ulp.
    fn assert_close(name: &str, x: f64, got: f64, expected: f64) {
        assert!(ulps(got, expected) <= 1, "{name}({x:e}) = {got:e}, expected {expected:e}");
    }

    #[test]
    fn exp_is_within_an_ulp_of_std() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..100_000 {
            for scale in [1e-9, 1e-3, 0.3, 1.0, 20.0, 708.0, 745.5] {
                let x = scale * rng.random_range(-1.0..1.0);
                assert_close("exp", x, exp(x), x.exp());
            }
            let x = rng.random_range(-745.2..-700.0_f64);
            assert_close("exp", x, exp(x), x.exp());
        }
    }

    #[test]
    fn exp_near_the_limits_of_its_reduction() {
        for n in -1076..=1025 {
            let middle = (n as f64 + 0.5) * std::f64::consts::LN_2;
            let mut x = middle * (1.0 - 1e-15);
            for _ in 0..20 {
                assert_close("exp", x, exp(x), x.exp());
                x = x.next_up();
            }
        }
    }

    #[test]
    fn exp_of_special_numbers() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp(f64::MAX), f64::INFINITY);
        assert_eq!(exp(f64::MIN), 0.0);
        assert!(exp(f64::NAN).is_nan());
        assert_eq!(exp(f64::MIN_POSITIVE), 1.0);
        assert_eq!(exp(709.782712893384), 709.782712893384_f64.exp());
        assert_eq!(exp(709.7827128933841), f64::INFINITY);
        assert_eq!(exp(-745.1332191019411), 5e-324);
        assert_eq!(exp(-745.1332191019412), 0.0);
    }

    #[test]
    fn ln_is_within_an_ulp_of_std() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..200_000 {
            // Any positive number: uniform in the bits.
            let x = f64::from_bits(rng.random_range(1..f64::INFINITY.to_bits()));
            assert_close("ln", x, ln(x), x.ln());
            for spread in [1e-12, 1e-6, 1e-2, 0.5] {
                let x: f64 = 1.0 + spread * rng.random_range(-1.0..1.0);
                assert_close("ln", x, ln(x), x.ln());
            }
            let x = f64::from_bits(rng.random_range(1..f64::MIN_POSITIVE.to_bits()));
            assert_close("ln", x, ln(x), x.ln());
        }
    }

    #[test]
    fn ln_near_the_limits_of_its_reduction() {
        for middle in [0.5_f64.sqrt(), 1.0, 2.0_f64.sqrt(), 2.0, f64::MIN_POSITIVE, 1e300] {
            let mut x = f64::from_bits(middle.to_bits() - 200);
            for _ in 0..400 {
                assert_close("ln", x, ln(x), x.ln());
                x = x.next_up();
            }
        }
    }

    #[test]
    fn ln_of_special_numbers() {
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert_eq!(ln(-0.0), f64::NEG_INFINITY);
        assert_eq!(ln(f64::INFINITY), f64::INFINITY);
        assert_close("ln", 5e-324, ln(5e-324), 5e-324_f64.ln());
        assert_close("ln", f64::MAX, ln(f64::MAX), f64::MAX.ln());
        for x in [-1.0, -5e-324, f64::MIN, f64::NEG_INFINITY, f64::NAN] {
            assert!(ln(x).is_nan(), "{x}");
        }
    }

    struct Both<'a>(&'a mut [f64], &'a mut [f64]);

    impl LaneTask for Both<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for x in V::slice_mut(simd, self.0) {
                *x = x.exp();
            }
            for x in V::slice_mut(simd, self.1) {
                *x = x.ln();
            }
        }
    }

    #[test]
    fn the_same_bits_on_all_instruction_sets() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let special = [0.0, -0.0, 1e-310, -1.0, f64::INFINITY, f64::NEG_INFINITY, 800.0, -800.0];
        let mut numbers = special.to_vec();
        numbers.extend((0..4096).map(|_| rng.random_range(-746.0..710.0)));
        numbers.extend((0..4096).map(|_| f64::from_bits(rng.random_range(0..u64::MAX))));
        let expected: Vec<_> = numbers.iter().map(|&x| (exp(x), ln(x))).collect();
        for instructions in [Instructions::Detect, Instructions::Avx2, Instructions::Scalar] {
            let (mut e, mut l) = (numbers.clone(), numbers.clone());
            dispatch(instructions, Both(&mut e, &mut l));
            for (i, &(exp, ln)) in expected.iter().enumerate() {
                assert!(e[i].to_bits() == exp.to_bits() || (e[i].is_nan() && exp.is_nan()));
                assert!(l[i].to_bits() == ln.to_bits() || (l[i].is_nan() && ln.is_nan()));
            }
        }
    }
}
