//! The node of the graph: several solves, several backward passes, what is kept and what is not.

use argrad::{QpLayer, QpShape, Settings};
use argrad_candle::{Argument, QpArguments, qp};
use candle_core::{DType, Device, Tensor, Var};

use crate::program::{
    EQUALITIES, INEQUALITIES, N, Program, constant, host, layer, loss, relative_error,
};

#[test]
fn a_second_backward_pass_gives_the_same_gradients() {
    let program = Program::random(3, [true, false, false, true, true, false], 1);
    let (variables, arguments) = program.variables(DType::F64);
    let output = qp(&layer(), &arguments).unwrap();
    let loss = loss(&output);
    let (_, expected) = program.native();
    for _ in 0..2 {
        let gradients = loss.backward().unwrap();
        let found = variables.each_ref().map(|own| host(gradients.get(own).unwrap()));
        assert_eq!(found, expected);
    }
    // Another loss of the same solve.
    let x = output.x.sum_all().unwrap().backward().unwrap();
    let duals = output.inequality_duals.sum_all().unwrap().backward().unwrap();
    let both = (output.x.sum_all().unwrap() + output.inequality_duals.sum_all().unwrap()).unwrap();
    let both = both.backward().unwrap();
    let of =
        |gradients: &candle_core::backprop::GradStore| host(gradients.get(&variables[1]).unwrap());
    let sum: Vec<f64> = of(&x).iter().zip(of(&duals)).map(|(x, z)| x + z).collect();
    assert!(relative_error(&of(&both), &sum) < 1e-12);
}

#[test]
fn a_backward_pass_is_that_of_its_own_forward_pass() {
    // Between the two, an optimizer may have moved the variables.
    let program = Program::random(3, [true, false, false, true, true, false], 2);
    let (variables, arguments) = program.variables(DType::F64);
    let loss = loss(&qp(&layer(), &arguments).unwrap());
    for variable in &variables {
        variable.set(&variable.zeros_like().unwrap()).unwrap();
    }
    let gradients = loss.backward().unwrap();
    let found = variables.each_ref().map(|own| host(gradients.get(own).unwrap()));
    assert_eq!(found, program.native().1);
}

/// minimize scale / 2 |x|^2 + q'x.
fn scaled(scale: f64, q: &Tensor) -> Tensor {
    let layer = QpLayer::dense(2, 0, 0).unwrap();
    let p = Argument::fixed(vec![scale, 0.0, 0.0, scale]);
    qp(&layer, &QpArguments::new(p, Argument::each(q))).unwrap().x
}

#[test]
fn two_solves_in_one_graph_keep_their_own_state() {
    // x(q) of one layer feeds q of the next; d/dq of x(x(q)) by the chain rule of x = -q / scale.
    let q = Var::new(&[[1.0_f64, -4.0]], &Device::Cpu).unwrap();
    let first = scaled(2.0, &q);
    let second = scaled(5.0, &first);
    let loss = (second.sum_all().unwrap() + first.sum_all().unwrap()).unwrap();
    let gradients = loss.backward().unwrap();
    for found in host(gradients.get(&q).unwrap()) {
        assert!((found - (0.1 - 0.5)).abs() < 1e-14, "{found}");
    }
}

#[test]
fn gradients_do_not_hold_on_to_a_graph() {
    let q = Var::new(&[1.0_f64, -4.0], &Device::Cpu).unwrap();
    let layer = QpLayer::dense(2, 0, 0).unwrap();
    let p = Argument::fixed(vec![1.0, 0.0, 0.0, 1.0]);
    let output = qp(&layer, &QpArguments::new(p, Argument::shared(&q))).unwrap();
    let gradients = output.x.sum_all().unwrap().backward().unwrap();
    assert!(!gradients.get(&q).unwrap().track_op());
}

/// The framework keeps the graph of gradients where this is in the environment. It reads it once
/// per thread, so the test runs again in a process that has it.
#[test]
fn second_derivatives_are_refused_with_an_error() {
    const KEEP: &str = "CANDLE_GRAD_DO_NOT_DETACH";
    if std::env::var_os(KEEP).is_none() {
        let name = "graph::second_derivatives_are_refused_with_an_error";
        let own = std::env::current_exe().unwrap();
        let output = std::process::Command::new(own).arg(name).env(KEEP, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    for q in [Var::new(&[[1.0_f64, -4.0]], &Device::Cpu), Var::new(&[1.0_f64, 2.0], &Device::Cpu)] {
        let q = q.unwrap();
        // A linear loss, whose gradient does not depend on x: the framework alone would find zero.
        let loss = scaled(2.0, &q.reshape((1, 2)).unwrap()).sum_all().unwrap();
        let first = loss.backward().unwrap();
        let gradient = first.get(&q).unwrap();
        assert!(relative_error(&host(gradient), &[-0.5; 2]) < 1e-14);
        let second = gradient.sqr().unwrap().sum_all().unwrap().backward();
        let text = second.map(drop).unwrap_err().to_string();
        assert!(text.contains("gradient of argrad"), "{text}");
    }
}

/// Seen by its memory: a batch whose tape would not fit is solved all the same.
#[test]
fn without_tracked_arguments_there_is_no_tape() {
    let program = Program::random(400, [true, false, true, true, true, true], 3);
    let limited = |limit: usize| {
        let settings = Settings { memory_limit: Some(limit), ..Settings::default() };
        QpLayer::new(QpShape::dense(N, EQUALITIES, INEQUALITIES), settings)
    };
    // Just too little for the tape.
    let mut limit = 0;
    let limited = loop {
        let attempt = limited(limit).and_then(|layer| layer.forward(&program.values()).map(drop));
        match attempt {
            Err(argrad::Error::Memory { what, needed, .. }) => {
                if what.contains("tape") {
                    break limited(needed as usize - 1).unwrap();
                }
                limit = needed as usize;
            }
            other => panic!("{other:?}"),
        }
    };
    let tensors =
        [0, 1, 2, 3, 4, 5].map(|k| constant(&program.numbers[k], &program.dims[k], DType::F64));
    let found = qp(&limited, &program.arguments(&tensors)).unwrap();
    assert_eq!(host(&found.x), program.native().0[0]);
    let (_, tracked) = program.variables(DType::F64);
    let refused = qp(&limited, &tracked).map(drop).unwrap_err().to_string();
    assert!(refused.contains("tape"), "{refused}");
}
