//! The door of JAX: handlers that XLA calls as it calls its own kernels, without Python.
//!
//! A compiled function of JAX has, in the place of a solve or of its derivative, a call of a
//! handler with the buffers of arguments and results. What is solved is found by a key among the
//! programs that Python has registered, so that nothing of it travels with a call; an exported
//! function carries its description too, from which Python registers it again in another process.
//! Python is asked where there is something to say: a sample without a solution, a warning, a
//! parameter whose attributes have to be checked.
//!
//! [`abi`] is the C interface, [`frame`] reads a call, [`program`] is what can be solved, with
//! [`qp`] and [`layer`]; [`registry`] finds it, [`handlers`] are what XLA calls. On a card it calls
//! [`device`], which reads its calls by [`device_frame`].
//! `python/argrad/jax` registers them, and goes another way where the version of the interface is
//! not known.

mod abi;
mod device_frame;
mod frame;
mod program;

mod layer;
mod qp;

mod registry;

mod handlers;

mod device;

pub(crate) use device::ffi_device_handlers;
pub(crate) use handlers::ffi_handlers;
pub(crate) use registry::{ffi_register_layer, ffi_register_qp, ffi_take_exception};
