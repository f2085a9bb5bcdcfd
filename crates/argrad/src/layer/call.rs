//! Parameters and outputs by name or handle.

use std::sync::Arc;

use argrad_solver::Slot;

use super::data::{LayerData, OutputSpec, Source};
use super::forward::{Layer, LayerTape};
use super::outputs::Outputs;
use crate::error::ModelError;
use crate::expression::{By, Handle, Key};

/// A layer with the numbers of its parameters; see [`Layer::call`].
#[derive(Clone, Debug)]
pub struct Call<'c> {
    layer: &'c Layer,
    batch: usize,
    parameters: Vec<Slot<'c>>,
    start: Option<&'c Outputs>,
}

impl Layer {
    /// The layer at these numbers of its parameters, each of which is named by its handle in the
    /// model, its name or its position. As in [`Self::forward`], k numbers are shared by the batch
    /// and `batch * k` are not.
    ///
    /// ```
    /// use argrad::prelude::*;
    ///
    /// let model = Model::new();
    /// let (x, p) = (model.variable(2).named("x"), model.parameter(2).named("p"));
    /// let floor = x.geq(0.0);
    /// let problem = Problem::minimize(sum_squares(x - p)).subject_to([floor]);
    /// let layer = problem.compile([p], [Output::from(x), floor.dual()])?;
    ///
    /// let outputs = layer.call(&[(p, &[1.0, -1.0, 3.0, 4.0])])?.solve()?; // a batch of two
    /// assert_eq!(outputs.get(x)?.shape(), Shape::vector(2));
    /// assert!((outputs.get(x)?.sample(1)?[1] - 4.0).abs() < 1e-8);
    /// assert!((outputs.get(floor)?.sample(0)?[1] - 2.0).abs() < 1e-8); // the dual
    /// assert!(layer.call(&[("q", &[1.0, 2.0])]).is_err());
    ///
    /// let next = layer.call(&[("p", &[1.1, -1.0, 3.0, 4.0])])?.start(&outputs);
    /// let (_, tape) = next.forward()?;
    /// let gradients = layer.backward(&tape, &[&[1.0, 0.0, 0.0, 0.0], &[]])?;
    /// assert!((gradients[layer.parameter(p)?][0] - 1.0).abs() < 1e-8);
    /// # Ok::<(), ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::Handle`] for a parameter that the layer does not have,
    /// [`ModelError::Parameters`] for one that is given twice or missing, [`ModelError::Value`] for
    /// lengths that do not fit.
    pub fn call<'c, K: Clone + Into<Key>>(
        &'c self,
        parameters: &[(K, &'c [f64])],
    ) -> Result<Call<'c>, ModelError> {
        let (batch, parameters) = self.infer(&self.arguments(parameters)?)?;
        Ok(Call { layer: self, batch, parameters, start: None })
    }

    /// The numbers of the parameters in the order of [`Self::forward`].
    ///
    /// # Errors
    /// As [`Self::call`], but for lengths.
    pub fn arguments<'c, K: Clone + Into<Key>>(
        &self,
        parameters: &[(K, &'c [f64])],
    ) -> Result<Vec<&'c [f64]>, ModelError> {
        let specs = &self.data.parameters;
        let mut own: Vec<Option<&[f64]>> = vec![None; specs.len()];
        for (key, values) in parameters {
            let at = self.parameter(key.clone())?;
            if own[at].replace(values).is_some() {
                let text = format!("parameter {} is given twice", specs[at].name);
                return Err(ModelError::Parameters(text));
            }
        }
        let missing: Vec<&str> = own
            .iter()
            .zip(specs)
            .filter(|(own, _)| own.is_none())
            .map(|(_, spec)| spec.name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(ModelError::Parameters(format!(
                "missing parameters: {}",
                missing.join(", ")
            )));
        }
        Ok(own.into_iter().flatten().collect())
    }

    /// Position of a parameter, in [`Self::forward`] and among gradients.
    ///
    /// # Errors
    /// [`ModelError::Handle`] for one that the layer does not have, and for a name that two have.
    pub fn parameter(&self, key: impl Into<Key>) -> Result<usize, ModelError> {
        let key = key.into();
        let specs = self.data.parameters.iter();
        let fits = |(name, handle): (&str, Option<Handle>)| match &key.by {
            By::Name => name == key.text,
            By::Expression(of) => handle == Some(*of),
            _ => false,
        };
        let all = specs.map(|spec| (spec.name.as_str(), spec.handle));
        find("parameter", &key, all.clone().map(fits), all.map(|(name, _)| name))
    }

    /// Position of an output, in [`Outputs::values`] and among cotangents.
    ///
    /// # Errors
    /// [`ModelError::Handle`] for one that the layer does not have, and for a name that two have.
    pub fn output(&self, key: impl Into<Key>) -> Result<usize, ModelError> {
        self.data.output(&key.into())
    }
}

impl Layer {
    /// With handles of another model, one for each parameter and output.
    pub(crate) fn known_as(
        mut self,
        parameters: impl Iterator<Item = Handle>,
        outputs: impl Iterator<Item = Handle>,
    ) -> Self {
        let data = Arc::make_mut(&mut self.data);
        data.parameters.iter_mut().zip(parameters).for_each(|(spec, of)| spec.handle = Some(of));
        data.outputs.iter_mut().zip(outputs).for_each(|(spec, of)| spec.handle = Some(of));
        self
    }
}

impl LayerData {
    /// Position of an output.
    pub(super) fn output(&self, key: &Key) -> Result<usize, ModelError> {
        let fits = |spec: &OutputSpec| match &key.by {
            By::Name => spec.name == key.text,
            By::Expression(of) => spec.source == Source::Primal && spec.handle == Some(*of),
            By::Dual(of) => spec.source == Source::Dual && spec.handle == Some(*of),
            By::Position(_) => false,
        };
        let names = self.outputs.iter().map(|spec| spec.name.as_str());
        find("output", key, self.outputs.iter().map(fits), names)
    }
}

/// The one that fits.
fn find<'a>(
    what: &str,
    key: &Key,
    fits: impl Iterator<Item = bool>,
    names: impl Iterator<Item = &'a str>,
) -> Result<usize, ModelError> {
    let names: Vec<&str> = names.collect();
    let mut found: Vec<usize> =
        fits.enumerate().filter(|(_, fits)| *fits).map(|(at, _)| at).collect();
    if let By::Position(at) = key.by {
        found.extend((at < names.len()).then_some(at));
    }
    match found[..] {
        [at] => Ok(at),
        [] => {
            let all = names.join(", ");
            let text = format!("the layer has no {what} {}; it has {all}", key.text);
            Err(ModelError::Handle(text))
        }
        _ => Err(ModelError::Handle(format!("several {what}s are {}", key.text))),
    }
}

impl<'c> Call<'c> {
    /// Starts from an earlier solution of this layer.
    pub fn start(mut self, start: &'c Outputs) -> Self {
        self.start = Some(start);
        self
    }

    /// Solves; see [`Layer::solve`].
    ///
    /// # Errors
    /// As [`Layer::solve`].
    pub fn solve(&self) -> Result<Outputs, ModelError> {
        self.layer.solve_slots(self.batch, &self.parameters, self.start)
    }

    /// Solves, and keeps what a derivative needs; see [`Layer::forward`].
    ///
    /// # Errors
    /// As [`Layer::forward`].
    pub fn forward(&self) -> Result<(Outputs, LayerTape), ModelError> {
        self.layer.forward_slots(self.batch, &self.parameters, self.start)
    }
}
