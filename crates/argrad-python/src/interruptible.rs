//! Long work without the interpreter lock, ended by Ctrl-C.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use argrad_solver::{Differentiation, Interrupt, Method};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::fork;

/// Numbers of a batch from which a solve gets a thread of its own, while the caller's waits for
/// signals: some 10 ms of work.
const LONG: usize = 300_000;

/// Whether work of this size gets a thread of its own.
pub(crate) fn is_long(size: usize) -> bool {
    size >= LONG
}

/// How often signals are looked at.
const POLL: Duration = Duration::from_millis(50);

/// The size of a derivative, where a sample has so many numbers: LSQR takes long however small
/// it is, triangular solves hardly ever do.
pub(crate) fn derivative_size(how: &Differentiation, numbers: usize) -> usize {
    match how.method {
        Method::Lsqr { .. } => LONG,
        _ if numbers >= LONG => numbers,
        _ => 0,
    }
}

/// Runs `work`, which takes time in proportion to `size`, without the interpreter lock.
///
/// # Errors
/// What a signal handler raises, above all `KeyboardInterrupt`; then `interrupt` has been used. A
/// panic is a `RuntimeError`.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    size: usize,
    interrupt: &Interrupt,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let signals = || Python::attach(|py| py.check_signals()).err();
    py.detach(|| watched(size, interrupt, work, signals, |message| internal(&message)))
}

/// Runs `work`, which takes time in proportion to `size`; where that is long, on a thread of its
/// own, while this one asks `look` now and then whether it is to end, and why.
///
/// # Errors
/// What `look` said; then `interrupt` has been used. What `panicked` makes of the message of a
/// panic.
pub(crate) fn watched<T: Send, E: Send>(
    size: usize,
    interrupt: &Interrupt,
    work: impl FnOnce() -> T + Send,
    mut look: impl FnMut() -> Option<E>,
    panicked: impl Fn(String) -> E,
) -> Result<T, E> {
    let guarded = move || catch_unwind(AssertUnwindSafe(|| fork::in_pool(work)));
    if !is_long(size) {
        return guarded().map_err(|panic| panicked(message(&*panic)));
    }
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        scope.spawn(move || sender.send(guarded()));
        let mut ended = None;
        loop {
            match receiver.recv_timeout(POLL) {
                Ok(done) => {
                    let done = done.map_err(|panic| panicked(message(&*panic)));
                    return ended.map_or(done, Err);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(reason) = look() {
                        ended = Some(reason);
                    }
                    // Again each time: what is under way may begin another solve.
                    if ended.is_some() {
                        interrupt.interrupt();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(panicked("the solver's thread ended early".into()));
                }
            }
        }
    })
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown").to_owned()
}

fn internal(message: &str) -> PyErr {
    PyRuntimeError::new_err(format!("internal error of argrad, please report it: {message}"))
}
