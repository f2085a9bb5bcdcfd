"""The door without Python: XLA calls the core as it calls its own kernels.

The extension module has handlers for the foreign function interface (FFI) of XLA; here they are
registered with JAX, and the programs that they solve with them. A call names its program by a key,
which is a hash of what the program says of itself, so that it means the same in every process. An
exported function carries the description itself, and can be called where the program was never
made (`argrad.jax` has to be imported there).

Where JAX has an interface that the module does not know, compiled functions call back into Python
instead: slower, and they cannot be exported.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import jax
import numpy as np

from argrad import _core, _description, _options
from argrad._card import load_compiler
from argrad._errors import SolverWarning
from argrad._programs import Flags, Program

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

_lock = threading.Lock()
_is_available: bool | None = None
_keys: dict[Any, int] = {}


def is_available() -> bool:
    """Whether this JAX takes the handlers; they are registered when this is first asked, as
    `argrad.jax` does when it is imported: an exported function may be called next."""
    global _is_available
    with _lock:
        if _is_available is None:
            _is_available = _register()
        return _is_available


def _register() -> bool:
    try:
        for name, handler in _core.ffi_handlers().items():
            jax.ffi.register_ffi_target(name, handler, platform="cpu")
        for name, handler in _core.ffi_device_handlers(False).items():
            jax.ffi.register_ffi_target(name, handler, platform="CUDA")
    except Exception as error:  # whatever another version of JAX raises
        _options.warn_once(
            "ffi",
            f"jax {jax.__version__} does not take argrad's handlers ({error}); compiled functions "
            "call back into Python instead, which is slower, and cannot be exported. Another "
            "version of jax or argrad helps",
            SolverWarning,
        )
        return False
    return True


def serves(dtype: np.dtype) -> bool:
    """Whether a call with numbers of this type goes through the handlers."""
    return dtype in _DTYPES and is_available()


def attributes(program: Program, batch: int | None, export: bool) -> dict[str, Any]:
    """What all handlers are told: the program and its batch."""
    with _lock:
        key = _keys.get(program)
    if key is None:
        key = key_of(program)
        program.register(key)  # type: ignore[attr-defined]
        with _lock:
            _keys[program] = key
    found: dict[str, Any] = {"key": np.int64(key), "batch": number(batch)}
    if export:
        found["description"] = _description.text(program)
    return found


def key_of(program: Program) -> int:
    """A hash of all that the program says of itself, of 64 bits."""
    digest = hashlib.sha256()
    _description.feed(digest.update, program)
    return int.from_bytes(digest.digest()[:8], "little", signed=True)


def number(count: int | None) -> np.int64:
    """A size as handlers take it; -1 is none."""
    return np.int64(-1 if count is None else count)


def flags(given: Flags) -> str:
    """Flags as handlers take them."""
    return "".join("1" if flag else "0" for flag in given)


def restore(key: int, description: bytes) -> None:
    """Registers the program of an exported function. The core calls it."""
    load_compiler()
    program = _description.program(description.decode())
    program.register(key)


def is_export(lowering: Any) -> bool:
    """Whether a function is compiled to be exported."""
    parameters: Any = getattr(lowering, "lowering_parameters", None)
    return bool(getattr(parameters, "for_export", False))
