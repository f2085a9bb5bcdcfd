//! QR factorization with column pivots: ranges, null spaces and ranks of constraint matrices.

use super::largest;
use crate::algebra::dot;

/// A' P = Q [R; 0] for a matrix A of constraint gradients (m x n, row-major), with Q orthogonal of
/// order n. The first `rank` columns of Q span the range of A' (Y), the rest the null space of
/// A (Z).
#[derive(Clone, Debug)]
pub(in super::super) struct PivotedQr {
    n: usize,
    /// Rows of A that are independent of each other, the first `rank` of `pivots`.
    pub(in super::super) rank: usize,
    /// The order in which rows of A were taken.
    pub(in super::super) pivots: Vec<usize>,
    /// Columns of A' after the reflections, one after the other (m x n).
    columns: Vec<f64>,
    /// Y, row-major, n x rank.
    pub(in super::super) range: Vec<f64>,
    /// Z, row-major, n x (n - rank).
    pub(in super::super) null: Vec<f64>,
}

impl PivotedQr {
    /// Factors A' for A of `m` rows and `n` columns. A row whose part outside of the earlier ones
    /// is at most `tolerance` times its own length depends on them.
    pub(in super::super) fn new(a: &[f64], m: usize, n: usize, tolerance: f64) -> Self {
        let mut columns = a.to_vec();
        let lengths: Vec<f64> = a.chunks(n.max(1)).map(|row| dot(row, row).sqrt()).collect();
        let mut pivots: Vec<usize> = (0..m).collect();
        let mut reflectors: Vec<Vec<f64>> = Vec::new();
        for k in 0..m.min(n) {
            // The part outside, measured by the length of the row: rows have units of their own.
            let rest = |row: usize| {
                let tail = &columns[row * n + k..(row + 1) * n];
                let length = lengths[row];
                if length > 0.0 { dot(tail, tail).sqrt() / length } else { 0.0 }
            };
            let outside: Vec<f64> = pivots[k..].iter().map(|&row| rest(row)).collect();
            let Some(best) = (0..outside.len()).max_by(|&i, &j| {
                outside[i].total_cmp(&outside[j]).then(j.cmp(&i)) // the first of equals
            }) else {
                break;
            };
            if outside[best].is_nan() || outside[best] <= tolerance {
                break;
            }
            pivots.swap(k, k + best);
            let row = pivots[k];
            let reflector = reflector(&columns[row * n + k..(row + 1) * n]);
            for &other in &pivots[k..] {
                reflect(&reflector, &mut columns[other * n + k..(other + 1) * n]);
            }
            reflectors.push(reflector);
        }
        let rank = reflectors.len();
        let (mut range, mut null) = (vec![0.0; n * rank], vec![0.0; n * (n - rank)]);
        let mut column = vec![0.0; n];
        for j in 0..n {
            column.fill(0.0);
            column[j] = 1.0;
            for (k, reflector) in reflectors.iter().enumerate().rev() {
                reflect(reflector, &mut column[k..]);
            }
            for (i, &v) in column.iter().enumerate() {
                match j < rank {
                    true => range[i * rank + j] = v,
                    false => null[i * (n - rank) + j - rank] = v,
                }
            }
        }
        Self { n, rank, pivots, columns, range, null }
    }

    fn r(&self, i: usize, j: usize) -> f64 {
        self.columns[self.pivots[j] * self.n + i]
    }

    /// Solves R v = `rhs` (`rank` numbers) and puts v at the rows of A it belongs to, with zero for
    /// the dependent ones.
    pub(in super::super) fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        let mut v = rhs.to_vec();
        for i in (0..self.rank).rev() {
            let known: f64 = (i + 1..self.rank).map(|j| self.r(i, j) * v[j]).sum();
            v[i] = (v[i] - known) / self.r(i, i);
        }
        let mut out = vec![0.0; self.pivots.len()];
        self.pivots.iter().zip(v).for_each(|(&row, v)| out[row] = v);
        out
    }

    /// Solves R'v = the entries of `rows` (one per row of A) that belong to independent rows.
    pub(in super::super) fn solve_transposed(&self, rows: &[f64]) -> Vec<f64> {
        let mut v: Vec<f64> = self.pivots[..self.rank].iter().map(|&row| rows[row]).collect();
        for i in 0..self.rank {
            let known: f64 = (0..i).map(|j| self.r(j, i) * v[j]).sum();
            v[i] = (v[i] - known) / self.r(i, i);
        }
        v
    }
}

/// The unit vector u for which (I - 2uu')x is a multiple of the first unit vector.
fn reflector(x: &[f64]) -> Vec<f64> {
    let scale = largest(x);
    let mut u: Vec<f64> = x.iter().map(|v| v / scale).collect();
    let length = dot(&u, &u).sqrt();
    u[0] += if u[0] < 0.0 { -length } else { length };
    let length = dot(&u, &u).sqrt();
    u.iter_mut().for_each(|v| *v /= length);
    u
}

fn reflect(u: &[f64], x: &mut [f64]) {
    let twice = 2.0 * dot(u, x);
    x.iter_mut().zip(u).for_each(|(x, u)| *x -= twice * u);
}
