//! Affine operations.

use argrad::atom::LinearMap;
use argrad::atoms;
use argrad::model::Expr;
use pyo3::prelude::*;

use super::node::Node;
use super::table::Function;

pub(super) const AFFINE: &[(&str, Function)] = &[
    ("map", map),
    ("gather", gather),
    ("add", add),
    ("negate", |node| Ok(-node.take::<1>()?[0])),
    ("scale", |node| Ok(node.number(0)? * node.take::<1>()?[0])),
    ("multiply", |node| node.take().map(|[a, b]| a * b)),
    ("divide", |node| node.take().map(|[a, b]| a / b)),
    ("matmul", |node| node.take().map(|[a, b]| a.matmul(b))),
    ("dot", |node| node.take().map(|[a, b]| a.dot(b))),
    ("kron", |node| node.take().map(|[a, b]| atoms::kron(a, b))),
    ("convolve", |node| node.take().map(|[a, b]| atoms::conv(a, b))),
    ("sum", |node| node.take().map(|[x]| x.sum())),
    ("transpose", |node| node.take().map(|[x]| x.t())),
    ("diag", |node| node.take().map(|[x]| x.diag())),
    ("trace", |node| node.take().map(|[x]| x.trace())),
    ("symmetric_part", |node| node.take().map(|[x]| x.symmetric_part())),
    ("assume_psd", |node| node.take().map(|[x]| x.assume_psd())),
];

/// `(shape, indptr, columns, coefficients)`: a sparse matrix by rows times the elements of all
/// arguments.
fn map<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    let (indptr, columns, numbers) = (node.indices(1)?, node.indices(2)?, node.reals(3)?);
    let (indptr, columns) = (indptr.as_slice()?, columns.as_slice()?);
    let numbers = numbers.as_slice()?;
    let mut map = LinearMap::new(node.args.iter().map(Expr::size).sum());
    for ends in indptr.windows(2) {
        let row = usize::try_from(ends[0]).ok().zip(usize::try_from(ends[1]).ok());
        let row = row.and_then(|(start, end)| columns.get(start..end).zip(numbers.get(start..end)));
        let Some((columns, numbers)) = row else {
            return Err(node.error("rows in order"));
        };
        // A column that is no input is refused by the model.
        let column = |column: &i64| usize::try_from(*column).unwrap_or(usize::MAX);
        map.push_row(columns.iter().map(column).zip(numbers.iter().copied()));
    }
    Ok(node.model.linear_map(map, &node.args, node.shape(0)?))
}

/// `(shape, positions)`: elements of all arguments by position; zero where it is negative.
fn gather<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    let positions = node.indices(1)?;
    let mut map = LinearMap::new(node.args.iter().map(Expr::size).sum());
    for position in positions.as_slice()? {
        map.push_row(usize::try_from(*position).ok().map(|position| (position, 1.0)));
    }
    Ok(node.model.linear_map(map, &node.args, node.shape(0)?))
}

/// The sum of arguments of one shape.
fn add<'m>(node: &Node<'_, 'm, '_>) -> PyResult<Expr<'m>> {
    let Some((first, rest)) = node.args.split_first() else {
        return Err(node.error("arguments"));
    };
    // Two at a time keep what the rules know of sums of semidefinite matrices.
    if rest.len() < 3 {
        return Ok(rest.iter().fold(*first, |sum, arg| sum + *arg));
    }
    if rest.iter().any(|arg| arg.shape() != first.shape()) {
        return Err(node.error("arguments of one shape"));
    }
    let (len, count) = (first.size(), node.args.len());
    let mut map = LinearMap::new(len * count);
    (0..len).for_each(|k| map.push_row((0..count).map(|arg| (arg * len + k, 1.0))));
    Ok(node.model.linear_map(map, &node.args, first.shape()))
}
