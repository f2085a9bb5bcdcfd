"""The twenty kinds of layers that the examples of cvxpylayers build, in sizes like theirs.

Each function returns a problem, its parameters with a value for each, and the variables that the
layer returns.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np

Layer = tuple[cp.Problem, list[tuple[cp.Parameter, Any]], list[cp.Variable]]

RNG = np.random.default_rng(0)
LAYERS: list[Callable[[], Layer]] = []


def layer(build: Callable[[], Layer]) -> Callable[[], Layer]:
    """Puts a function on the list; its numbers are the same in every process and order."""

    @functools.wraps(build)
    def seeded() -> Layer:
        global RNG
        RNG = np.random.default_rng(0)
        return build()

    LAYERS.append(seeded)
    return seeded


def normal(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return RNG.normal(size=shape)


@layer
def relu() -> Layer:
    """The projection onto the nonnegative numbers."""
    x, y = cp.Parameter(100), cp.Variable(100)
    return cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [y >= 0]), [(x, normal(100))], [y]


@layer
def sigmoid() -> Layer:
    """The sigmoid by entropies."""
    x, y = cp.Parameter(100), cp.Variable(100)
    objective = -x @ y - cp.sum(cp.entr(y) + cp.entr(1.0 - y))
    return cp.Problem(cp.Minimize(objective)), [(x, normal(100))], [y]


@layer
def softmax() -> Layer:
    """The softmax by entropies."""
    x, y = cp.Parameter(5), cp.Variable(5)
    objective = -x @ y - cp.sum(cp.entr(y))
    return cp.Problem(cp.Minimize(objective), [cp.sum(y) == 1]), [(x, normal(5))], [y]


@layer
def logistic_regression() -> Layer:
    """Logistic regression on data that are parameters."""
    a, b, X = cp.Variable((2, 1)), cp.Variable((1, 1)), cp.Parameter((30, 2))
    Y = (RNG.random((30, 1)) > 0.5).astype(float)
    scores = X @ a + b
    likelihood = cp.sum(cp.multiply(Y, scores) - cp.logistic(scores)) / 30
    objective = likelihood - 0.1 * cp.norm(a, 1) - 0.1 * cp.sum_squares(a)
    return cp.Problem(cp.Maximize(objective)), [(X, normal(30, 2))], [a, b]


@layer
def elastic_net() -> Layer:
    """Regression whose data and penalties are parameters."""
    a, b = cp.Variable(1), cp.Variable()
    X, Y = cp.Parameter((30, 1)), cp.Parameter(30)
    lam, alpha = cp.Parameter(nonneg=True), cp.Parameter(nonneg=True)
    loss = cp.sum(cp.square(X @ a + b - Y)) / 30
    objective = loss + lam * cp.norm1(a) + alpha * cp.sum_squares(a)
    given = [(X, normal(30, 1)), (Y, normal(30)), (lam, 0.1), (alpha, 0.2)]
    return cp.Problem(cp.Minimize(objective)), given, [a, b]


@layer
def trading_with_costs() -> Layer:
    """A portfolio with costs of holding and of trading."""
    n = 12
    after, trade, factor = cp.Variable(n), cp.Variable(n), cp.Variable(n)
    now, alpha, root = cp.Parameter(n), cp.Parameter(n), cp.Parameter((n, n))
    s, kappa, gamma = (cp.Parameter(1, nonneg=True) for _ in range(3))
    costs = s * cp.sum(cp.neg(after)) + kappa * cp.sum(cp.abs(trade))
    objective = alpha @ after - gamma * cp.sum_squares(factor) - costs
    constraints = [
        cp.sum(after) == 1,
        cp.norm(after, 1) <= 1.5,
        cp.norm(after, "inf") <= 0.5,
        factor == root @ after,
        trade == after - now,
    ]
    given = [(now, np.full(n, 1 / n)), (alpha, 0.1 * normal(n)), (root, np.eye(n) + normal(n, n))]
    given += [(s, np.ones(1)), (kappa, np.full(1, 0.01)), (gamma, np.full(1, 0.5))]
    return cp.Problem(cp.Maximize(objective), constraints), given, [after, trade, factor]


@layer
def relu_layer() -> Layer:
    """A layer of a network, with its weights as parameters."""
    inputs, outputs = 20, 20
    z, copy = cp.Variable(outputs), cp.Variable((outputs, inputs))
    W, b, x = cp.Parameter((outputs, inputs)), cp.Parameter(outputs), cp.Parameter(inputs)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(z - copy @ x - b)), [z >= 0, copy == W])
    return problem, [(W, normal(outputs, inputs)), (b, normal(outputs)), (x, normal(inputs))], [z]


@layer
def regulator() -> Layer:
    """One step of a linear-quadratic regulator."""
    n, m = 4, 2
    x, root = cp.Parameter((n, 1)), cp.Parameter((n, n))
    u, following = cp.Variable((m, 1)), cp.Variable((n, 1))
    objective = cp.quad_form(u, np.eye(m)) + cp.sum_squares(root @ following)
    problem = cp.Problem(cp.Minimize(objective), [following == normal(n, n) @ x + normal(n, m) @ u])
    return problem, [(x, normal(n, 1)), (root, np.eye(n) + 0.1 * normal(n, n))], [u]


@layer
def bounded_regulator() -> Layer:
    """The same with bounds, and a value function that is the largest of several."""
    n, m, count = 8, 2, 5
    x, u, following, t = cp.Parameter(n), cp.Variable(m), cp.Variable(n), cp.Variable(1)
    roots = [cp.Parameter((n, n), PSD=True) for _ in range(count)]
    linear = [cp.Parameter(n) for _ in range(count)]
    constants = [cp.Parameter(1) for _ in range(count)]
    constraints = [following == normal(n, n) @ x + normal(n, m) @ u, cp.norm(u, "inf") <= 0.5]
    constraints += [
        cp.sum_squares(root @ following) + q @ following + r <= t
        for root, q, r in zip(roots, linear, constants, strict=True)
    ]
    problem = cp.Problem(cp.Minimize(cp.quad_form(u, np.eye(m)) + t), constraints)
    given = [(x, normal(n))]
    for k, root in enumerate(roots):
        half = normal(n, n)
        given.append((root, half @ half.T / n + (1 + k) * np.eye(n)))
    given += [(q, normal(n)) for q in linear] + [(r, normal(1)) for r in constants]
    return problem, given, [u]


def _predictive(weighted: bool) -> Layer:
    n, m, steps = 10, 5, 10
    x, weights = cp.Parameter(n), cp.Parameter(n, nonneg=True)
    of = weights if weighted else RNG.random(n)
    states = [cp.Variable(n) for _ in range(steps)]
    controls = [cp.Variable(m) for _ in range(steps)]
    A, B = np.eye(n) + 0.1 * normal(n, n), normal(n, m)
    objective: Any = 0.0
    constraints = [states[0] == x]
    for t in range(steps):
        objective += cp.sum(cp.multiply(of, cp.square(states[t]))) + cp.sum_squares(controls[t])
        constraints += [cp.norm(controls[t], "inf") <= 0.6]
        if t > 0:
            constraints += [states[t] == A @ states[t - 1] + B @ controls[t - 1]]
    given = [(x, normal(n))] + ([(weights, 0.5 + RNG.random(n))] if weighted else [])
    return cp.Problem(cp.Minimize(objective), constraints), given, [controls[0]]


@layer
def predictive_control() -> Layer:
    """Model predictive control, constraint by constraint."""
    return _predictive(weighted=False)


@layer
def weighted_predictive_control() -> Layer:
    """The same with weights to be learned."""
    return _predictive(weighted=True)


@layer
def dynamic_programming() -> Layer:
    """A policy of approximate dynamic programming."""
    n, m = 2, 3
    x, root = cp.Parameter((n, 1)), cp.Parameter((m, m))
    cross, q = cp.Parameter((n, m)), cp.Parameter((m, 1))
    u, y = cp.Variable((m, 1)), cp.Variable((n, 1))
    objective = 0.5 * cp.sum_squares(root @ u) + x.T @ y + q.T @ u
    problem = cp.Problem(cp.Minimize(objective), [cp.norm(u) <= 1, y == cross @ u])
    given = [(x, normal(n, 1)), (root, np.eye(m) + 0.1 * normal(m, m))]
    return problem, [*given, (cross, normal(n, m)), (q, normal(m, 1))], [u]


@layer
def rebalancing() -> Layer:
    """A portfolio whose trades pay for themselves."""
    n = 12
    now, root, mu = cp.Parameter(n), cp.Parameter((n, n)), cp.Parameter(n)
    trade, after = cp.Variable(n), cp.Variable(n)
    costs = np.full(n, 0.01) @ cp.abs(trade) + np.full(n, 0.05) @ cp.neg(after)
    constraints = [cp.sum(trade) + costs <= 0, after == now + trade]
    problem = cp.Problem(cp.Maximize(mu @ after - cp.sum_squares(root @ after)), constraints)
    given = [(now, np.full(n, 1 / n)), (root, np.eye(n) + normal(n, n)), (mu, normal(n))]
    return problem, given, [trade]


@layer
def monotone_outputs() -> Layer:
    """The nearest vector that does not fall."""
    y, target = cp.Variable(10), cp.Parameter(10)
    problem = cp.Problem(cp.Minimize(cp.norm2(y - target)), [cp.diff(y) >= 0])
    return problem, [(target, normal(10))], [y]


@layer
def optimal_transport() -> Layer:
    """Transport with an entropy."""
    n, m = 10, 10
    C, a, b = cp.Parameter((n, m)), cp.Parameter(n), cp.Parameter(m)
    P, eps = cp.Variable((n, m)), cp.Parameter(1, nonneg=True)
    objective = cp.trace(P.T @ C) - eps * (cp.sum(cp.entr(P)) + cp.sum(P))
    constraints = [P @ np.ones(m) == a, P.T @ np.ones(n) == b, P >= 0]
    given = [(C, normal(n, m)), (a, np.full(n, 1 / n)), (b, np.full(m, 1 / m))]
    return cp.Problem(cp.Minimize(objective), constraints), [*given, (eps, np.full(1, 0.3))], [P]


@layer
def springs() -> Layer:
    """Springs in a row, each as long as a block at least."""
    n = 5
    k, x = cp.Parameter(n + 1, nonneg=True), cp.Variable(n + 2)
    objective = cp.sum(cp.multiply(k, 0.5 * cp.square(cp.diff(x))))
    constraints = [x[0] == 0, x[-1] == 1] + [x[i] - x[i - 1] >= 0.05 for i in range(1, n + 2)]
    return cp.Problem(cp.Minimize(objective), constraints), [(k, 1 + RNG.random(n + 1))], [x]


@layer
def resource_allocation() -> Layer:
    """Money on goods with exponential utilities."""
    m = 10
    y, units, t = cp.Variable(m), cp.Variable(m), cp.Variable(m)
    alpha, inverse = cp.Parameter(m, nonneg=True), cp.Parameter(m, nonneg=True)
    budget = cp.Parameter(nonneg=True)
    constraints = [
        cp.sum(y) == budget,
        y >= 0,
        -cp.exp(-cp.multiply(alpha, units)) >= cp.multiply(alpha, t),
        units == cp.multiply(y, inverse),
    ]
    given = [(budget, 4.0), (inverse, 0.5 + RNG.random(m)), (alpha, 0.5 + RNG.random(m))]
    return cp.Problem(cp.Maximize(cp.sum(t)), constraints), given, [y]


@layer
def denoising() -> Layer:
    """A smooth signal near a given one, in a metric of parameters."""
    n = 100
    y, distance = cp.Variable(n), cp.Variable(n)
    x, metric, lam = cp.Parameter(n), cp.Parameter((n, n)), cp.Parameter(pos=True)
    objective = cp.sum_squares(metric @ distance) + lam * cp.sum_squares(cp.diff(y))
    problem = cp.Problem(cp.Minimize(objective), [distance == x - y])
    return problem, [(x, normal(n)), (metric, np.eye(n) + 0.01 * normal(n, n)), (lam, 2.0)], [y]


@layer
def supply_chain() -> Layer:
    """What to buy, ship and sell in a network of warehouses."""
    n, links, suppliers, retailers = 4, 8, 2, 2
    root, q = cp.Parameter((n, n)), cp.Parameter((n, 1))
    x = cp.Parameter((n + suppliers + retailers, 1))
    h, p, d = x[:n], x[n : n + suppliers], x[n + suppliers :]
    u, following = cp.Variable((links, 1)), cp.Variable((n, 1))
    incoming, outgoing = RNG.integers(0, 2, (n, links)), RNG.integers(0, 2, (n, links))
    tau, r = np.full((links - suppliers - retailers, 1), 0.05), np.full((retailers, 1), 1.3)
    now = cp.vstack([p, tau, -r]).T @ u
    objective = now + cp.sum_squares(root @ following) + q.T @ following
    constraints = [
        following == h + (incoming - outgoing) @ u,
        following <= 3,
        0 <= u,
        u <= 2,
        outgoing @ u <= h,
        u[links - retailers :] <= d,
    ]
    state = np.concatenate([np.full(n, 1.0), np.full(suppliers, 0.6), np.full(retailers, 0.7)])
    given = [(x, state[:, None]), (root, np.eye(n) + 0.1 * normal(n, n)), (q, normal(n, 1))]
    return cp.Problem(cp.Minimize(objective), constraints), given, [u]


@layer
def vehicle() -> Layer:
    """Acceleration and steering of a car."""
    root, q = cp.Parameter((4, 4)), cp.Parameter(4)
    fx, B, curvature = cp.Parameter(4), cp.Parameter((4, 2)), cp.Parameter(1)
    u, y = cp.Variable(2), cp.Variable(4)
    squares = 0.5 * cp.square(u[0]) + 2.0 * cp.square(u[1])
    objective = squares + cp.sum_squares(root @ y) + q @ y
    constraints = [y == fx + B @ u, cp.abs(u[0]) <= 2, cp.abs(u[1] + 2.7 * curvature) <= 0.68]
    given = [(root, np.eye(4) + 0.1 * normal(4, 4)), (q, normal(4)), (fx, normal(4))]
    given += [(B, normal(4, 2)), (curvature, np.full(1, 0.05))]
    return cp.Problem(cp.Minimize(objective), constraints), given, [u]
