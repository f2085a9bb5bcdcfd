//! Sample by sample through a batch, on several threads where there is enough to do.

use argrad_solver::Slot;
use rayon::prelude::*;

/// Numbers for the solver: the user's own where the order is the same, else a copy in its order.
#[derive(Debug)]
pub(crate) enum Assembled<'a> {
    Borrowed(Slot<'a>),
    Owned { values: Vec<f64>, shared: bool },
}

impl Assembled<'_> {
    pub(crate) fn slot(&self) -> Slot<'_> {
        match self {
            Self::Borrowed(slot) => *slot,
            Self::Owned { values, shared: true } => Slot::Shared(values),
            Self::Owned { values, shared: false } => Slot::Each(values),
        }
    }
}

/// Fewer numbers than this are not worth waking another thread.
const WORTH_THREADS: usize = 1 << 16;

fn worth_threads(values: &[f64], len: usize) -> bool {
    values.len() > len && values.len() >= WORTH_THREADS
}

/// Runs `f` on the `len` numbers of each sample; whether it was true of all.
pub(crate) fn each_sample(
    values: &mut [f64],
    len: usize,
    f: impl Fn(usize, &mut [f64]) -> bool + Send + Sync,
) -> bool {
    if len == 0 {
        return true;
    }
    if worth_threads(values, len) {
        let parts = values.par_chunks_mut(len).enumerate();
        parts.map(|(k, part)| f(k, part)).reduce(|| true, |a, b| a & b)
    } else {
        let parts = values.chunks_mut(len).enumerate();
        parts.fold(true, |good, (k, part)| good & f(k, part))
    }
}

/// Replaces the `len` numbers of each sample by what `f` makes of them: old numbers first, new
/// ones second.
pub(crate) fn each_sample_in_place(
    values: &mut [f64],
    len: usize,
    f: impl Fn(&[f64], &mut [f64]) + Send + Sync,
) {
    if len == 0 {
        return;
    }
    let one = |old: &mut Vec<f64>, part: &mut [f64]| {
        old.copy_from_slice(part);
        f(old, part);
    };
    if worth_threads(values, len) {
        values.par_chunks_mut(len).for_each_init(|| vec![0.0; len], one);
    } else {
        let mut old = vec![0.0; len];
        values.chunks_mut(len).for_each(|part| one(&mut old, part));
    }
}
