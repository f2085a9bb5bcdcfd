//! Problems of other modelling languages, described expression by expression, in argrad's own.
//!
//! Python hands over one list of expressions in which arguments come first; the model lives as long
//! as it takes to compile it.

mod node;
mod table;

mod affine;
mod leaves;

mod constraints;
mod functions;

use argrad::Settings;
use argrad::model::{
    Constraint, Expr, Issue, Layer, Model, ModelError, Output, PickedOutput, Problem,
};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::{NotModelled, model_error};
use crate::options;
use node::Node;

/// A problem and what is to be made of it.
struct Description<'py> {
    /// (name, arguments, data...) of each expression; arguments are positions before it.
    expressions: Vec<Bound<'py, PyTuple>>,
    /// The same of each constraint.
    constraints: Vec<Bound<'py, PyTuple>>,
    /// What is minimized or, with `maximize`, maximized.
    objective: usize,
    maximize: bool,
    /// The parameters of the layer, as expressions.
    parameters: Vec<usize>,
    /// The outputs of the layer.
    outputs: Vec<OutputDescription<'py>>,
}

/// (name, whether it is made of duals, of which expressions or constraints, entries of all of
/// these by position, factors).
type OutputDescription<'py> =
    (String, bool, Vec<usize>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, f64>);

impl Description<'_> {
    /// Compiles it.
    fn compile(&self, settings: Settings) -> PyResult<Layer> {
        let model = Model::new();
        let mut expressions: Vec<Expr<'_>> = Vec::with_capacity(self.expressions.len());
        for data in &self.expressions {
            let made = functions::make(&Node::read(&model, &expressions, data)?)?;
            expressions.push(made);
        }
        let constraint = |data| constraints::constraint(&Node::read(&model, &expressions, data)?);
        let constraints: Vec<Constraint<'_>> =
            self.constraints.iter().map(constraint).collect::<PyResult<_>>()?;
        let find = |at: &usize| {
            let outside = || PyValueError::new_err(format!("there is no expression {at}"));
            expressions.get(*at).copied().ok_or_else(outside)
        };
        let objective = find(&self.objective)?;
        let problem =
            if self.maximize { Problem::maximize(objective) } else { Problem::minimize(objective) };
        let problem = problem.subject_to(constraints.iter().copied()).with_settings(settings);
        let parameters: Vec<Expr<'_>> =
            self.parameters.iter().map(find).collect::<PyResult<_>>()?;
        let (sources, outputs) = self.outputs(&find, &constraints)?;
        let layer = problem.compile(parameters, sources).map_err(refusal)?;
        let layer = layer.with_outputs(&outputs).map_err(model_error)?;
        Ok(layer.with_plain_parameters())
    }

    /// What the model is asked for, and how the outputs are made of that.
    fn outputs<'m>(
        &self,
        find: &impl Fn(&usize) -> PyResult<Expr<'m>>,
        constraints: &[Constraint<'m>],
    ) -> PyResult<(Vec<Output<'m>>, Vec<PickedOutput>)> {
        let (mut sources, mut outputs) = (Vec::new(), Vec::new());
        for (name, dual, of, positions, factors) in &self.outputs {
            let bad = |what: &str| PyValueError::new_err(format!("output {name}: {what}"));
            let mut places = Vec::new();
            for at in of {
                let size = if *dual {
                    let constraint = constraints.get(*at).ok_or_else(|| bad("no constraint"))?;
                    sources.push(constraint.dual());
                    constraint.shape().size()
                } else {
                    let expression = find(at)?;
                    sources.push(Output::from(expression));
                    expression.size()
                };
                places.extend((0..size).map(|entry| (sources.len() - 1, entry)));
            }
            let (positions, factors) = (positions.as_slice()?, factors.as_slice()?);
            if positions.len() != factors.len() {
                return Err(bad("expected as many factors as positions"));
            }
            let entry = |(position, factor): (&i64, &f64)| {
                let place = usize::try_from(*position).ok().and_then(|at| places.get(at));
                let (output, entry) = place.ok_or_else(|| bad("no such entry"))?;
                Ok((*output, *entry, *factor))
            };
            let entries = positions.iter().zip(factors).map(entry).collect::<PyResult<_>>()?;
            outputs.push(PickedOutput { name: name.clone(), entries });
        }
        Ok((sources, outputs))
    }
}

/// Compiles a problem that is described in argrad's modelling language to a layer.
#[pyfunction]
#[pyo3(signature = (
    expressions, constraints, objective, maximize, parameters, outputs, settings=None
))]
#[expect(clippy::too_many_arguments, reason = "keywords of Python")]
pub(crate) fn compile_model(
    py: Python<'_>,
    expressions: Vec<Bound<'_, PyTuple>>,
    constraints: Vec<Bound<'_, PyTuple>>,
    objective: usize,
    maximize: bool,
    parameters: Vec<usize>,
    outputs: Vec<OutputDescription<'_>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<crate::layer::Layer>> {
    let settings = options::settings(settings)?;
    let described =
        Description { expressions, constraints, objective, maximize, parameters, outputs };
    Py::new(py, crate::layer::Layer::new_of(described.compile(settings)?))
}

/// What is said of a problem that the language does not take; places in this crate say nothing to
/// whoever wrote the problem.
fn refusal(error: ModelError) -> PyErr {
    let issues: &[Issue] = match &error {
        ModelError::Invalid(issues)
        | ModelError::NotDcp(issues)
        | ModelError::NotDpp(issues)
        | ModelError::Graph(issues) => issues,
        ModelError::Parameters(message) => return NotModelled::new_err(message.clone()),
        _ => return model_error(error),
    };
    let messages: Vec<&str> = issues.iter().map(|issue| issue.message.as_str()).collect();
    NotModelled::new_err(messages.join("; "))
}
