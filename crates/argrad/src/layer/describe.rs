//! What a layer says about itself to those that build on it.

use argrad_solver::Differentiation;

use super::Layer;
use crate::algebra::Shape;
use crate::error::ModelError;

/// A parameter of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterInfo<'a> {
    /// Its name, or `param` and its index.
    pub name: &'a str,
    /// Its shape.
    pub shape: Shape,
    /// How many numbers it is given by: the size of the shape, fewer for diagonal and sparse
    /// matrices.
    pub len: usize,
    /// Whether it must be a symmetric matrix.
    pub symmetric: bool,
}

impl Layer {
    /// The parameters, in the order of [`Self::forward`].
    pub fn parameter_infos(&self) -> impl ExactSizeIterator<Item = ParameterInfo<'_>> {
        self.data.parameters.iter().map(|spec| ParameterInfo {
            name: &spec.name,
            shape: spec.shape,
            len: spec.len,
            symmetric: spec.symmetric,
        })
    }

    /// The numbers P, q, A, b of the program that is solved for these parameters of one sample (in
    /// the order of the patterns of [`Self::structure`]), for other solvers. Only how many are
    /// given is checked.
    ///
    /// # Errors
    /// A wrong number of parameters, or of numbers of one.
    pub fn program_numbers(&self, parameters: &[&[f64]]) -> Result<[Vec<f64>; 4], ModelError> {
        let error = |argument: &str, expected: usize, found: usize| ModelError::Argument {
            argument: argument.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        };
        let specs = &self.data.parameters;
        if parameters.len() != specs.len() {
            return Err(error("number of parameters", specs.len(), parameters.len()));
        }
        if let Some((spec, own)) =
            specs.iter().zip(parameters).find(|(spec, own)| spec.len != own.len())
        {
            return Err(error(&spec.name, spec.len, own.len()));
        }
        let mut theta = vec![0.0; self.data.program.len()];
        self.fill_shared(parameters, &vec![false; specs.len()], &mut theta);
        let [p, q, a, b, _] = self.maps();
        Ok([p, q, a, b].map(|map| {
            let mut out = vec![0.0; map.len()];
            map.apply(&theta, &mut out);
            out
        }))
    }

    /// The symmetric part of the gradient of a parameter, where the parameter is symmetric.
    pub(crate) fn symmetrize(&self, parameter: usize, gradient: &mut [f64]) {
        self.data.parameters[parameter].symmetrize(gradient);
    }

    /// How it is differentiated.
    pub fn differentiation(&self) -> &Differentiation {
        &self.how
    }
}
