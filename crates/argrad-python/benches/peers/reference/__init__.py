"""Exact solutions and gradients, in extended precision (`numpy.longdouble`).

Each module has one function that takes a program's data and a cotangent of its solution, and
returns the solution and the gradient of `sum(cotangent * solution)` by every datum. The path is
never that of an optimization layer: closed forms where there are any, else Newton's method on the
equations of the constraints that are active, with a check that they are. `longdouble` has 64 bits
of mantissa on x86; where the platform makes it a double the reference is as exact as that.
"""
