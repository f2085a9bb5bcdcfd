//! Days of hourly prices, loads and temperatures, generated: a year of seasons, a load that rises
//! in the heat and in the cold, and prices that rise steeply, and less predictably, with the load.

use std::f64::consts::TAU;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal, StudentT};

use crate::days::{Day, HOURS, day_number};

/// Noise that is remembered from day to day.
struct Memory {
    value: f64,
    share: f64,
}

impl Memory {
    /// The next value, of variance 1.
    fn next(&mut self, rng: &mut StdRng) -> f64 {
        let fresh: f64 = StandardNormal.sample(rng);
        self.value = self.share * self.value + (1.0 - self.share * self.share).sqrt() * fresh;
        self.value
    }
}

/// The mean temperature of a day of the year, in degrees Celsius.
pub fn season(number: i64) -> f64 {
    14.0 - 12.0 * (TAU * (number as f64 - 20.0) / 365.25).cos()
}

/// Whether a day is a Saturday or a Sunday.
pub fn weekend(number: i64) -> bool {
    // Day 0 is a Thursday.
    (number + 3).rem_euclid(7) >= 5
}

/// What heat and cold add to the load, as a share of it.
pub fn heating_and_cooling(temperature: f64) -> f64 {
    0.022 * (temperature - 20.0).max(0.0) + 0.012 * (8.0 - temperature).max(0.0)
}

/// Generates days from 2011-01-01 on.
pub fn generate(days: usize, seed: u64) -> Vec<Day> {
    let mut rng = StdRng::seed_from_u64(seed);
    let tails = StudentT::new(4.0).expect("degrees of freedom are positive");
    let mut weather = Memory { value: 0.0, share: 0.75 };
    let mut level = Memory { value: 0.0, share: 0.8 };
    let first = day_number(2011, 1, 1);
    let mut all = Vec::with_capacity(days);
    for number in first..first + days as i64 {
        let mean = season(number) + 4.0 * weather.next(&mut rng);
        let level = 0.12 * level.next(&mut rng);
        let own: f64 = tails.sample(&mut rng);
        let mut day =
            Day { number, prices: [0.0; HOURS], loads: [0.0; HOURS], temperatures: [0.0; HOURS] };
        for hour in 0..HOURS {
            let clock = TAU * (hour as f64 - 15.0) / 24.0;
            let temperature = mean + 4.0 * clock.cos();
            let evening = (-0.5 * ((hour as f64 - 19.0) / 2.0).powi(2)).exp();
            let morning = (-0.5 * ((hour as f64 - 8.0) / 1.5).powi(2)).exp();
            let shape = 0.75 + 0.1 * clock.cos() + 0.15 * evening + 0.1 * morning;
            let quiet = if weekend(number) { 0.92 } else { 1.0 };
            let load = shape * quiet * (1.0 + heating_and_cooling(temperature));
            // The price of the last generator: flat for long, then steep.
            let scarcity = (8.0 * (load - 0.95)).exp().ln_1p() / 8.0;
            let noise: f64 = StandardNormal.sample(&mut rng);
            let unrest = 0.05 + 0.9 * scarcity;
            let shock = unrest * (0.7 * noise + 0.5 * own / 2f64.sqrt() * evening.max(0.3));
            day.temperatures[hour] = temperature;
            day.loads[hour] = 100.0 * load;
            // The sun makes noon cheap, and its end the evening dear, whatever the load.
            let noon = (-0.5 * ((hour as f64 - 13.0) / 2.0).powi(2)).exp();
            let sun = 0.4 * evening - (0.25 + 0.01 * season(number)) * noon;
            let logarithm = 3.1 + 0.5 * load + 3.0 * scarcity + sun + level + shock;
            day.prices[hour] = logarithm.min(500f64.ln()).exp();
        }
        all.push(day);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_days_have_seasons_and_weekends() {
        assert!(weekend(day_number(2016, 12, 31)) && !weekend(day_number(2017, 1, 2)));
        assert!(season(day_number(2011, 7, 20)) > 25.0 && season(day_number(2011, 1, 20)) < 3.0);
        let days = generate(400, 1);
        assert_eq!(days, generate(400, 1));
        assert_ne!(days, generate(400, 2));
        assert!(days.iter().flat_map(|day| day.prices).all(|price| price > 0.0 && price <= 500.0));
        let at = |hour: usize| days.iter().map(|day| day.prices[hour]).sum::<f64>() / 400.0;
        assert!(at(19) > 1.3 * at(3), "{} {}", at(19), at(3));
    }
}
