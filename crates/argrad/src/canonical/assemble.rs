//! Slots: the structural nonzeros of P, q, A, b, and the maps from theta to them.

use argrad_solver::Cone;
use serde::{Deserialize, Serialize};

use super::ParameterMap;
use crate::atom::{Block, Graph};

/// Columns of a sparse matrix: the pattern and the map to its entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct MatrixMap {
    pub colptr: Vec<usize>,
    pub rowval: Vec<usize>,
    pub map: ParameterMap,
}

/// The program, affine in theta.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Assembled {
    pub variables: usize,
    pub rows: usize,
    pub cones: Vec<Cone>,
    pub p: MatrixMap,
    pub q: ParameterMap,
    pub a: MatrixMap,
    pub b: ParameterMap,
    /// What the objective has besides `1/2 x'Px + q'x`.
    pub constant: ParameterMap,
}

/// An entry of a matrix, times theta.
#[derive(Clone, Copy)]
struct Entry {
    row: u32,
    col: u32,
    theta: u32,
    coef: f64,
}

/// Lays out rows and slots; also returns the first row of each block.
pub(crate) fn assemble(graph: Graph<'_>) -> (Assembled, Vec<usize>) {
    let n = graph.columns;
    let (order, cones) = layout(&graph.blocks);
    let mut starts = vec![0; graph.blocks.len()];
    let mut entries = Vec::with_capacity(graph.blocks.iter().map(|b| b.rows.terms().len()).sum());
    let mut b = ParameterMap::new();
    let (mut row, mut scratch) = (0, Vec::new());
    for at in order {
        let rows = &graph.blocks[at].rows;
        starts[at] = row;
        for r in 0..rows.size() {
            scratch.clear();
            for term in rows.row(r) {
                // Rows say e in K; in standard form s = b - Ax.
                match term.variable {
                    0 => scratch.push((term.theta, term.coef)),
                    v => entries.push(Entry {
                        row: row as u32,
                        col: v - 1,
                        theta: term.theta,
                        coef: -term.coef,
                    }),
                }
            }
            b.push(&mut scratch);
            row += 1;
        }
    }
    drop(graph.blocks);
    let a = matrix(n, &entries);
    drop(entries);
    let mut quadratic: Vec<Entry> = graph
        .quadratic
        .iter()
        .map(|t| Entry {
            row: t.i,
            col: t.j,
            theta: t.theta,
            coef: if t.i == t.j { 2.0 * t.coef } else { t.coef },
        })
        .collect();
    quadratic.sort_by_key(|entry| entry.row);
    let p = matrix(n, &quadratic);
    let mut linear = graph.linear;
    linear.sort_by_key(|term| term.variable);
    let (mut q, mut constant) = (ParameterMap::new(), ParameterMap::new());
    let mut rest = &linear[..];
    for variable in 0..=n as u32 {
        let count = rest.iter().take_while(|term| term.variable == variable).count();
        let (own, after) = rest.split_at(count);
        rest = after;
        scratch.clear();
        scratch.extend(own.iter().map(|term| (term.theta, term.coef)));
        if variable == 0 { constant.push(&mut scratch) } else { q.push(&mut scratch) }
    }
    let (q, b, constant) = (q.finish(), b.finish(), constant.finish());
    (Assembled { variables: n, rows: row, cones, p, q, a, b, constant }, starts)
}

/// Order of the blocks: equalities, inequalities, then the other cones as they came.
fn layout(blocks: &[Block]) -> (Vec<usize>, Vec<Cone>) {
    let is_zero = |at: &usize| matches!(blocks[*at].cone, Cone::Zero(_));
    let is_nonneg = |at: &usize| matches!(blocks[*at].cone, Cone::Nonnegative(_));
    let all = 0..blocks.len();
    let zero: Vec<usize> = all.clone().filter(is_zero).collect();
    let nonneg: Vec<usize> = all.clone().filter(is_nonneg).collect();
    let others: Vec<usize> = all.filter(|at| !is_zero(at) && !is_nonneg(at)).collect();
    let rows = |of: &[usize]| of.iter().map(|at| blocks[*at].rows.size()).sum::<usize>();
    let mut cones = Vec::new();
    if rows(&zero) > 0 {
        cones.push(Cone::Zero(rows(&zero)));
    }
    if rows(&nonneg) > 0 {
        cones.push(Cone::Nonnegative(rows(&nonneg)));
    }
    cones.extend(others.iter().map(|at| blocks[*at].cone.clone()));
    ([zero, nonneg, others].concat(), cones)
}

/// Slots from entries with ascending rows. Entries that theta touches are kept whatever their
/// value; constants that cancel are not.
fn matrix(cols: usize, entries: &[Entry]) -> MatrixMap {
    let mut starts = vec![0u32; cols + 1];
    entries.iter().for_each(|entry| starts[entry.col as usize + 1] += 1);
    (0..cols).for_each(|j| starts[j + 1] += starts[j]);
    let mut next = starts.clone();
    let mut order = vec![0u32; entries.len()];
    for (k, entry) in entries.iter().enumerate() {
        let at = &mut next[entry.col as usize];
        order[*at as usize] = k as u32;
        *at += 1;
    }
    let (mut colptr, mut rowval) = (vec![0], Vec::with_capacity(entries.len()));
    let (mut map, mut scratch) = (ParameterMap::new(), Vec::new());
    for j in 0..cols {
        let column = &order[starts[j] as usize..starts[j + 1] as usize];
        let mut k = 0;
        while k < column.len() {
            let row = entries[column[k] as usize].row;
            scratch.clear();
            while k < column.len() && entries[column[k] as usize].row == row {
                let entry = entries[column[k] as usize];
                scratch.push((entry.theta, entry.coef));
                k += 1;
            }
            let fixed: f64 = scratch.iter().map(|term| term.1).sum();
            if fixed == 0.0 && scratch.iter().all(|term| term.0 == 0) {
                continue;
            }
            map.push(&mut scratch);
            rowval.push(row as usize);
        }
        colptr.push(rowval.len());
    }
    MatrixMap { colptr, rowval, map: map.finish() }
}
