//! A structure with its settings on a machine: from values to solutions.

use std::sync::Arc;

use argrad_solver::{Report, Settings, Slot, Solution, Status, Structure, Values};

use crate::arguments::{
    Arguments, MemoryArguments, SettingsArguments, SolveArguments, ValuesArguments,
};
use crate::error::Error;
use crate::layout::Layout;
use crate::machine::{Entry, Launch, Machine};
use crate::patterns::Patterns;

/// Numbers of a report, in the order of `ReportField` in `kernels/arguments.h`.
const REPORT_LEN: usize = 14;
/// Bytes of a number.
const NUMBER: u64 = size_of::<f64>() as u64;
/// Most numbers of a problem, and most samples: kernels count them by `int`.
const MOST: usize = i32::MAX as usize;
/// Number of the status of a P that is not positive semidefinite, and its field.
const NOT_CONVEX: f64 = 6.0;
const CONVEXITY: usize = 13;

/// What solver and tapes share.
pub(crate) struct Plan<M: Machine> {
    pub(crate) machine: Arc<M>,
    pub(crate) structure: Structure,
    settings: Settings,
    pub(crate) layout: Layout,
    pub(crate) patterns: Patterns<M>,
}

/// The values of a batch on the machine.
pub(crate) struct DeviceValues<M: Machine> {
    _memory: [M::Memory; 4],
    pub(crate) arguments: ValuesArguments,
    /// Whether P, q, A, b are shared.
    pub(crate) is_shared: [bool; 4],
}

/// A solved batch on the machine.
pub(crate) struct DeviceSolution<M: Machine> {
    pub(crate) x: M::Memory,
    pub(crate) z: M::Memory,
    pub(crate) s: M::Memory,
    pub(crate) report: M::Memory,
    pub(crate) tape: Option<M::Memory>,
}

/// Scratch of a launch that takes problem after problem.
pub(crate) struct Scratch<M: Machine> {
    _memory: [M::Memory; 2],
    pub(crate) arguments: MemoryArguments,
    pub(crate) launch: Launch,
}

impl<M: Machine> Plan<M> {
    /// Checks what is asked for, and uploads the patterns.
    pub(crate) fn new(
        structure: Structure,
        settings: Settings,
        machine: Arc<M>,
    ) -> Result<Self, Error> {
        settings.check()?;
        if settings.time_limit.is_some() || settings.interrupt.is_some() {
            return Err(Error::Unsupported {
                argument: "settings",
                expected: "neither a time limit nor an interrupt: a launch cannot be ended",
                found: "one of them".into(),
            });
        }
        let layout = Layout::new(structure.variables(), structure.rows());
        if layout.resident_len > MOST {
            return Err(Error::Unsupported {
                argument: "structure",
                expected: "dense matrices of fewer than 2^31 entries together",
                found: format!("{} variables, {} rows", structure.variables(), structure.rows()),
            });
        }
        let patterns = Patterns::new(&*machine, &structure)?;
        Ok(Self { machine, structure, settings, layout, patterns })
    }

    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.structure.variables(), self.structure.rows())
    }

    /// Bytes of a sample, without scratch.
    fn sample_bytes(&self, has_tape: bool) -> u64 {
        let (n, m) = self.sizes();
        let values = self.structure.p().nnz() + self.structure.a().nnz() + n + m;
        let tape = if has_tape { self.layout.tape_len } else { 0 };
        NUMBER * (values + n + 2 * m + REPORT_LEN + tape) as u64
    }

    /// Bytes of the scratch of a launch over a batch.
    fn scratch_bytes(&self, batch: usize) -> Result<u64, Error> {
        let launch = self.launch(Entry::Solve, batch)?;
        let len = self.layout.workspace_len(launch.is_resident);
        Ok(NUMBER * (launch.blocks * len) as u64)
    }

    /// Bytes of a batch.
    pub(crate) fn memory(&self, batch: usize, has_tape: bool) -> Result<u64, Error> {
        Ok(batch as u64 * self.sample_bytes(has_tape) + self.scratch_bytes(batch)?)
    }

    /// Refuses a batch that does not fit.
    fn check_memory(&self, batch: usize, has_tape: bool) -> Result<(), Error> {
        let limit = self.settings.memory_limit.map_or(u64::MAX, |limit| limit as u64);
        let free = self.machine.limits()?.free_bytes.min(limit);
        let needed = self.memory(batch, has_tape)?;
        if needed <= free {
            return Ok(());
        }
        let left = free.saturating_sub(self.scratch_bytes(batch)?);
        let fits = (left / self.sample_bytes(has_tape).max(1)) as usize;
        Err(Error::Memory { batch, needed, free, fits })
    }

    fn upload(&self, values: &Values<'_>) -> Result<DeviceValues<M>, Error> {
        let slots = [values.p, values.q, values.a, values.b];
        let (n, m) = self.sizes();
        let lens = [self.structure.p().nnz(), n, self.structure.a().nnz(), m];
        let is_shared = slots.map(|slot| slot.is_shared());
        let [p, q, a, b] = slots.map(|slot| self.machine.upload(slot.as_slice()));
        let memory = [p?, q?, a?, b?];
        let [p, q, a, b] = std::array::from_fn(|k| self.machine.address(&memory[k]));
        let [p_stride, q_stride, a_stride, b_stride] =
            std::array::from_fn(|k| if is_shared[k] { 0 } else { lens[k] as i64 });
        let arguments = ValuesArguments { p, q, a, b, p_stride, q_stride, a_stride, b_stride };
        Ok(DeviceValues { _memory: memory, arguments, is_shared })
    }

    /// Whether shared memory holds all of a problem.
    pub(crate) fn is_resident(&self) -> Result<bool, Error> {
        Ok(self.layout.is_resident(self.machine.limits()?.shared_bytes))
    }

    /// The shape of a launch over a batch.
    fn launch(&self, entry: Entry, batch: usize) -> Result<Launch, Error> {
        let Self { machine, layout, .. } = self;
        let is_resident = self.is_resident()?;
        let shared_bytes = layout.shared_bytes(is_resident);
        let mut launch = Launch { blocks: 1, threads: layout.threads, shared_bytes, is_resident };
        launch.blocks = machine.blocks_at_once(entry, launch)?.clamp(1, batch.max(1));
        Ok(launch)
    }

    /// Scratch for a launch over a batch.
    pub(crate) fn scratch(&self, entry: Entry, batch: usize) -> Result<Scratch<M>, Error> {
        let Self { machine, layout, .. } = self;
        let launch = self.launch(entry, batch)?;
        let is_resident = launch.is_resident;
        let workspace = machine.zeros(launch.blocks * layout.workspace_len(is_resident))?;
        let next = machine.zeros(1)?;
        let arguments = MemoryArguments {
            workspace: machine.address(&workspace),
            resident_len: layout.resident_len as i64,
            spare_len: layout.spare_len as i64,
            is_resident: i32::from(is_resident),
            next: machine.address(&next),
        };
        Ok(Scratch { _memory: [workspace, next], arguments, launch })
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

    /// Solves a batch, and keeps what derivatives need where `has_tape`.
    pub(crate) fn solve(&self, values: &Values<'_>, has_tape: bool) -> Result<Solved<M>, Error> {
        values.check(&self.structure)?;
        let (machine, batch) = (&*self.machine, values.batch);
        let (n, m) = self.sizes();
        if batch > MOST {
            let expected = "fewer than 2^31 samples";
            let found = batch.to_string();
            return Err(Error::Unsupported { argument: "batch", expected, found });
        }
        self.check_memory(batch, has_tape)?;
        let device_values = self.upload(values)?;
        let on_device = DeviceSolution::<M> {
            x: machine.zeros(batch * n)?,
            z: machine.zeros(batch * m)?,
            s: machine.zeros(batch * m)?,
            report: machine.zeros(batch * REPORT_LEN)?,
            tape: has_tape.then(|| machine.zeros(batch * self.layout.tape_len)).transpose()?,
        };
        let mut structure = self.patterns.arguments();
        let matrices = if values.p.is_shared() { batch.min(1) } else { batch };
        let is_checked = self.settings.check_convexity && structure.p_len > 0;
        structure.convexity_checks = if is_checked { matrices as i32 } else { 0 };
        let scratch = self.scratch(Entry::Solve, batch)?;
        let arguments = SolveArguments {
            structure,
            values: device_values.arguments,
            settings: self.settings(),
            memory: scratch.arguments,
            batch: batch as i32,
            x: machine.address(&on_device.x),
            z: machine.address(&on_device.z),
            s: machine.address(&on_device.s),
            report: machine.address(&on_device.report),
            tape: on_device.tape.as_ref().map_or(0, |tape| machine.address(tape)),
            tape_len: self.layout.tape_len as i64,
        };
        // SAFETY: all memory is of this machine, as long as the layout says, and lives until the
        // download below, which waits for the kernel.
        unsafe { machine.launch(scratch.launch, &Arguments::Solve(arguments))? };
        let solution = self.download(values, &on_device)?;
        Ok((solution, on_device, device_values))
    }

    fn download(
        &self,
        values: &Values<'_>,
        on_device: &DeviceSolution<M>,
    ) -> Result<Solution, Error> {
        let (machine, batch) = (&*self.machine, values.batch);
        let (n, m) = self.sizes();
        let mut fields = vec![0.0; batch * REPORT_LEN];
        machine.download(&on_device.report, &mut fields)?;
        let reports: Vec<&[f64]> = fields.chunks_exact(REPORT_LEN).collect();
        if let Some(sample) = reports.iter().position(|report| report[0] == NOT_CONVEX) {
            let pivot = reports[sample][CONVEXITY];
            let sample = (!values.p.is_shared()).then_some(sample);
            return Err(argrad_solver::Error::NotConvex { argument: "P", sample, pivot }.into());
        }
        let mut solution = Solution {
            batch,
            x: vec![0.0; batch * n],
            z: vec![0.0; batch * m],
            s: vec![0.0; batch * m],
            reports: reports.iter().map(|fields| report(fields)).collect(),
        };
        machine.download(&on_device.x, &mut solution.x)?;
        machine.download(&on_device.z, &mut solution.z)?;
        machine.download(&on_device.s, &mut solution.s)?;
        Ok(solution)
    }
}

/// A solution on the host and on the machine, with the values it belongs to.
pub(crate) type Solved<M> = (Solution, DeviceSolution<M>, DeviceValues<M>);

/// A report from its numbers.
fn report(fields: &[f64]) -> Report {
    let mut report = Report::default();
    report.status = match fields[0] as u32 {
        0 => Status::Solved,
        1 => Status::AlmostSolved,
        2 => Status::PrimalInfeasible,
        3 => Status::DualInfeasible,
        4 => Status::IterationLimit,
        _ => Status::NumericalTrouble,
    };
    report.iterations = fields[1] as u32;
    report.polish_steps = fields[2] as u32;
    report.factorizations = fields[3] as u32;
    report.objective = fields[4];
    report.primal_residual = fields[5];
    report.dual_residual = fields[6];
    report.gap = fields[7];
    report.residual = fields[8];
    report.weakly_active = fields[9] as u32;
    report.condition = fields[10];
    report.unique_x = fields[11] > 0.0;
    report.unique_z = fields[12] > 0.0;
    report
}

/// Whether the numbers of `slot` are shared; its stride.
pub(crate) fn stride(slot: Slot<'_>, len: usize) -> i64 {
    if slot.is_shared() { 0 } else { len as i64 }
}
