//! Dense quadratic programs: the values are those of Q, p, G, h, A, b that have rows, the outputs
//! z and, where they are wanted, nu and lam.

use argrad::{QpCotangent, QpGradients, QpLayer, QpSolution, QpTangent, QpTape, QpValues, Slot};
use argrad_solver::{Error, Interrupt, Settings, Structure};
use pyo3::{PyErr, PyResult};

use super::program::{Derivative, Found, Program, Solved, like};
use crate::qp::qp_error;

pub(super) struct QpProgram {
    layer: QpLayer,
    interrupt: Interrupt,
    /// Positions of the values among Q, p, G, h, A, b.
    places: Vec<usize>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

impl QpProgram {
    /// `inputs` are the lengths of Q, p, G, h, A, b, zero for what is not given; `outputs` those of
    /// z, nu, lam, as many as are wanted. The layer differentiates as it says.
    pub(super) fn new(
        layer: QpLayer,
        interrupt: Interrupt,
        lens: [usize; 6],
        outputs: Vec<usize>,
    ) -> Self {
        let places: Vec<usize> = (0..6).filter(|&at| at < 2 || lens[at] > 0).collect();
        let inputs = places.iter().map(|&at| lens[at]).collect();
        Self { layer, interrupt, places, inputs, outputs }
    }

    /// One for each of Q, p, G, h, A, b.
    fn six<T: Copy>(&self, given: &[T], absent: T) -> [T; 6] {
        let mut all = [absent; 6];
        for (&at, &own) in self.places.iter().zip(given) {
            all[at] = own;
        }
        all
    }

    fn values<'a>(&self, batch: usize, values: &[Slot<'a>]) -> QpValues<'a> {
        let [q, p, g, h, a, b] = self.six(values, Slot::Shared(&[]));
        QpValues::new(batch, q, p).inequalities(g, h).equalities(a, b)
    }
}

impl Program for QpProgram {
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
        qp_error
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
        let values = self.values(batch, values);
        let solution = match tape {
            None => self.layer.solve(&values).map_err(qp_error)?,
            Some(rows) => {
                let (solution, tape) = self.layer.forward(&values).map_err(qp_error)?;
                tape.write_flat(rows).map_err(qp_error)?;
                solution
            }
        };
        let QpSolution { x, equality_duals, inequality_duals, reports, .. } = solution;
        let mut outputs = vec![x, equality_duals, inequality_duals];
        outputs.truncate(self.outputs.len());
        Ok(Solved { outputs, reports })
    }

    fn restore<'a>(
        &'a self,
        batch: usize,
        values: &'a [Slot<'a>],
        tape: &[f64],
    ) -> PyResult<Box<dyn Derivative + Send + Sync + 'a>> {
        let given = self.values(batch, values);
        let (solution, tape) = self.layer.tape_from_flat(&given, tape).map_err(qp_error)?;
        Ok(Box::new(Restored { program: self, values, solution, tape }))
    }
}

struct Restored<'a> {
    program: &'a QpProgram,
    values: &'a [Slot<'a>],
    solution: QpSolution,
    tape: QpTape,
}

impl Restored<'_> {
    fn tangent<'t>(&self, given: &[Option<&'t [f64]>]) -> QpTangent<'t> {
        let slots: Vec<Option<Slot<'t>>> = self
            .values
            .iter()
            .zip(given)
            .map(|(value, own)| own.map(|numbers| like(value, numbers)))
            .collect();
        let [p, q, g, h, a, b] = self.program.six(&slots, None);
        QpTangent { p, q, g, h, a, b }
    }

    fn found(&self, gradients: QpGradients, is_second: bool) -> Found {
        let QpGradients { p, q, g, h, a, b, accuracy, unfinished, adjoint_residual, .. } =
            gradients;
        let mut parts = [p, q, g, h, a, b];
        let parts = self.program.places.iter().map(|&at| std::mem::take(&mut parts[at])).collect();
        let reports = &self.solution.reports;
        let is_kinked =
            |&at: &usize| is_second && adjoint_residual[at].is_nan() && reports[at].is_solved();
        let kinked = (0..reports.len()).filter(is_kinked).collect();
        Found { parts, accuracy, unfinished, samples: reports.len(), kinked }
    }
}

fn cotangent<'a>(given: &[Option<&'a [f64]>]) -> QpCotangent<'a> {
    let part = |at: usize| given.get(at).copied().flatten();
    QpCotangent {
        x: part(0),
        equality_duals: part(1),
        inequality_duals: part(2),
        ..QpCotangent::default()
    }
}

impl Derivative for Restored<'_> {
    fn tangents(&self, tangents: &[Option<&[f64]>]) -> PyResult<Found> {
        let tangent = self.tangent(tangents);
        let out = self.program.layer.jvp(&self.tape, &tangent).map_err(qp_error)?;
        let mut parts = vec![out.x, out.equality_duals, out.inequality_duals];
        parts.truncate(self.program.outputs.len());
        Ok(Found { parts, accuracy: out.accuracy, unfinished: out.unfinished, ..Found::default() })
    }

    fn cotangents(&self, cotangents: &[Option<&[f64]>]) -> PyResult<Found> {
        let layer = &self.program.layer;
        let gradients = layer.backward(&self.tape, &cotangent(cotangents)).map_err(qp_error)?;
        Ok(self.found(gradients, false))
    }

    fn second(
        &self,
        cotangents: &[Option<&[f64]>],
        tangents: &[Option<&[f64]>],
    ) -> PyResult<Found> {
        let layer = &self.program.layer;
        let (fixed, tangent) = (cotangent(cotangents), self.tangent(tangents));
        let gradients = layer
            .backward_tangent(&self.tape, &fixed, &QpCotangent::default(), &tangent)
            .map_err(qp_error)?;
        Ok(self.found(gradients, true))
    }
}
