"""What to write instead of a boolean or integer variable."""

from __future__ import annotations

RELAXATIONS = (
    "Relaxations: a continuous variable in its box (bounds=[0, 1], or the range of the integer), "
    "whose solution is a bound of the integer optimum; rounding it after the layer, with the "
    "gradient of the relaxed one (straight through); a penalty that is small near integers, such "
    "as the concave x * (1 - x), linearized at the last solution by a parameter of the layer."
)
