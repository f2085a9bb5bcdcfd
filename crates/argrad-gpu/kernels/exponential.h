// The exponential cone, the closure of {(x, y, z): y exp(x/y) <= z, y > 0}.
//
// Its dual cone is the closure of {(u, v, w): u < 0, -u exp(v/u) <= e w}. With U = -u, l = ln(w/U)
// and psi = v + U + U l, which is positive exactly inside the dual cone,
//   f*(u, v, w) = -ln psi - ln U - ln w
// is a barrier of degree 3. With r = U/w the derivatives of psi are q = grad psi = (-l, 1, r) and
// D^2 psi = -e e'/U, e = (1, 0, r).
//
// CPU counterparts: argrad-solver/src/cones/exponential/{mod,projection}.rs. Papers: Dahl and
// Andersen (2022), section 4, in another order of the coordinates; Friberg, "Projection onto the
// exponential cone: a univariate root-finding problem" (2021).
#pragma once
#include "three_dimensional.h"

// What the derivatives of f* share.
struct ExponentialPoint {
    // grad psi = (-l, 1, r).
    Triple q;
    // U / psi, and 1 / psi, 1 / U, 1 / w.
    double ratio, by_psi, by_u, by_w;
};

DEVICE double psi_of(double minus_u, double v, double log_ratio) {
    return fma(minus_u, log_ratio + 1.0, v);
}

// ln(1 + x) without the rounding error of the sum.
DEVICE double log_plus_one(double x) {
    double sum = 1.0 + x, lost = x - (sum - 1.0);
    return log(sum) + lost / sum;
}

// k > 0 with k + ln(1 + k) = rhs > 0: Wright's omega function at 1 + rhs, minus 1. One step of
// Newton's method from k = rhs, and two of Halley's; relative errors 3e-2, 6e-7, 1e-18 before
// rounding.
DEVICE double log_root(double rhs) {
    double w = 1.0 + rhs;
    double k = rhs - log_plus_one(rhs) * w / (w + 1.0);
    UNROLL(1)
    for (int step = 0; step < 2; step++) {
        w = 1.0 + k;
        double residual = log_plus_one(k) + (k - rhs), next = w + 1.0;
        k -= residual * w * next / fma(next, next, 0.5 * residual);
    }
    return k;
}

// Where v lies.
struct ExponentialRegion {
    bool inside, polar, face;
};

DEVICE ExponentialRegion region_of(Triple v) {
    double x = v.at[0], y = v.at[1], z = v.at[2];
    bool inside = y > 0.0 && y * exp(x / y) <= z;
    bool polar = x > 0.0 && x * exp(y / x - 1.0) <= -z;
    return {inside, polar, x <= 0.0 && y <= 0.0};
}

// The projection where v = (x, y, z) lies neither in K nor in its polar cone, and not in the
// quadrant x, y <= 0 that projects onto the face y = 0. There is a unique rho with sigma, lambda
// positive and
//   v = sigma (rho, 1, e^rho) - lambda (-1, rho - 1, e^-rho),
//   sigma = (y + x (rho - 1)) / D,  lambda = (x - rho y) / D,  D = rho (rho - 1) + 1.
// The first term is the projection, on a ray of the boundary; the second is z on the ray of the
// dual cone that is orthogonal to it. sigma and lambda solve the first two equations; the third
// determines rho:
//   sigma e^(rho - shift) - lambda e^(shift - rho) = z >= 0
// with no shift, or with that of one and z < 0 turned by the exchange (x, y, z, rho, sigma, lambda)
// -> (y, x, -z, 1 - rho, lambda, sigma).
//
// It is solved in the form G(rho) = rho - shift - ln X = 0, where X > 0 is the root of sigma X^2 -
// z X - lambda = 0. G increases from the end where sigma = 0 (`low`, where ln sigma makes it
// -infinity) to that where lambda = 0 (`high`); it is nearly linear far from them. Newton's method
// takes five steps, when steps towards the singularity of a logarithm are taken in the logarithm.
struct ExponentialEquation {
    double x, y, z, shift;
    // rho = base + t. Near the singularity at `low` the base is `low`, so that no digits of sigma
    // are lost.
    bool from_low;
    double base;
    // low - base and high - base.
    double low, high;

    // sigma and lambda, and 1/D.
    MEMBER Triple multipliers(double t) const {
        double rho = base + t, inverse = 1.0 / fma(rho, rho - 1.0, 1.0);
        double sigma = from_low ? x * t : fma(rho - 1.0, x, y);
        return {{sigma * inverse, fma(-rho, y, x) * inverse, inverse}};
    }
};

// A step of Newton's method.
struct ExponentialStep {
    // G > 0: the root is to the left.
    bool beyond;
    // G / G'.
    double size;
    // Distance to where the logarithm becomes infinite, to the right.
    double right;
};

DEVICE ExponentialStep exponential_step(const ExponentialEquation& of, double t) {
    double rho = of.base + t;
    Triple found = of.multipliers(t);
    double inverse = found.at[2];
    double sigma = larger(found.at[0], 1e-290), lambda = larger(found.at[1], 1e-290);
    double square = fma(of.z, of.z, 4.0 * sigma * lambda), root = sqrt(square);
    // sigma X, 1 / X, X and lambda / X.
    double large = 0.5 * (of.z + root), by_large = sigma / large, ratio = large / sigma;
    double small = lambda * by_large;
    double value = rho - of.shift - log(ratio);
    // G' root D = X (sigma (rho^2 - 2 rho + 2) + lambda) + (lambda (rho^2 + 1) + sigma) / X.
    double before = rho - 1.0;
    double slope = fma(large, fma(before, before, 1.0), ratio * lambda) +
                   fma(small, fma(rho, rho, 1.0), sigma * by_large);
    double size = value * root / (slope * inverse);
    double right = of.y > 0.0 ? square / (4.0 * sigma * of.y * inverse) : INFINITE_NUMBER;
    return {value > 0.0, size, right};
}

// Where the step is too long to be the last. Newton's method squares the error relative to the
// distance to a singularity.
DEVICE bool is_unfinished(const ExponentialEquation& of, double t, const ExponentialStep& step) {
    double size = fabs(step.size);
    double scale = smaller(smaller(t - of.low, step.right), 1.0);
    double rounding = larger(2e-15 * fabs(t), 1e-280);
    return size > 1e-9 * scale && size > rounding;
}

// t after a step of Newton's method, in the logarithm of the distance to a singularity if the step
// is as long as the distance.
DEVICE double limited(const ExponentialEquation& of, double t, const ExponentialStep& step) {
    double size = step.size, left = t - of.low;
    double next = t - size;
    if (fabs(size) > 0.5 * left) {
        double in_logarithm = smaller(left * exp(-size / left), 1.0);
        next = of.low + larger(left - size, in_logarithm);
    }
    if (-size > 0.5 * step.right) {
        double in_logarithm = smaller(step.right * exp(size / step.right), 1.0);
        next = t + step.right - larger(step.right + size, in_logarithm);
    }
    return next;
}

// rho, sigma and lambda for z >= 0.
DEVICE Triple solve_exponential(double x, double y, double z, double shift) {
    // Beyond this the exponentials are zero or infinite next to anything else.
    const double far = 300.0;
    // The largest rho of a result: e^rho is a number.
    const double largest = 690.0;
    double low = smaller(x > 0.0 ? 1.0 - y / x : -INFINITE_NUMBER, 1e100);
    double high = smaller(y > 0.0 ? x / y : INFINITE_NUMBER, 1e100);
    bool from_low = low > -1.0;
    double base = from_low ? low : 0.0;
    ExponentialEquation of = {
        x, y, z, shift, from_low, base, low - base, smaller(high, largest) - base};
    double t = 0.0;
    // Else the root is at `low` to rounding error.
    if (!(low > far)) {
        // Where z^2 is large next to sigma lambda, G is regular at `high`, which is then close if v
        // is close to K. Else start away from it. Not beyond where sigma e^rho = z, roughly.
        double denominator = fma(high, high - 1.0, 1.0);
        bool regular = z * z * denominator > 0.04 * y * y;
        double top = regular ? high : high - smaller(0.5 * (high - low), 1.0);
        double size = larger(log(z / x) + (shift - low), 1.0);
        t = smaller(from_low ? smaller(size, top - low) : top, of.high);
        double left = -INFINITE_NUMBER, right = of.high;
        // Seven steps are the most that were seen.
        UNROLL(1)
        for (int k = 0; k < 60; k++) {
            ExponentialStep step = exponential_step(of, t);
            if (!is_unfinished(of, t, step)) {
                t = smaller(t - step.size, of.high);
                break;
            }
            if (step.beyond) {
                right = smaller(t, right);
            } else {
                left = larger(t, left);
            }
            double next = smaller(limited(of, t, step), of.high), middle = 0.5 * (left + right);
            bool outside = (next < left || next > right) && fabs(middle) < INFINITE_NUMBER;
            t = outside ? middle : next;
        }
    }
    Triple found = of.multipliers(t);
    return {{base + t, larger(found.at[0], 0.0), larger(found.at[1], 0.0)}};
}

// With 1/M the length of (-1, rho - 1, e^-rho), N that of (rho, 1, e^rho), and q the unit vector
// orthogonal to both, the boundary g = y e^(x/y) - z = 0 has D^2 g = (e^rho / sigma) h h', h = (1,
// -rho, 0), and <h, q> = N / (M e^rho). So nu q'(D^2 g) q = (lambda / sigma) (N / (M e^rho))^2.
DEVICE Projected project_curved(Triple v) {
    bool exchanged = v.at[2] < 0.0;
    double x = exchanged ? v.at[1] : v.at[0], y = exchanged ? v.at[0] : v.at[1];
    Triple found = solve_exponential(x, y, fabs(v.at[2]), exchanged ? 1.0 : 0.0);
    double rho = exchanged ? 1.0 - found.at[0] : found.at[0];
    double sigma = exchanged ? found.at[2] : found.at[1];
    double lambda = exchanged ? found.at[1] : found.at[2];

    sigma = larger(sigma, SMALLEST_NORMAL);
    bool positive = rho > 0.0;
    // The directions, times e^-rho or e^rho so that they stay finite.
    double e = exp(-fabs(rho)), p1 = positive ? e : 1.0, z1 = positive ? 1.0 : e;
    Triple p = {{rho * p1, p1, z1}}, z = {{-z1, (rho - 1.0) * z1, p1}};
    double curvature = lambda * (dot(p, p) / dot(z, z)), total = 1.0 / (sigma + curvature);
    // The third entry without the error of a large exponential.
    double third = positive ? fma(lambda, e, v.at[2]) : sigma * e;
    return {{{sigma * rho, sigma, third}},
            boundary_spectrum(normalized(z), normalized(p), sigma * total, curvature * total)};
}

LARGE Projected project_on_exponential(Triple v) {
    double unit = unit_of(v);
    v = scaled(1.0 / unit, v);
    ExponentialRegion region = region_of(v);
    Projected result;
    if (region.polar) {
        result = {{{0.0, 0.0, 0.0}}, diagonal_spectrum(0.0, 0.0, 0.0)};
    } else if (region.inside) {
        result = {v, diagonal_spectrum(1.0, 1.0, 1.0)};
    } else if (region.face) {
        double third = v.at[2] > 0.0 ? 1.0 : 0.0;
        result = {{{v.at[0], 0.0, larger(v.at[2], 0.0)}}, diagonal_spectrum(1.0, 0.0, third)};
    } else {
        result = project_curved(v);
    }
    // Only numbers that are finite have a projection.
    double invalid = 0.0 * v.at[0] + 0.0 * v.at[1] + 0.0 * v.at[2];
    for (int i = 0; i < 3; i++) result.point.at[i] = unit * result.point.at[i] + invalid;
    return result;
}

// Distance of a point inside y e^(x/y - shift) <= z from the boundary, to first order.
DEVICE double depth_of(double x, double y, double z, double shift) {
    double rho = x / y, e = exp(rho - shift), before = 1.0 - rho;
    double square = fma(e * e, fma(before, before, 1.0), 1.0);
    return fma(-y, e, z) / sqrt(square);
}

// Number of directions in which D jumps within `margin` of v.
//
// Crossing the boundary of K, or of the polar cone, the direction of z, or of s, jumps between 0
// and 1. For x, y <= `margin` K is nearly the wedge y, z >= 0 and the polar cone the wedge x >= 0,
// z <= 0 (away from it the curved part of the boundary is exponentially close); there the
// coordinates within `margin` of zero count.
LARGE int kinks_of_exponential(Triple v, double margin) {
    double x = v.at[0], y = v.at[1], z = v.at[2];
    if (x <= margin && y <= margin) {
        return (int)(fabs(x) <= margin) + (int)(fabs(y) <= margin) + (int)(fabs(z) <= margin);
    }
    ExponentialRegion region = region_of(v);
    Triple s = project_on_exponential(v).point, rest = along(s, -1.0, v);
    double from_k = region.inside ? depth_of(x, y, z, 0.0) : sqrt(dot(rest, rest));
    double from_polar = region.polar ? depth_of(y, x, -z, 1.0) : sqrt(dot(s, s));
    return (int)(from_k <= margin) + (int)(from_polar <= margin);
}

struct Exponential {
    MEMBER Triple unit() const {
        return {{-1.051383943750229, 0.5564096186043385, 1.2589678864644602}};
    }

    MEMBER bool inside_primal(Triple s) const {
        double x = s.at[0], y = s.at[1], z = s.at[2];
        return y > 0.0 && z > 0.0 && y * log(z / y) > x;
    }

    MEMBER bool inside_dual(Triple z) const {
        double u = z.at[0], w = z.at[2];
        return u < 0.0 && w > 0.0 && psi_of(-u, z.at[1], log(w / -u)) > 0.0;
    }

    MEMBER ExponentialPoint local(Triple z) const { return local_with(z, 0.0, 0.0); }

    // The same where the second component of s = -mu grad f*, mu / psi, is known, unless that is
    // small; both have the rounding error of v.
    MEMBER ExponentialPoint local_with(Triple z, double s, double mu) const {
        double minus_u = -z.at[0], w = z.at[2], log_ratio = log(w / minus_u);
        double psi = psi_of(minus_u, z.at[1], log_ratio);
        double by_psi = 1.0 / (mu > 0.0 && s > psi ? mu / s : psi);
        double by_u = 1.0 / minus_u, by_w = 1.0 / w;
        return {{{-log_ratio, 1.0, minus_u * by_w}}, minus_u * by_psi, by_psi, by_u, by_w};
    }

    // -q / psi + (1/U, 0, -1/w).
    MEMBER Triple gradient(const ExponentialPoint& at) const {
        double a = at.by_psi;
        return {{fma(-at.q.at[0], a, at.by_u), -a, -fma(at.q.at[2], a, at.by_w)}};
    }

    // H* = q q'/psi^2 + e e'/(U psi) + (1/U^2, 0, 1/w^2). In the scaled coordinates (u/U, w/w) the
    // last two are I + k 1 1', k = U/psi, with Cholesky's rows (1, k/(1 + k)) (1 + k)^(1/2) and (0,
    // 1) ((1 + 2k)/(1 + k))^(1/2). The smaller of U and w comes first: its row is the longer.
    MEMBER ThreeRows root(const ExponentialPoint& at) const {
        double b = at.by_u, c = at.by_w, k = at.ratio;
        double part = 1.0 / (1.0 + k), first = sqrt(1.0 + k), second = sqrt((k + k + 1.0) * part);
        double other = first * (k * part);
        bool u_first = b >= c;
        Triple x = {{(u_first ? first : other) * b, 0.0, (u_first ? other : first) * c}};
        Triple y = {{u_first ? 0.0 : second * b, 0.0, u_first ? second * c : 0.0}};
        return {{scaled(at.by_psi, at.q), x, y}};
    }

    // With psi_a = <q, a>, e_a = <e, a>: D^2 psi[a, b] = -e_a e_b / U, and since D e_a[h] = -a_w
    // e_h / w, D^3 psi[a, b] = -(e_a e_b / U^2) (1, 0, 0) + (a_w e_b + b_w e_a) e / (U w).
    MEMBER Triple third(const ExponentialPoint& at, Triple a, Triple b) const {
        Triple q = at.q, e = {{1.0, 0.0, at.q.at[2]}};
        double psi_a = dot(q, a) * at.by_psi, psi_b = dot(q, b) * at.by_psi;
        double e_a = dot(e, a) * at.by_u, e_b = dot(e, b) * at.by_u;
        double a_u = a.at[0] * at.by_u, b_u = b.at[0] * at.by_u;
        double a_w = a.at[2] * at.by_w, b_w = b.at[2] * at.by_w;
        // Coefficients of q / psi and of e / psi.
        double along_q = -fma(2.0 * psi_a, psi_b, at.ratio * e_a * e_b);
        double along_e = -fma(e_a, psi_b + b_w, e_b * (psi_a + a_w));
        Triple sum = along(scaled(along_q * at.by_psi, q), along_e * at.by_psi, e);
        double x = at.by_u * fma(2.0 * a_u, b_u, at.ratio * e_a * e_b);
        return {{sum.at[0] + x, sum.at[1], sum.at[2] - 2.0 * a_w * b_w * at.by_w}};
    }

    // With k = 1/(U y), the equation -grad f*(u, v, w) = (x, y, z) reduces to k + ln(1 + k) =
    // ln(z/y) - x/y, in which the right-hand side is positive exactly inside K.
    MEMBER Triple shadow(Triple s) const {
        double y = s.at[1], z = s.at[2], ratio = s.at[0] / y;
        double k = log_root(log(z / y) - ratio), by_ky = 1.0 / (k * y);
        return {{-by_ky, (k + k - 1.0 + ratio) * by_ky, (1.0 + k) / (k * z)}};
    }

    MEMBER Projected project(Triple v) const { return project_on_exponential(v); }

    MEMBER int kinks(Triple v, double margin) const { return kinks_of_exponential(v, margin); }
};
