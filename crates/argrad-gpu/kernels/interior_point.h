// Interior point on the homogeneous embedding of a quadratic objective.
//
//   rx   = -(Px + A'z + q tau)                 -> 0
//   rz   = Ax + s - b tau                      -> 0
//   rtau = q'x + b'z + kappa + x'Px / tau      -> 0
//   s z = mu,  tau kappa = mu                  -> 0
// A solution has tau > 0 and is x / tau; kappa > 0 = tau is a certificate of infeasibility. Steps
// are Mehrotra's predictor and corrector; each iteration has one factorization and three solves,
// two of them at once. CPU counterpart: argrad-solver/src/solve/interior_point/, whose formulas and
// constants these are.
#pragma once
#include "measure.h"

// Part of the way to the boundary that a step takes; a shorter one is a sign of trouble.
#define FRACTION_TO_BOUNDARY 0.98
#define SHORTEST_STEP 1e-9

// The scalars of the iterate, what is remembered of earlier ones, and what became of the problem.
struct Embedding {
    double tau, kappa;
    int iterations;
    bool primal_infeasible, dual_infeasible, stuck, refined;
    double dual, primal, predicted;
    double best;
    int stalled;
    double doubt;
    int undecided;
    double course;
};

// What a round aims at.
struct Round {
    double residual, infeasibility, least_share;
    int max_iterations;
};

// What is known of an iterate beside the vectors rx and rz.
struct Residuals {
    double dual, dual_terms, dual_scale, primal, primal_terms, primal_scale;
    double q_x, b_z, x_px_tau, r_tau, mu, gap, gap_scale, largest;
    bool departing;
};

// Whether solves are refined, and the errors that may be left in either equation.
struct Refinement {
    bool is_needed;
    double of_x, of_z;
};

// What the constant column contributes to the equation for dtau.
struct Column {
    double inverse_tau, denominator;
};

// The scalars of a direction, and the longest step along it.
struct Direction {
    double d_tau, d_kappa, length;
};

DEVICE Embedding new_embedding() {
    Embedding e = {};
    e.tau = e.kappa = e.predicted = 1.0;
    e.dual = e.primal = 1.7976931348623157e308;
    e.best = e.doubt = e.course = INFINITE_NUMBER;
    return e;
}

// Adds to the entries of the inequalities what brings the smallest to a safe distance from zero,
// and the like in every curved cone.
LARGE void shift_inside(const Problem& p, double* values) {
    double out[2];
    reduce<1, 1>(p.m, p.scratch, out, [&](int i, double* out) {
        if (!p.is_inequality(i)) return;
        out[0] = max_abs(out[0], larger(-values[i], 0.0));
        out[1] += larger(values[i], 0.0);
    });
    // The smallest, as far as it is negative; else it takes a reduction of its own.
    double least = -out[0];
    if (least == 0.0) {
        double inverse[1];
        reduce<1, 0>(p.m, p.scratch, inverse, [&](int i, double* out) {
            if (p.is_inequality(i)) out[0] = max_abs(out[0], 1.0 / values[i]);
        });
        least = 1.0 / inverse[0];
    }
    double degree = p.inequalities > 0 ? p.inequalities : 1;
    double target = 0.1 * larger(out[1] / degree, 1.0);
    double amount = least < 0.0 ? target - least : larger(target - least, 0.0);
    EACH(i, p.m) {
        if (p.is_inequality(i)) values[i] += amount;
    }
    if (CURVED && p.cones > 0) shift_cones(p, values);
}

// The least-squares-like solution of the program with H = 1, moved inside the cones; the unit point
// where a cone is not symmetric.
LARGE Embedding start(const Problem& p) {
    EACH(i, p.m) {
        p.scaling[i] = p.is_inequality(i) ? 1.0 : 0.0;
        p.iterate_s[i] = p.iterate_z[i] = p.scaling[i];
    }
    if (CURVED && p.cones > 0) {
        SYNC();
        write_units(p, p.iterate_s, p.iterate_z);
        if (!p.is_symmetric) {
            EACH(j, p.n) p.iterate_x[j] = 0.0;
            SYNC();
            return new_embedding();
        }
        scale_cones(p, p.iterate_s, p.iterate_z, 1.0, p.scaling);
        turn_rows(p);
    }
    EACH(i, p.m) p.weight[i] = p.scaling[i];
    factor_system(p, of_interior_point());
    int len = p.n + p.m, count = p.p_len > 0 ? 1 : 2;
    // Without P: the smallest z for the objective, the smallest s for the constraints.
    double *first = p.rhs, *second = p.rhs + len;
    EACH(k, len) {
        first[k] = k < p.n ? -p.q[k] : count == 1 ? p.b[k - p.n] : 0.0;
        second[k] = k < p.n ? 0.0 : p.b[k - p.n];
    }
    turn(p, first + p.n);
    if (count == 2) turn(p, second + p.n);
    if (count == 2) {
        // (-q, 0) gives z and (0, b) gives x and s.
        solve_system(p, 2, p.rhs, p.solution);
    } else {
        solve_system(p, 1, p.rhs, p.solution);
    }
    double *of_z = p.solution, *of_x = count == 2 ? p.solution + len : p.solution;
    turn_back(p, of_z + p.n);
    if (count == 2) turn_back(p, of_x + p.n);
    EACH(j, p.n) p.iterate_x[j] = of_x[j];
    EACH(i, p.m) {
        p.iterate_z[i] = of_z[p.n + i];
        p.iterate_s[i] = p.row_kind[i] == EQUALITY ? 0.0 : -of_x[p.n + i];
    }
    SYNC();
    shift_inside(p, p.iterate_s);
    shift_inside(p, p.iterate_z);
    SYNC();
    return new_embedding();
}

// rx, rz and rtau at the iterate, with the norms of their terms.
LARGE Residuals residuals_of(const Problem& p, const Embedding& e) {
    multiply(p, p.given_rows(), p.iterate_x, p.iterate_z);
    double of_x[4], of_z[4], tau = e.tau;
    reduce<2, 2>(p.n, p.scratch, of_x, [&](int j, double* out) {
        double q_tau = p.q[j] * tau, rx = -(p.px[j] + p.atz[j] + q_tau);
        p.rx[j] = rx;
        out[0] = max_abs(out[0], rx);
        out[1] = max_abs(max_abs(max_abs(out[1], p.px[j]), p.atz[j]), q_tau);
        out[2] = fma(p.iterate_x[j], p.px[j], out[2]);
        out[3] = fma(p.q[j], p.iterate_x[j], out[3]);
    });
    reduce<2, 2>(p.m, p.scratch, of_z, [&](int i, double* out) {
        double b_tau = p.b[i] * tau, s = p.iterate_s[i], rz = p.ax[i] + s - b_tau;
        p.rz[i] = rz;
        out[0] = max_abs(out[0], rz);
        out[1] = max_abs(max_abs(max_abs(out[1], p.ax[i]), s), b_tau);
        out[2] = fma(p.b[i], p.iterate_z[i], out[2]);
        out[3] = fma(s, p.iterate_z[i], out[3]);
    });
    Residuals r;
    r.dual = of_x[0];
    r.dual_terms = of_x[1];
    r.primal = of_z[0];
    r.primal_terms = of_z[1];
    r.q_x = of_x[3];
    r.b_z = of_z[2];
    r.x_px_tau = of_x[2] / tau;
    r.gap = fabs(r.x_px_tau + r.q_x + r.b_z);
    // Tau in the units that the data suggested, whatever the units are now.
    double unit = p.dual_unit() * p.primal_unit();
    r.gap_scale = max_abs(max_abs(max_abs(tau * unit, r.x_px_tau), r.q_x), r.b_z);
    r.dual_scale = larger(r.dual_terms, tau * p.dual_unit());
    r.primal_scale = larger(r.primal_terms, tau * p.primal_unit());
    r.largest =
        max_abs(max_abs(r.dual / r.dual_scale, r.primal / r.primal_scale), r.gap / r.gap_scale);
    r.r_tau = r.q_x + r.b_z + e.kappa + r.x_px_tau;
    r.mu = fma(tau, e.kappa, of_z[3]) / (p.degree + 1.0);
    r.departing = tau * unit < e.kappa;
    return r;
}

// Writes the iterate times `factor` as the point, with v = s - z.
LARGE void publish(const Problem& p, double factor) {
    EACH(j, p.n) p.x[j] = p.iterate_x[j] * factor;
    EACH(i, p.m) {
        p.z[i] = p.iterate_z[i] * factor;
        p.s[i] = p.iterate_s[i] * factor;
        p.v[i] = p.s[i] - p.z[i];
    }
    SYNC();
}

// That of an iterate under way, divided by tau; or of a certificate, normalized to b'z = -1 or
// q'x = -1 in unscaled units.
DEVICE void publish_iterate(const Problem& p, const Embedding& e, const Residuals& r) {
    double factor = 1.0 / e.tau;
    if (e.primal_infeasible) factor = -p.cost_scale() / r.b_z;
    if (e.dual_infeasible) factor = -p.cost_scale() / r.q_x;
    publish(p, factor);
}

// Ends with the best point, which is the point.
LARGE void recall(const Problem& p, Embedding& e) {
    e.stuck = true;
    e.tau = 1.0;
    EACH(j, p.n) p.iterate_x[j] = p.x[j];
    EACH(i, p.m) {
        p.iterate_z[i] = p.z[i];
        p.iterate_s[i] = p.s[i];
    }
    SYNC();
}

// Sums of absolute values, and of those of products.
struct Totals {
    double values, products;
};

LARGE Totals totals(const Problem& p, int n, const double* values, const double* others) {
    double out[2];
    reduce<0, 2>(n, p.scratch, out, [&](int k, double* out) {
        out[0] += fabs(values[k]);
        out[1] += fabs(values[k] * others[k]);
    });
    return {out[0], out[1]};
}

// The error of a certificate, infinite where the share of its terms that b'z or q'x has is not
// positive, or rounding.
DEVICE double if_certain(const Round& round, double share, double error) {
    return share > round.least_share && share > 0.0 ? error : INFINITE_NUMBER;
}

// How far z is from a certificate of primal infeasibility.
DEVICE double primal_error(const Problem& p, const Round& round, const Residuals& r) {
    Totals t = totals(p, p.m, p.iterate_z, p.b);
    double share = -r.b_z / t.products;
    return if_certain(round, share, largest(p, p.n, p.atz) / (share * t.values));
}

// How far (x, s) is from one of dual infeasibility.
DEVICE double dual_error(const Problem& p, const Round& round, const Residuals& r) {
    double rows[1];
    reduce<1, 0>(p.m, p.scratch, rows, [&](int i, double* out) {
        out[0] = max_abs(out[0], p.ax[i] + p.iterate_s[i]);
    });
    double error = rows[0];
    if (p.p_size() > 0.0) error = larger(error, largest(p, p.n, p.px) / p.p_size());
    Totals t = totals(p, p.n, p.iterate_x, p.q);
    double share = -r.q_x / t.products;
    return if_certain(round, share, error / (share * t.values));
}

// Books a certificate, where the iterate is one. One within the tolerance counts when it gets no
// better any more while tau falls faster than kappa, or when it is much better. `is_last` is an
// iterate from which there is no way on. CPU: interior_point/certificate.rs.
LARGE bool certify(const Problem& p, Embedding& e, const Round& round, const Residuals& r,
                   bool is_last, bool is_converged) {
    if (!r.departing) return false;
    double primal = primal_error(p, round, r), dual = dual_error(p, round, r);
    double error = smaller(primal, dual), course = e.tau / e.kappa;
    bool returns = course > e.course;
    e.course = course;
    bool better = returns || error < 0.5 * e.doubt;
    if (better) e.doubt = error;
    e.undecided = better ? 0 : e.undecided + 1;
    bool settled = (is_last && !returns) || e.undecided >= 3;
    double enough = settled ? round.infeasibility : 1e-4 * round.infeasibility;
    if (is_converged) return false;
    e.primal_infeasible = primal <= enough;
    e.dual_infeasible = dual <= enough && !e.primal_infeasible;
    return e.primal_infeasible || e.dual_infeasible;
}

// Whether the problem is done: converged, certified or stuck. Writes its point and the best so far.
LARGE bool check_interior_termination(const Problem& p, Embedding& e, const Round& round,
                                      const Residuals& r) {
    double tolerance = round.residual;
    bool converged = r.dual <= tolerance * r.dual_scale && r.primal <= tolerance * r.primal_scale &&
                     r.gap <= tolerance * r.gap_scale;
    bool better = e.best >= INFINITE_NUMBER || r.largest < 0.9 * e.best;
    if (better) e.best = r.largest;
    // On the way to a certificate there is no progress of this kind.
    e.stalled = better || r.departing ? 0 : e.stalled + 1;
    int patience = e.best < 1e-8 ? 6 : 20;
    bool stuck = is_nan(r.mu) || is_nan(r.dual) || is_nan(r.primal) || e.stalled >= patience ||
                 e.iterations >= round.max_iterations;
    bool certified = certify(p, e, round, r, stuck, converged);
    if (better || converged || certified) publish_iterate(p, e, r);
    if (converged || certified) return true;
    if (stuck) recall(p, e);
    return stuck;
}

// A step that does not reduce the residuals as it should is no solution of its system: from then on
// solves are refined.
DEVICE Refinement check_accuracy(Embedding& e, const Residuals& r) {
    double minor = 1e-6 * r.largest;
    bool exact_x = r.dual <= fma(e.predicted, e.dual, 1e-11 * r.dual_terms) ||
                   r.dual <= minor * r.dual_scale;
    bool exact_z = r.primal <= fma(e.predicted, e.primal, 1e-11 * r.primal_terms) ||
                   r.primal <= minor * r.primal_scale;
    if (!(exact_x && exact_z) && !r.departing) e.refined = true;
    e.dual = r.dual;
    e.primal = r.primal;
    double of_x = larger(0.01 * larger(r.dual, minor * r.dual_scale), 1e-14 * r.dual_scale);
    double of_z = larger(0.01 * larger(r.primal, minor * r.primal_scale), 1e-14 * r.primal_scale);
    return {e.refined, of_x, of_z};
}

// Refines solution number `which`, where errors may be `unit` times as large.
DEVICE void refine(const Problem& p, const Refinement& refinement, double unit, int which) {
    if (!refinement.is_needed) return;
    Units units = {1.0 / (refinement.of_x * unit), 1.0 / (refinement.of_z * unit)};
    int first = which * (p.n + p.m);
    gcr(p, SCALING, units, false, p.rhs + first, p.solution + first);
}

// `q'dx + b'dz` and `x'P dx` of a solution. px holds P times the iterate.
LARGE void products_with(const Problem& p, const double* px, const double* solution,
                          double (&out)[2]) {
    reduce<0, 2>(p.n + p.m, p.scratch, out, [&](int k, double* out) {
        if (k < p.n) {
            out[0] = fma(p.q[k], solution[k], out[0]);
            out[1] = fma(px[k], solution[k], out[1]);
        } else {
            out[0] = fma(p.b[k - p.n], solution[k], out[0]);
        }
    });
}

// The scaling and its factor; the constant column, solution 1, and the affine (dx, dz) without tau,
// solution 0. `px` receives P times the iterate, which refinement overwrites in p.px.
LARGE Column solve_column_and_affine(const Problem& p, const Embedding& e, const Residuals& r,
                                     const Refinement& refinement, double* px) {
    EACH(i, p.m) {
        p.scaling[i] = p.is_inequality(i) ? p.iterate_s[i] / p.iterate_z[i] : 0.0;
    }
    if (CURVED && p.cones > 0) {
        SYNC();
        scale_cones(p, p.iterate_s, p.iterate_z, r.mu, p.scaling);
        turn_rows(p);
    }
    EACH(i, p.m) p.weight[i] = p.scaling[i];
    EACH(j, p.n) px[j] = p.px[j];
    factor_system(p, of_interior_point());
    int len = p.n + p.m;
    double *affine = p.rhs, *column = p.rhs + len;
    EACH(j, p.n) {
        affine[j] = p.rx[j];
        column[j] = -p.q[j];
    }
    EACH(i, p.m) {
        p.constant[i] = p.iterate_s[i];
        affine[p.n + i] = p.constant[i] - p.rz[i];
        column[p.n + i] = p.b[i];
    }
    turn(p, affine + p.n);
    turn(p, column + p.n);
    solve_system(p, 2, p.rhs, p.solution);
    double inverse_tau = 1.0 / e.tau;
    // The column counts times the change of tau, which is of the order of tau.
    refine(p, refinement, inverse_tau, 1);
    refine(p, refinement, 1.0, 0);
    turn_back(p, p.solution + p.n);
    turn_back(p, p.solution + len + p.n);
    double out[2];
    products_with(p, px, p.solution + len, out);
    double denominator =
        e.kappa * inverse_tau - out[0] - 2.0 * inverse_tau * out[1] + r.x_px_tau * inverse_tau;
    return {inverse_tau, denominator};
}

// Adds the column's part to (dx, dz), and computes ds; the longest step, at most one, that keeps
// all inside. Not a number where the direction is none.
LARGE double finish_direction(const Problem& p, const Embedding& e, double d_tau, double d_kappa) {
    int len = p.n + p.m;
    const double* column = p.solution + len;
    SYNC();
    EACH(k, len) p.solution[k] = fma(column[k], d_tau, p.solution[k]);
    SYNC();
    const double* dz = p.solution + p.n;
    double *h_dz = p.rows, out[2];
    EACH(i, p.m) h_dz[i] = dz[i];
    turn(p, h_dz);
    EACH(i, p.m) h_dz[i] *= p.scaling[i];
    turn_back(p, h_dz);
    reduce<1, 1>(p.m, p.scratch, out, [&](int i, double* out) {
        double ds = -(h_dz[i] + p.constant[i]);
        p.ds[i] = ds;
        out[1] += dz[i] * 0.0 + ds * 0.0;
        if (!p.is_inequality(i)) return;
        double steepest = larger(-ds / p.iterate_s[i], -dz[i] / p.iterate_z[i]);
        if (steepest > 0.0) out[0] = max_abs(out[0], steepest);
    });
    double steepest = larger(larger(-d_tau / e.tau, -d_kappa / e.kappa), 1.0);
    double longest = 1.0 / larger(out[0], steepest);
    if (CURVED && p.cones > 0 && !is_nan(out[1])) {
        SYNC();
        longest = step_in_cones(p, p.iterate_s, p.iterate_z, p.ds, dz, longest);
    }
    return longest + out[1];
}

DEVICE Direction affine_direction(const Problem& p, const Embedding& e, const Residuals& r,
                                  const Column& column, const double* px) {
    double out[2];
    products_with(p, px, p.solution, out);
    double d_tau =
        (r.r_tau - e.kappa + out[0] + 2.0 * column.inverse_tau * out[1]) / column.denominator;
    double d_kappa = -(e.kappa + e.kappa * d_tau * column.inverse_tau);
    return {d_tau, d_kappa, finish_direction(p, e, d_tau, d_kappa)};
}

// The combined step: centered, with the second-order correction of the affine one, and the share
// `keep` of the residuals removed.
LARGE Direction combined_direction(const Problem& p, const Embedding& e, const Residuals& r,
                                   const Column& column, const Direction& affine, double keep,
                                   double target, const Refinement& refinement, const double* px) {
    SYNC();
    const double* dz = p.solution + p.n;
    EACH(i, p.m) {
        double product = fma(p.ds[i], dz[i], -target);
        p.constant[i] = p.is_inequality(i) ? p.iterate_s[i] + product / p.iterate_z[i] : 0.0;
    }
    if (CURVED && p.cones > 0) {
        SYNC();
        write_combined_constants(p, p.iterate_s, p.iterate_z, p.ds, dz, target, p.constant);
    }
    EACH(i, p.m) p.rhs[p.n + i] = fma(-keep, p.rz[i], p.constant[i]);
    EACH(j, p.n) p.rhs[j] = keep * p.rx[j];
    turn(p, p.rhs + p.n);
    solve_system(p, 1, p.rhs, p.solution);
    refine(p, refinement, 1.0, 0);
    turn_back(p, p.solution + p.n);
    double r_kappa = fma(e.tau, e.kappa, fma(affine.d_tau, affine.d_kappa, -target)), out[2];
    products_with(p, px, p.solution, out);
    double d_tau = (keep * r.r_tau - r_kappa * column.inverse_tau + out[0] +
                    2.0 * column.inverse_tau * out[1]) /
                   column.denominator;
    double d_kappa = -(r_kappa + e.kappa * d_tau) * column.inverse_tau;
    double length = FRACTION_TO_BOUNDARY * finish_direction(p, e, d_tau, d_kappa);
    return {d_tau, d_kappa, length > 1.0 ? 1.0 : length};
}

// Ends a problem that cannot move: with a certificate, or at its best point.
DEVICE void give_up(const Problem& p, Embedding& e, const Round& round, const Residuals& r) {
    if (r.departing) {
        // The products at the iterate again: refined solves overwrote them.
        Residuals again = residuals_of(p, e);
        if (certify(p, e, round, again, true, false)) {
            publish_iterate(p, e, again);
            return;
        }
    }
    recall(p, e);
}

// Moves the iterate; whether there is a way on. A problem that cannot move has its solves refined;
// one that cannot move with refined solves is stuck.
DEVICE bool step(const Problem& p, Embedding& e, const Round& round, const Residuals& r,
                 const Direction& direction, double keep) {
    double length = direction.length;
    bool moves = length >= SHORTEST_STEP && !is_nan(direction.d_tau);
    if (!moves && e.refined) {
        give_up(p, e, round, r);
        return false;
    }
    e.predicted = fma(-(r.largest < 1e-5 ? 0.9 : 0.5), length * keep, 1.0);
    e.iterations++;
    if (!moves) {
        e.refined = true;
        return true;
    }
    SYNC();
    EACH(j, p.n) p.iterate_x[j] = fma(length, p.solution[j], p.iterate_x[j]);
    EACH(i, p.m) {
        p.iterate_z[i] = fma(length, p.solution[p.n + i], p.iterate_z[i]);
        p.iterate_s[i] = fma(length, p.ds[i], p.iterate_s[i]);
    }
    e.tau = fma(length, direction.d_tau, e.tau);
    e.kappa = fma(length, direction.d_kappa, e.kappa);
    SYNC();
    return true;
}

// Iterates until the problem is done, is infeasible or is stuck. The point, divided by tau, is the
// best so far meanwhile, and what a stuck problem ends with.
LARGE void interior_point(const Problem& p, Embedding& e, const Round& round) {
    double* px = p.kept_x;
    while (true) {
        Residuals r = residuals_of(p, e);
        if (check_interior_termination(p, e, round, r)) return;
        Refinement refinement = check_accuracy(e, r);
        Column column = solve_column_and_affine(p, e, r, refinement, px);
        Direction affine = affine_direction(p, e, r, column, px);
        double rest = 1.0 - affine.length, sigma = rest * rest * rest;
        Direction combined = combined_direction(p, e, r, column, affine, 1.0 - sigma,
                                                sigma * r.mu, refinement, px);
        if (!step(p, e, round, r, combined, 1.0 - sigma)) return;
    }
}
