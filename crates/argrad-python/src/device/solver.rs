//! The same for Python, which says where everything is.

use argrad::Report;
use argrad_gpu::{
    AdjointAddresses, BatchAddresses, CentralAddresses, Entry, Error, Lengths, Place,
    PointAddresses, Start, Stream, TangentAddresses,
};
use argrad_solver::{Differentiation, Settings, Status, Structure};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::plan::{Batches, device_error, plan};
use crate::arrays::Numbers;
use crate::doubt;
use crate::error::solver_error;
use crate::layer::Layer;
use crate::options::on_failure;
use crate::qp::{Qp, qp_error};
use crate::report;

/// An address, and whether all samples share what is there.
type Value = (u64, bool);
/// Addresses of x, z, s; zero for none.
type Point = (u64, u64, u64);

fn entry(name: &str) -> PyResult<Entry> {
    match name {
        "solve" => Ok(Entry::Solve),
        "vjp" => Ok(Entry::Adjoint),
        "jvp" => Ok(Entry::Tangent),
        "smooth" => Ok(Entry::Smooth),
        other => {
            let message = format!("entry: expected solve, smooth, vjp or jvp, found {other:?}");
            Err(PyValueError::new_err(message))
        }
    }
}

fn place((address, is_shared): Value) -> Place {
    if is_shared { Place::Shared(address) } else { Place::Each(address) }
}

fn point((x, z, s): Point) -> PointAddresses {
    PointAddresses { x, z, s }
}

/// As Python takes them.
type PartLengths = ([usize; 4], usize, usize, usize, usize, usize);

fn parts(of: Lengths) -> PartLengths {
    let Lengths { values, x, z, report, tape, linear } = of;
    (values, x, z, report, tape, linear)
}

fn lengths_of(
    structure: &Structure,
    of_program: fn(argrad_solver::Error) -> PyErr,
) -> PyResult<PartLengths> {
    Lengths::new(structure).map(parts).map_err(|error| device_error(error, of_program))
}

/// A batch by addresses.
#[derive(FromPyObject)]
struct Batch {
    batch: usize,
    values: [Value; 4],
    point: Point,
    report: u64,
    tape: u64,
}

impl Batch {
    fn addresses(&self) -> BatchAddresses {
        BatchAddresses {
            batch: self.batch,
            values: self.values.map(place),
            point: point(self.point),
            report: self.report,
            tape: self.tape,
        }
    }
}

/// Refuses points of the central path that were not reached, where a number is zero.
pub(crate) fn check_reached(reached: &[f64]) -> Result<(), argrad_solver::Error> {
    let lost = reached.iter().enumerate().filter(|(_, reached)| **reached == 0.0);
    let failures: Vec<_> = lost.map(|(i, _)| (i, Status::NumericalTrouble)).collect();
    if failures.is_empty() {
        return Ok(());
    }
    Err(argrad_solver::Error::Unsolved { batch: reached.len(), failures })
}

/// Programs of one structure on a card. Whoever calls says where numbers are, of which each part
/// has as many as `lengths` says, and on which stream they are used.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct DeviceSolver {
    plan: Box<dyn Batches>,
    of_program: fn(argrad_solver::Error) -> PyErr,
}

impl DeviceSolver {
    fn new(
        py: Python<'_>,
        structure: &Structure,
        settings: &Settings,
        card: Option<usize>,
        of_program: fn(argrad_solver::Error) -> PyErr,
    ) -> PyResult<Self> {
        let make = || plan(structure, settings, card);
        let plan = py.detach(make).map_err(|error| device_error(error, of_program))?;
        Ok(Self { plan, of_program })
    }

    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Batches) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let plan = &*self.plan;
        py.detach(|| work(plan)).map_err(|error| device_error(error, self.of_program))
    }
}

#[pymethods]
impl DeviceSolver {
    /// For the programs of a layer, on the card with this number, or, in tests, on the host.
    #[staticmethod]
    #[pyo3(signature = (layer, card))]
    fn of_layer(py: Python<'_>, layer: &Layer, card: Option<usize>) -> PyResult<Self> {
        let (layer, ..) = layer.parts();
        Self::new(py, layer.structure(), layer.settings(), card, solver_error)
    }

    /// For dense quadratic programs.
    #[staticmethod]
    #[pyo3(signature = (qp, card))]
    fn of_qp(py: Python<'_>, qp: &Qp, card: Option<usize>) -> PyResult<Self> {
        let (layer, ..) = qp.parts();
        Self::new(py, layer.structure(), layer.settings(), card, qp_error)
    }

    /// `lengths` of programs of a layer, whether or not there is a card. Raises `NotOnDevice`.
    #[staticmethod]
    fn lengths_of_layer(layer: &Layer) -> PyResult<PartLengths> {
        let (layer, ..) = layer.parts();
        lengths_of(layer.structure(), solver_error)
    }

    /// `lengths` of dense quadratic programs.
    #[staticmethod]
    fn lengths_of_qp(qp: &Qp) -> PyResult<PartLengths> {
        let (layer, ..) = qp.parts();
        lengths_of(layer.structure(), qp_error)
    }

    /// How many numbers a sample has of P, q, A, b; of x; of z and s; of a report; of a tape; of
    /// what linear solves say.
    #[getter]
    fn lengths(&self) -> PartLengths {
        parts(self.plan.lengths())
    }

    /// So many numbers of scratch "solve", "smooth", "vjp" or "jvp" of a batch takes.
    fn scratch_len(&self, py: Python<'_>, of: &str, batch: usize) -> PyResult<usize> {
        let entry = entry(of)?;
        self.run(py, |plan| plan.scratch_len(entry, batch))
    }

    /// Raises `MemoryLimitError` for a batch that does not fit into `free` bytes; where that is
    /// None, into those that the machine says are free.
    fn check_memory(
        &self,
        py: Python<'_>,
        batch: usize,
        has_tape: bool,
        free: Option<u64>,
    ) -> PyResult<()> {
        self.run(py, |plan| plan.check_memory(batch, has_tape, free))
    }

    /// Queues a solve, from the points `start` where there are some.
    #[pyo3(signature = (stream, of, start, scratch))]
    fn solve(
        &self,
        py: Python<'_>,
        stream: u64,
        of: Batch,
        start: Option<Point>,
        scratch: u64,
    ) -> PyResult<()> {
        let start = start.map_or(Start::Cold, |start| Start::From(point(start)));
        let stream = Stream::Of(stream);
        // SAFETY: `argrad.torch._device_solved` allocates what the plan says, and keeps it.
        self.run(py, |plan| unsafe { plan.solve(stream, &of.addresses(), start, scratch) })
    }

    /// Queues a solve of programs next to convex ones, from the points `start`.
    fn solve_nearby(
        &self,
        py: Python<'_>,
        stream: u64,
        of: Batch,
        start: Point,
        scratch: u64,
    ) -> PyResult<()> {
        let stream = Stream::Of(stream);
        // SAFETY: as above.
        self.run(py, |plan| unsafe {
            plan.solve_nearby(stream, &of.addresses(), point(start), scratch)
        })
    }

    /// Queues the gradients that follow from adjoints at the points of a batch.
    fn gradients(
        &self,
        py: Python<'_>,
        stream: u64,
        of: Batch,
        adjoint: [u64; 2],
        gradients: [u64; 4],
    ) -> PyResult<()> {
        let stream = Stream::Of(stream);
        // SAFETY: as above.
        self.run(py, |plan| unsafe {
            plan.gradients_at(stream, &of.addresses(), adjoint, gradients)
        })
    }

    /// Queues the way to points of the central path at `mu`, with their x, z and tapes, and, for
    /// each sample, whether it was reached.
    #[expect(clippy::too_many_arguments, reason = "one for each kind of memory")]
    fn smooth(
        &self,
        py: Python<'_>,
        stream: u64,
        of: Batch,
        mu: f64,
        point: [u64; 2],
        tape: u64,
        reached: u64,
        scratch: u64,
    ) -> PyResult<()> {
        let [x, z] = point;
        let central = CentralAddresses { x, z, tape, reached, scratch };
        // SAFETY: as above.
        self.run(py, |plan| unsafe {
            plan.smooth(Stream::Of(stream), &of.addresses(), mu, &central)
        })
    }

    /// Raises `SolverError` where a point of the central path was not reached.
    #[staticmethod]
    fn check_reached(reached: &Bound<'_, PyAny>) -> PyResult<()> {
        let reached = Numbers::new("reached", reached)?;
        let batch = reached.shape().first().copied().unwrap_or(0);
        check_reached(reached.exactly(&[batch])?).map_err(solver_error)
    }

    /// Queues gradients.
    #[expect(clippy::too_many_arguments, reason = "one for each kind of memory")]
    fn vjp(
        &self,
        py: Python<'_>,
        stream: u64,
        of: Batch,
        cotangent: Point,
        adjoint: [u64; 2],
        linear: u64,
        gradients: [u64; 4],
        scratch: u64,
    ) -> PyResult<()> {
        let cotangent = point(cotangent);
        let given = AdjointAddresses { cotangent, adjoint, linear, gradients, scratch };
        // SAFETY: as above.
        self.run(py, |plan| unsafe { plan.vjp(Stream::Of(stream), &of.addresses(), &given) })
    }

    /// Queues tangents.
    #[expect(clippy::too_many_arguments, reason = "one for each kind of memory")]
    fn jvp(
        &self,
        py: Python<'_>,
        stream: u64,
        of: Batch,
        change: [Option<Value>; 4],
        tangent: Point,
        linear: u64,
        scratch: u64,
    ) -> PyResult<()> {
        let change = change.map(|value| value.map(place));
        let given = TangentAddresses { change, tangent: point(tangent), linear, scratch };
        // SAFETY: as above.
        self.run(py, |plan| unsafe { plan.jvp(Stream::Of(stream), &of.addresses(), &given) })
    }

    /// What the numbers of reports say, (batch, report).
    fn reports(&self, numbers: &Bound<'_, PyAny>, p_is_shared: bool) -> PyResult<DeviceReports> {
        let numbers = Numbers::new("numbers", numbers)?;
        let batch = numbers.shape().first().copied().unwrap_or(0);
        let numbers = numbers.exactly(&[batch, self.plan.lengths().report])?;
        let reports = self.plan.reports(numbers, p_is_shared);
        let reports = reports.map_err(|error| device_error(error, self.of_program))?;
        Ok(DeviceReports { reports })
    }

    /// Warns where what linear solves say, (batch, linear), makes their results doubtful.
    fn warn_of(
        &self,
        py: Python<'_>,
        numbers: &Bound<'_, PyAny>,
        reports: &DeviceReports,
    ) -> PyResult<()> {
        let numbers = Numbers::new("numbers", numbers)?;
        let shape = [reports.reports.len(), self.plan.lengths().linear];
        let found = self.plan.linear_reports(numbers.exactly(&shape)?, &reports.reports);
        doubt::warn_of(py, &found.accuracy, &found.unfinished)
    }
}

/// Reports on a batch that was solved on a card.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct DeviceReports {
    reports: Vec<Report>,
}

#[pymethods]
impl DeviceReports {
    /// Diagnostics, one array per name.
    #[getter]
    fn reports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        report::dict(py, &self.reports)
    }

    /// Whether every sample is solved.
    #[getter]
    fn all_solved(&self) -> bool {
        report::all_solved(&self.reports)
    }

    /// Raises `SolverError` where a sample has no derivative, unless `on_failure` says otherwise.
    fn check_derivative(&self, on_failure: &str) -> PyResult<()> {
        let on_failure = self::on_failure(Some(on_failure))?;
        let how = Differentiation { on_failure, ..Differentiation::default() };
        how.check(&self.reports).map_err(solver_error)
    }
}
