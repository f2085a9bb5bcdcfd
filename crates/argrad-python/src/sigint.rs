//! Ctrl-C on threads that Python does not know: what compiled functions of JAX run on.
//!
//! Python's own handler of the signal only leaves a note for the main thread, which may be waiting
//! for this very solve. So while a long solve is under way, a handler stands before Python's,
//! counts the signal, and passes it on.

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

const SIGINT: c_int = 2;
/// A handler that is none: the default, and to ignore.
const DEFAULT: usize = 0;
const IGNORE: usize = 1;

unsafe extern "C" {
    // Of Python's stable ABI, here with handlers as numbers, since two of them are no functions.
    fn PyOS_getsig(signal: c_int) -> usize;
    fn PyOS_setsig(signal: c_int, handler: usize) -> usize;
}

/// How many signals have come.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The handler that stands behind this one.
static BEHIND: AtomicUsize = AtomicUsize::new(DEFAULT);
/// How many solves watch.
static WATCHES: Mutex<usize> = Mutex::new(0);

/// Only what is allowed in a signal handler: atomic numbers, and what Python's handler does.
unsafe extern "C" fn count_and_pass_on(signal: c_int) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    let behind = BEHIND.load(Ordering::Relaxed);
    if behind != DEFAULT && behind != IGNORE {
        // SAFETY: neither of the two numbers that are no handler, so a handler of the system's
        // type, which was installed for this signal.
        unsafe {
            let behind = std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(behind);
            behind(signal);
        }
    }
}

/// Counts signals as long as it lives.
pub(crate) struct Watch {
    before: usize,
}

impl Watch {
    pub(crate) fn new() -> Self {
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        let own = count_and_pass_on as unsafe extern "C" fn(c_int) as usize;
        // SAFETY: sets and reads the handler of one signal; this one is fit to be a handler.
        let behind = unsafe { PyOS_getsig(SIGINT) };
        // Where nothing of Python's stands behind, the process is to end as it would without.
        if *watches == 0 && behind != own && behind != DEFAULT && behind != IGNORE {
            BEHIND.store(behind, Ordering::Relaxed);
            // SAFETY: as above.
            unsafe { PyOS_setsig(SIGINT, own) };
        }
        *watches += 1;
        Self { before: COUNT.load(Ordering::Relaxed) }
    }

    /// Whether a signal has come since this watch began.
    pub(crate) fn has_come(&self) -> bool {
        COUNT.load(Ordering::Relaxed) != self.before
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        *watches -= 1;
        let own = count_and_pass_on as unsafe extern "C" fn(c_int) as usize;
        // SAFETY: as in `new`. Where somebody has set another handler meanwhile, that one stays.
        unsafe {
            if *watches == 0 && PyOS_getsig(SIGINT) == own {
                PyOS_setsig(SIGINT, BEHIND.load(Ordering::Relaxed));
            }
        }
    }
}
