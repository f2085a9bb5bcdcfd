//! Programs at whose solution the derivative does not exist or is not unique.

use argrad_solver::{Cone, Pattern, Structure};

use super::position::Position;
use super::{ConePrograms, Draft, Draws};
use crate::Numbers;
use crate::generators::KnownSolution;

impl ConePrograms {
    /// Weakly active: in as many cones as leave the solution unique (all that are not zero cones,
    /// when there are as many variables as rows and P has full rank), v = s - z is at a kink of the
    /// projection, with s on the boundary and z = 0, or s = 0 and z on the boundary (s = z = 0 in a
    /// nonnegative row). The solution is not differentiable.
    ///
    /// # Panics
    /// As [`Self::known_solution()`]; a kink counts as no row where the rank of P is made up for.
    pub fn weakly_active(&self) -> KnownSolution {
        self.known_solution_at(|atom, draws| match atom.cone {
            Cone::Zero(_) => None,
            _ if draws.below(2) == 0 => Some(Position::PrimalKink),
            _ => Some(Position::DualKink),
        })
    }

    /// A primal solution that is not unique: there is a direction d with `Pd = 0` and `Ad = -s`, so
    /// that x + td solves with (1 + t)s for every t >= -1. z is unique.
    ///
    /// # Panics
    /// With as many equalities as variables, or more.
    pub fn non_unique_primal(&self) -> KnownSolution {
        let flat_variables = self.objective.flat_variables(self);
        let structure = self.structure(&flat_variables);
        self.assemble(&structure, |draws| {
            let (s, z) = self.draw_point(self.variables - 1, 0, draws, |_, _| None);
            let direction = self.draw_flat(&flat_variables, draws);
            let p = self.draw_p(&structure, Some(&direction), draws);
            let mut draft = Draft::new(&structure, p, draws);
            let target: Vec<f64> = s.iter().map(|s| -s).collect();
            draft.set_a_times(&direction, &target);
            (draft, s, z)
        })
    }

    /// N(0,1) in the variables given, zero in the others.
    pub(super) fn draw_flat(&self, flat_variables: &[usize], draws: &mut Draws) -> Vec<f64> {
        let mut direction = vec![0.0; self.variables];
        for &j in flat_variables {
            direction[j] = draws.normal();
        }
        direction
    }

    /// [`Self::known_solution()`] with every row once more, times two: the cones are those given,
    /// then those given again. x is unique, z is not (those given are one choice).
    ///
    /// # Panics
    /// As [`Self::known_solution()`].
    pub fn redundant_rows(&self) -> KnownSolution {
        let known = self.known_solution();
        let (rows, single) = (self.rows(), known.batch.structure.a());
        let columns = |j: usize| single.colptr()[j]..single.colptr()[j + 1];
        let rowval = (0..self.variables)
            .flat_map(|j| {
                let column = &single.rowval()[columns(j)];
                column.iter().copied().chain(column.iter().map(move |i| i + rows))
            })
            .collect();
        let colptr = single.colptr().iter().map(|end| 2 * end).collect();
        let structure = Structure::new(
            known.batch.structure.p().clone(),
            Pattern::new(2 * rows, self.variables, colptr, rowval).expect("copies lie below"),
            [self.cones.clone(), self.cones.clone()].concat(),
        )
        .expect("twice the rows, twice the cones");

        let mut doubled = known.clone();
        doubled.batch.structure = structure;
        let (mut a, mut b, mut z, mut s) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for i in 0..self.batch {
            let values = known.batch.a.sample(i, single.nnz());
            for j in 0..self.variables {
                let column = &values[columns(j)];
                a.extend(column.iter().copied().chain(column.iter().map(|a| 2.0 * a)));
            }
            let twice = |own: &[f64], all: &mut Vec<f64>| {
                all.extend(own.iter().copied().chain(own.iter().map(|v| 2.0 * v)));
            };
            twice(known.batch.b.sample(i, rows), &mut b);
            twice(&known.s[i * rows..][..rows], &mut s);
            // Any split of z that keeps z_original + 2 z_copy.
            let draws = &mut Draws::of_sample(self.seed.wrapping_add(2), i);
            let shares: Vec<f64> = self
                .cones
                .iter()
                .flat_map(|cone| std::iter::repeat_n(0.2 + 0.6 * draws.uniform(), cone.dim()))
                .collect();
            let own = &known.z[i * rows..][..rows];
            z.extend(own.iter().zip(&shares).map(|(z, share)| share * z));
            z.extend(own.iter().zip(&shares).map(|(z, share)| 0.5 * (1.0 - share) * z));
        }
        doubled.batch.a = Numbers::Each(a);
        doubled.batch.b = Numbers::Each(b);
        (doubled.z, doubled.s) = (z, s);
        doubled
    }
}
