//! The extension module `argrad._core`: solver, layer of affine maps, dense QP and smooth problems
//! on numpy arrays.
//! What users see is in `python/argrad`; this crate converts, releases the interpreter lock, and
//! adds nothing.

// No module uses one that stands below it.
mod error;
mod fork;
mod memory;

mod arrays;
mod conditions;
mod doubt;
mod interruptible;
mod options;
mod program;
mod report;
mod sigint;
mod tapes;

mod argmin;
mod layer;
mod qp;
mod solver;

mod device;

mod model;

mod ffi;

/// Batched convex solver with derivatives, on numpy arrays.
#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use super::argmin::{Argmin, ArgminSolved};
    #[pymodule_export]
    use super::device::{DeviceReports, DeviceSolver};
    #[pymodule_export]
    use super::error::{DeviceError, MemoryLimitError, NotModelled, NotOnDevice, SolverError};
    #[pymodule_export]
    use super::ffi::{
        ffi_device_handlers, ffi_handlers, ffi_register_layer, ffi_register_qp, ffi_take_exception,
    };
    #[pymodule_export]
    use super::layer::{Layer, LayerSolved};
    #[pymodule_export]
    use super::model::compile_model;
    #[pymodule_export]
    use super::qp::{Qp, QpSolved};
    #[pymodule_export]
    use super::solver::{Solved, Solver};
    #[pymodule_export]
    use super::tapes::held_tapes;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::fork::remember_process();
        super::memory::keep_freed_pages();
        module.add("STATUS", PyTuple::new(module.py(), super::report::STATUS)?)?;
        let of_argmin = PyTuple::new(module.py(), super::argmin::ARGMIN_STATUS)?;
        module.add("ARGMIN_STATUS", of_argmin)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
