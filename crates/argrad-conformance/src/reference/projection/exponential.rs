//! The exponential cone, the closure of `{(x, y, z): y exp(x / y) <= z, y > 0}`.
//!
//! On the smooth boundary the point is `y (1, e^r)` behind its ratio r = x / y, and the multiplier
//! is on the smooth boundary of the dual cone:
//! ```text
//! s = y (r, 1, e^r)      z = m (-1, r - 1, e^-r)      v = s - z,  y > 0, m > 0
//! ```
//! The first two entries of v give y and m for each r, the third an equation in r that increases
//! wherever both are positive (Friberg 2021).

use qd::Quad;

use super::{Block, norm, quotient};

/// Ratios beyond which `e^r` or `e^-r` is nothing, or everything, in double-double arithmetic.
const LARGEST_RATIO: f64 = 300.0;

pub(super) fn project(v: &[Quad]) -> Block {
    let [x, y, z] = [v[0], v[1], v[2]];
    let size = norm(v);
    if size.0 == 0.0 {
        return Block::scaled(v, 1.0, 0.0);
    }
    let share = |part: Quad| (part / size).0;
    // In the cone.
    let zero = Quad::ZERO;
    if y > zero && z > zero {
        let least = y * (x / y).exp();
        if least <= z {
            let margin = (Quad::ONE - least / z).0.min(share(y)).min(share(z));
            return Block::scaled(v, 1.0, margin);
        }
    }
    // In the polar cone: -v in {(u, v, w): u < 0, -u exp(v / u) <= e w}.
    if x > zero && z < zero {
        let least = x * (y / x - Quad::ONE).exp();
        if least <= -z {
            let margin = (Quad::ONE + least / z).0.min(share(x)).min(share(-z));
            return Block::scaled(v, 0.0, margin);
        }
    }
    // Over the flat part {(x, 0, z): x <= 0 <= z}.
    if x <= zero && y <= zero {
        let margin = share(-x).min(share(-y)).min(share(z.abs()));
        return Block::kept(v, |i| i == 0 || (i == 2 && z > zero), margin);
    }
    let Some((low, high)) = bracket(x, y, z) else {
        // The curved part is out of sight: near (x, y, 0), or near (0, 0, z).
        let keep_first = y > zero;
        let near = if keep_first { y } else { x };
        let margin = share(near).min(share(z.abs()));
        return Block::kept(v, |i| if i == 2 { z > zero } else { keep_first }, margin);
    };
    on_curve(v, ratio(v, low, high), size)
}

/// y and m at the ratio r.
fn multipliers(v: &[Quad], r: Quad) -> (Quad, Quad) {
    let determinant = r * r - r + Quad::ONE;
    (((r - Quad::ONE) * v[0] + v[1]) / determinant, (v[0] - r * v[1]) / determinant)
}

/// The third equation: `y e^r - m e^-r - v_3`.
fn excess(v: &[Quad], r: Quad) -> Quad {
    let (y, m) = multipliers(v, r);
    y * r.exp() - m * (-r).exp() - v[2]
}

/// Ratios between which y and m are positive and the equation changes sign; none when that is
/// beyond [`LARGEST_RATIO`].
fn bracket(x: Quad, y: Quad, z: Quad) -> Option<(f64, f64)> {
    // y > 0 says r > 1 - y/x for x > 0 and r < 1 - y/x for x < 0; m > 0 says r < x/y for y > 0 and
    // r > x/y for y < 0.
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let first = (Quad::ONE - y / x).0;
    let second = (x / y).0;
    if x.0 > 0.0 {
        low = low.max(first);
    } else if x.0 < 0.0 {
        high = high.min(first);
    }
    if y.0 > 0.0 {
        high = high.min(second);
    } else if y.0 < 0.0 {
        low = low.max(second);
    }
    if low > LARGEST_RATIO || high < -LARGEST_RATIO {
        return None;
    }
    (low, high) = (low.max(-2.0 * LARGEST_RATIO), high.min(2.0 * LARGEST_RATIO));
    let v = [x, y, z];
    let (at_low, at_high) = (excess(&v, Quad::from_f64(low)).0, excess(&v, Quad::from_f64(high)).0);
    (at_low <= 0.0 && at_high >= 0.0).then_some((low, high))
}

/// Bisection, then Newton's method.
fn ratio(v: &[Quad], mut low: f64, mut high: f64) -> Quad {
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if excess(v, Quad::from_f64(middle)).0 < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut r = Quad::from_f64(0.5 * (low + high));
    for _ in 0..8 {
        let (y, m) = multipliers(v, r);
        let determinant = r * r - r + Quad::ONE;
        let slope = (r + r - Quad::ONE) / determinant;
        let (dy, dm) = (v[0] / determinant - y * slope, -v[1] / determinant - m * slope);
        let (up, down) = (r.exp(), (-r).exp());
        let step = excess(v, r) / ((dy + y) * up + (m - dm) * down);
        if !step.is_finite() {
            break;
        }
        r -= step;
        if step.0.abs() <= 1e-31 * (1.0 + r.0.abs()) {
            break;
        }
    }
    r
}

fn on_curve(v: &[Quad], r: Quad, size: Quad) -> Block {
    let (y, m) = multipliers(v, r);
    let (up, down) = (r.exp(), (-r).exp());
    let (one, zero) = (Quad::ONE, Quad::ZERO);
    let point = vec![y * r, y, y * up];
    let dual = [-m, m * (r - one), m * down];
    // Columns: derivatives by y, by n = m e^-r and by r; the multiplier is n (-e^r, (r - 1) e^r,
    // 1).
    let of_v = [r, up, y + m, one, (one - r) * up, -m * r, up, -one, y * up];
    let of_s = [r, zero, y, one, zero, zero, up, zero, y * up];
    let derivative = quotient(&of_s, &of_v, 3);
    // Far down the boundary y tells how near the flat part is, far up it is (x, y).
    let near = if r.0 < 0.0 { y } else { norm(&point[..2]) };
    let margin = (norm(&dual) / size).0.min((near / size).0).clamp(0.0, 1.0);
    Block::new(point, derivative, margin)
}
