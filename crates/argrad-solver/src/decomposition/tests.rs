//! Cliques cover the pattern and form a tree; the completion is the inverse of a sparse matrix.

use super::cliques::{Clique, clique_tree};
use super::completion::{Completion, scratch_len};
use super::program::places;
use crate::lanes::{Width, dispatch};
use crate::linalg::dense::triangle_index;
use crate::linalg::minimum_degree;

/// Numbers without pattern in (-1, 1).
fn number(k: usize) -> f64 {
    (1.7 * (k * k) as f64 + k as f64).sin()
}

/// A band, a star, a cycle, a ladder, pieces, no edges at all, and every edge.
fn patterns() -> Vec<(usize, Vec<(u32, u32)>)> {
    let band = (0..20).flat_map(|i| (i + 1..20.min(i + 4)).map(move |j| (i, j)));
    let star = (0..15).map(|i| (i, 15));
    let cycle = (0..17).map(|i| (i, (i + 1) % 17));
    let ladder = (0..11).flat_map(|i| [(i, i + 1), (i + 12, i + 13), (i, i + 12)]);
    let pieces = (0..18).filter(|i| i % 6 != 5).map(|i| (i, i + 1));
    let all = (0..7).flat_map(|i| (i + 1..7).map(move |j| (i, j)));
    vec![
        (20, band.collect()),
        (16, star.collect()),
        (17, cycle.collect()),
        (24, ladder.collect()),
        (19, pieces.collect()),
        (5, Vec::new()),
        (7, all.collect()),
    ]
}

/// Cliques with as little, and as much, merging as the number of variables asks for.
fn trees(order: usize, entries: &[(u32, u32)]) -> [Vec<Clique>; 2] {
    let step = minimum_degree(order, entries).unwrap();
    [1, 40].map(|variables| clique_tree(&step, entries, &vec![variables; order]))
}

#[test]
fn every_entry_is_in_a_clique_and_separators_are_what_parents_share() {
    for (order, entries) in patterns() {
        for tree in trees(order, &entries) {
            for (a, b) in entries.iter().copied().chain((0..order as u32).map(|v| (v, v))) {
                let has = |c: &Clique| c.vertices.contains(&a) && c.vertices.contains(&b);
                assert!(tree.iter().any(has), "({a}, {b})");
            }
            let mut known = vec![false; order];
            for (k, clique) in tree.iter().enumerate().rev() {
                // A vertex is new once; what a clique shares with those before it its parent has.
                let shared = clique.vertices.iter().filter(|&&v| known[v as usize]);
                assert_eq!(shared.copied().collect::<Vec<_>>(), clique.separator);
                match clique.parent {
                    None => assert!(clique.separator.is_empty()),
                    Some(parent) => {
                        assert!(parent > k);
                        let above = &tree[parent].vertices;
                        assert!(clique.separator.iter().all(|v| above.contains(v)));
                        assert!(clique.separator.len() < above.len(), "not part of each other");
                    }
                }
                assert!(clique.separator.len() < clique.vertices.len());
                clique.vertices.iter().for_each(|&v| known[v as usize] = true);
            }
            assert!(known.iter().all(|&known| known));
        }
    }
}

/// The inverse of a positive definite matrix, by elimination.
fn inverse(side: usize, m: &[f64]) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = (0..side)
        .map(|i| {
            let unit = (0..side).map(|j| f64::from(u8::from(i == j)));
            m[i * side..][..side].iter().copied().chain(unit).collect()
        })
        .collect();
    for k in 0..side {
        let pivot = rows[k][k];
        rows[k].iter_mut().for_each(|value| *value /= pivot);
        let row = rows[k].clone();
        for (i, other) in rows.iter_mut().enumerate() {
            let factor = other[k];
            if i != k {
                other.iter_mut().zip(&row).for_each(|(value, row)| *value -= factor * row);
            }
        }
    }
    rows.iter().flat_map(|row| row[side..].to_vec()).collect()
}

#[test]
fn a_matrix_with_a_sparse_inverse_is_completed_to_itself() {
    for (side, entries) in patterns() {
        for tree in trees(side, &entries) {
            // Diagonally dominant, with entries in the pattern: its inverse has the largest
            // determinant of all matrices that agree with it there.
            let mut sparse = vec![0.0; side * side];
            for (k, &(a, b)) in entries.iter().enumerate() {
                let (a, b) = (a as usize, b as usize);
                (sparse[a * side + b], sparse[b * side + a]) = (number(k), number(k));
            }
            for i in 0..side {
                let row: f64 = sparse[i * side..][..side].iter().map(|value| value.abs()).sum();
                sparse[i * side + i] = row + 0.1 + number(i).abs();
            }
            let expected = inverse(side, &sparse);
            let (mut known, mut starts) = (Vec::new(), Vec::new());
            for clique in &tree {
                starts.push(known.len());
                for &b in &clique.vertices {
                    let column = clique.vertices.iter().take_while(|&&a| a <= b);
                    known.extend(column.map(|&a| expected[a as usize * side + b as usize]));
                }
            }
            let mut found = vec![0.0; side * side];
            let separator = |clique: &Clique| places(&clique.separator, clique);
            let shared: Vec<Vec<usize>> = tree.iter().map(separator).collect();
            let completion = Completion {
                side,
                cliques: &tree,
                starts: &starts,
                known: &known,
                share: 0.0,
                out: &mut found,
                scratch: &mut vec![0.0; scratch_len(&tree)],
                shared: &shared,
            };
            dispatch(Width::One, completion);
            let size = expected.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 1e-12 * size, "{found} {expected}");
            }
            // On the pattern it is what was given, to the last bit.
            for (clique, &start) in tree.iter().zip(&starts) {
                let own = places(&clique.vertices, clique);
                for (&i, &a) in own.iter().zip(&clique.vertices) {
                    for (&j, &b) in own.iter().zip(&clique.vertices).filter(|(j, _)| **j >= i) {
                        let given = known[start + triangle_index(i, j)];
                        assert_eq!(found[a as usize * side + b as usize], given);
                    }
                }
            }
        }
    }
}
