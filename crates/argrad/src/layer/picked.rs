//! A layer whose parameters and outputs are arranged as another modelling language has them.

use std::sync::Arc;

use super::Layer;
use super::data::{OutputSpec, ParameterSpec};
use crate::algebra::{LinearMap, Shape};
use crate::error::ModelError;

/// An output made of entries of other outputs, see [`Layer::with_outputs`].
#[derive(Clone, Debug)]
pub struct PickedOutput {
    /// Its name, for errors.
    pub name: String,
    /// Entry by entry, row-major: the output that it is of, its position there, and a factor.
    pub entries: Vec<(usize, usize, f64)>,
}

impl Layer {
    /// The same layer with other outputs, each made of entries of those that it has: parts of a
    /// dual, duals of several constraints as one, other orders and signs. Each has the shape of a
    /// vector.
    ///
    /// # Errors
    /// [`ModelError::Argument`] for an entry that there is not, and for an output that is made of
    /// variables and of duals.
    pub fn with_outputs(mut self, outputs: &[PickedOutput]) -> Result<Self, ModelError> {
        let picked = outputs.iter().map(|output| pick(&self.data.outputs, output));
        let picked = picked.collect::<Result<_, _>>()?;
        Arc::make_mut(&mut self.data).outputs = picked;
        Ok(self)
    }

    /// The same layer, which asks of its parameters only that they are so many finite numbers, and
    /// forgets where they were created: for front ends that check values themselves, in their own
    /// words.
    pub fn with_plain_parameters(mut self) -> Self {
        for spec in &mut Arc::make_mut(&mut self.data).parameters {
            *spec = ParameterSpec::plain(std::mem::take(&mut spec.name), spec.offset, spec.len);
        }
        self
    }
}

/// The specification of one of the new outputs.
fn pick(specs: &[OutputSpec], output: &PickedOutput) -> Result<OutputSpec, ModelError> {
    let error = |expected: String, found: String| {
        let argument = format!("the output {}", output.name);
        Err(ModelError::Argument { argument, expected, found })
    };
    let first = output.entries.first().map_or(0, |entry| entry.0);
    let Some(model) = specs.get(first) else {
        return error(format!("outputs before {}", specs.len()), first.to_string());
    };
    let mut map = LinearMap::new(model.map.inputs());
    let mut constant = Vec::with_capacity(output.entries.len());
    for &(of, at, factor) in &output.entries {
        let Some(spec) = specs.get(of).filter(|spec| at < spec.constant.len()) else {
            return error("entries of outputs".into(), format!("entry {at} of output {of}"));
        };
        if spec.source != model.source {
            return error("entries of variables or of duals".into(), "both".into());
        }
        map.push_row(spec.map.row(at).map(|(column, coef)| (column, factor * coef)));
        constant.push(factor * spec.constant[at]);
    }
    Ok(OutputSpec {
        name: output.name.clone(),
        shape: Shape::vector(output.entries.len()),
        source: model.source,
        map,
        constant,
        handle: None,
    })
}

#[cfg(test)]
mod tests {
    use super::PickedOutput;
    use crate::prelude::*;

    #[test]
    fn entries_of_outputs_are_arranged_anew_with_their_derivatives() {
        let model = Model::new();
        let (x, p) = (model.variable(2), model.parameter(2).nonneg());
        let fixed = x.equals(p);
        let layer = Problem::minimize(sum_squares(x))
            .subject_to([fixed])
            .compile([p], [Output::from(x), fixed.dual()])
            .unwrap();
        let output = |entries: &[_]| PickedOutput { name: "y".into(), entries: entries.to_vec() };
        let outputs = [output(&[(1, 1, -1.0), (1, 0, 1.0)]), output(&[(0, 1, 2.0)])];
        let layer = layer.with_outputs(&outputs).unwrap().with_plain_parameters();
        // A negative number is no error: nothing but finite numbers is asked for.
        let (found, tape) = layer.forward(&[&[3.0, -1.0]]).unwrap();
        // The dual of x == p is -2 p.
        for (found, expected) in [(&found[0], &[-2.0, -6.0][..]), (&found[1], &[-2.0])] {
            let near = |(found, expected): (&f64, &f64)| (found - expected).abs() < 1e-9;
            assert!(found.iter().zip(expected).all(near), "{found:?}");
        }
        let gradient = layer.backward(&tape, &[&[1.0, 0.0], &[1.0]]).unwrap();
        assert!(gradient[0][0].abs() < 1e-9 && (gradient[0][1] - 4.0).abs() < 1e-9);
    }

    #[test]
    fn entries_that_there_are_not_are_refused() {
        let model = Model::new();
        let x = model.variable(2);
        let fixed = x.equals([1.0, 2.0]);
        let problem = Problem::minimize(sum_squares(x)).subject_to([fixed]);
        let layer = problem.compile([], [Output::from(x), fixed.dual()]).unwrap();
        for (entries, said) in [
            (vec![(2, 0, 1.0)], "outputs before 2, found 2"),
            (vec![(0, 0, 1.0), (0, 2, 1.0)], "entry 2 of output 0"),
            (vec![(0, 0, 1.0), (1, 0, 1.0)], "found both"),
        ] {
            let output = PickedOutput { name: "y".into(), entries };
            let error = layer.clone().with_outputs(&[output]).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("the output y"), "{error}");
        }
    }
}
