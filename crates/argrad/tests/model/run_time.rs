//! Layers at run time: batches, files, threads, warm starts, failures.

use argrad::atom::{Affine, Argument, Atom, Graph, Info, Monotonicity};
use argrad::atoms::*;
use argrad::prelude::*;
use argrad::{Differentiation, Method, OnFailure};

use super::derivative::numbers;

fn layer() -> Result<Layer, ModelError> {
    let model = Model::new();
    let (x, a, p) = (model.variable(3), model.parameter(3), model.parameter(()).nonneg());
    let budget = x.sum().equals(1.0);
    let problem = Problem::minimize(exp(p) * sum_squares(x - a) + p * norm2(x))
        .subject_to([budget, x.geq(-1.0)]);
    problem.compile([a, p], [Output::from(x), budget.dual()])
}

#[test]
fn a_batch_is_its_samples_bitwise() -> Result<(), ModelError> {
    let layer = layer()?;
    let (a, p) = (numbers(30, 1), numbers(10, 2).iter().map(|v| v.abs()).collect::<Vec<_>>());
    let (together, tape) = layer.forward(&[&a, &p])?;
    let cotangents = [numbers(30, 3), numbers(10, 4)];
    let gradients = layer.backward(&tape, &[&cotangents[0], &cotangents[1]])?;
    for k in 0..10 {
        let (alone, tape) = layer.forward(&[&a[3 * k..3 * k + 3], &p[k..=k]])?;
        assert_eq!(alone[0], together[0][3 * k..3 * k + 3]);
        assert_eq!(alone[1], together[1][k..=k]);
        assert_eq!(alone.objective[0], together.objective[k]);
        let own =
            layer.backward(&tape, &[&cotangents[0][3 * k..3 * k + 3], &cotangents[1][k..=k]])?;
        assert_eq!(own[0], gradients[0][3 * k..3 * k + 3]);
        assert_eq!(own[1], gradients[1][k..=k]);
    }
    Ok(())
}

#[test]
fn the_gradient_of_a_shared_parameter_is_the_sum() -> Result<(), ModelError> {
    let layer = layer()?;
    let a = numbers(12, 5);
    let (_, tape) = layer.forward(&[&a, &[0.7]])?;
    let cotangent = numbers(12, 6);
    let shared = layer.backward(&tape, &[&cotangent, &[]])?;
    let (_, tape) = layer.forward(&[&a, &[0.7; 4]])?;
    let each = layer.backward(&tape, &[&cotangent, &[]])?;
    assert_eq!((shared[1].len(), each[1].len()), (1, 4));
    assert!((shared[1][0] - each[1].iter().sum::<f64>()).abs() < 1e-12);
    assert_eq!(shared[0], each[0]);
    Ok(())
}

/// Large enough for several threads; one parameter is shared, one read by a product only.
#[test]
fn gradients_are_the_same_bits_on_any_number_of_threads() -> Result<(), Box<dyn std::error::Error>>
{
    let (n, batch) = (12, 45);
    let model = Model::new();
    let (x, factor) = (model.variable(n), model.parameter((n, n)));
    let (a, b) = (model.parameter(n), model.parameter(n));
    let problem = Problem::minimize(sum_squares(factor.matmul(x)) + sum_squares(x - a))
        .subject_to([x.leq(b)]);
    let layer = problem.compile([factor, a, b], [x])?;
    let (factors, a, b) = (numbers(batch * n * n, 1), numbers(n, 2), numbers(batch * n, 3));
    let cotangent = numbers(batch * n, 4);
    let gradients = |threads: usize| -> Result<Vec<Vec<f64>>, Box<dyn std::error::Error>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(pool.install(|| -> Result<Vec<Vec<f64>>, ModelError> {
            let (_, tape) = layer.forward(&[&factors, &a, &b])?;
            Ok(layer.backward(&tape, &[&cotangent])?.into())
        })?)
    };
    let expected = gradients(1)?;
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [batch * n * n, n, batch * n]);
    for threads in [2, 3, 8] {
        assert!(gradients(threads)? == expected, "{threads} threads");
    }
    Ok(())
}

#[test]
fn a_layer_read_from_a_file_is_the_same() -> Result<(), Box<dyn std::error::Error>> {
    let layer = layer()?;
    let text = serde_json::to_string(&layer)?;
    let read: Layer = serde_json::from_str(&text)?;
    let a = numbers(6, 8);
    let ((one, one_tape), (two, two_tape)) =
        (layer.forward(&[&a, &[0.3]])?, read.forward(&[&a, &[0.3]])?);
    assert_eq!(one.values, two.values);
    let cotangent = numbers(6, 9);
    assert_eq!(
        layer.backward(&one_tape, &[&cotangent, &[]])?,
        read.backward(&two_tape, &[&cotangent, &[]])?
    );
    // What does not fit together is refused.
    let broken = text.replacen("\"variables\":", "\"variables\":1", 1);
    assert!(serde_json::from_str::<Layer>(&broken).is_err());
    // An argument whose end wraps around to a place that there is.
    let mut wrapped: serde_json::Value = serde_json::from_str(&text)?;
    let steps = wrapped["program"]["steps"].as_array_mut().ok_or("no steps")?;
    let offset = steps.iter_mut().find_map(|step| step.pointer_mut("/0/Atom/args/0/offset"));
    *offset.ok_or("no derived parameter is an atom")? = u64::MAX.into();
    assert!(serde_json::from_value::<Layer>(wrapped).is_err());
    let unknown = text.replacen("\"exp\"", "\"mystery\"", 1);
    let error = serde_json::from_str::<Layer>(&unknown).unwrap_err().to_string();
    assert!(error.contains("mystery") && error.contains("register"), "{error}");
    Ok(())
}

#[test]
fn layers_travel_between_threads() -> Result<(), ModelError> {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    let layer = layer()?;
    is_send_and_sync(&layer);
    let a = numbers(3, 10);
    let here = layer.forward(&[&a, &[0.3]])?.0.values;
    let moved = layer.clone();
    let there = std::thread::spawn(move || moved.forward(&[&a, &[0.3]]).map(|o| o.0.values));
    assert_eq!(here, there.join().unwrap()?);
    Ok(())
}

#[test]
fn warm_starts_from_earlier_outputs() -> Result<(), ModelError> {
    let layer = layer()?;
    let a = numbers(3, 11);
    let (first, _) = layer.forward(&[&a, &[0.3]])?;
    let (second, _) = layer.forward_from(&[&a, &[0.301]], &first)?;
    assert!(second.reports[0].warm_started);
    let (cold, _) = layer.forward(&[&a, &[0.301]])?;
    for (w, c) in second[0].iter().zip(&cold[0]) {
        assert!((w - c).abs() < 1e-8);
    }
    Ok(())
}

#[test]
fn one_failed_sample_leaves_the_others_alone() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, b) = (model.variable(()), model.parameter(()));
    let problem = Problem::minimize(square(x)).subject_to([x.geq(b), x.leq(1.0)]);
    let layer = problem.compile([b], [x])?;
    let (outputs, tape) = layer.forward(&[&[0.5, 2.0]])?;
    assert!(outputs.reports[0].is_solved());
    assert_eq!(outputs.reports[1].status, Status::PrimalInfeasible);
    assert!((outputs[0][0] - 0.5).abs() < 1e-9);
    assert!(layer.backward(&tape, &[&[1.0, 1.0]]).is_err());
    let how = Differentiation { on_failure: OnFailure::Zero, ..Default::default() };
    let gradients = layer.with_differentiation(how).backward(&tape, &[&[1.0, 1.0]])?;
    assert!((gradients[0][0] - 1.0).abs() < 1e-9 && gradients[0][1] == 0.0);
    Ok(())
}

#[test]
fn failed_samples_add_nothing_to_gradients_of_shared_parameters() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, a, u) = (model.variable(()), model.parameter(()), model.parameter(()));
    let problem = Problem::minimize(square(x - a)).subject_to([x.geq(0.0), x.leq(u)]);
    let layer = problem.compile([a, u], [x])?;
    for (on_failure, of_failed) in [(OnFailure::Nan, f64::NAN), (OnFailure::Zero, 0.0)] {
        let how = Differentiation { on_failure, ..Default::default() };
        let layer = layer.clone().with_differentiation(how);
        // Failed last and failed first: what is shared is read of the first sample.
        for (bounds, failed) in [([2.0, -1.0], 1), ([-1.0, 2.0], 0)] {
            let (_, tape) = layer.forward(&[&[1.0], &bounds])?;
            let gradients = layer.backward(&tape, &[&[1.0, 1.0]])?;
            assert!((gradients[0][0] - 1.0).abs() < 1e-9, "{on_failure:?} {failed}: {gradients:?}");
            assert_eq!(gradients[1][failed].to_bits(), of_failed.to_bits());
            assert!(gradients[1][1 - failed].abs() < 1e-9);
        }
    }
    Ok(())
}

#[test]
fn a_derivative_that_ends_early_says_so() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, b) = (model.variable(30), model.parameter(30));
    let bends = x.slice(2..30) - x.slice(1..29) * 2.0 + x.slice(0..28);
    let layer = Problem::minimize(sum_squares(x - b) + 1e3 * sum_squares(bends))
        .subject_to([x.leq(10.0)])
        .compile([b], [x])?;
    let target: Vec<f64> = (0..60).map(|k| f64::from(k * k % 17)).collect();
    let (_, tape) = layer.forward(&[&target])?;
    let weights = vec![1.0; 60];
    let exact = layer.backward(&tape, &[&weights])?;
    assert!(exact.unfinished.is_empty());
    assert!(exact.accuracy.iter().all(|&error| error < 1e-9), "{:?}", exact.accuracy);
    let method = Method::Lsqr { tolerance: 1e-14, max_iterations: 2 };
    let short = layer.with_differentiation(Differentiation { method, ..Default::default() });
    assert_eq!(short.backward(&tape, &[&weights])?.unfinished, [0, 1]);
    assert_eq!(short.jvp(&tape, &[&target])?.unfinished, [0, 1]);
    Ok(())
}

#[test]
fn a_dense_parametric_matrix_takes_an_entry_a_number() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, q) = (model.variable(100), model.parameter((100, 100)));
    let problem = Problem::minimize(sum_squares(q.matmul(x) - 1.0)).subject_to([x.geq(0.0)]);
    let layer = problem.compile([q], [x])?;
    assert_eq!(layer.structure().a().nnz(), 100 * 100 + 200);
    let problem = Problem::minimize(sum_squares(q.matmul(x))).subject_to([x.geq(0.0)]);
    let layer = problem.compile([q], [x])?;
    assert_eq!(layer.structure().p().nnz(), 100 * 101 / 2);
    assert_eq!(layer.structure().a().nnz(), 100);
    Ok(())
}

/// `x / (1 + |x|)`, for parameters only.
#[derive(Debug)]
struct Softsign;

impl Atom for Softsign {
    fn name(&self) -> &str {
        "softsign"
    }
    fn shape(&self, args: &[Shape]) -> Result<Shape, String> {
        args.first().copied().ok_or_else(|| "expected an argument".into())
    }
    fn sign(&self, args: &[Info]) -> Sign {
        args[0].sign
    }
    fn curvature(&self, _: &[Info]) -> Curvature {
        Curvature::Unknown
    }
    fn monotonicity(&self, _: usize, _: &[Info]) -> Monotonicity {
        Monotonicity::Increasing
    }
    fn value(&self, args: &[Argument<'_>], out: &mut [f64]) {
        out.iter_mut().zip(args[0].values).for_each(|(out, v)| *out = v / (1.0 + v.abs()));
    }
    fn vjp(&self, args: &[Argument<'_>], cotangent: &[f64], gradients: &mut [Vec<f64>]) {
        for ((g, c), v) in gradients[0].iter_mut().zip(cotangent).zip(args[0].values) {
            *g += c / (1.0 + v.abs()).powi(2);
        }
    }
    fn graph(&self, graph: &mut Graph<'_>, args: &[Affine]) -> Affine {
        graph.constant(&[0.0], args[0].shape())
    }
}

#[test]
fn an_atom_of_the_user_in_a_file() -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::new();
    let (x, p) = (model.variable(2), model.parameter(2));
    let soft = model.atom(Softsign, &[p]);
    let problem = Problem::minimize(sum_squares(x - soft));
    assert!(!Problem::minimize(model.atom(Softsign, &[x]).sum()).is_dcp());
    let layer = problem.compile([p], [x])?;
    super::derivative::check(layer.clone(), &[vec![0.5, -2.0, 1.0, 3.0]], &[]);
    let text = serde_json::to_string(&layer)?;
    assert!(serde_json::from_str::<Layer>(&text).is_err());
    register("softsign", |_| std::sync::Arc::new(Softsign)).unwrap();
    let read: Layer = serde_json::from_str(&text)?;
    let (outputs, _) = read.forward(&[&[1.0, -3.0]])?;
    assert!((outputs[0][0] - 0.5).abs() < 1e-9 && (outputs[0][1] + 0.75).abs() < 1e-9);
    Ok(())
}

#[test]
fn a_solve_without_a_tape_is_the_forward_pass_bit_for_bit() -> Result<(), ModelError> {
    let layer = layer()?;
    let a: Vec<f64> = (0..27).map(|k| f64::from(k % 7) * 0.3 - 0.8).collect();
    let (taped, _) = layer.forward(&[&a, &[0.5]])?;
    let plain = layer.solve(&[&a, &[0.5]])?;
    assert_eq!((&plain.values, &plain.objective), (&taped.values, &taped.objective));
    assert_eq!(plain.reports, taped.reports);
    let (taped, _) = layer.forward_from(&[&a, &[0.6]], &plain)?;
    let plain = layer.solve_from(&[&a, &[0.6]], &plain)?;
    assert!(plain.reports.iter().any(|report| report.warm_started));
    assert_eq!((&plain.values, &plain.reports), (&taped.values, &taped.reports));
    assert!(layer.solve(&[&a]).is_err() && layer.solve_from(&[&a[..3], &[0.6]], &plain).is_err());
    Ok(())
}

#[test]
fn an_empty_batch() -> Result<(), ModelError> {
    let own = layer()?;
    let (outputs, tape) = own.forward_slots(0, &[Slot::Each(&[]), Slot::Shared(&[0.5])], None)?;
    assert_eq!((outputs.batch, outputs[0].len(), outputs.objective.len()), (0, 0, 0));
    let gradients = own.backward(&tape, &[&[], &[]])?;
    assert_eq!(*gradients, [vec![], vec![0.0]]);
    // A function that is not defined at any number that nobody gave.
    let model = Model::new();
    let (x, p, q) =
        (model.variable(()), model.parameter(()).nonneg(), model.parameter(()).nonneg());
    let problem = Problem::minimize(square(x - log(p) - log(q)));
    let layer = problem.compile([p, q], [x])?;
    assert!(layer.forward_slots(0, &[Slot::Each(&[]), Slot::Shared(&[2.0])], None).is_ok());
    assert!(layer.forward(&[&[1.0, 2.0], &[3.0]])?.0.reports.iter().all(Report::is_solved));
    Ok(())
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_of_ndarray_stand_beside_expressions() -> Result<(), ModelError> {
    use ndarray::array;
    let model = Model::new();
    let x = model.variable(2);
    let (a, b) = (array![[1.0, 2.0], [0.0, 1.0]], array![3.0, 1.0]);
    let problem = Problem::minimize(sum_squares(matmul(&a, x) - &b) + 0.0 * (&b * x).sum());
    let answer = problem.solve(&[])?;
    assert!(
        (answer.get(x).unwrap()[0] - 1.0).abs() < 1e-9
            && (answer.get(x).unwrap()[1] - 1.0).abs() < 1e-9
    );
    assert_eq!((&b - x).shape(), Shape::vector(2));
    Ok(())
}

#[test]
fn a_problem_knows_its_variables_and_parameters() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, unused, y) = (model.variable(2), model.variable(2), model.variable(2));
    let (p, other, q) = (model.parameter(2), model.parameter(2), model.parameter(2));
    let _ = unused + other;
    let problem = Problem::minimize(sum_squares(y - q)).subject_to([(x + p).equals(y)]);
    let names = |of: Vec<Expr<'_>>| of.iter().map(Expr::to_string).collect::<Vec<_>>();
    assert_eq!(names(problem.variables()), ["var0", "var2"]);
    assert_eq!(names(problem.parameters()), ["param0", "param2"]);
    let layer = problem.compile(problem.parameters(), problem.variables())?;
    let (outputs, _) = layer.forward(&[&[1.0, 2.0], &[3.0, 3.0]])?;
    assert!((outputs[0][0] - 2.0).abs() < 1e-8 && (outputs[1][1] - 3.0).abs() < 1e-8);
    Ok(())
}

#[test]
fn what_does_not_belong_to_a_layer_is_refused() -> Result<(), ModelError> {
    let (one, two) = (layer()?, layer()?);
    let a = numbers(6, 12);
    let (outputs, tape) = one.forward(&[&a, &[0.3]])?;
    let text = |error: ModelError| error.to_string();
    assert!(text(two.backward(&tape, &[&[], &[]]).unwrap_err()).contains("another layer"));
    assert!(text(two.jvp(&tape, &[&[], &[]]).unwrap_err()).contains("another layer"));
    assert!(text(two.value_gradient(&tape, &[1.0; 2]).unwrap_err()).contains("another layer"));
    assert!(one.clone().backward(&tape, &[&[], &[]]).is_ok());
    let short = one.backward(&tape, &[&[1.0], &[]]).unwrap_err();
    assert!(text(short).contains("cotangent of var0: expected 6 numbers (batch 2, vector of 3)"));
    let short = one.jvp(&tape, &[&[1.0], &[]]).unwrap_err();
    assert!(text(short).contains("tangent of param0: expected 6 numbers"));
    assert!(one.backward(&tape, &[&[]]).is_err() && one.jvp(&tape, &[]).is_err());
    assert!(one.value_gradient(&tape, &[1.0]).is_err());
    assert!(one.forward_from(&[&a[..3], &[0.3]], &outputs).is_err());
    Ok(())
}

/// What the solver takes for infinite is no constraint, sample by sample.
#[test]
fn a_bound_from_1e19_on_is_no_constraint() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p) = (model.variable(()), model.parameter(()));
    let limit = x.leq(p);
    let problem = Problem::minimize(square(x - 5.0)).subject_to([limit]);
    let layer = problem.compile([p], [Output::from(x), limit.dual()])?;
    let outputs = layer.call(&[(p, &[1.0, 1e19, 1e300])])?.solve()?;
    for (sample, (value, dual)) in [(1.0, 8.0), (5.0, 0.0), (5.0, 0.0)].into_iter().enumerate() {
        assert!((outputs.get(x)?.sample(sample)?[0] - value).abs() < 1e-8);
        assert!((outputs.get(limit)?.sample(sample)?[0] - dual).abs() < 1e-7);
    }
    Ok(())
}

#[test]
fn parameters_and_outputs_by_name_handle_and_position() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, p, q) = (model.variable(2).named("x"), model.parameter(2), model.parameter(()));
    let (p, q) = (p.named("p"), q.named("q"));
    let floor = x.geq(0.0).named("floor");
    let problem = Problem::minimize(sum_squares(x - q * p)).subject_to([floor]);
    let layer = problem.compile([p, q], [Output::from(x), floor.dual()])?;
    let (values, twice) = ([1.0, -2.0], [2.0, 3.0]);
    let expected = layer.solve(&[&values, &twice])?;
    let by_handle = layer.call(&[(q, &twice), (p, &values)])?.solve()?;
    let by_name = layer.call(&[("q", &twice), ("p", &values)])?.solve()?;
    let by_position = layer.call(&[(1, &twice), (0, &values)])?.solve()?;
    for outputs in [by_handle, by_name, by_position] {
        assert_eq!(outputs.values, expected.values);
    }
    let outputs = [expected.get(x)?, expected.get("x")?, expected.get(0)?];
    assert!(outputs.iter().all(|output| *output == outputs[0] && output.shape() == 2.into()));
    assert_eq!(expected.get(floor)?, expected.get("dual of floor")?);
    assert_eq!((layer.parameter(q)?, layer.output(floor)?), (1, 1));
    // What stands for nothing is an error.
    let other = Model::new();
    let stranger = other.parameter(2).named("p");
    assert!(layer.call(&[(stranger, &values), (q, &twice)]).is_err());
    assert!(layer.call(&[(p, &values)]).unwrap_err().to_string().contains("missing parameters: q"));
    assert!(layer.call(&[("p", &values), ("p", &values)]).is_err());
    assert!(layer.call(&[("r", &values), ("q", &twice)]).unwrap_err().to_string().contains("p, q"));
    assert!(expected.get(p).is_err() && expected.get(2).is_err() && expected.get("y").is_err());
    assert!(expected.get(x)?.sample(2).is_err());
    // A layer from a file knows names and positions.
    let read: Layer = serde_json::from_str(&serde_json::to_string(&layer).unwrap()).unwrap();
    assert!(read.parameter(p).is_err() && read.parameter("p")? == 0);
    Ok(())
}

/// Refused by its size, whatever of it is shared, and not by the end of the process.
#[test]
fn a_batch_that_does_not_fit_is_refused() -> Result<(), ModelError> {
    let layer = layer()?;
    let (shared, each) = (numbers(3, 1), numbers(3 * 4000, 2));
    let limited = Settings { memory_limit: Some(1_000_000), ..Settings::default() };
    let refused = |layer: &Layer, batch, a| {
        let slots = [a, Slot::Shared(&[0.5])];
        let (solved, taped) = (
            layer.solve_slots(batch, &slots, None).map(drop),
            layer.forward_slots(batch, &slots, None).map(drop),
        );
        assert_eq!(solved, taped);
        solved.unwrap_err().to_string()
    };
    let text = refused(&layer, 1 << 50, Slot::Shared(&shared));
    assert!(text.contains("programs and outputs of a batch of 1125899906842624 samples"), "{text}");
    assert!(text.contains("smaller batches"), "{text}");
    // One sample takes little enough.
    let layer = layer.with_settings(limited)?;
    let text = refused(&layer, 4000, Slot::Each(&each));
    assert!(text.contains("of a batch of 4000 samples") && text.contains("1.0 MB"), "{text}");
    layer.solve_slots(1, &[Slot::Shared(&shared), Slot::Shared(&[0.5])], None)?;
    Ok(())
}
