//! Lane groups on threads.

use std::sync::Mutex;

/// Vector operations that take about as long as waking a thread.
const WORTH_WAKING: usize = 300_000;

/// Calls `work` on every task, in the current rayon pool, or on the calling thread alone where the
/// tasks together are not worth waking the pool. `cost` is that of one task, in vector operations;
/// each thread makes one `workspace`.
///
/// The calling thread does not work beside the pool: idle workers spin before they sleep, and one
/// thread more than there are cores costs more than it does.
pub(crate) fn for_each<T: Send, W>(
    tasks: Vec<T>,
    cost: usize,
    workspace: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, T) + Sync,
) {
    let worth = tasks.len().saturating_mul(cost) >= WORTH_WAKING;
    let helpers =
        if worth { rayon::current_num_threads().min(tasks.len()).saturating_sub(1) } else { 0 };
    let queue = Mutex::new(tasks.into_iter());
    let drain = || {
        let mut own = None;
        // The lock is released before the work begins.
        while let Some(task) = { queue.lock().unwrap_or_else(|e| e.into_inner()).next() } {
            work(own.get_or_insert_with(&workspace), task);
        }
    };
    if helpers == 0 {
        return drain();
    }
    rayon::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| drain());
        }
        drain();
    });
}
