//! How much memory a solver may take.
//!
//! What a program needs follows from its structure and the size of the batch, so it is computed
//! before anything of that size is allocated. The default limit is the memory of the machine, not
//! what is free of it: whether a program is refused must not depend on what else runs at the time.

use std::sync::OnceLock;

use super::{Error, Settings};

/// What to do about a program that is too large, for the limit or for the system.
const SPLIT: Remedies = Remedies {
    limit: "split the program, or raise memory_limit of the settings",
    system: "split the program",
};
/// What to do about a batch that is too large.
const SMALLER_BATCH: Remedies = Remedies {
    limit: "solve it in smaller batches, or raise memory_limit of the settings",
    system: "solve it in smaller batches",
};

/// So many bytes are asked for before they are needed. What is smaller is not worth the question.
const ASKED_FOR: u64 = 1 << 24;

/// What to do about what is too large.
struct Remedies {
    limit: &'static str,
    system: &'static str,
}

/// Bytes that one call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryLimit(u64);

impl MemoryLimit {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self(settings.memory_limit.map_or_else(of_machine, |limit| limit as u64))
    }

    /// Refuses a program for which `what` takes more than the limit.
    pub(crate) fn check_program(
        self,
        bytes: u64,
        what: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        self.check(bytes, what, SPLIT)
    }

    /// Refuses a batch for which `what` takes more than the limit.
    pub(crate) fn check_batch(
        self,
        bytes: u64,
        what: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        self.check(bytes, what, SMALLER_BATCH)
    }

    fn check(
        self,
        needed: u64,
        what: impl FnOnce() -> String,
        remedies: Remedies,
    ) -> Result<(), Error> {
        if needed > self.0 {
            let (limit, remedy) = (Some(self.0), remedies.limit);
            return Err(Error::Memory { what: what(), needed, limit, remedy });
        }
        if needed < ASKED_FOR || is_given(needed) {
            return Ok(());
        }
        Err(Error::Memory { what: what(), needed, limit: None, remedy: remedies.system })
    }
}

/// Whether the system would give so many bytes now: one that limits the process does not, and one
/// that promises more than it has does. They are not touched.
fn is_given(bytes: u64) -> bool {
    let mut room = Vec::<u8>::new();
    let given = usize::try_from(bytes).is_ok_and(|bytes| room.try_reserve_exact(bytes).is_ok());
    // Unless it is looked at, the compiler leaves the allocation out.
    std::hint::black_box(&room);
    given
}

/// The system gave no memory for `bytes` bytes.
pub(crate) fn not_given(bytes: u64) -> Error {
    Error::Memory {
        what: "a buffer of numbers".into(),
        needed: bytes,
        limit: None,
        remedy: "solve a smaller program or batch",
    }
}

/// Bytes of `count` things of `size` bytes, at most what a u64 counts.
pub(crate) fn bytes(count: usize, size: usize) -> u64 {
    (count as u64).saturating_mul(size as u64)
}

/// Memory of this machine, or of the control group that the process is in.
fn of_machine() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let mut system = sysinfo::System::new();
        system.refresh_memory_specifics(sysinfo::MemoryRefreshKind::nothing().with_ram());
        let group = system.cgroup_limits().map(|limits| limits.total_memory);
        // Systems that do not say how much they have say zero.
        let known = [Some(system.total_memory()), group].into_iter().flatten().filter(|&b| b > 0);
        known.min().unwrap_or(u64::MAX)
    })
}
