"""Many trainings side by side."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from argrad.ray._jobs import Progress, fingerprint_of, run_jobs


def sweep(
    train: Callable[..., Any],
    settings: Iterable[dict[str, Any]],
    target: str | os.PathLike,
    *,
    cpus: int = 1,
    retries: int = 3,
    progress: Callable[[Progress], None] | None = None,
) -> list[Any]:
    """Calls ``train(**setting)`` for each setting on a Ray cluster.

    Args:
        train: returns anything that pickles, such as losses and a `state_dict`.
        settings: keyword arguments, one dictionary for each training.
        target: a folder that all workers write to, one file a training: what is there is not
            trained again.
        cpus, retries, progress: see `solve_parquet`.

    Returns:
        What `train` returned, in the order of the settings.

    Raises:
        ValueError: a target with the results of other settings.
    """
    given = list(settings)
    jobs = {f"{at:06d}.pickle": (setting,) for at, setting in enumerate(given)}
    run_jobs(
        jobs,
        _train,
        (train,),
        target,
        fingerprint_of(pickle.dumps(given)),
        cpus=cpus,
        retries=retries,
        progress=progress,
    )
    return [pickle.loads((Path(target) / name).read_bytes()) for name in jobs]


def _train(train: Callable[..., Any], setting: dict[str, Any]) -> bytes:
    return pickle.dumps(train(**setting))
