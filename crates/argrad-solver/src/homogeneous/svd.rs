//! The singular value decomposition of a small square matrix, for least-norm solves.

/// The most sweeps over all pairs of columns; about ten are usual.
const SWEEPS: usize = 60;

/// `U diag(sigma) V'` of a square matrix by one-sided Jacobi rotations (Hestenes 1958): V is the product of
/// rotations that make the columns of the matrix orthogonal, the norms of these are the singular
/// values. Costs some ten n^3 operations, and is accurate for small singular values too.
#[derive(Clone, Debug)]
pub(super) struct Svd {
    order: usize,
    /// Columns of U diag(sigma), one after the other.
    scaled_u: Vec<f64>,
    /// Columns of V.
    v: Vec<f64>,
    /// In the order of the columns.
    sigma: Vec<f64>,
    /// Singular values up to this count as zero.
    cutoff: f64,
}

impl Svd {
    /// Decomposes a matrix given row by row. Singular values count as zero up to the larger of
    /// `cutoff` and what rounding makes of a zero.
    pub(super) fn new(rows: &[f64], order: usize, cutoff: f64) -> Self {
        let mut columns: Vec<f64> =
            (0..order).flat_map(|j| (0..order).map(move |i| rows[i * order + j])).collect();
        let mut v = vec![0.0; order * order];
        (0..order).for_each(|j| v[j * order + j] = 1.0);
        for _ in 0..SWEEPS {
            let mut is_orthogonal = true;
            for q in 1..order {
                for p in 0..q {
                    if let Some((c, s)) = rotation(pair(&mut columns, order, p, q)) {
                        rotate(pair(&mut columns, order, p, q), c, s);
                        rotate(pair(&mut v, order, p, q), c, s);
                        is_orthogonal = false;
                    }
                }
            }
            if is_orthogonal {
                break;
            }
        }
        let sigma: Vec<f64> =
            columns.chunks(order.max(1)).map(|column| dot(column, column).sqrt()).collect();
        let largest = sigma.iter().fold(0.0, |a: f64, b| a.max(*b));
        let rounding = order as f64 * f64::EPSILON * largest;
        Self { order, scaled_u: columns, v, sigma, cutoff: cutoff.max(rounding) }
    }

    /// The least-norm least-squares solution of the system with this matrix.
    pub(super) fn solve(&self, rhs: &[f64]) -> Vec<f64> {
        self.pseudoinverse(&self.scaled_u, &self.v, rhs)
    }

    /// The same for the transposed matrix.
    pub(super) fn solve_transpose(&self, rhs: &[f64]) -> Vec<f64> {
        self.pseudoinverse(&self.v, &self.scaled_u, rhs)
    }

    /// The sum of `right_k (left_k'rhs) / sigma_k^2` over the singular values that are not zero; one of
    /// `left` and `right` has a factor sigma_k in it, and the other gets one.
    fn pseudoinverse(&self, left: &[f64], right: &[f64], rhs: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.order];
        for (k, &sigma) in self.sigma.iter().enumerate() {
            if sigma > self.cutoff {
                let column = k * self.order..(k + 1) * self.order;
                let share = dot(&left[column.clone()], rhs) / sigma / sigma;
                out.iter_mut().zip(&right[column]).for_each(|(out, r)| *out += share * r);
            }
        }
        out
    }

    /// Singular values, largest first.
    pub(super) fn singular_values(&self) -> Vec<f64> {
        let mut sigma = self.sigma.clone();
        sigma.sort_by(|a, b| b.total_cmp(a));
        sigma
    }

    /// Number of singular values that are not zero.
    pub(super) fn rank(&self) -> usize {
        self.sigma.iter().filter(|sigma| **sigma > self.cutoff).count()
    }
}

/// Columns p < q.
fn pair(columns: &mut [f64], order: usize, p: usize, q: usize) -> (&mut [f64], &mut [f64]) {
    let (head, tail) = columns.split_at_mut(q * order);
    (&mut head[p * order..(p + 1) * order], &mut tail[..order])
}

/// Cosine and sine that make the two columns orthogonal; `None` where they are.
fn rotation((p, q): (&mut [f64], &mut [f64])) -> Option<(f64, f64)> {
    let (pp, qq, pq) = (dot(p, p), dot(q, q), dot(p, q));
    // Written so that NaN ends the iteration.
    let is_oblique = pq.abs() > p.len() as f64 * f64::EPSILON * (pp.sqrt() * qq.sqrt());
    if !is_oblique {
        return None;
    }
    let zeta = (qq - pp) / (2.0 * pq);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    Some((cosine, cosine * tangent))
}

fn rotate((p, q): (&mut [f64], &mut [f64]), cosine: f64, sine: f64) {
    for (p, q) in p.iter_mut().zip(q) {
        (*p, *q) = (cosine * *p - sine * *q, sine * *p + cosine * *q);
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}
