//! What remains of many seeds: quartiles, and the table.

use argrad_applications::quantile::quantile;

use crate::course::{CURVES, Course, Curve};

/// Quartiles over the seeds: for each of [`CURVES`] three lists, with a number a budget each.
pub struct Summary {
    pub losses: Vec<[Vec<f64>; 3]>,
    pub errors: Vec<[Vec<f64>; 3]>,
}

impl Summary {
    /// Of at least one course.
    pub fn new(courses: &[Course]) -> Self {
        let quartiles = |of: fn(&Course) -> &Vec<Vec<f64>>, curve: usize| {
            [0.25, 0.5, 0.75].map(|share| {
                let budgets = 0..of(&courses[0])[curve].len();
                let at = |k: usize| courses.iter().map(|course| of(course)[curve][k]).collect();
                budgets.map(|k| quantile(at(k), share)).collect()
            })
        };
        let all = 0..CURVES.len();
        Self {
            losses: all.clone().map(|curve| quartiles(|course| &course.losses, curve)).collect(),
            errors: all.map(|curve| quartiles(|course| &course.errors, curve)).collect(),
        }
    }

    /// A row a budget: the median test loss of each curve, and the median share of test points on
    /// the wrong side.
    pub fn table(&self, budgets: &[f64]) -> String {
        let names: String = CURVES.iter().map(|curve| format!(" {} |", curve.name())).collect();
        let mut table = format!("| budget |{names}\n|---|{}\n", "---|".repeat(CURVES.len()));
        for (k, budget) in budgets.iter().enumerate() {
            table += &format!("| {budget:.2} |");
            for (loss, error) in self.losses.iter().zip(&self.errors) {
                table += &format!(" {:.3} ({:.0} %) |", loss[1][k], 100.0 * error[1][k]);
            }
            table += "\n";
        }
        table
    }
}

impl Curve {
    /// Its name in the table.
    fn name(self) -> String {
        match self {
            Curve::Sign => "one step".into(),
            Curve::Projected => "projected".into(),
            Curve::Unaware(training) => format!("{}, attacker unaware", training.name()),
            Curve::Aware(training) => format!("{}, aware", training.name()),
        }
    }
}

/// Whether each number is larger than the one before.
pub fn rises(losses: &[f64]) -> bool {
    losses.windows(2).all(|pair| pair[1] > pair[0])
}
