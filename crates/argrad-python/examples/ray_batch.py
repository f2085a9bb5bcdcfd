"""Solves and differentiates a large batch of programs on the workers of a Ray cluster.

    pip install ray
    python ray_batch.py --samples 20000 --shards 8

Every sample is a portfolio: minimize 1/2 x'Px - mu'x over x >= 0 with 1'x = 1, one P for all and
returns mu of its own. The batch is cut into shards; each worker gets the solver (it is picklable)
and a shard of mu, and sends back the solutions and the gradient of a loss by mu. A sample's result
does not depend on the batch it is in, so what comes back is bitwise what one call on the whole
batch gives; the example checks that.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np
from tqdm import tqdm

import argrad

ASSETS, FACTORS = 50, 5


def portfolio_solver(seed: int = 0) -> argrad.Solver:
    """A solver for the portfolios: what all samples share is in it."""
    random = np.random.default_rng(seed)
    exposures = random.standard_normal((ASSETS, FACTORS)) / np.sqrt(FACTORS)
    risk = exposures @ exposures.T + np.diag(random.uniform(0.1, 0.5, ASSETS))
    rows = np.vstack([np.ones((1, ASSETS)), -np.eye(ASSETS)])
    return argrad.Solver((risk + risk.T) / 2, rows, [("zero", 1), ("nonnegative", ASSETS)])


def expected_returns(samples: int, seed: int = 1) -> np.ndarray:
    """mu, (samples, ASSETS)."""
    return 0.3 * np.random.default_rng(seed).standard_normal((samples, ASSETS))


def solve_shard(
    solver: argrad.Solver, mu: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Portfolios x of a shard and the gradients of `weights'x` by mu: (samples, ASSETS) each."""
    budget = np.zeros(solver.m)
    budget[0] = 1.0
    solution = solver.solve(q=-mu, b=budget)
    _, dq, _, _ = solution.vjp(dx=weights)
    return solution.x, -dq


def solve_sharded(
    run: Callable[[list[np.ndarray]], Iterable[tuple[int, tuple]]],
    mu: np.ndarray,
    shards: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts mu, has the parts solved, and puts the results together in the old order.

    Args:
        run: parts of mu to pairs (number of the part, what `solve_shard` returns), in any order.
        mu: (samples, ASSETS).
        shards: number of parts, some perhaps empty.
    """
    parts = np.array_split(mu, shards)
    found: list = [None] * shards
    for number, result in tqdm(run(parts), total=shards, unit="shard", disable=None):
        found[number] = result
    x, gradients = zip(*found, strict=True)
    return np.concatenate(x), np.concatenate(gradients)


def on_ray(solver: argrad.Solver, weights: np.ndarray, threads: int) -> Callable:
    """A `run` for `solve_sharded` that sends each part to a Ray worker of `threads` cores.

    Raises:
        SystemExit: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise SystemExit("This example needs Ray: pip install ray") from None

    # Workers know argrad's modules, not this script's: the function travels by value.
    task = ray.remote(num_cpus=threads)(solve_shard)

    def run(parts: list[np.ndarray]) -> Iterable[tuple[int, tuple]]:
        # The solver goes to each machine once, not with every task.
        shared = ray.put(solver)
        numbers = {task.remote(shared, part, weights): i for i, part in enumerate(parts)}
        waiting = list(numbers)
        while waiting:
            (done,), waiting = ray.wait(waiting)
            yield numbers[done], ray.get(done)

    return run


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="cores of a worker")
    parser.add_argument("--address", help="of a running cluster; without it one is started here")
    return parser.parse_args(argv)


def main() -> None:
    """Solves, compares with one call on the whole batch, and says how it went."""
    arguments = parse()
    solver, mu = portfolio_solver(), expected_returns(arguments.samples)
    weights = np.random.default_rng(2).standard_normal(ASSETS)
    run = on_ray(solver, weights, arguments.threads)

    import ray

    ray.init(
        address=arguments.address,
        log_to_driver=False,
        include_dashboard=False,
        runtime_env={"env_vars": {"RAYON_NUM_THREADS": str(arguments.threads)}},
    )
    try:
        solve_sharded(run, mu[: arguments.shards], arguments.shards)  # workers start
        start = time.perf_counter()
        x, gradients = solve_sharded(run, mu, arguments.shards)
        seconds = time.perf_counter() - start
    finally:
        ray.shutdown()
    start = time.perf_counter()
    whole = solve_shard(solver, mu, weights)
    alone = time.perf_counter() - start
    same = np.array_equal(x, whole[0]) and np.array_equal(gradients, whole[1])
    print(f"{arguments.samples} portfolios in {arguments.shards} shards: {seconds:.2f} s on Ray")
    print(f"in one call in this process: {alone:.2f} s")
    print(f"bitwise the same solutions and gradients: {same}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
