//! What the solver asks of a problem: values and derivatives, for many samples at once.
//!
//! An oracle is the door for problems that are not written in Rust: one that calls back into a
//! framework does so once per method for the whole batch. All arrays are row-major, sample by
//! sample, for the samples of [`Points`] only.

use super::error::ArgminError;
use super::problem::Dimensions;

/// Where to evaluate: `count` samples of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    /// Which samples of the batch these are, ascending: `count` indices.
    pub samples: &'a [usize],
    /// Their parameters: `count x theta`.
    pub theta: &'a [f64],
    /// Their variables: `count x y`.
    pub y: &'a [f64],
}

impl Points<'_> {
    /// Number of samples.
    pub fn count(&self) -> usize {
        self.samples.len()
    }
}

/// Multipliers of the Lagrangian L = f + nu'h + mu'g.
#[derive(Clone, Copy, Debug)]
pub struct Multipliers<'a> {
    /// nu: `count x equalities`.
    pub equalities: &'a [f64],
    /// mu: `count x inequalities`.
    pub inequalities: &'a [f64],
}

/// Values of the functions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionValues {
    /// f: `count`.
    pub objective: Vec<f64>,
    /// h: `count x equalities`.
    pub equalities: Vec<f64>,
    /// g: `count x inequalities`.
    pub inequalities: Vec<f64>,
}

/// Derivatives by y.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionDerivatives {
    /// f_Y: `count x y`.
    pub objective: Vec<f64>,
    /// h_Y: `count x equalities x y`.
    pub equalities: Vec<f64>,
    /// g_Y: `count x inequalities x y`.
    pub inequalities: Vec<f64>,
    /// L_YY, the Hessian of the Lagrangian: `count x y x y`, symmetric.
    pub hessian: Vec<f64>,
}

/// A vector in the space of the KKT conditions (L_Y, h, g).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KktVector {
    /// The part of stationarity: `count x y`.
    pub y: Vec<f64>,
    /// The part of the equalities: `count x equalities`.
    pub equalities: Vec<f64>,
    /// The part of the inequalities: `count x inequalities`.
    pub inequalities: Vec<f64>,
}

/// Values and derivatives of the functions f, h, g of a problem, for whole batches.
///
/// NaN and infinite values are answers: the solver takes a shorter step, or ends that sample with
/// [`ArgminStatus::NotANumber`](super::ArgminStatus::NotANumber). A sample's numbers must not
/// depend on which others are evaluated with it.
///
/// # Errors
/// Every method may fail with [`ArgminError::Oracle`], which ends the call for all samples.
pub trait Oracle {
    /// The sizes; the same at each call.
    fn dimensions(&self) -> Dimensions;

    /// f, h and g.
    fn values(&self, at: &Points<'_>) -> Result<FunctionValues, ArgminError>;

    /// f_Y, h_Y, g_Y and L_YY.
    fn derivatives(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<FunctionDerivatives, ArgminError>;

    /// How theta moves the KKT conditions: (L_Ytheta, h_theta, g_theta) times `theta_tangent`
    /// (`count x theta`).
    fn mixed_jvp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        theta_tangent: &[f64],
    ) -> Result<KktVector, ArgminError>;

    /// The transpose of [`Self::mixed_jvp`]: the gradient by theta of u_y'L_Y + u_h'h + u_g'g at
    /// fixed u = `cotangent`: `count x theta`.
    fn mixed_vjp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        cotangent: &KktVector,
    ) -> Result<Vec<f64>, ArgminError>;

    /// L_theta, the gradient of the optimal value (envelope theorem): `count x theta`.
    fn lagrangian_gradient(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<Vec<f64>, ArgminError>;
}

impl<O: Oracle> Oracle for &O {
    fn dimensions(&self) -> Dimensions {
        (**self).dimensions()
    }

    fn values(&self, at: &Points<'_>) -> Result<FunctionValues, ArgminError> {
        (**self).values(at)
    }

    fn derivatives(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<FunctionDerivatives, ArgminError> {
        (**self).derivatives(at, multipliers)
    }

    fn mixed_jvp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        theta_tangent: &[f64],
    ) -> Result<KktVector, ArgminError> {
        (**self).mixed_jvp(at, multipliers, theta_tangent)
    }

    fn mixed_vjp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        cotangent: &KktVector,
    ) -> Result<Vec<f64>, ArgminError> {
        (**self).mixed_vjp(at, multipliers, cotangent)
    }

    fn lagrangian_gradient(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
    ) -> Result<Vec<f64>, ArgminError> {
        (**self).lagrangian_gradient(at, multipliers)
    }
}
