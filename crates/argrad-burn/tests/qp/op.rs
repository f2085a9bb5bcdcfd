//! The op: values and gradients are those of the layer.

use argrad::{QpCotangent, QpGradients};
use argrad_burn::{Argument, QpArguments, qp};
use burn::tensor::{DType, Device, GradientCheckpointingStrategy, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::program::{
    EQUALITIES, INEQUALITIES, N, Program, host, layer, leaves, relative_error, uniform,
};

fn loss_weights(batch: usize) -> [Vec<f64>; 3] {
    let rng = &mut StdRng::seed_from_u64(7);
    [N, EQUALITIES, INEQUALITIES].map(|width| uniform(rng, batch * width))
}

fn constant(numbers: &[f64], dims: [usize; 2], device: &Device, dtype: DType) -> Tensor<2> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), dims), (device, dtype))
}

fn parts(gradients: QpGradients) -> [Vec<f64>; 6] {
    let QpGradients { p, q, a, b, g, h, .. } = gradients;
    [p, q, a, b, g, h]
}

/// Values, and the gradients of the six arguments, through burn.
fn through_burn(
    program: &Program,
    device: &Device,
    dtype: DType,
) -> ([Vec<f64>; 3], [Vec<f64>; 6]) {
    let (leaves, arguments) = leaves(program, device, dtype);
    let output = qp(&layer(), &arguments).unwrap();
    let batch = program.batch;
    let outputs = [&output.x, &output.equality_duals, &output.inequality_duals];
    let mut loss = Tensor::<1>::zeros([1], (device, dtype));
    for (tensor, weights) in outputs.into_iter().zip(loss_weights(batch)) {
        let [rows, cols] = tensor.dims();
        assert_eq!(rows, batch);
        assert_eq!(tensor.dtype(), dtype);
        loss = loss + (tensor.clone() * constant(&weights, [rows, cols], device, dtype)).sum();
    }
    let gradients = loss.backward();
    let gradients = leaves.map(|leaf| {
        let gradient = leaf.grad(&gradients).unwrap();
        assert_eq!((gradient.dims(), gradient.dtype()), (leaf.dims(), dtype));
        host(gradient)
    });
    (outputs.map(|tensor| host(tensor.clone())), gradients)
}

fn native(program: &Program) -> ([Vec<f64>; 3], [Vec<f64>; 6]) {
    let layer = layer();
    let (solution, tape) = layer.forward(&program.values()).unwrap();
    let [x, equality_duals, inequality_duals] = loss_weights(program.batch);
    let cotangent = QpCotangent {
        x: Some(&x),
        equality_duals: Some(&equality_duals),
        inequality_duals: Some(&inequality_duals),
        slacks: None,
    };
    let gradients = layer.backward(&tape, &cotangent).unwrap();
    let parts = parts(gradients);
    ([solution.x, solution.equality_duals, solution.inequality_duals], parts)
}

#[test]
fn gradients_are_those_of_the_layer() {
    let device = Device::flex().autodiff();
    for shared in [
        [false; 6],
        [true; 6],
        [true, false, true, true, true, true],
        [false, true, true, false, false, true],
    ] {
        let program = Program::random(4, shared, 1);
        let (points, gradients) = through_burn(&program, &device, DType::F64);
        let (expected_points, expected) = native(&program);
        assert_eq!(points, expected_points);
        assert_eq!(gradients, expected, "the same numbers to the last bit");
    }
}

#[test]
fn gradients_do_not_depend_on_checkpointing() {
    let device = Device::flex().autodiff();
    let program = Program::random(3, [false; 6], 2);
    let (leaves, _) = leaves(&program, &device, DType::F64);
    let balanced = leaves.map(|leaf| {
        leaf.detach()
            .with_gradient_checkpointing_strategy(GradientCheckpointingStrategy::Balanced)
            .require_grad()
    });
    let at = |k: usize| {
        crate::program::argument(balanced[k].clone(), &program.dims[k], program.shared[k])
    };
    let arguments =
        QpArguments::new(at(0), at(1)).equalities(at(2), at(3)).inequalities(at(4), at(5));
    let output = qp(&layer(), &arguments).unwrap();
    let [weights, ..] = loss_weights(3);
    let weights = constant(&weights, [3, N], &balanced[0].device(), DType::F64);
    let gradients = (output.x * weights).sum().backward();

    let layer = layer();
    let (_, tape) = layer.forward(&program.values()).unwrap();
    let [x, ..] = loss_weights(3);
    let cotangent = QpCotangent { x: Some(&x), ..Default::default() };
    let expected = layer.backward(&tape, &cotangent).unwrap();
    for (leaf, expected) in balanced.iter().zip(parts(expected)) {
        assert_eq!(host(leaf.grad(&gradients).unwrap()), expected);
    }
}

#[test]
fn single_precision_in_is_single_precision_out() {
    let device = Device::flex().autodiff();
    let program = Program::random(4, [true, false, true, true, false, false], 3);
    let (points, gradients) = through_burn(&program, &device, DType::F32);
    let (expected_points, expected) = native(&program);
    for (found, expected) in
        points.iter().zip(&expected_points).chain(gradients.iter().zip(&expected))
    {
        let error = relative_error(found, expected);
        assert!(error < 1e-6, "{error:.1e}");
    }
}

#[test]
fn double_precision_anywhere_is_double_precision_out() {
    let device = Device::flex().autodiff();
    let q = Tensor::<2>::from_data([[1.0_f64, -2.0]], (&device, DType::F64)).require_grad();
    let identity = Tensor::<1>::from_data([1.0_f32, 1.0], (&device, DType::F32)).require_grad();
    let shape = argrad::QpShape::new(2).quadratic(argrad::MatrixShape::Diagonal(2));
    let layer = argrad::QpLayer::new(shape, Default::default()).unwrap();
    let arguments = QpArguments::new(Argument::shared(identity.clone()), Argument::each(q.clone()));
    let output = qp(&layer, &arguments).unwrap();
    assert_eq!(output.x.dtype(), DType::F64);
    let gradients = output.x.sum().backward();
    assert_eq!(q.grad(&gradients).unwrap().dtype(), DType::F64);
    assert_eq!(identity.grad(&gradients).unwrap().dtype(), DType::F32);
    // x = -q / P, so that dx/dP = q / P^2.
    let found = host(identity.grad(&gradients).unwrap());
    assert!(relative_error(&found, &[1.0, -2.0]) < 1e-6, "{found:?}");
}

#[test]
fn nearly_symmetric_single_precision_products_pass() {
    let device = Device::flex().autodiff();
    let rng = &mut StdRng::seed_from_u64(4);
    let l =
        Tensor::<2>::from_data(TensorData::new(uniform(rng, 400), [20, 20]), (&device, DType::F32));
    let skew =
        Tensor::from_data(TensorData::new(uniform(rng, 400), [20, 20]), (&device, DType::F32));
    let p = l.clone().matmul(l.transpose()) + Tensor::eye(20, &device) + skew * 1e-6;
    let q = Tensor::<2>::ones([1, 20], (&device, DType::F32));
    let layer = argrad::QpLayer::dense(20, 0, 0).unwrap();
    let arguments = QpArguments::new(Argument::shared(p), Argument::each(q));
    assert!(qp(&layer, &arguments).is_ok());
}

#[test]
fn without_autodiff_the_values_are_the_same() {
    let program = Program::random(4, [true, false, true, true, true, false], 5);
    let (expected, _) = native(&program);
    for device in [Device::flex(), Device::flex().autodiff()] {
        let at = |k: usize| {
            let flat = program.flat(k, &device, DType::F64);
            crate::program::argument(flat, &program.dims[k], program.shared[k])
        };
        let arguments =
            QpArguments::new(at(0), at(1)).equalities(at(2), at(3)).inequalities(at(4), at(5));
        let output = qp(&layer(), &arguments).unwrap();
        assert_eq!(output.x.is_autodiff(), device.is_autodiff());
        assert!(!output.x.is_tracked());
        assert_eq!(host(output.x), expected[0]);
        assert_eq!(host(output.inequality_duals), expected[2]);
        assert_eq!(output.solution.x, expected[0]);
    }
}

#[test]
fn untracked_arguments_get_no_gradient_and_constants_need_no_tensor() {
    let device = Device::flex().autodiff();
    let program = Program::random(3, [true, false, true, true, true, true], 6);
    let q = program.flat(1, &device, DType::F64).require_grad();
    let fixed = |k: usize| Argument::fixed(program.numbers[k].clone());
    let plain = program.flat(2, &Device::flex(), DType::F64).reshape([EQUALITIES, N]);
    let arguments = QpArguments::new(fixed(0), Argument::each(q.clone().reshape([3, N])))
        .equalities(Argument::shared(plain), fixed(3))
        .inequalities(fixed(4), fixed(5));
    let output = qp(&layer(), &arguments).unwrap();
    let [x, ..] = loss_weights(3);
    let gradients = (output.x * constant(&x, [3, N], &device, DType::F64)).sum().backward();
    let layer = layer();
    let (_, tape) = layer.forward(&program.values()).unwrap();
    let cotangent = QpCotangent { x: Some(&x), ..Default::default() };
    let expected = layer.backward(&tape, &cotangent).unwrap();
    assert_eq!(host(q.grad(&gradients).unwrap()), expected.q);
}

#[test]
fn tensors_that_are_not_contiguous_are_read_in_their_order() {
    let device = Device::flex().autodiff();
    let program = Program::random(3, [false, false, true, true, true, true], 8);
    let (_, mut arguments) = leaves(&program, &device, DType::F64);
    let [rows, cols] = [EQUALITIES, N];
    let columns: Vec<f64> =
        (0..rows * cols).map(|at| program.numbers[2][(at % rows) * cols + at / rows]).collect();
    let leaf =
        Tensor::<2>::from_data(TensorData::new(columns, [cols, rows]), (&device, DType::F64))
            .require_grad();
    arguments.a = Argument::shared(leaf.clone().transpose());
    let output = qp(&layer(), &arguments).unwrap();
    let (expected_points, expected) = native(&program);
    assert_eq!(host(output.x.clone()), expected_points[0]);
    let outputs = [&output.x, &output.equality_duals, &output.inequality_duals];
    let mut loss = Tensor::<1>::zeros([1], (&device, DType::F64));
    for (tensor, weights) in outputs.into_iter().zip(loss_weights(3)) {
        let dims = tensor.dims();
        loss = loss + (tensor.clone() * constant(&weights, dims, &device, DType::F64)).sum();
    }
    let found = host(leaf.grad(&loss.backward()).unwrap().transpose());
    assert_eq!(found, expected[2]);
}

#[test]
fn a_tensor_given_twice_gets_both_gradients() {
    // minimize 1/2 x'Px + q'x with P = diag(t), q = t: x = -1 whatever t is.
    let device = Device::flex().autodiff();
    let t = Tensor::<1>::from_data([2.0_f64, 3.0], (&device, DType::F64)).require_grad();
    let shape = argrad::QpShape::new(2).quadratic(argrad::MatrixShape::Diagonal(2));
    let layer = argrad::QpLayer::new(shape, Default::default()).unwrap();
    let arguments = QpArguments::new(Argument::shared(t.clone()), Argument::shared(t.clone()));
    let output = qp(&layer, &arguments).unwrap();
    assert_eq!(output.x.dims(), [1, 2]);
    let gradient = host(t.grad(&output.x.sum().backward()).unwrap());
    assert!(gradient.iter().all(|g| g.abs() < 1e-12), "{gradient:?}");
}

#[test]
fn two_solves_in_one_graph_keep_their_own_state() {
    // x(q) of one layer feeds q of the next; d/dq of x(x(q)) by the chain rule of x = -q.
    let device = Device::flex().autodiff();
    let q = Tensor::<2>::from_data([[1.0_f64, -4.0]], (&device, DType::F64)).require_grad();
    let layer = argrad::QpLayer::dense(2, 0, 0).unwrap();
    let scaled = |scale: f64| Argument::fixed(vec![scale, 0.0, 0.0, scale]);
    let first = qp(&layer, &QpArguments::new(scaled(2.0), Argument::each(q.clone()))).unwrap();
    let second =
        qp(&layer, &QpArguments::new(scaled(5.0), Argument::each(first.x.clone()))).unwrap();
    let gradients = (second.x.sum() + first.x.sum()).backward();
    let found = host(q.grad(&gradients).unwrap());
    assert!(relative_error(&found, &[0.1 - 0.5, 0.1 - 0.5]) < 1e-14, "{found:?}");
}

#[test]
fn batch_of_none_and_blocks_of_none() {
    let device = Device::flex().autodiff();
    let layer = argrad::QpLayer::dense(2, 0, 0).unwrap();
    for batch in [0, 2] {
        let q = Tensor::<2>::ones([batch, 2], (&device, DType::F64)).require_grad();
        let identity = Argument::fixed(vec![1.0, 0.0, 0.0, 1.0]);
        let output = qp(&layer, &QpArguments::new(identity, Argument::each(q.clone()))).unwrap();
        assert_eq!(output.x.dims(), [batch, 2]);
        assert_eq!(output.equality_duals.dims(), [batch, 0]);
        assert_eq!(output.inequality_duals.dims(), [batch, 0]);
        assert_eq!(output.reports().len(), batch);
        if batch > 0 {
            assert!(q.grad(&output.x.sum().backward()).is_some());
        }
    }
}

#[test]
fn warm_start_is_accepted() {
    let device = Device::flex().autodiff();
    let program = Program::random(4, [false; 6], 9);
    let (_, mut arguments) = leaves(&program, &device, DType::F64);
    let first = qp(&layer(), &arguments).unwrap();
    arguments.start = Some(first.solution.clone());
    let again = qp(&layer(), &arguments).unwrap();
    assert!(again.reports().iter().all(|report| report.warm_started), "{:?}", again.reports());
    assert!(relative_error(&host(again.x), &host(first.x)) < 1e-12);
}
