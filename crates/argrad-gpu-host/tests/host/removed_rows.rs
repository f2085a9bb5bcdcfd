//! A b of infinity removes an inequality: z is zero, s infinite, gradients are zero.

use argrad_conformance::generators::{Size, random_qp};

use crate::case::{Directions, difference, in_order, of_host, of_lanes};
use crate::families::Family;

/// Programs of which a third of the inequalities is none.
pub fn family() -> Family {
    let mut batch = random_qp(Size { variables: 6, inequalities: 9, equalities: 2, batch: 40 }, 3);
    let m = batch.rows();
    for (k, b) in batch.b.as_mut_slice().iter_mut().enumerate() {
        if k % m >= 2 && k % 3 == 0 {
            *b = if k % 2 == 0 { f64::INFINITY } else { 1e20 };
        }
    }
    Family::new("removed rows", batch)
}

#[test]
fn removed_rows_are_those_of_the_cpu_engine() {
    let family = family();
    let (n, m) = (family.batch.variables(), family.batch.rows());
    let directions = Directions::new(&family);
    let own = of_host(&family.batch, in_order(), &directions);
    let expected = of_lanes(&family.batch, &directions);
    for (own, expected, len) in [
        (&own.solution.x, &expected.solution.x, n),
        (&own.solution.z, &expected.solution.z, m),
        (&own.solution.s, &expected.solution.s, m),
        (&own.gradients.b, &expected.gradients.b, m),
        (&own.gradients.q, &expected.gradients.q, n),
        (&own.tangent.s, &expected.tangent.s, m),
        (&own.tangent.x, &expected.tangent.x, n),
    ] {
        let difference = difference(expected, own, len);
        assert!(difference <= 1e-10, "{difference:e}");
    }
    assert!(own.solution.s.contains(&f64::INFINITY));
}
