//! Random smooth problems whose solutions and derivatives are known in closed form, in any unit.
//!
//! In units of one, with y*(theta) and lambda*(theta) chosen:
//!
//! ```text
//! f = f0(y) - (f0_Y(y*) + c0_Y(y*)'lambda*)'y,     f0 = y'Qy / 2 + sum exp(y) / 4
//! c = c0(y) - c0(y*) (- 1 where not active),       c0_i = b_i'y + s_i y'y / 2
//! ```
//!
//! so that (y*, lambda*) satisfies the KKT conditions for every theta. Q is negative along the
//! gradients of the equalities: the problems are not convex.

use argrad::argmin::{Dimensions, Scalar, SmoothProblem};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Units of theta, y, f and the constraints.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    pub theta: f64,
    pub y: f64,
    pub f: f64,
    pub c: f64,
}

/// One problem of the family.
pub struct Known {
    pub size: Dimensions,
    pub units: Units,
    /// Inequalities that are active, the first of them.
    active: usize,
    q: Vec<f64>,
    /// One gradient and one curvature for each row.
    b: Vec<f64>,
    s: Vec<f64>,
    /// y* = a + w + w^2 / 10, w = B theta.
    a: Vec<f64>,
    w: Vec<f64>,
    /// lambda* = l + C theta.
    l: Vec<f64>,
    c: Vec<f64>,
    /// Parameters, in units of one.
    theta: Vec<f64>,
}

/// y*, lambda* and their Jacobians (rows x theta), in the problem's units.
pub struct Answer {
    pub theta: Vec<f64>,
    pub y: Vec<f64>,
    pub lambda: Vec<f64>,
    pub y_jacobian: Vec<f64>,
    pub lambda_jacobian: Vec<f64>,
}

fn draw(rng: &mut StdRng, count: usize, scale: f64) -> Vec<f64> {
    (0..count).map(|_| scale * (2.0 * rng.random::<f64>() - 1.0)).collect()
}

impl Known {
    /// Problem `seed`; with units far from one if `in_units`, and with constraints if
    /// `is_constrained`.
    pub fn new(seed: u64, in_units: bool, is_constrained: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (p, n) = (1 + seed as usize % 3, 3 + seed as usize % 5);
        let limit = if is_constrained { 3 } else { 1 };
        let equalities = rng.random_range(0..limit);
        let inequalities = if is_constrained { rng.random_range(0..4) } else { 0 };
        // At most n - 1 rows are active.
        let active = rng.random_range(0..=inequalities).min(n - 1 - equalities);
        let size = Dimensions { theta: p, y: n, equalities, inequalities };
        let m = size.rows();
        let b = draw(&mut rng, m * n, 1.0);
        let noise = draw(&mut rng, n * n, 0.15);
        let mut q = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                q[i * n + j] = f64::from(i == j) + noise[i * n + j] + noise[j * n + i];
                for row in b.chunks(n).take(equalities) {
                    let length: f64 = row.iter().map(|v| v * v).sum();
                    q[i * n + j] -= 2.0 * row[i] * row[j] / length;
                }
            }
        }
        let unit = |rng: &mut StdRng| match in_units {
            true => 10f64.powf(12.0 * rng.random::<f64>() - 6.0),
            false => 1.0,
        };
        let units = Units {
            theta: unit(&mut rng),
            y: unit(&mut rng),
            f: unit(&mut rng),
            c: unit(&mut rng),
        };
        let mut l = draw(&mut rng, m, 1.0);
        let mut c = draw(&mut rng, m * p, 0.2);
        for k in equalities..m {
            l[k] = if k < equalities + active { 1.5 + 0.5 * l[k] } else { 0.0 };
            let part = &mut c[k * p..(k + 1) * p];
            part.iter_mut().for_each(|v| *v *= f64::from(k < equalities + active));
        }
        let s = draw(&mut rng, m, 0.05);
        let a = draw(&mut rng, n, 1.0);
        let w = draw(&mut rng, n * p, 1.0);
        let theta = draw(&mut rng, p, 1.0);
        Self { size, units, active, q, b, s, a, w, l, c, theta }
    }

    fn w<D: Scalar>(&self, theta: &[D]) -> Vec<D> {
        products(&self.w, theta)
    }

    fn y_star<D: Scalar>(&self, theta: &[D]) -> Vec<D> {
        self.w(theta).iter().zip(&self.a).map(|(&w, &a)| w + w * w * 0.1 + a).collect()
    }

    fn lambda_star<D: Scalar>(&self, theta: &[D]) -> Vec<D> {
        products(&self.c, theta).iter().zip(&self.l).map(|(&c, &l)| c + l).collect()
    }

    /// c0_i in units of one.
    fn row<D: Scalar>(&self, i: usize, y: &[D]) -> D {
        let n = y.len();
        let b = &self.b[i * n..(i + 1) * n];
        y.iter().zip(b).fold(D::from(0.0), |sum, (&y, &b)| sum + y * b + y * y * (0.5 * self.s[i]))
    }

    fn rows<D: Scalar>(&self, theta: &[D], y: &[D], rows: std::ops::Range<usize>) -> Vec<D> {
        let theta: Vec<D> = theta.iter().map(|&v| v / self.units.theta).collect();
        let y: Vec<D> = y.iter().map(|&v| v / self.units.y).collect();
        let star = self.y_star(&theta);
        let inactive = self.size.equalities + self.active;
        rows.map(|i| {
            let gap = if i >= inactive { 1.0 } else { 0.0 };
            (self.row(i, &y) - self.row(i, &star) - gap) * self.units.c
        })
        .collect()
    }

    /// The closed form.
    pub fn answer(&self) -> Answer {
        let Units { theta, y, f, c } = self.units;
        let p = self.size.theta;
        let w = self.w(&self.theta);
        let slope = |(k, b): (usize, &f64)| b * (1.0 + 0.2 * w[k / p]) * y / theta;
        Answer {
            theta: self.theta.iter().map(|v| v * theta).collect(),
            y: self.y_star(&self.theta).iter().map(|v| v * y).collect(),
            lambda: self.lambda_star(&self.theta).iter().map(|v| v * f / c).collect(),
            y_jacobian: self.w.iter().enumerate().map(slope).collect(),
            lambda_jacobian: self.c.iter().map(|v| v * f / c / theta).collect(),
        }
    }
}

fn products<D: Scalar>(matrix: &[f64], theta: &[D]) -> Vec<D> {
    let row =
        |row: &[f64]| row.iter().zip(theta).fold(D::from(0.0), |sum, (&a, &theta)| sum + theta * a);
    matrix.chunks(theta.len()).map(row).collect()
}

impl SmoothProblem for Known {
    fn dimensions(&self) -> Dimensions {
        self.size
    }

    fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D {
        let n = y.len();
        let theta: Vec<D> = theta.iter().map(|&v| v / self.units.theta).collect();
        let y: Vec<D> = y.iter().map(|&v| v / self.units.y).collect();
        let (star, lambda) = (self.y_star(&theta), self.lambda_star(&theta));
        let mut f = D::from(0.0);
        for i in 0..n {
            let mut slope = star[i].exp() * 0.25;
            for j in 0..n {
                f += y[i] * y[j] * (0.5 * self.q[i * n + j]);
                slope += star[j] * self.q[i * n + j];
            }
            for (k, &lambda) in lambda.iter().enumerate() {
                slope += lambda * (star[i] * self.s[k] + self.b[k * n + i]);
            }
            f += y[i].exp() * 0.25 - slope * y[i];
        }
        f * self.units.f
    }

    fn equalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
        self.rows(theta, y, 0..self.size.equalities)
    }

    fn inequalities<D: Scalar>(&self, theta: &[D], y: &[D]) -> Vec<D> {
        self.rows(theta, y, self.size.equalities..self.size.rows())
    }
}
