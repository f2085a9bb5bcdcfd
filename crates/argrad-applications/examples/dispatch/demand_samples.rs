//! Hours of demand at the buses of the network, and what is known of them the day before.

use std::f64::consts::TAU;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal, StudentT};

use crate::climate::{generate, heating_and_cooling, season, weekend};
use crate::network::LOADS;
use crate::samples::Samples;

/// Three hours of each generated day (noon, 16 and 19 o'clock). The demand of a bus is its
/// reference times a load that rises in the heat and in the cold, more at the second bus with
/// demand than at the first; its error grows in the heat and has heavy tails. A forecast knows the
/// temperature, the hour, the weekend and the season, and is linear in them: that of the load is
/// not.
pub fn demand_samples(days: usize, seed: u64) -> Samples {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_add(1 << 40));
    let tails = StudentT::new(5.0).expect("degrees of freedom are positive");
    let mut samples = Samples::new(7, LOADS.len(), 1);
    for day in generate(days, seed) {
        let quiet = if weekend(day.number) { 0.92 } else { 1.0 };
        for (hour, shape) in [(12, 0.78), (16, 0.82), (19, 0.86)] {
            let temperature = day.temperatures[hour];
            let heat = (temperature - 20.0).max(0.0);
            let spread = (0.02 + 0.004 * heat) / (5f64 / 3.0).sqrt();
            let common = spread * tails.sample(&mut rng);
            let demand: Vec<f64> = LOADS
                .iter()
                .zip([0.7, 1.3, 1.0])
                .map(|((_, reference), sensitivity)| {
                    let own: f64 = StandardNormal.sample(&mut rng);
                    let weather = 1.0 + sensitivity * heating_and_cooling(temperature);
                    let error = 1.0 + common + 0.7 * spread * own;
                    (reference * shape * quiet * weather * error).max(0.0)
                })
                .collect();
            let (time, year) = (TAU * hour as f64 / 24.0, TAU * day.number as f64 / 365.25);
            let features = [
                temperature,
                season(day.number),
                f64::from(u8::from(weekend(day.number))),
                time.cos(),
                time.sin(),
                year.cos(),
                year.sin(),
            ];
            samples.push(&features, &demand);
        }
    }
    samples
}
