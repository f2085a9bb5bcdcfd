//! Derivatives of gradients by differences, for atoms that do not say their second derivative.

/// Steps that are tried, each a quarter of the one before.
const STEPS: usize = 9;

/// The derivative of `f` at zero by central differences of fourth order. Of steps that shrink from
/// `scale / 16` on, the estimate is taken that differs least from the one before it: larger steps
/// suffer from what the formula leaves out, smaller ones from rounding. The error is about the
/// rounding to the power 4/5, and rounding itself where f is a cubic.
///
/// Source: Ridders, Accurate computation of F'(x), 1982.
pub(crate) fn derivative(f: impl Fn(f64) -> Vec<f64>, scale: f64) -> Vec<f64> {
    let estimate = |h: f64| -> Vec<f64> {
        let [a, b, c, d] = [-2.0 * h, -h, h, 2.0 * h].map(&f);
        (0..a.len()).map(|k| (a[k] - d[k] + 8.0 * (c[k] - b[k])) / (12.0 * h)).collect()
    };
    let mut h = scale / 16.0;
    let mut last = estimate(h);
    let (mut best, mut least) = (last.clone(), f64::INFINITY);
    for _ in 1..STEPS {
        h /= 4.0;
        let next = estimate(h);
        let change = next.iter().zip(&last).fold(0.0f64, |m, (a, b)| {
            if a.is_nan() || b.is_nan() { f64::INFINITY } else { m.max((a - b).abs()) }
        });
        if change < least {
            (best, least) = (next.clone(), change);
        }
        last = next;
    }
    best
}
