//! Matrices that are symmetric or semidefinite for reasons that only the user knows.

use crate::algebra::LinearMap;
use crate::expression::{Expr, Form};

impl<'m> Expr<'m> {
    /// The symmetric part `(X + X') / 2` of a square matrix, positive semidefinite where X is known
    /// to be.
    #[track_caller]
    pub fn symmetric_part(self) -> Expr<'m> {
        let shape = self.shape();
        let n = shape.rows();
        if !shape.is_square() {
            let found = format!("symmetric_part: expected a square matrix, found a {shape}");
            return self.model.issue(found, shape);
        }
        let mut map = LinearMap::new(n * n);
        for (i, j) in (0..n * n).map(|k| (k / n, k % n)) {
            let halves = [(i * n + j, 0.5), (j * n + i, 0.5)];
            map.push_row(if i == j { vec![(i * n + i, 1.0)] } else { halves.to_vec() });
        }
        self.model.linear(Form::Call("symmetric_part"), map, &[self], shape)
    }

    /// The same square matrix, taken for positive semidefinite: a promise that nobody checks, for
    /// matrices of parameters in [`quad_form`](super::quad_form) of which the rules cannot see it.
    #[track_caller]
    pub fn assume_psd(self) -> Expr<'m> {
        let shape = self.shape();
        if !shape.is_square() {
            let found = format!("assume_psd: expected a square matrix, found a {shape}");
            return self.model.issue(found, shape);
        }
        let map = LinearMap::gather(shape.size(), 0..shape.size(), 1.0);
        self.model.linear(Form::Call("assume_psd"), map, &[self], shape)
    }
}
