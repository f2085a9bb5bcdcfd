//! Points, and their nearest points in the polygon that is to be found.

use argrad::{QpLayer, QpValues, Slot};
use argrad_applications::command::Failure;
use candle_core::{Device, Tensor};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::polygon::Polygon;

/// Points and what a model should make of them, batch x 2 each.
pub struct Examples {
    pub points: Tensor,
    pub nearest: Tensor,
}

/// Training and test points are drawn from a square of this half side, far points from a ring
/// outside of it.
pub const NEAR: f64 = 2.5;
const FAR: [f64; 2] = [4.0, 8.0];

impl Examples {
    /// Points in the square, their nearest points with some noise.
    pub fn near(
        polygon: &Polygon,
        count: usize,
        noise: f64,
        rng: &mut StdRng,
    ) -> Result<Self, Failure> {
        let points = (0..2 * count).map(|_| rng.random_range(-NEAR..NEAR)).collect();
        Self::new(polygon, points, noise, rng)
    }

    /// Points in the ring, without noise.
    pub fn far(polygon: &Polygon, count: usize, rng: &mut StdRng) -> Result<Self, Failure> {
        let points = (0..count).flat_map(|_| {
            let angle = rng.random_range(0.0..std::f64::consts::TAU);
            let radius = rng.random_range(FAR[0]..FAR[1]);
            [radius * angle.cos(), radius * angle.sin()]
        });
        let points = points.collect();
        Self::new(polygon, points, 0.0, rng)
    }

    fn new(
        polygon: &Polygon,
        points: Vec<f64>,
        noise: f64,
        rng: &mut StdRng,
    ) -> Result<Self, Failure> {
        let count = points.len() / 2;
        let (normals, offsets): (Vec<_>, Vec<_>) = polygon.sides.iter().copied().unzip();
        let q: Vec<f64> = points.iter().map(|y| -y).collect();
        let values = QpValues::new(count, Slot::Shared(&[1.0, 0.0, 0.0, 1.0]), Slot::Each(&q))
            .inequalities(Slot::Shared(normals.as_flattened()), Slot::Shared(&offsets));
        let mut nearest = QpLayer::dense(2, 0, offsets.len())?.solve(&values)?.x;
        nearest.iter_mut().for_each(|x| *x += noise * normal(rng));
        Ok(Self {
            points: Tensor::from_vec(points, (count, 2), &Device::Cpu)?,
            nearest: Tensor::from_vec(nearest, (count, 2), &Device::Cpu)?,
        })
    }
}

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (rng.random_range(0.0..1.0), rng.random_range(0.0..1.0));
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
