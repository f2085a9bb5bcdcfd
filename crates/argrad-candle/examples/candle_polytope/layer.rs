//! The layer: the projection onto a polygon whose sides are its weights.

use argrad::{MatrixShape, QpLayer, QpShape};
use argrad_candle::{Argument, QpArguments, qp};
use candle_core::{Device, Module, Result, Tensor, Var};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::polygon::Polygon;

/// `x(y) = argmin 1/2 |x - y|^2 subject to a_i'x <= b_i`, with `a_i = v_i / |v_i|` and
/// `b_i = exp(w_i)`; v and w are learned. The origin is inside whatever they are, so there is
/// always a solution.
pub struct Projection {
    layer: QpLayer,
    /// v, sides x 2.
    directions: Var,
    /// w.
    distances: Var,
}

impl Projection {
    /// A small polygon with sides in even directions: each is met by projections of some of the
    /// points. One that no projection meets would get no gradient, and stay where it is.
    pub fn new(sides: usize, rng: &mut StdRng) -> Result<Self> {
        let shape = QpShape::new(2)
            .quadratic(MatrixShape::Diagonal(2))
            .inequalities(MatrixShape::Dense { rows: sides, cols: 2 });
        let layer = QpLayer::new(shape, Default::default()).map_err(argrad_candle::Error::from)?;
        let turn = std::f64::consts::TAU / sides as f64;
        let start = rng.random_range(0.0..turn);
        let directions: Vec<f64> = (0..sides)
            .flat_map(|k| {
                let angle = start + turn * k as f64;
                [angle.cos(), angle.sin()]
            })
            .collect();
        Ok(Self {
            layer,
            directions: Var::from_vec(directions, (sides, 2), &Device::Cpu)?,
            distances: Var::from_vec(vec![-1.0; sides], sides, &Device::Cpu)?,
        })
    }

    /// What is learned.
    pub fn variables(&self) -> Vec<Var> {
        vec![self.directions.clone(), self.distances.clone()]
    }

    /// The sides as they are now: a, b.
    fn sides(&self) -> Result<(Tensor, Tensor)> {
        let lengths = self.directions.sqr()?.sum_keepdim(1)?.sqrt()?;
        Ok((self.directions.broadcast_div(&lengths)?, self.distances.exp()?))
    }

    /// The polygon as it is now.
    pub fn polygon(&self) -> Result<Polygon> {
        let (normals, offsets) = self.sides()?;
        let (normals, offsets) = (normals.to_vec2::<f64>()?, offsets.to_vec1::<f64>()?);
        let side = |(normal, offset): (Vec<f64>, f64)| ([normal[0], normal[1]], offset);
        Ok(Polygon { sides: normals.into_iter().zip(offsets).map(side).collect() })
    }
}

impl Module for Projection {
    /// The nearest points in the polygon, batch x 2.
    fn forward(&self, points: &Tensor) -> Result<Tensor> {
        let (normals, offsets) = self.sides()?;
        let identity = Argument::fixed([1.0, 1.0]);
        let arguments = QpArguments::new(identity, Argument::each(&points.neg()?))
            .inequalities(Argument::shared(&normals), Argument::shared(&offsets));
        Ok(qp(&self.layer, &arguments)?.x)
    }
}
