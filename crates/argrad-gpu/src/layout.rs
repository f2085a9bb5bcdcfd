//! How much memory a problem takes, where it lies, and how many threads work on it: functions of
//! the size alone.

use crate::cones::CurvedSizes;
use crate::machine::Limits;

/// Numbers of a block that are in shared memory whatever the size (`FIXED_LEN` of
/// `kernels/problem.h`).
const FIXED_LEN: usize = 143;
/// Scalars of a problem (`SCALARS`), which a tape keeps.
const SCALARS: usize = 5;
/// Columns that are eliminated together (`PANEL`).
const PANEL: usize = 16;
/// Bytes of a number.
const NUMBER: usize = size_of::<f64>();
/// Bytes of shared memory that the system takes for each block.
const RESERVED: usize = 1024;
/// Threads of a multiprocessor with as many registers as a thread can have (255 of 65,536); and
/// with 128. A thread of the solve uses 240 where it has them: it reads many numbers at once, and
/// keeps nothing elsewhere.
const FEW_THREADS: usize = 256;
const MANY_THREADS: usize = 512;
/// Threads with few registers wait for every number that they read. So there must be so many times
/// the problems at once.
const WORTHWHILE: usize = 2;

/// Sizes of one problem in numbers, and the shape of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What every step of a solve needs.
    pub resident_len: usize,
    /// What is seldom used, and always in the memory of the device.
    pub spare_len: usize,
    /// What the derivative needs later, per sample.
    pub tape_len: usize,
    /// Whether there are curved cones: kernels that know of none are smaller.
    pub is_curved: bool,
    /// Threads of a block, which works on one problem: enough for its rows and tiles, and one warp
    /// where that is enough, since a warp needs no barriers.
    pub threads: usize,
}

impl Layout {
    /// That of programs with `n` variables and `m` rows, whose A takes `matrix_len` numbers, and of
    /// which curved cones need so much.
    pub fn new(n: usize, m: usize, matrix_len: usize, curved: CurvedSizes) -> Self {
        let panels = n.div_ceil(PANEL);
        let matrices = ((n + 1) | 1) * n + matrix_len + panels * PANEL * PANEL;
        // The turned rows; the v of the factor, and a vector on its way.
        let (turned, vectors) = if curved.cones > 0 { (matrix_len, 2 * m) } else { (0, 0) };
        let of_cones = turned + curved.basis_len + curved.data_len;
        Self {
            resident_len: matrices + 8 * n + 15 * m + 4 * n + 4 * (n + m) + of_cones,
            spare_len: 11 * (n + m) + 2 * n + 3 * m + vectors,
            tape_len: SCALARS + 2 * n + 3 * m + curved.basis_len + n * (n + 1) / 2,
            is_curved: curved.cones > 0,
            threads: match n.max(m) {
                0..=16 => 32,
                17..=32 => 64,
                33..=64 => 128,
                _ => 256,
            },
        }
    }

    /// Bytes of shared memory of a block that only adds: no program, but scratch.
    pub fn scratch_bytes() -> usize {
        FIXED_LEN * NUMBER
    }

    /// Whether what every step needs fits into the shared memory of a block, of which there are
    /// `available` bytes.
    pub fn is_resident(&self, available: usize) -> bool {
        (FIXED_LEN + self.resident_len) * NUMBER <= available
    }

    /// Bytes of shared memory of a block.
    pub fn shared_bytes(&self, is_resident: bool) -> usize {
        (FIXED_LEN + if is_resident { self.resident_len } else { 0 }) * NUMBER
    }

    /// Numbers in the memory of the device per block.
    pub fn workspace_len(&self, is_resident: bool) -> usize {
        self.spare_len + if is_resident { 0 } else { self.resident_len }
    }

    /// Blocks that shared memory leaves room for on a multiprocessor that has so many bytes of it.
    pub fn blocks_by_shared_memory(&self, is_resident: bool, available: usize) -> usize {
        available / (self.shared_bytes(is_resident) + RESERVED)
    }

    /// Blocks for whose registers the kernels for a batch are compiled: many where that many more
    /// problems are worked on at once.
    pub fn blocks(&self, is_resident: bool, batch: usize, limits: &Limits) -> usize {
        let (few, many) = (FEW_THREADS / self.threads, MANY_THREADS / self.threads);
        let room = self.blocks_by_shared_memory(is_resident, limits.multiprocessor_shared_bytes);
        let wanted = batch.div_ceil(limits.multiprocessors.max(1));
        if is_resident && room.min(wanted) > WORTHWHILE * few { many } else { few }
    }
}
