//! What is launched, on a card or, in tests, on the host.

use argrad::Report;
use argrad_gpu::{
    AdjointAddresses, BatchAddresses, CentralAddresses, Entry, Error, Lengths, LinearReports,
    Machine, Plan, PointAddresses, Start, Stream, TangentAddresses,
};
use argrad_solver::{Engine, Settings, Structure};
use pyo3::prelude::*;

use crate::error::{DeviceError, MemoryLimitError, NotOnDevice};

/// What a plan does, on whatever machine.
pub(crate) trait Batches: Send + Sync {
    fn lengths(&self) -> Lengths;
    fn scratch_len(&self, entry: Entry, batch: usize) -> Result<usize, Error>;
    /// As much as there is in the machine's own words where `free` says nothing.
    fn check_memory(&self, batch: usize, has_tape: bool, free: Option<u64>) -> Result<(), Error>;
    fn reports(&self, numbers: &[f64], p_is_shared: bool) -> Result<Vec<Report>, Error>;
    fn linear_reports(&self, numbers: &[f64], reports: &[Report]) -> LinearReports;
    /// # Safety
    /// That of [`Machine::read`].
    unsafe fn read(&self, stream: Stream, address: u64, bytes: &mut [u8]) -> Result<(), Error>;
    /// # Safety
    /// That of [`Plan::solve`].
    unsafe fn solve(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        start: Start,
        scratch: u64,
    ) -> Result<(), Error>;
    /// # Safety
    /// That of [`Plan::solve`].
    unsafe fn solve_nearby(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        start: PointAddresses,
        scratch: u64,
    ) -> Result<(), Error>;
    /// # Safety
    /// That of [`Plan::solve`].
    unsafe fn smooth(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        mu: f64,
        central: &CentralAddresses,
    ) -> Result<(), Error>;
    /// # Safety
    /// That of [`Plan::solve`].
    unsafe fn gradients_at(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        adjoint: [u64; 2],
        gradients: [u64; 4],
    ) -> Result<(), Error>;
    /// # Safety
    /// That of [`Plan::solve`].
    unsafe fn vjp(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        adjoint: &AdjointAddresses,
    ) -> Result<(), Error>;
    /// # Safety
    /// That of [`Plan::solve`].
    unsafe fn jvp(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        tangent: &TangentAddresses,
    ) -> Result<(), Error>;
}

impl<M> Batches for Plan<M>
where
    M: Machine + Send + Sync,
    M::Memory: Send + Sync,
{
    fn lengths(&self) -> Lengths {
        Plan::lengths(self)
    }

    fn scratch_len(&self, entry: Entry, batch: usize) -> Result<usize, Error> {
        Plan::scratch_len(self, entry, batch)
    }

    fn check_memory(&self, batch: usize, has_tape: bool, free: Option<u64>) -> Result<(), Error> {
        let free = match free {
            Some(free) => free,
            None => self.machine().limits()?.free_bytes,
        };
        Plan::check_memory(self, batch, has_tape, free)
    }

    fn reports(&self, numbers: &[f64], p_is_shared: bool) -> Result<Vec<Report>, Error> {
        Plan::reports(self, numbers, p_is_shared)
    }

    fn linear_reports(&self, numbers: &[f64], reports: &[Report]) -> LinearReports {
        Plan::linear_reports(self, numbers, reports)
    }

    unsafe fn read(&self, stream: Stream, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.machine().read(stream, address, bytes) }
    }

    unsafe fn solve(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        start: Start,
        scratch: u64,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { Plan::solve_from(self, stream, of, start, scratch) }
    }

    unsafe fn solve_nearby(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        start: PointAddresses,
        scratch: u64,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { Plan::solve_nearby(self, stream, of, start, scratch) }
    }

    unsafe fn gradients_at(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        adjoint: [u64; 2],
        gradients: [u64; 4],
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { Plan::gradients_at(self, stream, of, adjoint, gradients) }
    }

    unsafe fn smooth(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        mu: f64,
        central: &CentralAddresses,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { Plan::smooth(self, stream, of, mu, central) }
    }

    unsafe fn vjp(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        adjoint: &AdjointAddresses,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { Plan::vjp(self, stream, of, adjoint) }
    }

    unsafe fn jvp(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        tangent: &TangentAddresses,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { Plan::jvp(self, stream, of, tangent) }
    }
}

/// A plan on the card with this number, or on the host where there is none, with its kernels
/// compiled, so that what is missing is said here.
pub(crate) fn plan(
    structure: &Structure,
    settings: &Settings,
    card: Option<usize>,
) -> Result<Box<dyn Batches>, Error> {
    if settings.engine != Engine::Auto {
        return Err(Error::Unsupported {
            argument: "engine",
            expected: "\"auto\"",
            found: format!("{:?}, an engine of the CPU", settings.engine),
        });
    }
    // Every layer of Python has an interrupt, which a launch does not look at.
    let settings = Settings { interrupt: None, ..settings.clone() };
    let plan = match card {
        Some(number) => on_card(structure.clone(), settings, number)?,
        None => on_host(structure.clone(), settings)?,
    };
    plan.scratch_len(Entry::Solve, 1)?;
    Ok(plan)
}

#[cfg(feature = "cuda")]
fn on_card(
    structure: Structure,
    settings: Settings,
    number: usize,
) -> Result<Box<dyn Batches>, Error> {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex, PoisonError};

    use argrad_gpu::cuda::Card;

    // Cards keep the kernels that were compiled for them.
    static CARDS: Mutex<Option<HashMap<usize, Arc<Card>>>> = Mutex::new(None);
    let card = {
        let mut cards = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
        let cards = cards.get_or_insert_default();
        match cards.get(&number) {
            Some(card) => Arc::clone(card),
            None => Arc::clone(cards.entry(number).or_insert(Card::new(number)?)),
        }
    };
    Ok(Box::new(Plan::new(structure, settings, card)?))
}

#[cfg(not(feature = "cuda"))]
fn on_card(_: Structure, _: Settings, number: usize) -> Result<Box<dyn Batches>, Error> {
    Err(absent(format!("taking card {number}"), "cuda"))
}

#[cfg(feature = "host-kernels")]
fn on_host(structure: Structure, settings: Settings) -> Result<Box<dyn Batches>, Error> {
    use std::sync::Arc;

    use argrad_gpu_host::{Host, Order, are_compiled};
    if !are_compiled() {
        return Err(Error::Device {
            doing: "taking the host for a card".into(),
            found: "no C++ compiler was found when argrad was built".into(),
            remedy: "install one, and build argrad again",
        });
    }
    Ok(Box::new(Plan::new(structure, settings, Arc::new(Host::new(Order::Ascending)))?))
}

#[cfg(not(feature = "host-kernels"))]
fn on_host(_: Structure, _: Settings) -> Result<Box<dyn Batches>, Error> {
    Err(absent("taking the host for a card".into(), "host-kernels"))
}

#[cfg(not(all(feature = "cuda", feature = "host-kernels")))]
fn absent(doing: String, feature: &str) -> Error {
    let found = format!("argrad was built without the feature {feature}");
    Error::Device { doing, found, remedy: "build it with that feature" }
}

/// Which exception.
pub(crate) fn device_error(error: Error, of_program: fn(argrad_solver::Error) -> PyErr) -> PyErr {
    match error {
        Error::Solver(error) => of_program(error),
        Error::Unsupported { argument, expected, found } => {
            NotOnDevice::new_err(format!("{argument}: expected {expected}, found {found}"))
        }
        Error::Memory { .. } => MemoryLimitError::new_err(error.to_string()),
        // In the words of Python.
        error => DeviceError::new_err(
            error.to_string().replace("by argrad_solver::Solver", "with device=\"cpu\""),
        ),
    }
}
