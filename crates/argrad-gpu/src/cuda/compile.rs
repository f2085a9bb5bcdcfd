//! From the text of the kernels to machine code for one card, by NVRTC.

use std::ffi::CString;

use cudarc::nvrtc::Ptx;

use super::nvrtc::Nvrtc;
use crate::error::Error;
use crate::machine::Variant;
use crate::text::kernel_text;

/// What to do where there is no compiler.
const INSTALL: &str = "install NVRTC (libnvrtc.so of the CUDA toolkit, or the Python package \
                       nvidia-cuda-nvrtc) and put its folder into LD_LIBRARY_PATH";
/// What to do where the text does not compile.
const REPORT: &str = "report this with the version of NVRTC";

/// Machine code of all kernels of a variant, on a card of this compute capability.
pub(super) fn compile(capability: (i32, i32), variant: Variant) -> Result<Ptx, Error> {
    let Variant { threads, blocks, is_resident, is_curved, is_sparse } = variant;
    let Some(nvrtc) = Nvrtc::find() else {
        let found = "the run-time compiler NVRTC is not there".to_owned();
        return Err(Error::Device { doing: doing(threads), found, remedy: INSTALL });
    };
    let failed = |found: String| Error::Device { doing: doing(threads), found, remedy: REPORT };
    let string = |text: String| CString::new(text).map_err(|error| failed(error.to_string()));
    let options = [
        format!("--gpu-architecture=sm_{}{}", capability.0, capability.1),
        format!("-DTHREADS={threads}"),
        format!("-DAT_LEAST={blocks}"),
        format!("-DRESIDENT={}", i32::from(is_resident)),
        format!("-DCURVED={}", i32::from(is_curved)),
        format!("-DSPARSE={}", i32::from(is_sparse)),
        "-std=c++17".to_owned(),
        // Nothing is fused but what the text fuses: kernels with many and with few registers give
        // the same bits.
        "-fmad=false".to_owned(),
        // Lambdas are functions of the card too.
        "-default-device".to_owned(),
    ];
    let options = options.into_iter().map(string).collect::<Result<Vec<_>, _>>()?;
    nvrtc.compile(&string(kernel_text())?, &options).map(Ptx::from_binary).map_err(failed)
}

fn doing(threads: usize) -> String {
    format!("compiling the kernels for blocks of {threads} threads")
}

#[cfg(test)]
mod tests {
    use super::{Nvrtc, compile};
    use crate::machine::Variant;

    /// For a card that need not be there.
    #[test]
    fn kernels_compile_where_there_is_a_compiler() {
        if Nvrtc::find().is_none() {
            println!("skipped, no NVRTC: put its folder into LD_LIBRARY_PATH");
            return;
        }
        let variant = Variant {
            threads: 32,
            blocks: 8,
            is_resident: true,
            is_curved: false,
            is_sparse: false,
        };
        compile((9, 0), variant).unwrap();
        let error = compile((1, 0), variant).unwrap_err().to_string();
        assert!(error.contains("gpu-architecture"), "{error}");
    }
}
