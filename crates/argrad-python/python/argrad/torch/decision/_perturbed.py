"""Perturbed optimizers: decisions averaged over random costs, and the loss that belongs to them."""

from __future__ import annotations

import torch

from argrad.torch.decision._dataset import DecisionDataset
from argrad.torch.decision._model import DecisionModel
from argrad.torch.decision._module import DecisionModule, Reduction, check_count, check_positive


class _Perturbed(DecisionModule):
    """Costs with Gaussian noise, and all their programs in one call.

    `n_samples` is the number of noises per sample, `sigma` their size in units of the costs, `seed`
    that of their generator, which goes on from call to call. Other arguments: see `DecisionModule`.
    """

    def __init__(
        self,
        model: DecisionModel,
        n_samples: int = 10,
        sigma: float = 1.0,
        seed: int = 135,
        solve_ratio: float = 1.0,
        reduction: Reduction = "mean",
        dataset: DecisionDataset | torch.Tensor | None = None,
    ) -> None:
        super().__init__(model, solve_ratio, reduction, dataset, seed)
        self.n_samples = check_count("n_samples", n_samples)
        self.sigma = check_positive("sigma", sigma)
        self.seed = seed
        self._generator = torch.Generator().manual_seed(seed)

    def _noise(self, cost: torch.Tensor) -> torch.Tensor:
        """Noise (batch, n_samples, d), the same on every device."""
        shape = (len(cost), self.n_samples, cost.shape[1])
        return torch.randn(shape, dtype=cost.dtype, generator=self._generator).to(cost.device)

    def _perturb(self, cost: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Costs (batch, n_samples, d)."""
        return cost.unsqueeze(1) + self.sigma * noise

    def _decide(self, perturbed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coefficients and decisions (batch, n_samples, n) of perturbed costs."""
        coefficients = self.model.lift(perturbed)
        found = self._minimize(coefficients.flatten(0, 1))
        return coefficients, found.unflatten(0, perturbed.shape[:2])


class _Multiplicative(_Perturbed):
    """Noise that keeps the sign of every cost: c exp(sigma noise - sigma^2 / 2), of mean c."""

    def _perturb(self, cost: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return cost.unsqueeze(1) * torch.exp(self.sigma * noise - 0.5 * self.sigma**2)


class PerturbedOpt(_Perturbed):
    """The mean of optimal decisions over costs with noise, E w(c + sigma Z), by `n_samples` draws.

    The mean is smooth in c: noise changes the shares of vertices. Its derivative needs that of no
    program: d/dc E w = E w(c + sigma Z) Z' / sigma. With `variance_reduction` the mean of the other
    draws is taken off each w first, which changes no expectation.

    Source: Berthet et al. 2020, "Learning with differentiable perturbed optimizers".
    """

    def __init__(
        self,
        model: DecisionModel,
        n_samples: int = 10,
        sigma: float = 1.0,
        seed: int = 135,
        variance_reduction: bool = True,
        solve_ratio: float = 1.0,
        dataset: DecisionDataset | torch.Tensor | None = None,
    ) -> None:
        super().__init__(model, n_samples, sigma, seed, solve_ratio, "none", dataset)
        self.variance_reduction = bool(variance_reduction)

    def _score(self, cost: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Zero, (batch, n_samples), whose derivative by the costs is that of the logarithm of the
        density of the perturbed costs."""
        return ((cost - cost.detach()).unsqueeze(1) * noise).sum(-1) / self.sigma

    def forward(self, pred_cost: torch.Tensor) -> torch.Tensor:
        """Mean decisions (batch, n) for costs (batch, d)."""
        cost = self.model.check_costs("pred_cost", pred_cost)
        noise = self._noise(cost)
        _, found = self._decide(self._perturb(cost.detach(), noise))
        mean = found.mean(1)
        rewards = found
        if self.variance_reduction and self.n_samples > 1:
            others = self.n_samples / (self.n_samples - 1)
            rewards = (found - mean.unsqueeze(1)) * others
        return mean + (self._score(cost, noise).unsqueeze(-1) * rewards).mean(1)


class PerturbedOptMul(_Multiplicative, PerturbedOpt):
    """`PerturbedOpt` with noise c exp(sigma Z - sigma^2 / 2), for solvers that need costs of one
    sign. No cost may be zero.

    Source: Dalle et al. 2022, "Learning with combinatorial optimization layers".
    """

    def _score(self, cost: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        fixed = cost.detach()
        if bool((fixed == 0.0).any()):
            sample, entry = (fixed == 0.0).nonzero()[0].tolist()
            raise ValueError(
                "pred_cost must not be zero, since noise that multiplies it does not move it; "
                f"entry {entry} of sample {sample} is. Use PerturbedOpt, or costs that a softplus "
                "keeps positive"
            )
        return super()._score(cost / fixed, noise)


class PerturbedFenchelYoung(_Perturbed):
    """The Fenchel-Young loss of predicted costs c and a decision w that they should lead to:

        l(c) = v(c, w) - E min_u v(c + sigma Z, u),   v(c, w) = c'w + f(w)

    Convex in c, with gradient w - E w(c + sigma Z): it is least where the mean decision is w. Needs
    no true costs, only decisions to imitate.

    Source: Berthet et al. 2020, "Learning with differentiable perturbed optimizers".
    """

    def forward(self, pred_cost: torch.Tensor, true_sol: torch.Tensor) -> torch.Tensor:
        """The loss of costs (batch, d) for decisions (batch, n): a number, or (batch,)."""
        model = self.model
        cost = model.check_costs("pred_cost", pred_cost)
        target = model.check_decisions("true_sol", true_sol).detach().to(cost)
        coefficients, found = self._decide(self._perturb(cost, self._noise(cost)))
        least = model.value(coefficients, found).mean(1)
        return self._reduce(model.value(model.lift(cost), target) - least)


class PerturbedFenchelYoungMul(_Multiplicative, PerturbedFenchelYoung):
    """`PerturbedFenchelYoung` with noise c exp(sigma Z - sigma^2 / 2), for solvers that need costs
    of one sign.

    Source: Dalle et al. 2022, "Learning with combinatorial optimization layers".
    """
