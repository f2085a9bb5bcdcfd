//! The scalar mathematics of the exponential and the power cone by what defines it.

use argrad_gpu_host::three_dimensional::{Cone, Derivatives, Rows, Triple, eigen_of_rows};

const CONES: [Cone; 8] = [
    Cone::Exponential,
    Cone::Power(1e-6),
    Cone::Power(0.01),
    Cone::Power(0.3),
    Cone::Power(0.5),
    Cone::Power(0.9),
    Cone::Power(0.99),
    Cone::Power(1.0 - 1e-6),
];

const SCALES: [f64; 3] = [1e-8, 1.0, 1e8];

/// Random numbers: SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, count: usize) -> usize {
        (self.bits() % count as u64) as usize
    }

    fn power_of_ten(&mut self, low: f64, high: f64) -> f64 {
        10.0_f64.powf(self.uniform(low, high))
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(0.0, 1.0)).ln()).sqrt();
        radius * self.uniform(0.0, std::f64::consts::TAU).cos()
    }

    fn vector(&mut self) -> Triple {
        [self.normal(), self.normal(), self.normal()]
    }
}

fn dot(a: Triple, b: Triple) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn norm(a: Triple) -> f64 {
    a[0].hypot(a[1]).hypot(a[2])
}

fn times(t: f64, a: Triple) -> Triple {
    a.map(|x| t * x)
}

fn plus(a: Triple, t: f64, b: Triple) -> Triple {
    [a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]]
}

/// The sum of c u (u'x).
fn spectral(u: Rows, c: Triple, x: Triple) -> Triple {
    (0..3).fold([0.0; 3], |sum, k| plus(sum, c[k] * dot(u[k], x), u[k]))
}

/// R'R x.
fn gram(rows: Rows, x: Triple) -> Triple {
    spectral(rows, [1.0; 3], x)
}

/// The largest that |R'R| can be.
fn size(rows: Rows) -> f64 {
    rows.iter().map(|row| dot(*row, *row)).sum()
}

fn at(cone: Cone, z: Triple) -> Derivatives {
    cone.derivatives(z, [0.0; 3], [0.0; 3])
}

/// -grad f*.
fn shadow_of_z(cone: Cone, z: Triple) -> Triple {
    times(-1.0, at(cone, z).gradient)
}

fn assert_near(what: &str, a: Triple, b: Triple, tolerance: f64) {
    let difference = norm(plus(a, -1.0, b));
    assert!(difference <= tolerance, "{what}: {a:?}, {b:?}: {difference:e} > {tolerance:e}");
}

/// Derivative along x by central differences of fourth order.
fn difference(f: impl Fn(Triple) -> Triple, at: Triple, x: Triple, step: f64) -> Triple {
    let odd = |t: f64| plus(f(plus(at, t, x)), -1.0, f(plus(at, -t, x)));
    times(1.0 / (12.0 * step), plus(times(8.0, odd(step)), -1.0, odd(2.0 * step)))
}

/// A point on a random ray from the unit point, `part` of the way to the boundary.
fn on_ray(cone: Cone, random: &mut Random, part: f64, is_dual: bool) -> Triple {
    let (unit, direction) = (cone.unit(), random.vector());
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        let point = plus(unit, middle, direction);
        let is_inside =
            if is_dual { cone.is_inside_dual(point) } else { cone.is_inside_primal(point) };
        if is_inside { low = middle } else { high = middle }
    }
    plus(unit, part * low, direction)
}

/// Points v of all kinds: anywhere, near the boundary of K or the polar cone, with zeros, with
/// entries of any sizes.
fn any_point(cone: Cone, random: &mut Random) -> Triple {
    let near = random.power_of_ten(-18.0, 0.0);
    let mut v = match random.below(6) {
        0 => random.vector(),
        1 => [0; 3].map(|_| random.normal() * random.power_of_ten(-8.0, 8.0)),
        2 => plus(on_ray(cone, random, 1.0, false), near, random.vector()),
        3 => plus(times(-1.0, on_ray(cone, random, 1.0, true)), near, random.vector()),
        4 => {
            let (s, z) = (on_ray(cone, random, 1.0, false), on_ray(cone, random, 1.0, true));
            plus(times(random.power_of_ten(-8.0, 0.0), s), -random.power_of_ten(-8.0, 0.0), z)
        }
        _ => random.vector(),
    };
    if random.below(4) == 0 {
        v[random.below(3)] = 0.0;
    }
    times(random.power_of_ten(-8.0, 8.0), v)
}

/// Zero, axes, faces, and points with entries next to nothing.
fn special_points() -> Vec<Triple> {
    let sizes = [0.0, -0.0, 1.0, -1.0, 1e-3, -1e-3, 1e-8, -1e-8, 1e-20, -1e-20, 1e-300, -1e-300];
    let mut points = Vec::new();
    for x in sizes {
        for y in sizes {
            points.extend(sizes.map(|z| [x, y, z]));
        }
    }
    points
}

/// s in K, z = s - v in K*, s'z = 0, and what the derivative at v says of them.
fn check_projection(cone: Cone, v: Triple) {
    let projected = cone.project(v);
    let (s, length, unit) = (projected.point, norm(v), cone.unit());
    let (z, tolerance) = (plus(s, -1.0, v), 1e-15 * length);
    let what = format!("{cone:?} {v:?}: {projected:?}");
    if length == 0.0 {
        assert!(s == [0.0; 3], "{what}");
    } else {
        // A little further inside: on the boundary itself rounding errors decide.
        let margin = tolerance.max(f64::MIN_POSITIVE);
        assert!(cone.is_inside_primal(plus(s, margin, unit)), "s, {what}");
        assert!(cone.is_inside_dual(plus(z, margin, unit)), "z, {what}");
        let cosine = dot(times(1.0 / length, s), times(1.0 / length, z));
        assert!(cosine.abs() <= 1e-15, "{cosine:e}, {what}");
    }
    let (d, basis) = (projected.d, projected.basis);
    for i in 0..3 {
        assert!((0.0..=1.0).contains(&d[i]), "{what}");
        assert!((d[i] + projected.complement[i] - 1.0).abs() <= 3e-16, "{what}");
        for j in 0..3 {
            assert!((dot(basis[i], basis[j]) - f64::from(i == j)).abs() <= 3e-15, "{what}");
        }
    }
    let is_diagonal = basis == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    assert_eq!(projected.delta, if is_diagonal { 1e-30 } else { 1e-7 }, "{what}");
    assert_near(&format!("D v = s, {what}"), spectral(basis, d, v), s, 2.0 * tolerance);
}

#[test]
fn projections_are_optimal() {
    let mut random = Random(1);
    for cone in CONES {
        for _ in 0..5_000 {
            check_projection(cone, any_point(cone, &mut random));
        }
        for v in special_points() {
            check_projection(cone, v);
            check_projection(cone, times(1e8, v));
        }
        let unit = cone.unit();
        assert_eq!(cone.project(unit).point, unit);
        assert_eq!(cone.project(times(-1.0, unit)).point, [0.0; 3]);
    }
}

/// A projection and its rest are known to lie where they do.
#[test]
fn projections_find_constructed_points() {
    let mut random = Random(2);
    for cone in CONES {
        for _ in 0..2_000 {
            let v = any_point(cone, &mut random);
            let (s, length) = (cone.project(v).point, norm(v));
            let z = plus(s, -1.0, v);
            assert_near("on K", cone.project(s).point, s, 2e-15 * length);
            let polar = cone.project(times(-1.0, z)).point;
            assert_near("on the polar cone", polar, [0.0; 3], 4e-15 * length);
            let other = cone.project(plus(times(3.0, s), -0.3, z)).point;
            assert_near("on the same rays", other, times(3.0, s), 2e-14 * length);
        }
    }
}

#[test]
fn derivatives_of_projections_match_differences() {
    let mut random = Random(3);
    for cone in CONES {
        let (mut all, mut precise) = (0, 0);
        for _ in 0..2_000 {
            let (v, x) = (random.vector(), random.vector());
            if cone.kinks(v, 0.05) > 0 {
                continue;
            }
            let scale = random.power_of_ten(-8.0, 8.0);
            let (v, x) = (times(scale, v), times(scale / norm(x), x));
            let projected = cone.project(v);
            let got = spectral(projected.basis, projected.d, x);
            // Where the boundary bends sharply, only short steps see the derivative.
            let errors = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8].map(|step| {
                let expected = difference(|v| cone.project(v).point, v, x, step);
                norm(plus(got, -1.0, expected)) / scale
            });
            let least = errors.into_iter().fold(f64::INFINITY, f64::min);
            assert!(least <= 1e-6, "{cone:?} {v:?} {x:?}: {errors:?}");
            all += 1;
            precise += usize::from(least <= 1e-9);
        }
        assert!(all > 1_500 && 100 * precise > 95 * all, "{cone:?}: {precise} of {all}");
    }
}

/// Where w = 0 and v is in neither cone, D is diagonal, and tells to which w belongs.
#[test]
fn derivatives_on_the_axis_are_limits() {
    for alpha in [0.2, 0.35, 0.5, 0.65, 0.8] {
        let cone = Cone::Power(alpha);
        for (x, y) in [(1.0, -1.0), (-1.0, 1.0), (2.0, -0.1), (-1e-3, 1e3)] {
            let projected = cone.project([x, y, 0.0]);
            assert_eq!(projected.point, [x, y, 0.0].map(|x: f64| x.max(0.0)));
            let near = cone.project([x, y, 1e-60]).point[2] * 1e60;
            let column = spectral(projected.basis, projected.d, [0.0, 0.0, 1.0]);
            assert_near(&format!("D, {cone:?} {x} {y}"), column, [0.0, 0.0, near], 1e-6);
        }
    }
}

#[test]
fn kinks_are_at_the_boundaries() {
    let mut random = Random(4);
    for cone in CONES {
        assert_eq!(cone.kinks([0.0; 3], 1e-6), 3);
        assert_eq!(cone.kinks(cone.unit(), 1e-6), 0);
        for _ in 0..1_000 {
            let v = random.vector();
            // On the smooth boundaries of K and of the polar cone one direction jumps.
            if cone.kinks(v, 0.05) == 0 {
                let s = cone.project(v).point;
                let z = plus(s, -1.0, v);
                if norm(s) > 0.05 && norm(z) > 0.05 {
                    assert!(cone.kinks(s, 1e-9) > 0, "{cone:?} {v:?}");
                    assert!(cone.kinks(times(-1.0, z), 1e-9) > 0, "{cone:?} {v:?}");
                }
            }
        }
    }
    assert_eq!(Cone::Exponential.kinks([-1.0, 1e-9, -1e-9], 1e-7), 2);
    assert_eq!(Cone::Power(0.3).kinks([1.0, 1e-9, 0.0], 1e-6), 2);
    assert_eq!(Cone::Power(0.9).kinks([1.0, 1e-9, 0.0], 1e-6), 1);
    assert_eq!(Cone::Power(0.3).kinks([1.0, -1.0, 0.0], 1e-6), 0);
}

/// Identities of logarithmically homogeneous functions, and the Hessian against differences.
#[test]
fn derivatives_of_the_barrier_are_consistent() {
    let mut random = Random(5);
    for cone in CONES {
        let unit = cone.unit();
        assert_near("s = -grad f*(z)", shadow_of_z(cone, unit), unit, 1e-15);
        for scale in SCALES {
            for part in [0.1, 0.5, 0.9, 0.999] {
                for _ in 0..100 {
                    let z = times(scale, on_ray(cone, &mut random, part, true));
                    let a = times(scale, random.vector());
                    check_homogeneity(cone, z, a, 1.0 - part);
                }
            }
        }
    }
}

fn check_homogeneity(cone: Cone, z: Triple, a: Triple, distance: f64) {
    let Derivatives { gradient, root, third } = cone.derivatives(z, a, z);
    let h = size(root);
    // The rounding error of the distance to the boundary.
    let tolerance = 1e-14 / distance;
    let length = norm(gradient) * norm(z);
    assert!((dot(gradient, z) + 3.0).abs() <= tolerance * length);
    let bound = norm(gradient) * tolerance * length;
    assert_near("H* z", gram(root, z), times(-1.0, gradient), bound);
    let along = gram(root, a);
    let bound = 10.0 * tolerance * h * norm(a) * length;
    assert_near("D3[a, z]", third, times(-2.0, along), bound);
    let step = 1e-3 / dot(a, along).sqrt();
    let expected = difference(|z| at(cone, z).gradient, z, a, step);
    let bound = (1e-10 + 1e-11 / distance) * h * norm(a);
    assert_near("H* a", along, expected, bound);
}

#[test]
fn third_derivatives_match_differences() {
    let mut random = Random(6);
    for cone in CONES {
        for scale in SCALES {
            for part in [0.1, 0.5, 0.9] {
                for _ in 0..100 {
                    let z = times(scale, on_ray(cone, &mut random, part, true));
                    let a = times(scale, random.vector());
                    let b = times(scale, random.vector());
                    let Derivatives { root, third, .. } = cone.derivatives(z, a, b);
                    let step = 1e-3 / dot(b, gram(root, b)).sqrt();
                    let expected = difference(|z| gram(at(cone, z).root, a), z, b, step);
                    let bound = size(root).powf(1.5) * norm(a) * norm(b);
                    assert_near("D3[a, b]", third, expected, 1e-10 * bound);
                    let other = cone.derivatives(z, b, a).third;
                    assert_near("D3[b, a]", other, third, 1e-13 * bound);
                }
            }
        }
    }
}

#[test]
fn shadows_invert_the_gradient() {
    let mut random = Random(7);
    for cone in CONES {
        for scale in SCALES {
            for part in [0.01, 0.5, 0.9, 0.9999, 1.0 - 1e-9] {
                for _ in 0..100 {
                    let s = times(scale, on_ray(cone, &mut random, part, false));
                    let z = times(scale, on_ray(cone, &mut random, part, true));
                    // Errors relative to the distance of either from its boundary.
                    let tolerance = 1e-14 / (1.0 - part);
                    let back = shadow_of_z(cone, cone.shadow(s));
                    assert_near("s", back, s, tolerance * norm(s));
                    let back = cone.shadow(shadow_of_z(cone, z));
                    assert_near("z", back, z, tolerance * norm(z));
                }
            }
        }
    }
}

/// s with w far below what is possible, down to zero, where the two sides of the equation are
/// infinite.
#[test]
fn shadows_near_the_axis() {
    for cone in &CONES[1..] {
        for scale in SCALES {
            for w in [0.0, 1e-300, 1e-140, 1e-120, -1e-60, 1e-20, 1e-9] {
                let s = [2.0 * scale, 0.3 * scale, w * scale];
                let back = shadow_of_z(*cone, cone.shadow(s));
                assert_near("s", back, s, 1e-14 * norm(s));
                // w is found from a logarithm of up to 700.
                let error = (back[2] - s[2]).abs();
                assert!(error <= 1e-12 * s[2].abs() + 1e-320, "{cone:?} {s:?} {back:?}");
            }
        }
    }
}

/// H z = s and H z~ = s~; near the central path H is close to mu H*.
#[test]
fn scalings_map_points_and_shadows() {
    let mut random = Random(8);
    for cone in CONES {
        for (scale_s, scale_z) in [(1.0, 1.0), (1e-8, 1.0), (1e8, 1e8), (1e8, 1e-8)] {
            for part in [0.3, 0.9] {
                for _ in 0..200 {
                    let s = times(scale_s, on_ray(cone, &mut random, part, false));
                    let z = times(scale_z, on_ray(cone, &mut random, part, true));
                    let (rows, root) = (cone.scaling_rows(s, z, 1.0), at(cone, z).root);
                    let (of_z, of_s) = (shadow_of_z(cone, z), cone.shadow(s));
                    let excess = dot(s, z) * dot(of_z, of_s) / 9.0 - 1.0;
                    // A margin for points that happen to be close to central.
                    if excess < 1e-4 {
                        continue;
                    }
                    let bound = 1e-12 * size(rows);
                    assert_near("H z", gram(rows, z), s, 1e-12 * norm(s) + 1e-4 * bound * norm(z));
                    let bound = bound / excess.sqrt().min(1.0) * norm(of_s);
                    assert_near("H z~", gram(rows, of_s), of_z, bound);
                    // Next to the central point of the same z.
                    let mu = random.power_of_ten(-6.0, 6.0);
                    let distance = random.power_of_ten(-14.0, -3.0);
                    let nudge = times(0.05 * distance * norm(of_z), random.vector());
                    let s = times(mu, plus(of_z, 1.0, nudge));
                    let (x, rows) = (random.vector(), cone.scaling_rows(s, z, mu));
                    let bound = (1e-9 + 1e4 * distance) * mu * size(root) * norm(x);
                    assert_near("mu H*", gram(rows, x), times(mu, gram(root, x)), bound);
                }
            }
        }
    }
}

/// Late iterates: |s| and |z| of order 1, s'z of order mu, not on the central path. H is of order
/// 1/mu, and H z = s holds to its rounding error.
#[test]
fn scalings_close_to_the_boundary() {
    let mut random = Random(13);
    let mut count = 0;
    for cone in CONES {
        for mu in [1e-4, 1e-8, 1e-10] {
            for _ in 0..300 {
                let z = plus(on_ray(cone, &mut random, 1.0, true), mu, cone.unit());
                // Half a step in the local norms.
                let (x, y, root) = (random.vector(), random.vector(), at(cone, z).root);
                let (of_x, of_y) = (gram(root, x), gram(root, y));
                let s = plus(shadow_of_z(cone, z), 0.5 / dot(y, of_y).sqrt(), of_y);
                let s = times(mu, s);
                let z = plus(z, 0.5 / dot(x, of_x).sqrt(), x);
                if !cone.is_inside_primal(s) || !cone.is_inside_dual(z) {
                    continue;
                }
                let rows = cone.scaling_rows(s, z, mu);
                let bound = 4e-16 * size(rows) * norm(z) + 1e-14 * norm(s);
                assert_near(&format!("H z, {cone:?} {z:?}"), gram(rows, z), s, bound);
                count += 1;
            }
        }
    }
    assert!(count > 6_000, "{count}");
}

/// c = s + target grad f*(z) - 1/2 D^3 f*[dz, p] where ds = H* p.
#[test]
fn combined_constants_match_their_definition() {
    let mut random = Random(9);
    for cone in CONES {
        for scale in SCALES {
            for _ in 0..200 {
                let s = on_ray(cone, &mut random, 0.7, false);
                let z = times(scale, on_ray(cone, &mut random, 0.7, true));
                let dz = times(scale, random.vector());
                let pulled = times(scale * scale, random.vector());
                let Derivatives { gradient, root, third } = cone.derivatives(z, dz, pulled);
                let ds = gram(root, pulled);
                let target = scale * random.uniform(0.0, 1.0);
                let expected = plus(plus(s, target, gradient), -0.5, third);
                let got = cone.combined_constant([s, z, ds, dz], target);
                // The condition of H* is in what is pulled back.
                let bound = size(root).powf(1.5) * norm(dz) * norm(pulled);
                assert_near("c", got, expected, 1e-12 * (norm(s) + bound));
            }
        }
    }
}

#[test]
fn steps_stay_inside() {
    let mut random = Random(10);
    for cone in CONES {
        for part in [0.5, 0.99, 1.0 - 1e-6] {
            for _ in 0..300 {
                let s = on_ray(cone, &mut random, part, false);
                let z = on_ray(cone, &mut random, part, true);
                let (ds, dz) = (random.vector(), random.vector());
                let limit = random.uniform(0.5, 2.0);
                let step = cone.step_length([s, z, ds, dz], limit);
                let is_inside = |t: f64| {
                    cone.is_inside_primal(plus(s, t, ds)) && cone.is_inside_dual(plus(z, t, dz))
                };
                assert!(step > 0.0 && step <= limit && is_inside(step), "{cone:?} {step}");
                assert!(step == limit || !is_inside(step / 0.799), "{cone:?} {step}");
            }
        }
        let unit = cone.unit();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(cone.step_length([unit, unit, [0.0, bad, 0.0], unit], 1.0), 0.0);
            assert_eq!(cone.step_length([unit, unit, unit, [bad, 0.0, 0.0]], 1.0), 0.0);
            assert_eq!(cone.step_length([unit; 4], bad), 0.0);
        }
        // None leads inside from a point outside.
        assert_eq!(cone.step_length([times(-1.0, unit), unit, [0.0; 3], unit], 1.0), 0.0);
    }
}

/// Rows of lengths that differ by orders of magnitude, dependent ones, and zero.
fn any_rows(random: &mut Random) -> Rows {
    let range = [1.0, 8.0, 70.0, 150.0][random.below(4)];
    let mut rows = [0; 3].map(|_| times(random.power_of_ten(-range, range), random.vector()));
    match random.below(8) {
        0 => rows[1] = times(random.normal(), rows[0]),
        1 => rows[2] = plus(rows[0], random.power_of_ten(-20.0, 0.0), rows[2]),
        2 => rows[random.below(3)] = [0.0; 3],
        3 => rows = [[0.0; 3], rows[1], times(random.normal(), rows[1])],
        4 => rows.iter_mut().for_each(|row| row[random.below(3)] = 0.0),
        _ => {}
    }
    rows
}

#[test]
fn eigenvectors_of_rows_are_a_basis() {
    let mut random = Random(11);
    let zero = [[0.0; 3]; 3];
    let any = (0..50_000).map(|_| any_rows(&mut random)).collect::<Vec<_>>();
    for rows in any.into_iter().chain([zero, zero.map(|row| row.map(|_| 1e-320))]) {
        let (basis, values) = eigen_of_rows(rows);
        for i in 0..3 {
            assert!(values[i] >= 0.0 && (i == 0 || values[i] <= values[i - 1]));
            let axis = std::array::from_fn(|j| f64::from(i == j));
            assert_near("orthonormal", basis.map(|u| dot(u, basis[i])), axis, 4e-15);
            let bound = 1e-14 * size(rows) + f64::MIN_POSITIVE;
            assert_near("R'R", spectral(basis, values, axis), gram(rows, axis), bound);
        }
    }
}

/// Small eigenvalues are as accurate as large ones where the rows differ only in length.
#[test]
fn small_eigenvalues_are_accurate() {
    let mut random = Random(12);
    for _ in 0..5_000 {
        let mut rows = [random.vector(), random.vector(), random.vector()];
        let (a, b, c) = (rows[0], rows[1], rows[2]);
        let across =
            [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let determinant = dot(across, c);
        if determinant.abs() < 0.1 {
            continue;
        }
        let scales = [0; 3].map(|_| random.power_of_ten(-30.0, 30.0));
        for k in 0..3 {
            rows[k] = times(scales[k], rows[k]);
        }
        let (_, values) = eigen_of_rows(rows);
        let expected = scales.iter().product::<f64>() * determinant.abs();
        let got = values.iter().map(|value| value.sqrt()).product::<f64>();
        assert!((got - expected).abs() <= 1e-12 * expected, "{rows:?}: {got} {expected}");
    }
}

/// Numbers that are not finite give NaN, and everything ends.
#[test]
fn invalid_numbers_stay_invalid() {
    let has_nan = |x: Triple| x.iter().any(|x| x.is_nan());
    for cone in CONES {
        for i in 0..3 {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for start in [[1.0, -1.0, 0.5], [-1.0, -1.0, -0.5], [1.0, 2.0, 1.5], [0.0; 3]] {
                    let mut v = start;
                    v[i] = bad;
                    assert!(has_nan(cone.project(v).point), "{cone:?} {v:?}");
                    cone.kinks(v, 0.1);
                }
            }
            let (unit, mut bad) = (cone.unit(), cone.unit());
            bad[i] = f64::NAN;
            assert!(!cone.is_inside_primal(bad) && !cone.is_inside_dual(bad));
            assert!(has_nan(cone.shadow(bad)), "{cone:?}");
            assert!(has_nan(at(cone, bad).gradient));
            assert!(cone.scaling_rows(unit, bad, 1.0).into_iter().any(has_nan));
            assert!(has_nan(cone.combined_constant([unit, bad, unit, unit], 1.0)));
            let mut rows = [unit; 3];
            for number in [f64::NAN, f64::INFINITY] {
                rows[i][i] = number;
                assert!(has_nan(eigen_of_rows(rows).1));
            }
        }
    }
}
