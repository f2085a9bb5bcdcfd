//! The layer, and its solve.

use std::sync::Arc;

use argrad_solver::{
    Device, Differentiation, Explanation, Pattern, Report, Settings, Slot, Solution, Structure,
    Values,
};
use rayon::prelude::*;

use super::data::{LayerData, Source};
use super::outputs::Outputs;
use crate::algebra::Shape;
use crate::canonical::{MatrixMap, ParameterMap};
use crate::error::ModelError;
use crate::layer_solver::{LayerSolver, SolverTape};
use crate::zeros::{ZeroSolvers, Zeros};

/// The places of P and A among P, q, A, b and the objective's constant.
const P: usize = 0;
const A: usize = 2;

/// Entries of maps that are worth a second thread.
const WORTH_THREADS: usize = 100_000;

/// A compiled problem: a differentiable function of its parameters, in batches. It holds no model,
/// is cheap to clone, and can be sent to other threads and written to files (with serde; the
/// settings of the solver and of the derivative are not written, see [`Self::with_settings`]).
///
/// The analysis of the sparsity is done once, when the problem is compiled; that of zeros in the
/// numbers of parameters that a batch shares while others differ between its samples, when they are
/// met first. So which parameters are shared may change the last bits of a solution; the batch does
/// not.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(super) data: Arc<LayerData>,
    pub(super) solver: LayerSolver,
    zero_solvers: ZeroSolvers,
    pub(super) how: Differentiation,
}

/// What backward needs of a forward pass.
#[derive(Debug)]
pub struct LayerTape {
    /// The layer that it is of.
    data: Arc<LayerData>,
    pub(super) tape: SolverTape,
    pub(super) batch: usize,
    /// The parameters' numbers, as they were given, where functions of them have to be
    /// differentiated.
    pub(super) parameters: Vec<Vec<f64>>,
    /// How many numbers each parameter was given.
    pub(super) lengths: Vec<usize>,
    /// Whether each parameter has one copy per sample.
    pub(super) each: Vec<bool>,
    /// Entries of theta that differ between samples and are read by derivatives of functions of the
    /// parameters.
    pub(super) marked: Vec<bool>,
    /// Whether P, q, A, b, and the objective's constant differ between samples.
    pub(super) varies: [bool; 5],
    /// Whether each sample has no solution.
    pub(super) failed: Vec<bool>,
}

impl LayerTape {
    /// Writes the tape as `batch` rows of [`Layer::flat_tape_len`] numbers, from which
    /// [`Layer::tape_from_flat`] makes it again.
    ///
    /// # Errors
    /// [`Error::Length`](argrad_solver::Error::Length) when `rows` has room for more or less.
    pub fn write_flat(&self, rows: &mut [f64]) -> Result<(), ModelError> {
        Ok(self.tape.write_flat(rows)?)
    }
}

/// What parameters make of a program, and what of it differs between samples.
pub(super) struct Numbers<'a> {
    pub(super) batch: usize,
    /// The parameters' numbers, as they were given.
    views: Vec<&'a [f64]>,
    /// Whether each parameter has one copy per sample.
    each: Vec<bool>,
    /// Entries of theta that differ between samples.
    marked: Vec<bool>,
    /// Whether P, q, A, b, and the objective's constant differ between samples.
    pub(super) varies: [bool; 5],
    /// P, q, A, b and the objective's constant, as `data_of` makes them.
    pub(super) data: [Vec<f64>; 5],
}

impl Layer {
    pub(crate) fn new(data: LayerData, settings: Settings) -> Result<Self, ModelError> {
        let program = &data.assembled;
        let pattern = |rows, matrix: &MatrixMap| {
            let (colptr, rowval) = (matrix.colptr.clone(), matrix.rowval.clone());
            Pattern::new(rows, program.variables, colptr, rowval)
        };
        let structure = Structure::new(
            pattern(program.variables, &program.p)?,
            pattern(program.rows, &program.a)?,
            program.cones.clone(),
        )?;
        let structure = match data.auxiliary() {
            Some(auxiliary) => structure.with_auxiliary(auxiliary)?,
            None => structure,
        };
        let solver = LayerSolver::new(structure, settings)?;
        let (data, how) = (Arc::new(data), Differentiation::default());
        Ok(Self { data, solver, zero_solvers: ZeroSolvers::default(), how })
    }

    /// The same layer with other settings of the solver.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn with_settings(self, settings: Settings) -> Result<Self, ModelError> {
        let solver = self.solver.with_settings(settings)?;
        Ok(Self { solver, zero_solvers: ZeroSolvers::default(), ..self })
    }

    /// The same layer, whose batches are solved and differentiated on a device, a card for one:
    /// `argrad_gpu::device` gives it. Parameters and outputs are numbers of this processor as
    /// before, and so is what is made of the ones and gives the others. Second derivatives and flat
    /// tapes are not served there.
    ///
    /// # Errors
    /// [`Error::Device`](argrad_solver::Error::Device) for programs and settings that are not
    /// served there, and for what the device reports.
    pub fn on(self, device: Arc<dyn Device>) -> Result<Self, ModelError> {
        Ok(Self { solver: self.solver.on(device)?, ..self })
    }

    /// The same layer, differentiated in another way.
    pub fn with_differentiation(mut self, how: Differentiation) -> Self {
        self.how = how;
        self
    }

    /// Settings of the solver.
    pub fn settings(&self) -> &Settings {
        self.solver.here().settings()
    }

    /// The program that is solved: patterns and cones.
    pub fn structure(&self) -> &Structure {
        self.solver.here().structure()
    }

    /// How the program is solved: engine, order of elimination, memory; see
    /// [`Solver::explain`](argrad_solver::Solver::explain).
    pub fn explain(&self) -> Explanation {
        self.solver.here().explain()
    }

    /// Name and number of values of each parameter, in the order of [`Self::forward`].
    pub fn parameters(&self) -> impl Iterator<Item = (&str, usize)> {
        self.data.parameters.iter().map(|spec| (spec.name.as_str(), spec.len))
    }

    /// Name and shape of each output.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, Shape)> {
        self.data.outputs.iter().map(|spec| (spec.name.as_str(), spec.shape))
    }

    /// Number of derived parameters: products and functions of parameters that are computed for
    /// each sample.
    pub fn derived_parameters(&self) -> usize {
        self.data.program.len() - self.data.program.inputs()
    }

    /// Solves a batch, and keeps what a derivative needs. A parameter of k numbers is given by k
    /// numbers, which all samples share, or by `batch * k`; the batch follows from the lengths.
    ///
    /// A bound that becomes 1e19 or more is no constraint in its sample; see
    /// [`Expr::leq`](crate::expression::Expr::leq).
    ///
    /// # Errors
    /// Values that are not those of the parameters: [`ModelError::Value`] says which; a batch that
    /// would not fit into memory ([`Error::Memory`](argrad_solver::Error::Memory)). A sample
    /// without a solution is not an error but a [`Report`].
    pub fn forward(&self, parameters: &[&[f64]]) -> Result<(Outputs, LayerTape), ModelError> {
        let (batch, slots) = self.infer(parameters)?;
        self.forward_slots(batch, &slots, None)
    }

    /// [`Self::forward`], each sample starting from an earlier solution of this layer.
    ///
    /// # Errors
    /// As [`Self::forward`]; also when `start` is of another batch.
    pub fn forward_from(
        &self,
        parameters: &[&[f64]],
        start: &Outputs,
    ) -> Result<(Outputs, LayerTape), ModelError> {
        let (batch, slots) = self.infer(parameters)?;
        self.forward_slots(batch, &slots, Some(start))
    }

    /// [`Self::forward`] with the batch and what is shared said explicitly.
    ///
    /// # Errors
    /// As [`Self::forward_from`].
    pub fn forward_slots(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        start: Option<&Outputs>,
    ) -> Result<(Outputs, LayerTape), ModelError> {
        let numbers = self.numbers(batch, parameters)?;
        let start = start.map(|outputs| &*outputs.solution);
        let (solver, values) = (self.solver_for(&numbers)?, self.values(&numbers).0);
        let (solution, tape) = solver.forward(&values, start)?;
        Ok(self.recorded(numbers, solution, tape))
    }

    /// The outputs and the tape of this layer at these parameters.
    fn recorded(
        &self,
        numbers: Numbers<'_>,
        solution: Solution,
        tape: SolverTape,
    ) -> (Outputs, LayerTape) {
        let outputs = self.outputs_of(&numbers, solution);
        let parameters = match self.derived_parameters() {
            0 => Vec::new(),
            _ => numbers.views.iter().map(|values| values.to_vec()).collect(),
        };
        let Numbers { batch, views, each, marked, varies, .. } = numbers;
        let tape = LayerTape {
            data: self.data.clone(),
            failed: outputs.reports.iter().map(|report| !report.is_solved()).collect(),
            tape,
            batch,
            parameters,
            lengths: views.iter().map(|values| values.len()).collect(),
            each,
            marked: self.data.program.read_by_derivatives(&marked),
            varies,
        };
        (outputs, tape)
    }

    /// Numbers of one sample in a flat tape, see [`Self::tape_from_flat`].
    pub fn flat_tape_len(&self) -> usize {
        self.solver.here().flat_tape_len()
    }

    /// What [`Self::forward_slots`] gave, from the tape that [`LayerTape::write_flat`] wrote as
    /// `batch` rows of [`Self::flat_tape_len`] numbers, at the parameters that it was solved at:
    /// for frameworks that carry nothing but arrays from the forward pass to the backward pass. Its
    /// derivatives are the same to the last bit where the batch shares what it shared then.
    ///
    /// # Errors
    /// As [`Self::forward`]; those of
    /// [`Solver::tape_from_flat`](argrad_solver::Solver::tape_from_flat).
    pub fn tape_from_flat(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        rows: &[f64],
    ) -> Result<(Outputs, LayerTape), ModelError> {
        let numbers = self.numbers(batch, parameters)?;
        let solver = self.solver_for(&numbers)?;
        let (solution, tape) = solver.tape_from_flat(&self.values(&numbers).0, rows)?;
        Ok(self.recorded(numbers, solution, tape))
    }

    /// Solves a batch, as [`Self::forward`] does bit for bit, without what a derivative needs: no
    /// tape is made, whose memory is that of a factorization per sample.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn solve(&self, parameters: &[&[f64]]) -> Result<Outputs, ModelError> {
        let (batch, slots) = self.infer(parameters)?;
        self.solve_slots(batch, &slots, None)
    }

    /// [`Self::solve`], each sample starting from an earlier solution of this layer.
    ///
    /// # Errors
    /// As [`Self::forward_from`].
    pub fn solve_from(
        &self,
        parameters: &[&[f64]],
        start: &Outputs,
    ) -> Result<Outputs, ModelError> {
        let (batch, slots) = self.infer(parameters)?;
        self.solve_slots(batch, &slots, Some(start))
    }

    /// [`Self::solve`] with the batch and what is shared said explicitly.
    ///
    /// # Errors
    /// As [`Self::forward_from`].
    pub fn solve_slots(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        start: Option<&Outputs>,
    ) -> Result<Outputs, ModelError> {
        let numbers = self.numbers(batch, parameters)?;
        let (solver, values) = (self.solver_for(&numbers)?, self.values(&numbers).0);
        let solution = solver.solve(&values, start.map(|outputs| &*outputs.solution))?;
        Ok(self.outputs_of(&numbers, solution))
    }

    /// The solver for these numbers: one that knows the zeros of matrices that are shared.
    fn solver_for(&self, numbers: &Numbers<'_>) -> Result<LayerSolver, ModelError> {
        let maps = self.maps();
        // Where theta reaches nothing, zeros have no place. A call in which no parameter differs
        // between samples shares nothing: in a loop of such calls zeros may come and go, and an
        // analysis each time would take longer than the solve.
        let is_batch = numbers.each.contains(&true) && self.solver.looks_at_zeros();
        let is_looked_at =
            |at: usize| is_batch && !numbers.varies[at] && maps[at].fixed().is_none();
        if !is_looked_at(P) && !is_looked_at(A) {
            return Ok(self.solver.clone());
        }
        let zeros = |at: usize| match is_looked_at(at) {
            true => numbers.data[at].iter().map(|value| *value == 0.0).collect(),
            false => vec![false; maps[at].len()],
        };
        let zeros = Zeros { p: zeros(P), a: zeros(A) };
        let found = self.zero_solvers.find(self.structure(), self.settings(), zeros)?;
        Ok(found.map_or_else(|| self.solver.clone(), LayerSolver::from))
    }

    /// The numbers of the program at these parameters, which are checked.
    pub(super) fn numbers<'a>(
        &self,
        batch: usize,
        parameters: &[Slot<'a>],
    ) -> Result<Numbers<'a>, ModelError> {
        self.check(batch, parameters)?;
        let each: Vec<bool> = parameters.iter().map(|slot| !slot.is_shared()).collect();
        let marked = self.marks(&each);
        let varies = self.maps().map(|map| map.reads(&marked));
        let views: Vec<&[f64]> = parameters.iter().map(Slot::as_slice).collect();
        self.check_memory(batch, varies)?;
        let data = self.data_of(batch, &views, &each, &marked, varies)?;
        let mut numbers = Numbers { batch, views, each, marked, varies, data };
        self.set_prices(&mut numbers);
        Ok(numbers)
    }

    /// Refuses a batch whose programs and outputs would not fit into memory.
    fn check_memory(&self, batch: usize, varies: [bool; 5]) -> Result<(), ModelError> {
        let made = self.maps().into_iter().zip(varies).filter(|(_, varies)| *varies);
        let program = made.map(|(map, _)| map.len()).sum::<usize>();
        let rows = if varies.contains(&true) { size_of::<[&mut [f64]; 5]>() } else { 0 };
        let outputs = self.data.outputs.iter().map(|spec| spec.shape.size()).sum::<usize>();
        // With the optimal value, and the solver's solution, which the outputs keep.
        let structure = self.structure();
        let solution = structure.variables() + 2 * structure.rows() + 1;
        let numbers = (program + outputs + solution) * size_of::<f64>();
        let each = numbers + rows + 2 * size_of::<Report>();
        Ok(self.solver.here().check_memory(batch, each, "programs and outputs")?)
    }

    /// What the solver takes, and the constant of the objective.
    pub(super) fn values<'a>(&'a self, numbers: &'a Numbers<'_>) -> (Values<'a>, Slot<'a>) {
        let slot = |at: usize| self.slot(numbers, at);
        let batch = numbers.batch;
        (Values { batch, p: slot(0), q: slot(1), a: slot(2), b: slot(3) }, slot(4))
    }

    /// P, q, A, b or the constant of the objective, by its place.
    pub(super) fn slot<'a>(&'a self, numbers: &'a Numbers<'_>, at: usize) -> Slot<'a> {
        let data = &numbers.data[at];
        match self.maps()[at].fixed() {
            // A price is in the data of a map that is fixed.
            Some(base) if data.is_empty() && !numbers.varies[at] => Slot::Shared(base),
            _ if numbers.varies[at] => Slot::Each(data),
            _ => Slot::Shared(data),
        }
    }

    /// The outputs at a solution.
    fn outputs_of(&self, numbers: &Numbers<'_>, solution: Solution) -> Outputs {
        let (batch, program) = (numbers.batch, &self.data.assembled);
        let (_, constant) = self.values(numbers);
        let objective = solution.reports.iter().enumerate().map(|(at, report)| {
            let constant = constant.sample(at, 1)[0];
            self.data.sign() * (report.objective + constant)
        });
        let objective = objective.collect();
        let mut values = Vec::with_capacity(self.data.outputs.len());
        for spec in &self.data.outputs {
            let (source, len) = match spec.source {
                Source::Primal => (&solution.x, program.variables),
                Source::Dual => (&solution.z, program.rows),
            };
            let size = spec.shape.size();
            let mut out = vec![0.0; batch * size];
            for sample in 0..batch {
                let own = &mut out[sample * size..(sample + 1) * size];
                spec.map.apply(&source[sample * len..(sample + 1) * len], own);
                own.iter_mut().zip(&spec.constant).for_each(|(out, c)| *out += c);
            }
            values.push(out);
        }
        Outputs {
            batch,
            values,
            objective,
            reports: solution.reports.clone(),
            solution: Arc::new(solution),
            data: self.data.clone(),
        }
    }

    /// Whether a tape is of this layer, or of a clone of it.
    pub(super) fn check_tape(&self, tape: &LayerTape) -> Result<(), ModelError> {
        if Arc::ptr_eq(&tape.data, &self.data) {
            return Ok(());
        }
        Err(ModelError::Argument {
            argument: "tape".into(),
            expected: "one that this layer made".into(),
            found: "that of another layer".into(),
        })
    }

    /// The maps to P, q, A, b and the objective's constant.
    pub(super) fn maps(&self) -> [&ParameterMap; 5] {
        let program = &self.data.assembled;
        [&program.p.map, &program.q, &program.a.map, &program.b, &program.constant]
    }

    /// P, q, A, b and the objective's constant: one copy, or one per sample. Empty where theta
    /// reaches nothing.
    fn data_of(
        &self,
        batch: usize,
        parameters: &[&[f64]],
        each: &[bool],
        marked: &[bool],
        varies: [bool; 5],
    ) -> Result<[Vec<f64>; 5], ModelError> {
        let maps = self.maps();
        let mut data: [Vec<f64>; 5] = std::array::from_fn(|at| {
            let copies = if varies[at] { batch } else { 1 };
            vec![0.0; if maps[at].fixed().is_some() { 0 } else { copies * maps[at].len() }]
        });
        let mut theta = vec![0.0; self.data.program.len()];
        self.fill_shared(parameters, each, &mut theta);
        if !each.contains(&true) {
            self.check_derived(&theta, None)?;
        }
        for ((map, data), varies) in maps.iter().zip(&mut data).zip(varies) {
            if !varies && !data.is_empty() {
                map.apply(&theta, data);
            }
        }
        // The rows of each sample, for threads to take.
        let mut rows: Vec<[&mut [f64]; 5]> = Vec::new();
        if varies.contains(&true) {
            let mut rest = data.each_mut().map(|data| &mut data[..]);
            for _ in 0..batch {
                rows.push(std::array::from_fn(|at| {
                    let len = if varies[at] { maps[at].len() } else { 0 };
                    let (own, after) = std::mem::take(&mut rest[at]).split_at_mut(len);
                    rest[at] = after;
                    own
                }));
            }
        }
        let fill = |theta: &mut Vec<f64>, (sample, rows): (usize, [&mut [f64]; 5])| {
            self.fill_theta(parameters, each, marked, sample, theta);
            self.check_derived(theta, Some(sample))?;
            for ((map, out), varies) in maps.iter().zip(rows).zip(varies) {
                if varies {
                    map.apply(theta, out);
                }
            }
            Ok::<(), ModelError>(())
        };
        if !self.is_worth_threads(rows.len()) {
            rows.into_iter().enumerate().try_for_each(|row| fill(&mut theta, row))?;
        } else {
            // The first error by position, whichever thread finds one first.
            let done = rows.into_par_iter().enumerate().map_init(|| theta.clone(), fill);
            done.find_first(Result::is_err).unwrap_or(Ok(()))?;
        }
        Ok(data)
    }

    /// Whether the maps of so many samples take more than one thread.
    pub(super) fn is_worth_threads(&self, samples: usize) -> bool {
        samples.saturating_mul(self.cost()) >= WORTH_THREADS
    }

    /// The cost of the maps of a sample, in entries.
    pub(super) fn cost(&self) -> usize {
        let maps: usize = self.maps().iter().map(|map| map.cost()).sum();
        maps + self.data.program.cost()
    }

    fn check_derived(&self, theta: &[f64], sample: Option<usize>) -> Result<(), ModelError> {
        match self.data.program.not_finite(theta) {
            None => Ok(()),
            Some(what) => {
                let of = sample.map(|at| format!(" of sample {at}")).unwrap_or_default();
                Err(ModelError::Parameters(format!("a function of the parameters{of}: {what}")))
            }
        }
    }

    /// Numbers that all samples share, derived ones included.
    pub(super) fn fill_shared(&self, parameters: &[&[f64]], each: &[bool], theta: &mut [f64]) {
        for ((spec, values), each) in self.data.parameters.iter().zip(parameters).zip(each) {
            if !*each {
                theta[spec.offset..spec.offset + spec.len].copy_from_slice(values);
            }
        }
        // What depends on numbers that are not shared is evaluated for each sample; what depends on
        // none (a constant argument of a function of parameters) is not.
        if self.derived_parameters() > 0 {
            self.data.program.evaluate_unmarked(&self.marks(each), theta);
        }
    }

    /// Numbers of one sample, derived ones included; those shared must be there. `marked` are the
    /// entries of theta that differ between samples.
    pub(super) fn fill_theta(
        &self,
        parameters: &[&[f64]],
        each: &[bool],
        marked: &[bool],
        sample: usize,
        theta: &mut [f64],
    ) {
        for ((spec, values), each) in self.data.parameters.iter().zip(parameters).zip(each) {
            let own = sample * spec.len..(sample + 1) * spec.len;
            if *each && own.end <= values.len() {
                theta[spec.offset..spec.offset + spec.len].copy_from_slice(&values[own]);
            }
        }
        self.data.program.evaluate_marked(marked, theta);
    }

    /// Which entries of theta differ between samples.
    fn marks(&self, each: &[bool]) -> Vec<bool> {
        let mut of_theta = vec![false; self.data.program.inputs()];
        for (spec, each) in self.data.parameters.iter().zip(each) {
            of_theta[spec.offset..spec.offset + spec.len].fill(*each);
        }
        self.data.program.spread(of_theta)
    }

    /// Batch and slots from lengths.
    pub(crate) fn infer<'a>(
        &self,
        parameters: &[&'a [f64]],
    ) -> Result<(usize, Vec<Slot<'a>>), ModelError> {
        self.check_count(parameters.len())?;
        let mut batch = 1;
        for (spec, values) in self.data.parameters.iter().zip(parameters) {
            if spec.len > 0 && values.len() != spec.len {
                if values.len() % spec.len != 0 {
                    let expected = format!("a multiple of {} numbers ({})", spec.len, spec.shape);
                    return Err(spec.error(expected, format!("{} numbers", values.len())));
                }
                batch = values.len() / spec.len;
                break;
            }
        }
        let slots = self.data.parameters.iter().zip(parameters).map(|(spec, values)| {
            if values.len() == spec.len { Slot::Shared(values) } else { Slot::Each(values) }
        });
        Ok((batch, slots.collect()))
    }

    fn check_count(&self, found: usize) -> Result<(), ModelError> {
        let expected = self.data.parameters.len();
        if expected == found {
            return Ok(());
        }
        let names: Vec<&str> = self.parameters().map(|parameter| parameter.0).collect();
        let names = names.join(", ");
        let text = format!("expected the values of {expected} parameters ({names}), found {found}");
        Err(ModelError::Parameters(text))
    }

    /// Are these the numbers of the parameters?
    pub(crate) fn check(&self, batch: usize, parameters: &[Slot<'_>]) -> Result<(), ModelError> {
        self.check_count(parameters.len())?;
        for (spec, slot) in self.data.parameters.iter().zip(parameters) {
            spec.check(*slot, batch)?;
        }
        Ok(())
    }
}

impl LayerTape {
    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }
}
