//! What violations cost, in a [relaxed](super::Layer::relaxed) layer.

use serde::{Deserialize, Serialize};

use crate::canonical::Assembled;

/// How violations are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViolationNorm {
    /// Their squares, summed: all rows give way a little.
    #[default]
    L2,
    /// Their sizes, summed: few rows give way.
    L1,
}

/// What a violation costs, see [`crate::model::Layer::relaxed`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relaxation {
    /// How violations are measured.
    pub norm: ViolationNorm,
    /// The price of violations relative to the objective, in the units of the program: the larger,
    /// the nearer to the least violation, and the worse the condition. Positive and finite.
    pub weight: f64,
}

impl Default for Relaxation {
    fn default() -> Self {
        Self { norm: ViolationNorm::L2, weight: 1e4 }
    }
}

/// What violations cost in a relaxed layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(super) relaxation: Relaxation,
    /// The first column of violations.
    pub(super) first: usize,
}

impl Price {
    /// Which of P, q, A, b holds it.
    pub(super) fn place(&self) -> usize {
        match self.relaxation.norm {
            ViolationNorm::L2 => 0,
            ViolationNorm::L1 => 1,
        }
    }

    /// Whether a program, which was read from a file, has what the price is of.
    pub(super) fn fits(&self, program: &Assembled) -> bool {
        let Some(added) = program.variables.checked_sub(self.first) else { return false };
        let [p, a] = [program.p.map.len(), program.a.map.len()];
        match self.relaxation.norm {
            ViolationNorm::L2 => p >= added && a >= added,
            ViolationNorm::L1 => a / 2 >= added,
        }
    }

    /// How many numbers of that are multiplied by it, the last ones, in a program of so many
    /// variables.
    pub(super) fn count(&self, variables: usize) -> usize {
        variables - self.first
    }

    /// The price for the numbers of a sample: P, q, A, b, in a program of so many variables.
    pub(super) fn of(&self, variables: usize, [p, q, a, b]: [&[f64]; 4]) -> f64 {
        let added = self.count(variables);
        let [of_p, of_q] = match self.relaxation.norm {
            ViolationNorm::L2 => [added, added],
            ViolationNorm::L1 => [0, added],
        };
        let entries = match self.relaxation.norm {
            ViolationNorm::L2 => added,
            ViolationNorm::L1 => 2 * added,
        };
        let [p, q] = [size(&p[..p.len() - of_p]), size(&q[..q.len() - of_q])];
        let [a, b] = [size(&a[..a.len() - entries]), size(b)];
        let curved = p / (a * a);
        let linear = q / (a * b);
        // Where a program has no objective, any price will do; where it has no matrix, no row can
        // be met better.
        let scale = [curved, linear].into_iter().filter(|s| s.is_finite()).fold(0.0, f64::max);
        let scale = match self.relaxation.norm {
            ViolationNorm::L2 => scale,
            ViolationNorm::L1 => scale * b,
        };
        let rounded = if scale > 0.0 { scale.log2().round().exp2() } else { 1.0 };
        self.relaxation.weight * rounded
    }
}

/// From here on a bound is none, as for the solver.
const NO_BOUND: f64 = 1e19_f32 as f64;

/// The largest entry, without its sign; bounds that are none do not count.
fn size(values: &[f64]) -> f64 {
    values.iter().map(|v| v.abs()).filter(|v| *v < NO_BOUND).fold(0.0, f64::max)
}
