//! A solved batch on the machine, and its derivatives.

use std::sync::Arc;

use argrad_solver::{
    Cotangent, Differentiation, Error as SolverError, Gradients, Method, Mode, OnFailure, Report,
    Slot, SolutionTangent, Tangent, Values,
};

use crate::arguments::{Arguments, DerivativeArguments, GradientArguments, ValuesArguments};
use crate::error::Error;
use crate::layout::Layout;
use crate::machine::{Entry, Launch, Machine};
use crate::plan::{DeviceSolution, DeviceValues, Plan, stride};

/// Entries for each thread of the kernel that makes gradients, where they are not sums; and most
/// blocks, which take one share after the other.
const GRADIENT_ENTRIES: usize = 4;
const MOST_BLOCKS: usize = 1 << 16;
/// Growth of errors from which a point that was not polished to the end makes the derivative
/// doubtful, and the residual of such a point: those of `argrad_solver`.
const DELICATE: f64 = 1e4;
const UNPOLISHED: f64 = 1e-11;

/// A solved batch, with its values, its solutions and its last factors in the machine's memory.
pub struct Tape<M: Machine> {
    plan: Arc<Plan<M>>,
    values: DeviceValues<M>,
    solution: DeviceSolution<M>,
    batch: usize,
    reports: Vec<Report>,
}

/// How the linear solves of a batch went.
struct LinearReports {
    residual: Vec<f64>,
    accuracy: Vec<f64>,
    iterations: Vec<u32>,
    unfinished: Vec<usize>,
}

impl<M: Machine> Tape<M> {
    pub(crate) fn new(
        plan: Arc<Plan<M>>,
        values: DeviceValues<M>,
        solution: DeviceSolution<M>,
        of: &Values<'_>,
        reports: Vec<Report>,
    ) -> Self {
        Self { plan, values, solution, batch: of.batch, reports }
    }

    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Reports of the samples.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Adjoint: gradient of a scalar with respect to the values, given its gradient with respect to
    /// x, z, s. Gradients of shared values are sums over the batch.
    ///
    /// # Errors
    /// Wrong lengths; samples without a solution, unless `how` asks for NaN or zero;
    /// [`Error::Unsupported`] for other modes than `Mode::Exact` and other methods than
    /// `Method::Direct`; [`Error::Device`].
    pub fn vjp(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        cotangent.check(&self.plan.structure, self.batch)?;
        self.check(how)?;
        let machine = &*self.plan.machine;
        let (n, m) = self.plan.sizes();
        let upload = |values: Option<&[f64]>| values.map(|v| machine.upload(v)).transpose();
        let given = [upload(cotangent.x)?, upload(cotangent.z)?, upload(cotangent.s)?];
        let [of_x, of_z, of_s] =
            given.each_ref().map(|given| given.as_ref().map_or(0, |g| machine.address(g)));
        let (l1, l2) = (machine.zeros(self.batch * n)?, machine.zeros(self.batch * m)?);
        let out = [machine.address(&l1), machine.address(&l2), 0];
        let base = DerivativeArguments { of_x, of_z, of_s, ..self.arguments(out) };
        let linear = self.run(Entry::Adjoint, base, Arguments::Adjoint)?;
        let mut gradients = self.gradients(&l1, &l2)?;
        gradients.adjoint_residual = linear.residual;
        gradients.accuracy = linear.accuracy;
        gradients.iterations = linear.iterations;
        gradients.unfinished = linear.unfinished;
        self.mark_failed_gradients(&mut gradients, how);
        Ok(gradients)
    }

    /// Forward: directional derivative of x, z, s along a change of P, q, A, b.
    ///
    /// # Errors
    /// As [`Self::vjp`].
    pub fn jvp(
        &self,
        tangent: &Tangent<'_>,
        how: &Differentiation,
    ) -> Result<SolutionTangent, Error> {
        tangent.check(&self.plan.structure, self.batch)?;
        self.check(how)?;
        let machine = &*self.plan.machine;
        let (n, m) = self.plan.sizes();
        let slots = [tangent.p, tangent.q, tangent.a, tangent.b];
        let upload = |slot: &Option<Slot<'_>>| slot.map(|s| machine.upload(s.as_slice()));
        let given = slots.each_ref().map(|slot| upload(slot).transpose());
        let [p, q, a, b] = given;
        let given = [p?, q?, a?, b?];
        let lens = [self.plan.structure.p().nnz(), n, self.plan.structure.a().nnz(), m];
        let [p, q, a, b] =
            given.each_ref().map(|given| given.as_ref().map_or(0, |g| machine.address(g)));
        let [p_stride, q_stride, a_stride, b_stride] =
            std::array::from_fn(|k| slots[k].map_or(0, |slot| stride(slot, lens[k])));
        let change = ValuesArguments { p, q, a, b, p_stride, q_stride, a_stride, b_stride };
        let [x, z, s] = [n, m, m].map(|len| machine.zeros(self.batch * len));
        let (x, z, s) = (x?, z?, s?);
        let out = [machine.address(&x), machine.address(&z), machine.address(&s)];
        let base = DerivativeArguments { change, ..self.arguments(out) };
        let linear = self.run(Entry::Tangent, base, Arguments::Tangent)?;
        let mut out = SolutionTangent::default();
        out.x = self.download(&x, self.batch * n)?;
        out.z = self.download(&z, self.batch * m)?;
        out.s = self.download(&s, self.batch * m)?;
        out.residual = linear.residual;
        out.accuracy = linear.accuracy;
        out.iterations = linear.iterations;
        out.unfinished = linear.unfinished;
        self.mark_failed_tangents(&mut out, how);
        Ok(out)
    }

    fn check(&self, how: &Differentiation) -> Result<(), Error> {
        how.check(&self.reports)?;
        let unsupported =
            |argument, expected, found| Err(Error::Unsupported { argument, expected, found });
        if how.mode != Mode::Exact {
            return unsupported("mode", "Mode::Exact", format!("{:?}", how.mode));
        }
        if how.method != Method::Direct {
            return unsupported("method", "Method::Direct", format!("{:?}", how.method));
        }
        Ok(())
    }

    /// Arguments of a derivative of this tape, which writes to `out`.
    fn arguments(&self, [out_x, out_z, out_s]: [u64; 3]) -> DerivativeArguments {
        let (machine, solution) = (&*self.plan.machine, &self.solution);
        DerivativeArguments {
            structure: self.plan.patterns.arguments(),
            values: self.values.arguments,
            batch: self.batch as i32,
            x: machine.address(&solution.x),
            z: machine.address(&solution.z),
            s: machine.address(&solution.s),
            report: machine.address(&solution.report),
            tape: solution.tape.as_ref().map_or(0, |tape| machine.address(tape)),
            tape_len: self.plan.layout.tape_len as i64,
            out_x,
            out_z,
            out_s,
            ..DerivativeArguments::default()
        }
    }

    fn run(
        &self,
        entry: Entry,
        arguments: DerivativeArguments,
        of: fn(DerivativeArguments) -> Arguments,
    ) -> Result<LinearReports, Error> {
        let machine = &*self.plan.machine;
        let scratch = self.plan.scratch(entry, self.batch)?;
        let linear = machine.zeros(2 * self.batch)?;
        let arguments = DerivativeArguments {
            memory: scratch.arguments,
            linear: machine.address(&linear),
            ..arguments
        };
        // SAFETY: all memory is of this machine, as long as the layout says, and lives until the
        // download below, which waits for the kernel.
        unsafe { machine.launch(scratch.launch, &of(arguments))? };
        Ok(self.linear_reports(&self.download(&linear, 2 * self.batch)?))
    }

    /// What the kernels say of the linear solves, with the estimates of the errors that
    /// `argrad_solver` makes of it.
    fn linear_reports(&self, linear: &[f64]) -> LinearReports {
        let mut out = LinearReports {
            residual: Vec::new(),
            accuracy: Vec::new(),
            iterations: Vec::new(),
            unfinished: Vec::new(),
        };
        for (sample, (pair, report)) in linear.chunks_exact(2).zip(&self.reports).enumerate() {
            let residual = if report.is_solved() { pair[0] } else { f64::NAN };
            let is_doubtful = report.condition > DELICATE && report.residual > UNPOLISHED;
            let of_point = if is_doubtful { report.residual } else { 0.0 };
            let error = residual.max(of_point).max(f64::EPSILON);
            let accuracy = report.condition.max(1.0) * error;
            out.accuracy.push(if residual.is_nan() { f64::NAN } else { accuracy });
            out.residual.push(residual);
            out.iterations.push(pair[1].abs() as u32);
            if pair[1] < 0.0 {
                out.unfinished.push(sample);
            }
        }
        out
    }

    fn download(&self, memory: &M::Memory, len: usize) -> Result<Vec<f64>, Error> {
        let mut numbers = vec![0.0; len];
        self.plan.machine.download(memory, &mut numbers)?;
        Ok(numbers)
    }

    /// Gradients from the adjoints l1 and l2.
    fn gradients(&self, l1: &M::Memory, l2: &M::Memory) -> Result<Gradients, Error> {
        let (machine, structure) = (&*self.plan.machine, &self.plan.structure);
        let (n, m) = self.plan.sizes();
        let is_shared = self.values.is_shared;
        let lens: [usize; 4] = std::array::from_fn(|k| {
            let len = [structure.p().nnz(), n, structure.a().nnz(), m][k];
            if is_shared[k] { len } else { self.batch * len }
        });
        let [dp, dq, da, db] = lens.map(|len| machine.zeros(len));
        let out = [dp?, dq?, da?, db?];
        let address = |k: usize| machine.address(&out[k]);
        let [p_is_shared, q_is_shared, a_is_shared, b_is_shared] = is_shared.map(i32::from);
        let arguments = GradientArguments {
            structure: self.plan.patterns.arguments(),
            batch: self.batch as i32,
            x: machine.address(&self.solution.x),
            z: machine.address(&self.solution.z),
            l1: machine.address(l1),
            l2: machine.address(l2),
            dp: address(0),
            dq: address(1),
            da: address(2),
            db: address(3),
            p_is_shared,
            q_is_shared,
            a_is_shared,
            b_is_shared,
        };
        let threads = self.plan.layout.threads;
        // A block an entry of what is shared, a thread an entry of what is not.
        let entries_of_block = |k: usize| if is_shared[k] { 1 } else { threads * GRADIENT_ENTRIES };
        let blocks = (0..4).map(|k| lens[k].div_ceil(entries_of_block(k))).sum::<usize>();
        let blocks = blocks.clamp(1, MOST_BLOCKS);
        let shared_bytes = Layout::scratch_bytes();
        // The kernels that are there already.
        let is_resident = self.plan.is_resident()?;
        let launch = Launch { blocks, threads, shared_bytes, is_resident };
        // SAFETY: all memory is of this machine, as long as the patterns say, and lives until the
        // downloads below, which wait for the kernel.
        unsafe { machine.launch(launch, &Arguments::Gradient(arguments))? };
        let mut gradients = Gradients::default();
        gradients.p = self.download(&out[0], lens[0])?;
        gradients.q = self.download(&out[1], lens[1])?;
        gradients.a = self.download(&out[2], lens[2])?;
        gradients.b = self.download(&out[3], lens[3])?;
        Ok(gradients)
    }

    /// NaN in the per-sample gradients of samples without a solution, where `how` asks for it.
    fn mark_failed_gradients(&self, gradients: &mut Gradients, how: &Differentiation) {
        let structure = &self.plan.structure;
        let (n, m) = self.plan.sizes();
        let lens = [structure.p().nnz(), n, structure.a().nnz(), m];
        let Gradients { p, q, a, b, .. } = gradients;
        for (k, values) in [p, q, a, b].into_iter().enumerate() {
            if !self.values.is_shared[k] {
                self.mark_failures(values, lens[k], how);
            }
        }
    }

    /// The same in tangents.
    fn mark_failed_tangents(&self, tangent: &mut SolutionTangent, how: &Differentiation) {
        let (n, m) = self.plan.sizes();
        self.mark_failures(&mut tangent.x, n, how);
        self.mark_failures(&mut tangent.z, m, how);
        self.mark_failures(&mut tangent.s, m, how);
    }

    fn mark_failures(&self, values: &mut [f64], len: usize, how: &Differentiation) {
        if how.on_failure != OnFailure::Nan {
            return;
        }
        for (sample, report) in self.reports.iter().enumerate() {
            if !report.is_solved() {
                values[sample * len..(sample + 1) * len].fill(f64::NAN);
            }
        }
    }
}

impl Error {
    /// Whether it is an error of the program, which every engine would report.
    pub fn of_program(&self) -> Option<&SolverError> {
        match self {
            Error::Solver(error) => Some(error),
            _ => None,
        }
    }
}
