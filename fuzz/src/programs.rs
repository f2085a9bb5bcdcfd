//! Programs in the standard form with random structures, values and settings, wrong here and there:
//! solved, warm started, differentiated both ways, twice, and as a whole Jacobian.

use std::time::Duration;

use argrad_solver::{
    Cone, Cotangent, Differentiation, Engine, Error, Instructions, Method, Mode, OnFailure,
    Pattern, Settings, Slot, Solution, Solver, Structure, Tangent, Tape, Values,
};

use crate::Outcome;
use crate::draw::Draw;

pub fn run(draw: &mut Draw) -> Outcome {
    match attempt(draw) {
        Ok(()) => Outcome::Accepted,
        Err(_) => Outcome::Refused,
    }
}

fn attempt(draw: &mut Draw) -> Result<(), Error> {
    let structure = structure(draw)?;
    let (n, m) = (structure.variables(), structure.rows());
    let (p, a) = (structure.p().clone(), structure.a().clone());
    let solver = Solver::new(structure, settings(draw))?;
    let batch = draw.below(4);
    let each = [draw.once_in(2), draw.once_in(2), draw.once_in(2), draw.once_in(2)];
    let len = |k: usize, each: bool| if each { batch * k } else { k };
    let numbers = [
        objective(draw, &p, if each[0] { batch } else { 1 }),
        draw.numbers(len(n, each[1]), 500),
        draw.numbers(len(a.nnz(), each[2]), 500),
        draw.numbers(len(m, each[3]), 100),
    ];
    let slot = |k: usize| {
        let numbers = numbers[k].as_slice();
        if each[k] { Slot::Each(numbers) } else { Slot::Shared(numbers) }
    };
    let values = Values { batch, p: slot(0), q: slot(1), a: slot(2), b: slot(3) };
    let (solution, tape) = solver.forward(&values)?;
    again(draw, &solver, &values, &solution)?;
    differentiated(draw, &tape, [n, m], [slot(0), slot(1), slot(2), slot(3)])
}

/// A structure; one in a few has sizes that do not fit, or that overflow.
fn structure(draw: &mut Draw) -> Result<Structure, Error> {
    let n = draw.below(5);
    let cones: Vec<Cone> = (0..draw.below(4)).map(|_| cone(draw)).collect();
    let rows = cones.iter().map(Cone::dim).fold(0, usize::saturating_add);
    // Patterns are allocated as large as they are said to be.
    let rows = if rows < 1000 { draw.nearly(rows) } else { draw.below(4) };
    let p = pattern(draw, n, n, true)?;
    let a = pattern(draw, rows, n, false)?;
    let (p_nnz, a_nnz) = (p.nnz(), a.nnz());
    let structure = Structure::new(p, a, cones)?;
    if draw.once_in(4) {
        let mut flags = |len: usize| (0..draw.nearly(len)).map(|_| draw.once_in(5)).collect();
        return structure.with_zeros(flags(p_nnz), flags(a_nnz));
    }
    Ok(structure)
}

fn cone(draw: &mut Draw) -> Cone {
    let small = draw.below(5);
    match draw.below(7) {
        0 => Cone::Zero(draw.size_or_edge(small.min(2))),
        1 => Cone::Nonnegative(draw.size_or_edge(small)),
        2 => Cone::SecondOrder(draw.size_or_edge(small)),
        3 => Cone::PsdTriangle(draw.size_or_edge(small.min(3))),
        4 => Cone::Exponential,
        5 => Cone::Power(0.5 + 0.5 * draw.number_or_edge(10)),
        _ => {
            let weights = draw.numbers(1 + small, 20);
            let sum: f64 = weights.iter().map(|weight| weight.abs()).sum();
            let alpha = weights.iter().map(|weight| weight.abs() / sum).collect();
            let norm_dim = draw.below(3);
            Cone::GeneralizedPower { alpha, norm_dim: draw.size_or_edge(norm_dim) }
        }
    }
}

/// Compressed columns, rarely wrong.
fn pattern(draw: &mut Draw, rows: usize, cols: usize, upper: bool) -> Result<Pattern, Error> {
    let (mut colptr, mut rowval) = (vec![0], Vec::new());
    for j in 0..cols {
        let end = if upper { j + 1 } else { rows };
        rowval.extend((0..end).filter(|_| !draw.once_in(3)));
        colptr.push(rowval.len());
    }
    if draw.once_in(60) && !rowval.is_empty() {
        let at = draw.below(rowval.len());
        rowval[at] = draw.size_or_edge(rows);
    }
    if draw.once_in(60) {
        let at = draw.below(colptr.len());
        colptr[at] = draw.size_or_edge(1);
    }
    if draw.once_in(100) {
        colptr.clear();
    }
    Pattern::new(rows, draw.size_or_edge(cols), colptr, rowval)
}

/// Numbers of P: mostly dominated by its diagonal, hence convex.
fn objective(draw: &mut Draw, p: &Pattern, copies: usize) -> Vec<f64> {
    let mut numbers: Vec<f64> = (0..copies)
        .flat_map(|_| p.entries())
        .map(|(i, j)| if i == j { 4.0 + draw.number() } else { draw.number() })
        .collect();
    if draw.once_in(10) {
        numbers = draw.numbers(numbers.len(), 50);
    }
    numbers
}

fn settings(draw: &mut Draw) -> Settings {
    let mut settings = Settings {
        max_iterations: 30,
        time_limit: Some(Duration::from_secs(1)),
        ..Default::default()
    };
    match draw.below(24) {
        0 => settings.tolerance = draw.number_or_edge(2),
        1 => settings.infeasibility_tolerance = draw.number_or_edge(2),
        2 => settings.convexity_tolerance = draw.number_or_edge(2),
        3 => settings.max_iterations = draw.below(3),
        4 => settings.max_polish_steps = draw.below(3),
        5 => settings.check_convexity = false,
        6 => settings.instructions = Instructions::Scalar,
        7 => settings.engine = Engine::Lanes,
        8 | 9 => settings.engine = Engine::Sparse,
        10 => settings.engine = Engine::MatrixFree,
        11 => settings.time_limit = Some(Duration::ZERO),
        _ => {}
    }
    settings
}

/// A warm start, and a tape at a point; the point is that of the solution, or a wrong one.
fn again(
    draw: &mut Draw,
    solver: &Solver,
    values: &Values<'_>,
    solution: &Solution,
) -> Result<(), Error> {
    let mut start = solution.clone();
    if draw.once_in(4) {
        start.x = draw.numbers(start.x.len(), 20);
        start.z = draw.numbers(start.z.len(), 20);
        start.s = draw.numbers(start.s.len(), 20);
    }
    solver.solve_from(values, &start)?;
    solver.tape_at(values, &start)?;
    Ok(())
}

fn differentiated(
    draw: &mut Draw,
    tape: &Tape,
    [n, m]: [usize; 2],
    [p, q, a, b]: [Slot<'_>; 4],
) -> Result<(), Error> {
    let how = Differentiation {
        mode: match draw.below(8) {
            0 | 1 => Mode::Smoothed(0.01 * draw.number_or_edge(5).abs()),
            2 => Mode::Smoothed(draw.number_or_edge(2)),
            3 => Mode::Lpgd(draw.number_or_edge(5)),
            _ => Mode::Exact,
        },
        on_failure: *draw.one_of(&[OnFailure::Nan, OnFailure::Zero, OnFailure::Error]),
        method: match draw.below(6) {
            0 => Method::Lsqr {
                tolerance: 1e-3 * draw.number_or_edge(5).abs(),
                max_iterations: draw.below(30),
            },
            _ => Method::Direct,
        },
    };
    let batch = tape.batch();
    let cotangents =
        [draw.numbers(batch * n, 100), draw.numbers(batch * m, 100), draw.numbers(batch * m, 100)];
    let given = |draw: &mut Draw, k: usize| (!draw.once_in(4)).then_some(cotangents[k].as_slice());
    let cotangent = Cotangent { x: given(draw, 0), z: given(draw, 1), s: given(draw, 2) };
    let tangent = Tangent {
        p: (!draw.once_in(4)).then_some(p),
        q: (!draw.once_in(4)).then_some(q),
        a: (!draw.once_in(4)).then_some(a),
        b: (!draw.once_in(4)).then_some(b),
    };
    // Each has errors of its own; all are tried.
    let results = [
        tape.vjp(&cotangent, &how).map(drop),
        tape.jvp(&tangent, &how).map(drop),
        tape.vjp_tangent(&cotangent, &cotangent, &tangent, &how).map(drop),
        tape.jacobian(&how).map(drop),
        tape.central_points(0.1 * draw.number_or_edge(5)).map(drop),
    ];
    results.into_iter().take(2).collect()
}
