//! Between batch-first rows outside and interleaved lanes inside.

/// Writes one instance's numbers into lane `lane` of `interleaved`: entry `k` from `row[order(k)]`.
#[inline(always)]
pub(crate) fn scatter_lane(interleaved: &mut [f64], lanes: usize, lane: usize, row: impl Iterator<Item = f64>) {
    for (register, value) in interleaved.chunks_exact_mut(lanes).zip(row) {
        register[lane] = value;
    }
}

/// Reads lane `lane` of `interleaved` into `row`.
#[inline(always)]
pub(crate) fn gather_lane(interleaved: &[f64], lanes: usize, lane: usize, row: &mut [f64]) {
    for (value, register) in row.iter_mut().zip(interleaved.chunks_exact(lanes)) {
        *value = register[lane];
    }
}
