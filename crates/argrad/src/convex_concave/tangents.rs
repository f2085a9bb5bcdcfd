//! The numbers of tangents at a point, and how they move with the point and the parameters.
//!
//! In place of an expression `e(x, theta)` stands `J x + c` with `J = de/dx` and `c = e - J x` at
//! the last point. Its derivative has the second derivative of e in it: with cotangents `J*` and
//! `c*`, and the rows `m_i = J*_i - c*_i x` (where J has entries),
//!
//! ```text
//! x*     = sum_i  d/dx      (de_i/dx m_i)
//! theta* = sum_i  d/dtheta  (de_i/dx m_i)  +  c* de/dtheta
//! ```
//!
//! Rows of J that share no column are differentiated together.

use crate::function::Function;

/// All tangents of a problem.
#[derive(Clone, Debug)]
pub(super) struct Tangents {
    list: Vec<Tangent>,
    /// Numbers of all variables.
    variables: usize,
}

/// The tangent of one expression.
#[derive(Clone, Debug)]
struct Tangent {
    /// Which root of the function it is.
    root: usize,
    parts: Vec<Part>,
    rows: usize,
    /// Rows that share no column.
    groups: Vec<Vec<usize>>,
}

/// The derivative with respect to one variable.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// First number of the variable among those of all variables.
    first: usize,
    /// Columns of each row, ascending.
    columns: Vec<Vec<usize>>,
}

impl Part {
    pub fn new(first: usize, columns: Vec<Vec<usize>>) -> Self {
        Self { first, columns }
    }

    /// (row, number of the variable among all) of each entry, in the order of the parameter.
    fn entries(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let first = self.first;
        self.columns
            .iter()
            .enumerate()
            .flat_map(move |(row, columns)| columns.iter().map(move |column| (row, first + column)))
    }
}

impl Tangent {
    fn new(root: usize, parts: Vec<Part>) -> Self {
        let rows = parts.first().map_or(0, |part| part.columns.len());
        let mut groups: Vec<(Vec<usize>, std::collections::HashSet<usize>)> = Vec::new();
        for row in 0..rows {
            let own: Vec<usize> = parts
                .iter()
                .flat_map(|part| part.columns[row].iter().map(|column| part.first + column))
                .collect();
            match groups.iter_mut().find(|(_, taken)| own.iter().all(|at| !taken.contains(at))) {
                Some((rows, taken)) => {
                    rows.push(row);
                    taken.extend(own);
                }
                None => groups.push((vec![row], own.into_iter().collect())),
            }
        }
        Self { root, parts, rows, groups: groups.into_iter().map(|(rows, _)| rows).collect() }
    }

    /// 1 in the rows of a group.
    fn unit(&self, group: &[usize]) -> Vec<f64> {
        let mut unit = vec![0.0; self.rows];
        group.iter().for_each(|row| unit[*row] = 1.0);
        unit
    }

    /// The numbers of J, part by part, from a function of the rows of a group that gives their
    /// gradients in one.
    fn gather(&self, gradient: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
        let mut dense: Vec<Vec<f64>> = vec![Vec::new(); self.rows];
        for group in &self.groups {
            let found = gradient(&self.unit(group));
            group.iter().for_each(|row| dense[*row].clone_from(&found));
        }
        let numbers = |part: &Part| part.entries().map(|(row, at)| dense[row][at]).collect();
        self.parts.iter().map(numbers).collect()
    }
}

impl Tangents {
    /// Roots of the function with the derivatives of each, of variables of this many numbers.
    pub fn new(list: Vec<(usize, Vec<Part>)>, variables: usize) -> Self {
        let list = list.into_iter().map(|(root, parts)| Tangent::new(root, parts)).collect();
        Self { list, variables }
    }

    /// Number of parameters of the layer that hold tangents: of each c, then J by variable.
    pub fn count(&self) -> usize {
        self.list.iter().map(|tangent| 1 + tangent.parts.len()).sum()
    }

    /// Their numbers at a point, whose steps of the function are `theta`.
    pub fn numbers(&self, function: &Function, theta: &[f64], x: &[f64]) -> Vec<Vec<f64>> {
        let mut out = Vec::with_capacity(self.count());
        for tangent in &self.list {
            let root = tangent.root;
            let slopes = tangent.gather(|unit| function.gradient(theta, root, unit));
            let mut constant = function.value(theta, root).to_vec();
            for (part, slopes) in tangent.parts.iter().zip(&slopes) {
                part.entries().zip(slopes).for_each(|((row, at), j)| constant[row] -= j * x[at]);
            }
            out.push(constant);
            out.extend(slopes);
        }
        out
    }

    /// The size of what is linearized: the largest term of `J x + c`.
    pub fn size(&self, numbers: &[Vec<f64>], x: &[f64]) -> f64 {
        let mut rest = numbers.iter();
        let mut size = 0.0f64;
        for tangent in &self.list {
            let constant = rest.next().into_iter().flatten();
            constant.for_each(|c| size = size.max(c.abs()));
            for part in &tangent.parts {
                let slopes = rest.next().into_iter().flatten();
                part.entries()
                    .zip(slopes)
                    .for_each(|((_, at), j)| size = size.max((j * x[at]).abs()));
            }
        }
        size
    }

    /// From cotangents of the numbers to those of the function's inputs: the variables, then the
    /// parameters.
    pub fn pull_back(
        &self,
        function: &Function,
        theta: &[f64],
        x: &[f64],
        cotangents: &[&[f64]],
    ) -> Vec<f64> {
        let mut out = vec![0.0; function.inputs()];
        let mut rest = cotangents.iter();
        for tangent in &self.list {
            let constant: &[f64] = rest.next().copied().unwrap_or_default();
            // The rows m_i, added up by group, where they share no column.
            let mut of_group = vec![0; tangent.rows];
            for (at, group) in tangent.groups.iter().enumerate() {
                group.iter().for_each(|row| of_group[*row] = at);
            }
            let mut directions = vec![vec![0.0; function.inputs()]; tangent.groups.len()];
            for part in &tangent.parts {
                let slopes: &[f64] = rest.next().copied().unwrap_or_default();
                for ((row, at), j) in part.entries().zip(slopes) {
                    directions[of_group[row]][at] = j - constant[row] * x[at];
                }
            }
            for (group, direction) in tangent.groups.iter().zip(&directions) {
                let second = function.second(theta, tangent.root, &tangent.unit(group), direction);
                out.iter_mut().zip(second).for_each(|(out, v)| *out += v);
            }
            let direct = function.gradient(theta, tangent.root, constant);
            let parameters = self.variables..function.inputs();
            out[parameters.clone()].iter_mut().zip(&direct[parameters]).for_each(|(o, v)| *o += v);
        }
        out
    }

    /// How the numbers move along a direction of the function's inputs.
    pub fn push_forward(
        &self,
        function: &Function,
        theta: &[f64],
        x: &[f64],
        direction: &[f64],
    ) -> Vec<Vec<f64>> {
        let mut out = Vec::with_capacity(self.count());
        for tangent in &self.list {
            let root = tangent.root;
            let slopes = tangent.gather(|unit| function.second(theta, root, unit, direction));
            // dc = de - dJ x - J dx: of de, what the parameters do.
            let mut of_parameters = direction.to_vec();
            of_parameters[..self.variables].fill(0.0);
            let mut constant = function.tangent(theta, root, &of_parameters);
            for (part, slopes) in tangent.parts.iter().zip(&slopes) {
                part.entries().zip(slopes).for_each(|((row, at), j)| constant[row] -= j * x[at]);
            }
            out.push(constant);
            out.extend(slopes);
        }
        out
    }
}
