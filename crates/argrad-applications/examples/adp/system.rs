//! The system: x' = A x + B u + w with |u| <= [`LARGEST`], w normal with variance [`VARIANCE`], and
//! the cost |x|^2 + |u|^2 at each step.
//!
//! The first is that of the paper (its notebook `constrained_lqr.ipynb`); others are drawn as it
//! was: normal numbers, A scaled to spectral radius one.

use argrad_applications::normal::normal;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::matrix::{Matrix, apply, spectral_radius};

/// Numbers of a state.
pub const STATES: usize = 8;
/// Numbers of an input.
pub const INPUTS: usize = 2;
/// Largest absolute entry of an input.
pub const LARGEST: f64 = 0.1;
/// Variance of each entry of the disturbance and of the first state.
pub const VARIANCE: f64 = 0.25;

/// A and B.
#[derive(Clone, Debug)]
pub struct System {
    /// How a state moves.
    pub a: Matrix<STATES, STATES>,
    /// What an input does.
    pub b: Matrix<STATES, INPUTS>,
}

/// A of the paper's notebook (numpy's generator of 2019, seed 1).
#[rustfmt::skip]
const A: Matrix<STATES, STATES> = [
    [0.7050413411117387, -0.26553070052839844, -0.2292510748535408, -0.4657182230198647,
     0.37562711061112575, -0.9989747043753996, 0.757329354797089, -0.3303991541923459],
    [0.13847778753398599, -0.10823832658568858, 0.6346227617872652, -0.8941967645522476,
     -0.13994404330525592, -0.16669742982771232, 0.49210860326708605, -0.4774039016156812],
    [-0.07484185162611517, -0.3810313312199219, 0.01832272696650683, 0.25296887539472623,
     -0.47771984832430775, 0.4968632642060775, 0.39133225298042457, 0.21810588470019399],
    [0.3910133280926742, -0.2967696510676712, -0.05334006631064847, -0.406167402364173,
     -0.1162758703613546, 0.23019890837239101, -0.30021289492956893, -0.17220946045273625],
    [-0.2982648720559528, -0.36685850948198184, -0.29135200117416143, -0.005497024220445067,
     -0.48496459205159304, 0.1017473018138715, 0.7204312451698159, 0.322081634756365],
    [-0.08326554077448305, -0.38527220211141, -0.32430140611283215, 0.7346039139043087,
     0.02205292566931863, -0.27648570001564327, 0.0828661886566961, 0.911608289237468],
    [0.0521545669408473, 0.2678948196244984, 0.13028786222304373, -0.15289279591263227,
     -0.49590596962795724, -0.151630969021354, -0.09066980073555089, 0.254621714501406],
    [0.36415777366125385, 0.4041415543759259, 0.12395816512055552, 0.384192381430049,
     -0.32744374931000436, 0.5438029769788523, 0.22263536842198942, -0.1293861372945014],
];

/// B of the paper's notebook.
#[rustfmt::skip]
const B: Matrix<STATES, INPUTS> = [
    [0.48851814653749703, -0.07557171302105573],
    [1.131629387451427, 1.5198168164221988],
    [2.1855754065331614, -1.3964963354881377],
    [-1.4441138054295894, -0.5044658629464512],
    [0.16003706944783047, 0.8761689211162249],
    [0.31563494724160523, -2.022201215824003],
    [-0.3062040126283718, 0.8279746426072462],
    [0.2300947353643834, 0.7620111803120247],
];

impl System {
    /// The system of the paper.
    pub fn of_the_paper() -> Self {
        Self { a: A, b: B }
    }

    /// Another one.
    pub fn random(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let a: Matrix<STATES, STATES> =
            std::array::from_fn(|_| std::array::from_fn(|_| normal(&mut rng)));
        let radius = spectral_radius(&a);
        let b = std::array::from_fn(|_| std::array::from_fn(|_| normal(&mut rng)));
        Self { a: a.map(|row| row.map(|v| v / radius)), b }
    }

    /// The next state.
    pub fn step(&self, x: &[f64], u: &[f64], disturbance: &[f64]) -> [f64; STATES] {
        let (of_x, of_u) = (apply(&self.a, x), apply(&self.b, u));
        std::array::from_fn(|i| of_x[i] + of_u[i] + disturbance[i])
    }
}

/// Starts and disturbances of several runs.
#[derive(Clone, Debug)]
pub struct Scenarios {
    /// `batch x STATES`: first the starts, then the disturbances of each step.
    pub noise: Vec<Vec<f64>>,
}

impl Scenarios {
    /// So many runs of so many steps.
    pub fn new(batch: usize, steps: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut draw = || VARIANCE.sqrt() * normal(&mut rng);
        let noise = (0..=steps).map(|_| (0..batch * STATES).map(|_| draw()).collect()).collect();
        Self { noise }
    }

    /// How many runs.
    pub fn batch(&self) -> usize {
        self.noise[0].len() / STATES
    }

    /// How many steps.
    pub fn steps(&self) -> usize {
        self.noise.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_have_spectral_radius_one() {
        for system in [System::of_the_paper(), System::random(3)] {
            assert!((spectral_radius(&system.a) - 1.0).abs() < 1e-8);
        }
    }

    #[test]
    fn disturbances_have_their_variance() {
        let noise = Scenarios::new(100, 99, 7).noise.concat();
        let mean = noise.iter().sum::<f64>() / noise.len() as f64;
        let variance = noise.iter().map(|v| v * v).sum::<f64>() / noise.len() as f64;
        // 80,000 numbers: five standard errors.
        assert!(mean.abs() < 0.01 && (variance / VARIANCE - 1.0).abs() < 0.025);
    }
}
