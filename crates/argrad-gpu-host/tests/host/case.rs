//! One batch, solved and differentiated by both engines.

use std::sync::Arc;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::normal_vector;
use argrad_gpu::Solver;
use argrad_gpu_host::{Host, Order};
use argrad_solver::{
    Cotangent, Differentiation, Gradients, OnFailure, Settings, Slot, Solution, SolutionTangent,
    Status, Tangent,
};

use crate::families::Family;

/// Everything that an engine says of a batch.
pub struct Answer {
    pub solution: Solution,
    pub gradients: Gradients,
    pub tangent: SolutionTangent,
}

/// Directions to differentiate along.
pub struct Directions {
    is_of_all: bool,
    x: Vec<f64>,
    z: Vec<f64>,
    s: Vec<f64>,
    p: Vec<f64>,
    q: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Directions {
    /// Of z and s only where z is unique: else the derivative is one of many.
    pub fn new(family: &Family) -> Self {
        let batch = &family.batch;
        let (n, m, count) = (batch.variables(), batch.rows(), batch.batch);
        let draw = |seed, len| normal_vector(len, 1, seed);
        Self {
            is_of_all: family.is_z_unique,
            x: draw(1, count * n),
            z: draw(2, count * m),
            s: draw(3, count * m),
            p: draw(4, batch.p.as_slice().len()),
            q: draw(5, count * n),
            a: draw(6, batch.a.as_slice().len()),
            b: draw(7, count * m),
        }
    }

    pub fn cotangent(&self) -> Cotangent<'_> {
        Cotangent {
            x: Some(&self.x),
            z: self.is_of_all.then_some(self.z.as_slice()),
            s: self.is_of_all.then_some(self.s.as_slice()),
        }
    }

    pub fn tangent(&self, batch: &ProgramBatch) -> Tangent<'_> {
        let like = |is_shared, values| {
            Some(if is_shared { Slot::Shared(values) } else { Slot::Each(values) })
        };
        Tangent {
            p: like(batch.p.slot().is_shared(), &self.p),
            q: Some(Slot::Each(&self.q)),
            a: like(batch.a.slot().is_shared(), &self.a),
            b: Some(Slot::Each(&self.b)),
        }
    }
}

pub const HOW: Differentiation = Differentiation {
    mode: argrad_solver::Mode::Exact,
    on_failure: OnFailure::Zero,
    method: argrad_solver::Method::Direct,
};

/// The solver of the kernels on the host.
pub fn solver(batch: &ProgramBatch, host: Host) -> Solver<Host> {
    Solver::new(batch.structure.clone(), Settings::default(), Arc::new(host)).unwrap()
}

/// The answer of the kernels on the host.
pub fn of_host(batch: &ProgramBatch, host: Host, directions: &Directions) -> Answer {
    let (solution, tape) = solver(batch, host).forward(&batch.values()).unwrap();
    Answer {
        gradients: tape.vjp(&directions.cotangent(), &HOW).unwrap(),
        tangent: tape.jvp(&directions.tangent(batch), &HOW).unwrap(),
        solution,
    }
}

/// That of the CPU engine.
pub fn of_lanes(batch: &ProgramBatch, directions: &Directions) -> Answer {
    let solver = argrad_solver::Solver::new(batch.structure.clone(), Settings::default()).unwrap();
    let (solution, tape) = solver.forward(&batch.values()).unwrap();
    Answer {
        gradients: tape.vjp(&directions.cotangent(), &HOW).unwrap(),
        tangent: tape.jvp(&directions.tangent(batch), &HOW).unwrap(),
        solution,
    }
}

pub fn in_order() -> Host {
    Host::new(Order::Ascending)
}

/// Largest difference between two vectors, sample by sample, relative to the largest entry of the
/// sample and at least to one. NaN in either is a difference.
pub fn difference(one: &[f64], other: &[f64], len: usize) -> f64 {
    assert_eq!(one.len(), other.len());
    // A comparison that NaN does not pass.
    let worse = |most: f64, d: f64| if d <= most { most } else { d };
    let of_sample = |(one, other): (&[f64], &[f64])| {
        let finite = one.iter().filter(|v| v.is_finite());
        let size = finite.fold(1.0_f64, |size, v| size.max(v.abs()));
        let distance = |(a, b): (&f64, &f64)| if a == b { 0.0 } else { (a - b).abs() / size };
        one.iter().zip(other).map(distance).fold(0.0, worse)
    };
    let samples = one.chunks(len.max(1)).zip(other.chunks(len.max(1)));
    samples.map(of_sample).fold(0.0, worse)
}

/// Statuses of a solution.
pub fn statuses(solution: &Solution) -> Vec<Status> {
    solution.reports.iter().map(|report| report.status).collect()
}
