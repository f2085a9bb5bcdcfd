//! Quadratic programs whose P and A the whole batch shares.

use super::draws::Draws;
use super::random_qp::random_program;
use super::{Size, dense_structure};
use crate::{Numbers, ProgramBatch, dot};

/// As [`super::random_qp()`], with P and A of one program for the whole batch; q and b are of each
/// sample. Sample i depends on the seed and on i only.
pub fn shared_qp(size: Size, seed: u64) -> ProgramBatch {
    let structure = dense_structure(size);
    let common = random_program(size, &mut Draws::of_shared(seed));
    let (mut q, mut b) = (Vec::new(), Vec::new());
    for i in 0..size.batch {
        let draws = &mut Draws::of_sample(seed, i);
        let interior = draws.normals(size.variables);
        for row in 0..common.rows() {
            let slack = if row < size.equalities { 0.0 } else { draws.uniform() };
            b.push(dot(common.row(row), &interior) + slack);
        }
        q.extend(draws.normals(size.variables));
    }
    ProgramBatch {
        batch: size.batch,
        p: Numbers::Shared(common.stored_p(&structure)),
        q: Numbers::Each(q),
        a: Numbers::Shared(common.stored_a(&structure)),
        b: Numbers::Each(b),
        structure,
    }
}
