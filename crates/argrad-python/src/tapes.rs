//! How many tapes are held. A tape is the factorization of every sample of a batch, so one that
//! nobody needs is the first thing to look for when memory grows.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// A tape, or what contains one, that is counted as long as it lives.
pub(crate) struct Counted<T>(T);

impl<T> Counted<T> {
    pub(crate) fn new(tape: T) -> Self {
        HELD.fetch_add(1, Ordering::Relaxed);
        Self(tape)
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Number of solved batches, of any class of this module, that hold what a derivative needs.
#[pyfunction]
pub(crate) fn held_tapes() -> usize {
    HELD.load(Ordering::Relaxed)
}
