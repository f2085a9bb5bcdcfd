//! From the text of the kernels to machine code for one card, by NVRTC.

use std::ffi::{CStr, CString};

use cudarc::nvrtc::{Ptx, result, sys};

use crate::error::Error;
use crate::text::kernel_text;

/// What to do where there is no compiler.
const INSTALL: &str = "install NVRTC (libnvrtc.so of the CUDA toolkit, or the Python package \
                       nvidia-cuda-nvrtc-cu12) and put its folder into LD_LIBRARY_PATH";
/// What to do where the text does not compile.
const REPORT: &str = "report this with the version of NVRTC";

/// Machine code of all kernels for blocks of so many threads, on a card of this compute capability,
/// for problems that shared memory holds or for any.
pub(super) fn compile(
    capability: (i32, i32),
    threads: usize,
    is_resident: bool,
) -> Result<Ptx, Error> {
    // SAFETY: it loads the library, which has no initialization of its own.
    if !unsafe { sys::is_culib_present() } {
        let found = "the run-time compiler NVRTC is not there".to_owned();
        return Err(Error::Device { doing: doing(threads), found, remedy: INSTALL });
    }
    let failed = |found: String| Error::Device { doing: doing(threads), found, remedy: REPORT };
    let source = CString::new(kernel_text()).map_err(|error| failed(error.to_string()))?;
    let program = result::create_program(&source, Some(c"argrad.cu"))
        .map_err(|error| failed(format!("{error:?}")))?;
    let program = Program(program);
    let options = [
        format!("--gpu-architecture=sm_{}{}", capability.0, capability.1),
        format!("-DTHREADS={threads}"),
        format!("-DRESIDENT={}", i32::from(is_resident)),
        "-std=c++17".to_owned(),
    ];
    // SAFETY: the program is one, and its source still there.
    unsafe { result::compile_program(program.0, &options) }
        .map_err(|error| failed(format!("{error:?}: {}", program.log())))?;
    program.machine_code().map(Ptx::from_binary).map_err(|error| failed(format!("{error:?}")))
}

fn doing(threads: usize) -> String {
    format!("compiling the kernels for blocks of {threads} threads")
}

/// A program of NVRTC, destroyed when dropped.
struct Program(sys::nvrtcProgram);

impl Program {
    /// What the compiler says.
    fn log(&self) -> String {
        // SAFETY: the program is one.
        let log = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        let bytes: Vec<u8> = log.iter().map(|&c| c as u8).collect();
        CStr::from_bytes_until_nul(&bytes)
            .map(|log| log.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    fn machine_code(&self) -> Result<Vec<u8>, result::NvrtcError> {
        let mut len = 0;
        // SAFETY: the program is compiled; the buffer is as long as it says.
        unsafe {
            sys::nvrtcGetCUBINSize(self.0, &mut len).result()?;
            let mut code = vec![0_u8; len];
            sys::nvrtcGetCUBIN(self.0, code.as_mut_ptr().cast()).result()?;
            Ok(code)
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the program is one, and not used again. That it cannot be destroyed is no matter.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}
