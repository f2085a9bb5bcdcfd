//! A model, and the handles into it.

use std::cell::{Ref, RefCell};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Arena, Form, Handle, Id, Leaf, Node, Op, Place, render};
use crate::algebra::{Bilinear, LinearMap, Shape};
use crate::atom::Atom;
use crate::error::Issue;

/// Owns the expressions, variables and parameters of one or more problems.
///
/// An [`Expr`] is a copyable handle into it. What is wrong with an expression (shapes that do not
/// fit, an index out of range) is recorded here with the place where it was written, and reported,
/// all together, when a problem is compiled.
pub struct Model {
    arena: RefCell<Arena>,
    /// Tells it from all other models of this process, those that are gone included.
    number: u64,
}

impl Default for Model {
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self { arena: RefCell::default(), number: MADE.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Model {
    /// An empty model.
    pub fn new() -> Self {
        Self::default()
    }

    /// A variable of shape `()`, `n` or `(m, n)`.
    #[track_caller]
    pub fn variable(&self, shape: impl Into<Shape>) -> Expr<'_> {
        let index = self.arena().variables.len();
        let id = self.push(Op::Variable(index), shape.into(), Location::caller());
        let leaf = Leaf::new(id, Location::caller());
        self.arena.borrow_mut().variables.push(leaf);
        Expr::new(self, id)
    }

    /// A parameter of shape `()`, `n` or `(m, n)`.
    #[track_caller]
    pub fn parameter(&self, shape: impl Into<Shape>) -> Expr<'_> {
        let index = self.arena().parameters.len();
        let id = self.push(Op::Parameter(index), shape.into(), Location::caller());
        let leaf = Leaf::new(id, Location::caller());
        self.arena.borrow_mut().parameters.push(leaf);
        Expr::new(self, id)
    }

    /// A matrix with these (row, column, value) entries and zeros elsewhere, times `x` (a vector of
    /// `cols` entries): for sparse matrices, which a dense constant would waste memory on.
    #[track_caller]
    pub fn sparse_matmul<'m>(
        &'m self,
        (rows, cols): (usize, usize),
        entries: &[(usize, usize, f64)],
        x: Expr<'m>,
    ) -> Expr<'m> {
        if x.shape() != Shape::vector(cols) {
            return self.issue(
                format!("sparse_matmul: expected a vector of {cols}, found a {}", x.shape()),
                Shape::vector(rows),
            );
        }
        if let Some((i, j, _)) = entries.iter().find(|(i, j, _)| *i >= rows || *j >= cols) {
            return self.issue(
                format!("sparse_matmul: entry ({i}, {j}) outside of {rows} x {cols}"),
                Shape::vector(rows),
            );
        }
        let map = LinearMap::from_triplets(rows, cols, entries);
        self.linear(Form::Call("sparse_matmul"), map, &[x], Shape::vector(rows))
    }

    /// Any affine operation without a constant term: `map` of the elements of all arguments, one
    /// argument after the other and each row-major, gives the elements of a result of this shape.
    /// For front ends of other languages, whose operations are not all here by name.
    ///
    /// ```
    /// use argrad::atom::LinearMap;
    /// use argrad::prelude::*;
    ///
    /// let model = Model::new();
    /// let (x, y) = (model.constant([1.0, 2.0]), model.constant([3.0, 4.0]));
    /// let mut crossed = LinearMap::new(4);
    /// crossed.push_row([(0, 1.0), (3, -1.0)]); // x_1 - y_2
    /// crossed.push_row([(2, 2.0)]); // 2 y_1
    /// assert_eq!(model.linear_map(crossed, &[x, y], 2).value(), Some(vec![-3.0, 6.0]));
    /// ```
    #[track_caller]
    pub fn linear_map<'m>(
        &'m self,
        map: LinearMap,
        args: &[Expr<'m>],
        shape: impl Into<Shape>,
    ) -> Expr<'m> {
        let shape = shape.into();
        let inputs: usize = args.iter().map(Expr::size).sum();
        let found = if let Some((row, column)) = map.outside() {
            format!("linear_map: the entry ({row}, {column}) names no row or no input")
        } else if map.inputs() != inputs {
            format!("linear_map: expected a map of {inputs} numbers, found one of {}", map.inputs())
        } else if map.rows() != shape.size() {
            format!(
                "linear_map: expected {} rows for a {shape}, found {}",
                shape.size(),
                map.rows()
            )
        } else {
            return self.linear(Form::Call("linear_map"), map, args, shape);
        };
        self.issue(found, shape)
    }

    /// An atom applied to arguments.
    #[track_caller]
    pub fn atom<'m>(&'m self, atom: impl Atom, args: &[Expr<'m>]) -> Expr<'m> {
        self.atom_of(Arc::new(atom), args)
    }

    #[track_caller]
    pub(crate) fn atom_of<'m>(&'m self, atom: Arc<dyn Atom>, args: &[Expr<'m>]) -> Expr<'m> {
        let shapes: Vec<Shape> = args.iter().map(Expr::shape).collect();
        match atom.shape(&shapes) {
            Ok(shape) => {
                let args = self.own(args);
                let id = self.push(Op::Atom { atom, args }, shape, Location::caller());
                Expr::new(self, id)
            }
            Err(message) => {
                let of: Vec<String> = shapes.iter().map(Shape::to_string).collect();
                let text = format!("{}: {message}, found {}", atom.name(), of.join(" and "));
                self.issue(text, shapes.first().copied().unwrap_or(Shape::SCALAR))
            }
        }
    }

    #[track_caller]
    pub(crate) fn linear<'m>(
        &'m self,
        form: Form,
        map: LinearMap,
        args: &[Expr<'m>],
        shape: Shape,
    ) -> Expr<'m> {
        debug_assert_eq!(map.rows(), shape.size());
        let args = self.own(args);
        let op = Op::Linear { form, map: Arc::new(map), args };
        Expr::new(self, self.push(op, shape, Location::caller()))
    }

    #[track_caller]
    pub(crate) fn product<'m>(
        &'m self,
        kind: Bilinear,
        a: Expr<'m>,
        b: Expr<'m>,
        shape: Shape,
    ) -> Expr<'m> {
        let args = self.own(&[a, b]);
        let op = Op::Product { kind, a: args[0], b: args[1] };
        Expr::new(self, self.push(op, shape, Location::caller()))
    }

    #[track_caller]
    pub(crate) fn constant_of(&self, values: Vec<f64>, shape: Shape) -> Expr<'_> {
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
            return self.issue(format!("a constant has the entry {bad}, expected finite"), shape);
        }
        Expr::new(self, self.push(Op::Constant(values.into()), shape, Location::caller()))
    }

    /// Records what is wrong and returns a poisoned expression, so that writing can go on. It has
    /// the shape that was asked for, unless that is too large for anything to be made of it.
    #[track_caller]
    pub(crate) fn issue(&self, message: String, shape: Shape) -> Expr<'_> {
        const LARGEST: usize = 1 << 24;
        let shape = if shape.size() <= LARGEST { shape } else { Shape::SCALAR };
        self.record(message, Location::caller());
        Expr::new(self, self.push(Op::Poison, shape, Location::caller()))
    }

    /// An expression of nothing, where there is no model to record what is wrong.
    #[track_caller]
    pub(crate) fn orphan<'m>(message: String) -> Expr<'m> {
        // Lives as long as any expression may; only a mistake gets here.
        let model: &'static Model = Box::leak(Box::default());
        model.issue(message, Shape::SCALAR)
    }

    pub(crate) fn record(&self, message: String, place: Place) {
        self.arena.borrow_mut().issues.push(Issue::new(message, place));
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn arena(&self) -> Ref<'_, Arena> {
        self.arena.borrow()
    }

    pub(crate) fn arena_mut(&self) -> std::cell::RefMut<'_, Arena> {
        self.arena.borrow_mut()
    }

    /// Ids of arguments, each of them checked to be of this model.
    #[track_caller]
    fn own(&self, args: &[Expr<'_>]) -> Vec<Id> {
        let place = Location::caller();
        args.iter()
            .map(|arg| {
                if std::ptr::eq(arg.model, self) {
                    return arg.id;
                }
                let foreign = arg.model.arena().issues.clone();
                self.arena.borrow_mut().issues.extend(foreign);
                self.record("an expression of another model".into(), place);
                self.push(Op::Poison, arg.shape(), place)
            })
            .collect()
    }

    /// Adds a node, whose arguments must be of this model.
    pub(crate) fn push(&self, op: Op, shape: Shape, place: Place) -> Id {
        let mut arena = self.arena.borrow_mut();
        let (mut has_variables, mut has_parameters, mut poisoned) = match op {
            Op::Variable(_) => (true, false, false),
            Op::Parameter(_) => (false, true, false),
            Op::Poison => (false, false, true),
            _ => (false, false, false),
        };
        for arg in op.args() {
            let arg = &arena.nodes[arg];
            has_variables |= arg.has_variables;
            has_parameters |= arg.has_parameters;
            poisoned |= arg.poisoned;
        }
        arena.nodes.push(Node { op, shape, has_variables, has_parameters, poisoned, place });
        arena.nodes.len() - 1
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let arena = self.arena();
        f.debug_struct("Model")
            .field("expressions", &arena.nodes.len())
            .field("variables", &arena.variables.len())
            .field("parameters", &arena.parameters.len())
            .field("issues", &arena.issues)
            .finish()
    }
}

/// An expression: a copyable handle into a [`Model`].
///
/// `*` is elementwise and broadcasts, as in NumPy; the matrix product is [`Self::matmul`] (or
/// [`matmul`](crate::atoms::matmul) where the left side is an array), the inner product
/// [`Self::dot`].
#[derive(Clone, Copy)]
pub struct Expr<'m> {
    pub(crate) model: &'m Model,
    pub(crate) id: Id,
}

impl<'m> Expr<'m> {
    pub(crate) fn new(model: &'m Model, id: Id) -> Self {
        Self { model, id }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle { model: self.model.number, id: self.id }
    }

    pub(crate) fn op(&self) -> Op {
        self.model.arena().nodes[self.id].op.clone()
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.model.arena().nodes[self.id].shape
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape().size()
    }

    /// Whether a variable occurs in it.
    pub fn has_variables(&self) -> bool {
        self.model.arena().nodes[self.id].has_variables
    }

    /// Whether a parameter occurs in it.
    pub fn has_parameters(&self) -> bool {
        self.model.arena().nodes[self.id].has_parameters
    }

    /// Where it was written.
    pub fn location(&self) -> &'static Location<'static> {
        self.model.arena().nodes[self.id].place
    }
}

impl std::fmt::Display for Expr<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&render(&self.model.arena(), self.id))
    }
}

impl std::fmt::Debug for Expr<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expr({self}: {})", self.shape())
    }
}
