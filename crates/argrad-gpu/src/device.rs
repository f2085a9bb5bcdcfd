//! Machines as devices of `argrad_solver`, so that layers can be put on a card.

use std::fmt;
use std::sync::Arc;

use argrad_solver::{
    Cotangent, Device, DeviceSolver, DeviceTape, Differentiation, Error as SolverError, Gradients,
    Settings, Solution, SolutionTangent, Structure, Tangent, Values,
};

use crate::error::Error;
use crate::machine::Machine;
use crate::solver::Solver;
use crate::tape::Tape;

/// A machine as what `on` of the layers of `argrad` takes: a card, `cuda::Card`, for one.
///
/// ```ignore
/// let card = argrad_gpu::device(argrad_gpu::cuda::Card::new(0)?);
/// let layer = problem.compile([c], [x])?.on(card)?;
/// ```
pub fn device<M>(machine: Arc<M>) -> Arc<dyn Device>
where
    M: Machine + Send + Sync + 'static,
    M::Memory: Send + Sync,
{
    Arc::new(MachineDevice(machine))
}

struct MachineDevice<M>(Arc<M>);

impl<M> fmt::Debug for MachineDevice<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineDevice")
    }
}

impl<M> Device for MachineDevice<M>
where
    M: Machine + Send + Sync + 'static,
    M::Memory: Send + Sync,
{
    fn solver(
        &self,
        structure: &Structure,
        settings: &Settings,
    ) -> Result<Arc<dyn DeviceSolver>, SolverError> {
        let solver = Solver::new(structure.clone(), settings.clone(), Arc::clone(&self.0))?;
        Ok(Arc::new(solver))
    }
}

impl<M: Machine> fmt::Debug for Solver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solver").field("structure", self.structure()).finish_non_exhaustive()
    }
}

impl<M> DeviceSolver for Solver<M>
where
    M: Machine + Send + Sync + 'static,
    M::Memory: Send + Sync,
{
    fn solve(
        &self,
        values: &Values<'_>,
        start: Option<&Solution>,
    ) -> Result<Solution, SolverError> {
        Ok(match start {
            Some(start) => self.solve_from(values, start)?,
            None => Self::solve(self, values)?,
        })
    }

    fn forward(
        &self,
        values: &Values<'_>,
        start: Option<&Solution>,
    ) -> Result<(Solution, Box<dyn DeviceTape>), SolverError> {
        let (solution, tape) = match start {
            Some(start) => self.forward_from(values, start)?,
            None => Self::forward(self, values)?,
        };
        Ok((solution, Box::new(tape)))
    }
}

impl<M: Machine> fmt::Debug for Tape<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("batch", &self.batch()).finish_non_exhaustive()
    }
}

impl<M> DeviceTape for Tape<M>
where
    M: Machine + Send + Sync,
    M::Memory: Send + Sync,
{
    fn batch(&self) -> usize {
        Self::batch(self)
    }

    fn vjp(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, SolverError> {
        Ok(Self::vjp(self, cotangent, how)?)
    }

    fn jvp(
        &self,
        tangent: &Tangent<'_>,
        how: &Differentiation,
    ) -> Result<SolutionTangent, SolverError> {
        Ok(Self::jvp(self, tangent, how)?)
    }

    fn value_gradient(
        &self,
        weights: &[f64],
        how: &Differentiation,
    ) -> Result<Gradients, SolverError> {
        Ok(Self::value_gradient(self, weights, how)?)
    }
}

/// What is wrong with the program is said as by the solver of this processor.
impl From<Error> for SolverError {
    fn from(error: Error) -> Self {
        match error {
            Error::Solver(error) => error,
            Error::Memory { batch, needed, free, fits } => Self::Memory {
                what: format!("a batch of {batch}, of which {fits} would fit on the device,"),
                needed,
                limit: Some(free),
                remedy: match fits {
                    0 => "solve it on this processor",
                    _ => "give fewer samples at a time",
                },
            },
            other => Self::Device { found: other.to_string() },
        }
    }
}
