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
    let guarded = move || catch_unwind(AssertUnwindSafe(|| fork::in_pool(work)));
    if size < LONG {
        return py.detach(guarded).map_err(|panic| internal(&*panic));
    }
    py.detach(|| {
        thread::scope(|scope| {
            let (sender, receiver) = channel();
            scope.spawn(move || sender.send(guarded()));
            let mut raised = None;
            loop {
                match receiver.recv_timeout(POLL) {
                    Ok(done) => {
                        let done = done.map_err(|panic| internal(&*panic));
                        return raised.map_or(done, Err);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        if let Err(error) = Python::attach(|py| py.check_signals()) {
                            raised = Some(error);
                        }
                        // Again each time: what is under way may begin another solve.
                        if raised.is_some() {
                            interrupt.interrupt();
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(PyRuntimeError::new_err("the solver's thread ended early"));
                    }
                }
            }
        })
    })
}

fn internal(panic: &(dyn Any + Send)) -> PyErr {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    PyRuntimeError::new_err(format!("internal error of argrad, please report it: {message}"))
}
