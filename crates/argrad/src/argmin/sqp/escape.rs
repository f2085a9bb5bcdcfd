//! Away from saddle points, along a direction of negative curvature.
//!
//! At a KKT point with y + t d + w(t), where d is tangent to the active constraints with
//! d'L_YY d < 0 and w(t) restores the constraints, the objective falls by t^2 |d'L_YY d| / 2.

use super::super::dense::product;
use super::super::error::ArgminError;
use super::super::evaluate::Evaluator;
use super::super::kkt::KktSystem;
use super::super::oracle::Oracle;
use super::super::point::Point;
use super::iterate::Iterate;
use crate::algebra::dot;

/// How many saddles a sample leaves.
pub(super) const SADDLES: u32 = 10;
/// Lengths that are tried, each a quarter of the one before.
const LENGTHS: usize = 16;
/// Part of the promised decrease that a step must bring.
const SUFFICIENT: f64 = 0.1;

/// Moves each sample off its saddle, where a length is found, and evaluates the derivatives there.
/// Says which samples moved.
pub(super) fn escape<O: Oracle>(
    evaluator: &Evaluator<'_, O>,
    mut saddles: Vec<(&mut Iterate, KktSystem)>,
) -> Result<Vec<bool>, ArgminError> {
    let mut moved = vec![false; saddles.len()];
    for trial in 0..2 * LENGTHS {
        let sign = if trial % 2 == 0 { 1.0 } else { -1.0 };
        let pending: Vec<usize> = (0..saddles.len()).filter(|&k| !moved[k]).collect();
        if pending.is_empty() {
            break;
        }
        let samples: Vec<usize> = pending.iter().map(|&k| saddles[k].0.sample).collect();
        let length = sign * 0.25_f64.powi((trial / 2) as i32);
        let lines: Vec<Vec<f64>> =
            pending.iter().map(|&k| direction(saddles[k].0, &saddles[k].1, length)).collect();
        let values = evaluator.values(&samples, &at(&saddles, &pending, &lines).concat())?;
        // Back to the constraints: the least step that restores the linearized active rows.
        let restored: Vec<Vec<f64>> = pending
            .iter()
            .zip(&values)
            .zip(&lines)
            .map(|((&k, values), line)| match values.is_finite() {
                false => line.clone(),
                true => {
                    let rest: Vec<f64> = values.c.iter().map(|c| -c).collect();
                    let zeros = vec![0.0; line.len()];
                    let (w, _) = saddles[k].1.solve(&zeros, &rest);
                    line.iter().zip(w).map(|(p, w)| p + w).collect()
                }
            })
            .collect();
        let points = at(&saddles, &pending, &restored);
        let values = evaluator.values(&samples, &points.concat())?;
        for (((&k, line), y), values) in pending.iter().zip(&lines).zip(points).zip(values) {
            let it = &mut *saddles[k].0;
            let (before, size) = (&it.point, &evaluator.size);
            let curvature = dot(line, &product(&before.hessian, size.y, line));
            let rounding = it.merit_rounding(before.objective, &before.c);
            let bound = it.merit(before.objective, &before.c, size) + 0.5 * SUFFICIENT * curvature
                - 2.0 * rounding;
            if values.is_finite() && it.merit(values.objective, &values.c, size) < bound {
                it.move_to(y, values.objective, values.c);
                it.saddles_left += 1;
                it.best = None;
                it.residual = f64::INFINITY;
                it.idle_steps = 0;
                moved[k] = true;
            }
        }
    }
    let mut left: Vec<&mut Iterate> = saddles
        .iter_mut()
        .zip(&moved)
        .filter(|(_, moved)| **moved)
        .map(|(s, _)| &mut *s.0)
        .collect();
    let samples: Vec<usize> = left.iter().map(|it| it.sample).collect();
    let mut points: Vec<&mut Point> = left.iter_mut().map(|it| &mut it.point).collect();
    evaluator.derivatives(&samples, &mut points)?;
    left.into_iter().for_each(|it| it.end_not_finite(&evaluator.size, false));
    Ok(moved)
}

/// The direction of least curvature, as long as `length` times the variables.
fn direction(it: &Iterate, system: &KktSystem, length: f64) -> Vec<f64> {
    let size = it.scaled_length();
    let size = if size > 0.0 { size } else { 1.0 };
    let direction = system.least_curved().unwrap_or_default();
    direction.iter().map(|d| d * length * size).collect()
}

fn at(
    saddles: &[(&mut Iterate, KktSystem)],
    pending: &[usize],
    lines: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let moved = |(&k, line): (&usize, &Vec<f64>)| {
        saddles[k].0.point.y.iter().zip(line).map(|(y, p)| y + p).collect()
    };
    pending.iter().zip(lines).map(moved).collect()
}
