//! The rules as a reader would write them: the sparse equalities among those that all examples
//! satisfy.
//!
//! Two numbers of a one-hot board that no example has both at 1 exclude each other. A rule that
//! speaks of a number j speaks of what j excludes, so it is sought there:
//!
//! ```text
//! minimize    sum_i w_i |v_i|
//! subject to  v in the null space of the examples on {j} and what j excludes,  v_j = 1
//! ```
//!
//! a linear program, with random weights w so that its solution is one vertex; other weights find
//! other rules (the l1 norm for sparse vectors in a subspace: Spielman, Wang, Wright, "Exact
//! recovery of sparsely-used dictionaries", 2012). All of them are solved as batches.

use std::collections::{BTreeMap, HashSet};

use argrad::{MatrixShape, Pattern, QpLayer, QpShape, QpValues, Settings, Slot};
use argrad_applications::command::Failure;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::affine_hull::{Counts, Equalities};

/// Linear programs for each number of the board. One of a number's four rules is missed by all of
/// them with a chance of (3/4)^12, 3 %; but it would have to be missed by all nine numbers in it.
const DRAWS: usize = 12;
/// Numbers that exclude more than this share of the others are passed over: boards are then too few
/// to tell what excludes what.
const EXCLUDED_AT_MOST: f64 = 0.125;
/// Coefficients this far below the largest are rounding.
const ZERO: f64 = 1e-7;

/// What is sought at one number of the board.
struct Neighbourhood {
    /// The number itself, then those it excludes.
    support: Vec<usize>,
    /// Equalities among them, each of `support.len() + 1` numbers.
    basis: Vec<Vec<f64>>,
}

/// Sparse equalities that all examples satisfy, in the order in which they were found, each once.
pub fn sparse_rules(counts: &Counts, rng: &mut StdRng) -> Result<Equalities, Failure> {
    let width = counts.width();
    let mut alike: BTreeMap<(usize, usize), Vec<Neighbourhood>> = BTreeMap::new();
    for j in 0..width {
        let excluded = (0..width).filter(|&i| i != j && counts.together(i, j) == 0.0);
        let support: Vec<usize> = std::iter::once(j).chain(excluded).collect();
        if support.len() as f64 > EXCLUDED_AT_MOST * width as f64 {
            continue;
        }
        let basis = counts.null_space(&support);
        if !basis.is_empty() {
            let size = (support.len(), basis.len());
            alike.entry(size).or_default().push(Neighbourhood { support, basis });
        }
    }
    let (mut known, mut rows) = (HashSet::new(), Vec::new());
    for neighbourhoods in alike.values() {
        for _ in 0..DRAWS {
            for rule in lightest(neighbourhoods, width, rng)? {
                let support: Vec<usize> = (0..=width).filter(|&i| rule[i] != 0.0).collect();
                if known.insert(support) {
                    rows.push(rule);
                }
            }
        }
    }
    Ok(Equalities { width, rows })
}

/// The equality of least weighted l1 norm at each of the neighbourhoods, which are alike in size.
///
/// The variables are the coordinates c of v = N c, and t >= |v|.
fn lightest(
    neighbourhoods: &[Neighbourhood],
    width: usize,
    rng: &mut StdRng,
) -> Result<Vec<Vec<f64>>, Failure> {
    let (numbers, coordinates) = (neighbourhoods[0].support.len(), neighbourhoods[0].basis.len());
    let n = coordinates + numbers;
    let layer = QpLayer::new(
        QpShape::new(n)
            .equalities(MatrixShape::Dense { rows: 1, cols: n })
            .inequalities(MatrixShape::Sparse(absolute_values(numbers, coordinates)?)),
        Settings::default(),
    )?;
    let (mut q, mut a, mut g) = (Vec::new(), Vec::new(), Vec::new());
    for Neighbourhood { basis, .. } in neighbourhoods {
        q.extend(std::iter::repeat_n(0.0, coordinates));
        q.extend((0..numbers).map(|_| 1.0 + rng.random::<f64>()));
        a.extend(basis.iter().map(|vector| vector[0]));
        a.extend(std::iter::repeat_n(0.0, numbers));
        for vector in basis {
            g.extend_from_slice(&vector[..numbers]);
            g.extend(vector[..numbers].iter().map(|v| -v));
        }
        g.extend(std::iter::repeat_n(-1.0, 2 * numbers));
    }
    let zeros = vec![0.0; 2 * numbers];
    let values = QpValues::new(neighbourhoods.len(), Slot::Shared(&[]), Slot::Each(&q))
        .equalities(Slot::Each(&a), Slot::Shared(&[1.0]))
        .inequalities(Slot::Each(&g), Slot::Shared(&zeros));
    let solution = layer.solve(&values)?;
    let solved = neighbourhoods.iter().zip(solution.x.chunks(n)).zip(&solution.reports);
    let rules = solved.filter(|(_, report)| report.is_solved()).map(|((neighbourhood, x), _)| {
        let Neighbourhood { support, basis } = neighbourhood;
        let mut rule = vec![0.0; width + 1];
        for (i, place) in support.iter().copied().chain([width]).enumerate() {
            let value: f64 = basis.iter().zip(x).map(|(vector, c)| c * vector[i]).sum();
            rule[place] = if value.abs() > ZERO { value } else { 0.0 };
        }
        // The last number is minus the right-hand side.
        rule[width] *= -1.0;
        rule
    });
    Ok(rules.collect())
}

/// Pattern of the rows `N c - t <= 0`, `-N c - t <= 0`.
fn absolute_values(numbers: usize, coordinates: usize) -> Result<Pattern, argrad::Error> {
    let (mut colptr, mut rowval) = (vec![0], Vec::new());
    for _ in 0..coordinates {
        rowval.extend(0..2 * numbers);
        colptr.push(rowval.len());
    }
    for i in 0..numbers {
        rowval.extend([i, numbers + i]);
        colptr.push(rowval.len());
    }
    Pattern::new(2 * numbers, coordinates + numbers, colptr, rowval)
}
