//! Atoms of the user: what they mean does not follow from their names, and what does not fit is
//! refused.

use std::fmt::{Debug, Formatter};
use std::sync::Mutex;

use argrad::atom::{
    Affine, Argument, Atom, Bilinear, Graph, Info, LinearMap, LogLog, Monotonicity,
};
use argrad::atoms::register;
use argrad::model::{Curvature, Model, ModelError, Problem, Shape, Sign};

type MakeGraph = fn(&mut Graph<'_>, &Affine) -> Affine;

/// A function of one argument, elementwise, as a user might write it.
#[derive(Clone)]
struct Own {
    name: &'static str,
    curvature: Curvature,
    power: Option<f64>,
    quadratic: bool,
    graph: MakeGraph,
}

impl Own {
    /// `x + 1`.
    fn next(name: &'static str) -> Self {
        let (curvature, power) = (Curvature::Affine, None);
        let graph: MakeGraph = |graph, x| graph.add(x, &graph.filled(1.0, x.shape()));
        Self { name, curvature, power, quadratic: false, graph }
    }

    fn convex(graph: MakeGraph) -> Self {
        Self { curvature: Curvature::Convex, graph, ..Self::next("own") }
    }
}

impl Debug for Own {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Own({})", self.name)
    }
}

impl Atom for Own {
    fn name(&self) -> &str {
        self.name
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        Ok(args[0])
    }
    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Unknown
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        self.curvature
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Increasing
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out.iter_mut().zip(args[0].values).for_each(|(out, v)| *out = v + 1.0);
    }
    fn vjp(&self, _: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        gradients[0].iter_mut().zip(cotangent).for_each(|(g, c)| *g += c);
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        (self.graph)(graph, &args[0])
    }
    fn is_quadratic(&self, _: &[Info]) -> bool {
        self.quadratic
    }
    fn log_log(&self, args: &[Shape]) -> Option<LogLog> {
        self.power.map(|power| LogLog::power(args[0].size(), power))
    }
}

#[test]
fn an_atom_that_bears_the_name_of_another_does_not_get_its_logarithm() {
    let model = Model::new();
    let x = model.variable(());
    for name in ["square", "recip", "sqrt", "exp", "maximum"] {
        let problem = Problem::minimize(model.atom(Own::next(name), &[x])).subject_to([x.geq(2.0)]);
        let error = problem.check_gp().unwrap_err().to_string();
        assert!(error.contains("has no log-log curvature here"), "{name}: {error}");
    }
}

#[test]
fn an_atom_says_what_its_logarithm_is() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(()), model.variable(()));
    let cube = Own { power: Some(3.0), ..Own::next("cube") };
    // Least x^3 / y with x y >= 8, y <= 2: x = 4.
    let problem =
        Problem::minimize(model.atom(cube, &[x]) / y).subject_to([(x * y).geq(8.0), y.leq(2.0)]);
    let answer = problem.solve_gp(&[])?;
    assert!((answer.value - 32.0).abs() < 1e-6, "{}", answer.value);
    Ok(())
}

#[test]
fn a_logarithm_of_the_wrong_size_is_refused() {
    #[derive(Debug)]
    struct Odd;
    impl Atom for Odd {
        fn name(&self) -> &str {
            "odd"
        }
        fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
            Ok(args[0])
        }
        fn sign(&self, _: &[Info]) -> Sign {
            Sign::Nonneg
        }
        fn curvature(&self, _: &[Info]) -> Curvature {
            Curvature::Unknown
        }
        fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
            Monotonicity::None
        }
        fn value(&self, _: &[Argument<'_>], _: &mut [f64]) {}
        fn vjp(&self, _: &[Argument<'_>], _: &[f64], _: &mut [Vec<f64>]) {}
        fn graph(&self, _: &mut Graph<'_>, args: &[Affine]) -> Affine {
            args[0].clone()
        }
        fn log_log(&self, _: &[Shape]) -> Option<LogLog> {
            Some(LogLog::power(7, 1.0))
        }
    }
    let model = Model::new();
    let x = model.variable(2);
    let problem = Problem::minimize(model.atom(Odd, &[x]).sum()).subject_to([x.geq(1.0)]);
    let error = problem.check_gp().unwrap_err().to_string();
    assert!(error.contains("odd(var0): its logarithm is not one of its arguments"), "{error}");
}

#[test]
fn names_that_are_taken_are_not_registered() {
    fn make(_: &[f64]) -> std::sync::Arc<dyn Atom> {
        std::sync::Arc::new(Own::next("once"))
    }
    for name in ["square", "log_sum_exp_rows", "perspective_square"] {
        assert_eq!(register(name, make), Err(ModelError::NameTaken(name.into())));
    }
    assert_eq!(register("once", make), Ok(()));
    assert_eq!(register("once", make), Err(ModelError::NameTaken("once".into())));
}

#[test]
fn a_layer_whose_file_would_mean_something_else_is_not_written() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(()), model.parameter(()));
    let layer_with = |name| {
        let shifted = model.atom(Own::next(name), &[p]);
        Problem::minimize(argrad::atoms::square(x - shifted)).compile([p], [x])
    };
    let error = serde_json::to_string(&layer_with("square")?).unwrap_err().to_string();
    assert!(error.contains("Own(square) would be read as Square"), "{error}");
    assert!(serde_json::to_string(&layer_with("shift")?).is_ok());
    Ok(())
}

#[test]
fn advice_does_not_follow_from_a_name() {
    let model = Model::new();
    let x = model.variable(()).named("x");
    let own = Own { curvature: Curvature::Unknown, ..Own::next("recip") };
    let error = Problem::minimize(model.atom(own, &[x])).check().unwrap_err().to_string();
    assert!(error.contains("recip has no curvature here") && !error.contains("inv_pos"), "{error}");
    let error = Problem::minimize(1.0 / x).check().unwrap_err().to_string();
    assert!(error.contains("inv_pos(x)"), "{error}");
}

/// Graphs whose sizes do not fit, with a word of what is said about each.
const WRONG: [(&str, MakeGraph); 21] = [
    ("expected a vector of 2", |graph, _| graph.variable(3)),
    ("reshape", |_, x| x.clone().reshape(5)),
    ("constant", |graph, x| graph.sub(x, &graph.constant(&[1.0], x.shape()))),
    ("pick: element 2", |_, x| x.pick([0, 2], 2)),
    ("pick: expected", |graph, x| {
        graph.nonneg(x.pick([0], 2));
        x.clone()
    }),
    ("a sum of", |graph, x| graph.add(x, &graph.filled(1.0, 3))),
    ("broadcast", |graph, x| graph.broadcast(x, Shape::vector(3))),
    ("linear", |_, x| Affine::linear(&LinearMap::gather(3, 0..2, 1.0), &[x], Shape::vector(2))),
    ("linear", |_, x| Affine::linear(&LinearMap::gather(2, 0..2, 1.0), &[x], Shape::vector(3))),
    ("an entry at (1, 5)", |_, x| {
        Affine::linear(&LinearMap::gather(2, [0, 5], 1.0), &[x], Shape::vector(2))
    }),
    ("an entry at (4, 0)", |_, x| {
        let map = LinearMap::from_triplets(2, 2, &[(0, 0, 1.0), (4, 0, 1.0)]);
        Affine::linear(&map, &[x], Shape::vector(2))
    }),
    ("has 3 rows", |graph, x| {
        graph.block(argrad::Cone::SecondOrder(3), x.clone());
        x.clone()
    }),
    ("a square matrix", |graph, x| {
        graph.psd(x);
        x.clone()
    }),
    ("a scalar t", |graph, x| {
        graph.second_order(x, x);
        x.clone()
    }),
    ("a cone of three", |graph, x| {
        graph.exponential(x, &x.pick([0], 1), x);
        x.clone()
    }),
    ("a cone of three", |graph, x| {
        graph.power(x, x, &x.pick([0, 1, 0], 3), 0.5);
        x.clone()
    }),
    ("exponents", |graph, x| {
        graph.generalized_power(x, &[1.0], &x.pick([0], 1));
        x.clone()
    }),
    ("the product", |graph, x| {
        let kind = Bilinear::MatMul { rows: 1, inner: 3, cols: 1 };
        let ones = graph.filled(1.0, 3);
        graph.product(kind, &ones, x, Shape::SCALAR);
        graph.product(kind, &ones, x, Shape::vector(2))
    }),
    ("both hold variables", |graph, x| graph.multiply(x, x)),
    ("the weights", |graph, x| {
        graph.minimize_squares(x, &graph.filled(1.0, ()));
        x.clone()
    }),
    ("the weights in the objective hold variables", |graph, x| {
        graph.minimize_linear(x, x);
        x.clone()
    }),
];

#[test]
fn graphs_whose_sizes_do_not_fit_are_refused() {
    for (expected, graph) in WRONG {
        let model = Model::new();
        let x = model.variable(2).named("x");
        let own = model.atom(Own::convex(graph), &[x]);
        let problem = Problem::minimize(own.sum()).subject_to([x.geq(0.0)]);
        let error = problem.compile([], [x]).expect_err(expected);
        let text = error.to_string();
        assert!(matches!(error, ModelError::Graph(_)), "{expected}: {text}");
        assert!(text.contains(expected) && text.contains("own(x)"), "{expected} is not in: {text}");
        assert!(text.contains("own_atoms.rs"), "{text}");
    }
}

#[test]
fn an_atom_that_is_quadratic_but_does_not_say_how_is_refused() {
    let model = Model::new();
    let x = model.variable(2);
    let own = Own { quadratic: true, ..Own::convex(|_, x| x.clone()) };
    let error = Problem::minimize(model.atom(own, &[x]).sum()).compile([], [x]).unwrap_err();
    assert!(matches!(error, ModelError::Graph(_)), "{error}");
}

/// An expression kept from an earlier compilation names variables that this one does not have.
#[test]
fn an_expression_of_another_graph_is_refused() -> Result<(), ModelError> {
    static KEPT: Mutex<Option<Affine>> = Mutex::new(None);
    let keep: MakeGraph = |graph, x| {
        let new = graph.variable(x.shape());
        graph.nonneg(graph.sub(&new, x));
        *KEPT.lock().unwrap() = Some(new.pick([1], ()));
        new
    };
    let model = Model::new();
    let x = model.variable(2);
    let own = model.atom(Own::convex(keep), &[x]);
    Problem::minimize(own.sum()).subject_to([x.geq(0.0)]).compile([], [x])?;
    let stale: MakeGraph = |_, _| KEPT.lock().unwrap().clone().unwrap();
    let model = Model::new();
    let x = model.variable(());
    let own = model.atom(Own::convex(stale), &[x]);
    let error = Problem::minimize(own).subject_to([x.geq(0.0)]).compile([], [x]).unwrap_err();
    assert!(error.to_string().contains("another graph"), "{error}");
    Ok(())
}
