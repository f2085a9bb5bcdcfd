//! The second-order cone `{(t, u): t >= |u|}`, in closed form.

use qd::Quad;

use super::{Block, norm};

pub(super) fn project(v: &[Quad]) -> Block {
    let Some((&t, u)) = v.split_first() else {
        return Block::scaled(v, 1.0, 1.0);
    };
    let radius = norm(u);
    let size = t.abs() + radius;
    let margin =
        if size.0 > 0.0 { ((t - radius).abs().min_of((t + radius).abs()) / size).0 } else { 0.0 };
    if radius <= t {
        return Block::scaled(v, 1.0, margin);
    }
    if radius <= -t {
        return Block::scaled(v, 0.0, margin);
    }
    // s = (t + |u|) / 2 (1, w) with w = u / |u|.
    let half = Quad::from_f64(0.5);
    let w: Vec<Quad> = u.iter().map(|&u| u / radius).collect();
    let size = (t + radius) * half;
    let mut point = vec![size];
    point.extend(w.iter().map(|&w| size * w));
    let k = v.len();
    let mut derivative = vec![Quad::ZERO; k * k];
    derivative[0] = half;
    let ratio = t / radius;
    for i in 1..k {
        derivative[i] = half * w[i - 1];
        derivative[i * k] = derivative[i];
        for j in 1..k {
            derivative[i * k + j] = -half * ratio * w[i - 1] * w[j - 1];
        }
        derivative[i * k + i] += half * (Quad::ONE + ratio);
    }
    Block::new(point, derivative, margin)
}

trait MinOf {
    fn min_of(self, other: Self) -> Self;
}

impl MinOf for Quad {
    fn min_of(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
}
