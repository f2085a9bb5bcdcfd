"""`argrad.ray` on a local cluster of three nodes; not part of `make test`, since Ray is large."""

import os
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import ray
from ray.cluster_utils import Cluster

import argrad
from argrad.ray import SolveTable, solve_parquet, sweep

ASSETS, ROWS, BLOCK = 20, 600, 50


@pytest.fixture(scope="module")
def cluster():
    """Three nodes of one core; the first runs the driver."""
    # Workers import the package, and what this file defines, by path.
    here = pathlib.Path(__file__).parent
    paths = [str(here), str(here.parent / "python"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.workers = [found.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture(scope="module")
def portfolios(tmp_path_factory):
    """A folder with a table of returns, what to do with it, and the results of one call."""
    random = np.random.default_rng(0)
    exposures = random.standard_normal((ASSETS, 3))
    risk = exposures @ exposures.T + np.diag(random.uniform(0.1, 0.5, ASSETS))
    rows = np.vstack([np.ones((1, ASSETS)), -np.eye(ASSETS)])
    solver = argrad.Solver(risk, rows, [("zero", 1), ("nonnegative", ASSETS)])
    table = SolveTable(solver, fixed={"b": np.eye(1, ASSETS + 1)[0]})
    columns = {
        "day": np.arange(ROWS),
        "q": random.standard_normal((ROWS, ASSETS)),
        "dx": random.standard_normal((ROWS, ASSETS)),
    }
    arrays = {
        name: pa.array(values)
        if values.ndim == 1
        else pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        for name, values in columns.items()
    }
    folder = tmp_path_factory.mktemp("source")
    parquet.write_table(pa.table(arrays), folder / "returns.parquet", row_group_size=BLOCK)
    return folder, table, table(columns)


def read(folder):
    """The results of all blocks, in the order of the source."""
    files = sorted(pathlib.Path(folder).glob("*.parquet"))
    whole = pa.concat_tables([parquet.read_table(path) for path in files])
    found = {}
    for name in whole.column_names:
        values = whole.column(name).to_numpy(zero_copy_only=False)
        found[name] = np.stack(values) if values.dtype == object and name != "status" else values
    return found


def same(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        if name == "status":
            assert found[name].tolist() == values.tolist()
        else:
            assert np.array_equal(found[name], values), name


def test_map_batches_gives_bitwise_what_one_call_gives(cluster, portfolios):
    folder, table, expected = portfolios
    rows = ray.data.read_parquet(str(folder)).map_batches(
        SolveTable,
        fn_constructor_args=(table.solver, table.fixed),
        batch_size=64,
        concurrency=1,
    )
    batches = list(rows.iter_batches(batch_size=None))
    found = {name: np.concatenate([batch[name] for batch in batches]) for name in expected}
    order = np.argsort(found["day"])
    same({name: values[order] for name, values in found.items()}, expected)


def test_another_call_goes_on_where_the_last_one_ended(cluster, portfolios, tmp_path):
    folder, table, expected = portfolios

    class EndedError(Exception):
        pass

    def end(state):
        if state.done == 4:
            raise EndedError

    with pytest.raises(EndedError):
        solve_parquet(folder, tmp_path, table, progress=end)
    before = len(list(tmp_path.glob("*.parquet")))
    assert 4 <= before < ROWS // BLOCK
    seen = []
    state = solve_parquet(folder, tmp_path, table, progress=seen.append)
    assert state.done == state.total == ROWS // BLOCK and state.resumed >= before
    assert [one.done for one in seen] == list(range(state.resumed, state.total + 1))
    same(read(tmp_path), expected)
    # Other work does not mix with it.
    other = SolveTable(table.solver, table.fixed, outputs=["x"])
    with pytest.raises(ValueError, match="holds results of another source, solver or setting"):
        solve_parquet(folder, tmp_path, other)


def descend(seed, rate):
    """Learns the costs of a program from its solution; the losses of the steps."""
    random = np.random.default_rng(seed)
    rows = np.vstack([np.ones((1, 5)), -np.eye(5)])
    solver = argrad.Solver(np.eye(5), rows, [("zero", 1), ("nonnegative", 5)])
    b = np.eye(1, 6)[0]
    wanted = solver.solve(q=random.standard_normal(5), b=b).x
    q, losses = np.zeros(5), []
    for _ in range(20):
        found = solver.solve(q=q, b=b)
        losses.append(float(np.sum((found.x - wanted) ** 2)))
        q = q - rate * found.vjp(dx=2 * (found.x - wanted))[1]
    return losses


def test_a_sweep_trains_a_hundred_layers_once(cluster, tmp_path):
    settings = [{"seed": seed, "rate": rate} for seed in range(50) for rate in (0.05, 0.3)]
    found = sweep(descend, settings, tmp_path)
    assert len(found) == 100
    assert found[7] == descend(**settings[7])
    assert all(losses[-1] <= losses[0] for losses in found)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.pickle")}
    assert sweep(descend, settings, tmp_path) == found
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.pickle")}


# Last, since it leaves two nodes.
def test_a_killed_node_costs_no_result(cluster, portfolios, tmp_path):
    folder, table, expected = portfolios
    killed = []

    def kill(state):
        if state.done == 3 and not killed:
            killed.append(cluster.workers[0])
            cluster.remove_node(killed[0], allow_graceful=False)

    state = solve_parquet(folder, tmp_path, table, progress=kill)
    assert killed and state.done == state.total
    same(read(tmp_path), expected)
