//! Dense quadratic programs.

use argrad::{
    Differentiation, Error, QpCotangent, QpGradients, QpLayer, QpPoint, QpShape, QpSolution,
    QpTangent, QpTape, QpValues, Slot,
};
use argrad_solver::Interrupt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Numbers, like, matrix};
use crate::conditions::{Table, tables};
use crate::doubt;
use crate::error::{no_tape, solver_error};
use crate::interruptible::{derivative_size, interruptible};
use crate::options::{differentiation, interrupt, settings};
use crate::report;
use crate::tapes::Counted;

/// Names as in OptNet, which users of Python know: the quadratic term P is called Q here and the
/// linear term q is called p; the primal is z and the duals of the equalities and inequalities are
/// nu and lam.
pub(crate) fn qp_error(mut error: Error) -> PyErr {
    if let Error::Shape { argument, .. }
    | Error::Length { argument, .. }
    | Error::NotFinite { argument, .. }
    | Error::Asymmetric { argument, .. }
    | Error::NotConvex { argument, .. } = &mut error
    {
        *argument = match *argument {
            "P" => "Q",
            "q" => "p",
            other => other,
        };
    }
    solver_error(error)
}

const NAMES: [&str; 6] = ["Q", "p", "G", "h", "A", "b"];

type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;
type Six = [Option<Py<PyAny>>; 6];
type Four = (Py<PyAny>, Py<PyAny>, Py<PyAny>, Py<PyAny>);

/// Solves batches of min 1/2 z'Qz + p'z subject to Gz <= h, Az = b, all dense. An entry of h that
/// is 1e19 or more is no constraint: its slack is infinite.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct Qp {
    layer: QpLayer,
    interrupt: Interrupt,
    shapes: Shapes,
}

/// Sizes of one sample.
#[derive(Clone, Copy)]
struct Shapes {
    n: usize,
    equalities: usize,
    inequalities: usize,
}

impl Shapes {
    /// Of Q, p, G, h, A, b.
    fn of(&self, at: usize) -> Vec<usize> {
        let Self { n, equalities, inequalities } = *self;
        match at {
            0 => vec![n, n],
            1 => vec![n],
            2 => vec![inequalities, n],
            3 => vec![inequalities],
            4 => vec![equalities, n],
            _ => vec![equalities],
        }
    }

    /// Whether an argument has rows at all.
    fn exists(&self, at: usize) -> bool {
        match at {
            0 | 1 => true,
            2 | 3 => self.inequalities > 0,
            _ => self.equalities > 0,
        }
    }

    /// Arrays by argument; those without rows may be None.
    fn read<'py>(&self, given: [Argument<'_, 'py>; 6]) -> PyResult<[Option<Numbers<'py>>; 6]> {
        let mut arrays = [const { None }; 6];
        for (at, (array, name)) in given.into_iter().zip(NAMES).enumerate() {
            arrays[at] = Numbers::optional(name, array.filter(|_| self.exists(at)))?;
        }
        Ok(arrays)
    }

    fn slot<'a>(
        &self,
        arrays: &'a [Option<Numbers<'_>>; 6],
        at: usize,
        batch: usize,
    ) -> PyResult<Option<Slot<'a>>> {
        arrays[at].as_ref().map(|array| array.slot(batch, &self.of(at))).transpose()
    }

    /// All arguments, of which none with rows may be missing.
    fn slots<'a>(
        &self,
        arrays: &'a [Option<Numbers<'_>>; 6],
        batch: usize,
    ) -> PyResult<[Slot<'a>; 6]> {
        let mut slots = [Slot::Shared(&[]); 6];
        for (at, slot) in slots.iter_mut().enumerate() {
            match self.slot(arrays, at, batch)? {
                Some(given) => *slot = given,
                None if self.exists(at) => {
                    let name = NAMES[at];
                    let message = format!("{name}: expected an array, found None");
                    return Err(PyValueError::new_err(message));
                }
                None => {}
            }
        }
        Ok(slots)
    }
}

impl Qp {
    /// The layer, what ends its solves, and the lengths of Q, p, G, h, A, b and of z, nu, lam.
    pub(crate) fn parts(&self) -> (QpLayer, Interrupt, [usize; 6], Vec<usize>) {
        let Shapes { n, equalities, inequalities } = self.shapes;
        let lens = std::array::from_fn(|at| self.shapes.of(at).iter().product());
        (self.layer.clone(), self.interrupt.clone(), lens, vec![n, equalities, inequalities])
    }
}

#[pymethods]
impl Qp {
    #[new]
    #[pyo3(signature = (n, equalities, inequalities, settings=None, symmetry_tolerance=None))]
    fn new(
        n: usize,
        equalities: usize,
        inequalities: usize,
        settings: Option<&Bound<'_, PyDict>>,
        symmetry_tolerance: Option<f64>,
    ) -> PyResult<Self> {
        let settings = self::settings(settings)?;
        let interrupt = interrupt(&settings);
        let shape = QpShape::dense(n, equalities, inequalities);
        let mut layer = QpLayer::new(shape, settings).map_err(qp_error)?;
        if let Some(tolerance) = symmetry_tolerance {
            layer = layer.with_symmetry_tolerance(tolerance);
        }
        Ok(Self { layer, interrupt, shapes: Shapes { n, equalities, inequalities } })
    }

    /// What is done with programs of this size.
    fn explain(&self) -> String {
        self.layer.explain().to_string()
    }

    /// Solves a batch; each argument is that of one sample (shared), or has a batch dimension in
    /// front. No tape is made unless `differentiable`.
    #[pyo3(signature = (
        batch, Q, p, G=None, h=None, A=None, b=None, start=None, differentiable=true
    ))]
    #[expect(clippy::too_many_arguments, non_snake_case, reason = "keywords of Python")]
    fn forward(
        &self,
        py: Python<'_>,
        batch: usize,
        Q: &Bound<'_, PyAny>,
        p: &Bound<'_, PyAny>,
        G: Argument<'_, '_>,
        h: Argument<'_, '_>,
        A: Argument<'_, '_>,
        b: Argument<'_, '_>,
        start: Option<&QpSolved>,
        differentiable: bool,
    ) -> PyResult<QpSolved> {
        let shapes = self.shapes;
        let arrays = shapes.read([Some(Q), Some(p), G, h, A, b])?;
        let slots = shapes.slots(&arrays, batch)?;
        let values = QpValues::new(batch, slots[0], slots[1])
            .inequalities(slots[2], slots[3])
            .equalities(slots[4], slots[5]);
        let each = slots.map(|slot| !slot.is_shared());
        let rows = shapes.n + shapes.equalities + shapes.inequalities + 1;
        let start = start.map(|start| &start.solution);
        let (solution, tape) = interruptible(py, batch * rows * shapes.n, &self.interrupt, || {
            let taped = |(solution, tape)| (solution, Some(tape));
            match (differentiable, start) {
                (true, Some(start)) => self.layer.forward_from(&values, start).map(taped),
                (true, None) => self.layer.forward(&values).map(taped),
                (false, Some(start)) => Ok((self.layer.solve_from(&values, start)?, None)),
                (false, None) => Ok((self.layer.solve(&values)?, None)),
            }
        })?
        .map_err(qp_error)?;
        let (layer, interrupt) = (self.layer.clone(), self.interrupt.clone());
        let tape = tape.map(Counted::new);
        Ok(QpSolved { layer, solution, tape, shapes, each, interrupt })
    }

    /// Numbers of one sample in a flat tape.
    #[getter]
    fn flat_tape_len(&self) -> usize {
        self.layer.flat_tape_len()
    }

    /// The solved batch that left a flat tape, (batch, flat_tape_len), at the values that it was
    /// solved at, without a solve.
    #[pyo3(signature = (batch, flat_tape, Q, p, G=None, h=None, A=None, b=None))]
    #[expect(clippy::too_many_arguments, non_snake_case, reason = "keywords of Python")]
    fn restore(
        &self,
        py: Python<'_>,
        batch: usize,
        flat_tape: &Bound<'_, PyAny>,
        Q: &Bound<'_, PyAny>,
        p: &Bound<'_, PyAny>,
        G: Argument<'_, '_>,
        h: Argument<'_, '_>,
        A: Argument<'_, '_>,
        b: Argument<'_, '_>,
    ) -> PyResult<QpSolved> {
        let shapes = self.shapes;
        let arrays = shapes.read([Some(Q), Some(p), G, h, A, b])?;
        let slots = shapes.slots(&arrays, batch)?;
        let values = QpValues::new(batch, slots[0], slots[1])
            .inequalities(slots[2], slots[3])
            .equalities(slots[4], slots[5]);
        let rows = Numbers::new("flat_tape", flat_tape)?;
        let rows = rows.exactly(&[batch, self.layer.flat_tape_len()])?;
        let numbers = batch * (shapes.n + shapes.equalities + shapes.inequalities + 1) * shapes.n;
        let (solution, tape) = interruptible(py, numbers, &self.interrupt, || {
            self.layer.tape_from_flat(&values, rows)
        })?
        .map_err(qp_error)?;
        Ok(QpSolved {
            layer: self.layer.clone(),
            solution,
            tape: Some(Counted::new(tape)),
            shapes,
            each: slots.map(|slot| !slot.is_shared()),
            interrupt: self.interrupt.clone(),
        })
    }

    /// The KKT conditions at points (batch, n), with duals (batch, equalities) and (batch,
    /// inequalities) where they are known.
    #[pyo3(signature = (batch, Q, p, G, h, A, b, z, nu=None, lam=None))]
    #[expect(clippy::too_many_arguments, non_snake_case, reason = "keywords of Python")]
    fn conditions(
        &self,
        py: Python<'_>,
        batch: usize,
        Q: &Bound<'_, PyAny>,
        p: &Bound<'_, PyAny>,
        G: Argument<'_, '_>,
        h: Argument<'_, '_>,
        A: Argument<'_, '_>,
        b: Argument<'_, '_>,
        z: &Bound<'_, PyAny>,
        nu: Argument<'_, '_>,
        lam: Argument<'_, '_>,
    ) -> PyResult<Vec<Table>> {
        let shapes = self.shapes;
        let arrays = shapes.read([Some(Q), Some(p), G, h, A, b])?;
        let slots = shapes.slots(&arrays, batch)?;
        let values = QpValues::new(batch, slots[0], slots[1])
            .inequalities(slots[2], slots[3])
            .equalities(slots[4], slots[5]);
        let z = Numbers::new("z", z)?;
        let (nu, lam) = (Numbers::optional("nu", nu)?, Numbers::optional("lam", lam)?);
        let exactly = |array: &'_ Option<Numbers<'_>>, len: usize| -> PyResult<Option<Vec<f64>>> {
            let rows = array.as_ref().map(|array| array.exactly(&[batch, len])).transpose()?;
            Ok(rows.map(<[f64]>::to_vec))
        };
        let (nu, lam) = (exactly(&nu, shapes.equalities)?, exactly(&lam, shapes.inequalities)?);
        let point = QpPoint {
            x: z.exactly(&[batch, shapes.n])?,
            equality_duals: nu.as_deref(),
            inequality_duals: lam.as_deref(),
            slacks: None,
        };
        let size = batch * shapes.n * shapes.n;
        let mut found =
            interruptible(py, size, &self.interrupt, || self.layer.conditions(&values, &point))?
                .map_err(qp_error)?;
        // In the names of OptNet.
        for row in found.iter_mut().flat_map(|conditions| &mut conditions.rows) {
            row.constraint = match row.constraint.as_str() {
                "Ax = b" => "Az = b",
                "Gx <= h" => "Gz <= h",
                _ => "z",
            }
            .into();
        }
        Ok(tables(found))
    }
}

/// A solved batch, with what its derivative needs.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct QpSolved {
    layer: QpLayer,
    solution: QpSolution,
    tape: Option<Counted<QpTape>>,
    shapes: Shapes,
    each: [bool; 6],
    interrupt: Interrupt,
}

impl QpSolved {
    fn batch(&self) -> usize {
        self.solution.batch
    }

    /// Of a derivative, for [`interruptible`].
    fn size(&self, how: &Differentiation) -> usize {
        let Shapes { n, equalities, inequalities } = self.shapes;
        derivative_size(how, n * (n + equalities + inequalities + 1))
    }

    fn tape(&self) -> PyResult<&QpTape> {
        self.tape.as_deref().ok_or_else(no_tape)
    }

    /// Of z, nu, lam and the slacks.
    fn cotangent<'a>(&self, given: &'a [Option<Numbers<'_>>; 4]) -> PyResult<QpCotangent<'a>> {
        let Shapes { n, equalities, inequalities } = self.shapes;
        let part = |at: usize, len| {
            given[at].as_ref().map(|array| array.exactly(&[self.batch(), len])).transpose()
        };
        Ok(QpCotangent {
            x: part(0, n)?,
            equality_duals: part(1, equalities)?,
            inequality_duals: part(2, inequalities)?,
            slacks: part(3, inequalities)?,
        })
    }

    /// Of Q, p, G, h, A, b.
    fn tangent<'a>(&self, arrays: &'a [Option<Numbers<'_>>; 6]) -> PyResult<QpTangent<'a>> {
        let part = |at: usize| self.shapes.slot(arrays, at, self.batch());
        Ok(QpTangent {
            p: part(0)?,
            q: part(1)?,
            g: part(2)?,
            h: part(3)?,
            a: part(4)?,
            b: part(5)?,
        })
    }

    fn gradients(&self, py: Python<'_>, gradients: QpGradients) -> PyResult<Six> {
        let parts = [gradients.p, gradients.q, gradients.g, gradients.h, gradients.a, gradients.b];
        let mut out = [const { None }; 6];
        for (at, values) in parts.into_iter().enumerate() {
            if self.shapes.exists(at) {
                let each = self.each[at].then(|| self.batch());
                out[at] = Some(like(py, values, &self.shapes.of(at), each)?);
            }
        }
        Ok(out)
    }
}

fn cotangents<'py>(given: [Argument<'_, 'py>; 4]) -> PyResult<[Option<Numbers<'py>>; 4]> {
    let [dz, dnu, dlam, dslacks] = given;
    Ok([
        Numbers::optional("dz", dz)?,
        Numbers::optional("dnu", dnu)?,
        Numbers::optional("dlam", dlam)?,
        Numbers::optional("dslacks", dslacks)?,
    ])
}

#[pymethods]
impl QpSolved {
    /// Minimizers, (batch, n).
    #[getter]
    fn z(&self, py: Python<'_>) -> Py<PyAny> {
        matrix(py, self.solution.x.clone(), self.batch(), self.shapes.n)
    }

    /// Duals of the equalities, (batch, equalities).
    #[getter]
    fn nu(&self, py: Python<'_>) -> Py<PyAny> {
        let duals = self.solution.equality_duals.clone();
        matrix(py, duals, self.batch(), self.shapes.equalities)
    }

    /// Duals of the inequalities, (batch, inequalities).
    #[getter]
    fn lam(&self, py: Python<'_>) -> Py<PyAny> {
        let duals = self.solution.inequality_duals.clone();
        matrix(py, duals, self.batch(), self.shapes.inequalities)
    }

    /// Slacks h - Gz, (batch, inequalities).
    #[getter]
    fn slacks(&self, py: Python<'_>) -> Py<PyAny> {
        matrix(py, self.solution.slacks.clone(), self.batch(), self.shapes.inequalities)
    }

    /// Number of samples.
    #[getter(batch)]
    fn size_of_batch(&self) -> usize {
        self.batch()
    }

    /// What `Qp.restore` makes the batch of again, with the values: (batch, flat_tape_len).
    fn flat_tape(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (batch, len) = (self.batch(), self.layer.flat_tape_len());
        let mut rows = vec![0.0; batch * len];
        self.tape()?.write_flat(&mut rows).map_err(qp_error)?;
        Ok(matrix(py, rows, batch, len))
    }

    /// The same batch to start from and to look at, without what its derivative needs.
    fn without_tape(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            solution: self.solution.clone(),
            tape: None,
            shapes: self.shapes,
            each: self.each,
            interrupt: self.interrupt.clone(),
        }
    }

    /// Diagnostics, one array per name.
    #[getter]
    fn reports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        report::dict(py, &self.solution.reports)
    }

    /// Whether every sample is solved.
    #[getter]
    fn all_solved(&self) -> bool {
        report::all_solved(&self.solution.reports)
    }

    /// Gradients with respect to Q, p, G, h, A, b of a scalar, from those with respect to the
    /// solution.
    #[pyo3(signature = (
        dz=None, dnu=None, dlam=None, dslacks=None, mode=None, on_failure=None, method=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn vjp(
        &self,
        py: Python<'_>,
        dz: Argument<'_, '_>,
        dnu: Argument<'_, '_>,
        dlam: Argument<'_, '_>,
        dslacks: Argument<'_, '_>,
        mode: Argument<'_, '_>,
        on_failure: Option<&str>,
        method: Argument<'_, '_>,
    ) -> PyResult<Six> {
        let tape = self.tape()?;
        let how = differentiation(mode, on_failure, method)?;
        let given = cotangents([dz, dnu, dlam, dslacks])?;
        let cotangent = self.cotangent(&given)?;
        let layer = self.layer.clone().with_differentiation(how);
        let gradients = interruptible(py, self.size(&how), &self.interrupt, || {
            layer.backward(tape, &cotangent)
        })?
        .map_err(qp_error)?;
        doubt::warn_of(py, &gradients.accuracy, &gradients.unfinished)?;
        self.gradients(py, gradients)
    }

    /// Changes of z, nu, lam and the slacks along changes of Q, p, G, h, A, b.
    #[pyo3(signature = (
        dQ=None, dp=None, dG=None, dh=None, dA=None, db=None,
        mode=None, on_failure=None, method=None
    ))]
    #[expect(clippy::too_many_arguments, non_snake_case, reason = "keywords of Python")]
    fn jvp(
        &self,
        py: Python<'_>,
        dQ: Argument<'_, '_>,
        dp: Argument<'_, '_>,
        dG: Argument<'_, '_>,
        dh: Argument<'_, '_>,
        dA: Argument<'_, '_>,
        db: Argument<'_, '_>,
        mode: Argument<'_, '_>,
        on_failure: Option<&str>,
        method: Argument<'_, '_>,
    ) -> PyResult<Four> {
        let tape = self.tape()?;
        let how = differentiation(mode, on_failure, method)?;
        let (shapes, batch) = (self.shapes, self.batch());
        let arrays = shapes.read([dQ, dp, dG, dh, dA, db])?;
        let tangent = self.tangent(&arrays)?;
        let layer = self.layer.clone().with_differentiation(how);
        let out =
            interruptible(py, self.size(&how), &self.interrupt, || layer.jvp(tape, &tangent))?
                .map_err(qp_error)?;
        doubt::warn_of(py, &out.accuracy, &out.unfinished)?;
        Ok((
            matrix(py, out.x, batch, shapes.n),
            matrix(py, out.equality_duals, batch, shapes.equalities),
            matrix(py, out.inequality_duals, batch, shapes.inequalities),
            matrix(py, out.slacks, batch, shapes.inequalities),
        ))
    }

    /// Changes of the gradients that `vjp` gives, along changes of the cotangents of z, nu, lam and
    /// the slacks, and of Q, p, G, h, A, b.
    #[pyo3(signature = (
        cotangents, changes, tangents, mode=None, on_failure=None, method=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn vjp_tangent(
        &self,
        py: Python<'_>,
        cotangents: [Option<Bound<'_, PyAny>>; 4],
        changes: [Option<Bound<'_, PyAny>>; 4],
        tangents: [Option<Bound<'_, PyAny>>; 6],
        mode: Argument<'_, '_>,
        on_failure: Option<&str>,
        method: Argument<'_, '_>,
    ) -> PyResult<Six> {
        let tape = self.tape()?;
        let how = differentiation(mode, on_failure, method)?;
        let given = self::cotangents(cotangents.each_ref().map(Option::as_ref))?;
        let changes = self::cotangents(changes.each_ref().map(Option::as_ref))?;
        let (cotangent, change) = (self.cotangent(&given)?, self.cotangent(&changes)?);
        let arrays = self.shapes.read(tangents.each_ref().map(Option::as_ref))?;
        let tangent = self.tangent(&arrays)?;
        let layer = self.layer.clone().with_differentiation(how);
        let gradients = interruptible(py, self.size(&how), &self.interrupt, || {
            layer.backward_tangent(tape, &cotangent, &change, &tangent)
        })?
        .map_err(qp_error)?;
        doubt::warn_of_kinks(py, &gradients.adjoint_residual, &self.solution.reports)?;
        self.gradients(py, gradients)
    }
}
