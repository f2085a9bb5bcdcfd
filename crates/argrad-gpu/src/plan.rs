//! A structure with its settings on a machine: launches over batches that are there already.

use std::sync::Arc;

use argrad_solver::{Report, Settings, Structure};

use crate::addresses::{
    AdjointAddresses, BatchAddresses, CentralAddresses, Lengths, Place, PointAddresses, Start,
    TangentAddresses,
};
use crate::arguments::{
    Arguments, BatchArguments, DerivativeArguments, GradientArguments, MemoryArguments,
    SettingsArguments, SmoothArguments, SolveArguments, ValuesArguments,
};
use crate::cones::Cones;
use crate::error::Error;
use crate::layout::Layout;
use crate::machine::{Entry, Launch, Limits, Machine, Stream, Variant};
use crate::matrix::Matrix;
use crate::patterns::Patterns;
use crate::report::{self, LINEAR_LEN, LinearReports, REPORT_LEN};

/// Bytes of a number.
const NUMBER: u64 = size_of::<f64>() as u64;
/// Most numbers of a problem, and most samples: kernels count them by `int`.
const MOST: usize = i32::MAX as usize;
/// Entries for each thread of the kernel that makes gradients, where they are not sums; and most
/// blocks, which take one share after the other.
const GRADIENT_ENTRIES: usize = 4;
const MOST_BLOCKS: usize = 1 << 16;

/// Solves and differentiates batches of one structure whose numbers are on a machine already, by
/// their addresses: for frameworks whose tensors are there. [`crate::Solver`] brings them there and
/// back.
///
/// Nothing is allocated and nothing is waited for: whoever calls has room for what
/// [`Self::lengths`] and [`Self::scratch_len`] say, and reads the numbers of reports when the
/// stream is done.
pub struct Plan<M: Machine> {
    machine: Arc<M>,
    structure: Structure,
    settings: Settings,
    layout: Layout,
    patterns: Patterns<M>,
    /// What the machine has, as it was when this was made.
    limits: Limits,
    /// Whether shared memory holds all of a problem.
    is_resident: bool,
    /// Whether A is held as a list of entries.
    is_sparse: bool,
}

impl<M: Machine> Plan<M> {
    /// Checks what is asked for, and uploads the patterns.
    ///
    /// # Errors
    /// Those of [`crate::Solver::new`].
    pub fn new(structure: Structure, settings: Settings, machine: Arc<M>) -> Result<Self, Error> {
        settings.check()?;
        if settings.time_limit.is_some() || settings.interrupt.is_some() {
            return Err(Error::Unsupported {
                argument: "settings",
                expected: "neither a time limit nor an interrupt: a launch cannot be ended",
                found: "one of them".into(),
            });
        }
        let (cones, matrix, layout) = laid_out(&structure)?;
        let patterns = Patterns::new(&*machine, &structure, &cones, &matrix)?;
        machine.wait()?;
        let limits = machine.limits()?;
        let is_resident = layout.is_resident(limits.shared_bytes);
        let is_sparse = matrix.is_sparse;
        Ok(Self { machine, structure, settings, layout, patterns, limits, is_resident, is_sparse })
    }

    /// What it runs on.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The structure.
    pub fn structure(&self) -> &Structure {
        &self.structure
    }

    /// How many numbers each part of a sample has.
    pub fn lengths(&self) -> Lengths {
        lengths_of(&self.structure, &self.layout)
    }

    /// So many numbers of scratch a launch over a batch takes: work space, and the number of the
    /// next problem. They need not be zero.
    ///
    /// # Errors
    /// [`Error::Device`]: how many programs a card works on at once follows from the kernels, which
    /// are compiled first.
    pub fn scratch_len(&self, entry: Entry, batch: usize) -> Result<usize, Error> {
        Ok(self.workspace_len(self.launch(entry, batch)?) + 1)
    }

    fn workspace_len(&self, launch: Launch) -> usize {
        launch.blocks * self.layout.workspace_len(launch.variant.is_resident)
    }

    /// Bytes of a sample, without scratch.
    fn sample_bytes(&self, has_tape: bool) -> u64 {
        let Lengths { values, x, z, report, tape, .. } = self.lengths();
        let tape = if has_tape { tape } else { 0 };
        NUMBER * (values.iter().sum::<usize>() + x + 2 * z + report + tape) as u64
    }

    /// Bytes of the scratch of a launch over a batch.
    fn scratch_bytes(&self, batch: usize) -> Result<u64, Error> {
        Ok(NUMBER * self.scratch_len(Entry::Solve, batch)? as u64)
    }

    /// Bytes of a batch: values, results and scratch, and what derivatives need where there is a
    /// tape.
    ///
    /// # Errors
    /// Those of [`Self::scratch_len`].
    pub fn memory(&self, batch: usize, has_tape: bool) -> Result<u64, Error> {
        Ok(batch as u64 * self.sample_bytes(has_tape) + self.scratch_bytes(batch)?)
    }

    /// Refuses a batch that does not fit into so many bytes, or into those that the settings allow.
    ///
    /// # Errors
    /// [`Error::Memory`]; those of [`Self::scratch_len`].
    pub fn check_memory(&self, batch: usize, has_tape: bool, free: u64) -> Result<(), Error> {
        let limit = self.settings.memory_limit.map_or(u64::MAX, |limit| limit as u64);
        let free = free.min(limit);
        let needed = self.memory(batch, has_tape)?;
        if needed <= free {
            return Ok(());
        }
        let left = free.saturating_sub(self.scratch_bytes(batch)?);
        let fits = (left / self.sample_bytes(has_tape).max(1)) as usize;
        Err(Error::Memory { batch, needed, free, fits })
    }

    /// Reports of a batch from their numbers.
    ///
    /// # Errors
    /// That of a P that is not positive semidefinite, which all samples have where `p_is_shared`.
    pub fn reports(&self, numbers: &[f64], p_is_shared: bool) -> Result<Vec<Report>, Error> {
        report::reports(numbers, p_is_shared)
    }

    /// What the numbers of linear solves say, at these solutions.
    pub fn linear_reports(&self, numbers: &[f64], reports: &[Report]) -> LinearReports {
        LinearReports::new(numbers, reports)
    }

    /// The kernels for a batch.
    fn variant(&self, batch: usize) -> Variant {
        let Layout { threads, is_curved, .. } = self.layout;
        let (is_resident, is_sparse) = (self.is_resident, self.is_sparse);
        let blocks = self.layout.blocks(is_resident, batch, &self.limits);
        Variant { threads, blocks, is_resident, is_curved, is_sparse }
    }

    /// The shape of a launch over a batch.
    fn launch(&self, entry: Entry, batch: usize) -> Result<Launch, Error> {
        let variant = self.variant(batch);
        let shared_bytes = self.layout.shared_bytes(variant.is_resident);
        let mut launch = Launch { blocks: 1, shared_bytes, variant };
        launch.blocks = self.machine.blocks_at_once(entry, launch)?.clamp(1, batch.max(1));
        Ok(launch)
    }

    /// The launch over a batch, with its scratch at this address, where it counts from zero, and
    /// what it is given of the batch.
    ///
    /// # Safety
    /// That of [`Machine::launch`].
    unsafe fn start(
        &self,
        stream: Stream,
        entry: Entry,
        of: &BatchAddresses,
        scratch: u64,
    ) -> Result<(Launch, BatchArguments), Error> {
        let batch = count(of.batch)?;
        let launch = self.launch(entry, of.batch)?;
        let next = scratch + NUMBER * self.workspace_len(launch) as u64;
        // SAFETY: the caller's; the last of the numbers that the scratch has.
        unsafe { self.machine.clear(stream, next, 1)? };
        let memory = MemoryArguments {
            workspace: scratch,
            resident_len: self.layout.resident_len as i64,
            spare_len: self.layout.spare_len as i64,
            is_resident: i32::from(launch.variant.is_resident),
            next,
        };
        let arguments = BatchArguments {
            structure: self.patterns.arguments(),
            values: self.values(of.values.map(Some)),
            memory,
            batch,
            x: of.point.x,
            z: of.point.z,
            s: of.point.s,
            report: of.report,
            tape: of.tape,
            tape_len: self.layout.tape_len as i64,
        };
        Ok((launch, arguments))
    }

    fn settings(&self) -> SettingsArguments {
        let settings = &self.settings;
        SettingsArguments {
            tolerance: settings.tolerance,
            reduced_tolerance: settings.reduced_tolerance,
            infeasibility_tolerance: settings.infeasibility_tolerance,
            data_rounding: settings.data_rounding,
            convexity_tolerance: settings.convexity_tolerance,
            max_iterations: i32::try_from(settings.max_iterations).unwrap_or(i32::MAX),
            max_polish_steps: i32::try_from(settings.max_polish_steps).unwrap_or(i32::MAX),
        }
    }

    fn values(&self, places: [Option<Place>; 4]) -> ValuesArguments {
        let lens = self.lengths().values;
        let stride = |k: usize| match places[k] {
            Some(Place::Each(_)) => lens[k] as i64,
            _ => 0,
        };
        let address = |k: usize| places[k].map_or(0, Place::address);
        ValuesArguments {
            p: address(0),
            q: address(1),
            a: address(2),
            b: address(3),
            p_stride: stride(0),
            q_stride: stride(1),
            a_stride: stride(2),
            b_stride: stride(3),
        }
    }

    /// Queues the solve of a batch.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for 2^31 samples or more; [`Error::Device`].
    ///
    /// # Safety
    /// The stream is one of the machine. The addresses are those of memory of the machine, as long
    /// as [`Self::lengths`] and [`Self::scratch_len`] say, which lives until the stream has done
    /// what is queued here.
    pub unsafe fn solve(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        scratch: u64,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.solve_from(stream, of, Start::Cold, scratch) }
    }

    /// [`Self::solve`] from points that are known.
    ///
    /// # Errors
    /// Those of [`Self::solve`].
    ///
    /// # Safety
    /// That of [`Self::solve`].
    pub unsafe fn solve_from(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        start: Start,
        scratch: u64,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.queue_solve(stream, of, start, self.settings.check_convexity, scratch) }
    }

    /// [`Self::solve_from`] of programs next to convex ones, which may be indefinite by the
    /// distance.
    ///
    /// # Errors
    /// Those of [`Self::solve`].
    ///
    /// # Safety
    /// That of [`Self::solve`].
    pub unsafe fn solve_nearby(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        start: PointAddresses,
        scratch: u64,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.queue_solve(stream, of, Start::From(start), false, scratch) }
    }

    /// # Safety
    /// That of [`Self::solve`].
    unsafe fn queue_solve(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        start: Start,
        check_convexity: bool,
        scratch: u64,
    ) -> Result<(), Error> {
        let (from, is_given) = match start {
            Start::Cold => (PointAddresses::default(), false),
            Start::From(point) => (point, false),
            Start::At(point) => (point, true),
        };
        // SAFETY: the caller's.
        let (launch, mut batch) = unsafe { self.start(stream, Entry::Solve, of, scratch)? };
        let matrices = if of.values[0].is_shared() { batch.batch.min(1) } else { batch.batch };
        let is_checked = check_convexity && batch.structure.p_len > 0;
        batch.structure.convexity_checks = if is_checked { matrices } else { 0 };
        let arguments = SolveArguments {
            batch,
            settings: self.settings(),
            start_x: from.x,
            start_z: from.z,
            start_s: from.s,
            is_given: i32::from(is_given),
        };
        // SAFETY: the caller's.
        unsafe { self.machine.launch(stream, launch, &Arguments::Solve(arguments)) }
    }

    /// Queues the way from the solutions of a batch that was solved with a tape to the points of
    /// the central path at `mu`. Derivatives at these are those of the batch with the points and
    /// tapes that this writes in place of its own.
    ///
    /// # Errors
    /// Those of [`Self::solve`].
    ///
    /// # Safety
    /// That of [`Self::solve`].
    pub unsafe fn smooth(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        mu: f64,
        central: &CentralAddresses,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        let (launch, batch) = unsafe { self.start(stream, Entry::Smooth, of, central.scratch)? };
        let arguments = SmoothArguments {
            batch,
            mu,
            out_x: central.x,
            out_z: central.z,
            out_tape: central.tape,
            reached: central.reached,
        };
        // SAFETY: the caller's.
        unsafe { self.machine.launch(stream, launch, &Arguments::Smooth(arguments)) }
    }

    /// Queues the gradients of a scalar with respect to the values of a batch that was solved with
    /// a tape, from those with respect to its solutions. Samples without a solution add nothing.
    ///
    /// # Errors
    /// Those of [`Self::solve`].
    ///
    /// # Safety
    /// That of [`Self::solve`].
    pub unsafe fn vjp(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        adjoint: &AdjointAddresses,
    ) -> Result<(), Error> {
        let [out_x, out_z] = adjoint.adjoint;
        let PointAddresses { x: of_x, z: of_z, s: of_s } = adjoint.cotangent;
        // SAFETY: the caller's.
        let (launch, batch) = unsafe { self.start(stream, Entry::Adjoint, of, adjoint.scratch)? };
        let arguments = DerivativeArguments {
            batch,
            of_x,
            of_z,
            of_s,
            out_x,
            out_z,
            linear: adjoint.linear,
            ..DerivativeArguments::default()
        };
        // SAFETY: the caller's.
        unsafe { self.machine.launch(stream, launch, &Arguments::Adjoint(arguments))? };
        // SAFETY: the caller's.
        unsafe { self.gradients_at(stream, of, adjoint.adjoint, adjoint.gradients) }
    }

    /// Queues the gradients that follow from adjoints l1 and l2 at points of a batch: `dq = -l1`,
    /// `db = l2`, `dA = -(l2 x' + z l1')` and `dP = -sym(l1 x')`.
    ///
    /// # Errors
    /// Those of [`Self::solve`].
    ///
    /// # Safety
    /// That of [`Self::solve`].
    pub unsafe fn gradients_at(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        [l1, l2]: [u64; 2],
        gradients: [u64; 4],
    ) -> Result<(), Error> {
        let adjoints = GradientArguments { l1, l2, ..GradientArguments::default() };
        // SAFETY: the caller's.
        unsafe { self.gradients(stream, of, adjoints, gradients) }
    }

    /// Queues the gradient of the sum over the batch of weights times optimal values (envelope
    /// theorem). The weights of samples without a solution are zero.
    ///
    /// # Errors
    /// Those of [`Self::solve`].
    ///
    /// # Safety
    /// That of [`Self::solve`].
    pub unsafe fn value_gradient(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        weights: u64,
        gradients: [u64; 4],
    ) -> Result<(), Error> {
        let arguments = GradientArguments { weights, ..GradientArguments::default() };
        // SAFETY: the caller's.
        unsafe { self.gradients(stream, of, arguments, gradients) }
    }

    /// Gradients of P, q, A, b from what `arguments` has of them.
    ///
    /// # Safety
    /// That of [`Self::solve`].
    unsafe fn gradients(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        arguments: GradientArguments,
        [dp, dq, da, db]: [u64; 4],
    ) -> Result<(), Error> {
        let is_shared = of.values.map(Place::is_shared);
        let [p_is_shared, q_is_shared, a_is_shared, b_is_shared] = is_shared.map(i32::from);
        let arguments = GradientArguments {
            structure: self.patterns.arguments(),
            batch: count(of.batch)?,
            x: of.point.x,
            z: of.point.z,
            dp,
            dq,
            da,
            db,
            p_is_shared,
            q_is_shared,
            a_is_shared,
            b_is_shared,
            ..arguments
        };
        let launch = self.gradient_launch(of.batch, is_shared);
        // SAFETY: the caller's.
        unsafe { self.machine.launch(stream, launch, &Arguments::Gradient(arguments)) }
    }

    /// Queues the directional derivative of the solutions of such a batch along a change of its
    /// values. Samples without a solution do not move.
    ///
    /// # Errors
    /// Those of [`Self::solve`].
    ///
    /// # Safety
    /// That of [`Self::solve`].
    pub unsafe fn jvp(
        &self,
        stream: Stream,
        of: &BatchAddresses,
        tangent: &TangentAddresses,
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        let (launch, batch) = unsafe { self.start(stream, Entry::Tangent, of, tangent.scratch)? };
        let PointAddresses { x: out_x, z: out_z, s: out_s } = tangent.tangent;
        let arguments = DerivativeArguments {
            batch,
            change: self.values(tangent.change),
            out_x,
            out_z,
            out_s,
            linear: tangent.linear,
            ..DerivativeArguments::default()
        };
        // SAFETY: the caller's.
        unsafe { self.machine.launch(stream, launch, &Arguments::Tangent(arguments)) }
    }

    /// The shape of the launch that makes gradients: a block an entry of what is shared, a thread
    /// an entry of what is not. The kernels are those that are there already.
    fn gradient_launch(&self, batch: usize, is_shared: [bool; 4]) -> Launch {
        let threads = self.layout.threads;
        let blocks_of = |(len, is_shared): (usize, bool)| match is_shared {
            true => len,
            false => (batch * len).div_ceil(threads * GRADIENT_ENTRIES),
        };
        let blocks = self.lengths().values.into_iter().zip(is_shared).map(blocks_of);
        Launch {
            blocks: blocks.sum::<usize>().clamp(1, MOST_BLOCKS),
            shared_bytes: Layout::scratch_bytes(),
            variant: self.variant(batch),
        }
    }
}

impl Lengths {
    /// Those of every plan of a structure, wherever it runs.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a structure that no plan takes.
    pub fn new(structure: &Structure) -> Result<Self, Error> {
        let (_, _, layout) = laid_out(structure)?;
        Ok(lengths_of(structure, &layout))
    }
}

fn lengths_of(structure: &Structure, layout: &Layout) -> Lengths {
    let (n, m) = (structure.variables(), structure.rows());
    Lengths {
        values: [structure.p().nnz(), n, structure.a().nnz(), m],
        x: n,
        z: m,
        report: REPORT_LEN,
        tape: layout.tape_len,
        linear: LINEAR_LEN,
    }
}

/// Where the numbers of a problem of this structure go.
fn laid_out(structure: &Structure) -> Result<(Cones, Matrix, Layout), Error> {
    let cones = Cones::new(structure)?;
    let matrix = Matrix::new(structure, &cones.blocks);
    let (n, m) = (structure.variables(), structure.rows());
    let layout = Layout::new(n, m, matrix.len, cones.sizes);
    if layout.resident_len > MOST {
        return Err(Error::Unsupported {
            argument: "structure",
            expected: "dense matrices of fewer than 2^31 entries together",
            found: format!("{n} variables, {m} rows"),
        });
    }
    Ok((cones, matrix, layout))
}

/// Samples as kernels count them.
fn count(batch: usize) -> Result<i32, Error> {
    i32::try_from(batch).map_err(|_| Error::Unsupported {
        argument: "batch",
        expected: "fewer than 2^31 samples",
        found: batch.to_string(),
    })
}
