"""Two torch processes train a layer with the gradients of one: the example, run as it is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "ddp.py"


@pytest.fixture(scope="module")
def ddp(request):
    """The example as a module that spawned processes can import, too."""
    spec = importlib.util.spec_from_file_location("ddp", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["ddp"] = module
    sys.path.insert(0, str(EXAMPLE.parent))
    request.addfinalizer(lambda: (sys.path.remove(str(EXAMPLE.parent)), sys.modules.pop("ddp")))
    spec.loader.exec_module(module)
    return module


def test_gradients_of_two_processes_equal_those_of_one(ddp):
    found = ddp.run(ddp.parse(["--processes", "2", "--steps", "12", "--batch", "16"]))
    assert len(found["differences"]) == 12
    assert max(found["differences"]) <= 1e-12
    assert found["same"]
    # It learns: the gradients that agree are not zero.
    assert found["losses"][8] < 0.9 * found["losses"][0]


def test_unequal_shares_are_refused(ddp):
    with pytest.raises(SystemExit, match="multiple"):
        ddp.run(ddp.parse(["--processes", "2", "--batch", "5"]))
