//! A compiled quasiconvex problem, and its solve.

use std::sync::Arc;

use argrad_solver::{Device, Differentiation, OnFailure, Report, Settings, Slot, Status};

use super::bracket::{Bracket, Outcome, State};
use super::tape::QuasiconvexTape;
use crate::algebra::Shape;
use crate::atom::Side;
use crate::error::ModelError;
use crate::expression::Key;
use crate::function::Function;
use crate::layer::{Layer, Outputs};

/// A compiled quasiconvex problem: a differentiable function of its parameters, in batches.
#[derive(Clone, Debug)]
pub struct QuasiconvexLayer {
    /// Minimizes the residual of a level, which is its last parameter; what it returns beyond the
    /// layer's own outputs are the variables of the objective.
    pub(super) layer: Layer,
    /// As `layer`; samples without a solution have NaN.
    lenient: Layer,
    pub(super) parts: Parts,
}

/// What a layer knows beyond the convex problem of a level.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// Number of outputs that the user asked for.
    pub outputs: usize,
    /// The objective as a function of its variables and all parameters.
    pub objective: Function,
    /// Which outputs of the convex problem the variables of the objective are.
    pub variables: Vec<usize>,
    /// Levels of monotone functions and those of their arguments, in turn, as functions of the
    /// parameters and the level.
    pub ranges: Function,
    /// The side of each, and whether it depends on the level.
    pub range_sides: Vec<(Side, bool)>,
    /// 1 where the objective is minimized, -1 where it is maximized.
    pub sign: f64,
    /// Bounds of the level, as minimized.
    pub floor: f64,
    /// The same from above.
    pub ceiling: f64,
}

/// How the search for the optimal level of one sample went.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LevelReport {
    /// Levels that were tried, one convex problem each.
    pub steps: u32,
    /// Whether the optimal level is a differentiable function of the parameters: false where it
    /// jumps (`length`, `ceil`), and its derivative is zero.
    pub moves: bool,
}

/// What a forward pass of a quasiconvex layer returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QuasiconvexOutputs {
    /// Number of samples.
    pub batch: usize,
    /// The outputs in the order in which they were asked for, `batch` times the size of each; NaN
    /// for samples without a solution.
    pub values: Vec<Vec<f64>>,
    /// The optimal value of each sample.
    pub objective: Vec<f64>,
    /// How the convex problem of the optimal level went. Whether the solution is unique
    /// ([`Report::is_unique`]) is said here.
    pub reports: Vec<Report>,
    /// How the search for the level went.
    pub levels: Vec<LevelReport>,
}

impl std::ops::Index<usize> for QuasiconvexOutputs {
    type Output = [f64];

    fn index(&self, output: usize) -> &[f64] {
        &self.values[output]
    }
}

impl QuasiconvexLayer {
    pub(super) fn new(layer: Layer, parts: Parts) -> Self {
        let lenient = lenient(&layer);
        Self { layer, lenient, parts }
    }

    /// The same layer with other settings of the solver.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn with_settings(self, settings: Settings) -> Result<Self, ModelError> {
        Ok(Self::new(self.layer.with_settings(settings)?, self.parts))
    }

    /// The same layer on a device, as [`Layer::on`].
    ///
    /// # Errors
    /// As [`Layer::on`].
    pub fn on(self, device: Arc<dyn Device>) -> Result<Self, ModelError> {
        Ok(Self::new(self.layer.on(device)?, self.parts))
    }

    /// The same layer, differentiated in another way.
    pub fn with_differentiation(self, how: Differentiation) -> Self {
        Self::new(self.layer.with_differentiation(how), self.parts)
    }

    /// The convex layer that minimizes the residual of a level, its last parameter.
    pub fn level_layer(&self) -> &Layer {
        &self.layer
    }

    /// Name and number of values of each parameter, in the order of [`Self::forward`].
    pub fn parameters(&self) -> impl Iterator<Item = (&str, usize)> {
        self.layer.parameters().take(self.own_parameters())
    }

    /// Position of an output, in [`QuasiconvexOutputs::values`] and among cotangents.
    ///
    /// # Errors
    /// As [`Layer::output`].
    pub fn output(&self, key: impl Into<Key>) -> Result<usize, ModelError> {
        self.layer.output(key)
    }

    pub(super) fn own_parameters(&self) -> usize {
        self.layer.parameters().count() - 1
    }

    /// Solves a batch, and keeps what a derivative needs. A parameter of k numbers is given by k
    /// numbers, which all samples share, or by `batch * k`. All samples are searched together: each
    /// step is one batch of convex problems, of the samples whose level is not yet found.
    ///
    /// # Errors
    /// Values that are not those of the parameters: [`ModelError::Value`] says which. A sample
    /// without a solution is not an error but a [`Report`].
    pub fn forward(
        &self,
        parameters: &[&[f64]],
    ) -> Result<(QuasiconvexOutputs, QuasiconvexTape), ModelError> {
        let (batch, slots) = self.slots(parameters)?;
        let brackets = self.search(batch, &slots)?;
        self.finish(batch, &slots, &brackets)
    }

    /// [`Self::forward`] without a tape.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn solve(&self, parameters: &[&[f64]]) -> Result<QuasiconvexOutputs, ModelError> {
        Ok(self.forward(parameters)?.0)
    }

    /// Batch and slots, which are checked.
    fn slots<'p>(&self, parameters: &[&'p [f64]]) -> Result<(usize, Vec<Slot<'p>>), ModelError> {
        let expected = self.own_parameters();
        if parameters.len() != expected {
            let names: Vec<&str> = self.parameters().map(|(name, _)| name).collect();
            return Err(ModelError::Parameters(format!(
                "expected the values of {expected} parameters ({}), found {}",
                names.join(", "),
                parameters.len()
            )));
        }
        const LEVEL: &[f64] = &[0.0];
        let all: Vec<&[f64]> = parameters.iter().copied().chain([LEVEL]).collect();
        let (batch, mut slots) = self.layer.infer(&all)?;
        self.layer.check(batch, &slots)?;
        slots.pop();
        Ok((batch, slots))
    }

    /// The optimal level of each sample.
    fn search(&self, batch: usize, slots: &[Slot<'_>]) -> Result<Vec<Bracket>, ModelError> {
        let parts = &self.parts;
        let mut brackets = vec![Bracket::new(parts.floor, parts.ceiling); batch];
        loop {
            let mut tried = Vec::new();
            for (sample, bracket) in brackets.iter_mut().enumerate() {
                if bracket.state != State::Searching {
                    continue;
                }
                match self.out_of_range(slots, sample, parts.sign * bracket.trial) {
                    Some(outcome) => bracket.learn(outcome),
                    None => tried.push(sample),
                }
            }
            if tried.is_empty() {
                if brackets.iter().all(|bracket| bracket.state != State::Searching) {
                    return Ok(brackets);
                }
                continue;
            }
            let levels: Vec<f64> =
                tried.iter().map(|at| parts.sign * brackets[*at].trial).collect();
            let outcomes = self.try_levels(slots, &tried, &levels)?;
            for (sample, outcome) in tried.iter().zip(outcomes) {
                brackets[*sample].learn(outcome);
            }
        }
    }

    /// What follows where a function of the level has no value: nothing has to be solved.
    fn out_of_range(&self, slots: &[Slot<'_>], sample: usize, level: f64) -> Option<Outcome> {
        let parts = &self.parts;
        if parts.range_sides.is_empty() {
            return None;
        }
        let own = [level];
        let theta = parts.ranges.evaluate(self.numbers(slots, sample).chain([&own[..]]));
        let mut found = None;
        for (at, (side, moves)) in parts.range_sides.iter().enumerate() {
            let outer = parts.ranges.value(&theta, 2 * at);
            if outer.iter().any(|v| !v.is_finite()) {
                continue; // It is what another function made of a level out of its range.
            }
            let values = parts.ranges.value(&theta, 2 * at + 1);
            let high = values.contains(&f64::INFINITY);
            let low = values.iter().any(|v| v.is_nan() || *v == f64::NEG_INFINITY);
            match (low || high, (*side == Side::Below) == low, moves) {
                (false, ..) => {}
                (_, true, false) => return Some(Outcome::Failed(Status::PrimalInfeasible)),
                (_, true, true) => return Some(Outcome::Empty),
                (_, false, true) => found = Some(Outcome::Everything),
                // A constraint that says nothing; the layer refuses its number by name.
                (_, false, false) => {}
            }
        }
        found
    }

    /// The numbers of the parameters of one sample.
    fn numbers<'p>(
        &self,
        slots: &[Slot<'p>],
        sample: usize,
    ) -> impl Iterator<Item = &'p [f64]> + use<'p> {
        let lengths: Vec<usize> = self.layer.parameters().map(|(_, len)| len).collect();
        let slots = slots.to_vec();
        slots.into_iter().zip(lengths).map(move |(slot, len)| slot.sample(sample, len))
    }

    /// Solves the convex problems of these samples at these levels.
    fn try_levels(
        &self,
        slots: &[Slot<'_>],
        samples: &[usize],
        levels: &[f64],
    ) -> Result<Vec<Outcome>, ModelError> {
        let sign = self.parts.sign;
        let gathered = self.gather(slots, samples);
        let own = with_level(slots, &gathered, levels);
        let (outputs, tape) = self.lenient.forward_slots(samples.len(), &own, None)?;
        let slopes = self.lenient.value_gradient(&tape, &vec![1.0; samples.len()])?;
        let slopes = slopes.last().map_or(&[][..], Vec::as_slice);
        let outcome = |(at, report): (usize, &Report)| match report.status {
            Status::DualInfeasible => Outcome::Unbounded,
            status if status.is_solved() => Outcome::Solved {
                residual: outputs.objective[at],
                slope: sign * slopes[at],
                attained: sign * self.attained(slots, samples[at], &outputs, at),
            },
            status => Outcome::Failed(status),
        };
        Ok(outputs.reports.iter().enumerate().map(outcome).collect())
    }

    /// The objective of a sample at position `at` of the outputs of the convex problems.
    fn attained(&self, slots: &[Slot<'_>], sample: usize, outputs: &Outputs, at: usize) -> f64 {
        let function = &self.parts.objective;
        let x = self.parts.variables.iter().map(|output| {
            let values = &outputs.values[*output];
            let size = values.len() / outputs.batch;
            &values[at * size..(at + 1) * size]
        });
        let theta = function.evaluate(x.chain(self.numbers(slots, sample)));
        function.value(&theta, 0)[0]
    }

    /// The numbers of some samples, where they are not shared.
    fn gather(&self, slots: &[Slot<'_>], samples: &[usize]) -> Vec<Vec<f64>> {
        let gather = |(slot, (_, len)): (&Slot<'_>, (&str, usize))| match slot {
            Slot::Shared(_) => Vec::new(),
            Slot::Each(_) => samples.iter().flat_map(|at| slot.sample(*at, len)).copied().collect(),
        };
        slots.iter().zip(self.layer.parameters()).map(gather).collect()
    }

    /// The convex problems at the optimal levels, with their tape.
    fn finish(
        &self,
        batch: usize,
        slots: &[Slot<'_>],
        brackets: &[Bracket],
    ) -> Result<(QuasiconvexOutputs, QuasiconvexTape), ModelError> {
        let sign = self.parts.sign;
        let found: Vec<usize> =
            (0..batch).filter(|at| brackets[*at].state == State::Found).collect();
        let levels: Vec<f64> = found.iter().map(|at| sign * brackets[*at].trial).collect();
        let shapes: Vec<Shape> = self.layer.outputs().map(|(_, shape)| shape).collect();
        let mut outputs = QuasiconvexOutputs {
            batch,
            values: shapes[..self.parts.outputs]
                .iter()
                .map(|shape| vec![f64::NAN; batch * shape.size()])
                .collect(),
            objective: brackets.iter().map(|bracket| self.value_of_failure(bracket)).collect(),
            reports: brackets.iter().map(report_of_failure).collect(),
            levels: brackets
                .iter()
                .map(|bracket| LevelReport { steps: bracket.steps, moves: false })
                .collect(),
        };
        let gathered = self.gather(slots, &found);
        let own = with_level(slots, &gathered, &levels);
        let tape = match found.len() {
            0 => None,
            count => Some(self.layer.forward_slots(count, &own, None)?),
        };
        let mut slopes = Vec::new();
        if let Some((solved, inner)) = &tape {
            let gradient = self.lenient.value_gradient(inner, &vec![1.0; found.len()])?;
            slopes = gradient.last().cloned().unwrap_or_default();
            for (at, sample) in found.iter().enumerate() {
                outputs.reports[*sample] = solved.reports[at];
                outputs.levels[*sample].moves = sign * slopes[at] < 0.0;
                if !solved.reports[at].is_solved() {
                    continue;
                }
                outputs.objective[*sample] = levels[at];
                for (shape, (to, from)) in
                    shapes.iter().zip(outputs.values.iter_mut().zip(&solved.values))
                {
                    let size = shape.size();
                    to[sample * size..(sample + 1) * size]
                        .copy_from_slice(&from[at * size..(at + 1) * size]);
                }
            }
        }
        let lengths: Vec<usize> = self.layer.parameters().map(|(_, len)| len).collect();
        let tape = QuasiconvexTape {
            batch,
            found,
            inner: tape,
            slopes,
            shared: slots.iter().map(Slot::is_shared).collect(),
            lengths: lengths[..slots.len()].to_vec(),
            sizes: shapes[..self.parts.outputs].iter().map(Shape::size).collect(),
            failures: outputs
                .reports
                .iter()
                .enumerate()
                .filter(|(_, report)| !report.is_solved())
                .map(|(at, report)| (at, report.status))
                .collect(),
        };
        Ok((outputs, tape))
    }

    /// The optimal value where there is no solution.
    fn value_of_failure(&self, bracket: &Bracket) -> f64 {
        match bracket.state {
            State::Failed(Status::PrimalInfeasible) => self.parts.sign * f64::INFINITY,
            State::Failed(Status::DualInfeasible) => self.parts.sign * f64::NEG_INFINITY,
            _ => f64::NAN,
        }
    }
}

fn report_of_failure(bracket: &Bracket) -> Report {
    let mut report = Report::default();
    if let State::Failed(status) = bracket.state {
        report.status = status;
    }
    report
}

/// The parameters of some samples, with the level as the last one.
fn with_level<'s>(
    slots: &[Slot<'s>],
    gathered: &'s [Vec<f64>],
    levels: &'s [f64],
) -> Vec<Slot<'s>> {
    let own = slots.iter().zip(gathered).map(|(slot, gathered)| match slot {
        Slot::Shared(values) => Slot::Shared(values),
        Slot::Each(_) => Slot::Each(gathered),
    });
    own.chain([Slot::Each(levels)]).collect()
}

/// The same layer, where samples without a solution have NaN for a derivative.
fn lenient(layer: &Layer) -> Layer {
    let how = Differentiation { on_failure: OnFailure::Nan, ..Differentiation::default() };
    layer.clone().with_differentiation(how)
}
