//! A call of XLA as slices: arguments and results as numbers, attributes by name.

use std::borrow::Cow;
use std::ffi::{CString, c_int, c_void};

use super::abi::{self, Buffer, Buffers, CallFrame};

/// What went wrong, and how XLA classifies it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: c_int,
    pub(super) message: String,
}

impl Failure {
    /// What was given is not what was expected.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { code: abi::ERROR_INVALID_ARGUMENT, message: message.into() }
    }
}

/// A call, borrowed for as long as the handler runs.
pub(super) struct Frame<'a>(pub(super) &'a CallFrame);

impl<'a> Frame<'a> {
    /// # Safety
    /// `frame` must be the frame of a running call by a runtime of the version in [`abi`].
    pub(super) unsafe fn new(frame: *const CallFrame) -> Self {
        // SAFETY: the runtime keeps the frame, and all that it points to, until the handler
        // returns.
        Self(unsafe { &*frame })
    }

    /// Number of arguments, and of results.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.0.arguments.size as usize, self.0.results.size as usize]
    }

    /// A buffer by its position.
    pub(super) fn buffer(&self, of: &'a Buffers, at: usize) -> Result<&'a Buffer, Failure> {
        if at >= of.size as usize {
            return Err(Failure::bad(format!("expected more than {at} arrays, found {}", of.size)));
        }
        // SAFETY: both arrays have `size` entries, and the second points to buffers.
        let (kind, buffer) = unsafe { (*of.types.add(at), &**of.buffers.add(at)) };
        if kind != abi::ARG_BUFFER {
            return Err(Failure::bad(format!("array {at}: expected a buffer, found type {kind}")));
        }
        Ok(buffer)
    }

    /// An argument of float64 or float32 as float64, which must have `len` numbers.
    pub(super) fn numbers(&self, at: usize, len: usize) -> Result<Cow<'a, [f64]>, Failure> {
        let buffer = self.buffer(&self.0.arguments, at)?;
        check_len(buffer, "argument", at, len)?;
        match buffer.dtype {
            // SAFETY: a buffer of this type has `len` of these numbers.
            abi::F64 => Ok(unsafe { slice::<f64>(buffer, len) }),
            abi::F32 => {
                // SAFETY: as above.
                let single = unsafe { slice::<f32>(buffer, len) };
                Ok(Cow::Owned(single.iter().map(|&number| f64::from(number)).collect()))
            }
            other => Err(wrong_type("argument", at, "float64 or float32", other)),
        }
    }

    /// An argument of uint32 that holds the bits of `len` numbers of float64.
    pub(super) fn bits(&self, at: usize, len: usize) -> Result<Cow<'a, [f64]>, Failure> {
        let buffer = self.buffer(&self.0.arguments, at)?;
        check_len(buffer, "argument", at, 2 * len)?;
        match buffer.dtype {
            // SAFETY: a buffer of this type has 2 `len` words, the bits of `len` numbers.
            abi::U32 => Ok(unsafe { slice::<f64>(buffer, len) }),
            other => Err(wrong_type("argument", at, "uint32", other)),
        }
    }

    /// Writes numbers into a result of float64 or float32, from the entry `start` on.
    pub(super) fn write(&self, at: usize, start: usize, numbers: &[f64]) -> Result<(), Failure> {
        let buffer = self.buffer(&self.0.results, at)?;
        if start + numbers.len() > count(buffer) {
            return check_len(buffer, "result", at, start + numbers.len());
        }
        match buffer.dtype {
            // SAFETY: there is room for so many numbers of this type, as was just checked.
            abi::F64 => unsafe { copy(buffer, start, numbers) },
            abi::F32 => {
                let single: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
                // SAFETY: as above.
                unsafe { copy(buffer, start, &single) };
            }
            other => return Err(wrong_type("result", at, "float64 or float32", other)),
        }
        Ok(())
    }

    /// Writes a result of int32.
    pub(super) fn write_codes(&self, at: usize, codes: &[i32]) -> Result<(), Failure> {
        let buffer = self.buffer(&self.0.results, at)?;
        check_len(buffer, "result", at, codes.len())?;
        match buffer.dtype {
            // SAFETY: there is room for so many numbers of this type, as was just checked.
            abi::S32 => unsafe { copy(buffer, 0, codes) },
            other => return Err(wrong_type("result", at, "int32", other)),
        }
        Ok(())
    }

    /// Writes the bits of numbers into a result of uint32.
    pub(super) fn write_bits(&self, at: usize, numbers: &[f64]) -> Result<(), Failure> {
        let buffer = self.buffer(&self.0.results, at)?;
        check_len(buffer, "result", at, 2 * numbers.len())?;
        match buffer.dtype {
            // SAFETY: there is room for two words for each number, as was just checked.
            abi::U32 => unsafe { copy(buffer, 0, numbers) },
            other => return Err(wrong_type("result", at, "uint32", other)),
        }
        Ok(())
    }

    /// An attribute that is an integer of 64 bits.
    pub(super) fn integer(&self, name: &str) -> Result<i64, Failure> {
        let missing = || Failure::bad(format!("attribute {name}: expected one, found none"));
        let (kind, value) = self.attribute(name).ok_or_else(missing)?;
        if kind == abi::ATTR_SCALAR {
            // SAFETY: a scalar attribute is one of these.
            let scalar = unsafe { &*value.cast::<abi::Scalar>() };
            if scalar.dtype == abi::S64 {
                // SAFETY: of this type.
                return Ok(unsafe { scalar.value.cast::<i64>().read_unaligned() });
            }
        }
        Err(Failure::bad(format!("attribute {name}: expected an int64, found type {kind}")))
    }

    /// An attribute that is text; none where there is no attribute of this name.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a [u8]>, Failure> {
        let Some((kind, value)) = self.attribute(name) else { return Ok(None) };
        if kind != abi::ATTR_STRING {
            return Err(Failure::bad(format!(
                "attribute {name}: expected text, found type {kind}"
            )));
        }
        // SAFETY: a string attribute is a span of bytes.
        Ok(Some(unsafe { bytes(value.cast()) }))
    }

    /// An attribute of zeros and ones in text, as many as there are things.
    pub(super) fn flags(&self, name: &str, count: usize) -> Result<Vec<bool>, Failure> {
        let flags: Vec<bool> =
            self.text(name)?.unwrap_or_default().iter().map(|&letter| letter == b'1').collect();
        if flags.len() == count {
            return Ok(flags);
        }
        let found = flags.len();
        Err(Failure::bad(format!("attribute {name}: expected {count} flags, found {found}")))
    }

    fn attribute(&self, name: &str) -> Option<(c_int, *const c_void)> {
        let attributes = &self.0.attributes;
        for at in 0..attributes.size as usize {
            // SAFETY: all three arrays have `size` entries; names are spans of bytes.
            let own = unsafe { bytes(*attributes.names.add(at)) };
            if own == name.as_bytes() {
                // SAFETY: as above.
                return Some(unsafe { (*attributes.types.add(at), *attributes.values.add(at)) });
            }
        }
        None
    }
}

pub(super) fn wrong_type(what: &str, at: usize, expected: &str, found: c_int) -> Failure {
    Failure::bad(format!("{what} {at}: expected {expected}, found the type number {found}"))
}

pub(super) fn check_len(
    buffer: &Buffer,
    what: &str,
    at: usize,
    expected: usize,
) -> Result<(), Failure> {
    let found = count(buffer);
    if found == expected {
        return Ok(());
    }
    Err(Failure::bad(format!("{what} {at}: expected {expected} numbers, found {found}")))
}

/// Number of its entries.
pub(super) fn count(buffer: &Buffer) -> usize {
    // SAFETY: `dims` has `rank` entries.
    (0..buffer.rank as usize).map(|at| unsafe { *buffer.dims.add(at) } as usize).product()
}

/// # Safety
/// The buffer holds `len` numbers of type T.
unsafe fn slice<'a, T: Copy>(buffer: &Buffer, len: usize) -> Cow<'a, [T]> {
    let data = buffer.data.cast::<T>().cast_const();
    if len == 0 {
        return Cow::Borrowed(&[]);
    }
    if data.is_aligned() {
        // SAFETY: aligned, and the runtime keeps and does not change arguments during the call.
        return Cow::Borrowed(unsafe { std::slice::from_raw_parts(data, len) });
    }
    // SAFETY: within the buffer.
    Cow::Owned((0..len).map(|at| unsafe { data.add(at).read_unaligned() }).collect())
}

/// # Safety
/// The buffer has room for `start` and these numbers, of type T.
unsafe fn copy<T: Copy>(buffer: &Buffer, start: usize, numbers: &[T]) {
    // SAFETY: within the buffer; bytes have no alignment; results overlap nothing of ours.
    unsafe {
        let to = buffer.data.cast::<T>().add(start).cast::<u8>();
        std::ptr::copy_nonoverlapping(numbers.as_ptr().cast(), to, size_of_val(numbers));
    }
}

/// # Safety
/// A span of bytes that the runtime keeps during the call.
unsafe fn bytes<'a>(span: *const abi::ByteSpan) -> &'a [u8] {
    // SAFETY: as the caller promises.
    let span = unsafe { &*span };
    if span.len == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(span.data, span.len) }
}

/// The version of the runtime's interface, where this handler knows it.
///
/// # Safety
/// `frame` must come from a runtime of the XLA FFI, of any version.
pub(super) unsafe fn known_version(frame: *const CallFrame) -> Option<[c_int; 2]> {
    // SAFETY: in every version the frame begins with these fields.
    let api = unsafe { (*frame).api };
    if api.is_null() {
        // Minor version 1 asks for metadata without it, and never calls so.
        return Some([abi::MAJOR, *abi::MINORS.start()]);
    }
    // SAFETY: so does the table of functions.
    let version = unsafe { &(*api).api_version };
    let is_known = version.major == abi::MAJOR && abi::MINORS.contains(&version.minor);
    is_known.then_some([version.major, version.minor])
}

/// Answers the question of the runtime which version a handler is for, where it asks. Says whether
/// it did.
///
/// # Safety
/// As [`known_version`].
pub(super) unsafe fn answer_metadata(frame: *const CallFrame, version: [c_int; 2]) -> bool {
    // SAFETY: extensions are a list of records that begin with these fields.
    unsafe {
        let mut extension = (*frame).extension_start;
        while !extension.is_null() {
            if (*extension).kind == abi::EXTENSION_METADATA {
                let metadata = (*extension.cast::<abi::MetadataExtension>()).metadata;
                [(*metadata).api_version.major, (*metadata).api_version.minor] = version;
                (*metadata).traits = 0;
                return true;
            }
            extension = (*extension).next;
        }
    }
    false
}

/// The failure as an object of the runtime.
///
/// # Safety
/// As [`known_version`].
pub(super) unsafe fn error(frame: *const CallFrame, failure: Failure) -> *mut abi::Error {
    let message = CString::new(failure.message.replace('\0', " ")).unwrap_or_default();
    let mut arguments = abi::ErrorCreateArgs {
        struct_size: size_of::<abi::ErrorCreateArgs>(),
        extension_start: std::ptr::null_mut(),
        message: message.as_ptr(),
        code: failure.code,
    };
    // SAFETY: the first function of the table in every version; it copies the message.
    unsafe {
        match (*(*frame).api).error_create {
            Some(create) => create(&raw mut arguments),
            None => std::ptr::null_mut(),
        }
    }
}
