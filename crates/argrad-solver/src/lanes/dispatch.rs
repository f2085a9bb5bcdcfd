//! From run-time detection to code compiled for one instruction set.

use pulp::{Arch, Scalar, Simd, WithSimd};

use crate::Instructions;

/// Work written once for any instruction set.
pub(crate) trait LaneTask {
    type Output;
    /// Does the work. Everything it calls is `#[inline(always)]` or goes through
    /// [`Simd::vectorize`], else it would be compiled without the instructions.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

struct Op<T>(T);

impl<T: LaneTask> WithSimd for Op<T> {
    type Output = T::Output;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T::Output {
        self.0.run(simd)
    }
}

/// Runs `task` with the chosen instructions.
pub(crate) fn dispatch<T: LaneTask>(instructions: Instructions, task: T) -> T::Output {
    match instructions {
        Instructions::Detect => Arch::new().dispatch(Op(task)),
        Instructions::Scalar => Simd::vectorize(Scalar, Op(task)),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => match pulp::x86::V3::try_new() {
            Some(simd) => Simd::vectorize(simd, Op(task)),
            None => Arch::new().dispatch(Op(task)),
        },
        #[cfg(not(target_arch = "x86_64"))]
        Instructions::Avx2 => Arch::new().dispatch(Op(task)),
    }
}

/// Number of lanes that [`dispatch`] works with.
pub(crate) fn lane_count(instructions: Instructions) -> usize {
    struct Count;
    impl LaneTask for Count {
        type Output = usize;
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> usize {
            S::F64_LANES
        }
    }
    dispatch(instructions, Count)
}

/// A piece of lane code that is compiled as a function of its own.
pub(crate) trait Kernel {
    type Output;
    /// The work; must be `#[inline(always)]`.
    fn run(self) -> Self::Output;
}

struct Call<K>(K);

impl<K: Kernel> WithSimd for Call<K> {
    type Output = K::Output;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> K::Output {
        self.0.run()
    }
}

/// Calls `kernel` with the instructions of `simd`, without inlining it into the caller's body.
#[inline(always)]
pub(crate) fn call<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output {
    simd.vectorize(Call(kernel))
}
