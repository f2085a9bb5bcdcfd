//! From run-time detection to code compiled for one instruction set.

use pulp::{Scalar, Simd, WithSimd};

use super::{Single, V};
use crate::program::{Error, Instructions};

/// Whether there is code for processors without fused multiply-add, which takes a function call
/// there. An interpreter is one.
const HAS_BASELINE: bool = cfg!(any(miri, argrad_baseline, not(target_arch = "x86_64")));

/// Refuses a processor that there is no code for.
pub(crate) fn check_processor() -> Result<(), Error> {
    #[cfg(target_arch = "x86_64")]
    if !HAS_BASELINE && pulp::x86::V3::try_new().is_none() {
        return Err(Error::Processor);
    }
    Ok(())
}

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

/// How wide the lanes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// As wide as the instructions allow.
    Vector(Instructions),
    /// One lane: a number type of one f64, for one large sample at a time.
    One,
}

impl From<Instructions> for Width {
    fn from(instructions: Instructions) -> Self {
        Width::Vector(instructions)
    }
}

/// Runs `task` with lanes of the chosen width.
pub(crate) fn dispatch<T: LaneTask>(width: impl Into<Width>, task: T) -> T::Output {
    let instructions = match width.into() {
        Width::Vector(instructions) => instructions,
        Width::One => Instructions::Scalar,
    };
    #[cfg(target_arch = "x86_64")]
    {
        if instructions == Instructions::Detect
            && let Some(simd) = pulp::x86::V4::try_new()
        {
            return Simd::vectorize(simd, Op(task));
        }
        if instructions != Instructions::Scalar
            && let Some(simd) = pulp::x86::V3::try_new()
        {
            return Simd::vectorize(simd, Op(task));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    if instructions != Instructions::Scalar {
        return pulp::Arch::new().dispatch(Op(task));
    }
    one_lane(Op(task))
}

/// Runs `op` on one lane, compiled with the fused multiply-add of the processor where it has one.
#[inline(always)]
fn one_lane<O: WithSimd>(op: O) -> O::Output {
    /// Work on one lane, compiled for whatever instructions it is called with.
    struct One<O>(O);
    impl<O: WithSimd> WithSimd for One<O> {
        type Output = O::Output;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> O::Output {
            self.0.with_simd(Scalar)
        }
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, One(op));
    }
    if HAS_BASELINE {
        return Simd::vectorize(Scalar, One(op));
    }
    unreachable!("check_processor")
}

/// Number of f64 lanes that [`dispatch`] works with.
#[cfg(test)]
pub(crate) fn lane_count(width: impl Into<Width>) -> usize {
    lanes_and_groups(width).0
}

/// Number of f64 lanes that [`dispatch`] works with, and of groups of them in a register of f32.
pub(crate) fn lanes_and_groups(width: impl Into<Width>) -> (usize, usize) {
    struct Count;
    impl LaneTask for Count {
        type Output = (usize, usize);
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> (usize, usize) {
            (V::<S>::LANES, Single::<S>::GROUPS)
        }
    }
    dispatch(width, Count)
}

/// A piece of lane code that is compiled as a function of its own.
pub(crate) trait Kernel {
    type Output;
    /// The work; must be `#[inline(always)]`.
    fn run(self) -> Self::Output;
}

/// A closure marked `#[inline(always)]`, see [`apart`].
impl<R, F: FnOnce() -> R> Kernel for F {
    type Output = R;
    #[inline(always)]
    fn run(self) -> R {
        self()
    }
}

/// `apart!(simd, || { .. })`: a stage of a longer piece of work, compiled as a [`Kernel`].
macro_rules! apart {
    ($simd:expr, || $stage:expr) => {
        $crate::lanes::call(
            $simd,
            #[inline(always)]
            || $stage,
        )
    };
}
pub(crate) use apart;

struct Call<K>(K);

impl<K: Kernel> WithSimd for Call<K> {
    type Output = K::Output;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> K::Output {
        self.0.run()
    }
}

/// Calls `kernel` with the instructions of `simd`. Never inlined into the caller's body: a function
/// that holds several of them takes the compiler many times as long.
#[inline(never)]
pub(crate) fn call<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output {
    if S::F64_LANES == 1 { one_lane(Call(kernel)) } else { simd.vectorize(Call(kernel)) }
}
