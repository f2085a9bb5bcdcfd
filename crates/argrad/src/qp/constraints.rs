//! A, G and b, h in the user's order <-> the stacked `[A; G]` and `[b; h]` of the solver, forward
//! and adjoint. Number k of a block sits at a fixed position of the stack, so the forward map is a
//! scatter and its adjoint a gather.

use argrad_solver::{Error, Pattern, Slot};

use super::check::{all_finite, check_finite};
use super::rows::{split_rows, stack_rows};
use super::samples::{Assembled, each_sample, each_sample_in_place};
use super::tiles::{to_columns, to_rows};
use super::{MatrixShape, QpShape};

/// Where each number of A and G goes.
#[derive(Debug)]
pub(crate) struct ConstraintMap {
    pattern: Pattern,
    rows: [usize; 2],
    /// Of A and of G.
    blocks: Vec<Block>,
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
        let shapes = [&shape.a, &shape.g];
        let rows = shapes.map(MatrixShape::rows);
        let n = shape.variables();
        // Rows of each block, column by column.
        let mut columns: Vec<[Vec<usize>; 2]> = vec![Default::default(); n];
        for (block, shape) in shapes.iter().enumerate() {
            for (i, j) in shape.entries() {
                columns[j][block].push(i);
            }
        }
        let (mut colptr, mut rowval) = (vec![0], Vec::new());
        let mut starts = [Vec::with_capacity(n), Vec::with_capacity(n)];
        let mut list = [Vec::new(), Vec::new()];
        for column in &columns {
            for ((block, column), first_row) in column.iter().enumerate().zip([0, rows[0]]) {
                let start = rowval.len();
                rowval.extend(column.iter().map(|i| i + first_row));
                starts[block].push(start);
                list[block].extend((start..rowval.len()).map(|place| place as u32));
            }
            colptr.push(rowval.len());
        }
        let nnz = rowval.len();
        let pattern = Pattern::new(rows[0] + rows[1], n, colptr, rowval)?;
        let mut blocks = Vec::with_capacity(2);
        for ((shape, starts), list) in shapes.into_iter().zip(starts).zip(list) {
            let (places, in_order) = match shape {
                &MatrixShape::Dense { rows, .. } => {
                    (Places::Columns { rows, starts }, rows <= 1 || n <= 1)
                }
                // The other shapes list their numbers column by column.
                _ => (Places::List(list), true),
            };
            let len = shape.len();
            blocks.push(Block { len, places, whole: in_order && len == nnz });
        }
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

    /// Numbers per sample that [`Self::assemble`] and [`Self::assemble_rhs`] make.
    pub(crate) fn copied(&self, matrices: [Slot<'_>; 2], rhs: [Slot<'_>; 2]) -> usize {
        let is_whole = self.blocks.iter().any(|block| block.whole && block.len > 0);
        let one = is_whole || self.stack_is_shared(matrices.map(|slot| slot.is_shared()));
        let one_rhs = self.rows.contains(&0) || rhs.iter().all(Slot::is_shared);
        let matrix = if one { 0 } else { self.pattern.nnz() };
        matrix + if one_rhs { 0 } else { self.rows.iter().sum() }
    }

    /// `[A; G]`. A direction may be anything; what is not one must be finite.
    pub(crate) fn assemble<'a>(
        &self,
        slots: [Slot<'a>; 2],
        batch: usize,
        direction: bool,
    ) -> Result<Assembled<'a>, Error> {
        const NAMES: [&str; 2] = ["A", "G"];
        let check = |index: usize| match direction {
            true => Ok(()),
            false => check_finite(NAMES[index], slots[index], self.blocks[index].len, false),
        };
        for (index, block) in self.blocks.iter().enumerate() {
            if block.whole && block.len > 0 {
                check(index)?;
                return Ok(Assembled::Borrowed(slots[index]));
            }
        }
        let shared = self.stack_is_shared(slots.map(|slot| slot.is_shared()));
        let nnz = self.pattern.nnz();
        let mut values = vec![0.0; if shared { nnz } else { batch * nnz }];
        let good = each_sample(&mut values, nnz, |k, stack| {
            for (block, slot) in self.blocks.iter().zip(slots) {
                block.scatter(slot.sample(k, block.len), stack);
            }
            direction || all_finite(stack)
        });
        if !good {
            check(0)?;
            check(1)?;
        }
        Ok(Assembled::Owned { values, shared })
    }

    /// Entry by entry of `[A; G]`, whether it is zero; the entries of a block not `wanted` count as
    /// not.
    pub(crate) fn zeros(&self, slots: [Slot<'_>; 2], wanted: [bool; 2]) -> Vec<bool> {
        let mut stack = vec![1.0; self.pattern.nnz()];
        for ((block, slot), wanted) in self.blocks.iter().zip(slots).zip(wanted) {
            if wanted {
                block.scatter(slot.sample(0, block.len), &mut stack);
            }
        }
        stack.iter().map(|&v| v == 0.0).collect()
    }

    /// `[b; h]`.
    pub(crate) fn assemble_rhs<'a>(&self, slots: [Slot<'a>; 2], batch: usize) -> Assembled<'a> {
        match self.rows {
            [_, 0] => return Assembled::Borrowed(slots[0]),
            [0, _] => return Assembled::Borrowed(slots[1]),
            _ => {}
        }
        let shared = slots.iter().all(Slot::is_shared);
        let samples = if shared { 1 } else { batch };
        let mut values = Vec::with_capacity(samples * (self.rows[0] + self.rows[1]));
        for k in 0..samples {
            for (slot, rows) in slots.iter().zip(self.rows) {
                values.extend_from_slice(slot.sample(k, rows));
            }
        }
        Assembled::Owned { values, shared }
    }

    fn stack_is_shared(&self, shared: [bool; 2]) -> bool {
        self.blocks.iter().zip(shared).all(|(block, shared)| shared || block.len == 0)
    }

    /// Adjoint of [`Self::assemble`]. `stacked` has one gradient, or one per sample; a block that
    /// the user `shared` gets the sum over the samples that `counts` lets in.
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
        let samples = stacked.len() / nnz;
        let one_each = !self.stack_is_shared(shared);
        if let Some(index) = self.blocks.iter().position(|block| block.len == nnz) {
            // One dense block: no need for another vector of that size.
            let mut stacked = stacked;
            each_sample_in_place(&mut stacked, nnz, |stack, out| {
                self.blocks[index].gather(stack, out, |out, g| *out = g);
            });
            let mut parts = [Vec::new(), Vec::new()];
            parts[index] = stacked;
            return parts;
        }
        [0, 1].map(|index| {
            let block = &self.blocks[index];
            if shared[index] && one_each {
                let mut sum = vec![0.0; block.len];
                for k in (0..samples).filter(|&k| counts(k)) {
                    block.gather(&stacked[k * nnz..(k + 1) * nnz], &mut sum, |sum, g| *sum += g);
                }
                return sum;
            }
            let mut gradient = vec![0.0; samples * block.len];
            each_sample(&mut gradient, block.len, |k, out| {
                block.gather(&stacked[k * nnz..(k + 1) * nnz], out, |out, g| *out = g);
                true
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
        let samples = stacked.len() / total;
        let mut parts = split_rows(stacked, samples, self.rows);
        let one_each = self.rows.iter().zip(shared).any(|(&rows, shared)| rows > 0 && !shared);
        for ((part, rows), shared) in parts.iter_mut().zip(self.rows).zip(shared) {
            if !(shared && one_each) {
                continue;
            }
            let mut sum = vec![0.0; rows];
            for k in (0..samples).filter(|&k| counts(k)) {
                for (sum, g) in sum.iter_mut().zip(&part[k * rows..(k + 1) * rows]) {
                    *sum += g;
                }
            }
            *part = sum;
        }
        parts
    }

    /// `[first; second]` for each of `batch` samples; `None` when both are.
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
                to_columns(*rows, values, starts, stack);
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
                to_rows(*rows, stack, starts, out, put);
            }
        }
    }
}
