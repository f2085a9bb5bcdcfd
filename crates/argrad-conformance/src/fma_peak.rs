//! The machine's peak of fused multiply-adds on f64, measured.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};

/// Measured peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FmaPeak {
    /// One thread alone, in GFlop/s.
    pub one_thread: f64,
    /// All threads of the current rayon pool together, in GFlop/s.
    pub all_threads: f64,
    /// Number of those threads.
    pub threads: usize,
    /// f64 lanes of the vector registers used: 8 with AVX-512, 4 with AVX2, 2 with NEON, else 1.
    pub lanes: usize,
}

/// Measures the peak: best of several runs of about 10 ms. A multiply-add counts as two operations.
/// Without fused multiply-add instructions the number is that of the software replacement.
pub fn fma_peak() -> FmaPeak {
    const RUNS: usize = 8;
    const SECONDS: f64 = 0.01;
    let arch = Arch::new();
    let lanes = arch.dispatch(Lanes);
    let operations = |rounds: usize| (2 * lanes * ACCUMULATORS * rounds) as f64;

    // Find how many rounds fill a run; the last doubling also warms the clock up.
    let mut rounds = 1 << 10;
    while seconds(|| arch.dispatch(Chains { rounds })) < SECONDS {
        rounds *= 2;
    }
    let best = |run: &dyn Fn()| (0..RUNS).map(|_| seconds(run)).fold(f64::INFINITY, f64::min);
    let alone = best(&|| {
        black_box(arch.dispatch(Chains { rounds }));
    });
    let together = best(&|| {
        black_box(rayon::broadcast(|_| arch.dispatch(Chains { rounds })));
    });
    let threads = rayon::current_num_threads();
    FmaPeak {
        one_thread: operations(rounds) / alone / 1e9,
        all_threads: threads as f64 * operations(rounds) / together / 1e9,
        threads,
        lanes,
    }
}

fn seconds<R>(run: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    black_box(run());
    start.elapsed().as_secs_f64()
}

/// Enough independent chains to hide a latency of 4 to 6 cycles at two instructions a cycle, and
/// few enough for the 16 registers of AVX2.
const ACCUMULATORS: usize = 12;

/// Number of f64 lanes.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F64_LANES
    }
}

/// `rounds` dependent multiply-adds in each accumulator.
struct Chains {
    rounds: usize,
}

impl WithSimd for Chains {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        // The chains converge to 1, so no subnormal number slows them down.
        let shrink = simd.splat_f64s(black_box(0.5));
        let shift = simd.splat_f64s(black_box(0.5));
        let mut chains = [simd.splat_f64s(black_box(2.0)); ACCUMULATORS];
        for _ in 0..self.rounds {
            for chain in &mut chains {
                *chain = simd.mul_add_f64s(*chain, shrink, shift);
            }
        }
        chains.into_iter().map(|chain| simd.reduce_sum_f64s(chain)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_compute_what_they_say() {
        let sum = Arch::new().dispatch(Chains { rounds: 2 });
        let lanes = Arch::new().dispatch(Lanes);
        assert_eq!(sum, 1.25 * (lanes * ACCUMULATORS) as f64);
    }
}
