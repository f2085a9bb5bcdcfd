// Refinement of solves against the system without regularization: GCR (Eisenstat, Elman, Schultz
// 1983), preconditioned by the factor.
//
// CPU counterparts: argrad-solver/src/system/gcr.rs, system/projection_system.rs,
// solve/interior_point/scaling_system.rs.
#pragma once
#include "system.h"

// Steps between restarts.
#define STEPS 5

// Which system is solved, turned: that of the projection,
//   Px + A'z = r1,   (I - D)(Ax - r2) - D z = 0,
// or that of the interior point's scaling, Px + A'z = r1, Ax - Hz = r2.
enum System { PROJECTION, SCALING };

// When a solve ends: restarts, what must be gained until the next, the residual that is small
// enough, relative to the first one or not, and the share of a direction below which its image is
// rounding.
struct Ending {
    int cycles;
    double gain, tolerance;
    bool is_relative;
    double rounding;
};

DEVICE Ending ending_of(System system) {
    if (system == PROJECTION) return {40, 0.9, 1e-14, true, 1e-14};
    return {2, 0.5, 1.0, false, 0.0};
}

// Inverse units of the entries of the first and the second equation.
struct Units {
    double x, z;
};

// How well a solution solves: the residual relative to the right-hand side, and to right-hand side
// and solution.
struct Accuracy {
    double residual, backward;
};

// out = K direction.
LARGE void multiply_system(const Problem& p, System system, const double* direction, double* out) {
    const double* z = direction + p.n;
    multiply(p, p.turned_rows(), direction, z);
    EACH(k, p.n + p.m) {
        int i = k - p.n;
        if (i < 0) {
            out[k] = p.px[k] + p.atz[k];
        } else if (system == SCALING) {
            out[k] = p.ax[i] - p.scaling[i] * z[i];
        } else {
            out[k] = (1.0 - p.inside[i]) * p.ax[i] - p.inside[i] * z[i];
        }
    }
    SYNC();
}

// error = rhs - K solution.
LARGE void write_error(const Problem& p, System system, const double* rhs, const double* solution,
                        double* error) {
    const double* z = solution + p.n;
    multiply(p, p.turned_rows(), solution, z);
    EACH(k, p.n + p.m) {
        int i = k - p.n;
        if (i < 0) {
            error[k] = rhs[k] - (p.px[k] + p.atz[k]);
        } else if (system == SCALING) {
            error[k] = rhs[k] - (p.ax[i] - p.scaling[i] * z[i]);
        } else {
            error[k] = (1.0 - p.inside[i]) * (rhs[k] - p.ax[i]) + p.inside[i] * z[i];
        }
    }
    SYNC();
}

// out = M^-1 error. `between` of n + m numbers is scratch: the equation of the factor times 1 - D.
LARGE void precondition(const Problem& p, System system, const double* error, double* out,
                         double* between) {
    EACH(k, p.n + p.m) {
        double d = system == PROJECTION && k >= p.n ? p.inside[k - p.n] : 0.0;
        double inverse = d >= 1.0 ? FREE : d > 0.0 ? smaller(1.0 / (1.0 - d), FREE) : 1.0;
        between[k] = inverse * error[k];
    }
    solve_system(p, 1, between, out);
}

LARGE double product(const Problem& p, Units units, const double* a, const double* b) {
    double out[2];
    reduce<0, 2>(p.n + p.m, p.scratch, out, [&](int k, double* out) {
        int of = k < p.n ? 0 : 1;
        out[of] = fma(a[k], b[k], out[of]);
    });
    return out[0] * (units.x * units.x) + out[1] * (units.z * units.z);
}

LARGE double size_of(const Problem& p, Units units, const double* a) {
    double out[2];
    reduce<2, 0>(p.n + p.m, p.scratch, out, [&](int k, double* out) {
        int of = k < p.n ? 0 : 1;
        out[of] = max_abs(out[of], a[k]);
    });
    return max_abs(out[0] * units.x, out[1] * units.z);
}

// values += length * direction
DEVICE void advance(int n, double* values, const double* direction, double length) {
    EACH(k, n) values[k] = fma(length, direction[k], values[k]);
}

// One cycle from the residual `error`, until its recurrence is at `goal` or images are below
// `rounding`. A solution of least norm is sought where `is_singular`: the rounding errors of the
// factor are largest in the null space, and one more product has nothing there.
LARGE void run_cycle(const Problem& p, System system, Units units, double goal, double rounding,
                     bool is_singular, double* solution, double* error) {
    int len = p.n + p.m;
    double *directions = error + len, *images = directions + STEPS * len;
    for (int step = 0; step < STEPS; step++) {
        double *direction = directions + step * len, *image = images + step * len;
        precondition(p, system, error, direction, image);
        if (is_singular) {
            precondition(p, system, direction, image, direction);
            multiply_system(p, system, image, direction);
        }
        multiply_system(p, system, direction, image);
        for (int k = 0; k < step; k++) {
            double share = -product(p, units, image, images + k * len);
            advance(len, image, images + k * len, share);
            advance(len, direction, directions + k * len, share);
        }
        double length = sqrt(product(p, units, image, image));
        double size = sqrt(product(p, units, direction, direction));
        if (!(length > rounding * size && length < INFINITE_NUMBER)) return;
        double inverse = 1.0 / length;
        EACH(k, len) {
            direction[k] *= inverse;
            image[k] *= inverse;
        }
        length = product(p, units, error, image);
        advance(len, error, image, -length);
        advance(len, solution, direction, length);
        if (!(size_of(p, units, error) > goal)) return;
    }
}

// Improves `solution` of the system for `rhs`, both over x and then z. Returns the size of the
// residual, relative to the first one where the tolerance is.
LARGE double gcr(const Problem& p, System system, Units units, bool is_singular, const double* rhs,
                 double* solution) {
    Ending ending = ending_of(system);
    double unit = 1.0, residual = INFINITE_NUMBER, *error = p.krylov;
    SYNC();
    for (int cycle = 0; cycle <= ending.cycles; cycle++) {
        write_error(p, system, rhs, solution, error);
        double size = size_of(p, units, error);
        if (cycle == 0 && ending.is_relative) unit = max_abs(2.2250738585072014e-308, size);
        double now = size / unit;
        bool improved = now < ending.gain * residual;
        residual = now;
        if (cycle == ending.cycles || !improved || !(now > ending.tolerance)) break;
        run_cycle(p, system, units, ending.tolerance * unit, ending.rounding, is_singular, solution,
                  error);
        SYNC();
    }
    return residual;
}

// Largest absolute value.
LARGE double largest(const Problem& p, int n, const double* values) {
    double out[1];
    reduce<1, 0>(n, p.scratch, out,
                 [&](int k, double* out) { out[0] = max_abs(out[0], values[k]); });
    return out[0];
}

// Solves the system of the projection from zero.
LARGE Accuracy solve_projection_system(const Problem& p, bool is_singular, const double* rhs,
                                       double* solution) {
    int len = p.n + p.m;
    EACH(k, len) solution[k] = 0.0;
    double residual = gcr(p, PROJECTION, {1.0, 1.0}, is_singular, rhs, solution);
    if (is_nan(residual)) {
        // A right-hand side that is not finite has no solution; zero would hide that.
        EACH(k, len) solution[k] = residual;
    }
    double share = largest(p, len, solution) / largest(p, len, rhs);
    return {residual, residual / larger(share, 1.0)};
}
