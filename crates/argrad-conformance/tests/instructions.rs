//! What a solve and its derivative take, in instructions. Callgrind counts them the same whatever
//! else the machine does, so that a kernel that became a few percent slower is seen, which no clock
//! of a shared machine tells.
//!
//! `instructions.txt` has the counts, for a processor with AVX2 (Valgrind knows no wider
//! registers).
//! `ARGRAD_WRITE_INSTRUCTIONS=1 cargo test --workspace --release --test instructions` writes them
//! anew: after a change that is meant to change them, or with another compiler.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, Penalty, Plant, Size};
use argrad_solver::{Cotangent, Differentiation, Engine, Settings, Solver};

/// The name of the case that a process solves under Callgrind.
const COUNTED: &str = "ARGRAD_COUNTED";
/// With this set the table is written.
const WRITE: &str = "ARGRAD_WRITE_INSTRUCTIONS";
/// By how much a count may differ from the table's.
const TOLERANCE: f64 = 0.02;

/// The case that goes to the sparse engine.
const SPARSE: &str = "dense-n240-sparse";

type Case = (&'static str, fn() -> ProgramBatch);

fn random(variables: usize, inequalities: usize, equalities: usize, batch: usize) -> ProgramBatch {
    generators::random_qp(Size { variables, inequalities, equalities, batch }, 1)
}

const CASES: [Case; 12] = [
    ("dense-n10", || random(10, 10, 0, 16)),
    ("dense-n10-one", || random(10, 10, 0, 1)),
    ("dense-n20-eq", || random(20, 20, 5, 16)),
    ("dense-n50", || random(50, 50, 0, 16)),
    (SPARSE, || random(240, 120, 24, 1)),
    ("sudoku", || generators::sudoku_layer(16, 1)),
    ("controller", || generators::linear_mpc(Plant { states: 6, inputs: 3, horizon: 10 }, 16, 1)),
    ("portfolio", || generators::portfolio(20, 3, 16, 1)),
    ("total-variation", || generators::total_variation(50, 0.5, 16, 1)),
    ("softmax", || generators::entropy_softmax(10, 16, 1).batch),
    ("psd-projection", || generators::psd_projection(4, 16, 1)),
    ("logistic", || generators::logistic_regression(10, 4, Penalty::Ridge(0.1), 16, 1)),
];

/// A solve and its derivative, which alone are counted: Callgrind is told their name.
#[inline(never)]
fn solve_and_differentiate(solver: &Solver, batch: &ProgramBatch, ones: &[f64]) {
    let (solution, tape) = solver.forward(&batch.values()).unwrap();
    assert!(solution.reports.iter().all(|report| report.is_solved()));
    let cotangent = Cotangent { x: Some(ones), z: None, s: None };
    tape.vjp(&cotangent, &Differentiation::default()).unwrap();
}

/// The work of a process under Callgrind: a first call, which makes the buffers, and one of those
/// that follow.
#[test]
#[ignore = "run under Callgrind by the test below"]
fn counted() {
    let Ok(name) = std::env::var(COUNTED) else { return };
    let (_, batch) = CASES.iter().find(|case| case.0 == name).expect("a case");
    let batch = batch();
    let engine = if name == SPARSE { Engine::Sparse } else { Engine::Auto };
    let settings = Settings { engine, ..Settings::default() };
    let solver = Solver::new(batch.structure.clone(), settings).unwrap();
    let ones = vec![1.0; batch.batch * batch.variables()];
    (0..2).for_each(|_| solve_and_differentiate(&solver, &batch, &ones));
}

/// Instructions of two calls of a case, or why there are none.
fn count(name: &str) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*solve_and_differentiate*")
        .arg(program)
        .args(["--exact", "counted", "--ignored", "--test-threads=1"])
        .env(COUNTED, name)
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name}: {}\n{said}", output.status));
    }
    let counted = said.lines().find_map(|line| line.split_once("Collected :"));
    let number = counted.and_then(|(_, number)| number.trim().parse().ok());
    let number = number.filter(|&number| number > 0);
    number.ok_or_else(|| format!("{name}: no count in what Callgrind said:\n{said}"))
}

fn table() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/instructions.txt")
}

#[test]
fn instructions_are_those_of_the_table() {
    let can_count = Command::new("valgrind").arg("--version").output().is_ok();
    if cfg!(debug_assertions) || !can_count || !cfg!(target_arch = "x86_64") {
        println!("skipped: takes a release build, an x86-64 processor, and valgrind in the path");
        return;
    }
    let found: BTreeMap<&str, u64> =
        CASES.iter().map(|&(name, _)| (name, count(name).unwrap())).collect();
    if std::env::var_os(WRITE).is_some() {
        let mut text = String::new();
        for (name, count) in &found {
            writeln!(text, "{name} {count}").unwrap();
        }
        return std::fs::write(table(), text).unwrap();
    }
    let text = std::fs::read_to_string(table()).unwrap();
    let mut different = Vec::new();
    for line in text.lines() {
        let (name, expected) = line.split_once(' ').expect("a name and a count");
        let expected: f64 = expected.parse().expect("a count");
        let found = found[name] as f64;
        if (found / expected - 1.0).abs() > TOLERANCE {
            different.push(format!("{name}: {found} instructions, {expected} in the table"));
        }
    }
    assert_eq!(text.lines().count(), CASES.len(), "a line for each case");
    assert!(different.is_empty(), "{}; see the top of this file", different.join("; "));
}
