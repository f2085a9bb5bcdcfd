//! What remains of the losses of many seeds.

use argrad_applications::quantile::quantile;

/// One line of a panel: quartiles over seeds at each step.
pub struct Course {
    pub name: String,
    pub lower: Vec<f64>,
    pub median: Vec<f64>,
    pub upper: Vec<f64>,
}

/// The variants for one method and start.
pub struct Panel {
    pub name: String,
    pub courses: Vec<Course>,
}

impl Course {
    /// Of the losses of each seed.
    pub fn new(name: String, losses: &[Vec<f64>]) -> Self {
        let steps = losses.first().map_or(0, Vec::len);
        let at = |share: f64| {
            let step = |k| quantile(losses.iter().map(|own| own[k]).collect(), share);
            (0..steps).map(step).collect()
        };
        Self { name, lower: at(0.25), median: at(0.5), upper: at(0.75) }
    }
}

/// The first step at which the loss is at most `share` of the first; `None` where it never is.
pub fn steps_to(losses: &[f64], share: f64) -> Option<usize> {
    losses.iter().position(|&loss| loss <= share * losses[0])
}
