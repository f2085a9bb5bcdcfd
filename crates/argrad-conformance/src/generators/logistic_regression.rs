//! Logistic regression as an exponential-cone program, in the form that CVXPY's atoms give.

use argrad_solver::{Cone, Pattern, Structure};

use super::draws::Draws;
use crate::{Numbers, ProgramBatch, dot};

/// What keeps the coefficients w of [`logistic_regression()`] small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Penalty {
    /// `weight |w|^2`.
    Ridge(f64),
    /// `weight |w|_1`.
    Lasso(f64),
}

/// Minimize `1/N sum_i log(1 + exp(-y_i f_i'w)) + penalty` for `samples` pairs of features
/// f ~ N(0,1) and labels y = 1 or -1, drawn from the model with w ~ N(0,1).
///
/// `t_i >= log(1 + exp(u_i))` is `exp(u_i - t_i) + exp(-t_i) <= 1`: with bounds g and h of the two
/// terms, the variables are (w, t, g, h) and, for a lasso, bounds r of |w|. Rows: `g + h <= 1`, for
/// a lasso `w <= r`, `-w <= r`; exponential cones `(u_i - t_i, 1, g_i)`, then `(-t_i, 1, h_i)`. The
/// features stand in A, a sample's own.
pub fn logistic_regression(
    samples: usize,
    features: usize,
    penalty: Penalty,
    batch: usize,
    seed: u64,
) -> ProgramBatch {
    let lasso = matches!(penalty, Penalty::Lasso(_));
    let bounds = if lasso { features } else { 0 };
    let n = features + 3 * samples + bounds;
    let cones_start = samples + 2 * bounds;
    let rows = cones_start + 6 * samples;
    let first = |i: usize| cones_start + 3 * i;
    let second = |i: usize| cones_start + 3 * (samples + i);

    let mut colptr = vec![0];
    let mut rowval = Vec::new();
    let mut column = |entries: Vec<usize>| {
        rowval.extend(entries);
        colptr.push(rowval.len());
    };
    for j in 0..features {
        let both = if lasso { vec![samples + j, samples + bounds + j] } else { Vec::new() };
        column(both.into_iter().chain((0..samples).map(first)).collect());
    }
    (0..samples).for_each(|i| column(vec![first(i), second(i)]));
    (0..samples).for_each(|i| column(vec![i, first(i) + 2]));
    (0..samples).for_each(|i| column(vec![i, second(i) + 2]));
    (0..bounds).for_each(|j| column(vec![samples + j, samples + bounds + j]));
    let structure = Structure::new(
        match penalty {
            Penalty::Ridge(_) => diagonal_of_first(n, features),
            Penalty::Lasso(_) => Pattern::empty(n, n),
        },
        Pattern::new(rows, n, colptr, rowval).expect("rows ascend in each column"),
        std::iter::once(Cone::Nonnegative(cones_start))
            .chain(std::iter::repeat_n(Cone::Exponential, 2 * samples))
            .collect(),
    )
    .expect("sizes fit together");

    let mut a = Vec::new();
    for sample in 0..batch {
        let draws = &mut Draws::of_sample(seed, sample);
        let truth = draws.normals(features);
        // Row i: -y_i f_i.
        let signed: Vec<Vec<f64>> = (0..samples)
            .map(|_| {
                let feature = draws.normals(features);
                let positive = 1.0 / (1.0 + (-dot(&feature, &truth)).exp());
                let label = if draws.uniform() < positive { 1.0 } else { -1.0 };
                feature.iter().map(|f| -label * f).collect()
            })
            .collect();
        for j in 0..features {
            a.extend(if lasso { &[1.0, -1.0][..] } else { &[] });
            a.extend(signed.iter().map(|row| -row[j]));
        }
        // t: -(u - t) and -(-t). g and h: their sum, and -g, -h. r: w - r and -w - r.
        a.extend(std::iter::repeat_n(1.0, 2 * samples));
        a.extend((0..2 * samples).flat_map(|_| [1.0, -1.0]));
        a.extend(std::iter::repeat_n(-1.0, 2 * bounds));
    }
    let mut q = vec![0.0; n];
    q[features..features + samples].fill(1.0 / samples as f64);
    let p = match penalty {
        Penalty::Ridge(weight) => vec![2.0 * weight; features],
        Penalty::Lasso(weight) => {
            q[n - bounds..].fill(weight);
            Vec::new()
        }
    };
    let mut b = vec![0.0; rows];
    b[..samples].fill(1.0);
    for i in 0..samples {
        b[first(i) + 1] = 1.0;
        b[second(i) + 1] = 1.0;
    }
    ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(p),
        q: Numbers::Shared(q),
        a: Numbers::Each(a),
        b: Numbers::Shared(b),
    }
}

/// Diagonal pattern of the first `stored` of `n` variables.
pub(super) fn diagonal_of_first(n: usize, stored: usize) -> Pattern {
    let colptr = (0..=n).map(|j| j.min(stored)).collect();
    Pattern::new(n, n, colptr, (0..stored).collect()).expect("one row per column")
}
