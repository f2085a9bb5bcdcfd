//! The same work for every sample of a list, on all cores.
//!
//! A layer of 9x9 boards is factored one sample at a time, and its threads would work inside the
//! factorization, which is too small for that. So the boards are spread instead.

use std::thread;

/// `work` of 0 to `count - 1`, in that order. The results do not depend on the number of threads.
///
/// # Errors
/// The first error in that order.
pub fn map<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, argrad::Error> + Sync,
) -> Result<Vec<T>, argrad::Error> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count);
    if threads <= 1 {
        return (0..count).map(work).collect();
    }
    let work = &work;
    let mut results: Vec<Option<Result<T, argrad::Error>>> = (0..count).map(|_| None).collect();
    let done = thread::scope(|scope| {
        let every = |first: usize| (first..count).step_by(threads).map(|k| (k, work(k)));
        let workers: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || every(first).collect::<Vec<_>>()))
            .collect();
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect::<Vec<_>>()
    });
    for (k, result) in done {
        results[k] = Some(result);
    }
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_order_and_the_first_error_with_them() {
        assert_eq!(
            super::map(100, |k| Ok(k * k)).unwrap(),
            (0..100).map(|k| k * k).collect::<Vec<_>>()
        );
        assert!(super::map(0, |_| Ok(())).unwrap().is_empty());
        let error = super::map(9, |k| match k {
            4 | 7 => Err(argrad::Error::Length {
                argument: "q",
                expected: 1,
                found: k,
                meaning: String::new(),
            }),
            _ => Ok(()),
        });
        assert!(error.unwrap_err().to_string().contains('4'));
    }
}
