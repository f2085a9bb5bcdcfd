//! Ctrl-C as a flag: the work ends after its current step, and reports what there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a program ended by Ctrl-C.
pub const EXIT_CODE: u8 = 130;

/// Whether the user asked the program to end. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// A flag that Ctrl-C sets. A second Ctrl-C ends the program at once.
    pub fn by_ctrl_c() -> Result<Self, ctrlc::Error> {
        let interruption = Self::default();
        let flag = interruption.0.clone();
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE.into());
            }
        })?;
        Ok(interruption)
    }

    /// Asks for the end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
