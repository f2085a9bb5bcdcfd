//! The oracle as the solver uses it: for some samples of the batch, with checked answers.

use argrad_solver::Slot;

use super::check;
use super::error::ArgminError;
use super::oracle::{FunctionValues, KktVector, Multipliers, Oracle, Points};
use super::point::Point;
use super::problem::Dimensions;

/// An oracle with the parameters of a batch.
pub(super) struct Evaluator<'a, O> {
    pub(super) oracle: &'a O,
    pub(super) size: Dimensions,
    pub(super) theta: Slot<'a>,
}

/// Values of one sample: f and (h, g).
pub(super) struct Values {
    pub(super) objective: f64,
    pub(super) c: Vec<f64>,
}

impl Values {
    pub(super) fn is_finite(&self) -> bool {
        self.objective.is_finite() && self.c.iter().all(|v| v.is_finite())
    }
}

impl<O: Oracle> Evaluator<'_, O> {
    fn theta_of(&self, samples: &[usize]) -> Vec<f64> {
        let len = self.size.theta;
        samples.iter().flat_map(|&k| self.theta.sample(k, len).iter().copied()).collect()
    }

    /// f and (h, g) of these samples at `y` (samples x n).
    pub(super) fn values(&self, samples: &[usize], y: &[f64]) -> Result<Vec<Values>, ArgminError> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let theta = self.theta_of(samples);
        let at = Points { samples, theta: &theta, y };
        let FunctionValues { objective, equalities, inequalities } = self.oracle.values(&at)?;
        let count = samples.len();
        let [h, g] = [self.size.equalities, self.size.inequalities];
        check::answer("values: objective", &objective, count)?;
        check::answer("values: equalities", &equalities, count * h)?;
        check::answer("values: inequalities", &inequalities, count * g)?;
        let one = |(k, objective)| {
            let c = [&equalities[k * h..(k + 1) * h], &inequalities[k * g..(k + 1) * g]].concat();
            Values { objective, c }
        };
        Ok(objective.into_iter().enumerate().map(one).collect())
    }

    /// Fills in the derivatives at points whose y and lambda are set.
    pub(super) fn derivatives(
        &self,
        samples: &[usize],
        points: &mut [&mut Point],
    ) -> Result<(), ArgminError> {
        if samples.is_empty() {
            return Ok(());
        }
        let theta = self.theta_of(samples);
        let y: Vec<f64> = points.iter().flat_map(|p| p.y.iter().copied()).collect();
        let [nu, mu] = self.multipliers(points.iter().map(|p| p.lambda.as_slice()));
        let at = Points { samples, theta: &theta, y: &y };
        let multipliers = Multipliers { equalities: &nu, inequalities: &mu };
        let found = self.oracle.derivatives(&at, &multipliers)?;
        let (count, n) = (samples.len(), self.size.y);
        let [h, g] = [self.size.equalities * n, self.size.inequalities * n];
        check::answer("derivatives: objective", &found.objective, count * n)?;
        check::answer("derivatives: equalities", &found.equalities, count * h)?;
        check::answer("derivatives: inequalities", &found.inequalities, count * g)?;
        check::answer("derivatives: hessian", &found.hessian, count * n * n)?;
        for (k, point) in points.iter_mut().enumerate() {
            let (h_y, g_y) = (&found.equalities[k * h..][..h], &found.inequalities[k * g..][..g]);
            point.f_y = found.objective[k * n..(k + 1) * n].to_vec();
            point.gradients = [h_y, g_y].concat();
            point.hessian = found.hessian[k * n * n..(k + 1) * n * n].to_vec();
        }
        Ok(())
    }

    /// (nu, mu) of several samples as nu of all, then mu of all.
    pub(super) fn multipliers<'b>(
        &self,
        lambda: impl Iterator<Item = &'b [f64]> + Clone,
    ) -> [Vec<f64>; 2] {
        let split = self.size.equalities;
        [
            lambda.clone().flat_map(|l| l[..split].iter().copied()).collect(),
            lambda.flat_map(|l| l[split..].iter().copied()).collect(),
        ]
    }

    /// Checked answer of [`Oracle::mixed_jvp`].
    pub(super) fn mixed_jvp(
        &self,
        at: &Points<'_>,
        multipliers: &Multipliers<'_>,
        tangent: &[f64],
    ) -> Result<KktVector, ArgminError> {
        let moved = self.oracle.mixed_jvp(at, multipliers, tangent)?;
        let (count, size) = (at.count(), self.size);
        check::answer("mixed_jvp: y", &moved.y, count * size.y)?;
        check::answer("mixed_jvp: equalities", &moved.equalities, count * size.equalities)?;
        check::answer("mixed_jvp: inequalities", &moved.inequalities, count * size.inequalities)?;
        Ok(moved)
    }
}
