//! Projection, its derivative, and functions of the derivative.

use super::*;

#[test]
fn projection_solves_moreau_s_decomposition() {
    for n in DIMS {
        for v in points(n).into_iter().chain(kinks(n)) {
            let s = Projected::new(&v, 0.0).s;
            let z: Vec<f64> = s.iter().zip(&v).map(|(s, v)| s - v).collect();
            let size = norm(&v);
            assert!(least(&s) >= -4.0 * EPS * size, "{v:?}");
            assert!(least(&z) >= -4.0 * EPS * size, "{v:?}");
            assert!(inner(&s, &z).abs() <= 8.0 * EPS * size * size, "{v:?}");
        }
    }
}

#[expect(clippy::needless_range_loop, reason = "the index is that of the formula")]
#[test]
fn projection_is_exact_inside_and_in_the_polar() {
    for n in DIMS {
        for v in points(n) {
            let projected = Projected::new(&v, 0.0);
            let x = random(&mut ChaCha8Rng::seed_from_u64(1), n);
            let zero = vec![0.0; n];
            let derivative = projected.apply(Function::Derivative, &x);
            let complement = projected.apply(Function::Complement, &x);
            let inverse = projected.apply(Function::InverseComplement, &x);
            let h = full(&projected.cone, &projected.block());
            if least(&v) > 0.0 {
                assert_eq!((&projected.s, derivative, complement), (&v, x.clone(), zero));
                for (y, x) in inverse.iter().zip(&x) {
                    assert!((y / (FREE * x) - 1.0).abs() <= 2.0 * EPS);
                }
                let h = eliminated(&projected.cone, &projected.block());
                for i in 0..n {
                    for j in 0..n {
                        let expected = if i == j { FREE } else { 0.0 };
                        assert!((h[i][j] - expected).abs() <= 4.0 * EPS * FREE);
                    }
                }
            } else if v[0] + norm(&v[1..]) <= 0.0 {
                assert_eq!(
                    (&projected.s, derivative, complement),
                    (&zero, zero.clone(), x.clone())
                );
                assert_eq!(inverse, x);
                assert!(h[..n].iter().flatten().all(|&h| h == 0.0));
            }
        }
    }
}

#[test]
fn smoothed_projection_lies_on_the_central_path() {
    for n in DIMS {
        for v in points(n).into_iter().chain(kinks(n)) {
            for mu in [1e-12_f64, 1e-4, 1.0, 100.0] {
                let s = Projected::new(&v, mu).s;
                let size = norm(&v).max(mu.sqrt());
                // With z = s - v, whose rounding error is of the size of v.
                let z: Vec<f64> = s.iter().zip(&v).map(|(s, v)| s - v).collect();
                let product = jordan(&s, &z);
                let centre: Vec<f64> = unit_vector(n, 0).iter().map(|e| mu * e).collect();
                let error = distance(&product, &centre);
                assert!(error <= 1e-14 * size * size, "{n} {mu} {v:?} {error}");
                assert!(least(&s) >= -4.0 * EPS * size && least(&z) >= -4.0 * EPS * size);
            }
        }
    }
}

/// Central differences of the projection with a step of 1e-5 of the scale on which it is curved.
fn differences(v: &[f64], mu: f64, scale: f64) -> Matrix {
    let n = v.len();
    let step = 1e-5 * scale;
    (0..n)
        .map(|i| {
            let e = unit_vector(n, i);
            let up = Projected::new(&combination(v, step, &e), mu).s;
            let down = Projected::new(&combination(v, -step, &e), mu).s;
            up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * step)).collect()
        })
        .collect()
}

#[test]
fn derivative_matches_finite_differences() {
    for n in DIMS {
        for v in points(n) {
            let u = norm(&v[1..]);
            let away = (v[0] + u).abs().min((v[0] - u).abs());
            let d = Projected::new(&v, 0.0).matrix(Function::Derivative);
            if away > 1e-4 * norm(&v) {
                let scale = if u > 0.0 { u } else { away };
                assert_close(&d, &differences(&v, 0.0, scale), 2e-9, "exact");
            }
            for mu in [1e-4_f64, 1.0, 100.0] {
                let scale = norm(&v).max(mu.sqrt());
                // Rounding errors of the difference: eps size / step.
                if scale > 1e3 * mu.sqrt() {
                    continue;
                }
                let d = Projected::new(&v, mu).matrix(Function::Derivative);
                let tolerance = 2e-10 * (1.0 + scale / mu.sqrt());
                assert_close(&d, &differences(&v, mu, mu.sqrt()), tolerance, "smoothed");
            }
        }
    }
}

#[test]
fn derivative_near_a_kink_is_that_of_its_side() {
    // (t, u) = |u| (±1 ± 1e-9, û): eigenvalues of D known to 1e-9, their complements to 1e-7 of
    // them.
    for n in &DIMS[1..] {
        let mut v = random(&mut ChaCha8Rng::seed_from_u64(9), *n);
        let u = norm(&v[1..]);
        for (ratio, plus, minus, rest) in [
            (1.0 + 1e-9, 1.0, 1.0, 1.0),
            (1.0 - 1e-9, 1.0, 0.0, 1.0 - 5e-10),
            (-1.0 + 1e-9, 1.0, 0.0, 5e-10),
            (-1.0 - 1e-9, 0.0, 0.0, 0.0),
        ] {
            v[0] = ratio * u;
            let p = Projected::new(&v, 0.0);
            assert_eq!((p.datum(projected::D_PLUS), p.datum(projected::D_MINUS)), (plus, minus));
            assert_eq!(p.datum(projected::C_PLUS), 1.0 - plus);
            let (d, c) = (p.datum(projected::D_REST), p.datum(projected::C_REST));
            assert!((d - rest).abs() <= 1e-6 * rest && (d + c - 1.0).abs() <= EPS);
            let small = d.min(c);
            assert!(small == 0.0 || (small / 5e-10 - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn derivative_is_symmetric_with_eigenvalues_between_zero_and_one() {
    for n in DIMS {
        for v in points(n).into_iter().chain(kinks(n)) {
            for mu in [0.0, 1e-12, 1.0] {
                let p = Projected::new(&v, mu);
                let d = p.matrix(Function::Derivative);
                let transposed = (0..n).map(|i| d.iter().map(|row| row[i]).collect()).collect();
                assert_close(&d, &transposed, 4.0 * EPS, "symmetry");
                let mut expected = vec![p.datum(projected::D_REST); n.saturating_sub(2)];
                expected.push(p.datum(projected::D_PLUS));
                expected.extend((n > 1).then(|| p.datum(projected::D_MINUS)));
                expected.sort_by(f64::total_cmp);
                let mut found = eigenvalues_of(d);
                found.sort_by(f64::total_cmp);
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((0.0..=1.0).contains(expected));
                    assert!((found - expected).abs() <= 64.0 * EPS, "{found} {expected}");
                }
                for (d, c) in [
                    (projected::D_PLUS, projected::C_PLUS),
                    (projected::D_MINUS, projected::C_MINUS),
                    (projected::D_REST, projected::C_REST),
                ] {
                    assert!((p.datum(d) + p.datum(c) - 1.0).abs() <= 2.0 * EPS);
                }
            }
        }
    }
}

#[test]
fn functions_of_the_derivative_agree() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for n in DIMS {
        for v in points(n).into_iter().chain(kinks(n)) {
            for mu in [0.0, 1e-12, 1.0] {
                let p = Projected::new(&v, mu);
                let x = random(&mut rng, n);
                let size = norm(&x);
                let d = p.apply(Function::Derivative, &x);
                let c = p.apply(Function::Complement, &x);
                let near = |a: &[f64], b: &[f64], tolerance: f64| {
                    assert!(distance(a, b) <= tolerance, "{n} {mu} {v:?} {}", distance(a, b));
                };
                near(&c, &combination(&x, -1.0, &d), 8.0 * EPS * size);
                let root = p.apply(Function::RootComplement, &x);
                near(&p.apply(Function::RootComplement, &root), &c, 16.0 * EPS * size);
                // (I - D + delta)^-1 is as large as 1 / delta.
                let delta = p.datum(projected::DELTA);
                let inverse = p.apply(Function::InverseComplement, &x);
                let back = p.apply(Function::Complement, &inverse);
                let inverse_size = norm(&inverse);
                near(&combination(&back, delta, &inverse), &x, 16.0 * EPS * (size + inverse_size));
                let block = p.apply(Function::Block, &x);
                let derived = p.apply(Function::Derivative, &inverse);
                near(&block, &derived, 16.0 * EPS * inverse_size.max(size));
            }
        }
    }
}

#[test]
fn functions_are_exact_on_the_eigenvectors() {
    for n in &DIMS[1..] {
        let mut plus = vec![0.0; *n];
        (plus[0], plus[1]) = (1.0, 1.0);
        let mut minus = plus.clone();
        minus[1] = -1.0;
        let mut v = vec![0.0; *n];
        (v[0], v[1]) = (-0.5, 2.0);
        for mu in [0.0, 1e-9, 1.0] {
            let p = Projected::new(&v, mu);
            for f in FUNCTIONS {
                let (on_plus, on_minus, on_rest) = eigenvalues(&p.data, f);
                let biggest = on_plus.lane(0).max(on_minus.lane(0)).max(on_rest.lane(0));
                for (x, f_of_d) in [(&plus, on_plus), (&minus, on_minus)] {
                    let expected: Vec<f64> = x.iter().map(|x| f_of_d.lane(0) * x).collect();
                    let error = distance(&p.apply(f, x), &expected);
                    assert!(error <= 4.0 * EPS * biggest, "{f:?} {error}");
                }
            }
        }
    }
}

#[test]
fn newton_point_drops_what_the_step_made_zero() {
    for n in DIMS {
        let cone = SecondOrder::new(n);
        let (s, z) = (registers(&vec![2.0; n]), registers(&vec![1e-3; n]));
        let at = |t: f64, mu: f64| {
            let mut v = vec![0.0; n];
            (v[n - 1], v[0]) = (if n == 1 { t } else { 1.0 }, t);
            let data = Projected::new(&v, mu).data;
            let mut v = blank(n);
            cone.newton_point(Scalar, &data, (&s, &z), r(mu), &mut v);
            numbers(&v)
        };
        assert_eq!(at(3.0, 0.0), vec![2.0; n]);
        assert_eq!(at(-3.0, 0.0), vec![-1e-3; n]);
        assert_eq!(at(3.0, 1.0), vec![2.0 - 1e-3; n]);
        if n > 1 {
            assert_eq!(at(0.5, 0.0), vec![2.0 - 1e-3; n]);
        }
    }
}

#[test]
fn weakly_active_counts_the_directions_at_a_kink() {
    for n in DIMS {
        let count = |v: &[f64], margin: f64| {
            let data = Projected::new(v, 0.0).data;
            SecondOrder::new(n)
                .weakly_active(Scalar, &registers(v), &data, r(margin), &mut [])
                .lane(0)
        };
        assert_eq!(count(&vec![0.0; n], 1e-6), n as f64);
        let mut v = vec![0.0; n];
        v[0] = 1e-7;
        assert_eq!(count(&v, 1e-6), n as f64);
        assert_eq!(count(&v, 1e-8), 0.0);
        if n == 1 {
            continue;
        }
        for v in kinks(n).into_iter().skip(1) {
            assert_eq!(count(&v, 1e-6), 1.0);
            let mut away = v.clone();
            away[0] *= 1.0 + 1e-7;
            assert_eq!(count(&away, 1e-6), 1.0);
            assert_eq!(count(&away, 1e-7), 0.0);
            // Curvature alone is no kink.
            away[0] = 0.2 * v[0];
            assert_eq!(count(&away, 1e-6), 0.0);
        }
    }
}

#[test]
fn points_too_small_to_be_squared_are_on_the_axis() {
    for n in &DIMS[1..] {
        for size in [1e-150, 1e-170, 1e-310] {
            for (t, scale) in [(1.0, 1.0), (-1.0, 0.0), (0.0, 0.0), (1e-145, 1.0)] {
                let mut v: Vec<f64> = vec![size; *n];
                v[0] = t;
                let p = Projected::new(&v, 0.0);
                assert_eq!(p.s, v.iter().map(|v| scale * v).collect::<Vec<_>>());
                let axis = numbers(&p.data[projected::HEADER..]);
                assert!((norm(&axis) - 1.0).abs() < 4.0 * EPS);
                let smooth = Projected::new(&v, 1.0);
                let d = smooth.datum(projected::D_REST);
                assert!((d - 0.5 * (1.0 + t / (t * t + 4.0).sqrt())).abs() < 2.0 * EPS);
                assert!(
                    (norm(&numbers(&smooth.data[projected::HEADER..])) - 1.0).abs() < 4.0 * EPS
                );
            }
        }
    }
}
