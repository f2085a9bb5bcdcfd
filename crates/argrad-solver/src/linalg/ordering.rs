//! Elimination order: approximate minimum degree, then a postorder of the elimination tree.

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
    postorder(graph, &minimum_degree(graph))
}

fn minimum_degree(graph: &Graph) -> Vec<usize> {
    let n = graph.order();
    if n == 0 {
        return Vec::new();
    }
    let mut colptr = vec![0usize];
    let mut rowval = Vec::new();
    for (j, list) in graph.neighbours.iter().enumerate() {
        rowval.extend(list.iter().copied().filter(|&i| i < j));
        rowval.push(j);
        colptr.push(rowval.len());
    }
    match amd::order(n, &colptr, &rowval, &amd::Control::default()) {
        Ok((perm, _, _)) => perm,
        // The pattern above is valid by construction; any order is correct, if slower.
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
