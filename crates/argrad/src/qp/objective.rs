//! Q in the user's order <-> the upper triangle of P in the solver's, forward and adjoint.
//!
//! Forward: `P_ij = (Q_ij + Q_ji) / 2` for i <= j. Adjoint: the gradient g of a stored entry of the
//! triangle goes half to `Q_ij` and half to `Q_ji`.

use super::constraints::{Assembled, each_instance};
use super::{MatrixShape, check_length};
use crate::{Error, Pattern, Slot};

/// Where each number of Q goes.
#[derive(Debug)]
pub(crate) struct ObjectiveMap {
    len: usize,
    kind: Kind,
    pattern: Pattern,
}

#[derive(Debug)]
enum Kind {
    /// Q is stored as P is.
    Same,
    /// Q is dense of this order.
    Dense(usize),
    /// For each entry of the triangle, the places of `Q_ij` and `Q_ji`.
    Pairs(Vec<(u32, u32)>),
}

impl ObjectiveMap {
    /// `shape` is square and, where sparse, structurally symmetric.
    pub(crate) fn new(shape: &MatrixShape) -> Result<Self, Error> {
        let n = shape.cols();
        let (kind, pattern) = match shape {
            MatrixShape::Dense { .. } => (Kind::Dense(n), Pattern::dense_upper(n)),
            MatrixShape::Diagonal(_) => (Kind::Same, Pattern::diagonal(n)),
            MatrixShape::Empty { .. } => (Kind::Same, Pattern::empty(n, n)),
            MatrixShape::Sparse(full) => {
                let (mut colptr, mut rowval) = (vec![0], Vec::new());
                let mut pairs = Vec::new();
                for j in 0..n {
                    for k in full.colptr()[j]..full.colptr()[j + 1] {
                        let i = full.rowval()[k];
                        if i > j {
                            continue;
                        }
                        let start = full.colptr()[i];
                        let offset = full.rowval()[start..full.colptr()[i + 1]]
                            .binary_search(&j)
                            .map_err(|_| Error::Pattern {
                            found: format!("Q has no entry at ({j}, {i})"),
                        })?;
                        pairs.push((k as u32, (start + offset) as u32));
                        rowval.push(i);
                    }
                    colptr.push(rowval.len());
                }
                (Kind::Pairs(pairs), Pattern::new(n, n, colptr, rowval)?)
            }
        };
        Ok(Self { len: shape.len(), kind, pattern })
    }

    /// Pattern of P.
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// P from Q. `tolerance` is the largest `|Q_ij - Q_ji|` relative to the largest entry.
    pub(crate) fn assemble<'a>(
        &self,
        slot: Slot<'a>,
        batch: usize,
        tolerance: f64,
    ) -> Result<Assembled<'a>, Error> {
        check_length("Q", slot, self.len, batch)?;
        if matches!(self.kind, Kind::Same) {
            return Ok(Assembled::Borrowed(slot));
        }
        let instances = if slot.is_shared() { 1 } else { batch };
        let nnz = self.pattern.nnz();
        let mut values = vec![0.0; instances * nnz];
        each_instance(&mut values, nnz, |k, p| {
            let q = slot.instance(k, self.len);
            match &self.kind {
                Kind::Same => {}
                Kind::Dense(n) => symmetrize(*n, q, p),
                Kind::Pairs(pairs) => {
                    for (p, &(ij, ji)) in p.iter_mut().zip(pairs) {
                        *p = 0.5 * (q[ij as usize] + q[ji as usize]);
                    }
                }
            }
        });
        if tolerance < f64::INFINITY {
            for k in 0..instances {
                let q = slot.instance(k, self.len);
                let p = &values[k * nnz..(k + 1) * nnz];
                self.check_symmetric(q, p, tolerance, (!slot.is_shared()).then_some(k))?;
            }
        }
        Ok(Assembled::Owned { values, shared: slot.is_shared() })
    }

    /// The half-sum differs from the entry above the diagonal by half of the asymmetry.
    fn check_symmetric(
        &self,
        q: &[f64],
        p: &[f64],
        tolerance: f64,
        instance: Option<usize>,
    ) -> Result<(), Error> {
        let bound = tolerance * q.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        let mut stored = p.iter();
        let mut check = |row: usize, column: usize, ij: usize, ji: usize| {
            let half_sum = stored.next().copied().unwrap_or(0.0);
            if 2.0 * (half_sum - q[ij]).abs() <= bound {
                return Ok(());
            }
            Err(Error::Asymmetric {
                argument: "Q",
                instance,
                row,
                column,
                found: q[ij],
                mirror: q[ji],
            })
        };
        match &self.kind {
            Kind::Same => Ok(()),
            Kind::Dense(n) => (0..*n)
                .try_for_each(|j| (0..=j).try_for_each(|i| check(j, i, j * n + i, i * n + j))),
            Kind::Pairs(pairs) => {
                let entries = self.pattern.entries().zip(pairs);
                entries
                    .into_iter()
                    .try_for_each(|((i, j), &(ij, ji))| check(i, j, ij as usize, ji as usize))
            }
        }
    }

    /// Adjoint of [`Self::assemble`]: the symmetric gradient of Q from that of the triangle.
    pub(crate) fn gradient(&self, triangle: Vec<f64>) -> Vec<f64> {
        let nnz = self.pattern.nnz();
        if matches!(self.kind, Kind::Same) || nnz == 0 {
            return triangle;
        }
        let instances = triangle.len() / nnz;
        let mut gradient = vec![0.0; instances * self.len];
        each_instance(&mut gradient, self.len, |k, out| {
            let p = &triangle[k * nnz..(k + 1) * nnz];
            match &self.kind {
                Kind::Same => {}
                Kind::Dense(n) => spread(*n, p, out),
                Kind::Pairs(pairs) => {
                    for (g, &(ij, ji)) in p.iter().zip(pairs) {
                        // On the diagonal both halves meet in one entry.
                        out[ij as usize] += 0.5 * g;
                        out[ji as usize] += 0.5 * g;
                    }
                }
            }
        });
        gradient
    }
}

/// Tiles small enough that the column-wise reads stay in the first cache.
const TILE: usize = 8;

/// Upper triangle by columns of the symmetric part of a row-major matrix.
fn symmetrize(n: usize, q: &[f64], p: &mut [f64]) {
    for columns in (0..n).step_by(TILE) {
        let end = (columns + TILE).min(n);
        for rows in (0..end).step_by(TILE) {
            for j in columns..end {
                let last = (rows + TILE).min(j + 1);
                let start = j * (j + 1) / 2;
                for i in rows..last {
                    p[start + i] = 0.5 * (q[j * n + i] + q[i * n + j]);
                }
            }
        }
    }
}

/// Row-major symmetric gradient from that of the upper triangle by columns.
fn spread(n: usize, p: &[f64], out: &mut [f64]) {
    for columns in (0..n).step_by(TILE) {
        let end = (columns + TILE).min(n);
        for rows in (0..end).step_by(TILE) {
            for j in columns..end {
                let last = (rows + TILE).min(j);
                let start = j * (j + 1) / 2;
                for i in rows..last {
                    let half = 0.5 * p[start + i];
                    out[j * n + i] = half;
                    out[i * n + j] = half;
                }
            }
        }
    }
    for j in 0..n {
        out[j * n + j] = p[j * (j + 1) / 2 + j];
    }
}
