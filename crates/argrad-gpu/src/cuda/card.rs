//! A card as a machine.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Known;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUevent_flags, CUfunction_attribute};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr,
    DriverError, LaunchConfig, PushKernelArg, result, sys,
};

use super::compile::compile;
use crate::arguments::{
    Arguments, DerivativeArguments, GradientArguments, SmoothArguments, SolveArguments,
};
use crate::error::Error;
use crate::machine::{Entry, Launch, Limits, Machine, Stream, Variant};

/// The oldest driver whose functions are used here, 12.0.
const OLDEST_DRIVER: i32 = 12_000;
const NO_DRIVER: &str = "install the driver of NVIDIA, or solve by argrad_solver::Solver";
const OLD_DRIVER: &str = "update the driver of NVIDIA to one for CUDA 12 or later";
const WRONG_CARD: &str = "nvidia-smi lists the cards; CUDA_VISIBLE_DEVICES hides some";
const FAILED: &str = "see the error of the driver; solve by argrad_solver::Solver meanwhile";

/// An NVIDIA card with a stream of its own, and the kernels that were compiled for it.
///
/// It shares the primary context of the card with everything in the process that uses the runtime
/// of CUDA, so streams and addresses of the others are good here. What is called here makes that
/// context the current one of the thread.
pub struct Card {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    capability: (i32, i32),
    /// The kernels that were compiled already.
    kernels: Mutex<HashMap<Variant, Kernels>>,
    /// The kernels that ran, with the events around them, where they are timed.
    timed: Mutex<Option<Vec<(Entry, CudaEvent, CudaEvent)>>>,
}

/// Kernels in the order of [`Entry::ALL`].
type Kernels = [CudaFunction; 5];

// SAFETY: numbers and addresses, laid out as in `kernels/arguments.h`.
unsafe impl DeviceRepr for SolveArguments {}
// SAFETY: as above.
unsafe impl DeviceRepr for DerivativeArguments {}
// SAFETY: as above.
unsafe impl DeviceRepr for GradientArguments {}
// SAFETY: as above.
unsafe impl DeviceRepr for SmoothArguments {}

/// The error of a driver that was asked for something.
fn failed(doing: &str) -> impl Fn(DriverError) -> Error {
    let doing = doing.to_owned();
    move |error| Error::Device { doing: doing.clone(), found: error.to_string(), remedy: FAILED }
}

impl Card {
    /// The card with this number, counted from zero as `nvidia-smi` lists them.
    ///
    /// # Errors
    /// [`Error::Device`] where there is no driver, it is too old, or there is no such card.
    pub fn new(number: usize) -> Result<Arc<Self>, Error> {
        check_driver(number)?;
        let context = CudaContext::new(number).map_err(|error| Error::Device {
            doing: format!("taking card {number}"),
            found: error.to_string(),
            remedy: WRONG_CARD,
        })?;
        // SAFETY: memory that is taken here is used on one stream, and outlives its work: `Solver`
        // waits. Who queues on a stream of his own takes care of his memory.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(failed("making a stream"))?;
        let capability =
            context.compute_capability().map_err(failed("asking for the compute capability"))?;
        let (kernels, timed) = (Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { context, stream, capability, kernels, timed }))
    }

    /// The name of the card.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn name(&self) -> Result<String, Error> {
        self.context.name().map_err(failed("asking for the name of the card"))
    }

    /// Starts to time kernels.
    pub fn start_timing(&self) {
        *self.timed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// The kernels that ran since timing was started, each with its milliseconds on the card.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn take_timings(&self) -> Result<Vec<(Entry, f32)>, Error> {
        let mut timed = self.timed.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(entry, start, end): (Entry, CudaEvent, CudaEvent)| {
            start.elapsed_ms(&end).map(|ms| (entry, ms)).map_err(failed("timing a kernel"))
        };
        timed.take().unwrap_or_default().into_iter().map(of).collect()
    }

    /// What work is queued on.
    ///
    /// # Safety
    /// A stream of somebody else is one of this card, and lives as long as what is returned.
    unsafe fn stream(&self, stream: Stream) -> Arc<CudaStream> {
        match stream {
            Stream::Own => Arc::clone(&self.stream),
            Stream::Of(handle) => {
                let handle = ptr::with_exposed_provenance_mut(handle as usize);
                // SAFETY: the caller's.
                unsafe { self.context.wrap_borrowed_stream(handle) }
            }
        }
    }

    fn attribute(&self, attribute: Attribute) -> Result<usize, Error> {
        let value =
            self.context.attribute(attribute).map_err(failed("asking what the card has"))?;
        Ok(usize::try_from(value).unwrap_or(0))
    }

    fn kernel(&self, entry: Entry, launch: Launch) -> Result<CudaFunction, Error> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        let kernels = match kernels.entry(launch.variant) {
            Known::Occupied(known) => known.into_mut(),
            Known::Vacant(place) => place.insert(self.load(launch.variant)?),
        };
        let kernel = &kernels[entry as usize];
        let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        kernel
            .set_attribute(most, launch.shared_bytes as i32)
            .map_err(failed("asking for shared memory"))?;
        Ok(kernel.clone())
    }

    fn load(&self, variant: Variant) -> Result<Kernels, Error> {
        let code = compile(self.capability, variant)?;
        let module = self.context.load_module(code).map_err(failed("loading the kernels"))?;
        let [solve, adjoint, tangent, gradient, smooth] = Entry::ALL.map(|entry| {
            module.load_function(entry.name()).map_err(failed("looking for a kernel"))
        });
        Ok([solve?, adjoint?, tangent?, gradient?, smooth?])
    }
}

/// Refuses to go on without a driver, or with one that is too old.
fn check_driver(number: usize) -> Result<(), Error> {
    let doing = || format!("taking card {number}");
    // SAFETY: it loads the library, which has no initialization of its own.
    if !unsafe { sys::is_culib_present() } {
        let found = "there is no driver (libcuda) on this machine".to_owned();
        return Err(Error::Device { doing: doing(), found, remedy: NO_DRIVER });
    }
    let mut version = 0;
    // SAFETY: it writes one number; every driver has this function.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(failed(&doing()))?;
    if version < OLDEST_DRIVER {
        let found = format!("the driver is for CUDA {}.{}", version / 1000, version % 1000 / 10);
        return Err(Error::Device { doing: doing(), found, remedy: OLD_DRIVER });
    }
    Ok(())
}

impl Machine for Card {
    type Memory = CudaSlice<f64>;

    fn limits(&self) -> Result<Limits, Error> {
        let most = Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared_bytes = self.attribute(most)?;
        let of_all = Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR;
        let multiprocessor_shared_bytes = self.attribute(of_all)?;
        let multiprocessors =
            self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let (free, _) =
            self.context.mem_get_info().map_err(failed("asking how much memory is free"))?;
        let free_bytes = free as u64;
        Ok(Limits { shared_bytes, multiprocessors, multiprocessor_shared_bytes, free_bytes })
    }

    fn blocks_at_once(&self, entry: Entry, launch: Launch) -> Result<usize, Error> {
        let of_one = self
            .kernel(entry, launch)?
            .occupancy_max_active_blocks_per_multiprocessor(
                launch.variant.threads as u32,
                launch.shared_bytes,
                None,
            )
            .map_err(failed("asking how many blocks run at once"))?;
        let multiprocessors =
            self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        Ok(multiprocessors * of_one as usize)
    }

    fn zeros(&self, len: usize) -> Result<Self::Memory, Error> {
        self.stream.alloc_zeros(len.max(1)).map_err(failed("taking memory"))
    }

    fn upload(&self, numbers: &[f64]) -> Result<Self::Memory, Error> {
        let mut memory = self.zeros(numbers.len())?;
        self.stream.memcpy_htod(numbers, &mut memory).map_err(failed("copying to the card"))?;
        Ok(memory)
    }

    fn upload_indices(&self, indices: &[i32]) -> Result<Self::Memory, Error> {
        // Two indices take the place of one number.
        let word = |pair: &[i32]| {
            let low = u64::from(pair[0] as u32);
            let high = pair.get(1).map_or(0, |&high| u64::from(high as u32));
            f64::from_bits(high << 32 | low)
        };
        let numbers: Vec<f64> = indices.chunks(2).map(word).collect();
        self.upload(&numbers)
    }

    fn download(&self, memory: &Self::Memory, numbers: &mut [f64]) -> Result<(), Error> {
        let view = memory.slice(..numbers.len());
        self.stream.memcpy_dtoh(&view, numbers).map_err(failed("copying from the card"))?;
        self.stream.synchronize().map_err(failed("waiting for the card"))
    }

    fn address(&self, memory: &Self::Memory) -> u64 {
        let (address, _) = memory.device_ptr(&self.stream);
        address
    }

    fn wait(&self) -> Result<(), Error> {
        self.stream.synchronize().map_err(failed("waiting for the card"))
    }

    unsafe fn read(&self, stream: Stream, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.context.bind_to_thread().map_err(failed("taking the card"))?;
        // SAFETY: the caller's.
        let stream = unsafe { self.stream(stream) };
        // SAFETY: the caller's; the host's memory outlives the copy, for which the next line waits.
        unsafe { result::memcpy_dtoh_async(bytes, address, stream.cu_stream()) }
            .map_err(failed("copying from the card"))?;
        stream.synchronize().map_err(failed("waiting for the card"))
    }

    unsafe fn clear(&self, stream: Stream, address: u64, len: usize) -> Result<(), Error> {
        self.context.bind_to_thread().map_err(failed("taking the card"))?;
        // SAFETY: the caller's.
        let stream = unsafe { self.stream(stream) };
        let bytes = len * size_of::<f64>();
        // SAFETY: the caller's.
        unsafe { result::memset_d8_async(address, 0, bytes, stream.cu_stream()) }
            .map_err(failed("clearing memory"))
    }

    unsafe fn launch(
        &self,
        stream: Stream,
        launch: Launch,
        arguments: &Arguments,
    ) -> Result<(), Error> {
        let entry = arguments.entry();
        let kernel = self.kernel(entry, launch)?;
        let config = LaunchConfig {
            grid_dim: (launch.blocks as u32, 1, 1),
            block_dim: (launch.variant.threads as u32, 1, 1),
            shared_mem_bytes: launch.shared_bytes as u32,
        };
        let mut timed = self.timed.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller's.
        let stream = unsafe { self.stream(stream) };
        let mut builder = stream.launch_builder(&kernel);
        match arguments {
            Arguments::Solve(given) => builder.arg(given),
            Arguments::Adjoint(given) | Arguments::Tangent(given) => builder.arg(given),
            Arguments::Gradient(given) => builder.arg(given),
            Arguments::Smooth(given) => builder.arg(given),
        };
        if timed.is_some() {
            builder.record_kernel_launch(CUevent_flags::CU_EVENT_DEFAULT);
        }
        // SAFETY: the caller's; the struct is the one that the kernel takes.
        let events = unsafe { builder.launch(config) }
            .map_err(failed(&format!("starting {}", entry.name())))?;
        if let (Some(timed), Some((start, end))) = (&mut *timed, events) {
            timed.push((entry, start, end));
        }
        Ok(())
    }
}
