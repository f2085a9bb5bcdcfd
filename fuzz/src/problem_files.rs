//! Problem files, broken. What can still be read is solved.

use std::path::Path;
use std::sync::LazyLock;

use argrad_conformance::problem_file::ProblemFile;
use argrad_solver::{Settings, Solver};
use serde_json::{Value, json};

use crate::Outcome;
use crate::draw::Draw;
use crate::json;

/// A small program in the file's format.
static FILE: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "name": "small", "source": "fuzz",
        "P_upper": {"shape": [2, 2], "colptr": [0, 1, 3], "rowval": [0, 0, 1],
                    "nzval": [2.0, 0.5, 1.0]},
        "q": [1.0, -1.0], "r": 0.5,
        "A": {"shape": [9, 2], "colptr": [0, 4, 8], "rowval": [0, 1, 4, 6, 0, 2, 5, 8],
              "nzval": [1.0, -1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 1.0]},
        "b": [1.0, 0.0, 1e20, 3.0, 1.0, 1.0, 2.0, 0.0, 2.0],
        "cones": [{"zero": 1}, {"nonnegative": 2}, {"second_order": 3}, {"psd_triangle": 2}],
        "reference": {"solver": "none", "status": "Solved", "objective_without_r": 1.0,
                      "iterations": 3},
    })
});

pub fn run(draw: &mut Draw) -> Outcome {
    let text = json::broken(draw, &FILE);
    let Ok(file) = ProblemFile::parse(Path::new("broken.json"), &text) else {
        return Outcome::Refused;
    };
    let structure = &file.program.structure;
    if structure.variables() + structure.rows() > 200 {
        return Outcome::Accepted;
    }
    let solved = Solver::new(structure.clone(), Settings::default())
        .and_then(|solver| solver.solve(&file.program.values()));
    if solved.is_ok() { Outcome::Accepted } else { Outcome::Refused }
}
