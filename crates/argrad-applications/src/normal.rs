//! Normal random numbers.

use rand::RngExt;
use rand::rngs::StdRng;

/// A number with mean 0 and variance 1 (Box and Muller 1958).
pub fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn mean_variance_and_fourth_moment_are_those_of_the_normal_distribution() {
        let mut rng = StdRng::seed_from_u64(1);
        let draws: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
        let moment = |k| draws.iter().map(|x| x.powi(k)).sum::<f64>() / draws.len() as f64;
        // Four standard errors.
        assert!(moment(1).abs() < 0.013, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.018, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.13, "{}", moment(4));
    }
}
