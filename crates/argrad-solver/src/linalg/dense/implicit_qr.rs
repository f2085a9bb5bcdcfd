//! Eigenvalues and eigenvectors of one symmetric tridiagonal matrix by implicit QR steps.
//!
//! The shifts are those of Wilkinson; a step is a sweep of rotations along an unreduced block,
//! towards the end with the smaller diagonal element, where it converges (the routine dsteqr of
//! LAPACK; Dubrulle, Martin, Wilkinson: The implicit QL algorithm, 1968). Sweeps are kept, and many
//! of them applied at a time to a few columns of the eigenvectors, which stay in the cache. The
//! vectors are rows: a rotation of two of them is the same operation on every column.

use pulp::Simd;

use super::panel::call_task;
use crate::lanes::{LaneTask, MOST_LANES, V};

/// eps^2: an off-diagonal element is negligible where e_k^2 <= eps^2 |d_k d_(k+1)|.
const NEGLIGIBLE: f64 = 1.3e-32;
/// The square of what is negligible beside elements of order one.
const VANISHING: f64 = 1e-64;
/// Squared lengths of vectors that are not rotated any more.
const TINY: f64 = 1e-280;
/// Less than two sweeps an eigenvalue are usual.
const MAX_SWEEPS: usize = 30;
/// Sweeps that are kept.
const BATCH: usize = 64;
/// Rotations that are kept, for each row.
const KEPT: usize = 32;
/// Registers of columns that are rotated together: they hide the latency.
const REGISTERS: usize = 4;

/// Numbers that [`ImplicitQr`] needs for itself.
#[inline(always)]
pub(super) fn qr_scratch_len(side: usize) -> usize {
    (2 * KEPT + REGISTERS * MOST_LANES) * side
}

/// Replaces the diagonal `d` of a tridiagonal matrix with elements of order one or less by its
/// eigenvalues, and multiplies the rows of `u` by its eigenvectors from the left; `e` is the
/// off-diagonal, e_k between k and k + 1. Returns whether it converged.
pub(super) struct ImplicitQr<'a> {
    pub(super) d: &'a mut [f64],
    pub(super) e: &'a mut [f64],
    pub(super) u: &'a mut [f64],
    pub(super) scratch: &'a mut [f64],
}

/// A sweep of rotations of neighbouring rows.
#[derive(Clone, Copy)]
struct Sweep {
    first: usize,
    /// The number of rotations, one less than that of rows.
    len: usize,
    /// From the first row to the last, or the other way round.
    down: bool,
}

const NONE: Sweep = Sweep { first: 0, len: 0, down: true };

impl LaneTask for ImplicitQr<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        let Self { d, e, u, scratch } = self;
        let side = d.len();
        let (rotations, panel) = scratch.split_at_mut(2 * KEPT * side);
        let mut sweeps = [NONE; BATCH];
        let (mut count, mut used) = (0, 0);
        let mut last = side.saturating_sub(1);
        let mut block = (0, 0);
        let mut down = true;
        for _ in 0..MAX_SWEEPS * side {
            let first = loop {
                let first = first_of_block(d, e, last);
                if first < last || last == 0 {
                    break first;
                }
                last -= 1;
            };
            if last == 0 {
                break;
            }
            // What is left of a block goes on in its direction.
            if first < block.0 || last > block.1 {
                down = d[last].abs() < d[first].abs();
            }
            block = (first, last);
            let len = last - first;
            if !u.is_empty() && (count == BATCH || used + 2 * len > rotations.len()) {
                let (sweeps, rotations) = (&sweeps[..count], &rotations[..used]);
                call_task(simd, ApplySweeps { side, sweeps, rotations, u, panel });
                (count, used) = (0, 0);
            }
            let kept = if u.is_empty() { &mut [][..] } else { &mut rotations[used..][..2 * len] };
            if down {
                sweep::<true>(d, e, block, kept);
            } else {
                sweep::<false>(d, e, block, kept);
            }
            if !u.is_empty() {
                sweeps[count] = Sweep { first, len, down };
                (count, used) = (count + 1, used + 2 * len);
            }
        }
        if count > 0 {
            let (sweeps, rotations) = (&sweeps[..count], &rotations[..used]);
            call_task(simd, ApplySweeps { side, sweeps, rotations, u, panel });
        }
        last == 0
    }
}

/// The first row of the unreduced block that ends with row `last`.
#[inline(always)]
fn first_of_block(d: &[f64], e: &[f64], last: usize) -> usize {
    let mut first = last;
    while first > 0 {
        let square = e[first - 1] * e[first - 1];
        let product = (d[first - 1] * d[first]).abs();
        // A NaN ends no block.
        if square <= NEGLIGIBLE * product || square <= VANISHING {
            break;
        }
        first -= 1;
    }
    first
}

/// A step on the block with the rows `first..=last`, whose rotations go to `kept` as pairs (cosine,
/// sine) unless that is empty. Up, it is the step down of the matrix with rows and columns in the
/// opposite order.
#[inline(always)]
fn sweep<const DOWN: bool>(
    d: &mut [f64],
    e: &mut [f64],
    (first, last): (usize, usize),
    kept: &mut [f64],
) {
    let len = last - first;
    let row = |t: usize| if DOWN { first + t } else { last - t };
    // Between the rows t and t + 1.
    let between = |t: usize| if DOWN { first + t } else { last - t - 1 };
    // Wilkinson's shift, from the last two rows.
    let p = d[row(len)];
    let off = e[between(len - 1)];
    let g = (d[row(len - 1)] - p) / (2.0 * off);
    let r = g.mul_add(g, 1.0).sqrt();
    let signed = if g >= 0.0 { r } else { -r };
    let mut g = d[row(0)] - p + off / (g + signed);
    let (mut cosine, mut sine, mut p) = (1.0, 1.0, 0.0);
    let mut current = d[row(0)];
    for t in 0..len {
        let off = e[between(t)];
        let next = d[row(t + 1)];
        let (f, b) = (sine * off, cosine * off);
        let square = g.mul_add(g, f * f);
        let length;
        (cosine, sine, length) = if square > TINY {
            let length = square.sqrt();
            let inverse = 1.0 / length;
            (g * inverse, f * inverse, length)
        } else {
            (1.0, 0.0, g)
        };
        if t > 0 {
            e[between(t - 1)] = length;
        }
        let diagonal = current - p;
        let r = (next - diagonal).mul_add(sine, 2.0 * cosine * b);
        p = sine * r;
        d[row(t)] = diagonal + p;
        g = cosine.mul_add(r, -b);
        current = next;
        if let Some(kept) = kept.get_mut(2 * t..2 * t + 2) {
            kept[0] = cosine;
            kept[1] = sine;
        }
    }
    d[row(len)] = current - p;
    e[between(len - 1)] = g;
}

/// Applies sweeps to the rows of u, a few columns at a time.
struct ApplySweeps<'a> {
    side: usize,
    sweeps: &'a [Sweep],
    rotations: &'a [f64],
    u: &'a mut [f64],
    panel: &'a mut [f64],
}

impl LaneTask for ApplySweeps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, sweeps, rotations, u, panel } = self;
        let width = REGISTERS * V::<S>::LANES;
        let (mut top, mut bottom) = (side, 0);
        for sweep in sweeps {
            top = top.min(sweep.first);
            bottom = bottom.max(sweep.first + sweep.len + 1);
        }
        let panel = &mut panel[..width * (bottom - top)];
        let mut j = 0;
        while j < side {
            let count = width.min(side - j);
            for (line, row) in panel.chunks_exact_mut(width).zip(top..bottom) {
                line[..count].copy_from_slice(&u[row * side + j..][..count]);
                line[count..].fill(0.0);
            }
            let (lines, _) = V::slice_mut(simd, panel).as_chunks_mut::<REGISTERS>();
            let mut used = 0;
            for sweep in sweeps {
                let rotations = &rotations[used..][..2 * sweep.len];
                let lines = &mut lines[sweep.first - top..][..=sweep.len];
                rotate_lines(simd, sweep.down, rotations, lines);
                used += 2 * sweep.len;
            }
            for (line, row) in panel.chunks_exact(width).zip(top..bottom) {
                u[row * side + j..][..count].copy_from_slice(&line[..count]);
            }
            j += count;
        }
    }
}

/// Applies one sweep. The line that the next rotation needs stays in registers.
#[inline(always)]
fn rotate_lines<S: Simd>(simd: S, down: bool, rotations: &[f64], lines: &mut [[V<S>; REGISTERS]]) {
    let (rotations, _) = rotations.as_chunks::<2>();
    let len = rotations.len();
    let lines = &mut lines[..=len];
    if down {
        let mut carried = lines[0];
        for t in 0..len {
            let next = lines[t + 1];
            (lines[t], carried) = rotate(simd, rotations[t], carried, next);
        }
        lines[len] = carried;
    } else {
        let mut carried = lines[len];
        for t in 0..len {
            let next = lines[len - t - 1];
            (lines[len - t], carried) = rotate(simd, rotations[t], carried, next);
        }
        lines[0] = carried;
    }
}

/// (cos x + sin y, cos y - sin x).
#[inline(always)]
fn rotate<S: Simd>(
    simd: S,
    [cosine, sine]: [f64; 2],
    x: [V<S>; REGISTERS],
    y: [V<S>; REGISTERS],
) -> ([V<S>; REGISTERS], [V<S>; REGISTERS]) {
    let (cosine, sine) = (V::splat(simd, cosine), V::splat(simd, sine));
    let (mut done, mut carried) = (x, y);
    for c in 0..REGISTERS {
        done[c] = cosine.fma(x[c], sine * y[c]);
        carried[c] = sine.nfma(x[c], cosine * y[c]);
    }
    (done, carried)
}
