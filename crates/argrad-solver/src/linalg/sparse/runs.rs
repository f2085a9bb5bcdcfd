//! Products with P and A of one sample whose columns have runs of consecutive rows.

use pulp::Simd;

use super::solve::{load, store, total};
use crate::lanes::{LaneTask, MOST_NUMBERS, Number, Register, numbers};
use crate::program::Pattern;

/// Entries of a run from which on it goes by registers.
const LONG: usize = 8;
/// Mean entries of a run for which all this is faster than one entry after the other.
const MEAN: usize = 4;

/// Where the runs of P and A are.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    p: RunColumns,
    a: RunColumns,
}

impl Runs {
    /// None where they are short. Each matrix with the address of its first entry.
    pub(super) fn new(p: (&Pattern, usize), a: (&Pattern, usize)) -> Option<Self> {
        let entries = p.0.nnz() + a.0.nnz();
        let (p, a) = (RunColumns::new(p, true), RunColumns::new(a, false));
        (entries >= MEAN * (p.runs.len() + a.runs.len())).then_some(Self { p, a })
    }
}

/// The runs of each column of a matrix.
#[derive(Clone, Debug)]
struct RunColumns {
    /// Address of the first entry of each column, and one past the last of all.
    address: Vec<usize>,
    /// Where the runs of each column start.
    start: Vec<u32>,
    /// First row, and number of rows.
    runs: Vec<(u32, u32)>,
    /// Whether a column has an entry on the diagonal, which comes last and is in no run.
    has_diagonal: Vec<bool>,
}

impl RunColumns {
    /// `is_upper` for the upper triangle of a symmetric matrix.
    fn new((pattern, base): (&Pattern, usize), is_upper: bool) -> Self {
        let (colptr, rowval) = (pattern.colptr(), pattern.rowval());
        let mut columns = Self {
            address: colptr.iter().map(|start| base + start).collect(),
            start: vec![0],
            runs: Vec::new(),
            has_diagonal: Vec::new(),
        };
        for (j, range) in colptr.windows(2).enumerate() {
            let rows = &rowval[range[0]..range[1]];
            let has_diagonal = is_upper && rows.last() == Some(&j);
            let rows = &rows[..rows.len() - usize::from(has_diagonal)];
            columns.has_diagonal.push(has_diagonal);
            for run in rows.chunk_by(|above, below| above + 1 == *below) {
                columns.runs.push((run[0] as u32, run.len() as u32));
            }
            columns.start.push(columns.runs.len() as u32);
        }
        columns
    }

    /// The runs of column `j`.
    #[inline(always)]
    fn of(&self, j: usize) -> &[(u32, u32)] {
        &self.runs[self.start[j] as usize..self.start[j + 1] as usize]
    }
}

/// `px = P x`, `ax = A x`, `atz = A' z`.
pub(super) struct MultiplyRuns<'a, T> {
    pub(super) runs: &'a Runs,
    pub(super) values: &'a [T],
    pub(super) x: &'a [T],
    pub(super) z: &'a [T],
    pub(super) px: &'a mut [T],
    pub(super) ax: &'a mut [T],
    pub(super) atz: &'a mut [T],
}

impl<T: Number> LaneTask for MultiplyRuns<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { runs: Runs { p, a }, values, x, z, px, ax, atz } = self;
        px.fill(T::ZERO);
        ax.fill(T::ZERO);
        for (j, &xj) in x.iter().enumerate() {
            let of_p = &values[p.address[j]..p.address[j + 1]];
            let mut sum = multiply_column(simd, p.of(j), of_p, xj, (x, &mut *px));
            if let (true, Some(&diagonal)) = (p.has_diagonal[j], of_p.last()) {
                sum = diagonal.fma(xj, sum);
            }
            px[j] += sum;
            let of_a = &values[a.address[j]..a.address[j + 1]];
            atz[j] = multiply_column(simd, a.of(j), of_a, xj, (z, &mut *ax));
        }
    }
}

/// Adds a column times `by` to `to`. Returns its product with `with`: as many sums as the widest
/// register has numbers, whatever the instructions, for long runs, and one for short ones.
#[inline(always)]
fn multiply_column<S: Simd, T: Number>(
    simd: S,
    runs: &[(u32, u32)],
    values: &[T],
    by: T,
    (with, to): (&[T], &mut [T]),
) -> T {
    let registers = const { T::MOST / numbers::<S, T>() };
    let mut sums = [T::splat(simd, T::ZERO); MOST_NUMBERS];
    let (mut sum, mut rest) = (T::ZERO, values);
    let splat = T::splat(simd, by);
    let mut has_long = false;
    for &(row, len) in runs {
        let (row, len) = (row as usize, len as usize);
        let (entries, behind) = rest.split_at(len);
        rest = behind;
        let (with, to) = (&with[row..row + len], &mut to[row..row + len]);
        if len < LONG {
            for ((&entry, &with), to) in entries.iter().zip(with).zip(to) {
                *to = entry.fma(by, *to);
                sum = entry.fma(with, sum);
            }
            continue;
        }
        has_long = true;
        let ((entries, last), (with, last_with)) =
            (T::registers(simd, entries), T::registers(simd, with));
        let (to, last_to) = T::registers_mut(simd, to);
        let steps = entries.chunks(registers).zip(with.chunks(registers));
        for ((entries, with), to) in steps.zip(to.chunks_mut(registers)) {
            for (((&entry, &with), to), sum) in entries.iter().zip(with).zip(to).zip(&mut sums) {
                *to = entry.fma(splat, *to);
                *sum = entry.fma(with, *sum);
            }
        }
        if !last.is_empty() {
            let at = entries.len() % registers;
            let (entry, with) = (load(simd, last), load(simd, last_with));
            let moved = entry.fma(splat, load(simd, last_to));
            store(simd, last_to, moved);
            sums[at] = entry.fma(with, sums[at]);
        }
    }
    if has_long { sum + total::<S, T>(simd, &mut sums) } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::dispatch;
    use crate::program::Instructions;

    /// Deterministic numbers in [-1, 1].
    fn numbers(len: usize, seed: f64) -> Vec<f64> {
        (0..len).map(|k| ((k as f64 * 12.9898 + seed).sin() * 43758.5453).fract()).collect()
    }

    /// Columns with a run of every length up to 40, and some single entries around it.
    fn tall() -> Pattern {
        let (mut colptr, mut rowval) = (vec![0], Vec::new());
        for len in 0..=40 {
            rowval.extend((3..3 + len).chain([44, 46]));
            colptr.push(rowval.len());
        }
        Pattern::new(47, 41, colptr, rowval).unwrap()
    }

    /// px, ax, atz with these instructions, and of a product entry by entry.
    fn products<T: Number>(instructions: Instructions) -> ([Vec<T>; 3], [Vec<f64>; 3]) {
        let (p, a) = (Pattern::dense_upper(41), tall());
        let (n, m) = (41, 47);
        let entries = numbers(p.nnz() + a.nnz(), 0.3);
        let runs = Runs::new((&p, a.nnz()), (&a, 0)).expect("long runs");
        let (x, z) = (numbers(n, 0.7), numbers(m, 0.9));
        let rounded = |values: &[f64]| values.iter().map(|&v| T::of(v)).collect::<Vec<T>>();
        let (values, of_x, of_z) = (rounded(&entries), rounded(&x), rounded(&z));
        let [mut px, mut ax, mut atz] = [n, m, n].map(|len| vec![T::ONE; len]);
        let task = MultiplyRuns {
            runs: &runs,
            values: &values,
            x: &of_x,
            z: &of_z,
            px: &mut px,
            ax: &mut ax,
            atz: &mut atz,
        };
        dispatch(instructions, task);
        let mut exact = [n, m, n].map(|len| vec![0.0; len]);
        for j in 0..n {
            for k in a.colptr()[j]..a.colptr()[j + 1] {
                exact[1][a.rowval()[k]] += entries[k] * x[j];
                exact[2][j] += entries[k] * z[a.rowval()[k]];
            }
            for k in p.colptr()[j]..p.colptr()[j + 1] {
                let (i, entry) = (p.rowval()[k], entries[a.nnz() + k]);
                exact[0][i] += entry * x[j];
                if i != j {
                    exact[0][j] += entry * x[i];
                }
            }
        }
        ([px, ax, atz], exact)
    }

    fn check<T: Number + std::fmt::Debug>(accuracy: f64) {
        let (found, exact) = products::<T>(Instructions::Detect);
        for (found, exact) in found.iter().zip(&exact) {
            for (found, exact) in found.iter().zip(exact) {
                assert!((found.to_f64() - exact).abs() < accuracy, "{found:?} for {exact}");
            }
        }
        for instructions in [Instructions::Scalar, Instructions::Avx2] {
            assert!(products::<T>(instructions).0 == found, "{instructions:?}");
        }
    }

    #[test]
    fn products_of_runs_are_right_in_either_precision_with_the_same_bits_for_all_instructions() {
        check::<f64>(1e-14);
        check::<f32>(1e-5);
    }

    #[test]
    fn short_runs_are_left_to_products_entry_by_entry() {
        let (p, a) = (Pattern::diagonal(9), Pattern::diagonal(9));
        assert!(Runs::new((&p, 0), (&a, 9)).is_none());
    }
}
