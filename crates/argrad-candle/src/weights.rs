//! What a module keeps of an argument, and where that comes from.

use std::sync::Arc;

use argrad::host::{Dimensions, Extent, Misfit, check_dimensions};
use candle_core::{Device, Var};

use crate::argument::{Argument, check_tensor};
use crate::error::Error;

/// Where the numbers of an argument come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// This variable, shared by the batch. What a `VarBuilder` of candle-nn makes is one too: see
    /// `Var::from_tensor`.
    Learnable(Var),
    /// A new variable in f64, shared by the batch, that starts here.
    LearnableFrom(Vec<f64>),
    /// These numbers, shared by the batch.
    Fixed(Vec<f64>),
    /// Given to every forward pass, by the layer before.
    Fed,
}

/// What a module keeps of one argument: a variable, or constants, or nothing (where it is fed).
#[derive(Clone, Debug)]
pub struct Weights {
    variable: Option<Var>,
    constants: Option<Arc<[f64]>>,
}

impl Weights {
    /// Of an argument of this name and extent; new variables are made on `device`.
    ///
    /// # Errors
    /// `misfit` says how one is made where the source has another shape; [`Error::Tensor`].
    pub(crate) fn new(
        source: Source,
        argument: &str,
        extent: Extent,
        device: &Device,
        misfit: impl Fn(Misfit) -> Error,
    ) -> Result<Self, Error> {
        let fits = |dims: &[usize]| {
            check_dimensions(&[Dimensions { dims, each: false }], [extent]).map_err(&misfit)
        };
        let (mut variable, mut constants) = (None, None);
        match source {
            Source::Fed => {}
            Source::Fixed(numbers) => {
                fits(&[numbers.len()])?;
                constants = Some(numbers.into());
            }
            Source::Learnable(own) => {
                fits(own.dims())?;
                check_tensor(argument, &own)?;
                variable = Some(own);
            }
            Source::LearnableFrom(numbers) => {
                fits(&[numbers.len()])?;
                let dims = extent.matrix.map_or(vec![extent.len], |matrix| matrix.to_vec());
                let own = Var::from_vec(numbers, dims, device)?;
                check_tensor(argument, &own)?;
                variable = Some(own);
            }
        }
        Ok(Self { variable, constants })
    }

    /// The variable: rows x columns for a dense matrix, else a vector.
    pub fn variable(&self) -> Option<&Var> {
        self.variable.as_ref()
    }

    /// The constants.
    pub fn constants(&self) -> Option<&[f64]> {
        self.constants.as_deref()
    }

    /// Whether the argument is given to every forward pass.
    pub fn is_fed(&self) -> bool {
        self.variable.is_none() && self.constants.is_none()
    }

    /// What a forward pass takes: the module's own numbers, or those that are fed.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::Unexpected`], where there are none or both.
    pub(crate) fn argument(&self, name: &str, fed: Option<Argument>) -> Result<Argument, Error> {
        let (own, declared) = match (&self.variable, &self.constants) {
            (Some(variable), _) => (Argument::shared(variable), "learnable"),
            (None, Some(constants)) => (Argument::fixed(Arc::clone(constants)), "fixed"),
            (None, None) => return fed.ok_or_else(|| Error::Missing { argument: name.into() }),
        };
        match fed {
            None => Ok(own),
            Some(_) => Err(Error::Unexpected { argument: name.into(), declared }),
        }
    }
}
