//! Perspectives.

use std::sync::Arc;

use crate::algebra::Shape;
use crate::atom::{Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign};
use crate::expression::{Expr, Op, Operand};

/// `s f(x / s)` of an atom f.
#[derive(Clone, Debug)]
pub(super) struct Perspective {
    name: String,
    atom: Arc<dyn Atom>,
    /// Arguments of the atom that hold no variables; they are not divided by s.
    fixed: Vec<bool>,
}

/// What the name of a perspective starts with.
pub(super) const PREFIX: &str = "perspective_";

/// The perspective `s f(x / s)` of an expression f of the variables x, s > 0 a scalar. It is convex
/// or concave where f is.
///
/// Cone form: that of f, with every constant of it times s. Affine operations are taken apart, so f
/// may be any expression that DCP accepts; a constant c becomes `c s`.
///
/// ```
/// use argrad::atoms::perspective;
/// use argrad::prelude::*;
///
/// let model = Model::new();
/// let (x, s) = (model.variable(2), model.variable(()));
/// let f = perspective(sum_squares(x), s); // |x|^2 / s
/// let fixed = [x.equals([1.0, 3.0]), s.equals(2.0)];
/// let answer = Problem::minimize(f).subject_to(fixed).solve(&[])?;
/// assert!((answer.value - 5.0).abs() < 1e-8 && (answer.get(f)?[0] - 5.0).abs() < 1e-8);
/// # Ok::<(), ModelError>(())
/// ```
#[track_caller]
pub fn perspective<'m>(f: Expr<'m>, s: impl Operand<'m>) -> Expr<'m> {
    let s = s.into_expr(f.model);
    if s.size() != 1 {
        let found = format!("perspective: expected a scalar s, found a {}", s.shape());
        return f.model.issue(found, f.shape());
    }
    of_expression(f, s.reshape(()))
}

#[track_caller]
fn of_expression<'m>(f: Expr<'m>, s: Expr<'m>) -> Expr<'m> {
    if !f.has_variables() {
        return f * s;
    }
    let model = f.model;
    let of = |id: &usize| of_expression(Expr::new(model, *id), s);
    match f.op() {
        Op::Linear { form, map, args } => {
            let args: Vec<Expr<'m>> = args.iter().map(of).collect();
            model.linear(form, (*map).clone(), &args, f.shape())
        }
        Op::Product { kind, a, b } => {
            let [left, right] = [a, b].map(|id| Expr::new(model, id));
            if left.has_variables() {
                model.product(kind, of(&a), right, f.shape())
            } else {
                model.product(kind, left, of(&b), f.shape())
            }
        }
        Op::Atom { atom, args } => {
            let held = |id: &usize| !Expr::new(model, *id).has_variables();
            let fixed: Vec<bool> = args.iter().map(held).collect();
            let mut all: Vec<Expr<'m>> = args
                .iter()
                .map(|id| if held(id) { Expr::new(model, *id) } else { of(id) })
                .collect();
            all.push(s);
            model.atom(Perspective::new(atom, fixed), &all)
        }
        Op::Variable(_) | Op::Parameter(_) | Op::Constant(_) | Op::Poison => f,
    }
}

impl Perspective {
    fn new(atom: Arc<dyn Atom>, fixed: Vec<bool>) -> Self {
        Self { name: format!("{PREFIX}{}", atom.name()), atom, fixed }
    }

    /// From [`Atom::data`] and a function that makes the atom from its own numbers.
    pub(super) fn restore(
        data: &[f64],
        inner: impl FnOnce(&[f64]) -> Option<Arc<dyn Atom>>,
    ) -> Option<Self> {
        let (count, rest) = data.split_first()?;
        let (fixed, data) = rest.split_at_checked(*count as usize)?;
        let fixed = fixed.iter().map(|v| *v != 0.0).collect();
        Some(Self::new(inner(data)?, fixed))
    }

    /// The arguments of the atom, divided.
    fn divided(&self, args: &[Argument<'_>]) -> Vec<Vec<f64>> {
        let s = args[self.fixed.len()].values[0];
        let of = |(arg, fixed): (&Argument<'_>, &bool)| {
            arg.values.iter().map(|v| if *fixed { *v } else { v / s }).collect()
        };
        args.iter().zip(&self.fixed).map(of).collect()
    }

    /// Calls the atom at the divided arguments.
    fn at<R>(&self, args: &[Argument<'_>], call: impl FnOnce(&[Argument<'_>]) -> R) -> R {
        let divided = self.divided(args);
        let of: Vec<Argument<'_>> = args
            .iter()
            .zip(&divided)
            .map(|(arg, values)| Argument { shape: arg.shape, values })
            .collect();
        call(&of)
    }
}

impl Atom for Perspective {
    fn name(&self) -> &str {
        &self.name
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args.split_last() {
            Some((s, args)) if s.size() == 1 && args.len() == self.fixed.len() => {
                self.atom.shape(args)
            }
            _ => Err("expected the arguments of the atom and a scalar".into()),
        }
    }
    fn sign(&self, args: &[Info]) -> Sign {
        self.atom.sign(&args[..self.fixed.len()])
    }
    fn curvature(&self, args: &[Info]) -> Curvature {
        self.atom.curvature(&args[..self.fixed.len()])
    }
    fn monotonicity(&self, arg: usize, args: &[Info]) -> Monotonicity {
        let inner = self.fixed.len();
        if arg < inner { self.atom.monotonicity(arg, &args[..inner]) } else { Monotonicity::None }
    }
    fn domain(&self) -> &str {
        "s > 0, and x / s in the domain of the function"
    }
    fn needs_psd(&self, arg: usize) -> bool {
        arg < self.fixed.len() && self.atom.needs_psd(arg)
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let s = args[self.fixed.len()].values[0];
        self.at(args, |of| self.atom.value(of, out));
        out.iter_mut().for_each(|v| *v = if s > 0.0 { *v * s } else { f64::NAN });
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let inner = self.fixed.len();
        let s = args[inner].values[0];
        let mut value = vec![0.0; cotangent.len()];
        let mut of: Vec<Vec<f64>> =
            args[..inner].iter().map(|a| vec![0.0; a.values.len()]).collect();
        self.at(args, |divided| {
            self.atom.value(divided, &mut value);
            self.atom.vjp(divided, cotangent, &mut of);
        });
        let mut by_s: f64 = value.iter().zip(cotangent).map(|(v, c)| v * c).sum();
        for (k, gradient) in of.iter().enumerate() {
            let factor = if self.fixed[k] { s } else { 1.0 };
            gradients[k].iter_mut().zip(gradient).for_each(|(out, g)| *out += factor * g);
            if !self.fixed[k] {
                by_s -= gradient.iter().zip(args[k].values).map(|(g, x)| g * x / s).sum::<f64>();
            }
        }
        gradients[inner][0] += by_s;
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        let (inner, s) = args.split_at(self.fixed.len());
        graph.perspective(&*self.atom, inner, &s[0])
    }
    fn data(&self) -> Vec<f64> {
        let mut data = vec![self.fixed.len() as f64];
        data.extend(self.fixed.iter().map(|fixed| f64::from(u8::from(*fixed))));
        data.extend(self.atom.data());
        data
    }
}
