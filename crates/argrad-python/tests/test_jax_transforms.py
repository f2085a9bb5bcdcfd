"""JAX transformations of argrad.jax.qp: each agrees with the plain derivative, none loops."""

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from argrad.jax import _ffi, _qp, qp

jax.config.update("jax_enable_x64", True)

N, K, E, B = 4, 3, 2, 3
ALL = tuple(range(6))


def random_program(seed: int, batch: tuple[int, ...] = ()) -> list[jax.Array]:
    """Q, p, G, h, A, b of a strictly feasible, strictly convex program."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(*batch, N, N)) / N
    point = rng.normal(size=(*batch, N, 1))
    G, A = rng.normal(size=(*batch, K, N)), rng.normal(size=(*batch, E, N))
    return [
        jnp.asarray(value)
        for value in (
            root @ np.swapaxes(root, -1, -2) + np.eye(N),
            rng.normal(size=(*batch, N)),
            G,
            (G @ point)[..., 0] + rng.uniform(0.1, 1.0, size=(*batch, K)),
            A,
            (A @ point)[..., 0],
        )
    ]


def solve(*arguments):
    """z, nu, lam; defined for Q without symmetry."""
    Q, *rest = arguments
    return qp((Q + jnp.swapaxes(Q, -1, -2)) / 2, *rest, duals=True)


def loss(*arguments):
    """A number that depends on all outputs."""
    return sum(jnp.sum(jnp.sin(out)) for out in solve(*arguments))


gradients = jax.grad(loss, argnums=ALL)


def pick(arguments, axes, at):
    """The arguments of sample `at`."""
    return [a if axis is None else a[at] for a, axis in zip(arguments, axes, strict=True)]


def assert_trees(found, expected, atol=1e-10):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


@pytest.fixture
def solves(monkeypatch):
    """Batch sizes of the solves that are made; by way of Python, where they can be counted."""
    made = []
    forward = _qp.QpProgram.forward

    def counting(self, batch, values, differentiable):
        made.append(batch)
        return forward(self, batch, values, differentiable)

    monkeypatch.setattr(_qp.QpProgram, "forward", counting)
    monkeypatch.setattr(_ffi, "serves", lambda dtype: False)
    return made


plain_or_jit = pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
AXES = [(0,) * 6, (None, 0, None, 0, None, None), (0, None, None, None, None, None)]


def mixed(seed, axes):
    """A program whose arguments have a batch axis where `axes` says so."""
    shared, rng = random_program(seed), np.random.default_rng(seed)
    grown = []
    for value, axis in zip(shared, axes, strict=True):
        if axis is None:
            grown.append(value)
        elif value.shape == (N, N):
            grown.append(value + jnp.asarray(rng.uniform(size=(B, 1, 1))) * jnp.eye(N))
        else:
            grown.append(value + jnp.asarray(rng.uniform(0, 0.1, size=(B, *value.shape))))
    return grown


# vmap.


@plain_or_jit
@pytest.mark.parametrize("axes", AXES)
def test_vmap_is_one_batch(axes, wrap, solves):
    arguments = mixed(0, axes)
    found = wrap(jax.vmap(solve, in_axes=axes))(*arguments)
    assert solves == [B]
    for at in range(B):
        assert_trees([out[at] for out in found], solve(*pick(arguments, axes, at)))


@plain_or_jit
@pytest.mark.parametrize("axes", AXES)
def test_vmap_of_grad(axes, wrap, solves):
    arguments = mixed(1, axes)
    found = wrap(jax.vmap(gradients, in_axes=axes))(*arguments)
    assert solves == [B]
    for at in range(B):
        assert_trees([out[at] for out in found], gradients(*pick(arguments, axes, at)))


@plain_or_jit
@pytest.mark.parametrize("axes", AXES)
def test_grad_of_vmap_sums_over_shared_arguments(axes, wrap, solves):
    arguments = mixed(2, axes)

    def total(*a):
        return jnp.sum(jax.vmap(loss, in_axes=axes)(*a))

    found = wrap(jax.grad(total, argnums=ALL))(*arguments)
    assert solves == [B]
    parts = [gradients(*pick(arguments, axes, at)) for at in range(B)]
    for argument, axis in enumerate(axes):
        expected = np.stack([part[argument] for part in parts])
        expected = expected.sum(0) if axis is None else expected
        np.testing.assert_allclose(found[argument], expected, atol=1e-10)


def test_vmap_over_axes_that_are_not_in_front():
    arguments = random_program(3, (B,))
    axes = (2, 1, 0, 1, 1, 0)
    moved = [jnp.moveaxis(a, 0, axis) for a, axis in zip(arguments, axes, strict=True)]
    found = jax.jit(jax.vmap(gradients, in_axes=axes, out_axes=1))(*moved)
    expected = jax.vmap(gradients)(*arguments)
    assert_trees(found, [jnp.moveaxis(e, 0, 1) for e in expected])


@plain_or_jit
def test_nested_vmap_is_one_batch(wrap, solves):
    Q, p, G, h, A, b = random_program(4)
    rng = np.random.default_rng(4)
    ps, hs = p + rng.normal(size=(2, N)), h + rng.uniform(size=(B, K))
    inner = jax.vmap(solve, in_axes=(None, None, None, 0, None, None))
    outer = wrap(jax.vmap(inner, in_axes=(None, 0, None, None, None, None)))
    found = outer(Q, ps, G, hs, A, b)
    assert solves == [2 * B]
    for i in range(2):
        for j in range(B):
            one = solve(Q, ps[i], G, hs[j], A, b)
            assert_trees([out[i, j] for out in found], one)


def test_gradients_in_nested_vmap():
    Q, p, G, h, A, b = random_program(5)
    rng = np.random.default_rng(5)
    ps, hs = p + rng.normal(size=(2, N)), h + rng.uniform(size=(B, K))
    inner = jax.vmap(gradients, in_axes=(None, None, None, 0, None, None))
    found = jax.jit(jax.vmap(inner, in_axes=(None, 0, None, None, None, None)))(Q, ps, G, hs, A, b)
    for i in range(2):
        for j in range(B):
            one = gradients(Q, ps[i], G, hs[j], A, b)
            assert_trees([out[i, j] for out in found], one)


@pytest.mark.parametrize("mapped", [0, 1, 2])
def test_vmap_of_the_gradient_of_an_explicit_batch(mapped):
    # Arguments with a batch axis of their own and shared ones, below another axis.
    arguments = mixed(6, (None, 0, None, 0, None, None))
    rng = np.random.default_rng(6)
    value = arguments[mapped]
    scale = jnp.asarray(1 + 0.1 * rng.uniform(size=(2,) + (1,) * value.ndim))
    axes = tuple(0 if at == mapped else None for at in range(6))
    stacked = [*arguments[:mapped], value * scale, *arguments[mapped + 1 :]]
    found = jax.jit(jax.vmap(gradients, in_axes=axes))(*stacked)
    for at in range(2):
        assert_trees([out[at] for out in found], gradients(*pick(stacked, axes, at)))


# Jacobians and forward mode.


@plain_or_jit
@pytest.mark.parametrize("jacobian", [jax.jacrev, jax.jacfwd])
def test_jacobians_solve_once(jacobian, wrap, solves):
    arguments = random_program(7)
    found = wrap(jacobian(solve, argnums=ALL))(*arguments)
    assert solves == [1]
    other = jax.jacfwd if jacobian is jax.jacrev else jax.jacrev
    assert_trees(found, other(solve, argnums=ALL)(*arguments))


@pytest.mark.parametrize("jacobian", [jax.jacrev, jax.jacfwd])
def test_vmap_of_jacobians(jacobian):
    axes = (None, 0, None, 0, None, None)
    arguments = mixed(8, axes)
    function = jacobian(solve, argnums=ALL)
    found = jax.jit(jax.vmap(function, in_axes=axes))(*arguments)
    for at in range(B):
        one = function(*pick(arguments, axes, at))
        assert_trees(jax.tree.map(lambda leaf, at=at: leaf[at], found), one)


@pytest.mark.parametrize("jacobian", [jax.jacrev, jax.jacfwd])
def test_jacobian_of_an_explicit_batch_is_block_diagonal(jacobian):
    axes = (None, 0, None, 0, None, None)
    arguments = mixed(9, axes)
    dp, dA = jax.jit(jacobian(lambda *a: solve(*a)[0], argnums=(1, 4)))(*arguments)
    for at in range(B):
        single = jax.jacrev(lambda *a: solve(*a)[0], argnums=(1, 4))
        one_p, one_A = single(*pick(arguments, axes, at))
        np.testing.assert_allclose(dp[at, :, at], one_p, atol=1e-10)
        np.testing.assert_allclose(dA[at], one_A, atol=1e-10)
        for other in set(range(B)) - {at}:
            np.testing.assert_array_equal(dp[at, :, other], 0)


@plain_or_jit
def test_vmap_over_tangents_and_cotangents_alone(wrap, solves):
    arguments = random_program(10)
    rng = np.random.default_rng(10)
    directions = jnp.asarray(rng.normal(size=(5, N)))

    def solution(p):
        return qp(arguments[0], p, *arguments[2:])

    def push(t):
        return jax.jvp(solution, (arguments[1],), (t,))[1]

    _, pull = jax.vjp(solution, arguments[1])
    solves.clear()
    tangents = wrap(jax.vmap(push))(directions)
    assert solves == [1]
    cotangents = wrap(jax.vmap(lambda t: pull(t)[0]))(directions)
    # The derivative of z by p is symmetric.
    np.testing.assert_allclose(tangents, cotangents, atol=1e-10)
    for at in range(5):
        np.testing.assert_allclose(tangents[at], push(directions[at]), atol=1e-11)


@plain_or_jit
def test_tangents_that_differ_where_values_are_shared(wrap):
    Q, p, G, h, A, b = random_program(11)
    rng = np.random.default_rng(11)
    ps = p + rng.normal(size=(B, N))
    change = rng.normal(size=(2, B, N, N))
    change = jnp.asarray(change + np.swapaxes(change, -1, -2))

    def push(p, t):
        return jax.jvp(lambda Q: qp(Q, p, G, h, A, b), (Q,), (t,))[1]

    found = wrap(jax.vmap(jax.vmap(push), in_axes=(None, 0)))(ps, change)
    batch = wrap(jax.vmap(lambda t: push(ps, t)))(change[:, 0])
    for i in range(2):
        np.testing.assert_allclose(batch[i], push(ps, change[i, 0]), atol=1e-10)
        for j in range(B):
            np.testing.assert_allclose(found[i, j], push(ps[j], change[i, j]), atol=1e-10)


@plain_or_jit
def test_linearize_and_transpose(wrap):
    arguments = random_program(12)
    rng = np.random.default_rng(12)
    tangents = [jnp.asarray(rng.normal(size=a.shape)) for a in arguments]
    _, push = jax.linearize(solve, *arguments)
    pushed = wrap(push)(*tangents)
    cotangents = tuple(jnp.asarray(rng.normal(size=out.shape)) for out in pushed)
    pulled = wrap(jax.linear_transpose(push, *tangents))(cotangents)
    left = sum(jnp.vdot(t, g) for t, g in zip(tangents, pulled, strict=True))
    right = sum(jnp.vdot(c, o) for c, o in zip(cotangents, pushed, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-10)
    # Transposed twice it is itself again.
    back = jax.linear_transpose(jax.linear_transpose(push, *tangents), cotangents)
    assert_trees(wrap(back)(tuple(tangents))[0], pushed)


# Several layers, loops, checkpoints.


def chain(p, Q, rest, steps):
    """Each step solves where the step before it ended."""
    total, state = 0.0, p
    for _ in range(steps):
        z = qp(Q, state, *rest)
        total, state = total + jnp.sum(z**2), jnp.sin(z) + p
    return total


def scanned(p, Q, rest, steps):
    """`chain` as a scan."""

    def step(state, _):
        z = qp(Q, state, *rest)
        return jnp.sin(z) + p, jnp.sum(z**2)

    return jnp.sum(jax.lax.scan(step, p, None, length=steps)[1])


@plain_or_jit
def test_layers_in_sequence(wrap, solves):
    Q, p, *rest = random_program(13)
    function = functools.partial(chain, rest=rest, steps=3)
    found = wrap(jax.grad(function, argnums=(0, 1)))(p, Q)
    assert solves == [1, 1, 1]
    step = 1e-6
    for direction in np.eye(N):
        up, down = function(p + step * direction, Q), function(p - step * direction, Q)
        np.testing.assert_allclose(found[0] @ direction, (up - down) / (2 * step), atol=1e-7)


@plain_or_jit
def test_scan_agrees_with_the_loop_and_keeps_every_tape(wrap, solves):
    Q, p, *rest = random_program(14)
    steps = 12
    found = wrap(jax.grad(functools.partial(scanned, rest=rest, steps=steps), (0, 1)))(p, Q)
    assert solves == [1] * steps
    expected = jax.grad(functools.partial(chain, rest=rest, steps=steps), (0, 1))(p, Q)
    assert_trees(found, expected)


@plain_or_jit
def test_scan_in_forward_mode_and_in_vmap(wrap, solves):
    Q, p, *rest = random_program(15)
    function = functools.partial(scanned, Q=Q, rest=rest, steps=4)
    expected = jax.grad(function)(p)
    np.testing.assert_allclose(wrap(jax.jacfwd(function))(p), expected, atol=1e-10)
    solves.clear()
    found = wrap(jax.vmap(jax.grad(function)))(jnp.stack([p, 2 * p, -p]))
    assert solves == [3] * 4
    np.testing.assert_allclose(found[0], expected, atol=1e-10)
    np.testing.assert_allclose(found[2], jax.grad(function)(-p), atol=1e-10)


@plain_or_jit
def test_checkpoint(wrap):
    Q, p, *rest = random_program(16)
    function = functools.partial(chain, Q=Q, rest=rest, steps=3)
    found = wrap(jax.grad(jax.checkpoint(function)))(p)
    np.testing.assert_allclose(found, jax.grad(function)(p), atol=1e-10)


def test_branches():
    Q, p, *rest = random_program(17)

    def function(p):
        return jax.lax.cond(p[0] > 0, lambda p: qp(Q, p), lambda p: qp(Q, p, *rest), p).sum()

    for start in (p.at[0].set(1.0), p.at[0].set(-1.0)):
        expected = jax.grad(lambda p, s=start: qp(Q, p, *(rest if s[0] < 0 else ())).sum())(start)
        np.testing.assert_allclose(jax.jit(jax.grad(function))(start), expected, atol=1e-10)


def test_unneeded_outputs_are_not_computed(solves):
    Q, p, *rest = random_program(18)
    jax.block_until_ready(jax.jit(lambda p: (qp(Q, p, *rest), p + 1)[1])(p))
    assert solves == []


def test_equal_calls_compile_once():
    Q, p, *rest = random_program(19)
    traces = []

    @jax.jit
    def function(p):
        traces.append(None)
        return qp(Q, p, *rest)

    function(p), function(p + 1)
    assert len(traces) == 1
    first = jax.make_jaxpr(lambda p: qp(Q, p))(p).eqns[-1].params["program"]
    second = jax.make_jaxpr(lambda p: qp(Q, p))(p).eqns[-1].params["program"]
    assert first == second
    assert hash(first) == hash(second)


def test_threads_get_their_own_results():
    arguments = random_program(22, (B,))
    function = jax.jit(jax.grad(lambda p: jnp.sum(qp(arguments[0], p, *arguments[2:]) ** 2)))
    shifts = [0.01 * k for k in range(24)]
    expected = [np.asarray(function(arguments[1] + shift)) for shift in shifts]
    found = {}

    def work(part):
        for at in range(part, len(shifts), 4):
            found[at] = np.asarray(function(arguments[1] + shifts[at]))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at, value in enumerate(expected):
        np.testing.assert_array_equal(found[at], value)


def test_large_arrays_pass_through_the_callback(solves):
    # Waiting for JAX inside of a host callback would hang here.
    rng = np.random.default_rng(23)
    root = rng.normal(size=(256, 20, 20))
    Q = jnp.asarray(root @ np.swapaxes(root, 1, 2) / 20 + np.eye(20))
    p = jnp.asarray(rng.normal(size=(256, 20)))
    found = jax.jit(jax.grad(lambda Q, p: jnp.sum(qp(Q @ jnp.eye(20), p)), argnums=1))(Q, p)
    expected = -np.linalg.solve(Q, np.ones((256, 20, 1)))[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_a_first_derivative_at_a_stopped_point_can_be_part_of_a_loss():
    Q, p, *_ = random_program(25)
    inner = jax.grad(lambda p: jnp.sum(qp(Q, p) ** 2))
    found = jax.grad(lambda p: inner(jax.lax.stop_gradient(p)) @ p)(p)
    np.testing.assert_allclose(found, inner(p), atol=1e-12)
