//! A tape as one row of numbers per sample, for frameworks that carry arrays from the forward pass
//! to the backward pass and nothing else.
//!
//! A row has what cannot be made again from the values without a solve:
//!
//! | numbers | what |
//! |---|---|
//! | 1 | status (see [`CODES`]), plus [`SEVERAL_X`], [`SEVERAL_Z`], [`WARM`], [`CLOSE`] |
//! | 10 | the other numbers of the report, in its order |
//! | n, m, m | x, z, s in the caller's units |
//! | 2, m, h | where K is curved: the balance, v and the cone blocks of the factor, all scaled |
//!
//! The length follows from the structure, whatever the batch, the instruction set and what the
//! batch shares, so rows can be cut, joined and put in another order as their samples can. The
//! factor is not among them: it is made again, which takes one factorization of the many of a
//! solve, and the bits of the derivative are the same. Over a polyhedron v = s - z rounds nothing,
//! since one of s and z is zero in each row, and the blocks follow from v.

use pulp::Simd;

use crate::lanes::{Buffer, LaneTask, M, V, dispatch};
use crate::prepared::{Group, Rows};
use crate::program::{Error, Report, Solution, Status, Values, check_values};
use crate::solve::balance::Balance;
use crate::solve::group::load_start;
use crate::solve::samples::Samples;
use crate::solve::share::load_program;
use crate::solver::Solver;
use crate::system::analysis::Analysis;
use crate::system::memory::{State, View, Work};
use crate::system::shared::matrices::SharedMatrices;
use crate::tape::Tape;

/// Statuses by their codes in a row. A row of zeros is that of a solution at zero, so that arrays
/// which nobody wrote have derivatives without a meaning, but no error.
const CODES: [Status; 7] = [
    Status::Solved,
    Status::PrimalInfeasible,
    Status::DualInfeasible,
    Status::IterationLimit,
    Status::TimeLimit,
    Status::NumericalTrouble,
    Status::AlmostSolved,
];
/// Added where x is not unique, where z is not, where a warm start was accepted, and where the
/// factor is that for a nearly singular P.
const SEVERAL_X: u32 = 8;
const SEVERAL_Z: u32 = 16;
const WARM: u32 = 32;
const CLOSE: u32 = 64;

/// Numbers before x.
const HEAD: usize = 11;
/// To make a state again reads the values of its programs about this many times.
const PASSES: usize = 20;

/// Where the numbers of a row are.
#[derive(Clone, Copy)]
struct Layout {
    n: usize,
    m: usize,
    /// Of the balance, v and the cone blocks; zero where K is a polyhedron.
    balance: usize,
    v: usize,
    h: usize,
}

impl Layout {
    fn new(analysis: &Analysis) -> Self {
        let (n, m) = (analysis.n(), analysis.m());
        let (balance, v, h) = match analysis.cones.is_polyhedral() {
            true => (0, 0, 0),
            false => (2, m, analysis.cones.h_len()),
        };
        Self { n, m, balance, v, h }
    }

    fn len(self) -> usize {
        HEAD + self.n + 2 * self.m + self.balance + self.v + self.h
    }

    /// x, z, s, the balance, v and the cone blocks.
    fn parts(self, row: &[f64]) -> [&[f64]; 6] {
        let (_, rest) = row.split_at(HEAD);
        let (x, rest) = rest.split_at(self.n);
        let (z, rest) = rest.split_at(self.m);
        let (s, rest) = rest.split_at(self.m);
        let (balance, rest) = rest.split_at(self.balance);
        let (v, rest) = rest.split_at(self.v);
        [x, z, s, balance, v, &rest[..self.h]]
    }
}

impl Tape {
    /// Writes the tape as `batch` rows of [`Solver::flat_tape_len`] numbers, from which
    /// [`Solver::tape_from_flat`] makes it again.
    ///
    /// # Errors
    /// [`Error::Length`] when `rows` has room for more or less.
    pub fn write_flat(&self, rows: &mut [f64]) -> Result<(), Error> {
        let (prepared, layout) = (&*self.prepared, Layout::new(&self.prepared.analysis));
        check_rows(rows.len(), layout, self.batch)?;
        let mut rows = Rows::new(rows, layout.len());
        let mut states = self.states.iter();
        let task = |group: Group| Write {
            tape: self,
            layout,
            group,
            state: states.next().map(Buffer::as_slice).unwrap_or_default(),
            rows: rows.next(group),
        };
        prepared.for_groups(self.batch, 1, task, |task, _| dispatch(prepared.width, task));
        Ok(())
    }
}

impl Solver {
    /// Numbers of one sample in a flat tape.
    pub fn flat_tape_len(&self) -> usize {
        Layout::new(&self.prepared.analysis).len()
    }

    /// The solution and the tape that [`Tape::write_flat`] wrote, at the values that were solved.
    /// The derivatives are the same to the last bit where the batch shares what it shared then, and
    /// those of the same solutions otherwise. Nothing is solved, and numbers are not checked:
    /// values that are not finite, or not those that were solved, give derivatives without a
    /// meaning.
    ///
    /// # Errors
    /// [`Error::Length`] for values or rows of another size; [`Error::Shape`] for a row that does
    /// not begin with a status; [`Error::Memory`] for a batch that would not fit.
    pub fn tape_from_flat(
        &self,
        values: &Values<'_>,
        rows: &[f64],
    ) -> Result<(Solution, Tape), Error> {
        let (prepared, batch) = (self.prepared_for(values.batch), values.batch);
        let analysis = &prepared.analysis;
        let layout = Layout::new(analysis);
        check_values(&analysis.structure, values)?;
        check_rows(rows.len(), layout, batch)?;
        let solution = read_solution(rows, layout, batch)?;
        let matrices = self.share(values)?;
        let mut states = prepared.take_states(batch, matrices.is_some())?;
        let mut buffers = states.iter_mut();
        let task = |group: Group| Restore {
            analysis,
            matrices: matrices.as_ref(),
            layout,
            values,
            solution: &solution,
            rows,
            group,
            state: buffers.next().map(Buffer::as_mut_slice).unwrap_or_default(),
            work: &mut [],
        };
        prepared.for_groups(batch, PASSES, task, |task, work| {
            dispatch(prepared.width, Restore { work, ..task });
        });
        let tape = Tape::new(prepared.clone(), (states, matrices), values, &solution);
        Ok((solution, tape))
    }
}

fn check_rows(found: usize, layout: Layout, batch: usize) -> Result<(), Error> {
    let expected = batch * layout.len();
    if found == expected {
        return Ok(());
    }
    Err(Error::Length {
        argument: "flat tape",
        expected,
        found,
        meaning: format!("{batch} samples x {} numbers", layout.len()),
    })
}

/// The points with their reports.
fn read_solution(rows: &[f64], layout: Layout, batch: usize) -> Result<Solution, Error> {
    let mut solution = Solution { batch, ..Solution::default() };
    for (sample, row) in rows.chunks_exact(layout.len()).enumerate() {
        let [x, z, s, ..] = layout.parts(row);
        solution.x.extend_from_slice(x);
        solution.z.extend_from_slice(z);
        solution.s.extend_from_slice(s);
        solution.reports.push(read_report(row).ok_or_else(|| Error::Shape {
            argument: "flat tape",
            expected: "a row that Tape::write_flat wrote for this structure".into(),
            found: format!("{} for the status of sample {sample}", row[0]),
        })?);
    }
    Ok(solution)
}

/// The report that a row begins with; none where it does not begin with a status.
fn read_report(row: &[f64]) -> Option<Report> {
    let code = row[0] as u32;
    let status = *CODES.get((code & (SEVERAL_X - 1)) as usize)?;
    if f64::from(code) != row[0] || code >= 2 * CLOSE {
        return None;
    }
    Some(Report {
        status,
        iterations: row[1] as u32,
        polish_steps: row[2] as u32,
        factorizations: row[3] as u32,
        warm_started: code & WARM != 0,
        objective: row[4],
        residual: row[5],
        primal_residual: row[6],
        dual_residual: row[7],
        gap: row[8],
        weakly_active: row[9] as u32,
        condition: row[10],
        unique_x: status.is_solved() && code & SEVERAL_X == 0,
        unique_z: status.is_solved() && code & SEVERAL_Z == 0,
    })
}

/// Writes what [`read_report`] reads.
fn write_report(report: &Report, is_close: bool, head: &mut [f64]) {
    // All statuses are listed; a new one would not be known to those who read the row either.
    let status = CODES.iter().position(|&status| status == report.status).unwrap_or_default();
    let flags = [
        (!report.unique_x, SEVERAL_X),
        (!report.unique_z, SEVERAL_Z),
        (report.warm_started, WARM),
        (is_close, CLOSE),
    ];
    let flags: u32 = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum();
    head.copy_from_slice(&[
        f64::from(status as u32 + flags),
        f64::from(report.iterations),
        f64::from(report.polish_steps),
        f64::from(report.factorizations),
        report.objective,
        report.residual,
        report.primal_residual,
        report.dual_residual,
        report.gap,
        f64::from(report.weakly_active),
        report.condition,
    ]);
}

/// Writes the rows of one lane group.
struct Write<'a> {
    tape: &'a Tape,
    layout: Layout,
    group: Group,
    state: &'a [f64],
    rows: &'a mut [f64],
}

impl LaneTask for Write<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { tape, layout, group, state, rows } = self;
        let matrices = tape.matrices.as_deref();
        let view = View::<S>::new(simd, &tape.prepared.analysis, matrices, state);
        for (lane, row) in rows.chunks_exact_mut(layout.len()).enumerate() {
            let sample = group.first + lane;
            let (head, rest) = row.split_at_mut(HEAD);
            write_report(&tape.reports[sample], view.close.lane(lane) > 0.0, head);
            let (x, rest) = rest.split_at_mut(layout.n);
            let (z, rest) = rest.split_at_mut(layout.m);
            let (s, rest) = rest.split_at_mut(layout.m);
            x.copy_from_slice(&tape.x[sample * layout.n..][..layout.n]);
            z.copy_from_slice(&tape.z[sample * layout.m..][..layout.m]);
            s.copy_from_slice(&tape.s[sample * layout.m..][..layout.m]);
            // Empty where K is a polyhedron.
            let numbers = view.balance.iter().chain(view.v).chain(view.h);
            for (out, number) in rest.iter_mut().zip(numbers) {
                *out = number.lane(lane);
            }
        }
    }
}

/// Makes the state of one lane group again.
struct Restore<'a> {
    analysis: &'a Analysis,
    matrices: Option<&'a SharedMatrices>,
    layout: Layout,
    values: &'a Values<'a>,
    solution: &'a Solution,
    rows: &'a [f64],
    group: Group,
    state: &'a mut [f64],
    work: &'a mut [f64],
}

impl LaneTask for Restore<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { analysis, matrices, layout, values, solution, rows, group, .. } = self;
        let work = &mut Work::<S>::new(simd, analysis, self.work);
        let spare = std::mem::take(&mut work.spare);
        let state = &mut State::new(simd, analysis, matrices, self.state, spare);
        let samples = Samples::new(group.count, |at| group.first + at);
        let samples = samples.of_lanes::<S>();
        load_program(simd, analysis, values, samples, state, work);
        balance(simd, analysis, (layout, rows), samples, state);
        load_start(analysis, solution, samples, state);

        let mut close = V::splat(simd, 0.0);
        for (lane, &sample) in samples.iter().enumerate() {
            let row = &rows[sample * layout.len()..][..layout.len()];
            close.set_lane(lane, f64::from(row[0] as u32 & CLOSE));
            let [.., v, h] = layout.parts(row);
            for (out, &number) in state.v.iter_mut().zip(v).chain(state.h.iter_mut().zip(h)) {
                out.set_lane(lane, number);
            }
        }
        let (zero, system) = (V::splat(simd, 0.0), &mut work.system);
        let (projected, cones) = (&mut *system.rows, &mut *system.cones);
        analysis.cones.projection(simd, state.v, zero, projected, state.projection, cones);
        if layout.h == 0 {
            analysis.cones.write_projection_block(simd, state.projection, state.h, cones);
        }
        if analysis.kkt.has_factor() {
            let close: M<S> = close.gt(zero);
            state.factor(simd, analysis, system, close);
        }
    }
}

/// Changes the units of the program as they were changed when it was solved.
#[inline(always)]
fn balance<S: Simd>(
    simd: S,
    analysis: &Analysis,
    (layout, rows): (Layout, &[f64]),
    samples: &[usize],
    state: &mut State<'_, S>,
) {
    if layout.balance == 0 {
        return;
    }
    let mut balance = Balance::none(simd);
    for (lane, &sample) in samples.iter().enumerate() {
        let [_, _, _, numbers, ..] = layout.parts(&rows[sample * layout.len()..]);
        // Zero in rows that nobody wrote.
        let factor = |number: f64| if number > 0.0 { number } else { 1.0 };
        balance.dual.set_lane(lane, factor(numbers[0]));
        balance.primal.set_lane(lane, factor(numbers[1]));
    }
    balance.apply(analysis, state);
}
