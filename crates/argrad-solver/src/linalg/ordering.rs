//! Elimination order: approximate minimum degree, then a postorder of the elimination tree.

use crate::program::Error;

/// No node, no parent.
pub(super) const NONE: u32 = u32::MAX;

/// The step of each node of the matrix with these off-diagonal entries, each pair once: by
/// approximate minimum degree (Amestoy, Davis, Duff 1996), or where most of the matrix is dense by
/// the degrees at the start, if that leaves fewer entries. (Approximate minimum degree takes nodes
/// of the same neighbours together and does not count those among each other, so that all variables
/// of a dense A may come before the last of its rows.)
///
/// # Errors
/// [`Error::Pattern`] when the ordering refuses the pattern.
pub(crate) fn minimum_degree(order: usize, entries: &[(u32, u32)]) -> Result<Vec<u32>, Error> {
    let identity: Vec<u32> = (0..order as u32).collect();
    let (start, below) = rows_of(order, entries, &identity);
    // With the diagonal, which changes no order: a pattern with fewer entries than nodes fails an
    // assertion of the crate where overflow is checked.
    let mut rows = Vec::with_capacity(below.len() + order);
    for node in 0..order {
        rows.extend_from_slice(&below[start[node] as usize..start[node + 1] as usize]);
        rows.push(node as u32);
    }
    let start: Vec<u32> = start.iter().zip(0..).map(|(&start, node)| start + node).collect();
    // Nodes with more neighbours than 10 times the root of the order, few in a sparse matrix, are
    // not counted but come last. Where most of the matrix is dense, the rows of a dense A before
    // its variables are a third of the work of the other order.
    let usual = amd::Control::default();
    let is_dense = is_dense(order, entries.len());
    let control = if is_dense { amd::Control { dense: -1.0, ..usual } } else { usual };
    let (_, step, _) = amd::order(order as u32, &start, &rows, &control).map_err(|_| {
        Error::Pattern { found: format!("{} entries, which cannot be ordered", entries.len()) }
    })?;
    if is_dense {
        let other = by_degree(order, entries);
        if factor_entries(order, entries, &other) < factor_entries(order, entries, &step) {
            return Ok(other);
        }
    }
    Ok(step)
}

/// Whether the mean node has as many neighbours as half of those that are few in a sparse matrix.
fn is_dense(order: usize, entries: usize) -> bool {
    const MEAN: f64 = 5.0;
    2.0 * entries as f64 > MEAN * (order as f64).powf(1.5)
}

/// The step of each node by the number of its neighbours, then by its number.
fn by_degree(order: usize, entries: &[(u32, u32)]) -> Vec<u32> {
    let mut degree = vec![0u32; order];
    for &(a, b) in entries {
        degree[a as usize] += 1;
        degree[b as usize] += 1;
    }
    let mut nodes: Vec<u32> = (0..order as u32).collect();
    nodes.sort_by_key(|&node| degree[node as usize]);
    let mut step = vec![0; order];
    for (at, node) in nodes.into_iter().enumerate() {
        step[node as usize] = at as u32;
    }
    step
}

/// Entries of L, the diagonal included, for the order `step`.
fn factor_entries(order: usize, entries: &[(u32, u32)], step: &[u32]) -> u64 {
    let (start, columns) = rows_of(order, entries, step);
    elimination_tree(&start, &columns).count.into_iter().map(u64::from).sum()
}

/// For each column of L: its parent, the number of its entries with the diagonal, and a hash of
/// its rows.
pub(super) struct Tree {
    pub(super) parent: Vec<u32>,
    pub(super) count: Vec<u32>,
    pub(super) hash: Vec<u64>,
}

/// The elimination tree of a matrix of which [`rows_of`] gave the columns of each row.
pub(super) fn elimination_tree(start: &[u32], columns: &[u32]) -> Tree {
    let order = start.len() - 1;
    let mut parent = vec![NONE; order];
    let mut count = vec![1u32; order];
    let mut hash = vec![0u64; order];
    let mut seen: Vec<u32> = (0..order as u32).collect();
    for k in 0..order {
        let mixed = mix(k as u64);
        for &column in &columns[start[k] as usize..start[k + 1] as usize] {
            let mut j = column as usize;
            while j != k && seen[j] != k as u32 {
                if parent[j] == NONE {
                    parent[j] = k as u32;
                }
                seen[j] = k as u32;
                count[j] += 1;
                hash[j] = hash[j].wrapping_add(mixed);
                j = parent[j] as usize;
            }
        }
    }
    Tree { parent, count, hash }
}

/// A hash of a row, of which sums stand for sets of rows: the output function of SplitMix64.
/// Spelled out, because the order must not change with a library's version.
fn mix(k: u64) -> u64 {
    let mut z = (k + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The columns below the diagonal of each row, for the order `step`.
pub(super) fn rows_of(order: usize, entries: &[(u32, u32)], step: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let row = |&(a, b): &(u32, u32)| step[a as usize].max(step[b as usize]);
    let (start, mut columns) = bucket(order, entries.iter().map(row));
    for column in &mut columns {
        let (a, b) = entries[*column as usize];
        *column = step[a as usize].min(step[b as usize]);
    }
    (start, columns)
}

/// Counting sort: where each key starts, and the indices of the items by ascending key.
pub(super) fn bucket(
    keys: usize,
    items: impl Iterator<Item = u32> + Clone,
) -> (Vec<u32>, Vec<u32>) {
    let mut start = vec![0u32; keys + 1];
    for key in items.clone() {
        start[key as usize + 1] += 1;
    }
    for key in 0..keys {
        start[key + 1] += start[key];
    }
    let mut next = start.clone();
    let mut sorted = vec![0; start[keys] as usize];
    for (item, key) in items.enumerate() {
        sorted[next[key as usize] as usize] = item as u32;
        next[key as usize] += 1;
    }
    (start, sorted)
}

/// Adjacency of a symmetric matrix: for each node its neighbours, ascending, itself left out.
pub(crate) struct Graph {
    pub(crate) neighbours: Vec<Vec<usize>>,
}

impl Graph {
    /// Graph of the off-diagonal entries.
    pub(crate) fn new(order: usize, entries: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut neighbours = vec![Vec::new(); order];
        for (i, j) in entries {
            if i != j {
                neighbours[i].push(j);
                neighbours[j].push(i);
            }
        }
        for list in &mut neighbours {
            list.sort_unstable();
            list.dedup();
        }
        Self { neighbours }
    }

    fn order(&self) -> usize {
        self.neighbours.len()
    }

    /// Pattern of each column of L below the diagonal, for the elimination order `perm`
    /// (`perm[k]` is the node eliminated at step k); rows are steps, ascending.
    pub(crate) fn fill(&self, perm: &[usize]) -> Vec<Vec<u32>> {
        let step = inverse(perm);
        let n = self.order();
        let mut columns: Vec<Vec<u32>> = Vec::with_capacity(n);
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); n];
        let mut seen = vec![u32::MAX; n];
        for j in 0..n {
            let mut column = Vec::new();
            let mut push = |row: usize| {
                if row > j && seen[row] != j as u32 {
                    seen[row] = j as u32;
                    column.push(row as u32);
                }
            };
            for &node in &self.neighbours[perm[j]] {
                push(step[node]);
            }
            for &child in &children[j] {
                for &row in &columns[child as usize] {
                    push(row as usize);
                }
            }
            column.sort_unstable();
            if let Some(&parent) = column.first() {
                children[parent as usize].push(j as u32);
            }
            columns.push(column);
        }
        columns
    }
}

/// `inverse[perm[k]] = k`.
pub(crate) fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    for (k, &node) in perm.iter().enumerate() {
        inverse[node] = k;
    }
    inverse
}

/// Elimination order with little fill.
///
/// A quasidefinite matrix can be eliminated in any order. Equality rows that come before the
/// variables they touch act as a penalty of the size of the inverse regularization, as the active
/// inequality rows of a polish always do; refinement makes up for it.
pub(crate) fn eliminate(graph: &Graph) -> Vec<usize> {
    postorder(graph, &minimum_degree_of(graph))
}

/// Nodes by approximate minimum degree.
fn minimum_degree_of(graph: &Graph) -> Vec<usize> {
    let n = graph.order();
    let mut entries = Vec::new();
    for (j, list) in graph.neighbours.iter().enumerate() {
        entries.extend(list.iter().take_while(|&&i| i < j).map(|&i| (j as u32, i as u32)));
    }
    match minimum_degree(n, &entries) {
        Ok(step) => inverse(&step.iter().map(|&step| step as usize).collect::<Vec<_>>()),
        // Any order is correct, if slower.
        Err(_) => (0..n).collect(),
    }
}

/// Equivalent order in which every subtree of the elimination tree is contiguous, so that chains
/// of columns become supernodes.
fn postorder(graph: &Graph, perm: &[usize]) -> Vec<usize> {
    let columns = graph.fill(perm);
    let n = perm.len();
    let mut children = vec![Vec::new(); n];
    let mut stack: Vec<(usize, bool)> = Vec::new();
    for (j, column) in columns.iter().enumerate() {
        match column.first() {
            Some(&parent) => children[parent as usize].push(j),
            None => stack.push((j, false)),
        }
    }
    stack.reverse();
    let mut order = Vec::with_capacity(n);
    while let Some((node, expanded)) = stack.pop() {
        if expanded {
            order.push(perm[node]);
        } else {
            stack.push((node, true));
            stack.extend(children[node].iter().rev().map(|&child| (child, false)));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rows_of_a_dense_matrix_come_before_its_variables() {
        let (variables, rows) = (80u32, 128u32);
        let row = |i: u32| (0..variables).map(move |j| (variables + i, j));
        let entries: Vec<_> = (0..rows).flat_map(row).collect();
        let step = minimum_degree((variables + rows) as usize, &entries).unwrap();
        let (first, rest) = step.split_at(variables as usize);
        assert!(first.iter().min() > rest.iter().max(), "{step:?}");
    }

    /// A symmetric pattern of up to 24 nodes, of any density.
    fn pattern() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
        (1usize..24, 0.01..0.7).prop_flat_map(|(order, density)| {
            let pairs: Vec<_> = (0..order).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
            let chosen = prop::collection::vec(prop::bool::weighted(density), pairs.len());
            chosen.prop_map(move |chosen| {
                let entries = pairs.iter().zip(chosen).filter(|(_, chosen)| *chosen);
                (order, entries.map(|(&pair, _)| pair).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn fill_is_that_of_an_elimination_of_the_dense_matrix((order, entries) in pattern()) {
            let graph = Graph::new(order, entries.iter().copied());
            let perm = eliminate(&graph);
            let step = inverse(&perm);
            let mut dense = vec![vec![false; order]; order];
            for &(i, j) in &entries {
                let (i, j) = (step[i], step[j]);
                dense[i.max(j)][i.min(j)] = true;
            }
            for k in 0..order {
                for j in k + 1..order {
                    for i in j + 1..order {
                        dense[i][j] |= dense[i][k] && dense[j][k];
                    }
                }
            }
            for (j, column) in graph.fill(&perm).iter().enumerate() {
                let expected: Vec<u32> =
                    (j + 1..order).filter(|&i| dense[i][j]).map(|i| i as u32).collect();
                prop_assert_eq!(column, &expected);
            }
        }

        #[test]
        fn entries_are_counted_as_they_are_filled((order, entries) in pattern()) {
            let graph = Graph::new(order, entries.iter().copied());
            let perm = eliminate(&graph);
            let step: Vec<u32> = inverse(&perm).into_iter().map(|step| step as u32).collect();
            let entries: Vec<_> = entries.iter().map(|&(i, j)| (i as u32, j as u32)).collect();
            let filled: usize = graph.fill(&perm).iter().map(|column| column.len() + 1).sum();
            prop_assert_eq!(factor_entries(order, &entries, &step), filled as u64);
        }

        #[test]
        fn an_order_has_every_node_once((order, entries) in pattern()) {
            let mut perm = eliminate(&Graph::new(order, entries.into_iter()));
            perm.sort_unstable();
            prop_assert!(perm.into_iter().eq(0..order));
        }
    }
}
