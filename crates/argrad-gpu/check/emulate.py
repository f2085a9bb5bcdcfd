"""Runs launches of the kernels, as they are compiled for a card: an interpreter of PTX.

`argrad-gpu-host` compiles the same text by the host's compiler, where a few words of it mean
something else (`kernels/block.h`). Here every instruction is one that NVRTC made: all threads of a
block in lockstep, each register an array with an entry for each thread, shared, local and global
memory with their bounds. What a launch leaves in memory is compared with what the host left there.

Run by `make gpu-emulate`, on launches that `cargo run -p argrad-gpu-host --example record` wrote.
"""

from __future__ import annotations

import argparse
import ctypes
import pathlib
import sys

import numpy as np

from block import Block, Memory
from compile import nvidia, text
from ptx import Function, parse

# Numbers of a report, and the place of the condition among them.
REPORT_LEN, CONDITION = 15, 10


def compile_for(nvrtc: ctypes.CDLL, variant: dict[str, int]) -> dict[str, Function]:
    """The functions of the kernels for a variant."""
    program = ctypes.c_void_p()
    source = text().encode()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"argrad.cu", 0, None, None)
    options = [
        "--gpu-architecture=compute_90",
        "-std=c++17",
        "-fmad=false",
        "-default-device",
    ]
    options += [f"-D{name}={value}" for name, value in variant.items()]
    array = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    if nvrtc.nvrtcCompileProgram(program, len(options), array) != 0:
        sys.exit("the kernels do not compile: run make gpu-check")
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    return parse(ptx.value.decode())


def run(path: pathlib.Path, known: dict, nvrtc: ctypes.CDLL) -> tuple[float, int]:
    """Runs a launch; returns the largest difference to what the host left, relative to the largest
    number of its piece and at least to one, and how many instructions there were."""
    fields: dict[str, str] = {}
    pieces = []
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == "piece":
            start, length = value.split()
            pieces.append((int(start), int(length)))
        else:
            fields[key] = value
    names = {"THREADS": "threads", "AT_LEAST": "blocks", "RESIDENT": "resident"}
    names |= {"CURVED": "curved", "SPARSE": "sparse"}
    variant = {name: int(fields[key]) for name, key in names.items()}
    key = tuple(variant.items())
    if key not in known:
        known[key] = compile_for(nvrtc, variant)
    functions, threads = known[key], variant["THREADS"]
    memory = Memory(pieces, path.with_suffix(".before").read_bytes())
    shared, args = int(fields["shared"]), bytes.fromhex(fields["arguments"])
    block = Block(functions, threads, shared, args, memory)
    with np.errstate(all="ignore"):
        block.call(functions[fields["entry"]], np.ones(threads, bool), {}, 0)
        expected = np.frombuffer(path.with_suffix(".after").read_bytes(), np.float64)
        found = memory.content.view(np.float64)
        worst = 0.0
        for (start, length), offset in zip(pieces, memory.offsets, strict=False):
            own = slice(offset // 8, offset // 8 + length)
            a, b = expected[own].copy(), found[own].copy()
            if start == int(fields["report"]):
                # Estimated from what rounding errors are left.
                near = np.abs(a - b) < 0.1 * np.abs(a)
                near[np.arange(length) % REPORT_LEN != CONDITION] = False
                a[near] = b[near] = 0.0
            # Of scratch nothing is promised.
            if start != int(fields["scratch"]):
                worst = max(worst, distance(a, b))
    return worst, block.instructions


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the largest number of `a` and at least to one."""
    size = np.max(np.abs(a), initial=1.0, where=np.isfinite(a))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    each = np.where(same, 0.0, np.abs(a - b) / size)
    return float(np.max(np.where(np.isnan(each), np.inf, each), initial=0.0))


def main() -> None:
    """Prints a line for each launch; fails where one leaves something else than the host."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tolerance", type=float, default=1e-10)
    arguments = parser.parse_args()
    nvrtc = ctypes.CDLL(nvidia("**/libnvrtc.so.*"))
    known: dict = {}
    wrong = []
    launches = sorted(arguments.folder.glob("*.launch"))
    if not launches:
        sys.exit(f"no launches in {arguments.folder}")
    for path in launches:
        worst, instructions = run(path, known, nvrtc)
        print(
            f"{path.stem}: {instructions} instructions, differs by {worst:.1e}",
            flush=True,
        )
        if not worst <= arguments.tolerance:
            wrong.append(path.stem)
    if wrong:
        sys.exit(f"not what the host left: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
