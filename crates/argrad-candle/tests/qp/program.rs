//! A batch of random feasible programs, on the host and as tensors.

use argrad::{QpCotangent, QpGradients, QpLayer, QpValues, Slot};
use argrad_candle::{Argument, QpArguments, QpOutput};
use candle_core::{DType, Device, Tensor, Var};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub const N: usize = 5;
pub const EQUALITIES: usize = 2;
pub const INEQUALITIES: usize = 6;

/// P, q, A, b, G, h of a dense layer, each shared or per sample.
#[derive(Clone)]
pub struct Program {
    pub batch: usize,
    pub shared: [bool; 6],
    pub numbers: [Vec<f64>; 6],
    pub dims: [Vec<usize>; 6],
}

pub fn layer() -> QpLayer {
    QpLayer::dense(N, EQUALITIES, INEQUALITIES).unwrap()
}

pub fn uniform(rng: &mut StdRng, len: usize) -> Vec<f64> {
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

impl Program {
    pub fn random(batch: usize, shared: [bool; 6], seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let sizes: [&[usize]; 6] =
            [&[N, N], &[N], &[EQUALITIES, N], &[EQUALITIES], &[INEQUALITIES, N], &[INEQUALITIES]];
        let mut numbers: [Vec<f64>; 6] = Default::default();
        for (k, numbers) in numbers.iter_mut().enumerate() {
            for _ in 0..if shared[k] { 1 } else { batch } {
                numbers.extend(match k {
                    0 => convex(rng),
                    // x = 0 is strictly feasible where b = 0; small b keeps the rest so.
                    3 => uniform(rng, EQUALITIES).iter().map(|v| 0.1 * v).collect(),
                    5 => uniform(rng, INEQUALITIES).iter().map(|v| v.abs() + 0.5).collect(),
                    _ => uniform(rng, sizes[k].iter().product()),
                });
            }
        }
        let mut dims = sizes.map(<[usize]>::to_vec);
        for (dims, shared) in dims.iter_mut().zip(shared) {
            if !shared {
                dims.insert(0, batch);
            }
        }
        Self { batch, shared, numbers, dims }
    }

    pub fn slot(&self, k: usize) -> Slot<'_> {
        if self.shared[k] { Slot::Shared(&self.numbers[k]) } else { Slot::Each(&self.numbers[k]) }
    }

    pub fn values(&self) -> QpValues<'_> {
        QpValues::new(self.batch, self.slot(0), self.slot(1))
            .equalities(self.slot(2), self.slot(3))
            .inequalities(self.slot(4), self.slot(5))
    }

    /// Argument `k` as a variable of this type.
    pub fn variable(&self, k: usize, dtype: DType) -> Var {
        Var::from_tensor(&constant(&self.numbers[k], &self.dims[k], dtype)).unwrap()
    }

    /// A tensor as argument `k`.
    pub fn argument(&self, k: usize, tensor: &Tensor) -> Argument {
        if self.shared[k] { Argument::shared(tensor) } else { Argument::each(tensor) }
    }

    /// Six tensors as arguments.
    pub fn arguments<T: AsRef<Tensor>>(&self, tensors: &[T; 6]) -> QpArguments {
        let at = |k: usize| self.argument(k, tensors[k].as_ref());
        let mut arguments =
            QpArguments::new(at(0), at(1)).equalities(at(2), at(3)).inequalities(at(4), at(5));
        arguments.batch = Some(self.batch);
        arguments
    }

    /// Variables, and the arguments made of them.
    pub fn variables(&self, dtype: DType) -> ([Var; 6], QpArguments) {
        let variables = [0, 1, 2, 3, 4, 5].map(|k| self.variable(k, dtype));
        let arguments = self.arguments(&variables.each_ref().map(|own| own.as_tensor()));
        (variables, arguments)
    }

    /// The layer's own answer: x and both duals, and the gradients of [`loss`].
    pub fn native(&self) -> ([Vec<f64>; 3], [Vec<f64>; 6]) {
        let layer = layer();
        let (solution, tape) = layer.forward(&self.values()).unwrap();
        let [x, equality_duals, inequality_duals] = loss_weights(self.batch);
        let cotangent = QpCotangent {
            x: Some(&x),
            equality_duals: Some(&equality_duals),
            inequality_duals: Some(&inequality_duals),
            slacks: None,
        };
        let QpGradients { p, q, a, b, g, h, .. } = layer.backward(&tape, &cotangent).unwrap();
        ([solution.x, solution.equality_duals, solution.inequality_duals], [p, q, a, b, g, h])
    }
}

/// LL' + 0.3 I.
fn convex(rng: &mut StdRng) -> Vec<f64> {
    let l = uniform(rng, N * N);
    let entry = |at: usize| {
        let (i, j) = (at / N, at % N);
        let sum: f64 = (0..N).map(|k| l[i * N + k] * l[j * N + k]).sum();
        sum + if i == j { 0.3 } else { 0.0 }
    };
    (0..N * N).map(entry).collect()
}

pub fn constant(numbers: &[f64], dims: &[usize], dtype: DType) -> Tensor {
    let tensor = Tensor::from_vec(numbers.to_vec(), dims, &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

/// Weights of x and of both duals in the loss.
pub fn loss_weights(batch: usize) -> [Vec<f64>; 3] {
    let rng = &mut StdRng::seed_from_u64(7);
    [N, EQUALITIES, INEQUALITIES].map(|width| uniform(rng, batch * width))
}

/// A weighted sum of everything that comes out.
pub fn loss(output: &QpOutput) -> Tensor {
    let outputs = [&output.x, &output.equality_duals, &output.inequality_duals];
    let weights = loss_weights(output.x.dims()[0]);
    let terms = outputs.iter().zip(weights).map(|(tensor, weights)| {
        let weights = constant(&weights, tensor.dims(), tensor.dtype());
        (*tensor * weights).unwrap().sum_all().unwrap()
    });
    terms.reduce(|one, next| (one + next).unwrap()).unwrap()
}

pub fn host(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

pub fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-300, |m: f64, v| m.max(v.abs()));
    found.iter().zip(expected).fold(0.0, |m: f64, (a, b)| {
        assert!(a.is_finite() && b.is_finite());
        m.max((a - b).abs() / size)
    })
}
