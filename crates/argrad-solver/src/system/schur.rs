//! Rows that are eliminated by the inverse of their cone's block, before the system is factored:
//!
//! ```text
//! (P + A' H^-1 A) dx = r1 + A' H^-1 r2,     dz = H^-1 (A dx - r2)
//! ```
//!
//! over the rows of these cones. For matrices of side d it takes the place of a block with
//! d^4 / 8 entries. The complement is formed from the sparse columns of A, as interior point codes
//! for semidefinite programs do (Fujisawa, Kojima, Nakata: Exploiting sparsity in primal-dual
//! interior-point methods for semidefinite programming, 1997); with H^-1 as in [`InverseBlock`]:
//!
//! - for a scaling, where F = 1 and H^-1 X = K X K with K = G G', by columns: K A_j K as a whole
//!   where A_j has many entries, else the few entries of it that a column meets;
//! - for a projection by pairs of directions, `sum F_kl (G' A_i G)_kl (G' A_j G)_kl`, without those
//!   in which the projection is the identity; or by columns, where there are many.

use std::ops::Range;

use pulp::Simd;

use crate::cones::{
    Argument, ConeProduct, EliminatedRows, InverseBlock, Point, STEEPEST, add_row,
    apply_scratch_len,
};
use crate::lanes::{Kernel, V, call};
use crate::linalg::dense::{
    Entries, Support, congruence, row_products, triangle_index, triangle_len,
};
use crate::program::{Cone, Structure};

/// Blocks are eliminated by their inverse where that takes less than this share of the operations:
/// the system with the block is the more accurate one.
const SHARE: f64 = 0.25;
/// And where they have at least this side: small blocks have better things to do than matrices.
const SMALLEST_SIDE: usize = 6;
/// Pairs of directions taken at once.
const PAIRS: usize = 128;
/// Where fewer of the places of a matrix than this share have entries, products with the entries
/// are cheaper.
const FEW: usize = 4;
/// What the value buffer says of a scaling.
const SCALING: f64 = 1.0;
/// A pair whose F is below this is one in which the projection is the identity: F would be zero if
/// steep directions were not capped.
const IDENTITY: f64 = 2.0 / STEEPEST;

/// All eliminated rows.
#[derive(Debug, Default)]
pub(crate) struct Schur {
    cones: Vec<Eliminated>,
    /// Registers of the inverse blocks in the value buffer.
    pub(crate) blocks_len: usize,
    /// Scratch registers of [`Schur::add`].
    pub(crate) scratch_len: usize,
    /// Number of rows.
    rows: usize,
    /// Scratch registers for one application of an inverse.
    apply_len: usize,
}

/// The rows of one cone.
#[derive(Debug)]
struct Eliminated {
    place: EliminatedRows,
    /// Where the inverse is in the value buffer: what it belongs to, as [`SCALING`] or zero, then
    /// its parts.
    block: usize,
    /// Where the products of these rows are kept in a solve.
    kept: usize,
    /// The columns with entries in these rows, those with most entries first.
    columns: Vec<Column>,
    entries: Vec<Entry>,
    /// Places of the matrix in which any column has entries, where these are few.
    union: Option<Vec<(u32, u32)>>,
    /// Addresses of the complement's entries in the factor: lower triangle over `columns`, row by
    /// row.
    targets: Vec<u32>,
    /// Columns, the first ones, whose product with the scaling is formed as a whole.
    whole: usize,
    /// Whether the complement of a projection goes by pairs of directions, not by columns.
    by_pairs: bool,
    /// Whether pairs are collected until there are enough: with several samples at once, what is
    /// summed together must not depend on the others.
    collects: bool,
}

/// One column of A in the rows of a cone.
#[derive(Clone, Debug, Default)]
struct Column {
    variable: u32,
    /// Its entries, rows ascending.
    entries: Range<usize>,
    /// The rows and columns of the matrix that have entries, ascending.
    touched: Vec<u32>,
}

/// The entry (a, b), a <= b, of a column's matrix.
#[derive(Clone, Copy, Debug)]
struct Entry {
    a: u32,
    b: u32,
    /// Place of its row among those of the cone.
    row: u32,
    /// Address of the value; times sqrt 2 off the diagonal.
    address: u32,
}

/// Fused multiply-adds for the complement: of a scaling, of a projection by pairs of directions,
/// and by columns.
struct Operations {
    scaling: f64,
    pairs: f64,
    columns: f64,
    /// Leading columns that are multiplied as a whole.
    whole: usize,
}

impl Operations {
    /// For matrices of side `side` and columns with these numbers of entries, and of rows touched,
    /// descending.
    fn new(side: usize, columns: impl Iterator<Item = (usize, usize)> + Clone) -> Self {
        let d = side as f64;
        let pairs = triangle_len(side) as f64;
        let count = columns.clone().count() as f64;
        let mut rest: f64 = columns.clone().map(|(entries, _)| entries as f64).sum();
        let mut work =
            Self { scaling: 0.0, pairs: count * count * pairs / 2.0, columns: 0.0, whole: 0 };
        for (k, (entries, touched)) in columns.enumerate() {
            let (entries, touched) = (entries as f64, touched as f64);
            let product = 2.0 * entries * d + touched * d * d / 2.0;
            let (whole, pairwise) = (product + rest, 4.0 * entries * rest);
            if whole < pairwise && work.whole == k {
                work.whole = k + 1;
            }
            work.scaling += if work.whole == k + 1 { whole } else { pairwise };
            work.pairs += 2.0 * entries * d + touched * pairs;
            work.columns += product + 3.0 * d * d * d + rest;
            rest -= entries;
        }
        work
    }

    fn most(&self) -> f64 {
        self.scaling.max(self.pairs.min(self.columns))
    }
}

/// A column of A in the rows of a cone.
#[derive(Clone, Debug)]
struct Given {
    variable: usize,
    /// Rows, from the first of the cone on, and places among the entries of A.
    entries: Vec<(usize, usize)>,
}

/// The columns of A in the rows of each cone for which `wanted`, those with most entries first.
fn columns_of(structure: &Structure, wanted: &[bool]) -> Vec<Vec<Given>> {
    if !wanted.contains(&true) {
        return vec![Vec::new(); wanted.len()];
    }
    let mut of_row = Vec::with_capacity(structure.rows());
    for (k, (cone, &wanted)) in structure.cones.iter().zip(wanted).enumerate() {
        of_row.extend((0..cone.dim()).map(|row| wanted.then_some((k, row))));
    }
    let mut columns: Vec<Vec<Given>> = vec![Vec::new(); wanted.len()];
    for (at, (i, variable)) in structure.a.entries().enumerate() {
        let Some((cone, row)) = of_row[i] else { continue };
        match columns[cone].last_mut() {
            Some(last) if last.variable == variable => last.entries.push((row, at)),
            _ => columns[cone].push(Given { variable, entries: vec![(row, at)] }),
        }
    }
    for of_cone in &mut columns {
        of_cone.sort_by_key(|column| std::cmp::Reverse(column.entries.len()));
    }
    columns
}

/// The coordinates of each row of a cone of matrices.
fn coordinates(side: usize) -> Vec<(u32, u32)> {
    (0..side as u32).flat_map(|b| (0..=b).map(move |a| (a, b))).collect()
}

/// The rows and columns of a matrix that have entries.
fn touched(coordinates: &[(u32, u32)], entries: &[(usize, usize)]) -> Vec<u32> {
    let both = |&(row, _): &(usize, usize)| <[u32; 2]>::from(coordinates[row]);
    let mut touched: Vec<u32> = entries.iter().flat_map(both).collect();
    touched.sort_unstable();
    touched.dedup();
    touched
}

/// Cone by cone, whether its rows are better eliminated by the inverse of their block.
pub(crate) fn worth_eliminating(structure: &Structure) -> Vec<bool> {
    let is_large = |cone: &Cone| matches!(cone, Cone::PsdTriangle(side) if *side >= SMALLEST_SIDE);
    let large: Vec<bool> = structure.cones.iter().map(is_large).collect();
    let columns = columns_of(structure, &large);
    let is_worth = |(cone, columns): (&Cone, &Vec<Given>)| {
        let Cone::PsdTriangle(side) = *cone else { return false };
        if side < SMALLEST_SIDE {
            return false;
        }
        let coordinates = coordinates(side);
        let counts: Vec<(usize, usize)> = columns
            .iter()
            .map(|Given { entries, .. }| (entries.len(), touched(&coordinates, entries).len()))
            .collect();
        let (rows, count) = (triangle_len(side) as f64, counts.len() as f64);
        let dense = rows * rows * (rows / 6.0 + (count + side as f64) / 2.0);
        Operations::new(side, counts.iter().copied()).most() < SHARE * dense
    };
    structure.cones.iter().zip(&columns).map(is_worth).collect()
}

/// Number of entries that eliminating the rows may fill in P, without a list of them.
pub(crate) fn most_fill(structure: &Structure, eliminated: &[bool]) -> usize {
    let columns = columns_of(structure, eliminated);
    columns.iter().map(|columns| columns.len().saturating_mul(columns.len()) / 2).sum()
}

/// The entries `(i, j)`, i < j, that eliminating the rows fills in P.
pub(crate) fn fill(structure: &Structure, eliminated: &[bool]) -> Vec<(usize, usize)> {
    let mut fill = Vec::new();
    for columns in columns_of(structure, eliminated) {
        let mut variables: Vec<usize> = columns.iter().map(|column| column.variable).collect();
        variables.sort_unstable();
        for (k, &j) in variables.iter().enumerate() {
            fill.extend(variables[..k].iter().map(|&i| (i, j)));
        }
    }
    fill.sort_unstable();
    fill.dedup();
    fill
}

impl Schur {
    /// Blocks lie from `start` on in the value buffer. `a_address` has the address of each entry of
    /// A, `target` that of each entry `(i, j)` of the complement in the factor. `one_at_a_time`:
    /// whether samples are always solved alone.
    pub(crate) fn new(
        structure: &Structure,
        cones: &ConeProduct,
        eliminated: &[bool],
        start: usize,
        a_address: &[u32],
        target: impl Fn(usize, usize) -> u32,
        one_at_a_time: bool,
    ) -> Self {
        let mut schur = Self::default();
        let columns = columns_of(structure, eliminated);
        let columns = columns.into_iter().zip(eliminated).filter(|(_, gone)| **gone);
        for (place, (columns, _)) in cones.eliminated().zip(columns) {
            let block = start + schur.blocks_len;
            schur.blocks_len += 1 + place.h.len();
            let mut cone = Eliminated::new(place, block, &columns, a_address, &target);
            cone.kept = schur.rows;
            cone.collects = one_at_a_time;
            schur.rows += cone.place.rows.len();
            schur.scratch_len = schur.scratch_len.max(cone.scratch_len());
            let apply = cone.place.rows.len() + apply_scratch_len(cone.place.side);
            schur.apply_len = schur.apply_len.max(apply);
            schur.cones.push(cone);
        }
        schur
    }

    /// Scratch registers of a solve for `count` right-hand sides.
    pub(crate) fn solve_scratch_len(&self, count: usize) -> usize {
        count * self.rows + self.apply_len
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.cones.is_empty()
    }

    /// Writes the inverse blocks for the blocks `h` of a point, regularized by `of_z`, and adds the
    /// complements to the matrix, in the value buffer.
    #[inline(always)]
    pub(crate) fn add<S: Simd>(
        &self,
        simd: S,
        values: &mut [V<S>],
        h: &[V<S>],
        (point, of_z): (Point, V<S>),
        scratch: &mut [V<S>],
    ) {
        for cone in &self.cones {
            call(simd, Add { simd, cone, values, h, point, of_z, scratch });
        }
    }

    /// Adds `A' H^-1 r2` of these rows to the right-hand side `work` of the rest, which has the
    /// variables at `steps`. Keeps `H^-1 r2` in `scratch`.
    #[inline(always)]
    pub(crate) fn reduce<S: Simd, const R: usize>(
        &self,
        simd: S,
        values: &[V<S>],
        rhs: [&[V<S>]; R],
        (steps, work): (&[u32], &mut [[V<S>; R]]),
        scratch: &mut [V<S>],
    ) {
        let (all_kept, scratch) = scratch.split_at_mut(R * self.rows);
        for cone in &self.cones {
            let rows = cone.place.rows.clone();
            for (r, rhs) in rhs.iter().enumerate() {
                let kept = &mut all_kept[r * self.rows + cone.kept..][..rows.len()];
                let argument = Argument { x: &rhs[rows.clone()], entries: None };
                cone.inverse(values).apply(simd, argument, kept, scratch);
                for column in &cone.columns {
                    let entry = &mut work[steps[column.variable as usize] as usize][r];
                    let mut sum = *entry;
                    for at in &cone.entries[column.entries.clone()] {
                        sum = values[at.address as usize].fma(kept[at.row as usize], sum);
                    }
                    *entry = sum;
                }
            }
        }
    }

    /// z of these rows, `H^-1 (A x - r2)`, for right-hand side `r` of `count`, with what
    /// [`Self::reduce`] kept.
    #[inline(always)]
    pub(crate) fn recover<S: Simd>(
        &self,
        simd: S,
        values: &[V<S>],
        (rhs, r, count): (&[V<S>], usize, usize),
        (x, z): (&[V<S>], &mut [V<S>]),
        scratch: &mut [V<S>],
    ) {
        let (all_kept, scratch) = scratch.split_at_mut(count * self.rows);
        for cone in &self.cones {
            let rows = cone.place.rows.clone();
            let kept = &all_kept[r * self.rows + cone.kept..][..rows.len()];
            let (ax, scratch) = scratch.split_at_mut(rows.len());
            let (rhs, z) = (&rhs[rows.clone()], &mut z[rows]);
            let inverse = cone.inverse(values);
            // A difference of products with numbers as large as those of a projection's inverse has
            // fewer digits than the product with the difference.
            let entries = cone.union.as_deref().filter(|_| inverse.point == Point::Scaling);
            for k in 0..ax.len() {
                ax[k] = if entries.is_some() { V::splat(simd, 0.0) } else { -rhs[k] };
            }
            for column in &cone.columns {
                let x = x[column.variable as usize];
                for at in &cone.entries[column.entries.clone()] {
                    let ax = &mut ax[at.row as usize];
                    *ax = values[at.address as usize].fma(x, *ax);
                }
            }
            inverse.apply(simd, Argument { x: ax, entries }, z, scratch);
            if entries.is_some() {
                for k in 0..z.len() {
                    z[k] -= kept[k];
                }
            }
        }
    }
}

impl Eliminated {
    fn new(
        place: EliminatedRows,
        block: usize,
        given: &[Given],
        a_address: &[u32],
        target: impl Fn(usize, usize) -> u32,
    ) -> Self {
        let side = place.side;
        let coordinates = coordinates(side);
        let (mut columns, mut entries) = (Vec::with_capacity(given.len()), Vec::new());
        for Given { variable, entries: of_column } in given {
            let start = entries.len();
            entries.extend(of_column.iter().map(|&(row, at)| {
                let (a, b) = coordinates[row];
                Entry { a, b, row: row as u32, address: a_address[at] }
            }));
            columns.push(Column {
                variable: *variable as u32,
                entries: start..entries.len(),
                touched: touched(&coordinates, of_column),
            });
        }
        let mut targets = Vec::with_capacity(triangle_len(columns.len()));
        for (i, row) in columns.iter().enumerate() {
            let of_row = |column: &Column| target(row.variable as usize, column.variable as usize);
            targets.extend(columns[..=i].iter().map(of_row));
        }
        let sizes = columns.iter().map(|column| (column.entries.len(), column.touched.len()));
        let work = Operations::new(side, sizes);
        let mut union: Vec<(u32, u32)> = entries.iter().map(|at| (at.a, at.b)).collect();
        union.sort_unstable();
        union.dedup();
        Self {
            block,
            kept: 0,
            collects: false,
            union: (union.len() * FEW < place.rows.len()).then_some(union),
            place,
            columns,
            entries,
            targets,
            whole: work.whole,
            by_pairs: work.pairs <= work.columns,
        }
    }

    #[inline(always)]
    fn inverse<'a, S: Simd>(&self, values: &'a [V<S>]) -> InverseBlock<'a, S> {
        let is_scaling = values[self.block].lane(0) == SCALING;
        let point = if is_scaling { Point::Scaling } else { Point::Projection };
        let parts = &values[self.block + 1..][..self.place.h.len()];
        InverseBlock::of(self.place.side, point, parts)
    }

    /// Rows of matrices that columns touch: of all, and at most of one.
    fn touched(&self) -> (usize, usize) {
        let lens = self.columns.iter().map(|column| column.touched.len());
        (lens.clone().sum(), lens.max().unwrap_or(0))
    }

    fn scratch_len(&self) -> usize {
        let (side, count) = (self.place.side, self.columns.len());
        let square = side * side;
        let (all, most) = self.touched();
        let of_scaling = 2 * square + most * side + self.entries.len();
        let of_projection = if self.by_pairs {
            all * side + 2 * count * PAIRS + triangle_len(count)
        } else {
            3 * square + most * side
        };
        of_scaling.max(of_projection + triangle_len(side))
    }

    /// Rows `touched` of `A_j M`, with the rows of M in `m`.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        simd: S,
        column: &Column,
        values: &[V<S>],
        m: &[V<S>],
        out: &mut [V<S>],
    ) {
        let side = self.place.side;
        let half = V::splat(simd, std::f64::consts::FRAC_1_SQRT_2);
        out[..column.touched.len() * side].fill(V::splat(simd, 0.0));
        for at in &self.entries[column.entries.clone()] {
            let value = values[at.address as usize];
            let pairs = [(at.a, at.b), (at.b, at.a)];
            let (pairs, value) =
                if at.a == at.b { (&pairs[..1], value) } else { (&pairs[..], half * value) };
            for &(to, from) in pairs {
                if let Ok(place) = column.touched.binary_search(&to) {
                    let row = &m[from as usize * side..][..side];
                    add_row(value, row, &mut out[place * side..][..side]);
                }
            }
        }
    }

    /// `<A_i, U>` for a symmetric U of which the lower triangle is known, row by row.
    #[inline(always)]
    fn product_with<S: Simd>(&self, simd: S, column: &Column, values: &[V<S>], u: &[V<S>]) -> V<S> {
        let side = self.place.side;
        let root = V::splat(simd, std::f64::consts::SQRT_2);
        let mut sum = V::splat(simd, 0.0);
        for at in &self.entries[column.entries.clone()] {
            let u = u[at.b as usize * side + at.a as usize];
            let u = if at.a == at.b { u } else { root * u };
            sum = values[at.address as usize].fma(u, sum);
        }
        sum
    }
}

/// `out += sum over the touched rows a of M_ak t_a` for the entries (k, l), l <= k: the lower
/// triangle of `M' A_j M` from `t = A_j M`.
#[inline(always)]
fn add_outer<S: Simd>(column: &Column, side: usize, m: &[V<S>], t: &[V<S>], out: &mut [V<S>]) {
    for (place, &a) in column.touched.iter().enumerate() {
        let t = &t[place * side..][..side];
        let m = &m[a as usize * side..][..side];
        for k in 0..side {
            add_row(m[k], &t[..=k], &mut out[k * side..][..=k]);
        }
    }
}

struct Add<'a, S: Simd> {
    simd: S,
    cone: &'a Eliminated,
    values: &'a mut [V<S>],
    h: &'a [V<S>],
    point: Point,
    of_z: V<S>,
    scratch: &'a mut [V<S>],
}

impl<S: Simd> Kernel for Add<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let Self { simd, cone, of_z, .. } = self;
        let (one, zero) = (V::splat(simd, 1.0), V::splat(simd, 0.0));
        let side = cone.place.side;
        let (point, block) = self.values[cone.block..][..=cone.place.h.len()]
            .split_first_mut()
            .expect("a block begins with what it belongs to");
        block.copy_from_slice(&self.h[cone.place.h.clone()]);
        match self.point {
            Point::Scaling => {
                *point = V::splat(simd, SCALING);
                self.add_scaling();
            }
            Point::Projection => {
                *point = zero;
                for pair in &mut block[2 * side * side..] {
                    *pair = one / (*pair + of_z);
                }
                // F without the directions in which the projection is the identity.
                let scratch = std::mem::take(&mut self.scratch);
                let (pairs, scratch) = scratch.split_at_mut(triangle_len(side));
                let all = cone.inverse(self.values).pairs;
                for (pair, &all) in pairs.iter_mut().zip(all) {
                    *pair = all.gt(V::splat(simd, IDENTITY)).select(all, zero);
                }
                self.scratch = scratch;
                if cone.by_pairs {
                    self.add_by_pairs(pairs);
                } else {
                    self.add_by_columns(pairs);
                }
            }
        }
    }
}

impl<S: Simd> Add<'_, S> {
    #[inline(always)]
    fn add_to(&mut self, (i, j): (usize, usize), sum: V<S>) {
        self.values[self.cone.targets[triangle_index(j, i)] as usize] += sum;
    }

    /// `<A_i, K A_j K>` with K = G G'.
    #[inline(always)]
    fn add_scaling(&mut self) {
        let Self { simd, cone, .. } = *self;
        let side = cone.place.side;
        let scratch = std::mem::take(&mut self.scratch);
        let (k, scratch) = scratch.split_at_mut(side * side);
        let (u, scratch) = scratch.split_at_mut(side * side);
        let (weighted, t) = scratch.split_at_mut(cone.entries.len());
        let basis = cone.inverse(self.values).basis;
        row_products(simd, side, (basis, Support::Full), basis, (Entries::Symmetric, k));
        let half = V::splat(simd, std::f64::consts::FRAC_1_SQRT_2);
        for (weighted, at) in weighted.iter_mut().zip(&cone.entries) {
            let value = self.values[at.address as usize];
            *weighted = if at.a == at.b { half * value } else { value };
        }
        for (j, column) in cone.columns.iter().enumerate() {
            if j < cone.whole {
                cone.multiply(simd, column, self.values, k, t);
                u.fill(V::splat(simd, 0.0));
                add_outer(column, side, k, t, u);
                for (i, other) in cone.columns.iter().enumerate().skip(j) {
                    let sum = cone.product_with(simd, other, self.values, u);
                    self.add_to((i, j), sum);
                }
            } else {
                for (i, other) in cone.columns.iter().enumerate().skip(j) {
                    let sum = pairwise(simd, cone, (column, other), weighted, k);
                    self.add_to((i, j), sum);
                }
            }
        }
    }

    /// `sum F_kl (G' A_i G)_kl (G' A_j G)_kl`, a few pairs (k, l) at a time.
    #[inline(always)]
    fn add_by_pairs(&mut self, pairs: &[V<S>]) {
        let Self { simd, cone, .. } = *self;
        let (side, count) = (cone.place.side, cone.columns.len());
        let (zero, two) = (V::splat(simd, 0.0), V::splat(simd, 2.0));
        let scratch = std::mem::take(&mut self.scratch);
        let (t, scratch) = scratch.split_at_mut(cone.touched().0 * side);
        let (left, scratch) = scratch.split_at_mut(count * PAIRS);
        let (right, product) = scratch.split_at_mut(count * PAIRS);
        let product = &mut product[..triangle_len(count)];
        let basis = cone.inverse(self.values).basis;
        let mut start = 0;
        for column in &cone.columns {
            let len = column.touched.len() * side;
            cone.multiply(simd, column, self.values, basis, &mut t[start..][..len]);
            start += len;
        }
        let (mut k, mut l) = (0, 0);
        let (mut chunk, mut taken) = ([(0, 0, zero); PAIRS], 0);
        for (index, &pair) in pairs.iter().enumerate() {
            if pair.gt(zero).any() {
                chunk[taken] = (k, l, if k == l { pair } else { two * pair });
                taken += 1;
            }
            (k, l) = if l == k { (k + 1, 0) } else { (k, l + 1) };
            // The same groups whatever is left out of them, or as full as can be.
            let is_full = if cone.collects { taken == PAIRS } else { (index + 1) % PAIRS == 0 };
            if taken == 0 || !(is_full || index + 1 == pairs.len()) {
                continue;
            }
            let basis = cone.inverse(self.values).basis;
            let mut start = 0;
            for (c, column) in cone.columns.iter().enumerate() {
                for (p, &(k, l, factor)) in chunk[..taken].iter().enumerate() {
                    let (mut sum, mut at) = (zero, start + l);
                    for &a in &column.touched {
                        sum = basis[a as usize * side + k].fma(t[at], sum);
                        at += side;
                    }
                    left[c * taken + p] = sum;
                    right[c * taken + p] = factor * sum;
                }
                start += column.touched.len() * side;
            }
            let left = (&left[..count * taken], Support::Full);
            let right = &right[..count * taken];
            row_products(simd, taken, left, right, (Entries::Triangle, product));
            for (&sum, &target) in product.iter().zip(&cone.targets) {
                self.values[target as usize] += sum;
            }
            taken = 0;
        }
    }

    /// `<A_i, G (F .* (G' A_j G)) G'>`.
    #[inline(always)]
    fn add_by_columns(&mut self, pairs: &[V<S>]) {
        let Self { simd, cone, .. } = *self;
        let side = cone.place.side;
        let scratch = std::mem::take(&mut self.scratch);
        let (y, scratch) = scratch.split_at_mut(side * side);
        let (u, scratch) = scratch.split_at_mut(side * side);
        let (t, product) = scratch.split_at_mut(cone.touched().1 * side);
        let product = &mut product[..side * side];
        for (j, column) in cone.columns.iter().enumerate() {
            let basis = cone.inverse(self.values).basis;
            cone.multiply(simd, column, self.values, basis, t);
            y.fill(V::splat(simd, 0.0));
            add_outer(column, side, basis, t, y);
            for k in 0..side {
                for l in 0..=k {
                    let value = y[k * side + l] * pairs[triangle_index(l, k)];
                    y[k * side + l] = value;
                    y[l * side + k] = value;
                }
            }
            congruence(simd, side, basis, y, product, (Entries::Symmetric, u));
            for (i, other) in cone.columns.iter().enumerate().skip(j) {
                let sum = cone.product_with(simd, other, self.values, u);
                self.add_to((i, j), sum);
            }
        }
    }
}

/// `<A_i, K A_j K>` entry by entry: `w_ab w_cd (K_ac K_bd + K_ad K_bc)` with w = 1 off the diagonal
/// and 1/sqrt 2 on it, by which the values are weighted.
#[inline(always)]
fn pairwise<S: Simd>(
    simd: S,
    cone: &Eliminated,
    (column, other): (&Column, &Column),
    weighted: &[V<S>],
    k: &[V<S>],
) -> V<S> {
    let side = cone.place.side;
    let mut sum = V::splat(simd, 0.0);
    for e in column.entries.clone() {
        let Entry { a, b, .. } = cone.entries[e];
        let (row_a, row_b) = (&k[a as usize * side..][..side], &k[b as usize * side..][..side]);
        let mut of_entry = V::splat(simd, 0.0);
        for f in other.entries.clone() {
            let Entry { a: c, b: d, .. } = cone.entries[f];
            let (c, d) = (c as usize, d as usize);
            let both = row_a[c].fma(row_b[d], row_a[d] * row_b[c]);
            of_entry = weighted[f].fma(both, of_entry);
        }
        sum = weighted[e].fma(of_entry, sum);
    }
    sum
}
