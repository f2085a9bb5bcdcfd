"""Whether there is a card to race on; if not, what is missing.

`python card.py` says it and exits with 2. Nothing but Python itself is needed, so that it can be
asked before anything is installed.
"""

from __future__ import annotations

import ctypes
import sys

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def missing() -> str | None:
    """What this machine lacks to run anything on an NVIDIA card; None for nothing."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return f"there is no NVIDIA driver: {_DRIVER} cannot be loaded"
    code = driver.cuInit(0)
    if code != 0:
        return f"the NVIDIA driver sees no card: cuInit returns {_error(driver, code)}"
    count = ctypes.c_int()
    code = driver.cuDeviceGetCount(ctypes.byref(count))
    if code != 0 or count.value == 0:
        return "the NVIDIA driver is there and sees no card"
    return None


def missing_in_torch() -> str | None:
    """What PyTorch, which the race runs on, lacks besides; None for nothing."""
    try:
        import torch
    except ImportError as error:
        return f"PyTorch is not installed: {error}"
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA"
    if not torch.cuda.is_available():
        return (
            f"PyTorch {torch.__version__} is built for CUDA {torch.version.cuda}, "
            f"and the driver serves up to {_version()}"
        )
    return None


def description() -> str:
    """The card that the race runs on: its name, memory and what its driver serves."""
    driver = ctypes.CDLL(_DRIVER)
    device, name, size = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    for code in (
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), 0),
        driver.cuDeviceGetName(name, len(name), device),
        driver.cuDeviceTotalMem_v2(ctypes.byref(size), device),
    ):
        if code != 0:
            return f"unknown: {_error(driver, code)}"
    return f"{name.value.decode()}, {size.value / 2**30:.0f} GiB, driver of CUDA {_version()}"


def _version() -> str:
    """The newest CUDA that the driver serves."""
    version = ctypes.c_int()
    if ctypes.CDLL(_DRIVER).cuDriverGetVersion(ctypes.byref(version)) != 0:
        return "an unknown one"
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def _error(driver: ctypes.CDLL, code: int) -> str:
    """A code by its name."""
    name = ctypes.c_char_p()
    known = driver.cuGetErrorName(code, ctypes.byref(name)) == 0 and name.value
    return name.value.decode() if known else str(code)


if __name__ == "__main__":
    reason = missing()
    if reason is not None:
        print(f"The race on a card needs one, and {reason}.", file=sys.stderr)
        sys.exit(2)
