//! All fits to one function, and how far from it they are.

use argrad::model::ModelError;
use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::quantile::quantile;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::fit::fit;
use crate::learner::Learner;
use crate::target::{Target, relative_error};

/// How much is fitted.
pub struct Plan<'a> {
    pub widths: &'a [usize],
    /// The seed of each start.
    pub seeds: &'a [u64],
    pub steps: usize,
    /// Points along each axis of the plane.
    pub side: usize,
    pub interruption: &'a Interruption,
    /// Advances by one a learner.
    pub bar: &'a ProgressBar,
}

/// One learner, from all starts.
pub struct Fitted {
    pub name: String,
    pub learner: Learner,
    /// What it learned, for each start.
    pub parameters: Vec<Vec<f64>>,
    /// The relative error on a grid of its own, for each start.
    pub errors: Vec<f64>,
    /// The same on a box ten times as wide.
    pub far: Vec<f64>,
}

/// Everything about one function.
pub struct Experiment {
    pub target: Target,
    /// Error of the exact layer, near and far.
    pub exact: [f64; 2],
    /// Networks by width, as far as they are finished.
    pub networks: Vec<(usize, Fitted)>,
    /// Layers, learned from random starts: with as many hinges or pieces as the function needs,
    /// and with twice as many, as far as they are finished.
    pub layers: Vec<Fitted>,
}

/// At most this relative error counts as exact: some hundred thousand roundings.
pub const EXACT: f64 = 1e-11;

/// How many times as many hinges or pieces as needed the learned layers have.
pub const LAYERS: [usize; 2] = [1, 2];

impl Target {
    /// Points along an axis of a grid with `side` in the plane.
    fn along(self, side: usize) -> usize {
        match self {
            Target::Piecewise => 10 * side,
            Target::MaxAffine => side,
        }
    }

    /// A layer to be learned, with so many times as many hinges or pieces as it needs: k + 2 hinges
    /// for k regions, or a piece for each region.
    fn layer(self, times: usize) -> Result<(String, Learner), ModelError> {
        Ok(match self {
            Target::Piecewise => {
                let hinges = times * (self.regions() + 2);
                (format!("layer of {hinges} hinges, learned"), Learner::hinges(hinges)?)
            }
            Target::MaxAffine => {
                let pieces = times * self.regions();
                (format!("layer of {pieces} pieces, learned"), Learner::max_affine(2, pieces)?)
            }
        })
    }
}

impl Experiment {
    /// Fits the layers, then the networks from narrow to wide.
    pub fn run(target: Target, plan: &Plan<'_>) -> Result<Self, Failure> {
        let mut exact = [0.0; 2];
        for (error, reach) in exact.iter_mut().zip([1.0, 10.0]) {
            let samples = target.grid(target.along(61), reach);
            *error = relative_error(&target.by_layer(&samples.x)?, &samples.y);
        }
        let mut layers = Vec::new();
        for times in LAYERS {
            let (name, learner) = target.layer(times)?;
            layers.extend(Fitted::new(target, learner, name, plan)?);
        }
        let mut networks = Vec::new();
        for &width in plan.widths {
            let learner = Learner::network(target.inputs(), width);
            let fitted = Fitted::new(target, learner, format!("network of {width}"), plan)?;
            networks.extend(fitted.map(|fitted| (width, fitted)));
        }
        Ok(Self { target, exact, networks, layers })
    }

    /// The exponent p with which the median errors of the networks fall, `width^-p`, by least
    /// squares in the logarithms; NaN with fewer than two widths.
    pub fn exponent(&self) -> f64 {
        let points: Vec<(f64, f64)> = self
            .networks
            .iter()
            .map(|(width, fitted)| ((*width as f64).ln(), fitted.quantile(0.5).ln()))
            .collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let product: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        -product / square
    }
}

impl Fitted {
    /// Fits from all starts; `None` where that was interrupted.
    fn new(
        target: Target,
        learner: Learner,
        name: String,
        plan: &Plan<'_>,
    ) -> Result<Option<Self>, Failure> {
        if plan.interruption.requested() {
            return Ok(None);
        }
        plan.bar.set_message(name.clone());
        let samples = target.grid(target.along(plan.side), 1.0);
        let start = |seed: &u64| learner.start(&mut StdRng::seed_from_u64(*seed));
        let starts = plan.seeds.iter().map(start).collect();
        let fits = fit(&learner, &samples, starts, plan.steps, plan.interruption)?;
        if plan.interruption.requested() {
            return Ok(None);
        }
        let parameters: Vec<Vec<f64>> = fits.into_iter().map(|fit| fit.parameters).collect();
        let errors = |reach: f64| {
            let test = target.grid(target.along(61), reach);
            let of = |parameters: &Vec<f64>| {
                Ok(relative_error(&learner.values(parameters, &test.x)?, &test.y))
            };
            parameters.iter().map(of).collect::<Result<Vec<f64>, ModelError>>()
        };
        let (near, far) = (errors(1.0)?, errors(10.0)?);
        plan.bar.inc(1);
        Ok(Some(Self { name, learner, parameters, errors: near, far }))
    }

    /// The error below which a share of the starts ends.
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(self.errors.clone(), share)
    }

    /// Starts that end at the function itself.
    pub fn exact(&self) -> usize {
        self.errors.iter().filter(|error| **error <= EXACT).count()
    }

    /// What the start learned whose error is in the middle.
    pub fn typical(&self) -> &[f64] {
        let mut order: Vec<usize> = (0..self.errors.len()).collect();
        order.sort_by(|a, b| self.errors[*a].total_cmp(&self.errors[*b]));
        &self.parameters[order[order.len() / 2]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(target: Target, widths: &[usize], side: usize, steps: usize) -> Experiment {
        let interruption = &Interruption::default();
        let bar = &ProgressBar::hidden();
        let seeds: Vec<u64> = (0..10).collect();
        let plan = Plan { widths, seeds: &seeds, steps, side, interruption, bar };
        Experiment::run(target, &plan).unwrap()
    }

    #[test]
    fn theorem_3_networks_gain_with_width_and_only_layers_are_exact() {
        let found = experiment(Target::MaxAffine, &[2, 4, 8], 12, 60);
        assert!(found.exact[0] <= 1e-15 && found.exact[1] <= 1e-15, "{:?}", found.exact);
        let layer = &found.layers[0];
        assert!(layer.exact() >= 3, "of ten starts: {:?}", layer.errors);
        let far: Vec<f64> = layer
            .errors
            .iter()
            .zip(&layer.far)
            .filter(|own| *own.0 <= EXACT)
            .map(|own| *own.1)
            .collect();
        assert!(far.iter().all(|error| *error <= EXACT), "exact near is exact far away: {far:?}");
        let medians: Vec<f64> = found.networks.iter().map(|own| own.1.quantile(0.5)).collect();
        assert!(medians.windows(2).all(|pair| pair[1] < 0.7 * pair[0]), "{medians:?}");
        for (width, network) in &found.networks {
            assert!(network.quantile(0.0) > 0.02, "{width}: {:?}", network.errors);
        }
        assert!(found.exponent() > 0.5, "{}", found.exponent());
    }

    #[test]
    fn theorem_2_a_wide_network_comes_close_and_a_narrow_one_cannot() {
        let found = experiment(Target::Piecewise, &[2, 16], 8, 200);
        assert!(found.exact[0] <= 1e-14 && found.exact[1] <= 1e-14, "{:?}", found.exact);
        let [narrow, wide] = [0, 1].map(|k| &found.networks[k].1);
        assert!(narrow.quantile(0.0) > 0.3, "{:?}", narrow.errors);
        assert!(wide.quantile(0.5) < 0.1 * narrow.quantile(0.5), "{:?}", wide.errors);
    }

    #[test]
    fn what_is_interrupted_is_left_out() {
        let interruption = &Interruption::default();
        interruption.request();
        let bar = &ProgressBar::hidden();
        let plan = Plan { widths: &[4], seeds: &[0], steps: 5, side: 8, interruption, bar };
        let found = Experiment::run(Target::MaxAffine, &plan).unwrap();
        assert!(found.networks.is_empty() && found.layers.is_empty());
        assert!(found.exponent().is_nan());
    }
}
