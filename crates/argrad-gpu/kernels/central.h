// The projection of the central path onto a three-dimensional cone: s - z = v, s = -mu grad f*(z).
//
// z minimizes |z + v|^2 / (2 mu) + f*(z), a self-concordant function: Newton's method with steps
// 1 / (1 + decrement) converges from any point inside K* (Nesterov, "Lectures on convex
// optimization", section 5.2). CPU counterpart, with where it starts and why:
// argrad-solver/src/cones/three_dimensional/central.rs.
#pragma once
#include "exponential.h"
#include "power.h"

// Steps; from this decrement on, full ones, which square it; a step from that one reaches rounding
// error; below that multiple of |s| |z| mu makes no difference.
#define CENTRAL_STEPS 100
#define FULL_STEP 0.25
#define LAST_STEP 1e-8
#define NEGLIGIBLE_MU 1e-13

// What the derivatives of f* share at z, where s = -mu grad f*(z) is known too: close to the
// boundary of K* the distance of z from it is found with less cancellation from s.
DEVICE ExponentialPoint local_on_path(Exponential of, Triple z, Triple s, double mu) {
    return of.local_with(z, s.at[1], mu);
}

DEVICE PowerPoint local_on_path(Power of, Triple z, Triple, double) { return of.local(z); }

DEVICE void longest_first(ThreeRows& rows) {
    longer_first(rows.row[0], rows.row[1]);
    longer_first(rows.row[1], rows.row[2]);
    longer_first(rows.row[0], rows.row[1]);
}

// (I + R'R)^-1 x, accurate although the rows of R differ in length by many orders of magnitude: in
// the orthonormal basis that starts with the longest rows R'R is graded, and Cholesky's factors are
// as exact as for equal lengths.
LARGE Triple solve_with_gram(ThreeRows rows, Triple x) {
    longest_first(rows);
    Triple first = normalized(rows.row[0]);
    Triple second = normalized(along(rows.row[1], -dot(rows.row[1], first), first));
    ThreeRows basis = {{first, second, cross(first, second)}};
    ThreeRows r = {{image(basis, rows.row[0]), image(basis, rows.row[1]),
                    image(basis, rows.row[2])}};
    Triple c[3];
    for (int k = 0; k < 3; k++) c[k] = {{r.row[0].at[k], r.row[1].at[k], r.row[2].at[k]}};
    double a = dot(c[0], c[0]), b = dot(c[1], c[0]), d = dot(c[2], c[0]);
    Triple y = image(basis, x);
    double one = 1.0 / (a + 1.0), l10 = b * one, l20 = d * one;
    double two = 1.0 / fma(-l10, b, dot(c[1], c[1]) + 1.0);
    double rest = fma(-l20, b, dot(c[2], c[1])), l21 = rest * two;
    double three = fma(-l21, rest, fma(-l20, d, dot(c[2], c[2]) + 1.0));
    double y1 = fma(-l10, y.at[0], y.at[1]);
    double y2 = fma(-l21, y1, fma(-l20, y.at[0], y.at[2])) / three;
    y1 = fma(-l21, y2, y1 * two);
    double y0 = fma(-l20, y2, fma(-l10, y1, y.at[0] * one));
    return transposed_image(basis, {{y0, y1, y2}});
}

// Damped Newton's method from z.
template <class Curved>
LARGE Triple minimize_on_path(Curved of, Triple v, double mu, Triple z) {
    double previous = INFINITE_NUMBER, caution = 1.0, root_mu = sqrt(mu);
    UNROLL(1)
    for (int step = 0; step < CENTRAL_STEPS; step++) {
        auto at = of.local(z);
        Triple residual = along(along(v, 1.0, z), mu, of.gradient(at));
        ThreeRows root = of.root(at);
        for (int k = 0; k < 3; k++) root.row[k] = scaled(root_mu, root.row[k]);
        Triple direction = solve_with_gram(root, residual);
        double decrement = sqrt(dot(direction, residual) / mu);
        double damped = decrement > FULL_STEP ? 1.0 / (1.0 + decrement) : 1.0;
        Triple next = along(z, -(caution * damped), direction);
        bool inside = of.inside_dual(next);
        // Full steps square the decrement, so one that does not fall is rounding error.
        bool stalled = decrement < 0.1 && decrement > 0.5 * previous;
        if (inside && !stalled) z = next;
        previous = inside ? decrement : INFINITE_NUMBER;
        // Not inside in spite of the damping: rounding error at the boundary.
        caution = inside ? 1.0 : caution * 0.5;
        bool far = decrement > LAST_STEP && !stalled;
        if (!((far || !inside) && caution > 1e-3)) break;
    }
    return z;
}

// The projection of the central path at mu > 0; `exact` is that at mu = 0.
template <class Curved>
LARGE Projected project_on_path(Curved of, Triple v, double mu, Projected exact) {
    Triple normal = along(exact.point, -1.0, v);
    double sizes = sqrt(dot(exact.point, exact.point)) * sqrt(dot(normal, normal));
    Triple shadow = of.shadow(along(exact.point, sqrt(mu), of.unit()));
    Triple start = along(normal, mu, shadow);
    if (!(mu > NEGLIGIBLE_MU * sizes && of.inside_dual(start))) return exact;
    Triple z = minimize_on_path(of, v, mu, start);
    // v + z is exact to the rounding of v, -mu grad f* to that of the distance of z from the
    // boundary, about mu / |s|.
    Triple sum = along(v, 1.0, z);
    bool far = dot(sum, sum) > mu;
    Triple point = far ? sum : scaled(-mu, of.gradient(of.local(z)));
    // D = I - (I + mu H*)^-1, by the eigenvectors of H*.
    ThreeRows basis = orthogonal_rows(of.root(local_on_path(of, z, sum, mu)));
    Spectrum spectrum;
    for (int k = 0; k < 3; k++) {
        double square = dot(basis.row[k], basis.row[k]), slope = mu * square;
        spectrum.basis.row[k] = scaled(1.0 / sqrt(square), basis.row[k]);
        spectrum.complement.at[k] = 1.0 / (1.0 + slope);
        spectrum.d.at[k] = slope * spectrum.complement.at[k];
    }
    spectrum.delta = BOUNDARY_DELTA;
    return {point, spectrum};
}
