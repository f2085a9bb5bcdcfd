"""Programs as text and back, without code in the text: what an exported function carries.

A description is JSON. Numbers, texts, lists, tuples, dictionaries and arrays stand for themselves;
a program is the name of its kind and the fields that it is made of.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

#: Where the classes of programs are. Their `description()` are the arguments of their
#: `from_description`.
_KINDS = {
    "qp": ("argrad.jax._qp", "QpProgram"),
    "cvxpy": ("argrad._cvxpy_program", "CvxpyProgram"),
}


def text(program: Any) -> str:
    """The description of a program."""
    return json.dumps([program.kind, _encoded(program.description())])


def program(description: str) -> Any:
    """The program of a description.

    Raises ValueError if it is none, or of a kind that this version does not know.
    """
    try:
        name, fields = json.loads(description)
        module, cls = _KINDS[name]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"the exported function does not describe a program that this argrad knows ({error}); "
            "export it with this version"
        ) from None
    return getattr(importlib.import_module(module), cls).from_description(*_decoded(fields))


def feed(update: Callable[[Any], Any], program: Any) -> None:
    """Gives all that a description says to the function of a hash, without making the text."""
    update(program.kind.encode())
    _feed(update, program.description())


def _feed(update: Callable[[Any], Any], value: Any) -> None:
    if isinstance(value, np.ndarray):
        update(f"{value.dtype.str}{value.shape}".encode())
        update(np.ascontiguousarray(value).data)
    elif isinstance(value, dict):
        _feed(update, list(value.items()))
    elif isinstance(value, list | tuple):
        update(f"{len(value)}(".encode())
        for part in value:
            _feed(update, part)
        update(b")")
    else:
        update(f"{value!r};".encode())


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        numbers = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": numbers, "dtype": value.dtype.str, "shape": value.shape}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {"dict": [[_encoded(key), _encoded(part)] for key, part in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_encoded(part) for part in value]}
    if isinstance(value, list):
        return [_encoded(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be described")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        numbers = np.frombuffer(base64.b64decode(value["array"]), np.dtype(value["dtype"]))
        return numbers.reshape(value["shape"]).copy()
    if "dict" in value:
        return {_decoded(key): _decoded(part) for key, part in value["dict"]}
    return tuple(_decoded(part) for part in value["tuple"])
