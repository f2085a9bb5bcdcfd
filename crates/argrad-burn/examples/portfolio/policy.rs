//! The investor: a forecast of returns, and a Markowitz layer that makes a portfolio of it.
//!
//! ```text
//! maximize    mu'w - (a/200) |R w|^2 - c |w - v|_1
//! subject to  1'w <= 1,  w >= 0
//! ```
//!
//! Returns mu, forecast as W z + w0, are in percent, as is the cost c; a is the risk aversion, R'R
//! the covariance of returns, v what is held before; what is not invested is cash (Markowitz 1952;
//! as a policy to be learned: Agrawal, Barratt, Boyd and Stellato, "Learning convex optimization
//! control policies", 2020, section 5.2).

use argrad::prelude::*;
use argrad_applications::command::Failure;
use argrad_applications::regression;
use argrad_burn::{Argument, LayerConfig, LayerInputs, LayerModule, Source};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};

use crate::market::History;

/// What a portfolio is worth to the investor, in percent a week:
/// `r'w - aversion / 200 (r'w)^2 - cost |w - v|_1`.
#[derive(Clone, Copy, Debug)]
pub struct Utility {
    /// Risk aversion, a.
    pub aversion: f64,
    /// Cost of trading, in percent of what is bought and of what is sold.
    pub cost: f64,
}

/// The investor. Everything in it is learned: the forecast, R, and by how much the true costs are
/// multiplied in the layer's objective, which looks ahead one week only.
#[derive(Module, Debug)]
pub struct Policy {
    forecast: Linear,
    layer: LayerModule,
}

/// What a policy starts from.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// Forecast of returns, in percent.
    pub forecast: regression::Linear,
    /// L of the covariance L L' of what the forecast leaves, lower triangular, row-major.
    pub root: Vec<f64>,
    /// The layer's cost, in multiples of the true one.
    pub caution: f64,
}

/// What becomes of a policy in a history.
pub struct Played {
    /// Utility by path, summed over the weeks: paths x 1.
    pub utility: Tensor<2>,
    /// Logarithm of the wealth after each week, mean over the paths, costs deducted.
    pub wealth: Vec<f64>,
}

/// The Markowitz layer, with parameters `returns` and `root`, and where trading costs something
/// `caution` and `held`.
pub fn markowitz(assets: usize, utility: Utility) -> Result<Layer, ModelError> {
    let model = Model::new();
    let w = model.variable(assets).named("weights");
    let returns = model.parameter(assets).named("returns");
    let root = model.parameter((assets, assets)).named("root");
    let risk = utility.aversion / 200.0 * sum_squares(matmul(root, w));
    let worth = returns.dot(w) - risk;
    let feasible = [w.sum().leq(1.0), w.geq(0.0)];
    if utility.cost == 0.0 {
        return Problem::maximize(worth).subject_to(feasible).compile([returns, root], [w]);
    }
    // Its exponential multiplies the true cost, so that no step of training makes it negative.
    let caution = model.parameter(()).named("caution");
    let held = model.parameter(assets).named("held");
    let cost = utility.cost * exp(caution) * norm1(w - held);
    Problem::maximize(worth - cost)
        .subject_to(feasible)
        .compile([returns, root, caution, held], [w])
}

impl Policy {
    /// A policy that starts from an estimate.
    pub fn new(estimate: &Estimate, utility: Utility, device: &Device) -> Result<Self, Failure> {
        let regression::Linear { inputs, outputs, weights, intercept } = estimate.forecast.clone();
        let forecast = Linear {
            weight: Param::from_data(TensorData::new(weights, [inputs, outputs]), device),
            bias: Some(Param::from_data(TensorData::new(intercept, [outputs]), device)),
        };
        // R = L'.
        let n = outputs;
        let root = (0..n * n).map(|k| estimate.root[k % n * n + k / n]).collect();
        let mut layer =
            LayerConfig::new(markowitz(n, utility)?).parameter("root", Source::LearnableFrom(root));
        if utility.cost > 0.0 {
            let caution = Source::LearnableFrom(vec![estimate.caution.ln()]);
            layer = layer.parameter("caution", caution);
        }
        Ok(Self { forecast, layer: layer.init(device)? })
    }

    /// Portfolios (paths x assets) for signals (paths x signals) and what is held.
    fn decide(&self, returns: Tensor<2>, held: Tensor<2>) -> Result<Tensor<2>, Failure> {
        let mut inputs = LayerInputs::new().feed("returns", Argument::each(returns));
        if self.layer.weights("caution").is_some() {
            inputs = inputs.feed("held", Argument::each(held));
        }
        let mut output = self.layer.forward(inputs)?;
        Ok(output.values.swap_remove(0))
    }

    /// Plays a history from nothing but cash on, week after week: what is held before a week is
    /// what the week before has left, so that the gradient of the utility reaches back through it.
    /// `insight`: with the expected returns in place of a forecast.
    pub fn play(
        &self,
        history: &History,
        utility: Utility,
        insight: bool,
    ) -> Result<Played, Failure> {
        let device = self.forecast.weight.device();
        let History { paths, weeks, assets, signals, .. } = *history;
        let tensor = |all: &[f64], week: usize, width: usize| {
            let own = all[week * paths * width..(week + 1) * paths * width].to_vec();
            Tensor::<2>::from_data(TensorData::new(own, [paths, width]), &device)
        };
        let nothing = TensorData::new(vec![0.0; paths * assets], [paths, assets]);
        let mut held = Tensor::<2>::from_data(nothing, &device);
        let mut total: Option<Tensor<2>> = None;
        let (mut wealth, mut level) = (Vec::with_capacity(weeks), 0.0);
        for week in 0..weeks {
            let forecast = match insight {
                false => self.forecast.forward(tensor(&history.seen, week, signals)),
                true => tensor(&history.expected, week, assets),
            };
            let returns = tensor(&history.returns, week, assets);
            let weights = self.decide(forecast, held.clone())?;
            let gain = (weights.clone() * returns.clone()).sum_dim(1);
            let cost = (weights.clone() - held).abs().sum_dim(1) * utility.cost;
            let risk = gain.clone().powf_scalar(2.0) * (utility.aversion / 200.0);
            let worth = gain.clone() - risk - cost.clone();
            level += numbers(gain.clone() - cost).iter().map(|r| (r / 100.0).ln_1p()).sum::<f64>()
                / paths as f64;
            wealth.push(level);
            total = Some(match total {
                None => worth,
                Some(sum) => sum + worth,
            });
            let grown = weights * (returns / 100.0 + 1.0);
            // With the cash, whose return is zero.
            held = grown / (gain / 100.0 + 1.0);
        }
        let utility = total.ok_or("a history without weeks")?;
        Ok(Played { utility, wealth })
    }

    /// Gradient of a scalar that was made with this policy: by the slopes of the forecast, by R
    /// (both row-major), and by the logarithm of the caution. Zero what it does not depend on.
    #[cfg(test)]
    pub fn gradients(&self, scalar: Tensor<1>) -> Vec<f64> {
        let gradients = scalar.backward();
        let root = self.layer.weights("root").and_then(|weights| weights.matrix());
        let caution = self.layer.weights("caution").and_then(|weights| weights.vector());
        let mut all = Vec::new();
        for matrix in [Some(self.forecast.weight.val()), root].into_iter().flatten() {
            all.extend(matrix.grad(&gradients).map(numbers).unwrap_or_default());
        }
        let caution = caution.and_then(|caution| caution.grad(&gradients));
        all.extend(
            caution.into_iter().flat_map(|own| own.into_data().iter::<f64>().collect::<Vec<_>>()),
        );
        all
    }

    /// The slopes of the forecast, signals x assets, row-major.
    pub fn slopes(&self) -> Vec<f64> {
        numbers(self.forecast.weight.val())
    }
}

/// The numbers of a tensor, on the host.
pub fn numbers(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
