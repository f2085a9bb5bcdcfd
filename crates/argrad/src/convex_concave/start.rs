//! Points that sequences start from.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::layer::{ConvexConcaveLayer, StartSpec};
use crate::error::ModelError;
use crate::expression::Expr;

/// A start: of which sample, which of its starts, and the numbers of all variables.
pub(super) struct Start {
    pub sample: usize,
    pub number: usize,
    pub x: Vec<f64>,
}

impl ConvexConcaveLayer {
    /// The starts of all samples.
    pub(super) fn starts(
        &self,
        batch: usize,
        given: &[(Expr<'_>, &[f64])],
    ) -> Result<Vec<Start>, ModelError> {
        let specs = &self.parts.starts;
        let mut own: Vec<Option<&[f64]>> = vec![None; specs.len()];
        for (expr, values) in given {
            let Some(at) = specs.iter().position(|spec| spec.handle == expr.handle()) else {
                let text = format!("start: {expr} is no variable of the problem");
                return Err(ModelError::Handle(text));
            };
            let size = specs[at].size;
            let error = |expected: String, found: String| {
                let argument = format!("start of {}", specs[at].name);
                Err(ModelError::Argument { argument, expected, found })
            };
            if values.len() != size && values.len() != batch * size {
                let expected = format!("{size} numbers, or {batch} times that");
                return error(expected, format!("{} numbers", values.len()));
            }
            if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                return error("finite numbers".into(), bad.to_string());
            }
            own[at] = Some(values);
        }
        let count = if own.iter().all(Option::is_some) { 1 } else { self.sequence.starts };
        let mut random = StdRng::seed_from_u64(self.sequence.seed);
        let mut drawn = Vec::with_capacity(count);
        for _ in 0..count {
            let numbers: Vec<Vec<f64>> =
                specs.iter().map(|spec| spec.draw(&mut random, self.sequence.spread)).collect();
            drawn.push(numbers);
        }
        let mut out = Vec::with_capacity(batch * count);
        for sample in 0..batch {
            for (number, drawn) in drawn.iter().enumerate() {
                let of = |(at, spec): (usize, &StartSpec)| match own[at] {
                    None => drawn[at].clone(),
                    Some(values) if values.len() == spec.size => values.to_vec(),
                    Some(values) => values[sample * spec.size..(sample + 1) * spec.size].to_vec(),
                };
                let x = specs.iter().enumerate().flat_map(of).collect();
                out.push(Start { sample, number, x });
            }
        }
        Ok(out)
    }
}

impl StartSpec {
    /// Numbers that agree with the attributes of the variable, but for being semidefinite.
    fn draw(&self, random: &mut StdRng, spread: f64) -> Vec<f64> {
        let attributes = &self.attributes;
        let mut out: Vec<f64> = (0..self.size)
            .map(|k| {
                let between: f64 = random.random_range(-1.0..1.0);
                let bound = |bounds: &Option<Arc<[f64]>>| {
                    bounds.as_ref().map(|bounds| bounds[k]).filter(|bound| bound.is_finite())
                };
                let (lower, upper) = (bound(&attributes.lower), bound(&attributes.upper));
                let value = match (lower, upper) {
                    (Some(l), Some(u)) => 0.5 * (l + u) + 0.5 * (u - l) * between,
                    (Some(l), None) => l + spread * between.abs(),
                    (None, Some(u)) => u - spread * between.abs(),
                    (None, None) => spread * between,
                };
                match (attributes.nonneg, attributes.nonpos) {
                    (true, _) => value.abs(),
                    (_, true) => -value.abs(),
                    _ => value,
                }
            })
            .collect();
        if attributes.symmetric || attributes.psd {
            let n = (self.size as f64).sqrt().round() as usize;
            for i in 0..n {
                for j in 0..i {
                    out[i * n + j] = out[j * n + i];
                }
            }
        }
        if let Some(support) = &attributes.support {
            (0..self.size).filter(|k| support.binary_search(k).is_err()).for_each(|k| out[k] = 0.0);
        }
        out
    }
}
