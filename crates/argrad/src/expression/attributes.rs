//! What is known about a variable or parameter beyond its shape.

use std::sync::Arc;

use crate::algebra::Shape;
use crate::atom::Sign;

/// Attributes of a variable or a parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes {
    pub nonneg: bool,
    pub nonpos: bool,
    pub symmetric: bool,
    pub psd: bool,
    /// Elements that may differ from zero, ascending; `None` for all.
    pub support: Option<Arc<[usize]>>,
    pub lower: Option<Arc<[f64]>>,
    pub upper: Option<Arc<[f64]>>,
}

impl Attributes {
    /// Sign that follows.
    pub fn sign(&self) -> Sign {
        let nonneg = self.nonneg || self.lower.as_ref().is_some_and(|l| Sign::of(l).is_nonneg());
        let nonpos = self.nonpos || self.upper.as_ref().is_some_and(|u| Sign::of(u).is_nonpos());
        Sign::from_parts(!nonpos, !nonneg)
    }

    /// For each element, its position among the independent numbers of a variable, and their
    /// number.
    pub fn columns(&self, shape: Shape) -> (Vec<Option<u32>>, usize) {
        if self.symmetric || self.psd {
            let n = shape.rows();
            let at = |k: usize| {
                let (i, j) = (k / n, k % n);
                let (i, j) = (i.min(j), i.max(j));
                Some((j * (j + 1) / 2 + i) as u32)
            };
            return ((0..shape.size()).map(at).collect(), n * (n + 1) / 2);
        }
        self.places(shape)
    }

    /// The same for the numbers of a parameter, which come with both triangles.
    pub fn places(&self, shape: Shape) -> (Vec<Option<u32>>, usize) {
        match &self.support {
            None => ((0..shape.size()).map(|k| Some(k as u32)).collect(), shape.size()),
            Some(support) => {
                let mut places = vec![None; shape.size()];
                support.iter().enumerate().for_each(|(at, &k)| places[k] = Some(at as u32));
                (places, support.len())
            }
        }
    }
}
