//! The numbers of a batch of quadratic programs.

use super::{QpShape, check_finite, check_length};
use crate::{Error, Slot};

/// The numbers of a batch, in the order that the layer's [`QpShape`] says.
///
/// What does not change from instance to instance should be [`Slot::Shared`]: zeros in dense matrices that are (a
/// diagonal Q, bounds as G = -I) are left out of the work. Their gradients are there all the same.
///
/// ```
/// use argrad::{QpValues, Slot};
/// // One instance: minimize z^2 / 2 + 3 z subject to -z <= 0.
/// let values = QpValues::new(1, Slot::Shared(&[1.]), Slot::Each(&[3.]))
///     .inequalities(Slot::Shared(&[-1.]), Slot::Shared(&[0.]));
/// assert!(values.a.as_slice().is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QpValues<'a> {
    /// Number of instances.
    pub batch: usize,
    /// Q.
    pub quadratic: Slot<'a>,
    /// q: n numbers.
    pub linear: Slot<'a>,
    /// A.
    pub a: Slot<'a>,
    /// b: one number an equality.
    pub b: Slot<'a>,
    /// G.
    pub g: Slot<'a>,
    /// h: one number an inequality; `+inf` removes the inequality.
    pub h: Slot<'a>,
}

impl<'a> QpValues<'a> {
    /// A batch of programs without constraints. Where Q has no entries, give
    /// `Slot::Shared(&[])`.
    pub fn new(batch: usize, quadratic: Slot<'a>, linear: Slot<'a>) -> Self {
        let none = Slot::Shared(&[]);
        Self { batch, quadratic, linear, a: none, b: none, g: none, h: none }
    }

    /// The same with the equalities Az = b.
    pub fn equalities(mut self, a: Slot<'a>, b: Slot<'a>) -> Self {
        (self.a, self.b) = (a, b);
        self
    }

    /// The same with the inequalities Gz <= h.
    pub fn inequalities(mut self, g: Slot<'a>, h: Slot<'a>) -> Self {
        (self.g, self.h) = (g, h);
        self
    }

    /// Every length is as it must be, and every number of a vector; those of the matrices are
    /// checked where they are put in the solver's order.
    pub(crate) fn check(&self, shape: &QpShape) -> Result<(), Error> {
        let sizes = [
            ("Q", self.quadratic, shape.quadratic.len()),
            ("q", self.linear, shape.variables()),
            ("A", self.a, shape.equalities.len()),
            ("b", self.b, shape.equalities.rows()),
            ("G", self.g, shape.inequalities.len()),
            ("h", self.h, shape.inequalities.rows()),
        ];
        for (argument, slot, len) in sizes {
            check_length(argument, slot, len, self.batch)?;
        }
        for (argument, slot, len) in [sizes[1], sizes[3], sizes[5]] {
            check_finite(argument, slot, len, argument == "h")?;
        }
        Ok(())
    }
}
