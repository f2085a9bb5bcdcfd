// What the solver asks of the curved cones, of all of them in turn: a semidefinite cone is the work
// of the whole block, each other one that of a thread. CPU counterpart:
// argrad-solver/src/cones/product.rs.
#pragma once
#include "central.h"
#include "psd_triangle.h"
#include "second_order.h"

// v in the direction of that of the factor to this share has a derivative so close that the factor
// serves to refine solves. CPU: cones/cone.rs.
#define CLOSE_DIRECTION 1e-7

// Every cone that is the work of one thread, spread over the threads.
#define EACH_SMALL_CONE(cone, p)                                     \
    EACH(c_, (p).cones)                                              \
        for (Cone cone = cone_of(p, c_), *o_ = &cone;                \
             o_ != nullptr && cone.kind != PSD_TRIANGLE; o_ = nullptr)

// Every semidefinite cone, one after the other.
#define EVERY_PSD_CONE(cone, p)                                      \
    for (int c_ = 0; c_ < (p).cones; c_++)                           \
        for (Cone cone = cone_of(p, c_), *o_ = &cone;                \
             o_ != nullptr && cone.kind == PSD_TRIANGLE; o_ = nullptr)

// What `of` makes of a three-dimensional cone.
template <class Of>
DEVICE void with_three_dimensional(const Cone& cone, Of of) {
    if (cone.kind == EXPONENTIAL) {
        of(Exponential{});
    } else {
        of(Power{cone.exponent});
    }
}

// The point on the central path with mu = 1, of one cone that is not semidefinite.
DEVICE void write_unit(const Cone& cone, double* s, double* z) {
    if (cone.kind == SECOND_ORDER) {
        for (int k = 0; k < cone.dim; k++) s[k] = z[k] = k == 0 ? 1.0 : 0.0;
        return;
    }
    with_three_dimensional(cone, [&](auto of) {
        write_triple(of.unit(), s);
        write_triple(of.unit(), z);
    });
}

LARGE void write_units(const Problem& p, double* s, double* z) {
    EACH_SMALL_CONE(cone, p) write_unit(cone, s + cone.row, z + cone.row);
    EVERY_PSD_CONE(cone, p) {
        EACH(k, cone.side * cone.side) {
            int i = k % cone.side, j = k / cone.side, at = cone.row + place_of(i, j);
            if (i <= j) s[at] = z[at] = i == j ? 1.0 : 0.0;
        }
    }
    SYNC();
}

// Moves the part of every cone inside where it is not. Of symmetric cones.
LARGE void shift_cones(const Problem& p, double* values) {
    EACH_SMALL_CONE(cone, p) {
        if (cone.kind == SECOND_ORDER) shift_second_order(cone, values + cone.row);
    }
    SYNC();
    EVERY_PSD_CONE(cone, p) shift_psd(p, cone, values + cone.row);
}

// Data, bases and the eigenvalues of H at (s, z), with `mu` the mean complementarity.
LARGE void scale_cones(const Problem& p, const double* s, const double* z, double mu, double* h) {
    EACH_SMALL_CONE(cone, p) {
        const double *own_s = s + cone.row, *own_z = z + cone.row;
        if (cone.kind == SECOND_ORDER) {
            scale_second_order(cone, own_s, own_z, h + cone.row);
            continue;
        }
        with_three_dimensional(cone, [&](auto of) {
            Eigen3 found =
                eigen_of_rows(scaling_rows(of, triple_at(own_s), triple_at(own_z), mu));
            for (int k = 0; k < 3; k++) write_triple(found.basis.row[k], cone.basis + 3 * k);
            write_triple(found.values, h + cone.row);
        });
    }
    EVERY_PSD_CONE(cone, p) scale_psd(p, cone, s + cone.row, z + cone.row, h + cone.row);
    SYNC();
}

// The constant of the step that aims at the point of the central path at `target`, with the
// second-order correction of the affine step (ds, dz).
LARGE void write_combined_constants(const Problem& p, const double* s, const double* z,
                                    const double* ds, const double* dz, double target,
                                    double* constant) {
    EACH_SMALL_CONE(cone, p) {
        int row = cone.row;
        if (cone.kind == SECOND_ORDER) {
            combined_second_order(cone, s + row, ds + row, dz + row, target, constant + row);
            continue;
        }
        with_three_dimensional(cone, [&](auto of) {
            Triple found =
                combined_constant_of(of, triple_at(s + row), triple_at(z + row),
                                     triple_at(ds + row), triple_at(dz + row), target);
            write_triple(found, constant + row);
        });
    }
    EVERY_PSD_CONE(cone, p) {
        int row = cone.row;
        combined_psd(cone, s + row, ds + row, dz + row, target, constant + row);
    }
    SYNC();
}

DEVICE double small_cone_step(const Cone& cone, const double* s, const double* z, const double* ds,
                              const double* dz, double limit) {
    if (cone.kind == SECOND_ORDER) return step_second_order(cone, s, z, ds, dz, limit);
    double step = 0.0;
    with_three_dimensional(cone, [&](auto of) {
        step = step_length_of(of, triple_at(s), triple_at(z), triple_at(ds), triple_at(dz), limit);
    });
    return step;
}

// The longest step, at most `limit`, that keeps every curved cone inside; zero or not a number
// where the direction is none.
LARGE double step_in_cones(const Problem& p, const double* s, const double* z, const double* ds,
                           const double* dz, double limit) {
    double inverse[1];
    reduce<1, 0>(p.cones, p.scratch, inverse, [&](int c, double* out) {
        Cone cone = cone_of(p, c);
        if (cone.kind == PSD_TRIANGLE) return;
        int row = cone.row;
        double step = small_cone_step(cone, s + row, z + row, ds + row, dz + row, limit);
        out[0] = max_abs(out[0], 1.0 / step);
    });
    double step = inverse[0] > 0.0 || is_nan(inverse[0]) ? 1.0 / inverse[0] : limit;
    EVERY_PSD_CONE(cone, p) step = step_psd(p, cone, ds + cone.row, dz + cone.row, step);
    return step;
}

// s = P(v), the bases and the eigenvalues of D.
LARGE void project_cones(const Problem& p, const double* v, double* s, double* d) {
    double mu = p.mu();
    EACH_SMALL_CONE(cone, p) {
        int row = cone.row;
        if (cone.kind == SECOND_ORDER) {
            project_second_order(cone, v + row, mu, s + row, d + row);
            continue;
        }
        with_three_dimensional(cone, [&](auto of) {
            Projected found = of.project(triple_at(v + row));
            if (mu > 0.0) found = project_on_path(of, triple_at(v + row), mu, found);
            write_triple(found.point, s + row);
            write_triple(found.spectrum.d, d + row);
            for (int k = 0; k < 3; k++) {
                write_triple(found.spectrum.basis.row[k], cone.basis + 3 * k);
            }
        });
    }
    EVERY_PSD_CONE(cone, p) project_psd(p, cone, v + cone.row, mu, s + cone.row, d + cone.row);
    SYNC();
}

// v after a Newton step with the derivative at hand that led to (s, z).
LARGE void write_newton_points(const Problem& p, const double* s, const double* z, double* v) {
    UNROLL(1)
    for (int c = 0; c < p.cones; c++) {
        Cone cone = cone_of(p, c);
        int row = cone.row;
        if (cone.kind == SECOND_ORDER && p.mu() <= 0.0) {
            ONE newton_second_order(cone, p.inside + row, s + row, z + row, v + row);
        } else {
            EACH(k, cone.dim) v[row + k] = s[row + k] - z[row + k];
        }
    }
    SYNC();
}

// Whether v is far from that of the factor in some cone, and whether it is another at all.
struct Moved {
    bool far, at_all;
};

LARGE Moved moved_since_factor(const Problem& p) {
    double out[2];
    reduce<0, 2>(p.cones, p.scratch, out, [&](int c, double* out) {
        Cone cone = cone_of(p, c);
        const double *old = p.factored_v + cone.row, *now = p.v + cone.row;
        double change = 0.0, size = 0.0;
        UNROLL(1)
        for (int k = 0; k < cone.dim; k++) {
            change = max_abs(change, now[k] - old[k]);
            size = max_abs(size, old[k]);
        }
        if (!(change <= CLOSE_DIRECTION * size)) out[0] += 1.0;
        if (!(change == 0.0)) out[1] += 1.0;
    });
    return {out[0] > 0.0, out[1] > 0.0};
}

// Directions in which the derivative of the projection at v jumps within `margin`.
LARGE double kinks_of_cones(const Problem& p, const double* v, double margin) {
    double out[1];
    reduce<0, 1>(p.cones, p.scratch, out, [&](int c, double* out) {
        Cone cone = cone_of(p, c);
        const double* own = v + cone.row;
        if (cone.kind == SECOND_ORDER) {
            out[0] += kinks_of_second_order(cone, own, margin);
        } else if (cone.kind == PSD_TRIANGLE) {
            out[0] += kinks_of_psd(cone, margin);
        } else {
            with_three_dimensional(cone, [&](auto of) {
                out[0] += of.kinks(triple_at(own), margin);
            });
        }
    });
    return out[0];
}

// The smallest of the factors of the rows of each cone, for all of its rows.
LARGE void unify_factors(const Problem& p, double* row) {
    if (!CURVED || p.cones == 0) return;
    SYNC();
    EACH(c, p.cones) {
        Cone cone = cone_of(p, c);
        double least = INFINITE_NUMBER;
        for (int k = 0; k < cone.dim; k++) least = smaller(row[cone.row + k], least);
        for (int k = 0; k < cone.dim; k++) row[cone.row + k] = least;
    }
    SYNC();
}
