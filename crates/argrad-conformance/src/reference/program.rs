//! One program with its numbers in double-double arithmetic.

use argrad_solver::Structure;
use qd::Quad;

use super::projection::{Block, project_cone};
use crate::double_double::{Largest, exact};
use crate::{ProgramBatch, StoredGradients};

/// The numbers of one sample, in storage order.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) structure: Structure,
    pub(super) p: Vec<Quad>,
    pub(super) q: Vec<Quad>,
    pub(super) a: Vec<Quad>,
    pub(super) b: Vec<Quad>,
    /// Rows with `b = +inf`: no constraints. Their numbers are zero here, and z = 0, D = 1.
    pub(super) removed: Vec<bool>,
}

impl Program {
    pub(super) fn new(batch: &ProgramBatch, index: usize) -> Self {
        let structure = batch.structure.clone();
        let (p, a) = (structure.p(), structure.a());
        let b = batch.b.sample(index, batch.rows());
        let removed: Vec<bool> = b.iter().map(|b| b.is_infinite()).collect();
        let mut program = Self {
            p: exact(batch.p.sample(index, p.nnz())),
            q: exact(batch.q.sample(index, batch.variables())),
            a: exact(batch.a.sample(index, a.nnz())),
            b: exact(b),
            removed,
            structure: structure.clone(),
        };
        program.clear_removed();
        program
    }

    /// The program with its numbers moved by `step` along `direction`.
    pub(super) fn moved(&self, direction: &StoredGradients, step: f64) -> Self {
        let mut moved = self.clone();
        let step = Quad::from_f64(step);
        for (numbers, direction) in [
            (&mut moved.p, &direction.p),
            (&mut moved.q, &direction.q),
            (&mut moved.a, &direction.a),
            (&mut moved.b, &direction.b),
        ] {
            for (v, &d) in numbers.iter_mut().zip(direction) {
                *v = v.add_accurate(step * Quad::from_f64(d));
            }
        }
        moved.clear_removed();
        moved
    }

    fn clear_removed(&mut self) {
        for ((i, _), a) in self.structure.a().entries().zip(&mut self.a) {
            if self.removed[i] {
                *a = Quad::ZERO;
            }
        }
        for (b, _) in self.b.iter_mut().zip(&self.removed).filter(|(_, removed)| **removed) {
            *b = Quad::ZERO;
        }
    }

    pub(super) fn variables(&self) -> usize {
        self.structure.variables()
    }

    pub(super) fn rows(&self) -> usize {
        self.structure.rows()
    }

    /// `sum += Px` for the upper triangle `p`.
    pub(super) fn add_p_times(&self, p: &[Quad], x: &[Quad], sum: &mut [Quad]) {
        for ((i, j), &p) in self.structure.p().entries().zip(p) {
            sum[i] = sum[i].add_accurate(p * x[j]);
            if i != j {
                sum[j] = sum[j].add_accurate(p * x[i]);
            }
        }
    }

    /// `sum += Ax`.
    pub(super) fn add_a_times(&self, a: &[Quad], x: &[Quad], sum: &mut [Quad]) {
        for ((i, j), &a) in self.structure.a().entries().zip(a) {
            sum[i] = sum[i].add_accurate(a * x[j]);
        }
    }

    /// `sum += A'z`.
    pub(super) fn add_a_transposed_times(&self, a: &[Quad], z: &[Quad], sum: &mut [Quad]) {
        for ((i, j), &a) in self.structure.a().entries().zip(a) {
            sum[j] = sum[j].add_accurate(a * z[i]);
        }
    }

    /// s, z and the derivative of the projection at v.
    pub(super) fn project(&self, v: &[Quad]) -> Projected {
        let mut blocks: Vec<(usize, Block)> = Vec::new();
        let mut row = 0;
        for cone in self.structure.cones() {
            for block in project_cone(cone, &v[row..row + cone.dim()]) {
                let len = block.point.len();
                blocks.push((row, if self.removed[row] { Block::free(v[row]) } else { block }));
                row += len;
            }
        }
        let s: Vec<Quad> = blocks.iter().flat_map(|(_, block)| block.point.clone()).collect();
        let z = s.iter().zip(v).map(|(&s, &v)| s.sub_accurate(v)).collect();
        Projected { s, z, blocks }
    }

    /// `(Px + q + A'z, Ax + s - b)`, and the larger of its two parts relative to the largest term.
    pub(super) fn residual(&self, x: &[Quad], projected: &Projected) -> (Vec<Quad>, f64) {
        let (n, rows) = (self.variables(), self.rows());
        let (mut curvature, mut pull) = (vec![Quad::ZERO; n], vec![Quad::ZERO; n]);
        let mut product = vec![Quad::ZERO; rows];
        self.add_p_times(&self.p, x, &mut curvature);
        self.add_a_transposed_times(&self.a, &projected.z, &mut pull);
        self.add_a_times(&self.a, x, &mut product);
        let (mut dual, mut primal) = (Largest::default(), Largest::default());
        let mut residual = Vec::with_capacity(n + rows);
        for j in 0..n {
            residual.push(dual.add(&[curvature[j], self.q[j], pull[j]]));
        }
        for (i, (&product, &s)) in product.iter().zip(&projected.s).enumerate() {
            let terms = [product, s, -self.b[i]];
            residual.push(if self.removed[i] { terms[1] } else { primal.add(&terms) });
        }
        (residual, dual.relative().max(primal.relative()))
    }

    /// The least over the blocks of their own margin and of `max(|s| / S, |z| / Z)`, with S the
    /// largest entry of s and b, and Z that of z and of `|q| / |A|`.
    pub(super) fn margin(&self, projected: &Projected) -> f64 {
        let largest = |v: &[Quad]| v.iter().fold(0.0_f64, |largest, v| largest.max(v.0.abs()));
        let kept: Vec<Quad> = (0..self.rows())
            .map(|i| if self.removed[i] { Quad::ZERO } else { projected.s[i] })
            .collect();
        let of_s = largest(&kept).max(largest(&self.b));
        let coefficient = largest(&self.a);
        let unit = if coefficient > 0.0 { largest(&self.q) / coefficient } else { 0.0 };
        let of_z = largest(&projected.z).max(unit);
        let share = |size: f64, scale: f64| if scale > 0.0 { size / scale } else { 0.0 };
        projected
            .blocks
            .iter()
            .filter(|(first, block)| !self.removed[*first] && !block.is_constant)
            .map(|(first, block)| {
                let z = &projected.z[*first..][..block.point.len()];
                let size = share(largest(&block.point), of_s).max(share(largest(z), of_z));
                block.margin.min(size)
            })
            .fold(1.0, f64::min)
    }
}

/// The projection of all rows.
#[derive(Clone, Debug)]
pub(super) struct Projected {
    pub(super) s: Vec<Quad>,
    pub(super) z: Vec<Quad>,
    /// First row of each block, and the block.
    pub(super) blocks: Vec<(usize, Block)>,
}

impl Projected {
    /// `D w`.
    pub(super) fn derivative_times(&self, w: &[Quad]) -> Vec<Quad> {
        let mut product = Vec::with_capacity(w.len());
        for (first, block) in &self.blocks {
            let len = block.point.len();
            for row in block.derivative.chunks_exact(len) {
                product.push(
                    row.iter()
                        .zip(&w[*first..][..len])
                        .fold(Quad::ZERO, |sum, (&d, &w)| sum.add_accurate(d * w)),
                );
            }
        }
        product
    }

    /// Index of the block of each row.
    pub(super) fn block_of_rows(&self) -> Vec<usize> {
        let blocks = self.blocks.iter().enumerate();
        blocks.flat_map(|(k, (_, block))| std::iter::repeat_n(k, block.point.len())).collect()
    }
}
