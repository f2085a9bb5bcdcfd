"""Jobs on a Ray cluster, each of which leaves one file: what has its file is done."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST = "argrad.json"

# Jobs that wait in the cluster for each that runs: enough that no core waits for the driver, few
# enough that a driver of a million jobs holds little.
_WAITING = 4


class Progress(NamedTuple):
    """How far a run is; counts of jobs."""

    done: int
    total: int
    resumed: int
    """Of those that are done, how many were done by an earlier run."""


def run_jobs(
    jobs: Mapping[str, tuple],
    work: Callable[..., bytes],
    shared: tuple,
    target: str | os.PathLike,
    fingerprint: str,
    *,
    cpus: int,
    retries: int,
    progress: Callable[[Progress], None] | None,
) -> Progress:
    """Runs ``work(*shared, *jobs[name])`` for each job on Ray, and writes what it returns to the
    file of its name in `target`.

    A file appears whole or not at all, so whatever ends, a worker, a node or the driver, costs the
    jobs that it was at; Ray runs those of a worker again, up to `retries` times, and another call
    goes on where the last one ended.

    Raises:
        ValueError: `target` has files of other work, by `fingerprint`.
        ray.exceptions.RayError: a job raised, or was lost more often than `retries`.
    """
    import ray

    folder = Path(target).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, fingerprint)
    there = set(os.listdir(folder))  # once, not a question for each job
    waiting = [name for name in jobs if name not in there]
    resumed = len(jobs) - len(waiting)
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    threads = {"env_vars": {"RAYON_NUM_THREADS": str(cpus)}}
    task = ray.remote(num_cpus=cpus, max_retries=retries, runtime_env=threads)(_run_one)
    # To each machine once, not with each job.
    common = ray.put((work, shared))
    running: dict[Any, str] = {}
    report = progress or (lambda state: None)
    done = resumed
    report(Progress(done, len(jobs), resumed))
    queue = iter(waiting)
    while True:
        most = _WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus)
        for name in queue:
            running[task.remote(common, jobs[name], str(folder / name))] = name
            if len(running) >= most:
                break
        if not running:
            return Progress(done, len(jobs), resumed)
        (ready,), _ = ray.wait(list(running), num_returns=1)
        running.pop(ready)
        ray.get(ready)  # raises what the job raised
        done += 1
        report(Progress(done, len(jobs), resumed))


def _run_one(common: tuple, arguments: tuple, path: str) -> None:
    """One job, on a worker."""
    work, shared = common
    write_whole(path, work(*shared, *arguments))


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file that nobody sees before it is whole."""
    # A job that Ray runs twice writes the same bytes, under two names.
    part = f"{os.fspath(path)}.{uuid.uuid4().hex}.part"
    try:
        Path(part).write_bytes(content)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


def fingerprint_of(*parts: bytes) -> str:
    """A name for work that is made of these bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _claim(folder: Path, fingerprint: str) -> None:
    """Says in the folder whose work is in it; raises ValueError where it is another's."""
    manifest = folder / MANIFEST
    if manifest.exists():
        found = json.loads(manifest.read_text()).get("fingerprint")
        if found != fingerprint:
            raise ValueError(
                f"target: {folder} holds results of another source, solver or setting; choose "
                "another folder, or remove that one"
            )
        return
    others = next((path for path in folder.iterdir() if not path.name.endswith(".part")), None)
    if others is not None:
        raise ValueError(f"target: expected an empty folder or one of this work; found {others}")
    write_whole(manifest, json.dumps({"fingerprint": fingerprint}).encode())
