//! The units in which residuals of one sample are compared: those that its solve would choose.

use pulp::Simd;

use crate::lanes::{Buffer, LaneTask, MOST_LANES, V, dispatch};
use crate::prepared::{Group, Prepared};
use crate::program::{Error, Values, check_finite_samples};
use crate::solve::equilibrate::{equilibrate, load};
use crate::system::analysis::Analysis;
use crate::system::memory::{EquilibrationVectors, State, Work};

/// Units of one sample, powers of two: divided by them, the numbers of a solution are near one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Units {
    /// Of each entry of x.
    pub(super) x: Vec<f64>,
    /// Of each entry of s, and of the rows of Ax = b.
    pub(super) s: Vec<f64>,
    /// Of the objective. That of `z_i` is this by that of `s_i`, that of row j of `Px + q + A'z`
    /// this by that of `x_j`.
    pub(super) cost: f64,
}

impl Units {
    /// Of `z_i`.
    pub(super) fn z(&self, i: usize) -> f64 {
        self.cost / self.s[i]
    }

    /// Of row j of `Px + q + A'z`.
    pub(super) fn gradient(&self, j: usize) -> f64 {
        self.cost / self.x[j]
    }
}

/// Those of every sample.
///
/// # Errors
/// [`Error::NotFinite`] for a matrix with an entry that is no number; [`Error::Memory`].
pub(super) fn units(prepared: &Prepared, values: &Values<'_>) -> Result<Vec<Units>, Error> {
    let task = |group: Group| (group.first, group.count);
    let groups = prepared.for_groups(values.batch, 1, task, |(first, count), work| {
        let mut state: Buffer = prepared.take_state(false)?;
        let task = Scale {
            analysis: &prepared.analysis,
            values,
            first,
            count,
            state: state.as_mut_slice(),
            work,
        };
        let found = dispatch(prepared.width, task);
        prepared.return_state(state);
        found
    });
    let groups = groups.into_iter().collect::<Result<Vec<_>, Error>>()?;
    Ok(groups.into_iter().flatten().collect())
}

/// Scales the programs of one group as a solve does.
struct Scale<'a> {
    analysis: &'a Analysis,
    values: &'a Values<'a>,
    first: usize,
    count: usize,
    state: &'a mut [f64],
    work: &'a mut [f64],
}

impl LaneTask for Scale<'_> {
    type Output = Result<Vec<Units>, Error>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self { analysis, values, first, count, .. } = self;
        check_finite_samples(&analysis.structure, values, first, count)?;
        // Lanes without a sample of their own repeat the first.
        let samples: [usize; MOST_LANES] =
            std::array::from_fn(|lane| first + if lane < count { lane } else { 0 });
        let state = &mut State::new(simd, analysis, None, self.state, &mut []);
        let work = &mut Work::new(simd, analysis, self.work);
        let vectors = EquilibrationVectors::new(&work.lengths, work.phase);
        load(simd, analysis, values, &samples[..V::<S>::LANES], state);
        equilibrate(simd, analysis, state, vectors);
        let units = |lane: usize| Units {
            x: state.x_scale.iter().map(|scale| scale.lane(lane)).collect(),
            s: state.row_scale.iter().map(|scale| 1.0 / scale.lane(lane)).collect(),
            cost: 1.0 / state.cost_scale[0].lane(lane),
        };
        Ok((0..count).map(units).collect())
    }
}
