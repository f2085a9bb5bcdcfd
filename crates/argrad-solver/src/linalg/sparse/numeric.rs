//! The numeric factorization.

use pulp::Simd;
use rayon::prelude::*;

use super::kernel::{
    BLOCK, Multipliers, Panel, PivotRule, Product, ROWS, divide_columns, factor_block, solve_rows,
};
use super::plan::{Front, Plan, Stage};
use crate::lanes::{Kernel, LaneTask, Number, call};
use crate::linalg::ordering::NONE;

/// Fused multiply-adds from which on the matrix product for large matrices is faster.
const LARGE_PRODUCT: usize = 64 * 64 * 32;
/// Fused multiply-adds from which on threads pay.
const THREADS: usize = 1 << 22;
/// Rows of a panel that one thread solves at a time.
const CHUNK: usize = 256;

/// One factorization.
pub(super) struct Factorize<'a, T> {
    pub(super) plan: &'a Plan,
    pub(super) matrix: &'a [T],
    pub(super) factor: &'a mut [T],
    /// [`Plan::stack_len`] numbers, then [`scratch_len`].
    pub(super) scratch: &'a mut [T],
    pub(super) rule: PivotRule<'a>,
}

/// Numbers that [`Factorize`] needs beside the stack: the pivots of a front and a part of L D.
pub(super) fn scratch_len(plan: &Plan) -> usize {
    let widest = plan.fronts.iter().map(|front| front.width).max().unwrap_or(0);
    let copied = plan.fronts.iter().map(|front| {
        let packed = |columns| Product::<f64>::packed_len(columns, front.width.min(BLOCK));
        let of_block = if front.width > BLOCK { packed(front.width) } else { 0 };
        let of_front = if product_is_large(front) { packed(front.below) } else { 0 };
        of_block.max(of_front)
    });
    widest + copied.max().unwrap_or(0)
}

fn product_is_large(front: &Front) -> bool {
    front.width > BLOCK || front.width * front.below * front.below / 2 >= LARGE_PRODUCT
}

impl<T: Number> LaneTask for Factorize<'_, T> {
    /// The least sign * pivot before any replacement.
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let Self { plan, matrix, factor, scratch, rule } = self;
        assert!(matrix.len() == plan.place.len() && factor.len() == plan.factor_len);
        assert!(rule.signs.len() == plan.order);
        let (stack, scratch) = scratch.split_at_mut(plan.stack_len);
        factor.fill(T::ZERO);
        for (&value, &place) in matrix.iter().zip(&plan.place) {
            factor[place as usize] = value;
        }
        let mut least = f64::INFINITY;
        let mut multipliers: Multipliers<T> = [T::ZERO; _];
        for stage in &plan.stages {
            match *stage {
                Stage::Slender { first, last, step, target } => {
                    eliminate_slender(plan, factor, (first, last, step, target), rule, &mut least);
                }
                Stage::Front(index) => {
                    let front = &plan.fronts[index];
                    eliminate_front(
                        simd,
                        front,
                        &mut factor[front.panel..][..front.width * front.height()],
                        scratch,
                        &mut multipliers,
                        |column, pivot| rule.apply(front.start + column, pivot, &mut least),
                    );
                    let work = (&mut *scratch, &mut multipliers);
                    if front.updates_parent() {
                        update_parent(simd, plan, front, (factor, stack), work);
                    } else {
                        update_own(simd, front, (factor, stack), work);
                        if front.parent != NONE {
                            add_to_parent(plan, front, factor, stack);
                        }
                    }
                }
            }
        }
        least
    }
}

/// Right-looking elimination, column by column.
#[inline(always)]
fn eliminate_slender<T: Number>(
    plan: &Plan,
    factor: &mut [T],
    (first, last, step, target): (usize, usize, usize, usize),
    rule: PivotRule,
    least: &mut f64,
) {
    let starts = &plan.slender_start[first..=last];
    let mut targets = plan.targets[target..].iter();
    for (column, start) in starts.windows(2).enumerate() {
        let (start, end) = (start[0] as usize, start[1] as usize);
        let inverse = T::ONE / rule.apply(step + column, factor[start], least);
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

/// Eliminates the columns of a front; the first numbers of `scratch` are then its pivots.
#[inline(always)]
fn eliminate_front<S: Simd, T: Number>(
    simd: S,
    front: &Front,
    panel: &mut [T],
    scratch: &mut [T],
    multipliers: &mut Multipliers<T>,
    mut pivot: impl FnMut(usize, T) -> T,
) {
    let (width, height) = (front.width, front.height());
    assert!(panel.len() == width * height);
    let (pivots, scratch) = scratch.split_at_mut(width);
    // All access from here on is by this pointer.
    let panel = Panel { at: panel.as_mut_ptr(), height };
    if front.is_diagonal {
        // SAFETY: the panel is `width * height`.
        unsafe { divide_columns(simd, panel, pivots, pivot) };
        return;
    }
    let mut first = 0;
    while first < width {
        let last = (first + BLOCK).min(width);
        let pivots = &mut pivots[first..last];
        let in_threads = height - last >= 2 * CHUNK;
        // SAFETY: first < last <= width, at most BLOCK apart, and the panel is `width * height`.
        unsafe {
            let end = if in_threads { last } else { height };
            factor_block(simd, panel, (first, last, end), multipliers, pivots, &mut pivot);
        }
        if in_threads {
            solve_in_threads(simd, panel, (first, last), pivots);
        }
        if last < width {
            // SAFETY: the columns behind the block lie in the panel.
            unsafe {
                let to = Panel { at: panel.entry(last, last), height };
                let (block, columns) = ((first, last), (last, width));
                subtract_large(simd, Product { panel, block, pivots, columns, to }, scratch);
            }
        }
        first = last;
    }
}

/// Subtracts the product of an eliminated front from its update matrix.
#[inline(always)]
fn update_own<S: Simd, T: Number>(
    simd: S,
    front: &Front,
    (factor, stack): (&mut [T], &mut [T]),
    work: (&mut [T], &mut Multipliers<T>),
) {
    let below = front.below;
    let update = &mut stack[front.update..][..below * below];
    if front.is_leaf {
        update.fill(T::ZERO);
    }
    let update = Panel { at: update.as_mut_ptr(), height: below };
    let panel = &mut factor[front.panel..][..front.width * front.height()];
    let columns = (front.width, front.height());
    // SAFETY: the update matrix is `below * below`, the panel `width * height`.
    unsafe { subtract_front(simd, front, (panel.as_mut_ptr(), columns, update), work) }
}

/// Subtracts the product of an eliminated front from the front of its parent, see
/// [`Front::updates_parent`].
#[inline(always)]
fn update_parent<S: Simd, T: Number>(
    simd: S,
    plan: &Plan,
    front: &Front,
    (factor, stack): (&mut [T], &mut [T]),
    (scratch, multipliers): (&mut [T], &mut Multipliers<T>),
) {
    let parent = &plan.fronts[front.parent as usize];
    let above = &mut stack[parent.update..][..parent.below * parent.below];
    if front.is_first {
        above.fill(T::ZERO);
    }
    let above = Panel { at: above.as_mut_ptr(), height: parent.below };
    assert!(front.panel + front.width * front.height() <= factor.len());
    assert!(parent.panel + parent.width * parent.height() <= factor.len());
    let Some(&place) = plan.relative_of(front).first() else { return };
    let place = place as usize;
    let eliminated = front.below.min(parent.width.saturating_sub(place));
    let middle = front.width + eliminated;
    let factor = factor.as_mut_ptr();
    // SAFETY: the panels are `width * height` numbers of the factor, by the assertions, and do not
    // overlap; the update matrix of the parent is `below * below`; and the rows of the front lie in
    // that of the parent from `place` on.
    unsafe {
        let panel = factor.add(front.panel);
        let of_parent = Panel { at: factor.add(parent.panel), height: parent.height() };
        if eliminated > 0 {
            let to = Panel { at: of_parent.entry(place, place), ..of_parent };
            let product = (panel, (front.width, middle), to);
            subtract_front(simd, front, product, (&mut *scratch, &mut *multipliers));
        }
        if middle < front.height() {
            let first = (place + eliminated) - parent.width;
            let to = Panel { at: above.entry(first, first), ..above };
            let product = (panel, (middle, front.height()), to);
            subtract_front(simd, front, product, (scratch, multipliers));
        }
    }
}

/// Subtracts the columns `columns` of the product of an eliminated front, whose pivots are the
/// first numbers of the scratch, from `to`.
///
/// # Safety
/// `panel` is that of the front; `to` has room for the product and does not overlap it; and nobody
/// else uses either.
#[inline(always)]
unsafe fn subtract_front<S: Simd, T: Number>(
    simd: S,
    front: &Front,
    (panel, columns, to): (*mut T, (usize, usize), Panel<T>),
    (scratch, multipliers): (&mut [T], &mut Multipliers<T>),
) {
    let (pivots, scratch) = scratch.split_at_mut(front.width);
    let panel = Panel { at: panel, height: front.height() };
    if product_is_large(front) {
        for (index, pivots) in pivots.chunks(BLOCK).enumerate() {
            let block = (index * BLOCK, index * BLOCK + pivots.len());
            // SAFETY: by the caller.
            unsafe { subtract_large(simd, Product { panel, block, pivots, columns, to }, scratch) };
        }
    } else {
        let product = Product { panel, block: (0, front.width), pivots, columns, to };
        // SAFETY: by the caller; the product is not large, so its depth is at most BLOCK.
        unsafe { product.subtract(simd, multipliers) };
    }
}

/// Completes columns `first..last` of a tall panel in the rows from `last` on.
fn solve_in_threads<S: Simd, T: Number>(
    simd: S,
    panel: Panel<T>,
    (first, last): (usize, usize),
    pivots: &[T],
) {
    struct Chunk<'a, S, T> {
        simd: S,
        panel: Panel<T>,
        columns: (usize, usize),
        rows: (usize, usize),
        pivots: &'a [T],
    }
    impl<S: Simd, T: Number> Kernel for Chunk<'_, S, T> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            let mut multipliers: Multipliers<T> = [T::ZERO; _];
            let Self { simd, panel, columns, rows, pivots } = self;
            // SAFETY: `factor_block` was called for these columns, and the rows lie below them.
            unsafe { solve_rows(simd, panel, columns, rows, &mut multipliers, pivots) }
        }
    }
    let chunks = (panel.height - last).div_ceil(CHUNK);
    (0..chunks).into_par_iter().for_each(|chunk| {
        let start = last + chunk * CHUNK;
        let rows = (start, (start + CHUNK).min(panel.height));
        call(simd, Chunk { simd, panel, columns: (first, last), rows, pivots });
    });
}

/// Subtracts a large product, in threads where that pays.
///
/// # Safety
/// The panel of the product and its matrix have the sizes it says, the matrix does not overlap with
/// the columns of the block, and nobody else uses either.
unsafe fn subtract_large<S: Simd, T: Number>(simd: S, product: Product<'_, T>, scratch: &mut [T]) {
    struct Chunk<'a, S, T> {
        simd: S,
        product: Product<'a, T>,
        rows: (usize, usize),
        multipliers: &'a [T],
    }
    impl<S: Simd, T: Number> Kernel for Chunk<'_, S, T> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            let Self { simd, product, rows, multipliers } = self;
            // SAFETY: by the caller of `subtract_large`; each chunk has rows of its own.
            unsafe { product.subtract_rows(simd, rows, multipliers) }
        }
    }
    let (first, last) = product.columns;
    let len = Product::<T>::packed_len(last - first, product.block.1 - product.block.0);
    let multipliers = &mut scratch[..len];
    // SAFETY: by the caller.
    unsafe { product.pack(multipliers) };
    let multipliers = &*multipliers;
    let height = product.panel.height;
    let chunk = |chunk: usize| {
        let start = first + chunk * ROWS;
        let rows = (start, (start + ROWS).min(height));
        call(simd, Chunk { simd, product, rows, multipliers });
    };
    let chunks = (height - first).div_ceil(ROWS);
    if product.work() >= THREADS {
        (0..chunks).into_par_iter().for_each(chunk);
    } else {
        (0..chunks).for_each(chunk);
    }
}

/// Adds the update matrix of a front to the panel and the update matrix of its parent.
#[inline(always)]
fn add_to_parent<T: Number>(plan: &Plan, front: &Front, factor: &mut [T], stack: &mut [T]) {
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
        above.fill(T::ZERO);
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
        for (&place, &value) in places[q..consecutive].iter().zip(&from[q..consecutive]) {
            column[place as usize - shift] += value;
        }
        let start = places[consecutive] as usize - shift;
        let tail = &from[consecutive..];
        for (to, &value) in column[start..][..tail.len()].iter_mut().zip(tail) {
            *to += value;
        }
    }
}
