//! Cotangents and tangents in the layout of the solver's program.

use argrad_solver::{Cotangent, Error, Slot, Tangent};

use super::samples::Assembled;
use super::tape::Maps;
use super::{QpCotangent, QpLayer, QpTangent, check_length};

/// A cotangent whose equalities stand above its inequalities.
pub(crate) struct StackedCotangent<'a> {
    x: Option<&'a [f64]>,
    z: Option<Vec<f64>>,
    s: Option<Vec<f64>>,
}

impl StackedCotangent<'_> {
    pub(crate) fn slices(&self) -> Cotangent<'_> {
        Cotangent { x: self.x, z: self.z.as_deref(), s: self.s.as_deref() }
    }
}

/// A direction of P, q, `[A; G]`, `[b; h]`.
pub(crate) struct AssembledTangent<'a> {
    p: Option<Assembled<'a>>,
    q: Option<Slot<'a>>,
    a: Option<Assembled<'a>>,
    b: Option<Assembled<'a>>,
}

impl AssembledTangent<'_> {
    pub(crate) fn slots(&self) -> Tangent<'_> {
        Tangent {
            p: self.p.as_ref().map(Assembled::slot),
            q: self.q,
            a: self.a.as_ref().map(Assembled::slot),
            b: self.b.as_ref().map(Assembled::slot),
        }
    }
}

impl QpLayer {
    /// # Errors
    /// [`Error::Length`] names the part, of the argument `name`.
    pub(super) fn stacked_cotangent<'a>(
        &self,
        cotangent: &QpCotangent<'a>,
        batch: usize,
        name: &'static str,
    ) -> Result<StackedCotangent<'a>, Error> {
        let Maps { shape, constraints, .. } = &*self.maps;
        let [equalities, inequalities] = constraints.rows();
        let names = if name == "cotangent" { OF_COTANGENT } else { OF_CHANGE };
        let parts = [
            (cotangent.x, shape.variables()),
            (cotangent.equality_duals, equalities),
            (cotangent.inequality_duals, inequalities),
            (cotangent.slacks, inequalities),
        ];
        for (argument, (part, len)) in names.into_iter().zip(parts) {
            if let Some(part) = part {
                check_length(argument, Slot::Each(part), len, batch)?;
            }
        }
        let duals = [cotangent.equality_duals, cotangent.inequality_duals];
        Ok(StackedCotangent {
            x: cotangent.x,
            z: constraints.stack(duals, batch),
            s: constraints.stack([None, cotangent.slacks], batch),
        })
    }

    /// As many zeros as the longest argument has numbers, for [`Self::assembled_tangent`].
    pub(super) fn zeros(&self) -> Vec<f64> {
        let Maps { shape, constraints, .. } = &*self.maps;
        let lens = [shape.a.len(), shape.g.len()].into_iter().chain(constraints.rows());
        vec![0.0; lens.max().unwrap_or(0)]
    }

    /// # Errors
    /// [`Error::Length`] names the part.
    pub(super) fn assembled_tangent<'a>(
        &self,
        tangent: &QpTangent<'a>,
        batch: usize,
        zeros: &'a [f64],
    ) -> Result<AssembledTangent<'a>, Error> {
        let Maps { shape, objective, constraints } = &*self.maps;
        let rows = constraints.rows();
        let lens = [shape.a.len(), shape.g.len()];
        let parts = [
            ("tangent.p", tangent.p, shape.p.len()),
            ("tangent.q", tangent.q, shape.variables()),
            ("tangent.a", tangent.a, lens[0]),
            ("tangent.b", tangent.b, rows[0]),
            ("tangent.g", tangent.g, lens[1]),
            ("tangent.h", tangent.h, rows[1]),
        ];
        for (argument, slot, len) in parts {
            if let Some(slot) = slot {
                check_length(argument, slot, len, batch)?;
            }
        }
        // Both parts of a stack, where either changes.
        let either = |parts: [Option<Slot<'_>>; 2]| parts.iter().any(Option::is_some);
        let p = tangent.p.map(|slot| objective.assemble(slot, batch, f64::INFINITY)).transpose()?;
        let a = if either([tangent.a, tangent.g]) {
            let a = tangent.a.unwrap_or(Slot::Shared(&zeros[..lens[0]]));
            let g = tangent.g.unwrap_or(Slot::Shared(&zeros[..lens[1]]));
            Some(constraints.assemble([a, g], batch, true)?)
        } else {
            None
        };
        let b = either([tangent.b, tangent.h]).then(|| {
            let b = tangent.b.unwrap_or(Slot::Shared(&zeros[..rows[0]]));
            let h = tangent.h.unwrap_or(Slot::Shared(&zeros[..rows[1]]));
            constraints.assemble_rhs([b, h], batch)
        });
        Ok(AssembledTangent { p, q: tangent.q, a, b })
    }
}

const OF_COTANGENT: [&str; 4] =
    ["cotangent.x", "cotangent.equality_duals", "cotangent.inequality_duals", "cotangent.slacks"];
const OF_CHANGE: [&str; 4] = [
    "cotangent_change.x",
    "cotangent_change.equality_duals",
    "cotangent_change.inequality_duals",
    "cotangent_change.slacks",
];
