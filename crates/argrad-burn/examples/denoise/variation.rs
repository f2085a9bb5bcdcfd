//! Total variation, and what is learned in its place: equation (19) of the survey,
//!
//! ```text
//! minimize over z   1/2 |y - z|^2 + weight |Dz|_1
//! ```
//!
//! solved by its dual, a quadratic program with a bound on each of its unknowns, one for each row
//! of D:
//!
//! ```text
//! minimize over u   1/2 |D'u - y|^2   subject to  -weight <= u <= weight,      z = y - D'u
//! ```
//!
//! It has half as many unknowns as the program with |Dz| <= t, and P = DD' is regular where the
//! rows of D are independent. All signals share P and the constraints, so that one inverse serves a
//! whole batch. Everything around the program is ordinary tensors: the gradient reaches D through
//! P, through q = -Dy and through z.

use argrad::{MatrixShape, Pattern, QpLayer, QpShape, Settings};
use argrad_applications::command::Failure;
use argrad_burn::{Argument, QpArguments, qp};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;

use crate::denoiser::Denoiser;
use crate::signals::{LENGTH, gaussian};

/// Rows of D: differences of neighbours, or what is learned in their place.
pub const ROWS: usize = LENGTH - 1;

/// Total variation denoising with any D and any weight.
#[derive(Module, Debug)]
pub struct Variation {
    /// Logarithm of the weight, which keeps it positive; shape (1).
    pub log_weight: Param<Tensor<1>>,
    /// D, shape (rows, length).
    pub operator: Param<Tensor<2>>,
    #[module(skip)]
    program: QpLayer,
}

/// What of it is learned. D alone says all: its length is the weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    Nothing,
    Weight,
    Operator,
}

impl Variation {
    /// A weight, and D row by row.
    ///
    /// # Errors
    /// None is possible for these shapes.
    pub fn new(
        weight: f64,
        operator: Vec<f64>,
        learned: Learned,
        device: &Device,
    ) -> Result<Self, Failure> {
        let log_weight = Param::from_data(TensorData::new(vec![weight.ln()], [1]), device);
        let operator = Param::from_data(TensorData::new(operator, [ROWS, LENGTH]), device);
        Ok(Self {
            log_weight: log_weight.set_require_grad(learned == Learned::Weight),
            operator: operator.set_require_grad(learned == Learned::Operator),
            program: program()?,
        })
    }

    /// The weight.
    pub fn weight(&self) -> f64 {
        self.log_weight.val().into_scalar::<f64>().exp()
    }

    /// D, row by row.
    pub fn operator(&self) -> Vec<f64> {
        self.operator.val().into_data().iter::<f64>().collect()
    }
}

impl Denoiser for Variation {
    fn denoise(&self, noisy: Tensor<2>) -> Result<Tensor<2>, Failure> {
        let weights = self.log_weight.val().exp().repeat_dim(0, 2 * ROWS);
        dual(&self.program, self.operator.val(), Argument::shared(weights), noisy)
    }

    /// One weight, searched or learned, or D.
    fn learned(&self) -> usize {
        let is_operator = self.operator.val().is_require_grad();
        if is_operator { ROWS * LENGTH } else { 1 }
    }
}

/// z, by the dual. `weights` are those of all rows, twice: shared, or of each signal.
///
/// # Errors
/// A signal whose program is not solved.
pub fn dual(
    program: &QpLayer,
    d: Tensor<2>,
    weights: Argument,
    noisy: Tensor<2>,
) -> Result<Tensor<2>, Failure> {
    let p = d.clone().matmul(d.clone().transpose());
    let q = -noisy.clone().matmul(d.clone().transpose());
    let bounds = Argument::fixed([1.0, -1.0].repeat(ROWS));
    let arguments =
        QpArguments::new(Argument::shared(p), Argument::each(q)).inequalities(bounds, weights);
    let u = qp(program, &arguments)?.x;
    Ok(noisy - u.matmul(d))
}

/// The dual: P dense, G = [I; -I].
pub fn program() -> Result<QpLayer, argrad::Error> {
    let starts = (0..=ROWS).map(|j| 2 * j).collect();
    let bounds = (0..ROWS).flat_map(|j| [j, ROWS + j]).collect();
    let shape = QpShape::new(ROWS)
        .quadratic(MatrixShape::Dense { rows: ROWS, cols: ROWS })
        .inequalities(MatrixShape::Sparse(Pattern::new(2 * ROWS, ROWS, starts, bounds)?));
    // DD' is convex whatever D is.
    QpLayer::new(shape, Settings { check_convexity: false, ..Settings::default() })
}

/// Differences of neighbours, row by row.
pub fn differences() -> Vec<f64> {
    let mut operator = vec![0.0; ROWS * LENGTH];
    for i in 0..ROWS {
        operator[i * LENGTH + i] = -1.0;
        operator[i * LENGTH + i + 1] = 1.0;
    }
    operator
}

/// Random numbers in the place of D, row by row, whose rows are as long as differences on average.
pub fn random_operator(rng: &mut StdRng) -> Vec<f64> {
    let size = (2.0 / LENGTH as f64).sqrt();
    (0..ROWS * LENGTH).map(|_| size * gaussian(rng)).collect()
}
