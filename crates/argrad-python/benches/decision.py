"""SPO+ training by argrad against PyEPO with open solvers, in one run.

    python decision.py [--samples 1000] [--epochs 20] [--rounds 3]

in an environment with argrad, pyepo, ortools, highspy and clarabel (`make decision` makes it). The
problems are the shortest path on a 5x5 grid and a portfolio of 50 assets, with PyEPO's data of
degree 4, a linear predictor and batches of 32. PyEPO solves with its own backend for GLOP of
OR-Tools and, as it has no open backend for the rest, with the classes here: HiGHS (simplex, started
at the last basis), the same by scipy (a new program each time), and Clarabel (set up once, costs
updated). Batches, weights at the start
and the optimizer are the same for all. Each round trains everybody once; printed are the medians
of the time of an epoch and of its processor time, which a busy machine disturbs less, their ratios
to argrad's, and the regret on data that nobody was trained on. argrad takes all cores for a batch,
PyEPO one process; RAYON_NUM_THREADS=1 gives argrad one thread too.
"""

from __future__ import annotations

import argparse
import statistics
import time

import clarabel
import highspy
import numpy as np
import pyepo
import scipy.sparse as sp
import torch
from pyepo import EPO
from pyepo.data.dataset import optDataset
from pyepo.model.opt import optModel
from pyepo.model.ort import shortestPathModel
from scipy.optimize import linprog

from argrad.torch import decision

BATCH = 32
FEATURES = 5
GRID = (5, 5)
ASSETS = 50


class HighsPath(optModel):
    """PyEPO's shortest path, solved by HiGHS from the basis of the solution before."""

    def __init__(self, grid):
        self.arcs = decision.grid_arcs(grid)
        self.nodes = grid[0] * grid[1]
        super().__init__()

    def _getModel(self):
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("threads", 1)
        count = len(self.arcs)
        highs.addVars(count, np.zeros(count), np.ones(count))
        for node in range(self.nodes):
            at = [k for k, arc in enumerate(self.arcs) if node in arc]
            signs = [1.0 if self.arcs[k][1] == node else -1.0 for k in at]
            flow = -1.0 if node == 0 else float(node == self.nodes - 1)
            highs.addRow(flow, flow, len(at), np.array(at, np.int32), np.array(signs))
        self.places = np.arange(count, dtype=np.int32)
        return highs, list(range(count))

    def setObj(self, c):
        self._model.changeColsCost(len(self.places), self.places, np.asarray(c, dtype=float))

    def solve(self):
        self._model.run()
        x = np.array(self._model.getSolution().col_value)
        return x, self._model.getObjectiveValue()


class ScipyPath(HighsPath):
    """The same by `scipy.optimize.linprog`, as it is usually written."""

    def setObj(self, c):
        self.cost = np.asarray(c, dtype=float)

    def solve(self):
        found = linprog(self.cost, A_eq=self.flow[0], b_eq=self.flow[1], bounds=(0, 1))
        return found.x, found.fun

    def _getModel(self):
        matrix = np.zeros((self.nodes, len(self.arcs)))
        for at, (left, entered) in enumerate(self.arcs):
            matrix[left, at], matrix[entered, at] = -1.0, 1.0
        right = np.zeros(self.nodes)
        right[0], right[-1] = -1.0, 1.0
        self.flow = (matrix, right)
        return None, list(range(len(self.arcs)))


class ClarabelPortfolio(optModel):
    """PyEPO's portfolio, solved by Clarabel, which is set up once."""

    def __init__(self, covariance):
        self.covariance = covariance
        super().__init__()
        self.modelSense = EPO.MAXIMIZE

    def _getModel(self):
        program = decision.portfolio(self.covariance)
        rows = program.solver.cones
        A = program.solver._defaults["A"].data
        pattern = program.solver._A
        matrix = sp.csc_matrix((A, pattern.core_pattern[1], pattern.core_pattern[0]), pattern.shape)
        kinds = {
            "zero": clarabel.ZeroConeT,
            "nonnegative": clarabel.NonnegativeConeT,
            "second_order": clarabel.SecondOrderConeT,
        }
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.presolve_enable = False  # or costs cannot be updated
        settings.max_threads = 1
        n = matrix.shape[1]
        cones = [kinds[kind](size) for kind, size in rows]
        model = clarabel.DefaultSolver(
            sp.csc_matrix((n, n)), np.zeros(n), matrix, program.b, cones, settings
        )
        return model, list(range(n))

    def setObj(self, c):
        self.cost = np.asarray(c, dtype=float)
        self._model.update(q=-self.cost)

    def solve(self):
        x = np.array(self._model.solve().x)
        return x, float(self.cost @ x)


def problems(samples):
    """(name, features, costs, argrad's model, PyEPO's models by name), twice the samples: half of
    them judge."""
    x, c = decision.data.shortest_path(2 * samples, FEATURES, GRID, deg=4, noise_width=0.5)
    rivals = {
        "PyEPO, GLOP": shortestPathModel(GRID),
        "PyEPO, HiGHS": HighsPath(GRID),
        "PyEPO, scipy": ScipyPath(GRID),
    }
    yield "shortest path 5x5", x, c, decision.shortest_path(GRID), rivals
    covariance, x, c = decision.data.portfolio(2 * samples, FEATURES, ASSETS, deg=4)
    rivals = {"PyEPO, Clarabel": ClarabelPortfolio(covariance)}
    yield f"portfolio of {ASSETS}", x, c, decision.portfolio(covariance), rivals


def train(loss, data, epochs):
    """A predictor trained with a loss, and for each epoch its seconds, and those of processors."""
    torch.manual_seed(0)
    net = torch.nn.Linear(FEATURES, data.costs.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    times = []
    for epoch in range(epochs):
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(epoch))
        start = time.perf_counter(), time.process_time()
        for batch in order.split(BATCH):
            value = loss(
                net(data.feats[batch]), data.costs[batch], data.sols[batch], data.objs[batch]
            )
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return net, times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    # One thread for torch: layers of this size are slower with more.
    torch.set_num_threads(1)
    print("| problem | by | epoch, ms | processor, ms | times argrad's | regret |")
    print("|---|---|---|---|---|---|")
    for name, x, c, model, rivals in problems(asked.samples):
        half = asked.samples
        entrants = {"argrad": (decision.SPOPlus(model), decision.DecisionDataset(model, x, c))}
        for rival, theirs in rivals.items():
            loss = pyepo.func.SPOPlus(theirs, processes=1)
            entrants[rival] = (loss, optDataset(theirs, x[:half], c[:half]))
        ours = entrants["argrad"][1]
        test = torch.utils.data.DataLoader(
            torch.utils.data.Subset(ours, range(half, 2 * half)), batch_size=half
        )
        entrants["argrad"] = (
            entrants["argrad"][0],
            decision.DecisionDataset(model, x[:half], c[:half]),
        )
        seconds = {entrant: [] for entrant in entrants}
        regrets = {}
        for _ in range(asked.rounds):
            for entrant, (loss, data) in entrants.items():
                net, times = train(loss, data, asked.epochs)
                seconds[entrant] += times
                regrets[entrant] = decision.regret(net, model, test)
        medians = {
            entrant: [statistics.median(kind) for kind in zip(*times, strict=True)]
            for entrant, times in seconds.items()
        }
        for entrant, (wall, processor) in medians.items():
            ratios = wall / medians["argrad"][0], processor / medians["argrad"][1]
            print(
                f"| {name} | {entrant} | {1e3 * wall:.0f} | {1e3 * processor:.0f} | "
                f"{ratios[0]:.1f}, {ratios[1]:.1f} | {regrets[entrant]:.5f} |"
            )


if __name__ == "__main__":
    main()
