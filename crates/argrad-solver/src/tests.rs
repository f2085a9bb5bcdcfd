//! Whole solves.

use crate::{
    Cone, Cotangent, Differentiation, Engine, Instructions, Pattern, Settings, Slot, Solver,
    Structure, Tangent, Values,
};

/// So small that an interpreter gets through it too (`make miri`).
mod small {
    use super::*;

    #[test]
    fn solves_and_derivatives_of_either_engine_agree() {
        let [lanes, sparse] = [Engine::Lanes, Engine::Sparse].map(solution_and_derivatives);
        assert!(lanes.len() == sparse.len() && !lanes.is_empty());
        for (lanes, sparse) in lanes.iter().zip(&sparse) {
            assert!((lanes - sparse).abs() < 1e-8, "{lanes} and {sparse}");
        }
    }

    /// Two samples over three kinds of cones, with one lane.
    fn solution_and_derivatives(engine: Engine) -> Vec<f64> {
        let cones = vec![Cone::Zero(1), Cone::Nonnegative(2), Cone::SecondOrder(3)];
        let structure =
            Structure::new(Pattern::dense_upper(3), Pattern::dense(6, 3), cones).unwrap();
        let settings = Settings {
            engine,
            instructions: Instructions::Scalar,
            memory_limit: Some(1 << 30),
            ..Settings::default()
        };
        let solver = Solver::new(structure, settings).unwrap();
        let values = Values {
            batch: 2,
            p: Slot::Shared(&[3.0, 0.5, 2.0, -0.25, 0.5, 4.0]),
            q: Slot::Each(&[1.0, -2.0, 0.5, -1.0, 3.0, 2.0]),
            a: Slot::Shared(&[
                1.0, 0.5, -0.5, 0.0, 1.0, 0.0, 1.0, -1.0, 0.5, 0.0, 0.0, 1.0, 1.0, 0.25, 1.0, 0.0,
                0.5, 0.0,
            ]),
            b: Slot::Shared(&[0.1, 0.6, 0.2, 2.0, 0.3, -0.2]),
        };
        let (solution, tape) = solver.forward(&values).unwrap();
        assert!(solution.reports.iter().all(|report| report.is_solved()), "{:?}", solution.reports);
        let ones = [1.0; 6];
        let how = Differentiation::default();
        let gradients =
            tape.vjp(&Cotangent { x: Some(&ones), ..Cotangent::default() }, &how).unwrap();
        let tangent = Tangent { q: Some(Slot::Each(&ones)), ..Tangent::default() };
        let moved = tape.jvp(&tangent, &how).unwrap();
        [solution.x, solution.z, gradients.p, gradients.q, gradients.a, gradients.b, moved.x]
            .concat()
    }
}
