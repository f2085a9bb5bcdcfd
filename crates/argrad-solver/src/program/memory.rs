//! How much memory a solver may take.
//!
//! What a program needs follows from its structure and the size of the batch, so it is computed
//! before anything of that size is allocated. The default limit is the memory of the machine, not
//! what is free of it: whether a program is refused must not depend on what else runs at the time.

use std::sync::OnceLock;

use super::{Error, Settings};

/// What to do about a program that is too large.
const SPLIT: &str = "split the program, or raise memory_limit of the settings";
/// What to do about a batch that is too large.
const SMALLER_BATCH: &str = "solve it in smaller batches, or raise memory_limit of the settings";

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
        remedy: &'static str,
    ) -> Result<(), Error> {
        if needed <= self.0 {
            return Ok(());
        }
        Err(Error::Memory { what: what(), needed, limit: Some(self.0), remedy })
    }
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
