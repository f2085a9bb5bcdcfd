//! Random programs over any product of cones.
//!
//! | method of [`ConePrograms`] | what the programs are |
//! |---|---|
//! | [`known_solution`](ConePrograms::known_solution) | solvable, x, z, s unique, known and smooth in the numbers |
//! | [`on_flat_faces`](ConePrograms::on_flat_faces) | the same on the flat parts of exponential and power cones |
//! | [`weakly_active`](ConePrograms::weakly_active) | cones at a kink of their projection |
//! | [`non_unique_primal`](ConePrograms::non_unique_primal) | a ray or line of primal solutions |
//! | [`redundant_rows`](ConePrograms::redundant_rows) | every row twice, so z is not unique |
//! | [`infeasible`](ConePrograms::infeasible), [`unbounded`](ConePrograms::unbounded) | without a solution, strongly |

mod degenerate;
mod known;
mod pairs;
mod position;
mod unsolvable;

use argrad_solver::{Cone, Pattern, Structure};

use super::draws::{Draws, gram};
use crate::{Numbers, ProgramBatch, dot};

/// What the quadratic objective looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// P = 0, without stored entries.
    Linear,
    /// A diagonal of which `rank` entries, at random places, are from 0.5 to 1.5 and the others a
    /// stored zero.
    Diagonal {
        /// Number of entries that are not zero.
        rank: usize,
    },
    /// A full matrix LL'/n with L ~ N(0,1) of `rank` columns.
    Full {
        /// Number of columns of L.
        rank: usize,
    },
    /// A positive definite, diagonally dominant matrix of which the share `density` of the entries
    /// off the diagonal is stored.
    Sparse {
        /// Share of the entries that are stored, from 0 to 1.
        density: f64,
    },
}

impl Objective {
    /// Rank of P with this many variables.
    pub fn rank(&self, variables: usize) -> usize {
        match *self {
            Objective::Linear => 0,
            Objective::Diagonal { rank } | Objective::Full { rank } => rank.min(variables),
            Objective::Sparse { .. } => variables,
        }
    }

    /// Variables along which a direction without curvature may lead.
    fn flat_variables(&self, spec: &ConePrograms) -> Vec<usize> {
        match self {
            Objective::Linear | Objective::Full { .. } => (0..spec.variables).collect(),
            Objective::Diagonal { .. } | Objective::Sparse { .. } => {
                let mut order = Draws::of_shared(spec.seed).permutation(spec.variables);
                order.truncate(spec.variables.div_ceil(2));
                order
            }
        }
    }
}

/// A batch of random programs to make: sample `i` depends on everything but `batch`, and on `i`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConePrograms {
    /// The cones, in row order.
    pub cones: Vec<Cone>,
    /// Number of variables, n.
    pub variables: usize,
    /// Share of the entries of A that are stored, from 0 to 1. At least two per column and one per
    /// row always are. The pattern is shared by the batch, the numbers are N(0,1).
    pub density: f64,
    /// P.
    pub objective: Objective,
    /// Number of samples.
    pub batch: usize,
    /// Of the random numbers.
    pub seed: u64,
}

impl ConePrograms {
    /// Dense programs with a full P of full rank.
    pub fn dense(cones: Vec<Cone>, variables: usize, batch: usize, seed: u64) -> Self {
        let objective = Objective::Full { rank: variables };
        Self { cones, variables, density: 1.0, objective, batch, seed }
    }

    /// Programs of 40 variables over a cone of every kind and some more, in which A and P have few
    /// entries.
    pub fn sparse_over_every_cone(batch: usize, seed: u64) -> Self {
        let cones = vec![
            Cone::Zero(2),
            Cone::Nonnegative(8),
            Cone::SecondOrder(9),
            Cone::Exponential,
            Cone::PsdTriangle(3),
            Cone::Power(0.7),
            Cone::SecondOrder(3),
            Cone::Nonnegative(8),
        ];
        let objective = Objective::Sparse { density: 0.05 };
        Self { density: 0.08, objective, ..Self::dense(cones, 40, batch, seed) }
    }

    /// Number of rows, m.
    pub fn rows(&self) -> usize {
        self.cones.iter().map(Cone::dim).sum()
    }

    /// Patterns and cones; every row has an entry in one of the columns `anchors`.
    fn structure(&self, anchors: &[usize]) -> Structure {
        let draws = &mut Draws::of_shared(self.seed.wrapping_add(1));
        let (n, rows) = (self.variables, self.rows());
        let p = match self.objective {
            Objective::Linear => Pattern::empty(n, n),
            Objective::Diagonal { .. } => Pattern::diagonal(n),
            Objective::Full { .. } => Pattern::dense_upper(n),
            Objective::Sparse { density } => {
                pattern(n, n, |i, j| i == j || (i < j && draws.uniform() < density))
            }
        };
        let a = if self.density >= 1.0 {
            Pattern::dense(rows, n)
        } else {
            let mut stored: Vec<bool> =
                (0..rows * n).map(|_| draws.uniform() < self.density).collect();
            for (i, k) in draws.permutation(rows).into_iter().enumerate() {
                if let Some(&j) = anchors.get(k % anchors.len().max(1)) {
                    stored[i * n + j] = true;
                }
            }
            for (j, k) in draws.permutation(n).into_iter().enumerate() {
                for i in (0..rows.min(2)).map(|offset| (k + offset) % rows) {
                    stored[i * n + j] = true;
                }
            }
            pattern(rows, n, |i, j| stored[i * n + j])
        };
        Structure::new(p, a, self.cones.clone()).expect("sizes fit together by construction")
    }

    /// Numbers of P, without curvature along `flat` where that is given; its entries off
    /// [`Objective::flat_variables`] are zero.
    fn draw_p(&self, structure: &Structure, flat: Option<&[f64]>, draws: &mut Draws) -> Vec<f64> {
        let n = self.variables;
        let entries = structure.p().entries();
        let is_flat = |i: usize| flat.is_some_and(|direction| direction[i] != 0.0);
        match self.objective {
            Objective::Linear => Vec::new(),
            Objective::Diagonal { .. } => {
                let mut diagonal = vec![0.0; n];
                for i in draws.permutation(n).into_iter().take(self.objective.rank(n)) {
                    diagonal[i] = draws.magnitude();
                }
                (0..n).map(|i| if is_flat(i) { 0.0 } else { diagonal[i] }).collect()
            }
            Objective::Full { .. } => {
                let rank = self.objective.rank(n);
                let mut factor = draws.normals(n * rank);
                if let Some(direction) = flat {
                    let square = dot(direction, direction);
                    for k in 0..rank {
                        let along: f64 = (0..n).map(|i| factor[i * rank + k] * direction[i]).sum();
                        for i in 0..n {
                            factor[i * rank + k] -= along / square * direction[i];
                        }
                    }
                }
                let product = gram(&factor, n, rank);
                entries.map(|(i, j)| product[i * n + j]).collect()
            }
            Objective::Sparse { .. } => {
                let mut diagonal: Vec<f64> = (0..n).map(|_| draws.magnitude()).collect();
                let mut values = vec![0.0; structure.p().nnz()];
                for (value, (i, j)) in values.iter_mut().zip(structure.p().entries()) {
                    if i < j && !is_flat(i) && !is_flat(j) {
                        *value = draws.normal();
                        diagonal[i] += value.abs();
                        diagonal[j] += value.abs();
                    }
                }
                for (value, (i, j)) in values.iter_mut().zip(entries) {
                    if i == j && !is_flat(i) {
                        *value = diagonal[i];
                    }
                }
                values
            }
        }
    }
}

fn pattern(rows: usize, cols: usize, mut stored: impl FnMut(usize, usize) -> bool) -> Pattern {
    let mut colptr = vec![0];
    let mut rowval = Vec::new();
    for j in 0..cols {
        rowval.extend((0..rows).filter(|&i| stored(i, j)));
        colptr.push(rowval.len());
    }
    Pattern::new(rows, cols, colptr, rowval).expect("rows ascend in each column")
}

/// One sample in the making.
struct Draft<'a> {
    structure: &'a Structure,
    p: Vec<f64>,
    q: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl<'a> Draft<'a> {
    /// P as given, A ~ N(0,1), q and b zero.
    fn new(structure: &'a Structure, p: Vec<f64>, draws: &mut Draws) -> Self {
        let a = draws.normals(structure.a().nnz());
        let (n, rows) = (structure.variables(), structure.rows());
        Self { structure, p, q: vec![0.0; n], a, b: vec![0.0; rows] }
    }

    fn a_times(&self, x: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.structure.rows()];
        for ((i, j), a) in self.structure.a().entries().zip(&self.a) {
            product[i] += a * x[j];
        }
        product
    }

    /// `b = Ax + s`.
    fn set_b(&mut self, x: &[f64], s: &[f64]) {
        self.b = self.a_times(x);
        self.b.iter_mut().zip(s).for_each(|(b, s)| *b += s);
    }

    /// `q = -Px - A'z`.
    fn set_q(&mut self, x: &[f64], z: &[f64]) {
        self.q.fill(0.0);
        for ((i, j), p) in self.structure.p().entries().zip(&self.p) {
            self.q[i] -= p * x[j];
            if i != j {
                self.q[j] -= p * x[i];
            }
        }
        for ((i, j), a) in self.structure.a().entries().zip(&self.a) {
            self.q[j] -= a * z[i];
        }
    }

    /// Least change of A, on its pattern, that makes `Ad = target`. Where d is zero on the pattern
    /// of a row, the row stays as it is.
    fn set_a_times(&mut self, d: &[f64], target: &[f64]) {
        let product = self.a_times(d);
        let mut square = vec![0.0; self.structure.rows()];
        for (i, j) in self.structure.a().entries() {
            square[i] += d[j] * d[j];
        }
        for ((i, j), a) in self.structure.a().entries().zip(&mut self.a) {
            if square[i] > 0.0 {
                *a += d[j] * (target[i] - product[i]) / square[i];
            }
        }
    }

    /// Least change of A, on its pattern, that makes `A'z = 0`. No entry of z may be zero.
    fn annihilate(&mut self, z: &[f64]) {
        let n = self.structure.variables();
        let (mut product, mut square) = (vec![0.0; n], vec![0.0; n]);
        for ((i, j), a) in self.structure.a().entries().zip(&self.a) {
            product[j] += a * z[i];
            square[j] += z[i] * z[i];
        }
        for ((i, j), a) in self.structure.a().entries().zip(&mut self.a) {
            *a -= z[i] * product[j] / square[j];
        }
    }
}

fn batch_of(structure: &Structure, drafts: Vec<Draft<'_>>) -> ProgramBatch {
    let gather =
        |f: &dyn Fn(&Draft<'_>) -> Vec<f64>| Numbers::Each(drafts.iter().flat_map(f).collect());
    ProgramBatch {
        batch: drafts.len(),
        p: gather(&|draft| draft.p.clone()),
        q: gather(&|draft| draft.q.clone()),
        a: gather(&|draft| draft.a.clone()),
        b: gather(&|draft| draft.b.clone()),
        structure: structure.clone(),
    }
}
