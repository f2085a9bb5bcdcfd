//! Interleaved repeats: contestants take turns, so that a slow spell of the machine meets all.

use std::time::{Duration, Instant};

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Counted rounds at least.
    pub rounds: usize,
    /// Counted rounds at most.
    pub most_rounds: usize,
    /// Between the two, rounds go on until this much time has passed.
    pub time: Duration,
}

impl Budget {
    /// A measurement, or a smoke test.
    pub fn new(quick: bool) -> Self {
        if quick {
            Self { rounds: 2, most_rounds: 2, time: Duration::ZERO }
        } else {
            Self { rounds: 7, most_rounds: 2000, time: Duration::from_secs(3) }
        }
    }
}

/// Runs `round` until the budget is spent. A round returns the times of its parts; the result is
/// the median of each part in milliseconds. The first round is not counted, unless it spent the
/// budget alone.
///
/// # Errors
/// The first error of a round.
pub fn medians<const PARTS: usize, E>(
    budget: Budget,
    mut round: impl FnMut() -> Result<[Duration; PARTS], E>,
) -> Result<[f64; PARTS], E> {
    let start = Instant::now();
    let mut times = vec![round()?];
    while times.len() <= budget.rounds
        || (times.len() <= budget.most_rounds && start.elapsed() < budget.time)
    {
        times.push(round()?);
    }
    let counted = if times.len() > 1 { &times[1..] } else { &times[..] };
    Ok(std::array::from_fn(|part| {
        let mut of_part: Vec<Duration> = counted.iter().map(|round| round[part]).collect();
        of_part.sort_unstable();
        of_part[of_part.len() / 2].as_secs_f64() * 1e3
    }))
}

/// A result and the time it took; the result is dropped by the caller, outside that time.
pub fn timed<R>(run: impl FnOnce() -> R) -> (R, Duration) {
    let start = Instant::now();
    let result = std::hint::black_box(run());
    (result, start.elapsed())
}
