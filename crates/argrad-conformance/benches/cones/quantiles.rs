//! Median and worst of many errors.

/// Sorted; NaN counts as larger than any number.
pub struct Quantiles(Vec<f64>);

impl Quantiles {
    pub fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.map(f64::abs).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(0.0)
    }

    pub fn worst(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }
}
