//! Numbers of the modelling language: compile time and memory, the share of the maps in a forward
//! pass, a model predictive controller. `cargo bench -p argrad --bench model`, or `make model`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use argrad::atoms::*;
use argrad::prelude::*;
use argrad::{Pattern, Report};
use argrad_solver::{Solution, Solver, Values};

/// Counts what is allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Numbers between -1 and 1 that look random, the same on every machine.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn median(repeats: usize, mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..repeats).map(time).collect();
    times.sort();
    times[repeats / 2]
}

fn main() -> Result<(), ModelError> {
    compile()?;
    maps()?;
    controller()
}

/// `min sum_squares(Q x), x >= 0` with a dense parameter Q.
fn compile() -> Result<(), ModelError> {
    for (n, target) in [(100, "20 ms"), (1000, "3 s")] {
        let run = || -> Result<Layer, ModelError> {
            let model = Model::new();
            let (x, q) = (model.variable(n), model.parameter((n, n)));
            Problem::minimize(sum_squares(q.matmul(x))).subject_to([x.geq(0.0)]).compile([q], [x])
        };
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        let layer = run()?;
        let (kept, peak) = (LIVE.load(Relaxed) - before, PEAK.load(Relaxed) - before);
        let nonzeros = layer.structure().a().nnz() + layer.structure().p().nnz();
        let before = LIVE.load(Relaxed);
        let solver = Solver::new(layer.structure().clone(), layer.settings().clone())?;
        let solver_bytes = LIVE.load(Relaxed) - before;
        drop((layer, solver));
        let time = median(if n > 500 { 3 } else { 11 }, || drop(run()));
        // A number and a row index each.
        let bytes = 12 * nonzeros;
        println!(
            "compile, n = {n}: {time:.1?} (target {target}); {nonzeros} nonzeros of {:.1} MB: maps \
             {:.2}, layer with its solver {:.2}, peak {:.2} times that",
            bytes as f64 / 1e6,
            kept.saturating_sub(solver_bytes) as f64 / bytes as f64,
            kept as f64 / bytes as f64,
            peak as f64 / bytes as f64
        );
    }
    Ok(())
}

/// The OptNet QP of 50 variables and 50 inequalities, batch 128, everything batched.
fn maps() -> Result<(), ModelError> {
    let (n, batch) = (50, 128);
    let model = Model::new();
    let x = model.variable(n);
    let q = model.parameter((n, n)).psd();
    let (p, g, h) = (model.parameter(n), model.parameter((n, n)), model.parameter(n));
    let problem =
        Problem::minimize(0.5 * quad_form(x, q) + p.dot(x)).subject_to([g.matmul(x).leq(h)]);
    let layer = problem.compile([q, p, g, h], [x])?;
    let mut quadratic = Vec::with_capacity(batch * n * n);
    for sample in 0..batch {
        let root = numbers(n * n, sample as u64);
        for k in 0..n * n {
            let (i, j) = (k / n, k % n);
            let sum: f64 = (0..n).map(|l| root[i * n + l] * root[j * n + l]).sum();
            quadratic.push(sum + if i == j { 1.0 } else { 0.0 });
        }
    }
    let (p, g) = (numbers(batch * n, 2), numbers(batch * n * n, 3));
    let h = vec![1.0; batch * n];
    let parameters: [&[f64]; 4] = [&quadratic, &p, &g, &h];

    // The same numbers without the layer, in the order of the program's patterns.
    let entries = |pattern: &Pattern, of: &[f64]| -> Vec<f64> {
        let mut values = Vec::with_capacity(batch * pattern.nnz());
        for sample in 0..batch {
            for j in 0..n {
                for k in pattern.colptr()[j]..pattern.colptr()[j + 1] {
                    values.push(of[sample * n * n + pattern.rowval()[k] * n + j]);
                }
            }
        }
        values
    };
    let structure = layer.structure().clone();
    let (p_values, a_values) = (entries(structure.p(), &quadratic), entries(structure.a(), &g));
    let solver = Solver::new(structure, layer.settings().clone())?;
    let values = Values {
        batch,
        p: Slot::Each(&p_values),
        q: Slot::Each(&p),
        a: Slot::Each(&a_values),
        b: Slot::Each(&h),
    };
    let (direct, _) = solver.forward(&values)?;
    let (outputs, tape) = layer.forward(&parameters)?;
    assert_eq!(outputs[0], direct.x[..], "the maps give the numbers of the program");

    let forward = median(15, || drop(layer.forward(&parameters)));
    let solve = median(15, || drop(solver.forward(&values)));
    let apply = median(15, || {
        for at in 0..batch {
            let of = |values: &'_ [f64]| values.len() / batch * at..values.len() / batch * (at + 1);
            let own = parameters.map(|values| &values[of(values)]);
            drop(layer.program_numbers(&own));
        }
    });
    let cotangent = vec![1.0; batch * n];
    let backward = median(15, || drop(layer.backward(&tape, &[&cotangent])));
    println!(
        "OptNet QP, n = {n}, batch {batch}: forward {forward:.1?}, of which solve {solve:.1?}; \
         maps, on one thread, {apply:.1?}: {:.1} % of forward (target 10 %); backward \
         {backward:.1?}",
        100.0 * apply.as_secs_f64() / forward.as_secs_f64()
    );
    Ok(())
}

/// A model predictive controller: the current state is the parameter, the first input the output.
fn controller() -> Result<(), ModelError> {
    let (states, inputs, horizon) = (10, 4, 20);
    let mut a: Vec<Vec<f64>> = numbers(100, 5).chunks(states).map(<[f64]>::to_vec).collect();
    for (i, row) in a.iter_mut().enumerate() {
        row.iter_mut().for_each(|v| *v *= 0.1);
        row[i] += 0.95;
    }
    let b: Vec<Vec<f64>> = numbers(40, 6).chunks(inputs).map(<[f64]>::to_vec).collect();

    let model = Model::new();
    let start = model.parameter(states).named("start");
    let x = model.variable((horizon + 1, states));
    let u = model.variable((horizon, inputs)).bounds(-0.5, 0.5);
    let mut dynamics = vec![x.index(0).equals(start)];
    for t in 0..horizon {
        let next = matmul(&a, x.index(t)) + matmul(&b, u.index(t));
        dynamics.push(x.index(t + 1).equals(next));
    }
    let cost = sum_squares(x) + 0.1 * sum_squares(u);
    let clock = Instant::now();
    let layer = Problem::minimize(cost).subject_to(dynamics).compile([start], [u.index(0)])?;
    let compile = clock.elapsed();

    let times = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut state = numbers(states, 7);
    let (mut outputs, _) = layer.forward(&[&state])?;
    // The solver alone, with the numbers of the program at hand.
    let solver = Solver::new(layer.structure().clone(), layer.settings().clone())?;
    let mut point: Option<Solution> = None;
    let (mut solves, mut maps) = (Vec::new(), Vec::new());
    let (mut warm, mut cold, mut reports) = (Vec::new(), Vec::new(), Vec::<Report>::new());
    for step in 0..300 {
        // Closed loop: the model's next state, and some noise.
        let noise = numbers(states, 100 + step);
        let row = |i: usize| times(&a[i], &state) + times(&b[i], &outputs[0]) + 0.05 * noise[i];
        state = (0..states).map(row).collect();
        let clock = Instant::now();
        drop(layer.forward(&[&state])?);
        cold.push(clock.elapsed());
        let clock = Instant::now();
        let (next, _) = layer.forward_from(&[&state], &outputs)?;
        warm.push(clock.elapsed());
        reports.push(next.reports[0]);
        outputs = next;
        let clock = Instant::now();
        let [p, q, a, b] = layer.program_numbers(&[&state])?;
        maps.push(clock.elapsed());
        let values = Values {
            batch: 1,
            p: Slot::Shared(&p),
            q: Slot::Shared(&q),
            a: Slot::Shared(&a),
            b: Slot::Shared(&b),
        };
        let clock = Instant::now();
        let (solution, _) = match &point {
            Some(point) => solver.forward_from(&values, point)?,
            None => solver.forward(&values)?,
        };
        solves.push(clock.elapsed());
        point = Some(solution);
    }
    [&mut warm, &mut cold, &mut solves, &mut maps].into_iter().for_each(|times| times.sort());
    let accepted = reports.iter().filter(|report| report.warm_started).count();
    let mean = |count: fn(&Report) -> u32| {
        reports.iter().map(|report| f64::from(count(report))).sum::<f64>() / reports.len() as f64
    };
    let structure = layer.structure();
    println!(
        "controller, {states} states, {inputs} inputs, horizon {horizon} ({} variables, {} rows): \
         compile {compile:.1?}; re-solve median {:.1?} warm (target 300 us), {:.1?} cold; of a \
         warm one, solver {:.1?}, maps {:.1?}; {accepted} of {} warm starts accepted; {:.1} \
         factorizations and {:.1} polish steps per warm solve",
        structure.variables(),
        structure.rows(),
        warm[warm.len() / 2],
        cold[cold.len() / 2],
        solves[solves.len() / 2],
        maps[maps.len() / 2],
        reports.len(),
        mean(|report| report.factorizations),
        mean(|report| report.polish_steps),
    );
    Ok(())
}
