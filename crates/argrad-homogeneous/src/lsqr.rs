//! LSQR (Paige and Saunders 1982): least-norm solves from products alone.

use argrad_conformance::dot;
use argrad_solver::Error;

/// What LSQR ended with.
pub(crate) struct Iterated {
    pub(crate) solution: Vec<f64>,
    pub(crate) iterations: usize,
}

/// The least-norm least-squares solution of `A x = b`, with `multiply` the product with A and
/// `multiply_transpose` that with A'. Bidiagonalization of A by Golub and Kahan, started from b,
/// and a QR factorization of the bidiagonal matrix that grows with it, so that x is updated in
/// place.
///
/// Ends when the residual, or its part in the range of A, is below `tolerance` relative to that of
/// x = 0, or after `max_iterations`.
pub(crate) fn lsqr(
    multiply: impl Fn(&[f64]) -> Result<Vec<f64>, Error>,
    multiply_transpose: impl Fn(&[f64]) -> Result<Vec<f64>, Error>,
    b: &[f64],
    tolerance: f64,
    max_iterations: usize,
) -> Result<Iterated, Error> {
    let mut u = b.to_vec();
    let first_beta = normalize(&mut u);
    let mut v = multiply_transpose(&u)?;
    let first_alpha = normalize(&mut v);
    let mut alpha = first_alpha;
    let mut direction = v.clone();
    let mut solution = vec![0.0; v.len()];
    let (mut phi_bar, mut rho_bar) = (first_beta, alpha);
    for iteration in 0..max_iterations {
        let is_solved = phi_bar.abs() <= tolerance * first_beta;
        let is_least_squares = (phi_bar * rho_bar).abs() <= tolerance * first_beta * first_alpha;
        if is_solved || is_least_squares {
            return Ok(Iterated { solution, iterations: iteration });
        }
        u = step(multiply(&v)?, alpha, &u);
        let beta = normalize(&mut u);
        v = step(multiply_transpose(&u)?, beta, &v);
        alpha = normalize(&mut v);

        let rho = rho_bar.hypot(beta);
        let (cosine, sine) = (rho_bar / rho, beta / rho);
        let theta = sine * alpha;
        rho_bar = -cosine * alpha;
        let phi = cosine * phi_bar;
        phi_bar *= sine;
        for ((x, d), v) in solution.iter_mut().zip(&mut direction).zip(&v) {
            *x += phi / rho * *d;
            *d = v - theta / rho * *d;
        }
    }
    Ok(Iterated { solution, iterations: max_iterations })
}

/// product - scale * previous.
fn step(mut product: Vec<f64>, scale: f64, previous: &[f64]) -> Vec<f64> {
    product.iter_mut().zip(previous).for_each(|(p, previous)| *p -= scale * previous);
    product
}

/// Divides by the norm, which it returns; leaves zero alone.
fn normalize(v: &mut [f64]) -> f64 {
    let norm = dot(v, v).sqrt();
    if norm > 0.0 {
        v.iter_mut().for_each(|v| *v /= norm);
    }
    norm
}
