//! Cliques of a chordal extension of a sparse symmetric pattern, as a tree.
//!
//! Eliminating the vertices of a graph in any order, and joining the neighbours of each when it
//! goes, makes the graph chordal. A vertex and its neighbours at that time are a clique; the clique
//! of its first neighbour to go next is its parent. Along the tree, what two cliques share is in
//! every clique between them (Vandenberghe and Andersen, Chordal graphs and semidefinite
//! optimization, 2015, sections 3 and 4).

/// Fused multiply-adds of an iteration of the interior point for a matrix of side d, in d^3.
const ITERATION: f64 = 30.0;

/// Some vertices, and what they share with their parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Clique {
    /// All its vertices, ascending.
    pub(crate) vertices: Vec<u32>,
    /// Those that it shares with its parent, ascending; none of a root.
    pub(crate) separator: Vec<u32>,
    /// Place of the parent, which comes later; `None` for a root.
    pub(crate) parent: Option<usize>,
}

/// A clique under construction.
#[derive(Clone, Debug, Default)]
struct Node {
    clique: Clique,
    children: Vec<usize>,
    /// Variables that have entries in it.
    variables: usize,
    /// Entries of the children's separators.
    shared: usize,
    is_gone: bool,
}

/// The cliques, children before parents, of the graph of `entries`, whose vertex v is eliminated at
/// `step[v]`, merged where that makes an iteration cheaper. `variables[v]` is how many variables
/// the entries of row v have between them and vertices that are eliminated later.
pub(crate) fn clique_tree(
    step: &[u32],
    entries: &[(u32, u32)],
    variables: &[usize],
) -> Vec<Clique> {
    let mut nodes = elimination_cliques(step, entries, variables);
    merge(&mut nodes);
    // Children before parents, in the order of elimination.
    let mut place = vec![0; nodes.len()];
    let mut count = 0;
    for (k, node) in nodes.iter().enumerate() {
        place[k] = count;
        count += usize::from(!node.is_gone);
    }
    let kept = nodes.into_iter().filter(|node| !node.is_gone);
    kept.map(|Node { mut clique, .. }| {
        clique.parent = clique.parent.map(|parent| place[parent]);
        clique
    })
    .collect()
}

/// Fused multiply-adds of an iteration with `cliques` merged as they are, and as one matrix of side
/// `side` with `variables` variables.
pub(crate) fn cost_as_one(side: usize, variables: usize) -> f64 {
    cost(side, variables, 0, 0)
}

/// The same of the cliques.
pub(crate) fn cost_of(cliques: &[Clique], variables: usize) -> f64 {
    let mut shared = vec![0; cliques.len()];
    for clique in cliques {
        if let Some(parent) = clique.parent {
            shared[parent] += triangle(clique.separator.len());
        }
    }
    let side: usize = cliques.iter().map(|c| c.vertices.len() - c.separator.len()).sum();
    let each = variables as f64 / side.max(1) as f64;
    cliques
        .iter()
        .zip(shared)
        .map(|(c, shared)| {
            let own = (each * (c.vertices.len() - c.separator.len()) as f64).ceil() as usize;
            cost(c.vertices.len(), own, triangle(c.separator.len()), shared)
        })
        .sum()
}

fn triangle(side: usize) -> usize {
    side * (side + 1) / 2
}

/// Of one clique with `side` vertices in which `variables` variables have entries, `own` entries of
/// its separator and `shared` of its children's. Either its rows are eliminated before these
/// variables, which it joins; or after them, of which each joins what is shared with a child to the
/// rows.
fn cost(side: usize, variables: usize, own: usize, shared: usize) -> f64 {
    let (rows, cube) = (triangle(side) as f64, (side * side * side) as f64);
    let (all, gone) = ((variables + own + shared) as f64, (variables + shared) as f64);
    let dense = rows * rows * (rows / 3.0 + all / 2.0);
    let inverse = all * (3.0 * cube).min(all * rows / 4.0);
    let rows_first = dense.min(inverse) + gone * all * all;
    let rows_last = 4.0 * gone * rows * rows + rows * rows * (rows / 3.0 + own as f64);
    ITERATION * cube + rows_first.min(rows_last)
}

impl Node {
    fn cost(&self) -> f64 {
        let Clique { vertices, separator, .. } = &self.clique;
        cost(vertices.len(), self.variables, triangle(separator.len()), self.shared)
    }
}

/// One clique a vertex, in the order of elimination.
fn elimination_cliques(step: &[u32], entries: &[(u32, u32)], variables: &[usize]) -> Vec<Node> {
    let order = step.len();
    let mut nodes = vec![Node::default(); order];
    let mut vertex_at = vec![0; order];
    for (vertex, &step) in step.iter().enumerate() {
        vertex_at[step as usize] = vertex as u32;
    }
    // By steps until the end.
    for &(a, b) in entries {
        let (a, b) = (step[a as usize], step[b as usize]);
        if a != b {
            nodes[a.min(b) as usize].clique.separator.push(a.max(b));
        }
    }
    for k in 0..order {
        let mut separator = std::mem::take(&mut nodes[k].clique.separator);
        separator.sort_unstable();
        separator.dedup();
        if let Some(&parent) = separator.first() {
            let parent = parent as usize;
            nodes[parent].clique.separator.extend_from_slice(&separator[1..]);
            nodes[parent].children.push(k);
            nodes[parent].shared += triangle(separator.len());
            nodes[k].clique.parent = Some(parent);
        }
        nodes[k].clique.separator = separator;
    }
    for (k, node) in nodes.iter_mut().enumerate() {
        let Clique { vertices, separator, .. } = &mut node.clique;
        separator.iter_mut().for_each(|v| *v = vertex_at[*v as usize]);
        separator.sort_unstable();
        *vertices = union(separator, &[vertex_at[k]]);
        node.variables = variables[vertex_at[k] as usize];
    }
    nodes
}

/// Merges children into parents, while that makes an iteration cheaper.
fn merge(nodes: &mut [Node]) {
    loop {
        let mut merged = false;
        for p in 0..nodes.len() {
            if nodes[p].is_gone {
                continue;
            }
            // A merged child brings its children.
            let mut at = 0;
            while at < nodes[p].children.len() {
                let child = nodes[p].children[at];
                let candidate = joined(&nodes[p], &nodes[child]);
                // The larger of the two has all vertices: the other one is of no use.
                let is_part = candidate.clique.vertices.len()
                    == nodes[child].clique.vertices.len().max(nodes[p].clique.vertices.len());
                if is_part || candidate.cost() <= nodes[p].cost() + nodes[child].cost() {
                    for &grandchild in &nodes[child].children.clone() {
                        nodes[grandchild].clique.parent = Some(p);
                    }
                    nodes[child] = Node { is_gone: true, ..Node::default() };
                    nodes[p] = candidate;
                    nodes[p].children.retain(|&c| c != child);
                    merged = true;
                    at = 0;
                } else {
                    at += 1;
                }
            }
        }
        if !merged {
            return;
        }
    }
}

/// The clique of `parent` and its child together.
fn joined(parent: &Node, child: &Node) -> Node {
    let vertices = union(&parent.clique.vertices, &child.clique.vertices);
    let mut children = parent.children.clone();
    children.extend_from_slice(&child.children);
    Node {
        clique: Clique { vertices, ..parent.clique.clone() },
        children,
        variables: parent.variables + child.variables,
        shared: parent.shared + child.shared - triangle(child.clique.separator.len()),
        is_gone: false,
    }
}

/// Of two ascending lists, ascending.
fn union(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}
