//! Four threads with barriers: what a card does, but for its number of threads. Under a thread
//! sanitizer (`make gpu-sanitize`) this finds missing barriers.

use argrad_gpu_host::{Host, Order};

use crate::case::{Directions, difference, in_order, of_host, statuses};
use crate::families::{curved, curved_unsolvable, solvable, unsolvable};

#[test]
fn threads_with_barriers_give_the_same_answers() {
    let flat = solvable(2).into_iter().chain(unsolvable(1));
    for family in flat.chain(curved(2)).chain(curved_unsolvable(1)) {
        // The larger ones do the same with more barriers.
        if family.batch.variables() > 32 {
            continue;
        }
        let directions = Directions::new(&family);
        let expected = of_host(&family.batch, in_order(), &directions);
        let own = of_host(&family.batch, Host::new(Order::Threads), &directions);
        assert_eq!(statuses(&own.solution), statuses(&expected.solution), "{}", family.name);
        if family.is_solvable {
            let n = family.batch.variables();
            let x = difference(&expected.solution.x, &own.solution.x, n);
            assert!(x <= family.tolerances[0], "{}: x by {x:e}", family.name);
        }
    }
}
