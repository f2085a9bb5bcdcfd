//! Second order: the directional derivative of the adjoint, hence products with the Hessian of a
//! scalar of the solution.
//!
//! The adjoint l = (l1, m) of [`super`] solves, with D at v and w = A l1 - r2 + m,
//! ```text
//! P l1 + A'm = r1,   (I - D)(A l1 - r2) - D m = 0,   r1 = gx - A'D gs,   r2 = gz - D gs.
//! ```
//! Along a direction of the values (dP, dA, ...), in which the solution moves by (dx, dz, dv), the
//! derivative of the adjoint solves the same system once more,
//! ```text
//! P l1' + A'm' = r1' - dP l1 - dA'm
//! (I - D)(A l1' - r2' + dA l1) - D m' = D'w,   D' = (d/dt) D(v + t dv)
//! r1' = gx' - dA'D gs - A'(D'gs + D gs'),   r2' = gz' - D'gs - D gs'
//! ```
//! and the gradients change by dq' = -l1', db' = l2' = m' + D'gs + D gs',
//! dP' = -sym(l1'x' + l1 dx'), dA' = -(l2'x' + l2 dx' + dz l1' + z l1'').
//!
//! D' is the only place where the curvature of the projection enters, see [`super::curvature`].

use pulp::Simd;

use super::adjoint::{load_cotangent, solve_adjoint, subtract_through_slack, unscale_adjoint};
use super::curvature::{RUNGS, derivative_along};
use super::gradient::{self, Adjoints, Vectors, Which};
use super::point::Point;
use super::rows::scatter;
use super::system::{LinearMethod, PASSES, solve_with_factor};
use super::tangent::{TangentRightHandSide, load_tangent, solve_tangent, unscale_tangent};
use super::{Cotangent, Differentiation, Gradients, Method, Mode, OnFailure, Tangent};
use crate::cones::Function;
use crate::lanes::{LaneTask, M, V, dispatch};
use crate::prepared::{Group, Rows};
use crate::program::{Error, Report, Stop};
use crate::system::analysis::Analysis;
use crate::system::memory::{DerivativeWork, SecondOrderVectors, Work};
use crate::system::shared::matrices::SharedMatrices;
use crate::tape::Tape;

impl Tape {
    /// Directional derivative of [`Self::vjp`]: how the gradients change when the values move along
    /// `direction` and the cotangent along `cotangent_change`.
    ///
    /// The product of the Hessian of phi(x, z, s) with a direction has `cotangent` the gradient of
    /// phi at the solution and `cotangent_change` the Hessian of phi times the [`Self::jvp`] of the
    /// direction.
    ///
    /// # Errors
    /// As [`Self::vjp`]; [`Error::NotSmooth`] names the samples whose projection has a kink at
    /// the solution, or whose solution is not unique; where failures are let through, their
    /// [`Gradients::adjoint_residual`] is NaN. [`Error::Setting`] for other modes than
    /// [`Mode::Exact`] with [`Method::Direct`], and for a solver without a factor.
    pub fn vjp_tangent(
        &self,
        cotangent: &Cotangent<'_>,
        cotangent_change: &Cotangent<'_>,
        direction: &Tangent<'_>,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        self.check_cotangent(cotangent)?;
        self.check_cotangent(cotangent_change)?;
        self.check_tangent(direction)?;
        how.check(&self.reports)?;
        self.check_second_order(how)?;
        let kinked: Vec<usize> = (0..self.batch())
            .filter(|&i| self.reports[i].is_solved() && self.reports[i].is_degenerate())
            .collect();
        if how.on_failure == OnFailure::Error && !kinked.is_empty() {
            return Err(Error::NotSmooth { batch: self.batch(), samples: kinked });
        }
        let change = self.solve_changes(cotangent, cotangent_change, direction);
        let mut gradients = self.changed_gradients(change);
        self.mark_failures(&mut gradients, &kinked, how.on_failure, self.shared);
        Ok(gradients)
    }

    /// Second derivatives are those of the solution, with the factor that it left behind.
    fn check_second_order(&self, how: &Differentiation) -> Result<(), Error> {
        if how.mode != Mode::Exact || how.method != Method::Direct {
            return Err(Error::Setting {
                setting: "how",
                expected: "Mode::Exact with Method::Direct for second derivatives",
                found: format!("{:?} with {:?}", how.mode, how.method),
            });
        }
        if !self.prepared.analysis.kkt.has_factor() {
            return Err(Error::Setting {
                setting: "engine",
                expected: "an engine with a factor for second derivatives",
                found: "MatrixFree".into(),
            });
        }
        Ok(())
    }

    /// The adjoint of each sample, its change, and the change of the point.
    fn solve_changes(
        &self,
        cotangent: &Cotangent<'_>,
        cotangent_change: &Cotangent<'_>,
        direction: &Tangent<'_>,
    ) -> AdjointChange {
        let analysis = &self.prepared.analysis;
        let (n, m, batch) = (analysis.n(), analysis.m(), self.batch());
        let at = self.point(None);
        let right_hand_side = &self.tangent_right_hand_side(direction, at);
        let mut change = AdjointChange::new(batch, n, m);
        let AdjointChange { l1, dl1, dx, l2, dl2, dz } = &mut change;
        let mut over_x = [l1, dl1, dx].map(|rows| Rows::new(rows, n));
        let mut over_z = [l2, dl2, dz].map(|rows| Rows::new(rows, m));
        let task = |group: Group| {
            let [l1, dl1, dx] = over_x.each_mut().map(|rows| rows.next(group));
            let [l2, dl2, dz] = over_z.each_mut().map(|rows| rows.next(group));
            ChangeGroup {
                analysis,
                matrices: self.matrices.as_deref(),
                state: at.states[group.index].as_slice(),
                work: &mut [],
                group,
                reports: &self.reports,
                cotangent,
                cotangent_change,
                direction,
                right_hand_side,
                rows: ChangeRows { l1, dl1, dx, l2, dl2, dz },
            }
        };
        let more = SecondOrderVectors::<pulp::Scalar>::registers(analysis);
        self.prepared.for_groups_with(more, batch, 6 * RUNGS * PASSES, task, |task, work| {
            dispatch(self.prepared.width, ChangeGroup { work, ..task });
        });
        change
    }

    /// Outer products of the adjoint's change with the point, and of the adjoint with the point's
    /// change.
    fn changed_gradients(&self, change: AdjointChange) -> Gradients {
        let structure = &self.prepared.analysis.structure;
        let (n, m, batch, shared) =
            (structure.variables(), structure.rows(), self.batch(), self.shared);
        let adjoint_changes = Adjoints {
            l1: Vectors::each(&change.dl1, n),
            l2: Vectors::each(&change.dl2, m),
            x: Vectors::each(&self.x, n),
            z: Vectors::each(&self.z, m),
        };
        let point_changes = Adjoints {
            l1: Vectors::each(&change.l1, n),
            l2: Vectors::each(&change.l2, m),
            x: Vectors::each(&change.dx, n),
            z: Vectors::each(&change.dz, m),
        };
        let terms = [adjoint_changes, point_changes];
        Gradients {
            p: gradient::of_matrix(&structure.p, Which::P, batch, shared.p, &terms),
            a: gradient::of_matrix(&structure.a, Which::A, batch, shared.a, &terms),
            q: gradient::of_vector(change.dl1, n, shared.q, -1.0),
            b: gradient::of_vector(change.dl2, m, shared.b, 1.0),
            adjoint_residual: vec![0.0; batch],
            accuracy: vec![f64::NAN; batch],
            iterations: vec![0; batch],
            unfinished: Vec::new(),
        }
    }
}

/// The adjoint, its change, and the change of the point, in the caller's units, one row per sample.
struct AdjointChange {
    l1: Vec<f64>,
    dl1: Vec<f64>,
    dx: Vec<f64>,
    l2: Vec<f64>,
    dl2: Vec<f64>,
    dz: Vec<f64>,
}

impl AdjointChange {
    fn new(batch: usize, n: usize, m: usize) -> Self {
        let (x, z) = (vec![0.0; batch * n], vec![0.0; batch * m]);
        Self { l1: x.clone(), dl1: x.clone(), dx: x, l2: z.clone(), dl2: z.clone(), dz: z }
    }
}

/// Those of a lane group, to be written.
struct ChangeRows<'a> {
    l1: &'a mut [f64],
    dl1: &'a mut [f64],
    dx: &'a mut [f64],
    l2: &'a mut [f64],
    dl2: &'a mut [f64],
    dz: &'a mut [f64],
}

/// The second-order solves of one lane group.
struct ChangeGroup<'a> {
    analysis: &'a Analysis,
    matrices: Option<&'a SharedMatrices>,
    state: &'a [f64],
    work: &'a mut [f64],
    group: Group,
    reports: &'a [Report],
    cotangent: &'a Cotangent<'a>,
    cotangent_change: &'a Cotangent<'a>,
    direction: &'a Tangent<'a>,
    right_hand_side: &'a TangentRightHandSide,
    rows: ChangeRows<'a>,
}

impl LaneTask for ChangeGroup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { analysis, state, work, group, rows, .. } = self;
        let equations = Change { analysis, group, direction: self.direction };
        let point = &Point::new(simd, analysis, self.matrices, state);
        let (work, own) = work.split_at_mut(Work::<S>::len(analysis) * V::<S>::LANES);
        let own = &mut SecondOrderVectors::of(simd, analysis, own);
        let work = &mut DerivativeWork::new(simd, analysis, work);
        // Samples at a kink add nothing, nor do those without a solution.
        let smooth = group.lanes(simd, self.reports, |report| !report.is_degenerate());
        let none = M::splat(simd, false);
        let method = LinearMethod { method: Method::Direct, stop: Stop::never() };

        load_tangent(point, work, self.right_hand_side, group, smooth);
        solve_tangent(point, work, method, none);
        own.dx.copy_from_slice(work.linear.x);
        own.dz.copy_from_slice(work.linear.z);

        load_cotangent(point, work, self.cotangent, group, smooth);
        solve_adjoint(point, work, self.cotangent.s.is_some(), method, (smooth, none));
        own.l1.copy_from_slice(work.linear.x);
        own.m.copy_from_slice(work.linear.z);
        write_w(point, work, own);

        derivative_along(point, work, own);

        load_cotangent(point, work, self.cotangent_change, group, smooth);
        equations.finish_right_hand_side(point, work, own, smooth);
        // Auxiliary variables need not be unique, and the right-hand side has rounding errors, all
        // it has where nothing changes: those are not to be divided by the regularization.
        let (n, structure) = (analysis.n(), &analysis.structure);
        let is_auxiliary = (0..n).any(|j| structure.is_auxiliary(j));
        let singular = if is_auxiliary { smooth } else { none };
        solve_with_factor(point, work, Some(own.curved_w), singular, M::splat(simd, true));
        rows.write(point, work, own, smooth);
    }
}

/// How the equations of the adjoint change along the direction.
struct Change<'a> {
    analysis: &'a Analysis,
    group: Group,
    direction: &'a Tangent<'a>,
}

impl Change<'_> {
    /// The right-hand side of the adjoint's change, from that of the cotangent, which was loaded:
    /// `r1' - dP l1 - dA'm` and `r2' - dA l1`, with `r1' = gx' - dA'D gs - A'y`, `r2' = gz' - y`.
    /// `y = D gs' + D'gs` is kept.
    #[inline(always)]
    fn finish_right_hand_side<S: Simd>(
        &self,
        point: &Point<'_, S>,
        work: &mut DerivativeWork<'_, S>,
        own: &mut SecondOrderVectors<'_, S>,
        smooth: M<S>,
    ) {
        let DerivativeWork { system, linear, slack, .. } = work;
        point.apply(Function::Derivative, slack.gs, own.through_s, system.cones);
        for (y, &curved_gs) in own.through_s.iter_mut().zip(own.curved_gs.iter()) {
            *y += curved_gs;
        }
        subtract_through_slack(point, system, linear, own.through_s);
        self.multiply(point, (own.l1, own.m), (own.moved_x, own.moved_z));
        for (r1, &moved) in linear.r1.iter_mut().zip(own.moved_x.iter()) {
            *r1 -= moved;
        }
        for (r2, &moved) in linear.r2.iter_mut().zip(own.moved_z.iter()) {
            *r2 -= moved;
        }
        // linear.x is zero still.
        self.multiply(point, (linear.x, slack.d_gs), (own.moved_x, own.product));
        for (r1, &moved) in linear.r1.iter_mut().zip(own.moved_x.iter()) {
            *r1 -= moved;
        }
        linear.mask(smooth);
    }

    /// `out_x = dP x + dA'z`, `out_z = dA x`, in the units of the scaled program.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        point: &Point<'_, S>,
        (x, z): (&[V<S>], &[V<S>]),
        (out_x, out_z): (&mut [V<S>], &mut [V<S>]),
    ) {
        let (analysis, view, zero) = (self.analysis, &point.view, point.zero());
        out_x.fill(zero);
        out_z.fill(zero);
        let len = analysis.p_entries.len();
        for (k, &(i, j)) in analysis.p_entries.iter().enumerate() {
            let (i, j) = (i as usize, j as usize);
            let scale = view.cost_scale * view.x_scale[i] * view.x_scale[j];
            let entry = self.group.entry(self.direction.p, k, len, zero) * scale;
            out_x[i] = entry.fma(x[j], out_x[i]);
            if i != j {
                out_x[j] = entry.fma(x[i], out_x[j]);
            }
        }
        let len = analysis.a_entries.len();
        for (k, &(i, j)) in analysis.a_entries.iter().enumerate() {
            let (i, j) = (i as usize, j as usize);
            let scale = view.row_scale[i] * view.x_scale[j];
            let entry = self.group.entry(self.direction.a, k, len, zero) * scale;
            out_x[j] = entry.fma(z[i], out_x[j]);
            out_z[i] = entry.fma(x[j], out_z[i]);
        }
    }
}

impl ChangeRows<'_> {
    /// Everything in the caller's units, zero in the lanes outside `smooth`.
    #[inline(always)]
    fn write<S: Simd>(
        self,
        point: &Point<'_, S>,
        work: &mut DerivativeWork<'_, S>,
        own: &mut SecondOrderVectors<'_, S>,
        smooth: M<S>,
    ) {
        let DerivativeWork { linear, slack, .. } = work;
        unscale_adjoint(point, own.l1, own.m, slack.d_gs, smooth);
        unscale_adjoint(point, linear.x, linear.z, own.through_s, smooth);
        unscale_tangent(point, own.dx, own.dz, smooth);
        for (lanes, rows) in [(&*own.l1, self.l1), (&*linear.x, self.dl1), (&*own.dx, self.dx)] {
            scatter(lanes, rows);
        }
        for (lanes, rows) in [(&*own.m, self.l2), (&*linear.z, self.dl2), (&*own.dz, self.dz)] {
            scatter(lanes, rows);
        }
    }
}

/// w = A l1 - r2 + m, with the right-hand side of the adjoint.
#[inline(always)]
fn write_w<S: Simd>(
    point: &Point<'_, S>,
    work: &mut DerivativeWork<'_, S>,
    own: &mut SecondOrderVectors<'_, S>,
) {
    let DerivativeWork { system, linear, .. } = work;
    point.multiply(linear.x, linear.z, system);
    let (al1, m) = (system.ax.iter(), linear.z.iter());
    for (((w, &al1), &r2), &m) in own.w.iter_mut().zip(al1).zip(linear.r2.iter()).zip(m) {
        *w = al1 - r2 + m;
    }
}
