//! Two stages: first statistics, by least squares, then the portfolio.

use argrad_applications::command::Failure;
use argrad_applications::regression::{Linear, cholesky, covariance};
use burn::tensor::Device;

use crate::market::History;
use crate::policy::{Estimate, Policy, Utility, numbers};
use crate::train::{WINDOW, surpasses};

/// Multiples of the covariance and of the cost that are tried by [`tuned`]: not more than two
/// numbers, which is what an investor would tune by hand.
const RISKS: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];
const CAUTIONS: [f64; 4] = [0.25, 0.5, 1.0, 2.0];

/// The forecast of least squares, and the covariance of what it leaves.
pub fn estimate(history: &History) -> Result<Estimate, Failure> {
    let (n, p) = (history.assets, history.signals);
    let too_few = "the weeks do not determine the forecast: give more --weeks or fewer --assets";
    let forecast = Linear::fit(&history.seen, &history.returns, p, n, 0.0).ok_or(too_few)?;
    let expected = forecast.apply(&history.seen);
    let left: Vec<f64> = history.returns.iter().zip(&expected).map(|(r, mu)| r - mu).collect();
    let root = cholesky(&covariance(&left, n), n).ok_or(too_few)?;
    Ok(Estimate { forecast, root, caution: 1.0 })
}

/// The estimate with the multiples of covariance and cost that do best in a history; as it is where
/// none surpasses it.
pub fn tuned(
    estimate: &Estimate,
    history: &History,
    utility: Utility,
    device: &Device,
) -> Result<Estimate, Failure> {
    let windows = history.cut(WINDOW);
    let cautions = if utility.cost > 0.0 { &CAUTIONS[..] } else { &[1.0] };
    let play = |estimate: &Estimate| -> Result<Vec<f64>, Failure> {
        let policy = Policy::new(estimate, utility, device)?;
        Ok(numbers(policy.play(&windows, utility, false)?.utility))
    };
    let first = play(estimate)?;
    let mut best = (first.iter().sum::<f64>(), estimate.clone());
    for risk in RISKS {
        for &caution in cautions {
            let mut other = Estimate { caution, ..estimate.clone() };
            other.root.iter_mut().for_each(|entry| *entry *= f64::sqrt(risk));
            let reached = play(&other)?;
            let sum = reached.iter().sum();
            if sum > best.0 && surpasses(&reached, &first) {
                best = (sum, other);
            }
        }
    }
    Ok(best.1)
}
