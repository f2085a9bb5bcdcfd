//! Total-variation denoising of a signal, as a sparse quadratic program of any size.

use argrad_solver::{Cone, Pattern, Structure};

use super::draws::Draws;
use super::logistic_regression::diagonal_of_first;
use crate::{Numbers, ProgramBatch};

/// Minimize `1/2 |x - y|^2 + weight sum_i |x_{i+1} - x_i|` for a signal y of `samples` samples:
/// steps of random height, every 100 samples on average, with noise 0.3 N(0,1). Variables (x, t),
/// rows `x_{i+1} - x_i <= t_i`, then `x_i - x_{i+1} <= t_i`. Only q varies.
///
/// # Panics
/// Without samples.
pub fn total_variation(samples: usize, weight: f64, batch: usize, seed: u64) -> ProgramBatch {
    assert!(samples > 0, "a signal has samples");
    const STEP_LENGTH: usize = 100;
    const NOISE: f64 = 0.3;
    let differences = samples - 1;
    let n = samples + differences;
    let mut colptr = vec![0];
    let mut rowval = Vec::with_capacity(6 * differences);
    let mut a = Vec::with_capacity(6 * differences);
    for j in 0..samples {
        // x_j ends difference j - 1 and starts difference j; the rows of the negative come below.
        for (offset, sign) in [(0, 1.0), (differences, -1.0)] {
            if j > 0 {
                rowval.push(offset + j - 1);
                a.push(sign);
            }
            if j < differences {
                rowval.push(offset + j);
                a.push(-sign);
            }
        }
        colptr.push(rowval.len());
    }
    for i in 0..differences {
        rowval.extend([i, differences + i]);
        a.extend([-1.0, -1.0]);
        colptr.push(rowval.len());
    }
    let structure = Structure::new(
        diagonal_of_first(n, samples),
        Pattern::new(2 * differences, n, colptr, rowval).expect("rows ascend in each column"),
        vec![Cone::Nonnegative(2 * differences)],
    )
    .expect("sizes fit together");

    let mut q = Vec::with_capacity(batch * n);
    for i in 0..batch {
        let draws = &mut Draws::of_sample(seed, i);
        let mut level = draws.normal();
        for _ in 0..samples {
            if draws.below(STEP_LENGTH) == 0 {
                level = draws.normal();
            }
            q.push(-(level + NOISE * draws.normal()));
        }
        q.extend(std::iter::repeat_n(weight, differences));
    }
    ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(vec![1.0; samples]),
        q: Numbers::Each(q),
        a: Numbers::Shared(a),
        b: Numbers::Shared(vec![0.0; 2 * differences]),
    }
}
