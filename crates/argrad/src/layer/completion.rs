//! From values of the user's variables to a point of the program that is solved.
//!
//! The graph of an atom bounds it from one side by variables of its own; at a solution they are
//! tight. Given the user's variables, the tight ones minimize every positive combination of what
//! the rules of DCP let grow with them: the objective, and how much each constraint is violated. So
//! they are found by one convex program, in which the constraints themselves are left out: a point
//! that violates them can be completed too.

use argrad_solver::{Cone, KktLabel, Pattern, Settings, Slot, Solver, Structure, Values};

use super::Layer;
use super::data::Source;
use crate::error::ModelError;

/// A matrix under construction: (column, row, where its numbers are).
type Entries = Vec<(usize, usize, Number)>;

/// Where an entry of a matrix comes from.
#[derive(Clone, Copy)]
enum Number {
    /// The program's A, by position.
    Program(usize),
    Constant(f64),
}

impl Layer {
    /// x of every sample, `batch * n`, from (output, values) pairs; NaN where there is none.
    pub(super) fn complete(
        &self,
        values: &Values<'_>,
        given: &[(usize, &[f64])],
    ) -> Result<Vec<f64>, ModelError> {
        let (structure, batch) = (self.structure(), values.batch);
        let n = structure.variables();
        let given = self.read(batch, given)?;
        let kept = self.graph_rows();
        let (fixed, mut entries) = self.fixing_rows(&given)?;
        let mut cones = vec![Cone::Zero(fixed)];
        let (places, own_cones, count) = layout(structure, &kept);
        cones.extend(own_cones);
        for (at, (i, j)) in structure.a().entries().enumerate() {
            if let Some(place) = places[i] {
                entries.push((j, fixed + place, Number::Program(at)));
            }
        }
        entries.sort_unstable_by_key(|&(column, row, _)| (column, row));
        let pattern = pattern(fixed + count, n, &entries)?;
        let program = Structure::new(structure.p().clone(), pattern, cones)?;
        let direction = self.pressure();
        let (mut q, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for sample in 0..batch {
            let own_a = values.a.sample(sample, structure.a().nnz());
            let own_b = values.b.sample(sample, structure.rows());
            let start = q.len();
            q.extend_from_slice(values.q.sample(sample, n));
            for ((i, j), entry) in structure.a().entries().zip(own_a) {
                q[start + j] += direction[i] * entry;
            }
            a.extend(entries.iter().map(|(_, _, number)| match number {
                Number::Program(at) => own_a[*at],
                Number::Constant(value) => *value,
            }));
            for (output, values) in &given {
                let spec = &self.data.outputs[*output];
                let own = values.sample(sample, spec.constant.len());
                b.extend(own.iter().zip(&spec.constant).map(|(value, c)| value - c));
            }
            let rows = places.iter().enumerate().filter(|(_, place)| place.is_some());
            let first = b.len();
            b.resize(first + count, 0.0);
            rows.for_each(|(i, place)| b[first + place.unwrap_or(0)] = own_b[i]);
        }
        let settings = Settings { check_convexity: false, ..self.settings().clone() };
        let (q, a, b) = (Slot::Each(&q), Slot::Each(&a), Slot::Each(&b));
        let solution =
            Solver::new(program, settings)?.solve(&Values { batch, p: values.p, q, a, b })?;
        let mut x = solution.x;
        for (sample, _) in solution.reports.iter().enumerate().filter(|(_, r)| !r.is_solved()) {
            x[sample * n..(sample + 1) * n].fill(f64::NAN);
        }
        Ok(x)
    }

    /// The values as slots, with their lengths checked, and no variable of the user left out.
    fn read<'a>(
        &self,
        batch: usize,
        given: &[(usize, &'a [f64])],
    ) -> Result<Vec<(usize, Slot<'a>)>, ModelError> {
        let error = |argument: &str, expected: String, found: String| {
            Err(ModelError::Argument { argument: argument.into(), expected, found })
        };
        let mut is_fixed = vec![false; self.structure().variables()];
        let mut slots = Vec::with_capacity(given.len());
        for &(at, values) in given {
            let spec = &self.data.outputs[at];
            let size = spec.shape.size();
            if spec.source == Source::Dual {
                return error(&spec.name, "a variable".into(), "a dual".into());
            }
            let slot = match values.len() {
                len if len == size => Slot::Shared(values),
                len if len == batch * size => Slot::Each(values),
                len => {
                    return error(
                        &spec.name,
                        format!("{size} numbers, or {batch} x {size}"),
                        format!("{len} numbers"),
                    );
                }
            };
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return error(&spec.name, "finite numbers".into(), value.to_string());
            }
            spec.map.entries().for_each(|(_, column, _)| is_fixed[column] = true);
            slots.push((at, slot));
        }
        for label in &self.data.names.variables {
            if indices(label).any(|column| !is_fixed[column]) {
                let expected = "the values of every variable".into();
                return error(&label.text, expected, "none".into());
            }
        }
        Ok(slots)
    }

    /// Row by row, whether it belongs to the graph of an atom.
    fn graph_rows(&self) -> Vec<bool> {
        let mut kept = vec![true; self.structure().rows()];
        let names = &self.data.names;
        names.constraints.iter().flat_map(indices).for_each(|row| kept[row] = false);
        kept
    }

    /// Rows that give the user's variables their values.
    fn fixing_rows(&self, given: &[(usize, Slot<'_>)]) -> Result<(usize, Entries), ModelError> {
        let (mut rows, mut entries) = (0, Entries::new());
        for (output, _) in given {
            let spec = &self.data.outputs[*output];
            for (row, column, coef) in spec.map.entries() {
                entries.push((column, rows + row, Number::Constant(coef)));
            }
            rows += spec.constant.len();
        }
        Ok((rows, entries))
    }

    /// Row by row of A, the sign with which Ax of a constraint of the user is minimized: where that
    /// is one, the constraint is less violated the smaller it is.
    fn pressure(&self) -> Vec<f64> {
        let structure = self.structure();
        let mut of_rows = Vec::with_capacity(structure.rows());
        for cone in structure.cones() {
            match cone {
                // Concave in s = b - Ax.
                Cone::Nonnegative(k) => of_rows.extend(std::iter::repeat_n(1.0, *k)),
                Cone::SecondOrder(k) => of_rows.extend((0..*k).map(|i| f64::from(i == 0))),
                // x is convex, z concave.
                Cone::Exponential => of_rows.extend([-1.0, 0.0, 1.0]),
                Cone::Power(_) => of_rows.extend([1.0, 1.0, 0.0]),
                // Their arguments are affine.
                Cone::Zero(_) | Cone::PsdTriangle(_) | Cone::GeneralizedPower { .. } => {
                    of_rows.extend(std::iter::repeat_n(0.0, cone.dim()));
                }
            }
        }
        let kept = self.graph_rows();
        of_rows.iter_mut().zip(kept).filter(|(_, kept)| *kept).for_each(|(sign, _)| *sign = 0.0);
        of_rows
    }
}

/// The rows or columns of a label.
fn indices(label: &KktLabel) -> impl Iterator<Item = usize> + '_ {
    label.at.iter().cloned().flatten()
}

/// Where each kept row goes, the cones of those rows, and how many they are.
fn layout(structure: &Structure, kept: &[bool]) -> (Vec<Option<usize>>, Vec<Cone>, usize) {
    let (mut places, mut cones, mut row, mut count) = (vec![None; kept.len()], Vec::new(), 0, 0);
    for cone in structure.cones() {
        let rows = row..row + cone.dim();
        row = rows.end;
        let first = count;
        for i in rows.filter(|&i| kept[i]) {
            places[i] = Some(count);
            count += 1;
        }
        match cone {
            Cone::Zero(_) => cones.push(Cone::Zero(count - first)),
            Cone::Nonnegative(_) => cones.push(Cone::Nonnegative(count - first)),
            _ if count > first => cones.push(cone.clone()),
            _ => {}
        }
    }
    (places, cones, count)
}

/// The pattern of entries in the order of columns.
fn pattern(rows: usize, cols: usize, entries: &Entries) -> Result<Pattern, ModelError> {
    let mut colptr = vec![0; cols + 1];
    entries.iter().for_each(|&(column, ..)| colptr[column + 1] += 1);
    (0..cols).for_each(|j| colptr[j + 1] += colptr[j]);
    let rowval = entries.iter().map(|&(_, row, _)| row).collect();
    Ok(Pattern::new(rows, cols, colptr, rowval)?)
}
