//! Partial trace and partial transpose of matrices on a product of spaces.

use crate::algebra::{LinearMap, Shape};
use crate::expression::{Expr, Form};

impl<'m> Expr<'m> {
    /// Traces out one factor of a square matrix on the product of spaces of these dimensions.
    #[track_caller]
    pub fn partial_trace(self, dims: &[usize], axis: usize) -> Expr<'m> {
        let Some((inner, dim)) = self.factor(dims, axis) else {
            return self.model.issue(self.misfit("partial_trace", dims, axis), self.shape());
        };
        let n = self.shape().rows();
        let side = n / dim;
        // Index of the product space from that of the others and that of the factor.
        let whole = |rest: usize, own: usize| (rest / inner * dim + own) * inner + rest % inner;
        let mut map = LinearMap::new(self.size());
        for k in 0..side * side {
            let (i, j) = (k / side, k % side);
            map.push_row((0..dim).map(|own| (whole(i, own) * n + whole(j, own), 1.0)));
        }
        let shape = Shape::matrix(side, side);
        self.model.linear(Form::Call("partial_trace"), map, &[self], shape)
    }

    /// Transposes one factor of a square matrix on the product of spaces of these dimensions.
    #[track_caller]
    pub fn partial_transpose(self, dims: &[usize], axis: usize) -> Expr<'m> {
        let Some((inner, dim)) = self.factor(dims, axis) else {
            return self.model.issue(self.misfit("partial_transpose", dims, axis), self.shape());
        };
        let n = self.shape().rows();
        let own = |i: usize| i / inner % dim;
        let replaced = |i: usize, by: usize| i - own(i) * inner + by * inner;
        let source = |k: usize| {
            let (i, j) = (k / n, k % n);
            replaced(i, own(j)) * n + replaced(j, own(i))
        };
        let map = LinearMap::gather(self.size(), (0..n * n).map(source), 1.0);
        self.model.linear(Form::Call("partial_transpose"), map, &[self], self.shape())
    }

    /// The dimension behind the factor, and its own.
    fn factor(self, dims: &[usize], axis: usize) -> Option<(usize, usize)> {
        let total: usize = dims.iter().product();
        let fits = self.shape().is_square() && self.shape().rows() == total && total > 0;
        (fits && axis < dims.len()).then(|| (dims[axis + 1..].iter().product(), dims[axis]))
    }

    fn misfit(self, name: &str, dims: &[usize], axis: usize) -> String {
        let shape = self.shape();
        format!("{name}: dimensions {dims:?} and axis {axis} do not fit a {shape}")
    }
}
