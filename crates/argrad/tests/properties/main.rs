//! Claims about all inputs, tried on random ones.

mod composition;
mod layer_files;
