//! NVIDIA cards: driver and run-time compiler are loaded when a [`Card`] is asked for.

mod card;
mod compile;

pub use card::Card;
