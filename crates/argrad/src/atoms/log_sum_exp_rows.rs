//! The logarithm of a posynomial.

use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign};

/// Of a vector in consecutive groups, `log(sum exp)` of each group.
#[derive(Clone, Debug)]
pub(crate) struct LogSumExpRows {
    /// Length of each group, at least 1.
    pub counts: Vec<usize>,
}

impl LogSumExpRows {
    /// From [`Atom::data`].
    pub fn restore(data: &[f64]) -> Self {
        Self { counts: data.iter().map(|count| *count as usize).collect() }
    }

    /// Number of terms, where it can be counted.
    fn total(&self) -> Option<usize> {
        self.counts.iter().try_fold(0usize, |sum, count| sum.checked_add(*count))
    }

    fn groups(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        self.counts.iter().scan(0, |start, count| {
            *start += count;
            Some(*start - count..*start)
        })
    }
}

impl Atom for LogSumExpRows {
    fn name(&self) -> &str {
        "log_sum_exp_rows"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [x] if Some(x.size()) == self.total() && !self.counts.contains(&0) => {
                Ok(Shape::vector(self.counts.len()))
            }
            _ => Err("expected one argument with the terms of all groups".into()),
        }
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Unknown
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Convex
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Increasing
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        for (out, group) in out.iter_mut().zip(self.groups()) {
            let terms = &args[0].values[group];
            let top = terms.iter().fold(f64::NEG_INFINITY, |top, v| top.max(*v));
            *out = top + terms.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
        }
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let mut value = vec![0.0; self.counts.len()];
        self.value(args, &mut value);
        for ((value, cotangent), group) in value.iter().zip(cotangent).zip(self.groups()) {
            for k in group {
                gradients[0][k] += cotangent * (args[0].values[k] - value).exp();
            }
        }
    }
    /// `sum u <= 1` with `(e - t, 1, u)` in the exponential cone for each term; a group of one is
    /// its term.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let several = self.counts.iter().filter(|count| **count > 1).count();
        let t = graph.variable(several);
        let mut positions = Vec::with_capacity(self.counts.len());
        let mut next = 0;
        for group in self.groups() {
            let len = group.len();
            if len == 1 {
                positions.push(several + group.start);
                continue;
            }
            let terms = args[0].pick(group, len);
            let above = t.pick(std::iter::repeat_n(next, len), len);
            let (one, u) = (graph.filled(1.0, len), graph.variable(len));
            let shifted = graph.sub(&terms, &above);
            graph.exponential(&shifted, &one, &u);
            let slack = graph.sub(&graph.filled(1.0, ()), &graph.sum(&u));
            graph.nonneg(slack);
            positions.push(next);
            next += 1;
        }
        Affine::concat(&[&t, &args[0]]).pick(positions, self.counts.len())
    }
    fn data(&self) -> Vec<f64> {
        self.counts.iter().map(|count| *count as f64).collect()
    }
}
