//! Layers whose constraints may be violated, at a price: what infeasible samples are solved with.
//!
//! With violations e of the user's rows, `1/2 x'Px + q'x` subject to `Ax + s = b, s in K` becomes
//!
//! ```text
//! minimize    1/2 x'Px + q'x + price(e)
//! subject to  Ax + s - Ee = b,  s in K
//! ```
//!
//! where E has a column for each of these rows, and the price is `w/2 |e|^2`
//! ([`ViolationNorm::L2`]) or `w |e|_1` ([`ViolationNorm::L1`]). Rows that define auxiliary
//! variables of atoms are not relaxed: an atom stays what it is. The program is feasible whenever
//! these rows are. As w grows, e tends to the least violation, and x to the best point that has it.
//! With the squared norm e = z / w is unique and the program smooth wherever K is; the 1-norm is an
//! exact penalty (Fletcher 1987): a feasible sample whose duals are smaller than w is solved as if
//! nothing were relaxed.
//!
//! The price is relative to the program, whose units it must not depend on: [`Relaxation::weight`]
//! times `max(|P| / |A|^2, |q| / (|A| |b|))` for the squared norm, in units of the objective by
//! squares of those of the constraints, and times `|b|` for the 1-norm, with the largest entries as
//! sizes, rounded to a power of two. So it is constant almost everywhere, and derivatives are those
//! of the program at that price.

use argrad_solver::{Cone, KktLabel, Slot};

use super::Layer;
use super::data::{LayerData, OutputSpec, Source};
use super::forward::Numbers;
use super::price::{Price, Relaxation, ViolationNorm};
use crate::algebra::{LinearMap, Shape};
use crate::canonical::MatrixMap;
use crate::error::ModelError;

impl Layer {
    /// The layer of the relaxed program: for any parameters for which this one is infeasible, the
    /// point of least violation, up to the weight of the objective. It has the parameters and the
    /// outputs of this one and, last, the output `violation`: one number for each of
    /// [`Self::relaxed_rows`], how far `b - Ax` must move to be in K. Derivatives, of the violation
    /// too, are those of any layer.
    ///
    /// # Errors
    /// [`ModelError::Argument`] for a weight that is not positive and finite.
    pub fn relaxed(&self, relaxation: Relaxation) -> Result<Self, ModelError> {
        if !(relaxation.weight > 0.0 && relaxation.weight.is_finite()) {
            return Err(ModelError::Argument {
                argument: "weight".into(),
                expected: "a positive finite number".into(),
                found: relaxation.weight.to_string(),
            });
        }
        let rows = self.relaxed_rows();
        let mut data = LayerData::clone(&self.data);
        let inputs = data.assembled.variables;
        let columns = match relaxation.norm {
            ViolationNorm::L2 => squared(&mut data, &rows),
            ViolationNorm::L1 => absolute(&mut data, &rows),
        };
        let (variables, duals) = (data.assembled.variables, data.assembled.rows);
        for output in &mut data.outputs {
            let size = match output.source {
                Source::Primal => variables,
                Source::Dual => duals,
            };
            let mut map = LinearMap::new(size);
            (0..output.map.rows()).for_each(|row| map.push_row(output.map.row(row)));
            output.map = map;
        }
        let mut violation = LinearMap::new(variables);
        columns.into_iter().for_each(|row| violation.push_row(row));
        data.outputs.push(OutputSpec {
            name: "violation".into(),
            shape: Shape::vector(rows.len()),
            source: Source::Primal,
            map: violation,
            constant: vec![0.0; rows.len()],
            handle: None,
        });
        data.price = Some(Price { relaxation, first: inputs });
        let layer = Self::new(data, self.settings().clone())?.with_differentiation(self.how);
        match self.solver.device() {
            Some(device) => layer.on(device),
            None => Ok(layer),
        }
    }

    /// The rows that [`Self::relaxed`] relaxes: those of the user's constraints, in the order of
    /// [`Self::relaxed_constraints`]; all rows where the layer does not know whose they are.
    pub fn relaxed_rows(&self) -> Vec<usize> {
        self.constraints_once().into_iter().flat_map(|(_, rows)| rows).collect()
    }

    /// Whose rows are relaxed: each constraint with how many it has, by which the output
    /// `violation` is taken apart.
    pub fn relaxed_constraints(&self) -> Vec<(String, usize)> {
        self.constraints_once().into_iter().map(|(name, rows)| (name, rows.len())).collect()
    }

    /// Constraints with their rows, of which none is listed twice.
    fn constraints_once(&self) -> Vec<(String, Vec<usize>)> {
        let all = self.data.assembled.rows;
        let constraints = &self.data.names.constraints;
        if constraints.is_empty() {
            return vec![("the constraints".into(), (0..all).collect())];
        }
        let mut seen = vec![false; all];
        let mut own = |label: &KktLabel| {
            let rows = label.at.iter().cloned().flatten();
            rows.filter(|row| !std::mem::replace(&mut seen[*row], true)).collect()
        };
        constraints.iter().map(|label| (label.text.clone(), own(label))).collect()
    }
}

impl Layer {
    /// In a relaxed layer, multiplies what violations cost by each sample's price.
    pub(super) fn set_prices(&self, numbers: &mut Numbers<'_>) {
        let Some(price) = self.data.price else { return };
        let (at, maps) = (price.place(), self.maps());
        let variables = self.data.assembled.variables;
        let len = maps[at].len();
        let parts: [Slot<'_>; 4] = std::array::from_fn(|at| self.slot(numbers, at));
        let mut priced = Vec::with_capacity(numbers.batch * len);
        for sample in 0..numbers.batch {
            let own = std::array::from_fn(|at| parts[at].sample(sample, maps[at].len()));
            let factor = price.of(variables, own);
            priced.extend_from_slice(own[at]);
            let last = priced.len() - price.count(variables);
            priced[last..].iter_mut().for_each(|value| *value *= factor);
        }
        numbers.data[at] = priced;
        numbers.varies[at] = true;
    }
}

/// One column per row; P gets a one for each, to be multiplied by the price. Each number of the
/// violation as a map of the columns.
fn squared(data: &mut LayerData, rows: &[usize]) -> Vec<Vec<(usize, f64)>> {
    let program = &mut data.assembled;
    let first = program.variables;
    for (at, row) in rows.iter().enumerate() {
        append(&mut program.a, &[(*row, -1.0)]);
        append(&mut program.p, &[(first + at, 1.0)]);
        program.q.push(&mut [(0, 0.0)]);
    }
    finish(data, rows.len());
    (0..rows.len()).map(|at| vec![(first + at, 1.0)]).collect()
}

/// One nonnegative column per inequality, two for another row, one for either sign; q gets a one
/// for each, to be multiplied by the price.
fn absolute(data: &mut LayerData, rows: &[usize]) -> Vec<Vec<(usize, f64)>> {
    let program = &mut data.assembled;
    let first = program.variables;
    let mut inequality = Vec::with_capacity(program.rows);
    for cone in &program.cones {
        inequality.resize(inequality.len() + cone.dim(), matches!(cone, Cone::Nonnegative(_)));
    }
    let mut columns = 0;
    let mut violations = Vec::with_capacity(rows.len());
    for row in rows {
        let mut violation = Vec::new();
        for sign in if inequality[*row] { &[1.0][..] } else { &[1.0, -1.0] } {
            // e >= 0 is a row of its own, below the others.
            append(&mut program.a, &[(*row, -sign), (program.rows + columns, -1.0)]);
            program.p.colptr.push(program.p.rowval.len());
            program.q.push(&mut [(0, 1.0)]);
            violation.push((first + columns, *sign));
            columns += 1;
        }
        violations.push(violation);
    }
    for _ in 0..columns {
        program.b.push(&mut [(0, 0.0)]);
    }
    program.rows += columns;
    if columns > 0 {
        program.cones.push(Cone::Nonnegative(columns));
    }
    finish(data, columns);
    violations
}

/// Appends a column of constants.
fn append(matrix: &mut MatrixMap, column: &[(usize, f64)]) {
    for &(row, value) in column {
        matrix.rowval.push(row);
        matrix.map.push(&mut [(0, value)]);
    }
    matrix.colptr.push(matrix.rowval.len());
}

fn finish(data: &mut LayerData, columns: usize) {
    let program = &mut data.assembled;
    program.variables += columns;
    for map in [&mut program.p.map, &mut program.a.map, &mut program.q, &mut program.b] {
        *map = std::mem::take(map).finish();
    }
}
