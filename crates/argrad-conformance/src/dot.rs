/// The dot product of two vectors of one length.
///
/// # Panics
/// Where the lengths differ.
pub fn dot(left: &[f64], right: &[f64]) -> f64 {
    assert_eq!(left.len(), right.len(), "vectors of one length");
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}
