//! `+ - * /` between expressions, numbers and arrays on either side.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::arithmetic::{add, divide, multiply, negate, subtract};
use crate::expression::{Dense, Expr, Operand};

macro_rules! operator {
    (
        $trait:ident, $method:ident, $function:ident, $doc:literal,
        $($left:ty $(, const $n:ident)* );+
    ) => {
        impl<'m, T: Operand<'m>> $trait<T> for Expr<'m> {
            type Output = Expr<'m>;
            #[doc = $doc]
            #[track_caller]
            fn $method(self, other: T) -> Expr<'m> {
                $function(self, other.into_expr(self.model))
            }
        }
        $(
            impl<'m $(, const $n: usize)*> $trait<Expr<'m>> for $left {
                type Output = Expr<'m>;
                #[doc = $doc]
                #[track_caller]
                fn $method(self, other: Expr<'m>) -> Expr<'m> {
                    $function(self.into_expr(other.model), other)
                }
            }
        )+
    };
}

macro_rules! operators {
    ($($trait:ident, $method:ident, $function:ident, $doc:literal;)+) => {
        $(operator!($trait, $method, $function, $doc,
            f64; i32; Vec<f64>; &Vec<f64>; &[f64]; Vec<Vec<f64>>; &Vec<Vec<f64>>; Dense<'_>;
            [f64; N], const N; &[f64; N], const N;
            [[f64; N]; M], const M, const N; &[[f64; N]; M], const M, const N);)+
    };
}

operators! {
    Add, add, add, "Elementwise sum; scalars, rows and columns are broadcast.";
    Sub, sub, subtract, "Elementwise difference; scalars, rows and columns are broadcast.";
    Mul, mul, multiply,
        "Elementwise product; scalars, rows and columns are broadcast. See [`Expr::matmul`].";
    Div, div, divide, "Elementwise quotient by a constant or by an expression of parameters.";
}

impl<'m> Neg for Expr<'m> {
    type Output = Expr<'m>;
    #[track_caller]
    fn neg(self) -> Expr<'m> {
        negate(self)
    }
}

/// Arrays of ndarray on the left.
#[cfg(feature = "ndarray")]
mod arrays {
    use std::ops::{Add, Mul, Sub};

    use ndarray::{ArrayBase, Data, Ix1, Ix2};

    use super::{Expr, Operand, add, multiply, subtract};

    macro_rules! array_operators {
        ($($dim:ty),+) => {
            $(array_operators!(@ $dim, Add, add, add);
              array_operators!(@ $dim, Sub, sub, subtract);
              array_operators!(@ $dim, Mul, mul, multiply);)+
        };
        (@ $dim:ty, $trait:ident, $method:ident, $function:ident) => {
            impl<'m, S: Data<Elem = f64>> $trait<Expr<'m>> for &ArrayBase<S, $dim> {
                type Output = Expr<'m>;
                #[track_caller]
                fn $method(self, other: Expr<'m>) -> Expr<'m> {
                    $function(self.into_expr(other.model), other)
                }
            }
        };
    }

    array_operators!(Ix1, Ix2);
}
