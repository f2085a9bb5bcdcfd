//! The gradient by finite differences, to check the one by the layer.

use argrad::model::ModelError;

use crate::attack::Attack;

/// Places of the central formula of fourth order, in steps, with the weights of the losses there.
const FORMULA: [(f64, f64); 4] =
    [(-2.0, 1.0 / 12.0), (-1.0, -8.0 / 12.0), (1.0, 8.0 / 12.0), (2.0, -1.0 / 12.0)];

/// A step, as a share of the root mean square of the points' coordinates.
const STEP: f64 = 1e-3;

/// How far the gradient of the test loss with respect to the training points, from the layer, is
/// from finite differences: the norm of the difference as a share of the norm of the gradient. The
/// trainings at all moved points are one batch. `radius` is what robust trainings take.
pub fn gradient_error(attack: &Attack<'_>, radius: f64) -> Result<f64, ModelError> {
    let x = &attack.train.x;
    let square = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let step = STEP * square.sqrt();
    let samples = FORMULA.len() * x.len();
    let mut points = x.repeat(samples);
    for (sample, own) in points.chunks_exact_mut(x.len()).enumerate() {
        own[sample / FORMULA.len()] += step * FORMULA[sample % FORMULA.len()].0;
    }
    let (radii, zeros) = (vec![radius; samples], vec![0.0; samples]);
    let around = Attack { budgets: &zeros, radii: &radii, ..*attack };
    let (moved, _) = around.losses(&points)?;
    let at = Attack { budgets: &[0.0], radii: &[radius], ..*attack };
    let (_, gradient) = at.losses(x)?;
    let (mut off, mut size) = (0.0, 0.0);
    for (losses, gradient) in moved.losses.chunks_exact(FORMULA.len()).zip(&gradient) {
        let sum: f64 = losses.iter().zip(FORMULA).map(|(loss, (_, weight))| weight * loss).sum();
        off += (sum / step - gradient).powi(2);
        size += gradient * gradient;
    }
    Ok((off / size).sqrt())
}
