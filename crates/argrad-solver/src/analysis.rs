//! Everything that follows from a structure alone, computed when a solver is made.

use crate::cones::ConeProduct;
use crate::kkt::Kkt;
use crate::linalg::Symbolic;
use crate::program::Structure;

#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) structure: Structure,
    pub(crate) cones: ConeProduct,
    pub(crate) kkt: Kkt,
    /// Factorization of P alone, for the convexity check.
    pub(crate) convexity: Symbolic,
    /// Address of each entry of P, and of each diagonal entry, in it.
    pub(crate) convexity_address: Vec<u32>,
    pub(crate) convexity_diagonal: Vec<u32>,
    /// Its expected pivot signs.
    pub(crate) plus: Vec<f64>,
    /// `(row, column)` of each entry of P and of A.
    pub(crate) p_entries: Vec<(u32, u32)>,
    pub(crate) a_entries: Vec<(u32, u32)>,
    /// Fixed vector, neither smooth nor sparse, that starts the condition estimate.
    pub(crate) probe: Vec<f64>,
}

impl Analysis {
    pub(crate) fn new(structure: Structure) -> Self {
        let cones = ConeProduct::new(&structure.cones);
        let kkt = Kkt::new(&structure, &cones);
        let n = structure.variables();
        let off_diagonal: Vec<(usize, usize)> =
            structure.p.entries().filter(|(i, j)| i != j).collect();
        let convexity = Symbolic::new(n, &off_diagonal);
        let convexity_diagonal: Vec<u32> =
            (0..n).map(|j| convexity.diagonal_address(j) as u32).collect();
        let convexity_address = structure
            .p
            .entries()
            .map(
                |(i, j)| {
                    if i == j { convexity_diagonal[i] } else { convexity.address(i, j) as u32 }
                },
            )
            .collect();
        let index = |(i, j): (usize, usize)| (i as u32, j as u32);
        let p_entries = structure.p.entries().map(index).collect();
        let a_entries = structure.a.entries().map(index).collect();
        let probe = (0..n + structure.rows()).map(weyl).collect();
        Self {
            structure,
            cones,
            kkt,
            convexity,
            convexity_address,
            convexity_diagonal,
            plus: vec![1.0; n],
            p_entries,
            a_entries,
            probe,
        }
    }

    pub(crate) fn n(&self) -> usize {
        self.structure.variables()
    }

    pub(crate) fn m(&self) -> usize {
        self.structure.rows()
    }
}

/// Number `k` of a low-discrepancy sequence in [-1, 1] (Weyl, golden ratio).
fn weyl(k: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    2.0 * ((k as f64 + 1.0) * GOLDEN).fract() - 1.0
}
