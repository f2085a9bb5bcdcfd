//! A call of XLA on a device: buffers are addresses, work is queued on a stream, and memory for a
//! while comes from XLA.

use std::ffi::c_void;

use super::abi::{self, Buffer};
use super::frame::{Failure, Frame, check_len, count, wrong_type};

impl Frame<'_> {
    /// Where the first of `len` numbers of float64 of an argument is.
    pub(super) fn address(&self, at: usize, len: usize) -> Result<u64, Failure> {
        address(self.buffer(&self.0.arguments, at)?, "argument", at, len)
    }

    /// The same of a result.
    pub(super) fn result_address(&self, at: usize, len: usize) -> Result<u64, Failure> {
        address(self.buffer(&self.0.results, at)?, "result", at, len)
    }

    /// Where an argument of one int32 is.
    pub(super) fn code_address(&self, at: usize) -> Result<u64, Failure> {
        let buffer = self.buffer(&self.0.arguments, at)?;
        check_len(buffer, "argument", at, 1)?;
        match buffer.dtype {
            abi::S32 => Ok(buffer.data.expose_provenance() as u64),
            other => Err(wrong_type("argument", at, "int32", other)),
        }
    }

    /// An argument of float64 or float32, whose bytes `read` copies to the host, as float64.
    pub(super) fn copied_numbers(
        &self,
        at: usize,
        read: impl FnOnce(u64, &mut [u8]) -> Result<(), Failure>,
    ) -> Result<Vec<f64>, Failure> {
        let buffer = self.buffer(&self.0.arguments, at)?;
        let size = match buffer.dtype {
            abi::F64 => size_of::<f64>(),
            abi::F32 => size_of::<f32>(),
            other => return Err(wrong_type("argument", at, "float64 or float32", other)),
        };
        let mut bytes = vec![0; count(buffer) * size];
        if !bytes.is_empty() {
            read(buffer.data.expose_provenance() as u64, &mut bytes)?;
        }
        let (doubles, _) = bytes.as_chunks();
        let (singles, _) = bytes.as_chunks();
        Ok(match buffer.dtype {
            abi::F64 => doubles.iter().map(|&bytes| f64::from_ne_bytes(bytes)).collect(),
            _ => singles.iter().map(|&bytes| f32::from_ne_bytes(bytes).into()).collect(),
        })
    }

    /// The stream on which buffers are used.
    pub(super) fn stream(&self) -> Result<u64, Failure> {
        let mut args = abi::StreamGetArgs {
            struct_size: size_of::<abi::StreamGetArgs>(),
            extension_start: std::ptr::null_mut(),
            context: self.0.context,
            stream: std::ptr::null_mut(),
        };
        self.call(self.api().stream_get, &mut args, "a stream")?;
        Ok(args.stream.expose_provenance() as u64)
    }

    /// The number of the device.
    pub(super) fn device(&self) -> Result<usize, Failure> {
        let mut args = abi::DeviceOrdinalGetArgs {
            struct_size: size_of::<abi::DeviceOrdinalGetArgs>(),
            extension_start: std::ptr::null_mut(),
            context: self.0.context,
            ordinal: 0,
        };
        self.call(self.api().device_ordinal_get, &mut args, "the number of the device")?;
        usize::try_from(args.ordinal)
            .map_err(|_| Failure::bad(format!("device: expected a number, found {}", args.ordinal)))
    }

    /// Memory of the device for so many numbers; none where the runtime has no more.
    pub(super) fn memory(&self, len: usize) -> Option<Memory<'_>> {
        let mut args = abi::MemoryAllocateArgs {
            struct_size: size_of::<abi::MemoryAllocateArgs>(),
            extension_start: std::ptr::null_mut(),
            context: self.0.context,
            size: len * size_of::<f64>(),
            // As CUDA's own.
            alignment: 256,
            data: std::ptr::null_mut(),
        };
        self.call(self.api().memory_allocate, &mut args, "memory").ok()?;
        (!args.data.is_null()).then_some(Memory { frame: self, size: args.size, data: args.data })
    }

    fn api(&self) -> &abi::Api {
        // SAFETY: the runtime keeps its table; `known_version` has looked at its version, in which
        // it has these functions.
        unsafe { &*self.0.api }
    }

    /// Asks the runtime for something.
    fn call<Args>(
        &self,
        function: abi::Function<Args>,
        args: &mut Args,
        what: &str,
    ) -> Result<(), Failure> {
        let refused = || Failure {
            code: abi::ERROR_INTERNAL,
            message: format!("argrad: XLA did not give {what} to a handler"),
        };
        let function = function.ok_or_else(refused)?;
        // SAFETY: the arguments are those of the function.
        let error = unsafe { function(args) };
        if error.is_null() {
            return Ok(());
        }
        if let Some(destroy) = self.api().error_destroy {
            let mut args = abi::ErrorDestroyArgs {
                struct_size: size_of::<abi::ErrorDestroyArgs>(),
                extension_start: std::ptr::null_mut(),
                error,
            };
            // SAFETY: an error that is ours.
            unsafe { destroy(&mut args) };
        }
        Err(refused())
    }
}

/// Memory of the device, given back when dropped: XLA lends it again to what it queues behind.
pub(super) struct Memory<'a> {
    frame: &'a Frame<'a>,
    size: usize,
    data: *mut c_void,
}

impl Memory<'_> {
    pub(super) fn address(&self) -> u64 {
        self.data.expose_provenance() as u64
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        let mut args = abi::MemoryFreeArgs {
            struct_size: size_of::<abi::MemoryFreeArgs>(),
            extension_start: std::ptr::null_mut(),
            context: self.frame.0.context,
            size: self.size,
            data: self.data,
        };
        // Nothing can be done where it is not taken.
        let _ = self.frame.call(self.frame.api().memory_free, &mut args, "memory back");
    }
}

/// Where a buffer of `len` numbers of float64 begins.
fn address(buffer: &Buffer, what: &str, at: usize, len: usize) -> Result<u64, Failure> {
    check_len(buffer, what, at, len)?;
    match buffer.dtype {
        abi::F64 => Ok(buffer.data.expose_provenance() as u64),
        other => Err(wrong_type(what, at, "float64", other)),
    }
}
