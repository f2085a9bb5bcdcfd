//! An objective and constraints.

use argrad_solver::Settings;

use crate::atom::Curvature;
use crate::constraint::Constraint;
use crate::dcp::{Analysis, culprits, tree};
use crate::error::{Issue, ModelError};
use crate::expression::{Arena, Expr, Id, Model, Op, Relation, reachable, render};

/// A convex problem: minimize or maximize an expression subject to constraints.
///
/// Numbers from 1e19 on are infinite where they bound something: see [`Expr::leq`].
#[derive(Clone, Debug)]
pub struct Problem<'m> {
    pub(crate) model: &'m Model,
    pub(crate) maximize: bool,
    pub(crate) objective: Expr<'m>,
    pub(crate) constraints: Vec<Constraint<'m>>,
    settings: Settings,
}

impl<'m> Problem<'m> {
    /// Minimizes a scalar expression.
    pub fn minimize(objective: Expr<'m>) -> Self {
        Self::new(objective, false)
    }

    /// Maximizes a scalar expression.
    pub fn maximize(objective: Expr<'m>) -> Self {
        Self::new(objective, true)
    }

    fn new(objective: Expr<'m>, maximize: bool) -> Self {
        let (model, settings) = (objective.model, convex_by_rule());
        Self { model, maximize, objective, constraints: Vec::new(), settings }
    }

    /// Adds constraints.
    pub fn subject_to(mut self, constraints: impl IntoIterator<Item = Constraint<'m>>) -> Self {
        self.constraints.extend(constraints);
        self
    }

    /// Settings of the solver. By default they are those of [`Settings::default`] but for
    /// `check_convexity`, which is off: the rules and the checks of the parameters' values see to
    /// it.
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Settings of the solver.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The variables that occur in it, in the order in which they were created.
    pub fn variables(&self) -> Vec<Expr<'m>> {
        self.leaves(|op| matches!(op, Op::Variable(_)))
    }

    /// The parameters that occur in it, in the order in which they were created.
    pub fn parameters(&self) -> Vec<Expr<'m>> {
        self.leaves(|op| matches!(op, Op::Parameter(_)))
    }

    fn leaves(&self, wanted: impl Fn(&Op) -> bool) -> Vec<Expr<'m>> {
        let arena = self.model.arena();
        let mut roots = vec![self.objective.id];
        for constraint in &self.constraints {
            if std::ptr::eq(constraint.model, self.model) {
                roots.extend(arena.constraints[constraint.id].relation.args());
            }
        }
        let mut leaves: Vec<Id> = reachable(&arena, &roots)
            .into_iter()
            .filter(|id| wanted(&arena.nodes[*id].op))
            .collect();
        leaves.sort_unstable();
        leaves.into_iter().map(|id| Expr::new(self.model, id)).collect()
    }

    /// Whether the problem follows the rules of disciplined convex programming, parameters held
    /// fixed.
    pub fn is_dcp(&self) -> bool {
        self.check().is_ok()
    }

    /// The objective and the constraints as trees with the curvature and sign of each
    /// subexpression; where a rule is broken, the reason and what to write instead.
    pub fn explain(&self) -> String {
        let arena = self.model.arena();
        let analysis = Analysis::new(&arena);
        let verb = if self.maximize { "maximize" } else { "minimize" };
        let mut text = format!("{verb}\n{}", tree(&arena, &analysis, self.objective.id));
        for constraint in &self.constraints {
            let data = &arena.constraints[constraint.id];
            let name = data.name.as_deref().unwrap_or("constraint");
            text += &format!("\n{name}: {}", data.relation.says());
            for arg in data.relation.args() {
                text += &format!("\n{}", tree(&arena, &analysis, arg));
            }
        }
        text
    }

    /// Checks shapes and curvature.
    ///
    /// # Errors
    /// [`ModelError::Invalid`] with everything that is wrong with the model's expressions,
    /// [`ModelError::NotDcp`] with the subexpressions that break the rules.
    pub fn check(&self) -> Result<(), ModelError> {
        self.analyse().map(|_| ())
    }

    /// [`Self::check`], with what was found out.
    pub(crate) fn analyse(&self) -> Result<Analysis, ModelError> {
        self.well_formed()?;
        let arena = self.model.arena();
        let analysis = Analysis::new(&arena);
        let issues = self.curvature_issues(&arena, &analysis);
        if issues.is_empty() { Ok(analysis) } else { Err(ModelError::NotDcp(issues)) }
    }

    /// Whether expressions are well formed and of one model, and the objective is a scalar.
    pub(crate) fn well_formed(&self) -> Result<(), ModelError> {
        let arena = self.model.arena();
        if !arena.issues.is_empty() {
            return Err(ModelError::Invalid(arena.issues.clone()));
        }
        let mut invalid = Vec::new();
        let node = &arena.nodes[self.objective.id];
        if node.shape.size() != 1 {
            let text =
                format!("the objective {} is a {}, expected a scalar", self.objective, node.shape);
            invalid.push(Issue::new(text, node.place));
        }
        for constraint in &self.constraints {
            if !std::ptr::eq(constraint.model, self.model) {
                let place = constraint.model.arena().constraints[constraint.id].place;
                invalid.push(Issue::new("a constraint of another model".into(), place));
            }
        }
        if invalid.is_empty() { Ok(()) } else { Err(ModelError::Invalid(invalid)) }
    }

    /// What breaks the rules of disciplined convex programming.
    fn curvature_issues(&self, arena: &Arena, analysis: &Analysis) -> Vec<Issue> {
        let node = &arena.nodes[self.objective.id];
        let mut issues = Vec::new();
        let mut require = |id: Id, convex: bool, concave: bool, place, what: &str| {
            let curvature = analysis.info(id).curvature;
            if (!convex || curvature.is_convex()) && (!concave || curvature.is_concave()) {
                return;
            }
            if curvature == Curvature::Unknown {
                issues.extend(culprits(arena, analysis, id));
            } else {
                let text = render(arena, id);
                issues.push(Issue::new(format!("{what}: {text} is {curvature}"), place));
            }
        };
        require(
            self.objective.id,
            !self.maximize,
            self.maximize,
            node.place,
            if self.maximize {
                "what is maximized must be concave"
            } else {
                "what is minimized must be convex"
            },
        );
        for constraint in &self.constraints {
            let data = &arena.constraints[constraint.id];
            for (at, arg) in data.relation.args().into_iter().enumerate() {
                let (convex, concave, what) = match (&data.relation, at) {
                    (Relation::LessEqual(_), _) => {
                        (false, true, "in a.leq(b), b - a must be concave")
                    }
                    (Relation::SecondOrder(..), 0) => (false, true, "t of a cone must be concave"),
                    (Relation::Exponential(..), 0) => (true, false, "x of a cone must be convex"),
                    (Relation::Exponential(..), 2) => (false, true, "z of a cone must be concave"),
                    (Relation::Power(..), 0 | 1) => {
                        (false, true, "x and y of a cone must be concave")
                    }
                    (Relation::Equal(_), _) => {
                        (true, true, "both sides of an equality must be affine")
                    }
                    _ => (true, true, "arguments of a cone must be affine"),
                };
                require(arg, convex, concave, data.place, what);
            }
        }
        issues
    }
}

/// Settings where P is positive semidefinite by the rules of DCP.
pub(crate) fn convex_by_rule() -> Settings {
    Settings { check_convexity: false, ..Settings::default() }
}
