//! What a module keeps of an argument, and where that comes from.

use std::sync::Arc;

use argrad::host::{Dimensions, Extent, Misfit, check_dimensions};
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::argument::Argument;
use crate::error::Error;

/// Where the numbers of an argument come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// A parameter of the module, shared by the batch, drawn when the module is made.
    Learnable(Initializer),
    /// A parameter of the module, shared by the batch, that starts here.
    LearnableFrom(Vec<f64>),
    /// These numbers, shared by the batch.
    Fixed(Vec<f64>),
    /// Given to every forward pass, by the layer before.
    Fed,
}

/// What a module keeps of one argument: a parameter, or constants, or nothing (where it is fed).
#[derive(Module, Debug)]
pub struct Weights {
    matrix: Option<Param<Tensor<2>>>,
    vector: Option<Param<Tensor<1>>>,
    #[module(skip)]
    constants: Option<Arc<[f64]>>,
}

impl Weights {
    /// Of an argument of this extent; parameters are made on `device`.
    ///
    /// # Errors
    /// A source with another number of numbers.
    pub(crate) fn new(source: Source, extent: Extent, device: &Device) -> Result<Self, Misfit> {
        let fits = |numbers: &[f64]| {
            let dims = &[numbers.len()];
            check_dimensions(&[Dimensions { dims, each: false }], [extent])
        };
        let mut weights = Self { matrix: None, vector: None, constants: None };
        let len = extent.len;
        match (source, extent.matrix) {
            (Source::Fed, _) => {}
            (Source::Fixed(values), _) => {
                fits(&values)?;
                weights.constants = Some(values.into());
            }
            (Source::Learnable(initializer), Some([rows, cols])) => {
                weights.matrix =
                    Some(initializer.init_with([rows, cols], Some(cols), Some(rows), device));
            }
            (Source::Learnable(initializer), None) => {
                weights.vector = Some(initializer.init_with([len], Some(len), Some(len), device));
            }
            (Source::LearnableFrom(values), Some(dims)) => {
                fits(&values)?;
                weights.matrix = Some(Param::from_data(TensorData::new(values, dims), device));
            }
            (Source::LearnableFrom(values), None) => {
                fits(&values)?;
                weights.vector = Some(Param::from_data(TensorData::new(values, [len]), device));
            }
        }
        // Drawn now and not at first use, so that a seed determines them.
        weights.matrix.iter().for_each(|matrix| drop(matrix.val()));
        weights.vector.iter().for_each(|vector| drop(vector.val()));
        Ok(weights)
    }

    /// The parameter of a dense matrix, rows x columns.
    pub fn matrix(&self) -> Option<Tensor<2>> {
        self.matrix.as_ref().map(Param::val)
    }

    /// The parameter of a vector, a diagonal, or the entries of a sparse matrix.
    pub fn vector(&self) -> Option<Tensor<1>> {
        self.vector.as_ref().map(Param::val)
    }

    /// The constants.
    pub fn constants(&self) -> Option<&[f64]> {
        self.constants.as_deref()
    }

    /// Whether the argument is given to every forward pass.
    pub fn is_fed(&self) -> bool {
        self.matrix.is_none() && self.vector.is_none() && self.constants.is_none()
    }

    /// What a forward pass takes: the module's own numbers, or those that are fed.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::Unexpected`], where there are none or both.
    pub(crate) fn argument(&self, name: &str, fed: Option<Argument>) -> Result<Argument, Error> {
        let (own, declared) = if let Some(matrix) = self.matrix() {
            (Argument::shared(matrix), "learnable")
        } else if let Some(vector) = self.vector() {
            (Argument::shared(vector), "learnable")
        } else if let Some(constants) = &self.constants {
            (Argument::fixed(Arc::clone(constants)), "fixed")
        } else {
            return fed.ok_or_else(|| Error::Missing { argument: name.into() });
        };
        match fed {
            None => Ok(own),
            Some(_) => Err(Error::Unexpected { argument: name.into(), declared }),
        }
    }
}
