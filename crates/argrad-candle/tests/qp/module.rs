//! The module: variables, constants, fed arguments; the maps before the layer.

use std::sync::Arc;

use argrad::factored_quadratic::FactoredQuadratic;
use argrad::feasible_rhs::FeasibleRhs;
use argrad::{MatrixShape, QpCotangent, QpLayer, QpShape, QpValues, Slot};
use argrad_candle::{Argument, QpConfig, QpInputs, QpModule, Source};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Init, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::program::{constant, host, relative_error, uniform};

const N: usize = 4;
const DENSE: MatrixShape = MatrixShape::Dense { rows: 2, cols: N };

/// Numbers for L, q, A, w, with G = -I and h = 0.
fn numbers(batch: usize) -> [Vec<f64>; 4] {
    let rng = &mut StdRng::seed_from_u64(3);
    [N * N, N, 2 * N, N].map(|len| uniform(rng, batch * len))
}

/// x >= 0.
fn config(n: usize) -> QpConfig {
    QpConfig::new(n).inequalities(
        MatrixShape::Diagonal(n),
        Source::Fixed(vec![-1.0; n]),
        Source::Fixed(vec![0.0; n]),
    )
}

/// x, and gradients with respect to L, q, A, w on the host, by the same chain.
fn expected(batch: usize, slots: [Slot<'_>; 4], weights: &[f64]) -> (Vec<f64>, [Vec<f64>; 4]) {
    let [l, q, a, w] = slots;
    let factor = FactoredQuadratic::full(N, 0.1);
    let feasible = FeasibleRhs::new(&DENSE);
    let p = factor.forward(batch, l).unwrap();
    let p = if l.is_shared() { Slot::Shared(&p) } else { Slot::Each(&p) };
    let b = feasible.forward(batch, a, w).unwrap();
    let shape = QpShape::dense(N, 2, 0).inequalities(MatrixShape::Diagonal(N));
    let layer = QpLayer::new(shape, Default::default()).unwrap();
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
    let batch = 3;
    let numbers = numbers(batch);
    let module = config(N)
        .factored_quadratic(Source::Fed, 0.1)
        .feasible_equalities(DENSE, Source::Fed, Source::Fed)
        .init(&Device::Cpu)
        .unwrap();
    assert!(module.variables().is_empty() && module.p().is_fed());
    let dims: [&[usize]; 4] = [&[batch, N, N], &[batch, N], &[batch, 2, N], &[batch, N]];
    let [l, q, a, w] = [0, 1, 2, 3]
        .map(|k| Var::from_tensor(&constant(&numbers[k], dims[k], DType::F64)).unwrap());
    let inputs = QpInputs::new()
        .p(Argument::each(&l))
        .q(Argument::each(&q))
        .a(Argument::each(&a))
        .b(Argument::each(&w));
    let output = module.forward(inputs).unwrap();
    let weights = uniform(&mut StdRng::seed_from_u64(5), batch * N);
    let loss = (&output.x * constant(&weights, &[batch, N], DType::F64)).unwrap();
    let gradients = loss.sum_all().unwrap().backward().unwrap();
    let (x, expected) = expected(batch, numbers.each_ref().map(|v| Slot::Each(v)), &weights);
    assert_eq!(host(&output.x), x);
    assert_eq!([l, q, a, w].map(|own| host(gradients.get(&own).unwrap())), expected);
}

fn learnable() -> QpModule {
    let [l, _, a, w] = numbers(1);
    config(N)
        .factored_quadratic(Source::LearnableFrom(l), 0.1)
        .feasible_equalities(DENSE, Source::LearnableFrom(a), Source::LearnableFrom(w))
        .init(&Device::Cpu)
        .unwrap()
}

#[test]
fn learnable_parameters_get_the_sum_over_the_batch() {
    let batch = 5;
    let module = learnable();
    let dims: Vec<Vec<usize>> =
        module.variables().iter().map(|variable| variable.dims().to_vec()).collect();
    assert_eq!(dims, [vec![N, N], vec![2, N], vec![N]]);
    let [l, _, a, w] = numbers(1);
    let q = numbers(batch)[1].clone();
    let fed = constant(&q, &[batch, N], DType::F64);
    let output = module.forward(QpInputs::new().q(Argument::each(&fed))).unwrap();
    let weights = uniform(&mut StdRng::seed_from_u64(6), batch * N);
    let loss = (&output.x * constant(&weights, &[batch, N], DType::F64)).unwrap();
    let gradients = loss.sum_all().unwrap().backward().unwrap();
    let slots = [Slot::Shared(&l), Slot::Each(&q), Slot::Shared(&a), Slot::Shared(&w)];
    let (_, [dl, _, da, dw]) = expected(batch, slots, &weights);
    let found = module.variables().iter().map(|own| host(gradients.get(own).unwrap())).collect();
    assert_eq!([dl, da, dw].to_vec(), Vec::<Vec<f64>>::from_iter::<Vec<_>>(found));
}

#[test]
fn a_variable_of_a_var_builder_stays_that_of_its_map() {
    let map = VarMap::new();
    let builder = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
    let a = builder.get_with_hints((2, N), "a", Init::Const(0.5)).unwrap();
    let module = config(N)
        .quadratic(MatrixShape::Diagonal(N), Source::Fixed(vec![1.0; N]))
        .feasible_equalities(
            DENSE,
            Source::Learnable(Var::from_tensor(&a).unwrap()),
            Source::Fixed(vec![0.0; N]),
        )
        .init(&Device::Cpu)
        .unwrap();
    let solve = || {
        let q = constant(&[0.1, -0.2, 0.3, -0.4], &[1, N], DType::F64);
        module.forward(QpInputs::new().q(Argument::each(&q))).unwrap().x
    };
    let x = solve();
    // What the map sets, the module sees.
    let other = Tensor::from_vec(numbers(1)[2].clone(), (2, N), &Device::Cpu).unwrap();
    map.all_vars()[0].set(&other).unwrap();
    assert_ne!(host(&solve()), host(&x));
    let gradients = solve().sqr().unwrap().sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&map.all_vars()[0]).is_some());
    assert_eq!(host(module.a().variable().unwrap()), host(&other));
}

#[test]
fn start_and_batch_reach_the_solver() {
    let module = config(N)
        .quadratic(MatrixShape::Diagonal(N), Source::Fixed(vec![1.0; N]))
        .linear(Source::Fixed(vec![-1.0, 2.0, -3.0, 4.0]))
        .init(&Device::Cpu)
        .unwrap();
    // Nothing has a batch dimension; the caller says how many.
    let first = module.forward(QpInputs::new().batch(3)).unwrap();
    assert_eq!((first.x.dims(), first.x.dtype()), (&[3, N][..], DType::F64));
    assert!(relative_error(&first.solution.x[8..], &[1.0, 0.0, 3.0, 0.0]) < 1e-9);
    let again =
        module.forward(QpInputs::new().batch(3).start(Arc::clone(&first.solution))).unwrap();
    assert!(again.reports().iter().all(|report| report.warm_started));
}

/// Trains on the teacher's answers; returns the first and the last loss.
fn train(student: &QpModule, teacher: &QpModule, steps: usize, rate: f64) -> (f64, f64) {
    let n = teacher.layer().shape().variables();
    let q = uniform(&mut StdRng::seed_from_u64(5), 64 * n);
    let q = (constant(&q, &[64, n], DType::F64) * 4.0).unwrap();
    let solve =
        |module: &QpModule| module.forward(QpInputs::new().q(Argument::each(&q))).unwrap().x;
    let answers = solve(teacher).detach();
    let settings = ParamsAdamW { lr: rate, weight_decay: 0.0, ..Default::default() };
    let mut optimizer = AdamW::new(student.variables(), settings).unwrap();
    let mut losses = Vec::new();
    for _ in 0..steps {
        let loss = (solve(student) - &answers).unwrap().sqr().unwrap().mean_all().unwrap();
        losses.push(loss.to_scalar().unwrap());
        optimizer.backward_step(&loss).unwrap();
    }
    (losses[0], losses[steps - 1])
}

#[test]
fn a_factored_quadratic_is_learned() {
    let make = |l: Source| config(2).factored_quadratic(l, 0.1).init(&Device::Cpu).unwrap();
    let teacher = make(Source::Fixed(vec![1.0, 0.0, 0.6, 0.8]));
    let student = make(Source::LearnableFrom(vec![1.0, 0.0, 0.0, 1.0]));
    let (first, last) = train(&student, &teacher, 300, 0.02);
    println!("loss {first:.1e} -> {last:.1e}");
    assert!(last < 1e-6 * first, "{first} -> {last}");
}

#[test]
fn equalities_are_learned_with_a_feasible_right_hand_side() {
    let shape = MatrixShape::Dense { rows: 1, cols: 3 };
    let config = || config(3).quadratic(MatrixShape::Diagonal(3), Source::Fixed(vec![1.0; 3]));
    let teacher = config()
        .equalities(shape.clone(), Source::Fixed(vec![1.0, 2.0, 3.0]), Source::Fixed(vec![2.0]))
        .init(&Device::Cpu)
        .unwrap();
    let student = config()
        .feasible_equalities(
            shape,
            Source::LearnableFrom(vec![0.8, 0.9, 0.7]),
            Source::LearnableFrom(vec![0.0; 3]),
        )
        .init(&Device::Cpu)
        .unwrap();
    let (first, last) = train(&student, &teacher, 400, 0.02);
    println!("loss {first:.1e} -> {last:.1e}");
    assert!(last < 1e-6 * first, "{first} -> {last}");
    // The plane is the teacher's, up to scale.
    let a = host(student.a().variable().unwrap());
    assert!((a[1] / a[0] - 2.0).abs() < 1e-2 && (a[2] / a[0] - 3.0).abs() < 1e-2, "{a:?}");
}
