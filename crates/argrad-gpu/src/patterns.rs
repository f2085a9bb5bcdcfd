//! The structure of a program in the memory of a machine.

use argrad_solver::{Cone, Structure};

use crate::arguments::StructureArguments;
use crate::error::Error;
use crate::machine::Machine;

/// Patterns and kinds of rows, uploaded once.
pub(crate) struct Patterns<M: Machine> {
    /// Keeps alive what the addresses point to.
    _memory: Vec<M::Memory>,
    arguments: StructureArguments,
}

impl<M: Machine> Patterns<M> {
    pub(crate) fn new(machine: &M, structure: &Structure) -> Result<Self, Error> {
        let is_inequality = inequalities(structure)?;
        let (p, a) = (structure.p(), structure.a());
        let flags = |flags: &mut dyn Iterator<Item = bool>| flags.map(i32::from).collect();
        let lists: [Vec<i32>; 8] = [
            p.entries().map(|(row, _)| row as i32).collect(),
            p.entries().map(|(_, column)| column as i32).collect(),
            a.entries().map(|(row, _)| row as i32).collect(),
            a.entries().map(|(_, column)| column as i32).collect(),
            is_inequality.iter().map(|&is| i32::from(is)).collect(),
            flags(&mut (0..p.cols()).map(|j| structure.is_auxiliary(j))),
            flags(&mut (0..p.nnz()).map(|k| structure.is_zero_in_p(k))),
            flags(&mut (0..a.nnz()).map(|k| structure.is_zero_in_a(k))),
        ];
        let memory =
            lists.iter().map(|list| machine.upload_indices(list)).collect::<Result<Vec<_>, _>>()?;
        let [p_row, p_column, a_row, a_column, inequality, auxiliary, p_zero, a_zero] =
            std::array::from_fn(|k| machine.address(&memory[k]));
        let arguments = StructureArguments {
            n: p.cols() as i32,
            m: a.rows() as i32,
            p_len: p.nnz() as i32,
            a_len: a.nnz() as i32,
            inequalities: is_inequality.iter().filter(|&&is| is).count() as i32,
            convexity_checks: 0,
            p_row,
            p_column,
            a_row,
            a_column,
            is_inequality: inequality,
            is_auxiliary: auxiliary,
            p_is_zero: p_zero,
            a_is_zero: a_zero,
        };
        Ok(Self { _memory: memory, arguments })
    }

    /// Where they are.
    pub(crate) fn arguments(&self) -> StructureArguments {
        self.arguments
    }
}

/// Row by row, whether it is an inequality; an error where a row is neither that nor an equality.
fn inequalities(structure: &Structure) -> Result<Vec<bool>, Error> {
    let mut rows = Vec::with_capacity(structure.rows());
    for (index, cone) in structure.cones().iter().enumerate() {
        let is_inequality = match cone {
            Cone::Zero(_) => false,
            Cone::Nonnegative(_) => true,
            other => {
                return Err(Error::Unsupported {
                    argument: "cones",
                    expected: "zero and nonnegative cones",
                    found: format!("{other:?} at position {index}"),
                });
            }
        };
        rows.extend(std::iter::repeat_n(is_inequality, cone.dim()));
    }
    Ok(rows)
}
