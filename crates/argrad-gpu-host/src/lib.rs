//! The kernels of [`argrad_gpu`] compiled for the host: a [`Machine`] without a card, for tests.
#![deny(missing_docs)]

mod recorder;
#[cfg(host_kernels)]
pub mod three_dimensional;

pub use recorder::{Recorded, Recorder};

use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

use argrad_gpu::{Arguments, CurvedSizes, Entry, Error, Launch, Limits, Machine, Stream};

/// How the loops of a block run, see `kernels/block.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One thread, in order.
    Ascending,
    /// One thread, every loop in a random order.
    Random,
    /// Four threads with barriers.
    Threads,
}

/// The host as a machine.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// How loops run.
    pub order: Order,
    /// Bytes that a block has as its shared memory.
    pub shared_bytes: usize,
    /// Bytes that are free, as it is said.
    pub free_bytes: u64,
}

impl Host {
    /// A host with the shared memory of a block of an H100.
    pub fn new(order: Order) -> Self {
        Self { order, shared_bytes: 232_448, free_bytes: u64::MAX }
    }
}

/// Memory that kernels write behind the back of the compiler.
pub struct Memory {
    numbers: *mut [f64],
}

// SAFETY: a pointer to memory of its own, which only launches and copies read and write.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(numbers: Vec<f64>) -> Self {
        Self { numbers: Box::into_raw(numbers.into_boxed_slice()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw`, and dropped once.
        drop(unsafe { Box::from_raw(self.numbers) });
    }
}

type LaunchBlock = unsafe extern "C" fn(i32, *const c_void, *mut f64);

/// Whether there was a C++ compiler, and so there are kernels.
pub const fn are_compiled() -> bool {
    cfg!(host_kernels)
}

#[cfg(host_kernels)]
unsafe extern "C" {
    fn argrad_launch_0(entry: i32, arguments: *const c_void, shared: *mut f64);
    fn argrad_launch_1(entry: i32, arguments: *const c_void, shared: *mut f64);
    fn argrad_launch_2(entry: i32, arguments: *const c_void, shared: *mut f64);
    fn argrad_lengths_0(n: i32, m: i32, matrix_len: i32, curved: *const i32, out: *mut i64);
}

#[cfg(not(host_kernels))]
use without_kernels::{argrad_launch_0, argrad_launch_1, argrad_launch_2, argrad_lengths_0};

/// What is called where there are none: nothing, as [`are_compiled`] said.
#[cfg(not(host_kernels))]
mod without_kernels {
    use std::ffi::c_void;

    pub(super) unsafe extern "C" fn argrad_launch_0(_: i32, _: *const c_void, _: *mut f64) {
        unimplemented!("kernels: no C++ compiler was found")
    }

    pub(super) use argrad_launch_0 as argrad_launch_1;
    pub(super) use argrad_launch_0 as argrad_launch_2;

    pub(super) unsafe extern "C" fn argrad_lengths_0(
        _: i32,
        _: i32,
        _: i32,
        _: *const i32,
        _: *mut i64,
    ) {
        unimplemented!("kernels: no C++ compiler was found")
    }
}

/// Only one block of threads has the barrier.
static BARRIER: Mutex<()> = Mutex::new(());

impl Machine for Host {
    type Memory = Memory;

    fn limits(&self) -> Result<Limits, Error> {
        let (shared_bytes, free_bytes) = (self.shared_bytes, self.free_bytes);
        let multiprocessor_shared_bytes = shared_bytes + 1024;
        Ok(Limits { shared_bytes, multiprocessors: 1, multiprocessor_shared_bytes, free_bytes })
    }

    fn blocks_at_once(&self, _entry: Entry, _launch: Launch) -> Result<usize, Error> {
        Ok(1)
    }

    fn zeros(&self, len: usize) -> Result<Memory, Error> {
        Ok(Memory::new(vec![0.0; len]))
    }

    fn upload(&self, numbers: &[f64]) -> Result<Memory, Error> {
        Ok(Memory::new(numbers.to_vec()))
    }

    fn upload_indices(&self, indices: &[i32]) -> Result<Memory, Error> {
        let memory = Memory::new(vec![0.0; indices.len().div_ceil(2)]);
        // SAFETY: two indices take the place of one number.
        unsafe {
            ptr::copy_nonoverlapping(indices.as_ptr(), memory.numbers.cast(), indices.len());
        }
        Ok(memory)
    }

    fn download(&self, memory: &Memory, numbers: &mut [f64]) -> Result<(), Error> {
        assert!(numbers.len() <= memory.numbers.len());
        // SAFETY: as long as that, and no launch is under way: they run to their end.
        unsafe {
            ptr::copy_nonoverlapping(memory.numbers.cast(), numbers.as_mut_ptr(), numbers.len());
        }
        Ok(())
    }

    fn address(&self, memory: &Memory) -> u64 {
        memory.numbers.cast::<f64>().expose_provenance() as u64
    }

    fn wait(&self) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn read(&self, _stream: Stream, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let from = ptr::with_exposed_provenance::<u8>(address as usize);
        // SAFETY: the caller's; no launch is under way.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    unsafe fn clear(&self, _stream: Stream, address: u64, len: usize) -> Result<(), Error> {
        let numbers = ptr::with_exposed_provenance_mut::<f64>(address as usize);
        // SAFETY: the caller's.
        unsafe { ptr::write_bytes(numbers, 0, len) };
        Ok(())
    }

    unsafe fn launch(
        &self,
        _stream: Stream,
        launch: Launch,
        arguments: &Arguments,
    ) -> Result<(), Error> {
        let block: LaunchBlock = match self.order {
            Order::Ascending => argrad_launch_0,
            Order::Random => argrad_launch_1,
            Order::Threads => argrad_launch_2,
        };
        let _alone = (self.order == Order::Threads).then(|| BARRIER.lock());
        let entry = arguments.entry();
        let number = Entry::ALL.iter().position(|&e| e == entry).unwrap_or(0) as i32;
        // Exactly as long as the launch says, so that a sanitizer sees what lies beyond.
        let mut shared = vec![f64::NAN; launch.shared_bytes / size_of::<f64>()];
        let given: *const c_void = match arguments {
            Arguments::Solve(given) => ptr::from_ref(given).cast(),
            Arguments::Adjoint(given) | Arguments::Tangent(given) => ptr::from_ref(given).cast(),
            Arguments::Gradient(given) => ptr::from_ref(given).cast(),
            Arguments::Smooth(given) => ptr::from_ref(given).cast(),
        };
        // SAFETY: the caller's; the structs are those of the kernels.
        unsafe { block(number, given, shared.as_mut_ptr()) };
        Ok(())
    }
}

/// What the kernels take, as they say it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Numbers of a problem that every step needs.
    pub resident: usize,
    /// Those that are seldom used.
    pub spare: usize,
    /// Those in shared memory whatever the size.
    pub fixed: usize,
    /// Bytes of the arguments of solve, derivative, gradient and smooth.
    pub arguments: [usize; 4],
    /// Numbers of a report.
    pub report: usize,
}

impl Lengths {
    /// For programs with `n` variables and `m` rows, whose A takes `matrix_len` numbers, and of
    /// which curved cones need so much.
    pub fn new(n: usize, m: usize, matrix_len: usize, curved: CurvedSizes) -> Self {
        let CurvedSizes { cones, basis_len, data_len } = curved;
        let curved = [cones, basis_len, data_len].map(|len| len as i32);
        let mut out = [0_i64; 8];
        // SAFETY: it reads three numbers and writes eight.
        unsafe {
            argrad_lengths_0(
                n as i32,
                m as i32,
                matrix_len as i32,
                curved.as_ptr(),
                out.as_mut_ptr(),
            );
        }
        let [resident, spare, fixed, solve, derivative, gradient, smooth, report] =
            out.map(|len| len as usize);
        Self { resident, spare, fixed, arguments: [solve, derivative, gradient, smooth], report }
    }
}
