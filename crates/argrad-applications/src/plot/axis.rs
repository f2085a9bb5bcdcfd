//! An axis: what it measures, its range, and where its ticks are.

use std::ops::Range;

/// An axis of a panel.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(super) name: String,
    /// In places: the values themselves, or their decimal logarithms.
    pub(super) range: Range<f64>,
    logarithmic: bool,
    ticks: Option<Vec<(f64, String)>>,
}

/// Ticks of a linear axis, about.
const TICKS: f64 = 6.0;

impl Axis {
    /// A linear axis from the least to the largest of the finite values.
    pub fn linear(name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = extremes(values.into_iter());
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if low == high {
            // One value stands in the middle.
            let reach = if low == 0.0 { 1.0 } else { 0.5 * low.abs() };
            (low, high) = (low - reach, high + reach);
        }
        Self { name: name.into(), range: low..high, logarithmic: false, ticks: None }
    }

    /// A logarithmic axis of whole decades around the finite positive values, sixteen at most.
    pub fn logarithmic(name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let positive = values.into_iter().filter(|&value| value > 0.0);
        let (mut low, mut high) = extremes(positive.map(f64::log10));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let high = if high.ceil() > low.floor() { high.ceil() } else { low.floor() + 1.0 };
        let range = low.floor().max(high - 16.0)..high;
        Self { name: name.into(), range, logarithmic: true, ticks: None }
    }

    /// The same axis with some space beyond its ends, as a share of its length.
    pub fn with_margin(mut self, share: f64) -> Self {
        let space = share * (self.range.end - self.range.start);
        self.range = self.range.start - space..self.range.end + space;
        self
    }

    /// The same axis with these ticks and no others: value and label.
    pub fn with_ticks<L: Into<String>>(
        mut self,
        ticks: impl IntoIterator<Item = (f64, L)>,
    ) -> Self {
        self.ticks = Some(ticks.into_iter().map(|(value, label)| (value, label.into())).collect());
        self
    }

    /// Where a value stands. On a logarithmic axis what is not positive stands at the low end.
    pub(super) fn place(&self, value: f64) -> f64 {
        match self.logarithmic {
            false => value,
            true if value > 0.0 => value.log10().max(self.range.start),
            true => self.range.start,
        }
    }

    /// Places and labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let inside = |place: f64| {
            let slack = 1e-9 * (self.range.end - self.range.start);
            place >= self.range.start - slack && place <= self.range.end + slack
        };
        let all = match &self.ticks {
            Some(ticks) => {
                ticks.iter().map(|(value, label)| (self.place(*value), label.clone())).collect()
            }
            None if self.logarithmic => self.decades(),
            None => self.round_numbers(),
        };
        all.into_iter().filter(|(place, _)| inside(*place)).collect()
    }

    fn decades(&self) -> Vec<(f64, String)> {
        let (low, high) = (self.range.start.ceil() as i32, self.range.end.floor() as i32);
        let stride = ((high - low) as f64 / 8.0).ceil().max(1.0) as usize;
        let label = |k: i32| match k {
            -3..=4 => format!("{}", 10f64.powi(k)),
            _ => format!("1e{k}"),
        };
        (low..=high).step_by(stride).map(|k| (f64::from(k), label(k))).collect()
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn round_numbers(&self) -> Vec<(f64, String)> {
        let rough = (self.range.end - self.range.start) / TICKS;
        let decade = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
        let step = *steps.iter().find(|&&step| step >= rough).unwrap_or(&steps[3]);
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        let (first, last) =
            ((self.range.start / step).ceil() as i64, (self.range.end / step).floor() as i64);
        let far = self.range.start.abs().max(self.range.end.abs());
        (first..=last)
            .map(|k| {
                let value = k as f64 * step;
                let label = match !(1e-3..1e6).contains(&far) {
                    true if k != 0 => format!("{value:.1e}"),
                    _ => format!("{value:.decimals$}"),
                };
                (value, label)
            })
            .collect()
    }
}

fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}
