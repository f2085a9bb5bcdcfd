//! Programs whose numbers are affine functions of parameters.

use std::ops::Range;

use argrad::Slot;
use argrad::atom::Bilinear;
use argrad::model::{
    AffineMap, AffineOutput, AffineProgram, ExportedMap, ExportedStep, LayerTape, Outputs,
    Relaxation, ViolationNorm,
};
use argrad_solver::{Interrupt, KktLabel};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::arrays::{Numbers, like, matrix};
use crate::conditions::{Table, tables};
use crate::doubt;
use crate::error::{model_error, no_tape};
use crate::interruptible::{derivative_size, interruptible};
use crate::options::{differentiation, interrupt, settings};
use crate::program::{Columns, cones, pattern};
use crate::report;
use crate::tapes::Counted;

type Indices<'py> = PyReadonlyArray1<'py, i64>;
type Reals<'py> = PyReadonlyArray1<'py, f64>;

/// (indptr, indices, data, base).
type Map<'py> = (Indices<'py>, Indices<'py>, Reals<'py>, Reals<'py>);

/// (name, "x" or "z", size, indptr, indices, data, base).
type Output<'py> = (String, String, usize, Indices<'py>, Indices<'py>, Reals<'py>, Reals<'py>);

fn affine_map<'a>(map: &'a Map<'_>) -> PyResult<AffineMap<'a>> {
    Ok(AffineMap {
        indptr: map.0.as_slice()?,
        indices: map.1.as_slice()?,
        data: map.2.as_slice()?,
        base: map.3.as_slice()?,
    })
}

/// A differentiable function of parameters: affine maps to P, q, A, b, a solve, affine maps of x
/// and z.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct Layer {
    layer: argrad::model::Layer,
    interrupt: Interrupt,
    /// Lengths of the parameters and of the outputs.
    parameters: Vec<usize>,
    outputs: Vec<usize>,
    /// Numbers of one program.
    numbers: usize,
}

impl Layer {
    /// A layer of the core as Python sees it.
    pub(crate) fn new_of(layer: argrad::model::Layer) -> Self {
        let structure = layer.structure();
        let (p, a) = (structure.p().nnz(), structure.a().nnz());
        Self {
            interrupt: interrupt(layer.settings()),
            parameters: layer.parameters().map(|(_, len)| len).collect(),
            outputs: layer.outputs().map(|(_, shape)| shape.size()).collect(),
            numbers: p + a + structure.variables() + structure.rows(),
            layer,
        }
    }

    /// The layer, what ends its solves, and the lengths of its outputs.
    pub(crate) fn parts(&self) -> (argrad::model::Layer, Interrupt, Vec<usize>) {
        (self.layer.clone(), self.interrupt.clone(), self.outputs.clone())
    }

    /// One slot for each parameter.
    fn slots<'a>(&self, arrays: &'a [Numbers<'_>], batch: usize) -> PyResult<Vec<Slot<'a>>> {
        let (found, expected) = (arrays.len(), self.parameters.len());
        if found != expected {
            return Err(PyValueError::new_err(format!(
                "parameters: expected {expected} arrays, found {found}"
            )));
        }
        let slots = arrays.iter().zip(&self.parameters);
        slots.map(|(array, len)| array.slot(batch, &[*len])).collect()
    }

    fn solved(
        &self,
        py: Python<'_>,
        mut solved: Outputs,
        tape: Option<LayerTape>,
        each: Vec<bool>,
    ) -> PyResult<LayerSolved> {
        let batch = solved.batch;
        let outputs = std::mem::take(&mut solved.values);
        let outputs =
            outputs.into_iter().zip(&self.outputs).map(|(v, len)| matrix(py, v, batch, *len));
        Ok(LayerSolved {
            outputs: PyList::new(py, outputs)?.unbind(),
            solved,
            tape: tape.map(Counted::new),
            layer: self.layer.clone(),
            interrupt: self.interrupt.clone(),
            numbers: self.numbers,
            each,
            parameters: self.parameters.clone(),
            sizes: self.outputs.clone(),
        })
    }
}

fn numbers<'py>(parameters: &[Bound<'py, PyAny>]) -> PyResult<Vec<Numbers<'py>>> {
    parameters.iter().map(|array| Numbers::new("parameter", array)).collect()
}

/// (indptr, indices, data, base) as arrays.
type MapArrays<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
);

fn arrays_of(py: Python<'_>, map: ExportedMap) -> MapArrays<'_> {
    (
        map.indptr.into_pyarray(py),
        map.indices.into_pyarray(py),
        map.data.into_pyarray(py),
        map.base.into_pyarray(py),
    )
}

/// (kind, what it is made of): places in theta are (start, end).
fn step(py: Python<'_>, step: ExportedStep) -> PyResult<Bound<'_, PyTuple>> {
    let ends = |range: Range<usize>| (range.start, range.end);
    match step {
        ExportedStep::Affine(map) => ("affine", arrays_of(py, map)).into_pyobject(py),
        ExportedStep::Product { kind: Bilinear::MatMul { rows, inner, cols }, a, b } => {
            ("matmul", ends(a), ends(b), (rows, inner, cols)).into_pyobject(py)
        }
        // A scalar is broadcast.
        ExportedStep::Product {
            kind: Bilinear::Elementwise { .. } | Bilinear::Scale { .. },
            a,
            b,
        } => ("times", ends(a), ends(b)).into_pyobject(py),
        ExportedStep::Product { kind, .. } => ("other", format!("{kind:?}")).into_pyobject(py),
        ExportedStep::Gram { columns, matrix, weights } => {
            ("gram", ends(matrix), weights.map(ends), columns).into_pyobject(py)
        }
        ExportedStep::Function { name, numbers, arguments, len } => {
            let arguments: Vec<_> = arguments.into_iter().map(ends).collect();
            ("function", name, numbers, arguments, len).into_pyobject(py)
        }
        _ => ("other", "a function of parameters").into_pyobject(py),
    }
}

#[pymethods]
impl Layer {
    #[new]
    #[pyo3(signature = (
        n, m, p_pattern, a_pattern, cones, maps, parameters, outputs, maximize=false, settings=None,
        constraints=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        n: usize,
        m: usize,
        p_pattern: Columns<'_>,
        a_pattern: Columns<'_>,
        cones: &Bound<'_, PyList>,
        maps: [Map<'_>; 5],
        parameters: Vec<(String, usize)>,
        outputs: Vec<Output<'_>>,
        maximize: bool,
        settings: Option<&Bound<'_, PyDict>>,
        constraints: Option<Vec<(String, Vec<usize>)>>,
    ) -> PyResult<Self> {
        let settings = self::settings(settings)?;
        let mut specs = Vec::with_capacity(outputs.len());
        for (name, source, size, indptr, indices, data, base) in &outputs {
            let dual = match source.as_str() {
                "x" => false,
                "z" => true,
                other => {
                    return Err(PyValueError::new_err(format!(
                        "output {name}: expected \"x\" or \"z\", found {other:?}"
                    )));
                }
            };
            let base = base.as_slice()?;
            if base.len() != *size {
                return Err(PyValueError::new_err(format!(
                    "output {name}: expected {size} constants, found {}",
                    base.len()
                )));
            }
            let (indptr, indices) = (indptr.as_slice()?, indices.as_slice()?);
            let map = AffineMap { indptr, indices, data: data.as_slice()?, base };
            specs.push(AffineOutput { name: name.clone(), dual, map });
        }
        let program = AffineProgram {
            p_pattern: pattern("P", n, n, &p_pattern)?,
            a_pattern: pattern("A", m, n, &a_pattern)?,
            cones: self::cones(cones)?,
            p: affine_map(&maps[0])?,
            q: affine_map(&maps[1])?,
            a: affine_map(&maps[2])?,
            b: affine_map(&maps[3])?,
            constant: affine_map(&maps[4])?,
            parameters,
            outputs: specs,
            maximize,
        };
        let mut layer =
            argrad::model::Layer::from_affine(program, settings).map_err(model_error)?;
        if let Some(constraints) = constraints {
            let label = |(text, rows): (String, Vec<usize>)| KktLabel {
                text,
                at: rows.into_iter().map(|row| row..row.saturating_add(1)).collect(),
            };
            let constraints = constraints.into_iter().map(label).collect();
            layer = layer.with_constraints(constraints).map_err(model_error)?;
        }
        Ok(Self::new_of(layer))
    }

    /// The same layer with other settings.
    fn with_settings(&self, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let settings = self::settings(settings)?;
        Ok(Self::new_of(self.layer.clone().with_settings(settings).map_err(model_error)?))
    }

    /// How programs are solved: engine, sizes, memory, as text.
    fn explain(&self) -> String {
        self.layer.explain().to_string()
    }

    /// Numbers of variables and rows, of stored entries of P and A, and of parameters that are
    /// computed from the given ones for each sample.
    #[getter]
    fn sizes(&self) -> (usize, usize, usize, usize, usize) {
        let structure = self.layer.structure();
        let (variables, rows) = (structure.variables(), structure.rows());
        let derived = self.layer.derived_parameters();
        (variables, rows, structure.p().nnz(), structure.a().nnz(), derived)
    }

    /// The functions around the solve, for those who evaluate them elsewhere: how derived
    /// parameters are made, the maps from theta to P, q, A, b and the constant of the objective,
    /// and those from x or z to outputs; of a relaxed layer, the price of violations: norm, weight
    /// and columns (`ExportedPrice`).
    fn maps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let maps = self.layer.export_maps();
        let steps = maps.steps.into_iter().map(|step| self::step(py, step));
        let steps = steps.collect::<PyResult<Vec<_>>>()?;
        let program = maps.program.map(|map| arrays_of(py, map));
        let outputs = maps.outputs.into_iter().map(|(is_dual, map)| (is_dual, arrays_of(py, map)));
        let price = maps.price.map(|price| {
            let Relaxation { norm, weight } = price.relaxation;
            let norm = match norm {
                ViolationNorm::L1 => "l1",
                ViolationNorm::L2 => "l2",
            };
            (norm, weight, price.columns)
        });
        (steps, program, outputs.collect::<Vec<_>>(), price).into_pyobject(py)
    }

    /// Solves a batch; each parameter is 1-D (shared by the batch) or (batch, size). No tape is
    /// made unless `differentiable`.
    #[pyo3(signature = (batch, parameters, start=None, differentiable=true))]
    fn forward(
        &self,
        py: Python<'_>,
        batch: usize,
        parameters: Vec<Bound<'_, PyAny>>,
        start: Option<&LayerSolved>,
        differentiable: bool,
    ) -> PyResult<LayerSolved> {
        let arrays = numbers(&parameters)?;
        let slots = self.slots(&arrays, batch)?;
        let each = slots.iter().map(|slot| !slot.is_shared()).collect();
        let start = start.map(|start| &start.solved);
        let (solved, tape) = interruptible(py, batch * self.numbers, &self.interrupt, || {
            if differentiable {
                let (solved, tape) = self.layer.forward_slots(batch, &slots, start)?;
                return Ok((solved, Some(tape)));
            }
            Ok((self.layer.solve_slots(batch, &slots, start)?, None))
        })?
        .map_err(model_error)?;
        self.solved(py, solved, tape, each)
    }

    /// The layer of the relaxed program, with violations as its last output; `norm` is "l1" or
    /// "l2".
    fn relaxed(&self, norm: &str, weight: f64) -> PyResult<Self> {
        let norm = match norm {
            "l1" => ViolationNorm::L1,
            "l2" => ViolationNorm::L2,
            other => {
                return Err(PyValueError::new_err(format!(
                    "norm: expected \"l1\" or \"l2\", found {other:?}"
                )));
            }
        };
        let layer = self.layer.relaxed(Relaxation { norm, weight }).map_err(model_error)?;
        let violations = self.layer.relaxed_rows().len();
        Ok(Self {
            layer,
            interrupt: self.interrupt.clone(),
            parameters: self.parameters.clone(),
            outputs: self.outputs.iter().copied().chain([violations]).collect(),
            numbers: self.numbers + violations,
        })
    }

    /// Names of the constraints that the relaxed program may violate, with their numbers of rows.
    fn relaxed_constraints(&self) -> Vec<(String, usize)> {
        self.layer.relaxed_constraints()
    }

    /// Numbers of one sample in a flat tape.
    #[getter]
    fn flat_tape_len(&self) -> usize {
        self.layer.flat_tape_len()
    }

    /// The solved batch that left a flat tape, (batch, flat_tape_len), at the parameters that it
    /// was solved at, without a solve.
    fn restore(
        &self,
        py: Python<'_>,
        batch: usize,
        flat_tape: &Bound<'_, PyAny>,
        parameters: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<LayerSolved> {
        let arrays = numbers(&parameters)?;
        let slots = self.slots(&arrays, batch)?;
        let each = slots.iter().map(|slot| !slot.is_shared()).collect();
        let rows = Numbers::new("flat_tape", flat_tape)?;
        let rows = rows.exactly(&[batch, self.layer.flat_tape_len()])?;
        let (solved, tape) = interruptible(py, batch * self.numbers, &self.interrupt, || {
            self.layer.tape_from_flat(batch, &slots, rows)
        })?
        .map_err(model_error)?;
        self.solved(py, solved, Some(tape), each)
    }

    /// The KKT conditions of one sample at values of the outputs of x, in their order.
    fn conditions_at(
        &self,
        py: Python<'_>,
        parameters: Vec<Bound<'_, PyAny>>,
        values: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Table>> {
        let read = |name, arrays: &[Bound<'_, PyAny>]| -> PyResult<Vec<Vec<f64>>> {
            let one = |array| Ok(Numbers::new(name, array)?.slice()?.to_vec());
            arrays.iter().map(one).collect()
        };
        let (parameters, values) = (read("parameter", &parameters)?, read("value", &values)?);
        let parameters: Vec<&[f64]> = parameters.iter().map(Vec::as_slice).collect();
        let values: Vec<(usize, &[f64])> =
            values.iter().enumerate().map(|(at, own)| (at, own.as_slice())).collect();
        let find = || self.layer.conditions_at(&parameters, &values);
        let found = interruptible(py, self.numbers, &self.interrupt, find)?;
        Ok(tables(found.map_err(model_error)?))
    }
}

/// A solved batch of a layer, with what its derivative needs.
#[pyclass(frozen, module = "argrad._core")]
pub(crate) struct LayerSolved {
    /// The outputs, each (batch, size).
    #[pyo3(get)]
    outputs: Py<PyList>,
    /// Without the values of outputs.
    solved: Outputs,
    tape: Option<Counted<LayerTape>>,
    layer: argrad::model::Layer,
    interrupt: Interrupt,
    /// Of the program of a sample.
    numbers: usize,
    each: Vec<bool>,
    parameters: Vec<usize>,
    sizes: Vec<usize>,
}

impl LayerSolved {
    fn tape(&self) -> PyResult<&LayerTape> {
        self.tape.as_deref().ok_or_else(no_tape)
    }

    /// One slice an output, empty where there is no array.
    fn of_outputs<'a>(&self, arrays: &'a [Option<Numbers<'_>>]) -> PyResult<Vec<&'a [f64]>> {
        let one = |(array, len): (&'a Option<Numbers<'_>>, &usize)| match array {
            Some(array) => array.exactly(&[self.solved.batch, *len]),
            None => Ok(&[][..]),
        };
        arrays.iter().zip(&self.sizes).map(one).collect()
    }

    /// One slice a parameter, each of the shape that its value had, empty where there is no array.
    fn of_parameters<'a>(&self, arrays: &'a [Option<Numbers<'_>>]) -> PyResult<Vec<&'a [f64]>> {
        let one = |(array, (len, each)): (&'a Option<Numbers<'_>>, (&usize, &bool))| match (
            array, each,
        ) {
            (Some(array), true) => array.exactly(&[self.solved.batch, *len]),
            (Some(array), false) => array.exactly(&[*len]),
            (None, _) => Ok(&[][..]),
        };
        arrays.iter().zip(self.parameters.iter().zip(&self.each)).map(one).collect()
    }

    fn gradients(&self, py: Python<'_>, gradients: Vec<Vec<f64>>) -> PyResult<Vec<Py<PyAny>>> {
        let sizes = self.parameters.iter().zip(&self.each);
        let shaped = gradients.into_iter().zip(sizes).map(|(values, (len, each))| {
            like(py, values, &[*len], each.then_some(self.solved.batch))
        });
        shaped.collect()
    }
}

fn optional<'py>(
    name: &'static str,
    given: &[Option<Bound<'py, PyAny>>],
    expected: usize,
) -> PyResult<Vec<Option<Numbers<'py>>>> {
    if given.len() != expected {
        let found = given.len();
        let message = format!("{name}s: expected {expected} arrays or None, found {found}");
        return Err(PyValueError::new_err(message));
    }
    given.iter().map(|array| Numbers::optional(name, array.as_ref())).collect()
}

#[pymethods]
impl LayerSolved {
    /// Diagnostics, one array per name.
    #[getter]
    fn reports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        report::dict(py, &self.solved.reports)
    }

    /// Number of samples.
    #[getter]
    fn batch(&self) -> usize {
        self.solved.batch
    }

    /// What `Layer.restore` makes the batch of again, with the parameters: (batch, flat_tape_len).
    fn flat_tape(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (batch, len) = (self.solved.batch, self.layer.flat_tape_len());
        let mut rows = vec![0.0; batch * len];
        self.tape()?.write_flat(&mut rows).map_err(model_error)?;
        Ok(matrix(py, rows, batch, len))
    }

    /// The same batch to start from and to look at, without what its derivative needs.
    fn without_tape(&self, py: Python<'_>) -> Self {
        Self {
            outputs: self.outputs.clone_ref(py),
            solved: self.solved.clone(),
            tape: None,
            layer: self.layer.clone(),
            interrupt: self.interrupt.clone(),
            numbers: self.numbers,
            each: self.each.clone(),
            parameters: self.parameters.clone(),
            sizes: self.sizes.clone(),
        }
    }

    /// Whether every sample is solved.
    #[getter]
    fn all_solved(&self) -> bool {
        report::all_solved(&self.solved.reports)
    }

    /// Optimal values, (batch,).
    #[getter]
    fn objective(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        like(py, self.solved.objective.clone(), &[self.solved.batch], None)
    }

    /// Gradients with respect to the parameters of a scalar, from those with respect to the
    /// outputs.
    #[pyo3(signature = (cotangents, mode=None, on_failure=None, method=None))]
    fn vjp(
        &self,
        py: Python<'_>,
        cotangents: Vec<Option<Bound<'_, PyAny>>>,
        mode: Option<&Bound<'_, PyAny>>,
        on_failure: Option<&str>,
        method: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let how = differentiation(mode, on_failure, method)?;
        let size = derivative_size(&how, self.numbers);
        let layer = self.layer.clone().with_differentiation(how);
        let tape = self.tape()?;
        let arrays = optional("cotangent", &cotangents, self.sizes.len())?;
        let slices = self.of_outputs(&arrays)?;
        let gradients = interruptible(py, size, &self.interrupt, || layer.backward(tape, &slices))?
            .map_err(model_error)?;
        doubt::warn_of(py, &gradients.accuracy, &gradients.unfinished)?;
        self.gradients(py, gradients.values)
    }

    /// Changes of the outputs along changes of the parameters, each of the shape of its parameter.
    #[pyo3(signature = (tangents, mode=None, on_failure=None, method=None))]
    fn jvp(
        &self,
        py: Python<'_>,
        tangents: Vec<Option<Bound<'_, PyAny>>>,
        mode: Option<&Bound<'_, PyAny>>,
        on_failure: Option<&str>,
        method: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let how = differentiation(mode, on_failure, method)?;
        let size = derivative_size(&how, self.numbers);
        let layer = self.layer.clone().with_differentiation(how);
        let tape = self.tape()?;
        let batch = self.solved.batch;
        let arrays = optional("tangent", &tangents, self.parameters.len())?;
        let slices = self.of_parameters(&arrays)?;
        let out = interruptible(py, size, &self.interrupt, || layer.jvp(tape, &slices))?
            .map_err(model_error)?;
        doubt::warn_of(py, &out.accuracy, &out.unfinished)?;
        Ok(out.into_iter().zip(&self.sizes).map(|(v, len)| matrix(py, v, batch, *len)).collect())
    }

    /// Changes of the gradients that `vjp` gives, along changes of the cotangents and of the
    /// parameters.
    #[pyo3(signature = (cotangents, changes, tangents, mode=None, on_failure=None, method=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn vjp_tangent(
        &self,
        py: Python<'_>,
        cotangents: Vec<Option<Bound<'_, PyAny>>>,
        changes: Vec<Option<Bound<'_, PyAny>>>,
        tangents: Vec<Option<Bound<'_, PyAny>>>,
        mode: Option<&Bound<'_, PyAny>>,
        on_failure: Option<&str>,
        method: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let how = differentiation(mode, on_failure, method)?;
        let size = derivative_size(&how, self.numbers);
        let layer = self.layer.clone().with_differentiation(how);
        let tape = self.tape()?;
        let cotangents = optional("cotangent", &cotangents, self.sizes.len())?;
        let changes = optional("change", &changes, self.sizes.len())?;
        let tangents = optional("tangent", &tangents, self.parameters.len())?;
        let cotangents = self.of_outputs(&cotangents)?;
        let (changes, tangents) = (self.of_outputs(&changes)?, self.of_parameters(&tangents)?);
        let found = interruptible(py, size, &self.interrupt, || {
            layer.backward_tangent(tape, &cotangents, &changes, &tangents)
        })?
        .map_err(model_error)?;
        doubt::warn_of_kinks(py, &found.residual, &self.solved.reports)?;
        self.gradients(py, found.values)
    }

    /// Gradients with respect to the parameters of the weighted sum of the optimal values.
    #[pyo3(signature = (weights, on_failure=None))]
    fn value_gradient(
        &self,
        py: Python<'_>,
        weights: &Bound<'_, PyAny>,
        on_failure: Option<&str>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let layer =
            self.layer.clone().with_differentiation(differentiation(None, on_failure, None)?);
        let tape = self.tape()?;
        let weights = Numbers::new("weights", weights)?;
        let weights = weights.exactly(&[self.solved.batch])?;
        let gradients =
            interruptible(py, 0, &self.interrupt, || layer.value_gradient(tape, weights))?;
        self.gradients(py, gradients.map_err(model_error)?)
    }
}
