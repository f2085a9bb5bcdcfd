//! Writes launches of every kind of kernel into a folder, for `crates/argrad-gpu/check/emulate.py`:
//! `cargo run --release -p argrad-gpu-host --example record FOLDER`.

use std::path::PathBuf;
use std::sync::Arc;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, ConePrograms, Size, normal_vector};
use argrad_gpu::Solver;
use argrad_gpu_host::{Host, Order, Recorder, are_compiled};
use argrad_solver::{Cotangent, Differentiation, Mode, OnFailure, Settings, Slot, Tangent};

const fn size(variables: usize, inequalities: usize, equalities: usize) -> Size {
    Size { variables, inequalities, equalities, batch: 2 }
}

/// Small batches of every mapping and variant of the kernels.
fn batches() -> Vec<(&'static str, ProgramBatch)> {
    vec![
        ("small", generators::random_qp(size(5, 6, 2), 1)),
        ("two-panels", generators::random_qp(size(20, 18, 3), 2)),
        ("three-panels", generators::random_qp(size(37, 30, 4), 3)),
        ("five-panels", generators::random_qp(size(66, 20, 0), 4)),
        ("shared", generators::shared_qp(size(9, 10, 2), 5)),
        ("not-unique", generators::redundant_inequalities(size(6, 8, 2), 6).batch),
        ("no-solution", generators::conflicting_inequalities(size(6, 8, 2), 7)),
        ("unbounded", generators::unbounded(size(6, 8, 2), 8)),
        ("total-variation", generators::total_variation(12, 0.3, 2, 9)),
        ("semidefinite", generators::psd_projection(3, 2, 10)),
        ("softmax", generators::entropy_softmax(4, 2, 11).batch),
        ("all-cones", ConePrograms::sparse_over_every_cone(2, 12).known_solution().batch),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    if !are_compiled() {
        return Err("there are no kernels for the host: install a C++ compiler".into());
    }
    std::fs::create_dir_all(&folder)?;
    let mut first = 0;
    for (name, batch) in batches() {
        let machine =
            Arc::new(Recorder::new(Host::new(Order::Ascending), folder.clone(), name, first));
        let solver =
            Solver::new(batch.structure.clone(), Settings::default(), Arc::clone(&machine))?;
        let (solution, tape) = solver.forward(&batch.values())?;
        let exact = Differentiation { on_failure: OnFailure::Zero, ..Differentiation::default() };
        let x = normal_vector(solution.x.len(), 1, 1);
        let z = normal_vector(solution.z.len(), 1, 2);
        let q = normal_vector(solution.x.len(), 1, 3);
        let a = normal_vector(batch.a.as_slice().len(), 1, 4);
        let of_a = if batch.a.slot().is_shared() { Slot::Shared(&a) } else { Slot::Each(&a) };
        let cotangent = Cotangent { x: Some(&x), z: Some(&z), s: None };
        let tangent = Tangent { q: Some(Slot::Each(&q)), a: Some(of_a), ..Tangent::default() };
        tape.vjp(&cotangent, &exact)?;
        tape.jvp(&tangent, &exact)?;
        if solution.reports.iter().all(argrad_solver::Report::is_solved) {
            let smoothed = Differentiation { mode: Mode::Smoothed(1e-2), ..exact };
            tape.vjp(&cotangent, &smoothed)?;
        }
        first = machine.next();
    }
    println!("{first} launches in {}", folder.display());
    Ok(())
}
