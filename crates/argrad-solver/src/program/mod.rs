//! What is solved: a [`Structure`] fixed once, [`Values`] that vary, settings, and the answer.
//!
//! ```text
//! minimize    1/2 x'Px + q'x
//! subject to  Ax + s = b,   s in K          dual: z in K*,  Px + q + A'z = 0
//! ```

mod error;
mod explanation;
mod interrupt;
mod memory;
mod settings;
mod solution;
mod stop;
mod structure;
mod values;

pub use error::Error;
pub use explanation::{DecomposedCone, Explanation, Unknown};
pub use interrupt::Interrupt;
pub use settings::{Engine, Instructions, Settings};
pub use solution::{Report, Solution, Status};
pub use structure::{Cone, Pattern, Structure};
pub use values::{Slot, Values};

pub(crate) use memory::{MemoryLimit, bytes, not_given};
pub(crate) use stop::Stop;
pub(crate) use structure::RowKind;
pub(crate) use values::{check_finite_samples, check_slot, check_values};
