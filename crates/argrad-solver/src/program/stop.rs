//! When a solve has to end: its time limit, its interrupt.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Settings;

/// When one solve, or one derivative, has to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop<'a> {
    deadline: Option<Instant>,
    /// With its count at the start.
    interrupt: Option<(&'a AtomicU64, u64)>,
}

impl<'a> Stop<'a> {
    /// For a solve that starts now.
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self {
            deadline: settings.time_limit.map(|limit| Instant::now() + limit),
            interrupt: settings
                .interrupt
                .as_ref()
                .map(|interrupt| (&*interrupt.0, interrupt.0.load(Ordering::Relaxed))),
        }
    }

    /// For a derivative that starts now: a time limit is that of the solve.
    pub(crate) fn of_derivative(settings: &'a Settings) -> Self {
        Self { deadline: None, ..Self::new(settings) }
    }

    /// Not before its work is done.
    pub(crate) fn never() -> Self {
        Self { deadline: None, interrupt: None }
    }

    /// Whether it has to end now.
    pub(crate) fn is_due(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
            || self.interrupt.is_some_and(|(count, seen)| count.load(Ordering::Relaxed) != seen)
    }
}
