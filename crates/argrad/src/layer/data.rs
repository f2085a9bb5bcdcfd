//! What a layer is made of: no model, numbers only.

use argrad_solver::KktLabel;
use serde::{Deserialize, Serialize};

use super::price::Price;
use crate::algebra::{LinearMap, Shape};
use crate::atom::Derivation;
use crate::canonical::Assembled;
use crate::expression::{Attributes, Handle};

/// A parameter: where its numbers go, and what they must be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ParameterSpec {
    pub name: String,
    /// Where it was created.
    pub location: String,
    pub shape: Shape,
    /// First entry of theta.
    pub offset: usize,
    /// How many numbers it takes.
    pub len: usize,
    pub nonneg: bool,
    pub nonpos: bool,
    pub symmetric: bool,
    pub psd: bool,
    pub lower: Option<Vec<f64>>,
    pub upper: Option<Vec<f64>>,
    /// What it is in the model that it was made from, in this process.
    #[serde(skip)]
    pub handle: Option<Handle>,
}

impl ParameterSpec {
    /// Any numbers will do.
    pub fn plain(name: String, offset: usize, len: usize) -> Self {
        Self::of(name, offset, Shape::vector(len), &Attributes::default())
    }

    /// With these attributes.
    pub fn of(name: String, offset: usize, shape: Shape, attributes: &Attributes) -> Self {
        let len = attributes.places(shape).1;
        let whole = len == shape.size();
        Self {
            name,
            location: String::new(),
            shape,
            offset,
            len,
            nonneg: attributes.nonneg,
            nonpos: attributes.nonpos,
            symmetric: (attributes.symmetric || attributes.psd) && whole,
            psd: attributes.psd && whole,
            lower: attributes.lower.as_ref().map(|bound| bound[..len].to_vec()),
            upper: attributes.upper.as_ref().map(|bound| bound[..len].to_vec()),
            handle: None,
        }
    }
}

/// Which vector of the solution an output reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// The variables x.
    Primal,
    /// The duals z.
    Dual,
}

/// An output: `map source + constant`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutputSpec {
    pub name: String,
    pub shape: Shape,
    pub source: Source,
    pub map: LinearMap,
    pub constant: Vec<f64>,
    /// What it is in the model that it was made from, in this process.
    #[serde(skip)]
    pub handle: Option<Handle>,
}

/// How the parts of a program are called, and whose they are. What is in no list belongs to the
/// graphs of atoms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Names {
    /// Rows of the user's constraints and of attributes of variables.
    pub constraints: Vec<KktLabel>,
    /// Rows of the graphs of atoms.
    pub graphs: Vec<KktLabel>,
    /// Columns of the user's variables.
    pub variables: Vec<KktLabel>,
    /// Columns of the graphs of atoms.
    pub auxiliary: Vec<KktLabel>,
}

/// Everything of a layer but the solver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerData {
    pub maximize: bool,
    pub program: Derivation,
    pub assembled: Assembled,
    pub parameters: Vec<ParameterSpec>,
    pub outputs: Vec<OutputSpec>,
    /// Files of earlier versions have none.
    #[serde(default)]
    pub names: Names,
    /// Of violations, in a relaxed layer.
    #[serde(default)]
    pub price: Option<Price>,
}

impl LayerData {
    /// 1 for a minimization, -1 for a maximization.
    pub fn sign(&self) -> f64 {
        if self.maximize { -1.0 } else { 1.0 }
    }

    /// Variable by variable, whether no output depends on it: those stand for atoms, and where a
    /// constraint with such an atom is not active they are not unique, which is no matter. `None`
    /// where no output is made of variables.
    pub fn auxiliary(&self) -> Option<Vec<bool>> {
        let mut auxiliary = vec![true; self.assembled.variables];
        for output in self.outputs.iter().filter(|output| output.source == Source::Primal) {
            output.map.entries().for_each(|(_, variable, _)| auxiliary[variable] = false);
        }
        auxiliary.contains(&false).then_some(auxiliary)
    }
}
