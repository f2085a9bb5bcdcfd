// What the exponential and the power cone share: vectors in R^3, the primal-dual scaling of a cone
// that is not symmetric, and derivatives of projections by their eigenvectors. One thread does all
// of one cone.
//
// CPU counterparts: argrad-solver/src/cones/three_dimensional/{mod,scaling,spectrum}.rs. Papers:
// Dahl and Andersen, "A primal-dual interior-point algorithm for nonsymmetric exponential-cone
// optimization" (2022); Goulart and Chen, "Clarabel" (2024).
//
// A cone K is a struct, with the barrier f* of its dual, of degree 3:
//   unit()                       s = z = -grad f*(z)
//   inside_primal(s)             whether s lies in the interior of K
//   inside_dual(z)               whether z lies in that of K*
//   local(z)                     what the derivatives of f* at z share
//   gradient(at)                 grad f*
//   root(at)                     rows r of a root of the Hessian, H* = sum r r'; scaled to length
//                                one they are far from dependent
//   third(at, a, b)              D^3 f*[a, b]
//   shadow(s)                    z with -grad f*(z) = s
//   project(v)                   the projection onto K with its derivative; NaN in, NaN out
//   kinks(v, margin)             directions in which that derivative jumps within `margin` of v
// Points of the derivatives lie inside; elsewhere the results are arbitrary, NaN included. NaN is
// inside of nothing.
#pragma once
#include "block.h"

// What keeps d / (1 - d + delta) finite: where the derivative of a projection is diagonal, and
// elsewhere.
#define DIAGONAL_DELTA 1e-30
#define BOUNDARY_DELTA 1e-7
// The smallest normal number.
#define SMALLEST_NORMAL 2.2250738585072014e-308

struct Triple {
    double at[3];
};

// The rows of a 3 x 3 matrix.
struct ThreeRows {
    Triple row[3];
};

// x + a y.
DEVICE Triple along(Triple x, double a, Triple y) {
    return {{fma(a, y.at[0], x.at[0]), fma(a, y.at[1], x.at[1]), fma(a, y.at[2], x.at[2])}};
}

DEVICE Triple scaled(double a, Triple x) { return {{a * x.at[0], a * x.at[1], a * x.at[2]}}; }

DEVICE double dot(Triple x, Triple y) {
    return fma(x.at[0], y.at[0], fma(x.at[1], y.at[1], x.at[2] * y.at[2]));
}

DEVICE Triple cross(Triple x, Triple y) {
    return {{fma(x.at[1], y.at[2], -(x.at[2] * y.at[1])),
             fma(x.at[2], y.at[0], -(x.at[0] * y.at[2])),
             fma(x.at[0], y.at[1], -(x.at[1] * y.at[0]))}};
}

// x over its length.
DEVICE Triple normalized(Triple x) { return scaled(1.0 / sqrt(dot(x, x)), x); }

// R x.
DEVICE Triple image(const ThreeRows& rows, Triple x) {
    return {{dot(rows.row[0], x), dot(rows.row[1], x), dot(rows.row[2], x)}};
}

// R'x.
DEVICE Triple transposed_image(const ThreeRows& rows, Triple x) {
    return along(along(scaled(x.at[0], rows.row[0]), x.at[1], rows.row[1]), x.at[2], rows.row[2]);
}

// The power of two that the largest entry reaches, a normal number or, for what is none, infinity.
DEVICE double unit_of(Triple x) {
    double size = max_abs(max_abs(max_abs(SMALLEST_NORMAL, x.at[0]), x.at[1]), x.at[2]);
    return of_bits(bits_of(size) & 0x7ff0000000000000LL);
}

// The derivative D of a projection, D = sum d u u' over an orthonormal basis.
struct Spectrum {
    // The eigenvectors u.
    ThreeRows basis;
    // The eigenvalues d, and 1 - d without cancellation.
    Triple d, complement;
    // What keeps the block d / (1 - d + delta) finite.
    double delta;
};

// A projection and its derivative.
struct Projected {
    Triple point;
    Spectrum spectrum;
};

// D is diagonal with entries 0 and 1: v lies inside K (all 1), inside the polar cone (all 0), or
// the projection is locally that onto a face spanned by axes.
DEVICE Spectrum diagonal_spectrum(double a, double b, double c) {
    ThreeRows identity = {{{{1.0, 0.0, 0.0}}, {{0.0, 1.0, 0.0}}, {{0.0, 0.0, 1.0}}}};
    return {identity, {{a, b, c}}, {{1.0 - a, 1.0 - b, 1.0 - c}}, DIAGONAL_DELTA};
}

// v projects to a smooth point p != 0 of the boundary, with z = p - v != 0. Eigenvectors are z
// (D z = 0, since v - a z has the same projection), p (D p = p, since D is homogeneous), and q
// orthogonal to both, with eigenvalue 1 / (1 + k |z|) where k is the boundary's curvature along q:
// for a boundary g = 0, k |z| = nu q'(D^2 g) q with z = -nu grad g(p). Takes the unit vectors along
// z and p, and d and 1 - d along q.
DEVICE Spectrum boundary_spectrum(Triple z, Triple p, double d, double complement) {
    ThreeRows basis = {{z, p, cross(z, p)}};
    return {basis, {{0.0, 1.0, d}}, {{1.0, 0.0, complement}}, BOUNDARY_DELTA};
}

// Where mu mu~ - 1 is below this (mu mu~ >= 1, with equality on the central path) the differences d
// and b below are mostly rounding errors. H differs from mu H* by about the root of this,
// relatively.
#define CENTRAL_EXCESS 1e-10

// The rows b of a root of the scaling at (s, z), H = sum b b': Tuncel's primal-dual scaling, which
// Goulart and Chen write for three dimensions as
//   H = s s'/<s,z> + d d'/<d,b> + t a a',   d = s - mu s~,  b = z - mu z~,  mu = <s,z>/3,
// with the shadows s~ = -grad f*(z) and z~ of s, and a orthogonal to z and z~. Then H z = s and
// H z~ = s~. The last term is what the update of mu H* by these two secant equations leaves of it:
// t = mu / (a' (H*)^-1 a). With a root R of H* that is, because R^-1 a is orthogonal to R z and to
// R b,
//   t a a' = mu (R'n)(R'n)',   n = the unit vector along R z x R b,
// which needs no inverse and no difference of large matrices.
//
// Close to the central path H = mu H*; where rounding errors have spoilt the shadows H = `mean` H*,
// with the mean complementarity of all of the cones.
template <class Curved>
LARGE ThreeRows scaling_rows(Curved cone, Triple s, Triple z, double mean) {
    auto at = cone.local(z);
    ThreeRows root = cone.root(at);
    double product = dot(s, z), mu = product * (1.0 / 3.0), inverse = 1.0 / product;
    // The vectors are orthogonal to z or to s; made so once more, they do not bring the rounding
    // errors of the shadows and of R z into H z = s.
    Triple d = along(s, mu, cone.gradient(at));
    d = along(d, -(dot(d, z) * inverse), s);
    Triple b = along(z, -mu, cone.shadow(s));
    b = along(b, -(dot(s, b) * inverse), z);
    double curvature = dot(d, b);
    // mu mu~ - 1.
    double excess = curvature * inverse;
    if (excess > CENTRAL_EXCESS) {
        Triple n = normalized(cross(image(root, z), image(root, b)));
        Triple a = transposed_image(root, n);
        a = along(a, -(dot(a, z) * inverse), s);
        return {{scaled(1.0 / sqrt(product), s), scaled(1.0 / sqrt(curvature), d),
                 scaled(sqrt(mu), a)}};
    }
    double dual = sqrt(fabs(excess) <= CENTRAL_EXCESS ? mu : mean);
    return {{scaled(dual, root.row[0]), scaled(dual, root.row[1]), scaled(dual, root.row[2])}};
}

// (R'R)^-1 x. The columns of R^-1 are cross products of the rows, over the determinant.
DEVICE Triple solve_gram(const ThreeRows& rows, Triple x) {
    Triple a = rows.row[0], b = rows.row[1], c = rows.row[2];
    ThreeRows columns = {{cross(b, c), cross(c, a), cross(a, b)}};
    double inverse = 1.0 / dot(a, columns.row[0]);
    Triple y = scaled(inverse, image(columns, x));
    return scaled(inverse, transposed_image(columns, y));
}

// c = s + target grad f*(z) - 1/2 D^3 f*(z)[dz, (H*)^-1 ds] with the affine step (ds, dz): Dahl and
// Andersen, section 6.
template <class Curved>
LARGE Triple combined_constant_of(Curved cone, Triple s, Triple z, Triple ds, Triple dz,
                                  double target) {
    auto at = cone.local(z);
    Triple pulled = solve_gram(cone.root(at), ds);
    Triple correction = cone.third(at, dz, pulled);
    return along(along(s, target, cone.gradient(at)), -0.5, correction);
}

// The first of the steps `limit`, 0.8 `limit`, ... that is inside; zero where a hundred are not, or
// where a number is not finite.
template <class Curved>
LARGE double step_length_of(Curved cone, Triple s, Triple z, Triple ds, Triple dz,
                            double limit) {
    double size = fabs(limit) + fabs(ds.at[0]) + fabs(ds.at[1]) + fabs(ds.at[2]);
    size += fabs(dz.at[0]) + fabs(dz.at[1]) + fabs(dz.at[2]);
    if (!(size < INFINITE_NUMBER)) return 0.0;
    double step = limit;
    UNROLL(1)
    for (int k = 0; k < 100; k++) {
        if (cone.inside_primal(along(s, step, ds)) && cone.inside_dual(along(z, step, dz))) {
            return step;
        }
        step *= 0.8;
    }
    return 0.0;
}

// Rotates two rows so that they become orthogonal, where they are not; true there.
DEVICE bool rotate_rows(Triple& x, Triple& y) {
    double a = dot(x, x), b = dot(y, y), c = dot(x, y);
    // The square of the cosine that counts as orthogonal.
    if (!(c * c > 4e-31 * a * b)) return false;
    // tan of the angle: the smaller root of t^2 + 2 w t - 1.
    double w = (b - a) / (c + c);
    double size = 1.0 / (fabs(w) + sqrt(fma(w, w, 1.0)));
    double t = w < 0.0 ? -size : size, cosine = 1.0 / sqrt(fma(t, t, 1.0));
    Triple turned = scaled(cosine, along(x, -t, y));
    y = scaled(cosine, along(y, t, x));
    x = turned;
    return true;
}

// Rows with the same R'R that are orthogonal: its eigenvectors, with lengths the roots of its
// eigenvalues. One-sided Jacobi rotations (Hestenes), which find small eigenvalues as accurately as
// large ones when only the lengths of the rows differ (Demmel and Veselic, 1992). Three to five
// sweeps suffice.
LARGE ThreeRows orthogonal_rows(ThreeRows rows) {
    UNROLL(1)
    for (int sweep = 0; sweep < 12; sweep++) {
        bool skew = rotate_rows(rows.row[0], rows.row[1]);
        skew |= rotate_rows(rows.row[0], rows.row[2]);
        skew |= rotate_rows(rows.row[1], rows.row[2]);
        if (!skew) break;
    }
    return rows;
}

// H = sum `values` u u' over an orthonormal basis.
struct Eigen3 {
    ThreeRows basis;
    Triple values;
};

DEVICE void longer_first(Triple& x, Triple& y) {
    if (!(dot(x, x) >= dot(y, y))) {
        Triple kept = x;
        x = y;
        y = kept;
    }
}

// The axis along which x is shortest.
DEVICE Triple shortest_axis(Triple x) {
    double a = fabs(x.at[0]), b = fabs(x.at[1]), c = fabs(x.at[2]);
    if (a <= b && a <= c) return {{1.0, 0.0, 0.0}};
    return b <= c ? Triple{{0.0, 1.0, 0.0}} : Triple{{0.0, 0.0, 1.0}};
}

// Eigenvectors and eigenvalues, the largest first, of R'R. The basis is one even where rows vanish,
// or are so short that rounding errors give their directions: the longest row gives the first
// vector, the next the second as far as it is orthogonal to that, and their product is the third. A
// number that is not finite makes a value NaN.
LARGE Eigen3 eigen_of_rows(ThreeRows rows) {
    // Rows of order one have squares that neither overflow nor vanish.
    double unit = unit_of({{unit_of(rows.row[0]), unit_of(rows.row[1]), unit_of(rows.row[2])}});
    for (int k = 0; k < 3; k++) rows.row[k] = scaled(1.0 / unit, rows.row[k]);
    rows = orthogonal_rows(rows);
    longer_first(rows.row[0], rows.row[1]);
    longer_first(rows.row[0], rows.row[2]);
    longer_first(rows.row[1], rows.row[2]);
    double first = dot(rows.row[0], rows.row[0]), second = dot(rows.row[1], rows.row[1]);
    double third = dot(rows.row[2], rows.row[2]);
    Triple values = {{first * unit * unit, second * unit * unit, third * unit * unit}};

    Triple u = {{1.0, 0.0, 0.0}};
    if (first > 0.0 && first < INFINITE_NUMBER) u = normalized(rows.row[0]);
    Triple v = along(rows.row[1], -dot(u, rows.row[1]), u);
    double kept = dot(v, v);
    // Too short for its square, or along u but for rounding errors.
    if (!(kept > 0.25 * second && second > 1e-280)) {
        v = shortest_axis(u);
        v = along(v, -dot(u, v), u);
    }
    v = normalized(v);
    return {{{u, v, cross(u, v)}}, values};
}
