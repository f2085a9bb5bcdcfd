//! The data: points of two classes in the plane.

use argrad_applications::normal::normal;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// The middle of the class with label 1; that of the other is opposite.
const CENTER: f64 = 2.0;

/// Points in the plane with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// Two numbers for each point, point after point.
    pub x: Vec<f64>,
    /// 1 or -1 for each point.
    pub labels: Vec<f64>,
}

impl Points {
    /// Training and test points, `count` of each: as many of each class, around (2, 2) and
    /// (-2, -2) with the standard deviation `spread`, cut into halves at random. These are the
    /// data of the notebook that goes with the paper, from another random generator.
    pub fn two_classes(count: usize, spread: f64, seed: u64) -> (Self, Self) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut points: Vec<([f64; 2], f64)> = (0..2 * count)
            .map(|k| {
                let label = if k < count { 1.0 } else { -1.0 };
                ([0, 1].map(|_| label * CENTER + spread * normal(&mut rng)), label)
            })
            .collect();
        points.shuffle(&mut rng);
        let half = |points: &[([f64; 2], f64)]| Self {
            x: points.iter().flat_map(|point| point.0).collect(),
            labels: points.iter().map(|point| point.1).collect(),
        };
        let (train, test) = points.split_at(count);
        (half(train), half(test))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether both labels are there.
    pub fn has_both_classes(&self) -> bool {
        [1.0, -1.0].iter().all(|label| self.labels.contains(label))
    }

    /// The points with their labels.
    pub fn iter(&self) -> impl Iterator<Item = ([f64; 2], f64)> {
        self.x.chunks_exact(2).map(|x| [x[0], x[1]]).zip(self.labels.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_repeat_with_the_seed_and_have_the_middles_that_are_said() {
        let (train, test) = Points::two_classes(4000, 3.0, 5);
        assert_eq!((train.clone(), test.clone()), Points::two_classes(4000, 3.0, 5));
        assert_ne!(train, Points::two_classes(4000, 3.0, 6).0);
        assert_eq!((train.len(), test.len()), (4000, 4000));
        let sum: f64 = train.labels.iter().chain(&test.labels).sum();
        assert_eq!(sum, 0.0, "as many of each class");
        // The mean of 8000 numbers of deviation 3 is off by 0.034 on average.
        for axis in [0, 1] {
            let signed = train.iter().chain(test.iter()).map(|(x, label)| label * x[axis]);
            let mean = signed.sum::<f64>() / 8000.0;
            assert!((mean - CENTER).abs() < 0.15, "{mean}");
        }
    }
}
