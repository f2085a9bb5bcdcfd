// Powers of two as factors, which round nothing. CPU counterpart: argrad-solver/src/solve/scales.rs
// and the functions of exponents in lanes/vector.rs.
#pragma once
#include "rows.h"

// Smallest unit, and reciprocal of the largest; largest exponent of a factor.
#define SMALLEST_UNIT 1e-60
#define LARGEST_EXPONENT 200.0

// The exponent e of 2^e f with 1 <= f < 2, of normal positive numbers.
DEVICE double exponent_of(double x) { return (double)((bits_of(x) >> 52) - 1023); }

// 2^e for an integer e in the range of normal numbers.
DEVICE double power_of_two(int e) { return of_bits((long long)(e + 1023) << 52); }

// The largest power of two that is at most x.
DEVICE double floor_power_of_two(double x) { return of_bits(bits_of(x) & 0x7ff0000000000000LL); }

// The power of two nearest to a positive number, in the logarithm.
DEVICE double nearest_power_of_two(double x) { return floor_power_of_two(x * 1.4142135623730951); }

// The power of two that brings x to at least one half and less than two when x is multiplied by its
// square.
DEVICE double inverse_root_power_of_two(double x) {
    long long k = ((bits_of(x) >> 52) + 1026) >> 1;
    return of_bits((2047 - k) << 52);
}

// `size`, or what is nearest to it among numbers whose powers are far from over- and underflow.
DEVICE double within(double size) {
    return larger(smaller(size, 1.0 / SMALLEST_UNIT), SMALLEST_UNIT);
}

// The power of two that brings `size` near one; one for zero.
DEVICE double to_one(double size) {
    return size > 0.0 ? nearest_power_of_two(1.0 / within(size)) : 1.0;
}

// The power of two that brings a number of this exponent, which may be a fraction, near one.
DEVICE double to_one_by_exponent(double exponent) {
    double bounded = larger(smaller(exponent, LARGEST_EXPONENT), -LARGEST_EXPONENT);
    // Adding this leaves no digits behind the point.
    double rounder = 6755399441055744.0;
    return power_of_two(-(int)((bounded + rounder) - rounder));
}

// Multiplies the program by factors of its columns and rows, and accumulates them.
LARGE void apply_factors(const Problem& p, const double* column, const double* row) {
    SYNC();
    EACH(j, p.n) {
        for (int i = 0; i <= j; i++) p.p(i, j) *= column[i] * column[j];
        p.q[j] *= column[j];
        p.x_scale[j] *= column[j];
        for_column(p, j, [&](int i, double& entry) { entry *= row[i] * column[j]; });
    }
    EACH(i, p.m) {
        p.b[i] *= row[i];
        p.row_scale[i] *= row[i];
    }
    SYNC();
}
