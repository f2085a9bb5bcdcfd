//! The nearest positive semidefinite matrix.

use argrad_solver::{Cone, Pattern, Structure};

use super::draws::Draws;
use crate::{Numbers, ProgramBatch, psd_triangle};

/// Minimize `1/2 |X - C|^2` over positive semidefinite X of this side, C symmetric with entries
/// N(0,1): P = I, q = -C, A = -I, b = 0, in the vector form of [`Cone::PsdTriangle`]. Only q
/// varies.
pub fn psd_projection(side: usize, batch: usize, seed: u64) -> ProgramBatch {
    let n = side * (side + 1) / 2;
    let structure =
        Structure::new(Pattern::diagonal(n), Pattern::diagonal(n), vec![Cone::PsdTriangle(side)])
            .expect("sizes fit together");
    let q = (0..batch)
        .flat_map(|i| {
            let draws = &mut Draws::of_sample(seed, i);
            psd_triangle::pack(side, |_, _| -draws.normal())
        })
        .collect();
    ProgramBatch {
        structure,
        batch,
        p: Numbers::Shared(vec![1.0; n]),
        q: Numbers::Each(q),
        a: Numbers::Shared(vec![-1.0; n]),
        b: Numbers::Shared(vec![0.0; n]),
    }
}
