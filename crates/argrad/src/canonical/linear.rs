//! Linear parts of the objective, and perspectives.

use super::affine::Affine;
use super::graph::Graph;
use crate::atoms::Atom;

impl Graph<'_> {
    /// Adds `sum_i weights_i e_i` to the objective. The weights are free of variables.
    pub fn minimize_linear(&mut self, e: &Affine, weights: &Affine) {
        let value = self.dot(weights, e);
        self.add_linear(&value);
    }

    /// The graph of `s f(x / s)`, s > 0 a scalar, from that of the atom f. Arguments without variables
    /// stay as they are.
    ///
    /// Rows `Ax + b in K` become `Ax + b s in K`.
    pub fn perspective(&mut self, atom: &dyn Atom, args: &[Affine], s: &Affine) -> Affine {
        // Variables of their own, so that all constants left are those of the atom.
        let lifted: Vec<Affine> = args
            .iter()
            .map(|arg| if arg.is_variable_free() { arg.clone() } else { self.lift(arg) })
            .collect();
        let s = self.lift(s);
        let scale = s.row(0)[0].variable;
        let first = self.blocks.len();
        let mut result = atom.graph(self, &lifted);
        self.blocks[first..].iter_mut().for_each(|block| block.rows.times_constants(scale));
        result.times_constants(scale);
        self.nonneg(s);
        result
    }
}

impl Affine {
    /// Constants become multiples of a variable.
    fn times_constants(&mut self, variable: u32) {
        let constants = self.terms.iter_mut().filter(|term| term.variable == 0);
        constants.for_each(|term| term.variable = variable);
    }
}
