//! The KKT conditions at a point of a quadratic program, whoever found it.

use argrad_solver::{Error, KktConditions, KktLabel, KktLabels, KktPoint};

use super::rows::stack_rows;
use super::{QpLayer, QpSolution, QpValues};

/// Points that may be solutions of a batch of quadratic programs, row-major.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QpPoint<'a> {
    /// Primal points, `batch * n`.
    pub x: &'a [f64],
    /// Duals of the equalities (y), `batch * equalities`. These and the next are given together, or
    /// neither is; a kind of constraint that the program does not have needs none.
    pub equality_duals: Option<&'a [f64]>,
    /// Duals of the inequalities (z), `batch * inequalities`.
    pub inequality_duals: Option<&'a [f64]>,
    /// Slacks, `batch * inequalities`; `None` for h - Gx.
    pub slacks: Option<&'a [f64]>,
}

impl<'a> From<&'a QpSolution> for QpPoint<'a> {
    fn from(solution: &'a QpSolution) -> Self {
        Self {
            x: &solution.x,
            equality_duals: Some(&solution.equality_duals),
            inequality_duals: Some(&solution.inequality_duals),
            slacks: Some(&solution.slacks),
        }
    }
}

impl QpLayer {
    /// The KKT conditions at `point`, sample by sample: of `Ax = b`, of `Gx <= h`, and the
    /// stationarity of x. The point may be of any solver; see [`Solver::conditions`] for what
    /// residuals are relative to, and for multipliers that are not given.
    ///
    /// ```
    /// use argrad::{QpLayer, QpPoint, QpValues, Slot};
    /// // The point of x1 + x2 = 1, x >= 0 that is nearest to (1, 1/2), and a wrong one.
    /// let layer = QpLayer::dense(2, 1, 2)?;
    /// let identity = Slot::Shared(&[1., 0., 0., 1.]);
    /// let values = QpValues::new(2, identity, Slot::Shared(&[-1., -0.5]))
    ///     .equalities(Slot::Shared(&[1., 1.]), Slot::Shared(&[1.]))
    ///     .inequalities(Slot::Shared(&[-1., 0., 0., -1.]), Slot::Shared(&[0., 0.]));
    /// let point = QpPoint { x: &[0.75, 0.25, 1.0, 0.0], ..Default::default() };
    /// let conditions = layer.conditions(&values, &point)?;
    /// assert!(conditions[0].is_optimal(1e-12));
    /// assert!(conditions[1].verdict().contains("stationary"), "{}", conditions[1]);
    /// # Ok::<(), argrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// Malformed values as in [`Self::solve`]; [`Error::Length`] for a point of another size,
    /// [`Error::Shape`] for one with the duals of one kind of constraint only.
    ///
    /// [`Solver::conditions`]: argrad_solver::Solver::conditions
    pub fn conditions(
        &self,
        values: &QpValues<'_>,
        point: &QpPoint<'_>,
    ) -> Result<Vec<KktConditions>, Error> {
        let (rows, batch) = (self.maps.constraints.rows(), values.batch);
        let [equalities, inequalities] = rows;
        let given = [point.equality_duals, point.inequality_duals];
        for (argument, given, len) in [
            ("point.x", Some(point.x), self.maps.shape.variables()),
            ("point.equality_duals", given[0], equalities),
            ("point.inequality_duals", given[1], inequalities),
            ("point.slacks", point.slacks, inequalities),
        ] {
            if let Some(found) = given.map(<[f64]>::len).filter(|&found| found != batch * len) {
                let meaning = format!("batch {batch} x {len} numbers");
                return Err(Error::Length { argument, expected: batch * len, found, meaning });
            }
        }
        let missing = [0, 1].map(|kind| given[kind].is_none() && rows[kind] > 0);
        let z = match given {
            [None, None] => None,
            [y, z] if missing == [false; 2] => {
                Some(stack_rows(y.unwrap_or(&[]), z.unwrap_or(&[]), batch, rows))
            }
            [_, z] => {
                let names = ["equality_duals", "inequality_duals"];
                let (has, lacks) = if z.is_some() { (1, 0) } else { (0, 1) };
                return Err(Error::Shape {
                    argument: "point",
                    expected: "the duals of both kinds of constraints, or of neither".into(),
                    found: format!("{} without {}", names[has], names[lacks]),
                });
            }
        };
        let zeros = vec![0.0; batch * equalities];
        let s = point.slacks.map(|slacks| stack_rows(&zeros, slacks, batch, rows));
        let labels = KktLabels {
            constraints: vec![
                KktLabel::new("Ax = b", 0..equalities),
                KktLabel::new("Gx <= h", equalities..equalities + inequalities),
            ],
            variables: Vec::new(),
        };
        let assembled = self.assemble(values)?;
        let point = KktPoint { x: point.x, z: z.as_deref(), s: s.as_deref() };
        self.solver.here().conditions_by(&assembled.values(batch), &point, &labels)
    }
}
