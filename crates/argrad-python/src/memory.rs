//! Memory of the module. A call returns arrays of some megabytes that live for one step of a
//! training loop. The C library's allocator gives such memory back to the system at once, and takes
//! it anew, page by page, for the next call: with 50 variables and a batch of 128 that was four
//! fifths of the time of backward. So the module has an allocator of its own, which keeps what is
//! freed for a while.

use libmimalloc_sys::{mi_option_set, mi_option_t};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The option `mi_option_purge_delay` of mimalloc 2 and 3.
const PURGE_DELAY: mi_option_t = 15;

/// How long freed memory is kept, in milliseconds: longer than a step of a training loop.
const KEPT: i64 = 1000;

/// To be called when the module is loaded.
pub(crate) fn keep_freed_pages() {
    // SAFETY: sets a number of the allocator that is this module's own.
    unsafe { mi_option_set(PURGE_DELAY, KEPT as _) };
}
