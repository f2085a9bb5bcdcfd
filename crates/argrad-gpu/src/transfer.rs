//! Batches that come from the host: their numbers on the machine, and back.

use argrad_solver::{Error as SolverError, Slot, Solution, Values};

use crate::addresses::{BatchAddresses, Lengths, Place, PointAddresses, Start};
use crate::error::Error;
use crate::machine::{Entry, Machine, Stream};
use crate::plan::Plan;

/// Where solutions come from, as [`Start`] says of addresses.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    Cold,
    From(&'a Solution),
    At(&'a Solution),
}

impl Origin<'_> {
    /// Refuses points of another shape.
    fn check(self, batch: usize, lengths: Lengths) -> Result<(), Error> {
        let (Self::From(point) | Self::At(point)) = self else { return Ok(()) };
        for (argument, numbers, len) in [
            ("start.x", &point.x, lengths.x),
            ("start.z", &point.z, lengths.z),
            ("start.s", &point.s, lengths.z),
        ] {
            let (expected, found) = (batch * len, numbers.len());
            if expected != found {
                let meaning = format!("a solution of a batch of {batch} with this structure");
                return Err(SolverError::Length { argument, expected, found, meaning }.into());
            }
        }
        Ok(())
    }

    /// Bytes that its points take.
    fn bytes(self) -> u64 {
        let (Self::From(point) | Self::At(point)) = self else { return 0 };
        let numbers = point.x.len() + point.z.len() + point.s.len();
        (numbers * size_of::<f64>()) as u64
    }

    fn upload<M: Machine>(self, machine: &M) -> Result<(Vec<M::Memory>, Start), Error> {
        let (Self::From(point) | Self::At(point)) = self else {
            return Ok((Vec::new(), Start::Cold));
        };
        let parts = [&point.x, &point.z, &point.s].map(|numbers| machine.upload(numbers));
        let memory = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
        let address = |k: usize| machine.address(&memory[k]);
        let start = PointAddresses { x: address(0), z: address(1), s: address(2) };
        let start = if matches!(self, Self::At(_)) { Start::At(start) } else { Start::From(start) };
        Ok((memory, start))
    }
}

/// A solved batch in memory of the machine that lives as long as this.
pub(crate) struct DeviceBatch<M: Machine> {
    values: [M::Memory; 4],
    x: M::Memory,
    z: M::Memory,
    s: M::Memory,
    report: M::Memory,
    _tape: Option<M::Memory>,
    pub(crate) addresses: BatchAddresses,
}

impl<M: Machine> DeviceBatch<M> {
    /// Uploads values, and solves them; keeps what derivatives need where `has_tape`.
    pub(crate) fn solve(
        plan: &Plan<M>,
        values: &Values<'_>,
        origin: Origin<'_>,
        has_tape: bool,
    ) -> Result<Self, Error> {
        values.check(plan.structure())?;
        let (machine, batch, lengths) = (plan.machine(), values.batch, plan.lengths());
        origin.check(batch, lengths)?;
        let free = machine.limits()?.free_bytes;
        plan.check_memory(batch, has_tape, free.saturating_sub(origin.bytes()))?;
        let slots = [values.p, values.q, values.a, values.b];
        let [p, q, a, b] = slots.map(|slot| machine.upload(slot.as_slice()));
        let memory = [p?, q?, a?, b?];
        let zeros = |len: usize| machine.zeros(batch * len);
        let [x, z, s, report] = [lengths.x, lengths.z, lengths.z, lengths.report].map(zeros);
        let (x, z, s, report) = (x?, z?, s?, report?);
        let tape = has_tape.then(|| zeros(lengths.tape)).transpose()?;
        let addresses = BatchAddresses {
            batch,
            values: std::array::from_fn(|k| Place::of(slots[k], machine.address(&memory[k]))),
            point: PointAddresses {
                x: machine.address(&x),
                z: machine.address(&z),
                s: machine.address(&s),
            },
            report: machine.address(&report),
            tape: tape.as_ref().map_or(0, |tape| machine.address(tape)),
        };
        let scratch = machine.zeros(plan.scratch_len(Entry::Solve, batch)?)?;
        let (_start, start) = origin.upload(machine)?;
        // SAFETY: all memory is of this machine and as long as the plan says. The scratch and the
        // start live until the stream on which they were taken is done with them, the rest as long
        // as this.
        unsafe { plan.solve_from(Stream::Own, &addresses, start, machine.address(&scratch))? };
        Ok(Self { values: memory, x, z, s, report, _tape: tape, addresses })
    }

    /// P, q, A or b on the host, for each sample.
    pub(crate) fn value(&self, plan: &Plan<M>, k: usize) -> Result<Vec<f64>, Error> {
        let (len, batch) = (plan.lengths().values[k], self.addresses.batch);
        if !self.addresses.values[k].is_shared() {
            return download(plan.machine(), &self.values[k], batch * len);
        }
        Ok(download(plan.machine(), &self.values[k], len)?.repeat(batch))
    }

    /// s on the host.
    pub(crate) fn slacks(&self, plan: &Plan<M>) -> Result<Vec<f64>, Error> {
        download(plan.machine(), &self.s, self.addresses.batch * plan.lengths().z)
    }

    /// What the host sees of it.
    pub(crate) fn download(&self, plan: &Plan<M>) -> Result<Solution, Error> {
        solution(plan, [&self.x, &self.z, &self.s, &self.report], &self.addresses)
    }
}

/// What the host sees of a solved batch: x, z, s and what its report says.
pub(crate) fn solution<M: Machine>(
    plan: &Plan<M>,
    [x, z, s, report]: [&M::Memory; 4],
    of: &BatchAddresses,
) -> Result<Solution, Error> {
    let (machine, lengths, batch) = (plan.machine(), plan.lengths(), of.batch);
    let numbers = download(machine, report, batch * lengths.report)?;
    let reports = plan.reports(&numbers, of.values[0].is_shared())?;
    Ok(Solution {
        batch,
        x: download(machine, x, batch * lengths.x)?,
        z: download(machine, z, batch * lengths.z)?,
        s: download(machine, s, batch * lengths.z)?,
        reports,
    })
}

/// Numbers of the machine, once all work before is done.
pub(crate) fn download<M: Machine>(
    machine: &M,
    memory: &M::Memory,
    len: usize,
) -> Result<Vec<f64>, Error> {
    let mut numbers = vec![0.0; len];
    machine.download(memory, &mut numbers)?;
    Ok(numbers)
}

/// A copy of what is there, and its address; zero for nothing.
pub(crate) fn upload<M: Machine>(
    machine: &M,
    numbers: Option<&[f64]>,
) -> Result<(Option<M::Memory>, u64), Error> {
    let memory = numbers.map(|numbers| machine.upload(numbers)).transpose()?;
    let address = memory.as_ref().map_or(0, |memory| machine.address(memory));
    Ok((memory, address))
}

/// The same of a value.
pub(crate) fn upload_slot<M: Machine>(
    machine: &M,
    slot: Option<Slot<'_>>,
) -> Result<(Option<M::Memory>, Option<Place>), Error> {
    let (memory, address) = upload(machine, slot.as_ref().map(Slot::as_slice))?;
    Ok((memory, slot.map(|slot| Place::of(slot, address))))
}
