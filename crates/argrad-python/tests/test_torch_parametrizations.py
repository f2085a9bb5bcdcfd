"""Maps that are better to learn than what they make."""

import pytest
import torch

from argrad.torch import orthonormal_rows, perturbed, qp, regularized, row_normalized


@pytest.fixture(autouse=True)
def doubles():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_normalized_rows_have_norm_one_and_a_gradient_across_them_only():
    G, h = random(2, 4, 3).requires_grad_(), random(2, 4, seed=1)
    H, k = row_normalized(G, h)
    assert torch.allclose(H.norm(dim=-1), torch.ones(2, 4))
    assert torch.allclose(k, h / G.norm(dim=-1))
    (gradient,) = torch.autograd.grad((H * random(2, 4, 3, seed=2)).sum() + k.sum() ** 2, G)
    scaled = row_normalized(3 * G, 3 * h)
    assert torch.allclose(scaled[0], H) and torch.allclose(scaled[1], k)
    assert gradient.isfinite().all()
    assert torch.autograd.gradcheck(row_normalized, (G, h.requires_grad_()))


def test_a_removed_row_stays_removed_without_nan():
    G, h = random(2, 3).requires_grad_(), torch.tensor([torch.inf, 1.0])
    H, k = row_normalized(G, h)
    assert torch.isposinf(k[0])
    (gradient,) = torch.autograd.grad(H.sum() + k[1], G)
    assert gradient.isfinite().all()


def test_orthonormal_rows_with_their_derivatives_also_where_singular_values_are_equal():
    for free in (random(3, 5), random(2, 3, 3, seed=1), torch.eye(3, 4), random(1, 1)):
        free = free.clone().requires_grad_()
        A = orthonormal_rows(free)
        assert torch.allclose(A @ A.mT, torch.eye(A.shape[-2]).expand_as(A @ A.mT), atol=1e-14)
        assert torch.autograd.gradcheck(orthonormal_rows, (free,), check_forward_ad=True)
    batched = torch.func.vmap(orthonormal_rows)(random(4, 2, 3))
    assert torch.allclose(batched, orthonormal_rows(random(4, 2, 3)))


def test_it_is_the_same_map_as_in_the_core():
    # The example of the core's page.
    free = torch.tensor([[2.0, 0.0], [0.0, 0.5]], requires_grad=True)
    A = orthonormal_rows(free)
    assert torch.allclose(A, torch.eye(2))
    (gradient,) = torch.autograd.grad((A * torch.tensor([[1.0, 2.0], [0.0, 1.0]])).sum(), free)
    assert torch.allclose(gradient, torch.tensor([[0.0, 0.8], [-0.8, 0.0]]))


def test_regularized_and_perturbed_programs_have_one_solution():
    n = 4
    Q, p = torch.zeros(n, n), -torch.ones(n)
    G = torch.cat([torch.eye(n), -torch.eye(n), torch.ones(1, n)])
    h = torch.cat([torch.ones(n), torch.zeros(n), torch.tensor([2.0])])
    z = qp(regularized(Q, 1e-3, p=p), p, G, h)
    assert torch.allclose(z, torch.full((n,), 0.5), atol=1e-8)
    z = qp(Q, perturbed(p, 1e-3, seed=3), G, h)
    assert torch.allclose(z, z.round(), atol=1e-8) and z.sum().round() == 2
    assert torch.allclose(regularized(2 * torch.eye(2), 0.5), 3 * torch.eye(2))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"row \(1,\) of the matrix is zero"):
        row_normalized(torch.tensor([[1.0], [0.0]]), torch.zeros(2))
    with pytest.raises(ValueError, match="expected shapes"):
        row_normalized(torch.ones(2, 3), torch.ones(3))
    with pytest.raises(ValueError, match="rows <= n"):
        orthonormal_rows(torch.ones(3, 2))
    with pytest.raises(ValueError, match="rows are dependent"):
        orthonormal_rows(torch.ones(2, 3))
    with pytest.raises(ValueError, match="give p"):
        regularized(torch.zeros(2, 2), 1e-3)
    with pytest.raises(ValueError, match="perturbed: relative must be a positive number; found 0"):
        perturbed(torch.ones(2), 0.0, seed=1)


def test_arguments_of_the_wrong_kind_are_named():
    Q, p = torch.eye(2), torch.ones(2)
    cases = [
        (lambda: regularized(Q, "a"), "regularized: relative must be a positive number; found 'a'"),
        (lambda: regularized(Q, True), "regularized: relative must be a positive number"),
        (lambda: regularized(Q, 1.0, size=None), "regularized: size must be a positive number"),
        (lambda: regularized([[1.0]], 1.0), "regularized: Q must be a tensor; found list"),
        (lambda: regularized(Q, 1.0, p=2.0), "regularized: p must be a tensor; found float"),
        (lambda: perturbed(p, 1.0, seed="a"), "perturbed: seed must be an integer; found 'a'"),
        (lambda: row_normalized(Q, 1.0), "row_normalized: rhs must be a tensor; found float"),
        (lambda: orthonormal_rows(None), "orthonormal_rows: free must be a tensor; found NoneType"),
    ]
    for call, message in cases:
        with pytest.raises(TypeError, match=message):
            call()
    assert torch.equal(regularized(Q, torch.tensor(0.5)), regularized(Q, 0.5))
