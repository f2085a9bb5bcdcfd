//! The sequence of convex problems.

use argrad_solver::{Report, Slot, Status};

use super::layer::{ConvexConcaveLayer, ConvexConcaveOutputs, Sequence};
use super::point::{PointKind, SequenceReport};
use super::start::Start;
use super::tape::ConvexConcaveTape;
use crate::algebra::Shape;
use crate::error::ModelError;
use crate::layer::Outputs;

/// Slacks this small, relative to the largest term that has a tangent, are none.
const NO_SLACK: f64 = 1e-8;

/// How much the weight of the slacks may grow from where it starts.
const LARGEST_GROWTH: f64 = 1e8;

/// Factor that takes a weight of the slacks strictly above the multipliers.
const ABOVE_MULTIPLIERS: f64 = 10.0;

/// The sequence of one sample from one start.
pub(super) struct Job {
    sample: usize,
    /// The numbers of all variables.
    x: Vec<f64>,
    penalty: f64,
    first_penalty: f64,
    report: SequenceReport,
    active: bool,
    /// The objective at x, as minimized.
    objective: f64,
}

impl Job {
    fn fail(&mut self, status: Status) {
        self.report.kind = PointKind::NoPoint(status);
        self.active = false;
    }

    /// Takes a step's point, and says whether the sequence ends there.
    fn advance(&mut self, x: Vec<f64>, slack: f64, sequence: &Sequence) {
        let largest = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let change = x.iter().zip(&self.x).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        self.report.residual = if largest > 0.0 { change / largest } else { change };
        let shrinks = slack < 0.5 * self.report.slack;
        self.report.slack = slack;
        self.report.steps += 1;
        self.x = x;
        let has_slack = slack > NO_SLACK;
        let rests = self.report.residual <= sequence.tolerance;
        let may_grow = self.penalty < LARGEST_GROWTH * self.first_penalty;
        // A weight above the multipliers is enough, and one far above them slows the sequence down.
        if has_slack && may_grow && (rests || !shrinks) {
            self.penalty *= sequence.growth;
        } else if rests {
            self.report.kind = if has_slack { PointKind::SlackLeft } else { PointKind::Stationary };
            self.active = false;
        }
        if self.active && self.report.steps >= sequence.limit {
            self.active = false;
        }
    }

    /// The weight of the slacks in the problem that is differentiated. Where there are no slacks
    /// any larger weight has the same solution; at one that equals a multiplier, as the first
    /// weight may by chance, the bound of a slack would be weakly active.
    fn last_penalty(&self) -> f64 {
        match self.report.kind {
            PointKind::Stationary => ABOVE_MULTIPLIERS * self.penalty,
            _ => self.penalty,
        }
    }

    /// How good the end is: points before none, without slack before with it, then the objective.
    fn rank(&self) -> (u8, f64) {
        match self.report.kind {
            PointKind::NoPoint(_) => (3, 0.0),
            _ if self.report.slack > NO_SLACK => (2, self.report.slack),
            PointKind::Stationary => (0, self.objective),
            _ => (1, self.objective),
        }
    }
}

impl ConvexConcaveLayer {
    /// Runs all sequences to their end, and returns the best of each sample.
    pub(super) fn run(
        &self,
        slots: &[Slot<'_>],
        starts: Vec<Start>,
    ) -> Result<Vec<Job>, ModelError> {
        let mut jobs: Vec<Job> = starts.into_iter().map(|start| self.job(slots, start)).collect();
        while jobs.iter().any(|job| job.active) {
            self.step(slots, &mut jobs)?;
        }
        for job in &mut jobs {
            let theta = self.theta(slots, job.sample, &job.x);
            job.objective = self.parts.sign * self.parts.function.value(&theta, 0)[0];
        }
        let mut best: Vec<Job> = Vec::new();
        for job in jobs {
            match best.last_mut() {
                Some(known) if known.sample == job.sample => {
                    if job.rank() < known.rank() {
                        *known = job;
                    }
                }
                _ => best.push(job),
            }
        }
        Ok(best)
    }

    fn job(&self, slots: &[Slot<'_>], start: Start) -> Job {
        let penalty = self.first_penalty(slots, &start);
        let report = SequenceReport {
            kind: PointKind::IterationLimit,
            residual: f64::INFINITY,
            slack: 0.0,
            steps: 0,
            start: start.number,
        };
        Job {
            sample: start.sample,
            x: start.x,
            penalty,
            first_penalty: penalty,
            report,
            active: true,
            objective: f64::NAN,
        }
    }

    /// The steps of the function at a point of a sample.
    pub(super) fn theta(&self, slots: &[Slot<'_>], sample: usize, x: &[f64]) -> Vec<f64> {
        self.parts.function.evaluate([x].into_iter().chain(self.sample(slots, sample)))
    }

    /// The size of a multiplier: the gradient of the objective by that of the constraints, in the
    /// largest element each. One where either is zero, since any weight will do then.
    fn first_penalty(&self, slots: &[Slot<'_>], start: &Start) -> f64 {
        let function = &self.parts.function;
        let theta = self.theta(slots, start.sample, &start.x);
        let largest = |root: usize| {
            let ones = vec![1.0; function.value(&theta, root).len()];
            let gradient = function.gradient(&theta, root, &ones);
            gradient[..start.x.len()].iter().fold(0.0f64, |m, v| m.max(v.abs()))
        };
        let constraints = (1..=self.parts.relaxed).map(largest).fold(0.0, f64::max);
        let ratio = largest(0) / constraints;
        if ratio > 0.0 && ratio.is_finite() { ratio } else { 1.0 }
    }

    /// One convex problem for each sequence that goes on.
    fn step(&self, slots: &[Slot<'_>], jobs: &mut [Job]) -> Result<(), ModelError> {
        let (mut taken, mut tangents, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for (at, job) in jobs.iter_mut().enumerate().filter(|(_, job)| job.active) {
            let theta = self.theta(slots, job.sample, &job.x);
            let numbers = self.parts.tangents.numbers(&self.parts.function, &theta, &job.x);
            if numbers.iter().flatten().all(|v| v.is_finite()) {
                sizes.push(self.parts.tangents.size(&numbers, &job.x));
                taken.push(at);
                tangents.push(numbers);
            } else {
                // Outside of a function's domain.
                job.fail(Status::NumericalTrouble);
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        let samples: Vec<usize> = taken.iter().map(|at| jobs[*at].sample).collect();
        let penalties: Vec<f64> = taken.iter().map(|at| jobs[*at].penalty).collect();
        let own = self.numbers(slots, &samples, &tangents, &penalties);
        let outputs = self.layer.solve_slots(taken.len(), &own.slots(slots), None)?;
        for (at, job) in taken.into_iter().enumerate() {
            let job = &mut jobs[job];
            match outputs.reports[at].status {
                status if status.is_solved() => {
                    let x = self.point(&outputs, at);
                    let slack: f64 =
                        self.parts.slacks.iter().flat_map(|k| sample_of(&outputs, *k, at)).sum();
                    let slack = if slack > 0.0 { slack / sizes[at] } else { 0.0 };
                    job.advance(x, slack, &self.sequence);
                }
                status => job.fail(status),
            }
        }
        Ok(())
    }

    /// The numbers of all variables, from the outputs of a step.
    fn point(&self, outputs: &Outputs, at: usize) -> Vec<f64> {
        let variables = self.parts.variables.iter();
        variables.flat_map(|k| sample_of(outputs, *k, at)).copied().collect()
    }

    /// The parameters of steps.
    fn numbers(
        &self,
        slots: &[Slot<'_>],
        samples: &[usize],
        tangents: &[Vec<Vec<f64>>],
        penalties: &[f64],
    ) -> StepNumbers {
        let lengths = self.layer.parameters().map(|(_, len)| len);
        let gather = |(slot, len): (&Slot<'_>, usize)| match slot {
            Slot::Shared(_) => Vec::new(),
            Slot::Each(_) => samples.iter().flat_map(|at| slot.sample(*at, len)).copied().collect(),
        };
        let mut rest: Vec<Vec<f64>> = (0..self.parts.tangents.count())
            .map(|k| tangents.iter().flat_map(|numbers| numbers[k].iter()).copied().collect())
            .collect();
        if !self.parts.slacks.is_empty() {
            rest.push(penalties.to_vec());
        }
        StepNumbers { own: slots.iter().zip(lengths).map(gather).collect(), rest }
    }

    /// One more step from the points that were found, with its tape.
    pub(super) fn finish(
        &self,
        batch: usize,
        slots: &[Slot<'_>],
        jobs: &[Job],
    ) -> Result<(ConvexConcaveOutputs, ConvexConcaveTape), ModelError> {
        let shapes: Vec<Shape> = self.layer.outputs().map(|(_, shape)| shape).collect();
        let own_shapes = &shapes[..self.parts.outputs];
        let mut outputs = ConvexConcaveOutputs {
            batch,
            values: own_shapes.iter().map(|s| vec![f64::NAN; batch * s.size()]).collect(),
            objective: vec![f64::NAN; batch],
            sequences: jobs.iter().map(|job| job.report).collect(),
            reports: vec![Report::default(); batch],
        };
        let is_point = |job: &&Job| !matches!(job.report.kind, PointKind::NoPoint(_));
        let found: Vec<&Job> = jobs.iter().filter(is_point).collect();
        let (mut thetas, mut tangents) = (Vec::new(), Vec::new());
        for job in &found {
            let theta = self.theta(slots, job.sample, &job.x);
            tangents.push(self.parts.tangents.numbers(&self.parts.function, &theta, &job.x));
            thetas.push(theta);
        }
        for job in jobs {
            if let PointKind::NoPoint(status) = job.report.kind {
                outputs.reports[job.sample].status = status;
            }
        }
        let finite: Vec<usize> = (0..found.len())
            .filter(|at| tangents[*at].iter().flatten().all(|v| v.is_finite()))
            .collect();
        let keep = |at: &usize| found[*at].sample;
        let samples: Vec<usize> = finite.iter().map(keep).collect();
        let points: Vec<Vec<f64>> = finite.iter().map(|at| found[*at].x.clone()).collect();
        let thetas: Vec<Vec<f64>> = finite.iter().map(|at| thetas[*at].clone()).collect();
        let tangents: Vec<Vec<Vec<f64>>> = finite.iter().map(|at| tangents[*at].clone()).collect();
        let penalties: Vec<f64> = finite.iter().map(|at| found[*at].last_penalty()).collect();
        let own = self.numbers(slots, &samples, &tangents, &penalties);
        let inner = match samples.len() {
            0 => None,
            count => Some(self.layer.forward_slots(count, &own.slots(slots), None)?),
        };
        if let Some((solved, _)) = &inner {
            for (at, sample) in samples.iter().enumerate() {
                outputs.reports[*sample] = solved.reports[at];
                let theta = self.theta(slots, *sample, &self.point(solved, at));
                outputs.objective[*sample] = self.parts.function.value(&theta, 0)[0];
                for (k, shape) in own_shapes.iter().enumerate() {
                    let size = shape.size();
                    outputs.values[k][sample * size..(sample + 1) * size]
                        .copy_from_slice(sample_of(solved, k, at));
                }
            }
        }
        let lengths: Vec<usize> = self.layer.parameters().map(|(_, len)| len).collect();
        let failures = outputs.sequences.iter().enumerate();
        let failures = failures.filter(|(_, sequence)| sequence.kind != PointKind::Stationary);
        let tape = ConvexConcaveTape {
            batch,
            found: samples,
            inner: inner.map(|(_, tape)| tape),
            points,
            thetas,
            shared: slots.iter().map(Slot::is_shared).collect(),
            lengths: lengths[..slots.len()].to_vec(),
            sizes: shapes.iter().map(Shape::size).collect(),
            failures: failures.map(|(at, sequence)| (at, sequence.kind)).collect(),
        };
        Ok((outputs, tape))
    }
}

/// The parameters of the convex problems of one step: the problem's own where they are not shared,
/// tangents and weights.
struct StepNumbers {
    own: Vec<Vec<f64>>,
    rest: Vec<Vec<f64>>,
}

impl StepNumbers {
    fn slots<'s>(&'s self, slots: &[Slot<'s>]) -> Vec<Slot<'s>> {
        let own = slots.iter().zip(&self.own).map(|(slot, own)| match slot {
            Slot::Shared(values) => Slot::Shared(values),
            Slot::Each(_) => Slot::Each(own),
        });
        own.chain(self.rest.iter().map(|values| Slot::Each(values))).collect()
    }
}

/// One output of a sample.
fn sample_of(outputs: &Outputs, output: usize, at: usize) -> &[f64] {
    let values = &outputs.values[output];
    let size = values.len() / outputs.batch;
    &values[at * size..(at + 1) * size]
}
