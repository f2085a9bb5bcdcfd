// From adjoints to gradients: dq = -l1, db = l2, dA = -(l2 x' + z l1'), dP = -sym(l1 x') on the
// patterns; sums over the batch where the batch shares the value. Or from weights w of the optimal
// values, by the envelope theorem: dq = w x, db = -w z, dA = w z x', dP = w x x' / 2. CPU
// counterparts: argrad-solver/src/derivative/gradient.rs, value.rs.
#pragma once
#include "arguments.h"
#include "block.h"

// The part of `sample` in entry k of the gradient of P.
DEVICE double gradient_of_p(const GradientArguments& of, long long sample, int k) {
    int i = of.structure.p_row[k], j = of.structure.p_column[k];
    const double *x = of.x + sample * of.structure.n, *l1 = of.l1 + sample * of.structure.n;
    if (of.weights != nullptr) return of.weights[sample] * (i == j ? 0.5 : 1.0) * (x[i] * x[j]);
    return i == j ? -(l1[j] * x[j]) : -(l1[i] * x[j] + x[i] * l1[j]);
}

DEVICE double gradient_of_a(const GradientArguments& of, long long sample, int k) {
    int i = of.structure.a_row[k], j = of.structure.a_column[k];
    long long first = sample * of.structure.n, row = sample * of.structure.m + i;
    if (of.weights != nullptr) return of.weights[sample] * (of.z[row] * of.x[first + j]);
    return -(of.l2[row] * of.x[first + j] + of.z[row] * of.l1[first + j]);
}

DEVICE double gradient_of_q(const GradientArguments& of, long long sample, int j) {
    long long at = sample * of.structure.n + j;
    return of.weights != nullptr ? of.weights[sample] * of.x[at] : -of.l1[at];
}

DEVICE double gradient_of_b(const GradientArguments& of, long long sample, int i) {
    long long at = sample * of.structure.m + i;
    return of.weights != nullptr ? -(of.weights[sample] * of.z[at]) : of.l2[at];
}

// Writes a gradient with `len` entries a sample: a thread an entry. Or their sums: a block an
// entry, whose threads share the samples; the same for any number of blocks.
template <class Part>
DEVICE void write_gradient(const GradientArguments& of, double* scratch, double* out, int len,
                           bool is_shared, Part part) {
    if (!is_shared) {
        ALL(k, (long long)of.batch * len) out[k] = part(of, k / len, (int)(k % len));
        return;
    }
    for (int k = BLOCK; k < len; k += BLOCKS) {
        double sum[1];
        reduce<0, 1>(of.batch, scratch, sum,
                     [&](int sample, double* sum) { sum[0] += part(of, sample, k); });
        ONE out[k] = sum[0];
    }
}

DEVICE void write_gradients(const GradientArguments& of, double* scratch) {
    const Structure& structure = of.structure;
    write_gradient(of, scratch, of.dp, structure.p_len, of.p_is_shared, gradient_of_p);
    write_gradient(of, scratch, of.dq, structure.n, of.q_is_shared, gradient_of_q);
    write_gradient(of, scratch, of.da, structure.a_len, of.a_is_shared, gradient_of_a);
    write_gradient(of, scratch, of.db, structure.m, of.b_is_shared, gradient_of_b);
}
