//! The functions around the solve of a layer, for those who evaluate them elsewhere: the way out
//! that belongs to `affine`.

use std::ops::Range;

use super::Layer;
use super::data::{OutputSpec, Source};
use super::price::Relaxation;
use crate::algebra::{Bilinear, LinearMap};
use crate::atom::{Step, ThetaBlock};
use crate::canonical::ParameterMap;

/// A sparse affine map `base + M theta` in compressed rows; [`AffineMap`](super::AffineMap), owned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExportedMap {
    /// Start of each row in the two lists below, and the end of the last.
    pub indptr: Vec<i64>,
    /// Columns of the entries: positions in what is mapped.
    pub indices: Vec<i64>,
    /// The entries.
    pub data: Vec<f64>,
    /// The constant part, one number per row.
    pub base: Vec<f64>,
}

/// How a block of derived parameters follows from entries of theta before it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ExportedStep {
    /// An affine map of all that comes before.
    Affine(ExportedMap),
    /// A product.
    Product {
        /// Of which kind.
        kind: Bilinear,
        /// Where the first argument is.
        a: Range<usize>,
        /// Where the second one is.
        b: Range<usize>,
    },
    /// `sum_r w_r m_ri m_rj` of a row-major matrix m, the lower triangle row by row: entry (i, j)
    /// at `i (i + 1) / 2 + j`.
    Gram {
        /// Columns of the matrix.
        columns: usize,
        /// Where the matrix is.
        matrix: Range<usize>,
        /// Where the weights are; `None` where all are one.
        weights: Option<Range<usize>>,
    },
    /// A function by its name, as [`crate::atom::Atom::name`] says it.
    Function {
        /// The name.
        name: String,
        /// Its numbers, the exponent of a power for one; see [`crate::atom::Atom::data`].
        numbers: Vec<f64>,
        /// Where its arguments are.
        arguments: Vec<Range<usize>>,
        /// How many numbers it makes.
        len: usize,
    },
}

/// What is around the solve of a layer: from parameters to a program, from its solution to outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedMaps {
    /// Theta is the parameters, in their order, and then what each of these makes.
    pub steps: Vec<ExportedStep>,
    /// From theta to P, q, A, b and the constant of the objective.
    pub program: [ExportedMap; 5],
    /// Outputs: whether of z instead of x, and how.
    pub outputs: Vec<(bool, ExportedMap)>,
    /// Of a [relaxed](Layer::relaxed) layer.
    pub price: Option<ExportedPrice>,
}

/// What violations cost. Behind the maps, the last `columns` numbers of P (of q for
/// [`L1`](super::ViolationNorm::L1)) are multiplied by `weight` times a power of two, the one next
/// to the larger of `p / a^2` and `q / (a b)` (times `b` for L1) in logarithms; one where that is
/// zero. Here p, q, a, b are the largest sizes below 1e19 of P, q, A, b without what belongs to
/// violations: the last `columns` numbers of P, q, A, for L1 of q and twice as many of A.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExportedPrice {
    /// How they are measured, and the weight.
    pub relaxation: Relaxation,
    /// Variables that are violations.
    pub columns: usize,
}

impl ExportedMap {
    fn new(base: &[f64], mut terms: Vec<(usize, usize, f64)>) -> Self {
        terms.sort_by_key(|&(row, column, _)| (row, column));
        let mut out = Self { base: base.to_vec(), indptr: vec![0], ..Self::default() };
        let mut terms = terms.into_iter().peekable();
        for row in 0..base.len() {
            while let Some((_, column, entry)) = terms.next_if(|term| term.0 == row) {
                out.indices.push(column as i64);
                out.data.push(entry);
            }
            out.indptr.push(out.indices.len() as i64);
        }
        out
    }

    fn of_parameters(map: &ParameterMap) -> Self {
        Self::new(map.base(), map.terms().collect())
    }

    fn linear(map: &LinearMap, constant: &[f64]) -> Self {
        Self::new(constant, map.entries().collect())
    }
}

impl ExportedStep {
    fn new(step: &Step, made: &ThetaBlock) -> Self {
        let range = ThetaBlock::range;
        match step {
            Step::Affine { map, constant } => Self::Affine(ExportedMap::linear(map, constant)),
            Step::Product { kind, a, b } => Self::Product { kind: *kind, a: range(a), b: range(b) },
            Step::Gram { kind, matrix, weights } => Self::Gram {
                columns: kind.cols,
                matrix: range(matrix),
                weights: weights.as_ref().map(range),
            },
            Step::Atom { atom, args } => Self::Function {
                name: atom.0.name().to_owned(),
                numbers: atom.0.data(),
                arguments: args.iter().map(range).collect(),
                len: made.shape.size(),
            },
        }
    }
}

impl Layer {
    /// The functions around the solve.
    pub fn export_maps(&self) -> ExportedMaps {
        let output = |spec: &OutputSpec| {
            let map = ExportedMap::linear(&spec.map, &spec.constant);
            (spec.source == Source::Dual, map)
        };
        let steps = self.data.program.steps();
        ExportedMaps {
            steps: steps.map(|(step, made)| ExportedStep::new(step, made)).collect(),
            program: self.maps().map(ExportedMap::of_parameters),
            outputs: self.data.outputs.iter().map(output).collect(),
            price: self.data.price.map(|price| ExportedPrice {
                relaxation: price.relaxation,
                columns: price.count(self.data.assembled.variables),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ExportedMap, ExportedStep};
    use crate::prelude::*;

    fn apply(map: &ExportedMap, theta: &[f64]) -> Vec<f64> {
        let row = |(ends, base): (&[i64], &f64)| {
            let own = ends[0] as usize..ends[1] as usize;
            let terms = map.indices[own.clone()].iter().zip(&map.data[own]);
            base + terms.map(|(&column, entry)| entry * theta[column as usize]).sum::<f64>()
        };
        map.indptr.windows(2).zip(&map.base).map(row).collect()
    }

    /// A Gram matrix, a product, an affine map of them, runs and constants.
    #[test]
    fn maps_and_steps_give_the_numbers_of_the_layer() {
        let model = Model::new();
        let (x, a, b) = (model.variable(5), model.parameter((14, 5)), model.parameter(5));
        let (weight, c) = (model.parameter(()).nonneg(), model.parameter((3, 14)));
        let objective = weight * sum_squares(matmul(a, x)) + b.dot(x) + b.sum() + 2.0;
        let product = matmul(matmul(c, a), x);
        let problem = Problem::minimize(objective).subject_to([product.leq(1.0), x.geq(-1.0)]);
        let layer = problem.compile([a, b, weight, c], [x]).unwrap();
        let values: Vec<f64> = (0..118).map(|k| (1.0 + f64::from(k)).sin().abs()).collect();
        let maps = layer.export_maps();
        let mut theta = values.clone();
        for step in &maps.steps {
            let made = match step {
                ExportedStep::Affine(map) => apply(map, &theta),
                ExportedStep::Product { kind, a, b } => {
                    let mut out = vec![0.0; kind.len()];
                    kind.apply(&theta[a.clone()], &theta[b.clone()], &mut out);
                    out
                }
                ExportedStep::Gram { columns, matrix, weights } => {
                    let rows: Vec<&[f64]> = theta[matrix.clone()].chunks(*columns).collect();
                    let weight = |r: usize| weights.as_ref().map_or(1.0, |w| theta[w.start + r]);
                    let entry = |i: usize, j: usize| {
                        let terms = rows.iter().enumerate().map(|(r, m)| weight(r) * m[i] * m[j]);
                        terms.sum::<f64>()
                    };
                    (0..*columns)
                        .flat_map(|i| (0..=i).map(move |j| (i, j)))
                        .map(|(i, j)| entry(i, j))
                        .collect()
                }
                ExportedStep::Function { name, .. } => panic!("{name}"),
            };
            theta.extend(made);
        }
        let parts = [0..70, 70..75, 75..76, 76..118];
        let slots = parts.map(|part| Slot::Shared(&values[part]));
        let numbers = layer.numbers(1, &slots).unwrap();
        let has = |of: fn(&ExportedStep) -> bool| maps.steps.iter().any(of);
        assert!(has(|step| matches!(step, ExportedStep::Gram { weights: Some(_), .. })));
        assert!(has(|step| matches!(step, ExportedStep::Product { .. })));
        assert!(has(|step| matches!(step, ExportedStep::Affine(_))));
        for (at, map) in maps.program.iter().enumerate() {
            let expected = layer.slot(&numbers, at);
            let found = apply(map, &theta);
            assert_eq!(found.len(), expected.as_slice().len());
            for (one, other) in found.iter().zip(expected.as_slice()) {
                assert!((one - other).abs() < 1e-13, "{at}: {one} {other}");
            }
        }
        let (is_dual, output) = &maps.outputs[0];
        assert!(!is_dual && apply(output, &vec![1.5; layer.structure().variables()]) == [1.5; 5]);
    }
}
