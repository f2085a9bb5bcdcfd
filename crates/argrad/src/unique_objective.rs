//! Objectives that make solutions unique: a small multiple of the identity added to P, a small
//! random vector added to q.
//!
//! A linear program whose objective is parallel to a face has many solutions, and jumps between
//! vertices as its data move: where it is unique its derivative with respect to q is zero, and
//! elsewhere there is none (Katyal 2024, section 6.2 and 6.3). Two remedies:
//!
//! - *Regularization*, `P + t I`: the solution is unique and, as t goes to 0, the one of least norm
//!   (Tikhonov). It is off by an order of t where the program has one solution anyway. Its
//!   derivative exists almost everywhere, and in a direction in which P was flat it is of the order
//!   of `1 / t`: a small t means large gradients that change fast.
//! - *Perturbation*, `q + d` with d random but fixed: almost surely one vertex is left (Mangasarian
//!   and Meyer 1979 for how small d may be). The solution solves the program with q nearly, and its
//!   derivative is that at a vertex: zero with respect to q.
//!
//! Both add a constant, so that the derivative with respect to P and q is the identity: gradients
//! of the layer need no map back. What is added is relative to the data it is made from.

use argrad_solver::Error;

use crate::qp::{MatrixShape, all_finite};

/// A constant that is added to P and to q: made once from data, then the same for every program.
///
/// ```
/// use argrad::{MatrixShape, QpLayer, QpShape, QpValues, Slot, Settings};
/// use argrad::unique_objective::UniqueObjective;
/// // minimize 0 subject to 0 <= x <= 1: every point is a solution.
/// let shape = QpShape::new(1)
///     .quadratic(MatrixShape::Diagonal(1))
///     .inequalities(MatrixShape::Dense { rows: 2, cols: 1 });
/// let layer = QpLayer::new(shape, Settings::default())?;
/// let add = UniqueObjective::new(&MatrixShape::Diagonal(1)).regularized(1e-3);
/// let (p, q) = (add.quadratic(&[0.0])?, add.linear(&[0.0])?);
/// let values = QpValues::new(1, Slot::Shared(&p), Slot::Shared(&q))
///     .inequalities(Slot::Shared(&[1., -1.]), Slot::Shared(&[1., 0.]));
/// let solution = layer.solve(&values)?;
/// assert!(solution.reports[0].unique_x && solution.x[0].abs() < 1e-9); // the least of them
/// # Ok::<(), argrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct UniqueObjective {
    shape: MatrixShape,
    /// Added to each diagonal entry of P.
    added: f64,
    /// Added to q.
    shift: Vec<f64>,
}

impl UniqueObjective {
    /// Adds nothing so far, to a P of this shape.
    pub fn new(shape: &MatrixShape) -> Self {
        Self { shape: shape.clone(), added: 0.0, shift: vec![0.0; shape.cols()] }
    }

    /// Adds this to each diagonal entry of P, in the units of P.
    pub fn regularized(mut self, added: f64) -> Self {
        self.added = added;
        self
    }

    /// Adds `relative` times the size of P to its diagonal: times the largest entry of `p` or,
    /// where that is zero as in a linear program, the largest entry of `q` by `size`, the size
    /// that the entries of x have.
    ///
    /// # Errors
    /// [`Error::Setting`] for a share or a size that is not positive and finite;
    /// [`Error::NotFinite`] for data that are no numbers.
    pub fn regularized_by(
        self,
        relative: f64,
        p: &[f64],
        q: &[f64],
        size: f64,
    ) -> Result<Self, Error> {
        positive("relative", relative)?;
        positive("size", size)?;
        let of_p = largest("P", p)?;
        let of_q = largest("q", q)? / size;
        Ok(self.regularized(relative * if of_p > 0.0 { of_p } else { of_q }))
    }

    /// Adds to each entry of q a number between plus and minus `relative` times the largest of `q`,
    /// at random but the same for the same seed.
    ///
    /// # Errors
    /// [`Error::Setting`] for a share that is not positive and finite; [`Error::NotFinite`].
    pub fn perturbed_by(mut self, relative: f64, q: &[f64], seed: u64) -> Result<Self, Error> {
        positive("relative", relative)?;
        let size = relative * largest("q", q)?;
        let mut state = seed;
        self.shift.iter_mut().for_each(|shift| *shift = size * uniform(&mut state));
        Ok(self)
    }

    /// P with what is added, for P of any number of samples. Its derivative is the identity.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::Shape`] for a P whose shape lacks entries of the diagonal.
    pub fn quadratic(&self, p: &[f64]) -> Result<Vec<f64>, Error> {
        let mut out = p.to_vec();
        if self.added == 0.0 {
            return Ok(out);
        }
        let entries = self.shape.entries();
        let on_diagonal: Vec<usize> =
            (0..entries.len()).filter(|&k| entries[k].0 == entries[k].1).collect();
        if on_diagonal.len() != self.shape.cols() {
            return Err(Error::Shape {
                argument: "P",
                expected: format!("an entry for each of the {} diagonal places", self.shift.len()),
                found: format!("{}, which has {}", self.shape, on_diagonal.len()),
            });
        }
        check_multiple("P", p, entries.len())?;
        for own in out.chunks_exact_mut(entries.len().max(1)) {
            on_diagonal.iter().for_each(|&k| own[k] += self.added);
        }
        Ok(out)
    }

    /// q with what is added, for q of any number of samples. Its derivative is the identity.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn linear(&self, q: &[f64]) -> Result<Vec<f64>, Error> {
        check_multiple("q", q, self.shift.len())?;
        Ok(q.iter().zip(self.shift.iter().cycle()).map(|(q, shift)| q + shift).collect())
    }

    /// What is added to each diagonal entry of P.
    pub fn added(&self) -> f64 {
        self.added
    }

    /// What is added to q.
    pub fn shift(&self) -> &[f64] {
        &self.shift
    }
}

fn positive(setting: &'static str, value: f64) -> Result<(), Error> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    let expected = "a positive number";
    Err(Error::Setting { setting, expected, found: value.to_string() })
}

fn largest(argument: &'static str, values: &[f64]) -> Result<f64, Error> {
    if !all_finite(values) {
        let entry = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
        return Err(Error::NotFinite { argument, sample: None, entry, found: values[entry] });
    }
    Ok(values.iter().fold(0.0, |most, v| most.max(v.abs())))
}

fn check_multiple(argument: &'static str, values: &[f64], len: usize) -> Result<(), Error> {
    if if len == 0 { values.is_empty() } else { values.len().is_multiple_of(len) } {
        return Ok(());
    }
    let meaning = format!("{len} for each sample");
    Err(Error::Length { argument, expected: len, found: values.len(), meaning })
}

/// Between -1 and 1, by the mixing of splitmix64 (Steele, Lea and Flood 2014).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // 53 bits, as many as a double has.
    (mixed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}
