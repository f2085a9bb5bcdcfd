//! Pi, the projection onto R^n x K* x R+, and its derivative.

use argrad_conformance::{dot, reference};
use argrad_solver::{Cone, Error, Structure};

use crate::check;

/// The projection onto the cone of the embedding,
/// ```text
/// Pi(u, v, w) = (u, Pi_K*(v), max(w, 0)),     Pi_K*(v) = v + Pi_K(-v)
/// ```
/// by Moreau's decomposition, so that the projections onto the cones K serve: those of the
/// reference, in double-double arithmetic. Pi is positively homogeneous, hence `DPi(z) z = Pi(z)`.
#[derive(Clone, Debug)]
pub struct Projection {
    cones: Vec<Cone>,
    n: usize,
    m: usize,
}

impl Projection {
    /// The projection for the cones of `structure`.
    pub fn new(structure: &Structure) -> Self {
        Self { cones: structure.cones().to_vec(), n: structure.variables(), m: structure.rows() }
    }

    /// `Pi(z)`.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless z is N finite numbers.
    pub fn project(&self, z: &[f64]) -> Result<Vec<f64>, Error> {
        Ok(self.at(z)?.value)
    }

    /// The projection of z together with its derivative there.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub fn at(&self, z: &[f64]) -> Result<Projected, Error> {
        self.check_vector("z", z)?;
        let (n, m) = (self.n, self.m);
        let mut value = z[..n].to_vec();
        let mut blocks = Vec::with_capacity(self.cones.len());
        for cone in &self.cones {
            // -v to K, so that the nearest point of K* to v is the other half of the decomposition.
            let minus_v: Vec<f64> = z[value.len()..][..cone.dim()].iter().map(|v| -v).collect();
            let projection = reference::project(cone, &minus_v);
            value.extend(projection.dual_point);
            blocks.push(projection.derivative);
        }
        let keeps_w = z[n + m] > 0.0;
        value.push(z[n + m].max(0.0));
        Ok(Projected { projection: self.clone(), blocks, value, keeps_w })
    }

    pub(crate) fn variables(&self) -> usize {
        self.n
    }

    pub(crate) fn rows(&self) -> usize {
        self.m
    }

    pub(crate) fn check_vector(&self, argument: &'static str, z: &[f64]) -> Result<(), Error> {
        check(argument, z, self.n + self.m + 1, "n + m + 1")
    }
}

/// `Pi(z)` with the derivative DPi(z).
///
/// DPi(z) is symmetric with eigenvalues in `[0, 1]`: the identity on u, `DPi_K*(v) = I - DPi_K(-v)`
/// on v, 1 or 0 on w. Where Pi has a kink it is the derivative of one side.
#[derive(Clone, Debug)]
pub struct Projected {
    projection: Projection,
    /// `DPi_K(-v)`, a square matrix for each cone, row by row.
    blocks: Vec<Vec<f64>>,
    value: Vec<f64>,
    keeps_w: bool,
}

impl Projected {
    /// `Pi(z)`.
    pub fn value(&self) -> &[f64] {
        &self.value
    }

    /// `DPi(z) dz`; the transpose is the same.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::NotFinite`] unless dz is N finite numbers.
    pub fn multiply(&self, dz: &[f64]) -> Result<Vec<f64>, Error> {
        self.projection.check_vector("dz", dz)?;
        let mut out = dz.to_vec();
        let mut row = self.projection.n;
        for (cone, block) in self.projection.cones.iter().zip(&self.blocks) {
            let dv = &dz[row..row + cone.dim()];
            for derivative in block.chunks_exact(dv.len().max(1)) {
                out[row] -= dot(derivative, dv);
                row += 1;
            }
        }
        if !self.keeps_w {
            out[row] = 0.0;
        }
        Ok(out)
    }
}
