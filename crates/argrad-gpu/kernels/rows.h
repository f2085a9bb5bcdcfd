// The entries of A, column by column and row by row, whether it is dense or sparse.
#pragma once
#include "problem.h"

// body(row, entry) for every entry of column j.
template <class Body>
DEVICE void for_column(const Problem& p, int j, Body body) {
    Rows a = p.given_rows();
    if (IS_SPARSE(p)) {
        UNROLL(1)
        for (int k = p.lists.column_start[j]; k < p.lists.column_start[j + 1]; k++) {
            body(p.lists.entry_row[k], a.entry(k));
        }
    } else {
        for (int i = 0; i < p.m; i++) body(i, a.at(i, j));
    }
}

// body(column, entry) for every entry of row i.
template <class Body>
DEVICE void for_row(const Problem& p, int i, Body body) {
    Rows a = p.given_rows();
    if (IS_SPARSE(p)) {
        UNROLL(1)
        for (int k = p.lists.row_start[i]; k < p.lists.row_start[i + 1]; k++) {
            body(p.lists.row_column[k], a.entry(p.lists.row_entry[k]));
        }
    } else {
        for (int j = 0; j < p.n; j++) body(j, a.at(i, j));
    }
}

// The largest absolute values of a column and of a row.
DEVICE double column_norm(const Problem& p, int j) {
    double norm = 0.0;
    for_column(p, j, [&](int, double entry) { norm = max_abs(norm, entry); });
    return norm;
}

DEVICE double row_norm(const Problem& p, int i) {
    double norm = 0.0;
    for_row(p, i, [&](int, double entry) { norm = max_abs(norm, entry); });
    return norm;
}
