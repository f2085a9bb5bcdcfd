//! Forward and backward substitution.

use pulp::Simd;

use super::plan::{Front, Plan, Stage};
use crate::lanes::{LaneTask, MOST_NUMBERS, Number, Register, numbers};

/// Columns of a front taken together.
const TILE: usize = 4;

/// Solves for `R` right-hand sides, `[step][R]`, in place.
pub(super) struct Solve<'a, T, const R: usize> {
    pub(super) plan: &'a Plan,
    pub(super) factor: &'a [T],
    pub(super) rhs: &'a mut [[T; R]],
    /// `R` times [`scratch_len`] numbers.
    pub(super) scratch: &'a mut [T],
}

/// Numbers that one right-hand side needs: those of the rows of a front.
pub(super) fn scratch_len(plan: &Plan) -> usize {
    plan.fronts.iter().map(Front::height).max().unwrap_or(0)
}

impl<T: Number, const R: usize> LaneTask for Solve<'_, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { plan, factor, rhs, scratch } = self;
        assert!(factor.len() == plan.factor_len && rhs.len() == plan.order);
        for stage in &plan.stages {
            match *stage {
                Stage::Slender { first, last, step, .. } => {
                    forward_slender(plan, factor, (first, last), &mut *rhs, step);
                }
                Stage::Front(index) => {
                    let front = &plan.fronts[index];
                    let panel = &factor[front.panel..][..front.width * front.height()];
                    forward(simd, plan, front, panel, rhs, scratch);
                }
            }
        }
        for stage in plan.stages.iter().rev() {
            match *stage {
                Stage::Slender { first, last, step, .. } => {
                    backward_slender(plan, factor, (first, last), &mut *rhs, step);
                }
                Stage::Front(index) => {
                    let front = &plan.fronts[index];
                    let panel = &factor[front.panel..][..front.width * front.height()];
                    backward(simd, plan, front, panel, rhs, scratch);
                }
            }
        }
    }
}

/// Forward substitution of the slender columns `first..last`, which are eliminated from `step` on.
#[inline(always)]
fn forward_slender<T: Number, const R: usize>(
    plan: &Plan,
    factor: &[T],
    (first, last): (usize, usize),
    rhs: &mut [[T; R]],
    step: usize,
) {
    for column in first..last {
        let start = plan.slender_start[column] as usize;
        let x = rhs[step + column - first];
        let rows = plan.slender_rows_of(column);
        for (&row, &l) in rows.iter().zip(&factor[start + 1..]) {
            for r in 0..R {
                rhs[row as usize][r] -= l * x[r];
            }
        }
    }
}

/// Division by the pivots, and backward substitution, of slender columns.
#[inline(always)]
fn backward_slender<T: Number, const R: usize>(
    plan: &Plan,
    factor: &[T],
    (first, last): (usize, usize),
    rhs: &mut [[T; R]],
    step: usize,
) {
    for column in (first..last).rev() {
        let start = plan.slender_start[column] as usize;
        let mut x = rhs[step + column - first].map(|x| x * factor[start]);
        let rows = plan.slender_rows_of(column);
        for (&row, &l) in rows.iter().zip(&factor[start + 1..]) {
            for r in 0..R {
                x[r] -= l * rhs[row as usize][r];
            }
        }
        rhs[step + column - first] = x;
    }
}

/// x := L^-1 x in the columns of the front, and its product with the rows below subtracted.
#[inline(always)]
fn forward<S: Simd, T: Number, const R: usize>(
    simd: S,
    plan: &Plan,
    front: &Front,
    panel: &[T],
    rhs: &mut [[T; R]],
    scratch: &mut [T],
) {
    let height = front.height();
    let mut work = split::<T, R>(scratch, height);
    for (i, x) in rhs[front.start..][..front.width].iter().enumerate() {
        for r in 0..R {
            work[r][i] = x[r];
        }
    }
    for work in &mut work {
        work[front.width..].fill(T::ZERO);
    }
    let mut k = 0;
    while k < front.width {
        let columns = (front.width - k).min(TILE);
        for t in k..k + columns {
            for u in t + 1..k + columns {
                let l = panel[t * height + u];
                for work in &mut work {
                    work[u] -= l * work[t];
                }
            }
        }
        let from = &panel[k * height..];
        match columns {
            1 => subtract_columns::<S, T, R, 1>(simd, from, k, &mut work),
            2 => subtract_columns::<S, T, R, 2>(simd, from, k, &mut work),
            3 => subtract_columns::<S, T, R, 3>(simd, from, k, &mut work),
            _ => subtract_columns::<S, T, R, TILE>(simd, from, k, &mut work),
        }
        k += columns;
    }
    for (i, x) in rhs[front.start..][..front.width].iter_mut().enumerate() {
        for r in 0..R {
            x[r] = work[r][i];
        }
    }
    for (i, &row) in plan.rows_of(front).iter().enumerate() {
        for r in 0..R {
            rhs[row as usize][r] += work[r][front.width + i];
        }
    }
}

/// x := L'^-1 D^-1 x in the columns of the front, given x in the rows below.
#[inline(always)]
fn backward<S: Simd, T: Number, const R: usize>(
    simd: S,
    plan: &Plan,
    front: &Front,
    panel: &[T],
    rhs: &mut [[T; R]],
    scratch: &mut [T],
) {
    let height = front.height();
    let mut work = split::<T, R>(scratch, height);
    for (i, x) in rhs[front.start..][..front.width].iter().enumerate() {
        let inverse = panel[i * (height + 1)];
        for r in 0..R {
            work[r][i] = x[r] * inverse;
        }
    }
    for (i, &row) in plan.rows_of(front).iter().enumerate() {
        for r in 0..R {
            work[r][front.width + i] = rhs[row as usize][r];
        }
    }
    let mut end = front.width;
    while end > 0 {
        let columns = if end.is_multiple_of(TILE) { TILE } else { end % TILE };
        let k = end - columns;
        let from = &panel[k * height..];
        match columns {
            1 => subtract_products::<S, T, R, 1>(simd, from, k, &mut work),
            2 => subtract_products::<S, T, R, 2>(simd, from, k, &mut work),
            3 => subtract_products::<S, T, R, 3>(simd, from, k, &mut work),
            _ => subtract_products::<S, T, R, TILE>(simd, from, k, &mut work),
        }
        for t in (k..end).rev() {
            for u in t + 1..end {
                let l = panel[t * height + u];
                for work in &mut work {
                    work[t] -= l * work[u];
                }
            }
        }
        end = k;
    }
    for (i, x) in rhs[front.start..][..front.width].iter_mut().enumerate() {
        for r in 0..R {
            x[r] = work[r][i];
        }
    }
}

#[inline(always)]
fn split<T, const R: usize>(scratch: &mut [T], height: usize) -> [&mut [T]; R] {
    let mut pieces = scratch.chunks_exact_mut(height);
    std::array::from_fn(|_| pieces.next().expect("scratch for each right-hand side"))
}

/// Subtracts `C` columns times the entries `k..k + C` of the work from the entries behind: one
/// fused multiply-add after the other, column by column, in each of them.
#[inline(always)]
fn subtract_columns<S: Simd, T: Number, const R: usize, const C: usize>(
    simd: S,
    panel: &[T],
    k: usize,
    work: &mut [&mut [T]; R],
) {
    let height = work[0].len();
    let columns: [&[T]; C] = std::array::from_fn(|c| &panel[c * height..(c + 1) * height][k + C..]);
    let columns = columns.map(|column| T::registers(simd, column));
    for work in work {
        let by: [T::Register<S>; C] = std::array::from_fn(|c| T::splat(simd, -work[k + c]));
        let (head, tail) = T::registers_mut(simd, &mut work[k + C..]);
        for (i, to) in head.iter_mut().enumerate() {
            let mut sum = *to;
            for c in 0..C {
                sum = columns[c].0[i].fma(by[c], sum);
            }
            *to = sum;
        }
        if !tail.is_empty() {
            let mut sum = load(simd, tail);
            for c in 0..C {
                sum = load(simd, columns[c].1).fma(by[c], sum);
            }
            store(simd, tail, sum);
        }
    }
}

/// Less than a register of numbers, zeros behind.
#[inline(always)]
pub(super) fn load<S: Simd, T: Number>(simd: S, values: &[T]) -> T::Register<S> {
    // SAFETY: they may be read.
    unsafe { T::load_first(simd, T::first(simd, values.len()), values.as_ptr()) }
}

/// The first numbers of a register.
#[inline(always)]
pub(super) fn store<S: Simd, T: Number>(simd: S, values: &mut [T], register: T::Register<S>) {
    // SAFETY: they may be written.
    unsafe { T::store_first(simd, T::first(simd, values.len()), values.as_mut_ptr(), register) }
}

/// Subtracts the products of `C` columns and the work behind from its entries `k..k + C`.
///
/// A product is as many sums as the widest register has numbers, whatever the instructions: entry i
/// goes to sum i modulo their number, zeros fill the last ones up, and then the upper half of the
/// sums is added to the lower one until one is left.
#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[inline(always)]
fn subtract_products<S: Simd, T: Number, const R: usize, const C: usize>(
    simd: S,
    panel: &[T],
    k: usize,
    work: &mut [&mut [T]; R],
) {
    let registers = const { T::MOST / numbers::<S, T>() };
    let height = work[0].len();
    let columns: [&[T]; C] = std::array::from_fn(|c| &panel[c * height..(c + 1) * height][k + C..]);
    let columns = columns.map(|column| T::registers(simd, column));
    for work in work {
        let (front, behind) = work.split_at_mut(k + C);
        let (head, tail) = T::registers(simd, behind);
        // The first `registers` of each.
        let mut sums = [[T::splat(simd, T::ZERO); MOST_NUMBERS]; C];
        let whole = head.len() - head.len() % registers;
        for i in (0..whole).step_by(registers) {
            for p in 0..registers {
                let x = head[i + p];
                for c in 0..C {
                    sums[c][p] = columns[c].0[i + p].fma(x, sums[c][p]);
                }
            }
        }
        let rest = head.len() - whole;
        if rest > 0 || !tail.is_empty() {
            let entry = |(head, tail): (&[T::Register<S>], &[T]), p: usize| match p {
                p if p < rest => head[whole + p],
                p if p == rest => load(simd, tail),
                _ => T::splat(simd, T::ZERO),
            };
            for p in 0..registers {
                let x = entry((head, tail), p);
                for c in 0..C {
                    sums[c][p] = entry(columns[c], p).fma(x, sums[c][p]);
                }
            }
        }
        for c in 0..C {
            front[k + c] -= total::<S, T>(simd, &mut sums[c]);
        }
    }
}

/// Adds the upper half of the sums, several in each register, to the lower half until one is left.
#[inline(always)]
pub(super) fn total<S: Simd, T: Number>(simd: S, sums: &mut [T::Register<S>; MOST_NUMBERS]) -> T {
    let mut half = const { T::MOST / numbers::<S, T>() } / 2;
    while half > 0 {
        for p in 0..half {
            sums[p] += sums[p + half];
        }
        half /= 2;
    }
    let mut lanes = [T::ZERO; MOST_NUMBERS];
    T::registers_mut(simd, &mut lanes).0[0] = sums[0];
    let mut half = numbers::<S, T>() / 2;
    while half > 0 {
        for p in 0..half {
            lanes[p] += lanes[p + half];
        }
        half /= 2;
    }
    lanes[0]
}
