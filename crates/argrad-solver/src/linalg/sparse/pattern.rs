//! Elimination order, elimination tree, and the pattern of the matrix in that order.

use super::kernel::BLOCK;
use crate::linalg::ordering::{NONE, Tree, bucket, elimination_tree, minimum_degree, rows_of};
use crate::program::Error;

/// Most entries below the diagonal of a column that is eliminated by itself.
pub(super) const SLENDER: u32 = 10;
/// Most columns of equal pattern that are made one dense block.
const WIDEST_GROUP: u32 = BLOCK as u32;

/// Pattern of the matrix in elimination order.
pub(super) struct Pattern {
    /// `step[node]` is when the node is eliminated.
    pub(super) step: Vec<u32>,
    /// Parent of each step in the elimination tree, or [`NONE`]. Children come before their
    /// parent, every subtree is contiguous, and the child with the most rows comes last.
    pub(super) parent: Vec<u32>,
    /// Entries of each column of L, the diagonal included.
    pub(super) count: Vec<u32>,
    /// Whether a column has the pattern of the one before and no entry in its row.
    pub(super) is_apart: Vec<bool>,
    /// Lower triangle by columns: where each column starts in `rows`.
    pub(super) column_start: Vec<u32>,
    /// Rows ascending in each column, the diagonal first.
    pub(super) rows: Vec<u32>,
    /// Off-diagonal entries by rows: where each row starts in `row_columns`.
    pub(super) row_start: Vec<u32>,
    pub(super) row_columns: Vec<u32>,
    /// Position in `rows` of each entry given, and of the diagonal of each node.
    pub(super) entry_address: Vec<u32>,
    pub(super) diagonal_address: Vec<u32>,
}

impl Pattern {
    pub(super) fn new(order: usize, entries: &[(u32, u32)]) -> Result<Self, Error> {
        let malformed = |found: String| Err(Error::Pattern { found });
        if let Some(&(a, b)) = entries.iter().find(|&&(a, b)| a == b || a.max(b) as usize >= order)
        {
            return malformed(format!(
                "off-diagonal entry ({a}, {b}) in a matrix of order {order}"
            ));
        }
        if order + entries.len() > i32::MAX as usize {
            return malformed(format!("{} entries, more than 2^31", order + entries.len()));
        }
        let mut step = eliminate(order, entries)?;
        let (parent, count, grouped) = {
            let (start, columns) = rows_of(order, entries, &step);
            let mut tree = elimination_tree(&start, &columns);
            let grouped = group_equal_columns(&mut tree);
            (tree.parent, tree.count, grouped)
        };
        let mut is_apart = vec![false; order];
        let given = grouped.clone();
        let post = postorder(&parent, &count, given);
        for step in &mut step {
            *step = post[*step as usize];
        }
        let mut moved_parent = vec![NONE; order];
        let mut moved_count = vec![0; order];
        for (j, &to) in post.iter().enumerate() {
            moved_count[to as usize] = count[j];
            is_apart[to as usize] = grouped[j] != NONE;
            if parent[j] != NONE {
                moved_parent[to as usize] = post[parent[j] as usize];
            }
        }
        Self::in_order(entries, step, (moved_parent, moved_count, is_apart))
    }

    /// Entries of L.
    pub(super) fn factor_entries(&self) -> u64 {
        self.count.iter().map(|&count| u64::from(count)).sum()
    }

    /// Lays out the entries by columns, for the final order.
    fn in_order(
        entries: &[(u32, u32)],
        step: Vec<u32>,
        (parent, count, is_apart): (Vec<u32>, Vec<u32>, Vec<bool>),
    ) -> Result<Self, Error> {
        let order = step.len();
        let place = |&(a, b): &(u32, u32)| {
            let (a, b) = (step[a as usize], step[b as usize]);
            (a.max(b), a.min(b))
        };
        let (row_start, by_row) = bucket(order, entries.iter().map(|e| place(e).0));
        let mut next = vec![0u32; order + 1];
        for entry in entries {
            next[place(entry).1 as usize + 1] += 1;
        }
        for j in 0..order {
            next[j + 1] += next[j] + 1;
        }
        let column_start = next.clone();
        let mut rows = vec![0; order + entries.len()];
        for (j, next) in next[..order].iter_mut().enumerate() {
            rows[*next as usize] = j as u32;
            *next += 1;
        }
        let mut entry_address = vec![0; entries.len()];
        let mut row_columns = vec![0; entries.len()];
        for (&entry, column_of) in by_row.iter().zip(&mut row_columns) {
            let (row, column) = place(&entries[entry as usize]);
            let at = next[column as usize];
            if rows[at as usize - 1] == row {
                let (a, b) = entries[entry as usize];
                return Err(Error::Pattern { found: format!("entry ({a}, {b}) given twice") });
            }
            rows[at as usize] = row;
            next[column as usize] += 1;
            entry_address[entry as usize] = at;
            *column_of = column;
        }
        let diagonal_address = step.iter().map(|&k| column_start[k as usize]).collect();
        Ok(Self {
            step,
            parent,
            count,
            is_apart,
            column_start,
            rows,
            row_start,
            row_columns,
            entry_address,
            diagonal_address,
        })
    }
}

/// The step of each node: first those with one neighbour left, which cause no fill, then the others
/// by approximate minimum degree. (The latter counts no dense rows, and so would not always see
/// that, say, the row of a bound comes before its variable.)
fn eliminate(order: usize, entries: &[(u32, u32)]) -> Result<Vec<u32>, Error> {
    // The exclusive or of the neighbours left is the neighbour where one is left.
    let mut left = vec![(0u32, 0u32); order];
    for &(a, b) in entries {
        for (node, neighbour) in [(a, b), (b, a)] {
            let (degree, all) = &mut left[node as usize];
            *degree += 1;
            *all ^= neighbour;
        }
    }
    let mut step = vec![NONE; order];
    let mut steps = 0..;
    for node in 0..order as u32 {
        let mut node = node;
        while left[node as usize].0 == 1 && step[node as usize] == NONE {
            step[node as usize] = steps.next().expect("a step");
            let neighbour = left[node as usize].1;
            let (degree, all) = &mut left[neighbour as usize];
            *degree -= 1;
            *all ^= node;
            node = neighbour;
        }
    }
    let removed = steps.start;
    let others: Vec<u32> = (0..order as u32).filter(|&k| step[k as usize] == NONE).collect();
    // While they are numbered anew, `left` holds the new number.
    for (number, &node) in others.iter().enumerate() {
        left[node as usize].1 = number as u32;
    }
    let is_left = |node: u32| step[node as usize] == NONE;
    let inner: Vec<(u32, u32)> = entries
        .iter()
        .filter(|&&(a, b)| is_left(a) && is_left(b))
        .map(|&(a, b)| (left[a as usize].1, left[b as usize].1))
        .collect();
    drop(left);
    let count = others.len();
    for (node, inner_step) in others.into_iter().zip(minimum_degree(count, &inner)?) {
        step[node as usize] = removed + inner_step;
    }
    Ok(step)
}

/// Columns of equal pattern that do not touch each other, such as the inputs of one time step, are
/// made chains, as if they did: one dense update is cheaper than many of rank one. Returns for each
/// column the one before it in its chain.
fn group_equal_columns(tree: &mut Tree) -> Vec<u32> {
    let Tree { parent, count, hash } = tree;
    let mut previous = vec![NONE; parent.len()];
    let mut columns: Vec<u32> = (0..parent.len() as u32)
        .filter(|&j| count[j as usize] > SLENDER + 1 && parent[j as usize] != NONE)
        .collect();
    let key = |j: u32| (parent[j as usize], hash[j as usize]);
    columns.sort_unstable_by_key(|&j| (key(j), j));
    let groups: Vec<&[u32]> = columns.chunk_by(|&i, &j| key(i) == key(j)).collect();
    for group in groups {
        let rows = count[group[0] as usize] - 1;
        let widest = (rows / 2).clamp(4, WIDEST_GROUP) as usize;
        let parts = group.len().div_ceil(widest);
        for chain in group.chunks(group.len().div_ceil(parts)) {
            for (index, pair) in chain.windows(2).enumerate() {
                parent[pair[0] as usize] = pair[1];
                count[pair[0] as usize] += (chain.len() - 1 - index) as u32;
                previous[pair[1] as usize] = pair[0];
            }
        }
    }
    previous
}

/// Place of each column in a postorder of the tree in which the child with the most entries is
/// the last, so that it can share a front with its parent; where a last child is `given`, that one.
fn postorder(parent: &[u32], count: &[u32], given: Vec<u32>) -> Vec<u32> {
    let order = parent.len();
    let mut last_child = given;
    let is_given: Vec<bool> = last_child.iter().map(|&child| child != NONE).collect();
    for (j, &p) in parent.iter().enumerate().filter(|(_, p)| **p != NONE) {
        let last = &mut last_child[p as usize];
        if !is_given[p as usize] && (*last == NONE || count[j] >= count[*last as usize]) {
            *last = j as u32;
        }
    }
    // Lists of the other children, descending.
    let mut first = vec![NONE; order];
    let mut next = vec![NONE; order];
    for (j, &p) in parent.iter().enumerate().filter(|(_, p)| **p != NONE) {
        if last_child[p as usize] != j as u32 {
            next[j] = first[p as usize];
            first[p as usize] = j as u32;
        }
    }
    // A preorder that visits children backwards is a postorder backwards.
    let mut place = vec![0; order];
    let mut stack: Vec<u32> = (0..order as u32).filter(|&j| parent[j as usize] == NONE).collect();
    for k in (0..order as u32).rev() {
        let j = stack.pop().expect("as many visits as columns") as usize;
        place[j] = k;
        let mut child = first[j];
        while child != NONE {
            stack.push(child);
            child = next[child as usize];
        }
        if last_child[j] != NONE {
            stack.push(last_child[j]);
        }
    }
    place
}
