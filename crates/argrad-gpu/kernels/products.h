// Products with P, A and A'. CPU counterpart: argrad-solver/src/linalg/lanes/blocks.rs.
#pragma once
#include "problem.h"

// Row j of Px.
DEVICE double p_row(const Problem& p, const double* x, int j) {
    double sum = 0.0;
    for (int i = 0; i < j; i++) sum = fma(p.p(i, j), x[i], sum);
    for (int i = j; i < p.n; i++) sum = fma(p.p(j, i), x[i], sum);
    return sum;
}

// Row i of Ax.
DEVICE double a_row(const Problem& p, const double* x, int i) {
    double even = 0.0, odd = 0.0;
    int j = 0;
    for (; j + 1 < p.n; j += 2) {
        even = fma(p.at(i, j), x[j], even);
        odd = fma(p.at(i, j + 1), x[j + 1], odd);
    }
    if (j < p.n) even = fma(p.at(i, j), x[j], even);
    return even + odd;
}

// Row j of A'z.
DEVICE double a_column(const Problem& p, const double* z, int j) {
    double even = 0.0, odd = 0.0;
    int i = 0;
    for (; i + 1 < p.m; i += 2) {
        even = fma(p.at(i, j), z[i], even);
        odd = fma(p.at(i + 1, j), z[i + 1], odd);
    }
    if (i < p.m) even = fma(p.at(i, j), z[i], even);
    return even + odd;
}

// px = Px, ax = Ax, atz = A'z.
LARGE void multiply(const Problem& p, const double* x, const double* z) {
    SYNC();
    EACH(k, 2 * p.n + p.m) {
        if (k < p.n) {
            p.px[k] = p.p_len > 0 ? p_row(p, x, k) : 0.0;
        } else if (k < 2 * p.n) {
            p.atz[k - p.n] = a_column(p, z, k - p.n);
        } else {
            p.ax[k - 2 * p.n] = a_row(p, x, k - 2 * p.n);
        }
    }
    SYNC();
}
