//! Projections onto every cone with their derivatives, in double-double arithmetic.
//!
//! Where the boundary has a formula `s(parameters)` for the point and one for the multiplier, the
//! derivative is that of the point by the parameters times the inverse of that of v by the
//! parameters: no Hessian of a barrier or a constraint is involved.

mod exponential;
mod power;
mod psd;
mod second_order;
#[cfg(test)]
mod tests;

use argrad_solver::Cone;
use qd::Quad;

use crate::double_double::{Lu, exact, rounded};

/// A projection onto a cone, rounded to f64.
#[derive(Clone, Debug, PartialEq)]
pub struct ConeProjection {
    /// The nearest point of the cone.
    pub point: Vec<f64>,
    /// The nearest point of the dual cone to -v: `point - v` (Moreau 1962).
    pub dual_point: Vec<f64>,
    /// Derivative of `point` by v, symmetric, row-major.
    pub derivative: Vec<f64>,
    /// About how far v is from a kink of the projection, relative to its norm: 0 where the
    /// derivative does not exist (the one given is that of one side), at most 1.
    pub margin: f64,
}

/// Projects v onto the cone.
///
/// # Panics
/// When `v` does not have the dimension of the cone.
pub fn project(cone: &Cone, v: &[f64]) -> ConeProjection {
    assert_eq!(v.len(), cone.dim(), "a vector of the dimension of {cone:?}");
    let v = exact(v);
    let mut point = Vec::new();
    let mut derivative = vec![0.0; v.len() * v.len()];
    let mut margin = 1.0_f64;
    for block in project_cone(cone, &v) {
        let (start, len) = (point.len(), block.point.len());
        for i in 0..len {
            for j in 0..len {
                derivative[(start + i) * v.len() + start + j] = block.derivative[i * len + j].0;
            }
        }
        margin = margin.min(block.margin);
        point.extend(block.point);
    }
    let dual_point: Vec<Quad> = point.iter().zip(&v).map(|(s, v)| s.sub_accurate(*v)).collect();
    ConeProjection { point: rounded(&point), dual_point: rounded(&dual_point), derivative, margin }
}

/// The projection onto one factor of a product.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) point: Vec<Quad>,
    /// Row-major.
    pub(super) derivative: Vec<Quad>,
    pub(super) margin: f64,
    /// Whether this projection has no kink, wherever v is: that of an equality.
    pub(super) is_constant: bool,
}

/// The rows of zero and nonnegative cones are blocks of their own.
pub(super) fn project_cone(cone: &Cone, v: &[Quad]) -> Vec<Block> {
    match cone {
        Cone::Zero(_) => v.iter().map(|_| Block::equality()).collect(),
        Cone::Nonnegative(_) => v
            .iter()
            .map(|&v| {
                let margin = if v.0 == 0.0 { 0.0 } else { 1.0 };
                Block::scaled(&[v], if v.0 > 0.0 { 1.0 } else { 0.0 }, margin)
            })
            .collect(),
        Cone::SecondOrder(_) => vec![second_order::project(v)],
        Cone::PsdTriangle(side) => vec![psd::project(*side, v)],
        Cone::Exponential => vec![exponential::project(v)],
        Cone::Power(a) => {
            // The exponents that a solver reads: a as it is, 1 - a without rounding.
            let a = Quad::from_f64(*a);
            vec![power::project(&[a, Quad::ONE.sub_accurate(a)], v)]
        }
        Cone::GeneralizedPower { alpha, .. } => vec![power::project(&exact(alpha), v)],
    }
}

impl Block {
    /// `factor` times the vector, with `factor` 0 or 1.
    fn scaled(v: &[Quad], factor: f64, margin: f64) -> Self {
        let factor = Quad::from_f64(factor);
        let mut derivative = vec![Quad::ZERO; v.len() * v.len()];
        derivative.iter_mut().step_by(v.len() + 1).for_each(|d| *d = factor);
        Self::new(v.iter().map(|v| *v * factor).collect(), derivative, margin)
    }

    fn new(point: Vec<Quad>, derivative: Vec<Quad>, margin: f64) -> Self {
        Self { point, derivative, margin, is_constant: false }
    }

    fn equality() -> Self {
        Self { is_constant: true, ..Self::scaled(&[Quad::ZERO], 0.0, 1.0) }
    }

    /// A row without a constraint.
    pub(super) fn free(v: Quad) -> Self {
        Self::scaled(&[v], 1.0, 1.0)
    }

    /// Each entry of v either kept or zeroed.
    fn kept(v: &[Quad], keep: impl Fn(usize) -> bool, margin: f64) -> Self {
        let mut block = Self::scaled(v, 0.0, margin);
        for i in (0..v.len()).filter(|&i| keep(i)) {
            block.point[i] = v[i];
            block.derivative[i * v.len() + i] = Quad::ONE;
        }
        block
    }
}

/// `numerator * denominator^-1` for the square matrices of derivatives by the same parameters: one
/// parameter a column, row-major.
fn quotient(numerator: &[Quad], denominator: &[Quad], order: usize) -> Vec<Quad> {
    let lu = Lu::factor(denominator, order, 0.0).expect("parameters of a smooth boundary");
    let mut rows = numerator.to_vec();
    // Row i of the quotient solves the transposed system.
    rows.chunks_exact_mut(order).for_each(|row| lu.solve_transposed(row));
    rows
}

fn norm(v: &[Quad]) -> Quad {
    v.iter().fold(Quad::ZERO, |sum, &v| sum + v * v).sqrt()
}
