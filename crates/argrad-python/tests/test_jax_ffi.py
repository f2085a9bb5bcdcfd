"""The door without Python: what compiled functions give is what they give by way of Python, bit for
bit; functions are exported, sharded, interrupted; another version of JAX gets the other door."""

import os
import subprocess
import sys
import textwrap
import threading
import warnings

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from argrad import _core, _description, _options
from argrad._errors import SolverWarning
from argrad.jax import CvxpyLayer, _ffi, qp

jax.config.update("jax_enable_x64", True)

N, K, B = 4, 3, 5


def program(seed, batch=()):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(*batch, N, N)) / N
    point, G = rng.normal(size=(*batch, N, 1)), rng.normal(size=(*batch, K, N))
    A = rng.normal(size=(*batch, 1, N))
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


def loss(*arguments):
    return sum(jnp.sum(jnp.sin(out)) for out in qp(*arguments, duals=True))


gradients = jax.grad(loss, argnums=tuple(range(6)))


def regression():
    A, b, x = cp.Parameter((5, 3)), cp.Parameter(5, nonneg=True), cp.Variable(3)
    bound = x >= 0
    objective = cp.norm(A @ x - b) + 0.1 * cp.sum_squares(x)
    return CvxpyLayer(cp.Problem(cp.Minimize(objective), [bound]), [A, b], [x])


def geometric():
    a, x, y = cp.Parameter(2, pos=True), cp.Variable(pos=True), cp.Variable(pos=True)
    problem = cp.Problem(cp.Minimize(x * y + x / y), [x >= a[0], x * y >= a[1]])
    return CvxpyLayer(problem, [a], [x, y], gp=True)


def both_doors(monkeypatch, function, *arguments):
    """What a function gives compiled, by either door."""
    assert _ffi.is_available()
    text = jax.jit(function).lower(*arguments).as_text()
    assert "argrad_solve" in text and "callback" not in text
    direct = jax.jit(lambda *a: function(*a))(*arguments)
    with monkeypatch.context() as patch:
        patch.setattr(_ffi, "serves", lambda dtype: False)
        other = jax.jit(lambda *a: function(*a))(*arguments)
    return jax.tree.leaves(direct), jax.tree.leaves(other)


TRANSFORMS = {
    "forward": lambda *a: qp(*a, duals=True),
    "grad": gradients,
    "jvp": lambda *a: jax.jvp(loss, a, a)[1],
    "jacrev": jax.jacrev(lambda *a: qp(*a), argnums=(0, 3)),
    "jacfwd": jax.jacfwd(lambda *a: qp(*a), argnums=(1, 5)),
    "hessian": jax.hessian(loss, argnums=(1, 3)),
    "checkpoint": jax.grad(jax.checkpoint(loss), argnums=(0, 1)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_both_doors_agree_bit_for_bit(monkeypatch, name, dtype):
    one = [value.astype(dtype) for value in program(1)]
    for found, other in zip(*both_doors(monkeypatch, TRANSFORMS[name], *one), strict=True):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, other)
    many = [value.astype(dtype) for value in program(2, (B,))]
    mapped = jax.vmap(TRANSFORMS[name], in_axes=(0, 0, 0, 0, None, None))
    many[4:] = many[4][0], many[5][0]
    for found, other in zip(*both_doors(monkeypatch, mapped, *many), strict=True):
        np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("make", [regression, geometric])
def test_layers_agree_by_either_door(monkeypatch, make):
    layer = make()
    rng = np.random.default_rng(3)
    shapes = [p.shape for p in layer._compiled.parameters]
    values = [jnp.asarray(rng.uniform(0.5, 1.5, size=(B, *shape))) for shape in shapes]
    values[0] = values[0][0]

    def scalar(*values):
        return sum(jnp.sum(out**2) for out in layer(*values))

    for function in (layer.__call__, jax.grad(scalar), jax.hessian(scalar)):
        for found, other in zip(*both_doors(monkeypatch, function, *values), strict=True):
            np.testing.assert_allclose(found, other, rtol=1e-13, atol=1e-13)


def test_other_dtypes_go_by_way_of_python():
    Q, p, *_ = (value.astype(jnp.bfloat16) for value in program(4))
    text = jax.jit(lambda Q, p: qp(Q, p)).lower(Q, p).as_text()
    assert "callback" in text and "argrad_solve" not in text


def test_without_64_bits():
    code = """
        import jax, jax.numpy as jnp
        from argrad.jax import qp
        f = lambda p: jnp.sum(qp(jnp.eye(3), p, -jnp.eye(3), jnp.zeros(3)) ** 3)
        p = jnp.array([-1.0, -2.0, 3.0])
        found = jax.jit(jax.grad(f))(p), jax.jit(jax.hessian(f))(p)
        assert found[0].dtype == jnp.float32
        assert jnp.allclose(found[0], jnp.array([-3.0, -12.0, 0.0]))
        assert jnp.allclose(found[1], jnp.diag(jnp.array([6.0, 12.0, 0.0])), atol=1e-4)
    """
    run(code)


def run(code, **environment):
    """Runs a program in a process of its own."""
    own = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=own, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# Branches, loops, many devices.


def test_branches_in_vmap():
    Q, p, *rest = program(5)

    def scalar(p):
        wide, narrow = (lambda p: jnp.sum(qp(Q, p))), (lambda p: jnp.sum(qp(Q, p, *rest) ** 2))
        return jax.lax.cond(p[0] > 0, wide, narrow, p)

    ps = jnp.stack([p.at[0].set(1.0), p.at[0].set(-1.0)])
    found = jax.jit(jax.vmap(jax.grad(scalar)))(ps)
    for at in range(2):
        np.testing.assert_allclose(found[at], jax.grad(scalar)(ps[at]), atol=1e-10)


def test_a_long_scan_keeps_points_not_factors():
    Q, p, *rest = program(6)
    steps = 300

    @jax.jit
    def scanned(p):
        def step(state, _):
            z = qp(Q, state, *rest)
            return jnp.sin(z) + p, jnp.sum(z**2)

        return jnp.sum(jax.lax.scan(step, p, None, length=steps)[1])

    before = _core.held_tapes()
    found = jax.jit(jax.grad(scanned))(p)
    assert _core.held_tapes() == before
    step = 1e-6 * np.eye(N)
    expected = [(scanned(p + row) - scanned(p - row)) / 2e-6 for row in step]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_shard_map_solves_each_part_on_its_device():
    code = """
        import jax, jax.numpy as jnp, numpy as np
        from jax.sharding import Mesh, PartitionSpec as P
        from argrad.jax import qp
        jax.config.update("jax_enable_x64", True)
        assert len(jax.devices()) == 4
        mesh = Mesh(np.array(jax.devices()), ("batch",))
        rng = np.random.default_rng(0)
        G, h = jnp.asarray(rng.normal(size=(3, 5))), jnp.ones(3)
        ps = jnp.asarray(rng.normal(size=(12, 5)))
        def loss(G, ps):
            return jnp.sum(jnp.sin(qp(jnp.eye(5), ps, G, h)))
        def part(G, ps):
            value, (dG, dp) = jax.value_and_grad(loss, argnums=(0, 1))(G, ps)
            return jax.lax.psum(value, "batch"), jax.lax.psum(dG, "batch"), dp
        sharded = jax.jit(jax.shard_map(
            part, mesh=mesh, in_specs=(P(), P("batch")), out_specs=(P(), P(), P("batch")),
            check_vma=False,
        ))
        value, dG, dp = sharded(G, ps)
        one, (eG, ep) = jax.value_and_grad(loss, argnums=(0, 1))(G, ps)
        np.testing.assert_allclose(value, one, rtol=1e-12)
        np.testing.assert_allclose(dG, eG, atol=1e-12)
        np.testing.assert_array_equal(dp, ep)
    """
    run(code, XLA_FLAGS="--xla_force_host_platform_device_count=4")


# Export.

CHECKS = [
    export.DisabledSafetyCheck.custom_call(name)
    for name in ("argrad_solve", "argrad_cotangents", "argrad_tangents", "argrad_second")
]


def test_an_exported_function_is_called_in_this_process():
    arguments = program(7, (B,))
    exported = export.export(jax.jit(gradients), disabled_checks=CHECKS)(*arguments)
    again = export.deserialize(exported.serialize())
    for found, expected in zip(again.call(*arguments), gradients(*arguments), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("make", [regression, geometric])
def test_an_exported_layer_is_called_where_it_was_never_made(make, tmp_path):
    layer = make()
    shapes = [p.shape for p in layer._compiled.parameters]
    values = [jnp.asarray(np.linspace(0.5, 1.5, int(np.prod(s))).reshape(s)) for s in shapes]
    gradient = jax.grad(lambda *v: sum(jnp.sum(out**2) for out in layer(*v)))
    exported = export.export(jax.jit(gradient), disabled_checks=CHECKS)(*values)
    (tmp_path / "function").write_bytes(exported.serialize())
    np.savez(tmp_path / "values.npz", *values)
    code = f"""
        import sys
        import jax, numpy as np
        jax.config.update("jax_enable_x64", True)
        import argrad.jax
        function = jax.export.deserialize(open({str(tmp_path / "function")!r}, "rb").read())
        values = np.load({str(tmp_path / "values.npz")!r})
        print(np.asarray(function.call(*values.values())).tobytes().hex())
        assert "cvxpy" not in sys.modules
    """
    found = np.frombuffer(
        bytes.fromhex(
            run(code.replace("import jax, numpy", "import jax, jax.export, numpy")).strip()
        )
    )
    np.testing.assert_array_equal(found, np.asarray(jax.jit(gradient)(*values)).reshape(-1))


def test_a_key_is_the_hash_of_the_description():
    layer = regression()
    one, other = layer._program(None), layer._program({"max_iterations": 20})
    assert _ffi.key_of(one) == _ffi.key_of(layer._program(None))
    assert _ffi.key_of(one) != _ffi.key_of(other)
    again = _description.program(_description.text(one))
    assert _ffi.key_of(again) == _ffi.key_of(one)
    with pytest.raises(ValueError, match="does not describe a program"):
        _description.program('["poem", []]')
    with pytest.raises(ValueError, match="does not describe a program"):
        _description.program("no JSON")


# What goes wrong.


def test_failures_and_bad_values_say_the_same_as_outside_of_jit():
    identity, bounds = jnp.eye(1), jnp.array([[1.0], [-1.0]])
    h = jnp.array([[1.0, 1.0], [-1.0, -1.0], [2.0, 2.0]])
    compiled = jax.jit(lambda h: qp(identity, jnp.ones(1), bounds, h))
    with pytest.raises(
        RuntimeError, match="1 of 3 samples not solved: sample 1: primal infeasible"
    ):
        compiled(h).block_until_ready()
    with pytest.raises(RuntimeError, match="nan|NaN"):
        compiled(h.at[2, 1].set(jnp.nan)).block_until_ready()
    layer = regression()
    A, b = jnp.ones((5, 3)), -jnp.ones(5)
    with pytest.raises(
        RuntimeError, match=r"parameter 1 .* must be nonnegative, as its attributes"
    ):
        jax.block_until_ready(jax.jit(layer)(A, b))
    solver = geometric()
    with pytest.raises(RuntimeError, match="must be positive|nonnegative"):
        jax.block_until_ready(jax.jit(solver)(jnp.array([1.0, -2.0])))
    # And goes on to work.
    np.testing.assert_allclose(compiled(h[::2]), [[-1.0], [-1.0]], atol=1e-9)


def test_another_version_of_jax_gets_the_other_door(monkeypatch):
    def refuse(name, handler, platform):
        raise RuntimeError("FFI handler registration failed: version 0.9")

    monkeypatch.setattr(_ffi, "_is_available", None)
    monkeypatch.setattr(jax.ffi, "register_ffi_target", refuse)
    monkeypatch.setattr(_options, "_warned", set(), raising=False)
    arguments = program(8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = jax.jit(lambda *a: gradients(*a))(*arguments)
    message = next(str(w.message) for w in caught if issubclass(w.category, SolverWarning))
    assert "version 0.9" in message and "slower" in message
    for one, other in zip(found, gradients(*arguments), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("differentiate", [False, True])
def test_ctrl_c_ends_a_solve_inside_of_jit(differentiate):
    code = f"""
        import os, signal, threading, time
        import jax, jax.numpy as jnp, numpy as np
        jax.config.update("jax_enable_x64", True)
        from argrad.jax import qp
        # A process in the background is born with Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        rng, n = np.random.default_rng(0), 2000
        root = rng.normal(size=(n, n))
        Q, G = jnp.asarray(root @ root.T / n), jnp.asarray(rng.normal(size=(n, n)))
        p, h = jnp.asarray(rng.normal(size=n)), jnp.asarray(rng.uniform(0.1, 1.0, size=n))
        solve = lambda p: jnp.sum(qp(Q, p, G, h))
        function = jax.jit(jax.grad(solve) if {differentiate} else solve)
        compiled = function.lower(p).compile()
        threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        try:
            jax.block_until_ready(compiled(p))
            print("finished")
        except (KeyboardInterrupt, jax.errors.JaxRuntimeError) as error:
            print("ended", type(error).__name__, time.monotonic() - start)
            try:
                time.sleep(0.2)
            except KeyboardInterrupt:
                pass
        # The next solve is none the worse for it.
        assert np.isfinite(qp(jnp.eye(3), p[:3])).all()
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """
    lines = run(code).splitlines()
    assert lines[0].startswith("ended"), lines
    assert float(lines[0].split()[-1]) < 5.0
    assert lines[1] == "True"


def test_threads_solve_at_the_same_time():
    arguments = program(9, (B,))
    function = jax.jit(lambda p: qp(arguments[0], p, *arguments[2:]))
    shifts = [0.01 * k for k in range(16)]
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


def test_a_compiled_call_runs_nothing_of_the_package_in_python():
    arguments = program(10)
    function = jax.jit(gradients)
    jax.block_until_ready(function(*arguments))
    called = []

    def note(frame, event, _):
        if event == "call" and "argrad" in frame.f_globals.get("__name__", ""):
            called.append(frame.f_code.co_name)

    threading.setprofile_all_threads(note) if sys.version_info >= (3, 12) else sys.setprofile(note)
    try:
        jax.block_until_ready(function(*arguments))
    finally:
        sys.setprofile(None)
        if sys.version_info >= (3, 12):
            threading.setprofile_all_threads(None)
    assert called == []
