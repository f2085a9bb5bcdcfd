"""SPO+, a convex bound on the regret."""

from __future__ import annotations

import torch

from argrad.torch.decision._module import DecisionModule


class SPOPlus(DecisionModule):
    """The SPO+ loss of predicted costs p where the true ones are c:

        l(p) = 2 v(p, w*) - min_w v(2p - c, w) - v(c, w*),   v(p, w) = p'w + f(w)

    with w* optimal for c (of the minimization; a maximization is turned around). It is convex in p,
    at least the regret v(c, w(p)) - v(c, w*), and 0 at p = c where w* is unique. Its subgradient is
    2 (w* - w(2p - c)): one program a sample, and useful at every p, where the derivative of w(p) is
    zero. The bound holds for any f, by the derivation of the paper with v for c'w.

    Source: Elmachtoub and Grigas 2022, "Smart predict, then optimize". Arguments: see
    `DecisionModule`.

    >>> from argrad.torch.decision import CallbackModel
    >>> cheapest = CallbackModel(lambda c: (c == c.min(1, keepdims=True)).astype(float), 2)
    >>> SPOPlus(cheapest)(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 1.0]])).item()
    3.0
    """

    def forward(
        self,
        pred_cost: torch.Tensor,
        true_cost: torch.Tensor,
        true_sol: torch.Tensor | None = None,
        true_obj: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss of predicted costs (batch, d).

        Args:
            true_cost: (batch, d).
            true_sol: decisions (batch, n) that are optimal for the true costs; None: they are
                solved for, in the same call.
            true_obj: their objectives (batch,) or (batch, 1); None: computed of `true_sol`.

        Returns:
            A number, or (batch,) with ``reduction="none"``.
        """
        model = self.model
        predicted = model.lift(model.check_costs("pred_cost", pred_cost))
        slope, at_zero = self._piece(predicted.detach(), true_cost, true_sol, true_obj)
        return self._reduce((predicted * slope).sum(1) + at_zero)

    @torch.no_grad()
    def _piece(
        self,
        predicted: torch.Tensor,
        true_cost: torch.Tensor,
        true_sol: torch.Tensor | None,
        true_obj: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The affine piece of the loss at predicted coefficients: its slope 2 (w* - w(2p - c)),
        (batch, n), and its value at zero, (batch,). It is the whole loss up to the next kink."""
        model = self.model
        true = model.lift(model.check_costs("true_cost", true_cost)).to(predicted)
        if true.shape != predicted.shape:
            raise ValueError(
                f"true_cost must have the shape of pred_cost, one row of costs for each of "
                f"{len(predicted)} samples; found {tuple(true_cost.shape)}"
            )
        mixed = 2.0 * predicted - true
        if true_sol is None:
            both = self._minimize(torch.cat([mixed, true]))
            found, best = both[: len(mixed)], both[len(mixed) :]
        else:
            best = model.check_decisions("true_sol", true_sol).to(predicted)
            found = self._minimize(mixed)
        if true_obj is None:
            least = model.value(true, best)
        else:
            least = model.check_objectives("true_obj", true_obj, len(predicted)).to(predicted)
        at_zero = (true * found).sum(1) + 2.0 * model.rest(best) - model.rest(found) - least
        return 2.0 * (best - found), at_zero
