"""Batches of conic programs on numpy and scipy data: `solve`, `Solver` and `Solution`.

A program is

    minimize    1/2 x'Px + q'x
    subject to  Ax + s = b,  s in K

with duals z in the dual cone K*, Px + q + A'z = 0 and s'z = 0. K is a product of cones that take
the rows of A from the top.

`cones`, `values`, `matrix` check what is given and bring it to the form of the core; `solver` has
the core solve; `solution` is what comes back, with its derivatives, `info` its diagnostics.
"""

from argrad._standard.solution import Solution
from argrad._standard.solver import Solver, solve

__all__ = ["Solution", "Solver", "solve"]
