"""What importing the package costs, and that its names are there."""

import subprocess
import sys

import argrad

# In a process of its own: this one has imported everything.
CODE = """
import sys, time
before = set(sys.modules)
start = time.process_time()
import argrad
seconds = time.process_time() - start
loaded = sorted({name.split(".")[0] for name in set(sys.modules) - before})
print(seconds, *loaded)
"""


def test_importing_takes_a_tenth_of_a_second_and_no_other_package():
    runs = [
        subprocess.run(
            [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(3)
    ]
    for _, *loaded in runs:
        assert not {"numpy", "scipy", "torch", "jax", "cvxpy"} & set(loaded)
    assert min(float(seconds) for seconds, *_ in runs) < 0.1


def test_every_name_is_found_and_no_other():
    for name in argrad.__all__:
        assert getattr(argrad, name) is not None
    assert set(argrad.__all__) <= set(dir(argrad))
    assert not hasattr(argrad, "solver")
