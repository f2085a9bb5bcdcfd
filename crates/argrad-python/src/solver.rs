//! Programs in standard form.

use argrad::{Report, Slot};
use argrad_solver::{
    Cotangent, Differentiation, Interrupt, KktPoint, Solution, Structure, Tangent, Tape, Values,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{Numbers, like, matrix};
use crate::conditions::{Table, tables};
use crate::doubt;
use crate::error::{no_tape, solver_error};
use crate::interruptible::{derivative_size, interruptible};
use crate::options::{differentiation, interrupt, settings};
use crate::program::{Columns, cones, pattern};
use crate::report;
use crate::tapes::Counted;

/// Arrays for P, q, A, b.
type Four = (Py<PyAny>, Py<PyAny>, Py<PyAny>, Py<PyAny>);
/// Arrays for x, z, s.
type Three = (Py<PyAny>, Py<PyAny>, Py<PyAny>);

/// Solves batches of programs of one structure: min 1/2 x'Px + q'x subject to Ax + s = b, s in K.
///
/// Patterns are (indptr, indices) of compressed columns with ascending rows; P is its upper
/// triangle.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct Solver {
    solver: argrad_solver::Solver,
    interrupt: Interrupt,
}

#[pymethods]
impl Solver {
    #[new]
    #[pyo3(signature = (n, m, p_pattern, a_pattern, cones, settings=None))]
    fn new(
        n: usize,
        m: usize,
        p_pattern: Columns<'_>,
        a_pattern: Columns<'_>,
        cones: &Bound<'_, PyList>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let settings = self::settings(settings)?;
        let (p, a) = (pattern("P", n, n, &p_pattern)?, pattern("A", m, n, &a_pattern)?);
        let structure = Structure::new(p, a, self::cones(cones)?).map_err(solver_error)?;
        let interrupt = interrupt(&settings);
        let solver = argrad_solver::Solver::new(structure, settings).map_err(solver_error)?;
        Ok(Self { solver, interrupt })
    }

    /// How programs of the structure are solved, as text.
    fn explain(&self) -> String {
        self.solver.explain().to_string()
    }

    /// Solves a batch; each value is 1-D (shared by the batch) or (batch, length).
    #[pyo3(signature = (batch, p, q, a, b, start=None, differentiable=true))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn forward(
        &self,
        py: Python<'_>,
        batch: usize,
        p: &Bound<'_, PyAny>,
        q: &Bound<'_, PyAny>,
        a: &Bound<'_, PyAny>,
        b: &Bound<'_, PyAny>,
        start: Option<Points<'_>>,
        differentiable: bool,
    ) -> PyResult<Solved> {
        let start = start.map(|start| self.point(batch, &start)).transpose()?;
        self.run(py, batch, [p, q, a, b], |values| match (differentiable, &start) {
            (true, start) => {
                let (solution, tape) = match start {
                    Some(start) => self.solver.forward_from(values, start)?,
                    None => self.solver.forward(values)?,
                };
                Ok((solution, Some(tape)))
            }
            (false, Some(start)) => Ok((self.solver.solve_from(values, start)?, None)),
            (false, None) => Ok((self.solver.solve(values)?, None)),
        })
    }

    /// What `forward` returns, at a solution (x, z, s) that is known.
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn tape_at(
        &self,
        py: Python<'_>,
        batch: usize,
        p: &Bound<'_, PyAny>,
        q: &Bound<'_, PyAny>,
        a: &Bound<'_, PyAny>,
        b: &Bound<'_, PyAny>,
        point: Points<'_>,
    ) -> PyResult<Solved> {
        let point = self.point(batch, &point)?;
        self.run(py, batch, [p, q, a, b], |values| {
            let (solution, tape) = self.solver.tape_at(values, &point)?;
            Ok((solution, Some(tape)))
        })
    }

    /// The KKT conditions at points (batch, n), (batch, m), (batch, m).
    #[pyo3(signature = (batch, p, q, a, b, x, z=None, s=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn conditions(
        &self,
        py: Python<'_>,
        batch: usize,
        p: &Bound<'_, PyAny>,
        q: &Bound<'_, PyAny>,
        a: &Bound<'_, PyAny>,
        b: &Bound<'_, PyAny>,
        x: &Bound<'_, PyAny>,
        z: Option<&Bound<'_, PyAny>>,
        s: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Table>> {
        let [_, n, _, m] = self.lengths();
        let x = Numbers::new("x", x)?;
        let (z, s) = (Numbers::optional("z", z)?, Numbers::optional("s", s)?);
        let rows = |array: &Option<Numbers<'_>>| -> PyResult<Option<Vec<f64>>> {
            let rows = array.as_ref().map(|array| array.exactly(&[batch, m])).transpose()?;
            Ok(rows.map(<[f64]>::to_vec))
        };
        let (x, z, s) = (x.exactly(&[batch, n])?, rows(&z)?, rows(&s)?);
        let point = KktPoint { x, z: z.as_deref(), s: s.as_deref() };
        let lengths = self.lengths();
        let given = [
            Numbers::new("P", p)?,
            Numbers::new("q", q)?,
            Numbers::new("A", a)?,
            Numbers::new("b", b)?,
        ];
        let [p, q, a, b] = &given;
        let values = Values {
            batch,
            p: p.slot(batch, &lengths[..1])?,
            q: q.slot(batch, &lengths[1..2])?,
            a: a.slot(batch, &lengths[2..3])?,
            b: b.slot(batch, &lengths[3..])?,
        };
        let size = batch * lengths.iter().sum::<usize>();
        let found =
            interruptible(py, size, &self.interrupt, || self.solver.conditions(&values, &point))?;
        Ok(tables(found.map_err(solver_error)?))
    }
}

/// (x, z, s).
type Points<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

impl Solver {
    /// Lengths of P, q, A, b.
    fn lengths(&self) -> [usize; 4] {
        let structure = self.solver.structure();
        [structure.p().nnz(), structure.variables(), structure.a().nnz(), structure.rows()]
    }

    fn point(&self, batch: usize, point: &Points<'_>) -> PyResult<Solution> {
        let [_, n, _, m] = self.lengths();
        let copy = |name, array, len| {
            Ok::<_, PyErr>(Numbers::new(name, array)?.exactly(&[batch, len])?.to_vec())
        };
        Ok(Solution {
            batch,
            x: copy("start x", &point.0, n)?,
            z: copy("start z", &point.1, m)?,
            s: copy("start s", &point.2, m)?,
            reports: vec![Report::default(); batch],
        })
    }

    fn run(
        &self,
        py: Python<'_>,
        batch: usize,
        given: [&Bound<'_, PyAny>; 4],
        solve: impl FnOnce(&Values<'_>) -> Result<(Solution, Option<Tape>), argrad::Error> + Send,
    ) -> PyResult<Solved> {
        let lengths = self.lengths();
        let [p, q, a, b] = &[
            Numbers::new("P", given[0])?,
            Numbers::new("q", given[1])?,
            Numbers::new("A", given[2])?,
            Numbers::new("b", given[3])?,
        ];
        let values = Values {
            batch,
            p: p.slot(batch, &lengths[..1])?,
            q: q.slot(batch, &lengths[1..2])?,
            a: a.slot(batch, &lengths[2..3])?,
            b: b.slot(batch, &lengths[3..])?,
        };
        let each = [values.p, values.q, values.a, values.b].map(|slot| !slot.is_shared());
        let size = batch * lengths.iter().sum::<usize>();
        let (solution, tape) =
            interruptible(py, size, &self.interrupt, || solve(&values))?.map_err(solver_error)?;
        let Solution { x, z, s, reports, .. } = solution;
        Ok(Solved {
            x: matrix(py, x, batch, lengths[1]),
            z: matrix(py, z, batch, lengths[3]),
            s: matrix(py, s, batch, lengths[3]),
            reports,
            tape: tape.map(Counted::new),
            interrupt: self.interrupt.clone(),
            lengths,
            each,
        })
    }
}

/// A solved batch, with what its derivative needs.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct Solved {
    /// Variables, (batch, n).
    #[pyo3(get)]
    x: Py<PyAny>,
    /// Duals, (batch, m).
    #[pyo3(get)]
    z: Py<PyAny>,
    /// Slacks, (batch, m).
    #[pyo3(get)]
    s: Py<PyAny>,
    reports: Vec<Report>,
    tape: Option<Counted<Tape>>,
    interrupt: Interrupt,
    lengths: [usize; 4],
    each: [bool; 4],
}

impl Solved {
    fn tape(&self) -> PyResult<&Tape> {
        self.tape.as_deref().ok_or_else(no_tape)
    }

    fn batch(&self) -> usize {
        self.reports.len()
    }

    /// Of a derivative, for [`interruptible`].
    fn size(&self, how: &Differentiation) -> usize {
        derivative_size(how, self.lengths.iter().sum())
    }

    fn gradients(&self, py: Python<'_>, gradients: argrad_solver::Gradients) -> PyResult<Four> {
        let shaped = |values, at: usize| {
            like(py, values, &self.lengths[at..=at], self.each[at].then(|| self.batch()))
        };
        Ok((
            shaped(gradients.p, 0)?,
            shaped(gradients.q, 1)?,
            shaped(gradients.a, 2)?,
            shaped(gradients.b, 3)?,
        ))
    }
}

#[pymethods]
impl Solved {
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

    /// Gradients with respect to P, q, A, b of a scalar, from its gradients with respect to x, z,
    /// s.
    #[pyo3(signature = (dx=None, dz=None, ds=None, mode=None, on_failure=None, method=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn vjp(
        &self,
        py: Python<'_>,
        dx: Option<&Bound<'_, PyAny>>,
        dz: Option<&Bound<'_, PyAny>>,
        ds: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        on_failure: Option<&str>,
        method: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Four> {
        let how = differentiation(mode, on_failure, method)?;
        let tape = self.tape()?;
        let [_, n, _, m] = self.lengths;
        let given = [
            Numbers::optional("dx", dx)?,
            Numbers::optional("dz", dz)?,
            Numbers::optional("ds", ds)?,
        ];
        let part = |at: usize, len| {
            given[at].as_ref().map(|array| array.exactly(&[self.batch(), len])).transpose()
        };
        let cotangent = Cotangent { x: part(0, n)?, z: part(1, m)?, s: part(2, m)? };
        let size = self.size(&how);
        let gradients = interruptible(py, size, &self.interrupt, || tape.vjp(&cotangent, &how))?
            .map_err(solver_error)?;
        doubt::warn_of(py, &gradients.accuracy, &gradients.unfinished)?;
        self.gradients(py, gradients)
    }

    /// Changes of x, z, s along changes of P, q, A, b.
    #[pyo3(signature = (
        dp=None, dq=None, da=None, db=None, mode=None, on_failure=None, method=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn jvp(
        &self,
        py: Python<'_>,
        dp: Option<&Bound<'_, PyAny>>,
        dq: Option<&Bound<'_, PyAny>>,
        da: Option<&Bound<'_, PyAny>>,
        db: Option<&Bound<'_, PyAny>>,
        mode: Option<&Bound<'_, PyAny>>,
        on_failure: Option<&str>,
        method: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Three> {
        let how = differentiation(mode, on_failure, method)?;
        let tape = self.tape()?;
        let given = [
            Numbers::optional("dP", dp)?,
            Numbers::optional("dq", dq)?,
            Numbers::optional("dA", da)?,
            Numbers::optional("db", db)?,
        ];
        let part = |at: usize| -> PyResult<Option<Slot<'_>>> {
            let len = &self.lengths[at..=at];
            given[at].as_ref().map(|array| array.slot(self.batch(), len)).transpose()
        };
        let tangent = Tangent { p: part(0)?, q: part(1)?, a: part(2)?, b: part(3)? };
        let size = self.size(&how);
        let out = interruptible(py, size, &self.interrupt, || tape.jvp(&tangent, &how))?
            .map_err(solver_error)?;
        doubt::warn_of(py, &out.accuracy, &out.unfinished)?;
        let ([_, n, _, m], batch) = (self.lengths, self.batch());
        Ok((matrix(py, out.x, batch, n), matrix(py, out.z, batch, m), matrix(py, out.s, batch, m)))
    }

    /// Gradients with respect to P, q, A, b of the weighted sum of the optimal values.
    #[pyo3(signature = (weights, on_failure=None))]
    fn value_gradient(
        &self,
        py: Python<'_>,
        weights: &Bound<'_, PyAny>,
        on_failure: Option<&str>,
    ) -> PyResult<Four> {
        let how = differentiation(None, on_failure, None)?;
        let tape = self.tape()?;
        let weights = Numbers::new("weights", weights)?;
        let weights = weights.exactly(&[self.batch()])?;
        let gradients =
            interruptible(py, 0, &self.interrupt, || tape.value_gradient(weights, &how))?;
        self.gradients(py, gradients.map_err(solver_error)?)
    }
}
