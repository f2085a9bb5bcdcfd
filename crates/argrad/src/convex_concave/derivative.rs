//! The derivative at a stationary point: that of the fixed point.
//!
//! A step takes the tangents `l = L(x, theta)` at x and returns `S(l, theta)`, the solution of a
//! convex problem, which is differentiable as that of any layer. A stationary point is a fixed
//! point `x = S(L(x, theta), theta)`, and by the implicit function theorem
//!
//! ```text
//! dx = S_l (L_x dx + L_theta dtheta) + S_theta dtheta
//! ```
//!
//! which is the derivative of the KKT conditions of the problem itself: the second derivatives of
//! what has tangents are in L_x. The equation is solved by its series, each term one product with
//! the derivative of the batch of convex problems; it converges as the sequence did.

use argrad_solver::OnFailure;

use super::layer::ConvexConcaveLayer;
use super::tape::ConvexConcaveTape;
use crate::error::ModelError;
use crate::layer::{LayerTape, check_slices};

/// Change of the series, relative to its sum, at which it ends.
const SERIES_TOLERANCE: f64 = 1e-14;

/// Change at which a series that is out of terms is exact enough.
const SERIES_ACCEPTED: f64 = 1e-9;

/// Most terms of the series.
const SERIES_LIMIT: usize = 2000;

/// Sums of a series by sample, and how much the last term changed them.
struct Series {
    /// By sample: the largest change of the last term, relative to the largest number of the sum.
    change: Vec<f64>,
    terms: usize,
}

impl Series {
    fn new(samples: usize) -> Self {
        Self { change: vec![f64::INFINITY; samples], terms: 0 }
    }

    /// Compares two sums, rows of `size` numbers; whether there is another term to add.
    fn goes_on(&mut self, last: &[Vec<f64>], next: &[Vec<f64>]) -> bool {
        self.terms += 1;
        for (change, (last, next)) in self.change.iter_mut().zip(last.iter().zip(next)) {
            let largest = next.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let moved = last.iter().zip(next).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
            *change = if moved == 0.0 { 0.0 } else { moved / largest };
        }
        self.terms < SERIES_LIMIT && self.change.iter().any(|c| *c > SERIES_TOLERANCE)
    }

    /// Positions of the samples whose series did not converge.
    fn unfinished(&self) -> Vec<usize> {
        let is_open = |at: &usize| self.change[*at].is_nan() || self.change[*at] > SERIES_ACCEPTED;
        (0..self.change.len()).filter(is_open).collect()
    }
}

impl ConvexConcaveLayer {
    /// Gradient of a scalar with respect to the parameters, given its gradient with respect to each
    /// output (`batch` times its size; an empty slice is zero): that of the fixed point, second
    /// derivatives included. That of a shared parameter is the sum over the batch.
    ///
    /// # Errors
    /// Wrong lengths; [`ModelError::NotStationary`] for samples that did not end at a stationary
    /// point, or where the sequence is too slow for its derivative, unless
    /// [`Self::with_differentiation`] says otherwise.
    pub fn backward(
        &self,
        tape: &ConvexConcaveTape,
        cotangents: &[&[f64]],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        let on_failure = self.layer.differentiation().on_failure;
        let outputs = self.parts.outputs;
        let expected: Vec<usize> =
            tape.sizes[..outputs].iter().map(|size| tape.batch * size).collect();
        check_slices("cotangent", cotangents, &expected)?;
        tape.check(on_failure)?;
        let mut gradients: Vec<Vec<f64>> =
            tape.given().into_iter().map(|len| vec![0.0; len]).collect();
        let mut failed: Vec<usize> = tape.failures.iter().map(|(sample, _)| *sample).collect();
        if let Some(inner) = &tape.inner {
            let mut own: Vec<Vec<f64>> = vec![Vec::new(); tape.sizes.len()];
            for (k, cotangent) in cotangents.iter().enumerate().filter(|(_, c)| !c.is_empty()) {
                own[k] = tape.gather(cotangent, tape.sizes[k]);
            }
            let direct = self.step_back(inner, &own)?;
            let (total, pulled, series) = self.adjoint_series(tape, inner, &direct)?;
            let unfinished = series.unfinished();
            self.check_series(tape, &unfinished)?;
            failed.extend(unfinished.iter().map(|at| tape.found[*at]));
            let of_tangents = self.by_parameter(tape, &pulled);
            for (k, gradient) in gradients.iter_mut().enumerate() {
                let size = tape.lengths[k];
                for (at, sample) in tape.found.iter().enumerate() {
                    if failed.contains(sample) {
                        continue;
                    }
                    let to = if tape.shared[k] { 0 } else { sample * size };
                    let own = &of_tangents[k][at * size..(at + 1) * size];
                    gradient[to..to + size].iter_mut().zip(own).for_each(|(g, v)| *g += v);
                    if !tape.shared[k] {
                        let own = &total[k][at * size..(at + 1) * size];
                        gradient[to..to + size].iter_mut().zip(own).for_each(|(g, v)| *g += v);
                    }
                }
                if tape.shared[k] {
                    gradient.iter_mut().zip(&total[k]).for_each(|(g, v)| *g += v);
                }
                self.layer.symmetrize(k, gradient);
            }
        }
        if on_failure == OnFailure::Nan {
            for (k, gradient) in gradients.iter_mut().enumerate().filter(|(k, _)| !tape.shared[*k])
            {
                let size = tape.lengths[k];
                for sample in &failed {
                    gradient[sample * size..(sample + 1) * size].fill(f64::NAN);
                }
            }
        }
        Ok(gradients)
    }

    /// The gradients of one step with respect to all of its parameters.
    fn step_back(
        &self,
        inner: &LayerTape,
        cotangents: &[Vec<f64>],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        let slices: Vec<&[f64]> = cotangents.iter().map(Vec::as_slice).collect();
        Ok(self.layer.backward(inner, &slices)?.values)
    }

    /// The sum of the series for the adjoint: the gradients of the step's parameters, and, by
    /// sample, those that come by way of the tangents, with respect to the function's inputs.
    #[expect(clippy::type_complexity, reason = "two sums and how they converged")]
    fn adjoint_series(
        &self,
        tape: &ConvexConcaveTape,
        inner: &LayerTape,
        direct: &[Vec<f64>],
    ) -> Result<(Vec<Vec<f64>>, Vec<Vec<f64>>, Series), ModelError> {
        let mut total = direct.to_vec();
        let mut pulled = self.pull_back(tape, &total);
        let mut series = Series::new(tape.found.len());
        loop {
            let mut own: Vec<Vec<f64>> = vec![Vec::new(); tape.sizes.len()];
            let mut first = 0;
            for k in &self.parts.variables {
                let size = tape.sizes[*k];
                let of = pulled.iter().flat_map(|x| &x[first..first + size]).copied().collect();
                own[*k] = of;
                first += size;
            }
            let next = self.step_back(inner, &own)?;
            for (total, (direct, next)) in total.iter_mut().zip(direct.iter().zip(next)) {
                *total = direct.iter().zip(next).map(|(a, b)| a + b).collect();
            }
            let moved = self.pull_back(tape, &total);
            let goes_on = series.goes_on(&pulled, &moved);
            pulled = moved;
            if !goes_on {
                return Ok((total, pulled, series));
            }
        }
    }

    /// From gradients of the step's parameters, by way of the tangents, to those of the function's
    /// inputs, by sample.
    fn pull_back(&self, tape: &ConvexConcaveTape, gradients: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let parts = &self.parts;
        let own = &gradients[parts.parameters..parts.parameters + parts.tangents.count()];
        let samples = tape.found.len();
        let of = |at: usize| {
            let slices: Vec<&[f64]> = own
                .iter()
                .map(|numbers| {
                    let size = numbers.len() / samples;
                    &numbers[at * size..(at + 1) * size]
                })
                .collect();
            parts.tangents.pull_back(&parts.function, &tape.thetas[at], &tape.points[at], &slices)
        };
        (0..samples).map(of).collect()
    }

    /// Gradients of the function's parameters, by sample, as arrays of each parameter.
    fn by_parameter(&self, tape: &ConvexConcaveTape, pulled: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut first = tape.points.first().map_or(0, Vec::len);
        let mut out = Vec::with_capacity(tape.lengths.len());
        for len in &tape.lengths {
            out.push(pulled.iter().flat_map(|x| &x[first..first + len]).copied().collect());
            first += len;
        }
        out
    }

    fn check_series(
        &self,
        tape: &ConvexConcaveTape,
        unfinished: &[usize],
    ) -> Result<(), ModelError> {
        if self.layer.differentiation().on_failure != OnFailure::Error || unfinished.is_empty() {
            return Ok(());
        }
        let text = "the series of the derivative does not converge: the point is degenerate, or \
                    the sequence very slow there";
        let of = |at: &usize| (tape.found[*at], text.to_owned());
        Err(ModelError::NotStationary(unfinished.iter().map(of).collect()))
    }

    /// Directional derivative of the outputs along a change of the parameters, each of the length
    /// of its value (an empty slice is zero).
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn jvp(
        &self,
        tape: &ConvexConcaveTape,
        tangents: &[&[f64]],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        let on_failure = self.layer.differentiation().on_failure;
        check_slices("tangent", tangents, &tape.given())?;
        tape.check(on_failure)?;
        let missing = if on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
        let sizes = &tape.sizes[..self.parts.outputs];
        let mut out: Vec<Vec<f64>> =
            sizes.iter().map(|size| vec![missing; tape.batch * size]).collect();
        let Some(inner) = &tape.inner else { return Ok(out) };
        // Of each parameter as the step takes it.
        let own: Vec<Vec<f64>> = (0..tangents.len())
            .map(|k| match (tangents[k].is_empty(), tape.shared[k]) {
                (true, true) => vec![0.0; tape.lengths[k]],
                (true, false) => vec![0.0; tape.found.len() * tape.lengths[k]],
                (_, true) => tangents[k].to_vec(),
                (_, false) => tape.gather(tangents[k], tape.lengths[k]),
            })
            .collect();
        let mut points: Vec<Vec<f64>> = tape.points.iter().map(|x| vec![0.0; x.len()]).collect();
        let mut series = Series::new(tape.found.len());
        let moved = loop {
            let moved = self.step_forward(tape, inner, &own, &points)?;
            let next: Vec<Vec<f64>> =
                (0..tape.found.len()).map(|at| self.point_of(tape, &moved, at)).collect();
            let goes_on = series.goes_on(&points, &next);
            points = next;
            if !goes_on {
                break moved;
            }
        };
        let unfinished = series.unfinished();
        self.check_series(tape, &unfinished)?;
        for (at, sample) in tape.found.iter().enumerate() {
            if unfinished.contains(&at) || !tape.is_stationary(at) {
                continue;
            }
            for (k, size) in sizes.iter().enumerate() {
                out[k][sample * size..(sample + 1) * size]
                    .copy_from_slice(&moved[k][at * size..(at + 1) * size]);
            }
        }
        Ok(out)
    }

    /// The tangents of a step's outputs where its parameters and the points move.
    fn step_forward(
        &self,
        tape: &ConvexConcaveTape,
        inner: &LayerTape,
        parameters: &[Vec<f64>],
        points: &[Vec<f64>],
    ) -> Result<Vec<Vec<f64>>, ModelError> {
        let parts = &self.parts;
        let mut of_tangents = vec![Vec::new(); parts.tangents.count()];
        for (at, x) in points.iter().enumerate() {
            let mut direction = x.clone();
            for (k, values) in parameters.iter().enumerate() {
                let len = tape.lengths[k];
                let first = if tape.shared[k] { 0 } else { at * len };
                direction.extend_from_slice(&values[first..first + len]);
            }
            let (theta, point) = (&tape.thetas[at], &tape.points[at]);
            let moved = parts.tangents.push_forward(&parts.function, theta, point, &direction);
            of_tangents.iter_mut().zip(moved).for_each(|(all, own)| all.extend(own));
        }
        let mut slices: Vec<&[f64]> =
            parameters.iter().chain(&of_tangents).map(Vec::as_slice).collect();
        if !parts.slacks.is_empty() {
            slices.push(&[]);
        }
        Ok(self.layer.jvp(inner, &slices)?.values)
    }

    /// The numbers of all variables, from arrays of the step's outputs.
    fn point_of(&self, tape: &ConvexConcaveTape, outputs: &[Vec<f64>], at: usize) -> Vec<f64> {
        let of = |k: &usize| {
            let size = tape.sizes[*k];
            outputs[*k][at * size..(at + 1) * size].iter().copied()
        };
        self.parts.variables.iter().flat_map(of).collect()
    }
}
