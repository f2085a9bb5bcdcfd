//! All atoms: how to write each, and arguments at which to try it.

use argrad::atoms::*;
use argrad::prelude::*;

use super::derivative::numbers;

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// Any vector of 4.
    Vector,
    /// A vector of 4 with elements between 0.3 and 2.3.
    Positive,
    /// A positive scalar.
    Above,
    /// Any matrix, 3 x 2.
    Matrix,
    /// A symmetric matrix of order 3.
    Symmetric,
    /// A positive definite matrix of order 3.
    Definite,
    /// A vector of 3.
    Short,
    /// A nonnegative scalar that is a number or a parameter.
    Threshold,
}

use Arg::*;

impl Arg {
    pub fn shape(self) -> Shape {
        match self {
            Vector | Positive => 4.into(),
            Above | Threshold => ().into(),
            Matrix => (3, 2).into(),
            Symmetric | Definite => (3, 3).into(),
            Short => 3.into(),
        }
    }

    /// Generic values.
    pub fn values(self, seed: u64) -> Vec<f64> {
        let raw = numbers(self.shape().size(), seed);
        let symmetric = |k: usize| 0.5 * (raw[k] + raw[k % 3 * 3 + k / 3]);
        match self {
            Vector | Matrix | Short => raw.iter().map(|v| 1.5 * v).collect(),
            Positive | Above => raw.iter().map(|v| 1.3 + v).collect(),
            Threshold => raw.iter().map(|v| 0.6 + 0.3 * v).collect(),
            Symmetric => (0..9).map(symmetric).collect(),
            Definite => {
                let product = |i: usize, j: usize, l: usize| raw[i * 3 + l] * raw[j * 3 + l];
                let gram = |k: usize| (0..3).map(|l| product(k / 3, k % 3, l)).sum::<f64>();
                (0..9).map(|k| gram(k) + if k % 4 == 0 { 0.5 } else { 0.0 }).collect()
            }
        }
    }
}

/// How an atom is written.
pub type Build = for<'m> fn(&[Expr<'m>]) -> Expr<'m>;

/// Every row of `docs/atoms.md` that is not affine, in its order: name, arguments, expression.
pub const TABLE: &[(&str, &[Arg], Build)] = &[
    ("abs(x)", &[Vector], |a| abs(a[0])),
    ("maximum(x, y)", &[Vector, Vector], |a| maximum(a[0], a[1])),
    ("minimum(x, y)", &[Vector, Vector], |a| minimum(a[0], a[1])),
    ("pos(x)", &[Vector], |a| pos(a[0])),
    ("neg(x)", &[Vector], |a| neg(a[0])),
    ("square(x)", &[Vector], |a| square(a[0])),
    ("power(x, 4.0)", &[Vector], |a| power(a[0], 4.0)),
    ("power(x, 3.0)", &[Positive], |a| power(a[0], 3.0)),
    ("power(x, 0.3)", &[Positive], |a| power(a[0], 0.3)),
    ("power(x, -2.0)", &[Positive], |a| power(a[0], -2.0)),
    ("sqrt(x)", &[Positive], |a| sqrt(a[0])),
    ("inv_pos(x)", &[Positive], |a| inv_pos(a[0])),
    ("exp(x)", &[Vector], |a| exp(a[0])),
    ("log(x)", &[Positive], |a| log(a[0])),
    ("log1p(x)", &[Positive], |a| log1p(a[0])),
    ("entr(x)", &[Positive], |a| entr(a[0])),
    ("rel_entr(x, y)", &[Positive, Positive], |a| rel_entr(a[0], a[1])),
    ("kl_div(x, y)", &[Positive, Positive], |a| kl_div(a[0], a[1])),
    ("logistic(x)", &[Vector], |a| logistic(a[0])),
    ("huber(x, M)", &[Vector, Threshold], |a| huber(a[0], a[1])),
    ("xexp(x)", &[Positive], |a| xexp(a[0])),
    ("norm2(x)", &[Vector], |a| norm2(a[0])),
    ("norm2_axis(x, 0)", &[Matrix], |a| norm2_axis(a[0], 0)),
    ("norm1(x)", &[Vector], |a| norm1(a[0])),
    ("norm_inf(x)", &[Vector], |a| norm_inf(a[0])),
    ("pnorm(x, 3.0)", &[Vector], |a| pnorm(a[0], 3.0)),
    ("pnorm(x, 0.5)", &[Positive], |a| pnorm(a[0], 0.5)),
    ("pnorm(x, -2.0)", &[Positive], |a| pnorm(a[0], -2.0)),
    ("pnorm_axis(x, 3.0, 1)", &[Matrix], |a| pnorm_axis(a[0], 3.0, 1)),
    ("sum_squares(x)", &[Vector], |a| sum_squares(a[0])),
    ("quad_over_lin(x, y)", &[Vector, Above], |a| quad_over_lin(a[0], a[1])),
    ("quad_form(x, P)", &[Short], |a| {
        quad_form(a[0], [[2.0, 0.5, 0.0], [0.5, 1.0, -0.5], [0.0, -0.5, 1.0]])
    }),
    ("max(x)", &[Vector], |a| max(a[0])),
    ("max_axis(x, 0)", &[Matrix], |a| max_axis(a[0], 0)),
    ("min(x)", &[Vector], |a| min(a[0])),
    ("min_axis(x, 1)", &[Matrix], |a| min_axis(a[0], 1)),
    ("ptp(x)", &[Vector], |a| ptp(a[0])),
    ("sum_largest(x, 2.0)", &[Vector], |a| sum_largest(a[0], 2.0)),
    ("sum_smallest(x, 2.0)", &[Vector], |a| sum_smallest(a[0], 2.0)),
    ("cvar(x, 0.4)", &[Vector], |a| cvar(a[0], 0.4)),
    ("log_sum_exp(x)", &[Vector], |a| log_sum_exp(a[0])),
    ("log_sum_exp_axis(x, 1)", &[Matrix], |a| log_sum_exp_axis(a[0], 1)),
    ("geo_mean(x)", &[Positive], |a| geo_mean(a[0])),
    ("weighted_geo_mean(x, w)", &[Positive], |a| weighted_geo_mean(a[0], &[1.0, 0.0, 2.0, 0.5])),
    ("harmonic_mean(x)", &[Positive], |a| harmonic_mean(a[0])),
    ("lambda_max(X)", &[Symmetric], |a| lambda_max(a[0])),
    ("lambda_min(X)", &[Symmetric], |a| lambda_min(a[0])),
    ("lambda_sum_largest(X, 2.0)", &[Symmetric], |a| lambda_sum_largest(a[0], 2.0)),
    ("lambda_sum_smallest(X, 2.0)", &[Symmetric], |a| lambda_sum_smallest(a[0], 2.0)),
    ("sigma_max(X)", &[Matrix], |a| sigma_max(a[0])),
    ("norm_nuc(X)", &[Matrix], |a| norm_nuc(a[0])),
    ("norm_fro(X)", &[Matrix], |a| norm_fro(a[0])),
    ("matrix_frac(x, P)", &[Short, Definite], |a| matrix_frac(a[0], a[1])),
    ("tr_inv(X)", &[Definite], |a| tr_inv(a[0])),
    ("log_det(X)", &[Definite], |a| log_det(a[0])),
    ("tv(x)", &[Vector], |a| tv(a[0])),
    ("tv(X)", &[Matrix], |a| tv(a[0])),
    ("mixed_norm(X, 2.0, 3.0)", &[Matrix], |a| mixed_norm(a[0], 2.0, 3.0)),
    ("std(x)", &[Vector], |a| std(a[0])),
    ("var(x)", &[Vector], |a| var(a[0])),
    ("perspective(exp(x), s)", &[Vector, Above], |a| perspective(exp(a[0]), a[1])),
];

/// What the rules say of an atom with plain variables as arguments, in the words of the table:
/// curvature, sign, and monotonicity in each argument.
pub fn properties(args: &[Arg], build: Build) -> (Curvature, Sign, Vec<&'static str>) {
    let model = Model::new();
    let leaf = |arg: &Arg| {
        let x = model.variable(arg.shape());
        if *arg == Threshold { model.parameter(()).nonneg() } else { x }
    };
    let plain: Vec<Expr<'_>> = args.iter().map(leaf).collect();
    let result = build(&plain);
    let (curvature, sign) = (result.curvature(), result.sign());
    let monotonicity = |at: usize| {
        let composed = |inner: fn(Expr<'_>) -> Expr<'_>| {
            let mut with = plain.clone();
            with[at] = inner(plain[at]);
            build(&with).curvature() == curvature
        };
        let (up, down) = if curvature == Curvature::Convex {
            (composed(|x| square(x) - 1.0), composed(|x| 1.0 - square(x)))
        } else {
            (composed(|x| 1.0 - square(x)), composed(|x| square(x) - 1.0))
        };
        // Of an argument that is known to be nonnegative, or nonpositive.
        let (up_above, down_below) = (composed(|x| square(x)), composed(|x| -square(x)));
        match (up, down) {
            _ if args[at] == Threshold => "-",
            (true, _) => "up",
            (_, true) => "down",
            _ if up_above && down_below && curvature == Curvature::Convex => "+-",
            _ if up_above && curvature == Curvature::Convex => "up for x >= 0",
            _ => "none",
        }
    };
    let all = (0..args.len()).map(monotonicity).collect();
    (curvature, sign, all)
}
