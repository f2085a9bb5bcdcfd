// LDL' of the symmetric positive definite matrix in the lower triangle, in panels of columns.
//
// A panel's diagonal block is factored with one SYNC a column, and its unit lower triangle
// inverted. The rows below it are kept times that inverse, so that a solve takes from them what it
// knows of a panel without substituting within it: it has two SYNCs, and two more for every panel
// but one. CPU counterpart: argrad-solver/src/linalg/lanes/factor.rs, solve.rs.
#pragma once
#include "problem.h"

// Rows and columns of a register tile. Of larger ones a block of 256 threads needs only one round,
// up to 110 variables.
#if defined(__CUDACC__) && THREADS == 256
#define TILE 5
#else
#define TILE 4
#endif
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

// Threads that share a row of a diagonal block, entries of it that each has, and how many of these
// it reads at once.
#if defined(__CUDACC__)
#define STRIPES (THREADS / PANEL)
#else
#define STRIPES PANEL
#endif
#define SHARE (PANEL / STRIPES)
#define AT_A_TIME (SHARE < 4 ? SHARE : 4)

// Factors diagonal block `panel`: the pivots, on its diagonal, and the inverse of the unit lower
// triangle, by the same elimination of the identity: where one has done with a column, the other
// begins. The triangle itself is not needed. `diagonal` is that of the matrix.
DEVICE void factor_diagonal_block(const Problem& p, int panel, int width, const double* diagonal,
                                  bool is_replacing, Pivots& pivots) {
    int first = panel * PANEL;
    double* inverses = resident(p.pivot);
    EACH(k, PANEL * PANEL) {
        int i = (unsigned)k % PANEL, j = (unsigned)k / PANEL;
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
        // A thread has every STRIPES-th entry of a row: of the triangle behind column c, of the
        // inverse up to it. The first of them are read before the division, which takes as long.
        EACH(k, PANEL * STRIPES) {
            int i = (unsigned)k % PANEL, stripe = (unsigned)k / PANEL;
            bool below = i > c && i < width;
            double of_row = below ? p.l(first + i, first + c) : 0.0, inverse = 0.0;
            READ_NOW(of_row);
            UNROLL(SHARE / AT_A_TIME)
            for (int begin = 0; begin < SHARE; begin += AT_A_TIME) {
                double before[AT_A_TIME], right[AT_A_TIME], *entry[AT_A_TIME];
                UNROLL(AT_A_TIME)
                for (int t = 0; t < AT_A_TIME; t++) {
                    int j = stripe + (begin + t) * STRIPES;
                    bool own = below && j <= i;
                    entry[t] = j > c ? &p.l(first + i, first + j) : &p.block(panel, i, j);
                    double* by = j > c ? &p.l(first + j, first + c) : &p.block(panel, c, j);
                    before[t] = own ? *entry[t] : 0.0;
                    right[t] = own && j != c ? *by : 1.0;
                    READ_NOW(before[t]);
                    READ_NOW(right[t]);
                }
                if (begin == 0) inverse = 1.0 / pivot;
                UNROLL(AT_A_TIME)
                for (int t = 0; t < AT_A_TIME; t++) {
                    int j = stripe + (begin + t) * STRIPES;
                    if (below && j <= i) *entry[t] = fma(-(of_row * inverse), right[t], before[t]);
                }
            }
            if (k == 0) inverses[first + c] = inverse;
        }
        SYNC();
    }
    // Those that were replaced are not there yet. Nothing reads them before the next SYNC.
    EACH(c, PANEL) {
        if (c < width) p.l(first + c, first + c) = 1.0 / inverses[first + c];
    }
}

// Rows below the diagonal block: those of the unit lower triangle.
DEVICE void solve_panel(const Problem& p, int panel, int width) {
    int first = panel * PANEL, end = first + width;
    const double* inverse = resident(p.pivot);
    EACH(k, p.n - end) {
        int i = end + k;
        // Sixteen sums at a time, none of which waits for another.
        double row[PANEL], sum[PANEL] = {}, *entries = &p.l(i, first);
        const double* block = &p.block(panel, 0, 0);
        UNROLL(PANEL)
        for (int c = 0; c < PANEL; c++) row[c] = entries[c * p.square_ld];
        UNROLL(PANEL)
        for (int d = 0; d < PANEL; d++) {
            UNROLL(PANEL)
            for (int c = d; c < PANEL; c++) sum[c] = fma(row[d], block[d * PANEL + c], sum[c]);
        }
        UNROLL(PANEL)
        for (int c = 0; c < PANEL; c++) entries[c * p.square_ld] = sum[c] * inverse[first + c];
    }
    SYNC();
}

// All rows below diagonal blocks times the inverses of the unit lower triangles there.
DEVICE void multiply_by_inverses(const Problem& p) {
    EACH(k, (int)panels(p.n) * p.n) {
        int panel = k / p.n, i = k - panel * p.n, first = panel * PANEL;
        if (i < first + PANEL) continue;
        double row[PANEL], sum[PANEL], *entries = &p.l(i, first);
        const double* block = &p.block(panel, 0, 0);
        UNROLL(PANEL)
        for (int c = 0; c < PANEL; c++) sum[c] = row[c] = entries[c * p.square_ld];
        UNROLL(PANEL)
        for (int c = 1; c < PANEL; c++) {
            UNROLL(PANEL)
            for (int d = 0; d < c; d++) sum[d] = fma(row[c], block[d * PANEL + c], sum[d]);
        }
        UNROLL(PANEL)
        for (int d = 0; d < PANEL; d++) entries[d * p.square_ld] = sum[d];
    }
    SYNC();
}

// Factors the matrix in the lower triangle, whose diagonal is also in `diagonal`. Where
// `is_replacing`, pivots that are rounding errors are replaced; else those that are not positive,
// by one: what follows then means nothing.
LARGE Pivots factor_matrix(const Problem& given, double* diagonal, bool is_replacing) {
    const Problem p = given;
    Pivots pivots = {INFINITE_NUMBER, 0};
    for (int panel = 0; panel * PANEL < p.n; panel++) {
        int first = panel * PANEL, width = p.n - first < PANEL ? p.n - first : PANEL;
        factor_diagonal_block(p, panel, width, resident(diagonal), is_replacing, pivots);
        if (first + width == p.n) break;
        solve_panel(p, panel, width);
        add_outer_products(
            p, first + width, width, [&](int i, int c) { return p.l(i, first + c); },
            [&](int c) { return -p.l(first + c, first + c); });
        SYNC();
    }
    multiply_by_inverses(p);
    return pivots;
}

// Entry (i, j), i >= j, of what solves need of a factor, in place of the triangle.
DEVICE double& factor_entry(const Problem& p, int i, int j) {
    int panel = (unsigned)j / PANEL, first = panel * PANEL;
    return i < first + PANEL ? p.block(panel, i - first, j - first) : p.l(i, j);
}

// body(k, i, j) for every entry, i >= j, of a triangle of this order, with its place k in a list of
// its columns.
template <class Body>
DEVICE void for_triangle(int n, Body body) {
    EACH(k, n * n) {
        int j = k / n, i = k - j * n;
        if (i >= j) body(j * (2 * n - j + 1) / 2 + i - j, i, j);
    }
}

// The number of the vector, zero or one, that holds entry k of two of length n: cheaper than k / n.
DEVICE int second(int k, int n) { return k >= n ? 1 : 0; }

// Solves for `count` right-hand sides, one or two, in `p.work`, 2 n numbers each, of which the last
// n are scratch.
LARGE void solve_matrix(const Problem& given, int count) {
    const Problem p = given;
    double *both = resident(p.work), *inverse = resident(p.pivot);
    int stride = 2 * p.n, last = (int)panels(p.n) - 1;
    SYNC();
    for (int panel = 0; panel < last; panel++) {
        int first = panel * PANEL, end = first + PANEL, below = p.n - end;
        EACH(k, count * below) {
            int r = second(k, below), i = end + k - r * below;
            double* work = both + r * stride;
            const double *row = &p.l(i, first), *of_panel = work + first;
            work[i] -= sum_of_products(
                PANEL, [&](int c) { return row[c * p.square_ld]; },
                [&](int c) { return of_panel[c]; });
        }
        SYNC();
    }
    // Within the panels, forth, and back.
    EACH(k, count * p.n) {
        int r = second(k, p.n), j = k - r * p.n;
        int panel = (unsigned)j / PANEL, i = (unsigned)j % PANEL;
        double* work = both + r * stride;
        const double *row = &p.block(panel, i, 0), *of_panel = work + j - i;
        double sum = sum_of_products(
            i + 1, [&](int c) { return row[c * PANEL]; }, [&](int c) { return of_panel[c]; });
        work[p.n + j] = sum * inverse[j];
    }
    SYNC();
    EACH(k, count * p.n) {
        int r = second(k, p.n), j = k - r * p.n;
        int panel = (unsigned)j / PANEL, c = (unsigned)j % PANEL;
        int first = j - c, width = p.n - first < PANEL ? p.n - first : PANEL;
        double* work = both + r * stride;
        const double *column = &p.block(panel, c, c), *of_panel = work + p.n + j;
        work[j] = sum_of_products(
            width - c, [&](int i) { return column[i]; }, [&](int i) { return of_panel[i]; });
    }
    SYNC();
    for (int panel = last; panel > 0; panel--) {
        int first = panel * PANEL, width = p.n - first < PANEL ? p.n - first : PANEL;
        EACH(k, count * first) {
            int r = second(k, first), j = k - r * first;
            double* work = both + r * stride;
            const double *column = &p.l(first, j), *of_panel = work + first;
            work[j] -= sum_of_products(
                width, [&](int c) { return column[c]; }, [&](int c) { return of_panel[c]; });
        }
        SYNC();
    }
}
