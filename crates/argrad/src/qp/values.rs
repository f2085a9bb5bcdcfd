//! The numbers of a batch of quadratic programs.

use argrad_solver::{Error, Slot};

use super::{QpShape, check_finite, check_length};

/// The numbers of a batch, in the order that the layer's [`QpShape`] says.
///
/// What does not change from sample to sample should be [`Slot::Shared`]: zeros in dense
/// matrices that are (a diagonal P, bounds as G = -I) are left out of the work. Their gradients are
/// there all the same.
///
/// ```
/// use argrad::{QpValues, Slot};
/// // One sample: minimize x^2 / 2 + 3 x subject to -x <= 0.
/// let values = QpValues::new(1, Slot::Shared(&[1.]), Slot::Each(&[3.]))
///     .inequalities(Slot::Shared(&[-1.]), Slot::Shared(&[0.]));
/// assert!(values.a.as_slice().is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QpValues<'a> {
    /// Number of samples.
    pub batch: usize,
    /// P.
    pub p: Slot<'a>,
    /// q: n numbers.
    pub q: Slot<'a>,
    /// A.
    pub a: Slot<'a>,
    /// b: one number per equality.
    pub b: Slot<'a>,
    /// G.
    pub g: Slot<'a>,
    /// h: one number per inequality; `+inf`, or any number from 1e19 on, is no constraint.
    pub h: Slot<'a>,
}

impl<'a> QpValues<'a> {
    /// A batch of programs without constraints. Where P has no entries, give
    /// `Slot::Shared(&[])`.
    pub fn new(batch: usize, p: Slot<'a>, q: Slot<'a>) -> Self {
        let none = Slot::Shared(&[]);
        Self { batch, p, q, a: none, b: none, g: none, h: none }
    }

    /// The same with the equalities Ax = b.
    pub fn equalities(mut self, a: Slot<'a>, b: Slot<'a>) -> Self {
        (self.a, self.b) = (a, b);
        self
    }

    /// The same with the inequalities Gx <= h; an entry of h that is 1e19 or more, `+inf` above
    /// all, is no constraint.
    pub fn inequalities(mut self, g: Slot<'a>, h: Slot<'a>) -> Self {
        (self.g, self.h) = (g, h);
        self
    }

    /// Every length is as it must be, and every number of a vector; those of the matrices are
    /// checked where they are put in the solver's order.
    pub(crate) fn check(&self, shape: &QpShape) -> Result<(), Error> {
        let sizes = [
            ("P", self.p, shape.p.len()),
            ("q", self.q, shape.variables()),
            ("A", self.a, shape.a.len()),
            ("b", self.b, shape.a.rows()),
            ("G", self.g, shape.g.len()),
            ("h", self.h, shape.g.rows()),
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
