"""The problem of `robust.py`: forces at the feet of a four-legged robot.

A request is a wrench (total force and moment about the centre of mass) that four feet on a level
floor have to produce. With r_i the place of foot i, mu_i the friction of the floor under it and
f_i = (x, y, z) its force, what is possible is a convex set that differs from request to request:

    sum_i f_i = force,  sum_i r_i x f_i = moment     equalities that hold the request
    |(f_i,x, f_i,y)| <= mu_i f_i,z                   friction: second-order cones
    f_i,z <= LIMIT                                   what a leg can bear

The unit of force is the weight of the robot, that of length a metre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cvxpy as cp
import numpy as np
import torch

from argrad.torch import CvxpyLayer

FEET, LIMIT = 4, 0.8
HIPS = torch.tensor(
    [[0.2, 0.15, -0.3], [0.2, -0.15, -0.3], [-0.2, 0.15, -0.3], [-0.2, -0.15, -0.3]],
    dtype=torch.float64,
)
"""Where feet stand when the robot stands straight, (FEET, 3)."""


@dataclass
class Requests:
    """A batch of requests, and the forces with which an expert answers them."""

    feet: torch.Tensor  # (batch, FEET, 3)
    wrench: torch.Tensor  # (batch, 6)
    friction: torch.Tensor  # (batch, FEET)
    forces: torch.Tensor  # (batch, FEET, 3)

    def __len__(self) -> int:
        return len(self.wrench)

    def __getitem__(self, which: torch.Tensor | slice) -> Requests:
        parts = (self.feet, self.wrench, self.friction, self.forces)
        return Requests(*(part[which] for part in parts))

    @property
    def features(self) -> torch.Tensor:
        """What a network is told, (batch, FEATURES): numbers of about unit size."""
        shifts = ((self.feet - HIPS) / 0.05).flatten(1)
        moments = self.wrench[:, 3:] / 0.1
        return torch.cat([shifts, self.wrench[:, :3], moments, self.friction], dim=1)


FEATURES = 3 * FEET + 6 + FEET


def wrench_matrix(feet: torch.Tensor) -> torch.Tensor:
    """The matrix of the map from all forces, (FEET * 3,), to their wrench: (batch, 6, FEET * 3)."""
    axes = torch.eye(3, dtype=feet.dtype)
    moments = torch.linalg.cross(
        feet[:, :, None, :], axes[None, None]
    )  # r x e_k: (batch, FEET, 3, 3)
    force = axes.repeat(1, FEET).expand(len(feet), -1, -1)
    return torch.cat([force, moments.flatten(1, 2).mT], dim=1)


class FeasibleForces(torch.nn.Module):
    """The forces that answer a request and are nearest to a guess, in a weighted norm.

    minimize sum_i c_i |f_i - g_i|^2 over the forces f that are possible.
    """

    def __init__(self, on_failure: Literal["raise", "nan", "zero"] = "raise") -> None:
        super().__init__()
        f, scaled = cp.Variable((FEET, 3)), cp.Parameter((FEET, 3))
        root = cp.Parameter((FEET, 1), nonneg=True)  # sqrt c_i; scaled is sqrt c_i g_i
        matrix, wrench = cp.Parameter((6, 3 * FEET)), cp.Parameter(6)
        friction = cp.Parameter(FEET, nonneg=True)
        possible = [
            matrix @ cp.vec(f, order="C") == wrench,
            # The cones themselves: with cp.norm(...) <= ... CVXPY would add a bound of each norm to
            # the variables, which is not unique where a cone is not active.
            cp.SOC(cp.multiply(friction, f[:, 2]), f[:, :2], axis=1),
            f[:, 2] <= LIMIT,
        ]
        distance = cp.sum_squares(cp.multiply(root @ np.ones((1, 3)), f) - scaled)
        problem = cp.Problem(cp.Minimize(distance), possible)
        parameters = [scaled, root, matrix, wrench, friction]
        self.layer = CvxpyLayer(problem, parameters, [f], on_failure=on_failure)

    def forward(
        self, guess: torch.Tensor, requests: Requests, costs: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Guesses (batch, FEET, 3) and, if not all one, c (batch, FEET) to forces like guesses."""
        costs = torch.ones_like(requests.friction) if costs is None else costs
        root = costs.sqrt()[:, :, None]
        (forces,) = self.layer(
            root * guess, root, wrench_matrix(requests.feet), requests.wrench, requests.friction
        )
        return forces


def expert_costs(feet: torch.Tensor) -> torch.Tensor:
    """The expert's costs c of forces, (batch, FEET): it spares legs that are stretched.

    It minimizes sum_i c_i |f_i|^2. No network is told so: all see its answers only.
    """
    stretch = torch.linalg.vector_norm((feet - HIPS)[..., :2], dim=-1)
    return 1.0 + (stretch / 0.025) ** 2


def violations(forces: torch.Tensor, requests: Requests) -> torch.Tensor:
    """By how much each constraint is missed, (batch, 6 + FEET + FEET), in weights (and metres)."""
    given = (wrench_matrix(requests.feet) @ forces.flatten(1)[..., None])[..., 0]
    sliding = torch.linalg.vector_norm(forces[..., :2], dim=-1)
    friction = (sliding - requests.friction * forces[..., 2]).relu()
    overload = (forces[..., 2] - LIMIT).relu()
    return torch.cat([(given - requests.wrench).abs(), friction, overload], dim=1)


def requests(
    count: int,
    random: torch.Generator,
    *,
    friction: tuple[float, float] = (0.4, 0.9),
    load: tuple[float, float] = (0.8, 1.2),
    grip: float = 0.9,
) -> Requests:
    """Random requests that can be met, with the expert's answers.

    Forces inside the cones are drawn first, and their wrench is what is requested.

    Args:
        friction: least and largest mu.
        load: least and largest sum of the normal forces.
        grip: the largest share of the possible friction that the forces drawn use.
    """

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(shape, generator=random, dtype=torch.float64)

    feet = HIPS + uniform(-0.08, 0.08, count, FEET, 3)
    mu = uniform(*friction, count, FEET)
    shares = uniform(0.2, 1.0, count, FEET)
    normal = uniform(*load, count, 1) * shares / shares.sum(dim=1, keepdim=True)
    normal = normal.clamp(max=0.95 * LIMIT)
    # Much the same direction for all feet, so that some have to use all their friction.
    angle = uniform(0.0, 2.0 * torch.pi, count, 1) + uniform(-1.0, 1.0, count, FEET)
    sliding = grip * uniform(0.0, 1.0, count, FEET).sqrt() * mu * normal
    drawn = torch.stack([sliding * angle.cos(), sliding * angle.sin(), normal], dim=-1)
    wrench = (wrench_matrix(feet) @ drawn.flatten(1)[..., None])[..., 0]
    made = Requests(feet, wrench, mu, torch.zeros_like(drawn))
    with torch.no_grad():
        made.forces = FeasibleForces()(torch.zeros_like(drawn), made, expert_costs(feet))
    return made


def impossible(possible: Requests) -> Requests:
    """The same requests, pulled sideways beyond what any forces give.

    |sum f_xy| <= sum mu_i f_i,z <= (max mu) sum f_i,z, and 1.2 times the right side is requested.
    """
    wrench = possible.wrench.clone()
    most = possible.friction.amax(dim=1) * wrench[:, 2]
    wrench[:, 0], wrench[:, 1] = 1.2 * most, 0.0
    return Requests(possible.feet, wrench, possible.friction, possible.forces)
