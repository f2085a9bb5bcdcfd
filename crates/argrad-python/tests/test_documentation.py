"""The code of docs/python.md runs, section by section, on data of the sizes that it speaks of, and
those of docs/decisions.md and docs/cluster.md from beginning to end."""

import re
from pathlib import Path

import cvxpy as cp
import pytest
import torch

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


def sections():
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        name = section.splitlines()[0]
        # TensorFlow is not in the environment of these tests.
        if blocks and name != "TensorFlow":
            yield pytest.param(blocks, id=name)


def data():
    """What the page takes as given."""
    x, target = cp.Variable(10), cp.Parameter(10)
    return {
        "Q": torch.eye(10),
        "p": torch.ones(10),
        "G": -torch.eye(10),
        "h": torch.zeros(10),
        "A": torch.ones(1, 10),
        "b": torch.ones(1),
        "G0": -torch.eye(5, 10),
        "problem": cp.Problem(cp.Minimize(cp.sum_squares(x - target)), [x >= 0]),
        "parameters": [target],
        "variables": [x],
    }


# What a block with this text takes as given anew, after those before it.
FRESH = {
    "import QpLayer, qp": ("p", "A", "b"),
    "QpLayer(": ("p",),
    "solve(solver=": ("problem",),
    "interface()": ("problem",),
}


@pytest.mark.parametrize("blocks", list(sections()))
def test_examples_run(blocks):
    given = data()
    given["parameters"][0].value = [1.0] * 10
    names = dict(given)
    for block in blocks:
        for text, fresh in FRESH.items():
            if text in block:
                names.update({name: given[name] for name in fresh})
        if "QpLayer(" in block:
            names["h"] = torch.zeros(5)
        exec(compile(block, str(PAGE), "exec"), names)


@pytest.mark.parametrize(("name", "count"), [("decisions.md", 5), ("cluster.md", 1)])
def test_the_page_runs(name, count):
    page = PAGE.with_name(name)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= count
    names = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
