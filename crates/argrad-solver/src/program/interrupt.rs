//! Ending solves from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Settings;

/// Ends the solves that are under way, from another thread or a signal handler. Clones are the same
/// interrupt.
///
/// ```
/// use argrad_solver::{Interrupt, Settings};
/// let interrupt = Interrupt::default();
/// let settings = Settings { interrupt: Some(interrupt.clone()), ..Settings::default() };
/// // ... later, on another thread than that of the solve:
/// interrupt.interrupt();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicU64>);

impl Interrupt {
    /// Ends every solve under way whose settings have this interrupt: their unsolved samples end
    /// with [`crate::Status::TimeLimit`]. So do the iterations of LSQR in derivatives of such
    /// solves: their samples are left unfinished ([`crate::Gradients::unfinished`]). What begins
    /// later is not affected.
    pub fn interrupt(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl PartialEq for Interrupt {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

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
