//! Elimination order: approximate minimum degree, then a postorder of the elimination tree.

use crate::program::Error;

/// Approximate minimum degree (Amestoy, Davis, Duff 1996): the step of each node of the matrix with
/// these off-diagonal entries, each pair once.
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
    let (_, step, _) = amd::order(order as u32, &start, &rows, &control(order, entries.len()))
        .map_err(|_| Error::Pattern {
            found: format!("{} entries, which cannot be ordered", entries.len()),
        })?;
    Ok(step)
}

/// Nodes with more neighbours than 10 times the root of the order, few in a sparse matrix, are not
/// counted but come last. Where the mean node is half of that, most of the matrix is dense, and the
/// rows of a dense A before its variables are a third of the work of the other order.
fn control(order: usize, entries: usize) -> amd::Control {
    const MEAN: f64 = 5.0;
    let usual = amd::Control::default();
    let mean = 2.0 * entries as f64 / order as f64;
    if mean > MEAN * (order as f64).sqrt() { amd::Control { dense: -1.0, ..usual } } else { usual }
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
        fn an_order_has_every_node_once((order, entries) in pattern()) {
            let mut perm = eliminate(&Graph::new(order, entries.into_iter()));
            perm.sort_unstable();
            prop_assert!(perm.into_iter().eq(0..order));
        }
    }
}
