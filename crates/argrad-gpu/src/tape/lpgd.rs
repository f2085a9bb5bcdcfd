//! Derivatives by a finite step, [`argrad_solver::Mode::Lpgd`]: two more solves of the batch,
//! shifted by tau and by -tau.
//!
//! With the middle m of the two solutions and their difference d over 2 tau, the difference of the
//! products that gradients are made of is that of derivatives: `(x x')` moves by `m d' + d m'`. So
//! gradients follow by the kernel that makes them of adjoints, from `l1 = -dx` and `l2 = gs - dz`
//! at the middle.

use argrad_solver::{
    Cotangent, Differentiation, Gradients, OnFailure, Slot, Solution, SolutionTangent, Tangent,
};

use crate::addresses::{BatchAddresses, Place, PointAddresses};
use crate::error::Error;
use crate::machine::{Entry, Machine, Stream};
use crate::transfer::{solution, upload};

use super::{DeviceGradients, Tape};

/// The places of P and A among P, q, A, b.
const P: usize = 0;
const A: usize = 2;

/// A batch solved at both sides of its values.
struct Sides {
    up: Solution,
    down: Solution,
    tau: f64,
    /// Samples without a solution at the values or at one of the sides.
    lost: Vec<usize>,
}

impl Sides {
    /// Halfway between the two, and the difference over 2 tau; zero for lost samples.
    fn middle(&self, of: fn(&Solution) -> &[f64], len: usize) -> [Vec<f64>; 2] {
        let pairs = || of(&self.up).iter().zip(of(&self.down));
        let mut middle: Vec<f64> = pairs().map(|(up, down)| 0.5 * (up + down)).collect();
        // Zero also where both are infinite: the slack of a removed row.
        let quotient = |(up, down): (&f64, &f64)| match up == down {
            true => 0.0,
            false => (up - down) * 0.5 / self.tau,
        };
        let mut difference: Vec<f64> = pairs().map(quotient).collect();
        for part in [&mut middle, &mut difference] {
            self.lost.iter().for_each(|i| part[i * len..(i + 1) * len].fill(0.0));
        }
        [middle, difference]
    }
}

impl<M: Machine> Tape<M> {
    pub(super) fn lpgd_vjp(
        &self,
        cotangent: &Cotangent<'_>,
        tau: f64,
        how: &Differentiation,
    ) -> Result<Gradients, Error> {
        let (plan, batch) = (&*self.plan, self.batch());
        let (machine, lengths) = (plan.machine(), plan.lengths());
        let (n, m) = (lengths.x, lengths.z);
        // The slack of a removed row is constant, whatever its cotangent.
        let gs = cotangent.s.map(|gs| self.without_removed(gs)).transpose()?;
        let [q, b] = self.shift(cotangent, gs.as_deref())?;
        let sides = self.sides(tau, how, [None, Some(q), None, Some(b)])?;
        let [x, mut dx] = sides.middle(|of| &of.x, n);
        let [z, mut l2] = sides.middle(|of| &of.z, m);
        dx.iter_mut().for_each(|d| *d = -*d);
        l2.iter_mut().for_each(|d| *d = -*d);
        if let Some(gs) = gs {
            l2.iter_mut().zip(gs).for_each(|(l2, gs)| *l2 += gs);
            sides.lost.iter().for_each(|i| l2[i * m..(i + 1) * m].fill(0.0));
        }
        let [(_x, x), (_z, z), (_l1, l1), (_l2, l2)] = {
            let [x, z, l1, l2] = [x, z, dx, l2].map(|part| upload(machine, Some(&part)));
            [x?, z?, l1?, l2?]
        };
        let of = BatchAddresses { point: PointAddresses { x, z, s: 0 }, ..self.solved.addresses };
        let out = DeviceGradients::new(plan, &of)?;
        // SAFETY: all memory is of this machine, as long as the plan says, and lives until the
        // download below, which waits for the kernel.
        unsafe { plan.gradients_at(Stream::Own, &of, [l1, l2], out.addresses(machine))? };
        let mut gradients = out.download(machine)?;
        gradients.adjoint_residual = vec![0.0; batch];
        gradients.accuracy = vec![f64::NAN; batch];
        gradients.iterations = vec![0; batch];
        self.mark_gradients(&mut gradients, &sides.lost, how.on_failure);
        Ok(gradients)
    }

    /// A cotangent of s, zero for removed rows.
    fn without_removed(&self, gs: &[f64]) -> Result<Vec<f64>, Error> {
        let s = self.solved.slacks(&self.plan)?;
        let kept = |(gs, s): (&f64, f64)| if s == f64::INFINITY { 0.0 } else { *gs };
        Ok(gs.iter().zip(s).map(kept).collect())
    }

    /// The shift of q and of b for a unit of tau: gx - A'gs and -gz.
    fn shift(&self, cotangent: &Cotangent<'_>, gs: Option<&[f64]>) -> Result<[Vec<f64>; 2], Error> {
        let (plan, batch) = (&*self.plan, self.batch());
        let (n, m) = (plan.lengths().x, plan.lengths().z);
        let mut q = cotangent.x.map_or_else(|| vec![0.0; batch * n], <[f64]>::to_vec);
        let b = match cotangent.z {
            Some(z) => z.iter().map(|z| -z).collect(),
            None => vec![0.0; batch * m],
        };
        if let Some(gs) = gs {
            let (a, values) = (plan.structure().a(), self.solved.value(plan, A)?);
            for sample in 0..batch {
                let values = &values[sample * a.nnz()..];
                for ((i, j), value) in a.entries().zip(values) {
                    q[sample * n + j] -= value * gs[sample * m + i];
                }
            }
        }
        Ok([q, b])
    }

    pub(super) fn lpgd_jvp(
        &self,
        tangent: &Tangent<'_>,
        tau: f64,
        how: &Differentiation,
    ) -> Result<SolutionTangent, Error> {
        let (plan, batch) = (&*self.plan, self.batch());
        let (n, m) = (plan.lengths().x, plan.lengths().z);
        let change = [tangent.p, tangent.q, tangent.a, tangent.b];
        self.check_known_zeros(&change)?;
        let change = std::array::from_fn(|k| {
            let len = plan.lengths().values[k];
            change[k].map(|slot| (0..batch).flat_map(|i| slot.sample(i, len)).copied().collect())
        });
        let sides = self.sides(tau, how, change)?;
        let nothing = if how.on_failure == OnFailure::Nan { f64::NAN } else { 0.0 };
        let difference = |of: fn(&Solution) -> &[f64], len: usize| {
            let [_, mut difference] = sides.middle(of, len);
            sides.lost.iter().for_each(|i| difference[i * len..(i + 1) * len].fill(nothing));
            difference
        };
        let mut out = SolutionTangent::default();
        out.x = difference(|of| &of.x, n);
        out.z = difference(|of| &of.z, m);
        out.s = difference(|of| &of.s, m);
        out.residual = vec![0.0; batch];
        out.accuracy = vec![f64::NAN; batch];
        out.iterations = vec![0; batch];
        Ok(out)
    }

    /// Refuses changes of P and A where entries are known to be zero, which kernels do not read.
    fn check_known_zeros(&self, change: &[Option<Slot<'_>>; 4]) -> Result<(), Error> {
        let structure = self.plan.structure();
        let p_zero = (0..structure.p().nnz()).any(|k| structure.is_zero_in_p(k));
        let a_zero = (0..structure.a().nnz()).any(|k| structure.is_zero_in_a(k));
        for (argument, is_moved) in [
            ("tangent.p", p_zero && change[P].is_some()),
            ("tangent.a", a_zero && change[A].is_some()),
        ] {
            if is_moved {
                return Err(Error::Unsupported {
                    argument,
                    expected: "None with Mode::Lpgd where the structure has entries that are zero",
                    found: "a change of them".into(),
                });
            }
        }
        Ok(())
    }

    /// Solves with the values that are tau times a change, a row for each sample, away, and as far
    /// on the other side.
    fn sides(
        &self,
        tau: f64,
        how: &Differentiation,
        change: [Option<Vec<f64>>; 4],
    ) -> Result<Sides, Error> {
        let mut moving = Vec::new();
        for (k, change) in change.into_iter().enumerate() {
            if let Some(change) = change {
                moving.push((k, self.solved.value(&self.plan, k)?, change));
            }
        }
        let solve = |step: f64| {
            let mut moved = [const { None }; 4];
            for (k, values, change) in &moving {
                let pairs = values.iter().zip(change);
                moved[*k] = Some(pairs.map(|(value, change)| value + step * change).collect());
            }
            self.solve_near(&moved)
        };
        let (up, down) = (solve(tau)?, solve(-tau)?);
        let lost = how.check_sides(&self.reports, [&up.reports, &down.reports])?;
        Ok(Sides { up, down, tau, lost })
    }

    /// Solves with some values moved, from the solutions of this tape where that works.
    fn solve_near(&self, moved: &[Option<Vec<f64>>; 4]) -> Result<Solution, Error> {
        let (plan, batch) = (&*self.plan, self.batch());
        let (machine, lengths) = (plan.machine(), plan.lengths());
        let mut of = self.solved.addresses;
        let start = of.point;
        let mut kept = Vec::new();
        for (place, moved) in of.values.iter_mut().zip(moved) {
            if let Some(moved) = moved {
                let memory = machine.upload(moved)?;
                *place = Place::Each(machine.address(&memory));
                kept.push(memory);
            }
        }
        let zeros = |len: usize| machine.zeros(batch * len);
        let parts = [lengths.x, lengths.z, lengths.z, lengths.report].map(zeros);
        let [x, z, s, report] = parts;
        let (x, z, s, report) = (x?, z?, s?, report?);
        let [of_x, of_z, of_s] = [&x, &z, &s].map(|memory| machine.address(memory));
        of.point = PointAddresses { x: of_x, z: of_z, s: of_s };
        of.report = machine.address(&report);
        of.tape = 0;
        let scratch = machine.zeros(plan.scratch_len(Entry::Solve, batch)?)?;
        // SAFETY: all memory is of this machine, as long as the plan says, and lives until the
        // downloads below, which wait for the kernel.
        unsafe { plan.solve_nearby(Stream::Own, &of, start, machine.address(&scratch))? };
        solution(plan, [&x, &z, &s, &report], &of)
    }
}
