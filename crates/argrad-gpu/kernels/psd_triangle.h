// The cone of positive semidefinite matrices, by the whole block of threads. CPU counterpart, with
// the formulas and where they are from: argrad-solver/src/cones/psd_triangle/mod.rs.
#pragma once
#include "cone.h"
#include "symmetric_eigen.h"

// The numbers of a cone of side k: lambda, then R and its inverse, then four matrices of scratch,
// columns one after the other, and the rotations of an eigenvalue problem. Of a projection: the
// eigenvalues of v. Rust: src/patterns.rs.
struct PsdData {
    double *lambda, *r, *r_inverse, *work[4], *rotations;
};

DEVICE PsdData psd_data(const Cone& cone) {
    int side = cone.side, square = side * side;
    double *lambda = cone.data, *r = lambda + side, *work = r + 2 * square;
    return {lambda, r, r + square, {work, work + square, work + 2 * square, work + 3 * square},
            work + 4 * square};
}

// The matrix of a vector of the cone.
DEVICE void unpack(int side, const double* vector, double* matrix) {
    EACH(k, side * side) matrix[k] = entry_of(vector, k % side, k / side);
    SYNC();
}

// out = A B, or A B' where `is_transposed`.
DEVICE void multiply_square(int side, const double* a, const double* b, bool is_transposed,
                            double* out) {
    EACH(k, side * side) {
        int i = k % side, j = k / side;
        int first = is_transposed ? j : j * side, step = is_transposed ? side : 1;
        double sum = 0.0;
        UNROLL(1)
        for (int c = 0; c < side; c++) sum = fma(a[i + c * side], b[first + c * step], sum);
        out[k] = sum;
    }
    SYNC();
}

// out = A'B.
DEVICE void multiply_transposed(int side, const double* a, const double* b, double* out) {
    EACH(k, side * side) {
        int i = k % side, j = k / side;
        double sum = 0.0;
        UNROLL(1)
        for (int c = 0; c < side; c++) sum = fma(a[c + i * side], b[c + j * side], sum);
        out[k] = sum;
    }
    SYNC();
}

// The upper triangle takes the place of the lower one.
DEVICE void mirror(int side, double* a) {
    EACH(k, side * side) {
        int i = k % side, j = k / side;
        if (i < j) a[j + i * side] = a[k];
    }
    SYNC();
}

// The Cholesky factor in the lower triangle, zeros above.
LARGE void cholesky(int side, double* a) {
    UNROLL(1)
    for (int j = 0; j < side; j++) {
        double pivot = sqrt(a[j + j * side]);
        SYNC();
        EACH(i, side) {
            a[i + j * side] = i < j ? 0.0 : i == j ? pivot : a[i + j * side] / pivot;
        }
        SYNC();
        EACH(k, side * side) {
            int i = k % side, c = k / side;
            if (c > j && i >= c) a[k] = fma(-a[i + j * side], a[c + j * side], a[k]);
        }
        SYNC();
    }
}

// Each row of `a` becomes x with x L = row.
DEVICE void divide_by_lower(int side, const double* l, double* a) {
    EACH(i, side) {
        UNROLL(1)
        for (int j = side - 1; j >= 0; j--) {
            double sum = a[i + j * side];
            UNROLL(1)
            for (int c = j + 1; c < side; c++) sum = fma(-a[i + c * side], l[c + j * side], sum);
            a[i + j * side] = sum / l[j + j * side];
        }
    }
    SYNC();
}

// Adds the multiple of the identity that brings the least eigenvalue to a safe distance from zero.
LARGE void shift_psd(const Problem& p, const Cone& cone, double* x) {
    PsdData data = psd_data(cone);
    int side = cone.side;
    double *a = data.work[0], least = INFINITE_NUMBER, positive = 0.0;
    unpack(side, x, a);
    symmetric_eigen(p, side, a, nullptr, data.rotations);
    UNROLL(1)
    for (int k = 0; k < side; k++) {
        double value = a[k * (side + 1)];
        least = smaller(value, least);
        positive += larger(value, 0.0);
    }
    double target = 0.1 * larger(positive / side, 1.0), amount = larger(target - least, 0.0);
    EACH(k, side) x[place_of(k, k)] += amount;
    SYNC();
}

// The scaling at (s, z): data, basis, and the eigenvalues of H X = W X W.
LARGE void scale_psd(const Problem& p, const Cone& cone, const double* s, const double* z,
                     double* h) {
    PsdData data = psd_data(cone);
    int side = cone.side;
    double *l = data.work[0], *m = data.work[1], *product = data.work[2], *q = data.work[3];
    unpack(side, s, l);
    cholesky(side, l);
    unpack(side, z, m);
    multiply_square(side, m, l, false, product);
    multiply_transposed(side, l, product, m);
    mirror(side, m);
    // The rows of q are the eigenvectors of L'ZL.
    symmetric_eigen(p, side, m, q, data.rotations);
    EACH(k, side) data.lambda[k] = sqrt(m[k * (side + 1)]);
    SYNC();
    // R = L Q Lambda^-1/2; R^-1 = Lambda^1/2 Q'L^-1, column by column of memory.
    EACH(k, side * side) {
        int i = k % side, j = k / side;
        double sum = 0.0;
        UNROLL(1)
        for (int c = 0; c <= i; c++) sum = fma(l[i + c * side], q[j * side + c], sum);
        data.r[k] = sum / sqrt(data.lambda[j]);
        data.r_inverse[k] = q[i * side + j] * sqrt(data.lambda[i]);
    }
    SYNC();
    divide_by_lower(side, l, data.r_inverse);
    multiply_square(side, data.r, data.r, true, m);
    mirror(side, m);
    symmetric_eigen(p, side, m, cone.basis, data.rotations);
    EACH(k, side * side) {
        int i = k % side, j = k / side;
        if (i <= j) h[place_of(i, j)] = m[i * (side + 1)] * m[j * (side + 1)];
    }
    SYNC();
}

// ds and dz as the scaling sees them: R^-1 ds R^-T and R'dz R, in work[2] and work[3].
LARGE void write_scaled_directions(const Cone& cone, const double* ds, const double* dz) {
    PsdData data = psd_data(cone);
    int side = cone.side;
    double *x = data.work[0], *product = data.work[1];
    unpack(side, ds, x);
    multiply_square(side, data.r_inverse, x, false, product);
    multiply_square(side, product, data.r_inverse, true, data.work[2]);
    mirror(side, data.work[2]);
    unpack(side, dz, x);
    multiply_square(side, x, data.r, false, product);
    multiply_transposed(side, data.r, product, data.work[3]);
    mirror(side, data.work[3]);
}

// c = s + R Y R' with Lambda o Y = (R^-1 ds R^-T) o (R'dz R) - target I, A o B = (A B + B A) / 2.
LARGE void combined_psd(const Cone& cone, const double* s, const double* ds, const double* dz,
                        double target, double* c) {
    PsdData data = psd_data(cone);
    int side = cone.side;
    double *x = data.work[0], *product = data.work[1];
    write_scaled_directions(cone, ds, dz);
    multiply_square(side, data.work[2], data.work[3], false, product);
    EACH(k, side * side) {
        int i = k % side, j = k / side;
        double twice = product[k] + product[j + i * side] - (i == j ? 2.0 * target : 0.0);
        x[k] = twice / (data.lambda[i] + data.lambda[j]);
    }
    SYNC();
    multiply_square(side, data.r, x, false, product);
    multiply_square(side, product, data.r, true, x);
    EACH(k, side * side) {
        int i = k % side, j = k / side;
        if (i > j) continue;
        int at = place_of(i, j);
        c[at] = s[at] + (i == j ? x[k] : x[k] / ROOT_HALF);
    }
    SYNC();
}

// The least eigenvalue of a symmetric matrix, which is destroyed; not a number where one is none.
DEVICE double least_eigenvalue(const Problem& p, int side, double* a, double* rotations) {
    symmetric_eigen(p, side, a, nullptr, rotations);
    double least = INFINITE_NUMBER, sum = 0.0;
    UNROLL(1)
    for (int k = 0; k < side; k++) {
        least = smaller(a[k * (side + 1)], least);
        sum += a[k * (side + 1)];
    }
    return least + 0.0 * sum;
}

// The longest step, at most `limit`: the inverse of minus the least eigenvalue of the directions,
// scaled by Lambda^-1/2 from both sides.
LARGE double step_psd(const Problem& p, const Cone& cone, const double* ds, const double* dz,
                      double limit) {
    PsdData data = psd_data(cone);
    int side = cone.side;
    write_scaled_directions(cone, ds, dz);
    EACH(k, side * side) {
        double factor = 1.0 / sqrt(data.lambda[k % side] * data.lambda[k / side]);
        data.work[2][k] *= factor;
        data.work[3][k] *= factor;
    }
    SYNC();
    double of_s = least_eigenvalue(p, side, data.work[2], data.rotations);
    double of_z = least_eigenvalue(p, side, data.work[3], data.rotations);
    double steepest = -smaller(of_s, of_z);
    double step = steepest * limit > 1.0 ? 1.0 / steepest : limit;
    return fma(of_s, 0.0, fma(of_z, 0.0, step));
}

// s = P(v), the basis, the eigenvalues of D; those of v stay in the data.
LARGE void project_psd(const Problem& p, const Cone& cone, const double* v, double mu, double* s,
                       double* d) {
    PsdData data = psd_data(cone);
    int side = cone.side;
    double *a = data.work[0], *u = cone.basis;
    unpack(side, v, a);
    symmetric_eigen(p, side, a, u, data.rotations);
    bool inside = mu <= 0.0, polar = mu <= 0.0;
    UNROLL(1)
    for (int k = 0; k < side; k++) {
        double value = a[k * (side + 1)];
        inside = inside && value > 0.0;
        polar = polar && value <= 0.0;
    }
    EACH(k, side) data.lambda[k] = a[k * (side + 1)];
    SYNC();
    EACH(k, side * side) {
        int i = k % side, j = k / side, at = place_of(i, j);
        if (i > j) continue;
        double sum = 0.0;
        UNROLL(1)
        for (int c = 0; c < side; c++) {
            double positive = share_of(data.lambda[c], mu).s;
            sum = fma(positive * u[c * side + i], u[c * side + j], sum);
        }
        s[at] = inside ? v[at] : i == j ? sum : sum / ROOT_HALF;
        Share first = share_of(data.lambda[i], mu), second = share_of(data.lambda[j], mu);
        double of_s = first.s + second.s, both = first.size + second.size;
        d[at] = both <= 0.0 ? 0.0 : of_s >= both ? 1.0 : of_s / both;
    }
    SYNC();
    // Where D is 0 or I, any basis serves; the identity turns nothing.
    if (inside || polar) {
        EACH(k, side * side) u[k] = k % (side + 1) == 0 ? 1.0 : 0.0;
        SYNC();
    }
}

// Directions in which D jumps within `margin`, from the eigenvalues that a projection left.
DEVICE double kinks_of_psd(const Cone& cone, double margin) {
    double count = 0.0;
    UNROLL(1)
    for (int k = 0; k < cone.side; k++) count += fabs(cone.data[k]) <= margin ? 1.0 : 0.0;
    return 0.5 * count * (count + 1.0);
}
