//! From days to samples for the battery: the logarithms of a day's 24 prices, and what is known the
//! day before.

use std::f64::consts::TAU;

use crate::climate::weekend;
use crate::days::{Day, HOURS};
use crate::samples::Samples;

/// Features of an hour.
const FEATURES: usize = 10;

/// A sample for each day after the first, with a row for each hour: the price of the same hour
/// yesterday and yesterday's mean, the load that is forecast, its square, the temperature and its
/// square, weekend, and sine and cosine of the hour. One small model serves all hours; it
/// cannot be right about all of them.
pub fn price_samples(days: &[Day]) -> Samples {
    let mut samples = Samples::new(FEATURES, 1, HOURS);
    for pair in days.windows(2) {
        let [yesterday, today] = pair else { continue };
        let mean = yesterday.prices.iter().map(|p| p.ln()).sum::<f64>() / HOURS as f64;
        for hour in 0..HOURS {
            let (load, temperature) = (today.loads[hour], today.temperatures[hour]);
            let angle = TAU * hour as f64 / HOURS as f64;
            let features: [f64; FEATURES] = [
                yesterday.prices[hour].ln(),
                mean,
                load,
                load * load,
                temperature,
                temperature * temperature,
                f64::from(u8::from(weekend(today.number))),
                angle.cos(),
                angle.sin(),
                (2.0 * angle).cos(),
            ];
            samples.push(&features, &[today.prices[hour].ln()]);
        }
    }
    samples
}
