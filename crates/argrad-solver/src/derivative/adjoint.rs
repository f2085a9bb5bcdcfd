//! The adjoint of a tape: gradients of a scalar with respect to the values.

use pulp::Simd;

use super::gradient::{self, Adjoint, Adjoints, Vectors, Which};
use super::outcome::{LinearOutcome, LinearReports, LinearRows};
use super::point::{Point, TapePoint};
use super::rows::scatter;
use super::system::{self, LinearMethod};
use super::{Cotangent, Differentiation, Gradients, Mode};
use crate::cones::Function;
use crate::lanes::{LaneTask, M, V, dispatch};
use crate::prepared::{Group, Rows};
use crate::program::{Error, Report, Stop};
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeWork, LinearVectors, SystemWork};
use crate::system::shared::matrices::SharedMatrices;
use crate::tape::{Shared, Tape};

impl Tape {
    /// Adjoint: gradient of a scalar, given its gradient with respect to x, z, s.
    ///
    /// # Errors
    /// Wrong lengths; [`Error::Unsolved`] for samples without a solution, unless `how` asks for
    /// NaN or zero.
    pub fn vjp(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        let mut gradients = Gradients::default();
        self.vjp_into(cotangent, how, &mut gradients)?;
        Ok(gradients)
    }

    /// [`Self::vjp`] into gradients of an earlier one, whose memory is used again. A large result
    /// in fresh memory takes longer to be paged in than to be computed: loops do well to keep it.
    ///
    /// # Errors
    /// As [`Self::vjp`]; `gradients` may be empty then.
    ///
    /// ```
    /// # use argrad_solver::{Cone, Cotangent, Differentiation, Gradients, Pattern, Settings, Slot};
    /// # use argrad_solver::{Solver, Structure, Values};
    /// // minimize x^2 / 2 + q x subject to x >= 1, for two q at a time
    /// let cones = vec![Cone::Nonnegative(1)];
    /// let structure = Structure::new(Pattern::dense_upper(1), Pattern::dense(1, 1), cones)?;
    /// let solver = Solver::new(structure, Settings::default())?;
    /// let mut gradients = Gradients::default();
    /// for q in [[0.5, -2.0], [-3.0, 0.1]] {
    ///     let (p, a, b) = (Slot::Shared(&[1.0]), Slot::Shared(&[-1.0]), Slot::Shared(&[-1.0]));
    ///     let (_, tape) = solver.forward(&Values { batch: 2, p, q: Slot::Each(&q), a, b })?;
    ///     let cotangent = Cotangent { x: Some(&[1.0, 1.0]), z: None, s: None };
    ///     tape.vjp_into(&cotangent, &Differentiation::default(), &mut gradients)?;
    ///     assert_eq!(gradients.q.iter().sum::<f64>(), -1.0); // one of them is free
    /// }
    /// # Ok::<(), argrad_solver::Error>(())
    /// ```
    pub fn vjp_into(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
        gradients: &mut Gradients,
    ) -> Result<(), Error> {
        self.check_cotangent(cotangent)?;
        how.check(&self.reports)?;
        let memory = std::mem::take(gradients);
        *gradients = self.vjp_to(cotangent, how, self.shared, memory)?;
        Ok(())
    }

    /// [`Self::vjp`], with gradients summed over the batch where `shared` says so, in the memory of
    /// others.
    pub(super) fn vjp_to(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
        shared: Shared,
        memory: Gradients,
    ) -> Result<Gradients, Error> {
        // The slack of a removed row is constant, whatever its cotangent.
        let kept_s = cotangent.s.filter(|_| !self.removed.is_empty()).map(|s| {
            let mut s = s.to_vec();
            self.removed.iter().for_each(|&k| s[k] = 0.0);
            s
        });
        let cotangent = &Cotangent { s: kept_s.as_deref().or(cotangent.s), ..*cotangent };
        if let Mode::Lpgd(tau) = how.mode {
            return self.lpgd_vjp(cotangent, tau, how, shared);
        }
        let smoothed = self.smoothed(how)?;
        let at = self.point(smoothed.as_ref());
        let solutions = self.solve_adjoints(cotangent, how, at, shared, memory);
        let AdjointSolutions { l1, l2, dp, da, linear } = solutions;

        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let adjoints = [Adjoints {
            l1: Vectors::each(&l1, n),
            l2: Vectors::each(&l2, m),
            x: Vectors::each(at.x, n),
            z: Vectors::each(at.z, m),
        }];
        let summed = |pattern, which| gradient::of_matrix(pattern, which, batch, true, &adjoints);
        let mut gradients = Gradients {
            p: if shared.p { summed(&structure.p, Which::P) } else { dp },
            a: if shared.a { summed(&structure.a, Which::A) } else { da },
            q: gradient::of_vector(l1, n, shared.q, -1.0),
            b: gradient::of_vector(l2, m, shared.b, 1.0),
            unfinished: linear.unfinished(),
            accuracy: linear.accuracy(&self.reports, how.mode),
            adjoint_residual: linear.residual,
            iterations: linear.iterations,
        };
        self.mark_failures(&mut gradients, &[], how.on_failure, shared);
        Ok(gradients)
    }

    /// The adjoint of each sample, and the outer products that the batch does not share.
    fn solve_adjoints(
        &self,
        cotangent: &Cotangent<'_>,
        how: &Differentiation,
        at: TapePoint<'_>,
        shared: Shared,
        memory: Gradients,
    ) -> AdjointSolutions {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch) = (structure.variables(), structure.rows(), self.batch());
        let p_len = if shared.p { 0 } else { structure.p.nnz() };
        let a_len = if shared.a { 0 } else { structure.a.nnz() };
        let mut solutions = AdjointSolutions {
            l1: zeros_in(memory.q, batch * n),
            l2: zeros_in(memory.b, batch * m),
            dp: zeros_in(memory.p, batch * p_len),
            da: zeros_in(memory.a, batch * a_len),
            linear: LinearReports::new(batch),
        };
        let (mut l1, mut l2) = (Rows::new(&mut solutions.l1, n), Rows::new(&mut solutions.l2, m));
        let mut dp = Rows::new(&mut solutions.dp, p_len);
        let mut da = Rows::new(&mut solutions.da, a_len);
        let mut linear = solutions.linear.groups();
        let method =
            LinearMethod { method: how.method, stop: Stop::of_derivative(&self.prepared.settings) };
        let task = |group: Group| AdjointGroup {
            analysis: &self.prepared.analysis,
            matrices: self.matrices.as_deref(),
            state: at.states[group.index].as_slice(),
            work: &mut [],
            group,
            cotangent,
            method,
            is_exact: how.mode == Mode::Exact,
            reports: &self.reports,
            at,
            l1: l1.next(group),
            l2: l2.next(group),
            dp: dp.next(group),
            da: da.next(group),
            linear: linear(group),
        };
        self.prepared.for_groups(batch, system::PASSES, task, |task, work| {
            dispatch(self.prepared.width, AdjointGroup { work, ..task });
        });
        drop(linear);
        solutions
    }
}

/// Zeros, in `memory` where it is long enough.
fn zeros_in(mut memory: Vec<f64>, len: usize) -> Vec<f64> {
    if memory.capacity() < len {
        return vec![0.0; len];
    }
    memory.clear();
    memory.resize(len, 0.0);
    memory
}

struct AdjointSolutions {
    l1: Vec<f64>,
    l2: Vec<f64>,
    /// Empty where the batch shares the matrix.
    dp: Vec<f64>,
    da: Vec<f64>,
    linear: LinearReports,
}

/// Adjoint solve and per-sample outer products of one lane group.
struct AdjointGroup<'a> {
    analysis: &'a Analysis,
    matrices: Option<&'a SharedMatrices>,
    state: &'a [f64],
    work: &'a mut [f64],
    group: Group,
    cotangent: &'a Cotangent<'a>,
    method: LinearMethod<'a>,
    is_exact: bool,
    reports: &'a [Report],
    at: TapePoint<'a>,
    l1: &'a mut [f64],
    l2: &'a mut [f64],
    dp: &'a mut [f64],
    da: &'a mut [f64],
    linear: LinearRows<'a>,
}

impl LaneTask for AdjointGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let point = &Point::new(simd, self.analysis, self.matrices, self.state);
        let work = &mut DerivativeWork::new(simd, self.analysis, self.work);
        let solved = self.group.lanes(simd, self.reports, Report::is_solved);
        let singular = self.group.lanes(simd, self.reports, |report| {
            self.is_exact && report.is_solved() && !report.is_unique()
        });
        load_cotangent(point, work, self.cotangent, self.group, solved);
        let outcome =
            solve_adjoint(point, work, self.cotangent.s.is_some(), self.method, (solved, singular));
        self.linear.write(&outcome, solved);
        unscale_adjoint(point, work.linear.x, work.linear.z, work.slack.d_gs, solved);
        scatter(work.linear.x, self.l1);
        scatter(work.linear.z, self.l2);
        self.write_outer_products();
    }
}

impl AdjointGroup<'_> {
    /// dP and dA of the samples with a solution, where the batch does not share them.
    #[inline(always)]
    fn write_outer_products(&mut self) {
        let Self { analysis, group, reports, at, l1, l2, dp, da, .. } = self;
        let (n, m) = (analysis.n(), analysis.m());
        let (p, a) = (&analysis.structure.p, &analysis.structure.a);
        for lane in 0..group.count {
            let sample = group.first + lane;
            if !reports[sample].is_solved() {
                continue;
            }
            let adjoint = Adjoint {
                l1: &l1[lane * n..(lane + 1) * n],
                l2: &l2[lane * m..(lane + 1) * m],
                x: &at.x[sample * n..(sample + 1) * n],
                z: &at.z[sample * m..(sample + 1) * m],
            };
            if !dp.is_empty() {
                adjoint.add(Which::P, p, &mut dp[lane * p.nnz()..(lane + 1) * p.nnz()]);
            }
            if !da.is_empty() {
                adjoint.add(Which::A, a, &mut da[lane * a.nnz()..(lane + 1) * a.nnz()]);
            }
        }
    }
}

/// The cotangent in the units of the scaled program: c X gx into r1, E gz into r2, c E^-1 gs.
#[inline(always)]
pub(super) fn load_cotangent<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    cotangent: &Cotangent<'_>,
    group: Group,
    solved: M<S>,
) {
    let (zero, view) = (point.zero(), &point.view);
    let (r1, r2, gs) = (&mut *work.linear.r1, &mut *work.linear.r2, &mut *work.slack.gs);
    group.gather(cotangent.x, r1, zero);
    group.gather(cotangent.z, r2, zero);
    group.gather(cotangent.s, gs, zero);
    for (gx, &scale) in r1.iter_mut().zip(view.x_scale) {
        *gx *= view.cost_scale * scale;
    }
    for (gz, &scale) in r2.iter_mut().zip(view.row_scale) {
        *gz *= scale;
    }
    if cotangent.s.is_some() {
        for (gs, &scale) in gs.iter_mut().zip(view.row_scale) {
            *gs = solved.select(*gs * view.cost_scale / scale, zero);
        }
    }
}

/// Solves `K [l1; l2'] = [gx - A'D gs; gz - D gs]` for the cotangent that was loaded: the workspace
/// then holds l1, l2', D gs, and the right-hand side. `lanes` are those with a solution, and those
/// where it is not unique.
#[inline(always)]
pub(super) fn solve_adjoint<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    has_gs: bool,
    method: LinearMethod<'_>,
    (solved, singular): (M<S>, M<S>),
) -> LinearOutcome<S> {
    let DerivativeWork { system, linear, slack, .. } = work;
    if has_gs {
        point.apply(Function::Derivative, slack.gs, slack.d_gs, system.cones);
        subtract_through_slack(point, system, linear, slack.d_gs);
    } else {
        slack.d_gs.fill(point.zero());
    }
    linear.mask(solved);
    system::solve(point, work, method, singular)
}

/// The slack is b - Ax: `r1 -= A'y, r2 -= y` for a cotangent y of it.
#[inline(always)]
pub(super) fn subtract_through_slack<S: Simd>(
    point: &Point<'_, S>,
    system: &mut SystemWork<'_, S>,
    linear: &mut LinearVectors<'_, S>,
    y: &[V<S>],
) {
    // No solution yet.
    linear.x.fill(point.zero());
    point.multiply(linear.x, y, system);
    for (r1, &aty) in linear.r1.iter_mut().zip(system.atz.iter()) {
        *r1 -= aty;
    }
    for (r2, &y) in linear.r2.iter_mut().zip(y) {
        *r2 -= y;
    }
}

/// From the scaled adjoint to that of the program as given: l1 = X l1, l2 = E (l2' + D gs) / c.
#[inline(always)]
pub(super) fn unscale_adjoint<S: Simd>(
    point: &Point<'_, S>,
    l1: &mut [V<S>],
    l2: &mut [V<S>],
    through_s: &[V<S>],
    lanes: M<S>,
) {
    let (zero, view) = (point.zero(), &point.view);
    for (l, &scale) in l1.iter_mut().zip(view.x_scale) {
        *l = lanes.select(*l * scale, zero);
    }
    let inverse_cost = zero.like(1.0) / view.cost_scale;
    for ((l, &through_s), &scale) in l2.iter_mut().zip(through_s).zip(view.row_scale) {
        *l = lanes.select((*l + through_s) * (inverse_cost * scale), zero);
    }
}
