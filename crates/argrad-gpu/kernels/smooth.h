// From a solution to the point of the central path at mu, by Newton's method with the projection of
// that path, which is smooth. CPU counterpart: argrad-solver/src/derivative/smoothed.rs.
#pragma once
#include "derivative.h"

// Most Newton steps, and the residual that such a point must reach.
#define SMOOTHING_STEPS 50
#define SMOOTHED 1e-12

// The program as the tape has it, with q and b, and its solution.
LARGE void read_solution(const Problem& p, const SmoothArguments& of, long long sample) {
    const double *x = of.x + sample * p.n, *z = of.z + sample * p.m, *s = of.s + sample * p.m;
    EACH(j, p.n) {
        p.q[j] *= p.cost_scale() * p.x_scale[j];
        p.x[j] = x[j] / p.x_scale[j];
    }
    EACH(i, p.m) {
        bool removed = is_removed(p.b[i]);
        p.b[i] = removed ? p.primal_unit() : p.b[i] * p.row_scale[i];
        p.z[i] = z[i] * p.cost_scale() / p.row_scale[i];
        p.s[i] = removed ? p.b[i] : s[i] * p.row_scale[i];
        p.v[i] = p.s[i] - p.z[i];
    }
    SYNC();
    // s o z carries the cost scale; the row scales cancel.
    ONE p.mu() = of.mu * p.cost_scale();
    SYNC();
}

DEVICE void smooth_sample(const SmoothArguments& of, const Problem& p, long long sample) {
    double *out_x = of.out_x + sample * p.n, *out_z = of.out_z + sample * p.m;
    if (!is_solved(of.report + sample * REPORT_LEN)) {
        EACH(j, p.n) out_x[j] = 0.0;
        EACH(i, p.m) out_z[i] = 0.0;
        ONE of.reached[sample] = 1.0;
        return;
    }
    read_tape(p, of.structure, of.values, of.tape + sample * of.tape_len, sample);
    read_solution(p, of, sample);
    Polished polished = polish(p, {SMOOTHED, 0.0, SMOOTHING_STEPS, false, false});
    EACH(j, p.n) out_x[j] = p.x[j] * p.x_scale[j];
    EACH(i, p.m) out_z[i] = p.z[i] * p.row_scale[i] / p.cost_scale();
    write_tape(p, of.out_tape + sample * of.tape_len);
    ONE of.reached[sample] = polished.is_solved ? 1.0 : 0.0;
    SYNC();
}
