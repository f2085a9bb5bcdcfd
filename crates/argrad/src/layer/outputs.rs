//! What comes out of a layer.

use std::sync::Arc;

use argrad_solver::{Report, Solution};

use super::data::LayerData;
use crate::algebra::Shape;
use crate::error::ModelError;
use crate::expression::Key;

/// What a forward pass returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outputs {
    /// Number of samples.
    pub batch: usize,
    /// The outputs in the order in which they were asked for, `batch` times the size of each.
    pub values: Vec<Vec<f64>>,
    /// The optimal value of each sample, with its sign as the problem states it.
    pub objective: Vec<f64>,
    /// How each solve went.
    pub reports: Vec<Report>,
    /// The solver's own solution, from which a later solve may start.
    pub(super) solution: Arc<Solution>,
    /// The layer that they are of.
    pub(super) data: Arc<LayerData>,
}

impl std::ops::Index<usize> for Outputs {
    type Output = [f64];

    fn index(&self, output: usize) -> &[f64] {
        &self.values[output]
    }
}

/// One output of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutputValues<'a> {
    shape: Shape,
    batch: usize,
    values: &'a [f64],
}

impl Outputs {
    /// An output, by its handle in the model (an expression, a constraint for its dual), its name
    /// or its position.
    ///
    /// # Errors
    /// [`ModelError::Handle`] for one that the layer does not have, and for a name that two have.
    pub fn get(&self, key: impl Into<Key>) -> Result<OutputValues<'_>, ModelError> {
        let at = self.data.output(&key.into())?;
        let shape = self.data.outputs[at].shape;
        Ok(OutputValues { shape, batch: self.batch, values: &self.values[at] })
    }
}

impl<'a> OutputValues<'a> {
    /// Its shape in each sample.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All numbers: batch first, row-major.
    pub fn values(&self) -> &'a [f64] {
        self.values
    }

    /// The numbers of one sample, row-major.
    ///
    /// # Errors
    /// [`ModelError::Argument`] for a sample that the batch does not have.
    pub fn sample(&self, at: usize) -> Result<&'a [f64], ModelError> {
        if at >= self.batch {
            return Err(ModelError::Argument {
                argument: "sample".into(),
                expected: format!("a number below the batch {}", self.batch),
                found: at.to_string(),
            });
        }
        let size = self.shape.size();
        Ok(&self.values[at * size..(at + 1) * size])
    }
}
