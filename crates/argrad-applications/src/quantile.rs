//! What remains of the results of many seeds.

/// The value below which a share of the values lies, by linear interpolation between neighbours;
/// NaN counts as largest. Of no values: NaN.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    let position = share * (values.len().saturating_sub(1)) as f64;
    values.sort_by(f64::total_cmp);
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) if low == high => *low,
        (Some(low), Some(high)) => low + (high - low) * position.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quartiles_lie_between_neighbours() {
        let values = vec![4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(values.clone(), 0.0), 1.0);
        assert_eq!(quantile(values.clone(), 0.5), 2.5);
        assert_eq!(quantile(values, 1.0), 4.0);
        assert!(quantile(vec![], 0.5).is_nan());
    }
}
