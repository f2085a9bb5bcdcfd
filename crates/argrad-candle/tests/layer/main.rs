//! Claims about modelled layers in candle.

use argrad::prelude::*;
use argrad::{Differentiation, OnFailure};
use argrad_candle::{Argument, Error, LayerConfig, LayerInputs, Source, layer};
use candle_core::{DType, Device, Tensor, Var};

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

fn tensor(numbers: &[f64], dims: &[usize]) -> Result<Tensor, Error> {
    Ok(Tensor::from_vec(numbers.to_vec(), dims, &Device::Cpu)?)
}

fn variable(numbers: &[f64], dims: &[usize]) -> Result<Var, Error> {
    Ok(Var::from_tensor(&tensor(numbers, dims)?)?)
}

fn host(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

#[test]
fn values_and_gradients_are_those_of_the_layer_and_match_finite_differences() -> Result<(), Error> {
    let module = portfolio()?;
    let returns = variable(&RETURNS, &[2, 3])?;
    let (price, factors) = (variable(&PRICE, &[])?, variable(&FACTORS, &[2, 3])?);
    let arguments =
        [Argument::each(&returns), Argument::shared(&price), Argument::shared(&factors)];
    let output = layer(&module, None, &arguments, None)?;
    assert_eq!((output.values[0].dims(), output.values[1].dims()), (&[2, 3][..], &[2, 1][..]));
    let loss = (&output.values[0] * tensor(&WEIGHTS, &[2, 3])?)?.sum_all()?;
    let gradients = (loss + output.values[1].sum_all()?)?.backward()?;
    let found = [&returns, &price, &factors].map(|own| host(gradients.get(own).unwrap()));

    let values = [RETURNS.to_vec(), PRICE.to_vec(), FACTORS.to_vec()];
    let slices = |values: &[Vec<f64>; 3]| values.each_ref().map(|own| own.clone());
    let forward = |values: &[Vec<f64>; 3]| {
        let values = slices(values);
        module.forward(&values.each_ref().map(|own| &own[..]))
    };
    let (outputs, tape) = forward(&values)?;
    assert_eq!(output.values.iter().map(host).collect::<Vec<_>>(), outputs.values);
    let expected = module.backward(&tape, &[&WEIGHTS, &[1.0, 1.0]])?;
    assert_eq!(found[..], expected[..], "the same numbers to the last bit");

    let value = |values: &[Vec<f64>; 3]| -> Result<f64, Error> {
        let (outputs, _) = forward(values)?;
        let weighted: f64 = outputs[0].iter().zip(WEIGHTS).map(|(v, w)| v * w).sum();
        Ok(weighted + outputs[1].iter().sum::<f64>())
    };
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
fn a_second_backward_pass_gives_the_same_gradients() -> Result<(), Error> {
    let module = portfolio()?;
    let returns = variable(&RETURNS, &[2, 3])?;
    let arguments = [Argument::each(&returns), Argument::fixed(PRICE), Argument::fixed(FACTORS)];
    let loss = layer(&module, None, &arguments, None)?.values[0].sqr()?.sum_all()?;
    let first = host(loss.backward()?.get(&returns).unwrap());
    assert!(first.iter().any(|v| *v != 0.0));
    assert_eq!(host(loss.backward()?.get(&returns).unwrap()), first);
    Ok(())
}

#[test]
fn a_module_learns_its_parameters() -> Result<(), Error> {
    let module = LayerConfig::new(portfolio()?)
        .parameter("price", Source::LearnableFrom(PRICE.to_vec()))
        .parameter("factors", Source::Fixed(FACTORS.to_vec()))
        .init(&Device::Cpu)?;
    let returns = tensor(&RETURNS, &[2, 3])?;
    let inputs = || LayerInputs::new().feed("returns", Argument::each(&returns));
    let output = module.forward(inputs())?;
    assert!(output.reports().iter().all(|report| report.is_solved()));
    let loss = output.values[0].sqr()?.sum_all()?;
    let variables = module.variables();
    assert_eq!(variables.len(), 1);
    let gradients = loss.backward()?;
    let gradient = gradients.get(&variables[0]).unwrap();
    assert!(host(gradient)[0] != 0.0);
    // A step against the gradient makes the loss smaller.
    variables[0].set(&(variables[0].as_tensor() - (gradient * 1e-3)?)?)?;
    let moved = module.forward(inputs())?.values[0].sqr()?.sum_all()?;
    assert!(host(&moved)[0] < host(&loss)[0]);
    // From an earlier pass.
    let again = module.forward(inputs().start(output.outputs.clone()))?;
    assert!(again.reports().iter().all(|report| report.warm_started));
    Ok(())
}

#[test]
fn single_precision_in_and_out() -> Result<(), Error> {
    let (model, n) = (Model::new(), 2);
    let (x, c) = (model.variable((n, n)).psd(), model.parameter((n, n)).symmetric().named("c"));
    let projection = Problem::minimize(sum_squares(x - c)).compile([c], [x])?;
    // Symmetric in f32 only up to rounding.
    let c = Var::new(&[[[1.0_f32, 0.3_f32.next_up()], [0.3, -2.0]]], &Device::Cpu)?;
    let output = layer(&projection, None, &[Argument::each(&c)], None)?;
    assert_eq!(output.values[0].dtype(), DType::F32);
    let gradients = output.values[0].sum_all()?.backward()?;
    let gradient = gradients.get(&c).unwrap();
    assert_eq!((gradient.dims(), gradient.dtype()), (&[1, n, n][..], DType::F32));
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<(), Error> {
    let portfolio = portfolio()?;
    let text = |result: Result<(), Error>| result.err().map_or(String::new(), |e| e.to_string());
    let unknown =
        LayerConfig::new(portfolio.clone()).parameter("cost", Source::Fed).init(&Device::Cpu);
    let unknown = text(unknown.map(drop));
    assert!(unknown.contains("cost") && unknown.contains("returns, price, factors"), "{unknown}");
    let short = LayerConfig::new(portfolio.clone()).parameter("factors", Source::Fixed(vec![1.0]));
    let short = text(short.init(&Device::Cpu).map(drop));
    assert!(short.contains("parameter factors: expected shape 2 x 3, found shape [1]"), "{short}");

    let module = LayerConfig::new(portfolio.clone())
        .parameter("price", Source::Fixed(PRICE.to_vec()))
        .parameter("factors", Source::Fixed(FACTORS.to_vec()))
        .init(&Device::Cpu)?;
    let returns = tensor(&RETURNS[..3], &[1, 3])?;
    let missing = text(module.forward(LayerInputs::new()).map(drop));
    assert!(missing.contains("parameter returns: declared as fed"), "{missing}");
    let inputs = || LayerInputs::new().feed("returns", Argument::each(&returns));
    let twice = text(module.forward(inputs().feed("price", Argument::fixed(PRICE))).map(drop));
    assert!(twice.contains("parameter price") && twice.contains("declared as fixed"), "{twice}");
    let cost = text(module.forward(inputs().feed("cost", Argument::fixed(PRICE))).map(drop));
    assert!(cost.contains("parameter cost") && cost.contains("returns, price"), "{cost}");

    let transposed = tensor(&[1.0, 0.2, 0.3, 0.8, -0.4, 0.5], &[3, 2])?;
    let arguments =
        [Argument::each(&returns), Argument::fixed(PRICE), Argument::shared(&transposed)];
    let shape = text(layer(&portfolio, None, &arguments, None).map(drop));
    assert!(shape.contains("factors: expected shape 2 x 3"), "{shape}");
    let few = text(layer(&portfolio, None, &arguments[..2], None).map(drop));
    assert!(few.contains("arguments: expected one for each of 3 parameters"), "{few}");
    let arguments = [Argument::each(&returns), Argument::fixed([-1.0]), Argument::fixed(FACTORS)];
    let negative = text(layer(&portfolio, None, &arguments, None).map(drop));
    assert!(negative.contains("price") && negative.contains("nonnegative"), "{negative}");
    let integers = returns.to_dtype(DType::U8)?;
    let arguments = [Argument::each(&integers), Argument::fixed(PRICE), Argument::fixed(FACTORS)];
    let integers = text(layer(&portfolio, None, &arguments, None).map(drop));
    assert!(integers.contains("returns: expected a tensor of floats"), "{integers}");
    Ok(())
}

#[test]
fn a_sample_without_a_solution() -> Result<(), Error> {
    let model = Model::new();
    let (x, b) = (model.variable(()), model.parameter(()).named("b"));
    let problem = Problem::minimize(square(x)).subject_to([x.geq(b), x.leq(1.0)]);
    let strict = problem.compile([b], [x])?;
    let b = variable(&[0.5, 2.0], &[2])?;
    let arguments = [Argument::each(&b)];
    assert!(matches!(layer(&strict, None, &arguments, None), Err(Error::Program(_))));
    let how = Differentiation { on_failure: OnFailure::Zero, ..Default::default() };
    let output = layer(&strict.with_differentiation(how), None, &arguments, None)?;
    assert_eq!(host(&output.values[0])[1], 0.0);
    let gradient = host(output.values[0].sum_all()?.backward()?.get(&b).unwrap());
    assert!((gradient[0] - 1.0).abs() < 1e-9 && gradient[1] == 0.0);
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
    let returns = variable(&numbers, &[batch, 3])?;
    let arguments = |returns: &Tensor| {
        [Argument::each(returns), Argument::fixed(PRICE), Argument::fixed(FACTORS)]
    };
    let found = layer(&limited, None, &arguments(&returns.as_detached_tensor()), None)?;
    let expected = layer(&module, None, &arguments(&returns), None)?;
    assert!(!found.values[0].track_op() && expected.values[0].track_op());
    assert_eq!(host(&found.values[0]), host(&expected.values[0]));
    let tracked = layer(&limited, None, &arguments(&returns), None);
    assert!(tracked.is_err_and(|error| error.to_string().contains("tape")));
    Ok(())
}
