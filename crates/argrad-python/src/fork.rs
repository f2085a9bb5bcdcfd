//! Work in processes that were forked, as `multiprocessing` and data loaders do: the threads of the
//! pool stay behind in the parent, so a child needs a pool of its own.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The process that loaded the module, whose threads are those of the global pool.
static LOADED_IN: AtomicU32 = AtomicU32::new(0);

/// The pool of a forked process, with the process that it belongs to.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// To be called when the module is loaded.
pub(crate) fn remember_process() {
    LOADED_IN.store(process::id(), Ordering::Relaxed);
}

/// Runs `work` where the threads that it spreads over are alive: as it is in the process that
/// loaded the module, in a pool of its own in a forked one, on one thread where no pool can be had.
pub(crate) fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let id = process::id();
    if id == LOADED_IN.load(Ordering::Relaxed) {
        return work();
    }
    match pool_of(id) {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

fn pool_of(id: u32) -> Option<Arc<ThreadPool>> {
    let mut pool = POOL.lock().unwrap_or_else(|error| error.into_inner());
    if pool.as_ref().is_none_or(|(owner, _)| *owner != id) {
        let made = Arc::new(ThreadPoolBuilder::new().build().ok()?);
        // Dropping the parent's pool would wait for threads that are not here.
        std::mem::forget(pool.replace((id, made)));
    }
    pool.as_ref().map(|(_, pool)| Arc::clone(pool))
}
