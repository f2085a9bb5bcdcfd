//! Equations (5) to (8): linear equalities by null space and full rank, inequalities by a barrier.

use argrad::Slot;
use argrad::argmin::equations::{Barrier, barrier, full_rank, null_space};
use argrad::argmin::{Argmin, ArgminPoint, Automatic, Dimensions, Scalar, SmoothProblem};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::derivative::{jacobians, relative_error};

/// f = y'Qy / 2 + sum exp(y) / 4 - (C theta + (C theta)^2)'y subject to A y = b, in units.
struct LinearEqualities {
    p: usize,
    n: usize,
    q: Vec<f64>,
    c: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
    /// Of theta, y and f.
    units: [f64; 3],
}

impl LinearEqualities {
    fn new(seed: u64, in_units: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed + 1000);
        let (p, n) = (1 + seed as usize % 3, 3 + seed as usize % 5);
        let m = 1 + seed as usize % (n - 1);
        let mut draw = |count, scale: f64| -> Vec<f64> {
            (0..count).map(|_| scale * (2.0 * rng.random::<f64>() - 1.0)).collect()
        };
        let noise = draw(n * n, 0.3 / n as f64);
        let entry = |k: usize| {
            let (i, j) = (k / n, k % n);
            f64::from(i == j) + noise[i * n + j] + noise[j * n + i]
        };
        let unit = |v: f64| if in_units { 10f64.powf(6.0 * v) } else { 1.0 };
        let units = [unit(draw(1, 1.0)[0]), unit(draw(1, 1.0)[0]), unit(draw(1, 1.0)[0])];
        Self {
            p,
            n,
            q: (0..n * n).map(entry).collect(),
            c: draw(n * p, 1.0),
            a: draw(m * n, 1.0),
            b: draw(m, 1.0),
            units,
        }
    }
}

impl SmoothProblem for LinearEqualities {
    fn dimensions(&self) -> Dimensions {
        Dimensions::new(self.p, self.n).equalities(self.b.len())
    }

    fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D {
        let mut f = D::from(0.0);
        let y: Vec<D> = y.iter().map(|&v| v / self.units[1]).collect();
        for i in 0..self.n {
            for j in 0..self.n {
                f += y[i] * y[j] * (0.5 * self.q[i * self.n + j]);
            }
            let row = &self.c[i * self.p..(i + 1) * self.p];
            let terms = row.iter().zip(theta).map(|(&c, &t)| t * (c / self.units[0]));
            let c = terms.fold(D::from(0.0), |sum, term| sum + term);
            f += y[i].exp() * 0.25 - (c + c * c) * y[i];
        }
        f * self.units[2]
    }

    fn equalities<D: Scalar>(&self, _theta: &[D], y: &[D]) -> Vec<D> {
        let row = |(row, &b): (&[f64], &f64)| {
            let terms = row.iter().zip(y).map(|(&a, &y)| y * a);
            terms.fold(D::from(-b * self.units[1]), |sum, term| sum + term)
        };
        self.a.chunks(self.n).zip(&self.b).map(row).collect()
    }
}

/// dy / dtheta by central differences with one Richardson step, whose error is of fourth order.
fn differences(problem: &LinearEqualities, theta: &[f64], y: &[f64]) -> Vec<f64> {
    let (p, n) = (problem.p, problem.n);
    let step = 2e-3 * problem.units[0];
    let argmin = Argmin::new(problem);
    let mut all = Vec::new();
    for j in 0..p {
        for factor in [-2.0, -1.0, 1.0, 2.0] {
            let moved = |(k, t): (usize, &f64)| if k == j { t + factor * step } else { *t };
            all.extend(theta.iter().enumerate().map(moved));
        }
    }
    let start = ArgminPoint::new(4 * p, Slot::Each(&all), Slot::Shared(y));
    let solution = argmin.solve(&start).unwrap();
    assert_eq!(solution.failures().count(), 0);
    let at = |j: usize, k: usize, i: usize| solution.y[(4 * j + k) * n + i];
    let difference = |i: usize, j: usize| {
        (8.0 * (at(j, 2, i) - at(j, 1, i)) - (at(j, 3, i) - at(j, 0, i))) / (12.0 * step)
    };
    (0..n * p).map(|k| difference(k / p, k % p)).collect()
}

#[test]
fn equations_5_and_6_and_the_kkt_system_are_the_differences_of_solutions() {
    let mut worst = [0.0_f64; 3];
    for seed in 0..200 {
        let problem = LinearEqualities::new(seed, seed % 4 > 0);
        let argmin = Argmin::new(&problem);
        let theta: Vec<f64> =
            (0..problem.p).map(|k| 0.5 * problem.units[0] * (k as f64 + 1.0).cos()).collect();
        let y0: Vec<f64> = (0..problem.n).map(|k| problem.units[1] * (k as f64).sin()).collect();
        let start = ArgminPoint::new(1, Slot::Shared(&theta), Slot::Shared(&y0));
        let solution = argmin.solve(&start).unwrap();
        assert!(solution.reports[0].is_solved(), "{seed}: {:?}", solution.reports[0]);
        let expected = differences(&problem, &theta, &solution.y);
        let oracle = Automatic(&problem);
        let t = Slot::Shared(&theta[..]);
        let (y, a) = (Slot::Shared(&solution.y[..]), Slot::Shared(&problem.a[..]));
        let found = [
            null_space(&oracle, 1, t, y, a).unwrap().y,
            full_rank(&oracle, 1, t, y, a).unwrap().y,
            jacobians(&argmin, &solution)[0].clone(),
        ];
        for (worst, found) in worst.iter_mut().zip(&found) {
            *worst = worst.max(relative_error(found, &expected));
        }
        // To rounding, where differences cannot tell.
        assert!(relative_error(&found[0], &found[2]) <= 1e-11, "{seed}");
        assert!(relative_error(&found[1], &found[2]) <= 1e-11, "{seed}");
    }
    println!("worst relative errors of (5), (6), KKT: {worst:?}");
    assert!(worst.iter().all(|v| *v <= 1e-8), "{worst:?}");
}

/// minimize (y - theta)^2 / 2 subject to y <= 1.
struct Bound;

impl SmoothProblem for Bound {
    fn dimensions(&self) -> Dimensions {
        Dimensions::new(1, 1).inequalities(1)
    }

    fn objective<D: Scalar>(&self, theta: &[D], y: &[D]) -> D {
        (y[0] - theta[0]).powi(2) * 0.5
    }

    fn inequalities<D: Scalar>(&self, _theta: &[D], y: &[D]) -> Vec<D> {
        vec![y[0] - 1.0]
    }
}

#[test]
fn equations_7_and_8_are_the_closed_form_and_tend_to_the_kkt_derivative() {
    for (t, close) in [(10.0, 0.2), (1e4, 1e-3), (1e8, 1e-7)] {
        let problem = Barrier { problem: Bound, t };
        let theta = [-0.5, 0.9, 2.0];
        let start = ArgminPoint::new(3, Slot::Each(&theta), Slot::Shared(&[0.0]));
        let argmin = Argmin::new(&problem);
        let solution = argmin.solve(&start).unwrap();
        assert_eq!(solution.failures().count(), 0, "{:?}", solution.reports);
        let jacobian = barrier(&problem, 3, Slot::Each(&theta), Slot::Each(&solution.y)).unwrap();
        for (k, theta) in theta.iter().enumerate() {
            // (y - theta)(1 - y) = -1 / t
            let root = ((1.0 - theta).powi(2) + 4.0 / t).sqrt();
            let (y, slope) = (0.5 * (1.0 + theta - root), 0.5 * (1.0 + (1.0 - theta) / root));
            assert!((solution.y[k] - y).abs() <= 1e-9, "{t} {theta}");
            assert!((jacobian.y[k] - slope).abs() <= 1e-8, "{t} {theta}: {}", jacobian.y[k]);
        }
        let exact = Argmin::new(Bound);
        let solution = exact.solve(&start).unwrap();
        let tangent = exact.jvp(&solution, Slot::Shared(&[1.0])).unwrap();
        for k in [0, 2] {
            assert!((tangent.y[k] - jacobian.y[k]).abs() <= close, "{t} {k}");
        }
    }
}
