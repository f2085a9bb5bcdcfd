// The linear system that interior point, polish and derivative share, condensed to the variables.
//
//   [ P   A' ] [dx]   [r1]       H: s / z, or d / (1 - d) for the derivative d of the projection:
//   [ A  -H  ] [dz] = [r2]       zero for rows that hold, FREE for those that do not
//
// All of this is the turned system (problem.h), in which H is diagonal also for curved cones: A is
// V'A, and r2 and dz are in the bases of the cones.
//
// With `regularization` added to P and H, elimination of the rows leaves a positive definite matrix
//   (P + e + A'W A) dx = r1 + A'W r2,   dz = W (A dx - r2),   W = (H + d)^-1.
// CPU counterparts: argrad-solver/src/system/kkt/mod.rs (which eliminates the same rows first),
// system/shared/active.rs.
#pragma once
#include "cholesky.h"
#include "cone.h"

#define FREE 1e30

// Added to the diagonal of P, and to that of H.
struct Regularization {
    double of_x, of_z;
};

DEVICE Regularization usual() { return {1e-8, 1e-8}; }
// For the interior point, whose steps need fewer digits: an equality weighs 1e6, so that the
// rounding errors of its square, 1e-10, stay below the regularization of P, whatever P is. With
// 1e-8 for both, one of a hundred unbounded programs found no certificate.
DEVICE Regularization of_interior_point() { return {1e-8, 1e-6}; }
// For systems that are regular, though P (with what the rows add to it) nearly is not.
DEVICE Regularization close_in_x() { return {1e-12, 1e-5}; }

// Adds A'W A to the lower triangle, where A is sparse: a thread an entry.
DEVICE void add_listed_products(const Problem& p, Rows a) {
    const Lists& lists = p.lists;
    const double* weight = resident(p.weight);
    EACH(k, p.fill_len) {
        double sum = 0.0;
        UNROLL(2)
        for (int t = lists.fill_start[k]; t < lists.fill_start[k + 1]; t++) {
            double first = weight[lists.term_row[t]] * a.entry(lists.term_first[t]);
            sum = fma(first, a.entry(lists.term_second[t]), sum);
        }
        p.l(lists.fill_row[k], lists.fill_column[k]) += sum;
    }
}

// Assembles the matrix, with its diagonal in `p.work` too. `p.weight` holds the H of the rows, and
// then their weights.
DEVICE void assemble(const Problem& p, Regularization regularization) {
    double *weight = resident(p.weight), *work = resident(p.work);
    SYNC();
    EACH(i, p.m) weight[i] = 1.0 / (weight[i] + regularization.of_z);
    for_triangle(p.n, [&](int, int i, int j) { p.l(i, j) = p.p(j, i); });
    SYNC();
    Rows a = p.turned_rows();
    if (IS_SPARSE(p)) {
        add_listed_products(p, a);
    } else {
        add_outer_products(
            p, 0, p.m, [&](int j, int i) { return a.at(i, j); },
            [&](int i) { return weight[i]; });
    }
    SYNC();
    EACH(j, p.n) {
        double entry = p.l(j, j) + regularization.of_x;
        p.l(j, j) = entry;
        work[j] = entry;
    }
    SYNC();
}

// Assembles the matrix and factors it.
LARGE Pivots factor_system(const Problem& given, Regularization regularization) {
    const Problem p = given;
    assemble(p, regularization);
    return factor_matrix(given, p.work, true);
}

// Solves for `count` right-hand sides, one or two, vectors over x and then z one after the other.
LARGE void solve_system(const Problem& given, int count, const double* rhs, double* solution) {
    const Problem p = given;
    double *weight = resident(p.weight), *work = resident(p.work);
    int len = p.n + p.m, stride = 2 * p.n;
    Rows a = p.turned_rows();
    SYNC();
    EACH(k, count * p.m) {
        int r = second(k, p.m), i = k - r * p.m;
        solution[r * len + p.n + i] = weight[i] * rhs[r * len + p.n + i];
    }
    SYNC();
    EACH(k, count * p.n) {
        int r = second(k, p.n), j = k - r * p.n;
        const double* weighted = solution + r * len + p.n;
        work[r * stride + j] = rhs[r * len + j] + a_column(p, a, weighted, j);
    }
    solve_matrix(given, count);
    EACH(k, count * len) {
        int r = second(k, len), i = k - r * len - p.n;
        const double* x = work + r * stride;
        if (i < 0) {
            solution[k] = x[i + p.n];
        } else {
            solution[k] = weight[i] * (a_row(p, a, x, i) - rhs[k]);
        }
    }
    SYNC();
}

// H of a row where the derivative of the projection is d.
DEVICE double block_of(double d) {
    return d >= 1.0 ? FREE : d > 0.0 ? smaller(d / (1.0 - d), FREE) : 0.0;
}

// The factor with the H of the projection at v.
DEVICE Pivots factor_at_projection(const Problem& p, Regularization regularization) {
    EACH(i, p.m) p.weight[i] = block_of(p.inside[i]);
    if (CURVED && p.cones > 0) {
        EACH(i, p.m) p.factored_v[i] = p.v[i];
        turn_rows(p);
    }
    return factor_system(p, regularization);
}
