"""Many programs, and many trainings, on a Ray cluster.

- `SolveTable`: rows of parameters to rows of solutions and gradients, for
  `ray.data.Dataset.map_batches`.
- `solve_parquet`: Parquet files to Parquet files, with progress, resumable; a worker or a node that
  is lost costs the blocks that it was at.
- `sweep`: a training for each of many settings, in the same way.

Needs ``pip install 'argrad[ray]'``. docs/cluster.md has an example and plans a billion programs.
"""

from argrad.ray._jobs import Progress
from argrad.ray._sweep import sweep
from argrad.ray._table import SolveTable, solve_parquet

__all__ = ["Progress", "SolveTable", "solve_parquet", "sweep"]
