//! Synthetic markets. In percent a week,
//!
//! ```text
//! r(t) = m + B g(z(t)) + v(t) (F f(t) + e(t)),     z(t+1) = 0.8 z(t) + 0.6 noise
//! ```
//!
//! with signals z that an investor sees before the week, factors f and own noise e. What g, v and
//! the noise are is the kind of the market.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal, StudentT};

/// What is true of a market, from what the portfolio's model assumes to what it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// g(z) = z, v = 1, normal noise, no costs: all that the model assumes.
    Matched,
    /// The same with costs, which make this week's portfolio matter to the next weeks.
    Costs,
    /// With costs, noise with heavy tails (Student's t, 4 degrees of freedom), strong signals that
    /// deceive (g(z) = 1.8 z exp(-z^2 / 3)) and uncertainty that grows with the first signal
    /// (v = exp(0.6 z_1 - 0.36), of mean square 1).
    Misspecified,
}

/// All kinds.
pub const KINDS: [Kind; 3] = [Kind::Matched, Kind::Costs, Kind::Misspecified];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Matched => "matched",
            Kind::Costs => "costs",
            Kind::Misspecified => "misspecified",
        }
    }
}

const FACTORS: usize = 3;
/// Standard deviations in percent a week: of a factor's share in a return, of an asset's own noise,
/// of what the signals foretell.
const FACTOR: f64 = 1.2;
const OWN: f64 = 2.0;
const FORETOLD: f64 = 0.6;
/// Mean return, and how far those of assets differ.
const MEAN: [f64; 2] = [0.15, 0.05];

/// The law of a market.
pub struct Market {
    kind: Kind,
    assets: usize,
    signals: usize,
    mean: Vec<f64>,
    /// B, assets x signals.
    slopes: Vec<f64>,
    /// F, assets x factors.
    loadings: Vec<f64>,
}

/// Weeks of a market, on several paths that do not know of each other. Numbers are ordered by week,
/// then path, then asset or signal.
#[derive(Clone, Debug)]
pub struct History {
    pub paths: usize,
    pub weeks: usize,
    pub assets: usize,
    pub signals: usize,
    /// What is seen before each week.
    pub seen: Vec<f64>,
    /// Expected returns, which nobody sees, in percent.
    pub expected: Vec<f64>,
    /// Returns, in percent.
    pub returns: Vec<f64>,
}

impl Market {
    /// A market drawn at random.
    pub fn new(kind: Kind, assets: usize, signals: usize, rng: &mut StdRng) -> Self {
        let mut normal = |scale: f64| scale * Distribution::<f64>::sample(&StandardNormal, rng);
        let slope = FORETOLD / (signals as f64).sqrt();
        let loading = FACTOR / (FACTORS as f64).sqrt();
        Self {
            kind,
            assets,
            signals,
            mean: (0..assets).map(|_| MEAN[0] + normal(MEAN[1])).collect(),
            slopes: (0..assets * signals).map(|_| normal(slope)).collect(),
            loadings: (0..assets * FACTORS)
                // The first factor is the market itself, which all assets share.
                .map(|k| normal(loading) + if k % FACTORS == 0 { FACTOR } else { 0.0 })
                .collect(),
        }
    }

    /// Plays `weeks` weeks on each of `paths` paths.
    pub fn play(&self, paths: usize, weeks: usize, seed: u64) -> History {
        let mut rng = StdRng::seed_from_u64(seed);
        let (n, p) = (self.assets, self.signals);
        let mut signals: Vec<f64> =
            (0..paths * p).map(|_| StandardNormal.sample(&mut rng)).collect();
        let mut history = History {
            paths,
            weeks,
            assets: n,
            signals: p,
            seen: Vec::with_capacity(weeks * paths * p),
            expected: Vec::with_capacity(weeks * paths * n),
            returns: Vec::with_capacity(weeks * paths * n),
        };
        for _ in 0..weeks {
            history.seen.extend(&signals);
            for seen in signals.chunks_mut(p) {
                self.week(seen, &mut history, &mut rng);
                for z in seen {
                    *z = 0.8 * *z + 0.6 * Distribution::<f64>::sample(&StandardNormal, &mut rng);
                }
            }
        }
        history
    }

    /// The returns of one week on one path.
    fn week(&self, seen: &[f64], history: &mut History, rng: &mut StdRng) {
        let misspecified = self.kind == Kind::Misspecified;
        let foretells = |z: f64| if misspecified { 1.8 * z * (-z * z / 3.0).exp() } else { z };
        let spread = if misspecified { (0.6 * seen[0] - 0.36).exp() } else { 1.0 };
        let factors: [f64; FACTORS] = std::array::from_fn(|_| self.noise(rng));
        for i in 0..self.assets {
            let slopes = &self.slopes[i * self.signals..][..self.signals];
            let signal: f64 = slopes.iter().zip(seen).map(|(b, &z)| b * foretells(z)).sum();
            let loadings = &self.loadings[i * FACTORS..][..FACTORS];
            let common: f64 = loadings.iter().zip(factors).map(|(b, f)| b * f).sum();
            let expected = self.mean[i] + signal;
            history.expected.push(expected);
            // Nobody loses more than all.
            let shock = spread * (common + OWN * self.noise(rng));
            history.returns.push((expected + shock).max(-95.0));
        }
    }

    /// Noise of variance 1.
    fn noise(&self, rng: &mut StdRng) -> f64 {
        match self.kind {
            Kind::Misspecified => {
                let student = StudentT::new(4.0).expect("degrees of freedom are positive");
                student.sample(rng) / 2f64.sqrt()
            }
            _ => StandardNormal.sample(rng),
        }
    }
}

impl History {
    /// Windows of `weeks` weeks that begin at these weeks, side by side as paths.
    pub fn windows(&self, starts: &[usize], weeks: usize) -> Self {
        let cut = |all: &[f64], width: usize| {
            let width = width * self.paths;
            (0..weeks)
                .flat_map(|week| starts.iter().map(move |start| start + week))
                .flat_map(|week| all[week * width..(week + 1) * width].iter().copied())
                .collect()
        };
        Self {
            paths: self.paths * starts.len(),
            weeks,
            seen: cut(&self.seen, self.signals),
            expected: cut(&self.expected, self.assets),
            returns: cut(&self.returns, self.assets),
            ..*self
        }
    }

    /// The weeks of a range.
    pub fn slice(&self, weeks: std::ops::Range<usize>) -> Self {
        self.windows(&[weeks.start], weeks.len())
    }

    /// All of it as windows of at most `weeks` weeks, one after the other; the rest is left out.
    pub fn cut(&self, weeks: usize) -> Self {
        let weeks = weeks.min(self.weeks);
        let starts: Vec<usize> = (0..self.weeks / weeks).map(|k| k * weeks).collect();
        self.windows(&starts, weeks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_what_its_law_says() {
        for kind in KINDS {
            let market = Market::new(kind, 3, 2, &mut StdRng::seed_from_u64(1));
            let history = market.play(20, 500, 2);
            let count = history.seen.len() as f64;
            let variance = history.seen.iter().map(|z| z * z).sum::<f64>() / count;
            assert!((variance - 1.0).abs() < 0.1, "{variance}");
            // What was not expected has mean zero: 10,000 numbers of about 2.5 percent.
            let mut unexpected = 0.0;
            for (r, expected) in history.returns.iter().zip(&history.expected).step_by(3) {
                unexpected += (r - expected) / 10_000.0;
            }
            assert!(unexpected.abs() < 0.1, "{kind:?}: {unexpected}");
        }
    }

    #[test]
    fn windows_are_the_weeks_that_they_name() {
        let market = Market::new(Kind::Costs, 3, 2, &mut StdRng::seed_from_u64(1));
        let history = market.play(1, 10, 2);
        let windows = history.windows(&[4, 0], 3);
        assert_eq!((windows.paths, windows.weeks), (2, 3));
        // Week 1 of the first window is week 5.
        assert_eq!(windows.returns[2 * 3..3 * 3], history.returns[5 * 3..6 * 3]);
        assert_eq!(windows.seen[3 * 2..4 * 2], history.seen[2..2 * 2]);
        assert_eq!(history.cut(4).paths, 2);
    }
}
