//! Supernodes and index lists of an LDL' factorization, computed once per structure.
//!
//! Columns are grouped into two kinds of supernodes, both stored as rows of contiguous columns:
//! - *dense*: a chain of columns with nested patterns; a dense triangle on the diagonal and a panel
//!   below, whose rows begin where they have their first entry. Chains are merged where columns are
//!   nested but for few rows, if that is less work, and cut to [`Symbolic::PANEL`] columns, which
//!   blocks a large dense matrix for the cache;
//! - *diagonal*: columns of equal pattern that do not touch each other, such as the rows of a
//!   nonnegative cone. Their elimination is one scaled rank-k update, with no triangle.
//!
//! The panel of a diagonal supernode that no earlier column updates holds entries of the original
//! matrix; it is *static*: written once per program, not once per factorization.

use std::collections::HashMap;

use crate::linalg::ordering::{Graph, eliminate, inverse};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dense,
    Diagonal,
}

#[derive(Clone, Debug)]
pub(crate) struct Supernode {
    pub(crate) kind: Kind,
    /// First column (elimination step).
    pub(crate) start: usize,
    /// Number of columns.
    pub(crate) width: usize,
    /// Address of the diagonal block: `width x width` row-major if dense, else `width` entries.
    pub(crate) diag: usize,
    /// Address of the panel, row-major `rows.len() x width`. Holds L D, not L.
    pub(crate) panel: usize,
    /// Rows below, ascending steps.
    pub(crate) rows: Vec<u32>,
    /// The first column of each row that may have an entry there: what is before it is zero. Empty
    /// where all rows begin at column 0.
    first: Vec<u32>,
    /// Where the outer product of the panel goes.
    pub(crate) updates: Vec<Update>,
}

/// The part of a panel's outer product that falls into the columns of one later supernode.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// Position in `rows` of the first and past the last column.
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// Entry (row i, column j) is subtracted at address
    /// `row_offset[i - first] + column_offset[j - first]`.
    pub(crate) row_offset: Vec<u32>,
    pub(crate) column_offset: Vec<u32>,
}

/// Symbolic factorization.
#[derive(Clone, Debug)]
pub(crate) struct Symbolic {
    /// `perm[k]` is the node eliminated at step k.
    pub(crate) perm: Vec<usize>,
    /// `step[node]` is when the node is eliminated.
    pub(crate) step: Vec<usize>,
    pub(crate) supernodes: Vec<Supernode>,
    /// Addresses below this one are static.
    pub(crate) static_len: usize,
    /// Number of addresses.
    pub(crate) len: usize,
    /// Scratch registers that a factorization needs.
    pub(crate) scratch_len: usize,
    /// Supernode of each step.
    supernode_of: Vec<u32>,
}

impl Symbolic {
    /// Widest dense supernode. A multiple of every tile width.
    pub(crate) const PANEL: usize = 36;

    /// Analyses the matrix of order `order` with the given off-diagonal entries (each pair once,
    /// either triangle; diagonal entries are ignored).
    pub(crate) fn new(order: usize, entries: &[(usize, usize)]) -> Self {
        let graph = Graph::new(order, entries.iter().copied());
        let perm = group_equal_columns(&graph, eliminate(&graph));
        let columns = graph.fill(&perm);
        let mut supernodes = find_supernodes(&columns);
        let mut supernode_of = vec![0u32; order];
        for (index, node) in supernodes.iter().enumerate() {
            supernode_of[node.start..node.start + node.width].fill(index as u32);
        }
        let (static_len, len) = assign_addresses(&mut supernodes, &supernode_of);
        for index in 0..supernodes.len() {
            supernodes[index].updates = updates_of(&supernodes[index], &supernodes, &supernode_of);
        }
        let step = inverse(&perm);
        let scratch_len = super::tile::SCRATCH;
        Self { perm, step, supernodes, static_len, len, scratch_len, supernode_of }
    }

    /// Order of the matrix.
    pub(crate) fn order(&self) -> usize {
        self.perm.len()
    }

    /// Multiplications of a factorization and of a solve.
    pub(crate) fn operations(&self) -> (usize, usize) {
        let mut operations = (0, 0);
        for node in &self.supernodes {
            let width = node.width;
            for column in 0..width {
                let begun = node.first.iter().filter(|&&first| first as usize <= column).count();
                let below = if node.first.is_empty() { node.rows.len() } else { begun };
                operations.0 += below * (below + 1) / 2;
                operations.1 += 1 + 2 * below;
                if node.kind == Kind::Dense {
                    operations.0 += column * below;
                }
            }
            if node.kind == Kind::Dense {
                operations.0 += width * width * width / 6;
                operations.1 += width * width;
            }
        }
        operations
    }

    /// Supernode in which `node` is eliminated.
    pub(crate) fn supernode(&self, node: usize) -> u32 {
        self.supernode_of[self.step[node]]
    }

    /// Address of the diagonal entry of `node`.
    pub(crate) fn diagonal_address(&self, node: usize) -> usize {
        let k = self.step[node];
        let supernode = &self.supernodes[self.supernode_of[k] as usize];
        let local = k - supernode.start;
        match supernode.kind {
            Kind::Dense => supernode.diag + local * (supernode.width + 1),
            Kind::Diagonal => supernode.diag + local,
        }
    }

    /// Address of the entry between two different nodes.
    ///
    /// # Panics
    /// When the entry was not given to [`Self::new`].
    pub(crate) fn address(&self, a: usize, b: usize) -> usize {
        let (i, j) = (self.step[a].max(self.step[b]), self.step[a].min(self.step[b]));
        let supernode = &self.supernodes[self.supernode_of[j] as usize];
        supernode.row_address(i) + (j - supernode.start)
    }

    /// Addresses of all structural entries, diagonal included, that a factorization overwrites.
    pub(crate) fn dynamic_addresses(&self) -> Vec<usize> {
        let mut addresses = Vec::new();
        for node in &self.supernodes {
            for i in 0..node.width {
                match node.kind {
                    Kind::Dense => {
                        addresses.extend((0..=i).map(|j| node.diag + i * node.width + j))
                    }
                    Kind::Diagonal => addresses.push(node.diag + i),
                }
            }
            if node.panel >= self.static_len {
                addresses.extend(node.panel..node.panel + node.rows.len() * node.width);
            }
        }
        addresses
    }
}

impl Supernode {
    /// The first column in which one of the rows `first..last` may have an entry.
    #[inline(always)]
    pub(super) fn begin(&self, first: usize, last: usize) -> usize {
        self.first.get(first..last).map_or(0, |rows| {
            rows.iter().fold(u32::MAX, |least, &column| least.min(column)) as usize
        })
    }

    /// Address of column 0 of this supernode in row `step`.
    fn row_address(&self, step: usize) -> usize {
        if step < self.start + self.width {
            match self.kind {
                Kind::Dense => self.diag + (step - self.start) * self.width,
                Kind::Diagonal => self.diag,
            }
        } else {
            let position = self.rows.binary_search(&(step as u32)).expect("an entry of the factor");
            self.panel + position * self.width
        }
    }
}

/// Moves columns of equal pattern next to each other: to the place of the last of them, which is
/// still before their common parent.
fn group_equal_columns(graph: &Graph, perm: Vec<usize>) -> Vec<usize> {
    let columns = graph.fill(&perm);
    let mut last: HashMap<&[u32], usize> = HashMap::new();
    for (j, column) in columns.iter().enumerate() {
        last.insert(column, j);
    }
    let mut order: Vec<usize> = (0..perm.len()).collect();
    order.sort_by_key(|&j| (last[columns[j].as_slice()], j));
    order.into_iter().map(|j| perm[j]).collect()
}

/// Consecutive columns for one or several supernodes.
#[derive(Clone, Copy)]
struct Chain {
    kind: Kind,
    start: usize,
    end: usize,
}

/// The first of the columns `start..end` in which each of the rows below has an entry, counted from
/// `start`.
fn first_columns(columns: &[Vec<u32>], start: usize, end: usize, rows: &[u32]) -> Vec<u32> {
    let mut first = vec![(end - start) as u32; rows.len()];
    for column in (start..end).rev() {
        let mut at = 0;
        for &row in columns[column].iter().skip_while(|&&row| (row as usize) < end) {
            at += rows[at..].partition_point(|&other| other < row);
            first[at] = (column - start) as u32;
        }
    }
    first
}

impl Chain {
    /// Predicted time of a factorization and the solves that belong to it, in fused
    /// multiply-adds: what is loaded and stored to be changed counts more than the change.
    fn cost(&self, columns: &[Vec<u32>]) -> usize {
        /// For an entry of the result that is changed, for one of the factor, for a supernode.
        const ENTRY: usize = 4;
        const FACTOR: usize = 8;
        const NODE: usize = 100;
        let Self { start, end, .. } = *self;
        let (width, rows) = (end - start, &columns[end - 1]);
        let mut cost = NODE + ENTRY * rows.len() * (rows.len() + 1) / 2;
        cost += width * width * width / 6 + FACTOR * width * width / 2;
        let mut begun = vec![0; width];
        let first = first_columns(columns, start, end, rows);
        first.into_iter().for_each(|first| begun[first as usize] += 1);
        let mut below = 0;
        for (column, begun) in begun.into_iter().enumerate() {
            below += begun;
            cost += below * (below + 1) / 2 + column * below + FACTOR * below;
        }
        cost
    }
}

/// Chains of columns: equal ones, and nested ones as long as they are.
fn find_chains(columns: &[Vec<u32>]) -> Vec<Chain> {
    let order = columns.len();
    let equals_next = |j: usize| j + 1 < order && columns[j] == columns[j + 1];
    let mut chains = Vec::new();
    let mut start = 0;
    while start < order {
        let mut end = start + 1;
        if equals_next(start) {
            while equals_next(end - 1) {
                end += 1;
            }
            chains.push(Chain { kind: Kind::Diagonal, start, end });
        } else {
            let nested = |j: usize| {
                columns[j].first() == Some(&(j as u32 + 1))
                    && columns[j + 1].len() + 1 == columns[j].len()
            };
            while nested(end - 1) && !equals_next(end) {
                end += 1;
            }
            chains.push(Chain { kind: Kind::Dense, start, end });
        }
        start = end;
    }
    chains
}

/// Joins chains with the one that follows where they are its child in the elimination tree and the
/// work is less. Columns that no other column updates stay apart: they are static.
fn merge_chains(columns: &[Vec<u32>], chains: Vec<Chain>) -> Vec<Chain> {
    let mut is_updated = vec![false; columns.len()];
    for column in columns {
        let rows = column.split_last().map_or(&[][..], |(_, rows)| rows);
        rows.iter().for_each(|&row| is_updated[row as usize] = true);
    }
    let mut merged: Vec<Chain> = Vec::new();
    for mut chain in chains {
        while let Some(&child) = merged.last() {
            let joined =
                columns[child.end - 1].first().is_some_and(|&row| (row as usize) < chain.end);
            let whole = Chain { start: child.start, ..chain };
            if !joined
                || !is_updated[child.start]
                || [child.kind, chain.kind].contains(&Kind::Diagonal)
                || whole.end - whole.start > Symbolic::PANEL
                || whole.cost(columns) > child.cost(columns) + chain.cost(columns)
            {
                break;
            }
            chain = whole;
            merged.pop();
        }
        merged.push(chain);
    }
    merged
}

fn find_supernodes(columns: &[Vec<u32>]) -> Vec<Supernode> {
    let mut supernodes = Vec::new();
    for chain in merge_chains(columns, find_chains(columns)) {
        let supernode = |kind, start: usize, end: usize| {
            let later = end as u32..chain.end as u32;
            let rows: Vec<u32> = later.chain(columns[chain.end - 1].iter().copied()).collect();
            let mut first = first_columns(columns, start, end, &rows);
            if first.iter().all(|&column| column == 0) {
                first.clear();
            }
            let (width, updates) = (end - start, Vec::new());
            Supernode { kind, start, width, diag: 0, panel: 0, rows, first, updates }
        };
        if chain.kind == Kind::Diagonal {
            supernodes.push(supernode(Kind::Diagonal, chain.start, chain.end));
            continue;
        }
        let mut start = chain.start;
        for width in panel_widths(chain.end - chain.start) {
            let kind = if width == 1 { Kind::Diagonal } else { Kind::Dense };
            supernodes.push(supernode(kind, start, start + width));
            start += width;
        }
    }
    supernodes
}

/// Cuts a chain into panels of nearly equal width, multiples of the tile width but for the last.
fn panel_widths(length: usize) -> Vec<usize> {
    const ROUND: usize = 3;
    let parts = length.div_ceil(Symbolic::PANEL);
    let width = length.div_ceil(parts).next_multiple_of(ROUND).min(Symbolic::PANEL);
    let mut widths = vec![width; length / width];
    if !length.is_multiple_of(width) {
        widths.push(length % width);
    }
    widths
}

/// Gives every supernode its addresses, static panels first; returns the static and total length.
fn assign_addresses(supernodes: &mut [Supernode], supernode_of: &[u32]) -> (usize, usize) {
    let mut updated = vec![false; supernodes.len()];
    for node in supernodes.iter() {
        for (position, &row) in node.rows.iter().enumerate() {
            // Column `row` of the target gets entries below its diagonal from this panel.
            if position + 1 < node.rows.len() {
                updated[supernode_of[row as usize] as usize] = true;
            }
        }
    }
    let is_static: Vec<bool> = supernodes
        .iter()
        .zip(&updated)
        .map(|(node, &updated)| node.kind == Kind::Diagonal && !updated)
        .collect();
    let mut len = 0;
    let mut allot = |size: usize| {
        let address = len;
        len += size;
        address
    };
    for (node, _) in supernodes.iter_mut().zip(&is_static).filter(|(_, fixed)| **fixed) {
        node.panel = allot(node.rows.len() * node.width);
    }
    let static_len = allot(0);
    for (node, &fixed) in supernodes.iter_mut().zip(&is_static) {
        node.diag = allot(match node.kind {
            Kind::Dense => node.width * node.width,
            Kind::Diagonal => node.width,
        });
        if !fixed {
            node.panel = allot(node.rows.len() * node.width);
        }
    }
    (static_len, allot(0))
}

fn updates_of(node: &Supernode, supernodes: &[Supernode], supernode_of: &[u32]) -> Vec<Update> {
    let mut updates = Vec::new();
    let mut first = 0;
    while first < node.rows.len() {
        let index = supernode_of[node.rows[first] as usize];
        let target = &supernodes[index as usize];
        let last = node
            .rows
            .iter()
            .position(|&row| supernode_of[row as usize] > index)
            .unwrap_or(node.rows.len());
        updates.push(Update {
            first,
            last,
            row_offset: node.rows[first..]
                .iter()
                .map(|&row| target.row_address(row as usize) as u32)
                .collect(),
            column_offset: node.rows[first..last]
                .iter()
                .map(|&row| row - target.start as u32)
                .collect(),
        });
        first = last;
    }
    updates
}
