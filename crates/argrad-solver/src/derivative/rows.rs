//! Rows of a batch, one for each sample: cut by lane groups, read into lanes and written from
//! them.

use pulp::Simd;

use crate::lanes::{M, V};
use crate::prepared::Group;
use crate::program::{Report, Slot};

/// The next `len` entries of `rest`.
pub(super) fn split<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(rest).split_at_mut(len);
    *rest = tail;
    head
}

impl Group {
    /// Reads the rows of its samples into lanes; zero where there are none.
    #[inline(always)]
    pub(super) fn gather<S: Simd>(&self, rows: Option<&[f64]>, out: &mut [V<S>], zero: V<S>) {
        out.fill(zero);
        let Some(rows) = rows else { return };
        let len = out.len();
        for lane in 0..self.count {
            for (out, &value) in out.iter_mut().zip(&rows[(self.first + lane) * len..]) {
                out.set_lane(lane, value);
            }
        }
    }

    /// Entry `k` of the `len` of an argument, in lanes; zero where there is none.
    #[inline(always)]
    pub(super) fn entry<S: Simd>(
        &self,
        slot: Option<Slot<'_>>,
        k: usize,
        len: usize,
        zero: V<S>,
    ) -> V<S> {
        let mut entry = zero;
        if let Some(slot) = slot {
            for lane in 0..self.count {
                entry.set_lane(lane, slot.sample(self.first + lane, len)[k]);
            }
        }
        entry
    }

    /// The lanes whose report is `wanted`.
    #[inline(always)]
    pub(super) fn lanes<S: Simd>(
        &self,
        simd: S,
        reports: &[Report],
        wanted: impl Fn(&Report) -> bool,
    ) -> M<S> {
        let mut lanes = V::splat(simd, 0.0);
        for (lane, report) in reports[self.first..][..self.count].iter().enumerate() {
            lanes.set_lane(lane, f64::from(u8::from(wanted(report))));
        }
        lanes.gt(V::splat(simd, 0.5))
    }
}

/// Writes lanes into rows, as many as there are.
#[inline(always)]
pub(super) fn scatter<S: Simd>(lanes: &[V<S>], rows: &mut [f64]) {
    for (lane, row) in rows.chunks_exact_mut(lanes.len().max(1)).enumerate() {
        for (out, value) in row.iter_mut().zip(lanes) {
            *out = value.lane(lane);
        }
    }
}
