"""The text of PTX as functions of instructions, for `block.py`, which runs them."""

from __future__ import annotations

import re


class Function:
    """A function of the text: its instructions in blocks, which begin where a thread may come from
    elsewhere."""

    def __init__(self, name: str, params: list[tuple[str, int]], result: int) -> None:
        self.name, self.params, self.result = name, params, result
        self.depot = 0
        self.blocks: list[list[tuple[str, str, list[str]]]] = [[]]
        self.labels: dict[str, int] = {}


def size_of(declaration: str) -> tuple[str, int]:
    """The name and the bytes of a parameter."""
    match = re.search(r"\.([bu])(\d+)\s+(\S+?)(?:\[(\d+)\])?$", declaration.strip())
    if match is None:
        raise ValueError(f"parameter: {declaration}")
    _, bits, name, count = match.groups()
    return name, int(bits) // 8 * int(count or 1)


def parse(ptx: str) -> dict[str, Function]:
    """The functions of a text that have a body."""
    ptx = re.sub(r"//.*", "", ptx)
    functions = {}
    header = re.compile(
        r"^(?:\.visible )?\.(?:entry|func)\s+(?:\((?P<result>[^)]*)\)\s*)?(?P<name>[\w$]+)\s*"
        r"(?:\((?P<params>[^)]*)\))?(?P<rest>[^{;]*)(?P<end>[{;])",
        re.MULTILINE,
    )
    for match in header.finditer(ptx):
        if match["end"] == ";":
            continue
        params = [size_of(p) for p in (match["params"] or "").split(",") if p.strip()]
        result = size_of(match["result"])[1] if match["result"] else 0
        function = Function(match["name"], params, result)
        at, depth = match.end(), 1
        begin = at
        while depth:
            depth += {"{": 1, "}": -1}.get(ptx[at], 0)
            at += 1
        read_body(function, ptx[begin : at - 1])
        functions[function.name] = function
    return functions


def read_body(function: Function, body: str) -> None:
    """Splits a body into instructions and blocks."""
    # The braces of calls, not those of vectors.
    body = re.sub(r"^\s*[{}]\s*$", "", body, flags=re.MULTILINE)
    for statement in re.split(r";|(?<=:)\s*\n", body):
        statement = " ".join(statement.split())
        if not statement:
            continue
        if label := re.fullmatch(r"([\w$]+):", statement):
            if function.blocks[-1]:
                function.blocks.append([])
            function.labels[label.group(1)] = len(function.blocks) - 1
            continue
        if depot := re.match(r"\.local \.align \d+ \.b8 (\w+)\[(\d+)\]", statement):
            function.depot = int(depot.group(2))
            continue
        if statement.startswith("."):
            continue
        guard, rest = "", statement
        if statement.startswith("@"):
            guard, rest = statement.split(" ", 1)
        name, _, operands = rest.partition(" ")
        found = re.findall(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[^,\s]+", operands)
        function.blocks[-1].append((guard, name, found))
        if name.split(".")[0] in ("bra", "ret", "bar", "call"):
            function.blocks.append([])
