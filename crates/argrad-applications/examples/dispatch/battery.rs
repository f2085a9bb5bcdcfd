//! A battery that buys and sells on forecast prices.
//!
//! ```text
//! minimize    p'(u - v) + l |s - C/2|^2 + e (|u|^2 + |v|^2)
//! subject to  s(0) = C/2,  s(h+1) = s(h) + 0.9 u(h) - v(h),
//!             0 <= s <= C,  0 <= u <= 0.5,  0 <= v <= 0.2
//! ```
//!
//! for 24 hours h: charge u, discharge v, stored energy s, capacity C = 1. The weights l
//! (flexibility: a battery that is half full can do either) and e (wear) are given (Donti, Amos and
//! Kolter 2017, section 4.3, eq. (12)). p is the exponential of a forecast of its logarithm.

use argrad::prelude::*;
use argrad_applications::command::Failure;

use crate::days::HOURS;
use crate::train::Task;

/// Energy for a unit of charge, capacity, and most that is charged and discharged in an hour.
const EFFICIENCY: f64 = 0.9;
const CAPACITY: f64 = 1.0;
const CHARGE: f64 = 0.5;
const DISCHARGE: f64 = 0.2;

/// The weights (l, e) of the paper's table.
pub const WEIGHTS: [(f64, f64); 4] = [(0.1, 0.05), (1.0, 0.5), (10.0, 5.0), (35.0, 15.0)];

/// The battery's layer and what its schedules cost.
pub struct Battery {
    layer: Layer,
    flexibility: f64,
    wear: f64,
}

impl Battery {
    /// A battery with these weights l and e, both positive.
    ///
    /// # Errors
    /// When the problem does not compile.
    pub fn new((flexibility, wear): (f64, f64)) -> Result<Self, ModelError> {
        let model = Model::new();
        let prices = model.parameter(HOURS).named("prices");
        let charge = model.variable(HOURS).bounds(0.0, CHARGE).named("charge");
        let discharge = model.variable(HOURS).bounds(0.0, DISCHARGE).named("discharge");
        let stored = model.variable(HOURS + 1).bounds(0.0, CAPACITY).named("stored");
        let trade = prices.dot(charge - discharge);
        let half = sum_squares(stored - 0.5 * CAPACITY);
        let losses = sum_squares(charge) + sum_squares(discharge);
        let after = stored.slice(..HOURS) + EFFICIENCY * charge - discharge;
        let layer = Problem::minimize(trade + flexibility * half + wear * losses)
            .subject_to([stored.index(0).equals(0.5 * CAPACITY), stored.slice(1..).equals(after)])
            .compile([prices], [charge, discharge, stored])?;
        Ok(Self { layer, flexibility, wear })
    }

    /// Charge, discharge and stored energy (24, 24 and 25 numbers a day) for these prices.
    ///
    /// # Errors
    /// As [`Layer::solve`].
    pub fn schedule(&self, prices: &[f64]) -> Result<Outputs, ModelError> {
        self.layer.solve(&[prices])
    }

    /// What schedules cost at true prices, day by day.
    fn cost(&self, schedule: &Outputs, prices: &[f64]) -> Vec<f64> {
        let day = |k: usize| {
            let hours = k * HOURS..(k + 1) * HOURS;
            let (charge, discharge) = (&schedule[0][hours.clone()], &schedule[1][hours.clone()]);
            let trade = prices[hours].iter().zip(charge.iter().zip(discharge));
            let trade: f64 = trade.map(|(p, (u, v))| p * (u - v)).sum();
            let stored = &schedule[2][k * (HOURS + 1)..(k + 1) * (HOURS + 1)];
            let half: f64 = stored.iter().map(|s| (s - 0.5 * CAPACITY).powi(2)).sum();
            let losses: f64 = charge.iter().chain(discharge).map(|u| u * u).sum();
            trade + self.flexibility * half + self.wear * losses
        };
        (0..schedule.batch).map(day).collect()
    }
}

impl Task for Battery {
    fn costs(&self, forecasts: &[f64], truth: &[f64]) -> Result<Vec<f64>, Failure> {
        let schedule = self.schedule(&exponentials(forecasts))?;
        Ok(self.cost(&schedule, &exponentials(truth)))
    }

    fn graded(&self, forecasts: &[f64], truth: &[f64]) -> Result<(Vec<f64>, Vec<f64>), Failure> {
        let (forecasts, prices) = (exponentials(forecasts), exponentials(truth));
        let (schedule, tape) = self.layer.forward(&[&forecasts])?;
        let charge = schedule[0].iter().zip(&prices).map(|(u, p)| p + 2.0 * self.wear * u);
        let discharge = schedule[1].iter().zip(&prices).map(|(v, p)| 2.0 * self.wear * v - p);
        let stored = schedule[2].iter().map(|s| 2.0 * self.flexibility * (s - 0.5 * CAPACITY));
        let cotangents: [Vec<f64>; 3] = [charge.collect(), discharge.collect(), stored.collect()];
        let mut gradient =
            self.layer.backward(&tape, &cotangents.each_ref().map(Vec::as_slice))?.swap_remove(0);
        gradient.iter_mut().zip(&forecasts).for_each(|(g, p)| *g *= p);
        Ok((self.cost(&schedule, &prices), gradient))
    }
}

/// Prices from their logarithms.
pub fn exponentials(logarithms: &[f64]) -> Vec<f64> {
    logarithms.iter().map(|y| y.exp()).collect()
}
