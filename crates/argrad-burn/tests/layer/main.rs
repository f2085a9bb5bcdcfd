//! Claims about modelled layers in burn.

use argrad::model::Relaxation;
use argrad::prelude::*;
use argrad::{Differentiation, OnFailure};
use argrad_burn::{Argument, Error, LayerConfig, LayerInputs, Source, layer};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Portfolios of three assets with returns (3), a price of risk, and factors of the risk (2 x 3).
fn portfolio() -> Result<Layer, ModelError> {
    let model = Model::new();
    let w = model.variable(3);
    let returns = model.parameter(3).named("returns");
    let price = model.parameter(()).nonneg().named("price");
    let factors = model.parameter((2, 3)).named("factors");
    let risk = sum_squares(factors.matmul(w)) + 0.2 * sum_squares(w);
    let budget = w.sum().equals(1.0);
    let problem =
        Problem::maximize(returns.dot(w) - price * risk).subject_to([budget, w.geq(-0.5)]);
    problem.compile([returns, price, factors], [Output::from(w), budget.dual()])
}

const RETURNS: [f64; 6] = [0.3, 0.2, 0.1, -0.1, 0.4, 0.2];
const PRICE: [f64; 1] = [0.8];
const FACTORS: [f64; 6] = [1.0, 0.3, -0.4, 0.2, 0.8, 0.5];
const WEIGHTS: [f64; 6] = [1.0, -2.0, 0.5, 0.7, 0.1, -1.1];

fn leaf<const D: usize>(numbers: &[f64], dims: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), dims), (device, DType::F64)).require_grad()
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Weighted outputs, and the numbers of w.
fn loss(values: &[Tensor<2>], device: &Device) -> Tensor<1> {
    let weights =
        Tensor::<2>::from_data(TensorData::new(WEIGHTS.to_vec(), [2, 3]), (device, DType::F64));
    (values[0].clone() * weights).sum() + values[1].clone().sum()
}

#[test]
fn gradients_match_finite_differences() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let module = portfolio()?;
    let returns = leaf(&RETURNS, [2, 3], &device);
    let (price, factors) = (leaf(&PRICE, [1], &device), leaf(&FACTORS, [2, 3], &device));
    let arguments = [
        Argument::each(returns.clone()),
        Argument::shared(price.clone()),
        Argument::shared(factors.clone()),
    ];
    let output = layer(&module, None, &arguments, None)?;
    assert_eq!((output.values[0].dims(), output.values[1].dims()), ([2, 3], [2, 1]));
    let gradients = loss(&output.values, &device).backward();
    let found = [
        host(returns.grad(&gradients).unwrap()),
        host(price.grad(&gradients).unwrap()),
        host(factors.grad(&gradients).unwrap()),
    ];
    let value = |values: &[Vec<f64>]| -> Result<f64, Error> {
        let slices: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
        let (outputs, _) = module.forward(&slices)?;
        let weighted: f64 = outputs[0].iter().zip(WEIGHTS).map(|(v, w)| v * w).sum();
        Ok(weighted + outputs[1].iter().sum::<f64>())
    };
    let values = [RETURNS.to_vec(), PRICE.to_vec(), FACTORS.to_vec()];
    for (parameter, found) in found.iter().enumerate() {
        assert_eq!(found.len(), values[parameter].len());
        for (k, found) in found.iter().enumerate() {
            let at = |h: f64| {
                let mut moved = values.clone();
                moved[parameter][k] += h;
                value(&moved)
            };
            let h = 1e-5;
            let difference = (at(h)? - at(-h)?) / (2.0 * h);
            assert!(
                (found - difference).abs() < 1e-7 * (1.0 + difference.abs()),
                "parameter {parameter}, entry {k}: {found} against {difference}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_module_learns_its_parameters() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let module = LayerConfig::new(portfolio()?)
        .parameter("price", Source::LearnableFrom(PRICE.to_vec()))
        .parameter("factors", Source::Fixed(FACTORS.to_vec()))
        .init(&device)?;
    let returns = Tensor::<2>::from_floats([[0.3, 0.2, 0.1], [-0.1, 0.4, 0.2]], &device);
    let inputs = || LayerInputs::new().feed("returns", Argument::each(returns.clone()));
    let output = module.forward(inputs())?;
    assert!(output.reports().iter().all(|report| report.is_solved()));
    let gradients = output.values[0].clone().powf_scalar(2.0).sum().backward();
    let price = module.weights("price").unwrap().vector().unwrap();
    assert!(host(price.grad(&gradients).unwrap())[0] != 0.0);
    // From an earlier pass.
    let again = module.forward(inputs().start(output.outputs.clone()))?;
    assert!(again.reports().iter().all(|report| report.warm_started));
    Ok(())
}

#[test]
fn single_precision_in_and_out() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let (model, n) = (Model::new(), 2);
    let (x, c) = (model.variable((n, n)).psd(), model.parameter((n, n)).symmetric().named("c"));
    let projection = Problem::minimize(sum_squares(x - c)).compile([c], [x])?;
    // Symmetric in f32 only up to rounding.
    let c =
        Tensor::<3>::from_floats([[[1.0, 0.3_f32.next_up()], [0.3, -2.0]]], &device).require_grad();
    let output = layer(&projection, None, &[Argument::each(c.clone())], None)?;
    assert_eq!(output.values[0].dtype(), DType::F32);
    let gradient = c.grad(&output.values[0].clone().sum().backward()).unwrap();
    assert_eq!((gradient.dims(), gradient.dtype()), ([1, n, n], DType::F32));
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<(), Error> {
    let device = Device::flex();
    let portfolio = portfolio()?;
    let text = |result: Result<_, Error>| match result {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let unknown = LayerConfig::new(portfolio.clone()).parameter("cost", Source::Fed).init(&device);
    let unknown = text(unknown.map(drop));
    assert!(unknown.contains("cost") && unknown.contains("returns, price, factors"), "{unknown}");
    let short = LayerConfig::new(portfolio.clone()).parameter("factors", Source::Fixed(vec![1.0]));
    let short = text(short.init(&device).map(drop));
    assert!(short.contains("factors") && short.contains("shape 2 x 3"), "{short}");

    let module = LayerConfig::new(portfolio.clone())
        .parameter("price", Source::Fixed(PRICE.to_vec()))
        .parameter("factors", Source::Fixed(FACTORS.to_vec()))
        .init(&device)?;
    let returns = Tensor::<2>::from_floats([[0.3, 0.2, 0.1]], &device);
    let missing = text(module.forward(LayerInputs::new()).map(drop));
    assert!(missing.contains("parameter returns: declared as fed"), "{missing}");
    let inputs = LayerInputs::new()
        .feed("returns", Argument::each(returns.clone()))
        .feed("price", Argument::fixed(PRICE));
    let twice = text(module.forward(inputs).map(drop));
    assert!(twice.contains("parameter price") && twice.contains("declared as fixed"), "{twice}");

    let transposed = Tensor::<2>::from_floats([[1.0, 0.2], [0.3, 0.8], [-0.4, 0.5]], &device);
    let arguments =
        [Argument::each(returns.clone()), Argument::fixed(PRICE), Argument::shared(transposed)];
    let shape = text(layer(&portfolio, None, &arguments, None).map(drop));
    assert!(shape.contains("factors: expected shape 2 x 3"), "{shape}");
    assert!(shape.contains("found shape [3, 2]; did you mean its transpose?"), "{shape}");
    let arguments = [Argument::each(returns), Argument::fixed([-1.0]), Argument::fixed(FACTORS)];
    let negative = text(layer(&portfolio, None, &arguments, None).map(drop));
    assert!(negative.contains("price") && negative.contains("nonnegative"), "{negative}");
    Ok(())
}

#[test]
fn a_sample_without_a_solution() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let model = Model::new();
    let (x, b) = (model.variable(()), model.parameter(()).named("b"));
    let problem = Problem::minimize(square(x)).subject_to([x.geq(b), x.leq(1.0)]);
    let strict = problem.compile([b], [x])?;
    let b = leaf(&[0.5, 2.0], [2, 1], &device);
    let arguments = [Argument::each(b.clone())];
    assert!(matches!(layer(&strict, None, &arguments, None), Err(Error::Program(_))));
    let how = Differentiation { on_failure: OnFailure::Zero, ..Default::default() };
    let output = layer(&strict.with_differentiation(how), None, &arguments, None)?;
    assert_eq!(host(output.values[0].clone())[1], 0.0);
    let gradient = host(b.grad(&output.values[0].clone().sum().backward()).unwrap());
    assert!((gradient[0] - 1.0).abs() < 1e-9 && gradient[1] == 0.0);
    Ok(())
}

#[test]
fn an_infeasible_sample_that_teaches() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    let model = Model::new();
    let (x, b) = (model.variable(()), model.parameter(()).named("b"));
    let problem = Problem::minimize(square(x)).subject_to([x.geq(b), x.leq(1.0)]);
    let layer = problem.compile([b], [x])?;
    let module = LayerConfig::new(layer).init(&device)?.elastic(Relaxation::default())?;
    let b = leaf(&[0.5, 2.0], [2, 1], &device);
    let output = module.forward(LayerInputs::new().feed("b", Argument::each(b.clone())))?;
    let x = host(output.values[0].clone());
    assert!((x[0] - 0.5).abs() < 1e-9 && (x[1] - 1.5).abs() < 1e-2, "{x:?}");
    let violation = output.violation.unwrap();
    let sizes: Vec<f64> = host(violation.clone());
    assert!(sizes[0] == 0.0 && (sizes[1] - 0.5_f64.sqrt()).abs() < 1e-2, "{sizes:?}");
    assert!(output.outputs.reports.iter().all(|report| report.is_solved()));
    // Sizes and gradient are those of the layer, which its own tests hold to differences.
    let elastic = module.layer().elastic(Relaxation::default())?;
    let (solved, tape) = elastic.forward(&[&[0.5, 2.0]])?;
    assert_eq!(sizes, elastic.violation_sizes(&solved));
    let weights = elastic.violation_gradient(&solved, &[1.0, 1.0]);
    let expected = elastic.backward(&tape, &[&[], &weights])?;
    assert_eq!(host(b.grad(&violation.sum().backward()).unwrap()), expected[0]);
    // Untracked, the same numbers.
    let plain = Tensor::<2>::from_data(
        TensorData::new(vec![0.5, 2.0], [2, 1]),
        (&Device::flex(), DType::F64),
    );
    let again = module.forward(LayerInputs::new().feed("b", Argument::each(plain)))?;
    assert_eq!(host(again.values[0].clone()), x);
    Ok(())
}

/// Seen by its memory: a batch whose tape would not fit is solved all the same.
#[test]
fn without_tracked_arguments_there_is_no_tape() -> Result<(), Error> {
    let (module, batch) = (portfolio()?, 400);
    let numbers: Vec<f64> = RETURNS.iter().copied().cycle().take(3 * batch).collect();
    let limited = |limit| {
        let settings = Settings { memory_limit: Some(limit), ..Settings::default() };
        portfolio()?.with_settings(settings)
    };
    // Just too little for the tape.
    let mut limit = 0;
    let limited = loop {
        let attempt =
            limited(limit).and_then(|layer| layer.forward(&[&numbers, &PRICE, &FACTORS]).map(drop));
        match attempt {
            Err(ModelError::Solver(argrad::Error::Memory { what, needed, .. })) => {
                if what.contains("tape") {
                    break limited(needed as usize - 1)?;
                }
                limit = needed as usize;
            }
            other => panic!("{other:?}"),
        }
    };
    let device = Device::flex().autodiff();
    let returns =
        Tensor::from_data(TensorData::new(numbers.clone(), [batch, 3]), (&device, DType::F64));
    let arguments = |returns: Tensor<2>| {
        [
            Argument::each(returns),
            Argument::shared(Tensor::<1>::from_data(
                TensorData::new(PRICE.to_vec(), [1]),
                (&device, DType::F64),
            )),
            Argument::shared(Tensor::<2>::from_data(
                TensorData::new(FACTORS.to_vec(), [2, 3]),
                (&device, DType::F64),
            )),
        ]
    };
    let found = layer(&limited, None, &arguments(returns.clone()), None)?;
    let expected = layer(&module, None, &arguments(returns.clone().require_grad()), None)?;
    assert_eq!(host(found.values[0].clone()), host(expected.values[0].clone()));
    let tracked = layer(&limited, None, &arguments(returns.require_grad()), None);
    assert!(tracked.is_err_and(|error| error.to_string().contains("tape")));
    Ok(())
}
