//! Row-major <-> column by column, in square tiles that stay in registers and the first cache.

/// Order of a tile: a row of it is one cache line.
const TILE: usize = 8;

type Tile = [[f64; TILE]; TILE];

/// The tile at (`row`, `col`) of a row-major matrix with `cols` columns.
#[inline(always)]
fn load(matrix: &[f64], cols: usize, row: usize, col: usize) -> Tile {
    let mut tile = [[0.0; TILE]; TILE];
    for (r, line) in tile.iter_mut().enumerate() {
        line.copy_from_slice(&matrix[(row + r) * cols + col..][..TILE]);
    }
    tile
}

#[inline(always)]
fn transposed(tile: &Tile) -> Tile {
    std::array::from_fn(|c| std::array::from_fn(|r| tile[r][c]))
}

/// Corners of the tiles of a matrix, and whether they are whole.
fn corners(rows: usize, cols: usize) -> impl Iterator<Item = (usize, usize, bool)> {
    (0..rows).step_by(TILE).flat_map(move |row| {
        (0..cols).step_by(TILE).map(move |col| (row, col, row + TILE <= rows && col + TILE <= cols))
    })
}

/// Entries of a tile that is cut off by the border.
fn entries(
    row: usize,
    col: usize,
    rows: usize,
    cols: usize,
) -> impl Iterator<Item = (usize, usize)> {
    (row..(row + TILE).min(rows))
        .flat_map(move |i| (col..(col + TILE).min(cols)).map(move |j| (i, j)))
}

/// Puts a row-major matrix of `rows` rows into `stack`, its column j from `starts[j]` on.
pub(crate) fn to_columns(rows: usize, matrix: &[f64], starts: &[usize], stack: &mut [f64]) {
    let cols = starts.len();
    for (row, col, whole) in corners(rows, cols) {
        if whole {
            for (line, start) in
                transposed(&load(matrix, cols, row, col)).iter().zip(&starts[col..])
            {
                stack[start + row..][..TILE].copy_from_slice(line);
            }
        } else {
            for (i, j) in entries(row, col, rows, cols) {
                stack[starts[j] + i] = matrix[i * cols + j];
            }
        }
    }
}

/// Inverse of [`to_columns`]; `put` writes or adds.
pub(crate) fn to_rows(
    rows: usize,
    stack: &[f64],
    starts: &[usize],
    matrix: &mut [f64],
    put: impl Fn(&mut f64, f64),
) {
    let cols = starts.len();
    for (row, col, whole) in corners(rows, cols) {
        if whole {
            let mut tile = [[0.0; TILE]; TILE];
            for (line, start) in tile.iter_mut().zip(&starts[col..]) {
                line.copy_from_slice(&stack[start + row..][..TILE]);
            }
            for (r, line) in transposed(&tile).iter().enumerate() {
                let out = &mut matrix[(row + r) * cols + col..][..TILE];
                out.iter_mut().zip(line).for_each(|(out, &v)| put(out, v));
            }
        } else {
            for (i, j) in entries(row, col, rows, cols) {
                put(&mut matrix[i * cols + j], stack[starts[j] + i]);
            }
        }
    }
}

/// Start of column j of an upper triangle that is stored by columns.
#[inline(always)]
fn triangle(j: usize) -> usize {
    j * (j + 1) / 2
}

/// Upper triangle, by columns, of the symmetric part of a row-major matrix of order `n`. Returns
/// the largest `|P_ij - P_ji|` and the largest `|P_ij|`.
pub(crate) fn symmetric_part(n: usize, matrix: &[f64], upper: &mut [f64]) -> (f64, f64) {
    let (mut skew, mut size) = ([0.0; TILE], [0.0; TILE]);
    let mut entry = |lane: usize, above: f64, below: f64| {
        skew[lane] = larger(skew[lane], (above - below).abs());
        size[lane] = larger(size[lane], larger(above.abs(), below.abs()));
        0.5 * (above + below)
    };
    for col in (0..n).step_by(TILE) {
        let end = (col + TILE).min(n);
        for row in (0..col).step_by(TILE) {
            if end == col + TILE {
                let above = transposed(&load(matrix, n, row, col));
                let below = load(matrix, n, col, row);
                for c in 0..TILE {
                    let out = &mut upper[triangle(col + c) + row..][..TILE];
                    for r in 0..TILE {
                        out[r] = entry(r, above[c][r], below[c][r]);
                    }
                }
            } else {
                for j in col..end {
                    for i in row..row + TILE {
                        upper[triangle(j) + i] = entry(0, matrix[i * n + j], matrix[j * n + i]);
                    }
                }
            }
        }
        for j in col..end {
            for i in col..=j {
                upper[triangle(j) + i] = entry(0, matrix[i * n + j], matrix[j * n + i]);
            }
        }
    }
    (skew.into_iter().fold(0.0, larger), size.into_iter().fold(0.0, larger))
}

/// Adjoint of [`symmetric_part`]: half of the gradient of an off-diagonal entry to each of its two
/// places.
pub(crate) fn symmetric_gradient(n: usize, upper: &[f64], matrix: &mut [f64]) {
    for col in (0..n).step_by(TILE) {
        let end = (col + TILE).min(n);
        for row in (0..col).step_by(TILE) {
            if end == col + TILE {
                let mut below = [[0.0; TILE]; TILE];
                for (c, line) in below.iter_mut().enumerate() {
                    let half = &upper[triangle(col + c) + row..][..TILE];
                    line.iter_mut().zip(half).for_each(|(out, g)| *out = 0.5 * g);
                    matrix[(col + c) * n + row..][..TILE].copy_from_slice(line);
                }
                for (r, line) in transposed(&below).iter().enumerate() {
                    matrix[(row + r) * n + col..][..TILE].copy_from_slice(line);
                }
            } else {
                for j in col..end {
                    for i in row..row + TILE {
                        let half = 0.5 * upper[triangle(j) + i];
                        matrix[j * n + i] = half;
                        matrix[i * n + j] = half;
                    }
                }
            }
        }
        for j in col..end {
            for i in col..j {
                let half = 0.5 * upper[triangle(j) + i];
                matrix[j * n + i] = half;
                matrix[i * n + j] = half;
            }
            matrix[j * n + j] = upper[triangle(j) + j];
        }
    }
}

/// Maximum of numbers that are not NaN; one instruction, unlike `f64::max`.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(len: usize) -> Vec<f64> {
        (0..len).map(|k| ((k * 7919 + 13) % 1009) as f64 - 500.0).collect()
    }

    #[test]
    fn columns_and_rows_are_inverse_at_every_border() {
        for (rows, cols) in [(1, 1), (7, 9), (8, 8), (16, 24), (17, 23), (3, 40), (40, 3)] {
            let matrix = numbers(rows * cols);
            // Another block of two rows below.
            let starts: Vec<usize> = (0..cols).map(|j| j * (rows + 2)).collect();
            let mut stack = vec![-1.0; cols * (rows + 2)];
            to_columns(rows, &matrix, &starts, &mut stack);
            for i in 0..rows {
                for j in 0..cols {
                    assert_eq!(stack[starts[j] + i], matrix[i * cols + j]);
                }
            }
            let mut back = matrix.clone();
            to_rows(rows, &stack, &starts, &mut back, |out, v| *out += v);
            assert!(back.iter().zip(&matrix).all(|(back, v)| *back == 2.0 * v));
        }
    }

    #[test]
    fn symmetric_part_and_gradient_are_adjoint_at_every_border() {
        for n in [0, 1, 5, 8, 9, 16, 20, 31] {
            let matrix = numbers(n * n);
            let mut upper = vec![0.0; triangle(n)];
            let (skew, size) = symmetric_part(n, &matrix, &mut upper);
            let (mut found_skew, mut found_size) = (0.0_f64, 0.0_f64);
            for j in 0..n {
                for i in 0..n {
                    found_skew = found_skew.max((matrix[i * n + j] - matrix[j * n + i]).abs());
                    found_size = found_size.max(matrix[i * n + j].abs());
                }
                for i in 0..=j {
                    let half_sum = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
                    assert_eq!(upper[triangle(j) + i], half_sum);
                }
            }
            assert_eq!((skew, size), (found_skew, found_size));

            let gradient = numbers(triangle(n));
            let mut back = vec![0.0; n * n];
            symmetric_gradient(n, &gradient, &mut back);
            let forward: f64 = upper.iter().zip(&gradient).map(|(u, g)| u * g).sum();
            let adjoint: f64 = matrix.iter().zip(&back).map(|(m, g)| m * g).sum();
            assert_eq!(forward, adjoint, "integers and halves, so exact");
        }
    }
}
