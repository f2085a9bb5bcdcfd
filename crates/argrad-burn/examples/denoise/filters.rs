//! A bank of learned filters: total variation in two dimensions, with other filters than
//! differences.
//!
//! ```text
//! minimize over z   1/2 |z - y|^2 + sum over k of |f_k * z|_1
//! ```
//!
//! f * z is what a filter sees at every place where it is inside the picture. The weight of a
//! filter is its length. Total variation is the bank of [-weight, weight], lying and standing. The
//! analysis model with learned filters is that of Chen, Ranftl and Pock, "Insights into analysis
//! operator learning" (2014), who smooth the absolute value to differentiate; here it is exact.

use argrad::prelude::{Expr, Layer, Model, ModelError, Problem, norm1, sum_squares};
use argrad_applications::command::Failure;
use argrad_burn::{Argument, layer};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::denoiser::Denoiser;

/// A filter: rows, columns, and its taps row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub shape: [usize; 2],
    pub taps: Vec<f64>,
}

/// Denoises square pictures by a bank of filters, which are learned.
#[derive(Module, Debug)]
pub struct FilterBank {
    /// Each of its own shape.
    pub filters: Vec<Param<Tensor<2>>>,
    #[module(skip)]
    program: Layer,
}

impl FilterBank {
    /// For pictures of so many pixels a side, from these filters on.
    ///
    /// # Errors
    /// A filter that is larger than the picture.
    pub fn new(side: usize, filters: &[Filter], device: &Device) -> Result<Self, Failure> {
        let shapes: Vec<[usize; 2]> = filters.iter().map(|filter| filter.shape).collect();
        let tensor = |filter: &Filter| {
            Param::from_data(TensorData::new(filter.taps.clone(), filter.shape), device)
        };
        Ok(Self { filters: filters.iter().map(tensor).collect(), program: program(side, &shapes)? })
    }

    /// The filters as they are now.
    pub fn current(&self) -> Vec<Filter> {
        let filter = |taps: Tensor<2>| Filter {
            shape: taps.dims(),
            taps: taps.into_data().iter::<f64>().collect(),
        };
        self.taps().map(filter).collect()
    }

    /// The parameters without their means: one level of grey is as good as another.
    fn taps(&self) -> impl Iterator<Item = Tensor<2>> {
        self.filters.iter().map(|filter| filter.val() - filter.val().mean().unsqueeze())
    }
}

impl Denoiser for FilterBank {
    fn denoise(&self, noisy: Tensor<2>) -> Result<Tensor<2>, Failure> {
        let filters = self.taps().map(Argument::shared);
        let arguments: Vec<Argument> = filters.chain([Argument::each(noisy)]).collect();
        let output = layer(&self.program, None, &arguments, None)?;
        output.values.into_iter().next().ok_or_else(|| "the layer has one output".into())
    }
}

/// The problem, as it is written above. Its parameters are the filters, then y.
fn program(side: usize, shapes: &[[usize; 2]]) -> Result<Layer, ModelError> {
    let model = Model::new();
    let (y, z) = (model.parameter((side, side)), model.variable((side, side)));
    let filters: Vec<Expr<'_>> =
        shapes.iter().map(|&[rows, columns]| model.parameter((rows, columns))).collect();
    let mut objective = 0.5 * sum_squares(z - y);
    for (&filter, &shape) in filters.iter().zip(shapes) {
        objective = objective + norm1(response(filter, shape, z, side));
    }
    Problem::minimize(objective).compile(filters.iter().copied().chain([y]), [z])
}

/// What a filter sees: the sum over its taps of the picture, shifted.
fn response<'m>(
    filter: Expr<'m>,
    [rows, columns]: [usize; 2],
    z: Expr<'m>,
    side: usize,
) -> Expr<'m> {
    let shifted = |k: usize| {
        let (i, j) = (k / columns, k % columns);
        z.block(i..side + 1 - rows + i, j..side + 1 - columns + j)
    };
    let terms = (0..rows * columns).map(|k| filter.at(k / columns, k % columns) * shifted(k));
    terms.reduce(|sum, term| sum + term).expect("a filter has a tap")
}

/// Total variation with this weight: differences to the right and downward.
pub fn total_variation(weight: f64) -> Vec<Filter> {
    let taps = vec![-weight, weight];
    [[1, 2], [2, 1]].map(|shape| Filter { shape, taps: taps.clone() }).to_vec()
}

/// The filters of the discrete cosine transform of this side but the constant one, of this length.
pub fn cosines(side: usize, length: f64) -> Vec<Filter> {
    let wave = |frequency: usize, k: usize| {
        (std::f64::consts::PI * frequency as f64 * (k as f64 + 0.5) / side as f64).cos()
    };
    let filter = |k: usize| {
        let taps: Vec<f64> = (0..side * side)
            .map(|tap| wave(k / side, tap / side) * wave(k % side, tap % side))
            .collect();
        let norm = taps.iter().map(|tap| tap * tap).sum::<f64>().sqrt();
        Filter { shape: [side, side], taps: taps.iter().map(|tap| tap * length / norm).collect() }
    };
    (1..side * side).map(filter).collect()
}
