"""What a graph that is compiled or exported says of a layer, and the layer that it means.

A graph holds tensors and constants, so what is solved is a string, JSON of a few options. Of a
quadratic program it says all. A CVXPY problem is named by a digest of what it compiled to, and
looked up among the layers of the process; another process that is to run an exported graph makes
the same layer first.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pickle
import re
import uuid
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from argrad import _core
from argrad._compiled import Compiled
from argrad._options import Device, Elastic
from argrad._policy import Policy
from argrad.torch._call import Call, Program
from argrad.torch._device import takes_host_for_card
from argrad.torch._layer_program import LayerProgram
from argrad.torch._qp_program import NAMES, plan_of
from argrad.torch._relaxed import elastic_layer, elastic_qp

_RANKS = {"Q": 2, "p": 1, "G": 2, "h": 1, "A": 2, "b": 1}
_MADE_UP = re.compile(r"\b(var|param)\d+\b")
_observers: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_problems: weakref.WeakValueDictionary[str, Compiled] = weakref.WeakValueDictionary()

Shapes = Sequence[tuple[int, ...]]


class Target(NamedTuple):
    """What is solved, and how."""

    problem: str
    """``"qp"``, or the digest of a CVXPY problem."""
    present: tuple[bool, ...]
    """Which arguments there are, of a quadratic program."""
    duals: bool
    settings: tuple[tuple[str, Any], ...]
    policy: Policy
    observer: str
    """The name of the module that keeps the last solution; empty for none."""
    warm: bool
    """Begin at the last solution of that module."""
    elastic: Elastic | None = None
    """How infeasible samples are relaxed; None: not at all."""
    violation: bool = False
    """Whether the last output is the size of the violation."""
    device: Device = "auto"
    """Where it is to be solved."""

    @property
    def ranks(self) -> list[int]:
        """Numbers of dimensions of the tensors of one sample."""
        if self.problem == "qp":
            return [_RANKS[n] for n, there in zip(NAMES, self.present, strict=True) if there]
        return [len(p.shape) for p in compiled_of(self.problem).parameters]

    def plan(self, shapes: Shapes, single: bool) -> tuple[Any, int | None, tuple[bool, ...]]:
        """The program for tensors of these shapes, the batch size, and which of the program's
        arguments are absent. Raises ValueError for shapes."""
        if self.problem == "qp":
            given = iter(shapes)
            all_shapes = tuple(next(given) if there else None for there in self.present)
            plan = plan_of(all_shapes, self.settings, self.duals, single)
            program: Program = plan.program
            if self.elastic is not None:
                how = (self.settings, single, self.elastic, self.violation)
                program = elastic_qp(plan.program, *how)
            return program, plan.batch, plan.absent
        compiled = compiled_of(self.problem)
        batch, _ = compiled.batch_of([_Shaped(tuple(shape)) for shape in shapes], "a tensor")
        layer = compiled.layer(dict(self.settings), single=single)
        program = LayerProgram(compiled, layer, single)
        if self.elastic is not None:
            program = elastic_layer(program, self.settings, self.elastic, self.violation)
        return program, batch, (False,) * len(compiled.parameters)

    def call(self, program: Any, like: torch.Tensor, taped: bool) -> Call:
        """A call of the program that reports to the module."""
        module = _observers.get(self.observer) if self.observer else None
        start = module._last if module is not None and self.warm else None
        observe = None if module is None else module._observe
        call = Call(program, self.policy, like, start, observe, self.device)
        call.differentiable = taped
        return call


class _Shaped(NamedTuple):
    shape: tuple[int, ...]


def spec_of(target: Target) -> str:
    """The string of a target. It says too what lengths of tapes follow from: PyTorch keeps graphs
    that it compiled on disk."""
    kind = f"{_core.__version__}, host for card" if takes_host_for_card() else _core.__version__
    return json.dumps([kind, *target])


@functools.lru_cache(maxsize=512)
def target_of(spec: str) -> Target:
    """The target of a string."""
    _, problem, present, duals, settings, policy, *rest = json.loads(spec)
    observer, warm, elastic, violation, device = rest
    derivative, on_failure, method, *limits = policy
    policy = Policy(_tuple(derivative), on_failure, _tuple(method), *limits)
    settings = tuple((key, value) for key, value in settings)
    how = (observer, warm, _tuple(elastic), violation, device)
    return Target(problem, tuple(present), duals, settings, policy, *how)


def _tuple(value: Any) -> Any:
    """A list of JSON as the tuple that it was."""
    return tuple(value) if isinstance(value, list) else value


def observer_of(module: torch.nn.Module) -> str:
    """A name for a module in this process; in others it means nobody."""
    name = module.__dict__.get("_observer")
    if name is None or _observers.get(name) is not module:
        name = uuid.uuid4().hex
        module.__dict__["_observer"] = name
        _observers[name] = module
    return name


def problem_of(compiled: Compiled) -> str:
    """The digest of a CVXPY problem, by which `compiled_of` finds it."""
    content = pickle.dumps(_renamed(compiled.__reduce__()[1], {}), protocol=5)
    digest = hashlib.sha256(content).hexdigest()[:32]
    _problems[digest] = compiled
    return digest


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The same with new numbers in the names that CVXPY makes up (var12, param3), which count what
    a process made before."""
    if isinstance(value, str):
        return _MADE_UP.sub(lambda at: names.setdefault(at[0], f"{at[1]}#{len(names)}"), value)
    if isinstance(value, (tuple, list)):
        return [_renamed(part, names) for part in value]
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    return value


def compiled_of(digest: str) -> Compiled:
    """The CVXPY problem with a digest. Raises RuntimeError if this process has no such layer."""
    compiled = _problems.get(digest)
    if compiled is None:
        raise RuntimeError(
            f"this graph solves a CVXPY problem (digest {digest}) of which this process has no "
            "layer; make the CvxpyLayer with which it was exported, and keep it, before the graph "
            "runs"
        )
    return compiled
