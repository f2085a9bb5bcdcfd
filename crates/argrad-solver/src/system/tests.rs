use proptest::prelude::*;
use pulp::Scalar;

use crate::lanes::V;
use crate::program::{Cone, Engine, Pattern, Settings, Structure};
use crate::system::analysis::Analysis;

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
