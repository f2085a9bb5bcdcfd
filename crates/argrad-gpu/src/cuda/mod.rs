//! NVIDIA cards: driver and run-time compiler are loaded when a [`Card`] is asked for.

mod card;
mod compile;
mod nvrtc;

pub use card::Card;
