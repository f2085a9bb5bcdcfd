//! What is wrong with the input comes back as an error, never as a panic.

use argrad::{Differentiation, MatrixShape, Mode, OnFailure, QpCotangent, Status};
use argrad_burn::{Argument, Error, QpArguments, QpConfig, QpInputs, Source, qp};
use burn::tensor::{DType, Device, Tensor};

use crate::program::{EQUALITIES, INEQUALITIES, N, Program, host, layer, leaves};

fn message(arguments: &QpArguments) -> String {
    qp(&layer(), arguments).unwrap_err().to_string()
}

fn arguments() -> QpArguments {
    let program = Program::random(3, [false, false, true, true, true, true], 1);
    leaves(&program, &Device::flex().autodiff(), DType::F64).1
}

fn ones<const D: usize>(dims: [usize; D]) -> Tensor<D> {
    Tensor::ones(dims, (&Device::flex().autodiff(), DType::F64))
}

#[test]
fn shapes_name_the_argument() {
    let mut bad = arguments();
    bad.a = Argument::shared(ones([N, EQUALITIES]));
    assert_eq!(
        message(&bad),
        "A: expected shape 2 x 5, found shape [5, 2]; did you mean its transpose?"
    );
    let mut bad = arguments();
    bad.h = Argument::each(ones([3, INEQUALITIES + 1]));
    assert_eq!(message(&bad), "h: expected shape batch x 6, found shape [3, 7]");
    let mut bad = arguments();
    bad.h = Argument::each(ones([4, INEQUALITIES]));
    assert_eq!(
        message(&bad),
        "h: expected a leading dimension of 3, as the batch has, found shape [4, 6]"
    );
    bad.batch = None;
    assert_eq!(message(&bad), "h: expected a leading dimension of 3, as P has, found shape [4, 6]");
    let mut bad = arguments();
    bad.g = Argument::absent();
    assert_eq!(message(&bad), "G: expected shape 6 x 5, found shape [0]");
}

#[test]
fn numbers_name_their_place() {
    let mut bad = arguments();
    let q = ones([3, N]);
    let q = q.slice_assign([1..2, 2..3], ones([1, 1]) * f64::NAN);
    bad.q = Argument::each(q);
    assert_eq!(message(&bad), "q: entry 2 of sample 1 is NaN, expected a finite number");
    let mut bad = arguments();
    let skew = ones([N, N]).triu(0);
    bad.p = Argument::shared(skew);
    assert!(message(&bad).starts_with("P: not symmetric: entry"), "{}", message(&bad));
    let mut bad = arguments();
    // All ones but -1 on the diagonal.
    let upper = ones([N, N]).triu(1);
    let dented = upper.clone() + upper.clone().transpose() - ones([N, N]).triu(0) + upper;
    bad.p = Argument::shared(dented);
    assert!(message(&bad).contains("positive semidefinite"), "{}", message(&bad));
}

#[test]
fn modules_say_what_they_expect_to_be_fed() {
    let device = Device::flex();
    let module = QpConfig::new(2)
        .quadratic(MatrixShape::Diagonal(2), Source::Fixed(vec![1.0; 2]))
        .init(&device)
        .unwrap();
    let missing = module.forward(QpInputs::new()).unwrap_err();
    assert_eq!(missing, Error::Missing { argument: "q".into() });
    let q = || Argument::each(Tensor::<2>::ones([1, 2], &device));
    let unexpected = module.forward(QpInputs::new().q(q()).p(q())).unwrap_err();
    assert_eq!(unexpected, Error::Unexpected { argument: "P".into(), declared: "fixed" });

    let short = QpConfig::new(2)
        .equalities(
            MatrixShape::Dense { rows: 1, cols: 2 },
            Source::Fixed(vec![1.0; 3]),
            Source::Fed,
        )
        .init(&device)
        .unwrap_err();
    assert_eq!(short.to_string(), "A: expected shape 1 x 2, found shape [3]");
}

#[test]
fn a_mode_that_no_backward_pass_could_take_is_refused_by_the_forward_pass() {
    for (mode, name) in [(Mode::Smoothed(-1.0), "mu"), (Mode::Lpgd(f64::NAN), "tau")] {
        let how = Differentiation { mode, ..Default::default() };
        let module = QpConfig::new(2).differentiation(how).init(&Device::flex()).unwrap_err();
        let op = qp(&layer().with_differentiation(how), &arguments()).unwrap_err();
        assert_eq!(module, op);
        assert!(op.to_string().contains(name), "{op}");
    }
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
    let (_, arguments) = leaves(&program, &Device::flex().autodiff(), DType::F64);
    let found = qp(&layer(), &arguments).unwrap_err();
    let Error::Program(argrad::Error::Unsolved { batch: 3, failures }) = &found else {
        panic!("{found}")
    };
    assert_eq!(failures, &[(1, Status::PrimalInfeasible)]);
    assert_eq!(found.to_string(), "1 of 3 samples not solved: sample 1: primal infeasible");
    // Without autodiff as well.
    let (_, arguments) = leaves(&program, &Device::flex(), DType::F64);
    assert!(qp(&layer(), &arguments).is_err());
}

#[test]
fn unsolved_samples_are_nan_or_zero_and_leave_the_others_alone() {
    let (program, good) = spoiled();
    let device = Device::flex().autodiff();
    let good_layer = layer();
    let (solution, tape) = good_layer.forward(&good.values()).unwrap();
    for on_failure in [OnFailure::Nan, OnFailure::Zero] {
        let how = Differentiation { on_failure, ..Default::default() };
        let (leaves, arguments) = leaves(&program, &device, DType::F64);
        let output = qp(&layer().with_differentiation(how), &arguments).unwrap();
        assert_eq!(output.reports()[1].status, Status::PrimalInfeasible);
        let x = host(output.x.clone());
        assert_eq!((&x[..N], &x[2 * N..]), (&solution.x[..N], &solution.x[2 * N..]));
        let is_replaced = |v: &f64| match on_failure {
            OnFailure::Nan => v.is_nan(),
            _ => *v == 0.0,
        };
        assert!(x[N..2 * N].iter().all(is_replaced));
        assert!(
            host(output.inequality_duals)[INEQUALITIES..2 * INEQUALITIES].iter().all(is_replaced)
        );

        let gradients = output.x.powf_scalar(2.0).sum().backward();
        let mut weights: Vec<f64> = solution.x.iter().map(|x| 2.0 * x).collect();
        weights[N..2 * N].fill(0.0);
        let cotangent = QpCotangent { x: Some(&weights), ..Default::default() };
        let expected = good_layer.backward(&tape, &cotangent).unwrap();
        let shared = host(leaves[2].grad(&gradients).unwrap());
        let error = crate::program::relative_error(&shared, &expected.a);
        assert!(error < 1e-13, "{error:.1e}");
        let each = host(leaves[1].grad(&gradients).unwrap());
        assert!(each[N..2 * N].iter().all(is_replaced));
        assert!(crate::program::relative_error(&each[..N], &expected.q[..N]) < 1e-13);
    }
}
