//! The op: values and gradients are those of the layer.

use argrad::{MatrixShape, QpLayer, QpShape};
use argrad_candle::{Argument, QpArguments, qp};
use candle_core::{DType, Device, Tensor, Var};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::program::{
    EQUALITIES, INEQUALITIES, N, Program, constant, host, layer, loss, relative_error, uniform,
};

/// Values, and the gradients of the six arguments, through candle.
fn through_candle(program: &Program, dtype: DType) -> ([Vec<f64>; 3], [Vec<f64>; 6]) {
    let (variables, arguments) = program.variables(dtype);
    let output = qp(&layer(), &arguments).unwrap();
    let outputs = [&output.x, &output.equality_duals, &output.inequality_duals];
    for (tensor, width) in outputs.iter().zip([N, EQUALITIES, INEQUALITIES]) {
        assert_eq!((tensor.dims(), tensor.dtype()), (&[program.batch, width][..], dtype));
    }
    let gradients = loss(&output).backward().unwrap();
    let gradients = variables.map(|variable| {
        let gradient = gradients.get(&variable).unwrap();
        assert_eq!((gradient.dims(), gradient.dtype()), (variable.dims(), dtype));
        host(gradient)
    });
    (outputs.map(host), gradients)
}

const SHARINGS: [[bool; 6]; 4] = [
    [false; 6],
    [true; 6],
    [true, false, true, true, true, true],
    [false, true, true, false, false, true],
];

#[test]
fn values_and_gradients_are_those_of_the_layer() {
    for shared in SHARINGS {
        let program = Program::random(4, shared, 1);
        let (points, gradients) = through_candle(&program, DType::F64);
        let (expected_points, expected) = program.native();
        assert_eq!(points, expected_points);
        assert_eq!(gradients, expected, "the same numbers to the last bit");
    }
}

#[test]
fn gradients_match_finite_differences() {
    for shared in SHARINGS {
        let program = Program::random(3, shared, 11);
        let (_, gradients) = through_candle(&program, DType::F64);
        let value = |program: &Program| {
            let tensors = [0, 1, 2, 3, 4, 5]
                .map(|k| constant(&program.numbers[k], &program.dims[k], DType::F64));
            loss(&qp(&layer(), &program.arguments(&tensors)).unwrap()).to_scalar::<f64>().unwrap()
        };
        for (k, gradient) in gradients.iter().enumerate() {
            for (at, found) in gradient.iter().enumerate() {
                let moved = |step: f64| {
                    let mut program = program.clone();
                    program.numbers[k][at] += step;
                    if k == 0 && at / N % N != at % N {
                        // P stays symmetric: both of its entries move, by half of the step each.
                        let (matrix, i, j) = (at / (N * N), at / N % N, at % N);
                        program.numbers[k][at] -= 0.5 * step;
                        program.numbers[k][matrix * N * N + j * N + i] += 0.5 * step;
                    }
                    value(&program)
                };
                let step = 1e-5;
                let difference = (moved(step) - moved(-step)) / (2.0 * step);
                assert!(
                    (found - difference).abs() < 1e-7 * (1.0 + difference.abs()),
                    "argument {k}, entry {at}: {found} against {difference}"
                );
            }
        }
    }
}

#[test]
fn gradient_of_a_shared_argument_is_the_sum() {
    let batch = 3;
    let shared = Program::random(batch, [true, false, true, true, true, true], 12);
    let mut each = shared.clone();
    for k in [0, 2, 3, 4, 5] {
        each.shared[k] = false;
        each.numbers[k] = shared.numbers[k].repeat(batch);
        each.dims[k].insert(0, batch);
    }
    let (_, sums) = through_candle(&shared, DType::F64);
    let (_, parts) = through_candle(&each, DType::F64);
    for k in [0, 2, 3, 4, 5] {
        let len = sums[k].len();
        let sum: Vec<f64> =
            (0..len).map(|at| parts[k].iter().skip(at).step_by(len).sum()).collect();
        assert!(relative_error(&sums[k], &sum) < 1e-12, "argument {k}");
    }
}

#[test]
fn single_precision_in_is_single_precision_out() {
    let program = Program::random(4, [true, false, true, true, false, false], 3);
    let (points, gradients) = through_candle(&program, DType::F32);
    let (expected_points, expected) = program.native();
    for (found, expected) in
        points.iter().zip(&expected_points).chain(gradients.iter().zip(&expected))
    {
        let error = relative_error(found, expected);
        assert!(error < 1e-6, "{error:.1e}");
    }
}

/// Programs in two variables with a diagonal P.
fn diagonal() -> QpLayer {
    QpLayer::new(QpShape::new(2).quadratic(MatrixShape::Diagonal(2)), Default::default()).unwrap()
}

#[test]
fn double_precision_anywhere_is_double_precision_out() {
    let q = Var::new(&[[1.0_f64, -2.0]], &Device::Cpu).unwrap();
    let identity = Var::new(&[1.0_f32, 1.0], &Device::Cpu).unwrap();
    let arguments = QpArguments::new(Argument::shared(&identity), Argument::each(&q));
    let output = qp(&diagonal(), &arguments).unwrap();
    assert_eq!(output.x.dtype(), DType::F64);
    let gradients = output.x.sum_all().unwrap().backward().unwrap();
    assert_eq!(gradients.get(&q).unwrap().dtype(), DType::F64);
    assert_eq!(gradients.get(&identity).unwrap().dtype(), DType::F32);
    // x = -q / P, so that dx/dP = q / P^2.
    assert_eq!(host(gradients.get(&identity).unwrap()), [1.0, -2.0]);
}

#[test]
fn half_precision_in_is_single_precision_out() {
    for dtype in [DType::F16, DType::BF16] {
        let q = constant(&[1.0, -2.0], &[1, 2], dtype);
        let q = Var::from_tensor(&q).unwrap();
        let arguments = QpArguments::new(Argument::fixed([1.0, 4.0]), Argument::each(&q));
        let output = qp(&diagonal(), &arguments).unwrap();
        assert_eq!((output.x.dtype(), host(&output.x)), (DType::F32, vec![-1.0, 0.5]));
        let gradients = output.x.sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(&q).unwrap();
        assert_eq!((gradient.dtype(), host(gradient)), (dtype, vec![-1.0, -0.25]));
    }
}

#[test]
fn nearly_symmetric_single_precision_products_pass() {
    let rng = &mut StdRng::seed_from_u64(4);
    let l = constant(&uniform(rng, 400), &[20, 20], DType::F32);
    let skew = constant(&uniform(rng, 400), &[20, 20], DType::F32);
    let identity = Tensor::eye(20, DType::F32, &Device::Cpu).unwrap();
    let p = (l.matmul(&l.t().unwrap()).unwrap() + identity + (skew * 1e-6).unwrap()).unwrap();
    let q = Tensor::ones((1, 20), DType::F32, &Device::Cpu).unwrap();
    let layer = QpLayer::dense(20, 0, 0).unwrap();
    let single = |p: &Tensor, q: &Tensor| {
        qp(&layer, &QpArguments::new(Argument::shared(p), Argument::each(q)))
    };
    assert!(single(&p, &q).is_ok());
    // In f64 the same numbers are refused.
    let double = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap();
    assert!(single(&double(&p), &double(&q)).is_err());
}

#[test]
fn tensors_with_any_strides_are_read_in_their_order() {
    let program = Program::random(3, [false, false, true, true, true, true], 8);
    let (expected_points, expected) = program.native();
    let (variables, mut arguments) = program.variables(DType::F64);
    // A is the transpose of a leaf, P and q are cut out of larger leaves.
    let columns = program.variable(2, DType::F64).t().unwrap().contiguous().unwrap();
    let columns = Var::from_tensor(&columns).unwrap();
    arguments.a = Argument::shared(&columns.t().unwrap());
    let wide = |k: usize| {
        let (own, rank) = (variables[k].as_tensor(), variables[k].rank());
        let noise = own.zeros_like().unwrap();
        Var::from_tensor(&Tensor::cat(&[&noise, own, &noise], rank - 1).unwrap()).unwrap()
    };
    let (wide_p, wide_q) = (wide(0), wide(1));
    arguments.p = Argument::each(&wide_p.narrow(2, N, N).unwrap());
    arguments.q = Argument::each(&wide_q.narrow(1, N, N).unwrap());
    let output = qp(&layer(), &arguments).unwrap();
    assert_eq!(host(&output.x), expected_points[0]);
    let gradients = loss(&output).backward().unwrap();
    let transposed = gradients.get(&columns).unwrap().t().unwrap();
    assert_eq!(host(&transposed), expected[2]);
    let cut = |own: &Var, dim: usize| host(&gradients.get(own).unwrap().narrow(dim, N, N).unwrap());
    assert_eq!((cut(&wide_p, 2), cut(&wide_q, 1)), (expected[0].clone(), expected[1].clone()));
    // One row for all samples, by a stride of zero: its gradient is the sum.
    let row = program.variable(1, DType::F64).get(0).unwrap();
    let row = Var::from_tensor(&row.copy().unwrap().detach()).unwrap();
    arguments.q = Argument::each(&row.broadcast_as((3, N)).unwrap());
    let repeated = loss(&qp(&layer(), &arguments).unwrap()).backward().unwrap();
    arguments.q = Argument::shared(&row);
    let shared = loss(&qp(&layer(), &arguments).unwrap()).backward().unwrap();
    let [repeated, shared] = [repeated, shared].map(|own| host(own.get(&row).unwrap()));
    assert!(relative_error(&repeated, &shared) < 1e-12);
}

#[test]
fn without_variables_the_values_are_the_same_and_not_tracked() {
    let program = Program::random(4, [true, false, true, true, true, false], 5);
    let (expected, _) = program.native();
    let tensors =
        [0, 1, 2, 3, 4, 5].map(|k| constant(&program.numbers[k], &program.dims[k], DType::F64));
    let output = qp(&layer(), &program.arguments(&tensors)).unwrap();
    assert!(!output.x.track_op());
    assert_eq!(host(&output.x), expected[0]);
    assert_eq!(host(&output.inequality_duals), expected[2]);
    assert_eq!(output.solution.x, expected[0]);
}

#[test]
fn untracked_arguments_get_no_gradient_and_constants_need_no_tensor() {
    let program = Program::random(3, [true, false, true, true, true, true], 6);
    let q = program.variable(1, DType::F64);
    let b = constant(&program.numbers[3], &program.dims[3], DType::F64);
    let fixed = |k: usize| Argument::fixed(program.numbers[k].clone());
    let arguments = QpArguments::new(fixed(0), Argument::each(&q))
        .equalities(fixed(2), Argument::shared(&b))
        .inequalities(fixed(4), fixed(5));
    let output = qp(&layer(), &arguments).unwrap();
    let gradients = loss(&output).backward().unwrap();
    let (_, expected) = program.native();
    assert_eq!(host(gradients.get(&q).unwrap()), expected[1]);
    assert!(gradients.get(&b).is_none());
}

#[test]
fn a_tensor_given_twice_gets_both_gradients() {
    // minimize 1/2 x'Px + q'x with P = diag(t), q = t: x = -1 whatever t is.
    let t = Var::new(&[2.0_f64, 3.0], &Device::Cpu).unwrap();
    let arguments = QpArguments::new(Argument::shared(&t), Argument::shared(&t));
    let output = qp(&diagonal(), &arguments).unwrap();
    assert_eq!(output.x.dims(), [1, 2]);
    let gradients = output.x.sum_all().unwrap().backward().unwrap();
    assert!(host(gradients.get(&t).unwrap()).iter().all(|g| g.abs() < 1e-12));
}

#[test]
fn batch_of_none_and_blocks_of_none() {
    let layer = QpLayer::dense(2, 0, 0).unwrap();
    for batch in [0, 2] {
        let q = Var::ones((batch, 2), DType::F64, &Device::Cpu).unwrap();
        let identity = Argument::fixed(vec![1.0, 0.0, 0.0, 1.0]);
        let output = qp(&layer, &QpArguments::new(identity, Argument::each(&q))).unwrap();
        assert_eq!(output.x.dims(), [batch, 2]);
        assert_eq!(output.equality_duals.dims(), [batch, 0]);
        assert_eq!(output.inequality_duals.dims(), [batch, 0]);
        assert_eq!(output.reports().len(), batch);
        if batch > 0 {
            let gradients = output.x.sum_all().unwrap().backward().unwrap();
            assert!(relative_error(&host(gradients.get(&q).unwrap()), &[-1.0; 4]) < 1e-14);
        }
    }
}

#[test]
fn warm_start_is_accepted() {
    let program = Program::random(4, [false; 6], 9);
    let (_, mut arguments) = program.variables(DType::F64);
    let first = qp(&layer(), &arguments).unwrap();
    arguments.start = Some(first.solution.clone());
    let again = qp(&layer(), &arguments).unwrap();
    assert!(again.reports().iter().all(|report| report.warm_started), "{:?}", again.reports());
    assert!(relative_error(&host(&again.x), &host(&first.x)) < 1e-12);
}
