//! Adam (Kingma and Ba 2015), on a slice of numbers.

/// Decay of the means of the gradient and of its square.
const DECAY: [f64; 2] = [0.9, 0.999];
/// What keeps the division from zero.
const FLOOR: f64 = 1e-12;

/// What the method remembers of the gradients, a number at a time.
pub struct Adam {
    rate: f64,
    steps: i32,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Adam {
    /// For so many numbers, with this learning rate.
    pub fn new(len: usize, rate: f64) -> Self {
        Self { rate, steps: 0, mean: vec![0.0; len], square: vec![0.0; len] }
    }

    /// Goes on with another learning rate.
    pub fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// One step against the gradient.
    pub fn step(&mut self, numbers: &mut [f64], gradient: &[f64]) {
        self.steps += 1;
        let [first, second] = DECAY.map(|decay| 1.0 - decay.powi(self.steps));
        for (k, (number, slope)) in numbers.iter_mut().zip(gradient).enumerate() {
            self.mean[k] += (1.0 - DECAY[0]) * (slope - self.mean[k]);
            self.square[k] += (1.0 - DECAY[1]) * (slope * slope - self.square[k]);
            let size = (self.square[k] / second).sqrt() + FLOOR;
            *number -= self.rate * self.mean[k] / first / size;
        }
    }
}
