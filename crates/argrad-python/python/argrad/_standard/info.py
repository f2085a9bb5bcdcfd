"""Diagnostics of a solution."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Info:
    """Diagnostics of a `Solution`: a number each, or an array of shape (batch,).

    Residuals are relative, see the conventions. `condition` is an estimate for the derivative's
    system in scaled variables. `unique_x` is False where there are other primal, `unique_z` where
    there are other dual solutions, as far as rounding lets that system tell; `unique` is both.
    `weakly_active` counts constraints with slack and dual both nearly zero.
    """

    iterations: Any
    polish_steps: Any
    factorizations: Any
    warm_started: Any
    objective: Any
    residual: Any
    primal_residual: Any
    dual_residual: Any
    gap: Any
    weakly_active: Any
    condition: Any
    unique: Any
    unique_x: Any
    unique_z: Any
    degenerate: Any
    """True where there is no solution, a weakly active constraint, or more than one solution:
    the derivative is defined there but should not be taken at face value."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def asdict(self) -> dict[str, Any]:
        """All fields by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
