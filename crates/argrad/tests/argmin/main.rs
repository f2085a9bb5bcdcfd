//! Differentiation through the minimizers of smooth problems.

mod hock_schittkowski;
mod published;
