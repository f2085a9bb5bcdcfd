//! A batch of random feasible programs, on the host and as tensors.

use argrad::{QpLayer, QpValues, Slot};
use argrad_burn::{Argument, QpArguments};
use burn::tensor::{DType, Device, Tensor, TensorData};
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
        let dims = [
            vec![N, N],
            vec![N],
            vec![EQUALITIES, N],
            vec![EQUALITIES],
            vec![INEQUALITIES, N],
            vec![INEQUALITIES],
        ];
        let mut numbers: [Vec<f64>; 6] = Default::default();
        for (k, numbers) in numbers.iter_mut().enumerate() {
            for _ in 0..if shared[k] { 1 } else { batch } {
                numbers.extend(match k {
                    0 => {
                        let l = uniform(rng, N * N);
                        (0..N * N)
                            .map(|at| {
                                let (i, j) = (at / N, at % N);
                                let sum: f64 = (0..N).map(|k| l[i * N + k] * l[j * N + k]).sum();
                                sum + if i == j { 0.3 } else { 0.0 }
                            })
                            .collect()
                    }
                    // x = 0 is strictly feasible where b = 0; small b keeps the rest so.
                    3 => uniform(rng, EQUALITIES).iter().map(|v| 0.1 * v).collect(),
                    5 => uniform(rng, INEQUALITIES).iter().map(|v| v.abs() + 0.5).collect(),
                    _ => uniform(rng, dims[k].iter().product()),
                });
            }
        }
        let mut program = Self { batch, shared, numbers, dims };
        for (dims, shared) in program.dims.iter_mut().zip(shared) {
            if !shared {
                dims.insert(0, batch);
            }
        }
        program
    }

    pub fn slot(&self, k: usize) -> Slot<'_> {
        if self.shared[k] { Slot::Shared(&self.numbers[k]) } else { Slot::Each(&self.numbers[k]) }
    }

    pub fn values(&self) -> QpValues<'_> {
        QpValues::new(self.batch, self.slot(0), self.slot(1))
            .equalities(self.slot(2), self.slot(3))
            .inequalities(self.slot(4), self.slot(5))
    }

    /// Argument `k` as a flat tensor of this type.
    pub fn flat(&self, k: usize, device: &Device, dtype: DType) -> Tensor<1> {
        let numbers = &self.numbers[k];
        Tensor::from_data(TensorData::new(numbers.clone(), [numbers.len()]), (device, dtype))
    }
}

/// A tensor with the rank of the dimensions.
pub fn argument(flat: Tensor<1>, dims: &[usize], shared: bool) -> Argument {
    match (dims, shared) {
        (&[_], true) => Argument::shared(flat),
        (&[a, b], true) => Argument::shared(flat.reshape([a, b])),
        (&[a, b], false) => Argument::each(flat.reshape([a, b])),
        (&[a, b, c], false) => Argument::each(flat.reshape([a, b, c])),
        _ => unreachable!(),
    }
}

/// Leaves, and the arguments made of them.
pub fn leaves(program: &Program, device: &Device, dtype: DType) -> ([Tensor<1>; 6], QpArguments) {
    let leaves = [0, 1, 2, 3, 4, 5].map(|k| {
        let flat = program.flat(k, device, dtype);
        if device.is_autodiff() { flat.require_grad() } else { flat }
    });
    let at = |k: usize| argument(leaves[k].clone(), &program.dims[k], program.shared[k]);
    let mut arguments =
        QpArguments::new(at(0), at(1)).equalities(at(2), at(3)).inequalities(at(4), at(5));
    arguments.batch = Some(program.batch);
    (leaves, arguments)
}

pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

pub fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-300, |m: f64, v| m.max(v.abs()));
    found.iter().zip(expected).fold(0.0, |m: f64, (a, b)| {
        assert!(a.is_finite() && b.is_finite());
        m.max((a - b).abs() / size)
    })
}
