//! The softmax function as an exponential-cone program.

use argrad_solver::{Cone, Pattern, Structure};

use super::KnownSolution;
use super::draws::Draws;
use crate::{Numbers, ProgramBatch};

/// Maximize `y'x - sum x_i log x_i` over the simplex of dimension `len`, y ~ N(0,1): variables
/// (x, t), minimize `-y'x - 1't`, one zero row `1'x = 1`, and the exponential cones
/// `(t_i, x_i, 1)`, which say `t_i <= -x_i log x_i`.
///
/// With `l = log sum exp y`: x = exp(y - l) is the softmax of y, t = -x (y - l), the multiplier of
/// the budget is l - 1, those of the cones are `(-1, l - y_i - 1, x_i)`.
pub fn entropy_softmax(len: usize, batch: usize, seed: u64) -> KnownSolution {
    let rows = 1 + 3 * len;
    // Column of x_i: budget and second row of its cone; column of t_i: first row.
    let colptr = (0..=len).map(|i| 2 * i).chain((1..=len).map(|i| 2 * len + i)).collect();
    let rowval = (0..len).flat_map(|i| [0, 2 + 3 * i]).chain((0..len).map(|i| 1 + 3 * i)).collect();
    let structure = Structure::new(
        Pattern::empty(2 * len, 2 * len),
        Pattern::new(rows, 2 * len, colptr, rowval).expect("rows ascend in each column"),
        std::iter::once(Cone::Zero(1)).chain(std::iter::repeat_n(Cone::Exponential, len)).collect(),
    )
    .expect("sizes fit together");

    let a = (0..len).flat_map(|_| [1.0, -1.0]).chain(std::iter::repeat_n(-1.0, len)).collect();
    let b = std::iter::once(1.0).chain((0..len).flat_map(|_| [0.0, 0.0, 1.0])).collect();
    let (mut q, mut x, mut z, mut s) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for i in 0..batch {
        let y = Draws::of_sample(seed, i).normals(len);
        let log_sum = y.iter().map(|y| y.exp()).sum::<f64>().ln();
        let softmax: Vec<f64> = y.iter().map(|y| (y - log_sum).exp()).collect();
        let entropy: Vec<f64> = softmax.iter().zip(&y).map(|(p, y)| p * (log_sum - y)).collect();
        q.extend(y.iter().map(|y| -y));
        q.extend(std::iter::repeat_n(-1.0, len));
        z.push(log_sum - 1.0);
        s.push(0.0);
        for k in 0..len {
            z.extend([-1.0, log_sum - y[k] - 1.0, softmax[k]]);
            s.extend([entropy[k], softmax[k], 1.0]);
        }
        x.extend(softmax);
        x.extend(entropy);
    }
    let batch = ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(Vec::new()),
        q: Numbers::Each(q),
        a: Numbers::Shared(a),
        b: Numbers::Shared(b),
    };
    KnownSolution { batch, x, z, s }
}
