//! Programs without a solution in several units: is each classified, and does its certificate hold?
//! Programs with a solution: does none get one?

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::Units;
use argrad_solver::{Cone, Error, Settings, Solver, Status};

use crate::families::families;
use crate::{Arguments, Row};

pub const HEADER: [&str; 5] = ["family", "unit", "programs", "classified", "most iterations"];
pub const SOLVABLE_HEADER: [&str; 5] =
    ["family", "programs", "solved", "false certificates", "other statuses"];

pub fn rows(arguments: &Arguments) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for family in families(arguments.count.div_ceil(3) * 5) {
        let mut programs = family.programs;
        programs.seed = arguments.seed;
        if programs.cones.iter().all(|cone| matches!(cone, Cone::Zero(_))) {
            continue;
        }
        for (name, batch, expected) in [
            ("infeasible", programs.infeasible(), Status::PrimalInfeasible),
            ("unbounded", programs.unbounded(), Status::DualInfeasible),
        ] {
            for unit in [1e-6, 1.0, 1e6] {
                let ones = Units::ones(&batch.structure);
                let scaled = Units { point: unit, objective: unit, ..ones }.of_batch(&batch);
                rows.push(row(&format!("{}, {name}", family.name), unit, &scaled, expected)?);
            }
        }
    }
    Ok(rows)
}

fn row(name: &str, unit: f64, batch: &ProgramBatch, expected: Status) -> Result<Row, Error> {
    let solver = Solver::new(batch.structure.clone(), Settings::default())?;
    let reports = solver.solve(&batch.values())?.reports;
    let classified = reports.iter().filter(|report| report.status == expected).count();
    let most = reports.iter().map(|report| report.iterations).max().unwrap_or(0);
    let cells = vec![
        name.to_owned(),
        format!("{unit:.0e}"),
        reports.len().to_string(),
        classified.to_string(),
        most.to_string(),
    ];
    Ok(Row { cells, met: classified == reports.len() })
}

/// Solvable programs whose b and q are from 1e-8 to 1e8, each on its own.
pub fn solvable_rows(arguments: &Arguments) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for family in families(arguments.count.div_ceil(3)) {
        let mut programs = family.programs;
        programs.seed = arguments.seed;
        let known = programs.known_solution();
        let (mut total, mut solved, mut false_certificates, mut others) = (0, 0, 0, Vec::new());
        for k in 0..8 {
            let units = Units::random(&known.batch.structure, f64::from(k + 1), 30 + k as u64);
            let units = Units {
                point: 10_f64.powi(2 * k - 8),
                objective: 10_f64.powi(8 - 2 * k),
                variables: vec![1.0; programs.variables],
                ..units
            };
            let batch = units.of_batch(&known.batch);
            let solver = Solver::new(batch.structure.clone(), Settings::default())?;
            for report in solver.solve(&batch.values())?.reports {
                total += 1;
                match report.status {
                    Status::Solved => solved += 1,
                    Status::PrimalInfeasible | Status::DualInfeasible => false_certificates += 1,
                    other => others.push(other.to_string()),
                }
            }
        }
        others.sort();
        others.dedup();
        let cells = vec![
            family.name.to_owned(),
            total.to_string(),
            solved.to_string(),
            false_certificates.to_string(),
            others.join(", "),
        ];
        rows.push(Row { cells, met: false_certificates == 0 && solved == total });
    }
    Ok(rows)
}
