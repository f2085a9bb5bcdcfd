//! The picture: filters learned from small random pictures, compared with total variation.
//!
//! Filters do not know how large a picture is. They are learned on small ones, in batches, and used
//! on the test picture in one program of [`SIDE`] times [`SIDE`] unknowns.

use std::time::Instant;

use argrad_applications::command::Failure;
use argrad_applications::interruption::Interruption;
use argrad_applications::progress;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::arguments::Arguments;
use crate::denoiser::Denoiser;
use crate::filters::{Filter, FilterBank, cosines, total_variation};
use crate::image_plot;
use crate::picture::Picture;
use crate::signals::gaussian;

/// Pixels a side of the test picture.
const SIDE: usize = 64;
/// Pixels a side of those to learn from.
const PATCH: usize = 16;
/// Standard deviation of the noise; white is 1.
const NOISE: f64 = 0.1;
/// Taps a side of a learned filter.
const TAPS: usize = 3;
/// Length of the filters at first.
const LENGTH: f64 = 0.03;
/// Weights of total variation that are tried.
const WEIGHTS: [f64; 8] = [0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.10];
const LEARNING_RATE: f64 = 2e-3;
const PICTURES: usize = 400;
const BATCH: usize = 20;
const EPOCHS: f64 = 3.0;

/// A method, its estimate of the test picture and how near that is, in decibels.
#[derive(Clone, Debug)]
pub struct Estimate {
    pub name: &'static str,
    pub pixels: Vec<f64>,
    pub psnr: f64,
}

/// What came out.
pub struct Outcome {
    pub clean: Picture,
    /// The noisy picture first.
    pub estimates: Vec<Estimate>,
    /// Mean squared error of the batch of each step, before its update.
    pub losses: Vec<f64>,
    /// That of total variation on the pictures to learn from.
    pub baseline: f64,
    pub filters: Vec<Filter>,
}

/// Pictures with noise, as they are and as they are observed, row by row.
pub struct Pictures {
    clean: Vec<f64>,
    noisy: Vec<f64>,
    count: usize,
}

impl Pictures {
    /// Random ones of [`PATCH`] pixels a side.
    pub fn random(count: usize, rng: &mut StdRng) -> Self {
        let clean: Vec<f64> = (0..count).flat_map(|_| Picture::random(PATCH, rng).pixels).collect();
        let noisy = with_noise(&clean, rng);
        Self { clean, noisy, count }
    }

    fn tensors(&self, from: usize, count: usize, device: &Device) -> [Tensor<2>; 2] {
        let size = PATCH * PATCH;
        [&self.noisy, &self.clean].map(|all| {
            let numbers = all[from * size..(from + count) * size].to_vec();
            Tensor::from_data(TensorData::new(numbers, [count, size]), device)
        })
    }
}

fn with_noise(clean: &[f64], rng: &mut StdRng) -> Vec<f64> {
    clean.iter().map(|pixel| pixel + NOISE * gaussian(rng)).collect()
}

/// Learns filters, denoises the test picture, writes the plot.
///
/// # Errors
/// Those of the layers; the plot cannot be written.
pub fn run(
    arguments: &Arguments,
    device: &Device,
    interruption: &Interruption,
) -> Result<(), Failure> {
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let clean = Picture::landscape(SIDE);
    let noisy = with_noise(&clean.pixels, &mut rng);
    let pictures = Pictures::random(arguments.train.unwrap_or(PICTURES), &mut rng);
    println!(
        "{} pictures of {PATCH} x {PATCH} to learn from, one of {SIDE} x {SIDE} to test on",
        pictures.count
    );

    let weight = best_weight(&pictures, device, interruption)?;
    let variation = total_variation(weight);
    let baseline = error_of(&FilterBank::new(PATCH, &variation, device)?, &pictures, device)?;
    println!("total variation, best weight {weight}: {baseline:.6} on the pictures to learn from");
    let started = Instant::now();
    let (bank, losses) = train(arguments, &pictures, device, interruption)?;
    let (filters, error) = (bank.current(), error_of(&bank, &pictures, device)?);
    let duration = started.elapsed().as_secs_f64();
    println!("{} learned filters: {error:.6}, after {duration:.1} s", filters.len());

    let first = Estimate { name: "noisy", psnr: clean.psnr(&noisy), pixels: noisy.clone() };
    let mut estimates = vec![first];
    for (name, filters) in [("total variation", &variation), ("learned filters", &filters)] {
        let pixels = denoise(&FilterBank::new(SIDE, filters, device)?, &noisy, device)?;
        estimates.push(Estimate { name, psnr: clean.psnr(&pixels), pixels });
    }
    println!("peak signal-to-noise ratio of the test picture");
    for Estimate { name, psnr, .. } in &estimates {
        println!("  {name:<16} {psnr:.2} dB");
    }
    let outcome = Outcome { clean, estimates, losses, baseline, filters };
    image_plot::write(&arguments.plot(), &outcome)?;
    println!("\nplot: {}", arguments.plot().display());
    Ok(())
}

/// One picture, without anything for a gradient.
fn denoise(bank: &FilterBank, noisy: &[f64], device: &Device) -> Result<Vec<f64>, Failure> {
    let numbers = TensorData::new(noisy.to_vec(), [1, noisy.len()]);
    let noisy = Tensor::from_data(numbers, &device.clone().without_autodiff());
    Ok(bank.valid().denoise(noisy)?.into_data().iter::<f64>().collect())
}

/// The weight of total variation that is best on the pictures to learn from.
fn best_weight(
    pictures: &Pictures,
    device: &Device,
    interruption: &Interruption,
) -> Result<f64, Failure> {
    let mut best = (f64::INFINITY, WEIGHTS[0]);
    for weight in WEIGHTS {
        if interruption.requested() {
            break;
        }
        let bank = FilterBank::new(PATCH, &total_variation(weight), device)?;
        let error = error_of(&bank, pictures, device)?;
        if error < best.0 {
            best = (error, weight);
        }
    }
    Ok(best.1)
}

/// Mean squared error of a bank on pictures.
pub fn error_of(bank: &FilterBank, pictures: &Pictures, device: &Device) -> Result<f64, Failure> {
    let bank = bank.valid();
    let [noisy, clean] = pictures.tensors(0, pictures.count, &device.clone().without_autodiff());
    Ok((bank.denoise(noisy)? - clean).square().mean().into_scalar::<f64>())
}

/// Learns a bank of filters, from those of the cosine transform on.
fn train(
    arguments: &Arguments,
    pictures: &Pictures,
    device: &Device,
    interruption: &Interruption,
) -> Result<(FilterBank, Vec<f64>), Failure> {
    let mut bank = FilterBank::new(PATCH, &cosines(TAPS, LENGTH), device)?;
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let batch = arguments.batch.unwrap_or(BATCH).min(pictures.count);
    let a_pass = pictures.count / batch;
    let steps = a_pass * arguments.epochs(EPOCHS);
    let bar = progress::bar(steps, "steps");
    let mut losses = Vec::new();
    for step in 0..steps {
        if interruption.requested() {
            break;
        }
        let [noisy, clean] = pictures.tensors(step % a_pass * batch, batch, device);
        let loss = (bank.denoise(noisy)? - clean).square().mean();
        losses.push(loss.clone().into_scalar::<f64>());
        let gradients = GradientsParams::from_grads(loss.backward(), &bank);
        let left = 1.0 - step as f64 / steps as f64;
        bank = adam.step(LEARNING_RATE * left, bank, gradients);
        bar.set_message(format!("error {:.5}", losses[step]));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((bank, losses))
}
