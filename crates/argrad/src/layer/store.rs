//! Layers in files.

use argrad_solver::KktLabel;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Layer;
use super::data::{LayerData, ParameterSpec, Source};
use crate::problem::convex_by_rule;

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.data.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let data = LayerData::deserialize(deserializer)?;
        data.check().map_err(serde::de::Error::custom)?;
        Layer::new(data, convex_by_rule()).map_err(serde::de::Error::custom)
    }
}

impl LayerData {
    /// Whether the sizes of what was read fit together, so that no later step goes out of bounds.
    fn check(&self) -> Result<(), String> {
        let (program, theta) = (&self.assembled, self.program.len());
        let lengths = [
            (program.p.map.len(), program.p.rowval.len()),
            (program.a.map.len(), program.a.rowval.len()),
            (program.q.len(), program.variables),
            (program.b.len(), program.rows),
            (program.constant.len(), 1),
        ];
        if lengths.iter().any(|(found, expected)| found != expected) {
            return Err("the layer's maps do not fit its program".into());
        }
        let maps = [&program.p.map, &program.q, &program.a.map, &program.b, &program.constant];
        if !maps.iter().all(|map| map.is_consistent(theta)) || !self.program.is_consistent() {
            return Err("the layer's maps do not fit its parameters".into());
        }
        if self.price.is_some_and(|price| !price.fits(program)) {
            return Err("the layer's violations do not fit its program".into());
        }
        let next = |offset: usize, spec: &ParameterSpec| {
            (spec.offset == offset).then(|| offset.checked_add(spec.len))?
        };
        let inputs = self.parameters.iter().try_fold(0, next);
        if inputs != Some(self.program.inputs()) {
            return Err("the layer's parameters do not fit together".into());
        }
        let names = &self.names;
        let lists = [
            (&names.constraints, program.rows),
            (&names.graphs, program.rows),
            (&names.variables, program.variables),
            (&names.auxiliary, program.variables),
        ];
        let is_inside = |label: &KktLabel, len: usize| {
            label.at.iter().all(|range| range.start <= range.end && range.end <= len)
        };
        if !lists.iter().all(|(list, len)| list.iter().all(|label| is_inside(label, *len))) {
            return Err("the layer's names do not fit its program".into());
        }
        for spec in &self.parameters {
            let fits =
                |bound: &Option<Vec<f64>>| bound.as_ref().is_none_or(|b| b.len() == spec.len);
            let square = spec.shape.is_square() && spec.len == spec.shape.size();
            if !fits(&spec.lower) || !fits(&spec.upper) || (spec.symmetric || spec.psd) && !square {
                return Err(format!("the attributes of the parameter {} do not fit it", spec.name));
            }
        }
        for output in &self.outputs {
            let inputs = match output.source {
                Source::Primal => program.variables,
                Source::Dual => program.rows,
            };
            let size = output.shape.size();
            if output.map.inputs() != inputs
                || !output.map.is_consistent(size)
                || output.constant.len() != size
            {
                return Err(format!("the output {} does not fit the program", output.name));
            }
        }
        Ok(())
    }
}
