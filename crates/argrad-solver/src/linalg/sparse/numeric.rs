//! The numeric factorization.

use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::kernel::{
    BLOCK, Multipliers, Panel, PivotRule, factor_block, solve_rows, subtract_product,
};
use super::pattern::NONE;
use super::plan::{Front, Plan, Stage};

/// Fused multiply-adds from which on the matrix product for large matrices is faster.
const LARGE_PRODUCT: usize = 64 * 64 * 32;
/// Fused multiply-adds from which on threads pay.
const THREADS: usize = 1 << 21;
/// Rows of a panel that one thread solves at a time.
const CHUNK: usize = 256;

/// One factorization.
pub(super) struct Factorize<'a> {
    pub(super) plan: &'a Plan,
    pub(super) matrix: &'a [f64],
    pub(super) factor: &'a mut [f64],
    /// [`Plan::stack_len`] numbers, then [`scratch_len`].
    pub(super) scratch: &'a mut [f64],
    pub(super) rule: PivotRule<'a>,
}

/// Numbers that [`Factorize`] needs beside the stack: the pivots of a front and a copy of L D.
pub(super) fn scratch_len(plan: &Plan) -> usize {
    let widest = plan.fronts.iter().map(|front| front.width).max().unwrap_or(0);
    let copied = plan.fronts.iter().map(|front| {
        let of_block = if front.width > BLOCK { front.width * BLOCK } else { 0 };
        let of_front = if product_is_large(front) { front.width * front.below } else { 0 };
        of_block.max(of_front)
    });
    widest + copied.max().unwrap_or(0)
}

fn product_is_large(front: &Front) -> bool {
    front.width > BLOCK || front.width * front.below * front.below / 2 >= LARGE_PRODUCT
}

impl WithSimd for Factorize<'_> {
    /// The least sign * pivot before any replacement.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { plan, matrix, factor, scratch, rule } = self;
        assert!(matrix.len() == plan.place.len() && factor.len() == plan.factor_len);
        assert!(rule.signs.len() == plan.order);
        let (stack, scratch) = scratch.split_at_mut(plan.stack_len);
        factor.fill(0.0);
        for (&value, &place) in matrix.iter().zip(&plan.place) {
            factor[place as usize] = value;
        }
        let mut least = f64::INFINITY;
        let mut multipliers: Multipliers = [0.0; _];
        for stage in &plan.stages {
            match *stage {
                Stage::Slender { first, last, step, target } => {
                    eliminate_slender(plan, factor, (first, last, step, target), rule, &mut least);
                }
                Stage::Front(index) => {
                    let front = &plan.fronts[index];
                    if front.is_leaf {
                        stack[front.update..][..front.below * front.below].fill(0.0);
                    }
                    eliminate_front(
                        simd,
                        front,
                        &mut factor[front.panel..][..front.width * front.height()],
                        &mut stack[front.update..][..front.below * front.below],
                        scratch,
                        &mut multipliers,
                        |column, pivot| rule.apply(front.start + column, pivot, &mut least),
                    );
                    if front.parent != NONE {
                        add_to_parent(plan, front, factor, stack);
                    }
                }
            }
        }
        least
    }
}

/// Right-looking elimination, column by column.
#[inline(always)]
fn eliminate_slender(
    plan: &Plan,
    factor: &mut [f64],
    (first, last, step, target): (usize, usize, usize, usize),
    rule: PivotRule,
    least: &mut f64,
) {
    let starts = &plan.slender_start[first..=last];
    let mut targets = plan.targets[target..].iter();
    for (column, start) in starts.windows(2).enumerate() {
        let (start, end) = (start[0] as usize, start[1] as usize);
        let inverse = 1.0 / rule.apply(step + column, factor[start], least);
        factor[start] = inverse;
        for b in start + 1..end {
            let multiplier = factor[b] * inverse;
            for a in b..end {
                let product = factor[a] * multiplier;
                let Some(&target) = targets.next() else { return };
                factor[target as usize] -= product;
            }
            factor[b] = multiplier;
        }
    }
}

#[inline(always)]
fn eliminate_front<S: Simd>(
    simd: S,
    front: &Front,
    panel: &mut [f64],
    update: &mut [f64],
    scratch: &mut [f64],
    multipliers: &mut Multipliers,
    mut pivot: impl FnMut(usize, f64) -> f64,
) {
    let (width, below, height) = (front.width, front.below, front.height());
    assert!(panel.len() == width * height && update.len() == below * below);
    let (pivots, scratch) = scratch.split_at_mut(width);
    let columns = Panel { at: panel.as_mut_ptr(), height };
    let mut first = 0;
    while first < width {
        let last = (first + BLOCK).min(width);
        let pivots = &mut pivots[first..last];
        let in_threads = height - last >= 2 * CHUNK;
        // SAFETY: first < last <= width, at most BLOCK apart, and the panel is `width * height`.
        unsafe {
            let end = if in_threads { last } else { height };
            factor_block(simd, columns, (first, last, end), multipliers, pivots, &mut pivot);
        }
        if in_threads {
            solve_in_threads(simd, columns, (first, last), pivots);
        }
        if last < width {
            update_panel(panel, (first, last), (width, height), pivots, scratch);
        }
        first = last;
    }
    if product_is_large(front) {
        update_large(panel, (width, below), pivots, update, scratch);
    } else if below > 0 {
        // SAFETY: sizes are asserted above, and width <= BLOCK.
        unsafe {
            let update = update.as_mut_ptr();
            subtract_product(simd, columns, (width, below), pivots, update, multipliers);
        }
    }
}

/// Completes columns `first..last` of a tall panel in the rows from `last` on.
fn solve_in_threads<S: Simd>(simd: S, panel: Panel, (first, last): (usize, usize), pivots: &[f64]) {
    struct Chunk<'a> {
        panel: Panel,
        columns: (usize, usize),
        rows: (usize, usize),
        pivots: &'a [f64],
    }
    impl WithSimd for Chunk<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let mut multipliers: Multipliers = [0.0; _];
            let Self { panel, columns, rows, pivots } = self;
            // SAFETY: `factor_block` was called for these columns, and the rows lie below them.
            unsafe { solve_rows(simd, panel, columns, rows, &mut multipliers, pivots) }
        }
    }
    let chunks = (panel.height - last).div_ceil(CHUNK);
    (0..chunks).into_par_iter().for_each(|chunk| {
        let start = last + chunk * CHUNK;
        let rows = (start, (start + CHUNK).min(panel.height));
        simd.vectorize(Chunk { panel, columns: (first, last), rows, pivots });
    });
}

fn threads(work: usize) -> Par {
    if work >= THREADS { Par::rayon(0) } else { Par::Seq }
}

/// Updates the columns of a panel behind the block `first..last`.
fn update_panel(
    panel: &mut [f64],
    (first, last): (usize, usize),
    (width, height): (usize, usize),
    pivots: &[f64],
    scratch: &mut [f64],
) {
    let (done, rest) = panel.split_at_mut(last * height);
    let block = MatRef::from_column_major_slice(&done[first * height..], height, last - first);
    let behind = width - last;
    let scaled = scaled_rows(block.subrows(last, behind), pivots, scratch);
    let mut rest = MatMut::from_column_major_slice_mut(rest, height, behind);
    let par = threads((height - last) * behind * (last - first));
    triangular::matmul(
        rest.as_mut().subrows_mut(last, behind),
        triangular::BlockStructure::TriangularLower,
        Accum::Add,
        block.subrows(last, behind),
        triangular::BlockStructure::Rectangular,
        scaled.transpose(),
        triangular::BlockStructure::Rectangular,
        -1.0,
        par,
    );
    if height > width {
        matmul(
            rest.subrows_mut(width, height - width),
            Accum::Add,
            block.subrows(width, height - width),
            scaled.transpose(),
            -1.0,
            par,
        );
    }
}

/// The work of [`subtract_product`] for large matrices.
fn update_large(
    panel: &[f64],
    (width, below): (usize, usize),
    pivots: &[f64],
    update: &mut [f64],
    scratch: &mut [f64],
) {
    if below == 0 {
        return;
    }
    let lower = MatRef::from_column_major_slice(panel, width + below, width);
    let lower = lower.subrows(width, below);
    let scaled = scaled_rows(lower, pivots, scratch);
    triangular::matmul(
        MatMut::from_column_major_slice_mut(update, below, below),
        triangular::BlockStructure::TriangularLower,
        Accum::Add,
        lower,
        triangular::BlockStructure::Rectangular,
        scaled.transpose(),
        triangular::BlockStructure::Rectangular,
        -1.0,
        threads(width * below * below / 2),
    );
}

/// L D.
fn scaled_rows<'a>(
    lower: MatRef<'_, f64>,
    pivots: &[f64],
    scratch: &'a mut [f64],
) -> MatRef<'a, f64> {
    let (rows, columns) = lower.shape();
    let scaled = &mut scratch[..rows * columns];
    for (j, (column, pivot)) in scaled.chunks_exact_mut(rows).zip(pivots).enumerate() {
        let from = lower.col(j).try_as_col_major().expect("contiguous columns").as_slice();
        for (to, from) in column.iter_mut().zip(from) {
            *to = from * pivot;
        }
    }
    MatRef::from_column_major_slice(scaled, rows, columns)
}

/// Adds the update matrix of a front to the panel and the update matrix of its parent.
#[inline(always)]
fn add_to_parent(plan: &Plan, front: &Front, factor: &mut [f64], stack: &mut [f64]) {
    let parent = &plan.fronts[front.parent as usize];
    let places = plan.relative_of(front);
    let below = front.below;
    let length = parent.below * parent.below;
    // The two matrices lie on different stacks.
    let (update, above) = if front.update < parent.update {
        let (low, high) = stack.split_at_mut(parent.update);
        (&low[front.update..][..below * below], &mut high[..length])
    } else {
        let (low, high) = stack.split_at_mut(front.update);
        (&high[..below * below], &mut low[parent.update..][..length])
    };
    if front.is_first {
        above.fill(0.0);
    }
    let panel = &mut factor[parent.panel..][..parent.width * parent.height()];
    for (q, &place) in places.iter().enumerate() {
        let place = place as usize;
        let (column, shift) = if place < parent.width {
            (&mut panel[place * parent.height()..][..parent.height()], 0)
        } else {
            let place = place - parent.width;
            (&mut above[place * parent.below..][..parent.below], parent.width)
        };
        let from = &update[q * below..][..below];
        let consecutive = q.max(front.consecutive_from);
        for (&place, value) in places[q..consecutive].iter().zip(&from[q..consecutive]) {
            column[place as usize - shift] += value;
        }
        let start = places[consecutive] as usize - shift;
        let tail = &from[consecutive..];
        for (to, value) in column[start..][..tail.len()].iter_mut().zip(tail) {
            *to += value;
        }
    }
}
