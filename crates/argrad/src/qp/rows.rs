//! Rows of the equalities and of the inequalities, apart and stacked, sample by sample.

/// `[first; second]` of each sample.
pub(crate) fn stack_rows(
    first: &[f64],
    second: &[f64],
    batch: usize,
    rows: [usize; 2],
) -> Vec<f64> {
    let mut stacked = Vec::with_capacity(batch * (rows[0] + rows[1]));
    for k in 0..batch {
        stacked.extend_from_slice(&first[k * rows[0]..(k + 1) * rows[0]]);
        stacked.extend_from_slice(&second[k * rows[1]..(k + 1) * rows[1]]);
    }
    stacked
}

/// Inverse of [`stack_rows`].
pub(crate) fn split_rows(stacked: Vec<f64>, batch: usize, rows: [usize; 2]) -> [Vec<f64>; 2] {
    match rows {
        [_, 0] => [stacked, Vec::new()],
        [0, _] => [Vec::new(), stacked],
        [p, m] => {
            let mut parts = [Vec::with_capacity(batch * p), Vec::with_capacity(batch * m)];
            for sample in stacked.chunks_exact(p + m) {
                parts[0].extend_from_slice(&sample[..p]);
                parts[1].extend_from_slice(&sample[p..]);
            }
            parts
        }
    }
}
