//! How a user writes a smooth problem: its functions, once, generic in the number type.

use num_dual::DualNum;

/// A number that carries derivatives: every `DualNum` of the crate `num-dual` over f64, and f64
/// itself. Arithmetic with f64 on the right (`x * 2.0`, `x + 1.0`), and the elementary functions.
pub trait Scalar: DualNum<Primitive = f64> + Copy {}

impl<D: DualNum<Primitive = f64> + Copy> Scalar for D {}

/// Sizes of a problem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// Number of parameters, the length of theta.
    pub theta: usize,
    /// Number of variables, the length of y.
    pub y: usize,
    /// Number of equalities h(theta, y) = 0.
    pub equalities: usize,
    /// Number of inequalities g(theta, y) <= 0.
    pub inequalities: usize,
}

impl Dimensions {
    /// A problem without constraints, with this many parameters and variables.
    pub const fn new(theta: usize, y: usize) -> Self {
        Self { theta, y, equalities: 0, inequalities: 0 }
    }

    /// The same with this many equalities.
    pub const fn equalities(self, equalities: usize) -> Self {
        Self { equalities, ..self }
    }

    /// The same with this many inequalities.
    pub const fn inequalities(self, inequalities: usize) -> Self {
        Self { inequalities, ..self }
    }

    /// Number of constraints: the equalities, then the inequalities.
    pub const fn rows(&self) -> usize {
        self.equalities + self.inequalities
    }
}

/// The problem
///
/// ```text
/// minimize    f(theta, y)  over y
/// subject to  h(theta, y) = 0,  g(theta, y) <= 0
/// ```
///
/// (eq. (3) of the survey, with constraints), by functions that are twice continuously
/// differentiable near the points that the solver meets. They are evaluated with numbers that carry
/// derivatives, and must not take these apart (by `re()`). Where a function is not defined it
/// returns NaN, and the solver takes a shorter step.
pub trait SmoothProblem {
    /// The sizes; the same at each call.
    fn dimensions(&self) -> Dimensions;

    /// f(theta, y).
    fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D;

    /// h(theta, y): as many entries as there are equalities.
    fn equalities<D: Scalar>(&self, _theta: &[D], _y: &[D]) -> Vec<D> {
        Vec::new()
    }

    /// g(theta, y): as many entries as there are inequalities.
    fn inequalities<D: Scalar>(&self, _theta: &[D], _y: &[D]) -> Vec<D> {
        Vec::new()
    }
}

impl<P: SmoothProblem> SmoothProblem for &P {
    fn dimensions(&self) -> Dimensions {
        (**self).dimensions()
    }

    fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D {
        (**self).objective(theta, y)
    }

    fn equalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
        (**self).equalities(theta, y)
    }

    fn inequalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
        (**self).inequalities(theta, y)
    }
}
