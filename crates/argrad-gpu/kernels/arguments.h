// What a launch is given. The same structs, field by field, are in `src/arguments.rs`.
#pragma once

// A, and A'WA, as lists of entries where A is sparse. Rust: src/matrix.rs.
struct Lists {
    // Column by column, the places of its entries, and their rows; the same row by row.
    const int *column_start, *entry_row, *row_start, *row_entry, *row_column;
    // Curved cone by curved cone, the place of the first entry of its rows in each column that they
    // have.
    const int *cone_start, *cone_first;
    // Entry by entry of the lower triangle of A'WA: row, column and terms; term by term the row of
    // the weight and the places of the two entries.
    const int *fill_row, *fill_column, *fill_start, *term_row, *term_first, *term_second;
};

// The part of a program that never changes. CPU: argrad-solver/src/program/structure.rs.
struct Structure {
    int n, m;
    // Entries of the patterns of P (upper triangle) and A.
    int p_len, a_len;
    // Nonnegative rows; the degree of the barrier of all cones.
    int inequalities, degree;
    // Samples whose P is a matrix of their own to check: all, one, or none.
    int convexity_checks;
    // Curved cones; whether all have a Nesterov-Todd scaling; numbers of their bases, and of what
    // else they need.
    int cones, is_symmetric, basis_len, data_len;
    // Whether A is sparse, how many numbers it takes, and how many entries A'WA has.
    int is_sparse, matrix_len, fill_len;
    const int *p_row, *p_column, *a_row, *a_column;
    // Row by row, a RowKind; variable by variable, whether it only helps to state the program.
    const int *row_kind, *is_auxiliary;
    // Entry by entry of P and A, whether its value is not looked at, being zero.
    const int *p_is_zero, *a_is_zero;
    // Of each curved cone CONE_FIELDS numbers, see cone.h; and the exponent of a power cone.
    const int* cone_list;
    const double* exponents;
    // Entry by entry of A, its place in memory.
    const int* a_place;
    Lists lists;
};

// Numbers of a batch; an argument of stride zero is shared. CPU: program/values.rs.
struct Values {
    const double *p, *q, *a, *b;
    long long p_stride, q_stride, a_stride, b_stride;
};

// What the caller may choose. CPU: program/settings.rs.
struct Settings {
    double tolerance, reduced_tolerance, infeasibility_tolerance, data_rounding;
    double convexity_tolerance;
    int max_iterations, max_polish_steps;
};

// Memory of a launch: per block `spare_len` numbers, and `resident_len` more where `is_resident` is
// zero; else those are in shared memory.
struct Memory {
    double* workspace;
    long long resident_len, spare_len;
    int is_resident;
    // Number of the next problem, from zero.
    int* next;
};

// A batch, solved or to solve: what every launch over its problems is given.
struct Batch {
    Structure structure;
    Values values;
    Memory memory;
    int batch;
    // x: n, z and s: m, report: REPORT_LEN, tape: tape_len numbers a sample; no tape where null.
    double *x, *z, *s, *report, *tape;
    long long tape_len;
};

struct SolveArguments : Batch {
    Settings settings;
    // Points to start from, null for none; or, where they are given, that are the solutions.
    const double *start_x, *start_z, *start_s;
    int is_given;
};

// An adjoint or a tangent. CPU: derivative/adjoint.rs, derivative/tangent.rs.
struct DerivativeArguments : Batch {
    // Adjoint: cotangents of x, z, s; null for zero. Tangent: null.
    const double *of_x, *of_z, *of_s;
    // Tangent: changes of the values, null for zero. Adjoint: null.
    Values change;
    // Adjoint: l1 (n) and l2 (m), from which gradients follow. Tangent: dx, dz, ds.
    double *out_x, *out_z, *out_s;
    // Linear residual, and iterations of a least-norm solve: two numbers a sample.
    double* linear;
};

// From solutions to the points of the central path at mu. CPU: derivative/smoothed.rs.
struct SmoothArguments : Batch {
    double mu;
    // The points, tapes there, and whether each was reached: one, or zero.
    double *out_x, *out_z, *out_tape, *reached;
};

// Gradients of P and A from adjoints: outer products, summed where shared. CPU:
// derivative/gradient.rs.
struct GradientArguments {
    Structure structure;
    int batch;
    const double *x, *z, *l1, *l2;
    // In place of adjoints: weights of the optimal values, zero for samples without a solution.
    const double* weights;
    double *dp, *dq, *da, *db;
    int p_is_shared, q_is_shared, a_is_shared, b_is_shared;
};

// Numbers of a report, in this order. Rust: src/report.rs.
enum ReportField {
    STATUS,
    ITERATIONS,
    POLISH_STEPS,
    FACTORIZATIONS,
    OBJECTIVE,
    PRIMAL_RESIDUAL,
    DUAL_RESIDUAL,
    GAP,
    RESIDUAL,
    WEAKLY_ACTIVE,
    CONDITION,
    UNIQUE_X,
    UNIQUE_Z,
    CONVEXITY,
    WARM_STARTED,
    REPORT_LEN,
};

// What a row says. Rust: src/patterns.rs.
enum RowKind {
    EQUALITY,
    INEQUALITY,
    // Something with the other rows of its cone only.
    TOGETHER,
};

enum Status {
    SOLVED,
    ALMOST_SOLVED,
    PRIMAL_INFEASIBLE,
    DUAL_INFEASIBLE,
    ITERATION_LIMIT,
    NUMERICAL_TROUBLE,
    NOT_CONVEX,
};
