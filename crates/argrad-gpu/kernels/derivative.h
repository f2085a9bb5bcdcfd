// The derivative of one solved problem, forward and adjoint: one solve with the factor that the
// solve left behind, refined on the system without regularization,
//   Px + A'z = r1,   (I - D)(Ax - r2) - D z = 0,
// turned into the bases of the cones (problem.h), where D is diagonal.
// CPU counterparts: argrad-solver/src/derivative/system.rs, adjoint.rs, tangent.rs.
#pragma once
#include "least_norm.h"
#include "solve.h"

// A right-hand side has no solution where refinement leaves this much of it, which is this much of
// the solution too.
#define UNREFINED 1e-8
#define INCONSISTENT 1e-12

// Reads back what the solve left: the scaled P and turned A, the derivative of the projection and
// the factor.
LARGE void read_tape(const Problem& p, const Structure& structure, const Values& values,
                     const double* tape, long long sample) {
    load(p, structure, values, sample);
    double cost_scale = tape[0];
    ONE {
        for (int k = 0; k < SCALARS; k++) p.scalars[k] = tape[k];
    }
    const double *x_scale = tape + SCALARS, *pivot = x_scale + p.n, *row_scale = pivot + p.n;
    const double *inside = row_scale + p.m, *weight = inside + p.m, *basis = weight + p.m;
    const double* factor = basis + p.basis_len;
    EACH(k, p.basis_len) p.basis[k] = basis[k];
    EACH(i, p.m) {
        p.row_scale[i] = row_scale[i];
        p.inside[i] = inside[i];
        p.weight[i] = weight[i];
    }
    EACH(j, p.n) {
        p.x_scale[j] = x_scale[j];
        p.pivot[j] = pivot[j];
        for_column(p, j, [&](int i, double& entry) { entry *= x_scale[j] * row_scale[i]; });
    }
    for_triangle(p.n, [&](int k, int i, int j) {
        factor_entry(p, i, j) = factor[k];
        p.p(j, i) *= cost_scale * x_scale[i] * x_scale[j];
    });
    SYNC();
    copy_rows(p);
    turn_rows(p);
}

// Solves for the first right-hand side. A solution that is not unique is that of least norm.
LARGE void solve_derivative(const Problem& p, const double* report, double* linear) {
    bool is_unique = report[UNIQUE_X] != 0.0 && report[UNIQUE_Z] != 0.0;
    // A point of the central path is unique.
    bool is_singular = !is_unique && !(p.mu() > 0.0);
    auto is_left = [](Accuracy a) { return a.residual > UNREFINED && a.backward > INCONSISTENT; };
    Accuracy found = solve_projection_system(p, is_singular, p.rhs, p.solution);
    if (is_left(found) && is_singular) {
        // What keeps rounding errors out of the null space hides small singular values beside it.
        found = solve_projection_system(p, false, p.rhs, p.solution);
    }
    Iterated iterated = {found.backward, 0, false};
    if (is_left(found)) iterated = least_norm(p, p.rhs, p.solution);
    ONE {
        linear[0] = iterated.residual;
        linear[1] = iterated.is_unfinished ? -iterated.iterations : iterated.iterations;
    }
    SYNC();
}

// Whether a report is that of a solution.
DEVICE bool is_solved(const double* report) {
    return report[STATUS] == SOLVED || report[STATUS] == ALMOST_SOLVED;
}

// What a sample without a solution has.
DEVICE void write_nothing(const Problem& p, const DerivativeArguments& of, long long sample) {
    EACH(j, p.n) of.out_x[sample * p.n + j] = 0.0;
    EACH(i, p.m) {
        of.out_z[sample * p.m + i] = 0.0;
        if (of.out_s != nullptr) of.out_s[sample * p.m + i] = 0.0;
    }
    ONE of.linear[2 * sample] = of.linear[2 * sample + 1] = 0.0;
}

// The adjoint: l1 and l2, from which all gradients follow.
DEVICE void adjoint_of_sample(const DerivativeArguments& of, const Problem& p, long long sample) {
    const double* report = of.report + sample * REPORT_LEN;
    if (!is_solved(report)) return write_nothing(p, of, sample);
    read_tape(p, of.structure, of.values, of.tape + sample * of.tape_len, sample);
    // The cotangent in the units of the scaled program; that of the slack goes through b - Ax. The
    // slack of a removed row is constant.
    double* through_s = p.ds;
    EACH(i, p.m) {
        long long k = sample * p.m + i;
        double of_s = of.of_s != nullptr && !is_removed(p.b[i]) ? of.of_s[k] : 0.0;
        double of_z = of.of_z != nullptr ? of.of_z[k] : 0.0;
        through_s[i] = of_s * p.cost_scale() / p.row_scale[i];
        p.rhs[p.n + i] = of_z * p.row_scale[i];
    }
    turn(p, through_s);
    turn(p, p.rhs + p.n);
    EACH(i, p.m) {
        through_s[i] *= p.inside[i];
        p.rhs[p.n + i] -= through_s[i];
    }
    SYNC();
    EACH(j, p.n) {
        double of_x = of.of_x != nullptr ? of.of_x[sample * p.n + j] : 0.0;
        double scaled = of_x * (p.cost_scale() * p.x_scale[j]);
        p.rhs[j] = scaled;
        if (of.of_s != nullptr) p.rhs[j] -= a_column(p, p.turned_rows(), through_s, j);
    }
    SYNC();
    solve_derivative(p, report, of.linear + 2 * sample);
    EACH(j, p.n) of.out_x[sample * p.n + j] = p.solution[j] * p.x_scale[j];
    double* l2 = through_s;
    EACH(i, p.m) l2[i] += p.solution[p.n + i];
    turn_back(p, l2);
    EACH(i, p.m) of.out_z[sample * p.m + i] = l2[i] * (p.row_scale[i] / p.cost_scale());
    SYNC();
}

// `r1 = -(dP x + dq + dA'z)` and `r2 = db - dA x` into the first right-hand side, in the caller's
// units: the changes take the place of P and A for a while.
DEVICE void write_change(const Problem& p, const DerivativeArguments& of, long long sample) {
    const Values& change = of.change;
    const Structure& structure = of.structure;
    EACH(k, p.square_ld * p.n) p.square[k] = 0.0;
    EACH(k, p.matrix_len) p.a[k] = 0.0;
    SYNC();
    if (change.p != nullptr) {
        EACH(k, structure.p_len) {
            p.p(structure.p_row[k], structure.p_column[k]) = change.p[sample * change.p_stride + k];
        }
    }
    if (change.a != nullptr) {
        EACH(k, structure.a_len) {
            p.a[structure.a_place[k]] = change.a[sample * change.a_stride + k];
        }
    }
    multiply(p, p.given_rows(), of.x + sample * p.n, of.z + sample * p.m);
    EACH(j, p.n) {
        double dq = change.q != nullptr ? change.q[sample * change.q_stride + j] : 0.0;
        p.rhs[j] = -(p.px[j] + dq + p.atz[j]);
    }
    EACH(i, p.m) {
        double db = change.b != nullptr ? change.b[sample * change.b_stride + i] : 0.0;
        p.rhs[p.n + i] = db - p.ax[i];
    }
    SYNC();
}

// The tangent: dx, dz and ds along a change of the values.
DEVICE void tangent_of_sample(const DerivativeArguments& of, const Problem& p, long long sample) {
    const double* report = of.report + sample * REPORT_LEN;
    if (!is_solved(report)) return write_nothing(p, of, sample);
    write_change(p, of, sample);
    read_tape(p, of.structure, of.values, of.tape + sample * of.tape_len, sample);
    EACH(k, p.n + p.m) {
        if (k < p.n) {
            p.rhs[k] *= p.cost_scale() * p.x_scale[k];
        } else {
            int i = k - p.n;
            // A removed row does not move anything.
            p.rhs[k] = is_removed(p.b[i]) ? 0.0 : p.rhs[k] * p.row_scale[i];
        }
    }
    turn(p, p.rhs + p.n);
    SYNC();
    solve_derivative(p, report, of.linear + 2 * sample);
    double *dz = p.solution + p.n, *ds = p.ds;
    multiply(p, p.turned_rows(), p.solution, dz);
    EACH(i, p.m) ds[i] = p.inside[i] * (p.rhs[p.n + i] - p.ax[i] - dz[i]);
    turn_back(p, ds);
    turn_back(p, dz);
    EACH(j, p.n) of.out_x[sample * p.n + j] = p.solution[j] * p.x_scale[j];
    EACH(i, p.m) {
        of.out_z[sample * p.m + i] = dz[i] * p.row_scale[i] / p.cost_scale();
        of.out_s[sample * p.m + i] = is_removed(p.b[i]) ? 0.0 : ds[i] / p.row_scale[i];
    }
    SYNC();
}
