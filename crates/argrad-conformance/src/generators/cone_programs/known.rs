//! Programs whose solution is known, unique and smooth in the numbers.

use argrad_solver::{Cone, Structure};

use super::position::{self, Atom, Position};
use super::{ConePrograms, Draft, Draws, batch_of, pairs};
use crate::generators::KnownSolution;

impl ConePrograms {
    /// Random programs with a known solution: draw s and z in every cone, complementary and away
    /// from the kinks of the projection (inside, at the apex, or on the smooth boundary), x, A and
    /// P; then `b = Ax + s`, `q = -Px - A'z`. Exact up to the rounding of b and q.
    ///
    /// With dense A the solution is unique and differentiable with probability 1; with sparse A it
    /// is unless the pattern is singular in the active rows.
    ///
    /// # Panics
    /// With more equalities than variables, or too few rows to make up for the rank that P lacks.
    pub fn known_solution(&self) -> KnownSolution {
        self.known_solution_at(|_, _| None)
    }

    /// [`Self::known_solution()`] with exponential and power cones, as many as leave the solution
    /// unique, on the flat parts of their boundary, where the projection is differentiable too:
    /// `y = 0`, and `w = 0`. Other cones are anywhere.
    ///
    /// # Panics
    /// As [`Self::known_solution()`].
    pub fn on_flat_faces(&self) -> KnownSolution {
        self.known_solution_at(|atom, _| match atom.cone {
            Cone::Exponential | Cone::Power(_) => Some(Position::Face),
            Cone::GeneralizedPower { alpha, .. } if alpha.len() > 1 => Some(Position::Face),
            _ => None,
        })
    }

    pub(super) fn known_solution_at(
        &self,
        wish: impl Fn(&Atom<'_>, &mut Draws) -> Option<Position>,
    ) -> KnownSolution {
        let n = self.variables;
        let columns: Vec<usize> = (0..n).collect();
        let structure = self.structure(&columns);
        let least_e1 = n - self.objective.rank(n);
        self.assemble(&structure, |draws| {
            let (s, z) = self.draw_point(n, least_e1, draws, &wish);
            let p = self.draw_p(&structure, None, draws);
            (Draft::new(&structure, p, draws), s, z)
        })
    }

    /// A pair (s, z) of all rows.
    pub(super) fn draw_point(
        &self,
        most_e0: usize,
        least_e1: usize,
        draws: &mut Draws,
        wish: impl Fn(&Atom<'_>, &mut Draws) -> Option<Position>,
    ) -> (Vec<f64>, Vec<f64>) {
        let atoms = position::atoms(&self.cones);
        let positions = position::choose(&atoms, most_e0, least_e1, draws, wish);
        let (mut s, mut z) = (vec![0.0; self.rows()], vec![0.0; self.rows()]);
        for (atom, position) in atoms.iter().zip(positions) {
            let rows = atom.rows.clone();
            pairs::draw_pair(atom.cone, position, draws, &mut s[rows.clone()], &mut z[rows]);
        }
        (s, z)
    }

    /// Batch and solution, once `draw` has given P, A, s and z.
    pub(super) fn assemble<'a>(
        &self,
        structure: &'a Structure,
        draw: impl Fn(&mut Draws) -> (Draft<'a>, Vec<f64>, Vec<f64>),
    ) -> KnownSolution {
        let (mut xs, mut zs, mut ss) = (Vec::new(), Vec::new(), Vec::new());
        let drafts = (0..self.batch)
            .map(|i| {
                let draws = &mut Draws::of_sample(self.seed, i);
                let (mut draft, s, z) = draw(draws);
                let x = draws.normals(self.variables);
                draft.set_b(&x, &s);
                draft.set_q(&x, &z);
                xs.extend(x);
                zs.extend(z);
                ss.extend(s);
                draft
            })
            .collect();
        KnownSolution { batch: batch_of(structure, drafts), x: xs, z: zs, s: ss }
    }
}
