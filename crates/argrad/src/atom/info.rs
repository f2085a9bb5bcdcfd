//! Sign, curvature, monotonicity: what composition needs to know.

use crate::algebra::Shape;

/// What is known about the sign of every element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// All zero.
    Zero,
    /// All at least zero.
    Nonneg,
    /// All at most zero.
    Nonpos,
    /// Nothing is known.
    Unknown,
}

impl Sign {
    /// Whether every element is at least zero.
    pub fn is_nonneg(self) -> bool {
        matches!(self, Sign::Zero | Sign::Nonneg)
    }

    /// Whether every element is at most zero.
    pub fn is_nonpos(self) -> bool {
        matches!(self, Sign::Zero | Sign::Nonpos)
    }

    /// The sign from two flags: may elements be (positive, negative)?
    pub fn from_parts(positive: bool, negative: bool) -> Self {
        match (positive, negative) {
            (false, false) => Sign::Zero,
            (true, false) => Sign::Nonneg,
            (false, true) => Sign::Nonpos,
            (true, true) => Sign::Unknown,
        }
    }

    /// May elements be (positive, negative)?
    pub fn parts(self) -> (bool, bool) {
        (!self.is_nonpos(), !self.is_nonneg())
    }

    /// Sign of numbers.
    pub fn of(values: &[f64]) -> Self {
        Self::from_parts(values.iter().any(|v| *v > 0.0), values.iter().any(|v| *v < 0.0))
    }

    /// Sign of the negation.
    pub fn negate(self) -> Self {
        let (positive, negative) = self.parts();
        Self::from_parts(negative, positive)
    }

    /// Sign of a sum.
    pub fn plus(self, other: Self) -> Self {
        let (a, b) = (self.parts(), other.parts());
        Self::from_parts(a.0 || b.0, a.1 || b.1)
    }

    /// Sign of a product.
    pub fn times(self, other: Self) -> Self {
        let (a, b) = (self.parts(), other.parts());
        Self::from_parts(a.0 && b.0 || a.1 && b.1, a.0 && b.1 || a.1 && b.0)
    }
}

/// Curvature of an expression in the variables, parameters held fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curvature {
    /// Holds no variable.
    Constant,
    /// Affine.
    Affine,
    /// Convex.
    Convex,
    /// Concave.
    Concave,
    /// The rules do not tell.
    Unknown,
}

impl Curvature {
    /// Whether this is affine (or constant).
    pub fn is_affine(self) -> bool {
        matches!(self, Curvature::Constant | Curvature::Affine)
    }

    /// Whether this is convex (or affine).
    pub fn is_convex(self) -> bool {
        self.is_affine() || self == Curvature::Convex
    }

    /// Whether this is concave (or affine).
    pub fn is_concave(self) -> bool {
        self.is_affine() || self == Curvature::Concave
    }

    /// From what holds.
    pub(crate) fn from_parts(convex: bool, concave: bool) -> Self {
        match (convex, concave) {
            (true, true) => Curvature::Affine,
            (true, false) => Curvature::Convex,
            (false, true) => Curvature::Concave,
            (false, false) => Curvature::Unknown,
        }
    }
}

impl std::fmt::Display for Curvature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Curvature::Constant => "constant",
            Curvature::Affine => "affine",
            Curvature::Convex => "convex",
            Curvature::Concave => "concave",
            Curvature::Unknown => "unknown curvature",
        })
    }
}

impl std::fmt::Display for Sign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Sign::Zero => "zero",
            Sign::Nonneg => "nonnegative",
            Sign::Nonpos => "nonpositive",
            Sign::Unknown => "unknown sign",
        })
    }
}

/// How an atom changes with one of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monotonicity {
    /// Never decreases.
    Increasing,
    /// Never increases.
    Decreasing,
    /// Neither, or not known.
    None,
}

impl Monotonicity {
    /// Increasing where the argument is nonnegative, decreasing where it is nonpositive, as of abs.
    pub fn as_abs(argument: Sign) -> Self {
        if argument.is_nonneg() {
            Monotonicity::Increasing
        } else if argument.is_nonpos() {
            Monotonicity::Decreasing
        } else {
            Monotonicity::None
        }
    }
}

/// What is known about an expression before any number of a parameter is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Info {
    /// Shape.
    pub shape: Shape,
    /// Sign of every element.
    pub sign: Sign,
    /// Curvature in the variables.
    pub curvature: Curvature,
    /// Known to be a positive semidefinite matrix.
    pub psd: bool,
}
