//! The part of the C interface of the XLA FFI that handlers need, version 0.3
//! (`xla/ffi/api/c_api.h` of jaxlib). Names are those of the header without `XLA_FFI_`.

use std::ffi::{c_char, c_int, c_void};

/// Versions of the interface in which everything here is the same.
pub(super) const MAJOR: c_int = 0;
pub(super) const MINORS: std::ops::RangeInclusive<c_int> = 1..=3;

pub(super) const EXTENSION_METADATA: c_int = 1;

pub(super) const STAGE_EXECUTE: c_int = 3;

pub(super) const ERROR_INVALID_ARGUMENT: c_int = 3;
pub(super) const ERROR_CANCELLED: c_int = 1;
pub(super) const ERROR_RESOURCE_EXHAUSTED: c_int = 8;
pub(super) const ERROR_INTERNAL: c_int = 13;

pub(super) const ARG_BUFFER: c_int = 1;
pub(super) const ATTR_SCALAR: c_int = 3;
pub(super) const ATTR_STRING: c_int = 4;

pub(super) const S32: c_int = 4;
pub(super) const S64: c_int = 5;
pub(super) const U32: c_int = 8;
pub(super) const F32: c_int = 11;
pub(super) const F64: c_int = 12;

#[repr(C)]
pub(super) struct ExtensionBase {
    pub(super) struct_size: usize,
    pub(super) kind: c_int,
    pub(super) next: *mut ExtensionBase,
}

#[repr(C)]
pub(super) struct ApiVersion {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) major: c_int,
    pub(super) minor: c_int,
}

#[repr(C)]
pub(super) struct Metadata {
    pub(super) struct_size: usize,
    pub(super) api_version: ApiVersion,
    pub(super) traits: u32,
}

#[repr(C)]
pub(super) struct MetadataExtension {
    pub(super) base: ExtensionBase,
    pub(super) metadata: *mut Metadata,
}

/// Opaque; owned by the runtime once it is returned.
#[repr(C)]
pub(super) struct Error {
    _opaque: [u8; 0],
}

#[repr(C)]
pub(super) struct ErrorCreateArgs {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) message: *const c_char,
    pub(super) code: c_int,
}

/// To ask for, or to destroy, an error.
#[repr(C)]
pub(super) struct ErrorDestroyArgs {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) error: *mut Error,
}

#[repr(C)]
pub(super) struct StreamGetArgs {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) context: *mut c_void,
    pub(super) stream: *mut c_void,
}

#[repr(C)]
pub(super) struct MemoryAllocateArgs {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) context: *mut c_void,
    pub(super) size: usize,
    pub(super) alignment: usize,
    pub(super) data: *mut c_void,
}

#[repr(C)]
pub(super) struct MemoryFreeArgs {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) context: *mut c_void,
    pub(super) size: usize,
    pub(super) data: *mut c_void,
}

#[repr(C)]
pub(super) struct DeviceOrdinalGetArgs {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) context: *mut c_void,
    pub(super) ordinal: i32,
}

/// A function of the runtime; what it returns is null where nothing went wrong.
pub(super) type Function<Args> = Option<unsafe extern "C" fn(*mut Args) -> *mut Error>;
/// One that is not called here.
type Unused = *const c_void;

/// The functions of the runtime.
#[repr(C)]
pub(super) struct Api {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) api_version: ApiVersion,
    pub(super) internal: *const c_void,
    pub(super) error_create: Function<ErrorCreateArgs>,
    pub(super) error_get_message: Unused,
    pub(super) error_destroy: Function<ErrorDestroyArgs>,
    pub(super) handler_register: Unused,
    pub(super) stream_get: Function<StreamGetArgs>,
    pub(super) type_register: Unused,
    pub(super) execution_context_get: Unused,
    pub(super) state_set: Unused,
    pub(super) state_get: Unused,
    pub(super) memory_allocate: Function<MemoryAllocateArgs>,
    pub(super) memory_free: Function<MemoryFreeArgs>,
    pub(super) thread_pool: [Unused; 2],
    pub(super) future: [Unused; 3],
    pub(super) run_id_get: Unused,
    pub(super) device_ordinal_get: Function<DeviceOrdinalGetArgs>,
}

#[repr(C)]
pub(super) struct ByteSpan {
    pub(super) data: *const u8,
    pub(super) len: usize,
}

#[repr(C)]
pub(super) struct Scalar {
    pub(super) dtype: c_int,
    pub(super) value: *const c_void,
}

#[repr(C)]
pub(super) struct Buffer {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) dtype: c_int,
    pub(super) data: *mut c_void,
    pub(super) rank: i64,
    pub(super) dims: *const i64,
}

/// Arguments or results.
#[repr(C)]
pub(super) struct Buffers {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) size: i64,
    pub(super) types: *const c_int,
    pub(super) buffers: *const *const Buffer,
}

#[repr(C)]
pub(super) struct Attributes {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) size: i64,
    pub(super) types: *const c_int,
    pub(super) names: *const *const ByteSpan,
    pub(super) values: *const *const c_void,
}

#[repr(C)]
pub(super) struct CallFrame {
    pub(super) struct_size: usize,
    pub(super) extension_start: *mut ExtensionBase,
    pub(super) api: *const Api,
    pub(super) context: *mut c_void,
    pub(super) stage: c_int,
    pub(super) arguments: Buffers,
    pub(super) results: Buffers,
    pub(super) attributes: Attributes,
}
