"""Batches: what is shared, what is per sample, in every form; precision; warm start; failures."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from solve_programs import CONES, dense, program

import argrad

N, BATCH = 6, 5
MIXED = CONES["mixed"]


def batch_of_programs(cones, count=BATCH, seed=30):
    """A batch of values near one program, each argument with a batch axis."""
    base = program(cones, N, seed)
    rng = np.random.default_rng(seed)
    P = np.stack([base[0] + 0.1 * np.diag(rng.uniform(size=N)) for _ in range(count)])
    q = base[1] + 0.1 * rng.normal(size=(count, N))
    A = base[2] + 0.02 * rng.normal(size=(count, *base[2].shape))
    b = base[3] + 0.02 * rng.normal(size=(count, base[3].size))
    return P, q, A, b


@pytest.mark.parametrize("each", list(itertools.product([False, True], repeat=4)))
def test_batch_is_its_samples_alone(each):
    given = [v if e else v[0] for v, e in zip(batch_of_programs(MIXED), each, strict=True)]
    solver = argrad.Solver(given[0], given[2], MIXED)
    solution = solver.solve(*given)
    w = np.arange(1.0, N + 1)
    if not any(each):
        assert isinstance(solution.status, str) and solution.x.shape == (N,)
        return
    assert solution.status == ["solved"] * BATCH
    assert solution.solved.all() and solution.info.iterations.shape == (BATCH,)
    gradients = solution.vjp(np.tile(w, (BATCH, 1)))
    alone = [
        solver.solve(*(v[i] if e else v for v, e in zip(given, each, strict=True)))
        for i in range(BATCH)
    ]
    for i, one in enumerate(alone):
        for name in "xzs":
            np.testing.assert_array_equal(getattr(solution, name)[i], getattr(one, name))
    for which, is_each in enumerate(each):
        parts = np.stack([one.vjp(w)[which] for one in alone])
        expected = parts if is_each else parts.sum(axis=0)
        assert gradients[which].shape == expected.shape
        np.testing.assert_allclose(gradients[which], expected, rtol=1e-12, atol=1e-12)


def test_cotangent_without_batch_axis_is_the_same_for_all():
    P, q, A, b = batch_of_programs(MIXED)
    solution = argrad.solve(P, q, A, b, MIXED)
    one, tiled = solution.vjp(np.ones(N)), solution.vjp(np.ones((BATCH, N)))
    for found, expected in zip(one, tiled, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_batched_and_shared_changes():
    P, q, A, b = batch_of_programs(MIXED)
    solution = argrad.solve(P[0], q, A[0], b, MIXED)
    rng = np.random.default_rng(0)
    dA, dq = rng.normal(size=A.shape), rng.normal(size=N)
    together = solution.jvp(dA=dA, dq=dq)
    for i in range(BATCH):
        one = argrad.solve(P[0], q[i], A[0], b[i], MIXED).jvp(dA=dA[i], dq=dq)
        for found, expected in zip(together, one, strict=True):
            np.testing.assert_allclose(found[i], expected, rtol=1e-12, atol=1e-12)


def test_adjoint_of_a_batch():
    P, q, A, b = batch_of_programs(MIXED)
    solution = argrad.solve(P[0], q, A, b[0], MIXED)
    rng = np.random.default_rng(7)
    dP = np.stack([rng.normal(size=(N, N))] * 1)[0]
    change = (
        dP + dP.T,
        rng.normal(size=q.shape),
        rng.normal(size=A.shape),
        rng.normal(size=b[0].shape),
    )
    cotangent = [rng.normal(size=v.shape) for v in (solution.x, solution.z, solution.s)]
    forward = sum(np.vdot(c, t) for c, t in zip(cotangent, solution.jvp(*change), strict=True))
    backward = sum(np.vdot(g, d) for g, d in zip(solution.vjp(*cotangent), change, strict=True))
    assert forward == pytest.approx(backward, rel=1e-10)


def test_forms_of_a_batch_agree():
    cones = CONES["nonnegative"]
    rng = np.random.default_rng(1)
    P0, q, A0, b = program(cones, N, seed=31, density=0.5)
    scales = rng.uniform(0.8, 1.2, BATCH)
    P = np.stack([P0 * k for k in scales])
    A = np.stack([A0 * k for k in scales])
    Ps, As = sp.csr_array(P0), sp.csc_matrix(A0)
    solver = argrad.Solver(Ps, As, cones)
    reference = argrad.solve(P, q, A, b, cones)
    w = np.ones(N)
    expected = reference.vjp(w)
    forms = {
        "list of matrices": ([Ps * k for k in scales], [As * k for k in scales]),
        "list in other formats": ([sp.coo_array(p) for p in P], [sp.csr_array(a) for a in A]),
        "list of arrays": (list(P), list(A)),
        "array": (P, A),
        "values": (Ps.data * scales[:, None], As.data * scales[:, None]),
    }
    for name, (given_p, given_a) in forms.items():
        solution = solver.solve(given_p, q, given_a, b)
        np.testing.assert_allclose(solution.x, reference.x, atol=1e-12, err_msg=name)
        dP, dq, dA, db = solution.vjp(w)
        np.testing.assert_allclose(dq, expected[1], atol=1e-11)
        np.testing.assert_allclose(db, expected[3], atol=1e-11)
        if name == "values":
            rows, columns = sp.coo_array(Ps).coords
            np.testing.assert_allclose(dP, expected[0][:, rows, columns], atol=1e-11)
            rows, columns = As.tocoo().coords
            np.testing.assert_allclose(dA, expected[2][:, rows, columns], atol=1e-11)
            continue
        for found, full, pattern in ((dP, expected[0], P0), (dA, expected[2], A0)):
            assert len(found) == BATCH
            assert isinstance(found, list) == name.startswith("list")
            for i in range(BATCH):
                kept = np.where(pattern != 0, full[i], 0)
                np.testing.assert_allclose(dense(found[i]), kept, atol=1e-11, err_msg=name)
    shared = solver.solve(Ps.data, q, As.data, b)
    assert shared.x.shape == (N,) and shared.vjp(w)[0].shape == (Ps.nnz,)


def test_list_of_different_patterns_in_one_call():
    A = [sp.csr_array([[1.0, 0.0], [0.0, 1.0]]), sp.csr_array([[1.0, 2.0], [0.0, 1.0]])]
    b = np.array([1.0, 2.0])
    solution = argrad.solve(sp.identity(2), np.zeros(2), A, b, [("zero", 2)])
    np.testing.assert_allclose(solution.x, [[1, 2], [-3, 2]], atol=1e-13)


def test_defaults_are_those_of_the_constructor():
    P, q, A, b = program(MIXED, N, seed=32)
    solver = argrad.Solver(P, A, MIXED)
    np.testing.assert_array_equal(solver.solve(q=q, b=b).x, solver.solve(P, q, A, b).x)
    P[:] = np.nan
    assert solver.solve(q=q, b=b).status == "solved"


def test_pattern_of_booleans():
    P, q, A, b = program(CONES["nonnegative"], N, seed=33, density=0.5)
    solver = argrad.Solver(sp.csc_array(P != 0), sp.csc_array(A != 0), CONES["nonnegative"])
    expected = argrad.solve(P, q, A, b, CONES["nonnegative"]).x
    np.testing.assert_allclose(solver.solve(P, q, A, b).x, expected, atol=1e-12)
    with pytest.raises(ValueError, match="P is missing"):
        solver.solve(q=q, b=b)


def test_empty_batch():
    P, q, A, b = program(MIXED, N, seed=34)
    solution = argrad.solve(P, np.zeros((0, N)), A, b, MIXED)
    m = b.size
    assert solution.x.shape == (0, N) and solution.z.shape == solution.s.shape == (0, m)
    assert solution.status == [] and solution.info.iterations.shape == (0,)
    dP, dq, dA, db = solution.vjp(np.zeros((0, N)))
    assert dq.shape == (0, N)
    for gradient, value in ((dP, P), (dA, A), (db, b)):
        assert gradient.shape == value.shape and not gradient.any()
    empty = argrad.solve(np.zeros((0, N, N)), q, A, b, MIXED)
    assert empty.vjp(np.ones(N))[0].shape == (0, N, N)


def test_batch_of_one_keeps_its_axis():
    P, q, A, b = program(MIXED, N, seed=35)
    solution = argrad.solve(P, q[None], A, b, MIXED)
    assert solution.x.shape == (1, N) and solution.status == ["solved"]


# Precision


@pytest.mark.parametrize("sparse", [False, True])
def test_single_precision_in_and_out(sparse):
    P, q, A, b = (v.astype(np.float32) for v in program(CONES["nonnegative"], N, seed=36))
    if sparse:
        P, A = sp.csc_array(P), sp.csr_array(A)
    solution = argrad.solve(P, q, A, b, CONES["nonnegative"])
    double = argrad.solve(
        dense(P).astype(float),
        q.astype(float),
        dense(A).astype(float),
        b.astype(float),
        CONES["nonnegative"],
    )
    for name in "xzs":
        assert getattr(solution, name).dtype == np.float32
        np.testing.assert_allclose(
            getattr(solution, name), getattr(double, name), rtol=1e-6, atol=1e-7
        )
    for found, expected in zip(solution.vjp(np.ones(N)), double.vjp(np.ones(N)), strict=True):
        assert found.dtype == np.float32
        # Differentiated at the double solution: as exact as single precision can hold.
        np.testing.assert_allclose(dense(found), expected, rtol=1e-6, atol=1e-7)
    assert all(v.dtype == np.float32 for v in solution.jvp(dq=np.ones(N)))


def test_double_wins_and_integers_have_no_say():
    P, q, A, b = program(CONES["nonnegative"], N, seed=37)
    single = [v.astype(np.float32) for v in (P, q, A, b)]
    assert argrad.solve(*single, CONES["nonnegative"]).x.dtype == np.float32
    single[3] = b
    assert argrad.solve(*single, CONES["nonnegative"]).x.dtype == np.float64
    integers = argrad.solve(np.eye(2, dtype=int), np.array([1, 2]), None, None, [])
    assert integers.x.dtype == np.float64
    mixed = argrad.solve(np.eye(2, dtype=int), np.array([1, 2], np.float32), None, None, [])
    assert mixed.x.dtype == np.float32


# Warm start


def test_warm_start_from_a_solution():
    P, q, A, b = batch_of_programs(MIXED)
    solver = argrad.Solver(P, A, MIXED)
    first = solver.solve(P, q, A, b)
    again = solver.solve(P, q + 1e-7, A, b, warm_start=first)
    assert again.info.warm_started.all() and (again.info.iterations == 0).all()
    cold = solver.solve(P, q + 1e-7, A, b)
    np.testing.assert_allclose(again.x, cold.x, atol=1e-11)
    by_arrays = solver.solve(P, q + 1e-7, A, b, warm_start=(first.x, first.z, first.s))
    np.testing.assert_array_equal(by_arrays.x, again.x)
    for found, expected in zip(again.vjp(np.ones(N)), cold.vjp(np.ones(N)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-8)


def test_one_start_for_a_batch_and_a_far_start():
    P, q, A, b = program(MIXED, N, seed=38)
    solver = argrad.Solver(P, A, MIXED)
    one = solver.solve(q=q, b=b)
    batch = solver.solve(q=q + 1e-8 * np.arange(4)[:, None], b=b, warm_start=one)
    assert batch.info.warm_started.all()
    far = (1e3 * np.ones(N), np.ones(solver.m), np.ones(solver.m))
    solution = solver.solve(q=q, b=b, warm_start=far)
    assert solution.status == "solved"
    np.testing.assert_allclose(solution.x, one.x, atol=1e-10)


def test_failed_samples_are_no_start():
    bounds = np.array([[1.0, 1.0], [-1.0, -1.0], [2.0, 2.0]])
    solver = argrad.Solver([[1.0]], [[1.0], [-1.0]], [("nonnegative", 2)])
    # Between -b[1] and b[0]: the second sample has none.
    first = solver.solve(q=[-5.0], b=bounds)
    assert first.status == ["solved", "primal_infeasible", "solved"]
    again = solver.solve(q=[-5.0], b=np.abs(bounds), warm_start=first)
    assert again.status == ["solved"] * 3
    np.testing.assert_allclose(again.x, [[1.0], [1.0], [2.0]], atol=1e-12)


# Failures


def failing():
    bounds = np.array([[1.0, 1.0], [-1.0, -1.0], [2.0, 2.0]])
    return argrad.solve([[1.0]], [-5.0], [[1.0], [-1.0]], bounds, [("nonnegative", 2)])


def test_failures_leave_the_others_alone():
    solution = failing()
    assert solution.solved.tolist() == [True, False, True]
    assert solution.info.degenerate.tolist() == [False, True, False]
    # A batch of one, which shares its matrices as that of three does.
    alone = argrad.solve([[1.0]], [-5.0], [[1.0], [-1.0]], [[2.0, 2.0]], [("nonnegative", 2)])
    np.testing.assert_array_equal(solution.x[2], alone.x[0])
    for how in ("nan", "zero"):
        dP, dq, dA, db = solution.vjp([1.0], on_failure=how)
        np.testing.assert_array_equal(db[2], alone.vjp([1.0])[3][0])
        expected = np.full(2, np.nan if how == "nan" else 0.0)
        np.testing.assert_array_equal(db[1], expected)
        # Shared: the sum over the samples that are solved.
        np.testing.assert_allclose(dA, [[-3.0], [0.0]], atol=1e-12)
        dx, _, _ = solution.jvp(db=[1.0, 0.0], on_failure=how)
        np.testing.assert_array_equal(dx[1], expected[:1])
        np.testing.assert_allclose(dx[[0, 2]], 1.0, atol=1e-12)


def test_failures_raise_by_default():
    solution = failing()
    for derivative in (
        lambda: solution.vjp([1.0]),
        lambda: solution.jvp(dq=[1.0]),
        lambda: solution.value_gradient(),
    ):
        with pytest.raises(argrad.SolverError, match="1 of 3 samples.*sample 1: primal infeasible"):
            derivative()
    with pytest.raises(RuntimeError) as error:
        solution.vjp([1.0])
    assert error.value.indices == [1] and error.value.statuses == ["primal_infeasible"]
