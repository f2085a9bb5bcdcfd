//! Constraints between expressions.

use std::panic::Location;

use crate::algebra::Shape;
use crate::expression::{By, ConstraintData, Expr, Handle, Key, Model, Operand, Place, Relation};

/// A constraint: a copyable handle into a [`Model`].
#[derive(Clone, Copy, Debug)]
pub struct Constraint<'m> {
    pub(crate) model: &'m Model,
    pub(crate) id: usize,
}

impl<'m> Constraint<'m> {
    fn new(model: &'m Model, relation: Relation, shape: Shape, place: Place) -> Self {
        let mut arena = model.arena_mut();
        arena.constraints.push(ConstraintData { relation, name: None, place, shape });
        Self { model, id: arena.constraints.len() - 1 }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle { model: self.model.number(), id: self.id }
    }

    /// Gives it a name, for error messages.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.model.arena_mut().constraints[self.id].name = Some(name.into());
        self
    }

    /// Its dual as an output of a layer. For `a.leq(b)` it is at least zero, and the optimal value
    /// of a minimization falls by it per unit of b; for `a.equals(b)` likewise, with either sign.
    /// That of `a.geq(b)` is at least zero too, and the value rises by it per unit of b. For a
    /// positive semidefinite constraint it is a symmetric matrix. Duals of a maximization are those
    /// of minimizing the negative.
    pub fn dual(self) -> Output<'m> {
        Output::Dual(self)
    }

    /// Shape of its dual.
    pub fn shape(&self) -> Shape {
        self.model.arena().constraints[self.id].shape
    }
}

/// What a layer returns: an affine expression of variables, or the dual of a constraint.
#[derive(Clone, Copy, Debug)]
pub enum Output<'m> {
    /// An affine expression, most often a variable.
    Primal(Expr<'m>),
    /// The dual of a constraint.
    Dual(Constraint<'m>),
}

impl From<Constraint<'_>> for Key {
    /// The dual.
    fn from(constraint: Constraint<'_>) -> Self {
        let name = constraint.model.arena().constraints[constraint.id].name.clone();
        let text = format!("the dual of {}", name.as_deref().unwrap_or("a constraint"));
        Self { by: By::Dual(constraint.handle()), text }
    }
}

impl From<Output<'_>> for Key {
    fn from(output: Output<'_>) -> Self {
        match output {
            Output::Primal(expr) => expr.into(),
            Output::Dual(constraint) => constraint.into(),
        }
    }
}

impl<'m> From<Expr<'m>> for Output<'m> {
    fn from(expr: Expr<'m>) -> Self {
        Output::Primal(expr)
    }
}

impl<'m> Expr<'m> {
    /// `self == other`, elementwise.
    #[track_caller]
    pub fn equals(self, other: impl Operand<'m>) -> Constraint<'m> {
        let difference = other.into_expr(self.model) - self;
        Constraint::new(
            self.model,
            Relation::Equal(difference.id),
            difference.shape(),
            Location::caller(),
        )
    }

    /// `self <= other`, elementwise.
    ///
    /// Where the constant part of `other - self` (with the values of parameters) is 1e19 or more,
    /// there is no constraint: the element is left out, and its dual is zero.
    #[track_caller]
    pub fn leq(self, other: impl Operand<'m>) -> Constraint<'m> {
        let difference = other.into_expr(self.model) - self;
        let (shape, place) = (difference.shape(), Location::caller());
        Constraint::new(self.model, Relation::LessEqual(difference.id), shape, place)
    }

    /// `self >= other`, elementwise. From 1e19 on there is no constraint, as in [`Self::leq`].
    #[track_caller]
    pub fn geq(self, other: impl Operand<'m>) -> Constraint<'m> {
        let difference = self - other.into_expr(self.model);
        let (shape, place) = (difference.shape(), Location::caller());
        Constraint::new(self.model, Relation::LessEqual(difference.id), shape, place)
    }

    /// `self - other` is positive semidefinite (its symmetric part).
    #[track_caller]
    pub fn psd_geq(self, other: impl Operand<'m>) -> Constraint<'m> {
        let difference = self - other.into_expr(self.model);
        let (shape, place) = (difference.shape(), Location::caller());
        if !shape.is_square() {
            let found = format!("psd_geq: expected a square matrix, found a {shape}");
            self.model.issue(found, shape);
        }
        Constraint::new(self.model, Relation::Psd(difference.id), shape, place)
    }

    /// `other - self` is positive semidefinite (its symmetric part).
    #[track_caller]
    pub fn psd_leq(self, other: impl Operand<'m>) -> Constraint<'m> {
        other.into_expr(self.model).psd_geq(self)
    }
}

/// `|x| <= t` with the Euclidean norm of all elements of x; t concave, x affine. The dual is t's,
/// then x's.
#[track_caller]
pub fn second_order<'m>(t: Expr<'m>, x: Expr<'m>) -> Constraint<'m> {
    if t.size() != 1 {
        let found = format!("second_order: expected a scalar t, found a {}", t.shape());
        t.model.issue(found, Shape::SCALAR);
    }
    same_model(&[t, x], Location::caller());
    let relation = Relation::SecondOrder(t.id, x.id);
    Constraint::new(t.model, relation, Shape::vector(1 + x.size()), Location::caller())
}

/// `y exp(x / y) <= z, y > 0`, elementwise; x convex, y affine, z concave. The dual is 3 numbers an
/// element: of x, y, z.
#[track_caller]
pub fn exponential_cone<'m>(x: Expr<'m>, y: Expr<'m>, z: Expr<'m>) -> Constraint<'m> {
    let place = Location::caller();
    same_shapes("exponential_cone", [x, y, z], place);
    let relation = Relation::Exponential(x.id, y.id, z.id);
    Constraint::new(x.model, relation, Shape::matrix(x.size(), 3), place)
}

/// `x^alpha y^(1 - alpha) >= |z|, x, y >= 0`, elementwise, with 0 < alpha < 1; x and y concave, z
/// affine. The dual is 3 numbers an element: of x, y, z.
#[track_caller]
pub fn power_cone<'m>(x: Expr<'m>, y: Expr<'m>, z: Expr<'m>, alpha: f64) -> Constraint<'m> {
    let place = Location::caller();
    same_shapes("power_cone", [x, y, z], place);
    if !(alpha > 0.0 && alpha < 1.0) {
        let found = format!("power_cone: expected alpha between 0 and 1, found {alpha}");
        x.model.record(found, place);
    }
    let relation = Relation::Power(x.id, y.id, z.id, alpha);
    Constraint::new(x.model, relation, Shape::matrix(x.size(), 3), place)
}

/// Records it where the arguments are not all of the first one's model.
fn same_model(args: &[Expr<'_>], place: Place) {
    if args.iter().any(|arg| !std::ptr::eq(arg.model, args[0].model)) {
        args[0].model.record("an expression of another model".into(), place);
    }
}

fn same_shapes(name: &str, args: [Expr<'_>; 3], place: Place) {
    same_model(&args, place);
    let [x, y, z] = args.map(|arg| arg.shape());
    if x != y || y != z {
        let found = format!("{name}: expected three of one shape, found {x}, {y} and {z}");
        args[0].model.record(found, place);
    }
}
