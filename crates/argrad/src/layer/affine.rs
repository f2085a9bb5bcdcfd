//! A layer from maps that were made elsewhere: the door for other modelling languages.

use std::sync::Arc;

use argrad_solver::{Cone, KktLabel, Pattern, Settings};

use super::Layer;
use super::data::{LayerData, Names, OutputSpec, ParameterSpec, Source};
use crate::algebra::{LinearMap, Shape};
use crate::atom::Derivation;
use crate::canonical::{Assembled, MatrixMap, ParameterMap};
use crate::error::ModelError;

/// A sparse affine map `base + M theta` in compressed rows, one row a number of the result.
#[derive(Clone, Copy, Debug)]
pub struct AffineMap<'a> {
    /// Start of each row in the two arrays below, and the end of the last.
    pub indptr: &'a [i64],
    /// Columns of the entries: positions in what is mapped.
    pub indices: &'a [i64],
    /// The entries.
    pub data: &'a [f64],
    /// The constant part, one number per row.
    pub base: &'a [f64],
}

/// An output of an [`AffineProgram`].
#[derive(Clone, Debug)]
pub struct AffineOutput<'a> {
    /// Its name, for errors.
    pub name: String,
    /// Whether it is a function of the duals z instead of the variables x.
    pub dual: bool,
    /// The function.
    pub map: AffineMap<'a>,
}

/// A program in standard form whose numbers are affine functions of parameters theta:
///
/// ```text
/// minimize    1/2 x'P(theta)x + q(theta)'x + c(theta)
/// subject to  A(theta)x + s = b(theta),   s in K
/// ```
#[derive(Clone, Debug)]
pub struct AffineProgram<'a> {
    /// Pattern of the upper triangle of P.
    pub p_pattern: Pattern,
    /// Pattern of A.
    pub a_pattern: Pattern,
    /// K, in the order of the rows of A.
    pub cones: Vec<Cone>,
    /// The stored entries of P, of its upper triangle.
    pub p: AffineMap<'a>,
    /// q.
    pub q: AffineMap<'a>,
    /// The stored entries of A.
    pub a: AffineMap<'a>,
    /// b. In a nonnegative row `+inf`, or any number from 1e19 on, is no constraint: the row is
    /// left out, its dual is zero and its slack infinite.
    pub b: AffineMap<'a>,
    /// c: one number.
    pub constant: AffineMap<'a>,
    /// Names and lengths of the parameters; theta is all of them in this order.
    pub parameters: Vec<(String, usize)>,
    /// What the layer returns.
    pub outputs: Vec<AffineOutput<'a>>,
    /// Whether the objective above is the negative of the one that the user knows.
    pub maximize: bool,
}

impl AffineMap<'_> {
    /// Whether it maps `columns` numbers to `rows`.
    fn check(&self, name: &str, rows: usize, columns: usize) -> Result<(), ModelError> {
        let error = |expected: String, found: String| {
            let argument = format!("the map to {name}");
            Err(ModelError::Argument { argument, expected, found })
        };
        if self.indptr.len() != rows + 1 || self.base.len() != rows {
            let starts = self.indptr.len();
            let found = format!("{starts} row starts and {} constants", self.base.len());
            return error(format!("{} row starts and {rows} constants", rows + 1), found);
        }
        let ends = [self.indptr[0], self.indptr[rows]];
        let entries = self.indices.len() as i64;
        if ends != [0, entries] || self.data.len() as i64 != entries || !self.indptr.is_sorted() {
            return error(
                "row starts that grow from 0 to the number of entries".into(),
                format!("{ends:?} with {entries} columns and {} entries", self.data.len()),
            );
        }
        if let Some(index) = self.indices.iter().find(|&&i| i < 0 || i >= columns as i64) {
            return error(format!("columns from 0 to {}", columns as i64 - 1), index.to_string());
        }
        if let Some(value) = self.data.iter().find(|v| !v.is_finite()) {
            return error("finite entries".into(), value.to_string());
        }
        if let Some(value) = self.base.iter().find(|v| v.is_nan()) {
            return error("constants that are numbers".into(), value.to_string());
        }
        Ok(())
    }

    /// (column, entry) of each row.
    fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = (usize, f64)>> {
        self.indptr.windows(2).map(|ends| {
            let range = ends[0] as usize..ends[1] as usize;
            let columns = self.indices[range.clone()].iter().map(|index| *index as usize);
            columns.zip(self.data[range].iter().copied())
        })
    }

    fn to_parameter_map(
        self,
        name: &str,
        rows: usize,
        theta: usize,
    ) -> Result<ParameterMap, ModelError> {
        self.check(name, rows, theta)?;
        let mut map = ParameterMap::new();
        let mut terms = Vec::new();
        for (row, base) in self.rows().zip(self.base) {
            terms.clear();
            terms.push((0, *base));
            terms.extend(row.map(|(column, coef)| (column as u32 + 1, coef)));
            map.push(&mut terms);
        }
        Ok(map.finish())
    }
}

impl Layer {
    /// A layer whose program is affine in its parameters, from maps that the caller made.
    ///
    /// # Errors
    /// [`ModelError::Argument`] for maps that do not fit the patterns or the parameters; those of
    /// the solver for patterns, cones and settings.
    pub fn from_affine(program: AffineProgram<'_>, settings: Settings) -> Result<Self, ModelError> {
        let theta: usize = program.parameters.iter().map(|(_, len)| len).sum();
        let (variables, rows) = (program.a_pattern.cols(), program.a_pattern.rows());
        let matrix = |name, pattern: &Pattern, map: AffineMap<'_>| {
            Ok::<_, ModelError>(MatrixMap {
                colptr: pattern.colptr().to_vec(),
                rowval: pattern.rowval().to_vec(),
                map: map.to_parameter_map(name, pattern.nnz(), theta)?,
            })
        };
        let assembled = Assembled {
            variables,
            rows,
            cones: program.cones,
            p: matrix("P", &program.p_pattern, program.p)?,
            q: program.q.to_parameter_map("q", variables, theta)?,
            a: matrix("A", &program.a_pattern, program.a)?,
            b: program.b.to_parameter_map("b", rows, theta)?,
            constant: program.constant.to_parameter_map("the objective's constant", 1, theta)?,
        };
        let mut offset = 0;
        let parameters = program.parameters.into_iter().map(|(name, len)| {
            let spec = ParameterSpec::plain(name, offset, len);
            offset += len;
            spec
        });
        let parameters = parameters.collect();
        let mut outputs = Vec::with_capacity(program.outputs.len());
        for output in program.outputs {
            let size = output.map.base.len();
            let inputs = if output.dual { rows } else { variables };
            let mut map = LinearMap::new(inputs);
            output.map.check(&format!("the output {}", output.name), size, inputs)?;
            output.map.rows().for_each(|row| map.push_row(row));
            outputs.push(OutputSpec {
                name: output.name,
                shape: Shape::vector(size),
                source: if output.dual { Source::Dual } else { Source::Primal },
                map,
                constant: output.map.base.to_vec(),
                handle: None,
            });
        }
        let data = LayerData {
            maximize: program.maximize,
            program: Derivation::new(theta),
            assembled,
            parameters,
            outputs,
            names: Names::default(),
            price: None,
        };
        Layer::new(data, settings)
    }
}

impl Layer {
    /// The same layer with names for constraints: which rows of A each of them is, in its own
    /// order. [`Self::conditions`] calls them so, and [`Self::conditions_at`] takes the rows that
    /// no constraint has for those that define variables which the user did not declare.
    ///
    /// # Errors
    /// [`ModelError::Argument`] for rows that there are not.
    pub fn with_constraints(mut self, constraints: Vec<KktLabel>) -> Result<Self, ModelError> {
        let rows = self.data.assembled.rows;
        for label in &constraints {
            if let Some(at) = label.at.iter().find(|at| at.start > at.end || at.end > rows) {
                return Err(ModelError::Argument {
                    argument: format!("constraint {}", label.text),
                    expected: format!("rows from 0 to {rows}"),
                    found: format!("{at:?}"),
                });
            }
        }
        Arc::make_mut(&mut self.data).names.constraints = constraints;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use argrad_solver::{Cone, Pattern};

    use super::Layer;
    use super::{AffineMap, AffineOutput, AffineProgram};
    use argrad_solver::Settings;

    fn program<'a>(b: AffineMap<'a>) -> AffineProgram<'a> {
        // minimize 1/2 x^2 + p x  subject to  x <= 2 r
        let none = AffineMap { indptr: &[0, 0], indices: &[], data: &[], base: &[0.0] };
        let one = AffineMap { base: &[1.0], ..none };
        let identity = AffineMap { indptr: &[0, 1], indices: &[0], data: &[1.0], base: &[0.0] };
        AffineProgram {
            p_pattern: Pattern::diagonal(1),
            a_pattern: Pattern::dense(1, 1),
            cones: vec![Cone::Nonnegative(1)],
            p: one,
            q: identity,
            a: one,
            b,
            constant: none,
            parameters: vec![("p".into(), 1), ("r".into(), 1)],
            outputs: vec![
                AffineOutput { name: "x".into(), dual: false, map: identity },
                AffineOutput { name: "z".into(), dual: true, map: identity },
            ],
            maximize: false,
        }
    }

    #[test]
    fn maps_made_elsewhere_make_a_layer() {
        let b = AffineMap { indptr: &[0, 1], indices: &[1], data: &[2.0], base: &[0.0] };
        let layer = Layer::from_affine(program(b), Settings::default()).unwrap();
        let (outputs, tape) = layer.forward(&[&[3.0, -3.0], &[1.0]]).unwrap();
        for (found, expected) in outputs[0].iter().zip([-3.0, 2.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!((outputs[1][1] - 1.0).abs() < 1e-12);
        let gradient = layer.backward(&tape, &[&[1.0, 1.0], &[]]).unwrap();
        assert!((gradient[0][0] + 1.0).abs() < 1e-12 && gradient[0][1].abs() < 1e-12);
        assert!((gradient[1][0] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn maps_that_do_not_fit_are_refused() {
        let none = AffineMap { indptr: &[0, 1], indices: &[1], data: &[2.0], base: &[0.0] };
        let refused = |b| Layer::from_affine(program(b), Settings::default()).unwrap_err();
        let message = refused(AffineMap { indices: &[2], ..none }).to_string();
        assert!(message.contains("the map to b") && message.contains("0 to 1"), "{message}");
        refused(AffineMap { indptr: &[0, 1, 1], ..none });
        refused(AffineMap { indptr: &[1, 1], ..none });
        refused(AffineMap { data: &[f64::NAN], ..none });
        refused(AffineMap { base: &[f64::NAN], ..none });
    }
}
