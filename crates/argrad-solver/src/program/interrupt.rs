//! Ending solves from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
pub struct Interrupt(pub(super) Arc<AtomicU64>);

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
