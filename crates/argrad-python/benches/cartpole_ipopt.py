"""The cart-pole plans of `cargo run --release --example cartpole -- --race`, one by one with Ipopt.

    python cartpole_ipopt.py OUTPUT_OF_THE_RACE

in an environment with casadi (whose wheels bring Ipopt) and numpy. The problem is that of
crates/argrad-applications/examples/cartpole, with the same parameters and the same first
guess; derivatives are casadi's, exact. Ipopt gets it in two forms, each solver object made once
and its making not timed: all states as variables with the steps as equalities (multiple shooting,
sparse), and the inputs alone (single shooting, as argrad does). It computes no gradient; argrad's
time has it. The optima are compared where both end at the same local minimum.
"""

import sys
import time

import casadi as ca
import numpy as np

# As in cartpole.rs.
STEP, FORCE, CART, GRAVITY, TERMINAL = 0.05, 10.0, 1.0, 9.81, 0.5
STATES, CONTROLLER = 4, 7
ROUNDS = 3


def motion(theta, x, u):
    """The derivative of the state by time."""
    mass, length = theta[4], theta[5]
    sin, cos = ca.sin(x[1]), ca.cos(x[1])
    swing = mass * length * x[3] ** 2 * sin
    d = mass * sin**2 + CART
    acceleration = (u + swing - mass * GRAVITY * sin * cos) / d
    turn = ((mass + CART) * GRAVITY * sin - cos * (u + swing)) / d / length
    return ca.vertcat(x[2], x[3], acceleration, turn)


def step(theta, x, u):
    """The state a step later (Runge-Kutta)."""
    k1 = motion(theta, x, u)
    k2 = motion(theta, x + 0.5 * STEP * k1, u)
    k3 = motion(theta, x + 0.5 * STEP * k2, u)
    k4 = motion(theta, x + STEP * k3, u)
    return x + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def state_cost(theta, x):
    """The cost of a state each second."""
    angle = 2 * (1 - ca.cos(x[1]))
    return theta[6] * x[0] ** 2 + theta[7] * angle + theta[8] * x[2] ** 2 + theta[9] * x[3] ** 2


def program(horizon, multiple):
    """The nonlinear program, its bounds, and what makes a first guess from inputs."""
    theta = ca.SX.sym("theta", STATES + CONTROLLER)
    u = ca.SX.sym("u", horizon)
    xs = ca.SX.sym("x", STATES, horizon)
    x, cost, rows = theta[:STATES], 0, []
    force = ca.SX.sym("force")
    forward = ca.Function("forward", [theta, force], [step(theta, theta[:STATES], force)])
    for t in range(horizon):
        cost += STEP * (state_cost(theta, x) + theta[10] * u[t] ** 2)
        x = step(theta, x, u[t])
        if multiple:
            rows.append(xs[:, t] - x)
            x = xs[:, t]
    cost += TERMINAL * state_cost(theta, x)
    variables = ca.vertcat(u, ca.vec(xs)) if multiple else u
    nlp = {"x": variables, "p": theta, "f": cost, "g": ca.vertcat(*rows)}
    low = np.full(variables.shape[0], -np.inf)
    low[:horizon] = -FORCE

    def guess(sample, inputs):
        """The inputs, and the states that they lead to."""
        states, now = [], sample.copy()
        for force in inputs:
            now[:STATES] = np.array(forward(now, force)).ravel()
            states.append(now[:STATES].copy())
        return np.concatenate([inputs, *states]) if multiple else inputs

    return nlp, low, -low, guess


def time_ipopt(samples, inputs, multiple):
    """Milliseconds of the batch (the best round), optima, and number of failures."""
    horizon = inputs.shape[1]
    nlp, low, high, guess = program(horizon, multiple)
    options = {
        "print_time": False,
        "ipopt.print_level": 0,
        "ipopt.sb": "yes",
        "ipopt.tol": 1e-10,
        "ipopt.bound_relax_factor": 0.0,
    }
    solver = ca.nlpsol("solver", "ipopt", nlp, options)
    guesses = [guess(sample, own) for sample, own in zip(samples, inputs, strict=True)]
    best = np.inf
    for _ in range(ROUNDS):
        optima, failures, clock = [], 0, time.perf_counter()
        for sample, start in zip(samples, guesses, strict=True):
            answer = solver(x0=start, p=sample, lbx=low, ubx=high, lbg=0, ubg=0)
            optima.append(float(answer["f"]))
            failures += not solver.stats()["success"]
        best = min(best, (time.perf_counter() - clock) * 1e3)
    return best, np.array(optima), failures


def main():
    """Prints the table."""
    lines = open(sys.argv[1]).read().splitlines()
    solve, backward, _, unsolved = map(float, lines[0].split())
    numbers = np.array([line.split() for line in lines[1:]], dtype=float)
    samples, ours, inputs = np.split(numbers, [STATES + CONTROLLER, STATES + CONTROLLER + 1], 1)
    ours = ours[:, 0]
    print(f"{len(samples)} plans of {inputs.shape[1]} steps; milliseconds for all\n")
    print("| solver | solve | gradient | not solved | ratio | same optimum | difference |")
    print("|---|---|---|---|---|---|---|")
    print(f"| argrad, the batch | {solve:.1f} | {backward:.1f} | {unsolved:.0f} | | | |")
    for name, multiple in [("multiple shooting", True), ("single shooting", False)]:
        milliseconds, optima, failures = time_ipopt(samples, inputs, multiple)
        off = np.abs(optima - ours) / np.maximum(np.abs(ours), 1)
        same = off < 1e-6
        print(
            f"| Ipopt, {name} | {milliseconds:.0f} | none | {failures} | "
            f"{milliseconds / (solve + backward):.1f} | {same.sum()} | "
            f"{off[same].max(initial=0):.0e} |"
        )
        for k in np.flatnonzero(~same):
            print(f"sample {k}: argrad {ours[k]:.9f}, Ipopt {optima[k]:.9f}", file=sys.stderr)


if __name__ == "__main__":
    main()
