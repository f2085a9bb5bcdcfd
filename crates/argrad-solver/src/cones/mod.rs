//! Cones: what the solver, the polish and the derivative need to know of each factor of K.
//!
//! One cone per file. A cone works on its own rows of the lane vectors through the trait
//! [`LaneCone`]; [`ConeProduct`] cuts the vectors and hands each cone its part.

mod cone;

mod exponential;
mod generalized_power;
mod nonnegative;
mod power;
mod psd_triangle;
mod second_order;
mod three_dimensional;
mod zero;

mod product;

pub(crate) use cone::{FREE, Function, LaneCone, Pair, Point, STEEPEST};
pub(crate) use exponential::Exponential;
pub(crate) use generalized_power::GeneralizedPower;
pub(crate) use nonnegative::Nonnegative;
pub(crate) use power::Power;
pub(crate) use product::{ConeProduct, EliminatedRows};
pub(crate) use psd_triangle::{Argument, InverseBlock, PsdTriangle, add_row, apply_scratch_len};
pub(crate) use second_order::SecondOrder;
pub(crate) use zero::Zero;
