// The second-order cone {(t, u): t >= |u|}, by one thread. CPU counterpart, with the formulas and
// where they are from: argrad-solver/src/cones/second_order/mod.rs.
#pragma once
#include "cone.h"

// The numbers of a scaling, then w1, l and scratch, of one number less than the dimension each.
enum SecondOrderData {
    DET_S,
    DET_Z,
    INVERSE_ROOT_Z,
    GAMMA,
    INVERSE_GAMMA,
    W_0,
    INVERSE_ONE_W_0,
    SECOND_ORDER_HEADER,
};

// t - |u| of a point inside; a rounding error does not bring it to zero.
DEVICE double gap_of(double t, double norm) {
    return larger(t * 2.220446049250313e-16, t - norm);
}

// The unit vector along u, or any where u is so small that its square is not a normal number.
DEVICE void write_axis(const Cone& cone, const double* u, double norm) {
    bool tiny = !(norm >= 1e-140);
    double inverse = tiny ? 0.0 : 1.0 / norm;
    UNROLL(1)
    for (int k = 0; k < cone.dim - 1; k++) cone.basis[k] = u[k] * inverse;
    if (tiny) cone.basis[0] = 1.0;
}

// The eigenvalues of V'HV or V'DV: on (1, axis), on (1, -axis) and on the rest.
DEVICE void write_eigenvalues(const Cone& cone, double plus, double minus, double rest,
                              double* values) {
    values[0] = plus;
    values[1] = minus;
    UNROLL(1)
    for (int k = 2; k < cone.dim; k++) values[k] = rest;
}

DEVICE void shift_second_order(const Cone& cone, double* x) {
    double norm = sqrt(dot(cone.dim - 1, x + 1, x + 1));
    double least = x[0] - norm, most = x[0] + norm;
    double target = 0.1 * larger(0.5 * (larger(least, 0.0) + larger(most, 0.0)), 1.0);
    x[0] += larger(target - least, 0.0);
}

// The scaling at (s, z): data, basis, and the eigenvalues of H.
LARGE void scale_second_order(const Cone& cone, const double* s, const double* z, double* h) {
    int n = cone.dim - 1;
    double *w1 = cone.data + SECOND_ORDER_HEADER, *l = w1 + n;
    const double *s1 = s + 1, *z1 = z + 1;
    double s_norm = sqrt(dot(n, s1, s1)), z_norm = sqrt(dot(n, z1, z1));
    double s_gap = gap_of(s[0], s_norm), z_gap = gap_of(z[0], z_norm);
    double det_s = s_gap * (s[0] + s_norm), det_z = z_gap * (z[0] + z_norm);
    double root_s = sqrt(det_s), root_z = sqrt(det_z), inverse = 1.0 / (root_s * root_z);
    double inverse_s = root_z * inverse, inverse_z = root_s * inverse;

    // s.z from the gaps and the angle between s1 and -z1, which are opposite near the solution.
    double norms = s_norm * z_norm;
    auto side = [&](int k) { return fma(s_norm, z1[k], z_norm * s1[k]); };
    double sides = sum_of_products(n, side, side);
    double angle = norms > 0.0 ? 0.5 * sides / norms : norms;
    double product = fma(s_gap, z[0], fma(z_gap, s_norm, angle));

    double gamma = sqrt(larger(1.0, fma(0.5, product * inverse, 0.5)));
    double half_inverse = 0.5 / gamma;
    double by_s = half_inverse * inverse_s, by_z = half_inverse * inverse_z;
    UNROLL(1)
    for (int k = 0; k < n; k++) w1[k] = fma(-z1[k], by_z, by_s * s1[k]);
    // From |w1|, so that w0^2 - |w1|^2 = 1 whatever the rounding errors of w1.
    double square = dot(n, w1, w1), w0 = sqrt(1.0 + square), inverse_one_w0 = 1.0 / (1.0 + w0);
    by_s *= inverse_one_w0 * fma(inverse_z, z[0], gamma);
    by_z *= inverse_one_w0 * fma(inverse_s, s[0], gamma);
    UNROLL(1)
    for (int k = 0; k < n; k++) l[k] = fma(z1[k], by_z, by_s * s1[k]);

    cone.data[DET_S] = det_s;
    cone.data[DET_Z] = det_z;
    cone.data[INVERSE_ROOT_Z] = inverse_z;
    cone.data[GAMMA] = gamma;
    cone.data[INVERSE_GAMMA] = half_inverse + half_inverse;
    cone.data[W_0] = w0;
    cone.data[INVERSE_ONE_W_0] = inverse_one_w0;

    // H = eta^2 (2 w w' - J).
    double norm = sqrt(square), steep = (w0 + norm) * (w0 + norm), eta2 = root_s * inverse_z;
    write_axis(cone, w1, norm);
    write_eigenvalues(cone, eta2 * steep, eta2 / steep, eta2, h);
}

// s + W (lambda \ ((W^-1 ds) o (W dz) - target e)).
LARGE void combined_second_order(const Cone& cone, const double* s, const double* ds,
                                 const double* dz, double target, double* c) {
    int n = cone.dim - 1;
    const double *w1 = cone.data + SECOND_ORDER_HEADER, *l = w1 + n;
    double *a1 = cone.data + SECOND_ORDER_HEADER + 2 * n, *c1 = c + 1;
    double w0 = cone.data[W_0], inverse_one_w0 = cone.data[INVERSE_ONE_W_0];
    // a = eta W^-1 ds and b = W dz / eta; their product is free of eta.
    double a0 = fma(w0, ds[0], -dot(n, w1, ds + 1)), b0 = fma(w0, dz[0], dot(n, w1, dz + 1));
    double by_a = (ds[0] + a0) * inverse_one_w0, by_b = (dz[0] + b0) * inverse_one_w0;
    UNROLL(1)
    for (int k = 0; k < n; k++) {
        a1[k] = fma(-by_a, w1[k], ds[k + 1]);
        c1[k] = fma(by_b, w1[k], dz[k + 1]);
    }
    double q0 = fma(a0, b0, dot(n, a1, c1) - target);
    UNROLL(1)
    for (int k = 0; k < n; k++) c1[k] = fma(a0, c1[k], b0 * a1[k]);
    // (gamma, l) \ q; det (gamma, l) = 1.
    double x0 = fma(cone.data[GAMMA], q0, -dot(n, l, c1));
    UNROLL(1)
    for (int k = 0; k < n; k++) c1[k] = fma(-x0, l[k], c1[k]) * cone.data[INVERSE_GAMMA];
    // W / eta, and the scales of W and of lambda.
    double y0 = fma(w0, x0, dot(n, w1, c1)), by_x = (x0 + y0) * inverse_one_w0;
    double scale = cone.data[INVERSE_ROOT_Z];
    c[0] = fma(scale, y0, s[0]);
    UNROLL(1)
    for (int k = 0; k < n; k++) c1[k] = fma(scale, fma(by_x, w1[k], c1[k]), s[k + 1]);
}

// The largest a, at most `limit`, with x + a d in the cone; `det` = det x > 0. Zero, or not a
// number, where the direction is not finite.
DEVICE double exit_of(const Cone& cone, const double* x, double det, const double* d,
                      double limit) {
    int n = cone.dim - 1;
    // No step cancels here: see the CPU counterpart.
    double r = d[0] / x[0], product = 0.0, square = 0.0;
    UNROLL(1)
    for (int k = 1; k <= n; k++) {
        double e = fma(-r, x[k], d[k]);
        product = fma(x[k], e, product);
        square = fma(e, e, square);
    }
    double root = sqrt(fma(product, product, square * det));
    bool inward = product < 0.0;
    double above = inward ? square : root + product, below = inward ? root - product : det;
    double inverse = fma(x[0], above, -(d[0] * below));
    double length = inverse > 0.0 ? smaller(x[0] * below / inverse, limit) : limit;
    return length + inverse * 0.0;
}

DEVICE double step_second_order(const Cone& cone, const double* s, const double* z,
                                const double* ds, const double* dz, double limit) {
    double length = exit_of(cone, s, cone.data[DET_S], ds, limit);
    return exit_of(cone, z, cone.data[DET_Z], dz, length);
}

// s = P(v), the basis and the eigenvalues of D.
LARGE void project_second_order(const Cone& cone, const double* v, double mu, double* s,
                                double* d) {
    int n = cone.dim - 1;
    double t = v[0], norm = sqrt(dot(n, v + 1, v + 1));
    write_axis(cone, v + 1, norm);
    if (norm < 1e-140) norm = 0.0;
    Share plus = share_of(t + norm, mu), minus = share_of(t - norm, mu);
    double sum = plus.size + minus.size;
    double rest = sum <= 0.0 ? 0.0 : (plus.s + minus.s) / sum;
    write_eigenvalues(cone, plus.d, minus.d, rest, d);
    s[0] = mu <= 0.0 && minus.s > 0.0 ? t : 0.5 * (plus.s + minus.s);
    UNROLL(1)
    for (int k = 1; k <= n; k++) s[k] = rest * v[k];
}

// v after a Newton step that led to (s, z): inside the cone and inside its polar the projection is
// linear, and the step made z or s zero.
DEVICE void newton_second_order(const Cone& cone, const double* d, const double* s, const double* z,
                                double* v) {
    bool inside = d[1] >= 1.0, polar = d[0] <= 0.0;
    UNROLL(1)
    for (int k = 0; k < cone.dim; k++) v[k] = (polar ? 0.0 : s[k]) - (inside ? 0.0 : z[k]);
}

DEVICE double kinks_of_second_order(const Cone& cone, const double* v, double margin) {
    double norm = sqrt(dot(cone.dim - 1, v + 1, v + 1));
    bool plus = fabs(v[0] + norm) <= margin, minus = fabs(v[0] - norm) <= margin;
    return plus && minus ? cone.dim : plus || minus ? 1.0 : 0.0;
}
