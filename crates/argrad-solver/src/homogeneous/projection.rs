//! Pi, the projection onto R^n x K* x R+, and its derivative.

use pulp::Simd;

use super::check;
use crate::cones::{ConeProduct, Function};
use crate::lanes::{LaneTask, V, Width, dispatch};
use crate::{Error, Structure};

/// The projection onto the cone of the embedding,
/// ```text
/// Pi(u, v, w) = (u, Pi_K*(v), max(w, 0)),     Pi_K*(v) = v + Pi_K(-v)
/// ```
/// by Moreau's decomposition, so that the projections onto the cones K of this crate serve. Pi is
/// positively homogeneous, hence `DPi(z) z = Pi(z)`.
#[derive(Clone, Debug)]
pub struct Projection {
    cones: ConeProduct,
    n: usize,
    m: usize,
}

impl Projection {
    /// The projection for the cones of `structure`.
    pub fn new(structure: &Structure) -> Self {
        Self {
            cones: ConeProduct::new(&structure.cones),
            n: structure.variables(),
            m: structure.rows(),
        }
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
        let minus_v: Vec<f64> = z[n..n + m].iter().map(|v| -v).collect();
        let mut polar = vec![0.0; m];
        let mut data = vec![0.0; self.cones.projection_len()];
        let mut scratch = vec![0.0; self.cones.scratch_len()];
        dispatch(
            Width::One,
            Project {
                cones: &self.cones,
                v: &minus_v,
                s: &mut polar,
                data: &mut data,
                scratch: &mut scratch,
            },
        );
        let mut value = z.to_vec();
        value[n..n + m].iter_mut().zip(polar).for_each(|(y, polar)| *y += polar);
        value[n + m] = z[n + m].max(0.0);
        Ok(Projected { projection: self.clone(), data, value, keeps_w: z[n + m] > 0.0 })
    }

    pub(super) fn variables(&self) -> usize {
        self.n
    }

    pub(super) fn rows(&self) -> usize {
        self.m
    }

    pub(super) fn check_vector(&self, argument: &'static str, z: &[f64]) -> Result<(), Error> {
        check(argument, z, self.n + self.m + 1, "n + m + 1")
    }
}

/// `Pi(z)` with the derivative DPi(z).
///
/// DPi(z) is symmetric with eigenvalues in `[0, 1]`: the identity on u, `DPi_K*(v) = I - DPi_K(-v)` on v,
/// 1 or 0 on w. Where Pi has a kink it is the derivative of one side.
#[derive(Clone, Debug)]
pub struct Projected {
    projection: Projection,
    /// What the cones keep of their projections of -v.
    data: Vec<f64>,
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
        let (n, m) = (self.projection.n, self.projection.m);
        let mut out = dz.to_vec();
        let cones = &self.projection.cones;
        let mut scratch = vec![0.0; cones.scratch_len()];
        dispatch(
            Width::One,
            Differentiate {
                cones,
                data: &self.data,
                dv: &dz[n..n + m],
                dy: &mut out[n..n + m],
                scratch: &mut scratch,
            },
        );
        if !self.keeps_w {
            out[n + m] = 0.0;
        }
        Ok(out)
    }
}

/// s = Pi_K(v), on one lane.
struct Project<'a> {
    cones: &'a ConeProduct,
    v: &'a [f64],
    s: &'a mut [f64],
    data: &'a mut [f64],
    scratch: &'a mut [f64],
}

impl LaneTask for Project<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.cones.projection(
            simd,
            V::slice(simd, self.v),
            V::splat(simd, 0.0),
            V::slice_mut(simd, self.s),
            V::slice_mut(simd, self.data),
            V::slice_mut(simd, self.scratch),
        );
    }
}

/// dy = (I - DPi_K) dv, on one lane.
struct Differentiate<'a> {
    cones: &'a ConeProduct,
    data: &'a [f64],
    dv: &'a [f64],
    dy: &'a mut [f64],
    scratch: &'a mut [f64],
}

impl LaneTask for Differentiate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.cones.apply(
            simd,
            V::slice(simd, self.data),
            Function::Complement,
            V::slice(simd, self.dv),
            V::slice_mut(simd, self.dy),
            V::slice_mut(simd, self.scratch),
        );
    }
}
