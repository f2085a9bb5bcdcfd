"""Functions of a positive parameter of CVXPY, by the name of the function in the core."""

EXAMPLES = {
    "abs": lambda cp, p: cp.abs(p - 1.2),
    "entr": lambda cp, p: cp.entr(p),
    "exp": lambda cp, p: cp.exp(p),
    "inv_pos": lambda cp, p: cp.inv_pos(p),
    "log": lambda cp, p: cp.log(p),
    "log1p": lambda cp, p: cp.log1p(p),
    "logistic": lambda cp, p: cp.logistic(3 * p - 3),
    "power": lambda cp, p: cp.power(p, 1.7) - cp.power(p - 1, 4) + cp.power(p, -2.5),
    "recip": lambda cp, p: 1 / p,
    "sqrt": lambda cp, p: cp.sqrt(p),
    "square": lambda cp, p: cp.square(p - 1),
    "xexp": lambda cp, p: cp.xexp(p),
    "several": lambda cp, p: cp.multiply(cp.exp(p), cp.log(p)) + cp.sqrt(cp.square(p) + 1),
}
