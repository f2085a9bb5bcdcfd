//! The linear system that interior point, polish and derivative share.
//!
//! ```text
//! [ P   A' ] [dx]   [r1]
//! [ A  -H  ] [dz] = [r2]      H: one block per cone (W'W, or D (I - D)^-1)
//! ```
//! It is quasidefinite once regularized by `+REGULARIZATION` on x and `-REGULARIZATION` on z, so
//! every elimination order works; solves are refined against the system without regularization.

mod single;

use std::cmp::{max, min};
use std::collections::{BTreeMap, HashMap, HashSet};

use pulp::Simd;

use crate::cones::{ConeProduct, Point};
use crate::lanes::{M, Register, V};
use crate::linalg::{
    Block, Blocks, Factorization, Pivots, Products, SparseProducts, Symbolic, equal_rows,
};
use crate::program::Error;
use crate::program::{Engine, Instructions, MemoryLimit, Settings, Structure, Unknown};
use crate::system::schur::{Schur, fill};

/// Added to the diagonal of P, subtracted from that of -H.
const REGULARIZATION: f64 = 1e-8;
/// The same for systems that are regular, though P (with what the rows add to it) nearly is not:
/// closer to them in x, and farther in z, because rows that are eliminated before the variables
/// carry the rounding errors of A'A over their regularization into P.
const CLOSE_IN_X: [f64; 2] = [1e-12, 1e-5];
/// Pivots of the wrong sign or smaller than this share of the regularization are replaced by it.
const SMALLEST_PIVOT: f64 = 1e-2;
/// A pivot this far on the wrong side is no first rounding error: earlier ones were replaced by so
/// small a number that their columns, rounding errors too, grew. The lane is factored again, ...
const WRONG: f64 = 1e-3;
/// ... with the first of these in place of such pivots; and with the second where columns still
/// grow, as they do in degenerate linear programs with many dependent rows. Solves are refined;
/// singular systems are then harder to tell.
const LARGE_REPLACEMENTS: [f64; 2] = [1e-4, 1.0];
/// A wrong pivot larger than the entries of the scaled matrix is not the rounding of any.
const LOST: f64 = 1.0;
/// The lane engine serves where the system has at most this many unknowns, ...
const LANE_ORDER: usize = 1000;
/// ... one factor at most this many entries, ...
const LANE_FACTOR: usize = 100_000;
/// ... which is not even computed where the matrix itself has more entries than this.
const LANE_MATRIX: usize = 100_000;
/// Larger systems are usually so sparse that a single sample takes half the time in the sparse
/// engine. Not where the factor has blocks, as that of a controller with a dozen states: up to so
/// many unknowns, ...
const BLOCK_ORDER: usize = 4000;
/// ... with at least so many multiplications for each, ...
const BLOCK_WORK: usize = 40;
/// ... and at most so many entries of one matrix and factor: those of all lanes must stay in the
/// caches.
const BLOCK_FACTOR: usize = 40_000;

/// Addresses of everything in the value buffer of a lane group: `[factor][A][P]`, where entries of
/// A that stand in the factor unchanged are not stored again.
#[derive(Debug)]
pub(crate) struct Kkt {
    factorization: Factorization,
    pub(crate) products: Products,
    /// Length of the value buffer in registers.
    pub(crate) values_len: usize,
    /// Registers of pivots beside the value buffer.
    pub(crate) pivots_len: usize,
    /// Address of the first entry of P; the rest follow in the order of its pattern.
    pub(crate) p_base: usize,
    /// Address of each entry of A, in the order of its pattern.
    pub(crate) a_address: Vec<u32>,
    n: usize,
    matrix_entries: usize,
    /// Sign of each pivot in elimination order.
    signs: Vec<f64>,
    assembly: Assembly,
    /// The rows that are no nodes, because the inverse of their block eliminates them.
    schur: Schur,
    /// The others, in order.
    kept_rows: Vec<u32>,
    /// Place of each variable, kept row and auxiliary node in a right-hand side.
    step: Vec<u32>,
}

/// How the matrix gets its entries.
#[derive(Debug, Default)]
struct Assembly {
    /// `(from, to)`: copied into the factor before each factorization.
    copies: Vec<(u32, u32)>,
    /// `(from, to)`: entries of A that static panels hold a second time, copied once a program.
    static_copies: Vec<(u32, u32)>,
    /// Entries of the factor that start as zero.
    zeros: Vec<u32>,
    /// Diagonal of x in the factor, and whether P has that entry.
    x_diagonal: Vec<(u32, bool)>,
    /// Entry of H, in the order of the cones, in the factor; and what is added to its negative: the
    /// regularization times the sign of the pivot on the diagonal, else times zero.
    h_address: Vec<(u32, f64)>,
    /// Where rows are eliminated: the entry `(i, j)`, i <= j, of the variables in the factor. For
    /// the time of the analysis.
    x_entries: HashMap<(usize, usize), u32>,
}

impl Kkt {
    pub(crate) fn new(
        structure: &Structure,
        cones: &ConeProduct,
        eliminated: &[bool],
        settings: &Settings,
        limit: MemoryLimit,
    ) -> Result<Self, Error> {
        let n = structure.variables();
        let matrix = Entries::new(structure, cones, eliminated);
        let factorization = choose(&matrix, structure.rows(), settings, limit)?;
        let storage = Storage::new(structure, &matrix, &factorization, settings.instructions);
        let mut schur = Schur::default();
        let (assembly, signs, step) = if let Factorization::None { .. } = factorization {
            (Assembly::default(), Vec::new(), Vec::new())
        } else {
            let assembly = Assembly::new(structure, &matrix, &storage, &factorization);
            let target = |i, j| assembly.x_entries[&(min(i, j), max(i, j))];
            let a_address = &storage.a_address;
            let one_at_a_time = matches!(factorization, Factorization::Sparse(_));
            schur = Schur::new(
                structure,
                cones,
                eliminated,
                storage.len,
                a_address,
                target,
                one_at_a_time,
            );
            let signs = factorization.in_elimination_order(&matrix.signs);
            (assembly, signs, factorization.steps())
        };
        let Storage { a_address, p_base, products, len } = storage;
        Ok(Self {
            pivots_len: factorization.pivots_len(),
            factorization,
            products,
            values_len: len + schur.blocks_len,
            p_base,
            a_address,
            n,
            matrix_entries: matrix.entries.len(),
            signs,
            assembly: Assembly { x_entries: HashMap::new(), ..assembly },
            schur,
            kept_rows: matrix.kept_rows,
            step,
        })
    }

    /// Number of variables, rows that are kept, and auxiliary nodes.
    pub(crate) fn order(&self) -> usize {
        self.step.len()
    }

    /// The engine that factors.
    pub(crate) fn engine(&self) -> Engine {
        match self.factorization {
            Factorization::Lanes(_) => Engine::Lanes,
            Factorization::Sparse(_) => Engine::Sparse,
            Factorization::None { .. } => Engine::MatrixFree,
        }
    }

    /// The unknowns in the order of elimination.
    pub(crate) fn elimination(&self) -> Vec<Unknown> {
        let rows = self.kept_rows.len();
        let unknown = |node: usize| match node.checked_sub(self.n) {
            None => Unknown::Variable(node),
            Some(row) if row < rows => Unknown::Row(self.kept_rows[row] as usize),
            Some(node) => Unknown::Auxiliary(node - rows),
        };
        let mut order: Vec<usize> = (0..self.step.len()).collect();
        order.sort_by_key(|&node| self.step[node]);
        order.into_iter().map(unknown).collect()
    }

    /// Entries of the system below its diagonal.
    pub(crate) fn matrix_entries(&self) -> usize {
        self.matrix_entries
    }

    /// Registers of the system and its factor.
    pub(crate) fn factor_entries(&self) -> usize {
        self.factorization.len()
    }

    /// Scratch registers that a factorization needs.
    pub(crate) fn scratch_len(&self) -> usize {
        self.factorization.scratch_len().max(self.schur.scratch_len)
    }

    /// Those that a solve for `count` right-hand sides needs.
    pub(crate) fn permuted_len(&self, count: usize) -> usize {
        count * self.order() + self.schur.solve_scratch_len(count)
    }

    /// Whether the engine works on one sample at a time.
    pub(crate) fn takes_one_lane(&self) -> bool {
        !matches!(self.factorization, Factorization::Lanes(_))
    }

    /// Whether the engine can factor.
    pub(crate) fn has_factor(&self) -> bool {
        !matches!(self.factorization, Factorization::None { .. })
    }

    /// Copies what static panels hold a second time; once after the values are written.
    #[inline(always)]
    pub(crate) fn write_static<S: Simd>(&self, values: &mut [V<S>]) {
        for &(from, to) in &self.assembly.static_copies {
            values[to as usize] = values[from as usize];
        }
    }

    /// Assembles and factors the system with cone blocks `h` (entries in the order of the cones,
    /// then the inverse ones) of a point. Returns the lanes whose small pivots were replaced by a
    /// large number: the factor is less close to the system there.
    #[inline(always)]
    pub(crate) fn factor<S: Simd>(
        &self,
        simd: S,
        values: &mut [V<S>],
        h: (Point, &[V<S>]),
        workspace: Factored<'_, V<S>>,
    ) -> M<S> {
        self.factor_closely(simd, values, h, workspace, M::splat(simd, false))
    }

    /// [`Self::factor`], with another regularization in the lanes in `close`: for a P that is
    /// nearly singular.
    #[inline(always)]
    pub(crate) fn factor_closely<S: Simd>(
        &self,
        simd: S,
        values: &mut [V<S>],
        (point, h): (Point, &[V<S>]),
        workspace: Factored<'_, V<S>>,
        close: M<S>,
    ) -> M<S> {
        assert!(h.len() >= self.assembly.h_address.len() && values.len() == self.values_len);
        let zero = V::splat(simd, 0.0);
        let usual = V::splat(simd, REGULARIZATION);
        let regularization =
            CLOSE_IN_X.map(|close_in_x| close.select(V::splat(simd, close_in_x), usual));
        let least_of_both = regularization[0];
        let mut replacement = least_of_both;
        let mut grown = M::splat(simd, false);
        let large = LARGE_REPLACEMENTS.map(|large| V::splat(simd, large));
        #[expect(clippy::needless_range_loop, reason = "one attempt more than replacements")]
        for attempt in 0..=LARGE_REPLACEMENTS.len() {
            self.assemble(simd, values, h, regularization);
            self.schur.add(simd, values, h, (point, regularization[1]), workspace.scratch);
            let mut least = zero;
            self.factorization.factor(
                simd,
                values,
                Pivots {
                    signs: &self.signs,
                    smallest: V::splat(simd, SMALLEST_PIVOT) * least_of_both,
                    replacement,
                    inverse: workspace.inverse_pivots,
                    least: &mut least,
                },
                workspace.scratch,
            );
            let limit = if attempt == 0 { WRONG } else { LOST };
            let grows = least.lt(V::splat(simd, -limit)) | least.is_nan();
            if !grows.any() || attempt == LARGE_REPLACEMENTS.len() {
                break;
            }
            grown = grown | grows;
            replacement = grows.select(large[attempt], replacement);
        }
        grown
    }

    /// Writes the system with cone blocks `h`.
    #[inline(always)]
    fn assemble<S: Simd, T: Register<S>>(
        &self,
        simd: S,
        values: &mut [T],
        h: &[T],
        [of_x, of_z]: [T; 2],
    ) {
        let zero = T::splat(simd, 0.0);
        let at = values.as_mut_ptr();
        let Assembly { copies, zeros, x_diagonal, h_address, .. } = &self.assembly;
        // SAFETY: all addresses are below `values_len`, by construction in `new`.
        unsafe {
            for &(from, to) in copies {
                *at.add(to as usize) = *at.add(from as usize);
            }
            for &address in zeros {
                *at.add(address as usize) = zero;
            }
            for &(address, has_p) in x_diagonal {
                let entry = at.add(address as usize);
                *entry = if has_p { *entry + of_x } else { of_x };
            }
            for (&(address, sign), &h) in h_address.iter().zip(h) {
                *at.add(address as usize) = T::splat(simd, sign).fma(of_z, -h);
            }
        }
    }

    /// Solves the regularized system for `R` right-hand sides, each given as its x and z parts,
    /// into solutions of the same form.
    #[expect(clippy::type_complexity, reason = "pairs of vectors over x and z")]
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
        let n = self.n;
        let (work, scratch) = permuted.split_at_mut(self.step.len() * R);
        let (work, _) = work.as_chunks_mut::<R>();
        let (of_x, rest) = self.step.split_at(n);
        let (of_rows, auxiliary) = rest.split_at(self.kept_rows.len());
        for (j, &step) in of_x.iter().enumerate() {
            for r in 0..R {
                work[step as usize][r] = rhs[r].0[j];
            }
        }
        for (&i, &step) in self.kept_rows.iter().zip(of_rows) {
            for r in 0..R {
                work[step as usize][r] = rhs[r].1[i as usize];
            }
        }
        for &step in auxiliary {
            work[step as usize] = [zero; R];
        }
        if !self.schur.is_empty() {
            let rows = rhs.map(|(_, z)| z);
            self.schur.reduce(simd, values, rows, (of_x, work), scratch);
        }
        self.factorization.solve(simd, values, inverse_pivots, work);
        for (r, (x, z)) in out.into_iter().enumerate() {
            for (x, &step) in x.iter_mut().zip(of_x) {
                *x = work[step as usize][r];
            }
            for (&i, &step) in self.kept_rows.iter().zip(of_rows) {
                z[i as usize] = work[step as usize][r];
            }
            if !self.schur.is_empty() {
                self.schur.recover(simd, values, (rhs[r].1, r, R), (x, z), scratch);
            }
        }
    }
}

/// The matrix: variables first, then rows of A that are not eliminated, then auxiliary nodes.
struct Entries {
    /// Off the diagonal: `p_count` of P, then those of A in kept rows, then those of H, then those
    /// that eliminated rows fill in P.
    entries: Vec<(usize, usize)>,
    p_count: usize,
    a_count: usize,
    fill_count: usize,
    /// Positions of the entries of A in kept rows, in its pattern.
    kept_a: Vec<usize>,
    /// Kept rows, and the node of each row.
    kept_rows: Vec<u32>,
    node_of_row: Vec<Option<usize>>,
    /// H with its diagonal, in the order of the cones, as nodes.
    h: Vec<(usize, usize)>,
    /// Signs of the pivots.
    signs: Vec<f64>,
}

impl Entries {
    fn new(structure: &Structure, cones: &ConeProduct, eliminated: &[bool]) -> Self {
        let (n, m) = (structure.variables(), structure.rows());
        let (mut kept_rows, mut node_of_row) = (Vec::with_capacity(m), Vec::with_capacity(m));
        for (cone, &eliminated) in structure.cones.iter().zip(eliminated) {
            for _ in 0..cone.dim() {
                if !eliminated {
                    kept_rows.push(node_of_row.len() as u32);
                }
                node_of_row.push((!eliminated).then(|| n + kept_rows.len() - 1));
            }
        }
        let kept = kept_rows.len();
        // Auxiliary nodes are numbered from the last row on.
        let node = |i: usize| match node_of_row.get(i) {
            Some(&node) => node.expect("blocks with entries are those of kept rows"),
            None => n + kept + (i - m),
        };
        let h: Vec<(usize, usize)> =
            cones.h_entries().into_iter().map(|(i, j)| (node(i), node(j))).collect();
        let mut entries: Vec<(usize, usize)> =
            structure.p.entries().filter(|(i, j)| i != j).collect();
        let p_count = entries.len();
        let mut kept_a = Vec::with_capacity(structure.a.nnz());
        for (at, (i, j)) in structure.a.entries().enumerate() {
            if let Some(row) = node_of_row[i] {
                entries.push((row, j));
                kept_a.push(at);
            }
        }
        entries.extend(h.iter().filter(|(i, j)| i != j));
        let before = entries.len();
        if kept < m {
            let in_p: HashSet<(usize, usize)> = entries[..p_count].iter().copied().collect();
            let fill = fill(structure, eliminated);
            entries.extend(fill.into_iter().filter(|entry| !in_p.contains(entry)));
        }
        let mut signs = vec![1.0; n];
        signs.resize(n + kept, -1.0);
        signs.extend(cones.auxiliary());
        Self {
            fill_count: entries.len() - before,
            a_count: kept_a.len(),
            entries,
            p_count,
            kept_a,
            kept_rows,
            node_of_row,
            h,
            signs,
        }
    }

    fn order(&self) -> usize {
        self.signs.len()
    }
}

/// Where P and A lie.
struct Storage {
    a_address: Vec<u32>,
    p_base: usize,
    products: Products,
    /// Length of the value buffer.
    len: usize,
}

impl Storage {
    fn new(
        structure: &Structure,
        matrix: &Entries,
        factorization: &Factorization,
        instructions: Instructions,
    ) -> Self {
        let factor_len = factorization.len();
        match factorization {
            Factorization::Lanes(symbolic) => {
                let mut a_address = vec![u32::MAX; structure.a.nnz()];
                let mut p_base = factor_len;
                let blocks = place_blocks(structure, matrix, symbolic, &mut p_base, &mut a_address);
                let products = Products::Blocks(Blocks::new(&structure.p, p_base, blocks));
                Self { a_address, p_base, products, len: p_base + structure.p.nnz() }
            }
            Factorization::Sparse(_) | Factorization::None { .. } => {
                let p_base = factor_len + structure.a.nnz();
                let bases = (p_base, factor_len);
                let a_address = (factor_len..p_base).map(|address| address as u32).collect();
                let products =
                    Products::Sparse(Box::new(SparseProducts::new(structure, bases, instructions)));
                Self { a_address, p_base, products, len: p_base + structure.p.nnz() }
            }
        }
    }
}

impl Assembly {
    fn new(
        structure: &Structure,
        matrix: &Entries,
        storage: &Storage,
        factorization: &Factorization,
    ) -> Self {
        let addresses = factorization.addresses(&matrix.entries);
        let (of_p, rest) = addresses.split_at(matrix.p_count);
        let (of_a, rest) = rest.split_at(matrix.a_count);
        let (of_h, of_fill) = rest.split_at(rest.len() - matrix.fill_count);
        let diagonal = factorization.diagonal_addresses();
        let (x_diagonal, p_address) = place_p(structure, of_p, &diagonal);
        let h_address = place_h(matrix, of_h, &diagonal);
        let static_len = factorization.static_len();
        let mut copies = Vec::with_capacity(matrix.entries.len());
        let mut static_copies = Vec::new();
        let stored_p = (storage.p_base as u32..).zip(&p_address);
        let stored_a = matrix.kept_a.iter().map(|&at| storage.a_address[at]).zip(of_a);
        // What eliminated rows add to P, they add anew for each factorization.
        let is_added_to = matrix.kept_rows.len() < structure.rows();
        let stored_a = stored_a.map(|pair| (pair, true));
        let stored_p = stored_p.map(|pair| (pair, !is_added_to));
        for ((from, &to), is_constant) in stored_a.chain(stored_p) {
            match (from == to, is_constant && (to as usize) < static_len) {
                (true, _) => {}
                (false, true) => static_copies.push((from, to)),
                (false, false) => copies.push((from, to)),
            }
        }
        // H is written for each factorization wherever it lies, also in static panels (those
        // between a large cone's rows and its auxiliary nodes), and nothing else is written there.
        debug_assert!({
            let of_h: HashSet<u32> = h_address.iter().map(|&(to, _)| to).collect();
            copies.iter().chain(&static_copies).all(|(_, to)| !of_h.contains(to))
        });
        copies.sort_unstable_by_key(|&(_, to)| to);
        let written = copies.iter().map(|&(_, to)| to);
        let written = written.chain(x_diagonal.iter().map(|&(to, _)| to));
        let written = written.chain(h_address.iter().map(|&(to, _)| to));
        let written = written.chain(of_fill.iter().copied());
        let mut zeros = unwritten(factorization, written);
        zeros.extend_from_slice(of_fill);
        let x_entries = if matrix.kept_rows.len() == structure.rows() {
            HashMap::new()
        } else {
            let pairs = &matrix.entries;
            let of_p = pairs[..matrix.p_count].iter().copied().zip(of_p.iter().copied());
            let fill = pairs[pairs.len() - matrix.fill_count..].iter().copied();
            let on_diagonal = (0..structure.variables()).map(|j| ((j, j), diagonal[j]));
            of_p.chain(fill.zip(of_fill.iter().copied())).chain(on_diagonal).collect()
        };
        Self { copies, static_copies, zeros, x_diagonal, h_address, x_entries }
    }
}

/// The diagonal of x in the factor, with whether P has that entry, and the address of each entry of
/// P there.
fn place_p(
    structure: &Structure,
    off_diagonal: &[u32],
    diagonal: &[u32],
) -> (Vec<(u32, bool)>, Vec<u32>) {
    let mut x_diagonal: Vec<(u32, bool)> =
        diagonal[..structure.variables()].iter().map(|&address| (address, false)).collect();
    let mut off_diagonal = off_diagonal.iter();
    let address = |(i, j): (usize, usize)| {
        if i == j {
            x_diagonal[j].1 = true;
            x_diagonal[j].0
        } else {
            *off_diagonal.next().expect("as many addresses as entries")
        }
    };
    let addresses = structure.p.entries().map(address).collect();
    (x_diagonal, addresses)
}

/// The address of each entry of H in the factor, and what is added to its negative.
fn place_h(matrix: &Entries, off_diagonal: &[u32], diagonal: &[u32]) -> Vec<(u32, f64)> {
    let mut off_diagonal = off_diagonal.iter();
    let address = |&(i, j): &(usize, usize)| {
        if i == j {
            (diagonal[i], matrix.signs[i])
        } else {
            (*off_diagonal.next().expect("as many addresses as entries"), 0.0)
        }
    };
    matrix.h.iter().map(address).collect()
}

/// Addresses that a factorization overwrites and that are not among those written before it.
fn unwritten(factorization: &Factorization, addresses: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut written = vec![false; factorization.len()];
    addresses.for_each(|address| written[address as usize] = true);
    let dynamic = factorization.dynamic_addresses().into_iter();
    dynamic.filter(|&address| !written[address]).map(|address| address as u32).collect()
}

/// The engine for a matrix: asked for, or by the size of the factor, never by the size of a batch.
fn choose(
    matrix: &Entries,
    rows: usize,
    settings: &Settings,
    limit: MemoryLimit,
) -> Result<Factorization, Error> {
    let Settings { engine, instructions, .. } = *settings;
    let (order, entries) = (matrix.order(), &matrix.entries);
    // Eliminated rows take work, if no unknowns.
    let unknowns = order + rows - matrix.kept_rows.len();
    let lanes = || Factorization::Lanes(Symbolic::new(order, entries));
    let sparse = || Factorization::sparse(order, entries, &matrix.signs, instructions, limit);
    match engine {
        Engine::MatrixFree => return Ok(Factorization::None { order }),
        Engine::Sparse => return sparse(),
        Engine::Lanes => return Ok(lanes()),
        Engine::Auto => {}
    }
    if unknowns > BLOCK_ORDER || entries.len() > LANE_MATRIX {
        return sparse();
    }
    if unknowns > LANE_ORDER {
        let sparse = sparse()?;
        let has_blocks = sparse.operations().0 >= BLOCK_WORK * unknowns;
        let serves = has_blocks && sparse.len() <= BLOCK_FACTOR;
        return Ok(if serves { lanes() } else { sparse });
    }
    let lanes = lanes();
    if lanes.len() > LANE_FACTOR { sparse() } else { Ok(lanes) }
}

/// What a factorization writes besides the values.
pub(crate) struct Factored<'a, T> {
    pub(crate) inverse_pivots: &'a mut [T],
    pub(crate) scratch: &'a mut [T],
}

/// Gives each block of A its place: inside the static panel that holds exactly this block where
/// there is one, else in storage of its own from `end` on.
fn place_blocks(
    structure: &Structure,
    matrix: &Entries,
    symbolic: &Symbolic,
    end: &mut usize,
    a_address: &mut [u32],
) -> Vec<Block> {
    let mut position: HashMap<(usize, usize), usize> = HashMap::new();
    for (entry, pair) in structure.a.entries().enumerate() {
        position.insert(pair, entry);
    }
    let mut blocks = Vec::new();
    // Rows eliminated in the same supernode share a panel, so blocks do not cross supernodes. Rows
    // that are no nodes share none.
    let by_supernode = |(rows, columns): (Vec<usize>, Vec<usize>)| {
        let mut groups: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
        for row in rows {
            let supernode = matrix.node_of_row[row].map(|node| symbolic.supernode(node));
            groups.entry(supernode).or_default().push(row);
        }
        groups.into_values().map(move |rows| (rows, columns.clone()))
    };
    for (mut rows, mut columns) in equal_rows(&structure.a).into_iter().flat_map(by_supernode) {
        let nodes = |rows: &[usize]| -> Option<Vec<usize>> {
            rows.iter().map(|&i| matrix.node_of_row[i]).collect()
        };
        rows.sort_by_key(|&i| matrix.node_of_row[i].map(|node| symbolic.step[node]));
        columns.sort_by_key(|&j| symbolic.step[j]);
        let nodes = nodes(&rows);
        let layout = |outer_is_row: bool| {
            let nodes = nodes.as_ref()?;
            let base = symbolic.address(nodes[0], columns[0]);
            let width = if outer_is_row { columns.len() } else { rows.len() };
            (base < symbolic.static_len
                && nodes.iter().enumerate().all(|(r, &node)| {
                    columns.iter().enumerate().all(|(c, &j)| {
                        let offset = if outer_is_row { r * width + c } else { c * width + r };
                        symbolic.address(node, j) == base + offset
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
