//! Atoms by name, for layers in files.
//!
//! A function of parameters alone is evaluated for each sample, so it is part of a layer, and of
//! its file: as the name of the atom and its numbers ([`Atom::data`]).

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cholesky::Cholesky;
use super::elementwise::{ABS, EXP, LOG};
use super::extremum::Extremum;
use super::huber::Huber;
use super::length::FromPosition;
use super::log_sum_exp_rows::LogSumExpRows;
use super::logarithmic::{ENTR, LOG1P, LOGISTIC, RelativeEntropy, XEXP};
use super::norm::Norm2;
use super::norms::{NORM_INF, NORM2_AXIS, pnorm_spec};
use super::order::{Arrange, OrderDifferences};
use super::perspective::{self, Perspective};
use super::quadratic::{QuadForm, QuadOverLin, Square, SumSquares};
use super::ratio::Ratio;
use super::recip::Recip;
use super::reductions::{GEO_MEAN, LOG_SUM_EXP, MAX, MIN, SUM_LARGEST};
use super::roots::{INV_POS, Power, SQRT};
use super::rounding::{CEIL, FLOOR};
use super::spec::{Elementwise, Reduction, ReductionSpec};
use super::spectral::{
    LAMBDA_MAX, LAMBDA_SUM_LARGEST, LOG_DET, MatrixFrac, MatrixFunction, MatrixSpec, NORM_NUC,
    SIGMA_MAX, TR_INV,
};
use crate::atom::{Atom, StoredAtom};
use crate::error::ModelError;

/// Makes an atom from the numbers that [`Atom::data`] gave.
pub type Maker = fn(&[f64]) -> Arc<dyn Atom>;

fn registered() -> &'static Mutex<BTreeMap<String, Maker>> {
    static REGISTERED: OnceLock<Mutex<BTreeMap<String, Maker>>> = OnceLock::new();
    REGISTERED.get_or_init(Mutex::default)
}

/// Makes an atom of your own known by its name, so that a layer with it inside a function of
/// parameters can be read from a file. The atoms of this crate are known already.
///
/// # Errors
/// [`ModelError::NameTaken`] for the name of an atom of this crate, and for one that is registered
/// already: a file would otherwise mean something else than what was written.
pub fn register(name: &str, maker: Maker) -> Result<(), ModelError> {
    let taken = || Err(ModelError::NameTaken(name.to_owned()));
    if is_built_in(name) {
        return taken();
    }
    match registered().lock().unwrap_or_else(|e| e.into_inner()).entry(name.to_owned()) {
        Entry::Occupied(_) => taken(),
        Entry::Vacant(entry) => {
            entry.insert(maker);
            Ok(())
        }
    }
}

/// The atom of this name and these numbers.
fn restore(name: &str, data: &[f64]) -> Option<Arc<dyn Atom>> {
    if is_built_in(name) {
        return built_in(name, data);
    }
    let maker = registered().lock().unwrap_or_else(|e| e.into_inner()).get(name).copied();
    maker.map(|make| make(data))
}

/// An atom as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    name: String,
    data: Vec<f64>,
}

impl Serialize for StoredAtom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written { name: self.0.name().to_owned(), data: self.0.data() };
        // An atom of the user's that bears the name of another would be read as the other.
        let read = restore(&written.name, &written.data);
        if let Some(read) = read.filter(|read| !is_same_kind(&**read, &*self.0)) {
            let message = format!(
                "{:?} would be read as {read:?}, which has its name; give it another",
                self.0
            );
            return Err(serde::ser::Error::custom(message));
        }
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredAtom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        match restore(&written.name, &written.data) {
            Some(atom) => Ok(Self(atom)),
            None => Err(serde::de::Error::custom(ModelError::UnknownAtom(written.name))),
        }
    }
}

fn is_same_kind(a: &dyn Atom, b: &dyn Atom) -> bool {
    (a as &dyn Any).type_id() == (b as &dyn Any).type_id()
}

/// The atom of a name and numbers, where they are its numbers.
type BuiltIn = fn(&[f64]) -> Option<Arc<dyn Atom>>;

/// The atoms of this crate.
const BUILT_IN: [(&str, BuiltIn); 44] = [
    ("cholesky", |_| Some(Arc::new(Cholesky))),
    ("arrange", |_| Some(Arc::new(Arrange))),
    ("log_sum_exp_rows", |data| Some(Arc::new(LogSumExpRows::restore(data)))),
    ("order_differences", |_| Some(Arc::new(OrderDifferences))),
    ("ceil", |_| Some(Arc::new(Elementwise(&CEIL)))),
    ("floor", |_| Some(Arc::new(Elementwise(&FLOOR)))),
    ("from_position", |data| Some(Arc::new(FromPosition::restore(data)?))),
    ("ratio", |_| Some(Arc::new(Ratio))),
    ("recip", |_| Some(Arc::new(Recip))),
    ("abs", |_| Some(Arc::new(Elementwise(&ABS)))),
    ("exp", |_| Some(Arc::new(Elementwise(&EXP)))),
    ("log", |_| Some(Arc::new(Elementwise(&LOG)))),
    ("maximum", |_| Some(Arc::new(Extremum::MAXIMUM))),
    ("minimum", |_| Some(Arc::new(Extremum::MINIMUM))),
    ("norm2", |_| Some(Arc::new(Norm2))),
    ("square", |_| Some(Arc::new(Square))),
    ("sum_squares", |_| Some(Arc::new(SumSquares))),
    ("quad_over_lin", |_| Some(Arc::new(QuadOverLin))),
    ("quad_form", |_| Some(Arc::new(QuadForm))),
    ("huber", |_| Some(Arc::new(Huber))),
    ("sqrt", |_| Some(Arc::new(Elementwise(&SQRT)))),
    ("inv_pos", |_| Some(Arc::new(Elementwise(&INV_POS)))),
    ("power", |data| Some(Arc::new(Power::restore(data)?))),
    ("log1p", |_| Some(Arc::new(Elementwise(&LOG1P)))),
    ("entr", |_| Some(Arc::new(Elementwise(&ENTR)))),
    ("logistic", |_| Some(Arc::new(Elementwise(&LOGISTIC)))),
    ("xexp", |_| Some(Arc::new(Elementwise(&XEXP)))),
    ("rel_entr", |_| Some(Arc::new(RelativeEntropy::REL_ENTR))),
    ("kl_div", |_| Some(Arc::new(RelativeEntropy::KL_DIV))),
    ("max", |data| reduction(&MAX, data)),
    ("min", |data| reduction(&MIN, data)),
    ("sum_largest", |data| reduction(&SUM_LARGEST, data)),
    ("log_sum_exp", |data| reduction(&LOG_SUM_EXP, data)),
    ("geo_mean", |data| reduction(&GEO_MEAN, data)),
    ("norm_inf", |data| reduction(&NORM_INF, data)),
    ("norm2_axis", |data| reduction(&NORM2_AXIS, data)),
    ("pnorm", |data| reduction(pnorm_spec(*data.get(1)?), data)),
    ("lambda_max", |data| of_matrix(&LAMBDA_MAX, data)),
    ("lambda_sum_largest", |data| of_matrix(&LAMBDA_SUM_LARGEST, data)),
    ("sigma_max", |data| of_matrix(&SIGMA_MAX, data)),
    ("norm_nuc", |data| of_matrix(&NORM_NUC, data)),
    ("log_det", |data| of_matrix(&LOG_DET, data)),
    ("tr_inv", |data| of_matrix(&TR_INV, data)),
    ("matrix_frac", |_| Some(Arc::new(MatrixFrac))),
];

fn reduction(spec: &'static ReductionSpec, data: &[f64]) -> Option<Arc<dyn Atom>> {
    Some(Arc::new(Reduction::restore(spec, data)?))
}

fn of_matrix(spec: &'static MatrixSpec, data: &[f64]) -> Option<Arc<dyn Atom>> {
    Some(Arc::new(MatrixFunction::new(spec, data.first().copied().unwrap_or(1.0))))
}

fn is_built_in(name: &str) -> bool {
    name.starts_with(perspective::PREFIX) || BUILT_IN.iter().any(|(own, _)| *own == name)
}

fn built_in(name: &str, data: &[f64]) -> Option<Arc<dyn Atom>> {
    if let Some(inner) = name.strip_prefix(perspective::PREFIX) {
        return Some(Arc::new(Perspective::restore(data, |data| restore(inner, data))?));
    }
    let (_, make) = BUILT_IN.iter().find(|(own, _)| *own == name)?;
    make(data)
}
