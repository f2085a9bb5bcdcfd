//! Portfolio selection with a factor model of risk, as a second-order cone program.

use argrad_solver::{Cone, Pattern, Structure};

use super::draws::Draws;
use crate::{Numbers, ProgramBatch};

/// Maximize `mu'x - gamma |(F'x, sqrt(D) x)|` over portfolios x >= 0 with `1'x = 1` of `assets`
/// assets, whose covariance is FF' + D with `factors` factors: variables (x, t), minimize
/// `-mu'x + gamma t`, one zero row, `assets` nonnegative rows, one second-order cone
/// `(t, F'x, sqrt(D) x)`.
///
/// mu ~ 0.1 N(0,1), F ~ N(0,1) / sqrt(factors), sqrt(D) ~ U(0.2, 1); gamma = 0.3. Every number but
/// gamma is a sample's own.
pub fn portfolio(assets: usize, factors: usize, batch: usize, seed: u64) -> ProgramBatch {
    const GAMMA: f64 = 0.3;
    let (risk, exposures) = (1 + assets, 2 + assets);
    let specific = exposures + factors;
    let rows = specific + assets;
    // Column j: budget, x_j >= 0, exposures, specific risk. Last column: t.
    let mut colptr = vec![0];
    let mut rowval = Vec::new();
    for j in 0..assets {
        rowval.extend([0, 1 + j]);
        rowval.extend(exposures..specific);
        rowval.push(specific + j);
        colptr.push(rowval.len());
    }
    rowval.push(risk);
    colptr.push(rowval.len());
    let n = assets + 1;
    let structure = Structure::new(
        Pattern::empty(n, n),
        Pattern::new(rows, n, colptr, rowval).expect("rows ascend in each column"),
        vec![Cone::Zero(1), Cone::Nonnegative(assets), Cone::SecondOrder(1 + factors + assets)],
    )
    .expect("sizes fit together");

    let (mut q, mut a) = (Vec::new(), Vec::new());
    for i in 0..batch {
        let draws = &mut Draws::of_sample(seed, i);
        q.extend((0..assets).map(|_| -0.1 * draws.normal()));
        q.push(GAMMA);
        for _ in 0..assets {
            a.extend([1.0, -1.0]);
            a.extend((0..factors).map(|_| -draws.normal() / (factors as f64).sqrt()));
            a.push(-(0.2 + 0.8 * draws.uniform()));
        }
        a.push(-1.0);
    }
    let mut b = vec![0.0; rows];
    b[0] = 1.0;
    ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(Vec::new()),
        q: Numbers::Each(q),
        a: Numbers::Each(a),
        b: Numbers::Shared(b),
    }
}
