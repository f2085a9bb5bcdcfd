// Eigenvalues and eigenvectors of a small symmetric matrix by Jacobi rotations. The pairs of a
// round of a tournament are disjoint, so that the block makes the rotations of a round at once
// (Brent and Luk, 1985). CPU counterpart: argrad-solver/src/linalg/dense/symmetric_eigen.rs.
#pragma once
#include "problem.h"

#define MOST_SWEEPS 30
// Of two diagonal entries: the share of their geometric mean, and of the largest of all, below
// which an entry is negligible.
#define NEGLIGIBLE_SHARE 1.1102230246251565e-16
#define VANISHING_SHARE 1e-20

struct Pair {
    int low, high;
};

// Pair t of a round of a tournament of `players`, an even number.
DEVICE Pair tournament_pair(int players, int round, int t) {
    int others = players - 1;
    int i = t == 0 ? others : (round + t) % others, j = (round + others - t) % others;
    return i < j ? Pair{i, j} : Pair{j, i};
}

// Whether a rotation of the pair would change nothing.
DEVICE bool is_negligible(const double* a, int n, Pair k, double least) {
    double entry = fabs(a[k.low + k.high * n]);
    double mean = sqrt(fabs(a[k.low * (n + 1)])) * sqrt(fabs(a[k.high * (n + 1)]));
    return entry <= larger(NEGLIGIBLE_SHARE * mean, least);
}

// Cosine and sine for each pair of the round.
DEVICE void write_rotations(const double* a, int n, int round, double least, double* rotations) {
    int players = n + (n & 1);
    EACH(t, players / 2) {
        Pair k = tournament_pair(players, round, t);
        double cosine = 1.0, sine = 0.0;
        if (k.high < n && !is_negligible(a, n, k, least)) {
            double entry = a[k.low + k.high * n];
            double w = (a[k.high * (n + 1)] - a[k.low * (n + 1)]) / (2.0 * entry);
            double size = 1.0 / (fabs(w) + sqrt(fma(w, w, 1.0)));
            double tangent = w < 0.0 ? -size : size;
            cosine = 1.0 / sqrt(fma(tangent, tangent, 1.0));
            sine = tangent * cosine;
        }
        rotations[2 * t] = cosine;
        rotations[2 * t + 1] = sine;
    }
}

// (x, y) becomes (c x - s y, s x + c y).
DEVICE void rotate(double cosine, double sine, double& x, double& y) {
    double kept = x;
    x = fma(cosine, kept, -(sine * y));
    y = fma(sine, kept, cosine * y);
}

// One round: columns of `a` and rows of `u`, and then rows of `a`.
DEVICE void rotate_pairs(double* a, double* u, int n, int round, const double* rotations) {
    int players = n + (n & 1), pairs = players / 2;
    EACH(k, pairs * n) {
        int t = k / n, i = k - t * n;
        Pair pair = tournament_pair(players, round, t);
        if (pair.high < n) {
            double cosine = rotations[2 * t], sine = rotations[2 * t + 1];
            rotate(cosine, sine, a[i + pair.low * n], a[i + pair.high * n]);
            if (u != nullptr) rotate(cosine, sine, u[pair.low * n + i], u[pair.high * n + i]);
        }
    }
    SYNC();
    EACH(k, pairs * n) {
        int t = k / n, j = k - t * n;
        Pair pair = tournament_pair(players, round, t);
        if (pair.high < n) {
            double cosine = rotations[2 * t], sine = rotations[2 * t + 1];
            double &low = a[pair.low + j * n], &high = a[pair.high + j * n];
            rotate(cosine, sine, low, high);
            // What the rotation is for.
            if (sine != 0.0 && j == pair.low) high = 0.0;
            if (sine != 0.0 && j == pair.high) low = 0.0;
        }
    }
    SYNC();
}

// The matrix `a` of n columns becomes diagonal: its eigenvalues; `u`, where it is not null, gets
// the eigenvectors as its rows, of n numbers each. `rotations` has n + 1 numbers. Where the matrix
// is not finite, neither are the results.
LARGE void symmetric_eigen(const Problem& p, int n, double* a, double* u, double* rotations) {
    if (u != nullptr) {
        EACH(k, n * n) u[k] = k % (n + 1) == 0 ? 1.0 : 0.0;
    }
    SYNC();
    UNROLL(1)
    for (int sweep = 0; sweep < MOST_SWEEPS; sweep++) {
        double size[1], left[1];
        reduce<1, 0>(n, p.scratch, size,
                     [&](int i, double* out) { out[0] = max_abs(out[0], a[i * (n + 1)]); });
        double least = VANISHING_SHARE * size[0];
        reduce<0, 1>(n * n, p.scratch, left, [&](int k, double* out) {
            int i = k % n, j = k / n;
            if (i < j && !is_negligible(a, n, {i, j}, least)) out[0] += 1.0;
        });
        if (left[0] == 0.0) break;
        UNROLL(1)
        for (int round = 0; round < n + (n & 1) - 1; round++) {
            write_rotations(a, n, round, least, rotations);
            SYNC();
            rotate_pairs(a, u, n, round, rotations);
        }
    }
}
