"""Maps from free parameters to constraints and objectives that are better to learn.

Plain functions of tensors, to stand before `qp`, `QpLayer` or `CvxpyLayer`. docs/training.md says
what each changes. Those of rows and of objectives are differentiated by autograd; the polar factor
has its exact derivative here, since that of a singular value decomposition divides by differences
of singular values, and is NaN where two are equal.
"""

from __future__ import annotations

import numbers
from typing import Any

import torch


def row_normalized(matrix: torch.Tensor, rhs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(A, b) or (G, h) with each row divided by the norm of its row of the matrix.

    `matrix` (..., rows, n), `rhs` (..., rows); +inf in `rhs`, no constraint, stays. The length of a
    row is what no solution depends on, so through the map alone a loss of solutions and its
    gradients are what they were: put its values back into the parameters after each step.
    docs/training.md measures what that changes. Raises ValueError for a row of zeros.

    >>> G, h = row_normalized(torch.tensor([[3.0, 4.0]]), torch.tensor([10.0]))
    >>> G.tolist(), h.tolist()
    ([[0.6000000238418579, 0.800000011920929]], [2.0])
    """
    _tensors("row_normalized", matrix=matrix, rhs=rhs)
    if matrix.dim() < 2 or rhs.dim() < 1 or rhs.shape[-1] != matrix.shape[-2]:
        raise ValueError(
            "row_normalized: expected shapes (..., rows, n) and (..., rows); "
            f"found {tuple(matrix.shape)} and {tuple(rhs.shape)}"
        )
    norms = torch.linalg.vector_norm(matrix, dim=-1)
    if not _inside_transform(norms) and bool((norms == 0.0).any()):
        at = (norms == 0.0).nonzero()[0].tolist()
        raise ValueError(f"row_normalized: row {tuple(at)} of the matrix is zero")
    removed = torch.isposinf(rhs)
    finite = torch.where(removed, torch.zeros_like(rhs), rhs) / norms
    return matrix / norms[..., None], torch.where(removed, torch.inf, finite)


def orthonormal_rows(free: torch.Tensor) -> torch.Tensor:
    """The polar factor (M M')^(-1/2) M of a free matrix M (..., rows, n) with rows <= n.

    Of all matrices with orthonormal rows it is the one nearest to M. Every subspace, shifted, is
    the solution set of Ax = b with such an A; so this loses nothing for equalities, and what is
    learned is free of the lengths of rows and of how nearly parallel they are.

    First derivatives only. Raises ValueError for shapes, and where rows are dependent to rounding.

    >>> A = orthonormal_rows(torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
    >>> torch.allclose(A @ A.T, torch.eye(2), atol=1e-6)
    True
    """
    _tensors("orthonormal_rows", free=free)
    if free.dim() < 2 or free.shape[-2] > free.shape[-1]:
        raise ValueError(
            "orthonormal_rows: expected shape (..., rows, n) with rows <= n; "
            f"found {tuple(free.shape)}"
        )
    return _PolarFactor.apply(free)[0]


def regularized(
    Q: torch.Tensor, relative: float, *, p: torch.Tensor | None = None, size: float = 1.0
) -> torch.Tensor:
    """Q plus `relative` times its largest entry times the identity: the solution is unique.

    Where Q is zero, as in a linear program, `p` must be given: then its largest entry by `size`,
    the size that the entries of a solution have, takes the place of the largest of Q. What is added
    is a constant of the derivative.

    >>> regularized(torch.zeros(1, 1), 1e-2, p=torch.tensor([-2.0])).tolist()
    [[0.019999999552965164]]
    """
    _tensors("regularized", Q=Q, **({} if p is None else {"p": p}))
    _positive("regularized", relative=relative, size=size)
    with torch.no_grad():
        largest = Q.abs().amax(dim=(-2, -1), keepdim=True)
        if p is not None:
            of_p = p.abs().amax(dim=-1)[..., None, None] / size
            largest = torch.where(largest > 0.0, largest, of_p)
        elif not _inside_transform(largest) and bool((largest == 0.0).any()):
            raise ValueError("regularized: Q is zero; give p, which then says what is small")
        added = relative * largest * torch.eye(Q.shape[-1], dtype=Q.dtype, device=Q.device)
    return Q + added


def perturbed(p: torch.Tensor, relative: float, seed: int) -> torch.Tensor:
    """p plus a fixed random vector, at most `relative` times the largest entry of p.

    The same vector for the same seed and number of variables, and for all samples; scaled to each.
    A linear program almost surely has one solution then, a vertex, whose derivative with respect to
    p is zero.

    >>> p = torch.ones(3)
    >>> torch.equal(perturbed(p, 1e-3, seed=1), perturbed(p, 1e-3, seed=1))
    True
    """
    _tensors("perturbed", p=p)
    _positive("perturbed", relative=relative)
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise TypeError(f"perturbed: seed must be an integer; found {seed!r}")
    generator = torch.Generator().manual_seed(int(seed))
    shift = 2.0 * torch.rand(p.shape[-1], generator=generator, dtype=torch.float64) - 1.0
    with torch.no_grad():
        added = relative * p.abs().amax(dim=-1, keepdim=True) * shift.to(p)
    return p + added


class _PolarFactor(torch.autograd.Function):
    """U V' of M = U S V', with the derivative U (W V' + S^-1 U' dM (I - V V')), where W_ij = (X_ij
    - X_ji) / (s_i + s_j) and X = U' dM V. It is its own adjoint."""

    generate_vmap_rule = True

    @staticmethod
    def forward(free: torch.Tensor) -> Any:
        u, s, vt = torch.linalg.svd(free, full_matrices=False)
        if not _inside_transform(s) and s.numel():
            rounding = torch.finfo(free.dtype).eps * free.shape[-1]
            if bool((s[..., -1] <= s[..., 0] * rounding).any()):
                raise ValueError(
                    "orthonormal_rows: the rows are dependent; singular values from "
                    f"{float(s.min()):.1e} to {float(s.max()):.1e}"
                )
        return u @ vt, u, s, vt

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])
        ctx.save_for_forward(*output[1:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> torch.Tensor:
        u, s, vt = ctx.saved_tensors
        return _derivative(u, s, vt, gradient)

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor) -> Any:
        u, s, vt = ctx.saved_tensors
        return _derivative(u, s, vt, tangent), None, None, None


def _derivative(
    u: torch.Tensor, s: torch.Tensor, vt: torch.Tensor, direction: torch.Tensor
) -> torch.Tensor:
    turned = u.mT @ direction
    x = turned @ vt.mT
    skew = (x - x.mT) / (s[..., :, None] + s[..., None, :])
    outside = (turned - x @ vt) / s[..., :, None]
    return u @ (skew @ vt + outside)


def _inside_transform(tensor: torch.Tensor) -> bool:
    """Whether values cannot be looked at: under `vmap`, or while compiling."""
    return torch.compiler.is_compiling() or torch._C._functorch.is_batchedtensor(tensor)


def _tensors(function: str, **arguments: Any) -> None:
    """Raises TypeError for an argument that is no tensor."""
    for name, found in arguments.items():
        if not isinstance(found, torch.Tensor):
            raise TypeError(f"{function}: {name} must be a tensor; found {type(found).__name__}")


def _positive(function: str, **arguments: Any) -> None:
    """Raises TypeError for an argument that is no number, ValueError for one that is not positive
    and finite."""
    for name, found in arguments.items():
        is_scalar = isinstance(found, torch.Tensor) and found.dim() == 0
        if isinstance(found, bool) or not (is_scalar or isinstance(found, numbers.Real)):
            raise TypeError(f"{function}: {name} must be a positive number; found {found!r}")
        if not 0.0 < found < float("inf"):
            raise ValueError(f"{function}: {name} must be a positive number; found {found!r}")
