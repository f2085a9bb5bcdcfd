//! Points of each cone and its dual: inside, and complementary pairs on the boundaries.
//!
//! On a smooth boundary `{g = 0}` the pairs are `(s, z)` with z a negative multiple of the gradient
//! of g at s; everything is of magnitude about 1.

use argrad_solver::Cone;

use super::Draws;
use super::position::Position;
use crate::psd_triangle;

/// Fills `s` and `z` with a random pair: s in the cone, z in its dual, `s'z = 0`.
pub(super) fn draw_pair(
    cone: &Cone,
    position: Position,
    draws: &mut Draws,
    s: &mut [f64],
    z: &mut [f64],
) {
    s.fill(0.0);
    z.fill(0.0);
    if s.is_empty() {
        return;
    }
    match position {
        Position::Interior => draw_interior(cone, draws, s),
        Position::Apex => draw_dual_interior(cone, draws, z),
        Position::Boundary | Position::Rank(_) => draw_boundary(cone, position, draws, s, z),
        Position::Face => draw_face(cone, draws, s, z),
        // On a kink the pair of a boundary loses one half.
        Position::PrimalKink | Position::DualKink => {
            let (kept, lost) =
                if position == Position::PrimalKink { (&mut *s, &mut *z) } else { (z, s) };
            match *cone {
                Cone::Zero(_) | Cone::Nonnegative(_) => {}
                Cone::SecondOrder(1) | Cone::PsdTriangle(1) => {}
                Cone::PsdTriangle(side) => {
                    // Singular, whichever half it is.
                    draw_boundary(cone, Position::Rank(side - 1), draws, kept, lost);
                }
                _ if position == Position::PrimalKink => {
                    draw_boundary(cone, Position::Boundary, draws, kept, lost);
                }
                _ => draw_boundary(cone, Position::Boundary, draws, lost, kept),
            }
            lost.fill(0.0);
        }
    }
}

/// A point inside the cone; of a zero cone, 0.
pub(super) fn draw_interior(cone: &Cone, draws: &mut Draws, s: &mut [f64]) {
    match cone {
        _ if s.is_empty() => {}
        Cone::Zero(_) => s.fill(0.0),
        Cone::Nonnegative(_) => s.iter_mut().for_each(|s| *s = draws.magnitude()),
        Cone::SecondOrder(dim) => {
            let direction = draws.unit_vector(dim - 1);
            let radius = draws.magnitude();
            s[0] = radius + draws.magnitude();
            s[1..].iter_mut().zip(direction).for_each(|(s, u)| *s = radius * u);
        }
        Cone::PsdTriangle(side) => {
            let eigenvalues: Vec<f64> = (0..*side).map(|_| draws.magnitude()).collect();
            let basis = draws.orthogonal(*side);
            set_matrix(*side, &basis, &eigenvalues, s);
        }
        Cone::Exponential => {
            let (ratio, y) = (draws.normal(), draws.magnitude());
            s.copy_from_slice(&[ratio * y, y, (1.0 + draws.magnitude()) * y * ratio.exp()]);
        }
        Cone::Power(_) | Cone::GeneralizedPower { .. } => {
            let (alpha, _) = exponents(cone);
            let x: Vec<f64> = alpha.iter().map(|_| draws.magnitude()).collect();
            set_inside(&x, &alpha, draws, s);
            s[..x.len()].copy_from_slice(&x);
        }
    }
}

/// A point inside the dual cone.
pub(super) fn draw_dual_interior(cone: &Cone, draws: &mut Draws, z: &mut [f64]) {
    match cone {
        Cone::Zero(_) => z.iter_mut().for_each(|z| *z = draws.normal()),
        Cone::Nonnegative(_) | Cone::SecondOrder(_) | Cone::PsdTriangle(_) => {
            draw_interior(cone, draws, z);
        }
        // {(u, v, w): u < 0, -u exp(v / u) <= e w}
        Cone::Exponential => {
            let (ratio, size) = (draws.normal(), draws.magnitude());
            let least = size * (ratio - 1.0).exp();
            z.copy_from_slice(&[-size, -size * ratio, (1.0 + draws.magnitude()) * least]);
        }
        // {(u, w): prod (u_i / a_i)^a_i >= |w|}
        Cone::Power(_) | Cone::GeneralizedPower { .. } => {
            let (alpha, _) = exponents(cone);
            let ratios: Vec<f64> = alpha.iter().map(|_| draws.magnitude()).collect();
            set_inside(&ratios, &alpha, draws, z);
            for (z, (a, ratio)) in z.iter_mut().zip(alpha.iter().zip(&ratios)) {
                *z = a * ratio;
            }
        }
    }
}

fn draw_boundary(cone: &Cone, position: Position, draws: &mut Draws, s: &mut [f64], z: &mut [f64]) {
    let (size, force) = (draws.magnitude(), draws.magnitude());
    match (cone, position) {
        (Cone::SecondOrder(dim), _) => {
            (s[0], z[0]) = (size, force);
            for (i, u) in draws.unit_vector(dim - 1).into_iter().enumerate() {
                (s[i + 1], z[i + 1]) = (size * u, -force * u);
            }
        }
        (Cone::PsdTriangle(side), Position::Rank(rank)) => {
            let basis = draws.orthogonal(*side);
            let eigenvalues: Vec<f64> = (0..*side).map(|_| draws.magnitude()).collect();
            let part = |range: std::ops::Range<usize>| -> Vec<f64> {
                (0..*side).map(|k| if range.contains(&k) { eigenvalues[k] } else { 0.0 }).collect()
            };
            set_matrix(*side, &basis, &part(0..rank), s);
            set_matrix(*side, &basis, &part(rank..*side), z);
        }
        (Cone::Exponential, _) => {
            let ratio = draws.normal();
            let slope = ratio.exp();
            s.copy_from_slice(&[size * ratio, size, size * slope]);
            // Along (-e^r, e^r (r - 1), 1), with its largest entry near 1.
            let unit = force / slope.max(1.0);
            z.copy_from_slice(&[-unit * slope, unit * slope * (ratio - 1.0), unit]);
        }
        (Cone::Power(_) | Cone::GeneralizedPower { .. }, _) => {
            let (alpha, norm_dim) = exponents(cone);
            let k = alpha.len();
            let x: Vec<f64> = alpha.iter().map(|_| draws.magnitude()).collect();
            let product = weighted_product(&x, &alpha);
            let direction = draws.unit_vector(norm_dim);
            for i in 0..k {
                (s[i], z[i]) = (x[i], force * alpha[i] * product / x[i]);
            }
            for (i, u) in direction.into_iter().enumerate() {
                (s[k + i], z[k + i]) = (product * u, -force * u);
            }
        }
        (Cone::Zero(_) | Cone::Nonnegative(_) | Cone::PsdTriangle(_), _) => {
            unreachable!("{cone:?} has no boundary of this kind")
        }
    }
}

/// `(x, 0, z)` with y = 0 in an exponential cone, `(x, 0)` with some x_i = 0 in a power cone.
fn draw_face(cone: &Cone, draws: &mut Draws, s: &mut [f64], z: &mut [f64]) {
    match cone {
        Cone::Exponential => {
            s[0] = -draws.magnitude();
            z[1] = draws.magnitude();
            let half = if draws.below(2) == 0 { s } else { z };
            half[2] = draws.magnitude();
        }
        Cone::Power(_) | Cone::GeneralizedPower { .. } => {
            let (alpha, _) = exponents(cone);
            let order = draws.permutation(alpha.len());
            // At least one entry is zero, and one is not.
            let zeros = 1 + draws.below(alpha.len() - 1);
            for (k, i) in order.into_iter().enumerate() {
                *(if k < zeros { &mut z[i] } else { &mut s[i] }) = draws.magnitude();
            }
        }
        Cone::Zero(_) | Cone::Nonnegative(_) | Cone::SecondOrder(_) | Cone::PsdTriangle(_) => {
            unreachable!("{cone:?} has no flat face")
        }
    }
}

/// Exponents and length of w.
fn exponents(cone: &Cone) -> (Vec<f64>, usize) {
    match cone {
        Cone::Power(a) => (vec![*a, 1.0 - a], 1),
        Cone::GeneralizedPower { alpha, norm_dim } => (alpha.clone(), *norm_dim),
        _ => unreachable!("{cone:?} is no power cone"),
    }
}

fn weighted_product(x: &[f64], alpha: &[f64]) -> f64 {
    x.iter().zip(alpha).map(|(x, a)| x.powf(*a)).product()
}

/// w with `|w|` from 0.1 to 0.7 of `prod x_i^a_i`, behind the place of x.
fn set_inside(x: &[f64], alpha: &[f64], draws: &mut Draws, point: &mut [f64]) {
    let norm = (0.1 + 0.6 * draws.uniform()) * weighted_product(x, alpha);
    let w = &mut point[x.len()..];
    let direction = draws.unit_vector(w.len());
    w.iter_mut().zip(direction).for_each(|(w, u)| *w = norm * u);
}

/// `Q diag(eigenvalues) Q'` for the orthogonal `basis`, one eigenvector per row.
fn set_matrix(side: usize, basis: &[f64], eigenvalues: &[f64], point: &mut [f64]) {
    let triangle = psd_triangle::pack(side, |i, j| {
        (0..side).map(|k| eigenvalues[k] * basis[k * side + i] * basis[k * side + j]).sum()
    });
    point.copy_from_slice(&triangle);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dot;

    #[test]
    fn pairs_are_complementary_wherever_they_lie() {
        use Position::{Apex, Boundary, DualKink, Face, Interior, PrimalKink, Rank};
        let general = Cone::GeneralizedPower { alpha: vec![0.2, 0.5, 0.3], norm_dim: 2 };
        let smooth = [Interior, Apex, Boundary, PrimalKink, DualKink];
        for (cone, positions) in [
            (Cone::SecondOrder(4), &smooth[..]),
            (Cone::PsdTriangle(4), &[Interior, Apex, Rank(1), Rank(3), PrimalKink, DualKink]),
            (Cone::Exponential, &smooth),
            (Cone::Exponential, &[Face]),
            (Cone::Power(0.3), &smooth),
            (general.clone(), &smooth),
            (general, &[Face]),
        ] {
            for &position in positions {
                for index in 0..20 {
                    let draws = &mut Draws::of_sample(3, index);
                    let (mut s, mut z) = (vec![0.0; cone.dim()], vec![0.0; cone.dim()]);
                    draw_pair(&cone, position, draws, &mut s, &mut z);
                    assert!(dot(&s, &z).abs() < 1e-13, "{cone:?} {position:?} {s:?} {z:?}");
                    let norms = (dot(&s, &s), dot(&z, &z));
                    match position {
                        Interior | PrimalKink => assert!(norms.0 > 0.1 && norms.1 == 0.0),
                        Apex | DualKink => assert!(norms.0 == 0.0 && norms.1 > 0.01),
                        _ => assert!(norms.0 > 0.1 && norms.1 > 0.01, "{s:?} {z:?}"),
                    }
                }
            }
        }
    }
}
