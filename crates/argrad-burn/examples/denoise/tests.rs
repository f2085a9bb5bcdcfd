//! The claims of the page, on settings of a few seconds.

use std::sync::OnceLock;

use argrad::prelude::{Model, Problem, norm1, sum_squares};
use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::adaptive::Adaptive;
use crate::denoiser::{Denoiser, denoise_all, mean_squared_error};
use crate::filters::{FilterBank, cosines, total_variation};
use crate::signals::{LENGTH, Signals};
use crate::train::{Training, train};
use crate::variation::{Learned, ROWS, Variation, differences, random_operator};

/// burn lets a device be configured once a process.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| crate::double_precision().unwrap()).clone()
}

fn variation(weight: f64, learned: Learned) -> Variation {
    Variation::new(weight, differences(), learned, &device()).unwrap()
}

fn signals(count: usize) -> Signals {
    Signals::generate(count, &mut StdRng::seed_from_u64(1))
}

/// Mean squared error of a network on a batch, as a tensor.
fn loss<N: Denoiser>(
    network: &N,
    signals: &Signals,
    device: &Device,
) -> Result<Tensor<1>, Failure> {
    let all: Vec<usize> = (0..signals.len()).collect();
    let [noisy, clean] = signals.tensors(&all, device);
    Ok((network.denoise(noisy)? - clean).square().mean())
}

#[test]
fn the_dual_gives_what_the_definition_says() {
    let (device, weight) = (device(), 12.5);
    let signals = signals(5);
    let estimates = denoise_all(&variation(weight, Learned::Nothing), &signals, &device).unwrap();
    let model = Model::new();
    let (y, z) = (model.parameter(LENGTH), model.variable(LENGTH));
    let objective = 0.5 * sum_squares(y - z) + weight * norm1(z.diff());
    let layer = Problem::minimize(objective).compile([y], [z]).unwrap();
    let expected = &layer.solve(&[&signals.noisy]).unwrap()[0];
    for (estimate, expected) in estimates.iter().zip(expected) {
        assert!((estimate - expected).abs() < 1e-6, "{estimate} {expected}");
    }
}

#[test]
fn gradients_by_d_and_by_the_weight_are_those_of_finite_differences() {
    let device = device();
    let (signals, step) = (signals(4), 1e-5);
    let (weight, operator) = (20.0_f64, random_operator(&mut StdRng::seed_from_u64(2)));
    let network = |weight: f64, operator: Vec<f64>, learned: Learned| {
        Variation::new(weight, operator, learned, &device).unwrap()
    };
    let error = |weight: f64, operator: &[f64]| {
        let network = network(weight, operator.to_vec(), Learned::Nothing);
        loss(&network, &signals, &device).unwrap().into_scalar::<f64>()
    };

    let by_weight = network(weight, operator.clone(), Learned::Weight);
    let gradients = loss(&by_weight, &signals, &device).unwrap().backward();
    let gradient = by_weight.log_weight.val().grad(&gradients).unwrap().into_scalar::<f64>();
    let [more, less] = [step, -step].map(|step: f64| error(weight * step.exp(), &operator));
    let difference = (more - less) / (2.0 * step);
    assert!((gradient - difference).abs() < 1e-6 * gradient.abs(), "{gradient} {difference}");

    let by_operator = network(weight, operator.clone(), Learned::Operator);
    let gradients = loss(&by_operator, &signals, &device).unwrap().backward();
    let gradient = by_operator.operator.val().grad(&gradients).unwrap().into_data();
    let gradient: Vec<f64> = gradient.iter::<f64>().collect();
    let scale = gradient.iter().fold(0.0, |most: f64, entry| most.max(entry.abs()));
    for at in [0, 57, 1234, 5005, ROWS * LENGTH - 1] {
        let [more, less] = [step, -step].map(|step| {
            let mut operator = operator.clone();
            operator[at] += step;
            error(weight, &operator)
        });
        let (gradient, difference) = (gradient[at], (more - less) / (2.0 * step));
        assert!((gradient - difference).abs() < 1e-6 * scale, "{gradient} {difference}");
    }
}

#[test]
fn the_learned_weight_is_the_best_one_and_weights_from_a_network_beat_it() {
    let device = device();
    let (train_on, test) = signals(1500).split_at(1200);
    let error = |estimates: Vec<f64>| mean_squared_error(&estimates, &test.clean);
    let best = (14..=26)
        .map(|weight| variation(f64::from(weight), Learned::Nothing))
        .map(|network| error(denoise_all(&network, &test, &device).unwrap()))
        .fold(f64::INFINITY, f64::min);
    let training = Training {
        train: &train_on,
        test: &test,
        epochs: 2,
        batch: 40,
        learning_rate: 0.05,
        interruption: &Interruption::default(),
    };
    let rng = &mut StdRng::seed_from_u64(3);
    let (network, course) =
        train(variation(10.0, Learned::Weight), &training, &device, rng).unwrap();
    let learned = error(denoise_all(&network, &test, &device).unwrap());
    assert!(learned < 1.01 * best, "learned {learned}, best {best}");
    assert!(course.tests[0].1 > 1.2 * learned, "from {}", course.tests[0].1);
    assert_eq!((course.steps.len(), course.tests.len()), (60, 3));
    assert_eq!(course.tests[2].1, learned);

    device.seed(4);
    let training = Training { learning_rate: 0.02, ..training };
    let network = Adaptive::new(network.weight(), &device).unwrap();
    let (network, _) = train(network, &training, &device, rng).unwrap();
    let adaptive = error(denoise_all(&network, &test, &device).unwrap());
    assert!(adaptive < 0.9 * best, "adaptive {adaptive}, best {best}");
}

#[test]
fn an_interrupted_training_keeps_its_network() {
    let device = device();
    let (train_on, test) = signals(30).split_at(20);
    let interruption = &Interruption::default();
    interruption.request();
    let training = Training {
        train: &train_on,
        test: &test,
        epochs: 3,
        batch: 10,
        learning_rate: 0.1,
        interruption,
    };
    let start = variation(5.0, Learned::Weight);
    let (network, course) =
        train(start, &training, &device, &mut StdRng::seed_from_u64(3)).unwrap();
    assert!((network.weight() - 5.0).abs() < 1e-12);
    assert!(course.steps.is_empty());
    assert_eq!(course.tests.len(), 2);
}

#[test]
fn a_bank_of_two_differences_is_total_variation() {
    let (device, side, weight) = (device(), 6, 0.3);
    let rng = &mut StdRng::seed_from_u64(5);
    let noisy: Vec<f64> = (0..side * side).map(|_| crate::signals::gaussian(rng)).collect();
    let bank = FilterBank::new(side, &total_variation(weight), &device).unwrap();
    let tensor = Tensor::from_data(TensorData::new(noisy.clone(), [1, side * side]), &device);
    let estimate = bank.denoise(tensor).unwrap().into_data().iter::<f64>().collect::<Vec<_>>();
    let model = Model::new();
    let (y, z) = (model.parameter((side, side)), model.variable((side, side)));
    let differences = norm1(z.diff()) + norm1(z.t().diff());
    let objective = 0.5 * sum_squares(z - y) + weight * differences;
    let layer = Problem::minimize(objective).compile([y], [z]).unwrap();
    for (estimate, expected) in estimate.iter().zip(&layer.solve(&[&noisy]).unwrap()[0]) {
        assert!((estimate - expected).abs() < 1e-7, "{estimate} {expected}");
    }
}

#[test]
fn gradients_by_filters_are_those_of_finite_differences() {
    let (device, side) = (device(), 7);
    let rng = &mut StdRng::seed_from_u64(6);
    let noisy: Vec<f64> = (0..2 * side * side).map(|_| crate::signals::gaussian(rng)).collect();
    let noisy = Tensor::from_data(TensorData::new(noisy, [2, side * side]), &device);
    let mut filters = cosines(3, 0.2);
    for filter in &mut filters {
        filter.taps.iter_mut().for_each(|tap| *tap += 0.02 * crate::signals::gaussian(rng));
    }
    let loss = |bank: &FilterBank| bank.denoise(noisy.clone()).unwrap().powi_scalar(3).sum();
    let bank = FilterBank::new(side, &filters, &device).unwrap();
    let gradients = loss(&bank).backward();
    for (k, tap) in [(0, 0), (3, 4), (7, 8)] {
        let gradient = bank.filters[k]
            .val()
            .grad(&gradients)
            .unwrap()
            .into_data()
            .iter::<f64>()
            .nth(tap)
            .unwrap();
        let moved = |by: f64| {
            let mut filters = filters.clone();
            filters[k].taps[tap] += by;
            loss(&FilterBank::new(side, &filters, &device).unwrap()).into_scalar::<f64>()
        };
        let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!((gradient - difference).abs() < 1e-6 * gradient.abs(), "{gradient} {difference}");
    }
    assert_eq!(bank.num_params(), 8 * 9);
}
