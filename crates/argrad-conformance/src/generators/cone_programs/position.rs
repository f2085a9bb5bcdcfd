//! Where in each cone the solution lies, chosen so that x and z are unique.
//!
//! With D the derivative of the projection at v = s - z, let E0 and E1 be its eigenspaces of 0 and
//! 1. The solution is unique and differentiable if and only if
//! ```text
//! no e0 in E0 but 0 has A'e0 = 0        no dx but 0 has P dx = 0 and A dx in E1
//! ```
//! For random A that is a matter of dimensions: `dim E0 <= n` and `n - rank P <= codim E1`.

use std::ops::Range;

use argrad_solver::Cone;

use super::Draws;

/// A cone that is no product: the rows of a nonnegative cone are one each.
pub(super) struct Atom<'a> {
    pub(super) cone: &'a Cone,
    pub(super) rows: Range<usize>,
}

const ROW: Cone = Cone::Nonnegative(1);

pub(super) fn atoms(cones: &[Cone]) -> Vec<Atom<'_>> {
    let mut atoms = Vec::new();
    let mut start = 0;
    for cone in cones {
        let end = start + cone.dim();
        match cone {
            Cone::Nonnegative(_) => {
                atoms.extend((start..end).map(|i| Atom { cone: &ROW, rows: i..i + 1 }));
            }
            _ => atoms.push(Atom { cone, rows: start..end }),
        }
        start = end;
    }
    atoms
}

/// Where s and z lie in the cone and its dual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Position {
    /// s inside, z = 0.
    Interior,
    /// s and z on smooth parts of the boundaries.
    Boundary,
    /// The matrix s of this rank, neither 0 nor the side, z of the rank that is left.
    Rank(usize),
    /// s = 0, z inside.
    Apex,
    /// s and z on flat parts of the boundaries of an exponential or power cone.
    Face,
    /// s on the boundary (in the cone of matrices: singular), z = 0.
    PrimalKink,
    /// s = 0, z on the boundary.
    DualKink,
}

impl Atom<'_> {
    fn dim(&self) -> usize {
        self.rows.len()
    }

    /// Whether the boundary is more than the point 0 and the projection is smooth in parts of it.
    pub(super) fn has_boundary(&self) -> bool {
        match self.cone {
            Cone::Zero(_) | Cone::Nonnegative(_) => false,
            Cone::SecondOrder(dim) => *dim > 1,
            Cone::PsdTriangle(side) => *side > 1,
            Cone::Exponential | Cone::Power(_) | Cone::GeneralizedPower { .. } => true,
        }
    }

    /// `(dim E0, codim E1)`; at a kink, and where it depends on exponents, the worst of each.
    fn dimensions(&self, position: Position) -> (usize, usize) {
        let d = self.dim();
        let triangle = |side: usize| side * (side + 1) / 2;
        match (self.cone, position) {
            (_, Position::Interior) => (0, 0),
            (_, Position::Apex) => (d, d),
            (_, Position::Boundary) => (1, d - 1),
            (Cone::PsdTriangle(side), Position::Rank(rank)) => {
                (triangle(side - rank), d - triangle(rank))
            }
            (_, Position::Rank(_)) => unreachable!("ranks are of matrices"),
            (Cone::Exponential, Position::Face) => (2, 1),
            (Cone::Power(_), Position::Face) => (2, 1),
            (Cone::GeneralizedPower { alpha, norm_dim }, Position::Face) => {
                (alpha.len() - 1 + norm_dim, 1)
            }
            (_, Position::Face) => unreachable!("no flat parts"),
            (_, Position::PrimalKink) => (1, 0),
            (_, Position::DualKink) if self.has_boundary() => {
                (d, self.dimensions(self.middle(1)).1)
            }
            (_, Position::DualKink) => (1, 0),
        }
    }

    /// Boundary, or of this rank.
    fn middle(&self, rank: usize) -> Position {
        match self.cone {
            Cone::PsdTriangle(_) => Position::Rank(rank),
            _ => Position::Boundary,
        }
    }

    fn draw(&self, draws: &mut Draws) -> Position {
        if matches!(self.cone, Cone::Zero(_)) {
            return Position::Apex;
        }
        let u = draws.uniform();
        match self.cone {
            _ if !self.has_boundary() && u < 0.5 => Position::Interior,
            _ if !self.has_boundary() => Position::Apex,
            _ if u < 0.2 => Position::Interior,
            _ if u < 0.4 => Position::Apex,
            Cone::PsdTriangle(side) => Position::Rank(1 + draws.below(side - 1)),
            _ => Position::Boundary,
        }
    }

    /// One step away from the apex.
    fn looser(&self, position: Position) -> Position {
        match (self.cone, position) {
            (Cone::Zero(_), _) => position,
            (Cone::PsdTriangle(side), Position::Rank(rank)) if rank + 1 < *side => {
                Position::Rank(rank + 1)
            }
            (_, Position::Apex) if self.has_boundary() => self.middle(1),
            _ => Position::Interior,
        }
    }

    /// One step towards the apex.
    fn tighter(&self, position: Position) -> Position {
        match (self.cone, position) {
            (Cone::PsdTriangle(_), Position::Rank(rank)) if rank > 1 => Position::Rank(rank - 1),
            (Cone::PsdTriangle(side), Position::Interior) if *side > 1 => Position::Rank(side - 1),
            (_, Position::Interior) if self.has_boundary() => Position::Boundary,
            _ => Position::Apex,
        }
    }
}

/// Positions, random as far as `dim E0 <= most_e0` and `codim E1 >= least_e1` allow; those that
/// `wish` gives are taken in as many cones as possible.
///
/// # Panics
/// When no positions satisfy both: more equalities than variables, or too few rows for a P of this
/// rank.
pub(super) fn choose(
    atoms: &[Atom<'_>],
    most_e0: usize,
    least_e1: usize,
    draws: &mut Draws,
    wish: impl Fn(&Atom<'_>, &mut Draws) -> Option<Position>,
) -> Vec<Position> {
    let order = draws.permutation(atoms.len());
    let drawn: Vec<Position> = atoms.iter().map(|atom| atom.draw(draws)).collect();
    let wishes: Vec<(usize, Position)> =
        order.iter().filter_map(|&k| Some((k, wish(&atoms[k], draws)?))).collect();
    (0..=wishes.len())
        .rev()
        .find_map(|count| repaired(atoms, &order, &drawn, &wishes[..count], most_e0, least_e1))
        .unwrap_or_else(|| {
            panic!(
                "no solution is unique: too many equalities, or too few rows for a P of this rank"
            )
        })
}

/// `drawn` with what is fixed in its place, and the others changed where the dimensions ask for it.
fn repaired(
    atoms: &[Atom<'_>],
    order: &[usize],
    drawn: &[Position],
    fixed: &[(usize, Position)],
    most_e0: usize,
    least_e1: usize,
) -> Option<Vec<Position>> {
    let mut positions = drawn.to_vec();
    let mut is_fixed = vec![false; atoms.len()];
    for &(k, position) in fixed {
        positions[k] = position;
        is_fixed[k] = true;
    }
    let total = |positions: &[Position]| {
        atoms.iter().zip(positions).fold((0, 0), |(e0, e1), (atom, &position)| {
            let (more_e0, more_e1) = atom.dimensions(position);
            (e0 + more_e0, e1 + more_e1)
        })
    };
    // Loosen what is too tight, then tighten what is too loose, one step of one cone at a time.
    let longest = atoms.iter().map(Atom::dim).max().unwrap_or(0);
    for tighten in [false, true] {
        for &k in (0..=longest).flat_map(|_| order).filter(|&&k| !is_fixed[k]) {
            let (e0, e1) = total(&positions);
            if tighten && e1 < least_e1 {
                let before = positions[k];
                positions[k] = atoms[k].tighter(before);
                if total(&positions).0 > most_e0 {
                    positions[k] = before;
                }
            } else if !tighten && e0 > most_e0 {
                positions[k] = atoms[k].looser(positions[k]);
            }
        }
    }
    let (e0, e1) = total(&positions);
    (e0 <= most_e0 && e1 >= least_e1).then_some(positions)
}
