//! What XLA calls on a device: the solve of P, q, A, b that are there, and its derivatives. The
//! maps around it are XLA's own work (`python/argrad/jax/_device.py`). All numbers are of float64.
//! Attributes, beside `key`, `description` and `batch` of [`super::handlers`]:
//!
//! | name | what |
//! |---|---|
//! | `each` | of P, q, A, b: whether each sample has its own |
//! | `value_each` | solve: of each value of the front end, whether it has the batch axis |
//! | `given` | of each tangent or cotangent, whether it is an argument |
//!
//! Whoever calls waits for what is said of the samples: what has no solution ends the call, or is
//! warned of, as on the CPU.

use std::sync::Arc;

use argrad::{Mode, OnFailure, Report, Slot};
use argrad_gpu::{
    AdjointAddresses, BatchAddresses, CentralAddresses, Entry, Error, Place, PointAddresses, Start,
    Stream, TangentAddresses,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::abi::{self, CallFrame};
use super::device_frame::Memory;
use super::frame::{Failure, Frame};
use super::handlers::{Handler, capsules, run};
use super::registry::{Registered, failure, find, with_python};
use crate::device::{Batches, check_reached};
use crate::doubt;

/// The handlers of cards as capsules, by their names in JAX; with `on_host`, those of the host that
/// is taken for a card in tests.
#[pyfunction]
pub(crate) fn ffi_device_handlers(py: Python<'_>, on_host: bool) -> PyResult<Bound<'_, PyDict>> {
    let of: [Handler; 5] = match on_host {
        true => {
            [solve::<true>, cotangents::<true>, tangents::<true>, nearby::<true>, gradients::<true>]
        }
        false => [
            solve::<false>,
            cotangents::<false>,
            tangents::<false>,
            nearby::<false>,
            gradients::<false>,
        ],
    };
    let [solve, cotangents, tangents, nearby, gradients] = of;
    let names = [
        ("argrad_device_solve", solve),
        ("argrad_device_cotangents", cotangents),
        ("argrad_device_tangents", tangents),
        ("argrad_device_nearby", nearby),
        ("argrad_device_gradients", gradients),
    ];
    capsules(py, &names)
}

unsafe extern "C" fn solve<const ON_HOST: bool>(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: the frame is that of XLA.
    unsafe { run(frame, |frame| Call::read(frame, ON_HOST)?.solve()) }
}

unsafe extern "C" fn cotangents<const ON_HOST: bool>(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: as above.
    unsafe { run(frame, |frame| Call::read(frame, ON_HOST)?.cotangents()) }
}

unsafe extern "C" fn tangents<const ON_HOST: bool>(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: as above.
    unsafe { run(frame, |frame| Call::read(frame, ON_HOST)?.tangents()) }
}

unsafe extern "C" fn nearby<const ON_HOST: bool>(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: as above.
    unsafe { run(frame, |frame| Call::read(frame, ON_HOST)?.nearby()) }
}

unsafe extern "C" fn gradients<const ON_HOST: bool>(frame: *const CallFrame) -> *mut abi::Error {
    // SAFETY: as above.
    unsafe { run(frame, |frame| Call::read(frame, ON_HOST)?.gradients()) }
}

/// Memory for as long as a call takes.
enum Room<'a> {
    Device(Memory<'a>),
    Host(Box<[f64]>),
}

impl Room<'_> {
    fn address(&mut self) -> u64 {
        match self {
            Self::Device(memory) => memory.address(),
            Self::Host(numbers) => numbers.as_mut_ptr().expose_provenance() as u64,
        }
    }
}

/// What all calls have in common.
struct Call<'a> {
    frame: &'a Frame<'a>,
    registered: Arc<Registered>,
    plan: Arc<dyn Batches>,
    stream: Stream,
    on_host: bool,
    batch: usize,
    values: [Place; 4],
}

impl<'a> Call<'a> {
    fn read(frame: &'a Frame<'a>, on_host: bool) -> Result<Self, Failure> {
        let registered = find(frame.integer("key")?, frame.text("description")?)?;
        let (card, stream) = match on_host {
            true => (None, Stream::Own),
            false => (Some(frame.device()?), Stream::Of(frame.stream()?)),
        };
        let plan = registered.plan(card)?;
        let batch = usize::try_from(frame.integer("batch")?).unwrap_or(1);
        let each = frame.flags("each", 4)?;
        let mut values = [Place::Shared(0); 4];
        for (at, (place, len)) in values.iter_mut().zip(plan.lengths().values).enumerate() {
            *place = match each[at] {
                true => Place::Each(frame.address(at, batch * len)?),
                false => Place::Shared(frame.address(at, len)?),
            };
        }
        Ok(Self { frame, registered, plan, stream, on_host, batch, values })
    }

    fn room(&self, len: usize) -> Result<Room<'a>, Failure> {
        if self.on_host {
            return Ok(Room::Host(vec![0.0; len].into()));
        }
        let missing = || {
            let (batch, bytes) = (self.batch, len * size_of::<f64>());
            Failure {
                code: abi::ERROR_RESOURCE_EXHAUSTED,
                message: format!(
                    "argrad: a batch of {batch} takes {bytes} bytes of the card for a while, which \
                     XLA does not have; give fewer samples at a time, or let XLA have more of the \
                     card (XLA_PYTHON_CLIENT_MEM_FRACTION)"
                ),
            }
        };
        self.frame.memory(len.max(1)).map(Room::Device).ok_or_else(missing)
    }

    /// Room that an entry point works in.
    fn scratch(&self, entry: Entry) -> Result<Room<'a>, Failure> {
        self.room(self.done(self.plan.scratch_len(entry, self.batch))?)
    }

    fn done<T>(&self, result: Result<T, Error>) -> Result<T, Failure> {
        result.map_err(|error| self.registered.device_failure(error))
    }

    /// Numbers of the device, once all work before is done.
    fn numbers(&self, address: u64, len: usize) -> Result<Vec<f64>, Failure> {
        let mut bytes = vec![0; len * size_of::<f64>()];
        self.bytes(address, &mut bytes)?;
        let (numbers, _) = bytes.as_chunks();
        Ok(numbers.iter().map(|&bytes| f64::from_ne_bytes(bytes)).collect())
    }

    fn bytes(&self, address: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        // SAFETY: as long as the buffer at the address, on XLA's stream.
        self.done(unsafe { self.plan.read(self.stream, address, bytes) })
    }

    fn reports(&self, address: u64) -> Result<Vec<Report>, Failure> {
        let numbers = self.numbers(address, self.batch * self.plan.lengths().report)?;
        self.done(self.plan.reports(&numbers, self.values[0].is_shared()))
    }

    /// Arguments: P, q, A, b; a flag, whether what they are made of is well-formed; and that,
    /// without which nothing could be said of what is not. Results: x, z, s, what is said of the
    /// samples, and a tape where one is wanted.
    fn solve(&self) -> Result<(), Failure> {
        let (frame, batch, lens) = (self.frame, self.batch, self.plan.lengths());
        let [_, results] = frame.counts();
        let tape = if results > 4 { frame.result_address(4, batch * lens.tape)? } else { 0 };
        let of = BatchAddresses { tape, ..self.to_be_solved()? };
        let fine = frame.code_address(4)?;
        if batch == 0 {
            return Ok(());
        }
        let mut scratch = self.scratch(Entry::Solve)?;
        // SAFETY: XLA's buffers are as long as was checked; the scratch lives until the stream, on
        // which XLA lends it again, is done with it.
        let queued = unsafe { self.plan.solve(self.stream, &of, Start::Cold, scratch.address()) };
        self.done(queued)?;
        let mut is_fine = [0; 4];
        self.bytes(fine, &mut is_fine)?;
        if i32::from_ne_bytes(is_fine) == 0 {
            return Err(self.explain());
        }
        self.registered.check(&self.reports(of.report)?)
    }

    /// A batch whose solutions and reports are results.
    fn to_be_solved(&self) -> Result<BatchAddresses, Failure> {
        let (batch, lens) = (self.batch, self.plan.lengths());
        let result = |at: usize, len: usize| self.frame.result_address(at, batch * len);
        let (x, z, s) = (result(0, lens.x)?, result(1, lens.z)?, result(2, lens.z)?);
        Ok(BatchAddresses {
            batch,
            values: self.values,
            point: PointAddresses { x, z, s },
            report: result(3, lens.report)?,
            tape: 0,
        })
    }

    /// A solve of programs next to convex ones, for derivatives by a finite step. Arguments: P, q,
    /// A, b; x, z, s to begin at, and what was said of these. Results: those of [`Self::solve`]
    /// without a tape.
    fn nearby(&self) -> Result<(), Failure> {
        let (batch, lens) = (self.batch, self.plan.lengths());
        let of = self.to_be_solved()?;
        let part = |at: usize, len: usize| self.frame.address(at, batch * len);
        let (x, z, s) = (part(4, lens.x)?, part(5, lens.z)?, part(6, lens.z)?);
        if batch == 0 {
            return Ok(());
        }
        let (start, mut scratch) = (PointAddresses { x, z, s }, self.scratch(Entry::Solve)?);
        // SAFETY: as in `solve`.
        let queued = unsafe { self.plan.solve_nearby(self.stream, &of, start, scratch.address()) };
        self.done(queued)?;
        let (how, program) = (&self.registered.how, &self.registered.program);
        if how.on_failure == OnFailure::Error {
            for report in [part(7, lens.report)?, of.report] {
                let reports = self.reports(report)?;
                how.check(&reports).map_err(|error| failure(program.error()(error)))?;
            }
        }
        Ok(())
    }

    /// Gradients that follow from adjoints at points. Arguments: P, q, A, b; x, z; l1, l2. Results:
    /// as those of [`Self::cotangents`].
    fn gradients(&self) -> Result<(), Failure> {
        let (batch, lens) = (self.batch, self.plan.lengths());
        let part = |at: usize, len: usize| self.frame.address(at, batch * len);
        let point = PointAddresses { x: part(4, lens.x)?, z: part(5, lens.z)?, s: 0 };
        let of = BatchAddresses { batch, values: self.values, point, report: 0, tape: 0 };
        let adjoint = [part(6, lens.x)?, part(7, lens.z)?];
        // SAFETY: as in `solve`.
        let queued = unsafe {
            self.plan.gradients_at(self.stream, &of, adjoint, self.gradient_addresses()?)
        };
        self.done(queued)
    }

    /// Where gradients of P, q, A, b go, which are the results.
    fn gradient_addresses(&self) -> Result<[u64; 4], Failure> {
        let lens = self.plan.lengths().values;
        let mut gradients = [0; 4];
        for (at, gradient) in gradients.iter_mut().enumerate() {
            let samples = if self.values[at].is_shared() { 1 } else { self.batch };
            *gradient = self.frame.result_address(at, samples * lens[at])?;
        }
        Ok(gradients)
    }

    /// What is wrong with values that are not well-formed: the CPU says it.
    fn explain(&self) -> Failure {
        let explained = || {
            let (registered, program) = (&self.registered, &self.registered.program);
            let each = self.frame.flags("value_each", program.inputs().len())?;
            let copied = (0..each.len())
                .map(|at| self.frame.copied_numbers(5 + at, |from, to| self.bytes(from, to)));
            let values = copied.collect::<Result<Vec<_>, _>>()?;
            registered.prepare(&values, &each)?;
            let slots: Vec<Slot<'_>> = values
                .iter()
                .zip(&each)
                .map(|(value, &each)| if each { Slot::Each(value) } else { Slot::Shared(value) })
                .collect();
            let solved = program.solve(self.batch, &slots, None);
            Ok(match solved {
                Err(error) => registered.explain(error, &values, &each),
                Ok(_) => Failure::bad(
                    "a value is so near to what is not allowed that the card and the CPU differ \
                     about it: whether a matrix is symmetric or semidefinite, or a number finite",
                ),
            })
        };
        explained().unwrap_or_else(|failure| failure)
    }

    /// The solved batch of a derivative: x, z, s, what was said of the samples, the tape.
    fn solved(&self) -> Result<BatchAddresses, Failure> {
        let lens = self.plan.lengths();
        let part = |at: usize, len: usize| self.frame.address(at, self.batch * len);
        Ok(BatchAddresses {
            batch: self.batch,
            values: self.values,
            point: PointAddresses { x: part(4, lens.x)?, z: part(5, lens.z)?, s: part(6, lens.z)? },
            report: part(7, lens.report)?,
            tape: part(8, lens.tape)?,
        })
    }

    /// Arguments from `9` on, where they are given; zero where not.
    fn given<const N: usize>(&self, lens: [usize; N]) -> Result<[Option<u64>; N], Failure> {
        let given = self.frame.flags("given", N)?;
        let (mut found, mut next) = ([None; N], 9);
        for (at, own) in found.iter_mut().enumerate().filter(|(at, _)| given[*at]) {
            *own = Some(self.frame.address(next, lens[at])?);
            next += 1;
        }
        Ok(found)
    }

    /// What is differentiated: the solutions, or points of the central path, with the memory that
    /// these are in.
    fn differentiated(
        &self,
        of: &BatchAddresses,
    ) -> Result<(BatchAddresses, Vec<Room<'a>>), Failure> {
        let Mode::Smoothed(mu) = self.registered.how.mode else { return Ok((*of, Vec::new())) };
        let (batch, lens) = (self.batch, self.plan.lengths());
        let mut rooms = vec![
            self.room(batch * lens.x)?,
            self.room(batch * lens.z)?,
            self.room(batch * lens.tape)?,
            self.room(batch)?,
            self.scratch(Entry::Smooth)?,
        ];
        let at: Vec<u64> = rooms.iter_mut().map(Room::address).collect();
        let central =
            CentralAddresses { x: at[0], z: at[1], tape: at[2], reached: at[3], scratch: at[4] };
        // SAFETY: as in `solve`.
        self.done(unsafe { self.plan.smooth(self.stream, of, mu, &central) })?;
        let reached = self.numbers(central.reached, batch)?;
        check_reached(&reached).map_err(|error| failure(self.registered.program.error()(error)))?;
        let point = PointAddresses { x: central.x, z: central.z, s: of.point.s };
        Ok((BatchAddresses { point, tape: central.tape, ..*of }, rooms))
    }

    /// Ends the call where a sample has no derivative and one is wanted; warns of derivatives that
    /// are not accurate.
    fn check(&self, of: &BatchAddresses, linear: u64) -> Result<(), Failure> {
        let (how, program) = (&self.registered.how, &self.registered.program);
        let reports = self.reports(of.report)?;
        how.check(&reports).map_err(|error| failure(program.error()(error)))?;
        if how.mode != Mode::Exact {
            return Ok(());
        }
        let said = self.numbers(linear, self.batch * self.plan.lengths().linear)?;
        let found = self.plan.linear_reports(&said, &reports);
        if doubt::is_doubtful(&found.accuracy, &found.unfinished) {
            with_python(|py| doubt::warn_of(py, &found.accuracy, &found.unfinished))?;
        }
        Ok(())
    }

    /// Arguments: P, q, A, b; those of [`Self::solved`]; cotangents of x and z. Results: gradients
    /// of P, q, A, b; of one that is shared, the sum.
    fn cotangents(&self) -> Result<(), Failure> {
        let (batch, lens) = (self.batch, self.plan.lengths());
        let of = self.solved()?;
        let [x, z] = self.given([batch * lens.x, batch * lens.z])?;
        let gradients = self.gradient_addresses()?;
        let (at, _kept) = self.differentiated(&of)?;
        let mut adjoint = [self.room(batch * lens.x)?, self.room(batch * lens.z)?];
        let mut linear = self.room(batch * lens.linear)?;
        let mut scratch = self.scratch(Entry::Adjoint)?;
        let given = AdjointAddresses {
            cotangent: PointAddresses { x: x.unwrap_or(0), z: z.unwrap_or(0), s: 0 },
            adjoint: adjoint.each_mut().map(Room::address),
            linear: linear.address(),
            gradients,
            scratch: scratch.address(),
        };
        // SAFETY: as in `solve`.
        self.done(unsafe { self.plan.vjp(self.stream, &at, &given) })?;
        self.check(&of, given.linear)
    }

    /// Arguments: P, q, A, b; those of [`Self::solved`]; changes of P, q, A, b. Results: those of x
    /// and z.
    fn tangents(&self) -> Result<(), Failure> {
        let (batch, lens) = (self.batch, self.plan.lengths());
        let of = self.solved()?;
        let samples = self.values.map(|value| if value.is_shared() { 1 } else { batch });
        let given: [_; 4] = self.given(std::array::from_fn(|at| samples[at] * lens.values[at]))?;
        let like = |at: usize, address: u64| match self.values[at] {
            Place::Shared(_) => Place::Shared(address),
            Place::Each(_) => Place::Each(address),
        };
        let change = std::array::from_fn(|at| given[at].map(|address| like(at, address)));
        let x = self.frame.result_address(0, batch * lens.x)?;
        let z = self.frame.result_address(1, batch * lens.z)?;
        let (at, _kept) = self.differentiated(&of)?;
        let mut s = self.room(batch * lens.z)?;
        let mut linear = self.room(batch * lens.linear)?;
        let mut scratch = self.scratch(Entry::Tangent)?;
        let given = TangentAddresses {
            change,
            tangent: PointAddresses { x, z, s: s.address() },
            linear: linear.address(),
            scratch: scratch.address(),
        };
        // SAFETY: as in `solve`.
        self.done(unsafe { self.plan.jvp(self.stream, &at, &given) })?;
        self.check(&of, given.linear)
    }
}
