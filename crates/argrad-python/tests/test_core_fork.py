"""Solves in forked processes, as data loaders make them: the parent's threads are not there."""

import os
import signal
import time

import numpy as np
import pytest

from argrad import _core


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("batch", [1, 500])
def test_a_forked_child_solves_as_its_parent(batch):
    solver = _core.Qp(10, 0, 10)
    p = np.random.default_rng(0).normal(size=(batch, 10))

    def solve():
        return solver.forward(batch, np.eye(10), p, -np.eye(10), np.zeros(10)).z

    expected = solve()
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(solve(), expected) else 1)
    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child did not end within 30 s")
    assert os.waitstatus_to_exitcode(status) == 0
