//! SPO+: a convex loss of predicted costs, which bounds the regret of the decision for them.
//!
//! A program decides by costs that are predicted; what counts is what the decision costs in truth.
//! At a vertex the derivative of the decision is zero, so that is nothing to train with. With
//! `v(q, x) = 1/2 x'Px + q'x`, true costs `c`, their decision `x*` and predicted costs `p`,
//!
//! ```text
//! l(p) = 2 v(p, x*) - min_x v(2p - c, x) - v(c, x*)
//! dl   = 2 (x* - x(2p - c))
//! ```
//!
//! is convex in p, at least the regret `v(c, x(p)) - v(c, x*)`, and 0 at `p = c` (Elmachtoub and
//! Grigas 2022, "Smart predict, then optimize"; their derivation holds with v for c'x). It needs
//! one more program a sample and no derivative of one. docs/decisions.md says which losses of
//! decisions to take when; Python has more of them.

use argrad_solver::{Error, Slot};

use crate::qp::{QpLayer, QpSolution, QpValues};

/// What [`spo_plus`] returns.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SpoPlus {
    /// The loss of each sample, `batch`; NaN where one of its two programs has no solution.
    pub loss: Vec<f64>,
    /// The subgradient of each loss by its predicted costs, `batch * n`; NaN where the loss is.
    pub gradient: Vec<f64>,
    /// The decisions for `2p - c`, with their reports.
    pub mixed: QpSolution,
}

/// The SPO+ loss of `predicted` costs, `batch * n`, and its subgradient.
///
/// `values` are the programs with the true costs as q, and `truth` is their solution by `layer`,
/// which is computed once for many predictions.
///
/// # Errors
/// [`Error::Length`] for numbers of `predicted` or samples of `truth` that do not fit `values`,
/// [`Error::NotFinite`] for an entry of `predicted`, and what [`QpLayer::solve`] finds.
///
/// ```
/// use argrad::spo_plus::spo_plus;
/// use argrad::{QpLayer, QpValues, Slot};
/// // The cheaper of two: minimize c'x over x1 + x2 = 1, x >= 0. The first is, by 1.
/// let layer = QpLayer::dense(2, 1, 2)?;
/// let values = QpValues::new(1, Slot::Shared(&[0.; 4]), Slot::Shared(&[1., 2.]))
///     .equalities(Slot::Shared(&[1., 1.]), Slot::Shared(&[1.]))
///     .inequalities(Slot::Shared(&[-1., 0., 0., -1.]), Slot::Shared(&[0., 0.]));
/// let truth = layer.solve(&values)?;
/// let found = spo_plus(&layer, &values, &truth, &[2., 1.])?; // predicted the other way round
/// assert!((found.loss[0] - 3.0).abs() < 1e-9); // the regret is 1
/// assert!((found.gradient[0] - 2.0).abs() < 1e-9 && (found.gradient[1] + 2.0).abs() < 1e-9);
/// # Ok::<(), argrad::Error>(())
/// ```
pub fn spo_plus(
    layer: &QpLayer,
    values: &QpValues<'_>,
    truth: &QpSolution,
    predicted: &[f64],
) -> Result<SpoPlus, Error> {
    let n = layer.shape().variables();
    let batch = values.batch;
    let length = |argument, expected, found, meaning: String| {
        if expected == found {
            return Ok(());
        }
        Err(Error::Length { argument, expected, found, meaning })
    };
    length("predicted", batch * n, predicted.len(), format!("batch {batch} x {n} costs"))?;
    length("truth.x", batch * n, truth.x.len(), format!("batch {batch} x {n} decisions"))?;
    length("truth.reports", batch, truth.reports.len(), "one for each sample".to_owned())?;
    if let Some(at) = predicted.iter().position(|cost| !cost.is_finite()) {
        return Err(Error::NotFinite {
            argument: "predicted",
            sample: Some(at / n),
            entry: at % n,
            found: predicted[at],
        });
    }
    let (expected, given) = match values.q {
        Slot::Shared(costs) => (n, costs.len()),
        Slot::Each(costs) => (batch * n, costs.len()),
    };
    length("q", expected, given, "the true costs".to_owned())?;
    let difference = |sample: usize| {
        let start = sample * n;
        predicted[start..start + n].iter().zip(values.q.sample(sample, n))
    };
    let mix: Vec<f64> =
        (0..batch).flat_map(|sample| difference(sample).map(|(p, c)| 2.0 * p - c)).collect();
    let mixed = layer.solve(&QpValues { q: Slot::Each(&mix), ..*values })?;
    let mut loss = Vec::with_capacity(batch);
    let mut gradient = Vec::with_capacity(batch * n);
    for sample in 0..batch {
        let (right, other) = (&truth.reports[sample], &mixed.reports[sample]);
        let best = &truth.x[sample * n..(sample + 1) * n];
        if !(right.is_solved() && other.is_solved()) {
            loss.push(f64::NAN);
            gradient.extend(std::iter::repeat_n(f64::NAN, n));
            continue;
        }
        // v(p, x*) is v(c, x*) and the change of costs; the latter's objective is known.
        let change: f64 = difference(sample).zip(best).map(|((p, c), x)| (p - c) * x).sum();
        loss.push(right.objective + 2.0 * change - other.objective);
        let found = &mixed.x[sample * n..(sample + 1) * n];
        gradient.extend(best.iter().zip(found).map(|(best, found)| 2.0 * (best - found)));
    }
    Ok(SpoPlus { loss, gradient, mixed })
}
