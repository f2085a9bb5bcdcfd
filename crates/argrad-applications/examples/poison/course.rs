//! The course of one seed: what each training loses with each budget.

use argrad::model::ModelError;

use crate::attack::{Attack, Poisoned};
use crate::classifier::{Classifier, Line, Training};
use crate::data::Points;
use crate::differences::gradient_error;

/// Who is attacked how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// Logistic regression, one step.
    Sign,
    /// Logistic regression, many steps.
    Projected,
    /// A robust training on the points of [`Curve::Projected`]: the attacker does not know of the
    /// defence.
    Unaware(Training),
    /// A robust training, many steps against itself or the points of [`Curve::Projected`],
    /// whichever is worse for it.
    Aware(Training),
}

pub const CURVES: [Curve; 6] = [
    Curve::Sign,
    Curve::Projected,
    Curve::Unaware(Training::RobustLogistic),
    Curve::Aware(Training::RobustLogistic),
    Curve::Unaware(Training::RobustHinge),
    Curve::Aware(Training::RobustHinge),
];

/// The budget of the paper, at which the gradient alone predicts what one step does.
pub const PAPER_BUDGET: f64 = 0.01;

/// What is done to the data of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The budgets, ascending.
    pub budgets: &'a [f64],
    /// Steps of the projected attacks.
    pub steps: usize,
    /// The weight of the regularization.
    pub penalty: f64,
    /// The radius of the balls of robust trainings, in budgets.
    pub ball: f64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Course {
    pub train: Points,
    /// For each of [`CURVES`], the test losses with each budget.
    pub losses: Vec<Vec<f64>>,
    /// The same for the shares of test points on the wrong side.
    pub errors: Vec<Vec<f64>>,
    /// The lines before the attack, after the projected attack with the largest budget, and of the
    /// robust logistic training after that.
    pub lines: [Line; 3],
    /// The training points after the projected attack with the largest budget.
    pub poisoned: Vec<f64>,
    /// The gradient of the test loss against finite differences, [`gradient_error`].
    pub gradient_error: f64,
    /// One step with [`PAPER_BUDGET`].
    pub small: SmallStep,
}

/// By how much one step raises the test loss.
#[derive(Clone, Copy, Debug)]
pub struct SmallStep {
    /// By the gradient: the budget times its 1-norm.
    pub predicted: f64,
    /// By training again.
    pub rise: f64,
}

impl Course {
    /// Runs all attacks.
    pub fn run((train, test): (Points, Points), setting: Setting<'_>) -> Result<Self, ModelError> {
        let Setting { budgets, steps, penalty, ball } = setting;
        let radii: Vec<f64> = budgets.iter().map(|budget| ball * budget).collect();
        let classifier = |training| Classifier::new(training, &train.labels, penalty);
        let plain = classifier(Training::Logistic)?;
        let attack =
            Attack { classifier: &plain, train: &train, test: &test, budgets, radii: &radii };
        let before = Attack { budgets: &[PAPER_BUDGET], radii: &[0.0], ..attack };
        let (clean, gradient) = before.losses(&train.x)?;
        let small = SmallStep {
            predicted: PAPER_BUDGET * gradient.iter().map(|g| g.abs()).sum::<f64>(),
            rise: before.sign()?.losses[0] - clean.losses[0],
        };
        let projected = attack.projected(steps)?;
        let mut all = vec![attack.sign()?, projected.clone()];
        for training in [Training::RobustLogistic, Training::RobustHinge] {
            let robust = classifier(training)?;
            let attack = Attack { classifier: &robust, ..attack };
            let unaware = attack.losses(&projected.points)?.0;
            let mut aware = attack.projected(steps)?;
            aware.keep_better(&unaware);
            all.extend([unaware, aware]);
        }
        let errors = |poisoned: &Poisoned| {
            poisoned.lines.iter().map(|line| line.error(&test)).collect::<Vec<f64>>()
        };
        let last = budgets.len() - 1;
        Ok(Self {
            errors: all.iter().map(errors).collect(),
            lines: [clean.lines[0], projected.lines[last], all[2].lines[last]],
            poisoned: projected.points[last * train.x.len()..].to_vec(),
            losses: all.into_iter().map(|poisoned| poisoned.losses).collect(),
            gradient_error: gradient_error(&attack, 0.0)?,
            small,
            train,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::rises;

    const BUDGETS: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

    fn course(seed: u64, penalty: f64) -> Course {
        let setting = Setting { budgets: &BUDGETS, steps: 10, penalty, ball: 1.0 };
        Course::run(Points::two_classes(30, 3.0, seed), setting).unwrap()
    }

    fn of(curve: Curve) -> usize {
        CURVES.iter().position(|own| *own == curve).unwrap()
    }

    #[test]
    fn gradients_by_every_training_point_match_central_differences() {
        for seed in 0..4 {
            let (train, test) = Points::two_classes(30, 3.0, seed);
            for training in [Training::Logistic, Training::RobustLogistic] {
                let classifier = &Classifier::new(training, &train.labels, 0.1).unwrap();
                let (train, test) = (&train, &test);
                let attack = Attack { classifier, train, test, budgets: &[], radii: &[] };
                let error = gradient_error(&attack, 0.3).unwrap();
                assert!(error <= 1e-9, "seed {seed}, {training:?}: {error:e}");
            }
        }
    }

    #[test]
    fn test_loss_rises_with_the_budget_and_more_steps_do_no_worse_than_one() {
        for seed in 0..4 {
            let course = course(seed, 0.1);
            let [one, many] = [of(Curve::Sign), of(Curve::Projected)].map(|k| &course.losses[k]);
            assert!(rises(one) && rises(many), "seed {seed}: {one:?}, {many:?}");
            let pairs = one.iter().zip(many);
            assert!(pairs.clone().all(|(one, many)| many >= one), "seed {seed}: {one:?}, {many:?}");
            assert!(many[5] > 1.2 * many[0], "seed {seed}: {many:?}");
        }
    }

    #[test]
    fn moves_keep_to_the_budget_and_the_gradient_predicts_small_ones() {
        for seed in 0..4 {
            let course = course(seed, 0.1);
            let moves = course.poisoned.iter().zip(&course.train.x).map(|(to, from)| to - from);
            let largest = moves.map(f64::abs).fold(0.0, f64::max);
            assert!((largest - 1.0).abs() < 1e-12, "the budget is used, and no more: {largest}");
            let SmallStep { predicted, rise } = course.small;
            assert!((rise / predicted - 1.0).abs() < 0.02, "seed {seed}: {rise} {predicted}");
        }
    }

    /// With a weak penalty the attack does great harm, and robust trainings less than half of it,
    /// even against an attacker who knows of them.
    #[test]
    fn robust_trainings_lose_less_where_the_penalty_is_weak() {
        let rise = |course: &Course, curve: Curve| {
            let losses = &course.losses[of(curve)];
            losses[losses.len() - 1] - course.losses[0][0]
        };
        let courses: Vec<Course> = (0..4).map(|seed| course(seed, 0.001)).collect();
        let mean = |curve| courses.iter().map(|course| rise(course, curve)).sum::<f64>() / 4.0;
        let plain = mean(Curve::Projected);
        for training in [Training::RobustLogistic, Training::RobustHinge] {
            let (aware, unaware) = (mean(Curve::Aware(training)), mean(Curve::Unaware(training)));
            assert!(aware < 0.5 * plain, "{training:?}: {aware} against {plain}");
            assert!(unaware <= aware, "{training:?}: {unaware} against {aware}");
        }
    }
}
