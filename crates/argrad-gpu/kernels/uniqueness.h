// What of a solution is unique, and how ill-conditioned the system of its derivative is. CPU
// counterpart: argrad-solver/src/solve/uniqueness.rs.
#pragma once
#include "polish.h"

// Growth of the probe from which the system is looked at.
#define DOUBTFUL 3e4
// A right-hand side of which more than this is left has no solution.
#define LEFT 1e-5
// Condition number from which a factor that is closer to the system spares many steps.
#define ILL_CONDITIONED 1e6

struct Uniqueness {
    bool x, z, in_x;
    double growth;
};

// Whether a right-hand side without any pattern, in the first equation or in the second, has a
// solution; the sizes of its x and z.
LARGE bool has_solution(const Problem& p, bool probe_x, double& x, double& z) {
    EACH(k, p.n + p.m) {
        // That an auxiliary variable has a share in the null space is no matter.
        bool counts = k < p.n ? probe_x && !p.is_auxiliary[k] : !probe_x;
        p.rhs[k] = counts ? pseudo_random(k) : 0.0;
    }
    SYNC();
    Accuracy left = solve_projection_system(p, false, p.rhs, p.solution);
    x = largest(p, p.n, p.solution);
    z = largest(p, p.m, p.solution + p.n);
    return left.residual <= LEFT;
}

// Looks at the system that was factored last.
LARGE Uniqueness uniqueness(const Problem& p) {
    double xx, zx, xz, zz;
    bool is_x = has_solution(p, true, xx, zx), is_z = has_solution(p, false, xz, zz);
    double growth = larger(larger(xx, zx), larger(xz, zz));
    bool in_x = xx >= zz && growth >= ILL_CONDITIONED;
    return {is_x, is_z, in_x, is_x && is_z ? growth : INFINITE_NUMBER};
}
