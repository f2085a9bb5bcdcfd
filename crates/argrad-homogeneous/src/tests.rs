//! The parts, each by itself; their composition is tested against the production path in `tests/`.

use argrad_conformance::dot;
use argrad_solver::{Cone, Error, Pattern, Solution, Structure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::lsqr::lsqr;
use crate::svd::Svd;
use crate::*;

/// Random numbers.
struct Numbers(ChaCha8Rng);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn vector(&mut self, len: usize) -> Vec<f64> {
        (0..len).map(|_| self.0.random_range(-1.0..1.0)).collect()
    }

    /// A point of the embedding, with w = 0.7.
    fn point(&mut self, order: usize) -> Vec<f64> {
        let mut z = self.vector(order);
        z[order - 1] = 0.7;
        z
    }

    fn data(&mut self, structure: &Structure) -> Data {
        let (n, m) = (structure.variables(), structure.rows());
        Data {
            p: self.vector(structure.p().nnz()),
            a: self.vector(structure.a().nnz()),
            b: self.vector(m),
            c: self.vector(n),
        }
    }
}

fn dot_data(left: &Data, right: &Data) -> f64 {
    dot(&left.p, &right.p)
        + dot(&left.a, &right.a)
        + dot(&left.b, &right.b)
        + dot(&left.c, &right.c)
}

fn moved(from: &[f64], step: f64, direction: &[f64]) -> Vec<f64> {
    from.iter().zip(direction).map(|(v, d)| v + step * d).collect()
}

/// Fails where two vectors differ by more than `limit` relative to the larger.
#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], limit: f64) {
    assert_eq!(found.len(), expected.len());
    let size = found.iter().chain(expected).fold(1e-300, |a: f64, b| a.max(b.abs()));
    for (k, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= limit * size, "entry {k}: {f:e}, expected {e:e}");
    }
}

/// (f(+h) - f(-h)) / 2h.
fn difference(h: f64, f: impl Fn(f64) -> Vec<f64>) -> Vec<f64> {
    f(h).iter().zip(f(-h)).map(|(plus, minus)| (plus - minus) / (2.0 * h)).collect()
}

/// Three variables, five rows, sparse P and A.
fn structure() -> Structure {
    let p = Pattern::new(3, 3, vec![0, 1, 3, 4], vec![0, 0, 1, 2]).unwrap();
    let a = Pattern::new(5, 3, vec![0, 3, 5, 8], vec![0, 1, 4, 2, 3, 0, 2, 4]).unwrap();
    Structure::new(p, a, vec![Cone::Zero(1), Cone::Nonnegative(3), Cone::Zero(1)]).unwrap()
}

#[test]
fn q_is_skew_and_its_products_are_those_of_the_dense_matrix() {
    let (structure, mut draw) = (structure(), Numbers::new(1));
    let data = draw.data(&structure);
    let q = Q::new(&structure, &data).unwrap();
    let (order, dense) = (q.order(), q.dense());
    let u = draw.vector(order);
    for row in 0..order {
        for column in 0..order {
            assert_eq!(dense[row * order + column], -dense[column * order + row]);
        }
    }
    let times = |u: &[f64]| -> Vec<f64> { dense.chunks(order).map(|row| dot(row, u)).collect() };
    assert_close(&q.multiply(&u).unwrap(), &times(&u), 1e-15);
    let minus: Vec<f64> = times(&u).iter().map(|v| -v).collect();
    assert_close(&q.multiply_transpose(&u).unwrap(), &minus, 1e-15);
    // The corners of (12): c and b in the last column.
    assert_eq!(dense[order - 1], data.c[0]);
    assert_eq!(dense[3 * order + order - 1], data.b[0]);
    // Row 0 has A': the entry of A at (1, 0) is the second stored one.
    assert_eq!(dense[3 + 1], data.a[1]);
}

#[test]
fn the_adjoint_of_dq_matches_dq() {
    let (structure, mut draw) = (structure(), Numbers::new(2));
    let (data, direction) = (draw.data(&structure), draw.data(&structure));
    let q = Q::new(&structure, &data).unwrap();
    let dq = q.differential(&direction).unwrap();
    let g = draw.vector(q.order() * q.order());
    let back = q.differential_adjoint(&g).unwrap();
    assert!((dot(&g, &dq.dense()) - dot_data(&back, &direction)).abs() < 1e-14);

    let (g, u) = (draw.vector(q.order()), draw.point(q.order()));
    let back = q.differential_adjoint_at(&g, &u).unwrap();
    let expected = dot(&g, &dq.evaluate(&u).unwrap());
    assert!((expected - dot_data(&back, &direction)).abs() < 1e-14);
    // The matrix gu' gives the same, but for P, which is no part of it.
    let outer: Vec<f64> = g.iter().flat_map(|g| u.iter().map(move |u| g * u)).collect();
    let of_matrix = q.differential_adjoint(&outer).unwrap();
    assert_eq!((of_matrix.a, of_matrix.b, of_matrix.c), (back.a, back.b, back.c));
}

#[test]
fn q_with_p_is_homogeneous_and_its_derivative_matches_differences() {
    let (structure, mut draw) = (structure(), Numbers::new(3));
    let data = draw.data(&structure);
    let q = Q::new(&structure, &data).unwrap();
    let (u, du, g) = (draw.point(q.order()), draw.vector(q.order()), draw.vector(q.order()));
    let at_u = q.evaluate(&u).unwrap();
    let scaled = |v: &[f64], k: f64| -> Vec<f64> { v.iter().map(|v| k * v).collect() };
    assert_close(&q.evaluate(&scaled(&u, 3.5)).unwrap(), &scaled(&at_u, 3.5), 1e-14);
    assert!(dot(&u, &at_u).abs() < 1e-14);

    let forward = q.derivative_multiply(&u, &du).unwrap();
    let differences = difference(1e-5, |h| q.evaluate(&moved(&u, h, &du)).unwrap());
    assert_close(&forward, &differences, 1e-9);
    let back = q.derivative_multiply_transpose(&u, &g).unwrap();
    assert!((dot(&g, &forward) - dot(&back, &du)).abs() < 1e-13);
    assert_close(&q.derivative_multiply(&u, &u).unwrap(), &at_u, 1e-14);
    assert_close(&q.derivative_multiply_transpose(&u, &u).unwrap(), &scaled(&at_u, -1.0), 1e-14);

    // Monotone: du'DQ du = r'P r.
    let r: Vec<f64> = (0..3).map(|j| du[j] - u[j] * du[8] / u[8]).collect();
    let p = &data.p;
    let rpr =
        p[0] * r[0] * r[0] + 2.0 * p[1] * r[0] * r[1] + p[2] * r[1] * r[1] + p[3] * r[2] * r[2];
    assert!((dot(&du, &forward) - rpr).abs() < 1e-14);
}

#[test]
fn m_matches_differences_of_the_residual_map() {
    let (structure, mut draw) = (structure(), Numbers::new(4));
    let data = draw.data(&structure);
    let q = Q::new(&structure, &data).unwrap();
    let map = Residual::new(q);
    let (order, z) = (q.order(), draw.point(q.order()));
    let (dz, g) = (draw.vector(order), draw.vector(order));
    let m = map.at(&z).unwrap();
    let forward = m.multiply(&dz).unwrap();
    // N has one more term away from a solution: -R e' / w^2.
    let (r, w) = (map.evaluate(&z).unwrap(), 0.7);
    let expected = moved(&forward, -dz[order - 1] / (w * w), &r);
    let differences = difference(1e-6, |h| map.normalized(&moved(&z, h, &dz)).unwrap());
    assert_close(&expected, &differences, 1e-8);
    assert!((dot(&g, &forward) - dot(&m.multiply_transpose(&g).unwrap(), &dz)).abs() < 1e-13);
    let dense = m.dense().unwrap();
    let times: Vec<f64> = dense.chunks(order).map(|row| dot(row, &dz)).collect();
    assert_close(&times, &forward, 1e-14);
    // Homogeneous of degree 1: M z = R / w.
    let expected: Vec<f64> = r.iter().map(|r| r / w).collect();
    assert_close(&m.multiply(&z).unwrap(), &expected, 1e-14);
}

#[test]
fn the_change_of_the_residual_with_the_data_matches_differences() {
    let (structure, mut draw) = (structure(), Numbers::new(5));
    let (data, direction) = (draw.data(&structure), draw.data(&structure));
    let z = draw.point(9);
    let at = |h: f64| {
        let data = Data {
            p: moved(&data.p, h, &direction.p),
            a: moved(&data.a, h, &direction.a),
            b: moved(&data.b, h, &direction.b),
            c: moved(&data.c, h, &direction.c),
        };
        let q = Q::new(&structure, &data).unwrap();
        Residual::new(q).normalized(&z).unwrap()
    };
    let q = Q::new(&structure, &data).unwrap();
    let m = Residual::new(q).at(&z).unwrap();
    let found = m.residual_change(&q.differential(&direction).unwrap()).unwrap();
    assert_close(&found, &difference(1e-3, at), 1e-12);
}

#[test]
fn phi_undoes_embed_and_its_derivative_matches_differences() {
    let (structure, mut draw) = (structure(), Numbers::new(6));
    let projection = Projection::new(&structure);
    let z = draw.point(9);
    let phi = Phi::new(&projection, &z).unwrap();
    let stacked = |p: &PrimalDual| [&p.x[..], &p.y[..], &p.s[..]].concat();
    let again = embed(phi.value()).unwrap();
    assert_close(&again, &z.iter().map(|z| z / 0.7).collect::<Vec<_>>(), 1e-15);

    let dz = draw.vector(9);
    let forward = phi.multiply(&dz).unwrap();
    let differences =
        difference(1e-6, |h| stacked(Phi::new(&projection, &moved(&z, h, &dz)).unwrap().value()));
    assert_close(&stacked(&forward), &differences, 1e-8);
    let g = PrimalDual { x: draw.vector(3), y: draw.vector(5), s: draw.vector(5) };
    let back = phi.multiply_transpose(&g).unwrap();
    assert!((dot(&stacked(&g), &stacked(&forward)) - dot(&back, &dz)).abs() < 1e-14);
    // The ray of z stands for one solution.
    assert!(stacked(&phi.multiply(&z).unwrap()).iter().all(|v| v.abs() < 1e-15));
}

/// A matrix of this order and rank, row by row.
fn matrix(order: usize, rank: usize, draw: &mut Numbers) -> Vec<f64> {
    let mut out = vec![0.0; order * order];
    for _ in 0..rank {
        let (left, right) = (draw.vector(order), draw.vector(order));
        for row in 0..order {
            (0..order).for_each(|column| out[row * order + column] += left[row] * right[column]);
        }
    }
    out
}

#[test]
fn svd_and_lsqr_find_the_same_least_norm_solution() {
    let mut draw = Numbers::new(7);
    for (order, rank) in [(1, 1), (1, 0), (5, 5), (9, 8), (14, 11)] {
        let a = matrix(order, rank, &mut draw);
        let svd = Svd::new(&a, order, 0.0).unwrap();
        assert_eq!(svd.rank(), rank);
        let rhs = draw.vector(order);
        let multiply = |v: &[f64]| Ok(a.chunks(order).map(|row| dot(row, v)).collect::<Vec<_>>());
        let transpose = |v: &[f64]| {
            Ok((0..order).map(|j| (0..order).map(|i| a[i * order + j] * v[i]).sum()).collect())
        };
        let limit = 50 * order;
        let iterated = lsqr(multiply, transpose, &rhs, 1e-15, limit).unwrap();
        assert!(iterated.iterations <= 8 * order, "{}", iterated.iterations);
        assert_close(&svd.solve(&rhs), &iterated.solution, 1e-9);
        let iterated = lsqr(transpose, multiply, &rhs, 1e-15, limit).unwrap();
        assert_close(&svd.solve_transpose(&rhs), &iterated.solution, 1e-9);
        // The two are adjoint to each other.
        let other = draw.vector(order);
        let (left, right) =
            (dot(&svd.solve(&rhs), &other), dot(&svd.solve_transpose(&other), &rhs));
        assert!((left - right).abs() <= 1e-12 * (1.0 + left.abs()));
    }
}

#[test]
fn svd_reproduces_known_singular_values() {
    // [3 0; 4 5] has 3 sqrt 5 and sqrt 5.
    let svd = Svd::new(&[3.0, 0.0, 4.0, 5.0], 2, 0.0).unwrap();
    assert_close(&svd.singular_values(), &[3.0 * 5.0_f64.sqrt(), 5.0_f64.sqrt()], 1e-15);
}

#[test]
fn malformed_input_is_an_error_that_names_the_argument() {
    let (structure, mut draw) = (structure(), Numbers::new(8));
    let data = draw.data(&structure);
    let length = |expected| {
        move |e: &Error| match e {
            Error::Length { argument, .. } => *argument == expected,
            _ => false,
        }
    };
    let linear = |a: &[f64], b: &[f64], c: &[f64]| Data::linear(&structure, a, b, c).unwrap_err();
    assert!(length("data.a")(&linear(&data.a[1..], &data.b, &data.c)));
    assert!(length("data.b")(&linear(&data.a, &[], &data.c)));
    assert!(length("data.c")(&linear(&data.a, &data.b, &data.a)));
    let infinite = [1.0, f64::INFINITY, 0.0, 0.0, 0.0];
    assert!(matches!(
        linear(&data.a, &infinite, &data.c),
        Error::NotFinite { argument: "data.b", entry: 1, .. }
    ));
    let bad = Data { p: vec![], ..data.clone() };
    assert!(length("data.p")(&Q::new(&structure, &bad).unwrap_err()));

    let q = Q::new(&structure, &data).unwrap();
    assert!(length("u")(&q.multiply(&[0.0; 8]).unwrap_err()));
    assert!(length("G")(&q.differential_adjoint(&[0.0; 9]).unwrap_err()));
    assert!(length("g")(&q.differential_adjoint_at(&[], &[0.0; 9]).unwrap_err()));
    let no_tau = q.evaluate(&[0.0; 9]).unwrap_err();
    assert!(matches!(no_tau, Error::Shape { argument: "tau", .. }));
    let map = Residual::new(q);
    assert!(length("z")(&map.normalized(&[0.0; 2]).unwrap_err()));
    let m = map.at(&draw.point(9)).unwrap();
    assert!(length("dz")(&m.multiply(&[]).unwrap_err()));
    assert!(length("u")(&m.multiply_transpose(&[]).unwrap_err()));
    let projection = Projection::new(&structure);
    assert!(length("z")(&projection.project(&[]).unwrap_err()));
    let w = Phi::new(&projection, &[-1.0; 9]).unwrap_err();
    assert!(matches!(w, Error::Shape { argument: "w", .. }));

    let solution = PrimalDual { x: vec![0.0; 3], y: vec![0.0; 5], s: vec![0.0; 5] };
    let new = |solution: &PrimalDual, solve| {
        SolutionDerivative::new(&structure, &data, solution, solve).map(|_| ())
    };
    let short = PrimalDual { y: vec![0.0; 4], s: vec![0.0; 4], ..solution.clone() };
    assert!(length("y")(&new(&short, LinearSolve::Svd).unwrap_err()));
    assert!(length("s")(&embed(&PrimalDual { s: vec![], ..solution.clone() }).unwrap_err()));
    let nan = PrimalDual { x: vec![0.0, f64::NAN, 0.0], ..solution.clone() };
    assert!(matches!(
        new(&nan, LinearSolve::Svd).unwrap_err(),
        Error::NotFinite { argument: "x", entry: 1, .. }
    ));
    let lsqr = LinearSolve::Lsqr { tolerance: f64::NAN, max_iterations: 5 };
    assert!(matches!(
        new(&solution, lsqr).unwrap_err(),
        Error::Setting { setting: "tolerance", .. }
    ));
    assert!(matches!(
        PrimalDual::of(&structure, &Solution::default(), 0).unwrap_err(),
        Error::Shape { argument: "index", .. }
    ));
}

#[test]
fn a_program_without_rows_or_variables_has_a_derivative() {
    // minimize 1/2 x^2 + c x: dx = -dc + c dp.
    let structure = Structure::new(Pattern::diagonal(1), Pattern::empty(0, 1), vec![]).unwrap();
    let data = Data::quadratic(&structure, &[1.0], &[], &[], &[3.0]).unwrap();
    let solution = PrimalDual { x: vec![-3.0], ..PrimalDual::default() };
    let ds = SolutionDerivative::new(&structure, &data, &solution, LinearSolve::Svd).unwrap();
    let direction = Data { p: vec![1.0], c: vec![0.5], ..Data::default() };
    let change = ds.apply(&direction).unwrap();
    assert!((change.value.x[0] - 2.5).abs() < 1e-14 && change.residual < 1e-14);
    assert_eq!(ds.is_unique(), Some(true));

    let structure = Structure::new(Pattern::empty(0, 0), Pattern::empty(0, 0), vec![]).unwrap();
    let data = Data::zeros(&structure);
    let none = PrimalDual::default();
    let ds = SolutionDerivative::new(&structure, &data, &none, LinearSolve::Svd).unwrap();
    assert_eq!(ds.apply(&data).unwrap().value, none);
    assert_eq!(ds.apply_adjoint(&none).unwrap().value, data);
}
