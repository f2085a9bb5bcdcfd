//! Atoms in files: a name and numbers.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::atoms::{Atom, restore};
use crate::model::ModelError;

/// An atom that is written as its name and its numbers.
#[derive(Clone, Debug)]
pub(crate) struct StoredAtom(pub Arc<dyn Atom>);

#[derive(Serialize, Deserialize)]
struct Written {
    name: String,
    data: Vec<f64>,
}

impl Serialize for StoredAtom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { name: self.0.name().to_owned(), data: self.0.data() }.serialize(serializer)
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
