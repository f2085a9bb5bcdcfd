"""All paths of a small grid, as the judge of decisions: nothing is solved, everything compared."""

from itertools import permutations

import numpy as np
import torch

from argrad.torch import decision


def paths(grid):
    """The decisions (paths, arcs) of `decision.shortest_path`, every one."""
    rows, columns = grid
    arcs = decision.grid_arcs(grid)
    at = {arc: index for index, arc in enumerate(arcs)}
    moves = "r" * (columns - 1) + "d" * (rows - 1)
    found = []
    for order in sorted(set(permutations(moves))):
        path, node = np.zeros(len(arcs)), 0
        for move in order:
            step = node + (1 if move == "r" else columns)
            path[at[node, step]] = 1.0
            node = step
        found.append(path)
    return np.array(found)


def cheapest(grid, costs):
    """The cheapest path (batch, arcs) for each row of costs (batch, arcs)."""
    every = torch.from_numpy(paths(grid)).to(costs)
    return every[(costs.double() @ every.double().T).argmin(1)]
