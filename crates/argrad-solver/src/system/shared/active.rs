//! Factor and solves of a group's system over the active rows.
//!
//! Each lane has a list of its own of the rows in which H is finite; the lists of a group are
//! padded to one length with rows of the identity, which change no bits of the others. With
//! `c` the unit of the objective and all matrices those of the batch,
//! ```text
//! (c x0, y0) = K0^-1 (r1, c r2_e)
//! (M + c H)_AA z_A = (A (c x0) - c r2)_A
//! (c x, y) = (c x0, y0) - Y_A z_A
//! ```
//! and `z = -r2 / H` in the rows that are not active, in which H stands for infinity.

use pulp::Simd;

use super::group::SharedGroup;
use super::matrices::{SharedMatrices, Sharing};
use crate::cones::FREE;
use crate::lanes::{Kernel, V, call};
use crate::linalg::dense::tiled_cholesky::{self, TILE};

/// Added to H, as the general system does.
const REGULARIZATION: f64 = 1e-8;
/// Rounding errors of M, relative to its largest entry: what is added to its diagonal is larger.
const ROUNDING: f64 = 64.0 * f64::EPSILON;
/// A pivot below this share of what was added is replaced by it.
const SMALLEST_PIVOT: f64 = 1e-2;
/// More rows than any structure of the lane engine has.
const MOST_ROWS: usize = 1024;

/// Registers that factor and solves take: see [`ActiveFactor`].
pub(crate) fn len(sharing: &Sharing, n: usize, m: usize) -> usize {
    let rows = padded(sharing.inequalities.len());
    let over_rows = sharing.inequalities.len() + 1;
    over_rows + rows * rows + rows + 2 * (2 * sharing.order(n) + m + 2 * rows)
}

fn padded(rows: usize) -> usize {
    rows.next_multiple_of(TILE)
}

/// Memory of factor and solves.
struct Memory<'a, S: Simd> {
    /// The rows of each lane, as positions among the inequalities, then -1; after the last, how
    /// many the longest list has, padded.
    lists: &'a mut [V<S>],
    /// The factor, with the side of the longest list.
    factor: &'a mut [V<S>],
    inverses: &'a mut [V<S>],
    scratch: &'a mut [V<S>],
}

impl<'a, S: Simd> Memory<'a, S> {
    #[inline(always)]
    fn new(sharing: &Sharing, memory: &'a mut [V<S>]) -> Self {
        let rows = padded(sharing.inequalities.len());
        let (lists, rest) = memory.split_at_mut(sharing.inequalities.len() + 1);
        let (factor, rest) = rest.split_at_mut(rows * rows);
        let (inverses, scratch) = rest.split_at_mut(rows);
        Self { lists, factor, inverses, scratch }
    }
}

/// A vector over x and one over the rows.
type Vectors<'a, S> = (&'a [V<S>], &'a [V<S>]);
type VectorsMut<'a, S> = (&'a mut [V<S>], &'a mut [V<S>]);

/// Factors the system with the diagonal blocks `h`, a number for each row.
#[inline(always)]
pub(crate) fn factor<S: Simd>(simd: S, group: SharedGroup<'_, S>, h: &[V<S>], memory: &mut [V<S>]) {
    let memory = Memory::new(group.sharing, memory);
    call(simd, Factor { simd, group, h, memory });
}

struct Factor<'a, S: Simd> {
    simd: S,
    group: SharedGroup<'a, S>,
    h: &'a [V<S>],
    memory: Memory<'a, S>,
}

impl<S: Simd> Kernel for Factor<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, group, h, memory: Memory { lists, factor, inverses, .. } } = self;
        let SharedGroup { sharing, matrices, cost, .. } = group;
        let rows = &sharing.inequalities;
        let mut counts = [0; crate::lanes::MOST_LANES];
        lists.fill(V::splat(simd, -1.0));
        for lane in 0..V::<S>::LANES {
            for (k, &row) in rows.iter().enumerate() {
                let row = row as usize;
                if h[row].lane(lane) < FREE && group.kept[row].lane(lane) > 0.0 {
                    lists[counts[lane]].set_lane(lane, k as f64);
                    counts[lane] += 1;
                }
            }
        }
        let side = padded(counts.iter().copied().max().unwrap_or(0));
        lists[rows.len()] = V::splat(simd, side as f64);
        let (factor, inverses) = (&mut factor[..side * side], &mut inverses[..side]);
        let one = V::splat(simd, 1.0);
        let added = (V::splat(simd, REGULARIZATION) * cost)
            .max(V::splat(simd, ROUNDING * rows.len() as f64 * matrices.m_size));
        for (lane, &count) in counts.iter().enumerate().take(V::<S>::LANES) {
            gather(matrices, lists, lane, count, (side, factor));
        }
        for (a, list) in lists[..side.min(rows.len())].iter().enumerate() {
            let diagonal = &mut factor[a * side + a];
            for lane in 0..V::<S>::LANES {
                if a < counts[lane] {
                    let row = rows[list.lane(lane) as usize] as usize;
                    let h = cost.lane(lane).mul_add(h[row].lane(lane), added.lane(lane));
                    diagonal.set_lane(lane, diagonal.lane(lane) + h);
                } else {
                    diagonal.set_lane(lane, one.lane(lane));
                }
            }
        }
        for a in rows.len()..side {
            factor[a * side + a] = one;
        }
        let least = V::splat(simd, SMALLEST_PIVOT) * added;
        tiled_cholesky::factor(simd, factor, inverses, least);
    }
}

/// The lower triangle of M over the first `count` rows of the list of `lane`, zeros below it.
#[inline(always)]
fn gather<S: Simd>(
    matrices: &SharedMatrices,
    lists: &[V<S>],
    lane: usize,
    count: usize,
    (side, factor): (usize, &mut [V<S>]),
) {
    let mut list = [0_u32; MOST_ROWS];
    let list = &mut list[..count];
    for (to, from) in list.iter_mut().zip(lists) {
        *to = from.lane(lane) as u32;
    }
    let numbers = V::as_floats_mut(factor);
    for a in 0..side {
        let line = &mut numbers[a * side * V::<S>::LANES..][..(a + 1) * V::<S>::LANES];
        let places = line.iter_mut().skip(lane).step_by(V::<S>::LANES);
        if a < count {
            let row = matrices.m.row(list[a] as usize);
            for (place, &column) in places.zip(&list[..=a]) {
                *place = row[column as usize];
            }
        } else {
            places.for_each(|place| *place = 0.0);
        }
    }
}

/// Solves the system that was factored last in `memory` for `R` right-hand sides over x and the
/// rows, into solutions of the same form.
#[inline(always)]
pub(crate) fn solve<S: Simd, const R: usize>(
    simd: S,
    group: SharedGroup<'_, S>,
    h: &[V<S>],
    rhs: [Vectors<'_, S>; R],
    memory: &mut [V<S>],
    out: [VectorsMut<'_, S>; R],
) {
    let memory = Memory::new(group.sharing, memory);
    call(simd, Solve { simd, group, h, rhs, memory, out });
}

struct Solve<'a, S: Simd, const R: usize> {
    simd: S,
    group: SharedGroup<'a, S>,
    h: &'a [V<S>],
    rhs: [Vectors<'a, S>; R],
    memory: Memory<'a, S>,
    out: [VectorsMut<'a, S>; R],
}

impl<S: Simd, const R: usize> Kernel for Solve<'_, S, R> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { simd, group, h, rhs, memory, out } = self;
        let SharedGroup { sharing, matrices, cost, .. } = group;
        let Sharing { equalities, inequalities } = sharing;
        let (n, m) = (matrices.a.columns(), matrices.a.rows());
        let order = sharing.order(n);
        let (at_rhs, rest) = memory.scratch.as_chunks_mut::<R>().0.split_at_mut(order);
        let (point, rest) = rest.split_at_mut(order);
        let (ax, rest) = rest.split_at_mut(m);
        let (dual, rest) = rest.split_at_mut(inequalities.len());
        for (j, to) in at_rhs[..n].iter_mut().enumerate() {
            *to = std::array::from_fn(|r| rhs[r].0[j]);
        }
        for (to, &row) in at_rhs[n..].iter_mut().zip(equalities) {
            *to = std::array::from_fn(|r| rhs[r].1[row as usize] * cost);
        }
        matrices.inverse.transpose_product(simd, at_rhs, point);
        matrices.a_transposed.transpose_product(simd, &point[..n], ax);
        for (to, &row) in dual.iter_mut().zip(inequalities) {
            let row = row as usize;
            *to = std::array::from_fn(|r| rhs[r].1[row].nfma(cost, ax[row][r]));
        }
        let side = memory.lists[inequalities.len()].lane(0) as usize;
        let (factor, inverses) = (&memory.factor[..side * side], &memory.inverses[..side]);
        solve_active(simd, memory.lists, (factor, inverses), dual, &mut rest[..side]);
        let correction = at_rhs;
        matrices.y.transpose_product(simd, dual, correction);
        let (zero, free) = (V::splat(simd, 0.0), V::splat(simd, FREE));
        for (r, (x, z)) in out.into_iter().enumerate() {
            for (j, x) in x.iter_mut().enumerate() {
                *x = (point[j][r] - correction[j][r]) / cost;
            }
            for (k, &row) in equalities.iter().enumerate() {
                z[row as usize] = point[n + k][r] - correction[n + k][r];
            }
            for (k, &row) in inequalities.iter().enumerate() {
                let row = row as usize;
                let active = h[row].lt(free) & group.kept[row].gt(zero);
                z[row] = active.select(dual[k][r], -rhs[r].1[row] / h[row]);
            }
        }
    }
}

/// Replaces right-hand sides over the inequalities by the solutions over the active ones, and
/// zeros.
#[inline(always)]
fn solve_active<S: Simd, const R: usize>(
    simd: S,
    lists: &[V<S>],
    (factor, inverses): (&[V<S>], &[V<S>]),
    dual: &mut [[V<S>; R]],
    active: &mut [[V<S>; R]],
) {
    let zero = V::splat(simd, 0.0);
    active.fill([zero; R]);
    let lists = &lists[..active.len().min(dual.len())];
    for (to, list) in active.iter_mut().zip(lists) {
        for lane in 0..V::<S>::LANES {
            let row = list.lane(lane);
            if row >= 0.0 {
                for r in 0..R {
                    to[r].set_lane(lane, dual[row as usize][r].lane(lane));
                }
            }
        }
    }
    tiled_cholesky::solve(simd, factor, inverses, active);
    dual.fill([zero; R]);
    for (from, list) in active.iter().zip(lists) {
        for lane in 0..V::<S>::LANES {
            let row = list.lane(lane);
            if row >= 0.0 {
                for r in 0..R {
                    dual[row as usize][r].set_lane(lane, from[r].lane(lane));
                }
            }
        }
    }
}

/// Replaces `dual`, a right-hand side over the inequalities, by the solution of the system that was
/// factored last over the active ones, and zeros.
#[inline(always)]
pub(crate) fn solve_dual<S: Simd>(
    simd: S,
    sharing: &Sharing,
    dual: &mut [V<S>],
    memory: &mut [V<S>],
) {
    let Memory { lists, factor, inverses, scratch } = Memory::new(sharing, memory);
    let side = lists[sharing.inequalities.len()].lane(0) as usize;
    let factor = (&factor[..side * side], &inverses[..side]);
    let dual = dual.as_chunks_mut::<1>().0;
    solve_active(simd, lists, factor, dual, &mut scratch.as_chunks_mut::<1>().0[..side]);
}
