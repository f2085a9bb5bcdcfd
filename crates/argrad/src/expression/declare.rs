//! What is said of a variable or parameter where it is made: its name, its attributes.

use std::panic::Location;

use super::{Attributes, Expr, Op, Place};
use crate::algebra::Shape;

impl<'m> Expr<'m> {
    /// Gives a variable or parameter a name, for error messages.
    #[track_caller]
    pub fn named(self, name: impl Into<String>) -> Self {
        let place = Location::caller();
        let name = name.into();
        let done = match self.op() {
            Op::Variable(index) => {
                self.model.arena_mut().variables[index].name = Some(name);
                true
            }
            Op::Parameter(index) => {
                self.model.arena_mut().parameters[index].name = Some(name);
                true
            }
            _ => false,
        };
        if !done {
            self.model.record("named: only variables and parameters have names".into(), place);
        }
        self
    }

    /// Every element is at least zero. On a variable this is a constraint, on a parameter a promise
    /// that is checked.
    #[track_caller]
    pub fn nonneg(self) -> Self {
        self.attribute("nonneg", Location::caller(), |a, _| {
            a.nonneg = true;
            Ok(())
        })
    }

    /// Every element is at most zero.
    #[track_caller]
    pub fn nonpos(self) -> Self {
        self.attribute("nonpos", Location::caller(), |a, _| {
            a.nonpos = true;
            Ok(())
        })
    }

    /// A symmetric matrix. A variable has `n (n + 1) / 2` independent entries; a parameter is given
    /// with both triangles, and its gradient is symmetric.
    #[track_caller]
    pub fn symmetric(self) -> Self {
        self.attribute("symmetric", Location::caller(), |a, shape| {
            a.symmetric = true;
            square(shape)
        })
    }

    /// A symmetric positive semidefinite matrix.
    #[track_caller]
    pub fn psd(self) -> Self {
        self.attribute("psd", Location::caller(), |a, shape| {
            (a.symmetric, a.psd) = (true, true);
            square(shape)
        })
    }

    /// A diagonal matrix. A parameter is then given by its `n` diagonal entries.
    #[track_caller]
    pub fn diagonal(self) -> Self {
        self.attribute("diagonal", Location::caller(), |a, shape| {
            square(shape)?;
            a.support = Some((0..shape.rows()).map(|i| i * (shape.cols() + 1)).collect());
            Ok(())
        })
    }

    /// Zero outside of these (row, column) entries. A parameter is then given by its entries in
    /// row-major order.
    #[track_caller]
    pub fn sparse(self, pattern: &[(usize, usize)]) -> Self {
        self.attribute("sparse", Location::caller(), |a, shape| {
            if let Some((i, j)) =
                pattern.iter().find(|(i, j)| *i >= shape.rows() || *j >= shape.cols())
            {
                return Err(format!("entry ({i}, {j}) outside of a {shape}"));
            }
            let mut support: Vec<usize> =
                pattern.iter().map(|(i, j)| i * shape.cols() + j).collect();
            support.sort_unstable();
            support.dedup();
            a.support = Some(support.into());
            Ok(())
        })
    }

    /// Elements between these bounds (infinite ones are left out, and those of a variable from 1e19
    /// on).
    #[track_caller]
    pub fn bounds(self, lower: f64, upper: f64) -> Self {
        self.attribute("bounds", Location::caller(), |a, shape| {
            if lower.is_nan() || upper.is_nan() || lower > upper {
                return Err(format!("expected lower <= upper, found {lower} and {upper}"));
            }
            a.lower = lower.is_finite().then(|| vec![lower; shape.size()].into());
            a.upper = upper.is_finite().then(|| vec![upper; shape.size()].into());
            Ok(())
        })
    }

    /// As [`Self::bounds`], with two bounds for each element, row-major; infinite ones are none.
    #[track_caller]
    pub fn bounds_each(self, lower: &[f64], upper: &[f64]) -> Self {
        self.attribute("bounds_each", Location::caller(), |a, shape| {
            let (size, found) = (shape.size(), (lower.len(), upper.len()));
            if found != (size, size) {
                let (lower, upper) = found;
                return Err(format!("expected {size} bounds twice, found {lower} and {upper}"));
            }
            let is_crossed =
                |(l, u): (&f64, &f64)| !matches!(l.partial_cmp(u), Some(o) if o.is_le());
            if let Some(k) = lower.iter().zip(upper).position(is_crossed) {
                let (l, u) = (lower[k], upper[k]);
                return Err(format!("expected lower <= upper, found {l} and {u} at entry {k}"));
            }
            let given = |bounds: &[f64]| {
                bounds.iter().any(|bound| bound.is_finite()).then(|| bounds.to_vec().into())
            };
            (a.lower, a.upper) = (given(lower), given(upper));
            Ok(())
        })
    }

    fn attribute(
        self,
        name: &str,
        place: Place,
        set: impl FnOnce(&mut Attributes, Shape) -> Result<(), String>,
    ) -> Self {
        let shape = self.shape();
        let result = {
            let op = self.op();
            let mut arena = self.model.arena_mut();
            match op {
                Op::Variable(index) => set(&mut arena.variables[index].attributes, shape),
                Op::Parameter(index) => set(&mut arena.parameters[index].attributes, shape),
                _ => Err("expected a variable or a parameter, found an expression".into()),
            }
        };
        if let Err(message) = result {
            self.model.record(format!("{name}: {message}"), place);
            self.model.arena_mut().nodes[self.id].poisoned = true;
        }
        self
    }
}

fn square(shape: Shape) -> Result<(), String> {
    if shape.is_square() {
        Ok(())
    } else {
        Err(format!("expected a square matrix, found a {shape}"))
    }
}
