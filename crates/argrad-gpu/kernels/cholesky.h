// LDL' of the symmetric positive definite matrix in the lower triangle, in panels of columns.
//
// A panel's diagonal block is factored with one SYNC a column and inverted, so that the rows below
// it, and later every solve, multiply by that inverse instead of substituting entry by entry. CPU
// counterpart: argrad-solver/src/linalg/lanes/factor.rs, solve.rs.
#pragma once
#include "problem.h"

// Rows and columns of a register tile.
#define TILE 4
// A pivot below this share of the diagonal entry that it is left of is rounding error, and replaced
// by that share. CPU: system/shared/active.rs.
#define PIVOT_ROUNDING (64.0 * 2.220446049250313e-16)

// What became of the pivots.
struct Pivots {
    double least;
    int replaced;
};

// Pair number t of pairs a >= b, row by row.
DEVICE void pair_of(int t, int& a, int& b) {
    a = (int)((sqrt(8.0f * (float)t + 1.0f) - 1.0f) * 0.5f);
    while (a * (a + 1) / 2 > t) a--;
    while ((a + 1) * (a + 2) / 2 <= t) a++;
    b = t - a * (a + 1) / 2;
}

// Adds `scale(c) left(c) right(c)', c < depth, to the lower triangle of rows and columns from
// `first` on, in register tiles. The rows of a tile lie `tiles` apart, so that neighbouring threads
// read neighbouring entries.
template <class Entry, class Scale>
DEVICE void add_outer_products(const Problem& p, int first, int depth, Entry entry, Scale scale) {
    int order = p.n - first, tiles = (order + TILE - 1) / TILE;
    EACH(t, tiles * (tiles + 1) / 2) {
        int a, b;
        pair_of(t, a, b);
        double sum[TILE][TILE] = {};
        int row[TILE], column[TILE];
        for (int k = 0; k < TILE; k++) {
            // What is beyond the matrix repeats its last row.
            row[k] = first + (a + tiles * k < order ? a + tiles * k : order - 1);
            column[k] = first + (b + tiles * k < order ? b + tiles * k : order - 1);
        }
        for (int c = 0; c < depth; c++) {
            double left[TILE], right[TILE], factor = scale(c);
            for (int k = 0; k < TILE; k++) left[k] = factor * entry(row[k], c);
            for (int k = 0; k < TILE; k++) right[k] = entry(column[k], c);
            for (int k = 0; k < TILE; k++) {
                for (int l = 0; l < TILE; l++) sum[k][l] = fma(left[k], right[l], sum[k][l]);
            }
        }
        for (int k = 0; k < TILE; k++) {
            for (int l = 0; l < TILE; l++) {
                bool inside = a + tiles * k < order && b + tiles * l < order;
                if (!inside || (a == b && k < l)) continue;
                int i = row[k] > column[l] ? row[k] : column[l];
                int j = row[k] > column[l] ? column[l] : row[k];
                p.l(i, j) += sum[k][l];
            }
        }
    }
}

// Factors diagonal block `panel` in place: the pivots on the diagonal, the unit lower triangle
// below; and the inverse of that, by the same elimination of the identity: where one has done with
// a column, the other begins. `diagonal` is that of the matrix.
DEVICE void factor_diagonal_block(const Problem& p, int panel, int width, const double* diagonal,
                                  bool is_replacing, Pivots& pivots) {
    int first = panel * PANEL;
    EACH(k, PANEL * PANEL) {
        int i = k % PANEL, j = k / PANEL;
        p.block(panel, i, j) = i == j && i < width ? 1.0 : 0.0;
    }
    for (int c = 0; c < width; c++) {
        double pivot = p.l(first + c, first + c);
        double least = PIVOT_ROUNDING * diagonal[first + c];
        pivots.least = smaller(pivots.least, pivot);
        if (is_nan(pivot)) pivots.least = pivot;
        bool small = !(pivot > least);
        if (small && is_replacing) {
            pivots.replaced++;
            pivot = least;
        } else if (small && !(pivot > 0.0)) {
            pivot = 1.0;
        }
        double inverse = 1.0 / pivot;
        EACH(k, PANEL * width) {
            int i = k % PANEL, j = k / PANEL;
            double share = i > c && i < width ? p.l(first + i, first + c) * inverse : 0.0;
            if (i == c && j == c) p.pivot[first + c] = inverse;
            if (i <= c || i >= width || j > i) continue;
            if (j > c) {
                p.l(first + i, first + j) -= share * p.l(first + j, first + c);
            } else {
                double row = j < c ? p.block(panel, c, j) : 1.0;
                p.block(panel, i, j) = fma(-share, row, p.block(panel, i, j));
            }
        }
        SYNC();
    }
    EACH(k, PANEL * width) {
        int i = k % PANEL, j = k / PANEL;
        if (i == j) p.l(first + j, first + j) = 1.0 / p.pivot[first + j];
        if (i > j && i < width) p.l(first + i, first + j) *= p.pivot[first + j];
    }
    SYNC();
}

// Inverts the unit lower triangles of all diagonal blocks of a factor that was kept: a thread a
// column.
DEVICE void invert_diagonal_blocks(const Problem& p) {
    EACH(k, (int)panels(p.n) * PANEL) {
        int of = k / PANEL, j = k % PANEL, first = of * PANEL;
        int width = p.n - first < PANEL ? p.n - first : PANEL;
        for (int i = 0; i < PANEL; i++) {
            double sum = i == j ? 1.0 : 0.0;
            UNROLL(4)
            for (int c = j; c < i; c++) {
                if (i < width) sum = fma(-p.l(first + i, first + c), p.block(of, c, j), sum);
            }
            p.block(of, i, j) = i < width && j < width ? sum : 0.0;
        }
    }
    SYNC();
}

// Rows below the diagonal block: those of the unit lower triangle.
DEVICE void solve_panel(const Problem& p, int panel, int width) {
    int first = panel * PANEL, end = first + width;
    EACH(k, p.n - end) {
        int i = end + k;
        double row[PANEL];
        UNROLL(PANEL)
        for (int c = 0; c < PANEL; c++) row[c] = c < width ? p.l(i, first + c) : 0.0;
        UNROLL(PANEL)
        for (int c = 0; c < PANEL; c++) {
            double sum = 0.0;
            UNROLL(PANEL)
            for (int d = 0; d <= c; d++) sum = fma(row[d], p.block(panel, c, d), sum);
            if (c < width) p.l(i, first + c) = sum * p.pivot[first + c];
        }
    }
    SYNC();
}

// Factors the matrix in the lower triangle, whose diagonal is also in `diagonal`. Where
// `is_replacing`, pivots that are rounding errors are replaced; else those that are not positive,
// by one: what follows then means nothing.
LARGE Pivots factor_matrix(const Problem& p, const double* diagonal, bool is_replacing) {
    Pivots pivots = {INFINITE_NUMBER, 0};
    for (int panel = 0; panel * PANEL < p.n; panel++) {
        int first = panel * PANEL, width = p.n - first < PANEL ? p.n - first : PANEL;
        factor_diagonal_block(p, panel, width, diagonal, is_replacing, pivots);
        solve_panel(p, panel, width);
        add_outer_products(
            p, first + width, width, [&](int i, int c) { return p.l(i, first + c); },
            [&](int c) { return -p.l(first + c, first + c); });
        SYNC();
    }
    return pivots;
}

// The number of the vector, zero or one, that holds entry k of two of length n: cheaper than k / n.
DEVICE int second(int k, int n) { return k >= n ? 1 : 0; }

// Solves for `count` right-hand sides, one or two, in `p.work`, n + PANEL numbers each, of which
// the last are scratch.
LARGE void solve_matrix(const Problem& p, int count) {
    int stride = p.n + PANEL, panels_of = (int)panels(p.n);
    SYNC();
    for (int panel = 0; panel < panels_of; panel++) {
        int first = panel * PANEL, width = p.n - first < PANEL ? p.n - first : PANEL;
        EACH(k, count * PANEL) {
            double* work = p.work + k / PANEL * stride;
            int i = k % PANEL;
            double sum = 0.0;
            UNROLL(4)
            for (int j = 0; j <= i; j++) {
                if (j < width) sum = fma(p.block(panel, i, j), work[first + j], sum);
            }
            work[p.n + i] = sum;
        }
        SYNC();
        int below = p.n - first - width;
        EACH(k, count * (below + width)) {
            int r = second(k, below + width), i = k - r * (below + width);
            double* work = p.work + r * stride;
            if (i < width) {
                work[first + i] = work[p.n + i];
            } else {
                double sum = work[first + i];
                UNROLL(4)
                for (int c = 0; c < width; c++) {
                    sum = fma(-p.l(first + i, first + c), work[p.n + c], sum);
                }
                work[first + i] = sum;
            }
        }
        SYNC();
    }
    EACH(k, count * p.n) {
        int r = second(k, p.n), j = k - r * p.n;
        p.work[r * stride + j] *= p.pivot[j];
    }
    SYNC();
    for (int panel = panels_of - 1; panel >= 0; panel--) {
        int first = panel * PANEL, width = p.n - first < PANEL ? p.n - first : PANEL;
        EACH(k, count * PANEL) {
            double* work = p.work + k / PANEL * stride;
            int j = k % PANEL;
            double sum = 0.0;
            UNROLL(4)
            for (int i = j; i < PANEL; i++) {
                if (i < width) sum = fma(p.block(panel, i, j), work[first + i], sum);
            }
            work[p.n + j] = sum;
        }
        SYNC();
        EACH(k, count * (first + width)) {
            int r = second(k, first + width), j = k - r * (first + width);
            double* work = p.work + r * stride;
            if (j >= first) {
                work[j] = work[p.n + j - first];
            } else {
                double sum = work[j];
                UNROLL(4)
                for (int c = 0; c < width; c++) {
                    sum = fma(-p.l(first + c, j), work[p.n + c], sum);
                }
                work[j] = sum;
            }
        }
        SYNC();
    }
}
