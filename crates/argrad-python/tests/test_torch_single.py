"""Matrices rounded to single precision: neither quite symmetric nor quite semidefinite."""

import cvxpy as cp
import pytest
import torch

from argrad.torch import CvxpyLayer, qp


def box(n, dtype):
    return torch.cat([torch.eye(n, dtype=dtype), -torch.eye(n, dtype=dtype)]), torch.ones(
        2 * n, dtype=dtype
    )


@pytest.mark.parametrize("n", [5, 20, 50])
@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_matrices_of_single_precision_are_convex(n, rank):
    generator = torch.Generator().manual_seed(n + rank)
    root = torch.randn(8, n, rank, generator=generator)
    p = torch.randn(n, generator=generator)
    z = qp(root @ root.mT, p, *box(n, torch.float32))

    exact = root.double() @ root.double().mT
    expected = qp(exact, p.double(), *box(n, torch.float64))
    assert z.dtype is torch.float32
    for found, wanted, matrix in zip(z.double(), expected, exact, strict=True):
        objective = [0.5 * v @ matrix @ v + p.double() @ v for v in (found, wanted)]
        assert abs(objective[0] - objective[1]) < 1e-4 * (1 + abs(objective[1]))


def test_asymmetry_by_rounding_is_averaged_away_and_more_is_refused():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(20, 20, generator=generator)
    Q = root.T @ torch.diag(torch.rand(20, generator=generator) + 0.1) @ root
    Q[0, 1] *= 1 + 1e-6
    qp(Q, torch.ones(20))
    Q[0, 1] *= 1.01
    with pytest.raises(ValueError, match="Q: not symmetric"):
        qp(Q, torch.ones(20))
    with pytest.raises(ValueError, match="negative eigenvalue"):
        qp(-torch.eye(3), torch.ones(3))


def test_a_parametric_quadratic_form_of_single_precision_is_convex():
    P, x = cp.Parameter((6, 6), PSD=True), cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.quad_form(x, P) - cp.sum(x)), [cp.abs(x) <= 1])
    layer = CvxpyLayer(problem, [P], [x])
    root = torch.randn(16, 6, 2, generator=torch.Generator().manual_seed(1))
    (found,) = layer(root @ root.mT)
    assert found.dtype is torch.float32 and found.isfinite().all()
    with pytest.raises(ValueError, match="negative eigenvalue"):
        layer(-torch.eye(6))
