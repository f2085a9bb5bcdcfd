//! Layers of affine maps. The vectors of a layer are parameters or their logarithms, the outputs
//! those of the layer or, in a geometric program, their exponentials; the maps are differentiated
//! here.

use std::borrow::Cow;

use argrad::Slot;
use argrad::model::{Layer, LayerDerivative, LayerTape, Outputs};
use argrad_solver::{Error, Interrupt, Settings, Structure};
use pyo3::exceptions::PyValueError;
use pyo3::{PyErr, PyResult};

use super::program::{Derivative, Found, Program, Solved, like};
use crate::error::{model_error, solver_error};

pub(super) struct LayerProgram {
    layer: Layer,
    interrupt: Interrupt,
    /// For each vector that the layer takes: the parameter that it is, and whether its logarithm.
    vectors: Vec<(usize, bool)>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    /// Whether an output is the exponential of that of the layer.
    exponentials: Vec<bool>,
}

impl LayerProgram {
    pub(super) fn new(
        layer: Layer,
        interrupt: Interrupt,
        vectors: Vec<(usize, bool)>,
        (inputs, outputs): (Vec<usize>, Vec<usize>),
        exponentials: Vec<bool>,
    ) -> Self {
        Self { layer, interrupt, vectors, inputs, outputs, exponentials }
    }

    fn is_plain(&self) -> bool {
        self.vectors.iter().enumerate().all(|(at, &(parameter, log))| at == parameter && !log)
    }

    /// The numbers of the layer's vectors.
    fn numbers<'a>(&self, values: &[Slot<'a>]) -> PyResult<Vec<Cow<'a, [f64]>>> {
        let mut vectors = Vec::with_capacity(self.vectors.len());
        for &(at, log) in &self.vectors {
            let Some(slot) = values.get(at) else {
                return Err(PyValueError::new_err(format!("parameter {at}: there is none")));
            };
            let (Slot::Shared(own) | Slot::Each(own)) = *slot;
            if !log {
                vectors.push(Cow::Borrowed(own));
                continue;
            }
            let is_bad = |number: f64| number <= 0.0 || number.is_nan();
            if let Some(bad) = own.iter().find(|&&number| is_bad(number)) {
                return Err(PyValueError::new_err(format!(
                    "parameter {at} must be positive (the problem is a geometric program); found \
                     {bad}"
                )));
            }
            vectors.push(Cow::Owned(own.iter().map(|number| number.ln()).collect()));
        }
        Ok(vectors)
    }

    fn slots<'a>(&self, values: &[Slot<'_>], numbers: &'a [Cow<'_, [f64]>]) -> Vec<Slot<'a>> {
        let vectors = self.vectors.iter().zip(numbers);
        vectors.map(|(&(at, _), own)| like(&values[at], own)).collect()
    }

    /// The exponentials of the outputs that are logarithms.
    fn exponentiate(&self, outputs: &mut [Vec<f64>]) {
        for (output, _) in outputs.iter_mut().zip(&self.exponentials).filter(|(_, exp)| **exp) {
            output.iter_mut().for_each(|number| *number = number.exp());
        }
    }
}

impl Program for LayerProgram {
    fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    fn flat_tape_len(&self) -> usize {
        self.layer.flat_tape_len()
    }

    fn structure(&self) -> &Structure {
        self.layer.structure()
    }

    fn settings(&self) -> &Settings {
        self.layer.settings()
    }

    fn error(&self) -> fn(Error) -> PyErr {
        solver_error
    }

    fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    fn solve(
        &self,
        batch: usize,
        values: &[Slot<'_>],
        tape: Option<&mut [f64]>,
    ) -> PyResult<Solved> {
        let numbers = self.numbers(values)?;
        let slots = self.slots(values, &numbers);
        let mut solved = match tape {
            None => self.layer.solve_slots(batch, &slots, None).map_err(model_error)?,
            Some(rows) => {
                let (solved, tape) =
                    self.layer.forward_slots(batch, &slots, None).map_err(model_error)?;
                tape.write_flat(rows).map_err(model_error)?;
                solved
            }
        };
        let mut outputs = std::mem::take(&mut solved.values);
        self.exponentiate(&mut outputs);
        Ok(Solved { outputs, reports: solved.reports })
    }

    fn restore<'a>(
        &'a self,
        batch: usize,
        values: &'a [Slot<'a>],
        tape: &[f64],
    ) -> PyResult<Box<dyn Derivative + Send + Sync + 'a>> {
        let numbers = self.numbers(values)?;
        let slots = self.slots(values, &numbers);
        let (mut solved, tape) =
            self.layer.tape_from_flat(batch, &slots, tape).map_err(model_error)?;
        let mut slopes = std::mem::take(&mut solved.values);
        self.exponentiate(&mut slopes);
        for ((slope, &len), _) in
            slopes.iter_mut().zip(&self.outputs).zip(&self.exponentials).filter(|(_, exp)| **exp)
        {
            let samples = solved.reports.iter().enumerate();
            for (at, _) in samples.filter(|(_, report)| !report.is_solved()) {
                slope[at * len..(at + 1) * len].fill(0.0);
            }
        }
        Ok(Box::new(Restored { program: self, values, solved, slopes, tape }))
    }
}

struct Restored<'a> {
    program: &'a LayerProgram,
    values: &'a [Slot<'a>],
    /// Without the values of outputs.
    solved: Outputs,
    /// The outputs: what exponentials multiply tangents with; zero without a solution.
    slopes: Vec<Vec<f64>>,
    tape: LayerTape,
}

impl Restored<'_> {
    /// The tangents of the layer's vectors; empty for zero.
    fn vectors<'t>(&self, given: &[Option<&'t [f64]>]) -> Vec<Cow<'t, [f64]>> {
        let one = |&(at, log): &(usize, bool)| match given[at] {
            None => Cow::Borrowed(&[][..]),
            Some(own) if !log => Cow::Borrowed(own),
            Some(own) => {
                let values = self.values[at].as_slice();
                Cow::Owned(own.iter().zip(values).map(|(own, value)| own / value).collect())
            }
        };
        self.program.vectors.iter().map(one).collect()
    }

    /// The cotangents of the layer's outputs; empty for zero.
    fn weights<'t>(&self, given: &[Option<&'t [f64]>]) -> Vec<Cow<'t, [f64]>> {
        let one = |at: usize| match given[at] {
            None => Cow::Borrowed(&[][..]),
            Some(own) if !self.program.exponentials[at] => Cow::Borrowed(own),
            Some(own) => {
                Cow::Owned(own.iter().zip(&self.slopes[at]).map(|(own, s)| own * s).collect())
            }
        };
        (0..given.len()).map(one).collect()
    }

    /// From the gradients of the layer's vectors to those of the parameters.
    fn of_parameters(&self, gradients: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        if self.program.is_plain() {
            return gradients;
        }
        let mut totals: Vec<Vec<f64>> =
            self.values.iter().map(|value| vec![0.0; value.as_slice().len()]).collect();
        for (&(at, log), gradient) in self.program.vectors.iter().zip(gradients) {
            let values = self.values[at].as_slice();
            for ((total, gradient), value) in totals[at].iter_mut().zip(gradient).zip(values) {
                *total += if log { gradient / value } else { gradient };
            }
        }
        totals
    }
}

fn slices<'a>(vectors: &'a [Cow<'_, [f64]>]) -> Vec<&'a [f64]> {
    vectors.iter().map(|vector| &**vector).collect()
}

impl Derivative for Restored<'_> {
    fn tangents(&self, tangents: &[Option<&[f64]>]) -> PyResult<Found> {
        let vectors = self.vectors(tangents);
        let out = self.program.layer.jvp(&self.tape, &slices(&vectors)).map_err(model_error)?;
        let LayerDerivative { mut values, accuracy, unfinished, .. } = out;
        let outputs = values.iter_mut().zip(&self.slopes).zip(&self.program.exponentials);
        for ((value, slopes), _) in outputs.filter(|(_, exp)| **exp) {
            value.iter_mut().zip(slopes).for_each(|(value, slope)| *value *= slope);
        }
        Ok(Found { parts: values, accuracy, unfinished, ..Found::default() })
    }

    fn cotangents(&self, cotangents: &[Option<&[f64]>]) -> PyResult<Found> {
        let weights = self.weights(cotangents);
        let out =
            self.program.layer.backward(&self.tape, &slices(&weights)).map_err(model_error)?;
        let LayerDerivative { values, accuracy, unfinished, .. } = out;
        Ok(Found { parts: self.of_parameters(values), accuracy, unfinished, ..Found::default() })
    }

    /// With c the cotangents, y the outputs, g those of the layer's vectors u(theta): the gradient
    /// is u'(theta) g, and changes by u'(theta) dg + u''(theta) (g, dtheta), where dg is the change
    /// along du = u' dtheta and dc = c y' dy, y the exponentials.
    fn second(
        &self,
        cotangents: &[Option<&[f64]>],
        tangents: &[Option<&[f64]>],
    ) -> PyResult<Found> {
        let (layer, program) = (&self.program.layer, self.program);
        let (vectors, weights) = (self.vectors(tangents), self.weights(cotangents));
        let (vectors, weights) = (slices(&vectors), slices(&weights));
        let mut changes = vec![Vec::new(); weights.len()];
        if program.exponentials.contains(&true) {
            let moved = layer.jvp(&self.tape, &vectors).map_err(model_error)?;
            for (at, change) in changes.iter_mut().enumerate() {
                if program.exponentials[at] {
                    let both = weights[at].iter().zip(&moved.values[at]);
                    *change = both.map(|(weight, moved)| weight * moved).collect();
                }
            }
        }
        let changes: Vec<&[f64]> = changes.iter().map(Vec::as_slice).collect();
        let found = layer
            .backward_tangent(&self.tape, &weights, &changes, &vectors)
            .map_err(model_error)?;
        let reports = &self.solved.reports;
        let is_kinked = |&at: &usize| found.residual[at].is_nan() && reports[at].is_solved();
        let kinked = (0..reports.len()).filter(is_kinked).collect();
        let mut parts = self.of_parameters(found.values);
        if program.vectors.iter().any(|(_, log)| *log) {
            let gradients = layer.backward(&self.tape, &weights).map_err(model_error)?;
            for (&(at, _), gradient) in
                program.vectors.iter().zip(gradients.values).filter(|((_, log), _)| *log)
            {
                let Some(tangent) = tangents[at] else { continue };
                let values = self.values[at].as_slice();
                let entries = parts[at].iter_mut().zip(gradient).zip(tangent).zip(values);
                for (((part, gradient), tangent), value) in entries {
                    *part -= gradient * tangent / (value * value);
                }
            }
        }
        Ok(Found { parts, samples: reports.len(), kinked, ..Found::default() })
    }
}
