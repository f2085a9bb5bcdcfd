"""What a parameter's attributes promise of its values: signs, bounds, semidefiniteness.

A problem is convex, and the compiled program right, only where they hold; CVXPY checks them when a
parameter gets a value, a layer when it is called.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

#: Deviations of so many roundings of the largest entry are rounding.
_ROUNDINGS = 16.0
#: The rounding of single and of double precision.
_SINGLE, _DOUBLE = 2.0**-23, 2.0**-52


class Attribute(NamedTuple):
    """One promise: bounds of the entries, or of the eigenvalues of a matrix by its sign."""

    words: str
    lower: Any = None
    upper: Any = None
    eigenvalues: float = 0.0
    """1 for a positive, -1 for a negative semidefinite matrix, else 0."""

    def holds(self, values: np.ndarray) -> bool:
        """Whether all entries are within the bounds: the usual case, in which nothing else has to
        be looked at. False where it takes more to say."""
        # Not comparisons that NaN fulfils.
        above = self.lower is None or (values >= self.lower).all()
        below = self.upper is None or (values <= self.upper).all()
        return not self.eigenvalues and bool(above and below)

    def violation(self, values: np.ndarray, rounding: float) -> tuple[tuple[int, ...], str] | None:
        """The index of the first entry (of the first matrix) of `values` that breaks the promise,
        and what is there; None if none does."""
        slack = slack_of(float(np.max(np.abs(values), initial=0.0)), rounding)
        if self.eigenvalues:
            return self._indefinite(self.eigenvalues * values, slack)
        bad = np.zeros(values.shape, bool)
        if self.lower is not None:
            bad |= values < self.lower - slack
        if self.upper is not None:
            bad |= values > self.upper + slack
        if not bad.any():
            return None
        index = tuple(int(k) for k in np.argwhere(bad)[0])
        return index, f"is {values[index]}"

    def clipped(self, values: np.ndarray) -> np.ndarray:
        """The values, those outside of the bounds on them."""
        if self.lower is not None and (values < self.lower).any():
            values = np.maximum(values, self.lower)
        if self.upper is not None and (values > self.upper).any():
            values = np.minimum(values, self.upper)
        return values

    def _indefinite(self, matrices: np.ndarray, slack: float) -> tuple[tuple[int, ...], str] | None:
        symmetric = 0.5 * (matrices + np.swapaxes(matrices, -1, -2))
        order = symmetric.shape[-1]
        # Rounding moves the eigenvalues of a matrix by its entries' times its order.
        shift = max(slack * order, np.finfo(float).tiny)
        try:
            np.linalg.cholesky(symmetric + shift * np.eye(order))
        except np.linalg.LinAlgError:
            least = np.linalg.eigvalsh(symmetric)[..., 0]
            at = np.unravel_index(int(np.argmin(least)), least.shape)
            if least[at] < -shift:
                sign = "negative" if self.eigenvalues > 0.0 else "positive"
                return tuple(
                    int(k) for k in at
                ), f"has the {sign} eigenvalue {self.eigenvalues * least[at]}"
        return None


def slack_of(size: Any, rounding: float) -> Any:
    """The deviation that passes for rounding in numbers of which the largest is `size`."""
    return _ROUNDINGS * rounding * size


def rounding_of(single: bool) -> float:
    """The rounding of single or of double precision."""
    return _SINGLE if single else _DOUBLE


def attributes_of(parameter: Any) -> tuple[Attribute, ...]:
    """What the attributes of a CVXPY parameter promise, as far as values can break it: a symmetric
    or diagonal matrix is made of any."""
    found = []
    for names, attribute in (
        (("nonneg", "pos"), Attribute("nonnegative", lower=0.0)),
        (("nonpos", "neg"), Attribute("nonpositive", upper=0.0)),
        (("PSD",), Attribute("positive semidefinite", eigenvalues=1.0)),
        (("NSD",), Attribute("negative semidefinite", eigenvalues=-1.0)),
    ):
        if any(parameter.attributes.get(name) for name in names):
            found.append(attribute)
    bounds = parameter.attributes.get("bounds")
    if bounds is not None:
        lower, upper = (None if b is None else np.asarray(b, float) for b in bounds)
        found.append(Attribute("within its bounds", lower, upper))
    return tuple(found)


def checked(
    place: str, attributes: tuple[Attribute, ...], values: np.ndarray, single: bool, batched: bool
) -> np.ndarray:
    """`values` of a parameter called `place`, those that are out of its bounds by a rounding on
    them: a weight of -1e-17 can make a program unbounded.

    Raises ValueError if they break one of its attributes: names the sample and the entry."""
    for attribute in attributes:
        if attribute.holds(values):
            continue
        found = attribute.violation(values, rounding_of(single))
        if found is None:
            values = attribute.clipped(values)
            continue
        index, what = found
        where = ""
        if batched:
            where, index = f" of sample {index[0]}", index[1:]
        subject = f"entry {index}{where}" if index else f"the value{where}"
        raise ValueError(
            f"{place} must be {attribute.words}, as its attributes say; {subject} {what}. "
            "check_attributes=False turns this check off"
        )
    return values
