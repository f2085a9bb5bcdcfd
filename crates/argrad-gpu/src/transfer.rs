//! Batches that come from the host: their numbers on the machine, and back.

use argrad_solver::{Slot, Solution, Values};

use crate::addresses::{BatchAddresses, Place, PointAddresses};
use crate::error::Error;
use crate::machine::{Entry, Machine, Stream};
use crate::plan::Plan;

/// A solved batch in memory of the machine that lives as long as this.
pub(crate) struct DeviceBatch<M: Machine> {
    _values: [M::Memory; 4],
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
        has_tape: bool,
    ) -> Result<Self, Error> {
        values.check(plan.structure())?;
        let (machine, batch, lengths) = (plan.machine(), values.batch, plan.lengths());
        plan.check_memory(batch, has_tape, machine.limits()?.free_bytes)?;
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
        // SAFETY: all memory is of this machine and as long as the plan says. The scratch lives
        // until the stream on which it was taken is done with it, the rest as long as this.
        unsafe { plan.solve(Stream::Own, &addresses, machine.address(&scratch))? };
        Ok(Self { _values: memory, x, z, s, report, _tape: tape, addresses })
    }

    /// What the host sees of it.
    pub(crate) fn download(&self, plan: &Plan<M>) -> Result<Solution, Error> {
        let (machine, lengths) = (plan.machine(), plan.lengths());
        let BatchAddresses { batch, values, .. } = self.addresses;
        let numbers = download(machine, &self.report, batch * lengths.report)?;
        let reports = plan.reports(&numbers, values[0].is_shared())?;
        Ok(Solution {
            batch,
            x: download(machine, &self.x, batch * lengths.x)?,
            z: download(machine, &self.z, batch * lengths.z)?,
            s: download(machine, &self.s, batch * lengths.z)?,
            reports,
        })
    }
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
