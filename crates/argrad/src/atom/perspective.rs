//! Linear parts of the objective, and perspectives.

use super::{Affine, Atom, Graph};
use crate::algebra::Shape;

impl Graph<'_> {
    /// Adds `sum_i weights_i e_i` to the objective. The weights are free of variables.
    pub fn minimize_linear(&mut self, e: &Affine, weights: &Affine) {
        if !self.admits_weights(e, weights) {
            return;
        }
        let value = self.dot(weights, e);
        self.add_linear(&value);
    }

    /// The graph of `s f(x / s)`, s > 0 a scalar, from that of the atom f. Arguments without
    /// variables stay as they are.
    ///
    /// Rows `Ax + b in K` become `Ax + b s in K`.
    pub fn perspective(&mut self, atom: &dyn Atom, args: &[Affine], s: &Affine) -> Affine {
        if s.size() != 1 {
            let message = format!("perspective: expected a scalar s, found a {}", s.shape());
            return Affine::faulty(Shape::SCALAR, message).made_from([s]);
        }
        // Variables of their own, so that all constants left are those of the atom.
        let lifted: Vec<Affine> = args
            .iter()
            .map(|arg| if arg.is_variable_free() { arg.clone() } else { self.lift(arg) })
            .collect();
        let s = self.lift(s);
        let scale = s.row(0)[0].variable;
        let first = self.blocks.len();
        let mut result = self.graph_of(atom, &lifted);
        self.blocks[first..].iter_mut().for_each(|block| block.rows.times_constants(scale));
        result.times_constants(scale);
        self.nonneg(s);
        result
    }
}

impl Affine {
    /// Constants become multiples of a variable.
    fn times_constants(&mut self, variable: u32) {
        let constants = self.terms_mut().iter_mut().filter(|term| term.variable == 0);
        constants.for_each(|term| term.variable = variable);
    }
}
