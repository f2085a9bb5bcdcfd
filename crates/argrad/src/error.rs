//! What can be wrong with a model or with the numbers given to it.

use std::panic::Location;

/// One thing that is wrong with a model, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issue {
    /// What was expected and what was found.
    pub message: String,
    /// Source file.
    pub file: &'static str,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl Issue {
    pub(crate) fn new(message: String, at: &'static Location<'static>) -> Self {
        Self { message, file: at.file(), line: at.line(), column: at.column() }
    }
}

impl std::fmt::Display for Issue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Errors of models and layers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Shapes, indices or attributes that do not fit, all of them together.
    #[error("the model is not valid:\n{}", lines(.0))]
    Invalid(Vec<Issue>),
    /// The problem does not follow the rules of disciplined convex programming.
    #[error("the problem is not DCP:\n{}", lines(.0))]
    NotDcp(Vec<Issue>),
    /// The problem does not follow the rules of disciplined geometric programming.
    #[error("the problem is not a geometric program:\n{}", lines(.0))]
    NotDgp(Vec<Issue>),
    /// The problem does not follow the rules of disciplined quasiconvex programming.
    #[error("the problem is not quasiconvex by the rules:\n{}", lines(.0))]
    NotDqcp(Vec<Issue>),
    /// The problem does not follow the rules of disciplined convex-concave programming.
    #[error("the problem is no difference of convex functions by the rules:\n{}", lines(.0))]
    NotDccp(Vec<Issue>),
    /// Samples whose sequence of convex problems did not end at a stationary point, and why.
    #[error("no derivative at what is no stationary point: {}", samples(.0))]
    NotStationary(Vec<(usize, String)>),
    /// A parameter enters in a way that cannot be canonicalized.
    #[error("a parameter stands where none can:\n{}", lines(.0))]
    NotDpp(Vec<Issue>),
    /// A parameter of the problem has no value, or a value belongs to no parameter of it.
    #[error("{0}")]
    Parameters(String),
    /// A handle, name or position that stands for nothing here: of another model, of a variable,
    /// parameter or constraint that the problem does not have.
    #[error("{0}")]
    Handle(String),
    /// A parameter's numbers: how many, their sign, their symmetry.
    #[error("parameter {parameter}{}: expected {expected}, found {found}", created(.location))]
    Value {
        /// Name, or `param` and its index.
        parameter: String,
        /// Where the parameter was created.
        location: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A cotangent or tangent has the wrong length.
    #[error("{argument}: expected {expected}, found {found}")]
    Argument {
        /// The argument.
        argument: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// An atom of a stored layer is not known to this program.
    #[error(
        "the atom {0} is not registered; call `argrad::atoms::register` before reading the layer"
    )]
    UnknownAtom(String),
    /// An atom is registered by a name that another atom has.
    #[error("the name {0} is that of another atom already; give yours a name of its own")]
    NameTaken(String),
    /// The graph of an atom is not well formed: sizes that do not fit, rows that belong to no cone.
    #[error("the graph of an atom is not well formed:\n{}", lines(.0))]
    Graph(Vec<Issue>),
    /// The solver's complaint.
    #[error(transparent)]
    Solver(#[from] argrad_solver::Error),
}

fn samples(found: &[(usize, String)]) -> String {
    let text = |(at, why): &(usize, String)| format!("sample {at} ({why})");
    found.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn lines(issues: &[Issue]) -> String {
    issues.iter().map(|issue| format!("  {issue}")).collect::<Vec<_>>().join("\n")
}

/// Where a parameter was created, where that is known.
fn created(location: &str) -> String {
    if location.is_empty() { String::new() } else { format!(" (created at {location})") }
}
