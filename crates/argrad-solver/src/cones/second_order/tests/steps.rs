//! Starting points and lengths of steps.

use super::*;

/// The largest step by bisection on membership.
fn bisected(x: &[f64], d: &[f64], limit: f64) -> f64 {
    let inside = |a: f64| least(&combination(x, a, d)) >= 0.0;
    if inside(limit) {
        return limit;
    }
    let (mut low, mut high) = (0.0, limit);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if inside(middle) { low = middle } else { high = middle }
    }
    low
}

#[test]
fn step_length_is_that_of_bisection() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for n in DIMS {
        for _ in 0..300 {
            let (s, z) = (inside(&mut rng, n, 0.3), inside(&mut rng, n, 0.5));
            let (ds, dz) = (random(&mut rng, n), random(&mut rng, n));
            let scaling = Scaled::new(&s, &z);
            for limit in [1.0, 1e3] {
                let expected = bisected(&s, &ds, limit).min(bisected(&z, &dz, limit));
                let found = scaling.step(&s, &z, &ds, &dz, limit);
                // Grazing exits are ill-conditioned.
                let exit = |x: &[f64], d: &[f64]| {
                    let end = combination(x, found, d);
                    let slope = (d[0] * end[0] - inner(&d[1..], &end[1..])) / end[0];
                    slope.abs() * found / norm(x)
                };
                let graze = exit(&s, &ds).min(exit(&z, &dz)).max(1e-6);
                assert!(
                    (found - expected).abs() <= 1e-14 / graze * expected.max(1.0),
                    "{n} {found} {expected} {graze}"
                );
            }
        }
    }
}

#[test]
fn step_length_ends_in_the_cone_and_on_its_boundary() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for n in DIMS {
        for (s, z) in pairs(n) {
            let scaling = Scaled::new(&s, &z);
            let scale = |x: Vec<f64>, by: f64| x.iter().map(|x| by * x).collect::<Vec<_>>();
            for length in [1e-6, 1.0, 1e6] {
                // Any direction, and tangents of the boundary.
                let mut tangent = scale(random(&mut rng, n), norm(&s));
                tangent[0] = if n == 1 { 0.0 } else { inner(&tangent[1..], &s[1..]) / s[0] };
                for ds in [scale(random(&mut rng, n), length * norm(&s)), tangent] {
                    let still = vec![0.0; n];
                    for (x, step) in [
                        (&s, scaling.step(&s, &z, &ds, &still, 1e12)),
                        (&z, scaling.step(&s, &z, &still, &ds, 1e12)),
                    ] {
                        assert!(step > 0.0 && step <= 1e12);
                        let end = combination(x, step, &ds);
                        let size = norm(x) + step * norm(&ds);
                        assert!(least(&end) >= -8.0 * EPS * size, "{n} {}", least(&end) / size);
                        assert!(step == 1e12 || least(&end) <= 8.0 * EPS * size);
                    }
                }
            }
        }
    }
}

#[test]
fn step_length_knows_directions_without_an_end_and_those_through_the_tip() {
    for n in DIMS {
        let e = unit_vector(n, 0);
        let still = vec![0.0; n];
        let scaling = Scaled::new(&e, &e);
        assert_eq!(scaling.step(&e, &e, &still, &still, 1.0), 1.0);
        assert_eq!(scaling.step(&e, &e, &e, &e, 1.0), 1.0);
        let back: Vec<f64> = e.iter().map(|e| -4.0 * e).collect();
        assert_eq!(scaling.step(&e, &e, &back, &still, 1.0), 0.25);
        assert_eq!(scaling.step(&e, &e, &still, &back, 1.0), 0.25);
        // Along the boundary: never out.
        let mut along = e.clone();
        if n > 1 {
            along[n - 1] = -1.0;
        }
        assert_eq!(scaling.step(&e, &e, &along, &along, 7.0), 7.0);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for i in 0..n {
                let mut d = still.clone();
                d[i] = bad;
                assert!(scaling.step(&e, &e, &d, &still, 1.0).is_nan());
                assert!(scaling.step(&e, &e, &still, &d, 1.0).is_nan());
            }
        }
    }
}

#[test]
fn unit_is_the_centre_and_shift_leads_inside() {
    for n in DIMS {
        let cone = SecondOrder::new(n);
        let (mut s, mut z) = (blank(n), blank(n));
        cone.unit(Scalar, &mut s, &mut z);
        let e = unit_vector(n, 0);
        assert_eq!((numbers(&s), numbers(&z)), (e.clone(), e.clone()));
        assert_eq!(jordan(&numbers(&s), &numbers(&z)), e);
        // On the central path the scaling is that of the barrier: the identity here.
        assert_eq!(
            Scaled::new(&e, &e).matrix(),
            (0..n).map(|i| unit_vector(n, i)).collect::<Matrix>()
        );

        for v in points(n).into_iter().chain(kinks(n)) {
            let (mut s, mut z) = (registers(&v), registers(&v));
            cone.shift_inside(Scalar, &mut s, &mut z);
            let (s, z) = (numbers(&s), numbers(&z));
            assert_eq!(s, z);
            assert_eq!(s[1..], v[1..]);
            let u = norm(&v[1..]);
            let size = 0.5 * ((v[0] - u).max(0.0) + (v[0] + u).max(0.0));
            let target = 0.1 * size.max(1.0);
            let expected = least(&v).max(target);
            assert!((least(&s) - expected).abs() <= 8.0 * EPS * (norm(&v) + target));
            if least(&v) > 1.01 * target {
                assert_eq!(s, v);
            }
        }
    }
}
