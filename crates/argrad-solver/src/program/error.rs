//! Malformed input. A solve that ends without a solution is a [`crate::Status`], not an error.

use super::Status;

/// What is wrong with the input: which argument, what was expected, what was found, what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sparsity pattern is malformed.
    #[error("malformed sparsity pattern: {found}")]
    Pattern {
        /// What was found.
        found: String,
    },
    /// Sizes do not fit together.
    #[error("{argument}: expected {expected}, found {found}")]
    Shape {
        /// The argument.
        argument: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A slice has the wrong length.
    #[error("{argument}: expected length {expected} ({meaning}), found {found}")]
    Length {
        /// The argument.
        argument: &'static str,
        /// Expected length.
        expected: usize,
        /// Length found.
        found: usize,
        /// How the expected length comes about.
        meaning: String,
    },
    /// An entry is NaN or infinite.
    #[error(
        "{argument}: entry {entry}{} is {found}, expected a finite number{}",
        sample.map(|i| format!(" of sample {i}")).unwrap_or_default(),
        match *argument {
            "b" | "h" => " (or +inf in an inequality, which removes it)",
            _ => "",
        }
    )]
    NotFinite {
        /// The argument.
        argument: &'static str,
        /// The sample; `None` when the argument is shared.
        sample: Option<usize>,
        /// Position within the sample.
        entry: usize,
        /// What was found.
        found: f64,
    },
    /// A matrix that must be symmetric is not.
    #[error(
        "{argument}: not symmetric{}: entry ({row}, {column}) is {found}, its mirror image \
         {mirror}; give (M + M')/2",
        sample.map(|i| format!(" in sample {i}")).unwrap_or_default()
    )]
    Asymmetric {
        /// The argument.
        argument: &'static str,
        /// The sample; `None` when the argument is shared.
        sample: Option<usize>,
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        column: usize,
        /// The entry.
        found: f64,
        /// The entry mirrored at the diagonal.
        mirror: f64,
    },
    /// P has a negative eigenvalue, so the program is not convex.
    #[error(
        "{argument}: expected a positive semidefinite matrix, found a negative eigenvalue{} \
         (pivot {pivot:.3e}); add a multiple of the identity or use a factor LL'",
        sample.map(|i| format!(" in sample {i}")).unwrap_or_default()
    )]
    NotConvex {
        /// The argument.
        argument: &'static str,
        /// The sample; `None` when the argument is shared.
        sample: Option<usize>,
        /// The negative pivot of the scaled matrix.
        pivot: f64,
    },
    /// A setting is out of its range.
    #[error("setting {setting}: expected {expected}, found {found}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The call would take more memory than it may, or than the system gives. It was refused before
    /// it allocated anything of that size.
    #[error(
        "{what} would take {}, more than {}; {remedy}",
        readable(*needed),
        limit.map_or("the system gives".into(), |limit| format!("the limit of {}", readable(limit)))
    )]
    Memory {
        /// What is large.
        what: String,
        /// Bytes that it takes, at least.
        needed: u64,
        /// Bytes that it may take ([`crate::Settings::memory_limit`]); `None` when the system gave
        /// none.
        limit: Option<u64>,
        /// What to do.
        remedy: &'static str,
    },
    /// Nothing was compiled for this processor.
    #[error(
        "expected a processor with AVX2 and fused multiply-add, found one without; compile argrad \
         with RUSTFLAGS=\"--cfg argrad_baseline\""
    )]
    Processor,
    /// A [`crate::Device`] does not serve what was asked of it, or reports an error.
    #[error("{found}")]
    Device {
        /// What was asked or reported, and what to do.
        found: String,
    },
    /// Some samples are not solved and the caller asked for an error in that case.
    #[error("{} of {batch} samples not solved: {}", failures.len(), list(failures))]
    Unsolved {
        /// Number of samples.
        batch: usize,
        /// Index and status of each sample that is not solved.
        failures: Vec<(usize, Status)>,
    },
    /// Second derivatives were asked for where the first are not differentiable.
    #[error(
        "{} of {batch} samples have no second derivative, because the projection has a kink at the \
         solution or the solution is not unique: {}; ask for zero or NaN there, or leave them out",
        samples.len(), list_indices(samples)
    )]
    NotSmooth {
        /// Number of samples.
        batch: usize,
        /// Their indices.
        samples: Vec<usize>,
    },
}

/// How many samples an error names.
const SHOWN: usize = 8;

fn list_indices(samples: &[usize]) -> String {
    let mut text: Vec<String> = samples.iter().take(SHOWN).map(|i| format!("sample {i}")).collect();
    if samples.len() > SHOWN {
        text.push(format!("and {} more", samples.len() - SHOWN));
    }
    text.join(", ")
}

fn list(failures: &[(usize, Status)]) -> String {
    let mut text: Vec<String> =
        failures.iter().take(SHOWN).map(|(i, status)| format!("sample {i}: {status}")).collect();
    if failures.len() > SHOWN {
        text.push(format!("and {} more", failures.len() - SHOWN));
    }
    text.join("; ")
}

/// A number of bytes as people write it.
fn readable(bytes: u64) -> String {
    let size = bytes as f64;
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..1_000_000 => format!("{:.1} kB", size / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size / 1e6),
        _ => format!("{:.1} GB", size / 1e9),
    }
}
