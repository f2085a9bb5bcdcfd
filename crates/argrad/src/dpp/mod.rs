//! Beyond affine parameters: derived parameters.

mod program;
mod stored;

pub(crate) use program::{Block, Program};
