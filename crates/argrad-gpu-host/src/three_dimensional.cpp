// Functions of the cones in three dimensions, one by one, for their tests. A cone is given by its
// exponent; zero stands for the exponential cone.
#define HOST_ORDER 0
#include "exponential.h"
#include "power.h"

template <class Call>
static auto with_cone(double alpha, Call call) {
    return alpha == 0.0 ? call(Exponential{}) : call(Power{alpha});
}

static Triple load_triple(const double* x) { return {{x[0], x[1], x[2]}}; }

static void store(Triple x, double* out) { std::memcpy(out, x.at, sizeof x.at); }

static void store_rows(const ThreeRows& rows, double* out) {
    for (int k = 0; k < 3; k++) store(rows.row[k], out + 3 * k);
}

extern "C" void argrad_cone_unit(double alpha, double* out) {
    store(with_cone(alpha, [](auto cone) { return cone.unit(); }), out);
}

extern "C" bool argrad_cone_is_inside(double alpha, const double* x, bool is_dual) {
    Triple point = load_triple(x);
    return with_cone(alpha, [=](auto cone) {
        return is_dual ? cone.inside_dual(point) : cone.inside_primal(point);
    });
}

// Gradient, rows of the root of the Hessian, and third derivative along a and b.
extern "C" void argrad_cone_derivatives(double alpha, const double* z, const double* a,
                                        const double* b, double* out) {
    with_cone(alpha, [=](auto cone) {
        auto at = cone.local(load_triple(z));
        store(cone.gradient(at), out);
        store_rows(cone.root(at), out + 3);
        store(cone.third(at, load_triple(a), load_triple(b)), out + 12);
        return 0;
    });
}

extern "C" void argrad_cone_shadow(double alpha, const double* s, double* out) {
    store(with_cone(alpha, [=](auto cone) { return cone.shadow(load_triple(s)); }), out);
}

extern "C" void argrad_cone_scaling(double alpha, const double* s, const double* z, double mean,
                                    double* out) {
    store_rows(with_cone(alpha, [=](auto cone) {
        return scaling_rows(cone, load_triple(s), load_triple(z), mean);
    }), out);
}

// `pairs` are s, z, ds, dz.
extern "C" void argrad_cone_combined(double alpha, const double* pairs, double target,
                                     double* out) {
    store(with_cone(alpha, [=](auto cone) {
        return combined_constant_of(cone, load_triple(pairs), load_triple(pairs + 3),
                                    load_triple(pairs + 6), load_triple(pairs + 9), target);
    }), out);
}

extern "C" double argrad_cone_step(double alpha, const double* pairs, double limit) {
    return with_cone(alpha, [=](auto cone) {
        return step_length_of(cone, load_triple(pairs), load_triple(pairs + 3),
                              load_triple(pairs + 6), load_triple(pairs + 9), limit);
    });
}

// The point, the basis, d, 1 - d and delta.
extern "C" void argrad_cone_project(double alpha, const double* v, double* out) {
    Projected projected =
        with_cone(alpha, [=](auto cone) { return cone.project(load_triple(v)); });
    store(projected.point, out);
    store_rows(projected.spectrum.basis, out + 3);
    store(projected.spectrum.d, out + 12);
    store(projected.spectrum.complement, out + 15);
    out[18] = projected.spectrum.delta;
}

extern "C" int argrad_cone_kinks(double alpha, const double* v, double margin) {
    return with_cone(alpha, [=](auto cone) { return cone.kinks(load_triple(v), margin); });
}

// Eigenvectors and eigenvalues of R'R.
extern "C" void argrad_cone_eigen(const double* rows, double* out) {
    Eigen3 eigen = eigen_of_rows(
        {{load_triple(rows), load_triple(rows + 3), load_triple(rows + 6)}});
    store_rows(eigen.basis, out);
    store(eigen.values, out + 9);
}
