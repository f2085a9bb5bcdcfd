"""A table on one node of a local Ray cluster and on three: time, and processor time of the workers.

    PYTHONPATH=python python benches/cluster.py [ROWS]

in an environment with argrad's requirements and Ray (`make test-ray` makes .venv-ray). Portfolios
of 50 assets with the gradient by all returns, in blocks of 2000 rows. Nodes have one core each;
where the machine has fewer, the time says nothing about three machines, but the processor time
does: it is what the cluster would share.
"""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import ray
from ray.cluster_utils import Cluster

import argrad
from argrad.ray import SolveTable, solve_parquet

ASSETS, BLOCK = 50, 2000


class TimedTable(SolveTable):
    """A table that notes the processor time of each block in a file of its worker."""

    def __init__(self, notes: str, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.notes = notes

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
        start = time.process_time()
        found = super().__call__(batch)
        with open(pathlib.Path(self.notes) / str(os.getpid()), "a") as file:
            file.write(f"{time.process_time() - start}\n")
        return found


def write_source(folder: pathlib.Path, rows: int) -> None:
    """Returns and cotangents, a row group a block."""
    random = np.random.default_rng(1)
    columns = {name: random.standard_normal((rows, ASSETS)) for name in ("q", "dx")}
    arrays = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), ASSETS)
        for name, values in columns.items()
    }
    parquet.write_table(pa.table(arrays), folder / "returns.parquet", row_group_size=BLOCK)


def solver() -> argrad.Solver:
    """Long-only portfolios of one risk."""
    random = np.random.default_rng(0)
    exposures = random.standard_normal((ASSETS, 5))
    risk = exposures @ exposures.T + np.diag(random.uniform(0.1, 0.5, ASSETS))
    rows = np.vstack([np.ones((1, ASSETS)), -np.eye(ASSETS)])
    return argrad.Solver(risk, rows, [("zero", 1), ("nonnegative", ASSETS)])


def run(nodes: int, source: pathlib.Path, folder: pathlib.Path) -> None:
    """Solves the table on so many nodes, and prints what it took."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    notes = folder / "notes"
    notes.mkdir(parents=True)
    table = TimedTable(str(notes), solver(), fixed={"b": np.eye(1, ASSETS + 1)[0]})
    start = time.perf_counter()
    solve_parquet(source, folder / "results", table)
    took = time.perf_counter() - start
    ray.shutdown()
    cluster.shutdown()
    used = [[float(line) for line in note.read_text().split()] for note in notes.iterdir()]
    total = sum(map(sum, used))
    shares = ", ".join(str(len(blocks)) for blocks in used)
    print(f"{nodes} nodes: {took:.1f} s, workers {total:.2f} s of processor; blocks {shares}")


def main(rows: int) -> None:
    here = pathlib.Path(__file__).parent
    paths = [str(here), str(here.parent / "python")]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = folder / "source"
        source.mkdir()
        write_source(source, rows)
        for nodes in (1, 3):
            run(nodes, source, folder / str(nodes))


if __name__ == "__main__":
    # By its name, under which workers find it.
    import cluster

    cluster.main(int(sys.argv[1]) if len(sys.argv) > 1 else 60_000)
