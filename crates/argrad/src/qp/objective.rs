//! P in the user's order, with both triangles <-> its upper triangle in the solver's, forward and
//! adjoint.
//!
//! Forward: `U_ij = (P_ij + P_ji) / 2` for i <= j. Adjoint: the gradient g of a stored entry of the
//! triangle goes half to `P_ij` and half to `P_ji`.

use argrad_solver::{Error, Pattern, Slot};

use super::check::all_finite;
use super::samples::{Assembled, each_sample};
use super::tiles::{symmetric_gradient, symmetric_part};
use super::{MatrixShape, check_finite, check_length};

/// Where each number of P goes.
#[derive(Debug)]
pub(crate) struct ObjectiveMap {
    len: usize,
    kind: Kind,
    pattern: Pattern,
}

#[derive(Debug)]
enum Kind {
    /// Stored as the solver does.
    Same,
    /// Dense of this order.
    Dense(usize),
    /// For each entry of the triangle, the places of `P_ij` and `P_ji`.
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
                            found: format!("P has no entry at ({j}, {i})"),
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

    /// Pattern of the upper triangle.
    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Numbers per sample that [`Self::assemble`] makes.
    pub(crate) fn copied(&self, slot: Slot<'_>) -> usize {
        let borrows = matches!(self.kind, Kind::Same);
        if borrows || slot.is_shared() { 0 } else { self.pattern.nnz() }
    }

    /// The upper triangle. `tolerance` is the largest `|P_ij - P_ji|` relative to the largest
    /// entry; infinite for a direction, which may be anything.
    pub(crate) fn assemble<'a>(
        &self,
        slot: Slot<'a>,
        batch: usize,
        tolerance: f64,
    ) -> Result<Assembled<'a>, Error> {
        check_length("P", slot, self.len, batch)?;
        let strict = tolerance < f64::INFINITY;
        if matches!(self.kind, Kind::Same) {
            if strict {
                check_finite("P", slot, self.len, false)?;
            }
            return Ok(Assembled::Borrowed(slot));
        }
        let samples = if slot.is_shared() { 1 } else { batch };
        let nnz = self.pattern.nnz();
        let mut values = vec![0.0; samples * nnz];
        let good = each_sample(&mut values, nnz, |k, upper| {
            let full = slot.sample(k, self.len);
            let (skew, size) = match &self.kind {
                Kind::Same => (0.0, 0.0),
                Kind::Dense(n) => symmetric_part(*n, full, upper),
                Kind::Pairs(pairs) => symmetric_pairs(pairs, full, upper),
            };
            !strict || all_finite(full) && skew <= tolerance * size
        });
        if !good {
            check_finite("P", slot, self.len, false)?;
            for k in 0..samples {
                let sample = (!slot.is_shared()).then_some(k);
                self.check_symmetric(slot.sample(k, self.len), tolerance, sample)?;
            }
        }
        Ok(Assembled::Owned { values, shared: slot.is_shared() })
    }

    /// Names the first entry that differs from its mirror image.
    fn check_symmetric(
        &self,
        p: &[f64],
        tolerance: f64,
        sample: Option<usize>,
    ) -> Result<(), Error> {
        let bound = tolerance * p.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        let check = |row: usize, column: usize, ij: usize, ji: usize| {
            if (p[ij] - p[ji]).abs() <= bound {
                return Ok(());
            }
            let (found, mirror) = (p[ij], p[ji]);
            Err(Error::Asymmetric { argument: "P", sample, row, column, found, mirror })
        };
        match &self.kind {
            Kind::Same => Ok(()),
            Kind::Dense(n) => (0..*n)
                .try_for_each(|i| (i..*n).try_for_each(|j| check(i, j, i * n + j, j * n + i))),
            Kind::Pairs(pairs) => {
                let mut entries = self.pattern.entries().zip(pairs);
                entries.try_for_each(|((i, j), &(ij, ji))| check(i, j, ij as usize, ji as usize))
            }
        }
    }

    /// Adjoint of [`Self::assemble`]: the symmetric gradient of P from that of the triangle.
    pub(crate) fn gradient(&self, triangle: Vec<f64>) -> Vec<f64> {
        let nnz = self.pattern.nnz();
        if matches!(self.kind, Kind::Same) || nnz == 0 {
            return triangle;
        }
        let samples = triangle.len() / nnz;
        let mut gradient = vec![0.0; samples * self.len];
        each_sample(&mut gradient, self.len, |k, out| {
            let upper = &triangle[k * nnz..(k + 1) * nnz];
            match &self.kind {
                Kind::Same => {}
                Kind::Dense(n) => symmetric_gradient(*n, upper, out),
                Kind::Pairs(pairs) => {
                    for (g, &(ij, ji)) in upper.iter().zip(pairs) {
                        // On the diagonal both halves meet in one entry.
                        out[ij as usize] += 0.5 * g;
                        out[ji as usize] += 0.5 * g;
                    }
                }
            }
            true
        });
        gradient
    }
}

/// As [`symmetric_part`], from the places of each pair.
fn symmetric_pairs(pairs: &[(u32, u32)], full: &[f64], upper: &mut [f64]) -> (f64, f64) {
    let (mut skew, mut size) = (0.0_f64, 0.0_f64);
    for (out, &(ij, ji)) in upper.iter_mut().zip(pairs) {
        let (above, below) = (full[ij as usize], full[ji as usize]);
        skew = skew.max((above - below).abs());
        size = size.max(above.abs()).max(below.abs());
        *out = 0.5 * (above + below);
    }
    (skew, size)
}
