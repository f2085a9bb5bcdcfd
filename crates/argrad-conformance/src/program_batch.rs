//! A batch of programs that owns its numbers, and one sample of it as dense matrices.

use argrad_solver::{Cone, Slot, Structure, Values};

/// Owned numbers of one argument: the owning form of [`Slot`].
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// One copy for the whole batch.
    Shared(Vec<f64>),
    /// One copy per sample, sample by sample.
    Each(Vec<f64>),
}

impl Numbers {
    /// The borrowed form that the solver takes.
    pub fn slot(&self) -> Slot<'_> {
        match self {
            Numbers::Shared(values) => Slot::Shared(values),
            Numbers::Each(values) => Slot::Each(values),
        }
    }

    /// The numbers of sample `index`, where one sample has `len` of them.
    pub fn sample(&self, index: usize, len: usize) -> &[f64] {
        self.slot().sample(index, len)
    }

    /// All the numbers.
    pub fn as_slice(&self) -> &[f64] {
        self.slot().as_slice()
    }

    /// All the numbers, to change.
    pub fn as_mut_slice(&mut self) -> &mut [f64] {
        match self {
            Numbers::Shared(values) | Numbers::Each(values) => values,
        }
    }

    fn select(&self, indices: &[usize], len: usize) -> Self {
        match self {
            Numbers::Shared(values) => Numbers::Shared(values.clone()),
            Numbers::Each(_) => {
                Numbers::Each(indices.iter().flat_map(|&i| self.sample(i, len)).copied().collect())
            }
        }
    }
}

/// A batch of programs in standard form.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramBatch {
    /// Patterns and cones.
    pub structure: Structure,
    /// Number of samples.
    pub batch: usize,
    /// Upper triangle of P, in the order of its pattern.
    pub p: Numbers,
    /// Linear objective.
    pub q: Numbers,
    /// A, in the order of its pattern.
    pub a: Numbers,
    /// Right-hand side.
    pub b: Numbers,
}

impl ProgramBatch {
    /// A batch with nothing shared, from dense samples: the entries on the patterns of
    /// `structure` are kept.
    pub fn from_programs(structure: Structure, programs: &[DenseProgram]) -> Self {
        let gather = |f: &dyn Fn(&DenseProgram) -> Vec<f64>| {
            Numbers::Each(programs.iter().flat_map(f).collect())
        };
        Self {
            batch: programs.len(),
            p: gather(&|program| program.stored_p(&structure)),
            q: gather(&|program| program.q.clone()),
            a: gather(&|program| program.stored_a(&structure)),
            b: gather(&|program| program.b.clone()),
            structure,
        }
    }

    /// The form that the solver takes.
    pub fn values(&self) -> Values<'_> {
        Values {
            batch: self.batch,
            p: self.p.slot(),
            q: self.q.slot(),
            a: self.a.slot(),
            b: self.b.slot(),
        }
    }

    /// Number of variables, n.
    pub fn variables(&self) -> usize {
        self.structure.variables()
    }

    /// Number of rows of A.
    pub fn rows(&self) -> usize {
        self.structure.rows()
    }

    /// Number of equalities.
    ///
    /// # Panics
    /// When there are other cones than zero and nonnegative, or a zero cone after a nonnegative
    /// one.
    pub fn equalities(&self) -> usize {
        let (mut equalities, mut inequalities) = (0, 0);
        for cone in self.structure.cones() {
            match cone {
                Cone::Zero(k) if inequalities == 0 => equalities += k,
                Cone::Nonnegative(k) => inequalities += k,
                other => panic!("{other:?} in a batch of zero, then nonnegative cones"),
            }
        }
        equalities
    }

    /// Number of inequalities.
    pub fn inequalities(&self) -> usize {
        self.rows() - self.equalities()
    }

    /// Sample `index` of a batch of quadratic programs as dense matrices.
    ///
    /// # Panics
    /// As [`Self::equalities()`].
    pub fn program(&self, index: usize) -> DenseProgram {
        let (n, rows) = (self.variables(), self.rows());
        let mut program = DenseProgram::zeros(n, self.equalities(), self.inequalities());
        let (p, a) = (self.structure.p(), self.structure.a());
        for ((i, j), &value) in p.entries().zip(self.p.sample(index, p.nnz())) {
            program.p[i * n + j] = value;
            program.p[j * n + i] = value;
        }
        for ((i, j), &value) in a.entries().zip(self.a.sample(index, a.nnz())) {
            program.a[i * n + j] = value;
        }
        program.q.copy_from_slice(self.q.sample(index, n));
        program.b.copy_from_slice(self.b.sample(index, rows));
        program
    }

    /// The batch of the samples `indices`, in that order, with repetitions if any.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            structure: self.structure.clone(),
            batch: indices.len(),
            p: self.p.select(indices, self.structure.p().nnz()),
            q: self.q.select(indices, self.variables()),
            a: self.a.select(indices, self.structure.a().nnz()),
            b: self.b.select(indices, self.rows()),
        }
    }

    /// The samples of `self`, then those of `other`, with nothing shared.
    ///
    /// # Panics
    /// When the structures differ.
    pub fn join(&self, other: &Self) -> Self {
        assert_eq!(self.structure, other.structure, "batches of different structures");
        let join = |left: &Numbers, right: &Numbers, len: usize| {
            let of = |numbers: &Numbers, batch: usize| -> Vec<f64> {
                (0..batch).flat_map(|i| numbers.sample(i, len).to_vec()).collect()
            };
            Numbers::Each([of(left, self.batch), of(right, other.batch)].concat())
        };
        Self {
            structure: self.structure.clone(),
            batch: self.batch + other.batch,
            p: join(&self.p, &other.p, self.structure.p().nnz()),
            q: join(&self.q, &other.q, self.variables()),
            a: join(&self.a, &other.a, self.structure.a().nnz()),
            b: join(&self.b, &other.b, self.rows()),
        }
    }
}

/// One quadratic program as dense row-major matrices: minimize 1/2 x'Px + q'x subject to
/// `Ax + s = b`, where s is zero in the first `equalities` rows and nonnegative in the others.
///
/// In the form `Gx <= h, Ax = b` that layers take, the first rows are A and b, the others G and h.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseProgram {
    /// Number of variables, n.
    pub variables: usize,
    /// Number of equalities: the first rows.
    pub equalities: usize,
    /// Number of inequalities: the other rows.
    pub inequalities: usize,
    /// P, both triangles, `n * n`.
    pub p: Vec<f64>,
    /// q, `n`.
    pub q: Vec<f64>,
    /// A, `(equalities + inequalities) * n`.
    pub a: Vec<f64>,
    /// b, `equalities + inequalities`.
    pub b: Vec<f64>,
}

impl DenseProgram {
    /// All numbers zero.
    pub fn zeros(variables: usize, equalities: usize, inequalities: usize) -> Self {
        let rows = equalities + inequalities;
        Self {
            variables,
            equalities,
            inequalities,
            p: vec![0.0; variables * variables],
            q: vec![0.0; variables],
            a: vec![0.0; rows * variables],
            b: vec![0.0; rows],
        }
    }

    /// Number of rows of A.
    pub fn rows(&self) -> usize {
        self.equalities + self.inequalities
    }

    /// Row `i` of A.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.a[i * self.variables..(i + 1) * self.variables]
    }

    /// Row `i` of A, to change.
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.a[i * self.variables..(i + 1) * self.variables]
    }

    /// Matrix and right-hand side of the equalities.
    pub fn equality_block(&self) -> (&[f64], &[f64]) {
        (&self.a[..self.equalities * self.variables], &self.b[..self.equalities])
    }

    /// Matrix and right-hand side of the inequalities.
    pub fn inequality_block(&self) -> (&[f64], &[f64]) {
        (&self.a[self.equalities * self.variables..], &self.b[self.equalities..])
    }

    /// Entries of P on the upper-triangle pattern of `structure`, in its order.
    pub fn stored_p(&self, structure: &Structure) -> Vec<f64> {
        structure.p().entries().map(|(i, j)| self.p[i * self.variables + j]).collect()
    }

    /// Entries of A on the pattern of `structure`, in its order.
    pub fn stored_a(&self, structure: &Structure) -> Vec<f64> {
        structure.a().entries().map(|(i, j)| self.a[i * self.variables + j]).collect()
    }
}
