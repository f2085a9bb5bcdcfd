// The memory of one problem, and how a problem comes into it.
//
// CPU counterparts: argrad-solver/src/system/memory.rs, solve/equilibrate.rs (load).
#pragma once
#include "arguments.h"
#include "block.h"

// Columns that are eliminated together.
#define PANEL 16
// A right-hand side of an inequality from here on is no constraint: 1e19 in single precision.
#define INFINITE_SIDE 9999999980506447872.0

// An array that every step of a solve needs: in shared memory, in kernels for problems that fit.
DEVICE double* resident(double* array) {
#if defined(__CUDACC__) && RESIDENT
    return in_shared(array);
#else
    return array;
#endif
}

// Whether there are curved cones. Kernels for programs without know that when they are compiled.
#ifndef CURVED
#define CURVED 1
#endif

// Whether A is sparse. Kernels know it when they are compiled.
#ifdef SPARSE
#define IS_SPARSE(p) SPARSE
#else
#define IS_SPARSE(p) (p).is_sparse
#endif

// A matrix with the entries of A: where dense, entry (i, j) is number i + j ld.
struct Rows {
    double* rows;
    int ld;
    MEMBER double& entry(int k) const { return resident(rows)[k]; }
    MEMBER double& at(int i, int j) const { return entry(i + j * ld); }
};

// Everything of one problem. It is itself in memory that kernels write, for all the compiler knows,
// so a function in which time is spent reads what it needs of it once, into a copy: then it stays
// in registers.
//
// P is the upper triangle of `square`, the factor its lower triangle one row further down, so that
// both have a diagonal. Leading dimensions are odd: rows and columns are read without conflicts of
// shared memory.
//
// The block H of a curved cone, and the derivative of its projection, are diagonal in an
// orthonormal basis V of its rows. In the *turned* system, that of V'A and V'z, these matrices are
// diagonal for every cone, so that one text eliminates the rows of all: see cone.h.
struct Problem {
    int n, m, square_ld, a_ld;
    int p_len, inequalities, degree, cones, is_symmetric, basis_len;
    int is_sparse, matrix_len, fill_len;
    Lists lists;
    const int *row_kind, *is_auxiliary, *cone_list;
    const double* exponents;
    // `turned` is V'A, and A itself where no cone is curved.
    double *square, *a, *turned;
    // Of the factor: inverse pivots, inverses of its diagonal blocks, weights of the rows.
    double *pivot, *inverse, *weight;
    // The scaled program beside P and A, and its scales.
    double *q, *b, *x_scale, *row_scale;
    // Scalars of the scaled program, see below.
    double* scalars;
    // The point; v = s - z; the derivative of the projection at v: its eigenvalues, which are zero
    // or one but for curved cones.
    double *x, *z, *s, *v, *inside;
    // Of curved cones: bases, what else they need, the v of the factor, a vector on its way.
    double *basis, *data, *factored_v, *turning;
    // Products with P, A and A'; a vector over the rows; scratch of solves and reductions.
    double *px, *ax, *atz, *rows, *work, *scratch;
    // Right-hand sides and solutions, two of n + m numbers each.
    double *rhs, *solution;
    // Interior point: its iterate, residuals, direction, scaling. Polish: see there.
    double *iterate_x, *iterate_z, *iterate_s, *rx, *rz, *ds, *constant, *scaling;
    // Seldom used: the Krylov space of refinement, points that are kept.
    double *krylov, *best_x, *best_z, *best_s, *kept_x, *kept_v;

    // The scale of the objective; the largest entry of the scaled P; the units that were chosen for
    // z and for x and s since, see balance.h; zero, or the parameter of the central path whose
    // projection is meant.
    MEMBER double& cost_scale() const { return scalars[0]; }
    MEMBER double& p_size() const { return scalars[1]; }
    MEMBER double& dual_unit() const { return scalars[2]; }
    MEMBER double& primal_unit() const { return scalars[3]; }
    MEMBER double& mu() const { return scalars[4]; }
    MEMBER bool is_inequality(int i) const { return row_kind[i] == INEQUALITY; }
    MEMBER Rows given_rows() const { return {a, a_ld}; }
    MEMBER Rows turned_rows() const { return CURVED ? Rows{turned, a_ld} : given_rows(); }
    MEMBER double& p(int i, int j) const { return resident(square)[i + j * square_ld]; }
    MEMBER double& l(int i, int j) const { return resident(square)[i + 1 + j * square_ld]; }
    // Entry (i, j), i >= j, of the inverse of the unit lower triangle of a diagonal block.
    MEMBER double& block(int panel, int i, int j) const {
        return resident(inverse)[(panel * PANEL + j) * PANEL + i];
    }
};

// Cuts memory into arrays.
struct Cursor {
    double* base;
    long long used;
    MEMBER double* take(long long len) {
        double* array = base + used;
        used += len;
        return array;
    }
};

DEVICE long long panels(int n) { return (n + PANEL - 1) / PANEL; }

// Arrays that every step of a solve needs. Rust: `resident_len` in src/layout.rs.
DEVICE void place_resident(Problem& p, Cursor& cursor, long long data_len) {
    long long n = p.n, m = p.m;
    p.square_ld = (int)(n + 1) | 1;
    p.a_ld = p.m | 1;
    p.square = cursor.take(p.square_ld * n);
    p.a = cursor.take(p.matrix_len);
    p.inverse = cursor.take(panels(p.n) * PANEL * PANEL);
    double** of_n[] = {&p.pivot, &p.q, &p.x_scale, &p.x, &p.px, &p.atz, &p.iterate_x, &p.rx};
    for (double** array : of_n) *array = cursor.take(n);
    double** of_m[] = {&p.weight, &p.b,    &p.row_scale, &p.z,         &p.s,
                       &p.v,      &p.inside, &p.ax,      &p.rows,      &p.iterate_z,
                       &p.iterate_s, &p.rz, &p.ds,       &p.constant,  &p.scaling};
    for (double** array : of_m) *array = cursor.take(m);
    p.work = cursor.take(4 * n);
    p.rhs = cursor.take(2 * (n + m));
    p.solution = cursor.take(2 * (n + m));
    p.turned = p.cones > 0 ? cursor.take(p.matrix_len) : p.a;
    p.basis = cursor.take(p.basis_len);
    p.data = cursor.take(data_len);
}

// Those of refinement, and of points that are kept. Rust: `spare_len`.
DEVICE void place_spare(Problem& p, Cursor& cursor) {
    long long n = p.n, m = p.m;
    p.krylov = cursor.take(11 * (n + m));
    p.best_x = cursor.take(n);
    p.best_z = cursor.take(m);
    p.best_s = cursor.take(m);
    p.kept_x = cursor.take(n);
    p.kept_v = cursor.take(m);
    p.factored_v = cursor.take(p.cones > 0 ? m : 0);
    p.turning = cursor.take(p.cones > 0 ? m : 0);
}

// Numbers that are in shared memory whatever the size: the problem itself, scalars, scratch. Rust:
// `FIXED_LEN` in src/layout.rs.
#define PROBLEM_LEN 90
#define SCALARS 5
#define FIXED_LEN (PROBLEM_LEN + SCALARS + REDUCTION_SCRATCH)
static_assert(sizeof(Problem) <= PROBLEM_LEN * sizeof(double), "a problem takes more");

// The problem of a block, without numbers, at the beginning of its shared memory.
LARGE Problem& new_problem(const Structure& of, const Memory& memory, double* shared, int block) {
    Problem& p = *reinterpret_cast<Problem*>(shared);
    ONE {
        p.n = of.n;
        p.m = of.m;
        p.p_len = of.p_len;
        p.inequalities = of.inequalities;
        p.degree = of.degree;
        p.cones = CURVED ? of.cones : 0;
        p.is_symmetric = of.is_symmetric;
        p.basis_len = of.basis_len;
        p.is_sparse = of.is_sparse;
        p.matrix_len = of.matrix_len;
        p.fill_len = of.fill_len;
        p.lists = of.lists;
        p.row_kind = of.row_kind;
        p.is_auxiliary = of.is_auxiliary;
        p.cone_list = of.cone_list;
        p.exponents = of.exponents;
        p.scalars = shared + PROBLEM_LEN;
        p.scratch = p.scalars + SCALARS;
        long long stride = memory.spare_len + (memory.is_resident ? 0 : memory.resident_len);
        Cursor own = {memory.workspace + block * stride, 0};
        Cursor resident = {shared + FIXED_LEN, 0};
        place_spare(p, own);
        place_resident(p, memory.is_resident ? resident : own, of.data_len);
    }
    SYNC();
    return p;
}

// Whether b removes the row.
DEVICE bool is_removed(double b) { return b >= INFINITE_NUMBER; }

// Writes a sample into the memory, unscaled. A row with infinite b gets zeros in A.
LARGE void load(const Problem& p, const Structure& of, const Values& values, long long sample) {
    const double* given_p = values.p + sample * values.p_stride;
    const double* given_a = values.a + sample * values.a_stride;
    const double* q = values.q + sample * values.q_stride;
    const double* b = values.b + sample * values.b_stride;
    EACH(k, p.square_ld * p.n) p.square[k] = 0.0;
    EACH(k, p.matrix_len) p.a[k] = 0.0;
    SYNC();
    EACH(k, of.p_len) {
        if (!of.p_is_zero[k]) p.p(of.p_row[k], of.p_column[k]) = given_p[k];
    }
    EACH(k, of.a_len) {
        int row = of.a_row[k];
        bool removed = p.is_inequality(row) && b[row] >= INFINITE_SIDE;
        if (!removed && !of.a_is_zero[k]) p.a[of.a_place[k]] = given_a[k];
    }
    EACH(j, p.n) {
        p.q[j] = q[j];
        p.x_scale[j] = 1.0;
    }
    EACH(i, p.m) {
        p.b[i] = p.is_inequality(i) && b[i] >= INFINITE_SIDE ? INFINITE_NUMBER : b[i];
        p.row_scale[i] = 1.0;
    }
    ONE {
        p.cost_scale() = p.dual_unit() = p.primal_unit() = 1.0;
        p.mu() = 0.0;
    }
    SYNC();
}
