//! Cache-line aligned memory for lanes, cut into named slices.

use aligned_vec::{AVec, ConstAlign};
use pulp::Simd;

use super::V;
use crate::program::{Error, bytes, not_given};

/// A block of f64 that starts on a cache line.
#[derive(Clone, Debug)]
pub(crate) struct Buffer(AVec<f64, ConstAlign<64>>);

impl Buffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`Error::Memory`] when the system has no memory for them.
    pub(crate) fn try_zeros(len: usize) -> Result<Self, Error> {
        let mut numbers = AVec::new(64);
        numbers.try_reserve_exact(len).map_err(|_| not_given(bytes(len, size_of::<f64>())))?;
        numbers.resize(len, 0.0);
        Ok(Self(numbers))
    }

    /// `len` zeros.
    ///
    /// # Panics
    /// When the system has no memory for them.
    pub(crate) fn zeros(len: usize) -> Self {
        Self::try_zeros(len).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn as_slice(&self) -> &[f64] {
        &self.0
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f64] {
        &mut self.0
    }
}

/// Cuts one buffer into slices of registers, in order.
pub(crate) struct Arena<'a, T>(&'a mut [T]);

impl<'a, S: Simd> Arena<'a, V<S>> {
    pub(crate) fn new(simd: S, buffer: &'a mut [f64]) -> Self {
        Self(V::slice_mut(simd, buffer))
    }
}

impl<'a, T> Arena<'a, T> {
    /// Of memory that is registers already.
    #[inline(always)]
    pub(crate) fn of(memory: &'a mut [T]) -> Self {
        Self(memory)
    }

    /// The next `len` registers.
    ///
    /// # Panics
    /// When the buffer is exhausted: the size computed for it was wrong.
    #[inline(always)]
    pub(crate) fn take(&mut self, len: usize) -> &'a mut [T] {
        let (head, tail) = std::mem::take(&mut self.0).split_at_mut(len);
        self.0 = tail;
        head
    }
}
