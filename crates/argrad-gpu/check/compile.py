"""Compiles every kernel with NVRTC for several cards, without a card or a driver, and prints what
it needs: registers, spills, shared memory, and how many blocks a multiprocessor holds.

Run by `make gpu-check`; fails where a kernel spills registers or does not compile.
"""

import argparse
import concurrent.futures
import ctypes
import glob
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tempfile

KERNELS = pathlib.Path(__file__).parent.parent / "kernels"
# Compute capability, and what a multiprocessor has: registers, threads, blocks, bytes of shared
# memory, of which a block has at most as many as the last number.
CARDS = {
    "sm_80": (65536, 2048, 32, 167936, 166912),
    "sm_90": (65536, 2048, 32, 233472, 232448),
    "sm_100": (65536, 2048, 32, 233472, 232448),
}
ENTRIES = [
    "argrad_solve",
    "argrad_adjoint",
    "argrad_tangent",
    "argrad_gradient",
    "argrad_smooth",
]
# Kinds of programs, and what their kernels know when they are compiled.
KINDS = {
    "dense": ["-DCURVED=0", "-DSPARSE=0"],
    "dense, curved": ["-DCURVED=1", "-DSPARSE=0"],
    "sparse": ["-DCURVED=0", "-DSPARSE=1"],
    "sparse, curved": ["-DCURVED=1", "-DSPARSE=1"],
}
# The functions in which the time is spent: loops over matrices. Others keep some registers of their
# callers in memory while they call these, which costs nothing that could be measured.
INNER = [
    "factor_matrix",
    "factor_system",
    "solve_matrix",
    "multiply",
    "symmetric_eigen",
]
# Threads of a multiprocessor for whose registers kernels are compiled: few with as many as there
# are, or many. As in `src/layout.rs`.
FEW, MANY = 256, 512
# Sizes of programs, n = m, in the table of occupancy.
SIZES = [10, 16, 32, 50, 64, 100, 110, 200]


def nvidia(pattern: str) -> str:
    """A file of the packages of NVIDIA in this environment."""
    for folder in sys.path:
        found = glob.glob(f"{folder}/nvidia/{pattern}", recursive=True)
        if found:
            return min(found)
    sys.exit(
        f"{pattern} not found: install nvidia-cuda-nvrtc-cu12 and nvidia-cuda-nvcc-cu12"
    )


def text() -> str:
    """The kernels as one text, each file where it is first included."""
    seen = set()

    def read(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        lines = []
        for line in (KERNELS / name).read_text().splitlines():
            include = re.match(r'#include "(.*)"', line)
            if include:
                lines.append(read(include.group(1)))
            elif line != "#pragma once":
                lines.append(line)
        return "\n".join(lines)

    return read("kernels.cu")


def compile_ptx(
    nvrtc: ctypes.CDLL, source: str, card: str, threads: int, blocks: int, kind: str
) -> bytes:
    """PTX of the kernels for one card, number of threads, of blocks that registers have to have
    room for, and kind of programs."""
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"argrad.cu", 0, None, None
    )
    options = [f"--gpu-architecture=compute_{card[3:]}", f"-DTHREADS={threads}"]
    options += [
        f"-DAT_LEAST={blocks}",
        "-DRESIDENT=1",
        "-std=c++17",
        "-fmad=false",
        "-default-device",
        *KINDS[kind],
    ]
    array = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = nvrtc.nvrtcCompileProgram(program, len(options), array)
    if status != 0:
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        sys.exit(log.value.decode())
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    return ptx.value


def assemble(ptx: bytes, card: str) -> dict[str, tuple[int, int, int]]:
    """Of each entry point, by ptxas: registers, bytes that its inner functions spill, and bytes
    that all of its functions do."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "argrad.ptx"
        source.write_bytes(ptx)
        command = [
            nvidia("**/bin/ptxas"),
            f"-arch={card}",
            "-v",
            source,
            "-o",
            f"{folder}/a.cubin",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    found: dict[str, tuple[int, int, int]] = {}
    entry, function, inner, total = "", "", 0, 0
    for line in done.stderr.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            entry, function, inner, total = match.group(1), match.group(1), 0, 0
        if match := re.search(r"Function properties for (\w+)", line):
            function = match.group(1)
        if match := re.search(
            r"(\d+) bytes spill stores, (\d+) bytes spill loads", line
        ):
            spilled = int(match.group(1)) + int(match.group(2))
            total += spilled
            # A name within a longer one begins with its length.
            if any(f"{len(name)}{name}E" in function for name in INNER):
                inner += spilled
        if match := re.search(r"Used (\d+) registers", line):
            found[entry] = (int(match.group(1)), inner, total)
    return found


def blocks_by_registers(card: str, threads: int, used: int) -> int:
    """Blocks of a multiprocessor, as far as registers, threads and blocks go. Registers are given
    to warps in units of 256."""
    registers, most_threads, most_blocks, _, _ = CARDS[card]
    of_warp = -(-used * 32 // 256) * 256
    return min(
        registers // of_warp // (threads // 32), most_threads // threads, most_blocks
    )


def layout(n: int, m: int) -> tuple[int, int]:
    """Threads of a block and bytes of its shared memory: as in `src/layout.rs`."""
    matrices = ((n + 1) | 1) * n + (m | 1) * n + -(-n // 16) * 256
    numbers = 143 + matrices + 8 * n + 15 * m + 4 * n + 4 * (n + m)
    largest = max(n, m)
    threads = (
        32 if largest <= 16 else 64 if largest <= 32 else 128 if largest <= 64 else 256
    )
    return threads, 8 * numbers


def occupancy(registers: dict[tuple[str, int, int], int]) -> None:
    """Prints how many programs of which size a multiprocessor works on at once, in large batches:
    with many registers or, where more than twice as many programs fit, with few."""
    print("\n| n = m | threads | shared memory |", " | ".join(CARDS), "|")
    print("|---:|---:|---:|" + "---:|" * len(CARDS))
    for size in SIZES:
        threads, numbers = layout(size, size)
        row = []
        for card, (_, _, _, of_multiprocessor, of_block) in CARDS.items():
            if numbers > of_block:
                used = registers[card, threads, FEW]
                row.append(
                    f"{blocks_by_registers(card, threads, used)}, in global memory"
                )
                continue
            room = of_multiprocessor // (numbers + 1024)
            budget = MANY if room > 2 * (FEW // threads) else FEW
            blocks = blocks_by_registers(
                card, threads, registers[card, threads, budget]
            )
            row.append(str(min(blocks, room)))
        print(
            f"| {size} | {threads} | {numbers / 1024:.1f} KiB |", " | ".join(row), "|"
        )


def main() -> None:
    """Prints a table of the kernels, one row for each card, number of threads and kernel, and one
    of the occupancy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", nargs="+", default=list(CARDS))
    parser.add_argument("--threads", type=int, nargs="+", default=[32, 64, 128, 256])
    arguments = parser.parse_args()
    nvrtc = ctypes.CDLL(nvidia("**/libnvrtc.so.*"))
    source, failed, registers = text(), False, {}
    print(
        "| card | threads | of a multiprocessor | programs | kernel | registers | spilled within "
        "| spilled around calls | blocks |"
    )
    print("|---|---:|---:|---|---|---:|---:|---:|---:|")
    variants = list(
        itertools.product(arguments.cards, arguments.threads, (FEW, MANY), KINDS)
    )

    def compiled(variant: tuple[str, int, int, str]) -> dict[str, tuple[int, int, int]]:
        card, threads, of_all, kind = variant
        ptx = compile_ptx(nvrtc, source, card, threads, of_all // threads, kind)
        return assemble(ptx, card)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for variant, found in zip(variants, pool.map(compiled, variants), strict=True):
            card, threads, of_all, kind = variant
            for entry in ENTRIES:
                used, inner, total = found[entry]
                blocks = blocks_by_registers(card, threads, used)
                row = [*variant, entry, used, inner, total - inner, blocks]
                print("|", " | ".join(str(cell) for cell in row), "|", flush=True)
                failed |= inner > 0
            if kind == "dense":
                registers[card, threads, of_all] = found["argrad_solve"][0]
    if len(registers) == len(CARDS) * 4 * 2:
        occupancy(registers)
    if failed:
        sys.exit("a loop over matrices spills registers")


if __name__ == "__main__":
    main()
