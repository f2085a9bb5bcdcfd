//! Real programs in files: one JSON object in the standard form, gzipped or not.
//!
//! ```text
//! {"name": .., "source": .., "P_upper": M, "q": [..], "r": 0, "A": M, "b": [..],
//!  "cones": [{"zero": 2}, {"nonnegative": 3}, {"second_order": 4}, {"psd_triangle": 2},
//!            "exponential", {"power": 0.5},
//!            {"generalized_power": {"alpha": [0.5, 0.5], "norm_dim": 1}}],
//!  "reference": {"solver": .., "status": .., "objective_without_r": .., "iterations": ..}}
//! M = {"shape": [rows, columns], "colptr": [..], "rowval": [..], "nzval": [..]}
//! ```
//! Matrices are in compressed sparse columns, `P_upper` the upper triangle of P. The constant r of
//! the objective, `source` and `reference` may be absent. Other fields are ignored. In rows of
//! nonnegative cones, b of 1e19 or more is read as +inf, no constraint: JSON has no infinity, and
//! the files that these come from write 1e20, less what a lower bound was shifted by.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use argrad_solver::{Cone, Pattern, Structure};
use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::{Numbers, ProgramBatch};

/// Name of the environment variable with the folder of the problem files.
pub const FOLDER_VARIABLE: &str = "ARGRAD_PROBLEMS";

/// From here on a number stands for infinity.
const INFINITE: f64 = 1e19;

/// A program from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ProblemFile {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// The program: a batch of one, nothing shared.
    pub program: ProgramBatch,
    /// Constant of the objective, r, which the program leaves out.
    pub constant: f64,
    /// What another solver answered.
    pub reference: Option<Reference>,
}

/// What another solver answered: a comparison, not the truth.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Reference {
    /// Which solver.
    pub solver: String,
    /// Its status, in its words.
    pub status: String,
    /// Its objective, without the constant r.
    #[serde(rename = "objective_without_r")]
    pub objective: f64,
    /// Its iterations.
    pub iterations: u32,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum ProblemFileError {
    /// The file cannot be read or unpacked.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A field is not what it should be.
    #[error("{}: {field}: {problem}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, as in `A.rowval[3]`; `.` is the whole.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
struct Stored {
    name: String,
    #[serde(default)]
    source: String,
    #[serde(rename = "P_upper")]
    p: Matrix,
    q: Vec<f64>,
    #[serde(default)]
    r: f64,
    #[serde(rename = "A")]
    a: Matrix,
    b: Vec<f64>,
    cones: Vec<StoredCone>,
    reference: Option<Reference>,
}

#[derive(Deserialize)]
struct Matrix {
    shape: [usize; 2],
    colptr: Vec<usize>,
    rowval: Vec<usize>,
    nzval: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredCone {
    Zero(usize),
    Nonnegative(usize),
    SecondOrder(usize),
    PsdTriangle(usize),
    Exponential,
    Power(f64),
    GeneralizedPower { alpha: Vec<f64>, norm_dim: usize },
}

impl ProblemFile {
    /// Reads a file, which is unpacked when its name ends in `.gz`.
    ///
    /// # Errors
    /// See [`ProblemFileError`]; the message names the file and the field.
    pub fn read(path: &Path) -> Result<Self, ProblemFileError> {
        let mut json = String::new();
        let file = File::open(path);
        let read = file.and_then(|mut file| {
            if path.extension().is_some_and(|extension| extension == "gz") {
                GzDecoder::new(file).read_to_string(&mut json)
            } else {
                file.read_to_string(&mut json)
            }
        });
        read.map_err(|source| ProblemFileError::Read { path: path.into(), source })?;
        Self::parse(path, &json)
    }

    /// The program in a text; `path` is for messages only.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(path: &Path, json: &str) -> Result<Self, ProblemFileError> {
        let wrong = |field: &str, problem: String| ProblemFileError::Field {
            path: path.into(),
            field: field.into(),
            problem,
        };
        let mut text = serde_json::Deserializer::from_str(json);
        let stored: Stored = serde_path_to_error::deserialize(&mut text)
            .map_err(|error| wrong(&error.path().to_string(), error.inner().to_string()))?;
        text.end().map_err(|error| wrong(".", error.to_string()))?;
        let Stored { name, source, p, q, r, a, mut b, cones, reference } = stored;
        let pattern = |field: &str, matrix: Matrix| {
            let Matrix { shape: [rows, columns], colptr, rowval, nzval } = matrix;
            if rowval.len() != nzval.len() {
                let problem = format!("{} values for {} row indices", nzval.len(), rowval.len());
                return Err(wrong(&format!("{field}.nzval"), problem));
            }
            let pattern = Pattern::new(rows, columns, colptr, rowval)
                .map_err(|error| wrong(field, error.to_string()))?;
            Ok((pattern, nzval))
        };
        let (p_pattern, p) = pattern("P_upper", p)?;
        let (a_pattern, a) = pattern("A", a)?;
        for (field, found, expected) in
            [("q", q.len(), p_pattern.cols()), ("b", b.len(), a_pattern.rows())]
        {
            if found != expected {
                return Err(wrong(field, format!("{found} numbers, expected {expected}")));
            }
        }
        let cones = cones.into_iter().map(Cone::from).collect();
        let structure = Structure::new(p_pattern, a_pattern, cones)
            .map_err(|error| wrong("P_upper, A, cones", error.to_string()))?;
        let mut rows = b.as_mut_slice();
        for cone in structure.cones() {
            let (of_cone, rest) = rows.split_at_mut(cone.dim());
            rows = rest;
            if let Cone::Nonnegative(_) = cone {
                of_cone.iter_mut().filter(|b| **b >= INFINITE).for_each(|b| *b = f64::INFINITY);
            }
        }
        let program = ProgramBatch {
            structure,
            batch: 1,
            p: Numbers::Each(p),
            q: Numbers::Each(q),
            a: Numbers::Each(a),
            b: Numbers::Each(b),
        };
        Ok(Self { name, source, program, constant: r, reference })
    }
}

impl From<StoredCone> for Cone {
    fn from(stored: StoredCone) -> Self {
        match stored {
            StoredCone::Zero(k) => Cone::Zero(k),
            StoredCone::Nonnegative(k) => Cone::Nonnegative(k),
            StoredCone::SecondOrder(k) => Cone::SecondOrder(k),
            StoredCone::PsdTriangle(side) => Cone::PsdTriangle(side),
            StoredCone::Exponential => Cone::Exponential,
            StoredCone::Power(alpha) => Cone::Power(alpha),
            StoredCone::GeneralizedPower { alpha, norm_dim } => {
                Cone::GeneralizedPower { alpha, norm_dim }
            }
        }
    }
}

/// The root of the repository, to which relative paths on the command line of a bench refer.
pub fn repository_root() -> &'static Path {
    let this_crate = Path::new(env!("CARGO_MANIFEST_DIR"));
    this_crate.ancestors().nth(2).unwrap_or(this_crate)
}

/// The folder of the problem files: that of the environment variable [`FOLDER_VARIABLE`], else
/// `../shared/data/problems` beside the repository. It may be absent.
pub fn default_folder() -> PathBuf {
    match std::env::var_os(FOLDER_VARIABLE) {
        Some(folder) => folder.into(),
        None => repository_root().join("../shared/data/problems"),
    }
}

/// The sets in a folder, by name: its subfolders with the problem files in each, sorted.
///
/// # Errors
/// When the folder or a subfolder cannot be read.
pub fn sets(folder: &Path) -> Result<Vec<(String, Vec<PathBuf>)>, ProblemFileError> {
    let mut sets = Vec::new();
    for subfolder in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let mut files = entries(&subfolder)?;
        files.retain(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".json") || name.ends_with(".json.gz")
        });
        let name = subfolder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sets.push((name, files));
    }
    Ok(sets)
}

/// What a folder holds, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ProblemFileError> {
    let wrong = |source| ProblemFileError::Read { path: folder.into(), source };
    let listing = std::fs::read_dir(folder).map_err(wrong)?;
    let mut paths = listing
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(wrong)?;
    paths.sort();
    Ok(paths)
}
