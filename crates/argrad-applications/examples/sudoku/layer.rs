//! The optimization layer: a quadratic program whose equality constraints are learned.

use std::error::Error;

use argrad::{Differentiation, MatrixShape, Mode};
use argrad_burn::{Argument, QpConfig, QpInputs, QpModule, Source};
use burn::module::{Initializer, Module};
use burn::tensor::{Device, Tensor};

use crate::board::Rules;
use crate::train::Network;

/// The solution is x in
///
/// ```text
/// minimize    1/2 x'Px - puzzle'x,  P = 0.1 I
/// subject to  Ax = A exp(w),  x >= 0
/// ```
///
/// with A and w learned. The rules of Sudoku are such equalities: each cell holds one digit, each
/// row, column and block holds each digit once. exp(w) satisfies all constraints, so that there is
/// a solution whatever is learned.
#[derive(Module, Debug)]
pub struct OptimizationLayer {
    program: QpModule,
}

/// A solved board is a vertex where 48 bounds and 40 equalities meet in 64 variables: the exact
/// derivative exists next to it only, and is now and then very large. That of a point this far
/// inside is of use everywhere.
const MU: f64 = 1e-2;

impl OptimizationLayer {
    /// Learned equalities: as many as the rules have that do not follow from one another (the rank
    /// of all 64 or 324 of them).
    pub fn equalities(rules: Rules) -> usize {
        if rules.order() == 2 { 40 } else { 249 }
    }

    /// A uniform in (0, 1), w zero.
    pub fn new(rules: Rules, device: &Device) -> Result<Self, Box<dyn Error>> {
        let n = rules.cells() * rules.side();
        let uniform = Initializer::Uniform { min: 0.0, max: 1.0 };
        let program = QpConfig::new(n)
            .quadratic(MatrixShape::Diagonal(n), Source::Fixed(vec![0.1; n]))
            .feasible_equalities(
                MatrixShape::Dense { rows: Self::equalities(rules), cols: n },
                Source::Learnable(uniform),
                Source::Learnable(Initializer::Zeros),
            )
            .inequalities(
                MatrixShape::Diagonal(n),
                Source::Fixed(vec![-1.0; n]),
                Source::Fixed(vec![0.0; n]),
            )
            .differentiation(Differentiation { mode: Mode::Smoothed(MU), ..Default::default() })
            .init(device)?;
        Ok(Self { program })
    }
}

impl Network for OptimizationLayer {
    fn forward(&self, puzzles: Tensor<2>) -> Result<Tensor<2>, Box<dyn Error>> {
        let inputs = QpInputs::new().q(Argument::each(-puzzles));
        Ok(self.program.forward(inputs)?.x)
    }
}
