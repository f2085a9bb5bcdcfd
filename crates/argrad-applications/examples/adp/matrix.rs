//! Small dense matrices, row by row.

/// A matrix of M rows and N columns.
pub type Matrix<const M: usize, const N: usize> = [[f64; N]; M];

/// a b.
pub fn product<const M: usize, const K: usize, const N: usize>(
    a: &Matrix<M, K>,
    b: &Matrix<K, N>,
) -> Matrix<M, N> {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..K).map(|k| a[i][k] * b[k][j]).sum()))
}

/// a'.
pub fn transpose<const M: usize, const N: usize>(a: &Matrix<M, N>) -> Matrix<N, M> {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// a + factor b.
pub fn sum<const M: usize, const N: usize>(
    a: &Matrix<M, N>,
    factor: f64,
    b: &Matrix<M, N>,
) -> Matrix<M, N> {
    std::array::from_fn(|i| std::array::from_fn(|j| a[i][j] + factor * b[i][j]))
}

/// a x.
pub fn apply<const M: usize, const N: usize>(a: &Matrix<M, N>, x: &[f64]) -> [f64; M] {
    a.map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum())
}

/// The unit matrix.
pub fn unit<const N: usize>() -> Matrix<N, N> {
    std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j)))
}

/// The largest absolute entry.
pub fn largest<const M: usize, const N: usize>(a: &Matrix<M, N>) -> f64 {
    a.iter().flatten().fold(0.0, |most: f64, v| v.abs().max(most))
}

/// U with U'U = a, upper triangular (Cholesky); `None` where a is not positive definite.
pub fn root<const N: usize>(a: &Matrix<N, N>) -> Option<Matrix<N, N>> {
    let mut u = [[0.0; N]; N];
    for i in 0..N {
        for j in i..N {
            let rest = a[i][j] - (0..i).map(|k| u[k][i] * u[k][j]).sum::<f64>();
            u[i][j] = match i == j {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / u[i][i],
            };
        }
    }
    Some(u)
}

/// The inverse of a positive definite matrix times b; `None` where a is not positive definite.
pub fn solve<const N: usize, const K: usize>(
    a: &Matrix<N, N>,
    b: &Matrix<N, K>,
) -> Option<Matrix<N, K>> {
    let u = root(a)?;
    let mut columns = transpose(b);
    for x in &mut columns {
        for i in 0..N {
            x[i] = (x[i] - (0..i).map(|j| u[j][i] * x[j]).sum::<f64>()) / u[i][i];
        }
        for i in (0..N).rev() {
            x[i] = (x[i] - (i + 1..N).map(|j| u[i][j] * x[j]).sum::<f64>()) / u[i][i];
        }
    }
    Some(transpose(&columns))
}

/// The largest absolute eigenvalue, as the limit of |a^k|^(1/k) (Gelfand 1941).
pub fn spectral_radius<const N: usize>(a: &Matrix<N, N>) -> f64 {
    let (mut power, mut log, mut exponent) = (*a, 0.0, 1.0);
    for _ in 0..40 {
        let size = largest(&power);
        if size == 0.0 {
            return 0.0;
        }
        let scaled = power.map(|row| row.map(|v| v / size));
        power = product(&scaled, &scaled);
        log = 2.0 * (log + size.ln());
        exponent *= 2.0;
    }
    ((log + largest(&power).ln()) / exponent).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definite_system_is_solved_and_an_indefinite_one_refused() {
        let a = [[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 2.0]];
        let x = [[1.0, -2.0], [0.5, 3.0], [2.0, 0.1]];
        let found = solve(&a, &product(&a, &x)).unwrap();
        assert!(largest(&sum(&found, -1.0, &x)) < 1e-14);
        let u = root(&a).unwrap();
        assert!(largest(&sum(&product(&transpose(&u), &u), -1.0, &a)) < 1e-15);
        assert!(root(&[[1.0, 2.0], [2.0, 1.0]]).is_none());
    }

    #[test]
    fn the_spectral_radius_of_a_turn_is_its_length() {
        let (c, s) = (0.6, 0.8);
        let turn = [[2.0 * c, -2.0 * s], [2.0 * s, 2.0 * c]];
        assert!((spectral_radius(&turn) - 2.0).abs() < 1e-9);
        assert!((spectral_radius(&[[0.5, 100.0], [0.0, 0.25]]) - 0.5).abs() < 1e-9);
    }
}
