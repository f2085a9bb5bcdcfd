//! The linear system that interior point, polish and derivative share.
//!
//! ```text
//! [ P   A' ] [dx]   [r1]
//! [ A  -H  ] [dz] = [r2]      H: one block a cone (W'W, or D (I - D)^-1)
//! ```
//! It is quasidefinite once regularized by `+REGULARIZATION` on x and `-REGULARIZATION` on z, so
//! every elimination order works; solves are refined against the system without regularization.

use pulp::Simd;

use crate::cones::ConeProduct;
use crate::lanes::V;
use crate::linalg::{self, Block, Blocks, Pivots, Symbolic, equal_rows};
use crate::program::Structure;

/// Added to the diagonal of P, subtracted from that of -H.
pub(crate) const REGULARIZATION: f64 = 1e-7;
/// Pivots of the wrong sign or smaller than this are replaced by the regularization.
const SMALLEST_PIVOT: f64 = 1e-9;

/// Addresses of everything in the value buffer of a lane group:
/// `[factor: static panels, dynamic entries][A entries not in static panels][P]`.
#[derive(Clone, Debug)]
pub(crate) struct Kkt {
    pub(crate) symbolic: Symbolic,
    pub(crate) blocks: Blocks,
    /// Length of the value buffer in registers.
    pub(crate) values_len: usize,
    /// Address of each entry of A, in the order of its pattern.
    pub(crate) a_address: Vec<u32>,
    n: usize,
    /// Sign of each pivot in elimination order.
    signs: Vec<f64>,
    /// `(from, to)`: copied into the factor before each factorization.
    copies: Vec<(u32, u32)>,
    /// `(from, to)`: entries of A that static panels hold a second time, copied once a program.
    static_copies: Vec<(u32, u32)>,
    /// Entries of the factor that start as zero.
    zeros: Vec<u32>,
    /// Diagonal of x in the factor, and whether P has that entry.
    x_diagonal: Vec<(u32, bool)>,
    /// Entry of H, in the order of the cones, in the factor; and whether it is on the diagonal.
    h_address: Vec<(u32, bool)>,
    /// Elimination step of each variable, then of each row.
    step: Vec<u32>,
}

impl Kkt {
    pub(crate) fn new(structure: &Structure, cones: &ConeProduct) -> Self {
        let (n, m) = (structure.variables(), structure.rows());
        let mut entries: Vec<(usize, usize)> =
            structure.p.entries().filter(|(i, j)| i != j).collect();
        entries.extend(structure.a.entries().map(|(i, j)| (n + i, j)));
        entries.extend(cones.h_entries().filter(|(i, j)| i != j).map(|(i, j)| (n + i, n + j)));
        let symbolic = Symbolic::new(n + m, &entries);

        let mut a_address = vec![u32::MAX; structure.a.nnz()];
        let mut copies = Vec::new();
        let mut static_copies = Vec::new();
        let mut end = symbolic.len;
        let blocks = place_blocks(structure, &symbolic, &mut end, &mut a_address);
        for (entry, (i, j)) in structure.a.entries().enumerate() {
            let to = symbolic.address(n + i, j) as u32;
            let from = a_address[entry];
            match (from == to, (to as usize) < symbolic.static_len) {
                (true, _) => {}
                (false, true) => static_copies.push((from, to)),
                (false, false) => copies.push((from, to)),
            }
        }
        let p_base = end;
        end += structure.p.nnz();
        let mut x_diagonal: Vec<(u32, bool)> =
            (0..n).map(|j| (symbolic.diagonal_address(j) as u32, false)).collect();
        for (entry, (i, j)) in structure.p.entries().enumerate() {
            let to = if i == j {
                x_diagonal[j].1 = true;
                x_diagonal[j].0 as usize
            } else {
                symbolic.address(i, j)
            };
            if to < symbolic.static_len {
                static_copies.push(((p_base + entry) as u32, to as u32));
            } else {
                copies.push(((p_base + entry) as u32, to as u32));
            }
        }
        copies.sort_unstable_by_key(|&(_, to)| to);
        let h_address: Vec<(u32, bool)> = cones
            .h_entries()
            .map(|(i, j)| {
                let address = if i == j {
                    symbolic.diagonal_address(n + i)
                } else {
                    symbolic.address(n + i, n + j)
                };
                (address as u32, i == j)
            })
            .collect();
        let mut written = vec![false; symbolic.len];
        for &(_, to) in &copies {
            written[to as usize] = true;
        }
        for &(address, _) in x_diagonal.iter().chain(&h_address) {
            written[address as usize] = true;
        }
        // Off-diagonal blocks of H lie in dynamic storage by construction: see the debug check.
        debug_assert!(h_address.iter().all(|&(a, _)| a as usize >= symbolic.static_len));
        let zeros = symbolic
            .dynamic_addresses()
            .into_iter()
            .filter(|&a| !written[a])
            .map(|a| a as u32)
            .collect();
        let signs = symbolic.perm.iter().map(|&node| if node < n { 1.0 } else { -1.0 }).collect();
        let step = symbolic.step.iter().map(|&s| s as u32).collect();
        Self {
            blocks: Blocks::new(&structure.p, p_base, blocks),
            values_len: end,
            symbolic,
            a_address,
            n,
            signs,
            copies,
            static_copies,
            zeros,
            x_diagonal,
            h_address,
            step,
        }
    }

    /// Copies what static panels hold a second time; once after the values are written.
    #[inline(always)]
    pub(crate) fn write_static<S: Simd>(&self, values: &mut [V<S>]) {
        for &(from, to) in &self.static_copies {
            values[to as usize] = values[from as usize];
        }
    }

    /// Assembles and factors the system with cone blocks `h` (in the order of the cones).
    #[inline(always)]
    pub(crate) fn factor<S: Simd>(
        &self,
        simd: S,
        values: &mut [V<S>],
        h: &[V<S>],
        workspace: Factored<'_, S>,
    ) {
        assert!(h.len() == self.h_address.len() && values.len() == self.values_len);
        let regularization = V::splat(simd, REGULARIZATION);
        let zero = V::splat(simd, 0.0);
        let at = values.as_mut_ptr();
        // SAFETY: all addresses are below `values_len`, by construction in `new`.
        unsafe {
            for &(from, to) in &self.copies {
                *at.add(to as usize) = *at.add(from as usize);
            }
            for &address in &self.zeros {
                *at.add(address as usize) = zero;
            }
            for &(address, has_p) in &self.x_diagonal {
                let entry = at.add(address as usize);
                *entry = if has_p { *entry + regularization } else { regularization };
            }
            for (&(address, on_diagonal), &h) in self.h_address.iter().zip(h) {
                *at.add(address as usize) = if on_diagonal { -(h + regularization) } else { -h };
            }
        }
        linalg::factor(
            simd,
            &self.symbolic,
            values,
            Pivots {
                signs: &self.signs,
                smallest: SMALLEST_PIVOT,
                replacement: REGULARIZATION,
                inverse: workspace.inverse_pivots,
                least: workspace.least_pivot,
            },
            workspace.scratch,
        );
    }

    /// Solves the regularized system for `R` right-hand sides, each given as its x and z parts,
    /// into solutions of the same form.
    #[inline(always)]
    pub(crate) fn solve<S: Simd, const R: usize>(
        &self,
        simd: S,
        values: &[V<S>],
        inverse_pivots: &[V<S>],
        rhs: [(&[V<S>], &[V<S>]); R],
        permuted: &mut [V<S>],
        out: [(&mut [V<S>], &mut [V<S>]); R],
    ) {
        let zero = V::splat(simd, 0.0);
        let (work, _) = permuted[..self.step.len() * R].as_chunks_mut::<R>();
        for (node, &step) in self.step.iter().enumerate() {
            let mut entry = [zero; R];
            for r in 0..R {
                entry[r] = if node < self.n { rhs[r].0[node] } else { rhs[r].1[node - self.n] };
            }
            work[step as usize] = entry;
        }
        linalg::solve(simd, &self.symbolic, values, inverse_pivots, work);
        for (r, (x, z)) in out.into_iter().enumerate() {
            for (x, &step) in x.iter_mut().zip(&self.step[..self.n]) {
                *x = work[step as usize][r];
            }
            for (z, &step) in z.iter_mut().zip(&self.step[self.n..]) {
                *z = work[step as usize][r];
            }
        }
    }
}

/// What a factorization writes besides the values.
pub(crate) struct Factored<'a, S: Simd> {
    pub(crate) inverse_pivots: &'a mut [V<S>],
    pub(crate) least_pivot: &'a mut V<S>,
    pub(crate) scratch: &'a mut [V<S>],
}

/// Gives each block of A its place: inside the static panel that holds exactly this block where
/// there is one, else in storage of its own from `end` on.
fn place_blocks(
    structure: &Structure,
    symbolic: &Symbolic,
    end: &mut usize,
    a_address: &mut [u32],
) -> Vec<Block> {
    let n = structure.variables();
    let mut position: std::collections::HashMap<(usize, usize), usize> =
        std::collections::HashMap::new();
    for (entry, pair) in structure.a.entries().enumerate() {
        position.insert(pair, entry);
    }
    let mut blocks = Vec::new();
    // Rows eliminated in the same supernode share a panel, so blocks do not cross supernodes.
    let by_supernode = |(rows, columns): (Vec<usize>, Vec<usize>)| {
        let mut groups: std::collections::BTreeMap<u32, Vec<usize>> =
            std::collections::BTreeMap::new();
        for row in rows {
            groups.entry(symbolic.supernode(n + row)).or_default().push(row);
        }
        groups.into_values().map(move |rows| (rows, columns.clone()))
    };
    for (mut rows, mut columns) in equal_rows(&structure.a).into_iter().flat_map(by_supernode) {
        rows.sort_by_key(|&i| symbolic.step[n + i]);
        columns.sort_by_key(|&j| symbolic.step[j]);
        let base = symbolic.address(n + rows[0], columns[0]);
        let layout = |outer_is_row: bool| {
            let width = if outer_is_row { columns.len() } else { rows.len() };
            (base < symbolic.static_len
                && rows.iter().enumerate().all(|(r, &i)| {
                    columns.iter().enumerate().all(|(c, &j)| {
                        let offset = if outer_is_row { r * width + c } else { c * width + r };
                        symbolic.address(n + i, j) == base + offset
                    })
                }))
            .then_some((base, outer_is_row))
        };
        let (base, outer_is_row) = layout(true).or_else(|| layout(false)).unwrap_or_else(|| {
            let own = *end;
            *end += rows.len() * columns.len();
            (own, true)
        });
        let width = if outer_is_row { columns.len() } else { rows.len() };
        for (r, &i) in rows.iter().enumerate() {
            for (c, &j) in columns.iter().enumerate() {
                let offset = if outer_is_row { r * width + c } else { c * width + r };
                a_address[position[&(i, j)]] = (base + offset) as u32;
            }
        }
        let index = |list: &[usize]| list.iter().map(|&i| i as u32).collect();
        let (outer, inner) = if outer_is_row {
            (index(&rows), index(&columns))
        } else {
            (index(&columns), index(&rows))
        };
        blocks.push(Block { base, outer_is_row, outer, inner });
    }
    blocks
}
