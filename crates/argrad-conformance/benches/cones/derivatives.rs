//! VJP and JVP against the exact linear system.

use argrad_conformance::generators::normal_vector;
use argrad_conformance::reference::ReferenceSolution;
use argrad_conformance::{ProgramBatch, StoredGradients, dot, relative_error};
use argrad_solver::{
    Cotangent, Differentiation, Error, Gradients, OnFailure, Slot, Solution, SolutionTangent,
    Tangent, Tape,
};
use rayon::prelude::*;

use crate::quantiles::Quantiles;
use crate::yes_or_no;

/// What the median of the errors, and the worst that is not flagged, must reach.
const MEDIAN: f64 = 1e-11;
const WORST: f64 = 1e-7;

pub const HEADER: [&str; 11] = [
    "family",
    "x",
    "worst",
    "VJP",
    "worst",
    "dP alone",
    "worst",
    "JVP",
    "worst",
    "flagged (confirmed)",
    "met",
];

/// Errors of one sample.
struct Errors {
    x: f64,
    vjp: f64,
    dp: f64,
    jvp: f64,
    /// Whether the solver flags it, and whether the reference agrees.
    flagged: bool,
    confirmed: bool,
}

/// One row of the table. <Jv, w> = <v, J'w> is part of the error of the JVP.
pub fn row(
    name: &str,
    batch: &ProgramBatch,
    solution: &Solution,
    tape: &Tape,
) -> Result<Vec<String>, Error> {
    let directions = Directions::draw(batch);
    let Directions { x, z, s, p, q, a, b } = &directions;
    let how = Differentiation { on_failure: OnFailure::Nan, ..Differentiation::default() };
    // Shared values get shared gradients: the program is given a sample each.
    let cotangent = Cotangent { x: Some(x), z: Some(z), s: Some(s) };
    let gradients = tape.vjp(&cotangent, &how)?;
    let tangent = Tangent {
        p: Some(Slot::Each(p)),
        q: Some(Slot::Each(q)),
        a: Some(Slot::Each(a)),
        b: Some(Slot::Each(b)),
    };
    let moved = tape.jvp(&tangent, &how)?;
    let found = Found { batch, solution, gradients: &gradients, moved: &moved };
    let errors: Vec<Errors> =
        (0..batch.batch).into_par_iter().map(|i| found.errors(i, &directions)).collect();
    Ok(cells(name, &errors))
}

/// Random gradients with respect to x, z, s, and changes of P, q, A, b, for every sample.
struct Directions {
    x: Vec<f64>,
    z: Vec<f64>,
    s: Vec<f64>,
    p: Vec<f64>,
    q: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

impl Directions {
    fn draw(batch: &ProgramBatch) -> Self {
        let (n, m) = (batch.variables(), batch.rows());
        let normal = |len: usize, k: u64| normal_vector(len, batch.batch, 1000 + k);
        Self {
            x: normal(n, 1),
            z: normal(m, 2),
            s: normal(m, 3),
            p: normal(batch.structure.p().nnz(), 4),
            q: normal(n, 5),
            a: normal(batch.structure.a().nnz(), 6),
            b: normal(m, 7),
        }
    }
}

/// What the solver found.
struct Found<'a> {
    batch: &'a ProgramBatch,
    solution: &'a Solution,
    gradients: &'a Gradients,
    moved: &'a SolutionTangent,
}

impl Found<'_> {
    /// Those of sample `i`.
    fn errors(&self, i: usize, directions: &Directions) -> Errors {
        let Self { batch, solution, gradients, moved } = *self;
        let part = |values: &[f64]| {
            let len = values.len() / batch.batch;
            values[i * len..(i + 1) * len].to_vec()
        };
        let flagged = solution.reports[i].is_degenerate();
        let (x, z, s) = (part(&solution.x), part(&solution.z), part(&solution.s));
        let Ok(exact) = ReferenceSolution::refine(batch, i, &x, &z, &s) else {
            let nan = f64::NAN;
            return Errors { x: nan, vjp: nan, dp: nan, jvp: nan, flagged, confirmed: true };
        };
        let (gx, gz, gs) = (part(&directions.x), part(&directions.z), part(&directions.s));
        let expected = exact.vjp(&gx, &gz, &gs);
        let stored = |[p, q, a, b]: [&[f64]; 4]| StoredGradients {
            p: part(p),
            q: part(q),
            a: part(a),
            b: part(b),
        };
        let direction = stored([&directions.p, &directions.q, &directions.a, &directions.b]);
        let found = stored([&gradients.p, &gradients.q, &gradients.a, &gradients.b]);
        let error_dp = relative_error(&found.p, &expected.p);
        let vjp = worst([
            error_dp,
            relative_error(&found.q, &expected.q),
            relative_error(&found.a, &expected.a),
            relative_error(&found.b, &expected.b),
        ]);
        let expected = exact.jvp(&direction);
        let (dx, dz, ds) = (part(&moved.x), part(&moved.z), part(&moved.s));
        let forward = dot(&gx, &dx) + dot(&gz, &dz) + dot(&gs, &ds);
        let backward = dot(&found.p, &direction.p)
            + dot(&found.q, &direction.q)
            + dot(&found.a, &direction.a)
            + dot(&found.b, &direction.b);
        // Relative to the size of what is summed: the sum itself may cancel.
        let size = norm(&gx) * norm(&dx) + norm(&gz) * norm(&dz) + norm(&gs) * norm(&ds);
        let whole = [&expected.x, &expected.z, &expected.s].map(|part| largest(part));
        let whole = whole.into_iter().fold(0.0, f64::max);
        let jvp = worst([
            relative_to_whole(&dx, &expected.x, whole),
            relative_to_whole(&dz, &expected.z, whole),
            relative_to_whole(&ds, &expected.s, whole),
            (forward - backward) / size,
        ]);
        Errors {
            x: relative_error(&x, &exact.x),
            vjp,
            dp: error_dp,
            jvp,
            flagged,
            confirmed: exact.is_degenerate(),
        }
    }
}

fn cells(name: &str, errors: &[Errors]) -> Vec<String> {
    let flagged = errors.iter().filter(|e| e.flagged).count();
    let confirmed = errors.iter().filter(|e| e.flagged && e.confirmed).count();
    let mut cells = vec![name.to_owned()];
    let mut met = true;
    for of in [|e: &Errors| e.x, |e: &Errors| e.vjp, |e: &Errors| e.dp, |e: &Errors| e.jvp] {
        let median = Quantiles::new(errors.iter().map(of)).median();
        let worst = Quantiles::new(errors.iter().filter(|e| !e.flagged).map(of)).worst();
        met &= median <= MEDIAN && worst <= WORST;
        cells.extend([format!("{median:.1e}"), format!("{worst:.1e}")]);
    }
    cells.push(format!("{flagged} ({confirmed})"));
    cells.push(yes_or_no(met));
    cells
}

/// The error of a part relative to it, or, where all of it is rounding error of the others (z moves
/// by 1e-30 where no constraint is active), to those.
fn relative_to_whole(found: &[f64], expected: &[f64], whole: f64) -> f64 {
    const NOTHING: f64 = 1e-12;
    let size = largest(expected);
    relative_error(found, expected) * size / size.max(NOTHING * whole)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

/// The largest; NaN counts as larger than any number.
fn worst<const N: usize>(errors: [f64; N]) -> f64 {
    Quantiles::new(errors.into_iter()).worst()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
