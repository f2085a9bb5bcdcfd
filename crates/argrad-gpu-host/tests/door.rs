//! The interface by addresses, for callers whose numbers are on the machine already: the same bits
//! as the solver that brings them there.
#![cfg(host_kernels)]

use std::sync::Arc;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, Size, normal_vector};
use argrad_gpu::{
    AdjointAddresses, BatchAddresses, Entry, Error, Place, Plan, PointAddresses, Solver, Stream,
    TangentAddresses,
};
use argrad_gpu_host::{Host, Order};
use argrad_solver::{Cotangent, Differentiation, OnFailure, Settings, Slot, Tangent};

const HOW: Differentiation = Differentiation {
    mode: argrad_solver::Mode::Exact,
    on_failure: OnFailure::Zero,
    method: argrad_solver::Method::Direct,
};

const SIZE: Size = Size { variables: 7, inequalities: 9, equalities: 2, batch: 12 };

/// Memory of the caller, which nobody has cleared.
struct Buffer(Vec<f64>);

impl Buffer {
    fn new(len: usize) -> Self {
        Self(vec![f64::NAN; len])
    }

    fn address(&mut self) -> u64 {
        self.0.as_mut_ptr().expose_provenance() as u64
    }
}

fn address(numbers: &[f64]) -> u64 {
    numbers.as_ptr().expose_provenance() as u64
}

fn host() -> Arc<Host> {
    Arc::new(Host::new(Order::Ascending))
}

fn plan(batch: &ProgramBatch) -> Plan<Host> {
    Plan::new(batch.structure.clone(), Settings::default(), host()).unwrap()
}

/// A batch in memory of the caller.
struct Batch<'a> {
    values: [Slot<'a>; 4],
    batch: usize,
    point: [Buffer; 3],
    report: Buffer,
    tape: Buffer,
}

impl<'a> Batch<'a> {
    fn new(plan: &Plan<Host>, batch: &'a ProgramBatch) -> Self {
        let (values, lengths, count) = (batch.values(), plan.lengths(), batch.batch);
        Self {
            values: [values.p, values.q, values.a, values.b],
            batch: count,
            point: [lengths.x, lengths.z, lengths.z].map(|len| Buffer::new(count * len)),
            report: Buffer::new(count * lengths.report),
            tape: Buffer::new(count * lengths.tape),
        }
    }

    fn addresses(&mut self) -> BatchAddresses {
        let [x, z, s] = self.point.each_mut().map(Buffer::address);
        BatchAddresses {
            batch: self.batch,
            values: self.values.map(place),
            point: PointAddresses { x, z, s },
            report: self.report.address(),
            tape: self.tape.address(),
        }
    }

    fn solve(&mut self, plan: &Plan<Host>, scratch: &mut Buffer) {
        // SAFETY: buffers as long as the plan says, which outlive a launch of the host.
        unsafe { plan.solve(Stream::Of(7), &self.addresses(), scratch.address()) }.unwrap();
    }
}

fn place(slot: Slot<'_>) -> Place {
    match slot {
        Slot::Shared(numbers) => Place::Shared(address(numbers)),
        Slot::Each(numbers) => Place::Each(address(numbers)),
    }
}

fn batches() -> [ProgramBatch; 3] {
    [
        generators::random_qp(SIZE, 1),
        generators::shared_qp(SIZE, 2),
        // Some of which have no solution.
        generators::conflicting_inequalities(SIZE, 3),
    ]
}

#[test]
fn solutions_reports_and_derivatives_have_the_bits_of_the_solver() {
    for programs in batches() {
        let plan = plan(&programs);
        let (lengths, count) = (plan.lengths(), programs.batch);
        let draw = |len, seed| normal_vector(len, 1, seed);
        let (x, z, s) = (draw(count * 7, 1), draw(count * 11, 2), draw(count * 11, 3));
        let cotangent = Cotangent { x: Some(&x), z: Some(&z), s: Some(&s) };
        let dp = draw(programs.p.as_slice().len(), 4);
        let dp =
            if programs.p.slot().is_shared() { Slot::Shared(&dp) } else { Slot::Each(&dp[..]) };
        let db = draw(count * 11, 5);
        let tangent = Tangent { p: Some(dp), b: Some(Slot::Each(&db)), ..Tangent::default() };

        let solver = Solver::new(programs.structure.clone(), Settings::default(), host()).unwrap();
        let (solution, tape) = solver.forward(&programs.values()).unwrap();
        let expected = tape.vjp(&cotangent, &HOW).unwrap();
        let moved = tape.jvp(&tangent, &HOW).unwrap();

        let mut batch = Batch::new(&plan, &programs);
        let mut scratch = Buffer::new(plan.scratch_len(Entry::Solve, count).unwrap());
        // Twice with the same scratch, whose counter is not zero any more.
        batch.solve(&plan, &mut scratch);
        batch.point[0].0.fill(f64::NAN);
        batch.solve(&plan, &mut scratch);
        assert_eq!(batch.point[0].0, solution.x);
        assert_eq!(batch.point[1].0, solution.z);
        assert_eq!(batch.point[2].0, solution.s);
        let reports = plan.reports(&batch.report.0, programs.p.slot().is_shared()).unwrap();
        // Not all of them are numbers.
        assert_eq!(format!("{reports:?}"), format!("{:?}", solution.reports));

        let mut linear = Buffer::new(count * lengths.linear);
        let mut scratch = Buffer::new(plan.scratch_len(Entry::Adjoint, count).unwrap());
        let [mut l1, mut l2] = [lengths.x, lengths.z].map(|len| Buffer::new(count * len));
        let mut gradients: [Buffer; 4] = std::array::from_fn(|k| {
            let copies = if batch.values[k].is_shared() { 1 } else { count };
            Buffer::new(copies * lengths.values[k])
        });
        let adjoint = AdjointAddresses {
            cotangent: PointAddresses { x: address(&x), z: address(&z), s: address(&s) },
            adjoint: [l1.address(), l2.address()],
            linear: linear.address(),
            gradients: gradients.each_mut().map(Buffer::address),
            scratch: scratch.address(),
        };
        // SAFETY: as above.
        unsafe { plan.vjp(Stream::Own, &batch.addresses(), &adjoint) }.unwrap();
        let [p, q, a, b] = gradients.map(|buffer| buffer.0);
        assert_eq!((p, q), (expected.p, expected.q));
        assert_eq!((a, b), (expected.a, expected.b));
        let said = plan.linear_reports(&linear.0, &reports);
        let bits = |numbers: &[f64]| numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&said.accuracy), bits(&expected.accuracy));

        let mut scratch = Buffer::new(plan.scratch_len(Entry::Tangent, count).unwrap());
        let mut out = [lengths.x, lengths.z, lengths.z].map(|len| Buffer::new(count * len));
        let [x, z, s] = out.each_mut().map(Buffer::address);
        let tangent = TangentAddresses {
            change: [Some(place(dp)), None, None, Some(Place::Each(address(&db)))],
            tangent: PointAddresses { x, z, s },
            linear: linear.address(),
            scratch: scratch.address(),
        };
        // SAFETY: as above.
        unsafe { plan.jvp(Stream::Own, &batch.addresses(), &tangent) }.unwrap();
        let [x, z, s] = out.map(|buffer| buffer.0);
        assert_eq!((x, z, s), (moved.x, moved.z, moved.s));
    }
}

#[test]
fn a_batch_without_samples_and_cotangents_without_numbers_are_served() {
    let programs = generators::random_qp(SIZE, 4).select(&[]);
    let plan = plan(&programs);
    let mut batch = Batch::new(&plan, &programs);
    let mut scratch = Buffer::new(plan.scratch_len(Entry::Solve, 0).unwrap());
    batch.solve(&plan, &mut scratch);
    assert!(plan.reports(&batch.report.0, false).unwrap().is_empty());
    let adjoint = AdjointAddresses {
        cotangent: PointAddresses::default(),
        adjoint: [0; 2],
        linear: 0,
        gradients: [0; 4],
        scratch: scratch.address(),
    };
    // SAFETY: nothing is read or written but the scratch.
    unsafe { plan.vjp(Stream::Own, &batch.addresses(), &adjoint) }.unwrap();
}

#[test]
fn a_p_that_is_not_convex_is_an_error_of_its_report() {
    let programs = generators::random_qp(SIZE, 5);
    let plan = plan(&programs);
    let mut p = programs.p.as_slice().to_vec();
    let len = plan.lengths().values[0];
    p[3 * len..4 * len].iter_mut().for_each(|v| *v = -*v);
    let mut batch = Batch::new(&plan, &programs);
    batch.values[0] = Slot::Each(&p);
    let mut scratch = Buffer::new(plan.scratch_len(Entry::Solve, programs.batch).unwrap());
    batch.solve(&plan, &mut scratch);
    let error = plan.reports(&batch.report.0, false).unwrap_err().to_string();
    assert!(error.contains("sample 3"), "{error}");
}

#[test]
fn a_batch_is_refused_by_the_memory_that_the_caller_has() {
    let programs = generators::random_qp(SIZE, 6);
    let plan = plan(&programs);
    let needed = plan.memory(programs.batch, true).unwrap();
    plan.check_memory(programs.batch, true, needed).unwrap();
    let error = plan.check_memory(programs.batch, true, needed - 1).unwrap_err();
    assert!(matches!(error, Error::Memory { fits: 11, .. }), "{error}");
    plan.check_memory(programs.batch, false, needed - 1).unwrap();
}
