// LSQR (Paige and Saunders 1982) for the symmetric form of the derivative's system,
//   [ P    A'E ]      E = (1 - D)^(1/2)
//   [ EA   -D  ]
// where it is singular and the right-hand side has no solution: the least-squares solution of least
// norm. CPU counterparts: argrad-solver/src/derivative/lsqr.rs, linalg/lsqr.rs.
#pragma once
#include "gcr.h"

// Tolerance, iterations per unknown, and the most of them.
#define LEAST_NORM 1e-13
#define LEAST_NORM_ITERATIONS 5
#define MOST_LEAST_NORM_ITERATIONS 2000

struct Iterated {
    double residual;
    int iterations;
    bool is_unfinished;
};

// Entry i of E.
DEVICE double root_complement(const Problem& p, int i) { return sqrt(1.0 - p.inside[i]); }

// out = K xy - scale out. `between` of m numbers is scratch.
DEVICE void multiply_symmetric(const Problem& p, const double* xy, double scale, double* out,
                               double* between) {
    SYNC();
    EACH(i, p.m) between[i] = root_complement(p, i) * xy[p.n + i];
    multiply(p, p.turned_rows(), xy, between);
    EACH(k, p.n + p.m) {
        int i = k - p.n;
        double row = i < 0 ? p.px[k] + p.atz[k]
                           : root_complement(p, i) * p.ax[i] - p.inside[i] * xy[k];
        out[k] = fma(-scale, out[k], row);
    }
    SYNC();
}

// Divides a vector by its norm, which it returns.
DEVICE double normalize_vector(const Problem& p, double* vector) {
    double norm = sqrt(product(p, {1.0, 1.0}, vector, vector));
    double inverse = norm > 0.0 ? 1.0 / norm : 0.0;
    EACH(k, p.n + p.m) vector[k] *= inverse;
    SYNC();
    return norm;
}

// The solution for the right-hand side `rhs`, both over x and then z.
LARGE Iterated least_norm(const Problem& p, const double* rhs, double* solution) {
    int len = p.n + p.m;
    int most = LEAST_NORM_ITERATIONS * (len + 1);
    if (most > MOST_LEAST_NORM_ITERATIONS) most = MOST_LEAST_NORM_ITERATIONS;
    double *u = p.krylov, *v = u + len, *w = v + len, *between = w + len;
    EACH(k, len) {
        u[k] = k < p.n ? rhs[k] : root_complement(p, k - p.n) * rhs[k];
        v[k] = solution[k] = 0.0;
    }
    double beta_first = normalize_vector(p, u);
    multiply_symmetric(p, u, 0.0, v, between);
    double alpha = normalize_vector(p, v), alpha_first = alpha;
    EACH(k, len) w[k] = v[k];
    double phi_bar = beta_first, rho_bar = alpha;
    bool is_live = beta_first > 0.0 && alpha > 0.0;
    double scale = larger(beta_first, 2.2250738585072014e-308);
    double residual = beta_first / scale;
    int iterations = 0;
    for (; iterations < most && is_live; iterations++) {
        multiply_symmetric(p, v, alpha, u, between);
        double beta = normalize_vector(p, u);
        multiply_symmetric(p, u, beta, v, between);
        alpha = normalize_vector(p, v);
        double rho = sqrt(fma(rho_bar, rho_bar, beta * beta));
        double cosine = rho_bar / rho, sine = beta / rho;
        double forward = cosine * phi_bar / rho, back = sine * alpha / rho;
        rho_bar = -(cosine * alpha);
        phi_bar *= sine;
        EACH(k, len) {
            solution[k] = fma(forward, w[k], solution[k]);
            w[k] = fma(-back, w[k], v[k]);
        }
        residual = fabs(phi_bar) / scale;
        double gradient = fabs(phi_bar * alpha * cosine);
        bool done = gradient <= LEAST_NORM * alpha_first * beta_first ||
                    fabs(phi_bar) <= LEAST_NORM * beta_first;
        is_live = !done && !is_nan(gradient);
    }
    // Entry p.n + i is another thread's.
    SYNC();
    EACH(i, p.m) solution[p.n + i] *= root_complement(p, i);
    SYNC();
    return {residual, iterations, is_live};
}
