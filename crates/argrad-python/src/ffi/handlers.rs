//! What XLA calls. Arguments are the values, then, for derivatives, the flat tape as bits and what
//! is differentiated along; results are rows of numbers. Attributes:
//!
//! | name | what |
//! |---|---|
//! | `key` | of the program |
//! | `description` | text from which Python makes the program, in exported functions |
//! | `batch` | number of samples, or -1 for one without a batch axis |
//! | `each` | of each value, whether it has the batch axis |
//! | `given` | of each tangent or cotangent, whether it is an argument |
//! | `wanted` | of each gradient, whether it is a result |
//! | `extra` | number of right-hand sides, or -1 for one without an axis of its own |
//! | `moved` | second derivatives: of each value, whether it moves |

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use argrad::{OnFailure, Report, Slot};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};

use super::abi::{self, CallFrame};
use super::frame::{self, Failure, Frame};
use super::program::{Derivative, Found};
use super::registry::{Registered, find, with_python};
use crate::doubt;
use crate::interruptible::{derivative_size, is_long, message, watched};
use crate::report;
use crate::sigint::Watch;

/// What XLA is given: the address of a function.
pub(super) type Handler = unsafe extern "C" fn(*const CallFrame) -> *mut abi::Error;

/// The handlers as capsules, by their names in JAX.
#[pyfunction]
pub(crate) fn ffi_handlers(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let handlers: [(&str, Handler); 4] = [
        ("argrad_solve", solve),
        ("argrad_tangents", tangents),
        ("argrad_cotangents", cotangents),
        ("argrad_second", second),
    ];
    capsules(py, &handlers)
}

/// Handlers by their names.
pub(super) fn capsules<'py>(
    py: Python<'py>,
    handlers: &[(&str, Handler)],
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, handler) in handlers {
        dict.set_item(name, capsule(py, *handler)?)?;
    }
    Ok(dict)
}

/// A pointer to a handler, as JAX takes it: a capsule without a name.
fn capsule(py: Python<'_>, handler: Handler) -> PyResult<Bound<'_, PyCapsule>> {
    let pointer = handler as *mut std::ffi::c_void;
    // SAFETY: a capsule that holds the address of a function, which lives as long as the module;
    // it owns nothing.
    unsafe {
        let object = pyo3::ffi::PyCapsule_New(pointer, std::ptr::null(), None);
        Ok(Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked())
    }
}

unsafe extern "C" fn solve(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: the frame is that of XLA.
    unsafe { run(frame, do_solve) }
}

unsafe extern "C" fn tangents(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: as above.
    unsafe { run(frame, do_tangents) }
}

unsafe extern "C" fn cotangents(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: as above.
    unsafe { run(frame, do_cotangents) }
}

unsafe extern "C" fn second(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: as above.
    unsafe { run(frame, do_second) }
}

/// Answers a question about the handler, or does the work of a call.
///
/// # Safety
/// `frame` must come from a runtime of the XLA FFI.
pub(super) unsafe fn run(
    frame: *const CallFrame,
    work: fn(&Frame<'_>) -> Result<(), Failure>,
) -> *mut abi::Error {
    // SAFETY: as the caller promises; frames are read only where their version is known.
    unsafe {
        let Some(version) = frame::known_version(frame) else {
            let failure = Failure::bad("argrad: this version of the XLA FFI is not known");
            return frame::error(frame, failure);
        };
        if frame::answer_metadata(frame, version) || (*frame).stage != abi::STAGE_EXECUTE {
            return std::ptr::null_mut();
        }
        let call = Frame::new(frame);
        let done = catch_unwind(AssertUnwindSafe(|| work(&call)));
        match done.unwrap_or_else(|panic| Err(internal(message(&*panic)))) {
            Ok(()) => std::ptr::null_mut(),
            Err(failure) => frame::error(frame, failure),
        }
    }
}

fn internal(message: String) -> Failure {
    let message = format!("internal error of argrad, please report it: {message}");
    Failure { code: abi::ERROR_INTERNAL, message }
}

/// What all calls have in common.
struct Call<'a> {
    registered: Arc<Registered>,
    /// Number of samples.
    count: usize,
    each: Vec<bool>,
    values: Vec<Cow<'a, [f64]>>,
}

impl<'a> Call<'a> {
    fn read(frame: &Frame<'a>) -> Result<Self, Failure> {
        let registered = find(frame.integer("key")?, frame.text("description")?)?;
        let inputs = registered.program.inputs();
        let count = usize::try_from(frame.integer("batch")?).unwrap_or(1);
        let each = frame.flags("each", inputs.len())?;
        let mut values = Vec::with_capacity(inputs.len());
        for (at, (&len, &each)) in inputs.iter().zip(&each).enumerate() {
            values.push(frame.numbers(at, if each { count * len } else { len })?);
        }
        if let Some(prepared) = registered.prepare(&values, &each)? {
            values = prepared.into_iter().map(Cow::Owned).collect();
        }
        Ok(Self { registered, count, each, values })
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        self.values
            .iter()
            .zip(&self.each)
            .map(|(value, &each)| if each { Slot::Each(value) } else { Slot::Shared(value) })
            .collect()
    }

    /// Length of a value, or of its gradient.
    fn len(&self, at: usize) -> usize {
        self.registered.program.inputs()[at] * if self.each[at] { self.count } else { 1 }
    }

    /// Numbers of the whole batch: what the time of the work is in proportion to.
    fn size(&self) -> usize {
        self.count * self.registered.program.inputs().iter().sum::<usize>()
    }

    /// Runs `work`, which takes time in proportion to `size`, and which Ctrl-C ends.
    fn watched<T: Send>(
        &self,
        size: usize,
        work: impl FnOnce() -> PyResult<T> + Send,
    ) -> Result<T, Failure> {
        let watch = is_long(size).then(Watch::new);
        let look = || {
            watch.as_ref().filter(|watch| watch.has_come()).map(|_| Failure {
                code: abi::ERROR_CANCELLED,
                message: "argrad: the solve was ended by Ctrl-C".into(),
            })
        };
        let interrupt = self.registered.program.interrupt();
        let done = watched(size, interrupt, work, look, internal)?;
        done.map_err(|error| self.registered.explain(error, &self.values, &self.each))
    }

    /// The solution that left the flat tape, which stands behind the values; and what `work` makes
    /// of it.
    fn differentiate<T: Send>(
        &self,
        frame: &Frame<'a>,
        work: impl Fn(&(dyn Derivative + Send + Sync)) -> PyResult<T> + Send + Sync,
    ) -> Result<T, Failure> {
        let program = &*self.registered.program;
        let rows = frame.bits(self.values.len(), self.count * program.flat_tape_len())?;
        let slots = self.slots();
        let size = derivative_size(&self.registered.how, self.size());
        self.watched(size, || work(&*program.restore(self.count, &slots, &rows)?))
    }
}

/// NaN in the rows of samples without a solution.
fn mask(output: &mut [f64], len: usize, reports: &[Report]) {
    for (at, _) in reports.iter().enumerate().filter(|(_, report)| !report.is_solved()) {
        output[at * len..(at + 1) * len].fill(f64::NAN);
    }
}

fn do_solve(frame: &Frame<'_>) -> Result<(), Failure> {
    let call = Call::read(frame)?;
    let program = &*call.registered.program;
    let lens = program.outputs();
    let [_, results] = frame.counts();
    let is_taped = results > lens.len() + 1;
    let mut rows = vec![0.0; if is_taped { call.count * program.flat_tape_len() } else { 0 }];
    let slots = call.slots();
    let tape = is_taped.then_some(&mut rows[..]);
    let mut solved = call.watched(call.size(), || program.solve(call.count, &slots, tape))?;
    call.registered.check(&solved.reports)?;
    for (at, (output, &len)) in solved.outputs.iter_mut().zip(lens).enumerate() {
        if call.registered.how.on_failure == OnFailure::Nan {
            mask(output, len, &solved.reports);
        }
        frame.write(at, 0, output)?;
    }
    let codes: Vec<i32> =
        solved.reports.iter().map(|own| report::code(own.status).into()).collect();
    frame.write_codes(lens.len(), &codes)?;
    if is_taped {
        frame.write_bits(lens.len() + 1, &rows)?;
    }
    Ok(())
}

/// The arguments from `first` on, where they are given: one for each length, times `extra`.
fn given_arrays<'a>(
    frame: &Frame<'a>,
    first: usize,
    given: &[bool],
    lens: impl Iterator<Item = usize>,
) -> Result<Vec<Option<Cow<'a, [f64]>>>, Failure> {
    let mut next = first;
    let read = |(&given, len): (&bool, usize)| {
        if !given {
            return Ok(None);
        }
        next += 1;
        frame.numbers(next - 1, len).map(Some)
    };
    given.iter().zip(lens).map(read).collect()
}

/// The right-hand side `row` of `extra`.
fn row<'a>(
    arrays: &'a [Option<Cow<'_, [f64]>>],
    row: usize,
    extra: usize,
) -> Vec<Option<&'a [f64]>> {
    let part = |array: &'a Cow<'_, [f64]>| {
        let len = array.len() / extra;
        &array[row * len..(row + 1) * len]
    };
    arrays.iter().map(|array| array.as_ref().map(part)).collect()
}

fn do_tangents(frame: &Frame<'_>) -> Result<(), Failure> {
    let call = Call::read(frame)?;
    let k = call.values.len();
    let extra = usize::try_from(frame.integer("extra")?).unwrap_or(1);
    let given = frame.flags("given", k)?;
    let arrays = given_arrays(frame, k + 1, &given, (0..k).map(|at| extra * call.len(at)))?;
    let found: Vec<Found> = call.differentiate(frame, |solution| {
        (0..extra).map(|at| solution.tangents(&row(&arrays, at, extra))).collect()
    })?;
    write_rows(frame, &found, |_| true)
}

fn do_cotangents(frame: &Frame<'_>) -> Result<(), Failure> {
    let call = Call::read(frame)?;
    let k = call.values.len();
    let lens = call.registered.program.outputs();
    let extra = usize::try_from(frame.integer("extra")?).unwrap_or(1);
    let (given, wanted) = (frame.flags("given", lens.len())?, frame.flags("wanted", k)?);
    let lens = lens.iter().map(|len| extra * call.count * len);
    let arrays = given_arrays(frame, k + 1, &given, lens)?;
    let found: Vec<Found> = call.differentiate(frame, |solution| {
        (0..extra).map(|at| solution.cotangents(&row(&arrays, at, extra))).collect()
    })?;
    write_rows(frame, &found, |at| wanted[at])
}

fn do_second(frame: &Frame<'_>) -> Result<(), Failure> {
    let call = Call::read(frame)?;
    let k = call.values.len();
    let lens = call.registered.program.outputs();
    let (given, moved) = (frame.flags("given", lens.len())?, frame.flags("moved", k)?);
    let wanted = frame.flags("wanted", k)?;
    let weights = given_arrays(frame, k + 1, &given, lens.iter().map(|len| call.count * len))?;
    let after = k + 1 + given.iter().filter(|&&given| given).count();
    let moves = given_arrays(frame, after, &moved, (0..k).map(|at| call.len(at)))?;
    let found: Vec<Found> = call.differentiate(frame, |solution| {
        Ok(vec![solution.second(&row(&weights, 0, 1), &row(&moves, 0, 1))?])
    })?;
    write_rows(frame, &found, |at| wanted[at])
}

/// Writes the wanted parts of each right-hand side, and warns of what is not accurate.
fn write_rows(
    frame: &Frame<'_>,
    found: &[Found],
    wanted: impl Fn(usize) -> bool,
) -> Result<(), Failure> {
    for (row, own) in found.iter().enumerate() {
        let parts = own.parts.iter().enumerate().filter(|(at, _)| wanted(*at));
        for (result, (_, part)) in parts.enumerate() {
            frame.write(result, row * part.len(), part)?;
        }
        if doubt::is_doubtful(&own.accuracy, &own.unfinished) {
            with_python(|py| doubt::warn_of(py, &own.accuracy, &own.unfinished))?;
        }
        if !own.kinked.is_empty() {
            with_python(|py| {
                let policy = py.import("argrad._policy")?;
                policy.call_method1("warn_of_kinks", (own.samples, own.kinked.clone()))?;
                Ok(())
            })?;
        }
    }
    Ok(())
}
