//! Programs without a solution: is each classified, and does its certificate hold?

use argrad_conformance::ProgramBatch;
use argrad_conformance::reference::project;
use argrad_solver::{Cone, Error, Settings, Solution, Solver, Status};

use crate::families::Family;
use crate::quantiles::Quantiles;
use crate::yes_or_no;

/// What a certificate normalized to -1 may miss by.
const TOLERANCE: f64 = 1e-7;

pub const HEADER: [&str; 6] =
    ["family", "programs", "classified", "certificate's worst error", "most iterations", "met"];

/// The rows of a family: infeasible and unbounded programs, where it has such.
pub fn rows(family: &Family, count: usize) -> Result<Vec<Vec<String>>, Error> {
    let mut programs = family.programs.clone();
    programs.batch = count;
    let mut rows = Vec::new();
    let only_equalities = programs.cones.iter().all(|cone| matches!(cone, Cone::Zero(_)));
    if !only_equalities {
        rows.push(row(
            format!("{}, infeasible", family.name),
            &programs.infeasible(),
            Status::PrimalInfeasible,
        )?);
        rows.push(row(
            format!("{}, unbounded", family.name),
            &programs.unbounded(),
            Status::DualInfeasible,
        )?);
    }
    Ok(rows)
}

fn row(name: String, batch: &ProgramBatch, expected: Status) -> Result<Vec<String>, Error> {
    let solver = Solver::new(batch.structure.clone(), Settings::default())?;
    let solution = solver.solve(&batch.values())?;
    let count = solution.reports.len();
    let classified = solution.reports.iter().filter(|r| r.status == expected).count();
    let errors = Quantiles::new(
        (0..count)
            .filter(|&i| solution.reports[i].status == expected)
            .map(|i| certificate_error(batch, &solution, i, expected)),
    );
    let most = solution.reports.iter().map(|r| r.iterations).max().unwrap_or(0);
    let met = classified == count && errors.worst() <= TOLERANCE;
    Ok(vec![
        name,
        count.to_string(),
        classified.to_string(),
        format!("{:.1e}", errors.worst()),
        most.to_string(),
        yes_or_no(met),
    ])
}

/// Largest violation: of A'z = 0, z in K*, b'z = -1; or of Px = 0, Ax + s = 0, s in K, q'x = -1.
fn certificate_error(batch: &ProgramBatch, solution: &Solution, i: usize, status: Status) -> f64 {
    let (n, m) = (batch.variables(), batch.rows());
    let (p, a) = (batch.structure.p(), batch.structure.a());
    let (x, z, s) =
        (&solution.x[i * n..][..n], &solution.z[i * m..][..m], &solution.s[i * m..][..m]);
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut errors = Vec::new();
    if status == Status::PrimalInfeasible {
        let mut atz = vec![0.0; n];
        for ((row, column), &entry) in a.entries().zip(batch.a.sample(i, a.nnz())) {
            atz[column] += entry * z[row];
        }
        errors.extend(atz);
        errors.push(dot(batch.b.sample(i, m), z) + 1.0);
        // z is in K* where the projection of -z onto K is zero.
        let minus: Vec<f64> = z.iter().map(|z| -z).collect();
        errors.extend(by_cone(batch, &minus).flat_map(|projection| projection.0));
    } else {
        let mut px = vec![0.0; n];
        for ((row, column), &entry) in p.entries().zip(batch.p.sample(i, p.nnz())) {
            px[row] += entry * x[column];
            if row != column {
                px[column] += entry * x[row];
            }
        }
        let mut ax = s.to_vec();
        for ((row, column), &entry) in a.entries().zip(batch.a.sample(i, a.nnz())) {
            ax[row] += entry * x[column];
        }
        errors.extend(px);
        errors.extend(ax);
        errors.push(dot(batch.q.sample(i, n), x) + 1.0);
        errors.extend(by_cone(batch, s).flat_map(|projection| projection.1));
    }
    Quantiles::new(errors.into_iter()).worst()
}

/// Cone by cone, the projections of `v` onto K and of `-v` onto K*.
fn by_cone<'a>(
    batch: &'a ProgramBatch,
    v: &'a [f64],
) -> impl Iterator<Item = (Vec<f64>, Vec<f64>)> + 'a {
    let mut row = 0;
    batch.structure.cones().iter().map(move |cone| {
        let part = &v[row..row + cone.dim()];
        row += cone.dim();
        let projection = project(cone, part);
        (projection.point, projection.dual_point)
    })
}
