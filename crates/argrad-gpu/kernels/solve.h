// One problem from values to solution: load, scale, interior point and polish in turn, report. CPU
// counterparts: argrad-solver/src/solve/group.rs, convexity.rs, report.rs.
#pragma once
#include "balance.h"
#include "equilibrate.h"
#include "uniqueness.h"

// Residual of a best point from which a last polish is tried.
#define NEAR_SOLUTION 1e-5
// A tolerance of the caller up to this one does not end a polish. From a looser one, this share is
// enough.
#define STRICT 1e-9
#define MARGIN 0.1
// A certificate whose b'z is this many roundings of its terms does not rest on them.
#define CERTAIN 16.0
#define ROUNDS 4
// Residual that accepts a warm start.
#define WARM 1e-11
// s and z of curved cones with a ratio from which on they get other units: when the interior point
// hands over, and when the program is solved.
#define APART_AT_HANDOVER 8.0
#define APART_AT_END 128.0

// Residuals of the scaled program at which the interior point hands over to the polish, and those
// that a polish must reach then.
DEVICE double handover(int round) {
    return round == 0 ? 1e-3 : round == 1 ? 1e-7 : round == 2 ? 1e-10 : 1e-13;
}
DEVICE double polished_to(int round) { return round == 0 ? 5e-12 : 1e-10; }

// What became of the problem.
struct Outcome {
    bool is_pending, is_solved, is_factored, unique_x, unique_z, escaping, warm;
    int polish_steps, factorizations;
    double growth, best;
};

// The smallest pivot of P with a small share of each row's largest entry added to its diagonal; not
// positive where P is not positive semidefinite.
LARGE double least_pivot(const Problem& p, double share) {
    double smallest = 2.2250738585072014e-308;
    EACH(j, p.n) {
        double size = smallest;
        for (int i = 0; i < j; i++) size = max_abs(size, p.p(i, j));
        for (int i = j; i < p.n; i++) {
            size = max_abs(size, p.p(j, i));
            p.l(i, j) = p.p(j, i);
        }
        p.work[j] = larger(share * size, smallest);
    }
    SYNC();
    EACH(j, p.n) p.l(j, j) += p.work[j];
    SYNC();
    return factor_matrix(p, p.work, false).least;
}

DEVICE void keep_point(const Problem& p) {
    EACH(j, p.n) p.best_x[j] = p.x[j];
    EACH(i, p.m) {
        p.best_z[i] = p.z[i];
        p.best_s[i] = p.s[i];
    }
}

// Keeps the point where its residual is the smallest so far.
DEVICE void keep_best(const Problem& p, Outcome& o, double residual) {
    if (!(residual < o.best)) return;
    o.best = residual;
    keep_point(p);
}

LARGE void recall_point(const Problem& p) {
    EACH(j, p.n) p.x[j] = p.best_x[j];
    EACH(i, p.m) {
        p.z[i] = p.best_z[i];
        p.s[i] = p.best_s[i];
        p.v[i] = p.s[i] - p.z[i];
    }
    SYNC();
}

// Ends at the best point.
LARGE void recall_best(const Problem& p, Outcome& o) {
    keep_best(p, o, measure(p).residual());
    if (o.best < INFINITE_NUMBER) recall_point(p);
}

// Polishes; solved where the residual of the scaled program is at the goal and the one in the
// caller's units within the tolerance.
LARGE void polish_and_judge(const Problem& p, const Settings& settings, Outcome& o,
                            const Target& target) {
    Polished polished = polish(p, target);
    o.is_factored = true;
    double found = measure(p).residual();
    o.polish_steps += polished.steps;
    o.factorizations += polished.factorizations;
    o.growth = polished.growth;
    if (polished.informed) o.escaping = polished.escaping;
    o.is_solved = polished.is_solved && found <= settings.tolerance;
    o.is_pending = !o.is_solved;
    if (o.is_pending) keep_best(p, o, found);
}

// A last polish from the best point, if that is near, with a factor for a nearly singular P. Not
// where x runs away, which a closer factor would only do faster.
LARGE void polish_closely(const Problem& p, const Settings& settings, Outcome& o) {
    if (!(o.best < NEAR_SOLUTION) || (o.best <= settings.tolerance && o.escaping)) return;
    polish_and_judge(p, settings, o, {1e-10, 0.0, settings.max_polish_steps, true, true});
    if (!o.is_solved) recall_best(p, o);
}

// Share of its terms that a certificate must leave: more than roundings of the data and, where
// there is a point that is almost a solution, more than such a point may violate.
DEVICE double least_share(const Settings& settings, const Outcome& o) {
    double certain = CERTAIN * settings.data_rounding;
    return o.best <= settings.reduced_tolerance ? larger(certain, settings.reduced_tolerance)
                                                : certain;
}

// Interior point and polish in turn: the problem is handed over at ever smaller residuals until its
// polish succeeds.
LARGE void solve_pending(const Problem& p, const Settings& settings, Embedding& e, Outcome& o) {
    double enough = settings.tolerance > STRICT ? MARGIN * settings.tolerance : 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        interior_point(p, e,
                       {handover(round), settings.infeasibility_tolerance,
                        least_share(settings, o), settings.max_iterations});
        o.is_factored = false;
        if (e.primal_infeasible || e.dual_infeasible) {
            o.is_pending = false;
            return;
        }
        publish(p, 1.0 / e.tau);
        change_units_of_embedding(e, balance(p, handover(round), APART_AT_HANDOVER));
        bool is_last = e.stuck && !(measure(p).residual() <= settings.tolerance);
        polish_and_judge(p, settings, o,
                         {polished_to(round), enough, settings.max_polish_steps, is_last, false});
        if (o.is_solved) return;
        // Back to the interior point's iterate.
        publish(p, 1.0 / e.tau);
        o.is_factored = false;
        if (e.stuck) break;
        enough = 0.0;
    }
    recall_best(p, o);
    polish_closely(p, settings, o);
}

// The derivative of the projection and its factor where v follows from s and z.
LARGE void factor_at_point(const Problem& p, bool is_close) {
    EACH(i, p.m) p.v[i] = p.s[i] - p.z[i];
    SYNC();
    project_to(p, p.rows);
    factor_at_v(p, is_close);
}

// Polishes a solved point once more; goes back where it was within the tolerance and is no more.
LARGE double polish_again(const Problem& p, const Settings& settings, Outcome& o, bool is_close) {
    keep_point(p);
    Polished polished = polish(p, {1e-10, 0.0, settings.max_polish_steps, true, is_close});
    o.polish_steps += polished.steps;
    o.factorizations += polished.factorizations;
    if (!(measure(p).residual() <= settings.tolerance)) {
        recall_point(p);
        factor_at_point(p, is_close);
    }
    return polished.growth;
}

// Polishes in other units where s and z of curved cones are so far apart that the smaller one has
// lost as much to rounding.
DEVICE void regain_digits(const Problem& p, const Settings& settings, Outcome& o) {
    if (!o.is_solved || balance(p, STRICT, APART_AT_END).is_none()) return;
    o.growth = polish_again(p, settings, o, false);
}

// Whether x and z are unique, where the factor leaves a doubt. An ill-conditioned system is looked
// at again with a factor that is closer to it, and the point polished with that.
LARGE void look_for_others(const Problem& p, const Settings& settings, Outcome& o) {
    // Not a comparison that NaN fulfils.
    if (o.growth < DOUBTFUL) return;
    Uniqueness found = uniqueness(p);
    o.unique_x = found.x;
    o.unique_z = found.z;
    o.growth = found.growth;
    if (!found.in_x && found.x) return;
    factor_at_v(p, true);
    found = uniqueness(p);
    if (!found.x) {
        factor_at_v(p, false);
        return;
    }
    o.unique_x = true;
    o.unique_z = found.z;
    o.growth = found.growth;
    if (o.is_solved) polish_again(p, settings, o, true);
}

// A point of the caller, scaled. The slack of a removed row is infinite; inside it is 0 x <= 1.
LARGE void load_point(const Problem& p, const SolveArguments& of, long long sample) {
    const double *x = of.start_x + sample * p.n, *z = of.start_z + sample * p.m;
    const double* s = of.start_s + sample * p.m;
    EACH(j, p.n) p.x[j] = x[j] / p.x_scale[j];
    EACH(i, p.m) {
        double scaled = s[i] * p.row_scale[i];
        p.z[i] = z[i] * p.cost_scale() / p.row_scale[i];
        p.s[i] = scaled >= INFINITE_NUMBER ? 1.0 : scaled;
        p.v[i] = p.s[i] - p.z[i];
    }
    SYNC();
}

// Back to the units from before any balance.
DEVICE void take_back_units(const Problem& p) {
    Balance back = {1.0 / p.dual_unit(), 1.0 / p.primal_unit()};
    SYNC();
    if (!back.is_none()) change_units(p, back);
}

// Newton's method from the caller's point; where it does not reach a solution, it is as if nothing
// had been tried.
LARGE void warm_start(const Problem& p, const SolveArguments& of, Outcome& o, long long sample) {
    const Settings& settings = of.settings;
    load_point(p, of, sample);
    balance(p, STRICT, APART_AT_HANDOVER);
    double enough = settings.tolerance > STRICT ? MARGIN * settings.tolerance : 0.0;
    Outcome untried = o;
    polish_and_judge(p, settings, o, {WARM, enough, settings.max_polish_steps, false, false});
    o.warm = o.is_solved;
    if (o.warm) return;
    o = untried;
    take_back_units(p);
}

// The report of a sample.
LARGE void write_report(const Problem& p, const Settings& settings, const Embedding& e,
                        const Outcome& o, bool of_interior_point, double* report) {
    Measure m = measure(p);
    double residual = m.residual();
    int weak = weakly_active(p, o.is_solved);
    bool accurate = residual <= settings.tolerance && !o.escaping;
    bool nearly = residual <= settings.reduced_tolerance;
    Status status = accurate ? SOLVED : nearly ? ALMOST_SOLVED : NUMERICAL_TROUBLE;
    if (e.primal_infeasible) {
        status = PRIMAL_INFEASIBLE;
    } else if (e.dual_infeasible) {
        status = DUAL_INFEASIBLE;
    } else if (!accurate && !nearly && e.iterations >= settings.max_iterations) {
        status = ITERATION_LIMIT;
    }
    bool has_solution = status == SOLVED || status == ALMOST_SOLVED;
    bool unique_x = has_solution && o.unique_x && !o.escaping;
    ONE {
        report[STATUS] = status;
        report[ITERATIONS] = e.iterations;
        report[POLISH_STEPS] = o.polish_steps;
        // One for the starting point of the interior point.
        int started = e.iterations + (of_interior_point ? 1 : 0);
        report[FACTORIZATIONS] = o.factorizations + started;
        report[OBJECTIVE] = m.objective;
        report[PRIMAL_RESIDUAL] = m.primal;
        report[DUAL_RESIDUAL] = m.dual;
        report[GAP] = m.gap;
        report[RESIDUAL] = residual;
        report[WEAKLY_ACTIVE] = weak;
        report[CONDITION] = o.growth;
        report[UNIQUE_X] = unique_x ? 1.0 : 0.0;
        report[UNIQUE_Z] = has_solution && o.unique_z ? 1.0 : 0.0;
        report[CONVEXITY] = 1.0;
        report[WARM_STARTED] = o.warm ? 1.0 : 0.0;
    }
}

// The point in the caller's units. The slack of a removed row is infinite.
DEVICE void write_point(const Problem& p, const SolveArguments& of, long long sample) {
    double *x = of.x + sample * p.n, *z = of.z + sample * p.m, *s = of.s + sample * p.m;
    const double* b = of.values.b + sample * of.values.b_stride;
    EACH(j, p.n) x[j] = p.x[j] * p.x_scale[j];
    EACH(i, p.m) {
        z[i] = p.z[i] * p.row_scale[i] / p.cost_scale();
        bool removed = p.is_inequality(i) && b[i] >= INFINITE_SIDE;
        s[i] = removed ? INFINITE_NUMBER : p.s[i] / p.row_scale[i];
    }
}

// What the derivative needs later: scalars and scales, the derivative of the projection, weights
// and bases, the factor as a packed triangle. Rust: `tape_len` in src/layout.rs.
DEVICE void write_tape(const Problem& p, double* tape) {
    ONE {
        for (int k = 0; k < SCALARS; k++) tape[k] = p.scalars[k];
    }
    double *x_scale = tape + SCALARS, *pivot = x_scale + p.n, *row_scale = pivot + p.n;
    double *inside = row_scale + p.m, *weight = inside + p.m, *basis = weight + p.m;
    double* factor = basis + p.basis_len;
    EACH(k, p.basis_len) basis[k] = p.basis[k];
    EACH(j, p.n) {
        x_scale[j] = p.x_scale[j];
        pivot[j] = p.pivot[j];
    }
    for_triangle(p.n, [&](int k, int i, int j) { factor[k] = factor_entry(p, i, j); });
    EACH(i, p.m) {
        row_scale[i] = p.row_scale[i];
        inside[i] = p.inside[i];
        weight[i] = p.weight[i];
    }
}

DEVICE void solve_sample(const SolveArguments& of, const Problem& p, long long sample) {
    double* report = of.report + sample * REPORT_LEN;
    load(p, of.structure, of.values, sample);
    equilibrate(p);
    if (sample < of.structure.convexity_checks) {
        double least = least_pivot(p, of.settings.convexity_tolerance);
        if (!(least > 0.0)) {
            ONE {
                report[STATUS] = NOT_CONVEX;
                report[CONVEXITY] = least;
            }
            return;
        }
    }
    Outcome o = {};
    o.is_pending = o.unique_x = o.unique_z = true;
    o.best = INFINITE_NUMBER;
    Embedding e = new_embedding();
    if (of.is_given) {
        load_point(p, of, sample);
        balance(p, STRICT, APART_AT_HANDOVER);
        o.is_pending = false;
        // No polish has estimated it: to be looked at.
        o.growth = INFINITE_NUMBER;
    } else if (of.start_x != nullptr) {
        warm_start(p, of, o, sample);
    }
    bool of_interior_point = o.is_pending;
    if (of_interior_point) {
        e = start(p);
        solve_pending(p, of.settings, e, o);
    }
    regain_digits(p, of.settings, o);
    if (!o.is_solved) factor_at_point(p, false);
    look_for_others(p, of.settings, o);
    write_report(p, of.settings, e, o, of_interior_point, report);
    write_point(p, of, sample);
    if (of.tape != nullptr) write_tape(p, of.tape + sample * of.tape_len);
    SYNC();
}
