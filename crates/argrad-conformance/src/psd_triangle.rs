//! The vector form of symmetric matrices: the upper triangle column by column, entries off the
//! diagonal times sqrt 2, so that dot products are those of matrices.

use std::f64::consts::SQRT_2;

/// The vector of the matrix with these entries, asked for with `row <= column`.
pub fn pack(side: usize, mut entry: impl FnMut(usize, usize) -> f64) -> Vec<f64> {
    let mut triangle = Vec::with_capacity(side * (side + 1) / 2);
    for j in 0..side {
        triangle.extend((0..j).map(|i| SQRT_2 * entry(i, j)));
        triangle.push(entry(j, j));
    }
    triangle
}

/// The full matrix, row-major, of a vector.
pub fn unpack(side: usize, triangle: &[f64]) -> Vec<f64> {
    let mut matrix = vec![0.0; side * side];
    for j in 0..side {
        for i in 0..=j {
            let packed = triangle[position(i, j)];
            let entry = if i == j { packed } else { packed / SQRT_2 };
            matrix[i * side + j] = entry;
            matrix[j * side + i] = entry;
        }
    }
    matrix
}

/// Where the entry `(row, column)` with `row <= column` lies in the vector.
pub fn position(row: usize, column: usize) -> usize {
    column * (column + 1) / 2 + row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_products_of_vectors_are_those_of_matrices() {
        let left = pack(3, |i, j| (1 + i + 2 * j) as f64);
        let right = pack(3, |i, j| (2 * i) as f64 - 3.0 * j as f64);
        let product = |l: &[f64], r: &[f64]| l.iter().zip(r).map(|(l, r)| l * r).sum::<f64>();
        let expected = product(&unpack(3, &left), &unpack(3, &right));
        assert!((product(&left, &right) - expected).abs() < 1e-12);
        assert_eq!(left[position(1, 2)], SQRT_2 * 6.0);
        assert_eq!(unpack(3, &left)[2 * 3 + 2], 7.0);
    }
}
