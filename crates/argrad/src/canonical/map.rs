//! `data = base + M theta` for one of P, q, A, b or the objective's constant, with its adjoint.

use serde::{Deserialize, Serialize};

/// Shortest run that is worth its bookkeeping.
const SHORTEST_RUN: u32 = 4;

/// Most runs that pass through one slot; further terms are entries of their own.
const RUNS_PER_SLOT: usize = 2;

/// Consecutive slots that read entries of theta at one distance, with one coefficient: how a
/// parameter matrix, row-major, lies in compressed columns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    slot: u32,
    len: u32,
    theta: u32,
    stride: i64,
    coef: f64,
}

impl Run {
    fn theta(&self, k: u32) -> i64 {
        i64::from(self.theta) + i64::from(k) * self.stride
    }

    /// Whether the next slot goes on with this entry of theta; its distance, where it does.
    fn next(&self, slot: u32, theta: u32, coef: f64) -> Option<i64> {
        if slot != self.slot + self.len || coef != self.coef {
            return None;
        }
        let stride = i64::from(theta) - self.theta(self.len - 1);
        (self.len == 1 || stride == self.stride).then_some(stride)
    }
}

/// A sparse affine map of theta. What theta does not reach costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ParameterMap {
    base: Vec<f64>,
    runs: Vec<Run>,
    /// What is in no run: slots, ascending, with their terms.
    slots: Vec<u32>,
    thetas: Vec<u32>,
    coefs: Vec<f64>,
    /// Runs that may still go on.
    #[serde(skip)]
    open: [Option<Run>; RUNS_PER_SLOT],
}

impl ParameterMap {
    /// Without slots.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a slot with its terms (theta index + 1, or 0 for the number one; coefficient).
    pub fn push(&mut self, terms: &mut [(u32, f64)]) {
        let slot = self.base.len() as u32;
        if terms.len() > 1 {
            terms.sort_by_key(|term| term.0);
        }
        let (mut base, mut at, mut lane) = (0.0, 0, 0);
        while at < terms.len() {
            let (theta, mut coef) = terms[at];
            at += 1;
            while at < terms.len() && terms[at].0 == theta {
                coef += terms[at].1;
                at += 1;
            }
            match theta.checked_sub(1) {
                None => base = coef,
                Some(theta) if lane < RUNS_PER_SLOT => {
                    self.extend(lane, slot, theta, coef);
                    lane += 1;
                }
                Some(theta) => self.entry(slot, theta, coef),
            }
        }
        self.base.push(base);
    }

    /// Goes on with the open run of this lane, or starts another.
    fn extend(&mut self, lane: usize, slot: u32, theta: u32, coef: f64) {
        if let Some(run) = &mut self.open[lane]
            && let Some(stride) = run.next(slot, theta, coef)
        {
            (run.stride, run.len) = (stride, run.len + 1);
            return;
        }
        let next = Run { slot, len: 1, theta, stride: 0, coef };
        if let Some(run) = self.open[lane].replace(next) {
            self.close(run);
        }
    }

    fn close(&mut self, run: Run) {
        if run.len >= SHORTEST_RUN {
            self.runs.push(run);
        } else {
            (0..run.len).for_each(|k| self.entry(run.slot + k, run.theta(k) as u32, run.coef));
        }
    }

    fn entry(&mut self, slot: u32, theta: u32, coef: f64) {
        self.slots.push(slot);
        self.thetas.push(theta);
        self.coefs.push(coef);
    }

    /// To be called after the last slot.
    pub fn finish(mut self) -> Self {
        for lane in 0..RUNS_PER_SLOT {
            if let Some(run) = self.open[lane].take() {
                self.close(run);
            }
        }
        self.runs.shrink_to_fit();
        self.slots.shrink_to_fit();
        self.thetas.shrink_to_fit();
        self.coefs.shrink_to_fit();
        self
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// The data where theta reaches nothing.
    pub fn fixed(&self) -> Option<&[f64]> {
        (self.runs.is_empty() && self.thetas.is_empty()).then_some(&self.base)
    }

    /// Whether any entry of theta that is marked is read.
    pub fn reads(&self, marked: &[bool]) -> bool {
        self.thetas.iter().any(|theta| marked[*theta as usize])
            || self.runs.iter().any(|run| (0..run.len).any(|k| marked[run.theta(k) as usize]))
    }

    /// The constant part.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// All terms: slot, theta, coefficient; in no order.
    pub fn terms(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        let of_run = |run: &'_ Run| {
            let run = *run;
            (0..run.len).map(move |k| ((run.slot + k) as usize, run.theta(k) as usize, run.coef))
        };
        let alone = self.slots.iter().zip(&self.thetas).zip(&self.coefs);
        let alone = alone.map(|((slot, theta), coef)| (*slot as usize, *theta as usize, *coef));
        self.runs.iter().flat_map(of_run).chain(alone)
    }

    /// Cost of an application, in entries.
    pub fn cost(&self) -> usize {
        self.base.len()
            + self.thetas.len()
            + self.runs.iter().map(|run| run.len as usize).sum::<usize>()
    }

    /// `out = base + M theta`.
    pub fn apply(&self, theta: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&self.base);
        self.apply_linear(theta, out);
    }

    /// `out += M theta`.
    pub fn apply_linear(&self, theta: &[f64], out: &mut [f64]) {
        for run in &self.runs {
            let out = &mut out[run.slot as usize..(run.slot + run.len) as usize];
            if run.stride == 1 {
                let theta = &theta[run.theta as usize..][..out.len()];
                out.iter_mut().zip(theta).for_each(|(out, theta)| *out += run.coef * theta);
            } else {
                let mut at = i64::from(run.theta);
                for out in out {
                    *out += run.coef * theta[at as usize];
                    at += run.stride;
                }
            }
        }
        for ((slot, index), coef) in self.slots.iter().zip(&self.thetas).zip(&self.coefs) {
            out[*slot as usize] += coef * theta[*index as usize];
        }
    }

    /// `gradient += M' cotangent`.
    pub fn apply_transpose(&self, cotangent: &[f64], gradient: &mut [f64]) {
        for run in &self.runs {
            let cotangent = &cotangent[run.slot as usize..(run.slot + run.len) as usize];
            if run.stride == 1 {
                let gradient = &mut gradient[run.theta as usize..][..cotangent.len()];
                gradient.iter_mut().zip(cotangent).for_each(|(g, c)| *g += run.coef * c);
                continue;
            }
            let mut at = i64::from(run.theta);
            for c in cotangent {
                gradient[at as usize] += run.coef * c;
                at += run.stride;
            }
        }
        for ((slot, index), coef) in self.slots.iter().zip(&self.thetas).zip(&self.coefs) {
            gradient[*index as usize] += coef * cotangent[*slot as usize];
        }
    }

    /// Whether the arrays fit together and name entries of a theta of this length.
    pub fn is_consistent(&self, theta: usize) -> bool {
        let slots = self.base.len();
        let in_theta = |index: i64| index >= 0 && (index as u64) < theta as u64;
        let run_fits = |run: &Run| {
            run.len > 0
                && u64::from(run.slot) + u64::from(run.len) <= slots as u64
                && run.stride.unsigned_abs() <= theta as u64
                && in_theta(run.theta(0))
                && in_theta(run.theta(run.len - 1))
        };
        self.runs.iter().all(run_fits)
            && self.slots.len() == self.thetas.len()
            && self.coefs.len() == self.thetas.len()
            && self.slots.iter().all(|slot| (*slot as usize) < slots)
            && self.thetas.iter().all(|index| in_theta(i64::from(*index)))
    }
}

#[cfg(test)]
mod tests {
    use super::ParameterMap;

    /// Runs and single entries give the sums that the terms say.
    #[test]
    fn map_and_its_transpose_are_the_sum_of_terms() {
        let slots: Vec<Vec<(u32, f64)>> = (0..40u32)
            .map(|s| match s % 5 {
                0 => vec![(0, 2.0)],
                1 => vec![],
                2 if s > 20 => vec![(3, 1.0), (7, 2.0), (9, -1.0), (0, 1.0), (3, 0.5)],
                _ => vec![(1 + s, 0.5), (41 - s, 0.5)],
            })
            .chain((0..10).map(|s| vec![(1 + 4 * s, 3.0)]))
            .collect();
        let mut map = ParameterMap::new();
        slots.iter().for_each(|terms| map.push(&mut terms.clone()));
        let map = map.finish();
        assert!(map.is_consistent(41) && !map.runs.is_empty() && !map.slots.is_empty());
        let theta: Vec<f64> = (0..41).map(|k| (k as f64).sin()).collect();
        let cotangent: Vec<f64> = (0..50).map(|k| (k as f64).cos()).collect();
        let (mut out, mut gradient) = (vec![0.0; 50], vec![0.0; 41]);
        map.apply(&theta, &mut out);
        map.apply_transpose(&cotangent, &mut gradient);
        let mut expected_gradient = vec![0.0; 41];
        for (s, terms) in slots.iter().enumerate() {
            let mut expected = 0.0;
            for &(t, coef) in terms {
                if t == 0 {
                    expected += coef;
                } else {
                    expected += coef * theta[t as usize - 1];
                    expected_gradient[t as usize - 1] += coef * cotangent[s];
                }
            }
            assert!((out[s] - expected).abs() < 1e-14);
        }
        for (found, expected) in gradient.iter().zip(&expected_gradient) {
            assert!((found - expected).abs() < 1e-14);
        }
    }
}
