//! Where everything is: which columns are eliminated one by one, which together in fronts, and
//! the address of every number.
//!
//! - *Slender* columns, with few entries and only slender columns below them in the tree, are
//!   eliminated one at a time; the address of every update is listed.
//! - All others form *fronts*, columns of (nearly) equal pattern: a dense panel in the factor, and
//!   a dense update matrix on a stack that is added to the parent's front (multifrontal method,
//!   Duff and Reid 1983).

use super::pattern::{Pattern, SLENDER};
use crate::linalg::ordering::NONE;
use crate::program::Error;

/// Fronts are merged when the share of zeros in the merged panel is at most `.1`, for merged
/// widths up to `.0`.
const MERGE: [(u32, f64); 4] = [(4, 0.8), (16, 0.5), (48, 0.2), (u32::MAX, 0.05)];

/// Columns of a front that is merged with none, where no two of them touch.
const WIDE: u32 = 48;

/// A group of consecutive columns eliminated together.
#[derive(Clone, Debug)]
pub(super) struct Front {
    /// First column.
    pub(super) start: usize,
    /// Number of columns.
    pub(super) width: usize,
    /// Rows below: `rows[rows_start..][..below]` of the plan, and there in `relative` their places
    /// in the parent's front.
    pub(super) rows_start: usize,
    pub(super) below: usize,
    /// From this row on the places in the parent's front are consecutive.
    pub(super) consecutive_from: usize,
    /// Address of the panel: `width` columns of `height()` numbers.
    pub(super) panel: usize,
    /// Place of the update matrix in the stack, `below` columns of `below` numbers.
    pub(super) update: usize,
    /// The front that gets the update; [`NONE`] without one.
    pub(super) parent: u32,
    /// Nothing is added to this front before its own elimination, but by slender columns.
    pub(super) is_leaf: bool,
    /// Its update is the first that its parent gets.
    pub(super) is_first: bool,
    /// No column has an entry in the row of another.
    pub(super) is_diagonal: bool,
}

impl Front {
    pub(super) fn height(&self) -> usize {
        self.width + self.below
    }

    /// Whether its update consists of its own product alone and goes to consecutive rows of the
    /// parent's front: then it needs no matrix of its own.
    pub(super) fn updates_parent(&self) -> bool {
        self.is_leaf && self.parent != NONE && self.consecutive_from == 0
    }
}

/// Consecutive steps of one kind.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Slender columns, by their numbers among all slender columns, and the first target.
    Slender { first: usize, last: usize, step: usize, target: usize },
    /// One front.
    Front(usize),
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) order: usize,
    /// What is done, in order.
    pub(super) stages: Vec<Stage>,
    /// Address of the diagonal of each slender column, its other entries behind; one more at the
    /// end.
    pub(super) slender_start: Vec<u32>,
    /// Rows of the entries of slender columns: those of column `c` from `slender_start[c] - c` on.
    pub(super) slender_rows: Vec<u32>,
    /// For each slender column and each pair of its entries a > b, by b: the address of (a, b).
    /// The address of the diagonal (b, b) comes before its pairs.
    pub(super) targets: Vec<u32>,
    pub(super) fronts: Vec<Front>,
    pub(super) rows: Vec<u32>,
    pub(super) relative: Vec<u32>,
    /// Address in the factor of each entry of the matrix.
    pub(super) place: Vec<u32>,
    pub(super) factor_len: usize,
    /// Numbers of all update matrices that live at the same time.
    pub(super) stack_len: usize,
}

impl Plan {
    pub(super) fn new(pattern: &Pattern) -> Result<Self, Error> {
        let order = pattern.parent.len();
        let is_slender = slender(pattern);
        let mut fronts = find_fronts(pattern, &is_slender);
        let mut front_of = vec![NONE; order];
        for (index, front) in fronts.iter().enumerate() {
            front_of[front.start..front.start + front.width].fill(index as u32);
        }
        let (slender_start, slender_rows, rows) = fill(pattern, &front_of, &fronts);
        let mut factor_len = slender_start[slender_start.len() - 1] as usize;
        for front in &mut fronts {
            front.panel = factor_len;
            factor_len += front.width * front.height();
        }
        if factor_len > u32::MAX as usize {
            return Err(Error::Pattern { found: format!("a factor of {factor_len} numbers") });
        }
        let stack_len = link_fronts(pattern, &mut fronts, &front_of);
        let mut plan = Self {
            order,
            stages: Vec::new(),
            slender_start,
            slender_rows,
            targets: Vec::new(),
            relative: vec![0; rows.len()],
            rows,
            fronts,
            place: Vec::new(),
            factor_len,
            stack_len,
        };
        plan.write_relative();
        plan.write_stages(&front_of);
        plan.write_addresses(pattern, &front_of);
        Ok(plan)
    }

    pub(super) fn rows_of(&self, front: &Front) -> &[u32] {
        &self.rows[front.rows_start..][..front.below]
    }

    pub(super) fn relative_of(&self, front: &Front) -> &[u32] {
        &self.relative[front.rows_start..][..front.below]
    }

    fn write_relative(&mut self) {
        for index in 0..self.fronts.len() {
            let front = &self.fronts[index];
            if front.parent == NONE {
                continue;
            }
            let parent = &self.fronts[front.parent as usize];
            let places: Vec<u32> = local_rows(parent, self.rows_of(parent), self.rows_of(front));
            let mut from = places.len().saturating_sub(1);
            while from > 0 && places[from - 1] + 1 == places[from] {
                from -= 1;
            }
            self.relative[front.rows_start..][..places.len()].copy_from_slice(&places);
            self.fronts[index].consecutive_from = from;
        }
    }

    fn write_stages(&mut self, front_of: &[u32]) {
        let mut step = 0;
        let mut column = 0;
        while step < self.order {
            if front_of[step] == NONE {
                let first = column;
                let begin = step;
                while step < self.order && front_of[step] == NONE {
                    step += 1;
                    column += 1;
                }
                self.stages.push(Stage::Slender { first, last: column, step: begin, target: 0 });
            } else {
                let index = front_of[step] as usize;
                self.stages.push(Stage::Front(index));
                step += self.fronts[index].width;
            }
        }
    }

    /// Addresses of the matrix entries and of the updates of slender columns.
    fn write_addresses(&mut self, pattern: &Pattern, front_of: &[u32]) {
        let mut slender_of = vec![NONE; self.order];
        let mut number = 0;
        for (step, slender) in slender_of.iter_mut().enumerate() {
            if front_of[step] == NONE {
                *slender = number;
                number += 1;
            }
        }
        let mut place = Vec::with_capacity(pattern.rows.len());
        for step in 0..self.order {
            let range =
                pattern.column_start[step] as usize..pattern.column_start[step + 1] as usize;
            self.push_addresses(step, &pattern.rows[range], &slender_of, front_of, &mut place);
        }
        self.place = place;
        let mut targets = Vec::new();
        let mut stages = std::mem::take(&mut self.stages);
        for stage in &mut stages {
            if let Stage::Slender { first, last, target, .. } = stage {
                *target = targets.len();
                for column in *first..*last {
                    let rows = self.slender_rows_of(column);
                    for (b, &row) in rows.iter().enumerate() {
                        self.push_addresses(
                            row as usize,
                            &rows[b..],
                            &slender_of,
                            front_of,
                            &mut targets,
                        );
                    }
                }
            }
        }
        self.stages = stages;
        self.targets = targets;
    }

    pub(super) fn slender_rows_of(&self, column: usize) -> &[u32] {
        let (start, end) = (self.slender_start[column] as usize, self.slender_start[column + 1]);
        &self.slender_rows[start - column..end as usize - column - 1]
    }

    /// Appends the addresses of the entries of column `step` in the given rows, which ascend from
    /// the diagonal.
    fn push_addresses(
        &self,
        step: usize,
        rows: &[u32],
        slender_of: &[u32],
        front_of: &[u32],
        addresses: &mut Vec<u32>,
    ) {
        if front_of[step] == NONE {
            let column = slender_of[step] as usize;
            let start = self.slender_start[column];
            addresses.push(start);
            let mut entries = self.slender_rows_of(column).iter().zip(start + 1..);
            addresses.extend(rows[1..].iter().map(|row| {
                entries.find(|entry| entry.0 == row).expect("an entry of the factor").1
            }));
        } else {
            let front = &self.fronts[front_of[step] as usize];
            let base = front.panel + (step - front.start) * front.height();
            let places = local_rows(front, self.rows_of(front), rows);
            addresses.extend(places.iter().map(|place| base as u32 + place));
        }
    }
}

/// Places of the given ascending rows in a front.
fn local_rows(front: &Front, below: &[u32], rows: &[u32]) -> Vec<u32> {
    let end = front.start + front.width;
    let mut position = 0;
    rows.iter()
        .map(|&row| {
            if (row as usize) < end {
                row - front.start as u32
            } else {
                if below[position] != row {
                    position +=
                        1 + below[position + 1..].binary_search(&row).expect("a row of the front");
                }
                (front.width + position) as u32
            }
        })
        .collect()
}

/// Columns with few entries and only such columns below them in the tree.
fn slender(pattern: &Pattern) -> Vec<bool> {
    let mut is_slender: Vec<bool> = pattern.count.iter().map(|&c| c <= SLENDER + 1).collect();
    for (j, &parent) in pattern.parent.iter().enumerate() {
        if !is_slender[j] && parent != NONE {
            is_slender[parent as usize] = false;
        }
    }
    is_slender
}

/// Chains of columns of equal pattern, merged where that adds few zeros.
fn find_fronts(pattern: &Pattern, is_slender: &[bool]) -> Vec<Front> {
    struct Chain {
        start: u32,
        end: u32,
        zeros: u64,
    }
    let count = |column: u32| u64::from(pattern.count[column as usize]);
    let mut chains: Vec<Chain> = Vec::new();
    let order = pattern.parent.len();
    let mut j = 0;
    while j < order {
        if is_slender[j] {
            j += 1;
            continue;
        }
        let start = j as u32;
        while j + 1 < order
            && pattern.parent[j] == j as u32 + 1
            && pattern.count[j] == pattern.count[j + 1] + 1
        {
            j += 1;
        }
        j += 1;
        let mut chain = Chain { start, end: j as u32, zeros: 0 };
        // The last child may join its parent, then that one's last child, and so on.
        while let Some(child) = chains.last() {
            let joined = pattern.parent[child.end as usize - 1];
            if child.end != chain.start || joined == NONE || joined >= chain.end {
                break;
            }
            // Columns that do not touch each other are best left so, where they are many.
            let apart = |j: u32| pattern.is_apart[j as usize];
            if child.end - child.start >= WIDE && (child.start + 1..child.end).all(apart) {
                break;
            }
            let below = count(chain.end - 1) - 1;
            let width = u64::from(chain.end - child.start);
            let child_width = u64::from(child.end - child.start);
            let height = u64::from(chain.end - chain.start) + below;
            let zeros =
                child.zeros + chain.zeros + child_width * (height + 1 - count(child.end - 1));
            let entries = width * (width + 1) / 2 + width * below;
            let share = zeros as f64 / entries as f64;
            if !MERGE.iter().any(|&(most, limit)| width <= u64::from(most) && share <= limit) {
                break;
            }
            chain = Chain { start: child.start, end: chain.end, zeros };
            chains.pop();
        }
        chains.push(chain);
    }
    let mut rows_start = 0;
    chains
        .into_iter()
        .map(|chain| {
            let below = count(chain.end - 1) as usize - 1;
            let front = Front {
                start: chain.start as usize,
                width: (chain.end - chain.start) as usize,
                rows_start,
                below,
                consecutive_from: 0,
                panel: 0,
                update: 0,
                parent: NONE,
                is_leaf: true,
                is_first: false,
                is_diagonal: (chain.start + 1..chain.end).all(|j| pattern.is_apart[j as usize]),
            };
            rows_start += below;
            front
        })
        .collect()
}

/// Rows of the slender columns, with the addresses of their diagonals, and of the fronts.
fn fill(pattern: &Pattern, front_of: &[u32], fronts: &[Front]) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let order = front_of.len();
    let mut slender_start = vec![0u32];
    // Where the next row of a slender column goes, and of a front (at its first column).
    let mut next = vec![0u32; order];
    for step in 0..order {
        if front_of[step] == NONE {
            let start = slender_start[slender_start.len() - 1];
            next[step] = start - (slender_start.len() as u32 - 1);
            slender_start.push(start + pattern.count[step]);
        }
    }
    let columns = slender_start.len() - 1;
    let mut slender_rows = vec![0; slender_start[columns] as usize - columns];
    let mut rows = vec![0; fronts.iter().map(|front| front.below).sum()];
    for front in fronts {
        next[front.start] = front.rows_start as u32;
    }
    let mut seen = vec![NONE; order];
    for k in 0..order as u32 {
        let range =
            pattern.row_start[k as usize] as usize..pattern.row_start[k as usize + 1] as usize;
        for &column in &pattern.row_columns[range] {
            // Climb from the column to row k: all on the way get an entry in that row.
            let mut j = column;
            while j != k {
                let front = front_of[j as usize];
                let (at, list, last) = if front == NONE {
                    (j as usize, &mut slender_rows, j)
                } else {
                    let front = &fronts[front as usize];
                    let end = (front.start + front.width) as u32;
                    if k < end {
                        break;
                    }
                    (front.start, &mut rows, end - 1)
                };
                if seen[at] == k {
                    break;
                }
                seen[at] = k;
                list[next[at] as usize] = k;
                next[at] += 1;
                j = pattern.parent[last as usize];
            }
        }
    }
    (slender_start, slender_rows, rows)
}

/// Tree of the fronts and places of the update matrices; returns the length of the stack.
///
/// An update matrix lives from the first update that it gets until it is added to the parent. Even
/// and odd levels of the tree have stacks of their own, on each of which the last in is first out.
fn link_fronts(pattern: &Pattern, fronts: &mut [Front], front_of: &[u32]) -> usize {
    let mut level = vec![0u8; fronts.len()];
    for index in (0..fronts.len()).rev() {
        let last = fronts[index].start + fronts[index].width - 1;
        let parent = pattern.parent[last];
        if parent != NONE {
            let parent = front_of[parent as usize];
            fronts[index].parent = parent;
            level[index] = 1 - level[parent as usize];
        }
    }
    let mut top = [0usize; 2];
    let mut most = [0usize; 2];
    let mut allot = |front: &mut Front, level: u8, top: &mut [usize; 2]| {
        let level = usize::from(level);
        front.update = top[level];
        top[level] += front.below * front.below;
        most[level] = most[level].max(top[level]);
    };
    for index in 0..fronts.len() {
        if fronts[index].is_leaf {
            allot(&mut fronts[index], level[index], &mut top);
        }
        let parent = fronts[index].parent;
        if parent != NONE && fronts[parent as usize].is_leaf {
            fronts[index].is_first = true;
            fronts[parent as usize].is_leaf = false;
            allot(&mut fronts[parent as usize], level[parent as usize], &mut top);
        }
        top[usize::from(level[index])] = fronts[index].update;
    }
    for (front, level) in fronts.iter_mut().zip(level) {
        front.update += usize::from(level) * most[0];
    }
    most[0] + most[1]
}
