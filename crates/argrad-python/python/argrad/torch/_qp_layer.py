"""A quadratic program as a module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from argrad import _conditions, _core, _options
from argrad._elastic import NO_VIOLATION
from argrad._policy import settings_key
from argrad._shapes import transpose_hint
from argrad.torch._call import named_reports
from argrad.torch._device_solved import Summary
from argrad.torch._elastic import elastic_reports
from argrad.torch._qp import QpOptions, compiled_qp, run_qp
from argrad.torch._qp_conditions import qp_conditions
from argrad.torch._qp_program import NAMES, core_qp


class QpLayer(torch.nn.Module):
    """A quadratic program as a module: each argument learned, fixed, or fed at each call.

        minimize    1/2 z'Qz + p'z
        subject to  Gz <= h,  Az = b

    `n` is the number of variables, `inequalities` and `equalities` are the numbers of rows. Q, p,
    G, h, A, b given here as `torch.nn.Parameter` are learned, given as tensors they are fixed
    (buffers, so they move and are saved with the module), and those not given are passed to each
    call, in this order or by name. The options are those of `qp`, and as there an entry of h from
    1e19 on is no constraint, with an infinite slack. Whatever changes a learned Q must
    keep it positive semidefinite, for example by learning a factor L and feeding L L' instead.

    `info` describes the last call. Copies and pickles hold everything but `info` and the last
    solution.

        >>> layer = QpLayer(2, inequalities=1, Q=torch.eye(2), G=torch.ones(1, 2), h=torch.ones(1))
        >>> z = layer(torch.tensor([-1.0, -1.0]))  # p is fed
    """

    def __init__(
        self,
        n: int,
        inequalities: int = 0,
        equalities: int = 0,
        *,
        Q: torch.Tensor | None = None,
        p: torch.Tensor | None = None,
        G: torch.Tensor | None = None,
        h: torch.Tensor | None = None,
        A: torch.Tensor | None = None,
        b: torch.Tensor | None = None,
        duals: bool = False,
        derivative: _options.Derivative = "exact",
        on_failure: _options.OnFailure = "raise",
        method: _options.Method = "direct",
        solver_args: Mapping[str, Any] | None = None,
        warm_start: bool = False,
        on_infeasible: _options.OnInfeasible = "fail",
        violation: bool = False,
        device: _options.Device = "auto",
    ) -> None:
        super().__init__()
        for name, count in (("n", n), ("inequalities", inequalities), ("equalities", equalities)):
            if isinstance(count, bool) or not isinstance(count, int) or count < (name == "n"):
                least = 1 if name == "n" else 0
                raise ValueError(f"{name} must be an integer >= {least}; found {count!r}")
        self.n, self.inequalities, self.equalities = n, inequalities, equalities
        k, e = inequalities, equalities
        shapes = {"Q": (n, n), "p": (n,), "G": (k, n), "h": (k,), "A": (e, n), "b": (e,)}
        self._shapes: dict[str, tuple[int, ...]] = shapes
        fed = []
        for name, value in zip(NAMES, (Q, p, G, h, A, b), strict=True):
            if value is None:
                if 0 not in shapes[name]:
                    fed.append(name)
                continue
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{name} must be a tensor; found {type(value).__name__}")
            self._check_given(name, value)
            if isinstance(value, torch.nn.Parameter):
                self.register_parameter(name, value)
            else:
                self.register_buffer(name, value)
        self.fed = tuple(fed)
        self.duals = bool(duals)
        self.derivative = _options.derivative(derivative)
        self.on_failure = _options.on_failure(on_failure)
        self.method = _options.method(method)
        self.solver_args = dict(solver_args or {})
        _options.solver_options(self.solver_args)
        self.warm_start = bool(warm_start)
        self.on_infeasible = on_infeasible
        self.violation = bool(violation)
        self.device = _options.device(device)
        if _options.on_infeasible(on_infeasible) is None and self.violation:
            raise ValueError(NO_VIOLATION)
        self._last: _core.QpSolved | Summary | None = None
        self._elastic: dict[str, Any] | None = None

    def forward(
        self, *args: torch.Tensor, warm_start: bool | None = None, **named: torch.Tensor
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Solves with the arguments that are fed, in the order of `fed` or by name.

        `warm_start` (default: that of the constructor) begins at the solution of the previous
        call where the batch sizes agree. Returns what `qp` returns. Raises TypeError if an argument
        is missing, unknown, or given twice, and whatever `qp` raises.
        """
        tensors = self._arguments(args, named)
        warm = self.warm_start if warm_start is None else warm_start
        options = QpOptions(
            self.duals,
            self.derivative,
            self.on_failure,
            self.method,
            self.solver_args,
            self.on_infeasible,
            self.violation,
            self.device,
        )
        run = compiled_qp if torch.compiler.is_compiling() else run_qp
        return run(tensors, options, self, warm)

    def _check_given(self, name: str, value: torch.Tensor) -> None:
        """Raises ValueError unless an argument of the constructor has the shape of one sample."""
        shape, found = self._shapes[name], tuple(value.shape)
        if found == shape:
            return
        if shape[0] == 0 and found and found[0] > 0:
            rows = "inequalities" if name in "Gh" else "equalities"
            raise ValueError(
                f"{name} was given with {found[0]} rows, but the layer has no {rows}: pass "
                f"{rows}={found[0]}"
            )
        hint = transpose_hint(found, *shape) if len(found) == len(shape) == 2 else ""
        raise ValueError(f"{name} must have shape {shape}; found {found}{hint}")

    def _check_fed(self, name: str, value: torch.Tensor) -> None:
        """Raises ValueError unless an argument of a call has the shape of one sample, or of a
        batch."""
        shape, found = self._shapes[name], tuple(value.shape)
        # By lengths first: the size of a batch may be a symbol, and is not to be compared.
        batched = len(found) == len(shape) + 1 and found[1:] == shape
        if batched or (len(found) == len(shape) and found == shape):
            return
        hint = transpose_hint(found, *shape) if len(shape) == 2 else ""
        whole = ", ".join(map(str, ("batch", *shape)))
        raise ValueError(
            f"{name} must have shape {shape} or ({whole}), since the layer has n={self.n}, "
            f"inequalities={self.inequalities}, equalities={self.equalities}; found {found}{hint}"
        )

    def _arguments(
        self, args: Sequence[torch.Tensor], named: Mapping[str, torch.Tensor]
    ) -> list[torch.Tensor | None]:
        """Q, p, G, h, A, b: those of the layer and those that are fed."""
        if len(args) > len(self.fed):
            raise TypeError(
                f"this layer is fed {len(self.fed)} arguments ({', '.join(self.fed) or 'none'}); "
                f"found {len(args)}"
            )
        given = dict(zip(self.fed, args, strict=False))
        for name, value in named.items():
            if name not in self.fed:
                raise TypeError(
                    f"{name!r} is not fed to this layer; it is fed {', '.join(self.fed) or 'none'}"
                )
            if name in given:
                raise TypeError(f"{name} was given twice")
            given[name] = value
        missing = [name for name in self.fed if name not in given]
        if missing:
            raise TypeError(f"missing: {', '.join(missing)}")
        for name, value in given.items():
            if isinstance(value, torch.Tensor):  # if not, `qp` says so
                self._check_fed(name, value)
        return [given.get(name, getattr(self, name, None)) for name in NAMES]

    def conditions(
        self,
        z: torch.Tensor,
        *args: torch.Tensor,
        nu: torch.Tensor | None = None,
        lam: torch.Tensor | None = None,
        **named: torch.Tensor,
    ) -> _conditions.KktConditions | list[_conditions.KktConditions]:
        """The KKT conditions at a point of any solver, with the arguments that are fed.

        Args:
            z: shape (n,) or (batch, n).
            args, named: what is fed, as in a call.
            nu, lam: the duals of equalities and inequalities, with or without batch axis; give both
                or neither. None: those that fit z best by least squares.

        Returns:
            A `KktConditions`; a list of them where an argument has a batch axis.

        >>> layer = QpLayer(2, inequalities=1, Q=torch.eye(2), G=torch.ones(1, 2), h=torch.ones(1))
        >>> layer.conditions(torch.zeros(2), torch.tensor([-1.0, -1.0])).is_optimal(1e-6)
        False
        """
        return qp_conditions(self._arguments(args, named), z, nu, lam, self.solver_args)

    def explain(self) -> str:
        """How the programs of this layer are solved: the engine, the order of elimination, the
        memory, and how many samples an instruction advances; see `argrad.Solver.explain`.

        It knows sizes only: zeros in a matrix that a batch shares are found in a call, and left out
        of its work.

        >>> print(QpLayer(2, inequalities=1).explain().splitlines()[0])
        2 variables, 1 rows
        """
        settings = settings_key(_options.solver_options(self.solver_args).settings)
        core = core_qp(self.n, self.equalities, self.inequalities, settings, False)
        return core.explain()

    def _observe(self, solution: Any) -> None:
        """Keeps the solution of a call, but not what its derivative needs."""
        self._last = solution.core.without_tape()
        self._elastic = elastic_reports(solution)

    @property
    def info(self) -> dict[str, Any] | None:
        """Reports on the last call, arrays with one entry per sample; None before the first.

        `status` holds names ("solved", "primal_infeasible", ...); `iterations`, `polish_steps`,
        `factorizations`, `warm_started`, `objective`, `residual`, `primal_residual`,
        `dual_residual`, `gap`, `weakly_active`, `condition`, `unique`. With
        ``on_infeasible="elastic"`` also `violation`, the size of each sample's violation, and
        `violations`, a dictionary of the same by constraint; the other reports on a violated
        sample are those of its relaxed program.
        """
        last = self._last
        if last is None:
            return None
        return named_reports(last.reports if self._elastic is None else self._elastic)

    def extra_repr(self) -> str:
        return (
            f"n={self.n}, inequalities={self.inequalities}, equalities={self.equalities}, "
            f"fed=({', '.join(self.fed)})"
        )

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_last": None, "_elastic": None}
        state.pop("_observer", None)
        return state
