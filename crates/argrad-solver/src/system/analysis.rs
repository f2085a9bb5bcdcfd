//! Everything that follows from a structure alone, computed when a solver is made.

use crate::cones::ConeProduct;
use crate::linalg::{Factorization, Symbolic};
use crate::program::Error;
use crate::program::{MemoryLimit, Pattern, Settings, Structure, bytes};
use crate::system::approach::Approach;
use crate::system::kkt::Kkt;
use crate::system::schur::{most_fill, worth_eliminating};
use crate::system::shared::matrices::Sharing;

#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) structure: Structure,
    pub(crate) cones: ConeProduct,
    pub(crate) kkt: Kkt,
    /// The rows of a quadratic program, where its matrices can be shared by a batch.
    pub(crate) sharing: Option<Sharing>,
    /// The rows of a quadratic program that is approached in single precision.
    pub(crate) approach: Option<Approach>,
    /// Factorization of P alone, for the convexity check.
    pub(crate) convexity: Factorization,
    /// Address of each entry of P, and of each diagonal entry, in it.
    pub(crate) convexity_address: Vec<u32>,
    pub(crate) convexity_diagonal: Vec<u32>,
    /// Its expected pivot signs.
    pub(crate) plus: Vec<f64>,
    /// `(row, column)` of each entry of P and of A.
    pub(crate) p_entries: Vec<(u32, u32)>,
    pub(crate) a_entries: Vec<(u32, u32)>,
    /// The entries that are stored and computed with: all but those known to be zero.
    pub(crate) stored_p: Vec<Stored>,
    pub(crate) stored_a: Vec<Stored>,
    /// Whether an infinite b removes the row.
    pub(crate) removable: Vec<bool>,
    /// Fixed vector, neither smooth nor sparse, that starts the condition estimate.
    pub(crate) probe: Vec<f64>,
}

/// An entry that is stored, and its place among the values that the caller gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) row: u32,
    pub(crate) col: u32,
    pub(crate) source: u32,
}

impl Analysis {
    pub(crate) fn new(structure: Structure, settings: &Settings) -> Result<Self, Error> {
        let instructions = settings.instructions;
        let limit = MemoryLimit::new(settings);
        let (nonzero, p_source, a_source) = structure.nonzero();
        let eliminated = worth_eliminating(&nonzero);
        let cones = ConeProduct::new(&structure.cones, &eliminated);
        check_entries(&structure, &cones, most_fill(&nonzero, &eliminated), limit)?;
        let kkt = Kkt::new(&nonzero, &cones, &eliminated, settings, limit)?;
        let is_sharing = settings.share_matrices && !kkt.takes_one_lane();
        let sharing =
            if is_sharing { Sharing::new(&structure, kkt.factor_entries()) } else { None };
        let approach = Approach::new(&structure, &kkt);
        let n = structure.variables();
        let off_diagonal: Vec<(usize, usize)> =
            nonzero.p.entries().filter(|(i, j)| i != j).collect();
        let plus = vec![1.0; n];
        let convexity = if kkt.takes_one_lane() {
            Factorization::sparse(n, &off_diagonal, &plus, instructions, limit)?
        } else {
            Factorization::Lanes(Symbolic::new(n, &off_diagonal))
        };
        let convexity_diagonal = convexity.diagonal_addresses();
        let mut addresses = convexity.addresses(&off_diagonal).into_iter();
        let convexity_address = nonzero
            .p
            .entries()
            .map(|(i, j)| {
                let off_diagonal = if i == j { None } else { addresses.next() };
                off_diagonal.unwrap_or(convexity_diagonal[i])
            })
            .collect();
        let index = |(i, j): (usize, usize)| (i as u32, j as u32);
        let p_entries = structure.p.entries().map(index).collect();
        let a_entries = structure.a.entries().map(index).collect();
        let stored = |pattern: &Pattern, source: Vec<u32>| {
            let places = pattern.entries().map(index).zip(source);
            places.map(|((row, col), source)| Stored { row, col, source }).collect()
        };
        let (stored_p, stored_a) = (stored(&nonzero.p, p_source), stored(&nonzero.a, a_source));
        let removable = structure.removable();
        let probe = (0..n + structure.rows()).map(pseudo_random).collect();
        Ok(Self {
            structure,
            cones,
            kkt,
            sharing,
            approach,
            convexity,
            convexity_address,
            convexity_diagonal,
            plus,
            removable,
            p_entries,
            a_entries,
            stored_p,
            stored_a,
            probe,
        })
    }

    pub(crate) fn n(&self) -> usize {
        self.structure.variables()
    }

    pub(crate) fn m(&self) -> usize {
        self.structure.rows()
    }
}

/// Bytes that an entry of the KKT matrix takes at least: in the lists from which the elimination
/// order is found, in the matrix, in its factor.
const ENTRY: usize = 100;

/// Refuses a program whose KKT matrix has too many entries, and names the largest part.
fn check_entries(
    structure: &Structure,
    cones: &ConeProduct,
    fill: usize,
    limit: MemoryLimit,
) -> Result<(), Error> {
    let given = structure.p.nnz() + structure.a.nnz();
    let entries = given.saturating_add(fill).saturating_add(cones.h_len());
    let name = |index: usize| {
        let cone = &structure.cones[index];
        format!("cone {index}, {cone:?} ({} rows),", cone.dim())
    };
    limit.check_program(bytes(entries, ENTRY), || {
        let largest_eliminated = cones.eliminated().max_by_key(|place| place.rows.len());
        match (cones.largest_block(), largest_eliminated) {
            (_, Some(place)) if fill >= given && fill >= cones.h_len() => {
                let cone = name(place.cone);
                format!("a system with {fill} entries between the variables of {cone}")
            }
            (Some((index, len)), _) if len >= given => {
                format!("a system with a block of {len} entries for {}", name(index))
            }
            _ => format!("a linear system with the {given} entries of P and A"),
        }
    })
}

/// Number `k` of a sequence in [-1, 1] without any pattern (the mixing function of SplitMix64), as
/// null vectors have: those of a low-discrepancy sequence cancel in `(1, -1, -1, 1)`.
fn pseudo_random(k: usize) -> f64 {
    let mut bits = (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    2.0 * (bits >> 11) as f64 / (1_u64 << 53) as f64 - 1.0
}
