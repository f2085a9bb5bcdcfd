//! The module: parameters, constants, fed arguments; the maps before the layer.

use std::sync::Arc;

use argrad::factored_quadratic::FactoredQuadratic;
use argrad::feasible_rhs::FeasibleRhs;
use argrad::{MatrixShape, QpCotangent, QpShape, QpValues, Slot};
use argrad_burn::{Argument, QpConfig, QpInputs, QpModule, Source};
use burn::module::{Initializer, Module};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::program::{host, relative_error, uniform};

const N: usize = 4;
const DENSE: MatrixShape = MatrixShape::Dense { rows: 2, cols: N };

fn tensor<const D: usize>(numbers: &[f64], dims: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), dims), (device, DType::F64))
}

/// Numbers for L, q, A, w, with G = -I and h = 0.
fn numbers(batch: usize) -> [Vec<f64>; 4] {
    let rng = &mut StdRng::seed_from_u64(3);
    [
        uniform(rng, batch * N * N),
        uniform(rng, batch * N),
        uniform(rng, batch * 2 * N),
        uniform(rng, batch * N),
    ]
}

fn config() -> QpConfig {
    QpConfig::new(N).inequalities(
        MatrixShape::Diagonal(N),
        Source::Fixed(vec![-1.0; N]),
        Source::Fixed(vec![0.0; N]),
    )
}

/// Gradients with respect to L, q, A, w on the host, by the same chain.
fn expected(batch: usize, slots: [Slot<'_>; 4], weights: &[f64]) -> (Vec<f64>, [Vec<f64>; 4]) {
    let [l, q, a, w] = slots;
    let factor = FactoredQuadratic::full(N, 0.1);
    let feasible = FeasibleRhs::new(&DENSE);
    let p = factor.forward(batch, l).unwrap();
    let p = if l.is_shared() { Slot::Shared(&p) } else { Slot::Each(&p) };
    let b = feasible.forward(batch, a, w).unwrap();
    let shape = QpShape::dense(N, 2, 0).inequalities(MatrixShape::Diagonal(N));
    let layer = argrad::QpLayer::new(shape, Default::default()).unwrap();
    let values = QpValues::new(batch, p, q)
        .equalities(a, b.slot())
        .inequalities(Slot::Shared(&[-1.0; N]), Slot::Shared(&[0.0; N]));
    let (solution, tape) = layer.forward(&values).unwrap();
    let cotangent = QpCotangent { x: Some(weights), ..Default::default() };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    let dl = factor.backward(batch, l, &gradients.p).unwrap();
    let through = feasible.backward(batch, a, w, &gradients.b).unwrap();
    let da = gradients.a.iter().zip(&through.a).map(|(a, b)| a + b).collect();
    (solution.x, [dl, gradients.q, da, through.w])
}

#[test]
fn fed_factor_and_feasible_rhs_have_the_gradients_of_the_maps() {
    let device = Device::flex().autodiff();
    let batch = 3;
    let numbers = numbers(batch);
    let module = config()
        .factored_quadratic(Source::Fed, 0.1)
        .feasible_equalities(DENSE, Source::Fed, Source::Fed)
        .init(&device)
        .unwrap();
    assert_eq!(module.num_params(), 0);
    let l = tensor(&numbers[0], [batch, N, N], &device).require_grad();
    let q = tensor(&numbers[1], [batch, N], &device).require_grad();
    let a = tensor(&numbers[2], [batch, 2, N], &device).require_grad();
    let w = tensor(&numbers[3], [batch, N], &device).require_grad();
    let inputs = QpInputs::new()
        .p(Argument::each(l.clone()))
        .q(Argument::each(q.clone()))
        .a(Argument::each(a.clone()))
        .b(Argument::each(w.clone()));
    let output = module.forward(inputs).unwrap();
    let weights = uniform(&mut StdRng::seed_from_u64(5), batch * N);
    let loss = (output.x.clone() * tensor(&weights, [batch, N], &device)).sum();
    let gradients = loss.backward();
    let (x, expected) = expected(batch, numbers.each_ref().map(|v| Slot::Each(v)), &weights);
    assert_eq!(host(output.x), x);
    assert_eq!(host(l.grad(&gradients).unwrap()), expected[0]);
    assert_eq!(host(q.grad(&gradients).unwrap()), expected[1]);
    assert_eq!(host(a.grad(&gradients).unwrap()), expected[2]);
    assert_eq!(host(w.grad(&gradients).unwrap()), expected[3]);
}

fn learnable(device: &Device) -> QpModule {
    let [l, _, a, w] = numbers(1);
    config()
        .factored_quadratic(Source::LearnableFrom(l), 0.1)
        .feasible_equalities(DENSE, Source::LearnableFrom(a), Source::LearnableFrom(w))
        .init(device)
        .unwrap()
}

#[test]
fn learnable_parameters_get_the_sum_over_the_batch() {
    let device = Device::flex().autodiff();
    let batch = 5;
    let module = learnable(&device);
    assert_eq!(module.num_params(), N * N + 2 * N + N);
    let [l, _, a, w] = numbers(1);
    // What the device made of them: f32 unless it is configured otherwise.
    let kept = [
        host(module.p().matrix().unwrap()),
        numbers(batch)[1].clone(),
        host(module.a().matrix().unwrap()),
        host(module.b().vector().unwrap()),
    ];
    for (kept, given) in [(&kept[0], &l), (&kept[2], &a), (&kept[3], &w)] {
        assert!(relative_error(kept, given) < 1e-6);
    }
    let q = tensor(&kept[1], [batch, N], &device);
    let output = module.forward(QpInputs::new().q(Argument::each(q))).unwrap();
    let weights = uniform(&mut StdRng::seed_from_u64(6), batch * N);
    let gradients = (output.x * tensor(&weights, [batch, N], &device)).sum().backward();
    let slots = [
        Slot::Shared(&kept[0]),
        Slot::Each(&kept[1]),
        Slot::Shared(&kept[2]),
        Slot::Shared(&kept[3]),
    ];
    let (_, expected) = expected(batch, slots, &weights);
    let found = [
        (host(module.p().matrix().unwrap().grad(&gradients).unwrap()), &expected[0]),
        (host(module.a().matrix().unwrap().grad(&gradients).unwrap()), &expected[2]),
        (host(module.b().vector().unwrap().grad(&gradients).unwrap()), &expected[3]),
    ];
    for (found, expected) in found {
        assert!(relative_error(&found, expected) < 1e-6);
    }
}

#[test]
fn valid_module_gives_the_same_values_without_autodiff() {
    let device = Device::flex().autodiff();
    let module = learnable(&device);
    let q = numbers(3)[1].clone();
    let tracked =
        module.forward(QpInputs::new().q(Argument::each(tensor(&q, [3, N], &device)))).unwrap();
    assert!(tracked.x.is_tracked());
    let plain = Device::flex();
    let valid = module.valid();
    let output =
        valid.forward(QpInputs::new().q(Argument::each(tensor(&q, [3, N], &plain)))).unwrap();
    assert!(!output.x.is_autodiff());
    assert_eq!(host(output.x), host(tracked.x));
}

#[test]
fn seed_determines_the_parameters() {
    let device = Device::flex();
    let draw = || {
        device.seed(17);
        let module = config()
            .equalities(
                DENSE,
                Source::Learnable(Initializer::Uniform { min: 0.0, max: 1.0 }),
                Source::Learnable(Initializer::Zeros),
            )
            .linear(Source::Learnable(Initializer::Normal { mean: 0.0, std: 1.0 }))
            .init(&device)
            .unwrap();
        (host(module.a().matrix().unwrap()), host(module.q().vector().unwrap()))
    };
    let first = draw();
    assert!(first.0.iter().all(|v| (0.0..1.0).contains(v)));
    assert_eq!(first, draw());
}

#[test]
fn start_and_batch_reach_the_solver() {
    let device = Device::flex();
    let module = config()
        .quadratic(MatrixShape::Diagonal(N), Source::Fixed(vec![1.0; N]))
        .linear(Source::Fixed(vec![-1.0, 2.0, -3.0, 4.0]))
        .init(&device)
        .unwrap();
    // Nothing has a batch dimension; the caller says how many.
    let first = module.forward(QpInputs::new().batch(3)).unwrap();
    assert_eq!(first.x.dims(), [3, N]);
    assert!(relative_error(&first.solution.x[8..], &[1.0, 0.0, 3.0, 0.0]) < 1e-9);
    let again =
        module.forward(QpInputs::new().batch(3).start(Arc::clone(&first.solution))).unwrap();
    assert!(again.reports().iter().all(|report| report.warm_started));
}
