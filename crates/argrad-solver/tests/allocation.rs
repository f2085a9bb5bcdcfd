//! A solve allocates a few blocks for its answer, and none inside an iteration.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use argrad_conformance::ProgramBatch;
use argrad_conformance::generators::{self, Size};
use argrad_solver::{
    Cone, Cotangent, Differentiation, Error, OnFailure, Pattern, Settings, Slot, Solution, Solver,
    Structure, Tangent,
};

/// Counts the allocations of each thread, and the bytes of its largest.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn count(size: usize) {
    COUNT.set(COUNT.get() + 1);
    LARGEST.set(LARGEST.get().max(size));
}

// SAFETY: every call is passed on to the system's allocator; counting touches a thread-local number
// that needs neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` returns, and how often it allocates the second time, all on one thread.
fn allocations<T: Send>(work: impl Fn() -> T + Send + Sync) -> (T, usize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        drop(work());
        let before = COUNT.get();
        let result = work();
        (result, COUNT.get() - before)
    })
}

const SIZE: Size = Size { variables: 12, inequalities: 16, equalities: 4, batch: 24 };

fn easy() -> ProgramBatch {
    generators::random_qp(SIZE, 1)
}

fn solver(max_iterations: usize) -> Solver {
    let settings = Settings { max_iterations, ..Settings::default() };
    Solver::new(easy().structure, settings).unwrap()
}

fn iterations(solution: &Solution) -> u32 {
    solution.reports.iter().map(|report| report.iterations).sum()
}

#[test]
fn an_iteration_does_not_allocate() {
    let batch = easy();
    let solve = |solver: &Solver| allocations(|| solver.solve(&batch.values()).unwrap());
    let (few, few_allocations) = solve(&solver(1));
    let (many, many_allocations) = solve(&solver(100));
    assert!(iterations(&many) > 2 * iterations(&few));
    // Samples that one iteration does not bring near a solution are gathered.
    assert!(many_allocations <= few_allocations, "{many_allocations} and {few_allocations}");
    assert!(many_allocations <= 24, "{many_allocations}");
}

#[test]
fn hard_programs_allocate_only_where_they_are_gathered() {
    let solver = solver(100);
    let solve = |batch: &ProgramBatch| allocations(|| solver.solve(&batch.values()).unwrap()).1;
    let expected = solve(&easy());
    for generate in [
        |size| generators::conflicting_inequalities(size, 2),
        |size| generators::unbounded(size, 2),
        |size| generators::weakly_active(size, 3, 1e-7, 2).batch,
        |size| generators::duplicate_equalities(size, 2).batch,
    ] {
        let few = solve(&generate(SIZE));
        assert!(few <= expected + 12, "{few} and {expected}");
        let many = solve(&generate(Size { batch: 10 * SIZE.batch, ..SIZE }));
        assert!(many <= few + 40, "{many} and {few}");
    }
}

#[test]
fn a_larger_batch_allocates_as_often_as_a_small_one() {
    // Other than once a group where groups are listed.
    let solver = solver(100);
    let solve = |count: usize| {
        let batch = generators::random_qp(Size { batch: count, ..SIZE }, 3);
        allocations(|| solver.solve(&batch.values()).unwrap()).1
    };
    let (small, large) = (solve(32), solve(320));
    assert!(large <= small + 40, "{small} for 32, {large} for 320");
}

#[test]
fn forward_and_adjoint_reuse_their_buffers() {
    let solver = solver(100);
    let gx = generators::normal_vector(SIZE.variables, SIZE.batch, 4);
    let run = |batch: &ProgramBatch| {
        allocations(|| {
            let (_, tape) = solver.forward(&batch.values()).unwrap();
            let cotangent = Cotangent { x: Some(&gx), ..Cotangent::default() };
            let how = Differentiation { on_failure: OnFailure::Zero, ..Differentiation::default() };
            tape.vjp(&cotangent, &how).unwrap()
        })
        .1
    };
    let expected = run(&easy());
    assert!(expected <= 60, "{expected}");
    // The least-norm solves of dependent rows iterate, and do not allocate.
    assert_eq!(run(&generators::duplicate_equalities(SIZE, 5).batch), expected);
}

#[test]
fn a_batch_that_shares_its_matrices_allocates_nothing_for_each_sample() {
    for size in [SIZE, Size { variables: 24, ..SIZE }] {
        let structure = generators::shared_qp(size, 3).structure;
        let solver = Solver::new(structure, Settings::default()).unwrap();
        assert!(solver.explain().shares_matrices);
        let solve = |batch: usize| {
            let batch = generators::shared_qp(Size { batch, ..size }, 3);
            allocations(|| solver.solve(&batch.values()).unwrap()).1
        };
        let (small, large) = (solve(32), solve(320));
        // 36 groups more, or 72 of four lanes: lists grow a few times.
        assert!(large <= small + 8, "{small} for 32, {large} for 320");
    }
}

/// What runs on lanes gets its memory from the pool: nothing is allocated for each lane group.
#[test]
fn a_derivative_of_many_groups_allocates_as_often_as_that_of_few() {
    let solver = solver(100);
    let how = Differentiation { on_failure: OnFailure::Zero, ..Differentiation::default() };
    let counts = |batch: usize| {
        let program = generators::random_qp(Size { batch, ..SIZE }, 3);
        let (n, m) = (program.variables(), program.rows());
        let normal = |len: usize, seed: u64| generators::normal_vector(len, batch, seed);
        let (gx, gz, gs) = (normal(n, 1), normal(m, 2), normal(m, 3));
        let (dq, da) = (normal(n, 4), normal(program.structure.a().nnz(), 5));
        let cotangent = Cotangent { x: Some(&gx), z: Some(&gz), s: Some(&gs) };
        let change = Cotangent { x: Some(&gx), ..Cotangent::default() };
        let direction =
            Tangent { q: Some(Slot::Each(&dq)), a: Some(Slot::Each(&da)), ..Tangent::default() };
        let solution = solver.solve(&program.values()).unwrap();
        let (_, tape) = solver.tape_at(&program.values(), &solution).unwrap();
        [
            allocations(|| tape.vjp(&cotangent, &how).unwrap()).1,
            allocations(|| tape.jvp(&direction, &how).unwrap()).1,
            allocations(|| tape.vjp_tangent(&cotangent, &change, &direction, &how).unwrap()).1,
        ]
    };
    assert_eq!(counts(320), counts(32), "VJP, JVP and the tangent of the VJP");
}

/// What `work` ends with, which has to be a refusal, and the bytes of its largest allocation.
fn refused<T>(work: impl FnOnce() -> Result<T, Error>) -> (String, usize) {
    LARGEST.set(0);
    let result = work();
    let largest = LARGEST.get();
    match result {
        Err(error @ Error::Memory { needed, limit: Some(limit), .. }) => {
            assert!(needed > limit, "{error}");
            (error.to_string(), largest)
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("not refused"),
    }
}

fn limited(structure: Structure, limit: usize) -> Result<Solver, Error> {
    Solver::new(structure, Settings { memory_limit: Some(limit), ..Settings::default() })
}

fn assert_says(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_cone_whose_block_does_not_fit_is_refused_before_it_is_allocated() {
    // As many variables as rows: with few of them the rows would be eliminated without the block.
    let rows = 250 * 251 / 2;
    let structure = Structure::new(
        Pattern::empty(rows, rows),
        Pattern::diagonal(rows),
        vec![Cone::Nonnegative(0), Cone::PsdTriangle(250)],
    )
    .unwrap();
    let (message, largest) = refused(|| limited(structure, 1 << 30));
    assert_says(&message, &["cone 1", "PsdTriangle(250)", "31375 rows", "49.2 GB", "1.1 GB"]);
    assert_says(&message, &["memory_limit", "split"]);
    assert!(largest < 10_000_000, "{largest} bytes");
}

#[test]
fn a_factor_that_does_not_fit_is_refused_before_it_is_allocated() {
    // Rows that tie variables far apart together fill the factor.
    let (n, mut rowval) = (3000, Vec::new());
    let mut colptr = vec![0];
    for j in 0..n {
        rowval.extend(std::collections::BTreeSet::from([j, (j * 577 + 1) % n, (j * 1291 + 2) % n]));
        colptr.push(rowval.len());
    }
    let a = Pattern::new(n, n, colptr, rowval).unwrap();
    let structure = Structure::new(Pattern::empty(n, n), a, vec![Cone::Zero(n)]).unwrap();
    let (message, largest) = refused(|| limited(structure.clone(), 3_000_000));
    assert_says(&message, &["factor", "order 6000", "entries", "limit of 3.0 MB", "memory_limit"]);
    assert!(largest < 3_000_000, "{largest} bytes");
    assert!(limited(structure, usize::MAX).is_ok());
}

#[test]
fn samples_at_once_that_do_not_fit_are_refused() {
    let n = 900;
    let structure = Structure::new(Pattern::diagonal(n), Pattern::empty(0, n), Vec::new()).unwrap();
    let (message, largest) = refused(|| limited(structure, 150_000));
    assert_says(&message, &["at once", "order 900", "limit of 150.0 kB"]);
    assert!(largest < 150_000, "{largest} bytes");
}

#[test]
fn a_tape_that_does_not_fit_is_refused_and_the_solve_without_one_is_not() {
    let batch = generators::random_qp(Size { batch: 2000, ..SIZE }, 3);
    let solver = limited(batch.structure.clone(), 2_000_000).unwrap();
    let (message, largest) = refused(|| solver.forward(&batch.values()));
    assert_says(&message, &["tape", "2000 samples", "limit of 2.0 MB", "smaller batches"]);
    assert!(largest < 2_000_000, "{largest} bytes");
    assert!(solver.solve(&batch.values()).is_ok());
}
