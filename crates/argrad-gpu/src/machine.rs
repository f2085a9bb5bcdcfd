//! What kernels run on: memory and launches. A card is one ([`crate::cuda`]); the tests have one
//! that is the host.

use crate::arguments::Arguments;
use crate::error::Error;

/// An entry point of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// From values to solutions, reports and what derivatives need.
    Solve,
    /// From cotangents to adjoints.
    Adjoint,
    /// From changes of the values to those of the solutions.
    Tangent,
    /// From adjoints to gradients.
    Gradient,
    /// From solutions to points of the central path.
    Smooth,
}

impl Entry {
    /// All of them.
    pub const ALL: [Entry; 5] =
        [Entry::Solve, Entry::Adjoint, Entry::Tangent, Entry::Gradient, Entry::Smooth];

    /// Its name in `kernels/kernels.cu`.
    pub fn name(self) -> &'static str {
        match self {
            Entry::Solve => "argrad_solve",
            Entry::Adjoint => "argrad_adjoint",
            Entry::Tangent => "argrad_tangent",
            Entry::Gradient => "argrad_gradient",
            Entry::Smooth => "argrad_smooth",
        }
    }
}

impl Arguments {
    /// The entry point that takes them.
    pub fn entry(&self) -> Entry {
        match self {
            Arguments::Solve(_) => Entry::Solve,
            Arguments::Adjoint(_) => Entry::Adjoint,
            Arguments::Tangent(_) => Entry::Tangent,
            Arguments::Gradient(_) => Entry::Gradient,
            Arguments::Smooth(_) => Entry::Smooth,
        }
    }
}

/// What kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Threads of a block.
    pub threads: usize,
    /// Blocks that the registers of a multiprocessor have room for at least: threads of fewer
    /// blocks have more registers, and wait less.
    pub blocks: usize,
    /// Whether shared memory holds all of a problem: kernels that know it read it faster.
    pub is_resident: bool,
    /// Whether there are curved cones: kernels that know of none are smaller.
    pub is_curved: bool,
    /// Whether A is held as a list of entries.
    pub is_sparse: bool,
}

/// The shape of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks.
    pub blocks: usize,
    /// Bytes of shared memory of each.
    pub shared_bytes: usize,
    /// The kernels.
    pub variant: Variant,
}

/// What a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of shared memory that a block can have.
    pub shared_bytes: usize,
    /// Multiprocessors, and bytes of shared memory of each.
    pub multiprocessors: usize,
    /// See above.
    pub multiprocessor_shared_bytes: usize,
    /// Bytes of memory that are free.
    pub free_bytes: u64,
}

/// Where work is queued. That of one stream is done in the order in which it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The machine's own, on which memory is taken and copied.
    Own,
    /// That of the driver with this handle, of which somebody else takes care; zero is the driver's
    /// default stream. A machine without streams takes it for its own.
    Of(u64),
}

/// Memory and launches.
pub trait Machine {
    /// A piece of the machine's memory; given back when dropped.
    type Memory;

    /// What the machine has.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn limits(&self) -> Result<Limits, Error>;

    /// Blocks of this shape that run at once.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn blocks_at_once(&self, entry: Entry, launch: Launch) -> Result<usize, Error>;

    /// Memory for so many numbers, all zero.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn zeros(&self, len: usize) -> Result<Self::Memory, Error>;

    /// A copy of numbers.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn upload(&self, numbers: &[f64]) -> Result<Self::Memory, Error>;

    /// A copy of indices.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn upload_indices(&self, indices: &[i32]) -> Result<Self::Memory, Error>;

    /// Copies numbers back, as many as `numbers` has, once all work before is done.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn download(&self, memory: &Self::Memory, numbers: &mut [f64]) -> Result<(), Error>;

    /// Where the memory begins.
    fn address(&self, memory: &Self::Memory) -> u64;

    /// Waits until the machine's own stream is done: what was uploaded is there for other streams.
    ///
    /// # Errors
    /// [`Error::Device`].
    fn wait(&self) -> Result<(), Error>;

    /// Copies what begins at an address to the host, once all work before on the stream is done.
    ///
    /// # Errors
    /// [`Error::Device`].
    ///
    /// # Safety
    /// That of [`Self::launch`], of as many bytes.
    unsafe fn read(&self, stream: Stream, address: u64, bytes: &mut [u8]) -> Result<(), Error>;

    /// Queues that `len` numbers from `address` on become zero.
    ///
    /// # Errors
    /// [`Error::Device`].
    ///
    /// # Safety
    /// That of [`Self::launch`].
    unsafe fn clear(&self, stream: Stream, address: u64, len: usize) -> Result<(), Error>;

    /// Queues a kernel.
    ///
    /// # Errors
    /// [`Error::Device`].
    ///
    /// # Safety
    /// The stream is one of this machine. The addresses are those of memory of this machine, as
    /// long as the kernel reads and writes, and that memory lives until the work is done.
    unsafe fn launch(
        &self,
        stream: Stream,
        launch: Launch,
        arguments: &Arguments,
    ) -> Result<(), Error>;
}
