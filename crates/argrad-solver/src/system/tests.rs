use proptest::prelude::*;
use pulp::Scalar;

use crate::cones::{ConeProduct, Function, Point};
use crate::lanes::V;
use crate::program::{Cone, Engine, MemoryLimit, Pattern, Settings, Structure};
use crate::system::analysis::Analysis;
use crate::system::kkt::{Factored, Kkt};

/// A pattern with the entries of a `rows` x `cols` matrix for which `is_entry`.
fn chosen(rows: usize, cols: usize, is_entry: impl Fn(usize, usize) -> bool) -> Pattern {
    let mut colptr = vec![0];
    let mut rowval = Vec::new();
    for j in 0..cols {
        rowval.extend((0..rows).filter(|&i| is_entry(i, j)));
        colptr.push(rowval.len());
    }
    Pattern::new(rows, cols, colptr, rowval).unwrap()
}

/// P x, A x and A'z by the products of an engine.
fn products(
    structure: &Structure,
    engine: Engine,
    (p, a): (&[f64], &[f64]),
    (x, z): (&[f64], &[f64]),
) -> [Vec<f64>; 3] {
    let settings = Settings { engine, ..Settings::default() };
    let kkt = Analysis::new(structure.clone(), &settings).unwrap().kkt;
    let mut values = vec![0.0; kkt.values_len];
    values[kkt.p_base..][..p.len()].copy_from_slice(p);
    for (&address, &value) in kkt.a_address.iter().zip(a) {
        values[address as usize] = value;
    }
    let mut out = [vec![f64::NAN; x.len()], vec![f64::NAN; z.len()], vec![f64::NAN; x.len()]];
    let [px, ax, atz] = &mut out;
    kkt.products.multiply(
        Scalar,
        V::slice(Scalar, &values),
        V::slice(Scalar, x),
        V::slice(Scalar, z),
        V::slice_mut(Scalar, px),
        V::slice_mut(Scalar, ax),
        V::slice_mut(Scalar, atz),
    );
    out
}

proptest! {
    #[test]
    fn products_of_either_engine_are_those_of_the_dense_matrices(
        n in 1usize..12,
        m in 0usize..12,
        in_p in prop::collection::vec(any::<bool>(), 144),
        in_a in prop::collection::vec(any::<bool>(), 144),
        numbers in prop::collection::vec(-1.0..1.0, 400),
    ) {
        let structure = Structure::new(
            chosen(n, n, |i, j| i <= j && in_p[i * 12 + j]),
            chosen(m, n, |i, j| in_a[i * 12 + j]),
            vec![Cone::Nonnegative(m)],
        ).unwrap();
        let (p, rest) = numbers.split_at(structure.p().nnz());
        let (a, rest) = rest.split_at(structure.a().nnz());
        let (x, z) = (&rest[..n], &rest[n..n + m]);
        let mut expected = [vec![0.0; n], vec![0.0; m], vec![0.0; n]];
        for ((i, j), value) in structure.p().entries().zip(p) {
            expected[0][i] += value * x[j];
            if i != j {
                expected[0][j] += value * x[i];
            }
        }
        for ((i, j), value) in structure.a().entries().zip(a) {
            expected[1][i] += value * x[j];
            expected[2][j] += value * z[i];
        }
        for engine in [Engine::Lanes, Engine::Sparse, Engine::MatrixFree] {
            let found = products(&structure, engine, (p, a), (x, z));
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                prop_assert!((found - expected).abs() < 1e-13, "{engine:?}");
            }
        }
    }
}

/// Cones with two of matrices, of which the second has more columns than pairs of directions are
/// worth.
fn cones_with_matrices() -> Vec<Cone> {
    vec![
        Cone::Nonnegative(2),
        Cone::PsdTriangle(12),
        Cone::SecondOrder(3),
        Cone::PsdTriangle(2),
        Cone::Zero(1),
    ]
}

/// The largest residual, relative to the solution, of two right-hand sides solved by the factor at
/// a point, in the system that it is meant to factor.
fn residual(structure: &Structure, eliminated: &[bool], engine: Engine, point: Point) -> f64 {
    let settings = Settings { engine, ..Settings::default() };
    let limit = MemoryLimit::new(&settings);
    let cones = ConeProduct::new(&structure.cones, eliminated);
    let kkt = Kkt::new(structure, &cones, eliminated, &settings, limit).unwrap();
    let (n, m) = (structure.variables(), structure.rows());
    let number = |k: usize| V::splat(Scalar, (1.7 * (k * k) as f64 + k as f64).sin());
    let zeros = |len: usize| vec![V::splat(Scalar, 0.0); len];
    let mut values = zeros(kkt.values_len);
    for k in 0..structure.p.nnz() {
        values[kkt.p_base + k] = number(k);
    }
    for ((i, j), at) in structure.p.entries().zip(kkt.p_base..) {
        if i == j {
            values[at] += V::splat(Scalar, n as f64);
        }
    }
    for (k, &address) in kkt.a_address.iter().enumerate() {
        values[address as usize] = number(k + 1000);
    }
    kkt.write_static(&mut values);

    let (mut s, mut z) = (zeros(m), zeros(m));
    cones.unit(Scalar, &mut s, &mut z);
    for i in 0..m {
        s[i] += V::splat(Scalar, 0.1) * number(i + 2000);
        z[i] += V::splat(Scalar, 0.1) * number(i + 3000);
    }
    let mut data = zeros(cones.scaling_len().max(cones.projection_len()));
    let (mut h, mut scratch) = (zeros(cones.h_len()), zeros(cones.scratch_len()));
    let mu = V::splat(Scalar, 0.1);
    if point == Point::Scaling {
        let data = &mut data[..cones.scaling_len()];
        cones.scaling(Scalar, (&s, &z), mu, data, &mut scratch);
        cones.write_scaling_block(Scalar, data, &mut h);
    } else {
        let data = &mut data[..cones.projection_len()];
        let v: Vec<_> = (0..m).map(|i| s[i] - z[i]).collect();
        cones.projection(Scalar, &v, mu, &mut s, data, &mut scratch);
        cones.write_projection_block(Scalar, data, &mut h, &mut scratch);
    }

    let (mut inverse_pivots, mut scratch_of_factor) =
        (zeros(kkt.pivots_len), zeros(kkt.scratch_len()));
    let workspace =
        Factored { inverse_pivots: &mut inverse_pivots, scratch: &mut scratch_of_factor };
    // Twice: the second time over what the first one left.
    kkt.factor(Scalar, &mut values, (point, &h), workspace);
    let workspace =
        Factored { inverse_pivots: &mut inverse_pivots, scratch: &mut scratch_of_factor };
    kkt.factor(Scalar, &mut values, (point, &h), workspace);
    let rhs: [Vec<_>; 2] = [0, 5000].map(|k| (k..k + n + m).map(number).collect());
    let mut out = [(zeros(n), zeros(m)), (zeros(n), zeros(m))];
    let [first, second] = &mut out;
    kkt.solve(
        Scalar,
        &values,
        &inverse_pivots,
        [rhs[0].split_at(n), rhs[1].split_at(n)],
        &mut zeros(kkt.permuted_len(2)),
        [(&mut first.0, &mut first.1), (&mut second.0, &mut second.1)],
    );

    let mut worst = 0.0_f64;
    for (rhs, (x, z)) in rhs.iter().zip(&out) {
        let (mut px, mut ax, mut atz, mut hz) = (zeros(n), zeros(m), zeros(n), zeros(m));
        kkt.products.multiply(Scalar, &values, x, z, &mut px, &mut ax, &mut atz);
        if point == Point::Scaling {
            let data = &data[..cones.scaling_len()];
            cones.multiply_scaling(Scalar, data, z, &mut hz, &mut scratch);
        } else {
            let data = &data[..cones.projection_len()];
            cones.apply(Scalar, data, Function::Block, z, &mut hz, &mut scratch);
        }
        for j in 0..n {
            worst = worst.max((px[j] + atz[j] - rhs[j]).abs().lane(0));
        }
        for i in 0..m {
            worst = worst.max((ax[i] - hz[i] - rhs[n + i]).abs().lane(0));
        }
    }
    worst
}

#[test]
fn eliminated_rows_change_no_solution() {
    let cones = cones_with_matrices();
    let m = cones.iter().map(Cone::dim).sum();
    // Few full columns; many sparse ones, as many as rows and more.
    for (n, density) in [(4, 1), (12, 3), (40, 7)] {
        let structure = Structure::new(
            chosen(n, n, |i, j| i == j || (i < j && (i + 2 * j) % 5 == 0)),
            chosen(m, n, |i, j| i + 1 == m || (i + 3 * j + i * j / 4) % density == 0),
            cones.clone(),
        )
        .unwrap();
        for eliminated in [[false; 5], [false, true, false, true, false]] {
            for engine in [Engine::Lanes, Engine::Sparse] {
                for point in [Point::Scaling, Point::Projection] {
                    let found = residual(&structure, &eliminated, engine, point);
                    // What the regularization leaves, times the size of the solution.
                    assert!(found < 1e-6, "{n} {eliminated:?} {engine:?} {point:?}: {found:e}");
                }
            }
        }
    }
}
