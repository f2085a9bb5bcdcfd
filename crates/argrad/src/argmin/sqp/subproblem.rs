//! The quadratic programs of one iteration, for all samples at once, on argrad's solver.
//!
//! ```text
//! minimize  1/2 p'Mp + f_Y'p   subject to  h + h_Y p = 0,  g + g_Y p <= 0
//! ```
//!
//! Where the linearized constraints contradict each other, the elastic program lets each be
//! violated at the price of its penalty in the merit function:
//!
//! ```text
//! minimize  1/2 p'Mp + f_Y'p + sum w (u + v) + sum w t
//! subject to  h + h_Y p = u - v,  g + g_Y p <= t,  u, v, t >= 0
//! ```

use argrad_solver::{
    Cone, Error, Pattern, Settings, Slot, Solution, Solver, Status, Structure, Values,
};

use super::super::problem::Dimensions;

/// The two programs for problems of one size.
pub(super) struct Subproblems {
    size: Dimensions,
    plain: Solver,
    elastic: Solver,
}

/// One sample's quadratic program, in scaled variables and rows.
pub(super) struct Quadratic {
    /// M: n x n, positive definite.
    pub(super) hessian: Vec<f64>,
    /// f_Y: n.
    pub(super) linear: Vec<f64>,
    /// (h_Y, g_Y): m x n.
    pub(super) gradients: Vec<f64>,
    /// (h, g): m.
    pub(super) c: Vec<f64>,
    /// An estimate of the multipliers: m.
    pub(super) lambda: Vec<f64>,
    /// Price of a violation, for the elastic program: m.
    pub(super) penalties: Vec<f64>,
}

impl Quadratic {
    /// Whether the solver can take it.
    pub(super) fn is_finite(&self) -> bool {
        let parts = [&self.hessian, &self.linear, &self.gradients, &self.c, &self.lambda];
        parts.iter().all(|part| part.iter().all(|v| v.is_finite()))
    }

    /// A program without meaning, to stand for one that is not finite.
    pub(super) fn nothing(n: usize, m: usize) -> Self {
        let identity = (0..n * n).map(|k| f64::from(k % n == k / n)).collect();
        Self {
            hessian: identity,
            linear: vec![0.0; n],
            gradients: vec![0.0; m * n],
            c: vec![0.0; m],
            lambda: vec![0.0; m],
            penalties: vec![1.0; m],
        }
    }
}

/// The solution of one sample's program.
#[derive(Clone, Debug)]
pub(super) struct QuadraticSolution {
    pub(super) step: Vec<f64>,
    pub(super) lambda: Vec<f64>,
}

impl Subproblems {
    pub(super) fn new(size: Dimensions) -> Result<Self, Error> {
        let Dimensions { y: n, equalities, inequalities, .. } = size;
        // The matrices are convex by construction.
        let settings = || Settings { check_convexity: false, ..Settings::default() };
        let cones = vec![Cone::Zero(equalities), Cone::Nonnegative(inequalities)];
        let plain = Structure::new(Pattern::dense_upper(n), Pattern::dense(size.rows(), n), cones)?;
        let (p, a) = elastic_patterns(&size)?;
        let slacks = slack_count(&size);
        let cones = vec![Cone::Zero(equalities), Cone::Nonnegative(inequalities + slacks)];
        let elastic = Structure::new(p, a, cones)?;
        Ok(Self {
            size,
            plain: Solver::new(plain, settings())?,
            elastic: Solver::new(elastic, settings())?,
        })
    }

    /// Solves the programs, each from its multipliers if `warm`; `None` where the constraints
    /// contradict each other, or no solution was found.
    pub(super) fn solve(
        &self,
        programs: &[&Quadratic],
        warm: bool,
    ) -> Result<Vec<Option<QuadraticSolution>>, Error> {
        let (n, m) = (self.size.y, self.size.rows());
        let values = Batch {
            p: programs.iter().flat_map(|q| upper(&q.hessian, n)).collect(),
            q: programs.iter().flat_map(|q| q.linear.iter().copied()).collect(),
            a: programs.iter().flat_map(|q| columns(&q.gradients, n)).collect(),
            b: programs.iter().flat_map(|q| q.c.iter().map(|c| -c)).collect(),
        };
        let values = values.values(programs.len());
        let solution = match warm {
            false => self.plain.solve(&values)?,
            true => self.plain.solve_from(&values, &self.start(programs))?,
        };
        Ok(split(&solution, n, n, m, m))
    }

    /// No step, and the multipliers as they are.
    fn start(&self, programs: &[&Quadratic]) -> Solution {
        let equalities = self.size.equalities;
        let slack = |(k, c): (usize, &f64)| if k < equalities { 0.0 } else { -c.min(0.0) };
        Solution {
            batch: programs.len(),
            x: vec![0.0; programs.len() * self.size.y],
            z: programs.iter().flat_map(|q| q.lambda.iter().copied()).collect(),
            s: programs.iter().flat_map(|q| q.c.iter().enumerate().map(slack)).collect(),
            ..Solution::default()
        }
    }

    /// Solves the elastic programs.
    pub(super) fn solve_elastic(
        &self,
        programs: &[&Quadratic],
    ) -> Result<Vec<Option<QuadraticSolution>>, Error> {
        let (n, m) = (self.size.y, self.size.rows());
        let equalities = self.size.equalities;
        let slacks = slack_count(&self.size);
        let mut batch = Batch::default();
        for program in programs {
            batch.p.extend(upper(&program.hessian, n));
            batch.q.extend(&program.linear);
            let (of_h, of_g) = program.penalties.split_at(equalities);
            batch.q.extend(of_h.iter().chain(of_h).chain(of_g));
            batch.a.extend(columns(&program.gradients, n));
            // u, v, t in their row, and their sign.
            (0..slacks).for_each(|k| {
                let is_v = k >= equalities && k < 2 * equalities;
                batch.a.extend([if is_v { 1.0 } else { -1.0 }, -1.0]);
            });
            batch.b.extend(program.c.iter().map(|c| -c));
            batch.b.extend(std::iter::repeat_n(0.0, slacks));
        }
        let solution = self.elastic.solve(&batch.values(programs.len()))?;
        Ok(split(&solution, n + slacks, n, m + slacks, m))
    }
}

/// Values of a batch in the solver's order.
#[derive(Default)]
struct Batch {
    p: Vec<f64>,
    q: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Batch {
    fn values(&self, batch: usize) -> Values<'_> {
        Values {
            batch,
            p: Slot::Each(&self.p),
            q: Slot::Each(&self.q),
            a: Slot::Each(&self.a),
            b: Slot::Each(&self.b),
        }
    }
}

/// Two slacks for each equality, one for each inequality.
fn slack_count(size: &Dimensions) -> usize {
    2 * size.equalities + size.inequalities
}

/// Patterns of the elastic program: variables (p, u, v, t), rows (h, g, signs of the slacks).
fn elastic_patterns(size: &Dimensions) -> Result<(Pattern, Pattern), Error> {
    let (n, m, slacks) = (size.y, size.rows(), slack_count(size));
    let dense = Pattern::dense_upper(n);
    let mut colptr = dense.colptr().to_vec();
    colptr.extend(std::iter::repeat_n(dense.nnz(), slacks));
    let p = Pattern::new(n + slacks, n + slacks, colptr, dense.rowval().to_vec())?;
    let mut colptr: Vec<usize> = (0..=n).map(|j| j * m).collect();
    let mut rows: Vec<usize> = (0..n).flat_map(|_| 0..m).collect();
    for k in 0..slacks {
        let row = if k < size.equalities { k } else { k - size.equalities };
        rows.extend([row, m + k]);
        colptr.push(rows.len());
    }
    Ok((p, Pattern::new(m + slacks, n + slacks, colptr, rows)?))
}

/// The upper triangle, column by column.
fn upper(matrix: &[f64], n: usize) -> impl Iterator<Item = f64> + '_ {
    (0..n).flat_map(move |j| (0..=j).map(move |i| matrix[i * n + j]))
}

/// A row-major matrix with n columns, column by column.
fn columns(matrix: &[f64], n: usize) -> impl Iterator<Item = f64> + '_ {
    let m = matrix.len() / n.max(1);
    (0..n).flat_map(move |j| (0..m).map(move |i| matrix[i * n + j]))
}

/// The first `step` of `n` variables and `rows` of `m` duals of each sample that has a solution.
fn split(
    solution: &Solution,
    n: usize,
    step: usize,
    m: usize,
    rows: usize,
) -> Vec<Option<QuadraticSolution>> {
    let one = |k: usize| {
        let solved = matches!(solution.reports[k].status, Status::Solved | Status::AlmostSolved);
        solved.then(|| QuadraticSolution {
            step: solution.x[k * n..k * n + step].to_vec(),
            lambda: solution.z[k * m..k * m + rows].to_vec(),
        })
    };
    (0..solution.batch).map(one).collect()
}
