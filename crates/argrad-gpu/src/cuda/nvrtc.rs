//! The run-time compiler NVRTC, by the few functions that are needed of it: those of every version
//! from 12 on, so the library may be newer than this text.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

/// What the library is called. One of that name which the process has loaded already is taken
/// wherever it lies: Python packages have it where nobody looks.
const NAMES: &[&str] = if cfg!(windows) {
    &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
} else {
    &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"]
};

/// A program of NVRTC.
type Handle = *mut c_void;

type Create = unsafe extern "C" fn(
    *mut Handle,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> c_int;
type Compile = unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> c_int;
type Size = unsafe extern "C" fn(Handle, *mut usize) -> c_int;
type Bytes = unsafe extern "C" fn(Handle, *mut c_char) -> c_int;
type Destroy = unsafe extern "C" fn(*mut Handle) -> c_int;
type Describe = unsafe extern "C" fn(c_int) -> *const c_char;

/// The library.
pub(super) struct Nvrtc(Library);

impl Nvrtc {
    /// Loads it, once a process; `None` where there is none.
    pub(super) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Nvrtc> = OnceLock::new();
        if FOUND.get().is_none() {
            // SAFETY: the library has no initialization of its own.
            let load = |name: &&str| unsafe { Library::new(*name) }.ok();
            let library = NAMES.iter().find_map(load)?;
            return Some(FOUND.get_or_init(|| Self(library)));
        }
        FOUND.get()
    }

    /// Machine code of a source; what the compiler says where there is none.
    pub(super) fn compile(&self, source: &CStr, options: &[CString]) -> Result<Vec<u8>, String> {
        let create: Create = self.function(c"nvrtcCreateProgram")?;
        let compile: Compile = self.function(c"nvrtcCompileProgram")?;
        let mut program = Program { nvrtc: self, handle: ptr::null_mut() };
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: as the library documents: strings that end, no headers, and as many options as
        // are said; the program is one from here on.
        unsafe {
            let (name, none) = (c"argrad.cu".as_ptr(), ptr::null());
            let done = create(&mut program.handle, source.as_ptr(), name, 0, none, none);
            self.check(done)?;
            let done = compile(program.handle, options.len() as c_int, options.as_ptr());
            self.check(done).map_err(|error| format!("{error}: {}", program.log()))?;
        }
        program.read(c"nvrtcGetCUBINSize", c"nvrtcGetCUBIN")
    }

    /// A function of the library by its name.
    fn function<F: Copy>(&self, name: &CStr) -> Result<F, String> {
        // SAFETY: the types above are those of the library.
        let symbol = unsafe { self.0.get::<F>(name) };
        symbol.map(|symbol| *symbol).map_err(|error| error.to_string())
    }

    fn check(&self, result: c_int) -> Result<(), String> {
        if result == 0 {
            return Ok(());
        }
        let describe: Describe = self.function(c"nvrtcGetErrorString")?;
        // SAFETY: the library gives a string that lives as long as it, for every number.
        Err(unsafe { CStr::from_ptr(describe(result)) }.to_string_lossy().into_owned())
    }
}

/// A program, destroyed when dropped.
struct Program<'a> {
    nvrtc: &'a Nvrtc,
    handle: Handle,
}

impl Program<'_> {
    /// What the compiler says.
    fn log(&self) -> String {
        let bytes = self.read(c"nvrtcGetProgramLogSize", c"nvrtcGetProgramLog");
        let bytes = bytes.unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim_end_matches(['\0', '\n']).into()
    }

    /// Bytes that one function counts and another writes.
    fn read(&self, size: &CStr, bytes: &CStr) -> Result<Vec<u8>, String> {
        let size: Size = self.nvrtc.function(size)?;
        let bytes: Bytes = self.nvrtc.function(bytes)?;
        let mut len = 0;
        // SAFETY: the program is one; the buffer is as long as the library says.
        unsafe {
            self.nvrtc.check(size(self.handle, &mut len))?;
            let mut found = vec![0_u8; len];
            self.nvrtc.check(bytes(self.handle, found.as_mut_ptr().cast()))?;
            Ok(found)
        }
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        if let Ok(destroy) = self.nvrtc.function::<Destroy>(c"nvrtcDestroyProgram")
            && !self.handle.is_null()
        {
            // SAFETY: the program is one, and not used again. That it cannot be destroyed is no
            // matter.
            unsafe { destroy(&mut self.handle) };
        }
    }
}
