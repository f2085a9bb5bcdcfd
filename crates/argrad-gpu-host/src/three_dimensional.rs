//! The functions of `kernels/three_dimensional.h` one by one, for both cones.

/// A vector in R^3.
pub type Triple = [f64; 3];

/// The rows of a 3 x 3 matrix.
pub type Rows = [Triple; 3];

unsafe extern "C" {
    fn argrad_cone_unit(alpha: f64, out: *mut f64);
    fn argrad_cone_is_inside(alpha: f64, x: *const f64, is_dual: bool) -> bool;
    fn argrad_cone_derivatives(
        alpha: f64,
        z: *const f64,
        a: *const f64,
        b: *const f64,
        out: *mut f64,
    );
    fn argrad_cone_shadow(alpha: f64, s: *const f64, out: *mut f64);
    fn argrad_cone_scaling(alpha: f64, s: *const f64, z: *const f64, mean: f64, out: *mut f64);
    fn argrad_cone_combined(alpha: f64, pairs: *const f64, target: f64, out: *mut f64);
    fn argrad_cone_step(alpha: f64, pairs: *const f64, limit: f64) -> f64;
    fn argrad_cone_project(alpha: f64, v: *const f64, out: *mut f64);
    fn argrad_cone_kinks(alpha: f64, v: *const f64, margin: f64) -> i32;
    fn argrad_cone_eigen(rows: *const f64, out: *mut f64);
}

/// A cone K, and the barrier f* of its dual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cone {
    /// The exponential cone.
    Exponential,
    /// The power cone with this exponent.
    Power(f64),
}

/// Derivatives of f*.
#[derive(Clone, Copy, Debug)]
pub struct Derivatives {
    /// Its gradient.
    pub gradient: Triple,
    /// Rows r of a root of its Hessian, which is the sum of r r'.
    pub root: Rows,
    /// Its third derivative along two directions.
    pub third: Triple,
}

/// A projection onto K, and its derivative D.
#[derive(Clone, Copy, Debug)]
pub struct Projected {
    /// The projection.
    pub point: Triple,
    /// Eigenvectors of D.
    pub basis: Rows,
    /// Eigenvalues d of D.
    pub d: Triple,
    /// 1 - d.
    pub complement: Triple,
    /// What keeps d / (1 - d + delta) finite.
    pub delta: f64,
}

/// A point or a direction, and another: s, z, ds, dz.
pub type Pairs = [Triple; 4];

fn triple(x: &[f64]) -> Triple {
    [x[0], x[1], x[2]]
}

fn rows(x: &[f64]) -> Rows {
    [triple(x), triple(&x[3..]), triple(&x[6..])]
}

impl Cone {
    fn alpha(self) -> f64 {
        match self {
            Cone::Exponential => 0.0,
            Cone::Power(alpha) => alpha,
        }
    }

    /// s = z = -grad f*(z).
    pub fn unit(self) -> Triple {
        let mut out = [0.0; 3];
        // SAFETY: it writes three numbers.
        unsafe { argrad_cone_unit(self.alpha(), out.as_mut_ptr()) };
        out
    }

    /// Whether s lies in the interior of K.
    pub fn is_inside_primal(self, s: Triple) -> bool {
        // SAFETY: it reads three numbers.
        unsafe { argrad_cone_is_inside(self.alpha(), s.as_ptr(), false) }
    }

    /// Whether z lies in the interior of K*.
    pub fn is_inside_dual(self, z: Triple) -> bool {
        // SAFETY: it reads three numbers.
        unsafe { argrad_cone_is_inside(self.alpha(), z.as_ptr(), true) }
    }

    /// Derivatives of f* at z; the third along a and b.
    pub fn derivatives(self, z: Triple, a: Triple, b: Triple) -> Derivatives {
        let (mut out, alpha) = ([0.0; 15], self.alpha());
        // SAFETY: it reads three numbers each and writes fifteen.
        unsafe {
            argrad_cone_derivatives(alpha, z.as_ptr(), a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
        }
        Derivatives { gradient: triple(&out), root: rows(&out[3..]), third: triple(&out[12..]) }
    }

    /// z with -grad f*(z) = s.
    pub fn shadow(self, s: Triple) -> Triple {
        let mut out = [0.0; 3];
        // SAFETY: it reads and writes three numbers.
        unsafe { argrad_cone_shadow(self.alpha(), s.as_ptr(), out.as_mut_ptr()) };
        out
    }

    /// Rows of a root of the scaling at (s, z).
    pub fn scaling_rows(self, s: Triple, z: Triple, mean: f64) -> Rows {
        let mut out = [0.0; 9];
        // SAFETY: it reads three numbers each and writes nine.
        unsafe {
            argrad_cone_scaling(self.alpha(), s.as_ptr(), z.as_ptr(), mean, out.as_mut_ptr());
        }
        rows(&out)
    }

    /// The constant of the combined direction.
    pub fn combined_constant(self, pairs: Pairs, target: f64) -> Triple {
        let mut out = [0.0; 3];
        let pairs = pairs.as_flattened();
        // SAFETY: it reads twelve numbers and writes three.
        unsafe { argrad_cone_combined(self.alpha(), pairs.as_ptr(), target, out.as_mut_ptr()) };
        out
    }

    /// A step that stays inside.
    pub fn step_length(self, pairs: Pairs, limit: f64) -> f64 {
        // SAFETY: it reads twelve numbers.
        unsafe { argrad_cone_step(self.alpha(), pairs.as_flattened().as_ptr(), limit) }
    }

    /// The projection of v.
    pub fn project(self, v: Triple) -> Projected {
        let mut out = [0.0; 19];
        // SAFETY: it reads three numbers and writes nineteen.
        unsafe { argrad_cone_project(self.alpha(), v.as_ptr(), out.as_mut_ptr()) };
        Projected {
            point: triple(&out),
            basis: rows(&out[3..]),
            d: triple(&out[12..]),
            complement: triple(&out[15..]),
            delta: out[18],
        }
    }

    /// Directions in which the derivative of the projection jumps within `margin` of v.
    pub fn kinks(self, v: Triple, margin: f64) -> i32 {
        // SAFETY: it reads three numbers.
        unsafe { argrad_cone_kinks(self.alpha(), v.as_ptr(), margin) }
    }
}

/// Eigenvectors and eigenvalues of R'R.
pub fn eigen_of_rows(r: Rows) -> (Rows, Triple) {
    let mut out = [0.0; 12];
    // SAFETY: it reads nine numbers and writes twelve.
    unsafe { argrad_cone_eigen(r.as_flattened().as_ptr(), out.as_mut_ptr()) };
    (rows(&out), triple(&out[9..]))
}
