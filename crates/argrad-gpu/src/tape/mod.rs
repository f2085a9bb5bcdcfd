//! A solved batch on the machine, and its derivatives.

mod lpgd;

use std::sync::Arc;

use argrad_solver::{
    Cotangent, Differentiation, Error as SolverError, Gradients, Method, Mode, OnFailure, Report,
    SolutionTangent, Status, Tangent,
};

use crate::addresses::{
    AdjointAddresses, BatchAddresses, CentralAddresses, PointAddresses, TangentAddresses,
};
use crate::error::Error;
use crate::machine::{Entry, Machine, Stream};
use crate::plan::Plan;
use crate::transfer::{DeviceBatch, download, upload, upload_slot};

/// A solved batch, with its values, its solutions and its last factors in the machine's memory.
pub struct Tape<M: Machine> {
    plan: Arc<Plan<M>>,
    solved: DeviceBatch<M>,
    reports: Vec<Report>,
}

/// Points of the central path, with their tapes, in memory that lives as long as this.
struct CentralPoints<M: Machine> {
    _memory: [M::Memory; 3],
    addresses: CentralAddresses,
}

/// Gradients of P, q, A, b in memory that lives as long as this.
struct DeviceGradients<M: Machine> {
    memory: [M::Memory; 4],
    lens: [usize; 4],
}

impl<M: Machine> DeviceGradients<M> {
    fn new(plan: &Plan<M>, of: &BatchAddresses) -> Result<Self, Error> {
        let values = plan.lengths().values;
        let lens: [usize; 4] = std::array::from_fn(|k| {
            values[k] * if of.values[k].is_shared() { 1 } else { of.batch }
        });
        let [p, q, a, b] = lens.map(|len| plan.machine().zeros(len));
        Ok(Self { memory: [p?, q?, a?, b?], lens })
    }

    fn addresses(&self, machine: &M) -> [u64; 4] {
        std::array::from_fn(|k| machine.address(&self.memory[k]))
    }

    fn download(&self, machine: &M) -> Result<Gradients, Error> {
        let part = |k: usize| download(machine, &self.memory[k], self.lens[k]);
        let mut gradients = Gradients::default();
        gradients.p = part(0)?;
        gradients.q = part(1)?;
        gradients.a = part(2)?;
        gradients.b = part(3)?;
        Ok(gradients)
    }
}

impl<M: Machine> Tape<M> {
    pub(crate) fn new(plan: Arc<Plan<M>>, solved: DeviceBatch<M>, reports: Vec<Report>) -> Self {
        Self { plan, solved, reports }
    }

    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.reports.len()
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
    /// [`Error::Unsupported`] for other methods than `Method::Direct`; [`Error::Device`].
    pub fn vjp(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        let (plan, batch) = (&*self.plan, self.batch());
        cotangent.check(plan.structure(), batch)?;
        self.check(how)?;
        if let Mode::Lpgd(tau) = how.mode {
            return self.lpgd_vjp(cotangent, tau, how);
        }
        let (machine, lengths) = (plan.machine(), plan.lengths());
        let central = self.central_points(how.mode)?;
        let of = &self.point(central.as_ref());
        let (_x, x) = upload(machine, cotangent.x)?;
        let (_z, z) = upload(machine, cotangent.z)?;
        let (_s, s) = upload(machine, cotangent.s)?;
        let l1 = machine.zeros(batch * lengths.x)?;
        let l2 = machine.zeros(batch * lengths.z)?;
        let linear = machine.zeros(batch * lengths.linear)?;
        let scratch = machine.zeros(plan.scratch_len(Entry::Adjoint, batch)?)?;
        let out = DeviceGradients::new(plan, of)?;
        let adjoint = AdjointAddresses {
            cotangent: PointAddresses { x, z, s },
            adjoint: [machine.address(&l1), machine.address(&l2)],
            linear: machine.address(&linear),
            gradients: out.addresses(machine),
            scratch: machine.address(&scratch),
        };
        // SAFETY: all memory is of this machine, as long as the plan says, and lives until the
        // downloads below, which wait for the kernels.
        unsafe { plan.vjp(Stream::Own, of, &adjoint)? };
        let linear = download(machine, &linear, batch * lengths.linear)?;
        let linear = plan.linear_reports(&linear, &self.reports);
        let mut gradients = out.download(machine)?;
        gradients.adjoint_residual = linear.residual;
        gradients.accuracy = self.accuracy(linear.accuracy, how.mode);
        gradients.iterations = linear.iterations;
        gradients.unfinished = linear.unfinished;
        self.mark_failed_gradients(&mut gradients, how);
        Ok(gradients)
    }

    /// Gradient of the sum over the batch of `weights[i]` times the optimal value of sample i
    /// (envelope theorem). Of `how` only `on_failure` matters.
    ///
    /// # Errors
    /// As [`Self::vjp`].
    pub fn value_gradient(
        &self,
        weights: &[f64],
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        let (plan, batch) = (&*self.plan, self.batch());
        if weights.len() != batch {
            let meaning = "a weight for each sample".into();
            let (argument, expected, found) = ("weights", batch, weights.len());
            return Err(SolverError::Length { argument, expected, found, meaning }.into());
        }
        how.check(&self.reports)?;
        let machine = plan.machine();
        let of_solved = |(weight, report): (&f64, &Report)| match report.is_solved() {
            true => *weight,
            false => 0.0,
        };
        let weights: Vec<f64> = weights.iter().zip(&self.reports).map(of_solved).collect();
        let (_weights, weights) = upload(machine, Some(&weights))?;
        let of = &self.solved.addresses;
        let out = DeviceGradients::new(plan, of)?;
        // SAFETY: all memory is of this machine, as long as the plan says, and lives until the
        // downloads below, which wait for the kernel.
        unsafe { plan.value_gradient(Stream::Own, of, weights, out.addresses(machine))? };
        let mut gradients = out.download(machine)?;
        gradients.adjoint_residual = vec![0.0; batch];
        gradients.accuracy = vec![f64::NAN; batch];
        gradients.iterations = vec![0; batch];
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
        let (plan, batch) = (&*self.plan, self.batch());
        tangent.check(plan.structure(), batch)?;
        self.check(how)?;
        if let Mode::Lpgd(tau) = how.mode {
            return self.lpgd_jvp(tangent, tau, how);
        }
        let (machine, lengths) = (plan.machine(), plan.lengths());
        let central = self.central_points(how.mode)?;
        let of = &self.point(central.as_ref());
        let (_p, p) = upload_slot(machine, tangent.p)?;
        let (_q, q) = upload_slot(machine, tangent.q)?;
        let (_a, a) = upload_slot(machine, tangent.a)?;
        let (_b, b) = upload_slot(machine, tangent.b)?;
        let x = machine.zeros(batch * lengths.x)?;
        let z = machine.zeros(batch * lengths.z)?;
        let s = machine.zeros(batch * lengths.z)?;
        let linear = machine.zeros(batch * lengths.linear)?;
        let scratch = machine.zeros(plan.scratch_len(Entry::Tangent, batch)?)?;
        let [of_x, of_z, of_s] = [&x, &z, &s].map(|memory| machine.address(memory));
        let addresses = TangentAddresses {
            change: [p, q, a, b],
            tangent: PointAddresses { x: of_x, z: of_z, s: of_s },
            linear: machine.address(&linear),
            scratch: machine.address(&scratch),
        };
        // SAFETY: all memory is of this machine, as long as the plan says, and lives until the
        // downloads below, which wait for the kernel.
        unsafe { plan.jvp(Stream::Own, of, &addresses)? };
        let linear = download(machine, &linear, batch * lengths.linear)?;
        let linear = plan.linear_reports(&linear, &self.reports);
        let mut out = SolutionTangent::default();
        out.x = download(machine, &x, batch * lengths.x)?;
        out.z = download(machine, &z, batch * lengths.z)?;
        out.s = download(machine, &s, batch * lengths.z)?;
        out.residual = linear.residual;
        out.accuracy = self.accuracy(linear.accuracy, how.mode);
        out.iterations = linear.iterations;
        out.unfinished = linear.unfinished;
        self.mark_failed_tangents(&mut out, how);
        Ok(out)
    }

    fn check(&self, how: &Differentiation) -> Result<(), Error> {
        how.check(&self.reports)?;
        if how.method != Method::Direct {
            let (argument, expected) = ("method", "Method::Direct");
            let found = format!("{:?}", how.method);
            return Err(Error::Unsupported { argument, expected, found });
        }
        Ok(())
    }

    /// The points of the central path that the mode differentiates, where it does.
    fn central_points(&self, mode: Mode) -> Result<Option<CentralPoints<M>>, Error> {
        let Mode::Smoothed(mu) = mode else { return Ok(None) };
        let (plan, batch) = (&*self.plan, self.batch());
        let (machine, lengths) = (plan.machine(), plan.lengths());
        let [x, z, tape] =
            [lengths.x, lengths.z, lengths.tape].map(|len| machine.zeros(batch * len));
        let (x, z, tape, reached) = (x?, z?, tape?, machine.zeros(batch)?);
        let scratch = machine.zeros(plan.scratch_len(Entry::Smooth, batch)?)?;
        let addresses = CentralAddresses {
            x: machine.address(&x),
            z: machine.address(&z),
            tape: machine.address(&tape),
            reached: machine.address(&reached),
            scratch: machine.address(&scratch),
        };
        // SAFETY: all memory is of this machine, as long as the plan says, and lives until the
        // download below, which waits for the kernel.
        unsafe { plan.smooth(Stream::Own, &self.solved.addresses, mu, &addresses)? };
        let reached = download(machine, &reached, batch)?;
        let is_lost = |&sample: &usize| reached[sample] == 0.0;
        let failures: Vec<_> =
            (0..batch).filter(is_lost).map(|i| (i, Status::NumericalTrouble)).collect();
        if !failures.is_empty() {
            return Err(SolverError::Unsolved { batch, failures }.into());
        }
        Ok(Some(CentralPoints { _memory: [x, z, tape], addresses }))
    }

    /// The estimates are of exact derivatives.
    fn accuracy(&self, of_exact: Vec<f64>, mode: Mode) -> Vec<f64> {
        if mode == Mode::Exact { of_exact } else { vec![f64::NAN; self.batch()] }
    }

    /// What is differentiated: the solutions, or points of the central path.
    fn point(&self, central: Option<&CentralPoints<M>>) -> BatchAddresses {
        let of = self.solved.addresses;
        let Some(CentralPoints { addresses: CentralAddresses { x, z, tape, .. }, .. }) = central
        else {
            return of;
        };
        BatchAddresses { point: PointAddresses { x: *x, z: *z, ..of.point }, tape: *tape, ..of }
    }

    /// Samples without a solution.
    fn unsolved(&self) -> Vec<usize> {
        (0..self.batch()).filter(|&i| !self.reports[i].is_solved()).collect()
    }

    /// NaN in the per-sample gradients of samples without a solution, where `how` asks for it.
    fn mark_failed_gradients(&self, gradients: &mut Gradients, how: &Differentiation) {
        self.mark_gradients(gradients, &self.unsolved(), how.on_failure);
    }

    /// The same of the samples that are `lost`.
    fn mark_gradients(&self, gradients: &mut Gradients, lost: &[usize], on_failure: OnFailure) {
        let (lens, places) = (self.plan.lengths().values, self.solved.addresses.values);
        let Gradients { p, q, a, b, .. } = gradients;
        for (k, values) in [p, q, a, b].into_iter().enumerate() {
            if !places[k].is_shared() {
                mark(values, lens[k], lost, on_failure);
            }
        }
    }

    /// The same in tangents.
    fn mark_failed_tangents(&self, tangent: &mut SolutionTangent, how: &Differentiation) {
        let (lengths, lost) = (self.plan.lengths(), self.unsolved());
        for (part, len) in
            [(&mut tangent.x, lengths.x), (&mut tangent.z, lengths.z), (&mut tangent.s, lengths.z)]
        {
            mark(part, len, &lost, how.on_failure);
        }
    }
}

/// NaN in the rows of the samples that are `lost`, where that is asked for.
fn mark(values: &mut [f64], len: usize, lost: &[usize], on_failure: OnFailure) {
    if on_failure == OnFailure::Nan {
        lost.iter().for_each(|i| values[i * len..(i + 1) * len].fill(f64::NAN));
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
