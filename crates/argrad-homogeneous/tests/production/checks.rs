//! What agrees with the production path, generic in the cones.

use argrad_conformance::generators::normal_vector;
use argrad_conformance::{ProgramBatch, dot, relative_error};
use argrad_homogeneous::{Data, LinearSolve, Phi, PrimalDual, Projection, SolutionDerivative};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Gradients, Pattern, Settings, Slot, Solution, Solver,
    Structure, Tangent, Tape, Values,
};

/// One program.
pub struct Program {
    pub structure: Structure,
    pub data: Data,
}

impl Program {
    /// Sample `index` of a batch.
    pub fn of(batch: &ProgramBatch, index: usize) -> Self {
        let structure = batch.structure.clone();
        let (n, m) = (structure.variables(), structure.rows());
        let data = Data::quadratic(
            &structure,
            batch.p.sample(index, structure.p().nnz()),
            batch.a.sample(index, structure.a().nnz()),
            batch.b.sample(index, m),
            batch.q.sample(index, n),
        );
        Self { data: data.unwrap(), structure }
    }

    /// A random program with these cones and a known solution: v drawn, y = Pi_K*(v), s = y - v; x,
    /// A drawn, P = LL'/n of full rank or zero; b = Ax + s, c = -Px - A'y.
    pub fn known(n: usize, cones: &[Cone], is_quadratic: bool, seed: u64) -> Self {
        let m: usize = cones.iter().map(Cone::dim).sum();
        let structure =
            Structure::new(Pattern::dense_upper(n), Pattern::dense(m, n), cones.to_vec()).unwrap();
        let draw = |len: usize, k: u64| normal_vector(len, 1, 100 * seed + k);
        let z = [draw(n, 1), draw(m, 2), vec![1.0]].concat();
        let known = Phi::new(&Projection::new(&structure), &z).unwrap();
        let PrimalDual { x, y, s } = known.value();
        let (a, l) = (draw(m * n, 3), draw(n * n, 4));
        let p = |i: usize, j: usize| dot(&l[i * n..][..n], &l[j * n..][..n]) / n as f64;
        let p: Vec<f64> = structure
            .p()
            .entries()
            .map(|(i, j)| if is_quadratic { p(i, j) } else { 0.0 })
            .collect();
        let (mut b, mut c) = (s.clone(), vec![0.0; n]);
        for ((i, j), p) in structure.p().entries().zip(&p) {
            c[i] -= p * x[j];
            if i != j {
                c[j] -= p * x[i];
            }
        }
        for ((i, j), a) in structure.a().entries().zip(&a) {
            b[i] += a * x[j];
            c[j] -= a * y[i];
        }
        Self { data: Data::quadratic(&structure, &p, &a, &b, &c).unwrap(), structure }
    }

    pub fn is_linear(&self) -> bool {
        self.data.p.iter().all(|p| *p == 0.0)
    }

    pub fn values(&self) -> Values<'_> {
        Values {
            batch: 1,
            p: Slot::Shared(&self.data.p),
            q: Slot::Shared(&self.data.c),
            a: Slot::Shared(&self.data.a),
            b: Slot::Shared(&self.data.b),
        }
    }

    pub fn forward(&self) -> (Solution, Tape) {
        let solver = Solver::new(self.structure.clone(), Settings::default()).unwrap();
        solver.forward(&self.values()).unwrap()
    }

    /// Random changes of the data; P = 0 stays.
    fn direction(&self, seed: u64) -> Data {
        let draw = |like: &[f64], k: u64| normal_vector(like.len(), 1, 100 * seed + k);
        let Data { p, a, b, c } = &self.data;
        let p = if self.is_linear() { vec![0.0; p.len()] } else { draw(p, 1) };
        Data { p, a: draw(a, 2), b: draw(b, 3), c: draw(c, 4) }
    }

    pub fn gradient(&self, seed: u64) -> PrimalDual {
        let (n, m) = (self.structure.variables(), self.structure.rows());
        let draw = |len: usize, k: u64| normal_vector(len, 1, 100 * seed + k);
        PrimalDual { x: draw(n, 5), y: draw(m, 6), s: draw(m, 7) }
    }

    fn moved(&self, step: f64, direction: &Data) -> Self {
        let moved = |from: &[f64], by: &[f64]| -> Vec<f64> {
            from.iter().zip(by).map(|(v, d)| v + step * d).collect()
        };
        let data = Data {
            p: moved(&self.data.p, &direction.p),
            a: moved(&self.data.a, &direction.a),
            b: moved(&self.data.b, &direction.b),
            c: moved(&self.data.c, &direction.c),
        };
        Self { structure: self.structure.clone(), data }
    }
}

fn stacked(point: &PrimalDual) -> Vec<f64> {
    [&point.x[..], &point.y[..], &point.s[..]].concat()
}

fn flat(data: &Data) -> Vec<f64> {
    [&data.p[..], &data.a[..], &data.b[..], &data.c[..]].concat()
}

/// Every claim of the view at the solution of one program, with derivatives to `limit` relative to
/// those of the production path. False where that path flags the solution as degenerate.
#[track_caller]
pub fn agrees(program: &Program, limit: f64) -> bool {
    let Program { structure, data } = program;
    let (solution, tape) = program.forward();
    let report = &solution.reports[0];
    if report.is_degenerate() {
        return false;
    }
    let point = PrimalDual::of(structure, &solution, 0).unwrap();
    let ds = SolutionDerivative::new(structure, data, &point, LinearSolve::Svd).unwrap();
    let size = largest(ds.z());

    // z solves the embedding, and phi takes it back.
    assert!(ds.residual() <= 1e-10 * largest(&flat(data)) * size, "{:e}", ds.residual());
    assert!(relative_error(&stacked(ds.phi().value()), &stacked(&point)) < 1e-11);
    // M z = 0 and M'Pi(z) = 0, and there is no other null vector.
    let sigma = ds.singular_values().unwrap();
    let (first, last) = (sigma[0], sigma[sigma.len() - 1]);
    let projected = Projection::new(structure).project(ds.z()).unwrap();
    assert!(largest(&ds.m().multiply(ds.z()).unwrap()) <= 1e-11 * first * size);
    assert!(largest(&ds.m().multiply_transpose(&projected).unwrap()) <= 1e-11 * first * size);
    assert!(last <= 1e-11 * first, "{last:e} of {first:e}");
    assert_eq!(ds.is_unique(), Some(true), "{sigma:?}, {report:?}");
    // Dphi z = 0: what the pseudoinverse leaves out is of no account.
    assert!(largest(&stacked(&ds.phi().multiply(ds.z()).unwrap())) <= 1e-11 * size);

    // DS against JVP.
    let (direction, gradient) = (program.direction(3), program.gradient(4));
    let change = ds.apply(&direction).unwrap();
    let tangent = Tangent {
        p: Some(Slot::Shared(&direction.p)),
        q: Some(Slot::Shared(&direction.c)),
        a: Some(Slot::Shared(&direction.a)),
        b: Some(Slot::Shared(&direction.b)),
    };
    let expected = tape.jvp(&tangent, &Differentiation::default()).unwrap();
    let all = [expected.x, expected.z, expected.s].concat();
    let error = relative_error(&stacked(&change.value), &all);
    assert!(error <= limit, "DS is off by {error:e}, {report:?}, singular values {sigma:?}");
    assert!(change.residual <= 1e-10, "{:e}", change.residual);

    // D'S against VJP, P and A too.
    let back = ds.apply_adjoint(&gradient).unwrap();
    let cotangent = Cotangent { x: Some(&gradient.x), z: Some(&gradient.y), s: Some(&gradient.s) };
    let Gradients { p, q, a, b, .. } = tape.vjp(&cotangent, &Differentiation::default()).unwrap();
    for (name, found, expected) in [
        ("P", &back.value.p, &p),
        ("A", &back.value.a, &a),
        ("b", &back.value.b, &b),
        ("c", &back.value.c, &q),
    ] {
        let error = relative_error(found, expected);
        assert!(error <= limit, "D'S with respect to {name} is off by {error:e}, {report:?}");
    }
    assert!(back.residual <= 1e-10, "{:e}", back.residual);

    // DS and D'S are adjoint.
    let (left, right) = (stacked(&change.value), flat(&back.value));
    let products = [dot(&left, &stacked(&gradient)), dot(&right, &flat(&direction))];
    let scale = left.iter().map(|v| v * v).sum::<f64>().sqrt()
        * stacked(&gradient).iter().map(|v| v * v).sum::<f64>().sqrt();
    assert!((products[0] - products[1]).abs() <= 1e-12 * scale, "{products:?}");
    true
}

/// DS against central differences of solutions, to `limit`. False where the solution is degenerate.
#[track_caller]
pub fn matches_differences(program: &Program, step: f64, limit: f64) -> bool {
    let (solution, _) = program.forward();
    if solution.reports[0].is_degenerate() {
        return false;
    }
    let point = PrimalDual::of(&program.structure, &solution, 0).unwrap();
    let ds = SolutionDerivative::new(&program.structure, &program.data, &point, LinearSolve::Svd);
    let direction = program.direction(8);
    let found = stacked(&ds.unwrap().apply(&direction).unwrap().value);
    let at = |step: f64| {
        let (solution, _) = program.moved(step, &direction).forward();
        stacked(&PrimalDual::of(&program.structure, &solution, 0).unwrap())
    };
    let expected: Vec<f64> =
        at(step).iter().zip(at(-step)).map(|(plus, minus)| (plus - minus) / (2.0 * step)).collect();
    let error = relative_error(&found, &expected);
    assert!(error <= limit, "off by {error:e}");
    true
}

/// LSQR, as the survey has it, against the singular value decomposition.
#[track_caller]
pub fn lsqr_agrees(program: &Program, limit: f64) -> bool {
    let Program { structure, data } = program;
    let (solution, _) = program.forward();
    if solution.reports[0].is_degenerate() {
        return false;
    }
    let point = PrimalDual::of(structure, &solution, 0).unwrap();
    let lsqr = LinearSolve::Lsqr { tolerance: 1e-14, max_iterations: 10_000 };
    let [svd, lsqr] = [LinearSolve::Svd, lsqr]
        .map(|solve| SolutionDerivative::new(structure, data, &point, solve).unwrap());
    let (direction, gradient) = (program.direction(5), program.gradient(6));
    let (found, expected) = (lsqr.apply(&direction).unwrap(), svd.apply(&direction).unwrap());
    assert!(found.iterations > 0 && found.residual < 1e-12, "{:e}", found.residual);
    let error = relative_error(&stacked(&found.value), &stacked(&expected.value));
    assert!(error <= limit, "DS is off by {error:e}");
    let found = lsqr.apply_adjoint(&gradient).unwrap();
    assert!(found.iterations > 0 && found.residual < 1e-12, "{:e}", found.residual);
    let expected = svd.apply_adjoint(&gradient).unwrap();
    let error = relative_error(&flat(&found.value), &flat(&expected.value));
    assert!(error <= limit, "D'S is off by {error:e}");
    assert_eq!((lsqr.singular_values(), lsqr.is_unique()), (None, None));
    true
}

/// The number of seeds below `count` for which `check` holds.
pub fn count(count: u64, check: impl Fn(u64) -> bool) -> u64 {
    (0..count).map(|seed| check(seed) as u64).sum()
}

/// The largest absolute value; NaN counts as larger than any number.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().map(|v| v.abs()).max_by(f64::total_cmp).unwrap_or(0.0)
}
