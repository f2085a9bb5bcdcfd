//! The layer for 9x9 boards: a program over the learned equalities.

use argrad::{
    Error, MatrixShape, Pattern, QpCotangent, QpLayer, QpShape, QpTape, QpValues, Settings, Slot,
};

use crate::affine_hull::Equalities;
use crate::parallel;

/// The solution is z in
///
/// ```text
/// minimize    c/2 z'z - gains'z
/// subject to  Az = b,  z >= 0
/// ```
///
/// with A and b learned, c >= 0, and the gains of the digits of every cell given per board. With
/// c = 0 it is a linear program.
pub struct Relaxation {
    layer: QpLayer,
    curvature: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
    g: Vec<f64>,
    h: Vec<f64>,
}

/// Boards that one task solves.
const CHUNK: usize = 8;

/// A solved batch, in chunks of the boards.
pub struct Tapes(Vec<QpTape>);

impl Relaxation {
    /// The layer over these equalities, with the curvature c.
    ///
    /// # Errors
    /// None for finite numbers.
    pub fn new(equalities: &Equalities, curvature: f64) -> Result<Self, Error> {
        let (rows, width) = (equalities.rows.len(), equalities.width);
        let (mut colptr, mut rowval, mut a) = (vec![0], Vec::new(), Vec::new());
        for j in 0..width {
            for (i, row) in equalities.rows.iter().enumerate().filter(|(_, row)| row[j] != 0.0) {
                rowval.push(i);
                a.push(row[j]);
            }
            colptr.push(rowval.len());
        }
        let curved = curvature > 0.0;
        let quadratic = match curved {
            true => MatrixShape::Diagonal(width),
            false => MatrixShape::Empty { rows: width, cols: width },
        };
        let shape = QpShape::new(width)
            .quadratic(quadratic)
            .equalities(MatrixShape::Sparse(Pattern::new(rows, width, colptr, rowval)?))
            .inequalities(MatrixShape::Diagonal(width));
        Ok(Self {
            layer: QpLayer::new(shape, Settings::default())?,
            curvature: vec![curvature; if curved { width } else { 0 }],
            a,
            b: equalities.rows.iter().map(|row| row[width]).collect(),
            g: vec![-1.0; width],
            h: vec![0.0; width],
        })
    }

    /// Numbers of a one-hot board.
    pub fn width(&self) -> usize {
        self.g.len()
    }

    /// Solves for the gains of each board, `boards * width`; the solutions, as many numbers.
    pub fn solve(&self, gains: &[f64]) -> Result<Vec<f64>, Error> {
        let chunks: Vec<&[f64]> = gains.chunks(CHUNK * self.width()).collect();
        let solved = |k: usize| Ok(self.layer.solve(&self.values(&negated(chunks[k])))?.x);
        Ok(parallel::map(chunks.len(), solved)?.concat())
    }

    /// As [`Self::solve`], with what the derivative needs.
    pub fn forward(&self, gains: &[f64]) -> Result<(Vec<f64>, Tapes), Error> {
        let chunks: Vec<&[f64]> = gains.chunks(CHUNK * self.width()).collect();
        let solved = |k: usize| {
            let (solution, tape) = self.layer.forward(&self.values(&negated(chunks[k])))?;
            Ok((solution.x, tape))
        };
        let (x, tapes): (Vec<_>, Vec<_>) = parallel::map(chunks.len(), solved)?.into_iter().unzip();
        Ok((x.concat(), Tapes(tapes)))
    }

    /// Gradient by the gains, from that by the solutions.
    pub fn backward(&self, tapes: &Tapes, gradient: &[f64]) -> Result<Vec<f64>, Error> {
        let chunks: Vec<&[f64]> = gradient.chunks(CHUNK * self.width()).collect();
        let pulled = |k: usize| {
            let cotangent = QpCotangent { x: Some(chunks[k]), ..Default::default() };
            Ok(negated(&self.layer.backward(&tapes.0[k], &cotangent)?.q))
        };
        Ok(parallel::map(chunks.len(), pulled)?.concat())
    }

    fn values<'a>(&'a self, q: &'a [f64]) -> QpValues<'a> {
        QpValues::new(q.len() / self.width(), Slot::Shared(&self.curvature), Slot::Each(q))
            .equalities(Slot::Shared(&self.a), Slot::Shared(&self.b))
            .inequalities(Slot::Shared(&self.g), Slot::Shared(&self.h))
    }
}

fn negated(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|number| -number).collect()
}
