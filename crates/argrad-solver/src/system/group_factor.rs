//! The factor of a lane group's projection system, whether its matrices are its own or those of the
//! batch.

use pulp::Simd;

use crate::cones::Point;
use crate::lanes::{M, V};
use crate::system::analysis::Analysis;
use crate::system::kkt::Factored;
use crate::system::memory::{State, SystemWork};
use crate::system::shared::active;

impl<S: Simd> State<'_, S> {
    /// Factors the system with the cone blocks in `h`. Returns the lanes whose factor is less close
    /// to the system; `close` are those whose P is nearly singular (see
    /// [`Kkt::factor_closely`]; where matrices are shared, P is not changed at all).
    ///
    /// [`Kkt::factor_closely`]: crate::system::kkt::Kkt::factor_closely
    #[inline(always)]
    pub(crate) fn factor(
        &mut self,
        simd: S,
        analysis: &Analysis,
        work: &mut SystemWork<'_, S>,
        close: M<S>,
    ) -> M<S> {
        let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
        self.close.fill(close.select(one, zero));
        if let Some(shared) = self.system(simd, analysis).shared {
            active::factor(simd, shared, self.h, work.active);
            return M::splat(simd, false);
        }
        let h = (Point::Projection, &*self.h);
        let workspace = Factored { inverse_pivots: self.inverse_pivots, scratch: work.factor };
        analysis.kkt.factor_closely(simd, self.values, h, workspace, close)
    }
}
