//! The sets: folders of files, and what is generated.

use std::path::PathBuf;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{WeightedGraph, max_cut};
use argrad_conformance::problem_file::{self, ProblemFile};

use crate::Failure;
use crate::arguments::Arguments;

/// Sets that need no files; they are solved when asked for by name.
pub const GENERATED: [&str; 1] = [MAX_CUT];

const MAX_CUT: &str = "max-cut";

/// Nodes and mean degree of random graphs with weights one: from little to much fill.
const RANDOM_GRAPHS: [(usize, usize); 16] = [
    (100, 3),
    (100, 4),
    (100, 8),
    (100, 24),
    (124, 3),
    (124, 4),
    (124, 8),
    (124, 24),
    (250, 3),
    (250, 4),
    (250, 8),
    (250, 24),
    (500, 3),
    (500, 4),
    (500, 8),
    (500, 24),
];

/// Those of them for which Clarabel's factors take more than 14 GB.
const BEYOND_CLARABEL: [(usize, usize); 3] = [(250, 24), (500, 8), (500, 24)];

/// Sides of tori with weights 1 and -1.
const TORI: [usize; 2] = [15, 22];

/// Of the graphs, whatever the seed of the run. On some graphs with few edges Clarabel 0.11.1
/// panics, or does not return, when it merges cliques; on these it sets up.
const GRAPH_SEED: u64 = 1;

/// A set of problems.
pub struct Set {
    pub name: String,
    pub sources: Vec<Source>,
}

/// A problem before it is read or made.
#[derive(Clone)]
pub enum Source {
    File(PathBuf),
    /// A random graph of so many nodes and this mean degree.
    RandomGraph(usize, usize),
    /// A torus of this side.
    Torus(usize),
}

/// A problem to solve.
pub struct Problem {
    pub name: String,
    /// A batch of one.
    pub program: ProgramBatch,
    /// Whether Clarabel can solve it in the memory of a usual machine.
    pub suits_clarabel: bool,
}

impl Source {
    /// Its name, of a file what comes before the first dot.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                file.split('.').next().unwrap_or_default().into()
            }
            Self::RandomGraph(order, degree) => format!("gnm-{order}-{degree}"),
            Self::Torus(side) => format!("torus-{side}"),
        }
    }

    /// Reads or makes the problem.
    pub fn problem(&self) -> Result<Problem, Failure> {
        Ok(match self {
            Self::File(path) => {
                let ProblemFile { name, program, .. } = ProblemFile::read(path)?;
                Problem { name, program, suits_clarabel: true }
            }
            &Self::RandomGraph(order, degree) => {
                let graph = WeightedGraph::random(order, order * degree / 2, GRAPH_SEED);
                let suits_clarabel = !BEYOND_CLARABEL.contains(&(order, degree));
                Problem { name: self.name(), program: max_cut(&graph), suits_clarabel }
            }
            &Self::Torus(side) => {
                let graph = WeightedGraph::torus(side, GRAPH_SEED);
                Problem { name: self.name(), program: max_cut(&graph), suits_clarabel: true }
            }
        })
    }
}

/// The problems that are asked for, set by set.
pub fn chosen(arguments: &Arguments) -> Result<Vec<Set>, Failure> {
    let mut sets = Vec::new();
    if arguments.wants_files() {
        for (name, files) in problem_file::sets(&arguments.folder)? {
            sets.push(Set { name, sources: files.into_iter().map(Source::File).collect() });
        }
    }
    sets.push(max_cut_set());
    let names = sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(unknown) =
        arguments.sets.iter().find(|wanted| sets.iter().all(|set| set.name != **wanted))
    {
        let folder = arguments.folder.display();
        return Err(format!("no set {unknown} in {folder}; there are: {names}").into());
    }
    sets.retain(|set| arguments.wants_set(&set.name));
    for set in &mut sets {
        set.sources.retain(|source| arguments.wants(&source.name()));
    }
    if sets.iter().all(|set| set.sources.is_empty()) {
        return Err(format!("no problem of that name in the sets {names}").into());
    }
    Ok(sets)
}

fn max_cut_set() -> Set {
    let random = RANDOM_GRAPHS.map(|(order, degree)| Source::RandomGraph(order, degree));
    let tori = TORI.map(Source::Torus);
    Set { name: MAX_CUT.into(), sources: [random.as_slice(), tori.as_slice()].concat() }
}
