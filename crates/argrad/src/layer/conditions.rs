//! The KKT conditions of a modelled problem, by the user's constraints and variables.

use std::sync::Arc;

use argrad_solver::{KktConditions, KktLabels, KktPoint, Slot};

use super::Layer;
use super::outputs::Outputs;
use crate::error::ModelError;
use crate::expression::Key;

impl Layer {
    /// The KKT conditions at outputs of this layer, sample by sample: each constraint of the
    /// problem by its name or its text, the rows that stand for an atom as "the graph of" it, and
    /// stationarity by variable. See [`Solver::conditions`] for what residuals are relative to.
    ///
    /// Constraints read as rows that must be nonnegative (`1 - x >= 0` for `x.leq(1.0)`), in the
    /// units of the program that is solved; that of a maximization minimizes the negative.
    ///
    /// ```
    /// use argrad::prelude::*;
    ///
    /// let model = Model::new();
    /// let (x, p) = (model.variable(2).named("x"), model.parameter(2).named("p"));
    /// let budget = x.sum().leq(1.0).named("budget");
    /// let layer = Problem::minimize(sum_squares(x - p)).subject_to([budget]).compile([p], [x])?;
    /// let outputs = layer.solve(&[&[1.0, 2.0]])?;
    /// assert!(layer.conditions(&[&[1.0, 2.0]], &outputs)?[0].is_optimal(1e-9));
    /// // A point from elsewhere: x alone.
    /// let found = layer.conditions_at(&[&[1.0, 2.0]], &[(x, &[0.5, 0.75])])?;
    /// assert_eq!(found[0].verdict(), "infeasible by 2.5e-1 in `budget`");
    /// # Ok::<(), ModelError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::solve`] for the parameters, which are those of the solve;
    /// [`ModelError::Argument`] for outputs of another layer or batch.
    ///
    /// [`Solver::conditions`]: argrad_solver::Solver::conditions
    pub fn conditions(
        &self,
        parameters: &[&[f64]],
        outputs: &Outputs,
    ) -> Result<Vec<KktConditions>, ModelError> {
        let (batch, slots) = self.infer(parameters)?;
        let all_shared = slots.iter().all(Slot::is_shared);
        let is_own = Arc::ptr_eq(&outputs.data, &self.data);
        if !is_own || !(all_shared || batch == outputs.batch) {
            let found =
                if is_own { format!("{}", outputs.batch) } else { "those of another".into() };
            return Err(ModelError::Argument {
                argument: "outputs".into(),
                expected: format!("outputs of this layer for a batch of {batch}"),
                found,
            });
        }
        self.conditions_of(outputs.batch, &slots, &(&*outputs.solution).into())
    }

    /// The KKT conditions at values of the variables that were found elsewhere: k numbers of a
    /// variable are shared by the batch, `batch * k` are not.
    ///
    /// Variables are named as outputs are, so they must be outputs of the layer, and all variables
    /// of the problem must be given. What stands for atoms in the program that is solved follows
    /// from them; multipliers are those that fit best (see [`Solver::conditions`]). Where an atom
    /// has no value (a logarithm of a negative number), the residuals are NaN.
    ///
    /// # Errors
    /// As [`Self::conditions`]; [`ModelError::Handle`] for what is no output of the layer;
    /// [`ModelError::Argument`] for a wrong number of values, or a variable without any.
    ///
    /// [`Solver::conditions`]: argrad_solver::Solver::conditions
    pub fn conditions_at<K: Clone + Into<Key>>(
        &self,
        parameters: &[&[f64]],
        variables: &[(K, &[f64])],
    ) -> Result<Vec<KktConditions>, ModelError> {
        let (mut batch, slots) = self.infer(parameters)?;
        let mut given = Vec::with_capacity(variables.len());
        for (key, values) in variables {
            let at = self.output(key.clone())?;
            let size = self.data.outputs[at].shape.size();
            if slots.iter().all(Slot::is_shared) && batch == 1 && size > 0 {
                batch = (values.len() / size).max(1);
            }
            given.push((at, *values));
        }
        let numbers = self.numbers(batch, &slots)?;
        let x = self.complete(&self.values(&numbers).0, &given)?;
        let point = KktPoint { x: &x, ..KktPoint::default() };
        self.conditions_of(batch, &slots, &point)
    }

    /// Those at a point of the program that is solved.
    fn conditions_of(
        &self,
        batch: usize,
        parameters: &[Slot<'_>],
        point: &KktPoint<'_>,
    ) -> Result<Vec<KktConditions>, ModelError> {
        let numbers = self.numbers(batch, parameters)?;
        let names = &self.data.names;
        let labels = KktLabels {
            constraints: [&names.constraints[..], &names.graphs].concat(),
            variables: [&names.variables[..], &names.auxiliary].concat(),
        };
        Ok(self.solver.here().conditions_by(&self.values(&numbers).0, point, &labels)?)
    }
}
