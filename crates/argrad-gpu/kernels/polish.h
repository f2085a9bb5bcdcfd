// Newton's method on the projection residual.
//
// With v = s - z, s = P(v), z = P(v) - v, a solution is a zero of
//   H(x, v) = [ Px + q + A'(P(v) - v);  Ax + P(v) - b ],
// and a Newton step for it is a solve with the factor at v: exact once the active set is right
// where K is a polyhedron, and converging quadratically elsewhere. CPU counterpart:
// argrad-solver/src/solve/polish.rs, whose constants these are.
#pragma once
#include "measure.h"

// Residual of the scaled program below which nothing is left to gain; below which a step that gains
// less than GAIN ends the polish; below which Newton's method should converge fast.
#define ROUNDING 4e-15
#define FINE 1e-12
#define GAIN 0.25
#define NEAR 1e-4
// Growth of the probe above which a small residual does not make a small error; what the growth
// under a doubtful factor counts.
#define DELICATE 1e4
#define HIDDEN 100.0
// From this step on, a problem whose residual is not below the first is given up; so is, at the
// step before, one whose residual is this large.
#define PATIENCE 3
#define HOPELESS 0.5
// A step that moves x by STRIDE of its size from near a solution, and yet reduces the residual, to
// below NEAR_ZERO, only to between these shares, is one of a sequence without an end: the optimum
// is not attained. Where K is curved.
#define STRIDE 1e-3
#define NEAR_ZERO 1e-8
#define FAST_SHARE 1e-2
#define SLOW_SHARE 0.9

// What a polish aims at: the residual of a solved problem; the one at which it ends although
// further steps would reduce it; whether nothing else will solve it, so that it goes back to its
// best point; whether P is nearly singular.
struct Target {
    double residual, enough;
    int max_steps;
    bool is_last, is_close;
};

struct Polished {
    bool is_solved;
    // Whether x runs away while the residual shrinks, and whether a step was made that tells.
    bool escaping, informed;
    int steps, factorizations;
    double growth;
};

// s = P(v), into any array, and the derivative of the projection.
DEVICE void project_to(const Problem& p, double* s) {
    EACH(i, p.m) {
        Share share = {0.0, 0.0, 0.0};
        if (p.is_inequality(i)) share = share_of(p.v[i], p.mu());
        p.inside[i] = share.d;
        s[i] = share.s;
    }
    SYNC();
    if (CURVED && p.cones > 0) project_cones(p, p.v, s, p.inside);
}

// s, z and the derivative of the projection, from v.
LARGE void project(const Problem& p) {
    project_to(p, p.s);
    EACH(i, p.m) {
        // A small z of the central path has digits that the difference has not.
        bool small = p.mu() > 0.0 && p.is_inequality(i) && p.v[i] > 0.0;
        p.z[i] = small ? p.mu() / p.s[i] : p.s[i] - p.v[i];
    }
    SYNC();
}

// Newton residuals -H(x, v), into the first right-hand side; their size relative to their terms.
LARGE double newton_residual(const Problem& p) {
    Floors floor = floors(p);
    double of_x[2], of_z[2];
    reduce<2, 0>(p.n, p.scratch, of_x, [&](int j, double* out) {
        double r = -(p.px[j] + p.q[j] + p.atz[j]);
        p.rhs[j] = r;
        out[0] = max_abs(out[0], r);
        out[1] = max_abs(max_abs(max_abs(out[1], p.px[j]), p.atz[j]), p.q[j]);
    });
    reduce<2, 0>(p.m, p.scratch, of_z, [&](int i, double* out) {
        double r = p.b[i] - p.ax[i] - p.s[i];
        p.rhs[p.n + i] = r;
        out[0] = max_abs(out[0], r);
        out[1] = max_abs(max_abs(max_abs(out[1], p.ax[i]), p.s[i]), p.b[i]);
    });
    return max_abs(of_x[0] / larger(of_x[1], floor.dual), of_z[0] / larger(of_z[1], floor.primal));
}

// How the v of the factor differs: in its active set, or so much that it does not serve to refine;
// at all, as far as that makes another factor.
DEVICE Moved moved_since_factored(const Problem& p) {
    double out[1];
    reduce<0, 1>(p.m, p.scratch, out, [&](int i, double* out) {
        bool differs = p.row_kind[i] != TOGETHER && p.inside[i] != p.scaling[i];
        out[0] += differs ? 1.0 : 0.0;
    });
    Moved moved = {out[0] > 0.0, out[0] > 0.0};
    if (CURVED && p.cones > 0) {
        Moved cones = moved_since_factor(p);
        moved = {moved.far || cones.far, moved.at_all || cones.at_all};
    }
    return moved;
}

// Factors the system at v; whether the factor is doubtful.
LARGE bool factor_at_v(const Problem& p, bool is_close) {
    EACH(i, p.m) p.scaling[i] = p.inside[i];
    Pivots pivots = factor_at_projection(p, is_close ? close_in_x() : usual());
    return pivots.replaced > 0;
}

// The Newton direction, refined where it is slow, and a step of inverse iteration beside it.
// Returns the growth of the probe.
DEVICE double newton_direction(const Problem& p, bool is_slow, bool is_doubtful) {
    int len = p.n + p.m;
    turn(p, p.rhs + p.n);
    turn(p, p.rhs + len + p.n);
    solve_system(p, 2, p.rhs, p.solution);
    if (is_slow) solve_projection_system(p, false, p.rhs, p.solution);
    turn_back(p, p.solution + p.n);
    turn_back(p, p.solution + len + p.n);
    double *probe = p.rhs + len, *next = p.solution + len;
    double size = largest(p, len, next), inverse = 1.0 / size;
    EACH(k, len) probe[k] = next[k] * inverse;
    return is_doubtful ? HIDDEN * size : size;
}

// Moves x and v, and projects again. Returns how far x moved relative to its size, where K is
// curved.
DEVICE double newton_step(const Problem& p) {
    double *newton_s = p.ds, *newton_z = p.constant, stride = 0.0;
    EACH(j, p.n) p.x[j] += p.solution[j];
    SYNC();
    EACH(i, p.m) newton_z[i] = p.z[i] + p.solution[p.n + i];
    multiply(p, p.given_rows(), p.x, newton_z);
    EACH(i, p.m) {
        // The step made s or z zero in each row.
        newton_s[i] = p.b[i] - p.ax[i];
        if (p.row_kind[i] != TOGETHER) {
            double on_face = p.inside[i] > 0.0 ? newton_s[i] : -newton_z[i];
            p.v[i] = p.mu() > 0.0 ? newton_s[i] - newton_z[i] : on_face;
        }
    }
    if (CURVED && p.cones > 0) {
        SYNC();
        write_newton_points(p, newton_s, newton_z, p.v);
        stride = largest(p, p.n, p.solution) / larger(largest(p, p.n, p.x), 1.0);
    }
    project(p);
    double moved[1];
    reduce<0, 1>(p.m, p.scratch, moved, [&](int i, double* out) {
        out[0] += newton_z[i] != p.z[i] ? 1.0 : 0.0;
    });
    if (moved[0] > 0.0) multiply(p, p.given_rows(), p.x, p.z);
    return stride;
}

// Number k of a sequence in [-1, 1] without any pattern (the mixing function of SplitMix64).
DEVICE double pseudo_random(int k) {
    unsigned long long bits = ((unsigned long long)k + 1) * 0x9e3779b97f4a7c15ULL;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
    bits ^= bits >> 31;
    return 2.0 * (double)(bits >> 11) / 9007199254740992.0 - 1.0;
}

// Where a polish stands.
struct Newton {
    double first, previous, best, stride;
    bool is_slow, is_doubtful, is_live;
};

// Whether the last step, which has led to a residual of `size`, was one towards a solution, or one
// of x on its way to infinity. One that does not reduce the residual tells nothing.
DEVICE void look_for_escape(const Newton& newton, Polished& out, double size) {
    bool near = newton.previous > ROUNDING && size < NEAR_ZERO;
    if (!near || !(size < SLOW_SHARE * newton.previous)) return;
    out.informed = true;
    out.escaping = !(size < FAST_SHARE * newton.previous) && newton.stride > STRIDE;
}

// Whether the problem is solved or hopeless at a residual of `size` after `step` steps.
DEVICE void check_polish(Newton& newton, Polished& out, const Target& target, int step, double size,
                         bool stale, bool is_polyhedral, bool is_smooth) {
    if (stale) out.factorizations++;
    if (step == 0) {
        newton.first = newton.previous = size;
        return;
    }
    // Solved only with the factor of the own active set.
    bool stalled = !(size < GAIN * newton.previous);
    if (!is_polyhedral) look_for_escape(newton, out, size);
    bool small = size <= FINE && out.growth < DELICATE;
    // The end where a stalled residual is small, or refined steps did not help.
    bool fine = size <= ROUNDING || (stalled && (small || newton.is_slow) && size <= FINE) ||
                (stalled && newton.is_slow && newton.previous <= size);
    if (stalled && size < NEAR && !small) newton.is_slow = true;
    bool settled = is_smooth || !stale;
    out.is_solved = (settled && fine && size <= target.residual) || size < target.enough;
    newton.is_live = !out.is_solved && !is_nan(size);
    if (step >= PATIENCE) {
        newton.is_live = newton.is_live && size < newton.first;
    } else if (step + 1 == PATIENCE && is_polyhedral && !is_smooth) {
        newton.is_live = newton.is_live && size < HOPELESS;
    }
    if (newton.is_live) newton.previous = size;
}

// Most halvings of a step towards a smooth point.
#define HALVINGS 40

// Keeps where a step begins.
DEVICE void keep_step(const Problem& p) {
    EACH(j, p.n) p.kept_x[j] = p.x[j];
    EACH(i, p.m) p.kept_v[i] = p.v[i];
    SYNC();
}

// Halves a step that made the residual larger. Smooth systems need no more than that; kinked ones
// must be free to cross kinks.
LARGE void halve_step(const Problem& p, double previous, double enough) {
    double *step_v = p.rz, length = 1.0;
    EACH(i, p.m) step_v[i] = p.v[i] - p.kept_v[i];
    UNROLL(1)
    for (int halving = 0; halving < HALVINGS; halving++) {
        double size = newton_residual(p);
        if (!(previous > enough) || size < previous) return;
        length *= 0.5;
        SYNC();
        EACH(j, p.n) p.x[j] = fma(length, p.solution[j], p.kept_x[j]);
        EACH(i, p.m) p.v[i] = fma(length, step_v[i], p.kept_v[i]);
        SYNC();
        project(p);
        multiply(p, p.given_rows(), p.x, p.z);
    }
}

// Solves by the point that is kept.
DEVICE void go_back(const Problem& p, Polished& out, const Target& target) {
    EACH(j, p.n) p.x[j] = p.kept_x[j];
    EACH(i, p.m) p.v[i] = p.kept_v[i];
    project(p);
    factor_at_v(p, target.is_close);
    out.is_solved = true;
}

// Polishes from x and v. On return x, z, s, v of a solved problem are the new point, and the factor
// belongs to v.
LARGE Polished polish(const Problem& p, const Target& target) {
    Polished out = {};
    Newton newton = {INFINITE_NUMBER, INFINITE_NUMBER, INFINITE_NUMBER, 0.0, target.is_close,
                     false,           true};
    bool is_polyhedral = !CURVED || p.cones == 0, is_smooth = p.mu() > 0.0;
    EACH(k, p.n + p.m) p.rhs[p.n + p.m + k] = pseudo_random(k);
    project(p);
    multiply(p, p.given_rows(), p.x, p.z);
    for (int step = 0;; step++) {
        double size = newton_residual(p);
        Moved moved = {true, true};
        if (step > 0) moved = moved_since_factored(p);
        bool stale = moved.far;
        check_polish(newton, out, target, step, size, stale, is_polyhedral, is_smooth);
        bool own = !stale || target.is_close;
        if (newton.is_live && target.is_last && own && size < newton.best) {
            newton.best = size;
            EACH(j, p.n) p.kept_x[j] = p.x[j];
            EACH(i, p.m) p.kept_v[i] = p.v[i];
        }
        // Also at the end, so that the factor belongs to the final v.
        if (moved.at_all) newton.is_doubtful = factor_at_v(p, target.is_close);
        if (step == target.max_steps || !newton.is_live) {
            out.is_solved = out.is_solved || (newton.is_live && size <= target.residual);
            break;
        }
        out.growth = newton_direction(p, newton.is_slow, newton.is_doubtful);
        out.steps++;
        if (is_smooth) keep_step(p);
        newton.stride = newton_step(p);
        if (is_smooth) halve_step(p, newton.previous, target.residual);
    }
    if (target.is_last && !out.is_solved && newton.best <= target.residual) {
        go_back(p, out, target);
    }
    return out;
}
