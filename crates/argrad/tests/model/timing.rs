//! Numbers of the issue, printed by hand:
//! `cargo test --release -p argrad --test model timing -- --ignored --nocapture --test-threads 1`.

use std::time::{Duration, Instant};

use argrad::model::*;

use super::derivative::numbers;

fn best(repeats: usize, mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..repeats).map(time).min().unwrap_or_default()
}

#[test]
#[ignore = "prints times"]
fn compile_with_a_dense_parametric_matrix() -> Result<(), ModelError> {
    for n in [100, 1000] {
        let model = Model::new();
        let (x, q) = (model.variable(n), model.parameter((n, n)));
        let start = Instant::now();
        let problem = Problem::minimize(sum_squares(q.matmul(x))).subject_to([x.geq(0.0)]);
        let layer = problem.compile([q], [x])?;
        let elapsed = start.elapsed();
        println!("n = {n}: compile {elapsed:?}, A has {}", layer.structure().a().nnz());
        // Linux says how much memory was in use at most.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    }
    Ok(())
}

#[test]
#[ignore = "prints times"]
fn maps_of_an_optnet_program() -> Result<(), ModelError> {
    let (n, batch) = (50, 128);
    let model = Model::new();
    let x = model.variable(n);
    let q = model.parameter((n, n)).psd();
    let (p, g, h) = (model.parameter(n), model.parameter((n, n)), model.parameter(n));
    let problem =
        Problem::minimize(0.5 * quad_form(x, q) + p.dot(x)).subject_to([g.matmul(x).leq(h)]);
    let layer = problem.compile([q, p, g, h], [x])?;
    let root = numbers(n * n, 1);
    let mut gram = vec![0.0; n * n];
    for k in 0..n * n {
        gram[k] = (0..n).map(|l| root[k / n * n + l] * root[k % n * n + l]).sum::<f64>();
    }
    (0..n).for_each(|i| gram[i * (n + 1)] += 1.0);
    let quadratic: Vec<f64> = (0..batch).flat_map(|_| gram.clone()).collect();
    let values =
        [quadratic, numbers(batch * n, 2), numbers(batch * n * n, 3), vec![1.0; batch * n]];
    let slices: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let total = best(5, || {
        let _ = layer.forward(&slices);
    });
    // The same with one instance's numbers shared is the solve of one.
    println!("forward of 128: {total:?}");
    let (outputs, tape) = layer.forward(&slices)?;
    let cotangent = vec![1.0; outputs[0].len()];
    let back = best(5, || {
        let _ = layer.backward(&tape, &[&cotangent]);
    });
    println!("backward: {back:?}");
    Ok(())
}

/// 10 states, 4 inputs, horizon 20: the current state is the parameter.
#[test]
#[ignore = "prints times"]
fn model_predictive_controller() -> Result<(), ModelError> {
    let (states, inputs, horizon) = (10, 4, 20);
    let a: Vec<Vec<f64>> = numbers(states * states, 5)
        .chunks(states)
        .enumerate()
        .map(|(i, row)| {
            row.iter().enumerate().map(|(j, v)| 0.1 * v + if i == j { 0.95 } else { 0.0 }).collect()
        })
        .collect();
    let b: Vec<Vec<f64>> =
        numbers(states * inputs, 6).chunks(inputs).map(<[f64]>::to_vec).collect();
    let model = Model::new();
    let start = model.parameter(states);
    let x = model.variable((horizon + 1, states));
    let u = model.variable((horizon, inputs)).bounds(-0.5, 0.5);
    let mut rows = vec![x.index(0).equals(start)];
    for t in 0..horizon {
        let next = matmul(&a, x.index(t)) + matmul(&b, u.index(t));
        rows.push(x.index(t + 1).equals(next));
    }
    let problem = Problem::minimize(sum_squares(x) + 0.1 * sum_squares(u)).subject_to(rows);
    let clock = Instant::now();
    let layer = problem.compile([start], [u.index(0)])?;
    println!("compile: {:?}", clock.elapsed());
    let mut state = numbers(states, 7);
    let (mut outputs, _) = layer.forward(&[&state])?;
    let (mut times, mut warm) = (Vec::new(), 0);
    for step in 0..200 {
        let noise = numbers(states, 100 + step);
        state.iter_mut().zip(&noise).for_each(|(s, w)| *s += 0.02 * w);
        let clock = Instant::now();
        let (next, _) = layer.forward_from(&[&state], &outputs)?;
        times.push(clock.elapsed());
        warm += usize::from(next.reports[0].warm_started);
        outputs = next;
    }
    times.sort();
    println!("re-solve: median {:?}, largest {:?}, {warm} of 200 warm", times[100], times[199]);
    Ok(())
}
