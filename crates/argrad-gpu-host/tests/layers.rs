//! Layers of the modelling language on a device: the answers, derivatives and errors that they have
//! on this processor.

use std::sync::Arc;

use argrad::prelude::*;
use argrad::{Device, Differentiation, Mode, OnFailure, QpCotangent, QpLayer, QpValues};
use argrad_conformance::generators::normal_vector;
use argrad_gpu_host::{Host, Order};

const BATCH: usize = 7;

fn device() -> Arc<dyn Device> {
    argrad_gpu::device(Arc::new(Host::new(Order::Ascending)))
}

/// Nearest points to c in a ball and a half-space that parameters move; the radius is a product.
fn layer() -> Layer {
    let model = Model::new();
    let x = model.variable(3);
    let c = model.parameter(3).named("c");
    let radius = model.parameter(()).named("radius").nonneg();
    let scale = model.parameter(()).named("scale").nonneg();
    let inside = norm2(x).leq(radius * scale);
    let problem = Problem::minimize(sum_squares(x - c)).subject_to([inside, x.sum().leq(0.5)]);
    problem.compile([c, radius, scale], [x]).unwrap()
}

/// Values of c for each sample, of the others for all.
fn parameters() -> [Vec<f64>; 3] {
    [normal_vector(3 * BATCH, 1, 7), vec![0.5], vec![1.5]]
}

fn close(own: &[f64], expected: &[f64], what: &str) {
    assert_eq!(own.len(), expected.len(), "{what}");
    for (own, expected) in own.iter().zip(expected) {
        assert!(
            (own - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
            "{what}: {own} {expected}"
        );
    }
}

#[test]
fn answers_and_derivatives_are_those_of_this_processor() {
    let parameters = parameters();
    let parameters: Vec<&[f64]> = parameters.iter().map(Vec::as_slice).collect();
    let cotangent = normal_vector(3 * BATCH, 1, 8);
    let direction = normal_vector(3 * BATCH, 1, 9);
    let weights = normal_vector(BATCH, 1, 10);
    for mode in [Mode::Exact, Mode::Smoothed(1e-2), Mode::Lpgd(1e-2)] {
        let how = Differentiation { mode, ..Differentiation::default() };
        let here = layer().with_differentiation(how);
        let there = here.clone().on(device()).unwrap();
        let (own, own_tape) = there.forward(&parameters).unwrap();
        let (expected, tape) = here.forward(&parameters).unwrap();
        close(&own.values[0], &expected.values[0], "x");
        close(&own.objective, &expected.objective, "objective");
        for (own, expected) in own.reports.iter().zip(&expected.reports) {
            assert_eq!(own.status, expected.status);
        }
        let found = there.backward(&own_tape, &[&cotangent]).unwrap();
        let wanted = here.backward(&tape, &[&cotangent]).unwrap();
        for (at, (own, expected)) in found.values.iter().zip(&wanted.values).enumerate() {
            close(own, expected, &format!("{mode:?}, gradient {at}"));
        }
        let found = there.jvp(&own_tape, &[&direction, &[0.3], &[]]).unwrap();
        let wanted = here.jvp(&tape, &[&direction, &[0.3], &[]]).unwrap();
        close(&found.values[0], &wanted.values[0], "tangent");
        let found = there.value_gradient(&own_tape, &weights).unwrap();
        for (own, expected) in found.iter().zip(here.value_gradient(&tape, &weights).unwrap()) {
            close(own, &expected, "gradient of the optimal value");
        }
        // From its own solution.
        let (again, _) = there.forward_from(&parameters, &own).unwrap();
        close(&again.values[0], &expected.values[0], "x again");
        assert!(again.reports.iter().all(|report| report.warm_started));
        close(
            &there.solve(&parameters).unwrap().values[0],
            &expected.values[0],
            "x without a tape",
        );
    }
}

#[test]
fn settings_and_failures_are_those_of_the_layer() {
    let [c, _, scale] = parameters();
    // A negative radius: no point.
    let mut radius = vec![0.5; BATCH];
    radius[2] = 0.0;
    let model = Model::new();
    let x = model.variable(1);
    let bound = model.parameter(()).named("bound");
    let problem = Problem::minimize(sum_squares(x)).subject_to([x.geq(bound), x.leq(0.25)]);
    let layer = problem.compile([bound], [x]).unwrap().on(device()).unwrap();
    let (outputs, tape) = layer.forward(&[&radius]).unwrap();
    assert_eq!(outputs.reports[2].status, argrad::Status::Solved);
    assert_eq!(outputs.reports[0].status, argrad::Status::PrimalInfeasible);
    let error = layer.backward(&tape, &[&[1.0; BATCH]]).unwrap_err();
    assert!(error.to_string().starts_with("6 of 7 samples not solved"), "{error}");
    let how = Differentiation { on_failure: OnFailure::Nan, ..Differentiation::default() };
    let lenient = layer.clone().with_differentiation(how);
    let gradients = lenient.backward(&tape, &[&[1.0; BATCH]]).unwrap();
    assert!(gradients.values[0][0].is_nan() && gradients.values[0][2].is_finite());
    // Settings are taken along, on the device.
    let one = Settings { max_iterations: 1, max_polish_steps: 0, ..Settings::default() };
    let stopped = self::layer().on(device()).unwrap().with_settings(one).unwrap();
    let outputs = stopped.solve(&[&c, &[0.5], &scale]).unwrap();
    assert!(outputs.reports.iter().all(|report| report.iterations <= 1));
    let timed =
        Settings { time_limit: Some(std::time::Duration::from_secs(1)), ..Settings::default() };
    let error = self::layer().on(device()).unwrap().with_settings(timed).unwrap_err();
    assert!(error.to_string().contains("a launch cannot be ended"), "{error}");
}

#[test]
fn what_a_device_does_not_serve_says_so() {
    let there = layer().on(device()).unwrap();
    let parameters = parameters();
    let parameters: Vec<&[f64]> = parameters.iter().map(Vec::as_slice).collect();
    let (_, tape) = there.forward(&parameters).unwrap();
    let one = vec![1.0; 3 * BATCH];
    let error = there.backward_tangent(&tape, &[&one], &[&one], &[&one, &[], &[]]).unwrap_err();
    assert!(error.to_string().starts_with("a second derivative of a layer that is on a device"));
    let error = tape.write_flat(&mut []).unwrap_err();
    assert!(error.to_string().starts_with("a flat tape of a layer that is on a device"));
    let small = Host { free_bytes: 20_000, ..Host::new(Order::Ascending) };
    let small = layer().on(argrad_gpu::device(Arc::new(small))).unwrap();
    let many = normal_vector(3 * 1000, 1, 7);
    let error = small.solve(&[&many, &[0.5], &[1.5]]).unwrap_err().to_string();
    assert!(error.starts_with("a batch of 1000, of which "), "{error}");
    assert!(error.contains("would fit on the device"), "{error}");
    // A side of 17.
    let model = Model::new();
    let x = model.variable((17, 17)).symmetric();
    let c = model.parameter((17, 17)).named("c").symmetric();
    let large = Problem::minimize(sum_squares(x - c)).subject_to([x.psd_geq(0.0)]);
    let error = large.compile([c], [x]).unwrap().on(device()).unwrap_err().to_string();
    assert!(error.contains("semidefinite cones of side 16 at most"), "{error}");
}

#[test]
fn quadratic_programs_are_those_of_this_processor() {
    let here = QpLayer::dense(3, 1, 2).unwrap();
    let there = here.clone().on(device()).unwrap();
    let (q, h) = (normal_vector(3 * BATCH, 1, 1), vec![0.25; 2]);
    let (g, a) = (normal_vector(6, 1, 2), vec![1.0; 3]);
    let p = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 3.0];
    let values = QpValues {
        batch: BATCH,
        p: Slot::Shared(&p),
        q: Slot::Each(&q),
        a: Slot::Shared(&a),
        b: Slot::Shared(&[0.1]),
        g: Slot::Shared(&g),
        h: Slot::Shared(&h),
    };
    let cotangent = normal_vector(3 * BATCH, 1, 3);
    let cotangent = QpCotangent { x: Some(&cotangent), ..QpCotangent::default() };
    let (own, own_tape) = there.forward(&values).unwrap();
    let (expected, tape) = here.forward(&values).unwrap();
    close(&own.x, &expected.x, "x");
    let found = there.backward(&own_tape, &cotangent).unwrap();
    let wanted = here.backward(&tape, &cotangent).unwrap();
    for (what, own, expected) in [
        ("P", &found.p, &wanted.p),
        ("q", &found.q, &wanted.q),
        ("A", &found.a, &wanted.a),
        ("b", &found.b, &wanted.b),
        ("G", &found.g, &wanted.g),
        ("h", &found.h, &wanted.h),
    ] {
        close(own, expected, what);
    }
}

#[test]
fn violated_samples_are_relaxed_there_too() {
    let model = Model::new();
    let x = model.variable(2);
    let c = model.parameter(2).named("c");
    let constraints = [norm2(x - c).leq(0.5), x.sum().geq(2.0)];
    let problem = Problem::minimize(sum_squares(x)).subject_to(constraints);
    let here = problem.compile([c], [x]).unwrap();
    let there = here.clone().on(device()).unwrap();
    let c = normal_vector(2 * BATCH, 1, 12);
    let cotangent = normal_vector(2 * BATCH, 1, 13);
    let [(own, found), (expected, wanted)] = [&there, &here].map(|layer| {
        let elastic = layer.elastic(argrad::model::Relaxation::default()).unwrap();
        let (outputs, tape) = elastic.forward(&[&c]).unwrap();
        let gradients = elastic.backward(&tape, &[&cotangent, &[]]).unwrap();
        (outputs, gradients)
    });
    assert_eq!(own.violated, expected.violated);
    assert!(!own.violated.is_empty());
    close(&own.outputs.values[0], &expected.outputs.values[0], "x");
    close(&own.violation, &expected.violation, "violation");
    for (own, expected) in found[0].iter().zip(&wanted[0]) {
        assert!((own - expected).abs() <= 1e-8 * (1.0 + expected.abs()), "{own} {expected}");
    }
}
