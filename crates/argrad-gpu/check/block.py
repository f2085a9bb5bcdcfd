"""A block of threads that runs PTX: registers, memory, and every instruction that the kernels have.

All threads go in lockstep as far as they are at the same place; of several places the first comes
first. A register is an array with an entry for each thread.
"""

from __future__ import annotations

import ctypes
import functools
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Callable

import numpy as np

from ptx import Function

# Where windows of generic addresses begin: of shared and local memory, and of arguments.
SHARED, LOCAL, PARAM = 1 << 60, 1 << 61, 1 << 62
LOCAL_BYTES = 1 << 14

TYPES = {
    "pred": np.bool_,
    **{
        f"{kind}{bits}": np.dtype(f"u{bits // 8}")
        for kind in "ub"
        for bits in (8, 16, 32, 64)
    },
    **{f"s{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    "f32": np.float32,
    "f64": np.float64,
}
PREFIXES = {
    "%temp": "u32",
    "%p": "pred",
    "%rs": "u16",
    "%r": "u32",
    "%rd": "u64",
    "%f": "f32",
    "%fd": "f64",
}

FMA = """
#include <math.h>
void fma_each(const double *a, const double *b, const double *c, double *out, int n) {
    for (int i = 0; i < n; i++) out[i] = fma(a[i], b[i], c[i]);
}
"""


@functools.cache
def load_fma() -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Fused multiply-adds of arrays, which numpy has none of."""
    folder = tempfile.mkdtemp()
    source, library = pathlib.Path(folder, "fma.c"), pathlib.Path(folder, "fma.so")
    source.write_text(FMA)
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", source, "-lm", "-o", library], check=True
    )
    each = ctypes.CDLL(str(library)).fma_each
    pointer = np.ctypeslib.ndpointer(np.float64, flags="C")
    each.argtypes = [pointer] * 4 + [ctypes.c_int]

    def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        out = np.empty(len(a))
        each(*(np.ascontiguousarray(part) for part in (a, b, c)), out, len(a))
        return out

    return fma


class Memory:
    """Global memory: pieces at the addresses that they had."""

    def __init__(self, pieces: list[tuple[int, int]], content: bytes) -> None:
        lengths = [8 * length for _, length in pieces]
        self.starts = np.array([start for start, _ in pieces], np.uint64)
        self.ends = self.starts + np.array(lengths, np.uint64)
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.content = np.frombuffer(content, np.uint8).copy()

    def place(self, address: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where addresses are; each has to be in a piece."""
        piece = np.searchsorted(self.starts, address, side="right") - 1
        if (piece < 0).any() or (address >= self.ends[piece]).any():
            raise RuntimeError("global memory: out of bounds")
        inside = (address - self.starts[piece]).astype(np.int64)
        return self.content, self.offsets[piece] + inside


class Frame:
    """A call: registers, parameters, and where each thread is."""

    def __init__(self, function: Function, active: np.ndarray, local: int) -> None:
        self.function, self.active, self.local = function, active, local
        # Where local memory of calls from here begins.
        self.below = local + -(-function.depot // 16) * 16
        self.addressed: dict[str, int] = {}
        self.registers: dict[str, np.ndarray] = {}
        self.params: dict[str, np.ndarray] = {}
        self.at = np.zeros(len(active), np.int64)


class Block:
    """A block of threads with its memory."""

    def __init__(
        self,
        functions: dict[str, Function],
        threads: int,
        shared: int,
        args: bytes,
        memory: Memory,
    ) -> None:
        self.functions, self.threads, self.memory = functions, threads, memory
        self.shared = np.zeros(shared, np.uint8)
        # What nobody wrote is not a number.
        self.shared.view(np.float64)[:] = np.nan
        self.local = np.zeros(threads * LOCAL_BYTES, np.uint8)
        self.args = np.frombuffer(
            args.ljust(-(-len(args) // 8) * 8, b"\0"), np.uint8
        ).copy()
        self.lanes = np.arange(threads)
        self.fma = load_fma()
        self.instructions = 0

    # Memory.

    def place(
        self, space: str, address: np.ndarray, lanes: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """The buffer that these addresses are in, and where."""
        if space == "":
            window = address[0] >> np.uint64(60)
            if (address >> np.uint64(60) != window).any():
                raise RuntimeError("threads read different kinds of memory at once")
            space = {1: "shared", 2: "local", 4: "param"}.get(int(window), "global")
            address = address & np.uint64((1 << 60) - 1)
        if space == "shared":
            return self.shared, address.astype(np.int64)
        if space == "local":
            if (address >= LOCAL_BYTES).any():
                raise RuntimeError("local memory: out of bounds")
            return self.local, address.astype(np.int64) + lanes * LOCAL_BYTES
        if space == "param":
            return self.args, (address & np.uint64((1 << 60) - 1)).astype(np.int64)
        return self.memory.place(address)

    def read(self, space: str, address: np.ndarray, dtype: np.dtype, lanes: np.ndarray):
        buffer, at = self.place(space, address, lanes)
        size = np.dtype(dtype).itemsize
        if (at % size).any() or (at < 0).any() or (at + size > len(buffer)).any():
            raise RuntimeError(f"{space or 'generic'} memory: bad read at {at}")
        return buffer.view(dtype)[at // size]

    def write(
        self, space: str, address: np.ndarray, values: np.ndarray, lanes: np.ndarray
    ) -> None:
        buffer, at = self.place(space, address, lanes)
        size = values.dtype.itemsize
        if (at % size).any() or (at < 0).any() or (at + size > len(buffer)).any():
            raise RuntimeError(f"{space or 'generic'} memory: bad write at {at}")
        buffer.view(values.dtype)[at // size] = values

    # Operands.

    def get(self, frame: Frame, operand: str, dtype: np.dtype) -> np.ndarray:
        """An operand as an array of this type, one entry a thread."""
        dtype = np.dtype(dtype)
        if operand[0] == "%" and operand not in ("%SP", "%SPL") and "." not in operand:
            value = register(frame, operand, self.threads)
            if value.dtype == dtype:
                return value
            if value.dtype.itemsize == dtype.itemsize:
                return value.view(dtype)
            return value.astype(f"u{dtype.itemsize}").view(dtype)
        if operand in ("%SP", "%SPL"):
            return register(frame, operand, self.threads)
        if operand == "%tid.x":
            return self.lanes.astype(dtype)
        if operand in ("%ctaid.x", "%nctaid.x"):
            return np.full(self.threads, operand == "%nctaid.x", dtype)
        if operand.startswith("0d"):
            number = np.frombuffer(bytes.fromhex(operand[2:]), ">f8")[0]
            return np.full(self.threads, number, np.float64).view(dtype)
        if operand.startswith("0f"):
            number = np.frombuffer(bytes.fromhex(operand[2:]), ">f4")[0]
            return np.full(self.threads, number, np.float32).view(dtype)
        if re.fullmatch(r"-?(0x)?[0-9a-fA-F]+", operand):
            number = int(operand, 0) & ((1 << 8 * dtype.itemsize) - 1)
            if dtype.kind == "b":
                return np.full(self.threads, number != 0)
            return np.full(self.threads, number, f"u{dtype.itemsize}").view(dtype)
        return np.full(self.threads, self.symbol(frame, operand), dtype)

    def symbol(self, frame: Frame, name: str) -> int:
        """The address of a name in the space that it is in."""
        if name.startswith("__local_depot"):
            return frame.local
        if name.endswith("_param_0") and name[: -len("_param_0")] in ENTRIES:
            return PARAM
        if name in frame.params:
            return self.in_local(frame, name)
        return 0  # what shared memory begins with

    def in_local(self, frame: Frame, name: str) -> int:
        """Where a parameter is whose address is asked for: in local memory, from then on."""
        if name not in frame.addressed:
            content = frame.params[name]
            at, size = frame.below, content.shape[1]
            self.local.reshape(self.threads, -1)[:, at : at + size] = content
            frame.addressed[name] = at
            frame.below += -(-size // 16) * 16
        return frame.addressed[name]

    def put(
        self, frame: Frame, operand: str, values: np.ndarray, mask: np.ndarray
    ) -> None:
        """Writes a register where threads are active."""
        own = register(frame, operand, self.threads)
        if values.dtype != own.dtype:
            if values.dtype.itemsize == own.dtype.itemsize:
                values = values.view(own.dtype)
            else:
                values = values.astype(own.dtype)
        np.copyto(own, values, where=mask)

    # Running.

    def call(
        self, function: Function, active: np.ndarray, params: dict, local: int
    ) -> Frame:
        """Runs a function for some threads, block by block: always the first that one is in."""
        frame = Frame(function, active, local)
        frame.params = dict(params)
        if function.result:
            frame.params["func_retval0"] = np.zeros(
                (self.threads, function.result), np.uint8
            )
        end = len(function.blocks)
        frame.at[~active] = end
        waiting = np.zeros(self.threads, bool)
        while True:
            ready = active & ~waiting & (frame.at < end)
            if not ready.any():
                if not waiting.any():
                    return frame
                if (waiting != active).any() or (len(set(frame.at[waiting])) > 1):
                    raise RuntimeError(
                        f"{function.name}: threads wait at different barriers"
                    )
                waiting[:] = False
                continue
            number = int(frame.at[ready].min())
            mask = ready & (frame.at == number)
            frame.at[mask] = number + 1
            for guard, name, operands in function.blocks[number]:
                self.instructions += 1
                own = mask
                if guard:
                    flag = self.get(frame, guard.lstrip("@!"), np.bool_)
                    own = mask & (~flag if "!" in guard else flag)
                    if not own.any():
                        continue
                if name.startswith("bar"):
                    waiting |= own
                    continue
                self.step(frame, name.split("."), operands, own)

    def step(
        self, frame: Frame, name: list[str], operands: list[str], mask: np.ndarray
    ) -> None:
        """One instruction."""
        kind = name[0]
        if kind == "bra":
            frame.at[mask] = frame.function.labels[operands[0]]
        elif kind == "ret":
            frame.at[mask] = len(frame.function.blocks)
        elif kind == "call":
            self.step_call(frame, operands, mask)
        elif kind in ("ld", "st"):
            self.step_memory(frame, name, operands, mask)
        elif kind == "atom":
            lanes = np.flatnonzero(mask)
            address, _ = self.address(frame, operands[1])
            for lane in lanes:
                old = self.read(name[1], address[lane : lane + 1], np.uint32, lanes[:1])
                more = self.get(frame, operands[2], np.uint32)[lane : lane + 1]
                self.write(name[1], address[lane : lane + 1], old + more, lanes[:1])
                one = np.zeros(self.threads, bool)
                one[lane] = True
                self.put(frame, operands[0], np.full(self.threads, old[0]), one)
        elif kind == "shfl":
            out = operands[0].split("|")[0]
            values = self.get(frame, operands[1], np.uint32)
            other = self.lanes ^ int(self.get(frame, operands[2], np.uint32)[0])
            if not mask.all():
                raise RuntimeError("shuffle: a thread is missing")
            self.put(frame, out, values[other], mask)
        elif kind == "mov" and any(operand[0] == "{" for operand in operands):
            self.step_pack(frame, name, operands, mask)
        elif kind == "cvt":
            self.step_convert(frame, name, operands, mask)
        elif kind == "cvta":
            window = {"shared": SHARED, "local": LOCAL}.get(name[-2], 0)
            value = self.get(frame, operands[1], np.uint64)
            sign = (
                value - np.uint64(window)
                if name[1] == "to"
                else value + np.uint64(window)
            )
            self.put(frame, operands[0], sign, mask)
        elif kind == "setp":
            dtype = TYPES[name[-1]]
            a, b = (self.get(frame, operand, dtype) for operand in operands[1:3])
            self.put(frame, operands[0], compare(name[1], a, b), mask)
        else:
            dtype = TYPES[name[-1]]
            given = [self.get(frame, operand, dtype) for operand in operands[1:]]
            self.put(
                frame, operands[0], self.compute(frame, name, operands, given), mask
            )

    def compute(self, frame: Frame, name: list[str], operands: list[str], given: list):
        """Arithmetic."""
        kind, dtype = name[0], np.dtype(TYPES[name[-1]])
        bits = 8 * dtype.itemsize
        if kind in ("mul", "mad") and "wide" in name:
            wide = f"{dtype.kind}{2 * dtype.itemsize}"
            return given[0].astype(wide) * given[1].astype(wide)
        if kind == "mul" and "hi" in name:
            wide = f"{dtype.kind}{2 * dtype.itemsize}"
            return (given[0].astype(wide) * given[1].astype(wide) >> bits).astype(dtype)
        if kind in ("shl", "shr"):
            count = self.get(frame, operands[2], np.uint32)
            large, count = count >= bits, np.minimum(count, bits - 1).astype(dtype)
            if kind == "shl":
                return np.where(large, dtype.type(0), given[0] << count)
            rest = given[0] >> count
            return rest if dtype.kind == "i" else np.where(large, dtype.type(0), rest)
        if kind == "selp":
            return np.where(self.get(frame, operands[3], np.bool_), given[0], given[1])
        if kind in ("div", "rem") and dtype.kind in "iu":
            a, b = given[0], np.where(given[1] == 0, dtype.type(1), given[1])
            if dtype.kind == "u":
                return a // b if kind == "div" else a % b
            quotient = np.abs(a) // np.abs(b) * np.sign(a) * np.sign(b)
            return quotient if kind == "div" else a - quotient * b
        if kind == "bfi":
            at, count = (
                int(self.get(frame, operand, np.uint32)[0]) for operand in operands[3:5]
            )
            field = dtype.type(((1 << count) - 1) << at)
            return given[1] & ~field | given[0] << dtype.type(at) & field
        if kind == "rcp":
            exact = 1.0 / given[0]
            if "approx" in name:
                # About twenty bits, and no subnormals.
                return (exact.view(np.uint64) & np.uint64(0xFFFFFFFF00000000)).view(
                    np.float64
                )
            return exact
        if kind == "fma":
            return self.fma(*given)
        if kind == "mad":
            return given[0] * given[1] + given[2]
        if kind == "not":
            return ~given[0]
        if kind in ("min", "max") and dtype.kind == "f":
            return (np.fmin if kind == "min" else np.fmax)(*given)
        return ARITHMETIC[kind](*given)

    def step_convert(
        self, frame: Frame, name: list[str], operands: list[str], mask
    ) -> None:
        to, of = TYPES[name[-2]], TYPES[name[-1]]
        value = self.get(frame, operands[1], of)
        if np.dtype(of).kind == "f" and np.dtype(to).kind in "iu":
            limits = np.iinfo(to)
            whole = np.trunc(np.where(np.isnan(value), 0.0, value))
            value = np.clip(
                whole, float(limits.min), float(limits.max) * (1 - 2.0**-53)
            )
        self.put(frame, operands[0], value.astype(to), mask)

    def step_pack(
        self, frame: Frame, name: list[str], operands: list[str], mask
    ) -> None:
        """Between a register and the pieces of it."""
        size = np.dtype(TYPES[name[-1]]).itemsize
        if operands[0][0] == "{":
            parts = operands[0].strip("{} ").replace(" ", "").split(",")
            each = size // len(parts)
            value = self.get(frame, operands[1], f"u{size}")
            pieces = (
                np.ascontiguousarray(value).view(f"u{each}").reshape(self.threads, -1)
            )
            for k, part in enumerate(parts):
                self.put(frame, part, np.ascontiguousarray(pieces[:, k]), mask)
            return
        parts = operands[1].strip("{} ").replace(" ", "").split(",")
        each = size // len(parts)
        pieces = [self.get(frame, part, f"u{each}") for part in parts]
        value = np.ascontiguousarray(np.stack(pieces, 1)).view(f"u{size}").reshape(-1)
        self.put(frame, operands[0], value, mask)

    def address(self, frame: Frame, operand: str) -> tuple[np.ndarray | str, int]:
        """An address: of each thread, or a parameter by its name with an offset."""
        base, _, offset = operand.strip("[] ").partition("+")
        number = int(offset or 0)
        if base in frame.params or base.startswith(("param", "retval", "func_retval")):
            return base, number
        value = self.get(frame, base, np.uint64)
        return value + np.array(number).astype(np.int64).astype(np.uint64), 0

    def step_memory(
        self, frame: Frame, name: list[str], operands: list[str], mask
    ) -> None:
        """A load or a store, of one number or of several."""
        spaces = ("shared", "local", "global", "param")
        space = next((part for part in name if part in spaces), "")
        dtype = np.dtype(TYPES[name[-1]])
        is_load = name[0] == "ld"
        own, memory = operands if is_load else operands[::-1]
        parts = own.strip("{} ").replace(" ", "").split(",")
        place, offset = self.address(frame, memory)
        lanes = np.flatnonzero(mask)
        for k, part in enumerate(parts):
            if isinstance(place, str):
                at = offset + k * dtype.itemsize
                room = frame.params.setdefault(
                    place, np.zeros((self.threads, 256), np.uint8)
                )
                if is_load:
                    bytes_ = np.ascontiguousarray(room[:, at : at + dtype.itemsize])
                    self.load(frame, part, bytes_.view(dtype).reshape(-1), mask)
                else:
                    value = np.ascontiguousarray(self.get(frame, part, dtype))
                    bytes_ = value.view(np.uint8).reshape(self.threads, -1)
                    room[mask, at : at + dtype.itemsize] = bytes_[mask]
                continue
            address = place[lanes] + np.uint64(k * dtype.itemsize)
            if is_load:
                value = np.zeros(self.threads, dtype)
                value[lanes] = self.read(space, address, dtype, lanes)
                self.load(frame, part, value, mask)
            else:
                self.write(space, address, self.get(frame, part, dtype)[lanes], lanes)

    def load(
        self, frame: Frame, part: str, value: np.ndarray, mask: np.ndarray
    ) -> None:
        """Into a register, which may be wider: then by its sign."""
        own = register(frame, part, self.threads)
        if own.dtype.itemsize > value.dtype.itemsize:
            value = value.astype(f"{value.dtype.kind}{own.dtype.itemsize}")
        self.put(frame, part, value, mask)

    def step_call(self, frame: Frame, operands: list[str], mask: np.ndarray) -> None:
        names = [operand for operand in operands if operand[0] != "("]
        lists = [operand.strip("() ") for operand in operands if operand[0] == "("]
        function = self.functions[names[0]]
        has_result = operands[0][0] == "("
        given = lists[-1].replace(" ", "").split(",") if len(lists) > has_result else []
        given = [name for name in given if name]
        pairs = zip(function.params, given, strict=True)
        params = {own: frame.params[name].copy() for (own, _), name in pairs}
        done = self.call(function, mask, params, frame.below)
        if has_result:
            room = frame.params.setdefault(
                lists[0], np.zeros((self.threads, 256), np.uint8)
            )
            room[mask, : function.result] = done.params["func_retval0"][mask]


ENTRIES = {
    f"argrad_{name}" for name in ("solve", "adjoint", "tangent", "gradient", "smooth")
}

ARITHMETIC: dict[str, Callable] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "mov": lambda a: a,
}


def compare(kind: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A comparison; those that end with u are true where there is no number."""
    if kind in ("num", "nan"):
        none = np.isnan(a) | np.isnan(b)
        return none if kind == "nan" else ~none
    order = {"eq": np.equal, "lt": np.less, "le": np.less_equal}
    order |= {"gt": np.greater, "ge": np.greater_equal}
    unordered = kind.endswith("u")
    kind = kind.removesuffix("u") if unordered else kind
    if kind == "ne":
        found = a != b
        if a.dtype.kind == "f" and not unordered:
            found &= ~(np.isnan(a) | np.isnan(b))
        return found
    found = order[kind](a, b)
    return found | np.isnan(a) | np.isnan(b) if unordered else found


def register(frame: Frame, name: str, threads: int) -> np.ndarray:
    """A register, zero at first."""
    found = frame.registers.get(name)
    if found is None:
        prefix = re.match(r"%[a-zA-Z]+", name)
        kind = (
            "u64"
            if name in ("%SP", "%SPL")
            else PREFIXES[prefix.group() if prefix else ""]
        )
        found = frame.registers[name] = np.zeros(threads, TYPES[kind])
    return found
