//! The OptNet layer of the published experiment: a linear layer and a quadratic program, of which
//! everything is learned.
//!
//! ```text
//! z = the first numbers of  argmin 1/2 x'(LL' + eps I)x + (Wy + w)'x  subject to  Gx <= G x0 + s0
//! ```
//!
//! x0 satisfies all constraints as long as s0 is not negative. Sizes are the published ones: the
//! program has room for total variation in the form with t >= |Dz|, 100 + 99 unknowns and 198
//! inequalities. It computes in units of the noise, which the published one does not.

use argrad::MatrixShape;
use argrad_applications::command::Failure;
use argrad_burn::{Argument, QpConfig, QpInputs, QpModule, Source};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, s};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::denoiser::Denoiser;
use crate::signals::{LENGTH, NOISE, gaussian};
use crate::variation::{ROWS, differences};

const UNKNOWNS: usize = LENGTH + ROWS;
const INEQUALITIES: usize = 2 * ROWS;
/// Added to the diagonal of P.
const EPS: f64 = 1e-4;

/// A linear layer and a learned quadratic program.
#[derive(Module, Debug)]
pub struct OptNet {
    /// W, transposed.
    matrix: Param<Tensor<2>>,
    /// w.
    shift: Param<Tensor<1>>,
    /// x0.
    inside: Param<Tensor<1>>,
    /// s0.
    slack: Param<Tensor<1>>,
    /// L and G.
    program: QpModule,
}

/// The numbers that it starts from, matrices row by row.
struct Start {
    matrix: Vec<f64>,
    shift: Vec<f64>,
    factor: Vec<f64>,
    g: Vec<f64>,
    inside: Vec<f64>,
}

impl OptNet {
    /// From random numbers: L a lower triangle in (0, 1), G in (-1, 1), W and w as a linear layer.
    ///
    /// # Errors
    /// None is possible for these shapes.
    pub fn random(rng: &mut StdRng, device: &Device) -> Result<Self, Failure> {
        let reach = 1.0 / (LENGTH as f64).sqrt();
        let mut uniform = |count: usize, reach: f64| -> Vec<f64> {
            (0..count).map(|_| rng.random_range(-reach..reach)).collect()
        };
        let mut factor: Vec<f64> = uniform(UNKNOWNS * UNKNOWNS, 1.0);
        for (k, entry) in factor.iter_mut().enumerate() {
            *entry = if k % UNKNOWNS <= k / UNKNOWNS { entry.abs() } else { 0.0 };
        }
        let start = Start {
            matrix: uniform(LENGTH * UNKNOWNS, reach),
            shift: uniform(UNKNOWNS, reach),
            factor,
            g: uniform(INEQUALITIES * UNKNOWNS, 1.0),
            inside: vec![0.0; UNKNOWNS],
        };
        Self::new(start, device)
    }

    /// From total variation with this weight: x = (z, t), Dz <= t, -Dz <= t; W with a little noise.
    ///
    /// # Errors
    /// As [`Self::random`].
    pub fn total_variation(
        weight: f64,
        rng: &mut StdRng,
        device: &Device,
    ) -> Result<Self, Failure> {
        let mut matrix: Vec<f64> = (0..LENGTH * UNKNOWNS).map(|_| 1e-3 * gaussian(rng)).collect();
        let mut factor = vec![0.0; UNKNOWNS * UNKNOWNS];
        for i in 0..LENGTH {
            matrix[i * UNKNOWNS + i] -= 1.0;
            factor[i * UNKNOWNS + i] = 1.0;
        }
        let d = differences();
        let mut g = vec![0.0; INEQUALITIES * UNKNOWNS];
        for i in 0..ROWS {
            for (row, sign) in [(i, 1.0), (ROWS + i, -1.0)] {
                for j in 0..LENGTH {
                    g[row * UNKNOWNS + j] = sign * d[i * LENGTH + j];
                }
                g[row * UNKNOWNS + LENGTH + i] = -1.0;
            }
        }
        // z = 0 and t = 1 give all inequalities a slack of one, so that their right side is zero.
        let of_z_and_t = |z: f64, t: f64| [vec![z; LENGTH], vec![t; ROWS]].concat();
        let start = Start {
            matrix,
            shift: of_z_and_t(0.0, weight / NOISE),
            factor,
            g,
            inside: of_z_and_t(0.0, 1.0),
        };
        Self::new(start, device)
    }

    fn new(start: Start, device: &Device) -> Result<Self, Failure> {
        let vector = |numbers: Vec<f64>| {
            let len = numbers.len();
            Param::from_data(TensorData::new(numbers, [len]), device)
        };
        let program = QpConfig::new(UNKNOWNS)
            .factored_quadratic(Source::LearnableFrom(start.factor), EPS)
            .inequalities(
                MatrixShape::Dense { rows: INEQUALITIES, cols: UNKNOWNS },
                Source::LearnableFrom(start.g),
                Source::Fed,
            )
            .init(device)?;
        let matrix = TensorData::new(start.matrix, [LENGTH, UNKNOWNS]);
        Ok(Self {
            matrix: Param::from_data(matrix, device),
            shift: vector(start.shift),
            inside: vector(start.inside),
            slack: vector(vec![1.0; INEQUALITIES]),
            program,
        })
    }
}

impl Denoiser for OptNet {
    fn denoise(&self, noisy: Tensor<2>) -> Result<Tensor<2>, Failure> {
        let q = (noisy / NOISE).matmul(self.matrix.val()) + self.shift.val().unsqueeze();
        let g = self.program.g().matrix().ok_or("the program has a learned G")?;
        let inside: Tensor<2> = self.inside.val().unsqueeze_dim(1);
        let h = g.matmul(inside).squeeze_dim::<1>(1) + self.slack.val();
        let inputs = QpInputs::new().q(Argument::each(q)).h(Argument::shared(h));
        let x = self.program.forward(inputs)?.x;
        Ok(x.slice(s![.., 0..LENGTH]) * NOISE)
    }
}
