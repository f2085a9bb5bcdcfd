//! Sparse matrices are decomposed on the way to the solution, and nothing else changes.

use argrad_conformance::generators::{WeightedGraph, max_cut, normal_vector};
use argrad_conformance::{Numbers, ProgramBatch, psd_triangle};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Error, Gradients, Pattern, Settings, Solution, Solver,
    Status, Structure,
};

/// Edges between so many nodes.
type Edges = (usize, Vec<(usize, usize)>);

fn forest() -> Edges {
    // Every tenth node is the root of a tree of its own.
    let edges = (0..90).filter(|i| i % 10 != 0).map(|i| (i - 1 - i % 10 / 2, i));
    (90, edges.collect())
}

fn band(order: usize, width: usize) -> Edges {
    let edges = (0..order).flat_map(|i| (i + 1..order.min(i + 1 + width)).map(move |j| (i, j)));
    (order, edges.collect())
}

fn arrow(order: usize, tips: usize) -> Edges {
    let first = order - tips;
    let edges = (0..order).flat_map(|i| (first.max(i + 1)..order).map(move |j| (i, j)));
    (order, edges.collect())
}

/// Dense blocks, all of them joined to the last nodes: these are the separator of every two.
fn block_arrow(blocks: usize, side: usize, tips: usize) -> Edges {
    let first = blocks * side;
    let order = first + tips;
    let edges = (0..order).flat_map(|i| (i + 1..order).map(move |j| (i, j)));
    (order, edges.filter(|(i, j)| *j >= first || i / side == j / side).collect())
}

fn random(order: usize, edges: usize) -> Edges {
    let graph = WeightedGraph::random(order, edges, 3);
    (order, graph.edges().map(|(i, j, _)| (i, j)).collect())
}

fn patterns() -> Vec<(&'static str, Edges)> {
    vec![
        ("forest", forest()),
        ("path", band(80, 1)),
        ("band", band(80, 2)),
        ("arrow", arrow(80, 2)),
        ("blocks with a large separator", block_arrow(30, 4, 6)),
        ("pieces", random(100, 85)),
        ("random", random(100, 130)),
    ]
}

/// The relaxation of the maximum cut with normal weights on these edges.
fn cut((order, edges): &Edges, seed: u64) -> ProgramBatch {
    let weights = normal_vector(edges.len(), 1, seed);
    let weighted = edges.iter().zip(weights).map(|(&(i, j), weight)| (i, j, weight));
    max_cut(&WeightedGraph::new(*order, weighted))
}

/// The same with another variable t for a matrix on all edges, a quadratic objective of it, and
/// bounds `y >= lower`: minimize `1'y + 1/2 t^2 + t/4` such that `Diag(y) + t B - L/4` is positive
/// semidefinite.
fn bounded_cut(edges: &Edges, lower: f64, seed: u64) -> ProgramBatch {
    let (order, pairs) = edges;
    let cut = cut(edges, seed);
    let matrix_rows = order * (order + 1) / 2;
    let (mut starts, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for j in 0..*order {
        rows.extend([j, order + psd_triangle::position(j, j)]);
        values.extend([-1.0, -1.0]);
        starts.push(rows.len());
    }
    let mut of_t: Vec<usize> =
        pairs.iter().map(|&(i, j)| order + psd_triangle::position(i, j)).collect();
    of_t.sort_unstable();
    values.extend(normal_vector(of_t.len(), 1, seed + 50).iter().map(|value| -0.1 * value));
    rows.extend(of_t);
    starts.push(rows.len());
    let n = order + 1;
    let p = Pattern::new(n, n, [vec![0; n], vec![1]].concat(), vec![*order]).unwrap();
    let a = Pattern::new(order + matrix_rows, n, starts, rows).unwrap();
    let cones = vec![Cone::Nonnegative(*order), Cone::PsdTriangle(*order)];
    let mut q = vec![1.0; n];
    q[*order] = 0.25;
    ProgramBatch {
        structure: Structure::new(p, a, cones).unwrap(),
        batch: 1,
        p: Numbers::Shared(vec![1.0]),
        q: Numbers::Shared(q),
        a: Numbers::Each(values),
        b: Numbers::Each([vec![-lower; *order], cut.b.as_slice().to_vec()].concat()),
    }
}

/// Solvers with and without decomposition.
fn solvers(program: &ProgramBatch) -> [Solver; 2] {
    [true, false].map(|chordal_decomposition| {
        let settings = Settings { chordal_decomposition, ..Settings::default() };
        Solver::new(program.structure.clone(), settings).unwrap()
    })
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Number and largest side of the cliques of each decomposed cone.
fn cliques(solver: &Solver, program: &ProgramBatch, sample: usize) -> Vec<(usize, usize)> {
    let explanation = solver.explain_sample(&program.values(), sample).unwrap();
    explanation.decomposed_cones.iter().map(|found| (found.cliques, found.largest)).collect()
}

fn gradients(solver: &Solver, program: &ProgramBatch) -> (Solution, Gradients) {
    let (solution, tape) = solver.forward(&program.values()).unwrap();
    let weights = normal_vector(program.variables(), program.batch, 9);
    let cotangent = Cotangent { x: Some(&weights), ..Cotangent::default() };
    let gradients = tape.vjp(&cotangent, &Differentiation::default()).unwrap();
    (solution, gradients)
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    let size = expected.iter().fold(1.0_f64, |size, value| size.max(value.abs()));
    assert_eq!(found.len(), expected.len());
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / size;
        assert!(error <= tolerance, "{what}[{k}]: {found} {expected}, off by {error:e}");
    }
}

#[test]
fn solutions_and_gradients_are_those_without_decomposition() {
    let (mut elsewhere, mut with_unique_z) = (0, 0);
    for (name, edges) in patterns() {
        for program in [cut(&edges, 1), bounded_cut(&edges, 0.3, 2)] {
            let [decomposing, plain] = solvers(&program);
            let cliques = cliques(&decomposing, &program, 0);
            assert!(matches!(cliques[..], [(2.., ..)]), "{name}: {cliques:?}");
            let (found, gradient) = gradients(&decomposing, &program);
            let (expected, expected_gradient) = gradients(&plain, &program);
            let (report, plain_report) = (found.reports[0], expected.reports[0]);
            assert_eq!(report.status, Status::Solved, "{name}: {report:?}");
            assert_eq!(plain_report.status, Status::Solved, "{name}: {plain_report:?}");
            assert!(!report.warm_started && report.polish_steps > 0, "{name}: {report:?}");
            // What this way does not lead to is solved as without it, with the same bits.
            elsewhere += usize::from(bits(&found.x) != bits(&expected.x));
            let unique = |report: argrad_solver::Report| (report.unique_x, report.unique_z);
            assert_eq!(unique(report), unique(plain_report), "{name}");
            assert_close(&format!("{name}: x"), &found.x, &expected.x, 1e-8);
            assert_close(&format!("{name}: s"), &found.s, &expected.s, 1e-8);
            let tolerance = 1e-6;
            assert_close(&format!("{name}: dq"), &gradient.q, &expected_gradient.q, tolerance);
            if report.unique_z {
                with_unique_z += 1;
                assert_close(&format!("{name}: z"), &found.z, &expected.z, 1e-7);
                for (what, found, expected) in [
                    ("dP", &gradient.p, &expected_gradient.p),
                    ("dA", &gradient.a, &expected_gradient.a),
                    ("db", &gradient.b, &expected_gradient.b),
                ] {
                    assert_close(&format!("{name}: {what}"), found, expected, tolerance);
                }
            }
        }
    }
    assert!(elsewhere >= 8, "{elsewhere} programs are solved by way of the cliques");
    assert!(with_unique_z >= 4, "z is unique in {with_unique_z} programs only");
}

#[test]
fn a_right_hand_side_without_zeros_is_not_decomposed() {
    let mut program = cut(&band(80, 3), 1);
    for (b, more) in program.b.as_mut_slice().iter_mut().zip(normal_vector(80 * 81 / 2, 1, 4)) {
        *b += 0.01 * more;
    }
    let [decomposing, plain] = solvers(&program);
    assert_eq!(cliques(&decomposing, &program, 0), []);
    let sparse = decomposing.explain().sparse_cones;
    assert_eq!(sparse, [(0, Cone::PsdTriangle(80))]);
    let (found, expected) =
        (decomposing.solve(&program.values()).unwrap(), plain.solve(&program.values()).unwrap());
    assert_eq!(bits(&found.x), bits(&expected.x));
    assert_eq!(bits(&found.z), bits(&expected.z));
}

#[test]
fn samples_have_the_cliques_of_their_own_zeros_and_the_same_bits_in_every_company() {
    let edges = [band(80, 1), band(80, 4), arrow(80, 1), random(80, 90), random(80, 1500)];
    let programs: Vec<ProgramBatch> = edges.iter().map(|edges| cut(edges, 5)).collect();
    let all = programs.iter().skip(1).fold(programs[0].clone(), |all, next| all.join(next));
    let all = all.select(&[0, 1, 2, 3, 4, 1, 0]);
    let [solver, _] = solvers(&all);
    let found: Vec<_> = (0..5).map(|sample| cliques(&solver, &all, sample)).collect();
    assert_eq!(found[4], [], "too many edges");
    assert!(found[..4].iter().all(|found| found.len() == 1), "{found:?}");
    assert!(found[0] != found[1] && found[1] != found[2] && found[2] != found[3], "{found:?}");

    let alone: Vec<Solution> = (0..all.batch)
        .map(|sample| {
            let [fresh, _] = solvers(&all);
            fresh.solve(&all.select(&[sample]).values()).unwrap()
        })
        .collect();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let together = pool.install(|| solver.solve(&all.values())).unwrap();
        for (sample, alone) in alone.iter().enumerate() {
            let (n, m) = (all.variables(), all.rows());
            assert_eq!(bits(&together.x[sample * n..][..n]), bits(&alone.x), "x of {sample}");
            assert_eq!(bits(&together.z[sample * m..][..m]), bits(&alone.z), "z of {sample}");
            assert_eq!(bits(&together.s[sample * m..][..m]), bits(&alone.s), "s of {sample}");
            assert_eq!(together.reports[sample], alone.reports[0]);
        }
    }
}

#[test]
fn units_do_not_matter() {
    let program = bounded_cut(&band(80, 3), 0.3, 2);
    let [solver, _] = solvers(&program);
    let expected = solver.solve(&program.values()).unwrap();
    let scale = 2.0_f64.powi(40);
    let scaled = |numbers: &Numbers| {
        Numbers::Each(numbers.as_slice().iter().map(|value| scale * value).collect())
    };
    let program = ProgramBatch { q: scaled(&program.q), b: scaled(&program.b), ..program };
    let found = solver.solve(&program.values()).unwrap();
    let expected: Vec<f64> = expected.x.iter().map(|x| scale * x).collect();
    assert_eq!(bits(&found.x), bits(&expected));
}

#[test]
fn programs_without_a_solution_have_their_certificates() {
    let infeasible = bounded_cut(&band(80, 2), 0.3, 3);
    // y <= -10 instead of y >= 0.3: a matrix with a negative diagonal.
    let flipped = |program: ProgramBatch, bound: f64| {
        let mut program = program;
        let (a, b) = (program.a.as_mut_slice(), program.b.as_mut_slice());
        (0..80).for_each(|j| (a[2 * j], b[j]) = (1.0, bound));
        program
    };
    let infeasible = flipped(infeasible, -10.0);
    let mut unbounded = cut(&band(80, 2), 3);
    unbounded.q.as_mut_slice()[7] = -1.0;
    for (program, status) in
        [(infeasible, Status::PrimalInfeasible), (unbounded, Status::DualInfeasible)]
    {
        let [solver, plain] = solvers(&program);
        assert_eq!(cliques(&solver, &program, 0).len(), 1);
        let (found, expected) =
            (solver.solve(&program.values()).unwrap(), plain.solve(&program.values()).unwrap());
        assert_eq!(found.reports[0].status, status);
        assert_eq!(found.reports, expected.reports);
        assert_eq!(bits(&found.x), bits(&expected.x));
        assert_eq!(bits(&found.z), bits(&expected.z));
    }
}

#[test]
fn the_explanation_says_into_which_cliques() {
    let program = cut(&band(80, 3), 1);
    let [solver, plain] = solvers(&program);
    let explanation = solver.explain_sample(&program.values(), 0).unwrap();
    let [found] = explanation.decomposed_cones[..] else { panic!("{explanation}") };
    let line = format!(
        "cone 0, PsdTriangle(80): sparse matrices, decomposed into {} cliques, the largest of \
         side {}\n",
        found.cliques, found.largest
    );
    assert!(explanation.to_string().contains(&line), "{explanation}");
    assert!(found.largest >= 4 && found.largest < 80, "{found:?}");
    assert!(solver.explain().to_string().contains("where b has zeros enough"));
    assert!(plain.explain().sparse_cones.is_empty());

    let error = solver.explain_sample(&program.values(), 1).unwrap_err();
    let Error::Shape { argument: "sample", found, .. } = error else { panic!("{error}") };
    assert_eq!(found, "1");
}
