//! From days to samples for the battery: the logarithms of a day's 24 prices, and what is known the
//! day before.

use std::f64::consts::TAU;

use crate::climate::weekend;
use crate::days::Day;
use crate::samples::Samples;

/// A sample for each day after the first: yesterday's prices, the load that is forecast,
/// temperatures of yesterday and today and their squares, weekend, and the season (those of Donti,
/// Amos and Kolter but for cubes, holidays and daylight saving).
pub fn price_samples(days: &[Day]) -> Samples {
    let mut samples = Samples::default();
    for pair in days.windows(2) {
        let [yesterday, today] = pair else { continue };
        let mut features: Vec<f64> = yesterday.prices.iter().map(|p| p.ln()).collect();
        features.extend(today.loads);
        for day in [yesterday, today] {
            features.extend(day.temperatures);
            features.extend(day.temperatures.map(|t| t * t));
        }
        let season = TAU * today.number as f64 / 365.25;
        features.extend([f64::from(u8::from(weekend(today.number))), season.cos(), season.sin()]);
        samples.push(&features, &today.prices.map(f64::ln));
    }
    samples
}
