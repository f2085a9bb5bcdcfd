//! What solves the programs of a layer: this processor or, where the layer was put
//! [on a device](crate::model::Layer::on), that.

use std::sync::Arc;

use argrad_solver::{
    Cotangent, Device, DeviceSolver, DeviceTape, Differentiation, Error, Gradients, Settings,
    Solution, SolutionTangent, Solver, Structure, Tangent, Tape, Values,
};

/// A solver, and where else it solves.
#[derive(Clone, Debug)]
pub(crate) struct LayerSolver {
    here: Solver,
    there: Option<There>,
}

#[derive(Clone, Debug)]
struct There {
    device: Arc<dyn Device>,
    solver: Arc<dyn DeviceSolver>,
}

/// A solved batch, with what its derivatives need.
#[derive(Debug)]
pub(crate) enum SolverTape {
    Here(Tape),
    There(Box<dyn DeviceTape>),
}

impl From<Solver> for LayerSolver {
    fn from(here: Solver) -> Self {
        Self { here, there: None }
    }
}

impl LayerSolver {
    pub(crate) fn new(structure: Structure, settings: Settings) -> Result<Self, Error> {
        Ok(Solver::new(structure, settings)?.into())
    }

    /// The same on a device.
    pub(crate) fn on(self, device: Arc<dyn Device>) -> Result<Self, Error> {
        let solver = device.solver(self.here.structure(), self.here.settings())?;
        Ok(Self { there: Some(There { device, solver }), ..self })
    }

    /// Where it was put, if anywhere.
    pub(crate) fn device(&self) -> Option<Arc<dyn Device>> {
        self.there.as_ref().map(|there| there.device.clone())
    }

    /// The same with other settings, where it is.
    pub(crate) fn with_settings(&self, settings: Settings) -> Result<Self, Error> {
        let solver = Self::new(self.here.structure().clone(), settings)?;
        match self.device() {
            Some(device) => solver.on(device),
            None => Ok(solver),
        }
    }

    /// The solver of this processor, which also knows what does not depend on where is solved.
    pub(crate) fn here(&self) -> &Solver {
        &self.here
    }

    /// Whether zeros of the numbers at hand are worth a solver of their own. One for a device is
    /// made once.
    pub(crate) fn looks_at_zeros(&self) -> bool {
        self.there.is_none()
    }

    pub(crate) fn solve(
        &self,
        values: &Values<'_>,
        start: Option<&Solution>,
    ) -> Result<Solution, Error> {
        match (&self.there, start) {
            (Some(There { solver, .. }), _) => solver.solve(values, start),
            (None, Some(start)) => self.here.solve_from(values, start),
            (None, None) => self.here.solve(values),
        }
    }

    pub(crate) fn forward(
        &self,
        values: &Values<'_>,
        start: Option<&Solution>,
    ) -> Result<(Solution, SolverTape), Error> {
        let (solution, tape) = match (&self.there, start) {
            (Some(There { solver, .. }), _) => {
                let (solution, tape) = solver.forward(values, start)?;
                return Ok((solution, SolverTape::There(tape)));
            }
            (None, Some(start)) => self.here.forward_from(values, start)?,
            (None, None) => self.here.forward(values)?,
        };
        Ok((solution, SolverTape::Here(tape)))
    }

    /// [`Solver::tape_from_flat`], which is of this processor.
    pub(crate) fn tape_from_flat(
        &self,
        values: &Values<'_>,
        rows: &[f64],
    ) -> Result<(Solution, SolverTape), Error> {
        if self.there.is_some() {
            return Err(unserved("a flat tape"));
        }
        let (solution, tape) = self.here.tape_from_flat(values, rows)?;
        Ok((solution, SolverTape::Here(tape)))
    }
}

impl SolverTape {
    pub(crate) fn batch(&self) -> usize {
        match self {
            Self::Here(tape) => tape.batch(),
            Self::There(tape) => tape.batch(),
        }
    }

    pub(crate) fn vjp(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        match self {
            Self::Here(tape) => tape.vjp(cotangent, how),
            Self::There(tape) => tape.vjp(cotangent, how),
        }
    }

    pub(crate) fn jvp(
        &self,
        tangent: &Tangent<'_>,
        how: &Differentiation,
    ) -> Result<SolutionTangent, Error> {
        match self {
            Self::Here(tape) => tape.jvp(tangent, how),
            Self::There(tape) => tape.jvp(tangent, how),
        }
    }

    pub(crate) fn value_gradient(
        &self,
        weights: &[f64],
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        match self {
            Self::Here(tape) => tape.value_gradient(weights, how),
            Self::There(tape) => tape.value_gradient(weights, how),
        }
    }

    pub(crate) fn vjp_tangent(
        &self,
        cotangent: &Cotangent<'_>,
        cotangent_change: &Cotangent<'_>,
        direction: &Tangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        match self {
            Self::Here(tape) => tape.vjp_tangent(cotangent, cotangent_change, direction, how),
            Self::There(_) => Err(unserved("a second derivative")),
        }
    }

    pub(crate) fn write_flat(&self, rows: &mut [f64]) -> Result<(), Error> {
        match self {
            Self::Here(tape) => tape.write_flat(rows),
            Self::There(_) => Err(unserved("a flat tape")),
        }
    }
}

fn unserved(what: &str) -> Error {
    let found = format!(
        "{what} of a layer that is on a device is not served; use the layer that \
                         it was made of, which solves here"
    );
    Error::Device { found }
}
