//! What goes into the solution map S and what comes out: the data (A, b, c) and P, and (x, y, s).

use crate::check;
use argrad_solver::{Error, Solution, Structure};

/// The data of one program, a direction in which they change, or a gradient with respect to them.
///
/// P and A are listed in the order of the structure's patterns. In a gradient an entry of P above
/// the diagonal stands for two, so that the product of a gradient and a direction is the sum of the
/// products of their numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// Upper triangle of P; zeros for a linear objective.
    pub p: Vec<f64>,
    /// A.
    pub a: Vec<f64>,
    /// b: m numbers.
    pub b: Vec<f64>,
    /// c: n numbers (q in the rest of the workspace).
    pub c: Vec<f64>,
}

impl Data {
    /// Data of the survey's program (9), in which the objective is linear: `P = 0`.
    ///
    /// # Errors
    /// As [`Self::quadratic`].
    pub fn linear(structure: &Structure, a: &[f64], b: &[f64], c: &[f64]) -> Result<Self, Error> {
        Self::quadratic(structure, &vec![0.0; structure.p().nnz()], a, b, c)
    }

    /// Data of the program with the objective `1/2 x'Px + c'x`.
    ///
    /// # Errors
    /// [`Error::Length`] where a length does not fit the structure, [`Error::NotFinite`] at a
    /// number that is NaN or infinite: `b = +inf`, which removes a row in the solver, has no place
    /// in a matrix.
    pub fn quadratic(
        structure: &Structure,
        p: &[f64],
        a: &[f64],
        b: &[f64],
        c: &[f64],
    ) -> Result<Self, Error> {
        let data = Self { p: p.to_vec(), a: a.to_vec(), b: b.to_vec(), c: c.to_vec() };
        data.check(structure)?;
        Ok(data)
    }

    /// All zero.
    pub fn zeros(structure: &Structure) -> Self {
        Self {
            p: vec![0.0; structure.p().nnz()],
            a: vec![0.0; structure.a().nnz()],
            b: vec![0.0; structure.rows()],
            c: vec![0.0; structure.variables()],
        }
    }

    /// Lengths and finiteness.
    pub(crate) fn check(&self, structure: &Structure) -> Result<(), Error> {
        let (n, m) = (structure.variables(), structure.rows());
        check("data.p", &self.p, structure.p().nnz(), "entries of the pattern of P")?;
        check("data.a", &self.a, structure.a().nnz(), "entries of the pattern of A")?;
        check("data.b", &self.b, m, "rows")?;
        check("data.c", &self.c, n, "variables")
    }
}

/// A primal-dual solution (x, y, s), a change of one, or the gradient of a scalar with respect to
/// it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrimalDual {
    /// Primal variables: n numbers.
    pub x: Vec<f64>,
    /// Dual variables: m numbers (z in the rest of the workspace).
    pub y: Vec<f64>,
    /// Slacks: m numbers.
    pub s: Vec<f64>,
}

impl PrimalDual {
    /// Sample `index` of what [`argrad_solver::Solver`] found for a batch of programs of this
    /// structure.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is no such sample, [`Error::Length`] where `solution` belongs
    /// to another structure.
    pub fn of(structure: &Structure, solution: &Solution, index: usize) -> Result<Self, Error> {
        if index >= solution.batch {
            return Err(Error::Shape {
                argument: "index",
                expected: format!("a sample of a batch of {}", solution.batch),
                found: index.to_string(),
            });
        }
        let row = |argument, values: &[f64], len: usize| {
            if values.len() == solution.batch * len {
                return Ok(values[index * len..(index + 1) * len].to_vec());
            }
            Err(Error::Length {
                argument,
                expected: solution.batch * len,
                found: values.len(),
                meaning: format!("batch {} x {len} numbers", solution.batch),
            })
        };
        let (n, m) = (structure.variables(), structure.rows());
        Ok(Self {
            x: row("solution.x", &solution.x, n)?,
            y: row("solution.z", &solution.z, m)?,
            s: row("solution.s", &solution.s, m)?,
        })
    }

    /// Lengths and finiteness.
    pub(crate) fn check(&self, n: usize, m: usize) -> Result<(), Error> {
        check("x", &self.x, n, "variables")?;
        check("y", &self.y, m, "rows")?;
        check("s", &self.s, m, "rows")
    }
}
