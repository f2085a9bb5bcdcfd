//! A, G and b, h in the user's order <-> the stacked `[A; G]` and `[b; h]` of the solver, forward
//! and adjoint. Number k of a block sits at a fixed position of the stack, so the forward map is a
//! scatter and its adjoint a gather.

use rayon::prelude::*;

use super::solution::{split_rows, stack_rows};
use super::{MatrixShape, QpShape};
use crate::{Error, Pattern, Slot};

/// Numbers for the solver: the user's own where the order is the same, else a copy in its order.
#[derive(Debug)]
pub(crate) enum Assembled<'a> {
    Borrowed(Slot<'a>),
    Owned { values: Vec<f64>, shared: bool },
}

impl Assembled<'_> {
    pub(crate) fn slot(&self) -> Slot<'_> {
        match self {
            Self::Borrowed(slot) => *slot,
            Self::Owned { values, shared: true } => Slot::Shared(values),
            Self::Owned { values, shared: false } => Slot::Each(values),
        }
    }
}

/// Where each number of A and G goes.
#[derive(Debug)]
pub(crate) struct ConstraintMap {
    pattern: Pattern,
    rows: [usize; 2],
    blocks: [Block; 2],
}

#[derive(Debug)]
struct Block {
    len: usize,
    places: Places,
    /// The stack is this block in its own order.
    whole: bool,
}

#[derive(Debug)]
enum Places {
    /// Row-major block; the start of each of its columns in the stack.
    Columns { rows: usize, starts: Vec<usize> },
    /// Position of each number.
    List(Vec<u32>),
}

impl ConstraintMap {
    pub(crate) fn new(shape: &QpShape) -> Result<Self, Error> {
        let shapes = [&shape.equalities, &shape.inequalities];
        let rows = shapes.map(MatrixShape::rows);
        let n = shape.variables();
        let (mut colptr, mut rowval) = (vec![0], Vec::new());
        // Row indices of each block, column by column.
        let columns = shapes.map(|shape| {
            let mut columns = vec![Vec::new(); n];
            for (i, j) in shape.entries() {
                columns[j].push(i);
            }
            columns
        });
        let mut starts = [Vec::with_capacity(n), Vec::with_capacity(n)];
        for j in 0..n {
            for (block, first_row) in [(0, 0), (1, rows[0])] {
                starts[block].push(rowval.len());
                rowval.extend(columns[block][j].iter().map(|i| i + first_row));
            }
            colptr.push(rowval.len());
        }
        let nnz = rowval.len();
        let pattern = Pattern::new(rows[0] + rows[1], n, colptr, rowval)?;
        let [first, second] = starts;
        let blocks = [(0, first), (1, second)].map(|(block, starts)| {
            let len = shapes[block].len();
            let places = match shapes[block] {
                &MatrixShape::Dense { rows, .. } => Places::Columns { rows, starts },
                // The other shapes list their numbers column by column.
                _ => Places::List(
                    starts
                        .iter()
                        .zip(&columns[block])
                        .flat_map(|(start, column)| {
                            (0..column.len()).map(move |k| (start + k) as u32)
                        })
                        .collect(),
                ),
            };
            let in_order = match &places {
                Places::List(_) => true,
                Places::Columns { rows, .. } => *rows <= 1 || n <= 1,
            };
            Block { len, places, whole: in_order && len == nnz }
        });
        Ok(Self { pattern, rows, blocks })
    }

    /// Pattern of `[A; G]`.
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Numbers of rows of A and of G.
    pub(crate) fn rows(&self) -> [usize; 2] {
        self.rows
    }

    /// `[A; G]`.
    pub(crate) fn assemble<'a>(&self, slots: [Slot<'a>; 2], batch: usize) -> Assembled<'a> {
        for (block, slot) in self.blocks.iter().zip(slots) {
            if block.whole && block.len > 0 {
                return Assembled::Borrowed(slot);
            }
        }
        let shared = self.stack_is_shared(slots.map(|slot| slot.is_shared()));
        let nnz = self.pattern.nnz();
        let mut values = vec![0.0; if shared { nnz } else { batch * nnz }];
        each_instance(&mut values, nnz, |k, out| {
            for (block, slot) in self.blocks.iter().zip(slots) {
                block.scatter(slot.instance(k, block.len), out);
            }
        });
        Assembled::Owned { values, shared }
    }

    /// `[b; h]`.
    pub(crate) fn assemble_rhs<'a>(&self, slots: [Slot<'a>; 2], batch: usize) -> Assembled<'a> {
        match self.rows {
            [_, 0] => return Assembled::Borrowed(slots[0]),
            [0, _] => return Assembled::Borrowed(slots[1]),
            _ => {}
        }
        let shared = slots.iter().all(Slot::is_shared);
        let instances = if shared { 1 } else { batch };
        let mut values = Vec::with_capacity(instances * (self.rows[0] + self.rows[1]));
        for k in 0..instances {
            for (slot, rows) in slots.iter().zip(self.rows) {
                values.extend_from_slice(slot.instance(k, rows));
            }
        }
        Assembled::Owned { values, shared }
    }

    fn stack_is_shared(&self, shared: [bool; 2]) -> bool {
        self.blocks.iter().zip(shared).all(|(block, shared)| shared || block.len == 0)
    }

    /// Adjoint of [`Self::assemble`]. `stacked` has one gradient, or one an instance; a block that
    /// the user `shared` gets the sum over the instances that `counts` lets in.
    pub(crate) fn gradient(
        &self,
        stacked: Vec<f64>,
        shared: [bool; 2],
        counts: impl Fn(usize) -> bool,
    ) -> [Vec<f64>; 2] {
        let nnz = self.pattern.nnz();
        if nnz == 0 {
            return [Vec::new(), Vec::new()];
        }
        for (index, block) in self.blocks.iter().enumerate() {
            if block.whole {
                let mut parts = [Vec::new(), Vec::new()];
                parts[index] = stacked;
                return parts;
            }
        }
        let instances = stacked.len() / nnz;
        let one_each = !self.stack_is_shared(shared);
        [0, 1].map(|index| {
            let block = &self.blocks[index];
            if shared[index] && one_each {
                let mut sum = vec![0.0; block.len];
                for k in (0..instances).filter(|&k| counts(k)) {
                    block.gather(&stacked[k * nnz..(k + 1) * nnz], &mut sum, |sum, g| *sum += g);
                }
                return sum;
            }
            let mut gradient = vec![0.0; instances * block.len];
            each_instance(&mut gradient, block.len, |k, out| {
                block.gather(&stacked[k * nnz..(k + 1) * nnz], out, |out, g| *out = g);
            });
            gradient
        })
    }

    /// Adjoint of [`Self::assemble_rhs`], with arguments as in [`Self::gradient`].
    pub(crate) fn gradient_rhs(
        &self,
        stacked: Vec<f64>,
        shared: [bool; 2],
        counts: impl Fn(usize) -> bool,
    ) -> [Vec<f64>; 2] {
        let total = self.rows[0] + self.rows[1];
        if total == 0 {
            return [Vec::new(), Vec::new()];
        }
        let instances = stacked.len() / total;
        let mut parts = split_rows(stacked, instances, self.rows);
        let one_each = self.rows.iter().zip(shared).any(|(&rows, shared)| rows > 0 && !shared);
        for ((part, rows), shared) in parts.iter_mut().zip(self.rows).zip(shared) {
            if !(shared && one_each) {
                continue;
            }
            let mut sum = vec![0.0; rows];
            for k in (0..instances).filter(|&k| counts(k)) {
                for (sum, g) in sum.iter_mut().zip(&part[k * rows..(k + 1) * rows]) {
                    *sum += g;
                }
            }
            *part = sum;
        }
        parts
    }

    /// `[first; second]` for each of `batch` instances; `None` when both are.
    pub(crate) fn stack(&self, parts: [Option<&[f64]>; 2], batch: usize) -> Option<Vec<f64>> {
        if parts.iter().all(Option::is_none) {
            return None;
        }
        let zeros = vec![0.0; batch * self.rows[0].max(self.rows[1])];
        let [first, second] = [0, 1].map(|k| parts[k].unwrap_or(&zeros[..batch * self.rows[k]]));
        Some(stack_rows(first, second, batch, self.rows))
    }
}

impl Block {
    fn scatter(&self, values: &[f64], stack: &mut [f64]) {
        match &self.places {
            Places::List(places) => {
                for (&v, &place) in values.iter().zip(places) {
                    stack[place as usize] = v;
                }
            }
            Places::Columns { rows, starts } => {
                for_tiles(*rows, starts, |at, place| stack[place] = values[at]);
            }
        }
    }

    fn gather(&self, stack: &[f64], out: &mut [f64], put: impl Fn(&mut f64, f64)) {
        match &self.places {
            Places::List(places) => {
                for (out, &place) in out.iter_mut().zip(places) {
                    put(out, stack[place as usize]);
                }
            }
            Places::Columns { rows, starts } => {
                for_tiles(*rows, starts, |at, place| put(&mut out[at], stack[place]));
            }
        }
    }
}

/// Walks a row-major block in tiles, so that both orders stay in the first cache.
#[inline]
fn for_tiles(rows: usize, starts: &[usize], mut visit: impl FnMut(usize, usize)) {
    const TILE: usize = 8;
    let cols = starts.len();
    for first_row in (0..rows).step_by(TILE) {
        let last_row = (first_row + TILE).min(rows);
        for (j, start) in starts.iter().enumerate() {
            for i in first_row..last_row {
                visit(i * cols + j, start + i);
            }
        }
    }
}

/// Runs `f` on each instance's part of `values`, on several threads where there is enough to do.
pub(crate) fn each_instance(
    values: &mut [f64],
    len: usize,
    f: impl Fn(usize, &mut [f64]) + Send + Sync,
) {
    const WORTH_THREADS: usize = 1 << 15;
    if len == 0 {
        return;
    }
    if values.len() > len && values.len() >= WORTH_THREADS {
        values.par_chunks_mut(len).enumerate().for_each(|(k, part)| f(k, part));
    } else {
        values.chunks_mut(len).enumerate().for_each(|(k, part)| f(k, part));
    }
}
