//! Power cones `{(x, w): prod x_i^a_i >= |w|, x >= 0}` with exponents a that add up to 1.
//!
//! On the smooth boundary, with r the norm of the projected w and m = |w| - r,
//! ```text
//! x_i = (v_i + sqrt(v_i^2 + 4 a_i r m)) / 2        sum a_i log x_i = log r
//! ```
//! (Hien 2015). In `t = log(r / m)` both ends of `0 < r < |w|` are far away.

use qd::Quad;

use super::{Block, norm};
use crate::double_double::Lu;

pub(super) fn project(alpha: &[Quad], v: &[Quad]) -> Block {
    let (x, w) = v.split_at(alpha.len());
    let (size, radius) = (norm(v), norm(w));
    if size.0 == 0.0 {
        return Block::scaled(v, 1.0, 0.0);
    }
    let share = |part: Quad| (part / size).0;
    let least = x.iter().fold(1.0_f64, |least, &x| least.min(share(x)));
    let most = x.iter().fold(-1.0_f64, |most, &x| most.max(share(x)));
    if least > 0.0 {
        let gap = relative_gap(alpha, radius, |i| x[i]);
        if gap.0 >= 0.0 {
            return Block::scaled(v, 1.0, gap.0.min(least));
        }
    }
    if most < 0.0 {
        let gap = relative_gap(alpha, radius, |i| -x[i] / alpha[i]);
        if gap.0 >= 0.0 {
            return Block::scaled(v, 0.0, gap.0.min(-most));
        }
    }
    if radius.0 == 0.0 {
        return on_flat_part(alpha, v, size);
    }
    on_curve(alpha, v, radius, boundary_parameter(alpha, x, radius), size)
}

/// `1 - |w| / prod point_i^a_i`.
fn relative_gap(alpha: &[Quad], radius: Quad, point: impl Fn(usize) -> Quad) -> Quad {
    if radius.0 == 0.0 {
        return Quad::ONE;
    }
    let log_product =
        alpha.iter().enumerate().fold(Quad::ZERO, |sum, (i, &a)| sum + a * point(i).ln());
    Quad::ONE - (radius.ln() - log_product).exp()
}

/// w = 0 and some x_i < 0: the point is (max(x, 0), 0). For small w, r grows like
/// `m^(N / (1 - N))` with N the exponents of the negative x_i, so that w is kept for N < 1/2 and
/// lost for N > 1/2.
fn on_flat_part(alpha: &[Quad], v: &[Quad], size: Quad) -> Block {
    let k = alpha.len();
    let x = &v[..k];
    let margin = x.iter().fold(1.0_f64, |least, x| least.min((x.abs() / size).0));
    let negative = |i: usize| x[i].0 < 0.0;
    let lost = (0..k).filter(|&i| negative(i)).fold(Quad::ZERO, |sum, i| sum + alpha[i]);
    let mut block = Block::kept(v, |i| i < k && !negative(i), margin);
    // r = ratio m: the share ratio / (1 + ratio) of w stays.
    let half = Quad::from_f64(0.5);
    let kept = if lost < half {
        Quad::ONE
    } else if lost > half {
        Quad::ZERO
    } else {
        let log_ratio = (0..k).fold(Quad::ZERO, |sum, i| {
            sum + alpha[i] * if negative(i) { alpha[i] / -x[i] } else { x[i] }.ln()
        });
        let ratio = (log_ratio + log_ratio).exp();
        ratio / (Quad::ONE + ratio)
    };
    for i in k..v.len() {
        block.derivative[i * v.len() + i] = kept;
    }
    block
}

/// r and m at `t = log(r / m)`.
fn split(radius: Quad, t: Quad) -> (Quad, Quad) {
    (radius / (Quad::ONE + (-t).exp()), radius / (Quad::ONE + t.exp()))
}

/// The larger root of `x^2 - v x - c`, c >= 0, without cancellation.
fn larger_root(v: Quad, c: Quad) -> Quad {
    let root = (v * v + Quad::from_f64(4.0) * c).sqrt();
    if v.0 > 0.0 { (v + root) * Quad::from_f64(0.5) } else { (c + c) / (root - v) }
}

fn boundary_parameter(alpha: &[Quad], x: &[Quad], radius: Quad) -> Quad {
    // sum a_i log x_i - log r, and its derivative by t: dr/dt = rm / |w| = -dm/dt.
    let excess = |t: Quad| {
        let (r, m) = split(radius, t);
        let change = r * m / radius;
        let mut sum = -r.ln();
        let mut slope = -change / r;
        for (&a, &v) in alpha.iter().zip(x) {
            let x = larger_root(v, a * r * m);
            sum += a * x.ln();
            slope += a * (a * change * (m - r) / (x * (x + x - v)));
        }
        (sum, slope)
    };
    // At large t, r exceeds what the product allows.
    let (mut low, mut high) = (-300.0, 300.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if excess(Quad::from_f64(middle)).0.0 > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut t = Quad::from_f64(0.5 * (low + high));
    for _ in 0..8 {
        let (value, slope) = excess(t);
        let step = value / slope;
        if !step.is_finite() {
            break;
        }
        t -= step;
        if step.0.abs() <= 1e-31 * (1.0 + t.0.abs()) {
            break;
        }
    }
    t
}

fn on_curve(alpha: &[Quad], v: &[Quad], radius: Quad, t: Quad, size: Quad) -> Block {
    let (k, dim) = (alpha.len(), v.len());
    let (r, m) = split(radius, t);
    let direction: Vec<Quad> = v[k..].iter().map(|&w| w / radius).collect();
    let x: Vec<Quad> = alpha.iter().zip(v).map(|(&a, &v)| larger_root(v, a * r * m)).collect();
    let mut point = x.clone();
    point.extend(direction.iter().map(|&d| r * d));

    // The equations x_i - m a_i r / x_i = v_i, w + m w / |w| = v, sum a_i log x_i = log |w|,
    // differentiated by (x, w, m); the last row is multiplied by r.
    let order = dim + 1;
    let mut matrix = vec![Quad::ZERO; order * order];
    for i in 0..k {
        let force = alpha[i] * m / x[i];
        matrix[i * order + i] = Quad::ONE + force * r / x[i];
        for (j, &d) in direction.iter().enumerate() {
            matrix[i * order + k + j] = -force * d;
        }
        matrix[i * order + dim] = -alpha[i] * r / x[i];
        matrix[dim * order + i] = alpha[i] * r / x[i];
    }
    let ratio = m / r;
    for (i, &di) in direction.iter().enumerate() {
        for (j, &dj) in direction.iter().enumerate() {
            matrix[(k + i) * order + k + j] = -ratio * di * dj;
        }
        let diagonal = (k + i) * order + k + i;
        matrix[diagonal] = matrix[diagonal] + Quad::ONE + ratio;
        matrix[(k + i) * order + dim] = di;
        matrix[dim * order + k + i] = -di;
    }
    // Rows that are large where x_i is small would hide the others from the pivoting.
    let mut scales = vec![Quad::ONE; order];
    for (row, scale) in matrix.chunks_exact_mut(order).zip(&mut scales) {
        let largest = row.iter().fold(0.0_f64, |largest, v| largest.max(v.0.abs()));
        *scale = Quad::from_f64(largest.log2().round().exp2().recip());
        row.iter_mut().for_each(|v| *v *= *scale);
    }
    let lu = Lu::factor(&matrix, order, 0.0).expect("a smooth boundary has a derivative");
    let mut derivative = vec![Quad::ZERO; dim * dim];
    for j in 0..dim {
        let mut column = vec![Quad::ZERO; order];
        column[j] = scales[j];
        lu.solve(&mut column);
        for i in 0..dim {
            derivative[i * dim + j] = column[i];
        }
    }

    // A corner is near where an entry and its multiplier both are small.
    let corner = x
        .iter()
        .zip(v)
        .fold(1.0_f64, |least, (&x, &v)| least.min((x / size).0.max(((x - v) / size).0)));
    let dual = norm(&point.iter().zip(v).map(|(&s, &v)| s - v).collect::<Vec<_>>());
    let margin = corner.min((dual / size).0).min((norm(&point) / size).0).clamp(0.0, 1.0);
    Block::new(point, derivative, margin)
}
