"""Trains a layer in several torch processes, with gradients equal to those of one.

    python ddp.py --processes 2

Each process has its share of every batch; `DistributedDataParallel` averages the gradients of the
processes (backend gloo, on this machine). The layer is a quadratic program that learns its linear
constraint from examples of what a hidden one does. At every step the averaged gradient is compared
with that of one process on the whole batch.

With more than one process on a machine, give each its share of the cores: argrad uses all of them
otherwise (`RAYON_NUM_THREADS`).
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
from pathlib import Path

import cvxpy as cp
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from argrad.torch import CvxpyLayer

VARIABLES, CONSTRAINTS = 6, 3


class ConstrainedProjection(torch.nn.Module):
    """The nearest point of {x : G x <= h, 0 <= x}, with G and h learned.

    Args:
        seed: of the initial G and h.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        x, y = cp.Variable(VARIABLES), cp.Parameter(VARIABLES)
        g, h = cp.Parameter((CONSTRAINTS, VARIABLES)), cp.Parameter(CONSTRAINTS, nonneg=True)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - y)), [g @ x <= h, x >= 0])
        self.layer = CvxpyLayer(problem, parameters=[y, g, h], variables=[x])
        random = torch.Generator().manual_seed(seed)
        entries = torch.rand(CONSTRAINTS, VARIABLES, generator=random, dtype=torch.float64)
        self.g = torch.nn.Parameter(entries)
        # exp keeps h positive, so that 0 is feasible and every sample has a solution.
        self.log_h = torch.nn.Parameter(torch.zeros(CONSTRAINTS, dtype=torch.float64))

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """(batch, VARIABLES) -> (batch, VARIABLES)."""
        (x,) = self.layer(y, self.g, self.log_h.exp())
        return x


def examples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points, and what the hidden layer makes of them."""
    random = torch.Generator().manual_seed(7)
    y = torch.randn(count, VARIABLES, generator=random, dtype=torch.float64) + 0.5
    with torch.no_grad():
        return y, ConstrainedProjection(seed=1)(y)


def loss(model: torch.nn.Module, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared distance."""
    return torch.mean((model(y) - x) ** 2)


def train(rank: int, arguments: argparse.Namespace, port: int, folder: str) -> None:
    """What process `rank` does. The first writes what happened to `folder`."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=arguments.processes)
    try:
        torch.set_num_threads(1)
        y, x = examples(arguments.batch * arguments.batches)
        model = ConstrainedProjection(seed=2)
        single = ConstrainedProjection(seed=2)
        parallel = DistributedDataParallel(model)
        optimizer = torch.optim.Adam(model.parameters(), lr=arguments.rate)
        losses, differences = [], []
        steps = tqdm(range(arguments.steps), unit="step", disable=None if rank == 0 else True)
        for step in steps:
            at = step % arguments.batches * arguments.batch
            whole = slice(at, at + arguments.batch)
            # Equal shares: the mean over processes of means is the mean over the batch.
            share = slice(at + rank, at + arguments.batch, arguments.processes)
            optimizer.zero_grad()
            loss(parallel, y[share], x[share]).backward()

            single.load_state_dict(model.state_dict())
            single.zero_grad()
            value = loss(single, y[whole], x[whole])
            value.backward()
            pairs = zip(model.parameters(), single.parameters(), strict=True)
            differences.append(max(float((a.grad - b.grad).abs().max()) for a, b in pairs))
            losses.append(value.item())
            steps.set_postfix(loss=f"{losses[-1]:.2e}", difference=f"{differences[-1]:.0e}")
            optimizer.step()
        states = [None] * arguments.processes
        flat = torch.cat([p.detach().ravel() for p in model.parameters()])
        distributed.all_gather_object(states, flat)
        if rank == 0:
            same = all(torch.equal(state, states[0]) for state in states)
            found = {"losses": losses, "differences": differences, "same": same}
            torch.save(found, Path(folder) / "result.pt")
    finally:
        distributed.destroy_process_group()


def run(arguments: argparse.Namespace) -> dict:
    """Starts the processes and waits for them.

    Returns:
        `losses` of every step, on the whole batch; `differences`, the largest between the averaged
        gradient and that of one process; `same`, whether all processes end with the same weights.
    """
    if arguments.batch % arguments.processes:
        raise SystemExit("--batch must be a multiple of --processes: equal shares")
    os.environ.setdefault(
        "RAYON_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // arguments.processes))
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(train, (arguments, port, folder), arguments.processes)
        return torch.load(Path(folder) / "result.pt")


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64, help="samples of a step, all processes")
    parser.add_argument("--batches", type=int, default=8, help="before they are used again")
    parser.add_argument("--rate", type=float, default=0.02, help="of Adam")
    return parser.parse_args(argv)


def main() -> None:
    """Trains and says how it went."""
    found = run(parse())
    print(f"loss {found['losses'][0]:.2e} -> {found['losses'][-1]:.2e}")
    print(f"largest difference to one process's gradient: {max(found['differences']):.1e}")
    print(f"all processes end with the same weights: {found['same']}")


if __name__ == "__main__":
    main()
