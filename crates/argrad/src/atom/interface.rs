//! The interface between an atom and everything else.

use std::any::Any;
use std::fmt::Debug;

use super::{
    Affine, Curvature, Graph, Info, LevelSet, LogLog, Monotonicity, Side, Sign, derivative,
};
use crate::algebra::Shape;

/// An argument's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Argument<'a> {
    /// Shape.
    pub shape: Shape,
    /// Elements, row-major.
    pub values: &'a [f64],
}

/// A convex or concave function: what the DCP rules need, its value and gradient, and its graph as
/// rows of cones.
///
/// An atom of your own implements this trait and enters a model by [`crate::model::Model::atom`]:
///
/// ```
/// use argrad::atom::{Affine, Argument, Atom, Graph, Info, Monotonicity};
/// use argrad::prelude::*;
///
/// /// The largest element of two vectors side by side.
/// #[derive(Debug)]
/// struct LargestOfTwo;
///
/// impl Atom for LargestOfTwo {
///     fn name(&self) -> &str {
///         "largest_of_two"
///     }
///     fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
///         if args.len() == 2 { Ok(().into()) } else { Err("expected two arguments".into()) }
///     }
///     fn sign(&self, _: &[Info]) -> Sign {
///         Sign::Unknown
///     }
///     fn curvature(&self, _: &[Info]) -> Curvature {
///         Curvature::Convex
///     }
///     fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
///         Monotonicity::Increasing
///     }
///     fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
///         out[0] = args.iter().flat_map(|a| a.values).fold(f64::NEG_INFINITY, |m, v| m.max(*v));
///     }
///     fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
///         let mut top = [0.0];
///         self.value(args, &mut top);
///         for (arg, gradient) in args.iter().zip(gradients) {
///             if let Some(at) = arg.values.iter().position(|v| *v == top[0]) {
///                 gradient[at] += cotangent[0];
///                 return;
///             }
///         }
///     }
///     fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
///         let top = graph.variable(());
///         for arg in args {
///             let above = graph.sub(&graph.broadcast(&top, arg.shape()), arg);
///             graph.nonneg(above);
///         }
///         top
///     }
/// }
///
/// let model = Model::new();
/// let x = model.variable(2);
/// let top = model.atom(LargestOfTwo, &[x, model.constant([1.0, 3.0])]);
/// let problem = Problem::minimize(top).subject_to([x.equals([2.0, 5.0])]);
/// assert!((problem.solve(&[])?.value - 5.0).abs() < 1e-8);
/// # Ok::<(), argrad::model::ModelError>(())
/// ```
pub trait Atom: Any + Debug + Send + Sync {
    /// Name as it is written, `norm2` for example. With [`Self::data`] it identifies the atom in
    /// files, and only there: what an atom means follows from the methods below.
    fn name(&self) -> &str;

    /// Shape of the result.
    ///
    /// # Errors
    /// A sentence that says what was expected, where the arguments do not fit.
    fn shape(&self, args: &[Shape]) -> Result<Shape, String>;

    /// Sign of the result.
    fn sign(&self, args: &[Info]) -> Sign;

    /// Curvature of the atom as a function of its arguments.
    fn curvature(&self, args: &[Info]) -> Curvature;

    /// Monotonicity in an argument, given what is known about all of them.
    fn monotonicity(&self, arg: usize, args: &[Info]) -> Monotonicity;

    /// Where the atom is defined, as a reader would write it: `x > 0`. Empty for everywhere.
    fn domain(&self) -> &str {
        ""
    }

    /// Whether the result is a positive semidefinite matrix.
    fn is_psd(&self, _args: &[Info]) -> bool {
        false
    }

    /// The value, into `out`.
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]);

    /// Adds the gradient of `cotangent . value` with respect to each argument.
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]);

    /// The graph: new variables and cone rows in `graph`, and the result as an affine expression of
    /// them. Minimizing (of a convex atom; of a concave one, maximizing) the result must give the
    /// atom.
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine;

    /// Whether [`Self::quadratic`] can state the atom in the objective without a cone.
    fn is_quadratic(&self, _args: &[Info]) -> bool {
        false
    }

    /// Adds `sum_j weights_j value_j` to the objective as a quadratic form; `weights` are free of
    /// variables and nonnegative.
    fn quadratic(&self, graph: &mut Graph<'_>, _args: &[Affine], _weights: &Affine) {
        graph.fault(format!("{} is quadratic, but does not say how", self.name()));
    }

    /// Whether [`Info::psd`] of an argument is asked for; it is not looked into otherwise.
    fn needs_psd(&self, _arg: usize) -> bool {
        false
    }

    /// Its logarithm as a function of the logarithms of its arguments, where geometric programs may
    /// hold the atom ([`crate::gp`]). None where it has no log-log curvature.
    fn log_log(&self, _args: &[Shape]) -> Option<LogLog> {
        None
    }

    /// Its level set on one side, where quasiconvex problems may hold the atom
    /// ([`crate::quasiconvex`]) though it is not convex (below) or concave (above). None where
    /// nothing is known of it.
    fn level_set(&self, _side: Side, _args: &[Info]) -> Option<LevelSet> {
        None
    }

    /// Whether the atom is `1 / x`, so that a product with it is a quotient.
    fn is_reciprocal(&self) -> bool {
        false
    }

    /// Whether each element of the result is a function of the elements in the same place of the
    /// arguments, which have its shape. Derivatives with respect to variables are then stored by
    /// their diagonals ([`crate::convex_concave`]).
    fn is_elementwise(&self) -> bool {
        false
    }

    /// Adds the derivative of [`Self::vjp`] at `args` along `direction` (one slice for each
    /// argument), which is a product with second derivatives. Where an atom does not say better,
    /// by differences of its gradient, right to about 12 digits.
    fn vjp_tangent(
        &self,
        args: &[Argument<'_>],
        direction: &[&[f64]],
        cotangent: &[f64],
        gradients: &mut [Vec<f64>],
    ) {
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0f64, f64::max);
        let long = largest(&mut direction.iter().flat_map(|d| d.iter().map(|v| v.abs())));
        if long == 0.0 {
            return;
        }
        let size = largest(&mut args.iter().flat_map(|arg| arg.values.iter().map(|v| v.abs())));
        let scale = if size > 0.0 { size / long } else { 1.0 / long };
        let gradient = |h: f64| {
            let moved = |(arg, d): (&Argument<'_>, &&[f64])| -> Vec<f64> {
                arg.values.iter().zip(*d).map(|(v, d)| v + h * d).collect()
            };
            let moved: Vec<Vec<f64>> = args.iter().zip(direction).map(moved).collect();
            let at: Vec<Argument<'_>> = args
                .iter()
                .zip(&moved)
                .map(|(arg, values)| Argument { shape: arg.shape, values })
                .collect();
            let mut out: Vec<Vec<f64>> = moved.iter().map(|v| vec![0.0; v.len()]).collect();
            self.vjp(&at, cotangent, &mut out);
            out.concat()
        };
        let found = derivative(gradient, scale);
        for (out, found) in gradients.iter_mut().flatten().zip(found) {
            *out += found;
        }
    }

    /// What to write instead, where the rules of DCP do not accept the atom of such arguments.
    /// Empty where there is nothing in particular.
    fn advice(&self, _args: &[Info]) -> &str {
        ""
    }

    /// The numbers that an atom has of its own (an exponent, a count), with which
    /// [`crate::atoms::register`] can make it again when a layer is read from a file.
    fn data(&self) -> Vec<f64> {
        Vec::new()
    }
}
