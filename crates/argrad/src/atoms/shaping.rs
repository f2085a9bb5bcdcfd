//! Sums over axes, and operations that only move elements.

use crate::algebra::{LinearMap, Shape};
use crate::expression::{Expr, Form, Model};

impl<'m> Expr<'m> {
    /// Elements picked one by one.
    #[track_caller]
    fn pick(self, form: Form, shape: Shape, source: impl Fn(usize) -> usize) -> Expr<'m> {
        let map = LinearMap::gather(self.size(), (0..shape.size()).map(source), 1.0);
        self.model.linear(form, map, &[self], shape)
    }

    /// The sum of all elements.
    #[track_caller]
    pub fn sum(self) -> Expr<'m> {
        self.total("sum", 1.0)
    }

    /// The mean of all elements.
    #[track_caller]
    pub fn mean(self) -> Expr<'m> {
        self.total("mean", 1.0 / self.size().max(1) as f64)
    }

    #[track_caller]
    fn total(self, name: &'static str, coef: f64) -> Expr<'m> {
        let mut map = LinearMap::new(self.size());
        map.push_row((0..self.size()).map(|k| (k, coef)));
        self.model.linear(Form::Call(name), map, &[self], Shape::SCALAR)
    }

    /// Sums along an axis of a matrix: 0 sums over rows (one number per column), 1 over columns.
    #[track_caller]
    pub fn sum_axis(self, axis: usize) -> Expr<'m> {
        self.totals("sum_axis", axis, |_| 1.0)
    }

    /// Means along an axis of a matrix, as [`Self::sum_axis`].
    #[track_caller]
    pub fn mean_axis(self, axis: usize) -> Expr<'m> {
        self.totals("mean_axis", axis, |len| 1.0 / len as f64)
    }

    #[track_caller]
    fn totals(self, name: &'static str, axis: usize, coef: impl Fn(usize) -> f64) -> Expr<'m> {
        let shape = self.shape();
        let (m, n) = (shape.rows(), shape.cols());
        if shape.ndim() != 2 || axis > 1 {
            let found =
                format!("{name}: expected axis 0 or 1 of a matrix, found axis {axis} of a {shape}");
            return self.model.issue(found, Shape::SCALAR);
        }
        let (len, along) = if axis == 0 { (n, m) } else { (m, n) };
        let (coef, mut map) = (coef(along), LinearMap::new(self.size()));
        for k in 0..len {
            let at = |l: usize| if axis == 0 { l * n + k } else { k * n + l };
            map.push_row((0..along).map(|l| (at(l), coef)));
        }
        self.model.linear(Form::Call(name), map, &[self], Shape::vector(len))
    }

    /// The sum of the diagonal of a square matrix.
    #[track_caller]
    pub fn trace(self) -> Expr<'m> {
        let shape = self.shape();
        if !shape.is_square() {
            let found = format!("trace: expected a square matrix, found a {shape}");
            return self.model.issue(found, Shape::SCALAR);
        }
        let mut map = LinearMap::new(self.size());
        map.push_row((0..shape.rows()).map(|i| (i * (shape.rows() + 1), 1.0)));
        self.model.linear(Form::Call("trace"), map, &[self], Shape::SCALAR)
    }

    /// The diagonal of a square matrix, or the diagonal matrix of a vector.
    #[track_caller]
    pub fn diag(self) -> Expr<'m> {
        let shape = self.shape();
        let n = shape.rows();
        if shape.is_square() {
            return self.pick(Form::Call("diag"), Shape::vector(n), |i| i * (n + 1));
        }
        if shape.ndim() != 1 {
            let found = format!("diag: expected a vector or a square matrix, found a {shape}");
            return self.model.issue(found, Shape::SCALAR);
        }
        let mut map = LinearMap::new(n);
        for k in 0..n * n {
            map.push_row((k / n == k % n).then_some((k / n, 1.0)));
        }
        self.model.linear(Form::Call("diag"), map, &[self], Shape::matrix(n, n))
    }

    /// The same elements, row-major, in another shape.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Expr<'m> {
        let shape = shape.into();
        if shape.size() != self.size() {
            let found = format!("reshape: a {} has not the size of a {shape}", self.shape());
            return self.model.issue(found, shape);
        }
        self.pick(Form::Call("reshape"), shape, |k| k)
    }

    /// All elements, row-major, as a vector.
    #[track_caller]
    pub fn flatten(self) -> Expr<'m> {
        self.pick(Form::Call("vec"), Shape::vector(self.size()), |k| k)
    }

    /// The transposed matrix; a vector or scalar stays as it is.
    #[track_caller]
    pub fn t(self) -> Expr<'m> {
        let shape = self.shape();
        if shape.ndim() != 2 {
            return self;
        }
        let (m, n) = (shape.rows(), shape.cols());
        self.pick(Form::Call("transpose"), Shape::matrix(n, m), |k| (k % m) * n + k / m)
    }

    /// Element `i` of a vector, or row `i` of a matrix.
    #[track_caller]
    pub fn index(self, i: usize) -> Expr<'m> {
        let shape = self.shape();
        let result = if shape.ndim() == 2 { Shape::vector(shape.cols()) } else { Shape::SCALAR };
        if shape.ndim() == 0 || i >= shape.rows() {
            return self.model.issue(format!("index {i} of a {shape} ({self})"), result);
        }
        self.pick(Form::Index(i.to_string()), result, |k| i * shape.cols() + k)
    }

    /// Element (i, j) of a matrix.
    #[track_caller]
    pub fn at(self, i: usize, j: usize) -> Expr<'m> {
        let shape = self.shape();
        if shape.ndim() != 2 || i >= shape.rows() || j >= shape.cols() {
            return self
                .model
                .issue(format!("index ({i}, {j}) of a {shape} ({self})"), Shape::SCALAR);
        }
        self.pick(Form::Index(format!("{i}, {j}")), Shape::SCALAR, |_| i * shape.cols() + j)
    }

    /// Column `j` of a matrix, as a vector.
    #[track_caller]
    pub fn col(self, j: usize) -> Expr<'m> {
        let shape = self.shape();
        if shape.ndim() != 2 || j >= shape.cols() {
            let found = format!("column {j} of a {shape} ({self})");
            return self.model.issue(found, Shape::vector(shape.rows()));
        }
        let form = Form::Index(format!(":, {j}"));
        self.pick(form, Shape::vector(shape.rows()), |k| k * shape.cols() + j)
    }

    /// Elements of a vector, or rows of a matrix, in a range.
    #[track_caller]
    pub fn slice(self, range: impl std::ops::RangeBounds<usize>) -> Expr<'m> {
        let shape = self.shape();
        let (start, end) = ends(&range, shape.rows());
        let len = end.saturating_sub(start);
        let result =
            if shape.ndim() == 2 { Shape::matrix(len, shape.cols()) } else { Shape::vector(len) };
        if shape.ndim() == 0 || end > shape.rows() || start > end {
            return self.model.issue(format!("slice {start}..{end} of a {shape} ({self})"), result);
        }
        let form = Form::Index(format!("{start}..{end}"));
        self.pick(form, result, |k| start * shape.cols() + k)
    }

    /// The block of a matrix in these ranges of rows and columns.
    #[track_caller]
    pub fn block(
        self,
        rows: impl std::ops::RangeBounds<usize>,
        cols: impl std::ops::RangeBounds<usize>,
    ) -> Expr<'m> {
        let shape = self.shape();
        let (r, c) = (ends(&rows, shape.rows()), ends(&cols, shape.cols()));
        let (m, n) = (r.1.saturating_sub(r.0), c.1.saturating_sub(c.0));
        let form = Form::Index(format!("{}..{}, {}..{}", r.0, r.1, c.0, c.1));
        let fits = r.0 <= r.1 && r.1 <= shape.rows() && c.0 <= c.1 && c.1 <= shape.cols();
        if shape.ndim() != 2 || !fits {
            let found = format!("block {}..{}, {}..{} of a {shape} ({self})", r.0, r.1, c.0, c.1);
            return self.model.issue(found, Shape::matrix(m, n));
        }
        self.pick(form, Shape::matrix(m, n), |k| (r.0 + k / n) * shape.cols() + c.0 + k % n)
    }

    /// Elements by position, as a vector (positions in a matrix are row-major).
    #[track_caller]
    pub fn gather(self, positions: &[usize]) -> Expr<'m> {
        let shape = Shape::vector(positions.len());
        if let Some(k) = positions.iter().find(|k| **k >= self.size()) {
            return self.model.issue(format!("element {k} of a {} ({self})", self.shape()), shape);
        }
        self.pick(Form::Call("gather"), shape, |k| positions[k])
    }

    /// Differences of neighbouring elements of a vector, or rows of a matrix.
    #[track_caller]
    pub fn diff(self) -> Expr<'m> {
        let shape = self.shape();
        let (m, n) = (shape.rows(), shape.cols());
        if shape.ndim() == 0 || m == 0 {
            return self.model.issue(format!("diff: expected a vector, found a {shape}"), shape);
        }
        let result = if shape.ndim() == 2 { Shape::matrix(m - 1, n) } else { Shape::vector(m - 1) };
        let mut map = LinearMap::new(self.size());
        (0..result.size()).for_each(|k| map.push_row([(k + n, 1.0), (k, -1.0)]));
        self.model.linear(Form::Call("diff"), map, &[self], result)
    }

    /// Sums of all elements (rows of a matrix) up to each.
    #[track_caller]
    pub fn cumsum(self) -> Expr<'m> {
        let (shape, n) = (self.shape(), self.shape().cols());
        let mut map = LinearMap::new(self.size());
        for k in 0..self.size() {
            map.push_row((0..=k / n).map(|i| (i * n + k % n, 1.0)));
        }
        self.model.linear(Form::Call("cumsum"), map, &[self], shape)
    }

    /// The entries above (and on, with `diagonal`) the diagonal of a square matrix, row by row.
    #[track_caller]
    pub fn upper_tri(self, diagonal: bool) -> Expr<'m> {
        let shape = self.shape();
        if !shape.is_square() {
            let found = format!("upper_tri: expected a square matrix, found a {shape}");
            return self.model.issue(found, Shape::SCALAR);
        }
        let n = shape.rows();
        let first = |i: usize| if diagonal { i } else { i + 1 };
        let at: Vec<usize> = (0..n).flat_map(|i| (first(i)..n).map(move |j| i * n + j)).collect();
        self.pick(Form::Call("upper_tri"), Shape::vector(at.len()), |k| at[k])
    }
}

fn ends(range: &impl std::ops::RangeBounds<usize>, len: usize) -> (usize, usize) {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let start = match range.start_bound() {
        Included(s) => *s,
        Excluded(s) => s.saturating_add(1),
        Unbounded => 0,
    };
    let end = match range.end_bound() {
        Included(e) => e.saturating_add(1),
        Excluded(e) => *e,
        Unbounded => len,
    };
    (start, end)
}

/// Vectors end to end (scalars count as one entry), or matrices side by side.
#[track_caller]
pub fn hstack<'m>(parts: &[Expr<'m>]) -> Expr<'m> {
    stack("hstack", parts, 1)
}

/// Matrices on top of each other; vectors count as rows, so that vectors make a matrix.
#[track_caller]
pub fn vstack<'m>(parts: &[Expr<'m>]) -> Expr<'m> {
    stack("vstack", parts, 0)
}

/// A matrix of blocks, row by row of blocks.
#[track_caller]
pub fn bmat<'m>(rows: &[&[Expr<'m>]]) -> Expr<'m> {
    let mut stacked = Vec::new();
    for row in rows {
        let columns: Vec<Expr<'m>> = row
            .iter()
            .map(|part| match part.shape().ndim() {
                2 => *part,
                _ => part.reshape((part.size(), 1)),
            })
            .collect();
        stacked.push(stack("bmat", &columns, 1));
    }
    stack("bmat", &stacked, 0)
}

#[track_caller]
fn stack<'m>(name: &'static str, parts: &[Expr<'m>], axis: usize) -> Expr<'m> {
    let Some(first) = parts.first() else {
        return Model::orphan(format!("{name}: expected at least one expression, found none"));
    };
    let model = first.model;
    let inputs = parts.iter().map(Expr::size).sum();
    if axis == 1 && parts.iter().all(|part| part.shape().ndim() < 2) {
        let map = LinearMap::gather(inputs, 0..inputs, 1.0);
        return model.linear(Form::Call(name), map, parts, Shape::vector(inputs));
    }
    let sides = |part: &Expr<'_>| match part.shape().ndim() {
        2 => (part.shape().rows(), part.shape().cols()),
        _ if axis == 0 => (1, part.size()),
        _ => (part.size(), 1),
    };
    let across = |part: &Expr<'_>| if axis == 0 { sides(part).1 } else { sides(part).0 };
    let width = across(&parts[0]);
    if let Some(bad) = parts.iter().find(|part| across(part) != width) {
        let found = format!("{name}: shapes do not fit, {} and {}", parts[0].shape(), bad.shape());
        return model.issue(found, parts[0].shape());
    }
    let mut sources = Vec::with_capacity(inputs);
    if axis == 0 {
        sources.extend(0..inputs);
    } else {
        for i in 0..width {
            let mut offset = 0;
            for part in parts {
                let cols = sides(part).1;
                sources.extend((0..cols).map(|j| offset + i * cols + j));
                offset += part.size();
            }
        }
    }
    let along = inputs.checked_div(width).unwrap_or(0);
    let shape = if axis == 0 { Shape::matrix(along, width) } else { Shape::matrix(width, along) };
    let map = LinearMap::gather(inputs, sources, 1.0);
    model.linear(Form::Call(name), map, parts, shape)
}
