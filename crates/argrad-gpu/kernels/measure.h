// Residuals and diagnostics of a point, in the units of the caller's program. CPU counterpart:
// argrad-solver/src/solve/measure.rs.
#pragma once
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
    double size = largest(p, p.n, p.x);
    return {larger(OF_UNIT, OF_ROUNDED * p.p_size() * size), larger(OF_UNIT, OF_ROUNDED * size)};
}

// Measures (x, z, s). Unscaling by powers of two is exact, so these are the residuals of the
// program as given, rounded as the products round.
LARGE Measure measure(const Problem& p) {
    SYNC();
    Floors floor = floors(p);
    multiply(p, p.x, p.z);
    double of_x[5], of_z[4];
    reduce<2, 3>(p.n, p.scratch, of_x, [&](int j, double* out) {
        double scale = 1.0 / p.x_scale[j], px = p.px[j], q = p.q[j], atz = p.atz[j];
        out[0] = max_abs(out[0], (px + q + atz) * scale);
        double term = max_abs(max_abs(max_abs(floor.dual, px), q), atz);
        out[1] = max_abs(out[1], term * scale);
        out[2] = fma(p.x[j], px, out[2]);
        out[3] += q * p.x[j];
        out[4] += fabs(q * p.x[j]);
    });
    reduce<2, 2>(p.m, p.scratch, of_z, [&](int i, double* out) {
        double scale = 1.0 / p.row_scale[i], ax = p.ax[i], s = p.s[i], b = p.b[i];
        out[0] = max_abs(out[0], (ax + s - b) * scale);
        double term = max_abs(max_abs(max_abs(floor.primal, ax), s), b);
        out[1] = max_abs(out[1], term * scale);
        out[2] += b * p.z[i];
        out[3] += fabs(b * p.z[i]);
    });
    double gap = fabs(of_x[2] + of_x[3] + of_z[2]);
    double gap_terms = max_abs(max_abs(max_abs(OF_UNIT, of_x[2]), of_x[4]), of_z[3]);
    double least = 2.2250738585072014e-308;
    return {fma(0.5, of_x[2], of_x[3]) / p.cost_scale(), of_z[0] / larger(of_z[1], least),
            of_x[0] / larger(of_x[1], least), gap / gap_terms};
}

// Number of inequalities that are weakly active at v, of a point that was polished or not.
LARGE int weakly_active(const Problem& p, bool polished) {
    double size = largest(p, p.m, p.v);
    double margin = polished ? larger(WEAK_MARGIN, WEAK_SHARE * size)
                             : WEAK_MARGIN_UNPOLISHED * larger(size, 1.0);
    double out[1];
    reduce<0, 1>(p.m, p.scratch, out, [&](int i, double* out) {
        if (p.is_inequality[i] && fabs(p.v[i]) <= margin) out[0] += 1.0;
    });
    return (int)out[0];
}
