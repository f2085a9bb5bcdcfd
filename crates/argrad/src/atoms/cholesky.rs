//! The Cholesky factor of a matrix of parameters, for quadratic forms in constraints.

use crate::algebra::{LinearMap, Shape};
use crate::atom::{
    Affine, Argument, Atom, Curvature, Graph, Info, Monotonicity, Sign, theta_affine,
};

/// The upper triangle, row by row, of F with `P = F'F` and a positive diagonal, where P is the
/// symmetric part of a square matrix, positive definite. It has no curvature, so it serves for
/// expressions of parameters only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cholesky;

/// `F x` for a matrix P of parameters.
pub(super) fn factor_times(graph: &mut Graph<'_>, p: &Affine, x: &Affine) -> Affine {
    let n = p.shape().rows();
    let entries = Shape::vector(n * (n + 1) / 2);
    let matrix = graph.theta_of(p);
    let packed = graph.derivation.atom(std::sync::Arc::new(Cholesky), vec![matrix], entries);
    let packed = theta_affine(packed.offset, entries);
    let mut place = LinearMap::new(entries.size());
    for (i, j) in (0..n * n).map(|k| (k / n, k % n)) {
        place.push_row((i <= j).then(|| (position(n, i, j), 1.0)));
    }
    let factor = Affine::linear(&place, &[&packed], p.shape());
    let kind = crate::algebra::Bilinear::MatMul { rows: n, inner: n, cols: 1 };
    graph.product(kind, &factor, x, Shape::vector(n))
}

/// Where entry (i, j), i <= j, of the upper triangle is.
fn position(n: usize, i: usize, j: usize) -> usize {
    i * n - i * (i + 1) / 2 + j
}

/// L with `P = LL'`, row-major with zeros above the diagonal; NaN where P is not definite.
fn lower_factor(p: &[f64], n: usize) -> Vec<f64> {
    let mut l = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let entry = 0.5 * (p[i * n + j] + p[j * n + i]);
            let rest = (0..j).fold(entry, |rest, k| rest - l[i * n + k] * l[j * n + k]);
            l[i * n + j] = if i > j {
                rest / l[j * n + j]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                f64::NAN
            };
        }
    }
    l
}

/// `L^-T X`, in place, for the columns of X.
fn solve_transposed(l: &[f64], n: usize, x: &mut [f64]) {
    for column in 0..n {
        for i in (0..n).rev() {
            let rest = (i + 1..n)
                .fold(x[i * n + column], |rest, k| rest - l[k * n + i] * x[k * n + column]);
            x[i * n + column] = rest / l[i * n + i];
        }
    }
}

fn transposed(x: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|k| x[k % n * n + k / n]).collect()
}

impl Atom for Cholesky {
    fn name(&self) -> &str {
        "cholesky"
    }

    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        match args {
            [p] if p.is_square() => Ok(Shape::vector(p.rows() * (p.rows() + 1) / 2)),
            _ => Err("expected a square matrix".into()),
        }
    }

    fn sign(&self, _: &[Info]) -> Sign {
        Sign::Unknown
    }

    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }

    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::None
    }

    fn domain(&self) -> &str {
        "a positive definite matrix, without variables"
    }

    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        let n = args[0].shape.rows();
        let l = lower_factor(args[0].values, n);
        for j in 0..n {
            (0..=j).for_each(|i| out[position(n, i, j)] = l[j * n + i]);
        }
    }

    /// With C the cotangent of L, `L^-T H L^-1`, where H is the lower triangle of L'C with half of
    /// its diagonal; of that the symmetric part (Murray, Differentiation of the Cholesky
    /// decomposition, arXiv:1602.07527, equation 10).
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        let n = args[0].shape.rows();
        let l = lower_factor(args[0].values, n);
        let c = |i: usize, j: usize| if i >= j { cotangent[position(n, j, i)] } else { 0.0 };
        let mut h = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let sum: f64 = (i..n).map(|k| l[k * n + i] * c(k, j)).sum();
                h[i * n + j] = if i == j { 0.5 * sum } else { sum };
            }
        }
        solve_transposed(&l, n, &mut h);
        let mut s = transposed(&h, n);
        solve_transposed(&l, n, &mut s);
        for (k, gradient) in gradients[0].iter_mut().enumerate() {
            *gradient += 0.5 * (s[k] + s[k % n * n + k / n]);
        }
    }

    /// Never called: an atom without curvature does not pass the check of the DCP rules.
    fn graph(&self, _: &mut Graph<'_>, args: &[Affine]) -> Affine {
        Affine::zeros(args[0].shape())
    }
}

#[cfg(test)]
mod tests {
    use super::Cholesky;
    use crate::algebra::Shape;
    use crate::atom::{Argument, Atom};

    const P: [f64; 9] = [4.0, 1.0, -0.5, 1.0, 3.0, 0.2, -0.5, 0.2, 2.0];

    fn factor(p: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; 6];
        Cholesky.value(&[Argument { shape: Shape::matrix(3, 3), values: p }], &mut out);
        out
    }

    #[test]
    fn the_factor_gives_the_matrix_back() {
        let f = factor(&P);
        let f = [[f[0], f[1], f[2]], [0.0, f[3], f[4]], [0.0, 0.0, f[5]]];
        for (k, expected) in P.iter().enumerate() {
            let found: f64 = f.iter().map(|row| row[k / 3] * row[k % 3]).sum();
            assert!((found - expected).abs() < 1e-14);
        }
        assert!(factor(&[1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0]).iter().any(|v| v.is_nan()));
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let cotangent = [0.3, -1.0, 0.7, 0.2, 0.9, -0.4];
        let mut gradients = [vec![0.0; 9]];
        let argument = [Argument { shape: Shape::matrix(3, 3), values: &P }];
        Cholesky.vjp(&argument, &cotangent, &mut gradients);
        for k in 0..9 {
            let value = |step: f64| {
                let mut p = P;
                p[k] += step;
                factor(&p).iter().zip(cotangent).map(|(f, c)| f * c).sum::<f64>()
            };
            let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
            assert!((slope - gradients[0][k]).abs() < 1e-9, "{k}: {slope} {}", gradients[0][k]);
        }
    }
}
