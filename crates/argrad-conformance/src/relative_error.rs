//! How far two vectors are apart.

/// Largest absolute difference, relative to the largest entry of `expected` (absolute where
/// `expected` is zero). Equal infinities differ by 0; NaN on either side gives NaN.
///
/// # Panics
/// When the lengths differ.
pub fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "vectors of different lengths");
    let mut difference = 0.0_f64;
    let mut scale = 0.0_f64;
    for (&f, &e) in found.iter().zip(expected) {
        if f == e && f.is_infinite() {
            continue;
        }
        // `f64::max` would drop a NaN.
        let d = (f - e).abs();
        difference = if d.is_nan() || difference.is_nan() { f64::NAN } else { difference.max(d) };
        scale = scale.max(e.abs());
    }
    if scale == 0.0 { difference } else { difference / scale }
}

#[cfg(test)]
mod tests {
    use super::relative_error;

    #[test]
    fn is_relative_to_the_largest_expected_entry() {
        assert_eq!(relative_error(&[4.0, 1.5], &[4.0, 1.0]), 0.125);
        assert_eq!(relative_error(&[1.0], &[0.0]), 1.0);
        assert_eq!(relative_error(&[], &[]), 0.0);
    }

    #[test]
    fn nan_is_never_close_and_equal_infinities_are() {
        assert!(relative_error(&[f64::NAN, 1.0], &[1.0, 1.0]).is_nan());
        assert_eq!(relative_error(&[f64::INFINITY, 1.0], &[f64::INFINITY, 1.0]), 0.0);
    }
}
