"""Tables of parameters to tables of solutions and gradients."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from argrad._errors import failed
from argrad._standard import Solver
from argrad.ray._jobs import Progress, fingerprint_of, run_jobs

PARAMETERS = ("P", "q", "A", "b")
COTANGENTS = ("dx", "dz", "ds")
OUTPUTS = ("status", "objective", "x", "z", "s", "dP", "dq", "dA", "db")


class SolveTable:
    """Rows of parameters to rows of solutions and gradients: what `Dataset.map_batches` calls.

    Columns of a batch, arrays (rows, k), have these names:

    - P, q, A, b: what differs by row, as `argrad.Solver.solve` takes it for a batch. P and A are
      values on the solver's patterns
    - dx, dz, ds: gradients of a loss by the solution; with any of them, gradients by the
      parameters that have a column are computed
    - others: returned as they are

    Returned are the others, and x, z, s, status, objective, and dP, dq, dA, db of the parameters
    with a column. Rows without a solution have a status that says so, and NaN. Results are bitwise
    those of one call of the solver for the whole table.

    Args:
        solver: what is solved.
        fixed: values of P, q, A or b that all rows share, and that the solver does not have.
        mode: of the derivative, see `Solution.vjp`.
        outputs: which of the above to return besides the other columns; None for all. What a
            billion rows need not hold is worth leaving out.

    >>> import argrad
    >>> solver = argrad.Solver(np.eye(2), -np.eye(2), [("nonnegative", 2)])
    >>> table = SolveTable(solver, fixed={"b": np.zeros(2)}, outputs=["x", "dq"])
    >>> rows = table({"day": np.array([7]), "q": np.array([[-1.0, 2.0]]), "dx": np.ones((1, 2))})
    >>> rows["day"].tolist(), abs(rows["x"]).round(9).tolist(), rows["dq"].round(9).tolist()
    ([7], [[1.0, 0.0]], [[-1.0, 0.0]])
    """

    def __init__(
        self,
        solver: Solver,
        fixed: Mapping[str, Any] | None = None,
        mode: Any = "exact",
        outputs: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(solver, Solver):
            raise TypeError(f"solver must be an argrad.Solver; found {type(solver).__name__}")
        self.solver = solver
        self.fixed = {name: np.asarray(value) for name, value in (fixed or {}).items()}
        unknown = set(self.fixed) - set(PARAMETERS)
        if unknown:
            raise ValueError(f"fixed: expected names among P, q, A, b; found {sorted(unknown)}")
        self.mode = mode
        self.outputs = OUTPUTS if outputs is None else tuple(outputs)
        unknown = set(self.outputs) - set(OUTPUTS)
        if unknown:
            raise ValueError(
                f"outputs: expected names among {', '.join(OUTPUTS)}; found {sorted(unknown)}"
            )

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Solves a batch. Raises ValueError that names a column that is malformed."""
        columns = {name: np.asarray(value) for name, value in batch.items()}
        given = {name: _rows(name, columns.pop(name)) for name in PARAMETERS if name in columns}
        asked = {name: _rows(name, columns.pop(name)) for name in COTANGENTS if name in columns}
        both = set(given) & set(self.fixed)
        if both or not given:
            raise ValueError(
                f"{min(both)} is a column and fixed"
                if both
                else f"expected a column P, q, A or b; found {sorted(batch)}"
            )
        values: dict[str, Any] = {**self.fixed, **given}
        found = self.solver.solve(**values, differentiable=bool(asked))
        lost = failed(found._reports)
        results = {
            "status": np.array(found.status, dtype=str),
            "objective": np.where(lost, np.nan, found.info.objective),
        }
        results.update({name: _masked(getattr(found, name), lost) for name in "xzs"})
        if asked:
            gradients = found.vjp(**asked, mode=self.mode, on_failure="nan")
            for name, gradient in zip(PARAMETERS, gradients, strict=True):
                if name in given:
                    results[f"d{name}"] = np.asarray(gradient)
        kept = {name: results[name] for name in self.outputs if name in results}
        return {**columns, **kept}


def _rows(name: str, column: np.ndarray) -> np.ndarray:
    """A column as (rows, k); lists of one length come as an array of arrays."""
    if column.dtype == object:
        lengths = {len(row) for row in column}
        if len(lengths) > 1:
            raise ValueError(f"{name}: expected rows of one length; found {sorted(lengths)[:4]}")
        column = np.stack(list(column)) if len(column) else column.reshape(0, 0)
    return column.astype(np.float64, copy=False)


def _masked(rows: np.ndarray, lost: np.ndarray) -> np.ndarray:
    return np.where(lost[:, None], np.nan, rows)


def solve_parquet(
    source: str | os.PathLike,
    target: str | os.PathLike,
    table: SolveTable,
    *,
    cpus: int = 1,
    retries: int = 3,
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Solves the tables in Parquet files on a Ray cluster, one file of results per row group.

    Args:
        source: a Parquet file, or a folder of them. A row group is a block: some thousand programs,
            a second's work or more. Workers read it from there.
        target: a folder that all workers write to; made where it is missing. A call on the same
            work goes on where the last one ended, and blocks that are there are not solved again.
        table: what to do with a block.
        cpus: cores of a worker, and threads of its solver.
        retries: how often a block is tried again whose worker, or node, was lost.
        progress: called with a `Progress` after each block.

    Returns:
        The counts of blocks.

    Raises:
        ValueError: a source without tables, or a target with other work. Whatever a block raises,
        as a `ray.exceptions.RayTaskError`; a row without a solution raises nothing.
    """
    import pyarrow.parquet as parquet

    root = Path(source).absolute()
    files = sorted(root.glob("*.parquet")) if root.is_dir() else [root]
    if not files:
        raise ValueError(f"source: {root} has no file that ends in .parquet")
    jobs: dict[str, tuple] = {}
    described = []
    for path in files:
        metadata = parquet.ParquetFile(path).metadata
        described.append(f"{path.name} {path.stat().st_size} {metadata.num_rows}")
        for group in range(metadata.num_row_groups):
            jobs[f"{path.stem}-{group:06d}.parquet"] = (str(path), group)
    work = (pickle.dumps((table.solver, sorted(table.fixed.items()), table.mode, table.outputs)),)
    return run_jobs(
        jobs,
        solve_block,
        (table,),
        target,
        fingerprint_of(*work, "\n".join(described).encode()),
        cpus=cpus,
        retries=retries,
        progress=progress,
    )


def solve_block(table: SolveTable, path: str, group: int) -> bytes:
    """The results of a row group, as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    block = parquet.ParquetFile(path).read_row_group(group)
    columns = {}
    for name in block.column_names:
        column = block.column(name).combine_chunks()
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            columns[name] = _from_lists(name, column)
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    arrays = {
        name: pa.array(values)
        if values.ndim == 1
        else pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        for name, values in table(columns).items()
    }
    buffer = io.BytesIO()
    parquet.write_table(pa.table(arrays), buffer)
    return buffer.getvalue()


def _from_lists(name: str, column: Any) -> np.ndarray:
    """A column of lists as (rows, k)."""
    lengths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) > 1 or column.null_count:
        raise ValueError(f"{name}: expected lists of one length, none missing; found {lengths[:4]}")
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
