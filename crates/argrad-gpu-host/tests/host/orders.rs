//! Answers do not depend on the order of the loops, the memory that holds a program, or the batch.

use argrad_gpu_host::{Host, Order};

use crate::case::{Directions, difference, in_order, of_host, solver, statuses};
use crate::families::{Family, curved, curved_unsolvable, solvable, unsolvable};

fn few() -> Vec<Family> {
    let flat = solvable(12).into_iter().chain(unsolvable(6));
    flat.chain(curved(6)).chain(curved_unsolvable(6)).collect()
}

#[test]
fn a_random_order_of_every_loop_gives_the_same_answers() {
    for family in few() {
        let (batch, directions) = (&family.batch, Directions::new(&family));
        let expected = of_host(batch, in_order(), &directions);
        let own = of_host(batch, Host::new(Order::Random), &directions);
        assert_eq!(statuses(&own.solution), statuses(&expected.solution), "{}", family.name);
        if !family.is_solvable {
            continue;
        }
        // Sums are made in another order: the same to rounding, where z is unique.
        let (n, m) = (batch.variables(), batch.rows());
        let [of_points, of_derivatives] = family.tolerances;
        let x = difference(&expected.solution.x, &own.solution.x, n);
        assert!(x <= of_points, "{}: x by {x:e}", family.name);
        if family.is_z_unique {
            let db = difference(&expected.gradients.b, &own.gradients.b, m);
            assert!(db <= of_derivatives, "{}: db by {db:e}", family.name);
        }
    }
}

#[test]
fn programs_that_shared_memory_cannot_hold_have_the_same_bits() {
    for family in few() {
        let directions = Directions::new(&family);
        let expected = of_host(&family.batch, in_order(), &directions);
        let small = Host { shared_bytes: 2000, ..in_order() };
        let own = of_host(&family.batch, small, &directions);
        assert_eq!(own.solution, expected.solution, "{}", family.name);
        assert_eq!(own.gradients.p, expected.gradients.p, "{}", family.name);
        assert_eq!(own.tangent.s, expected.tangent.s, "{}", family.name);
    }
}

#[test]
fn a_sample_has_the_same_bits_alone_and_at_any_position() {
    for family in few() {
        let whole = solver(&family.batch, in_order()).solve(&family.batch.values()).unwrap();
        let indices = [5, 0, 3];
        let part = family.batch.select(&indices);
        let own = solver(&part, in_order()).solve(&part.values()).unwrap();
        let n = part.variables();
        for (row, &sample) in indices.iter().enumerate() {
            let place = format!("{}, sample {sample}", family.name);
            assert_eq!(own.x[row * n..][..n], whole.x[sample * n..][..n], "{place}");
            assert_eq!(own.reports[row], whole.reports[sample], "{place}");
        }
    }
}
