//! The interface between an atom and everything else.

use std::any::Any;
use std::fmt::Debug;

use super::{Affine, Curvature, Graph, Info, LogLog, Monotonicity, Sign};
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
