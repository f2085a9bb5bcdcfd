//! What the rules claim of an expression holds of its values.

use argrad::atoms::*;
use argrad::model::{Curvature, Expr, Model, Sign};
use proptest::prelude::*;

/// An expression of x, a vector of 3.
#[derive(Clone, Debug)]
enum Tree {
    X,
    Number(f64),
    Row([f64; 3]),
    Add(Box<Tree>, Box<Tree>),
    Sub(Box<Tree>, Box<Tree>),
    Scaled(f64, Box<Tree>),
    Of(Function, Box<Tree>),
    OfTwo(bool, Box<Tree>, Box<Tree>),
}

/// A function of one argument, of any shape.
type Function = (&'static str, fn(Expr<'_>) -> Expr<'_>);

const FUNCTIONS: [Function; 22] = [
    ("exp", |x| exp(x)),
    ("log", |x| log(x)),
    ("sqrt", |x| sqrt(x)),
    ("abs", |x| abs(x)),
    ("square", |x| square(x)),
    ("pos", |x| pos(x)),
    ("neg", |x| neg(x)),
    ("inv_pos", |x| inv_pos(x)),
    ("power 3", |x| power(x, 3.0)),
    ("power 1.5", |x| power(x, 1.5)),
    ("power -2", |x| power(x, -2.0)),
    ("power 0.3", |x| power(x, 0.3)),
    ("logistic", |x| logistic(x)),
    ("entr", |x| entr(x)),
    ("huber", |x| huber(x, 1.0)),
    ("sum", |x| x.sum()),
    ("norm2", |x| norm2(x)),
    ("norm1", |x| norm1(x)),
    ("sum_squares", |x| sum_squares(x)),
    ("max", |x| max(x)),
    ("min", |x| min(x)),
    ("log_sum_exp", |x| log_sum_exp(x)),
];

impl Tree {
    fn build<'m>(&self, model: &'m Model, x: Expr<'m>) -> Expr<'m> {
        match self {
            Tree::X => x,
            Tree::Number(number) => model.constant(*number),
            Tree::Row(row) => model.constant(*row),
            Tree::Add(a, b) => a.build(model, x) + b.build(model, x),
            Tree::Sub(a, b) => a.build(model, x) - b.build(model, x),
            Tree::Scaled(factor, a) => *factor * a.build(model, x),
            Tree::Of((_, function), a) => function(a.build(model, x)),
            Tree::OfTwo(largest, a, b) => {
                let (a, b) = (a.build(model, x), b.build(model, x));
                if *largest { maximum(a, b) } else { minimum(a, b) }
            }
        }
    }

    fn value(&self, point: [f64; 3]) -> Vec<f64> {
        let model = Model::new();
        let x = model.constant(point);
        self.build(&model, x).value().expect("no variable occurs")
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => Just(Tree::X),
        1 => (-2.0..2.0).prop_map(Tree::Number),
        1 => prop::array::uniform3(-2.0..2.0).prop_map(Tree::Row),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let boxed = inner.prop_map(Box::new);
        prop_oneof![
            2 => (boxed.clone(), boxed.clone()).prop_map(|(a, b)| Tree::Add(a, b)),
            1 => (boxed.clone(), boxed.clone()).prop_map(|(a, b)| Tree::Sub(a, b)),
            1 => (-2.0..2.0, boxed.clone()).prop_map(|(factor, a)| Tree::Scaled(factor, a)),
            6 => (prop::sample::select(&FUNCTIONS[..]), boxed.clone())
                .prop_map(|(function, a)| Tree::Of(function, a)),
            1 => (any::<bool>(), boxed.clone(), boxed)
                .prop_map(|(largest, a, b)| Tree::OfTwo(largest, a, b)),
        ]
    })
}

/// Points with few digits: the midpoint is exact, and kinks are met.
fn point() -> impl Strategy<Value = [f64; 3]> {
    prop::array::uniform3((-12i32..24).prop_map(|k| f64::from(k) / 8.0))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn curvature_and_sign_hold_at_midpoints(tree in tree(), a in point(), b in point()) {
        let model = Model::new();
        let expression = tree.build(&model, model.variable(3));
        let (curvature, sign) = (expression.curvature(), expression.sign());
        let middle = [0, 1, 2].map(|k| 0.5 * (a[k] + b[k]));
        let [of_a, of_b, of_middle] = [a, b, middle].map(|point| tree.value(point));
        for k in 0..of_middle.len() {
            let ends = [of_a[k], of_b[k]];
            let values = [of_a[k], of_b[k], of_middle[k]];
            // Outside of the domain of an atom.
            if !values.iter().all(|v| v.is_finite()) {
                continue;
            }
            let mean = 0.5 * (ends[0] + ends[1]);
            let slack = 1e-9 * (1.0 + ends[0].abs() + ends[1].abs());
            let (below, above) = (of_middle[k] <= mean + slack, of_middle[k] >= mean - slack);
            let holds = match curvature {
                Curvature::Constant => ends[0] == ends[1] && ends[0] == of_middle[k],
                Curvature::Affine => below && above,
                Curvature::Convex => below,
                Curvature::Concave => above,
                Curvature::Unknown => true,
            };
            prop_assert!(holds, "{expression} is {curvature}: {values:?}");
            let holds = match sign {
                Sign::Zero => values.iter().all(|v| *v == 0.0),
                Sign::Nonneg => values.iter().all(|v| *v >= -slack),
                Sign::Nonpos => values.iter().all(|v| *v <= slack),
                Sign::Unknown => true,
            };
            prop_assert!(holds, "{expression} is {sign}: {values:?}");
        }
    }
}
