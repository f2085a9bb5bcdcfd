"""The Hock-Schittkowski batches of `cargo bench -p argrad --bench argmin`, one by one with Ipopt.

    python argmin_ipopt.py OUTPUT_OF_THE_BENCH

in an environment with casadi (whose wheels bring Ipopt) and numpy. The problems are those of
crates/argrad/tests/argmin/hock_schittkowski.rs, with the same parameters; derivatives are casadi's,
exact. The solver object is made once per problem and its making is not timed. The table has the
time of 256 solves of each, and the largest relative difference of the objectives where both end at
the same local minimum.
"""

import sys
import time

import casadi as ca
import numpy as np

BATCH = 256
INF = float("inf")


def bounds(y, low, high):
    """Bounds as inequalities, in the order of the Rust problems."""
    return [a - v for v, a in zip(y, low, strict=False)] + [
        v - b for v, b in zip(y, high, strict=False)
    ]


def problems(t, y):
    """(number, theta, start, f, h, g) by number, as functions of the symbols t and y."""
    r2 = ca.sqrt

    def prod5():
        return y(0) * y(1) * y(2) * y(3) * y(4)

    def circle():
        return [
            sum(y(i) ** 2 for i in range(5)) - t(0),
            y(1) * y(2) - t(1) * y(3) * y(4),
            y(0) ** 3 + y(1) ** 3 + t(2),
        ]

    def box(n, low, high):
        return bounds([y(i) for i in range(n)], low, high)

    wide = ([-2.3, -2.3, -3.2, -3.2, -3.2], [2.3, 2.3, 3.2, 3.2, 3.2])

    def f104():
        return t(0) * (y(0) / y(6)) ** 0.67 + t(0) * (y(1) / y(7)) ** 0.67 + t(1) - y(0) - y(1)

    def mass(a, b, c):
        return 4 * y(a) / y(b) + 2 / (y(a) ** 0.71 * y(b)) + t(2) * y(c) / y(a) ** 1.3 - 1

    yield (
        1,
        [100, 1, 1.5],
        [-2, 1],
        lambda: (t(0) * (y(1) - y(0) ** 2) ** 2 + (t(1) - y(0)) ** 2, [], [-t(2) - y(1)]),
    )
    yield 6, [1, 10], [-1.2, 1], lambda: ((t(0) - y(0)) ** 2, [t(1) * (y(1) - y(0) ** 2)], [])
    yield (
        7,
        [1, 4],
        [2, 2],
        lambda: (ca.log(t(0) + y(0) ** 2) - y(1), [(t(0) + y(0) ** 2) ** 2 + y(1) ** 2 - t(1)], []),
    )
    yield (
        10,
        [3, 2, 1],
        [-10, 10],
        lambda: (y(0) - y(1), [], [t(0) * y(0) ** 2 - t(1) * y(0) * y(1) + y(1) ** 2 - t(2)]),
    )
    yield (
        12,
        [0.5, 7, 25],
        [0, 0],
        lambda: (
            t(0) * y(0) ** 2 + y(1) ** 2 - y(0) * y(1) - t(1) * (y(0) + y(1)),
            [],
            [4 * y(0) ** 2 + y(1) ** 2 - t(2)],
        ),
    )
    yield (
        26,
        [1, 3],
        [-2.6, 2, 2],
        lambda: (
            (y(0) - y(1)) ** 2 + (y(1) - y(2)) ** 4,
            [(t(0) + y(1) ** 2) * y(0) + y(2) ** 4 - t(1)],
            [],
        ),
    )
    yield (
        28,
        [2, 3, 1],
        [-4, 1, 1],
        lambda: (
            (y(0) + y(1)) ** 2 + (y(1) + y(2)) ** 2,
            [y(0) + t(0) * y(1) + t(1) * y(2) - t(2)],
            [],
        ),
    )
    yield (
        35,
        [8, 6, 4, 3],
        [0.5] * 3,
        lambda: (
            -t(0) * y(0)
            - t(1) * y(1)
            - t(2) * y(2)
            + 9
            + 2 * y(0) ** 2
            + 2 * y(1) ** 2
            + y(2) ** 2
            + 2 * y(0) * y(1)
            + 2 * y(0) * y(2),
            [],
            [y(0) + y(1) + 2 * y(2) - t(3), -y(0), -y(1), -y(2)],
        ),
    )
    yield (
        39,
        [1, 1],
        [2] * 4,
        lambda: (
            -y(0),
            [t(0) * y(1) - y(0) ** 3 - y(2) ** 2, t(1) * y(0) ** 2 - y(1) - y(3) ** 2],
            [],
        ),
    )
    yield (
        40,
        [1, 1, 1],
        [0.8] * 4,
        lambda: (
            -y(0) * y(1) * y(2) * y(3),
            [y(0) ** 3 + y(1) ** 2 - t(0), t(1) * y(0) ** 2 * y(3) - y(2), y(3) ** 2 - t(2) * y(1)],
            [],
        ),
    )
    yield (
        43,
        [5, 21, 7, 8, 10, 5],
        [0] * 4,
        lambda: (
            y(0) ** 2
            + y(1) ** 2
            + 2 * y(2) ** 2
            + y(3) ** 2
            - t(0) * (y(0) + y(1))
            - t(1) * y(2)
            + t(2) * y(3),
            [],
            [
                y(0) ** 2 + y(1) ** 2 + y(2) ** 2 + y(3) ** 2 + y(0) - y(1) + y(2) - y(3) - t(3),
                y(0) ** 2 + 2 * y(1) ** 2 + y(2) ** 2 + 2 * y(3) ** 2 - y(0) - y(3) - t(4),
                2 * y(0) ** 2 + y(1) ** 2 + y(2) ** 2 + 2 * y(0) - y(1) - y(3) - t(5),
            ],
        ),
    )
    yield (
        48,
        [1, 5, 3],
        [3, 5, -3, 2, -2],
        lambda: (
            (y(0) - t(0)) ** 2 + (y(1) - y(2)) ** 2 + (y(3) - y(4)) ** 2,
            [y(0) + y(1) + y(2) + y(3) + y(4) - t(1), y(2) - 2 * (y(3) + y(4)) + t(2)],
            [],
        ),
    )
    yield (
        60,
        [1, 4, 2],
        [2] * 3,
        lambda: (
            (y(0) - t(0)) ** 2 + (y(0) - y(1)) ** 2 + (y(1) - y(2)) ** 4,
            [y(0) * (y(1) ** 2 + 1) + y(2) ** 4 - t(1) - 3 * r2(t(2))],
            box(3, [-10] * 3, [10] * 3),
        ),
    )
    yield (
        65,
        [10, 5, 48, 4.5],
        [-5, 5, 0],
        lambda: (
            (y(0) - y(1)) ** 2 + (y(0) + y(1) - t(0)) ** 2 / 9 + (y(2) - t(1)) ** 2,
            [],
            [y(0) ** 2 + y(1) ** 2 + y(2) ** 2 - t(2)]
            + box(3, [-t(3), -t(3), -5], [t(3), t(3), 5]),
        ),
    )
    yield (
        71,
        [25, 40, 1],
        [1, 5, 5, 1],
        lambda: (
            y(0) * y(3) * (y(0) + y(1) + y(2)) + y(2),
            [sum(y(i) ** 2 for i in range(4)) - t(1)],
            [-y(0) * y(1) * y(2) * y(3) + t(0)] + box(4, [t(2)] * 4, [5] * 4),
        ),
    )
    yield (
        76,
        [1, 3, 5, 4, 1.5],
        [0.5] * 4,
        lambda: (
            y(0) ** 2
            + 0.5 * y(1) ** 2
            + y(2) ** 2
            + 0.5 * y(3) ** 2
            - y(0) * y(2)
            + y(2) * y(3)
            - t(0) * y(0)
            - t(1) * y(1)
            + y(2)
            - y(3),
            [],
            [
                y(0) + 2 * y(1) + y(2) + y(3) - t(2),
                3 * y(0) + y(1) + 2 * y(2) - y(3) - t(3),
                t(4) - y(1) - 4 * y(2),
                -y(0),
                -y(1),
                -y(2),
                -y(3),
            ],
        ),
    )
    yield (
        77,
        [1, 2, 8],
        [2] * 5,
        lambda: (
            (y(0) - t(0)) ** 2
            + (y(0) - y(1)) ** 2
            + (y(2) - t(0)) ** 2
            + (y(3) - t(0)) ** 4
            + (y(4) - t(0)) ** 6,
            [
                y(0) ** 2 * y(3) + ca.sin(y(3) - y(4)) - 2 * r2(t(1)),
                y(1) + y(2) ** 4 * y(3) ** 2 - t(2) - r2(t(1)),
            ],
            [],
        ),
    )
    yield 78, [10, 5, 1], [-2, 1.5, 2, -1, -1], lambda: (prod5(), circle(), [])
    yield (
        79,
        [1, 2],
        [2] * 5,
        lambda: (
            (y(0) - t(0)) ** 2
            + (y(0) - y(1)) ** 2
            + (y(1) - y(2)) ** 2
            + (y(2) - y(3)) ** 4
            + (y(3) - y(4)) ** 4,
            [
                y(0) + y(1) ** 2 + y(2) ** 3 - 2 - 3 * r2(t(1)),
                y(1) - y(2) ** 2 + y(3) + 2 - 2 * r2(t(1)),
                y(0) * y(4) - 2,
            ],
            [],
        ),
    )
    yield 80, [10, 5, 1], [-2, 2, 2, -1, -1], lambda: (ca.exp(prod5()), circle(), box(5, *wide))
    yield (
        81,
        [10, 5, 1],
        [-2, 2, 2, -1, -1],
        lambda: (
            ca.exp(prod5()) - 0.5 * (y(0) ** 3 + y(1) ** 3 + t(2)) ** 2,
            circle(),
            box(5, *wide),
        ),
    )
    yield (
        100,
        [10, 12, 11, 127, 282, 196],
        [1, 2, 0, 4, 0, 1, 1],
        lambda: (
            (y(0) - t(0)) ** 2
            + 5 * (y(1) - t(1)) ** 2
            + y(2) ** 4
            + 3 * (y(3) - t(2)) ** 2
            + 10 * y(4) ** 6
            + 7 * y(5) ** 2
            + y(6) ** 4
            - 4 * y(5) * y(6)
            - 10 * y(5)
            - 8 * y(6),
            [],
            [
                2 * y(0) ** 2 + 3 * y(1) ** 4 + y(2) + 4 * y(3) ** 2 + 5 * y(4) - t(3),
                7 * y(0) + 3 * y(1) + 10 * y(2) ** 2 + y(3) - y(4) - t(4),
                23 * y(0) + y(1) ** 2 + 6 * y(5) ** 2 - 8 * y(6) - t(5),
                4 * y(0) ** 2 + y(1) ** 2 - 3 * y(0) * y(1) + 2 * y(2) ** 2 + 5 * y(5) - 11 * y(6),
            ],
        ),
    )
    yield (
        104,
        [0.4, 10, 0.0588, 0.1],
        [6, 3, 0.4, 0.2, 6, 6, 1, 0.5],
        lambda: (
            f104(),
            [],
            [
                t(2) * y(4) * y(6) + t(3) * y(0) - 1,
                t(2) * y(5) * y(7) + t(3) * (y(0) + y(1)) - 1,
                mass(2, 4, 6),
                mass(3, 5, 7),
                1 - f104(),
                f104() - 4.2,
            ]
            + box(8, [0.1] * 8, [10] * 8),
        ),
    )
    yield (
        113,
        [14, 16, 10, 11, 105, 120],
        [2, 3, 5, 5, 1, 2, 7, 3, 6, 10],
        lambda: (
            y(0) ** 2
            + y(1) ** 2
            + y(0) * y(1)
            - t(0) * y(0)
            - t(1) * y(1)
            + (y(2) - t(2)) ** 2
            + 4 * (y(3) - 5) ** 2
            + (y(4) - 3) ** 2
            + 2 * (y(5) - 1) ** 2
            + 5 * y(6) ** 2
            + 7 * (y(7) - t(3)) ** 2
            + 2 * (y(8) - 10) ** 2
            + (y(9) - 7) ** 2
            + 45,
            [],
            [
                4 * y(0) + 5 * y(1) - 3 * y(6) + 9 * y(7) - t(4),
                10 * y(0) - 8 * y(1) - 17 * y(6) + 2 * y(7),
                -8 * y(0) + 2 * y(1) + 5 * y(8) - 2 * y(9) - 12,
                3 * (y(0) - 2) ** 2 + 4 * (y(1) - 3) ** 2 + 2 * y(2) ** 2 - 7 * y(3) - t(5),
                5 * y(0) ** 2 + 8 * y(1) + (y(2) - 6) ** 2 - 2 * y(3) - 40,
                0.5 * (y(0) - 8) ** 2 + 2 * (y(1) - 4) ** 2 + 3 * y(4) ** 2 - y(5) - 30,
                y(0) ** 2 + 2 * (y(1) - 2) ** 2 - 2 * y(0) * y(1) + 14 * y(4) - 6 * y(5),
                -3 * y(0) + 6 * y(1) + 12 * (y(8) - 8) ** 2 - 7 * y(9),
            ],
        ),
    )


def perturbed(theta):
    """As `perturbed` in hock_schittkowski.rs."""
    k, j = np.meshgrid(np.arange(BATCH), np.arange(len(theta)), indexing="ij")
    factor = 1 + 0.01 * np.sin(7 * k + 3 * j)
    factor[0] = 1
    return np.array(theta, dtype=float) * factor


def time_ipopt(theta, start, build):
    """Milliseconds of the batch, objectives, and number of failures."""
    f, h, g = build()
    options = {
        "print_time": False,
        "ipopt.print_level": 0,
        "ipopt.sb": "yes",
        "ipopt.tol": 1e-10,
        "ipopt.bound_relax_factor": 0.0,
    }
    nlp = {"x": SYMBOLS["y"], "p": SYMBOLS["t"], "f": f, "g": ca.vertcat(*h, *g)}
    solver = ca.nlpsol("solver", "ipopt", nlp, options)
    low = np.array([0.0] * len(h) + [-INF] * len(g))
    high = np.zeros(len(h) + len(g))
    clock, objectives, failures = time.perf_counter(), [], 0
    for sample in perturbed(theta):
        answer = solver(x0=start, p=sample, lbg=low, ubg=high)
        objectives.append(float(answer["f"]))
        failures += not solver.stats()["success"]
    return (time.perf_counter() - clock) * 1e3, np.array(objectives), failures


SYMBOLS: dict = {}


def main():
    """Prints the table."""
    ours = {}
    for line in open(sys.argv[1]):
        words = line.split()
        if len(words) == 7 + BATCH:
            ours[int(words[0])] = ([float(w) for w in words[1:6]], np.array(words[7:], dtype=float))
    total = np.zeros(2)
    print(
        "| problem | argrad, solve, ms | backward, ms | failed | Ipopt, ms | failed | ratio | "
        "same minimum | largest difference |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    t, y = (lambda i: SYMBOLS["t"][i]), (lambda i: SYMBOLS["y"][i])
    SYMBOLS.update(t=ca.SX.sym("t", 8), y=ca.SX.sym("y", 10))
    for number, theta, start, build in problems(t, y):
        SYMBOLS.update(t=ca.SX.sym("t", len(theta)), y=ca.SX.sym("y", len(start)))
        milliseconds, objectives, failures = time_ipopt(theta, start, build)
        numbers, found = ours[number]
        off = np.abs(objectives - found) / np.maximum(np.abs(found), 1)
        same = off < 1e-6
        total += [numbers[0], milliseconds]
        print(
            f"| {number} | {numbers[0]:.2f} | {numbers[1]:.2f} | {numbers[3]:.0f} | "
            f"{milliseconds:.0f} | {failures} | {milliseconds / numbers[0]:.0f} | "
            f"{same.sum()} | {off[same].max(initial=0):.0e} |",
            flush=True,
        )
    print(f"| all | {total[0]:.1f} | | | {total[1]:.0f} | | {total[1] / total[0]:.0f} | | |")


if __name__ == "__main__":
    main()
