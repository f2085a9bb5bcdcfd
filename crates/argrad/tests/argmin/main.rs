//! Differentiation through the minimizers of smooth problems.

mod derivative;
mod equations;
mod family;
mod flags;
mod hock_schittkowski;
mod published;
