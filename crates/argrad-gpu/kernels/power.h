// The power cone {(x, y, w): x^a y^b >= |w|, x, y >= 0}, 0 < a < 1, b = 1 - a.
//
// Its dual has the barrier
//   f*(u, v, w) = -ln(q^2 - w^2) - b ln u - a ln v,   q = (u/a)^a (v/b)^b,
// of degree 3. All is written in the scaled point (1, 1, o), o = w / q, with the gap g = 1 - o^2,
// and in scaled directions (du / u, dv / v, dw / q), so that nothing depends on the size of the
// point.
//
// CPU counterparts: argrad-solver/src/cones/power/{mod,barrier,projection,root}.rs, without mu and
// for two exponents. Papers: Chares, "Cones and interior-point algorithms for structured convex
// optimization" (2009), section 3.1; Hien, "Differential properties of Euclidean projection onto
// power cone" (2015).
#pragma once
#include "three_dimensional.h"

// What the derivatives of f* at a point share: 1 / u, 1 / v, 1 / q; o, g and 1 / g.
struct PowerPoint {
    double by_u, by_v, by_q, omega, gap, by_gap;

    // The direction in the coordinates in which the point is (1, 1, o).
    MEMBER Triple coordinates(Triple x) const {
        return {{x.at[0] * by_u, x.at[1] * by_v, x.at[2] * by_q}};
    }
};

LARGE PowerPoint point_of_power(double a, Triple z) {
    double b = 1.0 - a, u = z.at[0], v = z.at[1], w = z.at[2];
    // A power of two, so that the logarithms are small.
    double unit = unit_of(z), by_unit = 1.0 / unit;
    double first = log(u * by_unit * (1.0 / a)), second = log(v * by_unit * (1.0 / b));
    double q = unit * exp(fma(b, second, a * first)), by_q = 1.0 / q;
    // The difference first, so that its error is that of the point.
    double norm = fabs(w), gap = ((q - norm) * by_q) * ((q + norm) * by_q);
    return {1.0 / u, 1.0 / v, by_q, w * by_q, gap, 1.0 / gap};
}

// Entry of D^3 f*[x, y] in a row of exponent a, in scaled coordinates; `by_gc` and what begins with
// q or g are the sums over the rows in `third_of_power`.
DEVICE double third_row(double a, double by_gap, double x, double y, double qx, double qy,
                        double qxy, double gx, double gy, double by_gc) {
    double all = fma(2.0 * x, y, qxy) - fma(qx, y, qy * x);
    double pairs = fma(qx - x, gy, (qy - y) * gx);
    double sum = by_gc - all + pairs;
    return fma(2.0 * a * by_gap, sum, -(2.0 * (1.0 - a) * (x * y)));
}

// D^3 f*[x, y]. The third derivative of -ln g along x, y and c is -(gxyc - gxy gc - gxc gy - gyc gx
// + 2 gx gy gc), all of them divided by g = q^2 - w^2; everything here is divided by q^2.
LARGE Triple third_of_power(double a, PowerPoint at, Triple x, Triple y) {
    double b = 1.0 - a, first = at.by_gap;
    x = at.coordinates(x);
    y = at.coordinates(y);
    // Derivatives of q^2 and of w^2.
    double qx = fma(2.0 * b, x.at[1], 2.0 * a * x.at[0]);
    double qy = fma(2.0 * b, y.at[1], 2.0 * a * y.at[0]);
    double log_xy = fma(2.0 * b, x.at[1] * y.at[1], 2.0 * a * (x.at[0] * y.at[0]));
    double wx = at.omega * x.at[2], wy = at.omega * y.at[2], wxy = x.at[2] * y.at[2];
    double gx = fma(-2.0, wx, qx) * first, gy = fma(-2.0, wy, qy) * first;
    double qxy = fma(qx, qy, -log_xy), gxy = fma(-2.0, wxy, qxy) * first;
    double by_gc = fma(-2.0, gx * gy, gxy);
    double row_u = third_row(a, first, x.at[0], y.at[0], qx, qy, qxy, gx, gy, by_gc);
    double row_v = third_row(b, first, x.at[1], y.at[1], qx, qy, qxy, gx, gy, by_gc);
    double row_w = fma(at.omega, by_gc, fma(x.at[2], gy, y.at[2] * gx));
    return {{row_u * at.by_u, row_v * at.by_v, -(2.0 * first * at.by_q) * row_w}};
}

// With c = s_w z_w, -grad f*(z) = s reads z_i s_i = 1 + a_i + a_i c and, for y = 1 / c,
//   sum 2 a_i ln(1 + (1 + 1/a_i) y) - ln(1 + 2 y) = 2 ln(prod s_i^a_i / |s_w|)
// The left-hand side increases and is concave, and differs little from ln(1 + 4 y).
LARGE Triple shadow_in_power(double a, Triple s) {
    // Logarithm of (prod s_i^a_i / |s_w|)^2 from which on z_w is linear in s_w.
    const double central = 600.0;
    double b = 1.0 - a, w = s.at[2], norm = fabs(w);
    double of_a = 1.0 + 1.0 / a, of_b = 1.0 + 1.0 / b;
    double distance = 2.0 * fma(a, log(s.at[0] / norm), b * log(s.at[1] / norm));
    double target = larger(smaller(distance, central), 1e-17);
    double y = 0.25 * larger(exp(target) - 1.0, target);
    // Five steps reach rounding error from a start that is off by a factor of two.
    UNROLL(1)
    for (int step = 0; step < 6; step++) {
        double p = fma(of_a, y, 1.0), q = fma(of_b, y, 1.0), r = fma(2.0, y, 1.0);
        double value = fma(2.0, fma(a, log(p), b * log(q)), -log(r));
        // Derivative in log y: 2 sum (1 + a_i) y / p_i - 2 y / r, over a common denominator.
        double slope = (1.0 + a) / p + (1.0 + b) / q - 1.0 / r;
        y += (target - value) / (2.0 * slope);
    }
    double c = 1.0 / y;
    double u = (1.0 + a + a * c) / s.at[0], v = (1.0 + b + b * c) / s.at[1];
    double product = s.at[0] * exp(b * log(s.at[1] / s.at[0]));
    double limit = c * exp(target) * (w / product) / product;
    return {{u, v, -(distance > central ? limit : c / w)}};
}

// X and Z with X - Z = x and X Z = a c, without cancellation; X + Z, and the larger of the two.
struct PowerSplit {
    double x, z, sum, large;
};

DEVICE PowerSplit split_of(double a, double x, double c) {
    double product = a * c, sum = sqrt(fma(x, x, 4.0 * product));
    double large = 0.5 * (fabs(x) + sum), small = product / large;
    bool positive = x >= 0.0;
    return {positive ? large : small, positive ? small : large, sum, large};
}

// ln r and ln t at some c, and the derivative of ln t in ln c.
struct PowerSums {
    double log_r, log_t, slope_t;

    MEMBER void add(double a, double x, double log_c, double c) {
        PowerSplit split = split_of(a, x, c);
        bool positive = x >= 0.0;
        double part = log(positive ? split.large : split.large * (1.0 / a)), rest = log_c - part;
        log_r = fma(a, positive ? part : rest, log_r);
        log_t = fma(a, positive ? rest : part, log_t);
        slope_t += a * a * c / (split.z * split.sum);
    }
};

// The equation in one unknown to which the projection s of v = (x, y, w) reduces. With z = s - v
// and c = r t, r = |s_w| and t = |z_w|, the parts X_i of s and Z_i of z satisfy
//   X_i - Z_i = x_i,   X_i Z_i = a_i c,   t = prod (Z_i/a_i)^a_i,   r = c / t,   r + t = |w|
// F(c) = r + t grows with c, so the root of F = |w| is the only one. F(0) is the product prod
// x_i^a_i where x >= 0, prod |x_i/a_i|^a_i where x <= 0 and else zero. Newton's method works in
// log c on log(F^2 - F(0)^2) = log(|w|^2 - F(0)^2), which is nearly linear there.
struct PowerEquation {
    double a, b, x, y, norm;
    // x >= 0, and x <= 0.
    bool above, below;
    // F(0). Where it is at least |w|, v lies in K (`above`) or in -K* (`below`).
    double base;

    MEMBER PowerSums sums(double log_c, double c) const {
        PowerSums sums = {0.0, 0.0, 0.0};
        sums.add(a, x, log_c, c);
        sums.add(b, y, log_c, c);
        return sums;
    }
};

DEVICE PowerEquation equation_of_power(double a, double x, double y, double norm) {
    double b = 1.0 - a;
    bool above = x >= 0.0 && y >= 0.0, below = x <= 0.0 && y <= 0.0;
    double of_x = fabs(above ? x : x * (1.0 / a)), of_y = fabs(above ? y : y * (1.0 / b));
    double base = above || below ? exp(fma(b, log(of_y), a * log(of_x))) : 0.0;
    return {a, b, x, y, norm, above, below, base};
}

// Two numbers with a known product.
struct RAndT {
    double r, t;
};

// r and t with r t = `product`, the larger from its logarithm: its rounding error is the least.
DEVICE RAndT larger_first(const PowerSums& sums, double product) {
    bool first = sums.log_r > sums.log_t;
    double large = exp(first ? sums.log_r : sums.log_t), small = product / large;
    return {first ? large : small, first ? small : large};
}

// Least logarithm of c. It is reached only where x has entries of both signs; what is lost there is
// a boundary point's distance of 1e-278 from a face.
#define LEAST_LOGARITHM -640.0

// log c where there is a root: |w| > F(0).
DEVICE double solve_power(const PowerEquation& of) {
    // Rounding error of F^2, relative; and what stands for differences that rounding errors made
    // zero or negative.
    const double rounding = 2e-15, least = 1e-17;
    double norm = of.norm, base = of.base;
    // c <= |w|^2 / 4.
    double half = log(0.5 * norm), ceiling = larger(half + half, LEAST_LOGARITHM);
    double square = norm * norm, difference = (norm - base) * (norm + base);
    double right = larger(larger(difference, 0.0), least * square);
    // The root if F^2 - F(0)^2 were 4 c.
    double log_c = smaller(larger(log(0.25 * difference), LEAST_LOGARITHM), ceiling);
    double low = -1e9, high = 1e9;
    // Three to five steps are usual; the rest serves where rounding errors cover the root.
    UNROLL(1)
    for (int step = 0; step < 80; step++) {
        double c = exp(log_c);
        PowerSums sums = of.sums(log_c, c);
        RAndT found = larger_first(sums, c);
        double f = found.r + found.t;
        double left = larger((f - base) * (f + base), least * f * f);
        double slope_f = fma(found.r, 1.0 - sums.slope_t, found.t * sums.slope_t);
        double slope = f * (slope_f + slope_f) / left, residual = log(left / right);
        bool positive = residual > 0.0;
        if (positive) {
            high = log_c;
        } else {
            low = log_c;
        }
        double newton = larger(smaller(log_c - residual / slope, ceiling), LEAST_LOGARITHM);
        bool covered = fabs(fma(f, f, -square)) <= rounding * larger(square, base * base);
        bool close = high - low <= rounding * (1.0 + fabs(log_c));
        // A step from a residual so small leads to rounding error.
        bool fine = fabs(residual) <= 1e-9 || covered || close;
        bool is_within = newton > low && newton < high;
        bool at_end = (log_c <= LEAST_LOGARITHM && residual >= 0.0) ||
                      (log_c >= ceiling && !positive);
        if (is_within) {
            log_c = newton;
        } else if (at_end || fine) {
            break;
        } else {
            log_c = 0.5 * (larger(low, LEAST_LOGARITHM) + smaller(high, ceiling));
        }
        if (fine) break;
    }
    return log_c;
}

// v's parts X and Z, r and t, all over `unit`.
struct PowerSolution {
    // Where D is diagonal: v in K, v in -K*, w = 0 and v in neither.
    bool inside, polar, axis;
    double unit, x0, x1, z0, z1;
    // r / (r + t) and t / (r + t).
    double share_r, share_t, r, t;
};

DEVICE PowerSolution split_by_power(double a, Triple v) {
    // A power of two that brings v to order one.
    double unit = unit_of(v), by_unit = 1.0 / unit;
    // Zero, or NaN where a number is not finite.
    double poison = 0.0 * v.at[0] + 0.0 * v.at[1] + 0.0 * v.at[2];
    double x = fma(v.at[0], by_unit, poison), y = fma(v.at[1], by_unit, poison);
    PowerEquation of = equation_of_power(a, x, y, fma(fabs(v.at[2]), by_unit, poison));

    PowerSolution solution;
    solution.unit = unit;
    bool full = of.base >= of.norm;
    solution.inside = full && of.above;
    solution.polar = full && of.below && !solution.inside;
    solution.axis = of.norm <= 0.0 && !(solution.inside || solution.polar);
    bool diagonal = solution.inside || solution.polar || solution.axis;

    double log_c = of.norm > of.base ? solve_power(of) : LEAST_LOGARITHM, c = exp(log_c);
    RAndT found = larger_first(of.sums(log_c, c), c);
    double inverse = 1.0 / (found.r + found.t);
    // On the axis the limit decides: which of the exponents of x > 0 and of x < 0 weigh more.
    double balance = x > 0.0 ? of.a - of.b : of.b - of.a;
    bool all_r = solution.inside || (solution.axis && balance > 0.0);
    bool all_t = solution.polar || (solution.axis && balance < 0.0);
    solution.share_r = all_t ? 0.0 : all_r ? 1.0 : found.r * inverse;
    solution.share_t = all_r ? 0.0 : all_t ? 1.0 : found.t * inverse;
    solution.r = solution.share_r * of.norm;
    solution.t = solution.share_t * of.norm;
    PowerSplit of_x = split_of(of.a, x, c), of_y = split_of(of.b, y, c);
    solution.x0 = diagonal ? larger(x, 0.0) : of_x.x;
    solution.z0 = diagonal ? larger(-x, 0.0) : of_x.z;
    solution.x1 = diagonal ? larger(y, 0.0) : of_y.x;
    solution.z1 = diagonal ? larger(-y, 0.0) : of_y.z;
    return solution;
}

// P(v). D has an eigenvalue 1 / (1 + k) with k = |s|^2/|z|^2 (Z_0/X_0) (Z_1/X_1) (t/r): the
// curvature -Hess(x^a y^b), as a form that is a variance of (x_i / X_i) with weights a_i, along the
// unit vector of s x z.
LARGE Projected project_on_power(double a, Triple v) {
    PowerSolution of = split_by_power(a, v);
    Triple point = {{of.x0 * of.unit, of.x1 * of.unit, v.at[2] * of.share_r}};
    if (of.inside || of.polar || of.axis) {
        bool d0 = of.inside || (of.axis && v.at[0] > 0.0);
        bool d1 = of.inside || (of.axis && v.at[1] > 0.0);
        return {point, diagonal_spectrum(d0 ? 1.0 : 0.0, d1 ? 1.0 : 0.0, of.share_r)};
    }
    double sign = v.at[2] < 0.0 ? -1.0 : 1.0;
    Triple s = {{of.x0, of.x1, sign * of.r}}, z = {{of.z0, of.z1, -(sign * of.t)}};
    double sizes = dot(s, s) / dot(z, z);
    double curvature = (of.z0 / of.x0) * (of.z1 / of.x1) * (of.share_t / of.share_r) * sizes;
    bool large = curvature > 1.0;
    double small = large ? 1.0 / curvature : curvature;
    double major = 1.0 / (1.0 + small), minor = small / (1.0 + small);
    // Rounding errors of their product would be multiplied by the steep block. The shorter, a small
    // difference, has them.
    s = normalized(s);
    z = normalized(z);
    double error = -dot(s, z);
    if (sizes > 1.0) {
        z = along(z, error, s);
    } else {
        s = along(s, error, z);
    }
    return {point, boundary_spectrum(z, s, large ? minor : major, large ? major : minor)};
}

// Whether the point (x, y, r) of K is within `margin` of the boundary, and its rest as short. The
// factors are those of the product: one, or one over the exponent for a point of K*.
DEVICE bool is_near_boundary(double a, double b, Triple point, Triple rest, double factor_a,
                             double factor_b, double margin) {
    double x = point.at[0], y = point.at[1];
    double product = exp(fma(b, log(y * factor_b), a * log(x * factor_a)));
    // First order: the value over the length of the gradient.
    double slope_x = a / x, slope_y = b / y;
    double square = fma(slope_y, slope_y, slope_x * slope_x);
    double steep = sqrt(fma(product * product, square, 1.0));
    bool inner = product - point.at[2] <= margin * steep || smaller(x, y) <= margin;
    return dot(rest, rest) <= margin * margin && inner;
}

// Number of directions in which v is within `margin` of a kink: the rows of x whose parts in s and
// in z are both that small, with the row of w if those decide whether w belongs to s or to z; or,
// if there are none of them, the normal of the boundary of K or of -K* if v is that near to it.
LARGE int kinks_of_power(double a, Triple v, double margin) {
    double b = 1.0 - a;
    PowerSolution of = split_by_power(a, v);
    Triple s = scaled(of.unit, {{of.x0, of.x1, of.r}}), z = scaled(of.unit, {{of.z0, of.z1, of.t}});
    bool weak_x = s.at[0] <= margin && z.at[0] <= margin;
    bool weak_y = s.at[1] <= margin && z.at[1] <= margin;
    if (weak_x || weak_y) {
        double weak = (weak_x ? a : 0.0) + (weak_y ? b : 0.0);
        double of_x = weak_x ? 0.0 : s.at[0] > z.at[0] ? a : -a;
        double of_y = weak_y ? 0.0 : s.at[1] > z.at[1] ? b : -b;
        bool undecided = fabs(of_x + of_y) <= weak && s.at[2] <= margin && z.at[2] <= margin;
        return (int)weak_x + (int)weak_y + (int)undecided;
    }
    bool near_k = is_near_boundary(a, b, s, z, 1.0, 1.0, margin);
    bool near_polar = is_near_boundary(a, b, z, s, 1.0 / a, 1.0 / b, margin);
    return near_k || near_polar ? 1 : 0;
}

// Whether x^a y^b > norm and x, y > 0. The ratios keep the logarithms small at the boundary; they
// are not numbers where a row is negative.
DEVICE bool is_inside_power(double a, double x, double y, double norm) {
    return fma(1.0 - a, log(y / norm), a * log(x / norm)) > 0.0;
}

struct Power {
    double alpha;

    MEMBER Triple unit() const { return {{sqrt(1.0 + alpha), sqrt(2.0 - alpha), 0.0}}; }

    MEMBER bool inside_primal(Triple s) const {
        return is_inside_power(alpha, s.at[0], s.at[1], fabs(s.at[2]));
    }

    MEMBER bool inside_dual(Triple z) const {
        double u = z.at[0] * (1.0 / alpha), v = z.at[1] * (1.0 / (1.0 - alpha));
        return is_inside_power(alpha, u, v, fabs(z.at[2]));
    }

    MEMBER PowerPoint local(Triple z) const { return point_of_power(alpha, z); }

    // -(2 a_i / g + 1 - a_i) / z_i, and (2 / g) o / q.
    MEMBER Triple gradient(const PowerPoint& at) const {
        double a = alpha, b = 1.0 - a;
        return {{-(fma(at.by_gap, 2.0 * a, b) * at.by_u), -(fma(at.by_gap, 2.0 * b, a) * at.by_v),
                 2.0 * at.by_gap * at.by_q * at.omega}};
    }

    // In the scaled point (1, 1, o) and scaled directions (x, y, w), with m = a x + b y, e = x - y,
    // g = 1 - o^2, h = 2 / (1 + o^2), d = b - a, the Hessian is the sum of squares
    //   (4 / (g^2 h)) (w - o h m)^2 + (a b (1 + 2/g) + d^2 h/(1 + h)) e^2
    //       + (1 + h) (m + d e / (1 + h))^2
    MEMBER ThreeRows root(const PowerPoint& at) const {
        double a = alpha, b = 1.0 - a, d = b - a;
        double plus = fma(at.omega, at.omega, 1.0), h = 2.0 / plus, inverse = 1.0 / (1.0 + h);
        double steep = sqrt(2.0 * plus) * at.by_gap, turn = -(steep * at.omega * h);
        double skew = sqrt(a * b * fma(2.0, at.by_gap, 1.0) + d * d * h * inverse);
        double flat = sqrt(1.0 + h), slope = d * inverse;
        return {{at.coordinates({{turn * a, turn * b, steep}}),
                 at.coordinates({{skew, -skew, 0.0}}),
                 at.coordinates({{flat * (a + slope), flat * (b - slope), 0.0}})}};
    }

    MEMBER Triple third(const PowerPoint& at, Triple a, Triple b) const {
        return third_of_power(alpha, at, a, b);
    }

    MEMBER Triple shadow(Triple s) const { return shadow_in_power(alpha, s); }

    MEMBER Projected project(Triple v) const { return project_on_power(alpha, v); }

    MEMBER int kinks(Triple v, double margin) const { return kinks_of_power(alpha, v, margin); }
};
