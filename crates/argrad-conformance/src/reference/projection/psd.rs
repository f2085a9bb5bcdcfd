//! Positive semidefinite matrices, by Jacobi's eigenvalue method.

use qd::Quad;

use super::Block;
use crate::psd_triangle::position;

/// Sweeps that the method is given; it takes about ten.
const SWEEPS: usize = 40;

pub(super) fn project(side: usize, v: &[Quad]) -> Block {
    let (values, vectors) = eigen(side, unpack(side, v));
    let largest = values.iter().fold(0.0_f64, |largest, l| largest.max(l.0.abs()));
    let margin = if largest > 0.0 {
        values.iter().fold(1.0_f64, |least, l| least.min(l.0.abs() / largest))
    } else {
        0.0
    };
    let positive = |l: Quad| if l.0 > 0.0 { l } else { Quad::ZERO };
    let point = pack(
        side,
        &rebuild(side, &vectors, |a, b| if a == b { positive(values[a]) } else { Quad::ZERO }),
    );
    // D[E] = Q (B o Q'EQ) Q' with the first divided differences of max(l, 0).
    let divided = |a: usize, b: usize| {
        let (l, r) = (values[a], values[b]);
        match (l.0 > 0.0, r.0 > 0.0) {
            (true, true) => Quad::ONE,
            (false, false) => Quad::ZERO,
            (true, false) => l / (l - r),
            (false, true) => r / (r - l),
        }
    };
    let dim = v.len();
    let root = Quad::from_f64(2.0).sqrt().recip();
    let mut derivative = vec![Quad::ZERO; dim * dim];
    for j in 0..side {
        for i in 0..=j {
            // Rows of Q: entry (i, a) is vectors[a][i].
            let q = |row: usize, a: usize| vectors[a * side + row];
            let moved = rebuild(side, &vectors, |a, b| {
                let image = if i == j {
                    q(i, a) * q(i, b)
                } else {
                    root * (q(i, a) * q(j, b) + q(j, a) * q(i, b))
                };
                divided(a, b) * image
            });
            let column = position(i, j);
            for (row, d) in pack(side, &moved).into_iter().enumerate() {
                derivative[row * dim + column] = d;
            }
        }
    }
    Block::new(point, derivative, margin)
}

/// `Q M Q'` for the eigenvectors, one per row, and the matrix M with these entries.
fn rebuild(side: usize, vectors: &[Quad], entry: impl Fn(usize, usize) -> Quad) -> Vec<Quad> {
    let mut half = vec![Quad::ZERO; side * side];
    for a in 0..side {
        for b in 0..side {
            let m = entry(a, b);
            if m.0 != 0.0 {
                for j in 0..side {
                    half[a * side + j] += m * vectors[b * side + j];
                }
            }
        }
    }
    let mut product = vec![Quad::ZERO; side * side];
    for a in 0..side {
        for i in 0..side {
            let q = vectors[a * side + i];
            for j in 0..side {
                product[i * side + j] += q * half[a * side + j];
            }
        }
    }
    product
}

pub(super) fn unpack(side: usize, triangle: &[Quad]) -> Vec<Quad> {
    let root = Quad::from_f64(2.0).sqrt().recip();
    let mut matrix = vec![Quad::ZERO; side * side];
    for j in 0..side {
        for i in 0..=j {
            let packed = triangle[position(i, j)];
            let entry = if i == j { packed } else { packed * root };
            matrix[i * side + j] = entry;
            matrix[j * side + i] = entry;
        }
    }
    matrix
}

fn pack(side: usize, matrix: &[Quad]) -> Vec<Quad> {
    let root = Quad::from_f64(2.0).sqrt();
    let mut triangle = Vec::with_capacity(side * (side + 1) / 2);
    for j in 0..side {
        triangle.extend((0..j).map(|i| root * matrix[i * side + j]));
        triangle.push(matrix[j * side + j]);
    }
    triangle
}

/// Eigenvalues, and eigenvectors one per row, by cyclic Jacobi rotations (Golub and Van Loan, 8.5).
pub(super) fn eigen(side: usize, mut matrix: Vec<Quad>) -> (Vec<Quad>, Vec<Quad>) {
    let mut vectors = vec![Quad::ZERO; side * side];
    vectors.iter_mut().step_by(side + 1).for_each(|v| *v = Quad::ONE);
    let square = |m: &[Quad]| m.iter().map(|v| v.0 * v.0).sum::<f64>();
    let total = square(&matrix);
    for _ in 0..SWEEPS {
        let off: f64 = (0..side)
            .flat_map(|j| (0..j).map(move |i| (i, j)))
            .map(|(i, j)| matrix[i * side + j].0.powi(2))
            .sum();
        if off <= 1e-66 * total {
            break;
        }
        for q in 1..side {
            for p in 0..q {
                rotate(side, &mut matrix, &mut vectors, p, q);
            }
        }
    }
    ((0..side).map(|i| matrix[i * side + i]).collect(), vectors)
}

/// Zeroes the entry `(p, q)`.
fn rotate(side: usize, matrix: &mut [Quad], vectors: &mut [Quad], p: usize, q: usize) {
    let entry = matrix[p * side + q];
    if entry.0 == 0.0 {
        return;
    }
    let two = Quad::from_f64(2.0);
    let theta = (matrix[q * side + q] - matrix[p * side + p]) / (two * entry);
    // Beyond this its square is all that counts, and might overflow.
    let tangent = if theta.0.abs() > 1e40 {
        (two * theta).recip()
    } else {
        let size = (theta.abs() + (theta * theta + Quad::ONE).sqrt()).recip();
        if theta.0 < 0.0 { -size } else { size }
    };
    let cosine = (tangent * tangent + Quad::ONE).sqrt().recip();
    let sine = tangent * cosine;
    let turn = |a: Quad, b: Quad| (cosine * a - sine * b, sine * a + cosine * b);
    for k in 0..side {
        let (a, b) = turn(matrix[k * side + p], matrix[k * side + q]);
        (matrix[k * side + p], matrix[k * side + q]) = (a, b);
    }
    for k in 0..side {
        let (a, b) = turn(matrix[p * side + k], matrix[q * side + k]);
        (matrix[p * side + k], matrix[q * side + k]) = (a, b);
        let (a, b) = turn(vectors[p * side + k], vectors[q * side + k]);
        (vectors[p * side + k], vectors[q * side + k]) = (a, b);
    }
    matrix[p * side + q] = Quad::ZERO;
    matrix[q * side + p] = Quad::ZERO;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_diagonalize_to_30_digits() {
        let side = 7;
        let matrix: Vec<Quad> = (0..side * side)
            .map(|k| (k / side, k % side))
            .map(|(i, j)| Quad::from_f64(((i * j) as f64).sin() + ((i + j) as f64).cos()))
            .collect();
        let (values, vectors) = eigen(side, matrix.clone());
        let again = rebuild(side, &vectors, |a, b| if a == b { values[a] } else { Quad::ZERO });
        for (found, expected) in again.iter().zip(&matrix) {
            assert!((*found - *expected).0.abs() < 1e-29, "{found:?} {expected:?}");
        }
        for a in 0..side {
            for b in 0..side {
                let product = (0..side)
                    .fold(Quad::ZERO, |sum, i| sum + vectors[a * side + i] * vectors[b * side + i]);
                let expected = if a == b { 1.0 } else { 0.0 };
                assert!((product - Quad::from_f64(expected)).0.abs() < 1e-29);
            }
        }
    }
}
