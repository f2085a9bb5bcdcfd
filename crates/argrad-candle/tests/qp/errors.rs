//! What is wrong with the input comes back as an error, never as a panic.

use argrad::{Differentiation, MatrixShape, Mode, OnFailure, QpCotangent, Status};
use argrad_candle::{Argument, Error, QpArguments, QpConfig, QpInputs, Source, qp};
use candle_core::{DType, Device, Tensor, Var};

use crate::program::{EQUALITIES, INEQUALITIES, N, Program, host, layer, relative_error};

fn message(arguments: &QpArguments) -> String {
    qp(&layer(), arguments).unwrap_err().to_string()
}

fn arguments() -> QpArguments {
    Program::random(3, [false, false, true, true, true, true], 1).variables(DType::F64).1
}

fn ones(dims: &[usize]) -> Tensor {
    Tensor::ones(dims, DType::F64, &Device::Cpu).unwrap()
}

#[test]
fn shapes_name_the_argument() {
    let mut bad = arguments();
    bad.a = Argument::shared(&ones(&[N, EQUALITIES]));
    assert_eq!(
        message(&bad),
        "A: expected shape 2 x 5, found shape [5, 2]; did you mean its transpose?"
    );
    let mut bad = arguments();
    bad.h = Argument::each(&ones(&[3, INEQUALITIES + 1]));
    assert_eq!(message(&bad), "h: expected shape batch x 6, found shape [3, 7]");
    let mut bad = arguments();
    bad.h = Argument::each(&ones(&[4, INEQUALITIES]));
    assert_eq!(
        message(&bad),
        "h: expected a leading dimension of 3, as the batch has, found shape [4, 6]"
    );
    bad.batch = None;
    assert_eq!(message(&bad), "h: expected a leading dimension of 3, as P has, found shape [4, 6]");
    let mut bad = arguments();
    bad.g = Argument::absent();
    assert_eq!(message(&bad), "G: expected shape 6 x 5, found shape [0]");
    let mut bad = arguments();
    bad.q = Argument::each(&ones(&[]));
    assert_eq!(
        message(&bad),
        "q: expected a leading dimension of 3, as the batch has, found shape []"
    );
}

#[test]
fn numbers_name_their_place() {
    let mut bad = arguments();
    let mut numbers = vec![1.0; 3 * N];
    numbers[N + 2] = f64::NAN;
    let q = Tensor::from_vec(numbers, (3, N), &Device::Cpu).unwrap();
    bad.q = Argument::each(&q);
    assert_eq!(message(&bad), "q: entry 2 of sample 1 is NaN, expected a finite number");
    let mut bad = arguments();
    let skew = Tensor::triu2(N, DType::F64, &Device::Cpu).unwrap();
    bad.p = Argument::shared(&skew);
    assert!(message(&bad).starts_with("P: not symmetric: entry"), "{}", message(&bad));
    let mut bad = arguments();
    let identity = Tensor::eye(N, DType::F64, &Device::Cpu).unwrap();
    bad.p = Argument::shared(&(ones(&[N, N]) - (identity * 2.0).unwrap()).unwrap());
    assert!(message(&bad).contains("positive semidefinite"), "{}", message(&bad));
}

#[test]
fn tensors_of_integers_are_refused_with_the_remedy() {
    let mut bad = arguments();
    bad.h = Argument::shared(&Tensor::ones(INEQUALITIES, DType::I64, &Device::Cpu).unwrap());
    let expected =
        "h: expected a tensor of floats on the CPU, found one of i64 on Cpu; see Tensor::to_dtype";
    assert_eq!(message(&bad), expected);
    // As a variable of a module likewise.
    let integers = Var::ones(2, DType::U32, &Device::Cpu).unwrap();
    let module = QpConfig::new(2).linear(Source::Learnable(integers)).init(&Device::Cpu);
    assert!(module.unwrap_err().to_string().starts_with("q: expected a tensor of floats"));
}

#[test]
fn modules_say_what_they_expect_to_be_fed() {
    let module = QpConfig::new(2)
        .quadratic(MatrixShape::Diagonal(2), Source::Fixed(vec![1.0; 2]))
        .init(&Device::Cpu)
        .unwrap();
    let missing = module.forward(QpInputs::new()).unwrap_err();
    assert!(matches!(missing, Error::Missing { argument } if argument == "q"));
    let q = Argument::each(&ones(&[1, 2]));
    let unexpected = module.forward(QpInputs::new().q(q.clone()).p(q)).unwrap_err();
    assert_eq!(unexpected.to_string(), "P: given in the inputs, but declared as fixed");

    let equalities = |a: Source| {
        QpConfig::new(2).equalities(MatrixShape::Dense { rows: 1, cols: 2 }, a, Source::Fed)
    };
    let short = equalities(Source::Fixed(vec![1.0; 3])).init(&Device::Cpu).unwrap_err();
    assert_eq!(short.to_string(), "A: expected shape 1 x 2, found shape [3]");
    let transposed = Var::ones((2, 1), DType::F64, &Device::Cpu).unwrap();
    let transposed = equalities(Source::Learnable(transposed)).init(&Device::Cpu).unwrap_err();
    assert_eq!(
        transposed.to_string(),
        "A: expected shape 1 x 2, found shape [2, 1]; did you mean its transpose?"
    );
}

#[test]
fn errors_become_errors_of_the_framework() {
    fn forward() -> candle_core::Result<Tensor> {
        let module = QpConfig::new(2).init(&Device::Cpu)?;
        Ok(module.forward(QpInputs::new())?.x)
    }
    let text = forward().unwrap_err().to_string();
    assert!(text.contains("q: declared as fed"), "{text}");
}

#[test]
fn a_mode_that_no_backward_pass_could_take_is_refused_by_the_forward_pass() {
    for (mode, name) in [(Mode::Smoothed(-1.0), "mu"), (Mode::Lpgd(f64::NAN), "tau")] {
        let how = Differentiation { mode, ..Default::default() };
        let module =
            QpConfig::new(2).differentiation(how).init(&Device::Cpu).unwrap_err().to_string();
        let op = qp(&layer().with_differentiation(how), &arguments()).unwrap_err().to_string();
        assert_eq!(module, op);
        assert!(op.contains(name), "{op}");
    }
}

#[test]
fn a_gradient_that_is_not_finite_stays_with_its_sample() {
    let program = Program::random(3, [false, false, true, true, true, true], 1);
    let (variables, arguments) = program.variables(DType::F64);
    let x = qp(&layer(), &arguments).unwrap().x;
    let gradient = |second: f64| {
        let weights = Tensor::new(&[[1.0], [second], [1.0]], &Device::Cpu).unwrap();
        let loss = x.broadcast_mul(&weights).unwrap().sum_all().unwrap();
        host(loss.backward().unwrap().get(&variables[1]).unwrap())
    };
    let (spoiled, good) = (gradient(f64::NAN), gradient(1.0));
    assert!(spoiled[N..2 * N].iter().all(|v| v.is_nan()), "{spoiled:?}");
    assert_eq!((&spoiled[..N], &spoiled[2 * N..]), (&good[..N], &good[2 * N..]));
}

/// Sample 1 of 3 has no feasible point.
fn spoiled() -> (Program, Program) {
    let mut program = Program::random(3, [true, false, true, true, false, false], 2);
    let good = program.clone();
    let [_, _, _, _, g, h] = &mut program.numbers;
    for j in 0..N {
        g[(INEQUALITIES + 1) * N + j] = -g[INEQUALITIES * N + j];
    }
    (h[INEQUALITIES], h[INEQUALITIES + 1]) = (-1.0, -1.0);
    (program, good)
}

#[test]
fn unsolved_samples_are_an_error_unless_told_otherwise() {
    let (program, _) = spoiled();
    let (variables, tracked) = program.variables(DType::F64);
    let detached = program.arguments(&variables.map(|own| own.as_detached_tensor()));
    for arguments in [tracked, detached] {
        let found = qp(&layer(), &arguments).unwrap_err();
        let Error::Program(argrad::Error::Unsolved { batch: 3, failures }) = &found else {
            panic!("{found}")
        };
        assert_eq!(failures, &[(1, Status::PrimalInfeasible)]);
        assert_eq!(found.to_string(), "1 of 3 samples not solved: sample 1: primal infeasible");
    }
}

#[test]
fn unsolved_samples_are_nan_or_zero_and_leave_the_others_alone() {
    let (program, good) = spoiled();
    let good_layer = layer();
    let (solution, tape) = good_layer.forward(&good.values()).unwrap();
    for on_failure in [OnFailure::Nan, OnFailure::Zero] {
        let how = Differentiation { on_failure, ..Default::default() };
        let (variables, arguments) = program.variables(DType::F64);
        let output = qp(&layer().with_differentiation(how), &arguments).unwrap();
        assert_eq!(output.reports()[1].status, Status::PrimalInfeasible);
        let x = host(&output.x);
        assert_eq!((&x[..N], &x[2 * N..]), (&solution.x[..N], &solution.x[2 * N..]));
        let is_replaced = |v: &f64| match on_failure {
            OnFailure::Nan => v.is_nan(),
            _ => *v == 0.0,
        };
        assert!(x[N..2 * N].iter().all(is_replaced));
        let duals = host(&output.inequality_duals);
        assert!(duals[INEQUALITIES..2 * INEQUALITIES].iter().all(is_replaced));

        let gradients = output.x.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let mut weights: Vec<f64> = solution.x.iter().map(|x| 2.0 * x).collect();
        weights[N..2 * N].fill(0.0);
        let cotangent = QpCotangent { x: Some(&weights), ..Default::default() };
        let expected = good_layer.backward(&tape, &cotangent).unwrap();
        let shared = host(gradients.get(&variables[2]).unwrap());
        let error = relative_error(&shared, &expected.a);
        assert!(error < 1e-13, "{error:.1e}");
        let each = host(gradients.get(&variables[1]).unwrap());
        assert!(each[N..2 * N].iter().all(is_replaced));
        assert!(relative_error(&each[..N], &expected.q[..N]) < 1e-13);
    }
}
