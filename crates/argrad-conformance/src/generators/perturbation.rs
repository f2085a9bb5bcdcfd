//! The same programs with slightly different data, for warm starts.

use super::draws::Draws;
use crate::{Numbers, ProgramBatch};

/// `batch` with every number changed by about the share `relative`: entries of q, A and b times
/// `1 + relative * N(0,1)`, and `P_ij` times `(1 + relative * d_i) (1 + relative * d_j)` with
/// d ~ N(0,1)^n, so that P stays positive semidefinite. What is shared stays shared.
pub fn perturbed(batch: &ProgramBatch, relative: f64, seed: u64) -> ProgramBatch {
    let mut changed = batch.clone();
    let (n, rows) = (batch.variables(), batch.rows());
    let pattern = batch.structure.p();
    change(&mut changed.p, pattern.nnz(), seed, |numbers, draws| {
        let scale: Vec<f64> = (0..n).map(|_| 1.0 + relative * draws.normal()).collect();
        for (value, (i, j)) in numbers.iter_mut().zip(pattern.entries()) {
            *value *= scale[i] * scale[j];
        }
    });
    let entrywise = |numbers: &mut [f64], draws: &mut Draws| {
        for value in numbers {
            *value *= 1.0 + relative * draws.normal();
        }
    };
    change(&mut changed.q, n, seed.wrapping_add(1), entrywise);
    change(&mut changed.a, batch.structure.a().nnz(), seed.wrapping_add(2), entrywise);
    change(&mut changed.b, rows, seed.wrapping_add(3), entrywise);
    changed
}

fn change(numbers: &mut Numbers, len: usize, seed: u64, how: impl Fn(&mut [f64], &mut Draws)) {
    match numbers {
        Numbers::Shared(values) => how(values, &mut Draws::of_shared(seed)),
        // No numbers, nothing to change; and a chunk needs a size.
        Numbers::Each(_) if len == 0 => {}
        Numbers::Each(values) => {
            for (i, sample) in values.chunks_mut(len).enumerate() {
                how(sample, &mut Draws::of_sample(seed, i));
            }
        }
    }
}
