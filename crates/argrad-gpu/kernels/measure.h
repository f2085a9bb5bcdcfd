// Residuals and diagnostics of a point, in the units of the caller's program. CPU counterpart:
// argrad-solver/src/solve/measure.rs.
#pragma once
#include "cones.h"
#include "gcr.h"

// Terms below this share of the units of the scaled program, or of the numbers whose rounding is in
// them, do not make a residual relative to themselves.
#define OF_UNIT 1e-8
#define OF_ROUNDED 1e-4
// |v| below this, or below this share of its largest entry, is weakly active; the last for points
// that were not polished.
#define WEAK_MARGIN 1e-8
#define WEAK_SHARE 1e-14
#define WEAK_MARGIN_UNPOLISHED 1e-4

struct Measure {
    double objective, primal, dual, gap;
    MEMBER double residual() const { return max_abs(max_abs(gap, primal), dual); }
};

// What residuals of the scaled program are compared to at least.
struct Floors {
    double dual, primal;
};

LARGE Floors floors(const Problem& p) {
    double x = largest(p, p.n, p.x);
    // Where K is curved there are also the rounding errors of s and z as projections of v.
    double v = CURVED && p.cones > 0 ? largest(p, p.m, p.v) : 0.0;
    return {larger(OF_UNIT * p.dual_unit(), OF_ROUNDED * larger(v, p.p_size() * x)),
            larger(OF_UNIT * p.primal_unit(), OF_ROUNDED * larger(v, x))};
}

// Measures (x, z, s). Unscaling by powers of two is exact, so these are the residuals of the
// program as given, rounded as the products round: each relative to the largest of all terms in the
// caller's units, and to a floor of its own.
LARGE Measure measure(const Problem& p) {
    SYNC();
    Floors floor = floors(p);
    multiply(p, p.given_rows(), p.x, p.z);
    double of_x[4], of_z[3], residual[2];
    reduce<1, 3>(p.n, p.scratch, of_x, [&](int j, double* out) {
        double term = max_abs(max_abs(fabs(p.px[j]), p.q[j]), p.atz[j]);
        out[0] = max_abs(out[0], term / p.x_scale[j]);
        out[1] = fma(p.x[j], p.px[j], out[1]);
        out[2] += p.q[j] * p.x[j];
        out[3] += fabs(p.q[j] * p.x[j]);
    });
    reduce<1, 2>(p.m, p.scratch, of_z, [&](int i, double* out) {
        double term = max_abs(max_abs(fabs(p.ax[i]), p.s[i]), p.b[i]);
        out[0] = max_abs(out[0], term / p.row_scale[i]);
        out[1] += p.b[i] * p.z[i];
        out[2] += fabs(p.b[i] * p.z[i]);
    });
    reduce<2, 0>(p.n + p.m, p.scratch, residual, [&](int k, double* out) {
        int i = k - p.n;
        if (i < 0) {
            double terms = larger(floor.dual, of_x[0] * p.x_scale[k]);
            out[0] = max_abs(out[0], (p.px[k] + p.q[k] + p.atz[k]) / terms);
        } else {
            double terms = larger(floor.primal, of_z[0] * p.row_scale[i]);
            out[1] = max_abs(out[1], (p.ax[i] + p.s[i] - p.b[i]) / terms);
        }
    });
    double gap = fabs(of_x[1] + of_x[2] + of_z[1]);
    double unit = OF_UNIT * p.dual_unit() * p.primal_unit();
    double gap_terms = max_abs(max_abs(max_abs(unit, of_x[1]), of_x[3]), of_z[2]);
    return {fma(0.5, of_x[1], of_x[2]) / p.cost_scale(), residual[1], residual[0],
            gap / gap_terms};
}

// Number of directions in which the derivative of the projection jumps near v, of a point that was
// polished or not.
LARGE int weakly_active(const Problem& p, bool polished) {
    double size = largest(p, p.m, p.v);
    double margin = polished ? larger(WEAK_MARGIN, WEAK_SHARE * size)
                             : WEAK_MARGIN_UNPOLISHED * larger(size, 1.0);
    double out[1];
    reduce<0, 1>(p.m, p.scratch, out, [&](int i, double* out) {
        if (p.is_inequality(i) && fabs(p.v[i]) <= margin) out[0] += 1.0;
    });
    double kinks = CURVED && p.cones > 0 ? kinks_of_cones(p, p.v, margin) : 0.0;
    return (int)(out[0] + kinks);
}
