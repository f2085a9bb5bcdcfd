// Products with P, A and A'. CPU counterpart: argrad-solver/src/linalg/lanes/blocks.rs.
#pragma once
#include "rows.h"

// The sum of `count` products, four at a time.
template <class Product>
DEVICE double sum_of(int count, Product product) {
    double sum[4] = {};
    int k = 0;
    UNROLL(1)
    for (; k + 3 < count; k += 4) {
        for (int l = 0; l < 4; l++) sum[l] = product(k + l, sum[l]);
    }
    UNROLL(1)
    for (; k < count; k++) sum[0] = product(k, sum[0]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Row j of Px.
DEVICE double p_row(const Problem& p, const double* x, int j) {
    double above = sum_of(j, [&](int i, double sum) { return fma(p.p(i, j), x[i], sum); });
    double below =
        sum_of(p.n - j, [&](int i, double sum) { return fma(p.p(j, j + i), x[j + i], sum); });
    return above + below;
}

// x'y
DEVICE double dot(int count, const double* x, const double* y) {
    return sum_of(count, [&](int k, double sum) { return fma(x[k], y[k], sum); });
}

// Row i of Ax.
DEVICE double a_row(const Problem& p, Rows a, const double* x, int i) {
    if (IS_SPARSE(p)) {
        const int *start = p.lists.row_start + i, *entry = p.lists.row_entry + start[0];
        const int* column = p.lists.row_column + start[0];
        return sum_of(start[1] - start[0], [&](int k, double sum) {
            return fma(a.entry(entry[k]), x[column[k]], sum);
        });
    }
    return sum_of(p.n, [&](int j, double sum) { return fma(a.at(i, j), x[j], sum); });
}

// Row j of A'z.
DEVICE double a_column(const Problem& p, Rows a, const double* z, int j) {
    if (IS_SPARSE(p)) {
        const int* start = p.lists.column_start + j;
        int first = start[0];
        const int* row = p.lists.entry_row + first;
        return sum_of(start[1] - first, [&](int k, double sum) {
            return fma(a.entry(first + k), z[row[k]], sum);
        });
    }
    return sum_of(p.m, [&](int i, double sum) { return fma(a.at(i, j), z[i], sum); });
}

// px = Px, ax = Ax, atz = A'z, with the A of the program or the turned one.
LARGE void multiply(const Problem& p, Rows a, const double* x, const double* z) {
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
