// Ruiz equilibration by powers of two, with the alignment of rows and columns that are far apart
// and the choice of units. CPU counterparts: argrad-solver/src/solve/equilibrate.rs, alignment.rs.
//
// With x = D x^, s = E^-1 s^, z = E z^ / c the scaled program has P^ = c D P D, q^ = c D q,
// A^ = E A D, b^ = E b.
#pragma once
#include "cones.h"
#include "scales.h"

#define PASSES 12
#define LARGEST_FACTOR 1267650600228229401496703205376.0 /* 2^100 */
// Norms with this ratio are far apart; most turns of the alignment; an entry below this share of
// the norms of its row and its column is the rounding of the others.
#define APART 128.0
#define TURNS 8
#define FAINT 2.220446049250313e-16

// Norms, factors and sums of the columns and rows, in memory that a solve does not need yet.
struct Norms {
    double *column, *row, *column_mean, *row_mean;
};

DEVICE Norms norms_of(const Problem& p) { return {p.px, p.ax, p.atz, p.rows}; }

// The largest entries of A.
LARGE double largest_of_a(const Problem& p) {
    double out[1];
    reduce<1, 0>(p.n, p.scratch, out, [&](int j, double* out) {
        out[0] = max_abs(out[0], column_norm(p, j));
    });
    return out[0];
}

// That of P.
LARGE double largest_of_p(const Problem& p) {
    double out[1];
    reduce<1, 0>(p.n, p.scratch, out, [&](int j, double* out) {
        for (int i = 0; i <= j; i++) out[0] = max_abs(out[0], p.p(i, j));
    });
    return out[0];
}

// Norms of the columns and rows of A: their largest entries. That of a column is at least what the
// diagonal of P makes of it, as a share of the largest.
LARGE void write_norms(const Problem& p, const Norms& norms) {
    SYNC();
    double out[2];
    reduce<2, 0>(p.n, p.scratch, out, [&](int j, double* out) {
        double norm = column_norm(p, j);
        norms.column[j] = norm;
        out[0] = max_abs(out[0], norm);
        out[1] = max_abs(out[1], p.p(j, j));
    });
    double unit = out[1] > 0.0 ? out[0] / sqrt(out[1]) : 0.0;
    EACH(j, p.n) {
        norms.column[j] = larger(norms.column[j], unit * sqrt(fabs(p.p(j, j))));
    }
    EACH(i, p.m) norms.row[i] = row_norm(p, i);
    SYNC();
}

// The geometric mean of entries that are not faint beside both of their norms.
struct Mean {
    double norm, sum, weight;
    MEMBER void add(double entry, double other) {
        double size = fabs(entry);
        if (!(size > FAINT * smaller(norm, other))) return;
        sum += exponent_of(size);
        weight += 1.0;
    }
    // Its exponent; that of the norm where there are none.
    MEMBER double exponent() const {
        if (weight > 0.0) return sum / weight;
        return exponent_of(norm > 0.0 ? norm : 1.0);
    }
};

// Means of rows and columns. Where P has all of its diagonal, the columns have those of their
// norms: there the objective sees each variable.
LARGE void write_means(const Problem& p, const Norms& norms) {
    double seen[1];
    reduce<0, 1>(p.n, p.scratch, seen, [&](int j, double* seen) {
        seen[0] += fabs(p.p(j, j)) > 0.0 ? 1.0 : 0.0;
    });
    bool all_seen = seen[0] >= (double)p.n;
    EACH(j, p.n) {
        Mean mean = {norms.column[j], 0.0, 0.0};
        if (!all_seen) {
            for_column(p, j, [&](int i, double entry) { mean.add(entry, norms.row[i]); });
        }
        norms.column_mean[j] = all_seen ? exponent_of(mean.norm) : mean.exponent();
    }
    EACH(i, p.m) {
        Mean mean = {norms.row[i], 0.0, 0.0};
        for_row(p, i, [&](int j, double entry) { mean.add(entry, norms.column[j]); });
        norms.row_mean[i] = mean.exponent();
    }
    SYNC();
}

// Whether the largest of the norms is much larger than the smallest that is not zero.
LARGE bool far_apart(const Problem& p, int n, const double* norms) {
    double out[2];
    // The inverse of the smallest is the largest of the inverses.
    reduce<2, 0>(n, p.scratch, out, [&](int k, double* out) {
        out[0] = max_abs(out[0], norms[k]);
        if (norms[k] > 0.0) out[1] = max_abs(out[1], 1.0 / norms[k]);
    });
    return out[0] * out[1] > APART;
}

// Whether a factor of `count` is not one.
LARGE bool any_changed(const Problem& p, int count, const double* factors) {
    double out[1];
    reduce<0, 1>(count, p.scratch, out, [&](int k, double* out) {
        out[0] += factors[k] != 1.0 ? 1.0 : 0.0;
    });
    return out[0] > 0.0;
}

LARGE void align(const Problem& p, const Norms& norms) {
    write_norms(p, norms);
    if (!far_apart(p, p.n, norms.column) && !far_apart(p, p.m, norms.row)) return;
    for (int turn = 0; turn < TURNS; turn++) {
        if (turn > 0) write_norms(p, norms);
        write_means(p, norms);
        EACH(j, p.n) norms.column[j] = to_one_by_exponent(norms.column_mean[j]);
        EACH(i, p.m) norms.row[i] = 1.0;
        bool changed = any_changed(p, p.n, norms.column);
        apply_factors(p, norms.column, norms.row);

        write_norms(p, norms);
        write_means(p, norms);
        EACH(i, p.m) norms.row[i] = to_one_by_exponent(norms.row_mean[i]);
        EACH(j, p.n) norms.column[j] = 1.0;
        changed |= any_changed(p, p.m, norms.row);
        unify_factors(p, norms.row);
        apply_factors(p, norms.column, norms.row);
        if (!changed) break;
    }
}

// Brings the largest entry of A near one, aligns rows and columns, and then the largest of P near
// one: what follows does not depend on units that all variables, all rows or the objective share.
DEVICE void normalize(const Problem& p, const Norms& norms) {
    double unit = to_one(largest_of_a(p));
    EACH(j, p.n) for_column(p, j, [&](int, double& entry) { entry *= unit; });
    EACH(i, p.m) {
        p.row_scale[i] = unit;
        p.b[i] *= unit;
    }
    SYNC();
    align(p, norms);
    unit = to_one(largest_of_p(p));
    EACH(j, p.n) {
        for (int i = 0; i <= j; i++) p.p(i, j) *= unit;
        p.q[j] *= unit;
    }
    ONE p.cost_scale() = unit;
    SYNC();
}

// The factor that brings a norm to one half to two; `scale` is the factor so far, which the new one
// keeps within bounds.
DEVICE double to_factor(double norm, double scale) {
    if (!(norm > 0.0)) return 1.0;
    double wanted = inverse_root_power_of_two(norm) * scale;
    return larger(smaller(wanted, LARGEST_FACTOR), 1.0 / LARGEST_FACTOR) / scale;
}

// Factors for the rows and columns of the KKT matrix, from their largest entries.
DEVICE void write_factors(const Problem& p, const Norms& norms) {
    EACH(j, p.n) {
        double norm = 0.0;
        for (int i = 0; i < j; i++) norm = max_abs(norm, p.p(i, j));
        for (int i = j; i < p.n; i++) norm = max_abs(norm, p.p(j, i));
        norm = max_abs(norm, column_norm(p, j));
        norms.column[j] = to_factor(norm, p.x_scale[j]);
    }
    EACH(i, p.m) {
        norms.row[i] = to_factor(row_norm(p, i), p.row_scale[i]);
    }
}

// Chooses the units of x and s and of the objective. A solution has the size of b, or that of the
// minimizer without constraints, or one between them: the unit of x is their geometric mean, or the
// one of them that is not zero. The unit of the objective brings the larger of P and q to one.
LARGE void set_units(const Problem& p) {
    double of_p = largest_of_p(p), of_q[1], of_b[1];
    reduce<1, 0>(p.n, p.scratch, of_q,
                 [&](int j, double* out) { out[0] = max_abs(out[0], p.q[j]); });
    reduce<1, 0>(p.m, p.scratch, of_b, [&](int i, double* out) {
        if (!is_removed(p.b[i])) out[0] = max_abs(out[0], p.b[i]);
    });
    double side = of_b[0];
    double minimizer = of_p > 0.0 && of_q[0] > 0.0 ? of_q[0] / of_p : side;
    if (!(side > 0.0)) side = minimizer;
    double mean = sqrt(within(side) * within(minimizer));
    double unit = side > 0.0 ? nearest_power_of_two(mean) : 1.0, per_unit = 1.0 / unit;
    double c = to_one(larger(of_p, of_q[0] * per_unit));
    EACH(j, p.n) {
        for (int i = 0; i <= j; i++) p.p(i, j) *= c;
        p.q[j] *= c * per_unit;
        p.x_scale[j] *= unit;
    }
    EACH(i, p.m) {
        p.b[i] = is_removed(p.b[i]) ? 1.0 : p.b[i] * per_unit;
        p.row_scale[i] *= per_unit;
    }
    ONE {
        p.cost_scale() *= c * per_unit * per_unit;
        p.p_size() = c * of_p;
    }
    SYNC();
}

// Scales the loaded program so that the rows and columns of its KKT matrix have norms near one.
LARGE void equilibrate(const Problem& p) {
    Norms norms = norms_of(p);
    normalize(p, norms);
    for (int pass = 0; pass < PASSES; pass++) {
        write_factors(p, norms);
        bool changed = any_changed(p, p.n, norms.column);
        changed |= any_changed(p, p.m, norms.row);
        if (!changed) break;
        unify_factors(p, norms.row);
        apply_factors(p, norms.column, norms.row);
    }
    set_units(p);
    copy_rows(p);
}
