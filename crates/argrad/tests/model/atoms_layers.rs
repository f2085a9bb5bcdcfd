//! Layers with each atom and parameters in it, in the objective and in a constraint: backward
//! against jvp and central differences.

use argrad::atoms::*;
use argrad::prelude::*;

use super::atom_table::{Arg, Build, TABLE};
use super::derivative::{check, numbers};

/// The sum of an atom's elements at numbers.
fn value(args: &[Arg], values: &[Vec<f64>], build: Build) -> f64 {
    let model = Model::new();
    let y = model.variable(());
    let constant = |(arg, v): (&Arg, &Vec<f64>)| model.constant(v).reshape(arg.shape());
    let given: Vec<Expr<'_>> = args.iter().zip(values).map(constant).collect();
    let answer = Problem::minimize(square(y)).solve(&[]).unwrap();
    answer.get(build(&given)).unwrap().iter().sum()
}

/// `sum (x - a)^2 / 2` near the atom of `x + shift`: with it in the objective, times g, or bounded
/// by g.
fn layer_with(name: &str, args: &[Arg], build: Build, in_objective: bool, seed: u64) {
    println!("{name}, in the objective: {in_objective}");
    let model = Model::new();
    let (mut parameters, mut values, mut at) = (Vec::new(), Vec::new(), Vec::new());
    let (mut given, mut outputs, mut symmetric) = (Vec::new(), Vec::new(), Vec::new());
    let mut distance = model.constant(0.0);
    for (k, arg) in args.iter().enumerate() {
        let center = arg.values(seed + 7 * k as u64);
        at.push(center.clone());
        if *arg == Arg::Threshold {
            let threshold = model.parameter(()).nonneg();
            parameters.push(threshold);
            given.push(threshold);
            values.push(center);
            continue;
        }
        let size = center.len();
        let mut shift: Vec<f64> =
            numbers(size, seed + 50 + k as u64).iter().map(|v| 0.1 * v).collect();
        let (a, b) = (model.parameter(arg.shape()), model.parameter(arg.shape()));
        let mut x = model.variable(arg.shape());
        if arg.shape().is_square() {
            x = x.symmetric();
            let n = arg.shape().rows();
            (0..size).for_each(|l| shift[l] = shift[l % n * n + l / n]);
            symmetric.extend([parameters.len(), parameters.len() + 1]);
        }
        distance = distance + 0.5 * sum_squares(x - a);
        given.push(x + b);
        values.push(center.iter().zip(&shift).map(|(c, s)| c - s).collect());
        values.push(shift);
        parameters.extend([a, b]);
        outputs.push(x);
    }
    let result = build(&given).sum();
    let concave = result.curvature() == Curvature::Concave;
    let g = model.parameter(());
    let problem = if in_objective {
        let g = g.nonneg();
        values.push(vec![0.3]);
        let term = g * result;
        Problem::minimize(if concave { distance - term } else { distance + term })
    } else {
        let now = value(args, &at, build);
        let step = 0.2 * now.abs() + 0.1;
        values.push(vec![if concave { now + step } else { now - step }]);
        let bound = if concave { result.geq(g) } else { result.leq(g) };
        Problem::minimize(distance).subject_to([bound])
    };
    parameters.push(g);
    check(problem.compile(parameters, outputs).unwrap(), &values, &symmetric);
}

/// At points where nothing is at a kink.
fn all(in_objective: bool) {
    for seed in [12, 15, 17] {
        for (name, args, build) in TABLE {
            layer_with(name, args, *build, in_objective, seed);
        }
    }
}

#[test]
fn every_atom_in_the_objective() {
    all(true);
}

#[test]
fn every_atom_in_a_constraint() {
    all(false);
}
