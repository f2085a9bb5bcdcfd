//! LDL' of a sparse quasidefinite matrix, by one of two engines.
//!
//! *Lanes*: as many samples as a register has lanes at once, for factors that stay in the cache.
//! *Sparse*: one sample at a time, for large ones, with threads inside. Or by none.

use pulp::Simd;

use super::lanes::{Pivots, Symbolic, factor, solve};
use super::sparse::SparseLdl;
use crate::lanes::{Register, Single, V};
use crate::program::{Error, Instructions, MemoryLimit};

#[derive(Debug)]
pub(crate) enum Factorization {
    Lanes(Symbolic),
    Sparse(Box<SparseLdl>),
    /// No factor: the matrix is only multiplied by.
    None {
        order: usize,
    },
}

impl Factorization {
    /// The sparse engine for the matrix of order `order` with these off-diagonal entries (each pair
    /// once, either triangle) and signs of pivots.
    pub(crate) fn sparse(
        order: usize,
        entries: &[(usize, usize)],
        signs: &[f64],
        instructions: Instructions,
        limit: MemoryLimit,
    ) -> Result<Self, Error> {
        let entries: Vec<(u32, u32)> = entries.iter().map(|&(i, j)| (i as u32, j as u32)).collect();
        let signs: Vec<i8> = signs.iter().map(|&sign| if sign > 0.0 { 1 } else { -1 }).collect();
        Ok(Self::Sparse(Box::new(SparseLdl::new(order, &entries, &signs, instructions, limit)?)))
    }

    /// Registers of the value buffer that matrix and factor take.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lanes(symbolic) => symbolic.len,
            Self::Sparse(ldl) => ldl.matrix_len() + ldl.factor_len(),
            Self::None { .. } => 0,
        }
    }

    /// Addresses below this one are written once a program, not once a factorization.
    pub(crate) fn static_len(&self) -> usize {
        match self {
            Self::Lanes(symbolic) => symbolic.static_len,
            Self::Sparse(_) | Self::None { .. } => 0,
        }
    }

    /// Registers of pivots beside the value buffer.
    pub(crate) fn pivots_len(&self) -> usize {
        match self {
            Self::Lanes(symbolic) => symbolic.order(),
            Self::Sparse(_) | Self::None { .. } => 0,
        }
    }

    /// Scratch registers of a factorization.
    pub(crate) fn scratch_len(&self) -> usize {
        match self {
            Self::Lanes(symbolic) => symbolic.scratch_len,
            Self::Sparse(_) | Self::None { .. } => 0,
        }
    }

    /// Addresses of the off-diagonal entries, in the order in which they were given.
    pub(crate) fn addresses(&self, entries: &[(usize, usize)]) -> Vec<u32> {
        match self {
            Self::Lanes(symbolic) => {
                entries.iter().map(|&(i, j)| symbolic.address(i, j) as u32).collect()
            }
            Self::Sparse(ldl) => ldl.entry_address().to_vec(),
            Self::None { .. } => vec![0; entries.len()],
        }
    }

    /// Addresses of the diagonal entries, node by node.
    pub(crate) fn diagonal_addresses(&self) -> Vec<u32> {
        match self {
            Self::Lanes(symbolic) => {
                (0..symbolic.order()).map(|node| symbolic.diagonal_address(node) as u32).collect()
            }
            Self::Sparse(ldl) => ldl.diagonal_address().to_vec(),
            Self::None { order } => vec![0; *order],
        }
    }

    /// Addresses of all entries that a factorization overwrites.
    pub(crate) fn dynamic_addresses(&self) -> Vec<usize> {
        match self {
            Self::Lanes(symbolic) => symbolic.dynamic_addresses(),
            // The matrix has no other entries than those given, and is not overwritten.
            Self::Sparse(_) | Self::None { .. } => Vec::new(),
        }
    }

    /// Place of each node in a right-hand side.
    pub(crate) fn steps(&self) -> Vec<u32> {
        match self {
            Self::Lanes(symbolic) => symbolic.step.iter().map(|&step| step as u32).collect(),
            Self::Sparse(ldl) => ldl.steps().to_vec(),
            Self::None { order } => (0..*order as u32).collect(),
        }
    }

    /// Numbers a node each, in the order of elimination.
    pub(crate) fn in_elimination_order(&self, nodes: &[f64]) -> Vec<f64> {
        let mut ordered = vec![0.0; nodes.len()];
        for (&number, step) in nodes.iter().zip(self.steps()) {
            ordered[step as usize] = number;
        }
        ordered
    }

    /// Multiplications of a factorization, and of a solve.
    pub(crate) fn operations(&self) -> (usize, usize) {
        match self {
            Self::Lanes(symbolic) => symbolic.operations(),
            Self::Sparse(ldl) => ldl.operations(),
            Self::None { .. } => (0, 0),
        }
    }

    /// Factors the matrix in `values`. The sparse engine was given the signs when it was made.
    #[inline(always)]
    pub(crate) fn factor<S: Simd>(
        &self,
        simd: S,
        values: &mut [V<S>],
        pivots: Pivots<'_, V<S>>,
        scratch: &mut [V<S>],
    ) {
        match self {
            Self::Lanes(symbolic) => factor(simd, symbolic, values, pivots, scratch),
            Self::Sparse(ldl) => {
                let (matrix, rest) = V::as_floats_mut(values).split_at_mut(ldl.matrix_len());
                let least = ldl.factor(
                    matrix,
                    &mut rest[..ldl.factor_len()],
                    pivots.smallest.lane(0),
                    pivots.replacement.lane(0),
                );
                *pivots.least = V::splat(simd, least);
            }
            Self::None { .. } => unreachable!("callers ask whether there is a factor"),
        }
    }

    /// Solves for `R` right-hand sides, `[step][R]`, in place.
    #[inline(always)]
    pub(crate) fn solve<S: Simd, const R: usize>(
        &self,
        simd: S,
        values: &[V<S>],
        inverse_pivots: &[V<S>],
        rhs: &mut [[V<S>; R]],
    ) {
        match self {
            Self::Lanes(symbolic) => solve(simd, symbolic, values, inverse_pivots, rhs),
            Self::Sparse(ldl) => {
                let factor = &V::as_floats(values)[ldl.matrix_len()..][..ldl.factor_len()];
                ldl.solve(factor, V::as_floats_mut(rhs.as_flattened_mut()), R);
            }
            Self::None { .. } => unreachable!("callers ask whether there is a factor"),
        }
    }

    /// [`Self::factor`] in single precision.
    #[inline(always)]
    pub(crate) fn factor_single<S: Simd>(
        &self,
        simd: S,
        values: &mut [Single<S>],
        pivots: Pivots<'_, Single<S>>,
        scratch: &mut [Single<S>],
    ) {
        match self {
            Self::Lanes(symbolic) => factor(simd, symbolic, values, pivots, scratch),
            Self::Sparse(ldl) => {
                let (matrix, rest) = Single::as_floats_mut(values).split_at_mut(ldl.matrix_len());
                let factor = &mut rest[..ldl.factor_len()];
                let of = |number: Single<S>| f64::from(number.lanes()[0]);
                let least = ldl.factor(matrix, factor, of(pivots.smallest), of(pivots.replacement));
                *pivots.least = Single::splat(simd, least);
            }
            Self::None { .. } => unreachable!("callers ask whether there is a factor"),
        }
    }

    /// [`Self::solve`] in single precision, for one right-hand side.
    #[inline(always)]
    pub(crate) fn solve_single<S: Simd>(
        &self,
        simd: S,
        values: &[Single<S>],
        inverse_pivots: &[Single<S>],
        rhs: &mut [[Single<S>; 1]],
    ) {
        match self {
            Self::Lanes(symbolic) => solve(simd, symbolic, values, inverse_pivots, rhs),
            Self::Sparse(ldl) => {
                let factor = &Single::as_floats(values)[ldl.matrix_len()..][..ldl.factor_len()];
                ldl.solve(factor, Single::as_floats_mut(rhs.as_flattened_mut()), 1);
            }
            Self::None { .. } => unreachable!("callers ask whether there is a factor"),
        }
    }
}
