// Units in which s and z of the curved cones are of one size: both have the rounding errors of the
// larger one. CPU counterpart: argrad-solver/src/solve/balance.rs, whose constants these are.
#pragma once
#include "interior_point.h"
#include "scales.h"

// s and z of a cone must be so many times what the residual at hand may hide, and as orthogonal as
// its root: else one of them is what is left of zero.
#define SEEN 32.0

// By what z, and by what x and s, are multiplied.
struct Balance {
    double dual, primal;
    MEMBER bool is_none() const { return dual == 1.0 && primal == 1.0; }
};

// What makes s and z, at a point with a residual of `residual`, about equal where their ratio is
// above `apart`: the smaller one is multiplied. Where their ratios in several cones are far apart,
// the mean of the extremes counts.
LARGE Balance balance_of(const Problem& p, double residual, double apart) {
    double least_s = SEEN * residual * larger(1.0, largest(p, p.m, p.s));
    double least_z = SEEN * residual * larger(1.0, largest(p, p.m, p.z));
    double out[2];
    // The inverse of the lowest ratio is the largest of the inverses.
    reduce<2, 0>(p.cones, p.scratch, out, [&](int c, double* out) {
        Cone cone = cone_of(p, c);
        const double *own_s = p.s + cone.row, *own_z = p.z + cone.row;
        double s = 0.0, z = 0.0;
        for (int k = 0; k < cone.dim; k++) {
            s = max_abs(s, own_s[k]);
            z = max_abs(z, own_z[k]);
        }
        double product = dot(cone.dim, own_s, own_z);
        double squares = dot(cone.dim, own_s, own_s) * dot(cone.dim, own_z, own_z);
        bool orthogonal = product * product < residual * squares;
        if (!(s > least_s && z > least_z && orthogonal)) return;
        out[0] = max_abs(out[0], s / z);
        out[1] = max_abs(out[1], z / s);
    });
    double ratio = out[0] > 0.0 ? sqrt(out[0] / out[1]) : 1.0;
    return {nearest_power_of_two(ratio > apart ? ratio : 1.0),
            nearest_power_of_two(1.0 / ratio > apart ? 1.0 / ratio : 1.0)};
}

// Changes the units of the program, of its point, of the iterate and of the best point.
LARGE void change_units(const Problem& p, Balance by) {
    double dual = by.dual, primal = by.primal, inverse = 1.0 / primal;
    double of_p = dual * inverse;
    SYNC();
    EACH(j, p.n) {
        for (int i = 0; i <= j; i++) p.p(i, j) *= of_p;
        p.q[j] *= dual;
        p.x_scale[j] *= inverse;
        p.x[j] *= primal;
        p.iterate_x[j] *= primal;
        p.best_x[j] *= primal;
    }
    EACH(i, p.m) {
        p.b[i] *= primal;
        p.row_scale[i] *= primal;
        p.s[i] *= primal;
        p.z[i] *= dual;
        p.v[i] = p.s[i] - p.z[i];
        p.iterate_s[i] *= primal;
        p.iterate_z[i] *= dual;
        p.best_s[i] *= primal;
        p.best_z[i] *= dual;
    }
    ONE {
        p.p_size() *= of_p;
        p.cost_scale() *= dual * primal;
        p.dual_unit() *= dual;
        p.primal_unit() *= primal;
    }
    SYNC();
}

// Balances, where that changes anything; what it did.
DEVICE Balance balance(const Problem& p, double residual, double apart) {
    if (!CURVED || p.cones == 0) return {1.0, 1.0};
    Balance by = balance_of(p, residual, apart);
    if (!by.is_none()) change_units(p, by);
    return by;
}

// The same for the scalars of the embedding: kappa has the unit of the objective.
DEVICE void change_units_of_embedding(Embedding& e, Balance by) {
    e.dual *= by.dual;
    e.primal *= by.primal;
    e.kappa *= by.dual * by.primal;
    e.course /= by.dual * by.primal;
}
