//! Small training runs that must converge.

use argrad::MatrixShape;
use argrad_burn::{Argument, QpConfig, QpInputs, QpModule, Source};
use burn::module::Initializer;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::program::{host, uniform};

fn config(n: usize) -> QpConfig {
    QpConfig::new(n).quadratic(MatrixShape::Diagonal(n), Source::Fixed(vec![1.0; n])).inequalities(
        MatrixShape::Diagonal(n),
        Source::Fixed(vec![-1.0; n]),
        Source::Fixed(vec![0.0; n]),
    )
}

fn solve(module: &QpModule, q: &Tensor<2>) -> Tensor<2> {
    module.forward(QpInputs::new().q(Argument::each(q.clone()))).unwrap().x
}

/// Trains on the teacher's answers; returns the first and the last loss.
fn train(
    mut student: QpModule,
    teacher: &QpModule,
    steps: usize,
    rate: f64,
) -> (QpModule, f64, f64) {
    let device = Device::flex().autodiff();
    let n = teacher.layer().shape().variables();
    let numbers = uniform(&mut StdRng::seed_from_u64(5), 64 * n);
    let q = Tensor::<2>::from_data(TensorData::new(numbers, [64, n]), &device) * 4.0;
    let answers = solve(teacher, &q).detach();
    let mut optimizer = AdamConfig::new().init();
    let (mut first, mut last) = (f64::NAN, f64::NAN);
    for step in 0..steps {
        let loss = (solve(&student, &q) - answers.clone()).powf_scalar(2.0).mean();
        last = host(loss.clone())[0];
        if step == 0 {
            first = last;
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &student);
        student = optimizer.step(rate, student, gradients);
    }
    (student, first, last)
}

#[test]
fn equalities_are_learned_with_a_feasible_right_hand_side() {
    let device = Device::flex().autodiff();
    let shape = MatrixShape::Dense { rows: 1, cols: 3 };
    let teacher = config(3)
        .equalities(shape.clone(), Source::Fixed(vec![1.0, 2.0, 3.0]), Source::Fixed(vec![2.0]))
        .init(&device)
        .unwrap();
    let student = config(3)
        .feasible_equalities(
            shape,
            Source::LearnableFrom(vec![0.8, 0.9, 0.7]),
            Source::Learnable(Initializer::Zeros),
        )
        .init(&device)
        .unwrap();
    let (student, first, last) = train(student, &teacher, 400, 0.02);
    println!("loss {first:.1e} -> {last:.1e}");
    assert!(last < 1e-6 * first, "{first} -> {last}");
    // The plane is the teacher's, up to scale.
    let a = host(student.a().matrix().unwrap());
    assert!((a[1] / a[0] - 2.0).abs() < 1e-2 && (a[2] / a[0] - 3.0).abs() < 1e-2, "{a:?}");
}

#[test]
fn factored_quadratic_is_learned() {
    let device = Device::flex().autodiff();
    let make = |l: Source| config(2).factored_quadratic(l, 0.1).init(&device).unwrap();
    let teacher = make(Source::Fixed(vec![1.0, 0.0, 0.6, 0.8]));
    let student = make(Source::LearnableFrom(vec![1.0, 0.0, 0.0, 1.0]));
    let (_, first, last) = train(student, &teacher, 300, 0.02);
    println!("loss {first:.1e} -> {last:.1e}");
    assert!(last < 1e-6 * first, "{first} -> {last}");
}
