//! LDL' of one large sparse quasidefinite matrix, with threads inside.
//!
//! The elimination order is approximate minimum degree. Where columns are sparse they are
//! eliminated one by one; where they are not, in dense fronts. See [`plan`].

mod kernel;
mod numeric;
mod pattern;
mod plan;
mod products;
mod runs;
mod solve;
#[cfg(test)]
mod tests;

use std::sync::Mutex;

use kernel::PivotRule;
use numeric::Factorize;
use pattern::Pattern;
use plan::Plan;
use solve::Solve;

pub(crate) use products::SparseProducts;

use crate::lanes::{Number, dispatch};
use crate::program::{Error, Instructions, MemoryLimit, bytes};

/// Bytes of a number and of its address.
const NUMBER: u64 = (size_of::<f64>() + size_of::<u32>()) as u64;

/// Symbolic factorization, and scratch for the numeric one.
#[derive(Debug)]
pub(crate) struct SparseLdl {
    plan: Plan,
    /// Sign of each pivot in elimination order.
    signs: Vec<i8>,
    step: Vec<u32>,
    entry_address: Vec<u32>,
    diagonal_address: Vec<u32>,
    instructions: Instructions,
    scratch: Pool<f64>,
    /// For factors in single precision.
    single: Pool<f32>,
}

impl SparseLdl {
    /// Analyses the matrix of order `order` with the given off-diagonal entries (each pair once,
    /// either triangle); the diagonal is always there. `signs` are the signs, 1 or -1, of the
    /// pivots, node by node.
    /// The numeric work uses `instructions`, with the same results for all of them.
    ///
    /// # Errors
    /// [`Error::Pattern`] when a pair is not off the diagonal of the matrix or given twice, or when
    /// there are too many for 32-bit addresses; [`Error::Memory`] when the factor is too large.
    pub(crate) fn new(
        order: usize,
        entries: &[(u32, u32)],
        signs: &[i8],
        instructions: Instructions,
        limit: MemoryLimit,
    ) -> Result<Self, Error> {
        assert_eq!(signs.len(), order, "one sign a node");
        let pattern = Pattern::new(order, entries)?;
        let entries = pattern.factor_entries();
        limit.check_program(entries.saturating_mul(NUMBER), || {
            format!("the factor of a linear system of order {order}, {entries} entries,")
        })?;
        let plan = Plan::new(&pattern)?;
        let numbers = plan.factor_len + plan.stack_len + numeric::scratch_len(&plan);
        limit.check_program(bytes(numbers, size_of::<f64>()), || {
            let (factor, stack) = (plan.factor_len, plan.stack_len);
            format!("factoring a system of order {order}, {factor} entries and {stack} of updates,")
        })?;
        let mut by_step = vec![0; order];
        for (&sign, &step) in signs.iter().zip(&pattern.step) {
            by_step[step as usize] = sign;
        }
        let Pattern { step, entry_address, diagonal_address, .. } = pattern;
        Ok(Self {
            plan,
            signs: by_step,
            step,
            entry_address,
            diagonal_address,
            instructions,
            scratch: Pool::default(),
            single: Pool::default(),
        })
    }

    /// Where the value of each entry given goes in the matrix.
    pub(crate) fn entry_address(&self) -> &[u32] {
        &self.entry_address
    }

    /// Where the diagonal of each node goes in the matrix.
    pub(crate) fn diagonal_address(&self) -> &[u32] {
        &self.diagonal_address
    }

    /// When each node is eliminated: its place in a right-hand side.
    pub(crate) fn steps(&self) -> &[u32] {
        &self.step
    }

    /// Length of the matrix.
    pub(crate) fn matrix_len(&self) -> usize {
        self.plan.place.len()
    }

    /// Length of the factor.
    pub(crate) fn factor_len(&self) -> usize {
        self.plan.factor_len
    }

    /// Multiplications of a factorization, and of a solve.
    pub(crate) fn operations(&self) -> (usize, usize) {
        let Plan { targets, slender_rows, fronts, .. } = &self.plan;
        let mut operations = (targets.len(), slender_rows.len());
        for front in fronts {
            let (width, below) = (front.width, front.below);
            operations.0 += width * (below * (below + width) / 2 + width * width / 6);
            operations.1 += width * (2 * below + width);
        }
        operations
    }

    /// Factors `matrix`. Pivots below `smallest` times their sign are replaced by `replacement`
    /// times their sign. Returns the least sign * pivot found: infinite for order 0, and NaN if
    /// the matrix is not finite.
    pub(crate) fn factor<T: Pooled>(
        &self,
        matrix: &[T],
        factor: &mut [T],
        smallest: f64,
        replacement: f64,
    ) -> f64 {
        let len = self.plan.stack_len + numeric::scratch_len(&self.plan);
        T::pool(self).with(len, |scratch| {
            let rule = PivotRule { signs: &self.signs, smallest, replacement };
            let plan = &self.plan;
            dispatch(self.instructions, Factorize { plan, matrix, factor, scratch, rule })
        })
    }

    /// Solves for `count` right-hand sides, `[step][count]`, in place.
    pub(crate) fn solve<T: Pooled>(&self, factor: &[T], rhs: &mut [T], count: usize) {
        let plan = &self.plan;
        let len = solve::scratch_len(plan);
        match count {
            1 => T::pool(self).with(len, |scratch| {
                let rhs = rhs.as_chunks_mut::<1>().0;
                dispatch(self.instructions, Solve { plan, factor, rhs, scratch });
            }),
            2 => T::pool(self).with(2 * len, |scratch| {
                let rhs = rhs.as_chunks_mut::<2>().0;
                dispatch(self.instructions, Solve { plan, factor, rhs, scratch });
            }),
            _ => {
                let mut one = vec![T::ZERO; plan.order];
                for r in 0..count {
                    for (one, rhs) in one.iter_mut().zip(rhs.chunks_exact(count)) {
                        *one = rhs[r];
                    }
                    self.solve(factor, &mut one, 1);
                    for (one, rhs) in one.iter().zip(rhs.chunks_exact_mut(count)) {
                        rhs[r] = *one;
                    }
                }
            }
        }
    }
}

/// A number whose scratch is kept.
pub(crate) trait Pooled: Number {
    fn pool(ldl: &SparseLdl) -> &Pool<Self>;
}

impl Pooled for f64 {
    fn pool(ldl: &SparseLdl) -> &Pool<f64> {
        &ldl.scratch
    }
}

impl Pooled for f32 {
    fn pool(ldl: &SparseLdl) -> &Pool<f32> {
        &ldl.single
    }
}

/// Buffers that are lent and come back.
#[derive(Debug)]
pub(crate) struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Number> Pool<T> {
    fn with<O>(&self, len: usize, work: impl FnOnce(&mut [T]) -> O) -> O {
        let lock = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut buffer = lock().pop().unwrap_or_default();
        if buffer.len() < len {
            buffer.resize(len, T::ZERO);
        }
        let result = work(&mut buffer[..len]);
        lock().push(buffer);
        result
    }
}
