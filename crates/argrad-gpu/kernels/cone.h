// Curved cones: where each has its rows, its basis and its other numbers, and how vectors and
// matrices are turned into the bases.
//
// At a point (s, z) the block H of a cone, or at v the derivative D of the projection onto it, is
//   H = V h V',   D = V d V'
// with an orthonormal V and a diagonal h or d. The system is solved for V'z with V'A in place of A:
// there every row is eliminated by itself, as one of an inequality is, with as exact a weight in
// steep directions as in flat ones. Solutions are turned back.
#pragma once
#include "products.h"
#include "three_dimensional.h"

enum ConeKind { SECOND_ORDER, PSD_TRIANGLE, EXPONENTIAL, POWER };

// Numbers of a cone in the list: kind, first row, dimension or side, places of basis and data.
// Rust: src/patterns.rs.
#define CONE_FIELDS 5
// The largest side of a semidefinite cone: a column of it is in registers. Rust: src/patterns.rs.
#define MOST_SIDE 16
#define ROOT_HALF 0.70710678118654752

struct Cone {
    int kind, row, dim, side;
    // Second-order: the unit vector of the axis. Three-dimensional and semidefinite: the rows of
    // the orthogonal matrix.
    double *basis, *data, exponent;
};

DEVICE Cone cone_of(const Problem& p, int c) {
    const int* fields = p.cone_list + CONE_FIELDS * c;
    int kind = fields[0], size = fields[2];
    int dim = kind == PSD_TRIANGLE ? size * (size + 1) / 2 : size;
    return {kind, fields[1], dim, size, p.basis + fields[3], p.data + fields[4], p.exponents[c]};
}

DEVICE Triple triple_at(const double* x) { return {{x[0], x[1], x[2]}}; }

DEVICE void write_triple(Triple x, double* to) {
    for (int i = 0; i < 3; i++) to[i] = x.at[i];
}

// V'x of a second-order cone, in place or not. The eigenvectors are (1, +-axis) / sqrt 2, and those
// that Householder's reflection along axis +- e makes of the axes after the first.
DEVICE void turn_second_order(const Cone& cone, const double* from, double* to) {
    const double* axis = cone.basis;
    int n = cone.dim - 1;
    double t = from[0], along = dot(n, axis, from + 1);
    double sign = axis[0] < 0.0 ? -1.0 : 1.0;
    double share = (along + sign * from[1]) / (1.0 + fabs(axis[0]));
    to[0] = ROOT_HALF * (t + along);
    to[1] = ROOT_HALF * (t - along);
    UNROLL(4)
    for (int k = 1; k < n; k++) to[k + 1] = fma(-share, axis[k], from[k + 1]);
}

// V x of a second-order cone, in place or not.
DEVICE void turn_back_second_order(const Cone& cone, const double* from, double* to) {
    const double* axis = cone.basis;
    int n = cone.dim - 1;
    double t = ROOT_HALF * (from[0] + from[1]), along = ROOT_HALF * (from[0] - from[1]);
    double sign = axis[0] < 0.0 ? -1.0 : 1.0, first = -sign * along;
    double product = fma(axis[0] + sign, first, dot(n - 1, axis + 1, from + 2));
    double share = product / (1.0 + fabs(axis[0]));
    to[0] = t;
    to[1] = fma(-share, axis[0] + sign, first);
    UNROLL(4)
    for (int k = 1; k < n; k++) to[k + 1] = fma(-share, axis[k], from[k + 1]);
}

// Those of a three-dimensional cone.
DEVICE void turn_triple(const Cone& cone, const double* from, double* to) {
    Triple x = triple_at(from);
    for (int i = 0; i < 3; i++) to[i] = dot(triple_at(cone.basis + 3 * i), x);
}

DEVICE void turn_back_triple(const Cone& cone, const double* from, double* to) {
    Triple x = triple_at(from);
    for (int i = 0; i < 3; i++) {
        to[i] = fma(cone.basis[i], x.at[0],
                    fma(cone.basis[3 + i], x.at[1], cone.basis[6 + i] * x.at[2]));
    }
}

// The part of an eigenvalue a of v that is s: its positive part, or s with s - mu / s = a, without
// cancellation; s + z; and the derivative.
struct Share {
    double s, size, d;
};

DEVICE Share share_of(double a, double mu) {
    if (mu > 0.0) {
        double root = sqrt(fma(a, a, 4.0 * mu)), large = 0.5 * (fabs(a) + root);
        double s = a >= 0.0 ? large : mu / large;
        return {s, root, s / root};
    }
    // Not a comparison that NaN fulfils: it stays.
    return {a <= 0.0 ? 0.0 : a, fabs(a), a > 0.0 ? 1.0 : 0.0};
}

// Place of entry (i, j), i <= j, of a symmetric matrix in the vector of its cone, which has
// off-diagonal entries times sqrt 2.
DEVICE int place_of(int i, int j) { return j * (j + 1) / 2 + i; }

// Entry (i, j) of the matrix.
DEVICE double entry_of(const double* vector, int i, int j) {
    if (i == j) return vector[place_of(i, i)];
    return ROOT_HALF * vector[i < j ? place_of(i, j) : place_of(j, i)];
}

// Column b of Q X Q', down to the diagonal, for the rows q of Q; or, `is_back`, of Q'X Q.
DEVICE void turn_psd_column(const Cone& cone, bool is_back, const double* from, double* to, int b) {
    int side = cone.side;
    int by_row = is_back ? 1 : side, by_column = is_back ? side : 1;
    const double* q = cone.basis;
    double column[MOST_SIDE];
    for (int i = 0; i < side; i++) {
        double sum = 0.0;
        UNROLL(1)
        for (int j = 0; j < side; j++) {
            sum = fma(entry_of(from, i, j), q[b * by_row + j * by_column], sum);
        }
        column[i] = sum;
    }
    for (int a = 0; a <= b; a++) {
        double sum = 0.0;
        UNROLL(1)
        for (int i = 0; i < side; i++) sum = fma(q[a * by_row + i * by_column], column[i], sum);
        to[place_of(a, b)] = a == b ? sum : sum / ROOT_HALF;
    }
}

// V'x, or V x, of one cone; of a semidefinite one part b of `turn_parts`.
DEVICE void turn_part(const Cone& cone, bool is_back, const double* from, double* to, int b) {
    if (cone.kind == PSD_TRIANGLE) {
        turn_psd_column(cone, is_back, from, to, b);
    } else if (cone.kind != SECOND_ORDER) {
        is_back ? turn_back_triple(cone, from, to) : turn_triple(cone, from, to);
    } else {
        is_back ? turn_back_second_order(cone, from, to) : turn_second_order(cone, from, to);
    }
}

DEVICE int turn_parts(const Cone& cone) { return cone.kind == PSD_TRIANGLE ? cone.side : 1; }

// A vector over the rows, in place.
LARGE void turn_vector(const Problem& p, bool is_back, double* x) {
    SYNC();
    EACH(i, p.m) p.turning[i] = x[i];
    SYNC();
    UNROLL(1)
    for (int c = 0; c < p.cones; c++) {
        Cone cone = cone_of(p, c);
        EACH(b, turn_parts(cone)) {
            turn_part(cone, is_back, p.turning + cone.row, x + cone.row, b);
        }
    }
    SYNC();
}

// x becomes V'x; and back.
DEVICE void turn(const Problem& p, double* x) {
    if (CURVED && p.cones > 0) turn_vector(p, false, x);
}

DEVICE void turn_back(const Problem& p, double* x) {
    if (CURVED && p.cones > 0) turn_vector(p, true, x);
}

// The rows of A that no basis changes, into the turned matrix.
LARGE void copy_rows(const Problem& p) {
    if (!CURVED || p.cones == 0) return;
    EACH(k, p.matrix_len) p.turned[k] = p.a[k];
    SYNC();
}

// V'A.
LARGE void turn_rows(const Problem& p) {
    if (!CURVED || p.cones == 0) return;
    SYNC();
    UNROLL(1)
    for (int c = 0; c < p.cones; c++) {
        Cone cone = cone_of(p, c);
        int parts = turn_parts(cone), columns = p.n;
        const int* firsts = nullptr;
        if (IS_SPARSE(p)) {
            firsts = p.lists.cone_first + p.lists.cone_start[c];
            columns = p.lists.cone_start[c + 1] - p.lists.cone_start[c];
        }
        EACH(k, parts * columns) {
            int column = k / parts;
            int first = IS_SPARSE(p) ? firsts[column] : column * p.a_ld + cone.row;
            turn_part(cone, false, p.a + first, p.turned + first, k % parts);
        }
    }
    SYNC();
}
