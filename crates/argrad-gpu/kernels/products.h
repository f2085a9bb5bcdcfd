// Products with P, A and A'. CPU counterpart: argrad-solver/src/linalg/lanes/blocks.rs.
#pragma once
#include "rows.h"

// Row j of Px.
DEVICE double p_row(const Problem& p, const double* x, int j) {
    const double *column = &p.p(0, j), *row = &p.p(j, j), *rest = x + j;
    double above = sum_of_products(
        j, [&](int i) { return column[i]; }, [&](int i) { return x[i]; });
    double below = sum_of_products(
        p.n - j, [&](int i) { return row[i * p.square_ld]; }, [&](int i) { return rest[i]; });
    return above + below;
}

// x'y
DEVICE double dot(int count, const double* x, const double* y) {
    return sum_of_products(
        count, [&](int k) { return x[k]; }, [&](int k) { return y[k]; });
}

// Row i of Ax.
DEVICE double a_row(const Problem& p, Rows a, const double* x, int i) {
    if (IS_SPARSE(p)) {
        const int *start = p.lists.row_start + i, *entry = p.lists.row_entry + start[0];
        const int* column = p.lists.row_column + start[0];
        return sum_of_products(
            start[1] - start[0], [&](int k) { return a.entry(entry[k]); },
            [&](int k) { return x[column[k]]; });
    }
    const double* row = &a.at(i, 0);
    return sum_of_products(
        p.n, [&](int j) { return row[j * a.ld]; }, [&](int j) { return x[j]; });
}

// Row j of A'z.
DEVICE double a_column(const Problem& p, Rows a, const double* z, int j) {
    if (IS_SPARSE(p)) {
        const int* start = p.lists.column_start + j;
        int first = start[0];
        const int* row = p.lists.entry_row + first;
        return sum_of_products(
            start[1] - first, [&](int k) { return a.entry(first + k); },
            [&](int k) { return z[row[k]]; });
    }
    const double* column = &a.at(0, j);
    return sum_of_products(
        p.m, [&](int i) { return column[i]; }, [&](int i) { return z[i]; });
}

// px = Px, ax = Ax, atz = A'z, with the A of the program or the turned one.
LARGE void multiply(const Problem& given, Rows a, const double* x, const double* z) {
    const Problem p = given;
    SYNC();
    EACH(k, 2 * p.n + p.m) {
        if (k < p.n) {
            p.px[k] = p.p_len > 0 ? p_row(p, x, k) : 0.0;
        } else if (k < 2 * p.n) {
            p.atz[k - p.n] = a_column(p, a, z, k - p.n);
        } else {
            p.ax[k - 2 * p.n] = a_row(p, a, x, k - 2 * p.n);
        }
    }
    SYNC();
}
