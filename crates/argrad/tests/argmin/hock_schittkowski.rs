//! Problems of Hock and Schittkowski, "Test Examples for Nonlinear Programming Codes" (1981), with
//! their starting points and optima. The constants of each are its parameters.

use argrad::argmin::{Dimensions, Scalar, SmoothProblem};

/// A problem with what is published of it.
pub trait Published: SmoothProblem + Sync + Default {
    /// Its number.
    const NUMBER: u32;
    /// Optimal value, to ten digits.
    const OPTIMUM: f64;
    /// The constants.
    fn theta() -> Vec<f64>;
    /// The starting point.
    fn start() -> Vec<f64>;
}

/// Something to be done with each problem.
pub trait Visitor {
    /// Does it.
    fn visit<P: Published>(&mut self, problem: P);
}

macro_rules! problems {
    ($($name:ident $number:literal {
        theta: [$($theta:expr),*], start: [$($start:expr),*], optimum: $optimum:expr,
        f($t:ident, $y:ident) = $f:expr, h = [$($h:expr),*], g = [$($g:expr),* $(,)?] $(,)?
    })*) => {
        $(
            #[derive(Clone, Copy, Debug, Default)]
            pub struct $name;

            impl SmoothProblem for $name {
                fn dimensions(&self) -> Dimensions {
                    const EQUALITIES: &[&str] = &[$(stringify!($h)),*];
                    const INEQUALITIES: &[&str] = &[$(stringify!($g)),*];
                    Dimensions::new(Self::theta().len(), Self::start().len())
                        .equalities(EQUALITIES.len())
                        .inequalities(INEQUALITIES.len())
                }
                fn objective<D: Scalar>(&self, $t: &[D], $y: &[D]) -> D {
                    $f
                }
                #[allow(unused_variables)]
                fn equalities<D: Scalar>(&self, $t: &[D], $y: &[D]) -> Vec<D> {
                    vec![$($h),*]
                }
                #[allow(unused_variables)]
                fn inequalities<D: Scalar>(&self, $t: &[D], $y: &[D]) -> Vec<D> {
                    vec![$($g),*]
                }
            }

            impl Published for $name {
                const NUMBER: u32 = $number;
                const OPTIMUM: f64 = $optimum;
                fn theta() -> Vec<f64> {
                    vec![$($theta),*]
                }
                fn start() -> Vec<f64> {
                    vec![$($start),*]
                }
            }
        )*

        /// Does it with each problem, in the order of their numbers.
        pub fn for_each(visitor: &mut impl Visitor) {
            $(visitor.visit($name);)*
        }
    };
}

problems! {
    Hs1 1 {
        theta: [100., 1., 1.5], start: [-2., 1.], optimum: 0.,
        f(t, y) = t[0] * (y[1] - y[0].powi(2)).powi(2) + (t[1] - y[0]).powi(2),
        h = [], g = [-t[2] - y[1]],
    }
    Hs6 6 {
        theta: [1., 10.], start: [-1.2, 1.], optimum: 0.,
        f(t, y) = (t[0] - y[0]).powi(2),
        h = [t[1] * (y[1] - y[0].powi(2))], g = [],
    }
    Hs7 7 {
        theta: [1., 4.], start: [2., 2.], optimum: -1.7320508075688772,
        f(t, y) = (t[0] + y[0].powi(2)).ln() - y[1],
        h = [(t[0] + y[0].powi(2)).powi(2) + y[1].powi(2) - t[1]], g = [],
    }
    Hs10 10 {
        theta: [3., 2., 1.], start: [-10., 10.], optimum: -1.,
        f(_t, y) = y[0] - y[1],
        h = [], g = [_t[0] * y[0].powi(2) - _t[1] * y[0] * y[1] + y[1].powi(2) - _t[2]],
    }
    Hs12 12 {
        theta: [0.5, 7., 25.], start: [0., 0.], optimum: -30.,
        f(t, y) = t[0] * y[0].powi(2) + y[1].powi(2) - y[0] * y[1] - t[1] * (y[0] + y[1]),
        h = [], g = [y[0].powi(2) * 4. + y[1].powi(2) - t[2]],
    }
    Hs26 26 {
        theta: [1., 3.], start: [-2.6, 2., 2.], optimum: 0.,
        f(_t, y) = (y[0] - y[1]).powi(2) + (y[1] - y[2]).powi(4),
        h = [(_t[0] + y[1].powi(2)) * y[0] + y[2].powi(4) - _t[1]], g = [],
    }
    Hs28 28 {
        theta: [2., 3., 1.], start: [-4., 1., 1.], optimum: 0.,
        f(_t, y) = (y[0] + y[1]).powi(2) + (y[1] + y[2]).powi(2),
        h = [y[0] + _t[0] * y[1] + _t[1] * y[2] - _t[2]], g = [],
    }
    Hs35 35 {
        theta: [8., 6., 4., 3.], start: [0.5, 0.5, 0.5], optimum: 0.1111111111111111,
        f(t, y) = -t[0] * y[0] - t[1] * y[1] - t[2] * y[2] + 9. + y[0].powi(2) * 2.
            + y[1].powi(2) * 2. + y[2].powi(2) + y[0] * y[1] * 2. + y[0] * y[2] * 2.,
        h = [], g = [y[0] + y[1] + y[2] * 2. - t[3], -y[0], -y[1], -y[2]],
    }
    Hs39 39 {
        theta: [1., 1.], start: [2., 2., 2., 2.], optimum: -1.,
        f(_t, y) = -y[0],
        h = [
            _t[0] * y[1] - y[0].powi(3) - y[2].powi(2),
            _t[1] * y[0].powi(2) - y[1] - y[3].powi(2)
        ],
        g = [],
    }
    Hs40 40 {
        theta: [1., 1., 1.], start: [0.8, 0.8, 0.8, 0.8], optimum: -0.25,
        f(_t, y) = -y[0] * y[1] * y[2] * y[3],
        h = [
            y[0].powi(3) + y[1].powi(2) - _t[0],
            _t[1] * y[0].powi(2) * y[3] - y[2],
            y[3].powi(2) - _t[2] * y[1]
        ], g = [],
    }
    Hs43 43 {
        theta: [5., 21., 7., 8., 10., 5.], start: [0., 0., 0., 0.], optimum: -44.,
        f(t, y) = y[0].powi(2) + y[1].powi(2) + y[2].powi(2) * 2. + y[3].powi(2)
            - t[0] * (y[0] + y[1]) - t[1] * y[2] + t[2] * y[3],
        h = [], g = [
            y[0].powi(2) + y[1].powi(2) + y[2].powi(2) + y[3].powi(2) + y[0] - y[1] + y[2] - y[3]
                - t[3],
            y[0].powi(2) + y[1].powi(2) * 2. + y[2].powi(2) + y[3].powi(2) * 2. - y[0] - y[3]
                - t[4],
            y[0].powi(2) * 2. + y[1].powi(2) + y[2].powi(2) + y[0] * 2. - y[1] - y[3] - t[5],
        ],
    }
    Hs48 48 {
        theta: [1., 5., 3.], start: [3., 5., -3., 2., -2.], optimum: 0.,
        f(t, y) = (y[0] - t[0]).powi(2) + (y[1] - y[2]).powi(2) + (y[3] - y[4]).powi(2),
        h = [y[0] + y[1] + y[2] + y[3] + y[4] - t[1], y[2] - (y[3] + y[4]) * 2. + t[2]], g = [],
    }
    Hs60 60 {
        theta: [1., 4., 2.], start: [2., 2., 2.], optimum: 0.03256820025,
        f(t, y) = (y[0] - t[0]).powi(2) + (y[0] - y[1]).powi(2) + (y[1] - y[2]).powi(4),
        h = [y[0] * (y[1].powi(2) + 1.) + y[2].powi(4) - t[1] - t[2].sqrt() * 3.],
        g = [
            -y[0] - 10., -y[1] - 10., -y[2] - 10., y[0] - 10., y[1] - 10., y[2] - 10.,
        ],
    }
    Hs65 65 {
        theta: [10., 5., 48., 4.5], start: [-5., 5., 0.], optimum: 0.9535288567,
        f(t, y) = (y[0] - y[1]).powi(2) + (y[0] + y[1] - t[0]).powi(2) / 9.
            + (y[2] - t[1]).powi(2),
        h = [], g = [
            y[0].powi(2) + y[1].powi(2) + y[2].powi(2) - t[2],
            -y[0] - t[3], -y[1] - t[3], -y[2] - 5., y[0] - t[3], y[1] - t[3], y[2] - 5.,
        ],
    }
    Hs71 71 {
        theta: [25., 40., 1.], start: [1., 5., 5., 1.], optimum: 17.0140172891,
        f(_t, y) = y[0] * y[3] * (y[0] + y[1] + y[2]) + y[2],
        h = [y[0].powi(2) + y[1].powi(2) + y[2].powi(2) + y[3].powi(2) - _t[1]],
        g = [
            -y[0] * y[1] * y[2] * y[3] + _t[0],
            -y[0] + _t[2], -y[1] + _t[2], -y[2] + _t[2], -y[3] + _t[2],
            y[0] - 5., y[1] - 5., y[2] - 5., y[3] - 5.,
        ],
    }
    Hs76 76 {
        theta: [1., 3., 5., 4., 1.5], start: [0.5, 0.5, 0.5, 0.5], optimum: -4.681818181818,
        f(t, y) = y[0].powi(2) + y[1].powi(2) * 0.5 + y[2].powi(2) + y[3].powi(2) * 0.5
            - y[0] * y[2] + y[2] * y[3] - t[0] * y[0] - t[1] * y[1] + y[2] - y[3],
        h = [], g = [
            y[0] + y[1] * 2. + y[2] + y[3] - t[2],
            y[0] * 3. + y[1] + y[2] * 2. - y[3] - t[3],
            t[4] - y[1] - y[2] * 4.,
            -y[0], -y[1], -y[2], -y[3],
        ],
    }
    Hs77 77 {
        theta: [1., 2., 8.], start: [2., 2., 2., 2., 2.], optimum: 0.2415051288,
        f(t, y) = (y[0] - t[0]).powi(2) + (y[0] - y[1]).powi(2) + (y[2] - t[0]).powi(2)
            + (y[3] - t[0]).powi(4) + (y[4] - t[0]).powi(6),
        h = [
            y[0].powi(2) * y[3] + (y[3] - y[4]).sin() - t[1].sqrt() * 2.,
            y[1] + y[2].powi(4) * y[3].powi(2) - t[2] - t[1].sqrt()
        ], g = [],
    }
    Hs78 78 {
        theta: [10., 5., 1.], start: [-2., 1.5, 2., -1., -1.], optimum: -2.919700409,
        f(_t, y) = y[0] * y[1] * y[2] * y[3] * y[4],
        h = [
            y[0].powi(2) + y[1].powi(2) + y[2].powi(2) + y[3].powi(2) + y[4].powi(2) - _t[0],
            y[1] * y[2] - _t[1] * y[3] * y[4],
            y[0].powi(3) + y[1].powi(3) + _t[2]
        ], g = [],
    }
    Hs79 79 {
        theta: [1., 2.], start: [2., 2., 2., 2., 2.], optimum: 0.07877682087,
        f(t, y) = (y[0] - t[0]).powi(2) + (y[0] - y[1]).powi(2) + (y[1] - y[2]).powi(2)
            + (y[2] - y[3]).powi(4) + (y[3] - y[4]).powi(4),
        h = [
            y[0] + y[1].powi(2) + y[2].powi(3) - 2. - t[1].sqrt() * 3.,
            y[1] - y[2].powi(2) + y[3] + 2. - t[1].sqrt() * 2.,
            y[0] * y[4] - 2.
        ], g = [],
    }
    Hs80 80 {
        theta: [10., 5., 1.], start: [-2., 2., 2., -1., -1.], optimum: 0.05394984777,
        f(_t, y) = (y[0] * y[1] * y[2] * y[3] * y[4]).exp(),
        h = [
            y[0].powi(2) + y[1].powi(2) + y[2].powi(2) + y[3].powi(2) + y[4].powi(2) - _t[0],
            y[1] * y[2] - _t[1] * y[3] * y[4],
            y[0].powi(3) + y[1].powi(3) + _t[2]
        ],
        g = [
            -y[0] - 2.3, -y[1] - 2.3, -y[2] - 3.2, -y[3] - 3.2, -y[4] - 3.2,
            y[0] - 2.3, y[1] - 2.3, y[2] - 3.2, y[3] - 3.2, y[4] - 3.2,
        ],
    }
    Hs81 81 {
        theta: [10., 5., 1.], start: [-2., 2., 2., -1., -1.], optimum: 0.05394984777,
        f(t, y) = (y[0] * y[1] * y[2] * y[3] * y[4]).exp()
            - (y[0].powi(3) + y[1].powi(3) + t[2]).powi(2) * 0.5,
        h = [
            y[0].powi(2) + y[1].powi(2) + y[2].powi(2) + y[3].powi(2) + y[4].powi(2) - t[0],
            y[1] * y[2] - t[1] * y[3] * y[4],
            y[0].powi(3) + y[1].powi(3) + t[2]
        ],
        g = [
            -y[0] - 2.3, -y[1] - 2.3, -y[2] - 3.2, -y[3] - 3.2, -y[4] - 3.2,
            y[0] - 2.3, y[1] - 2.3, y[2] - 3.2, y[3] - 3.2, y[4] - 3.2,
        ],
    }
    Hs100 100 {
        theta: [10., 12., 11., 127., 282., 196.], start: [1., 2., 0., 4., 0., 1., 1.],
        optimum: 680.6300573,
        f(t, y) = (y[0] - t[0]).powi(2) + (y[1] - t[1]).powi(2) * 5. + y[2].powi(4)
            + (y[3] - t[2]).powi(2) * 3. + y[4].powi(6) * 10. + y[5].powi(2) * 7. + y[6].powi(4)
            - y[5] * y[6] * 4. - y[5] * 10. - y[6] * 8.,
        h = [], g = [
            y[0].powi(2) * 2. + y[1].powi(4) * 3. + y[2] + y[3].powi(2) * 4. + y[4] * 5. - t[3],
            y[0] * 7. + y[1] * 3. + y[2].powi(2) * 10. + y[3] - y[4] - t[4],
            y[0] * 23. + y[1].powi(2) + y[5].powi(2) * 6. - y[6] * 8. - t[5],
            y[0].powi(2) * 4. + y[1].powi(2) - y[0] * y[1] * 3. + y[2].powi(2) * 2. + y[5] * 5.
                - y[6] * 11.,
        ],
    }
    Hs104 104 {
        theta: [0.4, 10., 0.0588, 0.1], start: [6., 3., 0.4, 0.2, 6., 6., 1., 0.5],
        optimum: 3.9511634396,
        f(t, y) = t[0] * (y[0] / y[6]).powf(0.67) + t[0] * (y[1] / y[7]).powf(0.67) + t[1]
            - y[0] - y[1],
        h = [], g = [
            t[2] * y[4] * y[6] + t[3] * y[0] - 1.,
            t[2] * y[5] * y[7] + t[3] * (y[0] + y[1]) - 1.,
            y[2] * 4. / y[4] + (y[2].powf(0.71) * y[4]).recip() * 2.
                + t[2] * y[6] / y[2].powf(1.3) - 1.,
            y[3] * 4. / y[5] + (y[3].powf(0.71) * y[5]).recip() * 2.
                + t[2] * y[7] / y[3].powf(1.3) - 1.,
            -(t[0] * (y[0] / y[6]).powf(0.67) + t[0] * (y[1] / y[7]).powf(0.67) + t[1]
                - y[0] - y[1]) + 1.,
            t[0] * (y[0] / y[6]).powf(0.67) + t[0] * (y[1] / y[7]).powf(0.67) + t[1]
                - y[0] - y[1] - 4.2,
            -y[0] + 0.1, -y[1] + 0.1, -y[2] + 0.1, -y[3] + 0.1,
            -y[4] + 0.1, -y[5] + 0.1, -y[6] + 0.1, -y[7] + 0.1,
            y[0] - 10., y[1] - 10., y[2] - 10., y[3] - 10.,
            y[4] - 10., y[5] - 10., y[6] - 10., y[7] - 10.,
        ],
    }
    Hs113 113 {
        theta: [14., 16., 10., 11., 105., 120.],
        start: [2., 3., 5., 5., 1., 2., 7., 3., 6., 10.], optimum: 24.306209068,
        f(t, y) = y[0].powi(2) + y[1].powi(2) + y[0] * y[1] - t[0] * y[0] - t[1] * y[1]
            + (y[2] - t[2]).powi(2) + (y[3] - 5.).powi(2) * 4. + (y[4] - 3.).powi(2)
            + (y[5] - 1.).powi(2) * 2. + y[6].powi(2) * 5. + (y[7] - t[3]).powi(2) * 7.
            + (y[8] - 10.).powi(2) * 2. + (y[9] - 7.).powi(2) + 45.,
        h = [], g = [
            y[0] * 4. + y[1] * 5. - y[6] * 3. + y[7] * 9. - t[4],
            y[0] * 10. - y[1] * 8. - y[6] * 17. + y[7] * 2.,
            -y[0] * 8. + y[1] * 2. + y[8] * 5. - y[9] * 2. - 12.,
            (y[0] - 2.).powi(2) * 3. + (y[1] - 3.).powi(2) * 4. + y[2].powi(2) * 2. - y[3] * 7.
                - t[5],
            y[0].powi(2) * 5. + y[1] * 8. + (y[2] - 6.).powi(2) - y[3] * 2. - 40.,
            (y[0] - 8.).powi(2) * 0.5 + (y[1] - 4.).powi(2) * 2. + y[4].powi(2) * 3. - y[5] - 30.,
            y[0].powi(2) + (y[1] - 2.).powi(2) * 2. - y[0] * y[1] * 2. + y[4] * 14. - y[5] * 6.,
            -y[0] * 3. + y[1] * 6. + (y[8] - 8.).powi(2) * 12. - y[9] * 7.,
        ],
    }
}

/// Parameters of a batch of perturbed problems: sample 0 is the published one, constant j of sample
/// k is changed by up to one per cent, as `1 + 0.01 sin(7 k + 3 j)`.
pub fn perturbed(theta: &[f64], batch: usize) -> Vec<f64> {
    let factor = |k: usize, j: usize| match k {
        0 => 1.0,
        _ => 1.0 + 0.01 * ((7 * k + 3 * j) as f64).sin(),
    };
    (0..batch).flat_map(|k| theta.iter().enumerate().map(move |(j, t)| t * factor(k, j))).collect()
}
